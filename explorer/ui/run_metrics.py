"""The columns of ``epochs.csv`` as charts and tables call them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from explorer.records import Array


class Metric(NamedTuple):
    """A column of ``epochs.csv`` as it is said: title, unit ("" for a number without one), whether it is a share."""

    title: str
    unit: str
    share: bool = False

    @property
    def axis(self) -> str:
        return f"{self.title} ({self.unit})" if self.unit else self.title


METRICS = {
    "test_accuracy": Metric("test accuracy", "%", True),
    "train_accuracy": Metric("training accuracy", "%", True),
    "clean_accuracy": Metric("clean images fitted", "%", True),
    "memorized": Metric("memorized", "% of wrong labels", True),
    "recovered": Metric("recovered", "% of wrong labels", True),
    "neither": Metric("neither", "% of wrong labels", True),
    "train_loss": Metric("training loss", "nats"),
    "test_loss": Metric("test loss", "nats"),
    "susceptibility": Metric("susceptibility", "nats"),
    "susceptibility_fixed_lr": Metric("susceptibility, fixed rate", "nats"),
    "susceptibility_drop": Metric("loss drop of the probe", "nats"),
    "susceptibility_drop_fixed_lr": Metric("loss drop, fixed rate", "nats"),
    "mean_curvature": Metric("mean curvature", ""),
    "learning_rate": Metric("learning rate", ""),
    "train_seconds": Metric("training time of an epoch", "s"),
    "eval_seconds": Metric("evaluation time of an epoch", "s"),
    "probe_seconds": Metric("probe time of an epoch", "s"),
    "step": Metric("optimizer steps", ""),
}
ACROSS = {"epoch": "epoch", "step": "optimizer steps", "seconds": "seconds of computing"}
TIMES = ("train_seconds", "eval_seconds", "probe_seconds")


def along(columns: Mapping[str, Array], across: str) -> Array:
    """float64 ``[E + 1]``: where each epoch stands on the x axis; seconds are summed up over training, evaluation and probes."""
    if across != "seconds":
        return columns[across]
    return np.cumsum(np.sum([np.nan_to_num(columns[name]) for name in TIMES], axis=0))
