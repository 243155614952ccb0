"""What to show of a run and in which order: filters and sorting as numbers. A page only asks and draws."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from explorer.analysis.neighbors import NearDuplicates
from explorer.analysis.scores import combined
from explorer.records import Array, Labels

TRUTHS = ("right", "wrong", "unknown")  # whether a given label is right, as far as anybody knows
REVIEWS = ("no", "yes", "dispute")  # whether anybody decided what the label should be


class View(NamedTuple):
    """What to show. All conditions hold at once; of those left out, every image fits.

    scores: most suspicious first by this one, or by the mean percentile of several; of none, in the order of the data.
    against: another score; first come the images that ``scores`` rank higher than it does, or with ``opposite`` the other way round.
    kind: of KINDS. given, predicted: a class. truth: of TRUTHS. only: int ``[n]``, positions picked by hand.
    reviewed: of REVIEWS.
    """

    scores: Sequence[str]
    against: str = ""
    opposite: bool = False
    kind: str = "all"
    given: int | None = None
    predicted: int | None = None
    truth: str = ""
    only: Array | None = None
    reviewed: str = ""


class Traits(NamedTuple):
    """What a view can ask of an image. given, predicted: int ``[N]`` classes. truth: ``[N]`` of TRUTHS. kinds: bool ``[N]`` by name.

    predicted is None before the first epoch. reviewed: ``[N]`` of REVIEWS, or None: then no image fits any of them.
    """

    given: Array
    predicted: Array | None
    truth: Array
    kinds: Mapping[str, Array]
    reviewed: Array | None = None


def truth_of(labels: Labels) -> Array:
    """``[N]`` of TRUTHS: whether each given label is right; unknown where nobody knows."""
    if labels.is_mislabeled is None:
        return np.full(len(labels.given_label), "unknown")
    return np.where(labels.is_mislabeled, "wrong", "right")


def standing(view: View, scores: Mapping[str, Array], N: int) -> Array:
    """float64 ``[N]``: what a view of N images sorts by, high first.

    The mean percentile of its scores, in [0, 1]; against another score the difference of the two percentiles, in [-1, 1].
    There an image one of the scores does not know comes last (-inf): not knowing is no disagreement. Without scores all are 0.

    Raises:
        KeyError: for a score that is not there. ValueError: for no scores against another one.
    """
    if not view.scores and not view.against:
        return np.zeros(N)
    own = combined(scores, view.scores)
    if not view.against:
        return own
    difference = own - combined(scores, [view.against])
    known = np.isfinite([scores[name] for name in (*view.scores, view.against)]).all(axis=0)
    return np.where(known, -difference if view.opposite else difference, -np.inf)


def fits(view: View, traits: Traits) -> Array:
    """bool ``[N]``: the images a view asks for. A kind the run does not have, and positions outside it, fit nothing."""
    N = len(traits.given)
    kept = traits.kinds.get(view.kind, np.full(N, view.kind == "all")).copy()
    for wanted, have in ((view.given, traits.given), (view.predicted, traits.predicted), (view.reviewed or None, traits.reviewed)):
        if wanted is not None:
            kept &= np.zeros(N, dtype=bool) if have is None else have == wanted
    if view.truth:
        kept &= traits.truth == view.truth
    if view.only is not None:
        kept &= np.isin(np.arange(N), view.only)
    return kept


def ordered(standing: Array) -> Array:
    """int64 ``[N]``: positions, highest first, ties in the order of the data."""
    return np.argsort(-standing, kind="stable")


def positions(view: View, scores: Mapping[str, Array], traits: Traits) -> Array:
    """int64 ``[n]``: the images a view asks for, in its order."""
    order = ordered(standing(view, scores, len(traits.given)))
    return order[fits(view, traits)[order]]


# -- look-alikes -----------------------------------------------------------------------------------


def closest_partners(pairs: NearDuplicates, examples: Array) -> tuple[Array, Array, Array]:
    """(partner int ``[Q]``, similarity ``[Q]``, conflicting bool ``[Q]``): of the flagged pairs each image is in, the most similar.

    The partner is -1, the similarity -1 and conflicting False for an image in no pair.
    """
    if not len(pairs.a):
        return np.full(len(examples), -1), np.full(len(examples), -1.0), np.zeros(len(examples), dtype=bool)
    own = np.stack([pairs.a, pairs.b], axis=1).ravel()  # pairs come most similar first, so the first mention of an image counts
    other = np.stack([pairs.b, pairs.a], axis=1).ravel()
    paired, first = np.unique(own, return_index=True)
    at = np.minimum(np.searchsorted(paired, examples), len(paired) - 1)
    found, mention = paired[at] == examples, first[at]
    return (
        np.where(found, other[mention], -1),
        np.where(found, pairs.similarity[mention // 2], -1.0),
        found & pairs.conflicting[mention // 2],
    )
