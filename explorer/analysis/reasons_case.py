"""What the finders of reasons are handed and what they yield, and how shares are put into words."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from explorer.records import Array, Run


class Reason(NamedTuple):
    """One fact about an image in a sentence. strength: 0 to 1, sorts. points_to: the class it speaks for, -1 for none in particular."""

    kind: str
    sentence: str
    strength: float
    points_to: int = -1


class Partners(NamedTuple):
    """Near-duplicates of one image. position: int ``[P]`` in the training set; similarity: ``[P]``, a cosine where a network found
    them; conflicting (the given labels differ), exact (the same bytes): bool ``[P]``."""

    position: Array
    similarity: Array
    conflicting: Array
    exact: Array


class Case(NamedTuple):
    """One image of a run. scores: as of its last epoch. neighbors: int ``[k]``, nearest first. names: how each class is written."""

    run: Run
    n: int
    scores: Mapping[str, Array]
    neighbors: Array
    partners: Partners | None
    names: Sequence[str]

    @property
    def given(self) -> int:
        return int(self.run.labels.given_label[self.n])

    @property
    def own(self) -> str:
        """Its given class in words."""
        return self.names[self.given]

    @property
    def fitted(self) -> Array:
        """bool ``[E]``: the given label was predicted."""
        return np.asarray(self.run.facts.predicted_label[:, self.n] == self.given)

    @property
    def fitted_from(self) -> int:
        """The epoch from which on it was fitted; E + 1 where it is not in the last."""
        return int(np.max(np.flatnonzero(~self.fitted), initial=-1)) + 2

    def of_epochs(self, count: int) -> str:
        """``9 of 12 epochs``, ``all 12 epochs``; while more epochs are to come, ``so far``."""
        E = len(self.run.facts.epochs)
        so_far = " so far" if self.run.last_epoch < self.run.config.epochs else ""
        return (f"all {E} epochs" if count == E else f"{count} of {E} epochs") + so_far

    def above(self, score: str) -> float:
        """Share of the other images with a smaller value of a score."""
        values = self.scores[score]
        return float((values < values[self.n]).sum()) / max(1, len(values) - 1)


def percent(share: float) -> str:
    """``12 %``; what would round to none or to all of it says so: ``under 1 %``, ``over 99 %``."""
    if 0 < share < 0.01 or 0.99 < share < 1:
        return "under 1 %" if share < 0.5 else "over 99 %"
    return f"{100 * share:.0f} %"


def at_least(share: float) -> str:
    """``97 % of images``, rounded down, so that more than that is never an overstatement; ``any other image`` for all of them."""
    return "any other image" if share == 1 else f"{math.floor(100 * share + 1e-9)} % of images"
