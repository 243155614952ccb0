"""Groups of near-duplicates: everybody is a flagged partner of the representative, and nothing chains."""

from __future__ import annotations

import numpy as np
import pytest

from explorer.analysis.groups import Groups, grouped
from explorer.records import Array


def pairs(*couples: tuple[int, int]) -> tuple[Array, Array]:
    return np.array([min(c) for c in couples]), np.array([max(c) for c in couples])


def group(a: Array, b: Array, count: int) -> Groups:
    return grouped(a, b, np.full(len(a), 3.0), count)


def test_a_chain_falls_apart() -> None:
    a, b = pairs((0, 1), (1, 2), (2, 3), (3, 4), (4, 5))
    found = group(a, b, 6)
    assert (found.group == -1).any()
    for name in set(found.group.tolist()) - {-1}:
        members = {n for i, j, g in zip(a, b, found.group, strict=True) if g == name for n in (i, j)}
        assert len(members) <= 3


def test_a_star_stays_whole_and_is_named_by_its_smallest_image() -> None:
    a, b = pairs((5, 2), (5, 7), (5, 9))
    found = group(a, b, 10)
    assert found.group.tolist() == [2, 2, 2] and found.representative.tolist() == [5, 5, 5]


def test_two_apart_stay_apart() -> None:
    a, b = pairs((0, 1), (2, 3))
    assert group(a, b, 4).group.tolist() == [0, 2]


def test_no_pairs_no_groups() -> None:
    none = np.zeros(0, dtype=np.int64)
    assert len(grouped(none, none, np.zeros(0), 5).group) == 0


def random_graph(seed: int) -> tuple[Array, Array, Array, int]:
    rng = np.random.default_rng(seed)
    count = 25
    upper = np.argwhere(np.triu(rng.random((count, count)) < 0.12, 1))
    return upper[:, 0], upper[:, 1], rng.uniform(0, 9, len(upper)), count


@pytest.mark.parametrize("seed", range(8))
def test_every_member_is_a_flagged_partner_of_the_representative(seed: int) -> None:
    a, b, likeness, count = random_graph(seed)
    found = grouped(a, b, likeness, count)
    flagged = set(zip(a.tolist(), b.tolist(), strict=True))
    together: dict[int, set[int]] = {}
    for i, j, representative in zip(a.tolist(), b.tolist(), found.representative.tolist(), strict=True):
        if representative >= 0:
            together.setdefault(representative, set()).update((i, j))
    for representative, members in together.items():
        assert all((min(m, representative), max(m, representative)) in flagged for m in members - {representative})
    everybody = [m for members in together.values() for m in members]
    assert len(everybody) == len(set(everybody))  # in one group each
    for i, j, name in zip(a.tolist(), b.tolist(), found.group.tolist(), strict=True):
        if name >= 0:
            assert any({i, j} <= members and name == min(members) for members in together.values())


@pytest.mark.parametrize("seed", range(4))
def test_the_order_of_images_changes_names_only(seed: int) -> None:
    a, b, likeness, count = random_graph(seed)
    new = np.random.default_rng(seed + 100).permutation(count)
    tie = np.random.default_rng(seed + 200).permutation(count)  # a key of the content goes with the image
    one = grouped(a, b, likeness, count, tie)
    renamed_tie = np.empty(count, dtype=int)
    renamed_tie[new] = tie
    other = grouped(np.minimum(new[a], new[b]), np.maximum(new[a], new[b]), likeness, count, renamed_tie)
    np.testing.assert_array_equal(np.where(one.representative < 0, -1, new[one.representative]), other.representative)
