"""How far scores agree with each other, and with memorization estimated by leaving images out."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from explorer.analysis.scores import suspicion as suspicion_of
from explorer.records import Array


class Agreement(NamedTuple):
    """Of two values per image, over the images where both are known; NaN where fewer than two are, or one never varies.

    spearman: correlation of the ranks, in [-1, 1]. pearson: of the values. cosine: of the vectors as they are, for comparison
    with the literature only: misleading, since two non-negative vectors have a high cosine even where they are unrelated.
    """

    spearman: float
    pearson: float
    cosine: float


def rank_correlations(scores: Mapping[str, Array]) -> tuple[tuple[str, ...], Array]:
    """(names, float64 ``[S, S]``): Spearman correlation between the suspicions of every two scores; 1 means the same order.

    Like in every list, an unknown value (NaN) ranks as least suspicious. NaN for a score that never varies.
    """
    names = tuple(scores)
    turned = (np.nan_to_num(suspicion_of(name, scores[name]), nan=-np.inf) for name in names)
    centred = np.stack([_centred(ranks(values)) for values in turned]) if names else np.zeros((0, 0))
    return names, np.clip(centred @ centred.T, -1, 1)


def agreement(memorization: Array, suspicion: Array) -> Agreement:
    """How far a score agrees with memorization.

    Args:
        memorization: float ``[N]``, chance of predicting the label with the image in training minus without.
        suspicion: float ``[N]``, high is suspicious. NaN where unknown, in either.

    Source:
        The cosine is that of Garg, Ravikumar, Roy, arXiv:2307.05831, and Ravikumar et al. 2025 (CSL).
    """
    both = np.isfinite(memorization) & np.isfinite(suspicion)
    a, b = np.asarray(memorization, dtype=np.float64)[both], np.asarray(suspicion, dtype=np.float64)[both]
    if len(a) < 2:
        return Agreement(math.nan, math.nan, math.nan)
    lengths = float(np.linalg.norm(a) * np.linalg.norm(b))
    return Agreement(
        spearman=float(np.clip(_centred(ranks(a)) @ _centred(ranks(b)), -1, 1)),
        pearson=float(np.clip(_centred(a) @ _centred(b), -1, 1)),
        cosine=float(a @ b) / lengths if lengths else math.nan,
    )


def ranks(values: Array) -> Array:
    """float64 ``[N]`` from 1, ties sharing their mean rank."""
    ascending = np.sort(values)
    return (np.searchsorted(ascending, values, "left") + np.searchsorted(ascending, values, "right") + 1) / 2


def _centred(values: Array) -> Array:
    """The values less their mean, scaled to length 1; NaN where they never vary."""
    if not len(values) or values.min() == values.max():
        return np.full(len(values), np.nan)
    away = values - values.mean()
    return away / np.linalg.norm(away)
