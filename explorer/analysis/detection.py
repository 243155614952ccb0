"""How well a score finds what it should find, judged against known truth."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from explorer.records import Array

RESAMPLES = 300
TOP = 100


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
    from sklearn.metrics import average_precision_score, roc_auc_score

    positive = np.asarray(positive, dtype=bool)
    k = min(TOP, int(positive.sum()))
    if k == 0 or positive.all():
        return Detection(math.nan, math.nan, math.nan, math.nan, math.nan, k)
    known = np.asarray(suspicion, dtype=np.float64)
    known = np.nan_to_num(known, nan=np.nanmin(known, initial=0.0) - 1)
    low, high = bootstrap_auroc(known, positive, seed) if intervals else (math.nan, math.nan)
    return Detection(
        auroc=float(roc_auc_score(positive, known)),
        auroc_low=low,
        auroc_high=high,
        average_precision=float(average_precision_score(positive, known)),
        precision_at_k=float(positive[np.argsort(-known, kind="stable")[:k]].mean()),
        k=k,
    )


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
