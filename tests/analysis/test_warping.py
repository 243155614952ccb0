"""Images seen through affine maps, against numpy's own turns and shifts and against SciPy's interpolation."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from explorer.analysis.appearance import turned
from explorer.analysis.warping import places, warp, warping_matrix
from explorer.records import Array


def random_maps(count: int, channels: int, side: int, seed: int = 0) -> Array:
    return np.random.default_rng(seed).normal(size=(count, channels, side, side)).astype(np.float32)


def poses(count: int, side: int, seed: int = 1) -> tuple[Array, Array]:
    rng = np.random.default_rng(seed)
    return np.eye(2) + rng.normal(0, 0.3, (count, 2, 2)), rng.normal(0, 0.2 * side, (count, 2))


def test_the_identity_changes_nothing() -> None:
    maps = random_maps(4, 2, 9)
    seen, inside = warp(maps, np.array([3, 0]), np.eye(2)[None].repeat(2, 0), np.zeros((2, 2)))
    assert np.allclose(seen, maps[[3, 0]], atol=6e-3)  # the last row and column are read a thousandth of a pixel early
    assert np.array_equal(seen[..., :-1, :-1], maps[[3, 0], :, :-1, :-1]) and inside.all()


@pytest.mark.parametrize("shift", [(0, 1), (2, 0), (-3, 2), (-1, -1)])
def test_a_whole_shift_moves_pixels(shift: tuple[int, int]) -> None:
    maps = random_maps(1, 1, 12)
    seen, inside = warp(maps, np.zeros(1, int), np.eye(2)[None], np.array([shift], dtype=float))
    padded = np.pad(maps[0, 0], 4, mode="edge")
    y, x = 4 + shift[0], 4 + shift[1]
    assert np.allclose(seen[0, 0], padded[y : y + 12, x : x + 12], atol=6e-3)
    row = np.arange(12)
    within = [(row + step >= 0) & (row + step < 12) for step in shift]
    assert np.array_equal(inside[0], within[0][:, None] & within[1])


@pytest.mark.parametrize(("degrees", "turns"), [(90, 1), (-90, -1), (180, 2)])
def test_quarter_turns_are_those_of_numpy(degrees: float, turns: int) -> None:
    maps = random_maps(1, 3, 8)
    seen, inside = warp(maps, np.zeros(1, int), turned(degrees)[None], np.zeros((1, 2)))
    assert np.allclose(seen[0], np.rot90(maps[0], -turns, axes=(1, 2)), atol=1e-2) and inside.all()


@pytest.mark.parametrize("side", [8, 16, 32])
def test_between_pixels_it_is_what_scipy_interpolates(side: int) -> None:
    maps = random_maps(3, 2, side)
    matrix, shift = poses(6, side)
    source = np.array([0, 1, 2, 2, 1, 0])
    seen, inside = warp(maps, source, matrix, shift)
    centre = (side - 1) / 2
    grid = np.stack(np.meshgrid(np.arange(side), np.arange(side), indexing="ij")) - centre
    for n in range(6):
        at = np.einsum("ij,jyx->iyx", matrix[n], grid) + shift[n][:, None, None] + centre
        for channel in range(2):
            expected = ndimage.map_coordinates(maps[source[n], channel].astype(float), at, order=1, mode="nearest")
            assert np.abs(seen[n, channel] - expected).max() < 1e-2
        outside = np.maximum(-at, at - (side - 1)).max(axis=0)
        assert inside[n][outside < 0.5].all() and not inside[n][outside > 0.52].any()


def test_as_a_matrix_on_pixels_it_is_the_same() -> None:
    maps = random_maps(5, 1, 16)
    for matrix, shift in zip(*poses(8, 16), strict=True):
        seen, _ = warp(maps, np.arange(5), matrix[None].repeat(5, 0), shift[None].repeat(5, 0))
        weights = warping_matrix(matrix, shift, 16)
        assert np.allclose(maps.reshape(5, -1) @ weights.T, seen.reshape(5, -1), atol=1e-5)
        assert np.allclose(weights.sum(axis=1), 1, atol=1e-6) and (weights >= 0).all()


def test_places_never_leave_the_image() -> None:
    matrix, shift = poses(50, 16)
    found = places(5 * matrix, 3 * shift, 16)
    assert found.corner.min() >= 0 and (found.corner // 16).max() <= 14 and (found.corner % 16).max() <= 14
    assert min(found.down.min(), found.right.min()) >= 0 and max(found.down.max(), found.right.max()) < 1


def test_no_pairs_are_no_images() -> None:
    seen, inside = warp(random_maps(2, 3, 8), np.zeros(0, int), np.zeros((0, 2, 2)), np.zeros((0, 2)))
    assert seen.shape == (0, 3, 8, 8) and inside.shape == (0, 8, 8)
