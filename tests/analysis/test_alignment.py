"""Laying one image over another: known affine maps are recovered, and evidence is what it says on flat ground, noise and copies."""

from __future__ import annotations

import numpy as np
import pytest

from explorer.analysis import alignment
from explorer.analysis.alignment import BLOCKS, INDEPENDENT, OCTAVES, Pose, correlation, evidence, refined
from explorer.analysis.appearance import IDENTITY, MIRROR, SIDE, blur, both, luminance, turned
from explorer.analysis.warping import warp
from explorer.records import Array
from tests.analysis.pictures import pictures

pytestmark = pytest.mark.usefixtures("one_thread")


def texture(matrix: Array, shift: tuple[float, float], side: int = SIDE, seed: int = 0) -> Array:
    """float32 ``[1, S, S]``: a smooth sum of waves at matrix @ x + shift, in sides of the image, of unit strength: nothing interpolated."""
    rng = np.random.default_rng(seed)
    place = (np.arange(side) - (side - 1) / 2) / side
    grid = np.stack(np.meshgrid(place, place, indexing="ij"))
    at = np.einsum("ij,jyx->iyx", matrix, grid) + np.array(shift)[:, None, None]
    waves, phases = rng.normal(0, 9, (24, 2)), rng.uniform(0, 2 * np.pi, 24)
    value = np.cos(np.einsum("wi,iyx->wyx", waves, at) + phases[:, None, None]).sum(axis=0)
    return (value / np.sqrt(12))[None].astype(np.float32)


def pose(*matrices: Array, shift: tuple[float, float] = (0, 0), sign: float = 1) -> Pose:
    count = len(matrices)
    return Pose(np.array(matrices, np.float32), np.array([shift] * count, np.float32), np.full(count, sign, np.float32))


ONE, TWO = np.array([0]), np.array([1])

AFFINE = [
    (IDENTITY, (0.0, 0.0)),
    (IDENTITY, (0.05, -0.04)),
    (turned(7), (0.0, 0.02)),
    (1.08 * IDENTITY, (-0.02, 0.0)),
    (np.array([[1.06, 0.03], [-0.02, 0.95]]), (0.03, 0.03)),
]


@pytest.mark.parametrize("side", [16, 32])
@pytest.mark.parametrize(("matrix", "shift"), AFFINE)
def test_a_known_affine_map_is_found(matrix: Array, shift: tuple[float, float], side: int) -> None:
    maps = np.stack([texture(IDENTITY, (0, 0), side), texture(matrix, shift, side)])
    found = refined(maps, ONE, TWO, pose(IDENTITY), 8)
    edge = np.array([(y, x) for y in (-0.5, 0.5) for x in (-0.5, 0.5)])
    apart = edge @ (found.matrix[0] - matrix).T + found.shift[0] - shift
    assert np.abs(apart).max() * side < 0.25  # pixels, at the corners
    assert correlation(maps, ONE, TWO, found)[0] > 0.97


@pytest.mark.parametrize("matrix", [MIRROR, turned(90), -IDENTITY])
def test_it_starts_from_the_pose_it_is_given(matrix: Array) -> None:
    maps = np.stack([texture(IDENTITY, (0, 0)), texture(turned(5) @ matrix, (0.02, 0))])
    found = refined(maps, ONE, TWO, pose(matrix), 8)
    assert np.abs(found.matrix[0] - turned(5) @ matrix).max() < 0.01 and np.abs(found.shift[0] - (0.02, 0)).max() < 0.01


def test_a_negative_is_laid_over_with_its_sign() -> None:
    maps = np.stack([texture(IDENTITY, (0, 0)), -texture(IDENTITY, (0.04, 0.03))])
    found = refined(maps, ONE, TWO, pose(IDENTITY, sign=-1), 8)
    assert np.abs(found.shift[0] - (0.04, 0.03)).max() * SIDE < 0.25 and found.sign.tolist() == [-1]
    assert correlation(maps, ONE, TWO, found)[0] > 0.97
    assert correlation(maps, ONE, TWO, found._replace(sign=-found.sign))[0] < -0.97


def test_a_step_solves_the_weighted_least_squares_it_stands_for() -> None:
    """Column by column, in float64, against numpy's own solver."""
    target, seen = texture(IDENTITY, (0, 0), 16), texture(turned(3), (0.02, 0.01), 16)
    inside = np.ones((1, 16, 16), dtype=bool)
    inside[:, :3] = False
    place = (np.arange(16) - 7.5) / 16
    y, x = ((np.gradient(target[0].astype(float), axis=axis) + np.gradient(seen[0].astype(float), axis=axis)) / 2 for axis in (0, 1))
    down, right = np.meshgrid(place, place, indexing="ij")
    columns = np.stack([y * down, y * right, x * down, x * right, y, x], axis=-1)[inside[0]]
    rest = (target - seen)[inside].astype(float)
    weight = 1 / (1 + rest**2)
    normal = columns.T @ (weight[:, None] * columns)
    normal += (alignment.DAMPING * np.trace(normal) / 6 + 1e-3) * np.eye(6)
    expected = np.linalg.solve(normal, columns.T @ (weight * rest))
    found = alignment._step(target, alignment._slopes(target), seen, inside)
    assert found[0] == pytest.approx(expected, rel=1e-3, abs=1e-4)


def test_slopes_are_central_differences() -> None:
    maps = np.random.default_rng(0).normal(size=(3, 9, 9)).astype(np.float32)
    down, right = alignment._slopes(maps)
    assert np.allclose(down, np.gradient(maps, axis=1), atol=1e-6) and np.allclose(right, np.gradient(maps, axis=2), atol=1e-6)


def test_pairs_do_not_influence_each_other(monkeypatch: pytest.MonkeyPatch) -> None:
    maps = np.stack([texture(IDENTITY, (0, 0), 16, seed) for seed in range(9)])
    rng = np.random.default_rng(0)
    asking, other = rng.integers(0, 9, (2, 40))
    start = Pose(
        (IDENTITY + rng.normal(0, 0.05, (40, 2, 2))).astype(np.float32),
        rng.normal(0, 0.02, (40, 2)).astype(np.float32),
        np.ones(40, np.float32),
    )
    together = refined(maps, asking, other, start, 3)
    monkeypatch.setattr(alignment, "PIXELS", 1)
    alone = refined(maps, asking, other, start, 3)
    assert np.allclose(alone.matrix, together.matrix, atol=1e-4) and np.allclose(alone.shift, together.shift, atol=1e-4)
    assert np.allclose(correlation(maps, asking, other, alone), correlation(maps, asking, other, together), atol=1e-4)
    assert np.array_equal(start.matrix[0], start.matrix[0]) and start.sign is together.sign


def test_whatever_the_images_a_pose_stays_invertible() -> None:
    """Unrelated noise pulls as hard as it can: six steps change no length by more than a fifth each."""
    maps = np.random.default_rng(0).normal(0, 3, (40, 1, 16, 16)).astype(np.float32)
    asking, other = np.arange(20), np.arange(20, 40)
    found = refined(maps, asking, other, pose(*[turned(30) / 1.55] * 20), 6)
    sizes = np.linalg.svd(found.matrix, compute_uv=False)
    assert sizes.min() >= 0.8**6 / 1.55 and sizes.max() <= 1.2**6 / 1.55
    assert np.allclose(np.linalg.inv(found.matrix) @ found.matrix, IDENTITY, atol=1e-4)


def test_the_start_is_left_as_it_was_and_no_pairs_are_fine() -> None:
    maps = np.stack([texture(IDENTITY, (0, 0)), texture(turned(5), (0, 0))])
    start = pose(IDENTITY)
    refined(maps, ONE, TWO, start, 2)
    assert np.array_equal(start.matrix[0], IDENTITY) and not start.shift.any()
    none = np.zeros(0, dtype=int)
    assert refined(maps, none, none, start.taken(none), 3).matrix.shape == (0, 2, 2)
    assert correlation(maps, none, none, start.taken(none)).shape == (0,)


# -- correlation and evidence -----------------------------------------------------------------------


def test_correlation_is_the_cosine_where_both_are() -> None:
    maps = np.random.default_rng(0).normal(size=(2, 1, SIDE, SIDE)).astype(np.float32)
    start = pose(IDENTITY, shift=(0.25, 0))
    seen, inside = warp(maps, ONE, start.matrix, start.shift * SIDE)
    one, two = seen[0, 0][inside[0]].astype(float), maps[1, 0][inside[0]].astype(float)
    assert correlation(maps, ONE, TWO, start)[0] == pytest.approx(one @ two / np.sqrt((one @ one) * (two @ two)), abs=1e-5)
    assert inside.sum() == 24 * SIDE
    away = pose(IDENTITY, shift=(3, 0))
    assert correlation(maps, ONE, TWO, away).tolist() == [0]


def test_flat_ground_says_nothing() -> None:
    light = np.full((2, SIDE, SIDE), 0.4, dtype=np.float32)
    found = evidence(light, ONE, TWO, pose(IDENTITY))
    assert np.abs(found.blocks).max() < 1e-6 and np.abs(found.agreement).max() < 1e-6


def test_evidence_is_large_for_a_copy_and_small_for_another_picture() -> None:
    light = luminance(pictures(40))
    noisy = np.clip(light + np.random.default_rng(0).normal(0, 0.02, light.shape), 0, 1).astype(np.float32)
    both_kinds, count = np.concatenate([light, noisy]), np.arange(40)
    plain = pose(*[IDENTITY] * 40)
    copy = evidence(both_kinds, count, count + 40, plain)
    another = evidence(both_kinds, count, np.roll(count, 7) + 40, plain)
    assert copy.blocks.shape == (40, len(OCTAVES), BLOCKS**2) and copy.blocks.min() >= 0 and another.blocks.min() >= 0
    assert (np.median(copy.blocks.sum(axis=1), axis=1) > 3 * np.median(another.blocks.sum(axis=1), axis=1)).all()
    assert copy.agreement.min() > 0.95 > another.agreement.max()


def test_evidence_does_not_care_for_negatives_order_or_tone() -> None:
    light = luminance(pictures(1))
    noisy = light + np.random.default_rng(0).normal(0, 0.05, light.shape).astype(np.float32)
    four = np.concatenate([light, noisy, 1 - light, 0.05 + 0.9 * light])
    plain = pose(IDENTITY)
    base = evidence(four, ONE, TWO, plain)
    negative = evidence(four, np.array([2]), TWO, pose(IDENTITY, sign=-1))
    swapped, paler = evidence(four, TWO, ONE, plain), evidence(four, np.array([3]), TWO, plain)
    for found in (negative, swapped, paler):
        assert found.agreement == pytest.approx(base.agreement, abs=1e-5)
    assert np.allclose(negative.blocks, base.blocks, atol=1e-3) and np.allclose(swapped.blocks, base.blocks, rtol=0.02, atol=0.05)
    assert paler.blocks.sum() == pytest.approx(base.blocks.sum(), rel=0.05)
    opposite = evidence(four, ONE, TWO, pose(IDENTITY, sign=-1))  # one foretells the other's opposite
    assert opposite.blocks.sum() < 0.05 * base.blocks.sum() and opposite.agreement == pytest.approx(-base.agreement, abs=1e-5)


def test_evidence_of_an_exact_copy_is_that_of_the_highest_correlation_allowed() -> None:
    light = both(np.random.default_rng(0).random((1, SIDE, SIDE), dtype=np.float32), blur(0.5))
    agreement, (found,) = evidence(light, ONE, ONE, pose(IDENTITY))
    assert agreement[0] == pytest.approx(1, abs=1e-5)
    most = -0.5 * INDEPENDENT * np.log1p(-(0.99**2))
    assert found[0] == pytest.approx(np.full(BLOCKS**2, most[0]), rel=1e-6) and (found <= most[:, None] + 1e-6).all()


def test_what_is_covered_costs_only_its_own_blocks() -> None:
    light = luminance(pictures(1))
    covered = light.copy()
    covered[:, : SIDE // 4] = 0.5
    two = np.concatenate([light, covered])
    found = evidence(two, ONE, TWO, pose(IDENTITY)).blocks.sum(axis=1)[0]
    whole = evidence(two, ONE, ONE, pose(IDENTITY)).blocks.sum(axis=1)[0]
    assert found[2 * BLOCKS :] == pytest.approx(whole[2 * BLOCKS :], rel=0.01)
    assert found[:BLOCKS].sum() < 0.5 * whole[:BLOCKS].sum()


def test_what_lies_outside_the_shared_part_changes_nothing() -> None:
    """Moved by 8 pixels: whatever stands in the strip that only one of the two holds, the evidence is that of the same picture."""
    light = luminance(pictures(1))
    moved = np.roll(light, -8, axis=1)
    moved[:, -8:] = np.random.default_rng(0).random((8, SIDE))
    bare = light.copy()
    bare[:, :8] = 0.5
    three = np.concatenate([light, moved, bare])
    over = pose(IDENTITY, shift=(0.25, 0))
    found = evidence(three, ONE, TWO, over)
    again = evidence(three, np.array([2]), TWO, over)
    assert found.agreement[0] == pytest.approx(1, abs=1e-5)
    assert np.allclose(again.blocks, found.blocks, atol=1e-3) and not found.blocks[..., -BLOCKS:].any()


def test_what_stands_along_the_edges_does_not_move_a_pose() -> None:
    maps = np.stack([texture(IDENTITY, (0, 0)), texture(IDENTITY, (0.06, 0.0))])
    framed = np.full_like(maps, 3)
    framed[..., 1:-1, 1:-1] = maps[..., 1:-1, 1:-1]
    plain, found = (refined(each, ONE, TWO, pose(IDENTITY), 6) for each in (maps, framed))
    assert np.abs(found.shift - plain.shift).max() < 1e-4 and np.abs(found.matrix - plain.matrix).max() < 1e-4
