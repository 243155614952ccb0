"""Memorization and its standard error against closed forms, plain loops and simulation."""

from __future__ import annotations

import numpy as np
import pytest

from explorer.analysis.memorization import Memorization, memorization


def counts(seed: int = 0, N: int = 50, models: int = 40) -> tuple[np.ndarray, ...]:
    rng = np.random.default_rng(seed)
    inside, correct = rng.random((models, N)) < 0.7, rng.random((models, N)) < rng.random(N)
    return (inside & correct).sum(0), inside.sum(0), (~inside & correct).sum(0), (~inside).sum(0)


def assert_same(one: Memorization, other: Memorization) -> None:
    for name in Memorization._fields:
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name), err_msg=name)


def test_it_is_the_share_inside_minus_the_share_outside() -> None:
    """Right always with it and never without; right either way; right half the time with it."""
    found = memorization(np.array([70, 70, 35]), np.array([70, 70, 70]), np.array([0, 30, 6]), np.array([30, 30, 30]))
    np.testing.assert_array_equal(found.memorization, [1.0, 0.0, 0.5 - 0.2])
    np.testing.assert_array_equal(found.inside, [1.0, 1.0, 0.5])
    np.testing.assert_array_equal(found.outside, [0.0, 1.0, 0.2])


def test_it_is_what_a_plain_loop_over_networks_gives() -> None:
    rng = np.random.default_rng(3)
    inside, correct = rng.random((30, 12)) < 0.7, rng.random((30, 12)) < 0.6
    found = memorization((inside & correct).sum(0), inside.sum(0), (~inside & correct).sum(0), (~inside).sum(0))
    for n in range(12):
        with_it = [float(correct[m, n]) for m in range(30) if inside[m, n]]
        without = [float(correct[m, n]) for m in range(30) if not inside[m, n]]
        assert found.memorization[n] == pytest.approx(sum(with_it) / len(with_it) - sum(without) / len(without), abs=1e-12)


def test_the_standard_error_is_that_of_agresti_and_caffo() -> None:
    (found,) = memorization(np.array([60]), np.array([60]), np.array([3]), np.array([20])).standard_error
    with_it, without = 61 / 62, 4 / 22
    assert found == pytest.approx((with_it * (1 - with_it) / 62 + without * (1 - without) / 22) ** 0.5, rel=1e-12)


@pytest.mark.parametrize(("inside", "outside"), [(0.9, 0.2), (0.5, 0.5), (0.97, 0.6)])
def test_the_standard_error_is_how_much_the_estimate_varies(inside: float, outside: float) -> None:
    rng = np.random.default_rng(0)
    draws = 20_000
    correct_in, correct_out = rng.binomial(140, inside, draws), rng.binomial(60, outside, draws)
    found = memorization(correct_in, np.full(draws, 140), correct_out, np.full(draws, 60))
    assert found.memorization.mean() == pytest.approx(inside - outside, abs=4 * found.memorization.std() / draws**0.5)
    assert np.sqrt((found.standard_error**2).mean()) == pytest.approx(found.memorization.std(), rel=0.03)


def test_the_standard_error_stays_below_that_of_even_chances() -> None:
    """200 networks at 0.7: at most 0.077, from a variance of 1/4 on either side; and never 0, however unanimous they are."""
    every = np.arange(141)
    found = memorization(every, np.full(141, 140), every % 61, np.full(141, 60)).standard_error
    assert 0 < found.min() and found.max() < (0.25 / 140 + 0.25 / 60) ** 0.5 < 0.0772


def test_an_image_that_was_always_inside_or_always_outside_is_unknown() -> None:
    found = memorization(np.array([5, 0, 0]), np.array([5, 0, 0]), np.array([0, 3, 0]), np.array([0, 5, 0]))
    assert np.isnan(found.memorization).all() and np.isnan(found.standard_error).all()
    np.testing.assert_array_equal(found.inside, [1.0, np.nan, np.nan])
    np.testing.assert_array_equal(found.outside, [np.nan, 0.6, np.nan])


def test_permuting_the_images_permutes_it() -> None:
    known = counts()
    order = np.random.default_rng(1).permutation(50)
    assert_same(memorization(*(c[order] for c in known)), Memorization(*(a[order] for a in memorization(*known))))


def test_exchanging_with_and_without_turns_its_sign() -> None:
    correct_in, n_in, correct_out, n_out = counts()
    found, turned = memorization(correct_in, n_in, correct_out, n_out), memorization(correct_out, n_out, correct_in, n_in)
    np.testing.assert_array_equal(turned.memorization, -found.memorization)
    np.testing.assert_array_equal(turned.standard_error, found.standard_error)


def test_four_times_the_networks_halve_the_error() -> None:
    known = counts(models=400)
    one, four = memorization(*known), memorization(*(4 * c for c in known))
    np.testing.assert_array_equal(one.memorization, four.memorization)
    middling = (one.inside > 0.2) & (one.inside < 0.8)  # further out the added success and failure tell
    assert middling.sum() > 20
    np.testing.assert_allclose((four.standard_error / one.standard_error)[middling], 0.5, rtol=0.02)


@pytest.mark.parametrize("N", [0, 1])
def test_it_works_on_one_image_and_on_none(N: int) -> None:
    found = memorization(*(c[:N] for c in counts()))
    assert all(a.shape == (N,) and a.dtype == np.float64 for a in found)


@pytest.mark.parametrize("lie", [(6, 5, 0, 5), (0, 5, 6, 5), (-1, 5, 0, 5)])
def test_impossible_counts_are_refused(lie: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="networks"):
        memorization(*(np.array([value]) for value in lie))
