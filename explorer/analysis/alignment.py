"""Laying one image over another: the affine map that fits best, and what then speaks for the two being one picture."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from explorer.analysis.appearance import SIDE, blur, both, local_contrast, warp
from explorer.records import Array

CHUNK = 1024  # pairs at a time
DAMPING = 0.02
BLOCKS = 4  # blocks in a row, for the local comparison
OCTAVES = ((0.5, 1.0), (1.0, 2.0), (2.0, 4.0))  # Gaussian widths, in pixels, between which a band of detail lies
INDEPENDENT = np.array([32.0, 8.0, 2.0])  # about how many independent numbers 8 x 8 pixels of each band hold
NOISE = 1e-5  # variance that compression leaves in a band, of a luminance in [0, 1]


class Pose(NamedTuple):
    """How the asking images are laid over the others: other(x) = sign * asking(matrix @ x + shift).

    matrix: float32 ``[P, 2, 2]``. shift: float32 ``[P, 2]``, down and right, in sides of the image. sign: float32 ``[P]``, -1 for negatives.
    """

    matrix: Array
    shift: Array
    sign: Array

    def __getitem__(self, chosen: object) -> Pose:  # type: ignore[override]
        return Pose(self.matrix[chosen], self.shift[chosen], self.sign[chosen])


class Detail(NamedTuple):
    """What alignment works on. fine: local contrast, bands: octaves of luminance; float32 ``[N, C, SIDE, SIDE]``."""

    fine: Array
    bands: Array


def detail_of(light: Array) -> Detail:
    """From luminance ``[N, SIDE, SIDE]``."""
    blurred = {sigma: both(light, blur(sigma)) for octave in OCTAVES for sigma in octave}
    bands = np.stack([blurred[low] - blurred[high] for low, high in OCTAVES], axis=1)
    return Detail(local_contrast(light, 0.8, 2.5)[:, None].astype(np.float32), bands.astype(np.float32))


def refined(maps: Array, asking: Array, other: Array, pose: Pose, iterations: int) -> Pose:
    """Gauss-Newton steps towards the affine map under which two images differ least; far-off pixels count less.

    Args:
        maps: float32 ``[N, 1, S, S]`` of unit scale. asking, other: int ``[P]``.

    Gradients are means of both images' (second-order convergence), steps are limited, and what lies outside the image has no say.
    """
    parts = [_refined(maps, asking[s], other[s], pose[s], iterations) for s in _chunks(len(asking))]
    return Pose(np.concatenate([p.matrix for p in parts]), np.concatenate([p.shift for p in parts]), pose.sign) if parts else pose


def _refined(maps: Array, asking: Array, other: Array, pose: Pose, iterations: int) -> Pose:
    side, pairs = maps.shape[-1], len(asking)
    place = (np.arange(side, dtype=np.float32) - (side - 1) / 2) / side
    down, right = place[:, None], place[None, :]
    target = maps[other, 0]
    slope = _slopes(target)
    matrix, shift = pose.matrix, pose.shift
    for _ in range(iterations):
        seen, inside = warp(maps, asking, matrix, shift * side)
        seen = seen[:, 0] * pose.sign[:, None, None]
        y, x = ((a + b) * (0.5 * inside) for a, b in zip(slope, _slopes(seen), strict=True))
        rest = ((target - seen) * inside).reshape(pairs, -1, 1)
        columns = np.stack([y * down, y * right, x * down, x * right, y, x], axis=1).reshape(pairs, 6, -1)
        weighted = columns / (1 + rest * rest).reshape(pairs, 1, -1)
        normal = weighted @ columns.transpose(0, 2, 1)
        damping = DAMPING * np.trace(normal, axis1=1, axis2=2) / 6 + 1e-3
        normal += damping[:, None, None] * np.eye(6, dtype=np.float32)
        step = np.linalg.solve(normal, weighted @ rest)[..., 0] / side
        change = np.eye(2, dtype=np.float32) + np.clip(step[:, :4].reshape(-1, 2, 2), -0.1, 0.1)
        shift = shift + (matrix @ np.clip(step[:, 4:], -0.08, 0.08)[..., None])[..., 0]
        matrix = matrix @ change
    return Pose(matrix.astype(np.float32), shift.astype(np.float32), pose.sign)


def _slopes(maps: Array) -> tuple[Array, Array]:
    """(down, right) central differences of ``[P, S, S]``, one-sided at the edges."""
    y, x = np.empty_like(maps), np.empty_like(maps)
    y[:, 1:-1], y[:, 0], y[:, -1] = (maps[:, 2:] - maps[:, :-2]) / 2, maps[:, 1] - maps[:, 0], maps[:, -1] - maps[:, -2]
    x[:, :, 1:-1], x[:, :, 0], x[:, :, -1] = (maps[..., 2:] - maps[..., :-2]) / 2, maps[..., 1] - maps[..., 0], maps[..., -1] - maps[..., -2]
    return y, x


def _chunks(count: int) -> list[slice]:
    return [slice(start, start + CHUNK) for start in range(0, count, CHUNK)]


def correlation(maps: Array, asking: Array, other: Array, pose: Pose) -> Array:
    """float32 ``[P]`` in [-1, 1]: cosine of the first channel of the aligned maps, where they overlap."""
    return np.concatenate([_correlation(maps, asking[s], other[s], pose[s]) for s in _chunks(len(asking))] or [np.zeros(0, np.float32)])


def _correlation(maps: Array, asking: Array, other: Array, pose: Pose) -> Array:
    seen, inside = warp(maps, asking, pose.matrix, pose.shift * maps.shape[-1])
    seen, target = seen[:, 0] * inside, maps[other, 0] * inside
    size = np.sqrt(np.einsum("pyx,pyx->p", seen, seen) * np.einsum("pyx,pyx->p", target, target))
    return np.asarray(pose.sign * np.einsum("pyx,pyx->p", seen, target) / np.maximum(size, 1e-6))


def evidence(detail: Detail, asking: Array, other: Array, pose: Pose) -> Array:
    """float64 ``[P, 3, 16]``, in nats: how much better each block of one image is foretold by the other than by chance, in three bands.

    The mutual information of two Gaussians of that correlation. Smooth ground says nothing; what was covered costs only its own blocks.
    """
    parts = [_evidence(detail.bands, asking[s], other[s], pose[s]) for s in _chunks(len(asking))]
    return np.concatenate(parts or [np.zeros((0, len(OCTAVES), BLOCKS * BLOCKS))])


def _evidence(bands: Array, asking: Array, other: Array, pose: Pose) -> Array:
    seen, inside = warp(bands, asking, pose.matrix, pose.shift * SIDE)
    seen, target = seen * (inside * pose.sign[:, None, None])[:, None], bands[other] * inside[:, None]
    noise = NOISE * _blocks(inside[:, None]) + 1e-7
    rho = _blocks(seen * target) / np.sqrt((_blocks(seen * seen) + noise) * (_blocks(target * target) + noise))
    pixels = (SIDE // BLOCKS) ** 2
    return -0.5 * INDEPENDENT[:, None] * (_blocks(inside[:, None]) / pixels) * np.log1p(-(np.clip(rho, 0, 0.99) ** 2))


def _blocks(maps: Array) -> Array:
    """Sums over the blocks: ``[P, C, SIDE, SIDE]`` -> float64 ``[P, C, 16]``."""
    size = SIDE // BLOCKS
    split = maps.reshape(*maps.shape[:2], BLOCKS, size, BLOCKS, size)
    return np.asarray(split.sum(axis=(3, 5), dtype=np.float64).reshape(*maps.shape[:2], -1))
