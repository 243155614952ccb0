"""What the page says of near-duplicates: sentences made from their numbers."""

from __future__ import annotations

from collections.abc import Sequence
from math import isnan

import numpy as np

from explorer.analysis.calibration import Calibration
from explorer.analysis.flagged import Confirmed, Cut, Strip, in_conflict
from explorer.analysis.leakage import Leakage
from explorer.analysis.neighbors import NearDuplicates
from explorer.analysis.reasons_case import percent
from explorer.records import Array
from explorer.runs.duplicates import DuplicateSet


def counted(number: int, one: str, more: str = "") -> str:
    """``1 pair``, ``1,200 pairs``."""
    return f"{number:,} {one if number == 1 else more or f'{one}s'}"


def cut_label(cut: Cut) -> str:
    """A cut as the slider names it: by what it flags, and how sure that is."""
    if cut.likeness == float("inf"):
        return f"{cut.pairs:,} exact"
    return f"{cut.pairs:,} pairs" if isnan(cut.precision) else f"{cut.pairs:,} pairs · {percent(cut.precision)}"


def consequence(cut: Cut, calibration: Calibration) -> str:
    """What comes of a cut."""
    if cut.likeness == float("inf"):
        exact = f"**{counted(cut.pairs, 'pair')}**, the same to the byte."
        none = "**No pair** is flagged: none is the same to the byte."
        return f"{exact if cut.pairs else none} Changed copies are left out{_none_sure(calibration)}."
    found = f"about **{percent(cut.recall)} of changed copies** are found"
    if isnan(cut.precision):
        return f"**{counted(cut.pairs, 'pair')}**; {found}. There are too few pairs to estimate how many are duplicates."
    return f"**{counted(cut.pairs, 'pair')}**, of which about **{percent(cut.precision)} are duplicates** (estimated); {found}."


def _none_sure(calibration: Calibration) -> str:
    """Why nothing but exact copies is to be had, where that is so."""
    known = calibration.precision[~np.isnan(calibration.precision)]
    if not len(known) or known.max() >= 0.5:
        return ""
    return ": these images are so alike that at any cut most pairs would be mere look-alikes"


def estimated_words(found: DuplicateSet) -> str:
    """How precision and recall came about, and what they take for granted."""
    copies = counted(len(found.planted_change), "changed copy", "changed copies")
    recall = f"Estimated on these very images. {copies} of them were planted before the search: recall is the share that was found."
    if np.isnan(found.calibration.precision).all():
        return f"{recall} Precision would need more pairs to be read off."
    return (
        f"{recall} Precision: how many pairs merely look alike is read off the long run of pairs below, assuming that their number falls "
        "as steadily above the cut."
    )


def planted_words(known: Confirmed) -> str:
    """Recall and precision where a generator knows the copies."""
    if not known.pairs:
        return "No copy was planted in these data."
    words = (
        f"Here the truth is known: of {counted(known.pairs, 'planted copy', 'planted copies')} "
        f"{100 * known.found / known.pairs:.1f} % are found"
    )
    if not known.flagged:
        return f"{words}."
    return f"{words}; {100 * known.found / known.flagged:.1f} % of the pairs flagged are such ({known.found:,} of {known.flagged:,})."


def found_words(pairs: NearDuplicates, strips: Sequence[Strip], top: Array) -> str:
    """What was flagged, in a sentence or two. top: the images of highest curvature."""
    if not len(pairs.a):
        return "**No image stands in the training set twice**, as far as the chosen cut can tell."
    conflicts, exact = int(pairs.conflicting.sum()), int(pairs.exact.sum())
    groups = sum(strip.grouped for strip in strips)
    words = [
        f"**{counted(len(pairs.a), 'pair')} in {counted(groups, 'group')} look alike; {counted(conflicts, 'pair')} under conflicting "
        f"labels**; {exact:,} {'is' if exact == 1 else 'are'} the same to the byte."
    ]
    if len(top) and conflicts:
        held = in_conflict(pairs, top)
        words.append(
            f"Of the {counted(len(top), 'image')} of highest curvature (top 1 %), {held:,} {'is' if held == 1 else 'are'} in a conflicting "
            f"pair ({100 * held / len(top):.0f} %)."
        )
    return " ".join(words)


def strip_note(strip: Strip, rank: float | None) -> str:
    """Below a group: how alike its images are, and how high its curvature stands. rank: share of images that are lower, if known."""
    least = "over 0.99" if strip.similarity >= 0.995 else f"{strip.similarity:.2f}{' or more' if len(strip.members) > 2 else ''}"
    alike = "same to the byte" if strip.exact else f"similarity {least}"
    return alike if rank is None else f"{alike} · curvature: top {max(0.1, 100 * (1 - rank)):.1f}\u00a0%"


def leak_words(leaked: int, pairs: NearDuplicates, images: int, chance: float) -> str:
    """How many test images stand in the training set too. chance: how many of the pairs are expected to be mere look-alikes."""
    if not leaked:
        return f"**No test image stands in the training set too**, as far as the cut can tell ({images:,} were looked at)."
    conflicts = int(pairs.conflicting.sum())
    also = f"; in {counted(conflicts, 'pair')} the two labels differ" if conflicts else ""
    share = f"{leaked:,} of {counted(images, 'test image')} ({100 * leaked / images:.1f} %)"
    words = f"**{share} {'stands' if leaked == 1 else 'stand'} in the training set too, by their looks**{also}."
    if isnan(chance):
        return words
    exact = int(pairs.exact.sum())
    proved = f" {exact:,} of them {'is' if exact == 1 else 'are'} the same to the byte." if exact else ""
    return f"{words} Of the {counted(len(pairs.a), 'pair')} about {chance:.0f} may be mere look-alikes.{proved}"


def leakage_words(found: Leakage) -> str:
    """What leaving the leaked images out does to the test accuracy."""
    if isnan(found.without):
        return "Every test image leaked, so no test accuracy is left to tell."
    change = found.without - found.accuracy
    rest = found.images - found.leaked
    words = (
        f"Test accuracy at the last epoch: **{100 * found.accuracy:.2f} %** on all {found.images:,} test images, "
        f"**{100 * found.without:.2f} %** on the {rest:,} that did not leak ({_points(change)} percentage points)."
    )
    interval = f"95 % interval {_points(-found.high)} to {_points(-found.low)}"
    if found.is_noise:
        return f"{words} That is within the noise of so few images ({interval})."
    more = "flatter" if change < 0 else "harm"
    return f"{words} That is more than the noise of so few images ({interval}): the leaked ones {more} the test accuracy."


def _points(change: float) -> str:
    """``+0.25``, with a minus that is as wide."""
    return f"{100 * change:+.2f}".replace("-", "\u2212")
