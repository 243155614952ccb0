"""Whether a fix helped: SciPy's paired t interval, and what is said of it."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from explorer.analysis.before_after import MOST_SEEDS, PairedChange, paired_change, seeds_needed, verdict_sentence

HELPED = paired_change([0.80, 0.82, 0.79], [0.90, 0.93, 0.90])
UNCLEAR = paired_change([0.80, 0.82, 0.79], [0.82, 0.81, 0.81])


@pytest.mark.parametrize("pairs", [2, 3, 5, 12])
@pytest.mark.parametrize("seed", range(3))
def test_the_interval_is_scipys(pairs: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    before, after = rng.random(pairs), rng.random(pairs)
    found = paired_change(list(before), list(after))
    expected = stats.ttest_rel(after, before).confidence_interval(0.95)
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high), rel=1e-9)
    assert (found.before, found.after, found.pairs) == (pytest.approx(before.mean()), pytest.approx(after.mean()), pairs)
    assert found.change == pytest.approx(found.after - found.before)
    assert found.spread == pytest.approx(np.std(after - before, ddof=1))


def test_swapping_before_and_after_mirrors_it() -> None:
    back = paired_change([0.90, 0.93, 0.90], [0.80, 0.82, 0.79])
    assert (back.low, back.change, back.high) == pytest.approx((-HELPED.high, -HELPED.change, -HELPED.low))


def test_what_the_seeds_share_is_no_noise() -> None:
    level = np.array([0.2, 0.5, 0.9])
    steady = paired_change(list(level), list(level + 0.01))
    assert steady.low == pytest.approx(0.01) and steady.high == pytest.approx(0.01)


def test_a_pair_with_an_unknown_value_does_not_count() -> None:
    found = paired_change([0.80, math.nan, 0.82, 0.79, 0.5], [0.90, 0.9, 0.93, 0.90, math.nan])
    assert found == HELPED


def test_one_pair_has_no_interval_and_none_has_nothing() -> None:
    one = paired_change([0.5], [0.75])
    assert (one.before, one.after, one.change, one.pairs) == (0.5, 0.75, 0.25, 1)
    assert math.isnan(one.low) and math.isnan(one.high) and math.isnan(one.spread)
    none = paired_change([], [])
    assert none.pairs == 0 and all(math.isnan(value) for value in (none.before, none.after, none.change, none.low, none.high))


def test_two_lists_of_other_lengths_are_no_pairs() -> None:
    with pytest.raises(ValueError, match="2 and 1 values are no pairs"):
        paired_change([0.1, 0.2], [0.3])


@pytest.mark.parametrize("size", [0.3, 0.5, 1.0])
def test_the_seeds_needed_are_the_first_that_suffice(size: float) -> None:
    change = PairedChange(0, size, size, math.nan, math.nan, 2, 1.0)
    needed = seeds_needed(change)
    assert needed is not None

    def enough(seeds: int) -> bool:
        return bool(stats.t.ppf(0.975, seeds - 1) / math.sqrt(seeds) < size)

    assert enough(needed) and not any(enough(seeds) for seeds in range(2, needed))


def test_a_change_of_nothing_needs_more_seeds_than_anybody_trains() -> None:
    assert seeds_needed(PairedChange(0.5, 0.5, 0.0, -0.1, 0.1, 5, 0.1)) is None
    assert f"more than {MOST_SEEDS} seeds" in verdict_sentence(PairedChange(0.5, 0.5, 0.0, -0.1, 0.1, 5, 0.1), "test accuracy")


def test_it_helped() -> None:
    assert verdict_sentence(HELPED, "test accuracy") == (
        "The fix helped: test accuracy went from 80.3 % to 91.0 % (+10.7 points, 95 % interval +9.2 to +12.1, 3 seeds)."
    )


def test_it_did_harm_where_less_is_better() -> None:
    assert verdict_sentence(HELPED, "memorized share", better="low").startswith("The fix did harm: memorized share went from 80.3 %")
    back = paired_change([0.90, 0.93, 0.90], [0.80, 0.82, 0.79])
    assert verdict_sentence(back, "test accuracy").startswith("The fix did harm: ")
    assert verdict_sentence(back, "memorized share", better="low").startswith("The fix helped: ")


def test_where_neither_is_better_it_only_rose_or_fell() -> None:
    sentence = verdict_sentence(paired_change([1.5, 1.4], [2.5, 2.401]), "susceptibility", "nats", better="")
    assert sentence == (
        "It rose beyond noise: susceptibility went from 1.45 nats to 2.45 nats (+1 nats, 95 % interval +0.994 to +1.01, 2 seeds)."
    )
    assert verdict_sentence(paired_change([2.5, 2.4], [1.5, 1.4]), "curvature", "", better="").startswith("It fell beyond noise: curvature")


def test_it_cannot_be_told_and_how_many_seeds_would_tell() -> None:
    sentence = verdict_sentence(UNCLEAR, "test accuracy")
    assert sentence.startswith(
        "Not beyond noise: test accuracy went from 80.3 % to 81.3 % (+1.0 points, 95 % interval -3.3 to +5.3, 3 seeds). "
    )
    needed = seeds_needed(UNCLEAR)
    assert needed is not None
    assert sentence.endswith(f"about {needed - 3} more seeds would tell.")
    assert "about 1 more seed would" in verdict_sentence(PairedChange(0.5, 0.6, 0.1, -0.01, 0.21, 3, 0.06), "test accuracy")


def test_one_seed_or_none_tells_nothing() -> None:
    assert "Test accuracy went from 50.0 % to 75.0 % with one seed" in verdict_sentence(paired_change([0.5], [0.75]), "test accuracy")
    assert verdict_sentence(paired_change([], []), "test accuracy").startswith("Test accuracy: no seed has finished")


def test_an_unknown_direction_is_no_guess() -> None:
    with pytest.raises(ValueError, match="'higher' is no direction"):
        verdict_sentence(HELPED, "test accuracy", better="higher")


def test_two_times_in_a_hundred_and_less_chance_is_called_a_change() -> None:
    """Where nothing changes, either verdict is given in about 2.5 % of cases."""
    rng = np.random.default_rng(0)
    said = [verdict_sentence(paired_change(list(rng.normal(0, 1, 5)), list(rng.normal(0, 1, 5))), "x", "") for _ in range(3000)]
    helped, harmed = (np.mean([text.startswith(word) for text in said]) for word in ("The fix helped", "The fix did harm"))
    assert 0.015 < helped < 0.035 and 0.015 < harmed < 0.035
