"""Quality of a ranking against scikit-learn, counting by hand, and what an interval must do."""

from __future__ import annotations

import dataclasses
import itertools
import math

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, precision_recall_curve, roc_auc_score, roc_curve

from explorer.analysis.detection import (
    OVER_EPOCHS,
    TOP,
    areas,
    auroc,
    bootstrap_auroc,
    cut,
    detect,
    detection_over_epochs,
    found_by_rank,
    precision_recall,
    roc,
    threshold_counts,
)
from explorer.analysis.dynamics import AT_EPOCH, RUNNING
from explorer.analysis.scores import compute_scores, facts_until, suspicion
from explorer.records import Facts


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


# -- where to cut ----------------------------------------------------------------------------------


@pytest.mark.parametrize("step", [0.0, 0.5, 3.0])
@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("N", [5, 60, 700])
def test_curves_are_those_of_scikit_learn(N: int, seed: int, step: float) -> None:
    score, positive = case(seed, N)
    score = np.round(score / step) * step if step else score
    counts = threshold_counts(score, positive)
    fpr, tpr, threshold = roc_curve(positive, score, drop_intermediate=False)
    assert np.array_equal(counts.threshold, threshold[1:])  # theirs begins above every score
    assert np.allclose(roc(counts), (fpr, tpr), rtol=0, atol=1e-12)
    precision, recall, rising = precision_recall_curve(positive, score)
    assert np.array_equal(counts.threshold[::-1], rising)
    assert np.allclose(precision_recall(counts), (recall[-2::-1], precision[-2::-1]), rtol=0, atol=1e-12)  # theirs ends in (0, 1)
    assert areas(counts) == pytest.approx((roc_auc_score(positive, score), average_precision_score(positive, score)), abs=1e-12)


def test_images_of_unknown_score_come_last_and_together() -> None:
    score, positive = case(1, 80)
    unknown = np.arange(80) % 7 == 0
    counts = threshold_counts(np.where(unknown, np.nan, score), positive)
    expected = threshold_counts(np.where(unknown, score.min() - 50, score), positive)
    assert counts.threshold[-1] == -np.inf and np.array_equal(counts.threshold[:-1], expected.threshold[:-1])
    assert np.array_equal(counts.tp, expected.tp) and np.array_equal(counts.fp, expected.fp)
    assert threshold_counts(np.full(80, np.nan), positive)[1:] == ([positive.sum()], [(~positive).sum()])


@pytest.mark.parametrize("seed", range(4))
def test_a_cut_is_the_mean_over_every_order_that_ties_may_stand_in(seed: int) -> None:
    """Against all 5,040 orders of seven images of few distinct scores."""
    rng = np.random.default_rng(seed)
    score, positive = rng.integers(0, 3, 7).astype(float), rng.permutation(7) < 3
    orders = np.array([order for order in itertools.permutations(range(7)) if (np.diff(score[list(order)]) <= 0).all()])
    found = np.cumsum(positive[orders], axis=1)
    counts = threshold_counts(score, positive)
    assert found_by_rank(counts) == pytest.approx(found.mean(axis=0))
    for n in range(1, 8):
        here = cut(counts, n)
        assert here.found == pytest.approx(found[:, n - 1].mean()) and here.precision == pytest.approx(here.found / n)
        assert (here.least, here.most) == (found[:, n - 1].min(), found[:, n - 1].max())
        nth = np.sort(score)[::-1][n - 1]
        through = n < 7 and np.sort(score)[::-1][n] == nth
        assert here.threshold == nth and here.tied == ((score == nth).sum() if through else 0)


def test_without_ties_a_cut_counts_the_first_of_the_list() -> None:
    score, positive = case(3, 200)
    counts, order = threshold_counts(score, positive), np.argsort(-score)
    for n in (1, 2, 57, 199, 200):
        here, first = cut(counts, n), int(positive[order[:n]].sum())
        assert here == (n, first, first, first, 0, score[order[n - 1]])


def test_a_cut_knows_neither_the_order_of_the_data_nor_the_scale_of_the_score() -> None:
    score, positive = case(2, 120, ties=True)
    order = np.random.default_rng(0).permutation(120)
    for n in (1, 17, 60, 120):
        here = cut(threshold_counts(score, positive), n)
        assert cut(threshold_counts(score[order], positive[order]), n) == here
        assert cut(threshold_counts(7 * score + 3, positive), n)[:5] == here[:5]


@pytest.mark.parametrize("n", [0, -3, 81])
def test_a_cut_outside_the_list_is_refused(n: int) -> None:
    with pytest.raises(ValueError, match=f"{n} images cannot be looked at; there are 80"):
        cut(threshold_counts(*case(0, 80)), n)


# -- when would you have known? --------------------------------------------------------------------


def dynamics(seed: int, E: int = 9, N: int = 80, every: int = 2, K: int = 3) -> tuple[Facts, np.ndarray, np.ndarray]:
    """Facts in which wrong labels are fitted later, probed every so many epochs, with an ELR memory."""
    rng = np.random.default_rng(seed)
    given, wrong = rng.integers(0, K, N), rng.random(N) < 0.25
    wrong[:2] = [True, False]
    lead = np.linspace(0, 4, E)[:, None] - 2 * wrong + rng.normal(0, 1, (E, N))
    probes = np.arange(every, E + 1, every)
    predicted = np.where(lead > 0, given, (given + 1) % K).astype(np.uint16)
    facts = Facts(
        np.arange(1, E + 1), np.logaddexp(0, -lead).astype(np.float16), lead.astype(np.float16),
        (1 / (1 + np.exp(lead))).astype(np.float16), predicted, rng.exponential(1 + wrong, (len(probes), N)).astype(np.float32),
        rng.exponential(1 + wrong, (len(probes), N)).astype(np.float32), probes, predicted, (1 / (1 + np.exp(-lead))).astype(np.float16),
    )  # fmt: skip
    return facts, given, wrong


@pytest.mark.parametrize("every", [1, 2, 4])
@pytest.mark.parametrize("seed", range(3))
def test_every_epoch_is_judged_as_if_the_run_had_ended_there(seed: int, every: int) -> None:
    """To the last bit, for every score of recorded facts."""
    facts, given, wrong = dynamics(seed, every=every)
    epochs, found = detection_over_epochs(facts, given, wrong, names=(*RUNNING, *AT_EPOCH))
    assert epochs.tolist() == list(range(1, 10))
    assert list(found) == [*RUNNING, *AT_EPOCH]
    for i, epoch in enumerate(epochs):
        scores = compute_scores(facts_until(facts, int(epoch)), given)
        for name, values in found.items():
            expected = detect(suspicion(name, scores[name]), wrong).auroc if name in scores else math.nan
            assert values[i] == expected or (math.isnan(values[i]) and math.isnan(expected)), (name, epoch)
    assert np.isnan(found["curvature"][: every - 1]).all() and np.isfinite(found["curvature"][every - 1 :]).all()


def test_by_default_the_usual_scores_are_followed() -> None:
    facts, given, wrong = dynamics(0)
    _, found = detection_over_epochs(facts, given, wrong)
    assert tuple(found) == OVER_EPOCHS
    assert set(OVER_EPOCHS) <= {*RUNNING, *AT_EPOCH}
    assert all(values.shape == (9,) and values.dtype == np.float64 for values in found.values())


def test_what_was_not_recorded_and_what_cannot_be_judged_is_unknown() -> None:
    facts, given, wrong = dynamics(1)
    none = np.zeros((0, len(given)), dtype=np.float32)
    bare = dataclasses.replace(
        facts,
        curvature=none,
        sensitivity=none,
        curvature_epochs=np.zeros(0, dtype=int),
        target_label=none.astype(np.uint16),
        target_share=none,
    )
    _, found = detection_over_epochs(bare, given, wrong, names=("curvature", "sensitivity", "elr_target", "aum"))
    assert [bool(np.isnan(values).all()) for values in found.values()] == [True, True, True, False]
    for positives in (np.zeros_like(wrong), np.ones_like(wrong)):
        _, found = detection_over_epochs(facts, given, positives)
        assert all(np.isnan(values).all() and len(values) == 9 for values in found.values())
    epochs, found = detection_over_epochs(Facts.empty(5), np.zeros(5, int), np.arange(5) < 2)
    assert len(epochs) == 0 and all(len(values) == 0 for values in found.values())


def test_a_score_that_follows_no_epochs_is_refused() -> None:
    with pytest.raises(KeyError, match="knn_disagreement"):
        detection_over_epochs(*dynamics(0), names=("knn_disagreement",))


@pytest.mark.parametrize("step", [0.0, 0.5, 2.0])
@pytest.mark.parametrize("seed", range(5))
def test_auroc_by_ranks_is_that_of_scikit_learn_with_many_ties(seed: int, step: float) -> None:
    score, positive = case(seed, 500)
    score = np.round(score / step) * step if step else score
    assert auroc(score, positive) == pytest.approx(roc_auc_score(positive, score), abs=1e-12)
    assert auroc(score, positive) + auroc(-score, positive) == pytest.approx(1, abs=1e-12)
    assert auroc(score, ~positive) == pytest.approx(1 - auroc(score, positive), abs=1e-12)
