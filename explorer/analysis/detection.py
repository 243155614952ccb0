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
