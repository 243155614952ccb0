"""What an image looks like, as numbers: a label-free embedding in which near-duplicates of all kinds lie close together.

No network and no labels. Every image becomes two small maps: blurred luminance and its local contrast, both free of brightness
and contrast. A linear discriminant, fitted on the images at hand against randomly jittered copies of themselves, turns the maps
into few numbers that tell these images apart and ignore what jitter does. What linear maps cannot ignore (mirror, quarter
turn, crop, larger shift, turn or zoom) is looked up: an image is embedded once, and asked for in many *views* of itself.
Departure from learned copy detectors: closed form, fitted in a second on the data it is used on, the same numbers every time.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from functools import cache
from typing import NamedTuple

import numpy as np

from explorer.analysis.warping import warp, warping_matrix
from explorer.records import Array

SIDE = 32  # pixels; every image is looked at in this size
CELLS = 16  # side of the maps
DIMENSIONS = 48
SAMPLE, JITTERS = 1500, 3  # images and jittered copies of each, to fit the discriminant
SHRINKAGE = 0.02
SIMPLE_VIEWS = 9  # flips, quarter turns and negatives
THOROUGH = 20_000  # images
IDENTITY, MIRROR = np.eye(2), np.diag([1.0, -1.0])


class View(NamedTuple):
    """Where to look: view(x) = sign * image(matrix @ x + shift), x = (down, right) from the centre, shift in image sides."""

    matrix: Array
    shift: tuple[float, float]
    sign: int = 1


class Appearance(NamedTuple):
    """A fitted discriminant. projection: float32 ``[2 * CELLS**2, D]``, offset: float32 ``[D]``, from the maps of an image."""

    projection: Array
    offset: Array


# -- filters: small matrices that act on rows and columns -------------------------------------------


@cache
def blur(sigma: float) -> Array:
    """float32 ``[SIDE, SIDE]``: Gaussian blur of a row, borders reflected; sigma in pixels."""
    radius = int(np.ceil(3 * sigma))
    kernel = np.exp(-0.5 * (np.arange(-radius, radius + 1) / sigma) ** 2)
    matrix = np.zeros((SIDE, SIDE))
    for row in range(SIDE):
        for offset, weight in zip(range(-radius, radius + 1), kernel / kernel.sum(), strict=True):
            at = (row + offset) % (2 * SIDE)
            matrix[row, at if at < SIDE else 2 * SIDE - 1 - at] += weight
    return matrix.astype(np.float32)


@cache
def area(source: int, target: int) -> Array:
    """float32 ``[target, source]``: a row resized by averaging what each new pixel covers."""
    edges = np.arange(source + 1)
    starts = np.arange(target) * source / target
    covered = np.minimum(edges[1:], (starts + source / target)[:, None]) - np.maximum(edges[:-1], starts[:, None])
    covered = np.clip(covered, 0, None)
    return (covered / covered.sum(axis=1, keepdims=True)).astype(np.float32)


def both(images: Array, matrix: Array) -> Array:
    """A filter applied to rows and columns of ``[N, H, W]``."""
    return np.asarray(matrix @ (images.reshape(-1, images.shape[-1]) @ matrix.T).reshape(*images.shape[:-1], len(matrix)))


def luminance(images: Array) -> Array:
    """float32 ``[N, SIDE, SIDE]`` in [0, 1] of uint8 ``[N, H, W, C]`` with C = 1 or 3."""
    pixels = images.astype(np.float32) / 255
    grey = pixels[..., 0] if pixels.shape[-1] == 1 else pixels @ np.array([0.299, 0.587, 0.114], dtype=np.float32)
    return grey if grey.shape[1] == SIDE else both(grey, area(grey.shape[1], SIDE))


def local_contrast(light: Array, fine: float, coarse: float) -> Array:
    """A band of detail divided by its own strength around each pixel: about +-1 on edges, 0 on flat ground. ``[N, SIDE, SIDE]``."""
    band = both(light, blur(fine)) - both(light, blur(coarse))
    strength = np.sqrt(np.maximum(both(band * band, blur(4.0)), 0))
    return np.asarray(band / (strength + 0.02))


def maps_of(light: Array) -> Array:
    """float32 ``[N, 2, CELLS, CELLS]``: blurred luminance, centred, and local contrast, each of about unit variance."""
    down = area(SIDE, CELLS)
    soft = both(both(light, blur(1.0)), down)
    soft = soft - soft.mean(axis=(1, 2), keepdims=True)
    detail = both(both(local_contrast(light, 1.0, 3.0), blur(1.0)), down)
    stacked = np.stack([_scaled(soft, 0.02), _scaled(detail, 0.2)], axis=1)
    return np.ascontiguousarray(stacked, dtype=np.float32)


def _scaled(maps: Array, floor: float) -> Array:
    return np.asarray(maps / np.maximum(np.sqrt((maps * maps).mean(axis=(1, 2), keepdims=True)), floor))


# -- the discriminant -------------------------------------------------------------------------------


def fit_appearance(light: Array, dimensions: int = DIMENSIONS, strength: float = 1.0, seed: int = 0) -> Appearance:
    """Directions along which images differ most, compared with how far jitter moves one.

    Args:
        light: float32 ``[N, SIDE, SIDE]`` from ``luminance``; SAMPLE images ``by_content`` are enough.
        strength: of the geometric jitter; 1 is +-8 degrees, +-8 % and +-1.6 pixels.
    """
    rng = np.random.default_rng(seed)
    plain = maps_of(light).reshape(len(light), -1)
    moved = np.concatenate([maps_of(jitter(light, rng, strength)).reshape(len(light), -1) - plain for _ in range(JITTERS)])
    mean = plain.mean(axis=0)
    within = (moved.T @ moved / len(moved)).astype(np.float64)
    within += SHRINKAGE * np.trace(within) / len(within) * np.eye(len(within))
    among = ((plain - mean).T @ (plain - mean) / len(plain)).astype(np.float64)
    whitener = np.linalg.inv(np.linalg.cholesky(within))
    _, directions = np.linalg.eigh(whitener @ among @ whitener.T)
    projection = (whitener.T @ directions[:, ::-1][:, :dimensions]).astype(np.float32)
    return Appearance(projection, mean @ projection)


def by_content(images: Array) -> Array:
    """int64 ``[N]``: positions in an order that depends on the bytes of the images alone, as good as random."""
    digests = [hashlib.blake2b(image.tobytes(), digest_size=8).digest() for image in images]
    return np.array(sorted(range(len(images)), key=digests.__getitem__), dtype=np.int64)


def jitter(light: Array, rng: np.random.Generator, strength: float = 1.0) -> Array:
    """Copies changed a little in place and much in tone: turned, scaled, stretched, moved, recontrasted, noisy, blurred, covered."""
    count, draw = len(light), rng.uniform
    angle, scale, stretch = (strength * draw(-1, 1, (3, count))) * np.array([[np.deg2rad(8)], [0.08], [0.1]])
    turn = np.stack([np.stack([np.cos(angle), -np.sin(angle)], 1), np.stack([np.sin(angle), np.cos(angle)], 1)], 1)
    matrix = turn * np.exp(-scale)[:, None, None] * np.exp(np.stack([stretch, -stretch], 1) / 2)[:, None, :]
    copies, inside = warp(light[:, None], np.arange(count), matrix, strength * draw(-1.6, 1.6, (count, 2)))
    uncovered = ~inside & (rng.random(count) < 0.5)[:, None, None]
    copies = np.where(uncovered, rng.random((count, 1, 1)), copies[:, 0]).astype(np.float32)
    mean = copies.mean(axis=(1, 2), keepdims=True)
    copies = (copies - mean) * draw(0.6, 1.3, (count, 1, 1)) + mean
    copies += rng.normal(size=copies.shape) * draw(0, 0.08, (count, 1, 1))
    soft = rng.random(count) < 0.3
    copies[soft] = both(copies[soft].astype(np.float32), blur(1.5))
    return np.clip(_covered(copies.astype(np.float32), rng), 0, 1)


def _covered(copies: Array, rng: np.random.Generator) -> Array:
    """Half of them with a patch, a quarter with a frame, of one grey."""
    for n in np.flatnonzero(rng.random(len(copies)) < 0.5):
        size = int(rng.integers(5, 15))
        top, left = rng.integers(0, SIDE - size + 1, 2)
        copies[n, top : top + size, left : left + size] = rng.random()
    for n in np.flatnonzero(rng.random(len(copies)) < 0.25):
        width, grey = int(rng.integers(1, 4)), rng.random()
        inner = copies[n, width:-width, width:-width].copy()
        copies[n] = grey
        copies[n, width:-width, width:-width] = inner
    return copies


# -- views ------------------------------------------------------------------------------------------


def turned(degrees: float) -> Array:
    angle = np.deg2rad(degrees)
    return np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])


def views(count: int = 0) -> tuple[View, ...]:
    """The views an image is asked for in, SIMPLE_VIEWS flips first. Of a change and its inverse one is enough: either image may ask.

    92 up to THOROUGH images; beyond, where cost grows with the square, 42 that lie further apart.
    """
    return _views(count <= THOROUGH)


@cache
def _views(thorough: bool) -> tuple[View, ...]:
    flips = [IDENTITY, MIRROR, -MIRROR, -IDENTITY, turned(90), turned(90) @ MIRROR, turned(-90) @ MIRROR]
    turns = [m for a in ((14, 28, 42) if thorough else (14,)) for m in (turned(a), turned(a) @ MIRROR, turned(-a) @ MIRROR)]
    zooms = ((1.16, 3, 1), (1.35, 4, 2), (1.55, 5, 1)) if thorough else ((1.16, 3, 1), (1.4, 3, 1))
    shifts = [(y, x) for y in range(-2, 3) for x in range(-2, 3) if (y, x) > (0, 0) and (thorough or (y % 2, x % 2) == (0, 0))]
    crops = [(m, zoom, steps) for zoom, plain, mirrored in zooms for m, steps in ((IDENTITY, plain), (MIRROR, mirrored))]
    return (
        *(View(matrix, (0, 0)) for matrix in flips),
        *(View(matrix, (0, 0), -1) for matrix in (IDENTITY, MIRROR)),
        *(View(matrix, (0, 0)) for matrix in turns),
        *(view for crop in crops for view in _crops(*crop)),
        *(View(IDENTITY, (0.085 * y, 0.085 * x)) for y, x in shifts),
        *(View(MIRROR, (0.11 * y, 0.11 * x)) for y, x in ((1, 0), (0, 1), (1, 1), (1, -1), (-1, 0), (-1, 1))),
    )


def _crops(matrix: Array, zoom: float, steps: int) -> Iterator[View]:
    """Parts of the image, 1 / zoom of its side, at steps x steps places."""
    places = np.linspace(-1, 1, steps) * (1 - 1 / zoom) / 2 if steps > 1 else np.zeros(1)
    yield from (View(matrix / zoom, (y, x)) for y in places for x in places)


def projections(appearance: Appearance, views: tuple[View, ...]) -> Iterator[Array]:
    """For each view, the matrix so that ``unit(maps @ matrix - offset)`` embeds that view of an image from its own maps."""
    for view in views:
        seen = warping_matrix(view.matrix, CELLS * np.array(view.shift), CELLS).T
        yield view.sign * np.concatenate([seen @ part for part in np.split(appearance.projection, 2)])


def embed(appearance: Appearance, maps: Array) -> Array:
    """float32 ``[N, D]``, rows of length 1, of maps ``[N, 2, CELLS, CELLS]``; likeness is their inner product."""
    return unit(maps.reshape(len(maps), -1) @ appearance.projection - appearance.offset)


def unit(vectors: Array) -> Array:
    return np.asarray(vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-6))
