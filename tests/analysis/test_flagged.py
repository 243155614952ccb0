"""Cuts and what comes of them, who belongs together, and what leaks do to accuracy: recounted by hand and by other libraries."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from explorer.analysis import flagged
from explorer.analysis.calibration import Calibration, calibrate, cut_for, default_cut
from explorer.analysis.flagged import against_planted, confirmed, cuts, edge, in_conflict, recall_by_change, strips
from explorer.analysis.groups import grouped
from explorer.analysis.leakage import leakage, wilson
from explorer.analysis.neighbors import NearDuplicates
from explorer.records import Array, PlantedTruth

EXACT = 16.0


def calibration(seed: int = 0, duplicates: int = 80, others: int = 2000, exact: int = 3) -> Calibration:
    rng = np.random.default_rng(seed)
    own = np.sort(np.r_[rng.normal(0, 2, duplicates), -8 + rng.exponential(0.8, others), np.full(exact, EXACT)])[::-1]
    return calibrate(own, own == EXACT, rng.normal(0, 2, 200), 2000)


def flag(a: list[int], b: list[int], likeness: list[float], given: list[int]) -> tuple[NearDuplicates, Array, Array]:
    """Pairs, most alike first, as a search would flag them."""
    first, second, alike, labels = np.array(a, dtype=int), np.array(b, dtype=int), np.array(likeness), np.array(given)
    similarity = np.where(alike == EXACT, 1, 1 / (1 + np.exp(-alike))).astype(np.float32)
    group = grouped(first, second, alike, len(labels)).group
    return NearDuplicates(first, second, similarity, labels[first] != labels[second], alike == EXACT, group, 0.5), alike, labels


# -- cuts ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(5))
def test_cuts_run_from_exact_copies_to_half_wrong_and_more_pairs_find_more(seed: int) -> None:
    known = calibration(seed)
    found = cuts(known, 3)
    pairs, precision, recall = ([getattr(cut, name) for cut in found] for name in ("pairs", "precision", "recall"))
    assert (pairs[0], precision[0], found[0].likeness) == (3, 1.0, math.inf)
    assert pairs == sorted(set(pairs)) and len(pairs) >= 3
    assert precision == sorted(precision, reverse=True) and precision[-1] >= 0.5
    assert recall == sorted(recall)
    assert cut_for(known, 0.95) in [cut.likeness for cut in found]
    assert (known.likeness >= default_cut(known)).sum() in pairs  # a slider can stand on it
    for cut in found[1:]:
        assert cut.pairs == int((known.likeness >= cut.likeness).sum())


def test_where_all_look_alike_cuts_are_round_numbers_of_pairs() -> None:
    alike = Calibration(np.linspace(3, -9, 400), np.arange(1.0, 401), np.full(400, 0.01), np.linspace(0, 1, 400))
    found = cuts(alike, 0)
    assert [cut.pairs for cut in found] == [0, 10, 20, 50, 100, 200]
    assert [cut.precision for cut in found[1:]] == [0.01] * 5 and math.isnan(found[0].precision)
    assert found[0].likeness == math.inf == cut_for(alike, 0.95)


def test_too_few_pairs_to_tell_are_cut_by_likeness_itself() -> None:
    few = calibrate(np.array([EXACT, 5.0, 1.0, -3.0]), np.array([True, False, False, False]), np.array([2.0, -np.inf]), 40)
    found = cuts(few, 1)
    assert [cut.pairs for cut in found] == [1, 2, 3]
    assert all(math.isnan(cut.precision) for cut in found[1:]) and [cut.recall for cut in found] == [0, 0, 0.5]


def test_no_pair_at_all_leaves_one_cut() -> None:
    none = calibrate(np.zeros(0), np.zeros(0, dtype=bool), np.zeros(0), 5)
    assert [(cut.pairs, cut.recall) for cut in cuts(none, 0)] == [(0, 0.0)]


def test_recall_by_change_counts_each_kind() -> None:
    change = np.array(["mirrored", "cropped", "mirrored", "cropped", "noisy"])
    likeness = np.array([4.0, 1.0, 2.0, -np.inf, -np.inf])
    assert recall_by_change(change, likeness, 2.0) == {"mirrored": 1.0, "cropped": 0.0, "noisy": 0.0}
    assert list(recall_by_change(change, likeness, 1.0).items()) == [("mirrored", 1.0), ("cropped", 0.5), ("noisy", 0.0)]


@pytest.mark.parametrize(
    ("pairs", "of", "above", "below"),
    [(10, 99, [6, 7, 8, 9], [10, 11, 12, 13]), (2, 3, [0, 1], [2]), (0, 9, [], [0, 1, 2, 3]), (5, 5, [1, 2, 3, 4], [])],
)
def test_the_edge_is_what_lies_next_to_the_cut(pairs: int, of: int, above: list[int], below: list[int]) -> None:
    assert tuple(map(list, edge(pairs, of))) == (above, below)


# -- groups ----------------------------------------------------------------------------------------


def test_a_group_stands_once_with_its_representative_first() -> None:
    # 4 is a copy of 1, 7 and 9, which are copies of nothing else; 2 and 3 are the same to the byte
    pairs, likeness, given = flag([2, 1, 4, 4], [3, 4, 7, 9], [EXACT, 5, 3, 4], [0, 0, 1, 1, 0, 0, 0, 2, 0, 0])
    curvature = np.array([9, 1, 2, 2, 1, 9, 9, 5, 1, 9.0])
    chain, pair = strips(pairs, likeness, given, curvature)
    assert chain.members[0] == 4 and sorted(chain.members) == [1, 4, 7, 9]
    assert chain.grouped and chain.conflicting and not chain.exact and chain.curvature == 9
    assert chain.similarity == pytest.approx(1 / (1 + math.exp(-3)))
    assert pair.members == (2, 3) and pair.exact and not pair.conflicting and pair.similarity == 1


def test_a_pair_between_groups_stands_for_itself() -> None:
    # 0-1-2 and 3-4-5 are groups round 1 and 4; 2-5 joins images of both
    pairs, likeness, given = flag([0, 1, 3, 4, 2], [1, 2, 4, 5, 5], [5, 5, 5, 5, 2], [0] * 6)
    found = strips(pairs, likeness, given, None)
    assert [(sorted(strip.members), strip.grouped) for strip in found] == [([0, 1, 2], True), ([3, 4, 5], True), ([2, 5], False)]
    assert all(math.isnan(strip.curvature) for strip in found)


def test_conflicts_come_first_and_the_most_curved_of_them_before() -> None:
    pairs, likeness, given = flag([0, 2, 4, 6], [1, 3, 5, 7], [8, 7, 6, 5], [0, 0, 0, 1, 0, 1, 0, 0])
    curvature = np.array([9.0, 0, 1, 0, 0, 3, 0, 0])
    assert [strip.members for strip in strips(pairs, likeness, given, curvature)] == [(4, 5), (2, 3), (0, 1), (6, 7)]
    assert [strip.members for strip in strips(pairs, likeness, given, None)] == [(2, 3), (4, 5), (0, 1), (6, 7)]
    assert in_conflict(pairs, np.array([2, 5, 0, 6])) == 2


def test_every_flagged_pair_is_in_a_strip() -> None:
    rng = np.random.default_rng(0)
    both = np.unique(np.sort(rng.integers(0, 60, (70, 2)), axis=1), axis=0)
    both = both[both[:, 0] < both[:, 1]]
    likeness = -np.sort(-rng.normal(3, 1, len(both)))
    pairs, alike, given = flag(both[:, 0].tolist(), both[:, 1].tolist(), likeness.tolist(), rng.integers(0, 3, 60).tolist())
    found = strips(pairs, alike, given, None)
    for a, b in both.tolist():
        assert any({a, b} <= set(strip.members) for strip in found)
    grouped_members = [n for strip in found if strip.grouped for n in strip.members]
    assert len(grouped_members) == len(set(grouped_members))


def test_no_pairs_make_no_strips() -> None:
    pairs, likeness, given = flag([], [], [], [0, 1])
    assert strips(pairs, likeness, given, None) == () and in_conflict(pairs, np.array([0, 1])) == 0


# -- against what is known -------------------------------------------------------------------------


def test_planted_copies_are_looked_up_by_source_index_in_any_order() -> None:
    source_index = np.array([30, 10, 20, 40, 50])
    partner = np.array([-1, 30, -1, 20, 99])  # 10 is a copy of 30, 40 of 20, and the source of 50 is not here
    planted = PlantedTruth(np.where(partner >= 0, "near_duplicate", "typical"), partner, np.full(5, ""))
    pairs, _, _ = flag([0, 2], [1, 4], [5, 4], [0] * 5)
    assert against_planted(pairs, planted, source_index) == (2, 1, 2)


def test_confirmed_pairs_are_those_that_both_flag() -> None:
    ours, theirs = flag([0, 2, 3], [1, 4, 4], [5, 4, 3], [0] * 5)[0], flag([3, 0], [4, 2], [5, 4], [0] * 5)[0]
    assert confirmed(ours, theirs).tolist() == [False, False, True]


# -- leaks -----------------------------------------------------------------------------------------


def test_accuracy_with_and_without_the_leaked_images() -> None:
    label = np.zeros(10, dtype=int)
    predicted, leaked = np.array([0, 0, 0, 1, 1, 1, 0, 1, 0, 0]), np.arange(10) < 4
    found = leakage(predicted, label, leaked)
    assert (found.images, found.leaked, found.accuracy, found.without) == (10, 4, 0.6, 0.5)
    assert found.low < found.accuracy - found.without < found.high and found.is_noise


def test_the_same_shares_of_many_images_are_no_noise() -> None:
    label, leaked = np.zeros(2000, dtype=int), np.arange(2000) < 400
    predicted = np.where(leaked, 0, np.arange(2000) % 2)
    found = leakage(predicted, label, leaked)
    assert found.accuracy - found.without == pytest.approx(0.1) and not found.is_noise and found.low > 0
    equal = leakage(np.arange(2000) % 2, label, leaked)
    assert equal.accuracy == equal.without == 0.5 and equal.is_noise


def test_newcombes_own_example() -> None:
    """Newcombe 1998, table II: 56/70 - 48/80 = 0.2, 95 % interval 0.0524 to 0.3339 by method 10."""
    right = np.r_[np.arange(70) < 56, np.arange(80) < 48]
    found = leakage(np.where(right, 0, 1), np.zeros(150, dtype=int), np.arange(150) < 70)
    assert (found.low * 150 / 70, found.high * 150 / 70) == (pytest.approx(0.0524, abs=5e-5), pytest.approx(0.3339, abs=5e-5))


@pytest.mark.parametrize(("hits", "of"), [(0, 5), (5, 5), (3, 7), (480, 800)])
def test_wilsons_interval_is_scipys(hits: int, of: int) -> None:
    theirs = stats.binomtest(hits, of).proportion_ci(method="wilson")
    assert wilson(hits, of) == pytest.approx((theirs.low, theirs.high), abs=1e-6)


@pytest.mark.parametrize("leaked", [np.zeros(4, dtype=bool), np.ones(4, dtype=bool)])
def test_nothing_or_everything_leaked_tells_nothing(leaked: Array) -> None:
    found = leakage(np.array([0, 0, 0, 1]), np.zeros(4, dtype=int), leaked)
    assert found.accuracy == 0.75 and found.is_noise
    assert math.isnan(found.without) if leaked.all() else found.without == 0.75


def test_the_default_precision_is_among_the_wanted() -> None:
    assert 0.95 in flagged.WANTED


def test_chance_is_shared_out_as_the_kinds_share_the_look_alikes() -> None:
    cut = flagged.Cut(0.0, 100, 0.9, 0.9)
    part, exact = np.arange(500) % 4 == 0, np.arange(500) < 2
    assert flagged.by_chance(cut, part, exact) == pytest.approx(100 * 0.1 * 0.25)
    few = np.where(np.arange(500) < 100, np.arange(500) == 7, part)  # one of that kind is flagged: no more can be chance
    assert flagged.by_chance(cut, few, exact) == 1.0
    assert flagged.by_chance(flagged.Cut(math.inf, 2, 1.0, 0.0), part, exact) == 0.0
    assert math.isnan(flagged.by_chance(cut._replace(precision=math.nan), part, exact))


def test_cosines_are_told_from_other_similarities() -> None:
    embedding = np.random.default_rng(0).normal(size=(10, 4))
    unit = embedding / np.linalg.norm(embedding, axis=1, keepdims=True)
    pairs, _, _ = flag([0, 2, 4], [1, 3, 5], [EXACT, 4, 3], [0] * 10)
    cosine = np.einsum("pd,pd->p", unit[pairs.a], unit[pairs.b]).astype(np.float32)
    assert flagged.are_cosines(pairs._replace(similarity=cosine), embedding)
    assert not flagged.are_cosines(pairs, embedding)
    only_exact = NearDuplicates(*(column[:1] for column in pairs[:6]), pairs.cut)
    assert not flagged.are_cosines(only_exact, embedding)
