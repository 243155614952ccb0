"""What test images that also stand in the training set do to the test accuracy."""

from __future__ import annotations

import math
from typing import NamedTuple

from explorer.records import Array

Z = 1.959964  # normal quantile of a 95 % interval


class Leakage(NamedTuple):
    """images, leaked: how many test images, and how many of them leaked. right, right_leaked: how many of each are predicted as labelled.

    low, high: 95 % interval of the difference ``accuracy - without``.
    """

    images: int
    leaked: int
    right: int
    right_leaked: int
    low: float
    high: float

    @property
    def accuracy(self) -> float:
        return self.right / self.images

    @property
    def without(self) -> float:
        """Accuracy on the test images that did not leak; NaN where all did."""
        rest = self.images - self.leaked
        return (self.right - self.right_leaked) / rest if rest else math.nan

    @property
    def is_noise(self) -> bool:
        """Whether so few leaked images say nothing for sure: the interval holds 0."""
        return self.low <= 0 <= self.high


def leakage(predicted_label: Array, test_label: Array, leaked: Array) -> Leakage:
    """Test accuracy with and without the leaked images.

    Args:
        predicted_label, test_label: int ``[M]``. leaked: bool ``[M]``.

    The accuracy changes by the share of the leaked images times how much better they fare than the rest; the interval of that
    difference of two proportions is Newcombe's (1998, method 10), which holds for few images too.
    """
    right = predicted_label == test_label
    images, number = len(right), int(leaked.sum())
    hits, hits_leaked = int(right.sum()), int(right[leaked].sum())
    share = number / max(1, images)
    low, high = _newcombe(hits_leaked, number, hits - hits_leaked, images - number)
    return Leakage(images, number, hits, hits_leaked, share * low, share * high)


def _newcombe(hits: int, of: int, other_hits: int, other_of: int) -> tuple[float, float]:
    """95 % interval of the difference of two proportions; (-1, 1) where there is nothing to compare."""
    if not of or not other_of:
        return -1.0, 1.0
    p, q = hits / of, other_hits / other_of
    (low, high), (other_low, other_high) = wilson(hits, of), wilson(other_hits, other_of)
    return p - q - math.hypot(p - low, other_high - q), p - q + math.hypot(high - p, q - other_low)


def wilson(hits: int, of: int) -> tuple[float, float]:
    """Wilson's 95 % interval of a proportion."""
    p = hits / of
    middle = (p + Z**2 / (2 * of)) / (1 + Z**2 / of)
    half = Z / (1 + Z**2 / of) * math.sqrt(p * (1 - p) / of + Z**2 / (4 * of**2))
    return middle - half, middle + half
