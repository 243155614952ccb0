"""Groups of near-duplicates: no chains, every member a partner of the representative, and the same whatever the order."""

from __future__ import annotations

import numpy as np
import pytest

from explorer.analysis.alignment import Pose
from explorer.analysis.appearance import IDENTITY, turned
from explorer.analysis.groups import connected, grouped
from explorer.analysis.hubs import SIZES, missing_spokes
from explorer.records import Array


def random_pairs(count: int, pairs: int, seed: int) -> tuple[Array, Array, Array]:
    """Pairs a < b, each once, with likeness."""
    rng = np.random.default_rng(seed)
    every = np.stack(np.triu_indices(count, 1), axis=1)
    a, b = every[rng.choice(len(every), pairs, replace=False)].T
    return a, b, rng.normal(3, 2, pairs)


def members(a: Array, b: Array, group: Array) -> dict[int, set[int]]:
    found: dict[int, set[int]] = {}
    for i, j, g in zip(a.tolist(), b.tolist(), group.tolist(), strict=True):
        if g >= 0:
            found.setdefault(g, set()).update((i, j))
    return found


def test_a_chain_falls_apart() -> None:
    a = np.arange(5)
    found = grouped(a, a + 1, np.ones(5), 6)
    assert all(len(group) <= 3 for group in members(a, a + 1, found.group).values())
    assert (found.group < 0).any() and (found.group >= 0).any()


def test_a_star_and_a_clique_are_one_group_each() -> None:
    a = np.array([3, 3, 3, 7, 7, 8])
    b = np.array([4, 5, 6, 8, 9, 9])
    found = grouped(a, b, np.ones(6), 10)
    assert found.group.tolist() == [3, 3, 3, 7, 7, 7]
    assert found.representative.tolist() == [3, 3, 3, 7, 7, 7]


def test_a_group_is_named_after_its_first_image() -> None:
    found = grouped(np.array([0, 1, 2]), np.array([5, 5, 5]), np.ones(3), 6)
    assert found.group.tolist() == [0, 0, 0] and found.representative.tolist() == [5, 5, 5]


@pytest.mark.parametrize("seed", range(12))
def test_every_member_is_a_partner_of_the_representative(seed: int) -> None:
    """By brute force over random graphs, thin to dense."""
    a, b, likeness = random_pairs(30, 12 * (1 + seed), seed)
    found = grouped(a, b, likeness, 30)
    flagged = {frozenset(pair) for pair in zip(a.tolist(), b.tolist(), strict=True)}
    groups = members(a, b, found.group)
    head = dict(zip(found.group.tolist(), found.representative.tolist(), strict=True))
    seen: set[int] = set()
    for name, images in groups.items():
        assert name == min(images) and head[name] in images
        assert all(frozenset((head[name], image)) in flagged for image in images - {head[name]})
        assert not seen & images
        seen |= images
    for i, j, g, h in zip(a.tolist(), b.tolist(), found.group.tolist(), found.representative.tolist(), strict=True):
        together = [name for name, images in groups.items() if {i, j} <= images]
        assert ([g], [h]) == (together, [head[g]]) if g >= 0 else (g, h, together) == (-1, -1, [])


@pytest.mark.parametrize("seed", range(5))
def test_the_order_of_images_and_pairs_changes_nothing_but_names(seed: int) -> None:
    a, b, likeness = random_pairs(40, 90, seed)
    likeness = likeness.round()  # ties, which the key decides
    key, rng = np.random.default_rng(99).permutation(40), np.random.default_rng(seed)
    image, pair = rng.permutation(40), rng.permutation(90)  # image[i]: new place of image i
    one = members(a, b, grouped(a, b, likeness, 40, key).group)
    new_key = np.empty_like(key)
    new_key[image] = key
    low, high = np.minimum(image[a], image[b])[pair], np.maximum(image[a], image[b])[pair]
    two = members(low, high, grouped(low, high, likeness[pair], 40, new_key).group)
    assert {frozenset(int(image[i]) for i in group) for group in one.values()} == {frozenset(group) for group in two.values()}


def test_exact_copies_stay_together() -> None:
    """An image and its exact copies share all partners: whoever takes one of them takes all."""
    a = np.array([0, 0, 1, 0, 1, 2, 2, 2, 2])
    b = np.array([1, 2, 2, 3, 3, 4, 5, 6, 7])  # 1 is the same as 0; both are like 2 and 3
    found = members(a, b, grouped(a, b, np.array([16.0, 3, 3, 5, 5, 4, 4, 4, 4]), 8).group)
    assert [{0, 1} <= group for group in found.values() if group & {0, 1}] == [True]


def test_no_pairs_no_groups() -> None:
    none = np.zeros(0, dtype=np.int64)
    found = grouped(none, none, np.zeros(0), 3)
    assert len(found.group) == len(found.representative) == 0


# -- whatever pairs lead to ---------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(6))
def test_connected_is_what_walking_finds(seed: int) -> None:
    a, b, _ = random_pairs(60, 15 * (1 + seed), seed)
    expected = np.arange(60)
    for _ in range(60):
        for i, j in zip(a.tolist(), b.tolist(), strict=True):
            expected[[i, j]] = min(expected[i], expected[j])
    assert np.array_equal(connected(a, b, 60), expected)


def test_a_long_chain_is_connected() -> None:
    order = np.random.default_rng(0).permutation(500)
    assert not connected(order[:-1], order[1:], 500).any()
    assert connected(order[:0], order[:0], 3).tolist() == [0, 1, 2]


# -- what a group lacks -----------------------------------------------------------------------------


def shifts(*steps: float) -> Pose:
    count = len(steps)
    return Pose(
        np.tile(np.eye(2, dtype=np.float32), (count, 1, 1)), np.array([(step, 0) for step in steps], np.float32), np.ones(count, np.float32)
    )


def test_a_member_the_hub_was_not_compared_with_is_laid_over_it() -> None:
    """1 has most partners; 4 is reached through 3, and is moved by the sum of both shifts."""
    asking, other = np.array([0, 2, 3, 4]), np.array([1, 1, 1, 3])
    found = missing_spokes(asking, other, np.ones(4), np.array([1.9, 1.8, 1.7, 1.2]), shifts(0.1, 0.1, 0.1, 0.05))
    assert (found.member.tolist(), found.hub.tolist(), found.score.tolist()) == ([4], [1], [1.2])
    assert found.pose.shift[0] == pytest.approx([0.15, 0]) and found.pose.matrix.dtype == np.float32


def test_pairs_are_walked_either_way() -> None:
    """The pose of a pair is turned where the way goes from the asking to the other image."""
    matrix = np.array([turned(20) / 1.2, turned(90), IDENTITY], np.float32)
    shift, sign = np.array([[0.1, 0], [0, 0.2], [0, 0]], np.float32), np.array([-1, 1, 1], np.float32)
    asking, other = np.array([0, 1, 0]), np.array([1, 2, 3])  # hub 0: it asks 1, which asks 2
    found = missing_spokes(asking, other, np.array([3.0, 2, 1]), np.array([1.5, 1.6, 1.9]), Pose(matrix, shift, sign))
    assert (found.member.tolist(), found.hub.tolist(), found.score.tolist(), found.pose.sign.tolist()) == ([2], [0], [1.5], [-1])
    x = np.array([0.2, -0.3])
    in_one = np.linalg.inv(matrix[0]) @ (x - shift[0])  # image 1 holds at y what image 0 holds at matrix @ y + shift
    in_two = np.linalg.inv(matrix[1]) @ (in_one - shift[1])
    assert found.pose.matrix[0] @ x + found.pose.shift[0] == pytest.approx(in_two, abs=1e-5)


def test_only_likely_pairs_lead_on_and_known_pairs_are_left_alone() -> None:
    asking, other = np.array([0, 1, 2]), np.array([1, 2, 0])
    assert len(missing_spokes(asking, other, np.ones(3), np.ones(3), shifts(0, 0, 0)).member) == 0
    assert len(missing_spokes(np.array([0, 1]), np.array([1, 2]), np.array([3.0, -0.5]), np.ones(2), shifts(0, 0)).member) == 0


def test_what_has_become_too_small_to_compare_is_left_out() -> None:
    """Four zooms by 1.5, one after the other."""
    pose = shifts(0, 0, 0, 0)._replace(matrix=np.tile(np.eye(2, dtype=np.float32) / 1.5, (4, 1, 1)))
    found = missing_spokes(np.arange(1, 5), np.arange(4), np.ones(4), np.ones(4), pose)
    sizes = np.linalg.svd(found.pose.matrix, compute_uv=False)
    assert len(found.member) >= 1 and sizes.min() >= SIZES[0] and sizes.max() <= SIZES[1]


def test_each_member_is_compared_once_with_one_hub() -> None:
    a, b, likeness = random_pairs(200, 400, 3)
    found = missing_spokes(b, a, likeness, np.ones(400), shifts(*[0.0] * 400))
    group = connected(a[likeness > 0], b[likeness > 0], 200)
    assert len(set(found.member.tolist())) == len(found.member) and (group[found.member] == group[found.hub]).all()
    known = {frozenset(pair) for pair in zip(a.tolist(), b.tolist(), strict=True)}
    assert not known & {frozenset(pair) for pair in zip(found.member.tolist(), found.hub.tolist(), strict=True)}
    assert len(set(group[found.hub].tolist())) == len(set(found.hub.tolist()))
