"""`planted`: little pictures drawn by our own generator, so that the truth of every training image is known.

Each shows one object on a soft ground among loose shapes; all classes share one palette, so only the form tells them apart. Recorded are
* typical: a usual form of its class.
* atypical (5 %): a rare style of its class, the long tail: another form (a car from above, a palm), or a line drawing.
* near_duplicate (5 %): a changed copy of a typical image, half of them under the label of another class.
"""

from __future__ import annotations

import io
from collections.abc import Callable

import numpy as np
from PIL import Image, ImageDraw

from explorer.config import ConfigError
from explorer.data.splits import generator
from explorer.records import Array, DataError, Dataset, PlantedTruth, freeze

PLANTED_VERSION = "1"  # part of the data fingerprint: raise it whenever a pixel or a label changes
TRAIN_SIZE, TEST_SIZE, IMAGE_SIZE = 2_000, 1_000, 32
ATYPICAL_SHARE = NEAR_DUPLICATE_SHARE = 0.05


def load_planted(train_size: int = 0, *, seed: int = 0, image_size: int = 0, tested: bool = True) -> Dataset:
    """Draw N = ``train_size`` (0: 2,000) training and 1,000 test images (not ``tested``: none), S = ``image_size`` (0: 32) pixels wide.

    The same arguments give the same bytes; the test images depend on ``seed`` and ``image_size`` alone.

    Returns:
        images uint8 ``[N, S, S, 3]``; ``true_label`` is the class drawn, ``given_label`` differs from it for conflicting copies
        only; ``planted.partner`` is a typical image, used at most once. The test set has no copies and no wrong labels.

    Raises:
        ConfigError: for an image size outside 16..512. DataError: for fewer than 4 training images.
    """
    side, size = image_size or IMAGE_SIZE, train_size or TRAIN_SIZE
    if not 16 <= side <= 512:
        raise ConfigError("image_size", image_size, "is not 0 or a whole number from 16 to 512")
    if size < 4:
        raise DataError(f"only {size} training images: at least 4 are needed to train a classifier")
    train_plan, train_art, test_plan, test_art = generator(seed, "planted").spawn(4)
    true_label, given_label, planted = plan(size, round(NEAR_DUPLICATE_SHARE * size), train_plan)
    test_label, _, test_truth = plan(TEST_SIZE, 0, test_plan)
    test_label = test_label if tested else test_label[:0]
    return Dataset(
        name="planted", class_names=CLASS_NAMES, source_index=freeze(np.arange(size, dtype=np.int64)), source_rows=size, planted=planted,
        train_images=_images(true_label, planted, side, train_art), given_label=given_label, true_label=true_label,
        test_images=_images(test_label, test_truth, side, test_art), test_label=test_label, test_is_reference=True,
    )


def plan(size: int, copies: int, rng: np.random.Generator) -> tuple[Array, Array, PlantedTruth]:
    """(true label, given label, truth): classes balanced; atypical images and copies even over classes, random over positions."""
    rounds = rng.spawn(-(-size // len(CLASS_NAMES)))  # image i keeps its class whatever the size
    true_label = np.concatenate([r.permutation(len(CLASS_NAMES)) for r in rounds])[:size].astype(np.int64)
    pools = [rng.permutation(np.flatnonzero(true_label == c)).tolist() for c in rng.permutation(len(CLASS_NAMES))]
    pairs = [(pool.pop(), pool.pop()) for pool in (max(pools, key=len) for _ in range(copies))]
    atypical = [max(pools, key=len).pop() for _ in range(round(ATYPICAL_SHARE * size))]
    copy, source = rng.permutation(np.array(pairs, dtype=np.int64).reshape(-1, 2)).T
    kind, partner, transform = np.full(size, "typical", dtype="<U14"), np.full(size, -1, dtype=np.int64), np.full(size, "", dtype="<U13")
    kind[atypical], kind[copy], partner[copy] = "atypical", "near_duplicate", source
    transform[copy] = np.array(list(TRANSFORMS))[np.sort(np.arange(copies) % len(TRANSFORMS))]
    conflicting = copy[1::2]  # every second one of a list ordered by transform: half of all, and half of each transform
    given_label = true_label.copy()
    given_label[conflicting] = (true_label[conflicting] + rng.integers(1, len(CLASS_NAMES), len(conflicting))) % len(CLASS_NAMES)
    return freeze(true_label), freeze(given_label), PlantedTruth(freeze(kind), freeze(partner), freeze(transform))


def _images(label: Array, truth: PlantedTruth, side: int, rng: np.random.Generator) -> Array:
    """Draw uint8 ``[N, side, side, 3]``. Every image has its own generator: it depends on its position, class and kind only."""
    images = np.empty((len(label), side, side, 3), dtype=np.uint8)
    for i, own in enumerate(rng.spawn(len(images))):
        if truth.partner[i] < 0:
            images[i] = _picture(CLASS_NAMES[label[i]], bool(truth.kind[i] == "atypical"), side, own)
    for copy in np.flatnonzero(truth.partner >= 0):
        images[copy] = TRANSFORMS[str(truth.transform[copy])](images[truth.partner[copy]])
    return freeze(images)


# -- near-duplicates ---------------------------------------------------------------------------
def _recompressed(image: Array) -> Array:
    file = io.BytesIO()
    Image.fromarray(image).save(file, "JPEG", quality=40, subsampling=0)  # colour at full size: halved, 32 pixels are hardly a copy
    return np.asarray(Image.open(file))


def _cropped(image: Array) -> Array:
    side, edge = len(image), len(image) // 16
    return np.asarray(Image.fromarray(image).resize((side, side), Image.Resampling.BILINEAR, (edge, edge, side - edge, side - edge)))


TRANSFORMS: dict[str, Callable[[Array], Array]] = {  # of one image, uint8 [S, S, 3]
    "exact": np.copy, "recompression": _recompressed,
    "brightness": lambda image: np.minimum(np.rint(image * 1.15), 255).astype(np.uint8),
    "shift": lambda image: np.pad(image, ((0, 0), (1, 0), (0, 0)), mode="edge")[:, :-1],
    "mirror": np.fliplr, "crop": _cropped,
}

# -- one picture -------------------------------------------------------------------------------
PALETTE = np.array([(226, 98, 74), (236, 160, 62), (240, 200, 92), (118, 164, 88), (44, 148, 132), (62, 134, 196), (58, 84, 150),
                    (138, 92, 168), (212, 96, 142), (164, 84, 62)], dtype=float)
CREAM, INK = np.array((252.0, 246, 232)), np.array((34.0, 36, 58))


def _picture(name: str, atypical: bool, side: int, rng: np.random.Generator) -> Array:
    """One image, uint8 ``[side, side, 3]``: drawn enlarged, averaged down, lit from one side and given a little grain."""
    tilt, *usual, rare = FORMS[name]
    lines = atypical and rng.random() < 0.5
    form = rare if atypical and not lines else usual[rng.integers(len(usual))]
    hard = rng.random() ** 8  # most pictures are easy; a few are small, turned, off centre or half covered
    colours, big, place = _colours(rng), side * max(2, 128 // side), _placement(tilt, hard, rng)
    cells = rng.normal(0, 8, (6, 6, 1)) + rng.normal(0, 5, (6, 6, 3)) + np.linspace(-1, 1, 6)[:, None, None] * rng.normal(0, 22)
    clouds = Image.fromarray(np.clip(colours["ground"] + cells, 0, 255).astype(np.uint8))
    draw = ImageDraw.Draw(canvas := clouds.resize((big, big), Image.Resampling.BICUBIC), "RGBA")
    for _ in range(rng.integers(1, 5)):
        _loose_shape(draw, rng, alpha=int(rng.integers(70, 150)))
    placed = [(role, place(corners)) for role, *polygons in form for corners in polygons]
    for _, corners in placed:  # the paper rim of a sticker; in a line drawing the lines themselves
        _paint(draw, corners, colours["line" if lines else "rim"], line=1 / 26 if lines else 1 / 14)
    for role, corners in placed if not lines else ():
        _paint(draw, corners, colours[role])
    if rng.random() < 0.15 + 0.8 * hard:
        _loose_shape(draw, rng, larger=0.45 * hard)
    small = np.asarray(canvas.reduce(big // side), dtype=float)
    ramp, (across, down) = np.linspace(-0.1, 0.1, side), rng.uniform(-1, 1, 2)
    light = 1 + across * ramp[None, :, None] + down * ramp[:, None, None]
    return np.clip(np.rint(small * light + rng.normal(0, 5, small.shape)), 0, 255).astype(np.uint8)


def _colours(rng: np.random.Generator) -> dict[str, Array]:
    """Colour of each role: full colours on a pale ground by day, lightened ones on a dark ground by night."""
    ground, body, accent = PALETTE[rng.permutation(len(PALETTE))[:3]]
    far, near = (INK, CREAM) if rng.random() < 0.2 else (CREAM, INK)
    return {
        "ground": 0.5 * ground + 0.5 * far, "body": 0.85 * body + 0.15 * near, "accent": 0.85 * accent + 0.15 * near, "line": near,
        "shade": 0.65 * body + 0.35 * INK, "dark": 0.9 * INK + 0.1 * body, "light": 0.9 * CREAM + 0.1 * accent, "rim": CREAM,
    }


def _loose_shape(draw: ImageDraw.ImageDraw, rng: np.random.Generator, alpha: int = 255, larger: float = 0) -> None:
    """A disc, triangle or bar of any colour that has nothing to do with the object; a larger one is nearer to the middle."""
    turned = LOOSE[rng.integers(len(LOOSE))] @ _rotation(rng.uniform(0, 360)) * (rng.uniform(0.1, 0.26) + larger)
    _paint(draw, turned + rng.uniform(-1, 1, 2) * (1 - larger), PALETTE[rng.integers(len(PALETTE))] * 0.75 + CREAM * 0.25, alpha)


def _placement(tilt: float, hard: float, rng: np.random.Generator) -> Callable[[Array], Array]:
    """A map of corners ``[P, 2]`` into the picture: bent, stretched, perhaps mirrored, turned by up to ``tilt`` degrees, scaled, moved."""
    phase, bend, stretch = rng.uniform(0, 6.28, 2), rng.uniform(0.02, 0.06), rng.uniform(0.93, 1.07)
    size, turn = rng.uniform(0.77, 0.9) - 0.4 * hard * rng.random(), _rotation(rng.uniform(-tilt, tilt) * (0.13 + 0.87 * hard))
    matrix = size * np.diag([rng.choice([-1, 1]) * stretch, 1 / stretch]) @ turn
    centre = rng.uniform(-1, 1, 2) * min(1 - size, 0.03 + hard)
    return lambda corners: (corners + bend * np.sin(2.5 * corners[:, ::-1] + phase)) @ matrix + centre


def _paint(draw: ImageDraw.ImageDraw, corners: Array, colour: Array, alpha: int = 255, line: float = 0) -> None:
    """Fill the polygon or, with ``line`` as a share of the picture's side, draw its outline."""
    big, fill = draw.im.size[0], (*colour.astype(int).tolist(), alpha)
    pixels = ((corners + 1) * (big / 2)).ravel().tolist()
    if line:
        draw.line([*pixels, *pixels[:4]], fill=fill, width=int(big * line))
    else:
        draw.polygon(pixels, fill=fill)


# -- forms: polygons [P, 2] in a frame from -1 to 1, x to the right and y down, painted in order --
Form = list[tuple[str, *tuple[Array, ...]]]  # role in the colouring, then the polygons of that colour


def _poly(*xy: float) -> Array:
    return np.array(xy, dtype=float).reshape(-1, 2)


def _box(left: float, top: float, right: float, bottom: float) -> Array:
    return _poly(left, top, right, top, right, bottom, left, bottom)


def _disc(x: float, y: float, rx: float, ry: float = 0, start: float = 0, stop: float = 360, corners: int = 24) -> Array:
    """An ellipse, or the part of it between two angles in degrees, clockwise from the right."""
    angles = np.radians(np.linspace(start, stop, corners, endpoint=stop - start < 360))
    return np.stack([x + rx * np.cos(angles), y + (ry or rx) * np.sin(angles)], axis=1)


def _star(points: int, inner: float, radius: float) -> Array:
    return _disc(0, 0, radius, 0, -90, 270, 2 * points) * np.where(np.arange(2 * points) % 2, inner, 1)[:, None]


def _rotation(degrees: float) -> Array:
    """Matrix for ``corners @ matrix``, turning clockwise on the screen."""
    c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    return np.array([[c, s], [-s, c]])


def _around(corners: Array, times: int) -> list[Array]:
    return [corners @ _rotation(360 * k / times) for k in range(times)]


LOOSE = _disc(0, 0, 1), _disc(0, 0, 1, corners=3), _box(-2, -0.25, 2, 0.25)
BLADE = np.concatenate([_disc(-0.55, 0, 1.05, 0, -58, 58), _disc(0.55, 0, 1.05, 0, 122, 238)])  # a pointed oval, upright
HULL, WHEELS = _poly(-.95, .3, .95, .3, .6, .85, -.65, .85), (_disc(-.5, .45, .26), _disc(.5, .45, .26))
MAST, STEM = _box(-.05, -.95, .05, .4), _box(-.05, .6, .05, 1)
FORMS: dict[str, tuple[float, Form, Form, Form]] = {  # class: largest tilt in degrees, two usual forms, the rare form
    "boat": (20, [("dark", MAST), ("light", _poly(.1, -.9, .8, .2, .1, .2)), ("accent", _poly(-.1, -.6, -.1, .2, -.7, .2)), ("body", HULL)],
        [("dark", MAST), ("accent", _poly(-.5, -.75, .5, -.75, .7, .1, -.7, .1)), ("body", HULL)],
        [("accent", _box(.05, -.75, .33, 0)), ("light", _disc(.5, -.8, .17), _disc(.78, -.65, .14), _box(-.5, -.2, .6, .35)),
         ("dark", _box(-.35, -.05, -.1, .15), _box(.15, -.05, .4, .15)), ("body", HULL)]),
    "car": (20, [("body", _poly(-.95, .45, -.95, .05, -.6, -.05, -.35, -.5, .35, -.5, .65, -.05, .95, .05, .95, .45)), ("dark", *WHEELS),
         ("light", _poly(-.45, -.03, -.28, -.38, -.04, -.38, -.04, -.03), _poly(.06, -.03, .06, -.38, .28, -.38, .5, -.03))],
        [("body", _box(-.95, -.5, .35, .45)), ("accent", _poly(.35, -.25, .7, -.25, .95, .1, .95, .45, .35, .45)),
         ("light", _poly(.45, -.15, .65, -.15, .82, .1, .45, .1)), ("dark", *WHEELS)],
        [("dark", *(_box(x, y, x + .3, y + .24) for x in (-.65, .35) for y in (-.62, .38))), ("body", _disc(0, 0, .9, .5, 22, 382, 8)),
         ("dark", _poly(.3, -.32, .5, -.25, .5, .25, .3, .32), _box(-.6, -.25, -.45, .25)), ("shade", _box(-.4, -.32, .25, .32))]),
    "cup": (20, [("body", _disc(.5, 0, .42)), ("ground", _disc(.5, 0, .24)), ("body", _poly(-.65, -.6, .55, -.6, .45, .75, -.55, .75)),
         ("accent", _poly(-.63, -.2, .51, -.2, .48, .2, -.6, .2)), ("shade", _disc(-.05, -.6, .6, .16))],
        [("accent", _disc(0, .68, .9, .14)), ("body", _disc(.7, 0, .28)), ("ground", _disc(.7, 0, .15)),
         ("body", _disc(0, -.3, .8, 1, 0, 180)), ("shade", _disc(0, -.3, .8, .17))],
        [("body", _disc(0, -.7, .6, 1, 0, 180), _box(-.1, 0, .1, .9), _disc(0, .9, .5, .1)), ("accent", _disc(0, -.4, .5, .5, 0, 180))]),
    "fish": (35, [("accent", _poly(-.3, -.3, .3, -.8, .35, -.2)), ("body", _poly(.4, 0, .95, -.5, .8, 0, .95, .5), _disc(-.1, 0, .8, .45)),
         ("accent", _poly(-.1, .1, .3, .35, .2, 0)), ("light", _disc(-.55, -.1, .14)), ("dark", _disc(-.57, -.1, .07))],
        [("accent", _poly(-.3, -.3, .5, -.95, .2, 0, .5, .95, -.3, .3)), ("body", _poly(.3, 0, .9, -.35, .9, .35), _disc(-.2, 0, .62, .55)),
         ("light", _box(-.15, -.5, .05, .5)), ("dark", _disc(-.55, -.12, .1))],
        [("body", _poly(.5, 0, .98, -.3, .98, .3)), ("shade", _star(14, .75, .85)), ("body", _disc(0, 0, .62)),
         ("light", _disc(-.05, .25, .45, .32)), ("dark", _disc(-.35, -.2, .12)), ("accent", _poly(.1, -.05, .45, .1, .1, .25))]),
    "flower": (180, [("body", *_around(_disc(0, -.55, .36, .42), 5)), ("accent", _disc(0, 0, .28))],
        [("body", *_around(_disc(0, -.6, .19, .38), 8)), ("dark", _disc(0, 0, .26))],
        [("shade", _box(-.07, 0, .07, .95), _poly(0, .9, .5, .1, .4, .7), _poly(0, .9, -.5, .3, -.35, .8)),
         ("body", _poly(-.5, -.9, -.25, -.5, 0, -.95, .25, -.5, .5, -.9, .45, -.15, .2, .1, -.2, .1, -.45, -.15))]),
    "house": (15, [("body", _box(-.7, -.1, .7, .9)), ("accent", _poly(-.95, -.1, 0, -.9, .95, -.1)), ("dark", _box(-.15, .3, .15, .9)),
         ("light", _box(-.52, .1, -.28, .4), _box(.28, .1, .52, .4))],
        [("shade", _box(.3, -.95, .55, -.4)), ("body", _box(-.8, -.1, .8, .8)), ("accent", _poly(-.95, 0, -.65, -.65, .65, -.65, .95, 0)),
         ("dark", _box(-.6, .2, -.3, .8)), ("light", _box(0, .2, .55, .55))],
        [("body", _box(-.45, -.95, .45, .95)), ("light", *(_box(x, y, x + .24, y + .24) for x in (-.32, .08) for y in (-.8, -.4, 0, .4)))]),
    "leaf": (180, [("shade", STEM), ("body", BLADE), ("shade", _box(-.03, -.7, .03, .8)),
         ("shade", *(_poly(0, y, s * .32, y - .28, s * .3, y - .2, 0, y + .1) for y in (-.15, .3) for s in (-1, 1)))],
        [("dark", STEM), ("body", BLADE * (1.35, .95)), ("accent", BLADE[:24] * (1.35, .95))],
        [("shade", STEM * (.8, 4) - (0, 3)), ("body", BLADE * .4 - (0, .6)),
         ("body", *(BLADE * (.35, .5) @ _rotation(s * 65) + (s * .42, y) for y in (-.15, .25, .65) for s in (-1, 1)))]),
    "mushroom": (20, [("light", _poly(-.2, 0, .2, 0, .32, .9, -.32, .9)), ("body", _disc(0, .1, .88, .9, 180, 360)),
         ("light", _disc(-.4, -.2, .13), _disc(.05, -.45, .16), _disc(.45, -.15, .12))],
        [("light", _poly(-.14, 0, .14, 0, .2, .95, -.2, .95)), ("body", _poly(-.75, .05, -.4, -.55, 0, -.9, .4, -.55, .75, .05))],
        [("body", _disc(0, 0, .88)), ("light", _disc(0, 0, .18)), ("light", *_around(_disc(0, -.55, .15), 6))]),
    "star": (180, [("body", _star(5, .42, .98))], [("accent", _star(5, .55, .98)), ("body", _star(5, .55, .68))],
        [("light", *(_poly(-.25, y / 2 - .2, .98, y, -.25, y / 2 + .2) for y in (-.7, 0, .7))), ("body", _star(5, .42, .65) - (.35, 0))]),
    "tree": (15, [("dark", _box(-.13, .2, .13, .95)), ("body", _disc(-.4, -.05, .42), _disc(.4, -.05, .42), _disc(0, -.45, .48))],
        [("dark", _box(-.1, .4, .1, .98)),
         ("body", _poly(-.75, .55, 0, -.1, .75, .55), _poly(-.62, .1, 0, -.5, .62, .1), _poly(-.45, -.3, 0, -.95, .45, -.3))],
        [("dark", _poly(-.05, -.3, .1, -.3, .3, .95, .05, .95)),
         ("body", *((BLADE * (.32, .5) - (0, .45)) @ _rotation(d) - (0, .35) for d in (-120, -75, -30, 30, 75, 120)))]),
}
CLASS_NAMES = tuple(FORMS)
