"""What there is to say of near-duplicates once they are searched: the cuts to choose from, what each finds, and who belongs together."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from explorer.analysis.calibration import Calibration, at_cut, cut_for, default_cut
from explorer.analysis.groups import grouped
from explorer.analysis.neighbors import NearDuplicates, normalise
from explorer.records import Array, PlantedTruth

WANTED = (0.999, 0.995, 0.99, 0.98, 0.97, 0.95, 0.93, 0.9, 0.85, 0.8, 0.75, 0.7, 0.6, 0.5)  # precision
COUNTS = (10, 20, 50, 100, 200, 500)  # pairs, offered where none of these can be had
EXACT_ONLY = float("inf")


class Cut(NamedTuple):
    """A cut on likeness and what comes of it: pairs flagged, estimated precision (NaN: cannot be told), recall of changed copies."""

    likeness: float
    pairs: int
    precision: float
    recall: float


def cuts(calibration: Calibration, exact: int) -> tuple[Cut, ...]:
    """Cuts to choose from, fewest pairs first, each with another number of pairs; the first flags exact copies alone.

    They lie where the estimated precision passes round values, and at the default. Where none of these can be had (all images look
    alike), round numbers of pairs are offered instead.

    Args:
        exact: how many pairs are the same to the byte.
    """
    likeness = [default_cut(calibration), *(cut_for(calibration, wanted) for wanted in WANTED)]
    found = {made.pairs: made for made in (cut_at(calibration, value, exact) for value in likeness)}
    if max(found) == exact:
        chosen = calibration.likeness[[count - 1 for count in COUNTS if exact < count <= len(calibration.likeness)]]
        found |= {made.pairs: made for made in (cut_at(calibration, float(value), exact) for value in chosen)}
    found[exact] = cut_at(calibration, EXACT_ONLY, exact)
    return tuple(found[pairs] for pairs in sorted(found))


def cut_at(calibration: Calibration, likeness: float, exact: int) -> Cut:
    """The consequences of one cut; exact copies are flagged at any."""
    pairs, precision, recall = at_cut(calibration, likeness)
    return Cut(likeness, pairs, precision, recall) if pairs > exact else Cut(EXACT_ONLY, exact, 1.0 if exact else float("nan"), 0.0)


def recall_by_change(change: Array, likeness: Array, cut: float) -> dict[str, float]:
    """Share of the planted copies found at a cut, by kind of change, best first.

    Args:
        change: ``[n]``, what was done to each. likeness: ``[n]``, how alike to its source it was found, -inf where it was not.
    """
    found = {str(kind): float((likeness[change == kind] >= cut).mean()) for kind in np.unique(change)}
    return dict(sorted(found.items(), key=lambda item: (-item[1], item[0])))


def edge(pairs: int, of: int, count: int = 4) -> tuple[range, range]:
    """(the last pairs above the cut, the first below it) as places among ``of`` pairs by falling likeness, ``pairs`` of them flagged."""
    return range(max(0, pairs - count), pairs), range(pairs, min(of, pairs + count))


# -- who belongs together ---------------------------------------------------------------------------


class Strip(NamedTuple):
    """Images that belong together. members: positions, the representative first, then the most similar to it.

    grouped: False for a pair whose two images were taken into different groups. conflicting: the given labels are not all one.
    exact: all the same bytes. similarity: the least among its pairs. curvature: the highest among its images, NaN where unknown.
    """

    members: tuple[int, ...]
    grouped: bool
    conflicting: bool
    exact: bool
    similarity: float
    curvature: float


def strips(pairs: NearDuplicates, likeness: Array, given_label: Array, curvature: Array | None) -> tuple[Strip, ...]:
    """Groups and pairs between groups: conflicting ones first, of those the one that holds the highest curvature.

    Args:
        likeness: float64 ``[P]`` of the same pairs. given_label: int ``[N]``. curvature: ``[N]``, or None: then by similarity.
    """
    representative = grouped(pairs.a, pairs.b, likeness, len(given_label)).representative
    together: dict[tuple[int, int], list[int]] = {}
    for i, (group, head) in enumerate(zip(pairs.group.tolist(), representative.tolist(), strict=True)):
        together.setdefault((group, head) if group >= 0 else (-1, i), []).append(i)
    made = [_strip(pairs, places, head if group >= 0 else -1, given_label, curvature) for (group, head), places in together.items()]
    return tuple(sorted(made, key=lambda strip: (not strip.conflicting, -np.nan_to_num(strip.curvature, nan=0.0), -strip.similarity)))


def _strip(pairs: NearDuplicates, places: list[int], head: int, given_label: Array, curvature: Array | None) -> Strip:
    """places: of its pairs, most similar first. head: its representative, -1 for a pair between groups."""
    first = int(pairs.a[places[0]]) if head < 0 else head
    others = [int(pairs.b[i] if pairs.a[i] == first else pairs.a[i]) for i in places if first in (pairs.a[i], pairs.b[i])]
    members = [first, *others]
    return Strip(
        tuple(members), head >= 0, len(set(given_label[members].tolist())) > 1, bool(pairs.exact[places].all()),
        float(pairs.similarity[places].min()), float("nan") if curvature is None else float(curvature[members].max()),
    )  # fmt: skip


def in_conflict(pairs: NearDuplicates, examples: Array) -> int:
    """How many of these images are in a conflicting pair."""
    return int(np.isin(examples, np.concatenate([pairs.a[pairs.conflicting], pairs.b[pairs.conflicting]])).sum())


def by_chance(cut: Cut, part: Array, exact: Array) -> float:
    """How many of the flagged pairs of one kind (training and test image, say) are expected to be mere look-alikes; NaN: cannot be told.

    The estimate for all flagged pairs, shared out as the kinds share the pairs below the cut, of which nearly all are look-alikes.

    Args:
        part: bool ``[P]``, the pairs of that kind among all found, most alike first. exact: bool ``[P]``.
    """
    below = part[cut.pairs :]
    if cut.likeness == EXACT_ONLY:
        return 0.0
    share = float(below.mean()) if len(below) else 0.0
    return min(cut.pairs * (1 - cut.precision) * share, float((part & ~exact)[: cut.pairs].sum()))


# -- against what is known --------------------------------------------------------------------------


class Confirmed(NamedTuple):
    """pairs: planted pairs whose two images are still there. found: how many of them are flagged, of ``flagged`` pairs in all."""

    pairs: int
    found: int
    flagged: int


def against_planted(pairs: NearDuplicates, planted: PlantedTruth, source_index: Array) -> Confirmed:
    """Flagged pairs held against the copies a generator planted."""
    order = np.argsort(source_index)
    at = order[np.minimum(np.searchsorted(source_index, planted.partner, sorter=order), len(order) - 1)]
    copy = np.flatnonzero((planted.partner >= 0) & (source_index[at] == planted.partner))
    truth = set(zip(np.minimum(copy, at[copy]).tolist(), np.maximum(copy, at[copy]).tolist(), strict=True))
    return Confirmed(len(truth), len(truth & set(zip(pairs.a.tolist(), pairs.b.tolist(), strict=True))), len(pairs.a))


def confirmed(pairs: NearDuplicates, by: NearDuplicates) -> Array:
    """bool ``[P]``: which pairs are flagged by the others too."""
    many = int(max(pairs.b.max(initial=0), by.b.max(initial=0))) + 1
    return np.isin(pairs.a * many + pairs.b, by.a * many + by.b)


def are_cosines(pairs: NearDuplicates, embedding: Array) -> bool:
    """Whether pairs were found in this embedding ``[N, D]``: their similarity is their cosine in it. Exact copies tell nothing."""
    a, b, similarity = (column[~pairs.exact] for column in (pairs.a, pairs.b, pairs.similarity))
    cosine = np.einsum("pd,pd->p", normalise(embedding[a]), normalise(embedding[b]))
    return bool(len(a) and np.allclose(cosine, similarity, atol=1e-3))
