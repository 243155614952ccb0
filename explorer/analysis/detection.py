"""How well a score finds what it should find, judged against known truth."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from explorer.analysis.dynamics import PROBED, over_epochs
from explorer.analysis.scores import suspicion
from explorer.records import Array, Facts

RESAMPLES = 300
TOP = 100
OVER_EPOCHS = (
    "curvature", "sensitivity", "cumulative_loss", "aum", "confidence", "cumulative_errors", "final_loss", "el2n", "learning_epoch",
    "forgetting_events",
)  # fmt: skip


class Detection(NamedTuple):
    """Quality of one ranking. All in [0, 1]; NaN where there is nothing to find, or nothing else."""

    auroc: float  # chance that a random positive ranks above a random negative; 0.5 is guessing
    auroc_low: float  # 95 % bootstrap interval over images, NaN unless asked for
    auroc_high: float
    average_precision: float  # chance level is the share of positives
    precision_at_k: float  # share of positives among the k most suspicious
    k: int


def detect(suspicion: Array, positive: Array, *, intervals: bool = False, seed: int = 0) -> Detection:
    """Judge a ranking, most suspicious first, against what should be found.

    Args:
        suspicion: float ``[N]``, high is suspicious; NaN counts as least suspicious. positive: bool ``[N]``.
        intervals: also bootstrap the AUROC over images; only for finished runs, it takes a while.
    """
    from sklearn.metrics import average_precision_score

    positive = np.asarray(positive, dtype=bool)
    k = min(TOP, int(positive.sum()))
    if k == 0 or positive.all():
        return Detection(math.nan, math.nan, math.nan, math.nan, math.nan, k)
    known = _known(suspicion)
    low, high = bootstrap_auroc(known, positive, seed) if intervals else (math.nan, math.nan)
    return Detection(
        auroc=auroc(known, positive),
        auroc_low=low,
        auroc_high=high,
        average_precision=float(average_precision_score(positive, known)),
        precision_at_k=float(positive[np.argsort(-known, kind="stable")[:k]].mean()),
        k=k,
    )


def _known(suspicion: Array) -> Array:
    """float64 ``[N]`` in which unknown values (NaN) lie below all others."""
    known = np.asarray(suspicion, dtype=np.float64)
    return np.nan_to_num(known, nan=np.nanmin(known, initial=0.0) - 1)


def auroc(suspicion: Array, positive: Array) -> float:
    """Chance that a random positive ranks above a random negative, a tie counting half; NaN where one of them is missing.

    Args:
        suspicion: float ``[N]``, high is suspicious; NaN counts as least suspicious. positive: bool ``[N]``.
    """
    known = _known(suspicion)
    found, others = np.sort(known[positive]), np.sort(known[~positive])
    if not len(found) or not len(others):
        return math.nan
    below, upto = np.searchsorted(others, found, "left"), np.searchsorted(others, found, "right")
    return float((below.sum() + upto.sum()) / (2 * len(found) * len(others)))


# -- where to cut ----------------------------------------------------------------------------------


class ThresholdCounts(NamedTuple):
    """What looking at every image from a threshold up would find: a row for each distinct value, most suspicious first.

    threshold: float64 ``[T]``, falling suspicion; -inf for images whose score is unknown. tp, fp: int64 ``[T]``, how many
    positives and how many others are at least that suspicious; the last row holds every image.
    """

    threshold: Array
    tp: Array
    fp: Array


class Cut(NamedTuple):
    """What the n most suspicious images hold. A cut through images of equal score has no one answer: they may stand in any order.

    found: positives among the n, the mean over these orders. least, most: in the worst and in the best of them; equal to found
    where the cut goes through no ties. tied: images of the score it goes through, 0 if none. threshold: suspicion of the n-th.
    """

    n: int
    found: float
    least: int
    most: int
    tied: int
    threshold: float

    @property
    def precision(self) -> float:
        return self.found / self.n


def threshold_counts(suspicion: Array, positive: Array) -> ThresholdCounts:
    """``suspicion``: float ``[N]``, N > 0, high is suspicious; NaN counts as least suspicious. positive: bool ``[N]``."""
    values = np.asarray(suspicion, dtype=np.float64)
    values = np.where(np.isnan(values), -np.inf, values)
    order = np.argsort(-values, kind="stable")
    values = values[order]
    last = np.flatnonzero(np.append(values[1:] != values[:-1], True))  # of each run of ties
    tp = np.cumsum(positive[order], dtype=np.int64)[last]
    return ThresholdCounts(values[last], tp, last + 1 - tp)


def roc(counts: ThresholdCounts) -> tuple[Array, Array]:
    """(false positive rate, true positive rate), float64 ``[T + 1]`` from (0, 0) to (1, 1); needs a positive and another image.

    Straight lines between the points are exact: images of equal score stand in any order. The area below is the AUROC.
    """
    return np.append(0, counts.fp / counts.fp[-1]), np.append(0, counts.tp / counts.tp[-1])


def precision_recall(counts: ThresholdCounts) -> tuple[Array, Array]:
    """(recall, precision), float64 ``[T]``; needs a positive.

    Read as steps, each precision holding back to the recall before it, the area below is the average precision.
    """
    return counts.tp / counts.tp[-1], counts.tp / (counts.tp + counts.fp)


def found_by_rank(counts: ThresholdCounts) -> Array:
    """float64 ``[N]``: positives among the first n images, n = 1 to N; inside ties the mean over the orders they may stand in."""
    looked = counts.tp + counts.fp
    return np.interp(np.arange(1, looked[-1] + 1), np.append(0, looked), np.append(0, counts.tp))


def areas(counts: ThresholdCounts) -> tuple[float, float]:
    """(AUROC, average precision), the areas below both curves; needs a positive and another image."""
    recall, precision = precision_recall(counts)
    across, up = roc(counts)
    return float(np.trapezoid(up, across)), float(np.sum(np.diff(recall, prepend=0) * precision))


def cut(counts: ThresholdCounts, n: int) -> Cut:
    """Look at the ``n`` most suspicious images.

    Raises:
        ValueError: unless n is from 1 to the number of images.
    """
    looked = counts.tp + counts.fp
    if not 1 <= n <= looked[-1]:
        raise ValueError(f"n: {n} images cannot be looked at; there are {looked[-1]}, and at least 1 is needed")
    row = int(np.searchsorted(looked, n))
    before, tp_before = (int(looked[row - 1]), int(counts.tp[row - 1])) if row else (0, 0)
    tied, taken, tied_tp = int(looked[row]) - before, n - before, int(counts.tp[row]) - tp_before
    return Cut(
        n=n,
        found=tp_before + taken * tied_tp / tied,
        least=tp_before + max(0, taken - (tied - tied_tp)),
        most=tp_before + min(taken, tied_tp),
        tied=tied if taken < tied else 0,
        threshold=float(counts.threshold[row]),
    )


# -- over the epochs, and how sure -----------------------------------------------------------------


def detection_over_epochs(
    facts: Facts, given_label: Array, is_mislabeled: Array, names: Sequence[str] = OVER_EPOCHS
) -> tuple[Array, dict[str, Array]]:
    """When would you have known? AUROC of each score for finding wrong labels, as the score stood after every epoch.

    Args:
        facts: of epochs 1..E. given_label: int ``[N]``. is_mislabeled: bool ``[N]``.
        names: of scores of recorded facts.

    Returns:
        (epochs int ``[E]``, AUROC float64 ``[E]`` by name): NaN where a score was not known yet, or was not recorded, and
        throughout where no label is wrong, or all are. What is probed keeps its value until the next probe.
    """
    found = {}
    for name in names:
        after = np.array([auroc(suspicion(name, values), is_mislabeled) for values in over_epochs(name, facts, given_label)])
        marks = facts.curvature_epochs if name in PROBED else facts.epochs
        known = np.searchsorted(marks[: len(after)], facts.epochs, side="right")  # how many values each epoch has seen
        found[name] = np.concatenate([[math.nan], after])[known]
    return facts.epochs, found


def bootstrap_auroc(suspicion: Array, positive: Array, seed: int = 0, resamples: int = RESAMPLES) -> tuple[float, float]:
    """95 % percentile interval of the AUROC, resampling images (one sort, then weighted sums)."""
    rng = np.random.default_rng(seed)
    order = np.argsort(suspicion, kind="stable")
    positive = positive[order]
    first = np.flatnonzero(np.r_[True, np.diff(suspicion[order]) > 0])  # start of each run of ties
    N = len(order)
    values = []
    for _ in range(resamples):
        weight = np.bincount(rng.integers(0, N, N), minlength=N)
        up = np.add.reduceat(weight * positive, first).astype(np.float64)
        down = np.add.reduceat(weight * ~positive, first).astype(np.float64)
        if up.sum() and down.sum():
            values.append((up * (np.cumsum(down) - down / 2)).sum() / (up.sum() * down.sum()))
    low, high = np.quantile(values, [0.025, 0.975]) if values else (math.nan, math.nan)
    return float(low), float(high)
