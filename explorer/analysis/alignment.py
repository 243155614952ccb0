"""Laying one image over another: the affine map that fits best, and what then speaks for the two being one picture."""

from __future__ import annotations

from functools import cache
from typing import NamedTuple

import numpy as np

from explorer.analysis.appearance import SIDE, blur, both, local_contrast
from explorer.analysis.unit_rows import chunks
from explorer.analysis.warping import PIXELS, warp
from explorer.records import Array

DAMPING = 0.02
MARGIN = 2  # pixels along the edges that have no say in laying images over each other
SLOPES = np.array([0, 0, 1, 1, 0, 1])  # of the six unknowns of a step: the slope down (0) or right (1) that each is multiplied with,
_PLACE = np.array([1, 2, 1, 2, 0, 0])  # and 1 (0), place down (1) or place right (2);
PLACES = np.array([[0, 1, 2], [1, 3, 4], [2, 4, 5]])[_PLACE][:, _PLACE]  # column of ``_monomials`` for each two of them
BLOCKS = 4  # blocks in a row, for the local comparison
OCTAVES = ((0.5, 1.0), (1.0, 2.0), (2.0, 4.0))  # Gaussian widths, in pixels, between which a band of detail lies
INDEPENDENT = np.array([32.0, 8.0, 2.0])  # about how many independent numbers 8 x 8 pixels of each band hold
NOISE = 1e-5  # variance that compression leaves in a band, of a luminance in [0, 1]


class Pose(NamedTuple):
    """How the asking images are laid over the others: other(x) = sign * asking(matrix @ x + shift).

    matrix: float32 ``[P, 2, 2]``. shift: float32 ``[P, 2]``, down and right, in sides of the image. sign: float32 ``[P]``, -1 for
    negatives.
    """

    matrix: Array
    shift: Array
    sign: Array

    def taken(self, rows: Array | slice) -> Pose:
        return Pose(self.matrix[rows], self.shift[rows], self.sign[rows])


class Evidence(NamedTuple):
    """What speaks for two images that lie over each other.

    agreement: float64 ``[P]`` in [-1, 1], correlation of the coarsest octave, over all they share. blocks: float64 ``[P, 3, 16]``, in
    nats: how much better each block of one is foretold by the other than by chance, in each octave.
    """

    agreement: Array
    blocks: Array


def fine_detail(light: Array) -> Array:
    """float32 ``[N, 1, SIDE, SIDE]``: what images are laid over each other by, from luminance ``[N, SIDE, SIDE]``."""
    return local_contrast(light, 0.8, 2.5)[:, None].astype(np.float32)


def refined(maps: Array, asking: Array, other: Array, pose: Pose, iterations: int) -> Pose:
    """Gauss-Newton steps towards the affine map under which two images differ least; far-off pixels count less.

    Args:
        maps: float32 ``[N, 1, S, S]`` of unit scale. asking, other: int ``[P]``.

    Gradients are means of both images' (second-order convergence), steps are limited, and what lies outside either image or along
    its edges, where filters saw what the other image does not hold, has no say.
    A step changes no length by more than a fifth, so a pose that could be inverted still can.
    """
    matrix, shift = np.empty_like(pose.matrix), np.empty_like(pose.shift)
    for part in _parts(len(asking), maps):
        matrix[part], shift[part] = _refined(maps, asking[part], other[part], pose.taken(part), iterations)
    return Pose(matrix, shift, pose.sign)


def _refined(maps: Array, asking: Array, other: Array, pose: Pose, iterations: int) -> tuple[Array, Array]:
    side = maps.shape[-1]
    target, sign = maps[other, 0], pose.sign[:, None, None]
    slopes = _slopes(target)
    matrix, shift = pose.matrix, pose.shift
    for _ in range(iterations):
        seen, inside = warp(maps, asking, matrix, shift * side, MARGIN)
        step = _step(target, slopes, seen[:, 0] * sign, inside & _within(side)) / side
        shift = shift + (matrix @ np.clip(step[:, 4:], -0.08, 0.08)[..., None])[..., 0]
        matrix = matrix @ (np.eye(2, dtype=np.float32) + np.clip(step[:, :4].reshape(-1, 2, 2), -0.1, 0.1))
    return matrix, shift


@cache
def _within(side: int) -> Array:
    """bool ``[S, S]``: all but the margin."""
    within = np.zeros((side, side), dtype=bool)
    within[MARGIN:-MARGIN, MARGIN:-MARGIN] = True
    return within


def _step(target: Array, slopes: tuple[Array, Array], seen: Array, inside: Array) -> Array:
    """float32 ``[P, 6]``, in pixels: the affine map (matrix row by row, shift) that takes ``seen`` nearer to ``target``.

    The six columns of the linear system are the two slopes times 1, place down and place right. Their products are sums of
    products of slopes times products of places, so all sums are one matrix product.
    """
    y, x = ((a + b) / 2 for a, b in zip(slopes, _slopes(seen), strict=True))
    rest = target - seen
    weight = inside / (1 + rest * rest)
    products = np.empty((5, *rest.shape), dtype=np.float32)
    weighted_y, weighted_x = weight * y, weight * x
    for at, (one, two) in enumerate(((weighted_y, y), (weighted_y, x), (weighted_x, x), (weighted_y, rest), (weighted_x, rest))):
        np.multiply(one, two, out=products[at])
    sums = (products.reshape(5 * len(rest), -1) @ _monomials(rest.shape[-1])).reshape(5, len(rest), 6).astype(np.float64)
    normal = sums[SLOPES[:, None] + SLOPES, :, PLACES].transpose(2, 0, 1)
    damping = DAMPING * np.trace(normal, axis1=1, axis2=2) / 6 + 1e-3
    normal = normal + damping[:, None, None] * np.eye(6)
    return np.linalg.solve(normal, sums[3 + SLOPES, :, PLACES[-1]].T[..., None])[..., 0].astype(np.float32)


@cache
def _monomials(side: int) -> Array:
    """float32 ``[S * S, 6]``: 1, down, right, and their products, of every pixel; in sides of the image, from its centre."""
    place = (np.arange(side, dtype=np.float32) - (side - 1) / 2) / side
    down, right = np.repeat(place, side), np.tile(place, side)
    return np.stack([np.ones_like(down), down, right, down * down, down * right, right * right], axis=1).astype(np.float32)


def _slopes(maps: Array) -> tuple[Array, Array]:
    """(down, right) central differences of ``[P, S, S]``, one-sided at the edges."""
    return _differences(maps), _differences(maps.swapaxes(1, 2)).swapaxes(1, 2)


def _differences(maps: Array) -> Array:
    slope = np.empty_like(maps)
    np.subtract(maps[:, 2:], maps[:, :-2], out=slope[:, 1:-1])
    slope[:, 1:-1] *= 0.5
    np.subtract(maps[:, 1], maps[:, 0], out=slope[:, 0])
    np.subtract(maps[:, -1], maps[:, -2], out=slope[:, -1])
    return slope


def _parts(count: int, maps: Array) -> list[slice]:
    """Pairs at a time, as many as a processor's cache takes."""
    return chunks(count, max(1, PIXELS // maps[:1].size))


def correlation(maps: Array, asking: Array, other: Array, pose: Pose) -> Array:
    """float32 ``[P]`` in [-1, 1]: cosine of the first channel of the aligned maps, where they overlap."""
    found = np.zeros(len(asking), dtype=np.float32)
    for part in _parts(len(asking), maps):
        found[part] = _correlation(maps, asking[part], other[part], pose.taken(part))
    return found


def _correlation(maps: Array, asking: Array, other: Array, pose: Pose) -> Array:
    seen, inside = warp(maps, asking, pose.matrix, pose.shift * maps.shape[-1])
    seen, target = seen[:, 0] * inside, maps[other, 0] * inside
    size = np.sqrt(np.einsum("pyx,pyx->p", seen, seen) * np.einsum("pyx,pyx->p", target, target))
    return np.asarray(pose.sign * np.einsum("pyx,pyx->p", seen, target) / np.maximum(size, 1e-6))


def evidence(light: Array, asking: Array, other: Array, pose: Pose) -> Evidence:
    """From luminance ``[N, SIDE, SIDE]``; the octaves are filtered after one image is laid over the other, of what both hold.

    Blocks hold the mutual information of two Gaussians of their correlation. Smooth ground says nothing; what was covered costs
    only its own blocks.
    """
    found = Evidence(np.zeros(len(asking)), np.zeros((len(asking), len(OCTAVES), BLOCKS * BLOCKS)))
    for part in _parts(len(asking), light):
        found.agreement[part], found.blocks[part] = _evidence(light, asking[part], other[part], pose.taken(part))
    return found


def _evidence(light: Array, asking: Array, other: Array, pose: Pose) -> Evidence:
    seen, inside = warp(light[:, None], asking, pose.matrix, pose.shift * SIDE)
    shared = inside.astype(np.float32)
    one, two = _octaves(np.stack([seen[:, 0] * pose.sign[:, None, None], light[other]]), shared)
    product, power, other_power, overlap = _blocks(one * two), _blocks(one * one), _blocks(two * two), _blocks(shared[:, None])
    size = np.sqrt(power[:, -1].sum(axis=1) * other_power[:, -1].sum(axis=1))
    noise = NOISE * overlap + 1e-7
    rho = np.clip(product / np.sqrt((power + noise) * (other_power + noise)), 0, 0.99)
    pixels = (SIDE // BLOCKS) ** 2
    nats = -0.5 * INDEPENDENT[:, None] * (overlap / pixels) * np.log1p(-(rho**2))
    return Evidence(product[:, -1].sum(axis=1) / np.maximum(size, 1e-6), nats)


def _octaves(light: Array, shared: Array) -> Array:
    """float32 ``[2, P, 3, SIDE, SIDE]``: octaves of two images, as if there were nothing but what they share.

    Args:
        light: float32 ``[2, P, SIDE, SIDE]``. shared: float32 ``[P, SIDE, SIDE]``, 1 where both are, 0 elsewhere.
    """
    mean = (light * shared).sum(axis=(2, 3)) / np.maximum(shared.sum(axis=(1, 2)), 1)
    centred = (light - mean[..., None, None]) * shared
    blurred = {sigma: both(centred, blur(sigma)) / np.maximum(both(shared, blur(sigma)), 0.1) for sigma in sorted({*sum(OCTAVES, ())})}
    return np.stack([(blurred[low] - blurred[high]) * shared for low, high in OCTAVES], axis=2)


def _blocks(maps: Array) -> Array:
    """Sums over the blocks: ``[P, C, SIDE, SIDE]`` -> float64 ``[P, C, 16]``."""
    size = SIDE // BLOCKS
    split = maps.reshape(*maps.shape[:2], BLOCKS, size, BLOCKS, size)
    return np.asarray(split.sum(axis=(3, 5), dtype=np.float64).reshape(*maps.shape[:2], -1))
