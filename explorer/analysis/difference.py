"""Two near-duplicates laid over each other: what then still differs."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from explorer.analysis.alignment import Pose
from explorer.analysis.duplicates import laid_over
from explorer.records import Array

GAINS = (16, 8, 4, 2, 1)  # tried in this order
SATURATED = 0.01  # share of the values that may be cut off


class Difference(NamedTuple):
    """laid: uint8 ``[H, W, C]``, image b as it lies over a. covers: bool ``[H, W]``, where it does.

    amplified: uint8 ``[H, W, C]``, ``gain`` times the absolute difference to a, 0 where b does not reach. mean: of the absolute
    difference, in levels of 255, where b covers a; NaN where it does not at all.
    """

    laid: Array
    covers: Array
    amplified: Array
    gain: int
    mean: float


def difference(image_a: Array, image_b: Array, pose: Pose, i: int) -> Difference:
    """Of pair ``i``, whose pose lays b over a; images uint8 ``[H, W, C]``."""
    laid, covers = laid_over(image_b, pose, i)
    apart = np.where(covers[..., None], np.abs(laid.astype(np.int16) - image_a), 0)
    seen = apart[covers]
    high = float(np.quantile(seen, 1 - SATURATED)) if seen.size else 0.0
    gain = next(gain for gain in GAINS if gain * high <= 255 or gain == 1)
    amplified = np.minimum(gain * apart, 255).astype(np.uint8)
    return Difference(laid, covers, amplified, gain, float(seen.mean()) if seen.size else float("nan"))
