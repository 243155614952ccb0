"""Quality of a ranking against scikit-learn, counting by hand, and what an interval must do."""

from __future__ import annotations

import math

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, roc_auc_score

from explorer.analysis.detection import TOP, bootstrap_auroc, detect


def case(seed: int, N: int, *, ties: bool = False, share: float = 0.2) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    positive = rng.random(N) < share
    positive[:2] = [True, False]
    score = rng.normal(0, 1, N) + positive
    return np.round(score) if ties else score, positive


def pairs_won(score: np.ndarray, positive: np.ndarray) -> float:
    """AUROC as what it is: the share of (positive, negative) pairs in the right order; a tie counts half."""
    won = 0.0
    for p in score[positive]:
        for q in score[~positive]:
            won += 1.0 if p > q else 0.5 if p == q else 0.0
    return won / (positive.sum() * (~positive).sum())


@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("N", [5, 60, 300])
def test_auroc_and_average_precision(seed: int, N: int, ties: bool) -> None:
    score, positive = case(seed, N, ties=ties)
    found = detect(score, positive)
    assert found.auroc == pytest.approx(pairs_won(score, positive), abs=1e-12)
    assert found.auroc == pytest.approx(roc_auc_score(positive, score), abs=1e-12)
    assert found.average_precision == pytest.approx(average_precision_score(positive, score), abs=1e-12)
    assert math.isnan(found.auroc_low) and math.isnan(found.auroc_high)


def test_perfect_reversed_and_constant_rankings() -> None:
    positive = np.arange(20) < 5
    perfect, reversed_, constant = (detect(s, positive) for s in (-np.arange(20.0), np.arange(20.0), np.zeros(20)))
    assert (perfect.auroc, perfect.average_precision, perfect.precision_at_k, perfect.k) == (1, 1, 1, 5)
    assert (reversed_.auroc, reversed_.precision_at_k) == (0, 0)
    assert (constant.auroc, constant.average_precision) == (0.5, 0.25)


def test_precision_is_taken_among_as_many_as_there_are_to_find_at_most_a_hundred() -> None:
    score, positive = case(0, 1000)
    found = detect(score, positive)
    assert found.k == min(TOP, positive.sum()) == 100
    top = sorted(range(1000), key=lambda n: -score[n])[:100]
    assert found.precision_at_k == pytest.approx(sum(bool(positive[n]) for n in top) / 100)
    assert detect(score[:50], positive[:50]).k == positive[:50].sum()


@pytest.mark.parametrize("everything", [True, False])
def test_nothing_to_find_or_nothing_else_is_unknown(everything: bool) -> None:
    found = detect(np.arange(9.0), np.full(9, everything), intervals=True)
    assert all(math.isnan(value) for value in found[:5])


def test_an_unknown_score_counts_as_least_suspicious() -> None:
    score, positive = case(1, 80)
    unknown = np.arange(80) % 7 == 0
    found = detect(np.where(unknown, np.nan, score), positive)
    expected = detect(np.where(unknown, score.min() - 50, score), positive)
    assert found == pytest.approx(expected, nan_ok=True)
    assert detect(np.full(80, np.nan), positive).auroc == 0.5
    high = np.where(unknown, np.nan, score + 1000)  # also where every known score is far from zero
    assert detect(high, positive) == pytest.approx(expected, nan_ok=True)


def test_order_and_scale_do_not_matter() -> None:
    score, positive = case(2, 120)
    order = np.random.default_rng(0).permutation(120)
    assert detect(score[order], positive[order]) == pytest.approx(detect(score, positive), nan_ok=True)
    assert detect(np.exp(score) * 7 + 3, positive) == pytest.approx(detect(score, positive), nan_ok=True)


def test_turning_a_ranking_round_mirrors_its_auroc_and_interval() -> None:
    score, positive = case(3, 150, ties=True)
    assert detect(-score, positive).auroc == pytest.approx(1 - detect(score, positive).auroc)


@pytest.mark.parametrize("ties", [False, True])
def test_interval_holds_the_estimate_and_shrinks_with_more_images(ties: bool) -> None:
    widths = []
    for N in (60, 600, 6000):
        score, positive = case(4, N, ties=ties)
        found = detect(score, positive, intervals=True)
        assert found.auroc_low < found.auroc < found.auroc_high
        assert 0 <= found.auroc_low and found.auroc_high <= 1
        widths.append(found.auroc_high - found.auroc_low)
    assert widths[0] > 2 * widths[1] > 4 * widths[2]  # about 1 / sqrt(N)


def test_interval_is_that_of_a_plain_bootstrap() -> None:
    """The slow way, with its own draws: resample images, let scikit-learn compute each AUROC."""
    score, positive = case(5, 400, ties=True)
    rng = np.random.default_rng(99)
    values = []
    for _ in range(400):
        drawn = rng.integers(0, 400, 400)
        values.append(roc_auc_score(positive[drawn], score[drawn]))
    expected = np.quantile(values, [0.025, 0.975])
    assert bootstrap_auroc(score, positive, resamples=400) == pytest.approx(expected, abs=0.012)


def test_interval_is_seeded_and_leaves_the_global_generator_alone() -> None:
    score, positive = case(6, 100)
    before = np.random.get_state()[1].copy()
    assert bootstrap_auroc(score, positive, seed=1) == bootstrap_auroc(score, positive, seed=1)
    assert bootstrap_auroc(score, positive, seed=1) != bootstrap_auroc(score, positive, seed=2)
    assert np.array_equal(before, np.random.get_state()[1])


def test_interval_covers_the_truth_about_as_often_as_it_says() -> None:
    """Scores N(0, 1) and N(1, 1) have an AUROC of 0.7602; 95 % intervals from 60 samples of 150 images."""
    covered = 0
    for seed in range(60):
        low, high = bootstrap_auroc(*case(seed, 150), seed=seed, resamples=100)
        covered += low <= 0.7602 <= high
    assert 50 <= covered <= 60
