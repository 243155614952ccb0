"""What happens to images in the wild, to measure near-duplicate search on: none of it is code the search or its calibration uses."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageEnhance, ImageFilter, ImageOps

from explorer.records import Array

Change = Callable[[Array, np.random.Generator], Array]


class Planted(NamedTuple):
    """images: uint8, the originals and then the copies. source: int ``[n]``; change: ``[n]`` names; originals: how many there are."""

    images: Array
    source: Array
    change: Array
    originals: int


def plant(originals: Array, changes: dict[str, Change], each: int, seed: int = 1) -> Planted:
    """``each`` copies of every kind, every copy of another original."""
    rng = np.random.default_rng(seed)
    source = rng.permutation(len(originals))[: each * len(changes)]
    change = np.repeat(list(changes), each)
    copies = [changes[str(name)](originals[n], rng) for n, name in zip(source, change, strict=True)]
    return Planted(np.concatenate([originals, np.stack(copies)]), source, change, len(originals))


def pillow(edit: Callable[[Image.Image, np.random.Generator], Image.Image]) -> Change:
    def change(image: Array, rng: np.random.Generator) -> Array:
        edited = np.asarray(edit(Image.fromarray(image.squeeze(-1) if image.shape[-1] == 1 else image), rng))
        return edited.reshape(image.shape) if edited.size == image.size else np.repeat(edited[..., None], image.shape[-1], axis=2)

    return change


def jpeg(quality: int) -> Change:
    def edit(image: Image.Image, rng: np.random.Generator) -> Image.Image:
        file = io.BytesIO()
        image.save(file, "JPEG", quality=quality)
        return Image.open(file)

    return pillow(edit)


def moved(pixels: int) -> Change:
    def change(image: Array, rng: np.random.Generator) -> Array:
        padded = np.pad(image, ((pixels, pixels), (pixels, pixels), (0, 0)), mode="edge")
        down, right = rng.choice([0, 2 * pixels], 2)
        return padded[down : down + len(image), right : right + len(image)]

    return change


def crop(share: float, *, centred: bool) -> Change:
    def edit(image: Image.Image, rng: np.random.Generator) -> Image.Image:
        size = round(image.width * share)
        left, top = ((image.width - size) // 2,) * 2 if centred else rng.integers(0, image.width - size + 1, 2).tolist()
        return image.crop((left, top, left + size, top + size)).resize(image.size, Image.Resampling.BICUBIC)

    return pillow(edit)


def turn(low: float, high: float) -> Change:
    def change(image: Array, rng: np.random.Generator) -> Array:
        side = len(image)
        wide = np.pad(image, ((side, side), (side, side), (0, 0)), mode="reflect")
        turned = pillow(lambda i, r: i.rotate(float(r.uniform(low, high) * r.choice([-1, 1])), Image.Resampling.BICUBIC))(wide, rng)
        return turned[side : 2 * side, side : 2 * side]

    return change


def recolour(image: Array, rng: np.random.Generator) -> Array:
    """Another hue; a grey image another gamma."""
    if image.shape[-1] == 1:
        return np.rint(255 * (image / 255.0) ** rng.choice([0.5, 2.0])).astype(np.uint8)
    hsv = np.array(Image.fromarray(image).convert("HSV"))
    hsv[..., 0] += np.uint8(rng.integers(40, 216))
    return np.asarray(Image.fromarray(hsv, "HSV").convert("RGB"))


def noise(deviation: float) -> Change:
    return lambda image, rng: np.clip(image + rng.normal(0, deviation, image.shape), 0, 255).astype(np.uint8)


def stamp(image: Array, rng: np.random.Generator) -> Array:
    """A patch of one colour with two white lines, on a ninth of the image."""
    size = round(0.35 * len(image))
    top, left = rng.integers(0, len(image) - size + 1, 2)
    stamped = image.copy()
    patch = stamped[top : top + size, left : left + size]
    patch[:] = rng.integers(0, 256, image.shape[-1])
    patch[size // 4 : size // 4 + max(1, size // 6), 1:-1] = 255
    patch[size // 2 : size // 2 + max(1, size // 6), 1:-2] = 255
    return stamped


def salt_and_pepper(image: Array, rng: np.random.Generator) -> Array:
    spoilt = image.copy()
    where = rng.random(image.shape[:2]) < 0.06
    spoilt[where] = rng.choice([0, 255], int(where.sum()))[:, None]
    return spoilt


def frame(image: Array, rng: np.random.Generator) -> Array:
    width = max(1, round(len(image) * 3 / 32))
    framed = np.full_like(image, 0)
    framed[:] = rng.integers(0, 256, image.shape[-1])
    framed[width:-width, width:-width] = image[width:-width, width:-width]
    return framed


def stretch(image: Image.Image, rng: np.random.Generator) -> Image.Image:
    side, size = image.width, round(image.width / 1.3)
    start = (side - size) // 2
    box = (start, 0, start + size, side) if rng.random() < 0.5 else (0, start, side, start + size)
    return image.crop(box).resize(image.size, Image.Resampling.BICUBIC)


def perspective(image: Image.Image, rng: np.random.Generator) -> Image.Image:
    side = image.width
    c = rng.uniform(0, 0.15 * side, 8)
    corners = (c[0], c[1], c[2], side - c[3], side - c[4], side - c[5], side - c[6], c[7])
    return image.transform(image.size, Image.Transform.QUAD, corners, Image.Resampling.BICUBIC)


def smaller(image: Image.Image, rng: np.random.Generator) -> Image.Image:
    """Three quarters of the size, somewhere on a ground of one grey."""
    size = round(0.75 * image.width)
    ground = Image.new(image.mode, image.size, (int(rng.integers(0, 256)),) * len(image.getbands()))
    ground.paste(image.resize((size, size), Image.Resampling.BICUBIC), tuple(rng.integers(0, image.width - size + 1, 2).tolist()))
    return ground


def all_at_once(image: Array, rng: np.random.Generator) -> Array:
    """Perhaps mirrored, cropped to four fifths, another brightness, recompressed: what an upload goes through."""
    plain = np.ascontiguousarray(image[:, ::-1]) if rng.random() < 0.5 else image
    cropped = crop(0.8, centred=False)(plain, rng)
    lit = pillow(lambda i, r: ImageEnhance.Brightness(i).enhance(float(r.uniform(0.7, 1.3))))(cropped, rng)
    return jpeg(50)(lit, rng)


LIGHT: dict[str, Change] = {
    "JPEG 40": jpeg(40), "brightness +15 %": pillow(lambda i, r: ImageEnhance.Brightness(i).enhance(1.15)), "shift by 1": moved(1),
    "mirror": lambda image, rng: image[:, ::-1], "crop 28 of 32": crop(28 / 32, centred=True), "exact": lambda image, rng: image,
}  # fmt: skip
HARD: dict[str, Change] = {
    "turned 10-20": turn(10, 20), "moved by 5": moved(5), "cropped to 20 of 32": crop(20 / 32, centred=False), "recoloured": recolour,
    "noise 20": noise(20), "blurred": pillow(lambda i, r: i.filter(ImageFilter.GaussianBlur(1.5 * i.width / 32))), "stamped": stamp,
}  # fmt: skip
WILD: dict[str, Change] = {
    "upside down": lambda image, rng: image[::-1], "quarter turn": lambda image, rng: np.rot90(image, rng.choice([1, 3])),
    "turned 30-40": turn(30, 40), "perspective": pillow(perspective), "stretched": pillow(stretch), "smaller on a ground": pillow(smaller),
    "JPEG 10": jpeg(10), "half the contrast": pillow(lambda i, r: ImageEnhance.Contrast(i).enhance(0.5)),
    "gamma": lambda image, rng: np.rint(255 * (image / 255.0) ** rng.choice([0.5, 2.0])).astype(np.uint8),
    "8 levels": pillow(lambda i, r: ImageOps.posterize(i, 3)), "pixels of 2": pillow(
        lambda i, r: i.resize((i.width // 2,) * 2, Image.Resampling.BOX).resize(i.size, Image.Resampling.NEAREST)),
    "salt and pepper": salt_and_pepper, "framed": frame, "inverted": lambda image, rng: 255 - image, "noise 40": noise(40),
    "grey": pillow(lambda i, r: i.convert("L")), "all at once": all_at_once,
}  # fmt: skip
