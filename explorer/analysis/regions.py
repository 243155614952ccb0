"""Which runs may be compared, and where each stands in the plane of susceptibility and training accuracy."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from explorer.config import RunConfig

ENOUGH = 4
SAME_DATA = (
    "dataset", "label_column", "true_label_column", "image_size", "train_size", "test_split", "data_seed", "noise", "noise_rate",
    "open_set", "loss", "elr_beta", "elr_lambda", "ema_momentum", "mixup_alpha", "gce_q", "smoothing",
)  # fmt: skip
SAME_PROBE = ("schedule", "lr", "batch_size")  # the paper's probe steps with the training optimizer


class Regions(NamedTuple):
    """Thresholds: the mean over the compared runs of each axis; region of each run, 1 to 4.

    1 trainable and resistant (high training accuracy, low susceptibility): the ones to pick. 2 trainable, not resistant.
    3 not trainable, resistant. 4 neither.
    """

    susceptibility: float
    train_accuracy: float
    region: tuple[int, ...]


def comparable(a: RunConfig, b: RunConfig, *, fixed_rate: bool = False) -> bool:
    """Whether susceptibilities of two runs may be compared: same data, split, labels and loss, and for the paper's probe
    (``fixed_rate`` false) also the same schedule, rate and batch size; for the fixed-rate probe the same probe rate. Never where
    nothing was trained."""
    same = SAME_DATA + (("susceptibility_lr", "batch_size") if fixed_rate else SAME_PROBE)
    a, b = a.canonical(), b.canonical()
    return a.trains and b.trains and all(getattr(a, name) == getattr(b, name) for name in same)


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
