"""Precision and recall of every cut, on made-up mixtures of which the truth is known."""

from __future__ import annotations

import math

import numpy as np
import pytest

from explorer.analysis.calibration import ENOUGH, Calibration, at_cut, calibrate, cut_for
from explorer.records import Array

IMAGES = 4000


def mixture(duplicates: int, seed: int = 0) -> tuple[Array, Array, Array]:
    """(likeness of own pairs, whether each is a duplicate, likeness of 400 planted copies): look-alikes fall off exponentially."""
    rng = np.random.default_rng(seed)
    alike = rng.exponential(1.2, 7000) - 9
    real, planted = (rng.normal(4, 2, n) for n in (duplicates, 400))
    return np.concatenate([alike, real]), np.arange(7000 + duplicates) >= 7000, planted


def calibrated(duplicates: int, seed: int = 0) -> tuple[Calibration, Array, Array]:
    likeness, real, planted = mixture(duplicates, seed)
    return calibrate(likeness, np.zeros(len(likeness), dtype=bool), planted, IMAGES), likeness, real


@pytest.mark.parametrize("duplicates", [40, 200, 800])
@pytest.mark.parametrize("wanted", [0.9, 0.95, 0.99])
def test_wanted_precision_is_had(duplicates: int, wanted: float) -> None:
    realised = []
    for seed in range(12):
        made, likeness, real = calibrated(duplicates, seed)
        realised.append(float(real[likeness >= cut_for(made, wanted)].mean()))
    assert wanted - 0.06 < np.mean(realised) < wanted + 0.5 * (1 - wanted)  # neither too bold nor needlessly timid


@pytest.mark.parametrize("duplicates", [40, 200, 800])
def test_and_most_duplicates_are_flagged(duplicates: int) -> None:
    made, likeness, real = calibrated(duplicates)
    assert (likeness[real] >= cut_for(made, 0.9)).mean() > 0.8


def test_without_duplicates_hardly_anything_is_flagged() -> None:
    flagged = [int((likeness >= cut_for(made, 0.95)).sum()) for made, likeness, _ in (calibrated(0, seed) for seed in range(5))]
    assert max(flagged) <= 5 and np.median(flagged) <= 1  # of 7,000


def test_recall_is_the_share_of_planted_copies_found() -> None:
    likeness, _, planted = mixture(100)
    planted[:40] = -np.inf
    made = calibrate(likeness, np.zeros(len(likeness), dtype=bool), planted, IMAGES)
    for i in (0, 50, 500, len(likeness) - 1):
        assert made.recall[i] == pytest.approx(np.mean(planted >= made.likeness[i]))
        assert made.pairs[i] == np.sum(likeness >= made.likeness[i])
    assert made.recall[-1] == pytest.approx(0.9)


def test_a_lower_cut_is_never_more_precise() -> None:
    made, _, _ = calibrated(200)
    assert (np.diff(made.precision) <= 1e-12).all() and (np.diff(made.likeness) <= 0).all() and (np.diff(made.recall) >= 0).all()
    assert ((made.precision >= 0) & (made.precision <= 1)).all()


def test_exact_copies_are_certain() -> None:
    likeness, _, planted = mixture(50)
    exact = np.zeros(len(likeness), dtype=bool)
    likeness[:30], exact[:30] = 16.0, True
    made = calibrate(likeness, exact, planted, IMAGES)
    assert (made.precision[:30] == 1).all()


def test_of_too_few_pairs_nothing_is_said_and_likeness_itself_is_the_cut() -> None:
    made = calibrate(np.linspace(-5, 5, ENOUGH - 1), np.zeros(ENOUGH - 1, dtype=bool), np.zeros(10), 50)
    assert np.isnan(made.precision).all()
    assert cut_for(made, 0.95) == pytest.approx(math.log(19))
    assert math.isnan(at_cut(made, 0.0)[1])


def test_at_a_cut_nobody_reaches_there_is_nothing() -> None:
    made, _, _ = calibrated(100)
    assert at_cut(made, 1e9)[0] == 0 and at_cut(made, 1e9)[2] == 0


def test_the_order_of_pairs_changes_nothing() -> None:
    likeness, _, planted = mixture(100)
    order = np.random.default_rng(1).permutation(len(likeness))
    none = np.zeros(len(likeness), dtype=bool)
    for one, other in zip(calibrate(likeness, none, planted, IMAGES), calibrate(likeness[order], none, planted[::-1], IMAGES), strict=True):
        np.testing.assert_allclose(one, other)
