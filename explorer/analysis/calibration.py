"""From how alike two images are to how sure one may be: precision and recall of every cut, estimated on the images at hand.

Recall is seen directly: copies planted among the images, with known sources, are found or not. Precision is the share of true
duplicates among the images' own pairs above a cut. Their number is known; how many of them merely look alike is read off the
long run of pairs below, of which nearly all do: its logarithm falls smoothly with likeness (a line or a parabola), and is
carried on above the cut. Both are estimates; nothing here looks at labels.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from explorer.records import Array

ENOUGH = 100  # own pairs that are no exact copies, below which nothing can be said about precision
WINDOW = (0.3, 1.0)  # pairs per image, by falling likeness, that the fall is fitted to
POINTS, FEWEST = 60, 8  # ranks in it; and how many of them a fit takes
ROUNDS = 6
SURE = 0.05  # quantile of the planted copies' likeness, above which duplicates are counted
PRECISION = 0.95  # wanted where nobody says otherwise


class Calibration(NamedTuple):
    """For falling cuts on likeness, float64 ``[C]`` each.

    pairs: how many of the images' own pairs are at least so alike. precision: estimated share of duplicates among them, NaN where
    there are too few pairs to tell. recall: share of the planted copies that are found.
    """

    likeness: Array
    pairs: Array
    precision: Array
    recall: Array


def calibrate(likeness: Array, exact: Array, planted: Array, images: int) -> Calibration:
    """Precision and recall over all cuts.

    Args:
        likeness: float64 ``[P]`` of the images' own pairs. exact: bool ``[P]``, those with the same bytes.
        planted: float64 ``[n]``, likeness of every planted copy to its source, -inf where the pair was not found.
        images: how many images there are.
    """
    from sklearn.isotonic import IsotonicRegression

    order = np.argsort(-likeness, kind="stable")
    cuts, number = likeness[order], np.arange(1, len(likeness) + 1, dtype=np.float64)
    recall = _share(planted, cuts)
    if (~exact).sum() < ENOUGH:
        return Calibration(cuts, number, np.full(len(cuts), np.nan), recall)
    alike = merely_alike(cuts[~exact[order]], planted, images)
    right = np.clip(1 - alike(cuts) / number, 0, 1)
    rising = IsotonicRegression(increasing=False, y_min=0, y_max=1).fit_transform(number, right)
    return Calibration(cuts, number, np.where(np.cumsum(exact[order]) == number, 1.0, rising), recall)


def merely_alike(likeness: Array, planted: Array, images: int) -> Callable[[Array], Array]:
    """Expected number of pairs above a cut that are no duplicates, as a function of cuts ``[C]``.

    Args:
        likeness: float64 ``[P]``, falling, without exact copies. planted, images: as in ``calibrate``.

    Duplicates among the fitted pairs would flatten the fall: their number is estimated from the pairs as alike as 95 % of
    the planted copies are, and their share of every cut taken away, over a few rounds.
    """
    start, stop = WINDOW[0] * min(images, len(likeness)), min(WINDOW[1] * images, 0.95 * len(likeness))
    ranks = np.unique(np.geomspace(max(5, start), max(20, stop), POINTS).astype(int))
    at, found = likeness[ranks - 1], planted[np.isfinite(planted)]
    fall = _fall(at, np.log(ranks))
    if not len(found):
        return fall
    sure = np.quantile(found, SURE)
    for _ in range(ROUNDS):
        duplicates = max(0.0, float((likeness >= sure).sum() - fall(sure))) / _share(planted, sure)
        rest = ranks - duplicates * _share(planted, at)
        usable = rest >= np.maximum(0.05 * ranks, 1)
        if usable.sum() < FEWEST:
            break
        fall = _fall(at[usable], np.log(rest[usable]))
    return fall


def _share(planted: Array, cuts: Array) -> Array:
    """Share of the planted copies that are found at each cut."""
    return np.asarray(np.searchsorted(np.sort(-planted), -cuts, side="right") / max(1, len(planted)))


def _fall(at: Array, logarithm: Array) -> Callable[[Array], Array]:
    """exp of the parabola through points that fall ever steeper, or of the line where they do not; of the highest where all are one."""
    if len(np.unique(at)) < FEWEST:
        return lambda cuts: np.full(np.shape(cuts), np.exp(logarithm.max()))
    bend, slope, height = np.polyfit(at, logarithm, 2)
    if bend > 0 or slope + 2 * bend * at.max() > 0:
        bend, (slope, height) = 0.0, np.polyfit(at, logarithm, 1)
    top = -slope / (2 * bend) if bend < 0 else -np.inf  # left of the top a parabola would rise again
    return lambda cuts: np.exp(np.polyval([bend, slope, height], np.maximum(cuts, top)))


def cut_for(calibration: Calibration, precision: float) -> float:
    """The lowest cut on likeness at which the estimated precision is as wanted; +inf where no cut is (then only exact copies are flagged).

    Where there are too few pairs to estimate anything, likeness itself, a log-odds, has to do.
    """
    if np.isnan(calibration.precision).all():
        return float(np.log(precision) - np.log1p(-precision)) if precision < 1 else float("inf")
    good = np.flatnonzero(calibration.precision >= precision)
    return float(calibration.likeness[good[-1]]) if len(good) else float("inf")


def default_cut(calibration: Calibration, precision: float = PRECISION) -> float:
    """Where nobody chose a cut: as ``cut_for``, but no lower than even odds: sure pairs must not make up for unlikely ones."""
    return max(cut_for(calibration, precision), 0.0)


def at_cut(calibration: Calibration, cut: float) -> tuple[int, float, float]:
    """(pairs, precision, recall) of a cut; precision is NaN where there is none to tell."""
    number = int((calibration.likeness >= cut).sum())
    if number == 0:
        return 0, float("nan"), 0.0
    return number, float(calibration.precision[number - 1]), float(calibration.recall[number - 1])
