"""One row of numbers per epoch: how well the network fits, what it memorized, and how easily it gives way."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from explorer.records import NO_CLASS, Array, EpochRecord, Labels

COLUMNS = (
    "epoch", "train_loss", "train_accuracy", "test_accuracy", "clean_accuracy", "memorized", "recovered", "neither",
    "susceptibility", "susceptibility_fixed_lr", "mean_curvature", "learning_rate", "train_seconds", "eval_seconds",
    "probe_seconds", "step", "test_loss", "susceptibility_drop", "susceptibility_drop_fixed_lr",
)  # fmt: skip


class WrongLabelSplit(NamedTuple):
    """Shares, in [0, 1], of the wrongly labelled images; NaN where there are none. Those that are known add up to 1."""

    memorized: float  # predicted = the given, wrong label
    recovered: float  # predicted = the true label in spite of the given one; NaN where no wrong image has a class to recover
    neither: float


def accuracy(predicted: Array, label: Array) -> float:
    """Share of ``predicted == label``, in [0, 1]; NaN for no examples."""
    return float(np.mean(predicted == label)) if len(label) else math.nan


def share_interval(hits: int, total: int, z: float = 1.959964) -> tuple[float, float]:
    """Interval, in [0, 1], of the share that a random sample of ``total`` with ``hits`` comes from: 95 % at the default ``z``.

    Raises:
        ValueError: for an empty sample, or hits outside it.

    Source:
        Wilson, Journal of the American Statistical Association 22, 1927.
    """
    if total < 1 or not 0 <= hits <= total:
        raise ValueError(f"hits: {hits} of {total} is no sample; give 0 to {total} hits out of 1 or more")
    share, spread = hits / total, z * z / total
    centre, half = share + spread / 2, z * math.sqrt(share * (1 - share) / total + spread / (4 * total))
    return max(0.0, (centre - half) / (1 + spread)), min(1.0, (centre + half) / (1 + spread))


def wrong_label_split(predicted: Array, given: Array, true: Array) -> WrongLabelSplit:
    """What the network makes of the images whose given label is wrong.

    Args:
        predicted, given, true: int ``[N]``; true is NO_CLASS for an image that shows none of the classes: never recovered.

    Source:
        Figure 1 of Liu et al., arXiv:2007.00151. Departure: evaluation mode, un-augmented, after the epoch.
    """
    wrong = given != true
    if not wrong.any():
        return WrongLabelSplit(math.nan, math.nan, math.nan)
    memorized = accuracy(predicted[wrong], given[wrong])
    recovered = accuracy(predicted[wrong], true[wrong]) if (true[wrong] != NO_CLASS).any() else math.nan
    return WrongLabelSplit(memorized, recovered, float(np.mean((predicted != given)[wrong] & (predicted != true)[wrong])))


def susceptibility(drops: Sequence[float]) -> float:
    """Running mean in nats of the loss drops of epochs 1..t; NaN before the first. High: gives way to random labels easily.

    Source:
        Forouzesh et al., arXiv:2212.04461. Departure: the authors' notebook adds t - 1 drops and divides by t.
    """
    return math.fsum(drops) / len(drops) if drops else math.nan


def epoch_row(record: EpochRecord, labels: Labels, test_label: Array, earlier: Sequence[dict[str, float]]) -> dict[str, float]:
    """The row of ``epochs.csv`` (see COLUMNS) for one record.

    Args:
        earlier: rows of the epochs before it, for the running means. Columns that need truth are NaN where it is unknown, and
            those that need predictions where there are none.
    """
    predicted = record.predicted_label
    drops = {name: [row[name] for row in earlier if row["epoch"] > 0] for name in ("susceptibility_drop", "susceptibility_drop_fixed_lr")}
    if record.epoch > 0:
        drops["susceptibility_drop"].append(record.susceptibility_drop)
        drops["susceptibility_drop_fixed_lr"].append(record.susceptibility_drop_fixed_lr)
    split = WrongLabelSplit(math.nan, math.nan, math.nan)
    fitted = clean = math.nan
    if predicted is not None:
        fitted = accuracy(predicted, labels.given_label)
    if predicted is not None and labels.true_label is not None and labels.is_mislabeled is not None:
        split = wrong_label_split(predicted, labels.given_label, labels.true_label)
        clean = accuracy(predicted[~labels.is_mislabeled], labels.given_label[~labels.is_mislabeled])
    return {
        "epoch": record.epoch,
        "train_loss": record.train_loss,
        "train_accuracy": fitted,
        "test_accuracy": accuracy(record.test_predicted_label, test_label),
        "clean_accuracy": clean,
        **split._asdict(),
        "susceptibility": susceptibility(drops["susceptibility_drop"]),
        "susceptibility_fixed_lr": susceptibility(drops["susceptibility_drop_fixed_lr"]),
        "mean_curvature": math.nan if record.curvature is None else float(np.mean(record.curvature, dtype=np.float64)),
        "learning_rate": record.learning_rate,
        "train_seconds": record.train_seconds,
        "eval_seconds": record.eval_seconds,
        "probe_seconds": record.probe_seconds,
        "step": record.step,
        "test_loss": record.test_loss,
        "susceptibility_drop": record.susceptibility_drop,
        "susceptibility_drop_fixed_lr": record.susceptibility_drop_fixed_lr,
    }
