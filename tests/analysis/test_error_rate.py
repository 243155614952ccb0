"""The error rate from images drawn at random: its interval, which decisions count, and the advice that follows."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from explorer.analysis.error_rate import (
    ENOUGH,
    ErrorRate,
    Left,
    Recent,
    advice,
    error_rate,
    estimate_from,
    marked_interval,
    random_order,
    recent_hits,
    unseen_among_drawn,
    wrong_left,
)
from explorer.records import NO_CLASS, Array, Decision

# -- the interval -----------------------------------------------------------------------------------


def slow_interval(population: int, drawn: int, found: int, confidence: float) -> tuple[int, int]:
    """Every possible number of marked ones tried, with SciPy."""
    marked = np.arange(population + 1)
    own = stats.hypergeom.pmf(found, population, marked, drawn)
    few = stats.hypergeom.cdf(found, population, marked, drawn) - own / 2
    many = stats.hypergeom.sf(found, population, marked, drawn) + own / 2
    rare = (1 - confidence) / 2 - 1e-12
    inside = marked[(own > 0) & (few > rare) & (many > rare)]
    return int(inside.min()), int(inside.max())


@pytest.mark.parametrize("confidence", [0.8, 0.95])
@pytest.mark.parametrize(("population", "drawn"), [(1, 1), (7, 3), (60, 1), (60, 20), (60, 59), (60, 60), (500, 50)])
def test_the_interval_is_that_of_trying_every_number(population: int, drawn: int, confidence: float) -> None:
    for found in range(0, drawn + 1, max(1, drawn // 12)):
        assert marked_interval(population, drawn, found, confidence) == slow_interval(population, drawn, found, confidence)


@pytest.mark.parametrize("drawn", [1, 10, 50])
def test_the_interval_of_the_others_is_the_mirror_image(drawn: int) -> None:
    for found in range(drawn + 1):
        low, high = marked_interval(300, drawn, found)
        assert marked_interval(300, drawn, drawn - found) == (300 - high, 300 - low)


def test_when_all_are_reviewed_nothing_is_left_to_guess() -> None:
    assert error_rate([True] * 3 + [False] * 9, 12) == ErrorRate(0.25, 0.25, 0.25, 12, 3, 0, 12)


def test_more_images_make_it_narrower_and_a_finite_set_narrower_than_a_large_one() -> None:
    def width(population: int, drawn: int) -> float:
        low, high = marked_interval(population, drawn, drawn // 5)
        return (high - low) / population

    assert width(1000, 50) > width(1000, 200) > width(1000, 800) > 0
    assert width(100_000, 200) > width(1000, 200) > width(250, 200)
    low, high = marked_interval(10**6, 400, 80)
    wide = stats.binomtest(80, 400).proportion_ci(method="exact")  # of an endless set, and a little wider
    assert (low / 1e6, high / 1e6) == pytest.approx((wide.low, wide.high), abs=2e-3)


def test_nothing_reviewed_gives_no_rate() -> None:
    assert error_rate([], 100) is None


def test_no_wrong_one_found_does_not_mean_there_is_none() -> None:
    rate = error_rate([False] * 100, 5000)
    assert rate is not None
    assert (rate.estimate, rate.low) == (0, 0)
    assert 0.02 < rate.high < 0.04


@pytest.mark.parametrize(("population", "drawn"), [(1500, 50), (1500, 200), (5000, 100), (5000, 400)])
@pytest.mark.parametrize("noise", [0.05, 0.2, 0.4])
def test_the_interval_holds_the_true_rate_in_95_of_100_reviews(population: int, drawn: int, noise: float) -> None:
    """Exactly: over every possible outcome, each with its probability."""
    marked = round(noise * population)
    chance = stats.hypergeom.pmf(np.arange(drawn + 1), population, marked, drawn)
    inside = 0.0
    for found in np.flatnonzero(chance > 1e-9).tolist():
        low, high = marked_interval(population, drawn, found)
        inside += chance[found] * (low <= marked <= high)
    assert 0.93 < inside < 0.97


# -- the order --------------------------------------------------------------------------------------


def test_the_order_is_the_same_for_everybody_and_for_ever() -> None:
    assert random_order(8, "some data").tolist() == [4, 3, 1, 0, 2, 6, 5, 7]
    assert random_order(8, "other data").tolist() != random_order(8, "some data").tolist()
    assert sorted(random_order(1000, "x").tolist()) == list(range(1000))
    assert random_order(0, "x").tolist() == []


def test_rows_keep_their_order_when_the_data_grow() -> None:
    few, many = random_order(100, "x"), random_order(1000, "x")
    assert many[many < 100].tolist() == few.tolist()


def test_every_image_comes_first_equally_often() -> None:
    first = [int(random_order(5, f"data {n}")[0]) for n in range(2000)]
    assert stats.chisquare(np.bincount(first, minlength=5)).pvalue > 0.001


# -- which decisions count ----------------------------------------------------------------------------


def said(
    number: int, image: int, action: str, label: int = NO_CLASS, *, via: str = "random", author: str = "ann", target: int = 0
) -> Decision:
    return Decision(image, action, label, author, 0, f"token {number}", via=via, target=target, made_at=float(number), decision_id=number)


def log_of(*rows: tuple[int, str], via: str = "random", first: int = 1) -> list[Decision]:
    """Images with "right", "wrong" or another action, given label 0."""
    actions = {"right": ("keep", 0), "wrong": ("relabel", 1)}
    return [said(first + n, image, *actions.get(what, (what, NO_CLASS)), via=via) for n, (image, what) in enumerate(rows)]


ORDER = np.array([5, 2, 7, 0, 1, 9, 3, 8, 6, 4])
ALL, GIVEN = np.arange(10), np.zeros(10, dtype=np.int64)


def counted(log: list[Decision], source_index: Array = ALL) -> tuple[int, int, int, int] | None:
    rate = estimate_from(log, ORDER, np.zeros(len(source_index), dtype=np.int64), source_index)
    return rate and (rate.wrong, rate.reviewed, rate.left_out, rate.unseen)


def test_random_images_count_whatever_their_number_in_the_data() -> None:
    log = log_of((5, "right"), (2, "wrong"), (7, "right"))
    assert counted(log) == (1, 3, 0, 0)
    rate = estimate_from(log, ORDER, GIVEN, ALL)
    assert rate == error_rate([False, True, False], 10)


def test_without_a_random_one_there_is_no_estimate() -> None:
    assert counted([]) is None
    assert counted(log_of((5, "wrong"), (2, "wrong"), via="suspicious")) is None


def test_skipped_ambiguous_and_disputed_images_are_left_out_and_counted() -> None:
    log = log_of((5, "right"), (7, "ambiguous"), (0, "wrong"), (1, "exclude"))  # 2 was skipped; an excluded one is wrong
    assert counted(log) == (2, 3, 2, 0)
    other = said(9, 5, "relabel", 3, via="suspicious", author="bob")
    assert counted([*log, other]) == (2, 2, 3, 0)
    rate = estimate_from([*log, other], ORDER, GIVEN, ALL, author="ann")
    assert rate is not None and (rate.wrong, rate.reviewed) == (2, 3)


def test_a_suspicious_image_counts_if_it_was_decided_before_drawing_came_so_far() -> None:
    early = log_of((2, "wrong"), (6, "wrong"), via="suspicious")  # 6 comes long after the last one drawn
    drawn = log_of((5, "right"), (7, "right"), first=10)
    assert counted(early + drawn) == (1, 3, 0, 0)
    next_in_order = log_of((0, "wrong"), (1, "wrong"), via="suspicious", first=4)  # what drawing would have met next
    assert counted(early + next_in_order + drawn) == (3, 5, 0, 0)
    late = log_of((2, "wrong"), via="suspicious", first=20)  # drawing had passed it: it was skipped, and came up for being suspicious
    assert counted(drawn + late) == (0, 2, 1, 0)


def test_what_nobody_looked_at_does_not_count() -> None:
    for via in ("bulk", "import"):
        unseen = log_of((2, "wrong"), (0, "wrong"), via=via)
        drawn = log_of((5, "right"), (7, "wrong"), first=10)
        assert counted(unseen) is None
        assert counted(unseen + drawn) == (1, 2, 1, 1)
        rate, of_three = estimate_from(unseen + drawn, ORDER, GIVEN, ALL), (marked_interval(10, 3, 1)[0], marked_interval(10, 3, 2)[1])
        assert rate is not None and rate.estimate == 0.5
        assert (10 * rate.low, 10 * rate.high) == pytest.approx(of_three)  # 2 may be either
        assert unseen_among_drawn(unseen + drawn, ORDER, ALL).tolist() == [2]  # 0 was not drawn yet
        looked = log_of((2, "right"), first=20)  # and then it counts as it was seen
        assert counted(unseen + drawn + looked) == (1, 3, 0, 0)
        assert not len(unseen_among_drawn(unseen + drawn + looked, ORDER, ALL))
        assert counted(drawn + looked + [replace(d, decision_id=d.decision_id + 30) for d in unseen]) == (1, 3, 0, 0)


def test_what_was_taken_back_does_not_count() -> None:
    log = log_of((5, "right"), (2, "wrong"))
    assert counted([*log, said(9, 0, "undo", target=2)]) == (0, 1, 0, 0)
    assert counted([*log, said(9, 0, "undo", target=2), said(10, 0, "undo", target=1)]) is None


def test_a_second_look_replaces_the_first() -> None:
    assert counted([*log_of((5, "right"), (2, "wrong")), said(9, 2, "keep", 0, via="suspicious")]) == (0, 2, 0, 0)


def test_only_images_of_this_run_count() -> None:
    log = log_of((5, "right"), (2, "wrong"), (7, "wrong"))
    some = np.array([7, 5, 1])
    rate = estimate_from(log, ORDER, np.array([1, 0, 0]), some)  # here 7 carries label 1, which it was found to show
    assert rate == error_rate([False, False], 3)
    assert estimate_from(log, ORDER, np.zeros(2, dtype=np.int64), np.array([8, 9])) is None


def test_decisions_on_images_the_order_does_not_reach_are_passed_over() -> None:
    assert counted([*log_of((5, "right")), said(9, 4000, "keep", 0)]) == (0, 1, 0, 0)


@pytest.mark.parametrize("seed", range(3))
def test_reviewing_suspicious_ones_first_does_not_bias_the_estimate(seed: int) -> None:
    """The most suspicious images hold nearly all wrong labels; every fourth image comes at random."""
    estimates, inside, N = [], 0, 200
    for n in range(150):
        rng = np.random.default_rng((seed, n))
        order = random_order(N, f"{seed} {n}")
        true = (rng.random(N) < 0.2).astype(np.int64)
        suspicious = np.argsort(-(true + rng.normal(0, 0.3, N)))
        rate = estimate_from(mixed_review(suspicious, order, true, 120), order, np.zeros(N, dtype=np.int64), np.arange(N))
        assert rate is not None and rate.left_out == 0
        estimates.append(rate.estimate - true.mean())
        inside += rate.low <= true.mean() <= rate.high
    assert abs(np.mean(estimates)) < 4 * np.std(estimates) / np.sqrt(len(estimates))
    assert inside / len(estimates) > 0.9


def mixed_review(suspicious: Array, order: Array, true: Array, images: int) -> list[Decision]:
    """A reviewer who is always right; given labels are 0."""
    log: list[Decision] = []
    seen: set[int] = set()
    for turn in range(images):
        at_random = turn % 4 == 3
        image = next(int(i) for i in (order if at_random else suspicious) if int(i) not in seen)
        seen.add(image)
        action, via = "relabel" if true[image] else "keep", "random" if at_random else "suspicious"
        log.append(said(turn + 1, image, action, int(true[image]), via=via))
    return log


# -- when to stop -------------------------------------------------------------------------------------


def test_hits_are_of_the_last_suspicious_images_that_were_clear() -> None:
    log = log_of((0, "wrong"), (1, "wrong"), (2, "right"), (3, "ambiguous"), (4, "exclude"), via="suspicious")
    log += log_of((5, "wrong"), first=10)
    assert recent_hits(log, GIVEN, ALL) == Recent(3, 4)
    assert recent_hits(log, GIVEN, ALL, last=2) == Recent(1, 2)  # 4 and 2
    assert recent_hits(log, GIVEN[:2], np.array([0, 2])) == Recent(1, 2)
    assert recent_hits(log, GIVEN, ALL, author="bob") == recent_hits([], GIVEN, ALL) == Recent(0, 0)


def rate_of(wrong: int, reviewed: int, population: int = 1000) -> ErrorRate:
    found = error_rate([True] * wrong + [False] * (reviewed - wrong), population)
    assert found is not None
    return found


def test_what_is_left_is_neither_negative_nor_more_than_is_undecided() -> None:
    rate = rate_of(20, 100)
    assert wrong_left(rate, 50, 800) == Left(150, round(1000 * rate.low) - 50, round(1000 * rate.high) - 50)
    assert wrong_left(rate, 500, 800) == Left(0, 0, 0)
    assert wrong_left(rate, 50, 90) == Left(90, round(1000 * rate.low) - 50, 90)


def test_advice() -> None:
    rate, many, few = rate_of(20, 100), Recent(40, 50), Recent(1, 50)
    assert advice(rate, many, 1000, 0).startswith("Every image is decided")
    assert f"Review {ENOUGH} more" in advice(None, many, 10, 900)
    assert f"Review {ENOUGH - 5} more" in advice(rate_of(1, 5), many, 10, 900)
    assert advice(rate, Recent(3, 4), 50, 800).startswith("Go on with the suspicious images: about 150 wrong labels (")
    assert advice(rate, many, 50, 800).startswith("Go on: 40 of the last 50 suspicious images had a wrong label (80 %); about 150")
    assert advice(rate, few, 190, 700).startswith("You can stop: only 1 of the last 50 suspicious images had a wrong label; about 10 ")
    worn = advice(rate, Recent(9, 50), 40, 800)
    assert worn.startswith("You can stop, unless you go through everything: 9 of the last 50")
    assert "(18 %), no more than images drawn at random from the rest would have (20 %)" in worn
    for sentence in (worn, advice(rate, many, 50, 800)):
        assert sentence.endswith("undecided images.") and sentence.count(". ") == 0
    assert "7 of the images drawn at random were decided without a look" in advice(rate._replace(unseen=7), many, 50, 800)
