"""Filters and sorting of the gallery against a loop that asks every image in turn."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest

from explorer.analysis.neighbors import NearDuplicates
from explorer.analysis.scores import ranking, suspicion
from explorer.analysis.views import REVIEWS, Traits, View, closest_partners, fits, ordered, positions, standing, truth_of
from explorer.records import Array
from tests.support import toy_labels

N, K = 60, 3
RNG = np.random.default_rng(0)
GIVEN, TRUE = RNG.integers(0, K, N), RNG.integers(0, K, N)
TRAITS = Traits(
    given=GIVEN, predicted=RNG.integers(0, K, N), truth=truth_of(toy_labels(GIVEN, TRUE)),
    kinds={"all": np.ones(N, dtype=bool), "missed": RNG.random(N) < 0.5}, reviewed=np.array(REVIEWS)[np.arange(N) // 7 % 3],
)  # fmt: skip
SCORES = {
    "curvature": RNG.integers(0, 12, N).astype(float), "cumulative_loss": RNG.random(N),
    "aum": np.where(RNG.random(N) < 0.1, np.nan, RNG.integers(-9, 9, N)),
}  # fmt: skip


def rank_by_counting(name: str, n: int) -> float:
    """Share of the other images that are less suspicious than image ``n``, ties counting half; unknown is least."""
    own, *rest = [-math.inf if math.isnan(v) else v for v in suspicion(name, SCORES[name])[[n, *(m for m in range(N) if m != n)]]]
    return sum((v < own) + (v == own) / 2 for v in rest) / (N - 1)


def sort_value(view: View, n: int) -> float:
    if not view.scores:
        return 0.0
    own = sum(rank_by_counting(name, n) for name in view.scores) / len(view.scores)
    if not view.against:
        return own
    if any(math.isnan(SCORES[name][n]) for name in (*view.scores, view.against)):
        return -math.inf
    difference = own - rank_by_counting(view.against, n)
    return -difference if view.opposite else difference


def one_by_one(view: View) -> list[int]:
    """The oracle: ask each image, then sort what is left, ties in the order of the data."""
    kept = [
        n for n in range(N)
        if TRAITS.kinds[view.kind][n]
        and (view.given is None or GIVEN[n] == view.given)
        and (view.predicted is None or TRAITS.predicted is not None and TRAITS.predicted[n] == view.predicted)
        and (view.truth == "" or view.truth == ("right" if GIVEN[n] == TRUE[n] else "wrong"))
        and (view.only is None or n in view.only.tolist())
        and view.reviewed in ("", REVIEWS[n // 7 % 3])
    ]  # fmt: skip
    return sorted(kept, key=lambda n: -round(sort_value(view, n), 9) if math.isfinite(sort_value(view, n)) else math.inf)


SORTS = (
    View([]), View(["curvature"]), View(["aum"]), View(["curvature", "aum"]), View(["curvature", "cumulative_loss", "aum"]),
    View(["curvature"], against="cumulative_loss"), View(["curvature"], against="aum", opposite=True),
    View(["curvature", "cumulative_loss"], against="aum"),
)  # fmt: skip


@pytest.mark.parametrize("view", SORTS, ids=lambda view: " ".join([*view.scores, "against"[: 9 * bool(view.against)], view.against]))
def test_a_view_shows_what_a_loop_over_all_images_finds(view: View) -> None:
    some = np.array([3, 1, 59, 20, 7, 41])
    filters = itertools.product(("all", "missed"), (None, 1), (None, 2), ("", "right", "wrong"), (None, some), ("", "yes"))
    for kind, given, predicted, truth, only, reviewed in filters:
        asked = view._replace(kind=kind, given=given, predicted=predicted, truth=truth, only=only, reviewed=reviewed)
        values = np.round(standing(asked, SCORES, N), 9)
        found = ordered(values)[fits(asked, TRAITS)[ordered(values)]]
        assert found.tolist() == one_by_one(asked)
        assert sorted(positions(asked, SCORES, TRAITS)) == sorted(found)


@pytest.mark.parametrize("name", SCORES)
def test_one_score_sorts_as_every_list_does(name: str) -> None:
    assert positions(View([name]), SCORES, TRAITS).tolist() == ranking(name, SCORES[name]).tolist()


def test_disagreement_turned_around_is_the_other_list_backwards() -> None:
    view = View(["curvature"], against="cumulative_loss")
    assert standing(view, SCORES, N) == pytest.approx(-standing(view._replace(opposite=True), SCORES, N))
    assert standing(view, SCORES, N) == pytest.approx(-standing(View(["cumulative_loss"], against="curvature"), SCORES, N))
    assert abs(standing(view, SCORES, N)).max() <= 1


def test_a_score_does_not_disagree_with_itself() -> None:
    assert standing(View(["curvature"], against="curvature"), SCORES, N).tolist() == [0.0] * N


def test_what_a_score_does_not_know_comes_last() -> None:
    unknown = np.flatnonzero(np.isnan(SCORES["aum"]))
    assert len(unknown)
    for opposite in (False, True):
        order = positions(View(["curvature"], against="aum", opposite=opposite), SCORES, TRAITS)
        assert order[-len(unknown) :].tolist() == unknown.tolist()


def test_without_scores_images_come_in_the_order_of_the_data() -> None:
    assert positions(View([]), {}, TRAITS).tolist() == list(range(N))
    assert positions(View([], only=np.array([59, 3, 20, 7])), {}, TRAITS).tolist() == [3, 7, 20, 59]


def test_renumbering_the_images_renumbers_the_list() -> None:
    shuffle = RNG.permutation(N)
    view = View(["cumulative_loss"], kind="missed", given=1, only=np.arange(0, N, 2))
    moved = Traits(*(None if t is None else t[shuffle] for t in TRAITS[:3]), {name: have[shuffle] for name, have in TRAITS.kinds.items()})
    new = np.argsort(shuffle)
    found = positions(view._replace(only=new[view.only]), {name: values[shuffle] for name, values in SCORES.items()}, moved)
    assert shuffle[found].tolist() == positions(view, SCORES, TRAITS).tolist()


@pytest.mark.parametrize(
    "asked", [{"kind": "no such"}, {"given": 99}, {"predicted": -1}, {"truth": "unknown"}, {"only": np.array([N, -1, 10**9])}]
)
def test_what_no_image_is_fits_none(asked: dict[str, object]) -> None:
    assert not fits(View(["curvature"], **asked), TRAITS).any()  # type: ignore[arg-type]


def test_filters_leave_the_traits_as_they_are() -> None:
    before = {name: have.copy() for name, have in TRAITS.kinds.items()}
    fits(View(["curvature"], kind="missed", given=1, truth="wrong"), TRAITS)
    assert all(np.array_equal(before[name], TRAITS.kinds[name]) for name in before)


def test_before_the_first_epoch_nothing_is_predicted() -> None:
    early = TRAITS._replace(predicted=None, reviewed=None)
    assert not fits(View(["curvature"], predicted=0), early).any()
    assert not fits(View(["curvature"], reviewed="no"), early).any()
    assert fits(View(["curvature"]), early).all()


@pytest.mark.parametrize(
    ("true", "truths"), [(None, ["unknown"] * 3), (np.array([0, 1, 2]), ["right"] * 3), (np.array([0, 2, -1]), ["right", "wrong", "wrong"])]
)
def test_truth_is_told_as_far_as_it_is_known(true: Array | None, truths: list[str]) -> None:
    assert truth_of(toy_labels(np.array([0, 1, 2]), true)).tolist() == truths


def test_a_score_that_is_not_there_and_none_against_another_are_refused() -> None:
    with pytest.raises(KeyError):
        positions(View(["curvature"], against="el2n"), SCORES, TRAITS)
    with pytest.raises(ValueError, match="no score"):
        positions(View([], against="aum"), SCORES, TRAITS)


# -- look-alikes -------------------------------------------------------------------------------------


def test_the_partner_is_the_most_similar_one_among_the_flagged_pairs() -> None:
    rng = np.random.default_rng(1)
    every = np.array([(a, b) for a in range(12) for b in range(a + 1, 12)])
    chosen = every[rng.permutation(len(every))[:20]]
    similarity = np.sort(rng.random(20))[::-1]
    conflicting = rng.random(20) < 0.5
    pairs = NearDuplicates(chosen[:, 0], chosen[:, 1], similarity, conflicting, conflicting, chosen[:, 0], 0.0)
    partner, alike, conflict = closest_partners(pairs, np.arange(15))
    for n in range(15):
        mine = [i for i in range(20) if n in chosen[i]]  # most similar first
        if not mine:
            assert (partner[n], alike[n], conflict[n]) == (-1, -1, False)
            continue
        assert {n, int(partner[n])} == set(chosen[mine[0]].tolist())
        assert (alike[n], conflict[n]) == (similarity[mine[0]], conflicting[mine[0]])


def test_without_pairs_nobody_has_a_partner() -> None:
    none = np.zeros(0, dtype=int)
    partner, alike, conflict = closest_partners(NearDuplicates(none, none, none, none > 0, none > 0, none, 0.5), np.array([4, 2]))
    assert (partner.tolist(), alike.tolist(), conflict.tolist()) == ([-1, -1], [-1, -1], [False, False])
