"""Which runs may be compared, where each stands in the plane of susceptibility and training accuracy, and what the regions hold."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from explorer.analysis.agreement import agreement
from explorer.config import DataConfig, RunConfig

ENOUGH = 4
REGION_NAMES = {
    1: "trainable and resistant",
    2: "trainable, not resistant",
    3: "not trainable, resistant",
    4: "neither trainable nor resistant",
}
SAME_DATA = (
    *(field.name for field in dataclasses.fields(DataConfig)),  # all of it: images, split, noise and corrections
    "loss", "elr_beta", "elr_lambda", "ema_momentum", "mixup_alpha", "gce_q", "smoothing",
)  # fmt: skip
SAME_PROBE = ("schedule", "lr", "batch_size")  # the paper's probe steps with the training optimizer
SAME_FIXED_PROBE = ("susceptibility_lr", "batch_size")


class Regions(NamedTuple):
    """Thresholds: the mean over the compared runs of each axis; region of each run, 1 to 4.

    1 trainable and resistant (high training accuracy, low susceptibility): the ones to pick. 2 trainable, not resistant.
    3 not trainable, resistant. 4 neither.
    """

    susceptibility: float
    train_accuracy: float
    region: tuple[int, ...]


class RegionSummary(NamedTuple):
    """Clean test accuracy in one region, in [0, 1]: mean, NaN where it is empty, and sd, over runs less one, NaN for fewer than 2."""

    region: int
    name: str
    runs: int
    mean: float
    sd: float


class Correlation(NamedTuple):
    """In [-1, 1], over the ``count`` runs where both are known; None for fewer than 3, or where one never varies."""

    pearson: float | None
    spearman: float | None
    count: int  # type: ignore[assignment]  # hides a method of tuples that nobody asks


def comparable(a: RunConfig, b: RunConfig, *, fixed_rate: bool = False) -> bool:
    """Whether susceptibilities of two runs may be compared: same data, split, labels and loss, and for the paper's probe
    (``fixed_rate`` false) also the same schedule, rate and batch size; for the fixed-rate probe the same probe rate. Never where
    nothing was trained."""
    return not why_not_comparable(a, b, fixed_rate=fixed_rate)


def why_not_comparable(a: RunConfig, b: RunConfig, *, fixed_rate: bool = False) -> str:
    """A sentence naming what keeps two runs apart; empty where they are comparable."""
    a, b = a.canonical(), b.canonical()
    if not (a.trains and b.trains):
        return "Nothing was trained (model none), so there is no susceptibility to compare."
    same = SAME_DATA + (SAME_FIXED_PROBE if fixed_rate else SAME_PROBE)
    apart = [name for name in same if getattr(a, name) != getattr(b, name)]
    if not apart:
        return ""
    named = [f"{name} ({_shown(getattr(a, name))} and {_shown(getattr(b, name))})" for name in apart]
    return f"Not comparable: they differ in {', '.join(named[:-1])}{' and ' if len(named) > 1 else ''}{named[-1]}."


def _shown(value: object) -> str:
    return str(value) if value != "" else "none"


def regions(susceptibility: Sequence[float], train_accuracy: Sequence[float]) -> Regions | None:
    """Region of each of the compared runs; None for fewer than 4, whose means would say little.

    Source:
        Forouzesh et al., arXiv:2212.04461: thresholds are the means over all compared models.
    """
    if len(susceptibility) < ENOUGH:
        return None
    x, y = np.mean(susceptibility), np.mean(train_accuracy)
    region = tuple(1 + 2 * (b < y) + (a > x) if b >= y else 3 + (a > x) for a, b in zip(susceptibility, train_accuracy, strict=True))
    return Regions(float(x), float(y), tuple(int(r) for r in region))


def summarise(regions: Regions, test_accuracy: Sequence[float]) -> tuple[RegionSummary, ...]:
    """Mean and standard deviation of test accuracy in each of the four regions, empty ones too.

    Raises:
        ValueError: if there are not as many accuracies as runs.
    """
    if len(test_accuracy) != len(regions.region):
        raise ValueError(f"test_accuracy: {len(test_accuracy)} values for {len(regions.region)} runs; give one per run")
    region, accuracy = np.asarray(regions.region), np.asarray(test_accuracy, dtype=np.float64)
    return tuple(_summary(number, accuracy[region == number]) for number in REGION_NAMES)


def _summary(region: int, accuracy: np.ndarray) -> RegionSummary:
    runs = len(accuracy)
    mean = float(accuracy.mean()) if runs else math.nan
    return RegionSummary(region, REGION_NAMES[region], runs, mean, float(accuracy.std(ddof=1)) if runs > 1 else math.nan)


def correlation(x: Sequence[float], y: Sequence[float]) -> Correlation:
    """Pearson and Spearman correlation over runs; NaN in either leaves the run out.

    Raises:
        ValueError: if the two are not equally long.
    """
    if len(x) != len(y):
        raise ValueError(f"x, y: {len(x)} and {len(y)} values; give one of each per run")
    known = [(a, b) for a, b in zip(x, y, strict=True) if math.isfinite(a) and math.isfinite(b)]
    if len(known) < 3:
        return Correlation(None, None, len(known))
    found = agreement(*np.array(known, dtype=np.float64).T)
    return Correlation(_known(found.pearson), _known(found.spearman), len(known))


def _known(value: float) -> float | None:
    return value if math.isfinite(value) else None
