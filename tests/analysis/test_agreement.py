"""Correlations against SciPy and scikit-learn, and what is unknown."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.stats import pearsonr, rankdata, spearmanr  # comes with scikit-learn
from sklearn.metrics.pairwise import cosine_similarity

from explorer.analysis.agreement import agreement, rank_correlations, ranks
from explorer.analysis.scores import SCORES, compute_scores, suspicion
from tests.analysis.histories import random_facts


@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize("seed", range(3))
def test_agreement_is_that_of_scipy_and_scikit_learn(seed: int, ties: bool) -> None:
    rng = np.random.default_rng(seed)
    memorization = rng.beta(0.5, 2, 200)
    score = memorization + rng.exponential(0.3, 200)
    if ties:
        memorization, score = memorization.round(1), score.round(1)
    found = agreement(memorization, score)
    assert found.spearman == pytest.approx(spearmanr(memorization, score).statistic, abs=1e-12)
    assert found.pearson == pytest.approx(pearsonr(memorization, score).statistic, abs=1e-12)
    assert found.cosine == pytest.approx(cosine_similarity([memorization], [score])[0, 0], abs=1e-12)


def test_cosine_is_high_for_unrelated_scores_and_correlation_is_not() -> None:
    rng = np.random.default_rng(0)
    found = agreement(rng.uniform(0.5, 1, 5000), rng.uniform(0.5, 1, 5000))
    assert found.cosine > 0.9 > 0.1 > abs(found.pearson)
    assert abs(found.spearman) < 0.1


def test_images_of_which_one_is_unknown_do_not_count() -> None:
    rng = np.random.default_rng(1)
    memorization, score = rng.random(50), rng.random(50)
    known = np.arange(50) % 3 > 0
    found = agreement(np.where(known, memorization, np.nan), score)
    assert found == agreement(memorization[known], score[known])
    assert found == agreement(memorization, np.where(known, score, np.nan))


@pytest.mark.parametrize("N", [0, 1])
def test_too_few_images_agree_on_nothing(N: int) -> None:
    assert all(math.isnan(value) for value in agreement(np.ones(N), np.ones(N)))


def test_a_score_that_never_varies_correlates_with_nothing() -> None:
    found = agreement(np.zeros(9), np.arange(9.0))
    assert all(math.isnan(value) for value in found)
    found = agreement(np.ones(9), np.arange(9.0))
    assert math.isnan(found.spearman) and math.isnan(found.pearson)
    assert found.cosine == pytest.approx(cosine_similarity([np.ones(9)], [np.arange(9.0)])[0, 0])


def test_scores_are_compared_by_the_order_of_their_suspicion() -> None:
    facts, given = random_facts(0)
    scores = compute_scores(facts, given)
    names, found = rank_correlations(scores)
    assert names == tuple(name for name in SCORES if name in scores)
    assert found.shape == (len(names), len(names))
    for i, first in enumerate(names):
        for j, second in enumerate(names):
            expected = spearmanr(suspicion(first, scores[first]), suspicion(second, scores[second])).statistic
            assert found[i, j] == pytest.approx(expected, abs=1e-12)
    assert found[names.index("final_loss"), names.index("self_confidence")] == pytest.approx(1, abs=1e-12)  # low turned round


def test_an_unknown_score_ranks_as_least_suspicious_and_a_constant_one_is_unknown() -> None:
    values = np.array([3.0, 1.0, 2.0, 5.0])
    scores = {"curvature": values, "aum": np.where(values == 1, np.nan, -values), "final_loss": np.ones(4)}
    _, found = rank_correlations(scores)
    assert found[0, 1] == pytest.approx(1, abs=1e-12)
    assert np.isnan(found[2]).all() and np.isnan(found[:, 2]).all()
    assert rank_correlations({}) == ((), pytest.approx(np.zeros((0, 0))))


@pytest.mark.parametrize("seed", range(3))
def test_ties_share_their_mean_rank(seed: int) -> None:
    values = np.random.default_rng(seed).integers(0, 6, 40).astype(float)
    assert ranks(values).tolist() == rankdata(values).tolist()
