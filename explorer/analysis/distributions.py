"""The few distributions that intervals and tests need, in numpy: SciPy is no requirement of ours."""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np

from explorer.records import Array


def _normalised(log_ratio: Array) -> Array:
    """Probabilities whose logarithms rise by these steps; computed from the largest down, so that nothing overflows."""
    log = np.concatenate([[0.0], np.cumsum(log_ratio)])
    weight = np.exp(log - log.max())
    return np.asarray(weight / weight.sum())


def hypergeometric(population: int, marked: int, drawn: int) -> tuple[int, Array]:
    """(least possible count, float64 probabilities of that count and each higher one) of marked ones among those drawn at random."""
    low, high = max(0, drawn + marked - population), min(drawn, marked)
    x = np.arange(low, high, dtype=np.float64)
    return low, _normalised(np.log((marked - x) * (drawn - x)) - np.log((x + 1) * (population - marked - drawn + x + 1)))


def sign_test(one: int, other: int) -> float:
    """Exact two-sided probability of a split at least as uneven as ``one`` to ``other`` if both are equally likely; 1 for none."""
    count = one + other
    if not count:
        return 1.0
    x = np.arange(count, dtype=np.float64)
    chance = _normalised(np.log(count - x) - np.log(x + 1))
    return min(1.0, 2 * float(chance[: min(one, other) + 1].sum()))


def t_within(t: float, freedom: int) -> float:
    """Chance that Student's t with so many degrees of freedom lies within -t and t.

    Source:
        Abramowitz and Stegun 26.7.3 and 26.7.4: a finite sum for whole degrees of freedom.
    """
    angle = math.atan(t / math.sqrt(freedom))
    cosine2, term, total = math.cos(angle) ** 2, 1.0, 0.0
    for i in range(1 + freedom % 2, freedom, 2):
        total += term
        term *= cosine2 * i / (i + 1)
    if freedom % 2 == 0:
        return math.sin(angle) * total
    return 2 / math.pi * (angle + math.sin(angle) * math.cos(angle) * total)


@lru_cache(maxsize=1024)
def t_quantile(confidence: float, freedom: int) -> float:
    """The t that Student's t stays within, on both sides, with this chance: 2.776 for 0.95 and 4 degrees of freedom."""
    low, high = 0.0, 1.0
    while t_within(high, freedom) < confidence:
        high *= 2
    while low < (middle := (low + high) / 2) < high:  # until no number lies between
        low, high = (middle, high) if t_within(middle, freedom) < confidence else (low, middle)
    return middle
