"""Estimated precision and recall against mixtures whose truth is known."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

from explorer.analysis.calibration import ENOUGH, Calibration, at_cut, calibrate, cut_for, default_cut
from explorer.records import Array

MISSED = 0.05  # of the duplicates, and of the planted copies


def mixture(images: int, share: float, seed: int, tail: str = "exponential") -> tuple[Array, Array, Array]:
    """(likeness of the images' own pairs, which of them are duplicates, likeness of planted copies).

    1.7 pairs per image merely look alike; their log-odds have an exponential or a Gaussian tail.
    """
    rng = np.random.default_rng(seed)
    alike = int(1.7 * images)
    null = -6 + (rng.exponential(1.2, alike) if tail == "exponential" else np.abs(rng.normal(0, 2.2, alike)))
    duplicates = rng.normal(4, 3, int(share * images))
    duplicates = duplicates[rng.random(len(duplicates)) >= MISSED]
    planted = rng.normal(4, 3, min(images, 600))
    planted[rng.random(len(planted)) < MISSED] = -np.inf
    likeness = np.concatenate([null, duplicates])
    return likeness, np.arange(len(likeness)) >= alike, planted


def calibrated(likeness: Array, planted: Array, images: int) -> Calibration:
    return calibrate(likeness, np.zeros(len(likeness), dtype=bool), planted, images)


@pytest.mark.parametrize("tail", ["exponential", "gaussian"])
@pytest.mark.parametrize("share", [0.01, 0.05, 0.2, 0.5])
def test_estimated_precision_is_close_to_the_truth_or_below_it(share: float, tail: str) -> None:
    apart = []
    for seed in range(6):
        likeness, duplicate, planted = mixture(10_000, share, seed, tail)
        found = calibrated(likeness, planted, 10_000)
        truth = np.cumsum(duplicate[np.argsort(-likeness, kind="stable")]) / found.pairs
        shown = np.searchsorted(-found.likeness, np.array([-4, -3, -2, -1.0]))  # of falling likeness
        apart.append((found.precision - truth)[shown[shown >= 30]])
    assert np.mean(apart) < 0.04 and np.max(apart) < 0.15
    if share < 0.5:
        assert np.mean(apart) > -0.08


@pytest.mark.parametrize("share", [0.01, 0.05, 0.2])
@pytest.mark.parametrize("wanted", [0.9, 0.95, 0.99])
def test_the_precision_asked_for_is_had(share: float, wanted: float) -> None:
    """Where duplicates stand out, as they do in real images: neither too bold nor needlessly timid."""
    realised, recall = [], []
    for seed in range(10):
        rng = np.random.default_rng(seed)
        alike, real, planted = rng.exponential(1.2, 7000) - 9, rng.normal(4, 2, int(4000 * share)), rng.normal(4, 2, 400)
        cut = cut_for(calibrated(np.concatenate([alike, real]), planted, 4000), wanted)
        realised.append((real >= cut).sum() / ((real >= cut).sum() + (alike >= cut).sum()))
        recall.append((real >= cut).mean())
    assert wanted - 0.06 < np.mean(realised) < wanted + 0.5 * (1 - wanted)
    assert np.mean(recall) > 0.65


@pytest.mark.parametrize("tail", ["exponential", "gaussian"])
@pytest.mark.parametrize("images", [300, 1000, 5000])
def test_without_duplicates_hardly_anything_is_flagged(images: int, tail: str) -> None:
    flagged = []
    for seed in range(10):
        likeness, _, planted = mixture(images, 0, seed, tail)
        flagged.append((likeness >= cut_for(calibrated(likeness, planted, images), 0.95)).sum())
    assert np.mean(flagged) < 0.002 * images + 1


def test_recall_is_the_share_of_planted_copies_found() -> None:
    likeness, _, planted = mixture(2_000, 0.1, 0)
    found = calibrated(likeness, planted, 2_000)
    assert np.array_equal(found.recall, [(planted >= cut).mean() for cut in found.likeness])
    assert found.recall.max() <= 1 - MISSED / 2


def test_precision_falls_and_recall_rises_with_falling_cuts() -> None:
    for seed in range(5):
        likeness, _, planted = mixture(1_000, 0.1, seed)
        found = calibrated(likeness, planted, 1_000)
        assert (np.diff(found.likeness) <= 0).all() and (np.diff(found.recall) >= 0).all()
        assert (np.diff(found.precision) <= 1e-12).all() and 0 <= found.precision.min() and found.precision.max() <= 1
        assert found.pairs.tolist() == list(range(1, len(likeness) + 1))


def test_the_order_of_the_pairs_does_not_matter() -> None:
    likeness, _, planted = mixture(1_000, 0.1, 0)
    order = np.random.default_rng(0).permutation(len(likeness))
    one, two = calibrated(likeness, planted, 1_000), calibrated(likeness[order], planted[::-1], 1_000)
    assert all(np.array_equal(x, y) for x, y in zip(one, two, strict=True))


def test_exact_copies_are_right_whatever_is_estimated() -> None:
    likeness, _, planted = mixture(1_000, 0, 0)
    likeness, exact = np.concatenate([likeness, np.full(7, 16.0)]), np.arange(len(likeness) + 7) >= len(likeness)
    found = calibrate(likeness, exact, planted, 1_000)
    assert found.precision[:7].tolist() == [1] * 7
    assert at_cut(found, 16.0)[:2] == (7, 1.0)


@pytest.mark.parametrize("exact", [0, 50, 5_000])
def test_few_pairs_tell_nothing_and_the_odds_themselves_have_to_do(exact: int) -> None:
    likeness = np.concatenate([np.full(exact, 16.0), np.linspace(3, -5, ENOUGH - 1)])
    found = calibrate(likeness, np.arange(len(likeness)) < exact, np.full(50, 2.0), 5_000)
    assert np.isnan(found.precision).all() and len(found.precision) == len(likeness)
    assert found.recall[-1] == 1
    assert cut_for(found, 0.5) == pytest.approx(0) and cut_for(found, 0.95) == pytest.approx(np.log(19))
    assert cut_for(found, 1.0) == np.inf
    assert np.isnan(at_cut(found, 2.0)[1])


@pytest.mark.parametrize(
    "likeness",
    [np.linspace(2, -6, ENOUGH), np.zeros(500), np.repeat([3.0, -4.0], 300), np.linspace(14, 13, 400)],
    ids=["just enough", "all alike", "two values", "all likely"],
)
@pytest.mark.parametrize("planted", [np.zeros(0), np.full(100, -np.inf), np.linspace(-2, 9, 100)], ids=["none", "missed", "found"])
def test_odd_distributions_are_survived(likeness: Array, planted: Array) -> None:
    for images in (10, 400, 100_000):
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            found = calibrated(likeness, planted, images)
        assert np.isfinite(found.precision).all() and (np.diff(found.precision) <= 0).all()
        assert np.isfinite(found.recall).all()


def test_no_pairs_at_all() -> None:
    found = calibrate(np.zeros(0), np.zeros(0, dtype=bool), np.full(10, -np.inf), 1)
    assert len(found.likeness) == 0 and at_cut(found, 0.0)[0] == 0
    assert cut_for(found, 0.95) == pytest.approx(np.log(19))


def test_a_precision_that_is_not_to_be_had_flags_exact_copies_only() -> None:
    found = Calibration(np.array([3.0, 2, 1]), np.array([1.0, 2, 3]), np.array([0.6, 0.5, 0.4]), np.array([0.1, 0.2, 0.3]))
    assert cut_for(found, 0.95) == np.inf
    assert (cut_for(found, 0.5), cut_for(found, 0.4)) == (2, 1)


def test_at_cut_counts_what_is_at_least_as_alike() -> None:
    found = Calibration(np.array([3.0, 2, 2, 1]), np.arange(1.0, 5), np.array([0.9, 0.8, 0.7, 0.6]), np.array([0.1, 0.2, 0.2, 0.3]))
    assert at_cut(found, 2.0) == (3, 0.7, 0.2) and at_cut(found, 2.5) == (1, 0.9, 0.1) and at_cut(found, -9.0) == (4, 0.6, 0.3)
    assert at_cut(found, 3.5)[0] == 0 and np.isnan(at_cut(found, 3.5)[1]) and at_cut(found, np.inf)[2] == 0


def test_unasked_nothing_is_flagged_below_even_odds() -> None:
    """Many sure pairs make up for unlikely ones in the precision of all, but do not make these likely."""
    sure = np.linspace(9, -3, 25)
    high, low = (Calibration(sure, np.arange(1.0, 26), np.linspace(1, last, 25), np.linspace(0, 1, 25)) for last in (0.96, 0.2))
    assert cut_for(high, 0.95) == -3 and default_cut(high) == 0
    assert default_cut(low) == cut_for(low, 0.95) > 0 and default_cut(low, 0.5) == cut_for(low, 0.5)
    assert default_cut(low, 1.0) == cut_for(low, 1.0) and default_cut(high, 0.999) == cut_for(high, 0.999) > 0
