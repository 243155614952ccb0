"""Whether a fix helped: the same seeds trained before and after it, compared pair by pair."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from explorer.analysis.distributions import t_quantile

CONFIDENCE = 0.95
MOST_SEEDS = 100  # beyond, a change is too small to be worth the seeds


class PairedChange(NamedTuple):
    """Means over the pairs; change = after - before, low and high the ends of its 95 % t interval, NaN for fewer than 2 pairs.

    spread: standard deviation of the differences, NaN for fewer than 2 pairs.
    """

    before: float
    after: float
    change: float
    low: float
    high: float
    pairs: int
    spread: float = math.nan


def paired_change(before: Sequence[float], after: Sequence[float]) -> PairedChange:
    """Mean change over the seeds and its interval; everything NaN for no pairs.

    Args:
        before, after: one value per seed, in the same order; a pair of which one is NaN does not count.

    Raises:
        ValueError: if the two are not equally long.

    Student's t for paired differences: with few seeds a normal interval would be far too narrow.
    """
    if len(before) != len(after):
        raise ValueError(f"before, after: {len(before)} and {len(after)} values are no pairs; give one of each per seed")
    a, b = np.asarray(before, dtype=np.float64), np.asarray(after, dtype=np.float64)
    both = np.isfinite(a) & np.isfinite(b)
    a, b, pairs = a[both], b[both], int(both.sum())
    if not pairs:
        return PairedChange(math.nan, math.nan, math.nan, math.nan, math.nan, 0)
    change = float((b - a).mean())
    spread = float((b - a).std(ddof=1)) if pairs > 1 else math.nan
    half = t_quantile(CONFIDENCE, pairs - 1) * spread / math.sqrt(pairs) if pairs > 1 else math.nan
    return PairedChange(float(a.mean()), float(b.mean()), change, change - half, change + half, pairs, spread)


def seeds_needed(change: PairedChange) -> int | None:
    """Seeds altogether at which a change of this size and spread would be beyond noise; None if more than MOST_SEEDS."""
    for seeds in range(max(2, change.pairs), MOST_SEEDS + 1):
        if t_quantile(CONFIDENCE, seeds - 1) * change.spread / math.sqrt(seeds) < abs(change.change):
            return seeds
    return None


def verdict_sentence(change: PairedChange, what: str, unit: str = "%", better: str = "high") -> str:
    """Whether the fix helped, did harm, or cannot be told from noise: one sentence with its numbers.

    Args:
        what: is compared, such as ``test accuracy``. unit: ``%`` for shares in [0, 1], which are shown in
            percent and their change in percentage points; otherwise stands behind the number, which is shown as it is.
        better: ``high``, ``low``, or empty where neither is: then the sentence says only which way it went.

    Raises:
        ValueError: for another ``better``.
    """
    if better not in ("high", "low", ""):
        raise ValueError(f"better: {better!r} is no direction; give high, low or nothing")
    if not change.pairs:
        return f"{_capital(what)}: no seed has finished both before and after the fix yet."
    went = f"{what} went from {_value(change.before, unit)} to {_value(change.after, unit)}"
    if change.pairs == 1:
        return f"{_capital(went)} with one seed, which cannot tell a fix from chance: train at least one more seed."
    ends = f"{_amount(change.low, unit)} to {_amount(change.high, unit)}"
    evidence = f"{went} ({_amount(change.change, unit)}{_named(unit)}, 95 % interval {ends}, {change.pairs} seeds)"
    if change.low > 0 or change.high < 0:
        return f"{_outcome(change.change > 0, better)}: {evidence}."
    return f"Not beyond noise: {evidence}. {_more(change)}"


def _outcome(rose: bool, better: str) -> str:
    if not better:
        return "It rose beyond noise" if rose else "It fell beyond noise"
    return "The fix helped" if rose == (better == "high") else "The fix did harm"


def _more(change: PairedChange) -> str:
    needed = seeds_needed(change)
    if needed is None:
        return f"If there is a change, it is so small that more than {MOST_SEEDS} seeds would be needed to tell."
    more = needed - change.pairs
    return f"If the change stays as it is, about {more} more seed{'s' if more > 1 else ''} would tell."


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _value(value: float, unit: str) -> str:
    return f"{100 * value:.1f} %" if unit == "%" else f"{value:.3g} {unit}".rstrip()


def _amount(value: float, unit: str) -> str:
    return f"{100 * value:+.1f}" if unit == "%" else f"{value:+.3g}"


def _named(unit: str) -> str:
    return " points" if unit == "%" else f" {unit}" if unit else ""
