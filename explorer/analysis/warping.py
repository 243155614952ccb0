"""Images seen through affine maps: bilinear, edges repeated. Coordinates are (down, right) from the centre of the image."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from explorer.records import Array

PIXELS = 2**16  # worked on at a time: what fits into a processor's cache


class Places(NamedTuple):
    """Where the pixels of some views come from, ``[P, S, S]`` each.

    corner: intp, the upper left of four neighbours in an image of S * S numbers. down, right: float32 in [0, 1), how far
    between them. inside: bool, no more than half a pixel outside the image, or its margin.
    """

    corner: Array
    down: Array
    right: Array
    inside: Array


def places(matrix: Array, shift: Array, side: int, margin: int = 0) -> Places:
    """Of out(x) = image(matrix @ x + shift), with matrix ``[P, 2, 2]`` and shift ``[P, 2]`` in pixels.

    margin: pixels along the edges of the image that count as outside.
    """
    centre = np.float32((side - 1) / 2)
    grid = np.arange(side, dtype=np.float32) - centre
    matrix, shift = matrix.astype(np.float32, copy=False), shift.astype(np.float32, copy=False)
    across = matrix[:, :, 1, None] * grid
    along = matrix[:, :, 0, None] * grid + shift[:, :, None]
    y, x = (along[:, i, :, None] + across[:, i, None, :] for i in (0, 1))
    inside = np.abs(y) < centre + np.float32(0.51 - margin)
    inside &= np.abs(x) < centre + np.float32(0.51 - margin)
    corner, right = _split(y, side), _split(x, side)
    corner *= side
    corner += right
    return Places(corner, y, x, inside)


def _split(position: Array, side: int) -> Array:
    """Whole part, from the first pixel on; what is left of it stays in ``position``."""
    position += np.float32((side - 1) / 2)
    np.clip(position, 0, np.float32(side - 1.001), out=position)
    whole = position.astype(np.intp)
    position -= whole
    return whole


def warp(maps: Array, source: Array, matrix: Array, shift: Array, margin: int = 0) -> tuple[Array, Array]:
    """Images seen through an affine map.

    Args:
        maps: float32 ``[N, C, S, S]``. source: int ``[P]``, which of them. matrix: ``[P, 2, 2]``; shift: ``[P, 2]`` in pixels.
        margin: pixels along the edges of an image that count as outside.

    Returns:
        float32 ``[P, C, S, S]`` with out(x) = maps(matrix @ x + shift), and bool ``[P, S, S]``, where that lies inside the image.
    """
    channels, side = maps.shape[1], maps.shape[-1]
    corner, down, right, inside = places(matrix, shift, side, margin)
    first = (source[:, None] * channels + np.arange(channels)) * (side * side)
    at = corner[:, None] + first[:, :, None, None]
    flat, down, right = maps.reshape(-1), down[:, None], right[:, None]
    upper = _between(flat, at, right)
    at += side
    lower = _between(flat, at, right)
    lower -= upper
    lower *= down
    upper += lower
    return upper, inside


def _between(flat: Array, at: Array, right: Array) -> Array:
    left = flat.take(at)
    step = flat.take(at + 1)
    step -= left
    step *= right
    left += step
    return left


def warping_matrix(matrix: Array, shift: Array, side: int) -> Array:
    """float32 ``[S * S, S * S]``: ``warp`` of one image by one affine map, as a matrix on its pixels, taken row by row."""
    corner, down, right, _ = (place.reshape(-1) for place in places(matrix[None], shift[None], side))
    rows = np.arange(side * side)
    weights = np.zeros((side * side, side * side), dtype=np.float32)
    for step, weight in ((0, (1 - down) * (1 - right)), (1, (1 - down) * right), (side, down * (1 - right)), (side + 1, down * right)):
        weights[rows, corner + step] = weight
    return weights
