"""Candidates laid over each other, and weighed by what then agrees: *likeness*, the log-odds of two images being one picture.

Nothing is learned from labels; the five weights are a logistic regression on planted copies (17 kinds of change, from recompression
to perspective, and random mixtures of one to three) in CIFAR-10 and Fashion-MNIST test images, and stay fixed.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import NamedTuple

import numpy as np

from explorer.analysis.alignment import Pose, correlation, evidence, fine_detail, refined
from explorer.analysis.candidates import Candidates, Index, poses_of
from explorer.analysis.groups import connected
from explorer.analysis.hubs import missing_spokes
from explorer.analysis.unit_rows import chunks
from explorer.records import Array, Progress

VERIFIED = 2  # best of either image that are looked at in detail
PAIRS = 8192  # at a time
COARSE_STEPS = FINE_STEPS = 3
USUAL = (3, 9)  # places, from the best on, of the partners whose agreement is usual
TYPICAL = 0.82  # agreement of two photographs that merely look alike
PLAUSIBLE = -1.5  # log-odds from which on images may be of one group
EXACT = 16.0  # log-odds of a pair with the same bytes; more than any other can reach
WEIGHTS = {"candidate": 4.39, "agreement": 1.40, "others": -4.63, "detail": 1.90, "stretch": -12.82, "bias": -9.56}


class Verified(NamedTuple):
    """asking, other: int ``[P]``. likeness: float64 ``[P]``. pose: how the asking image is laid over the other."""

    asking: Array
    other: Array
    likeness: Array
    pose: Pose

    def taken(self, rows: Array) -> Verified:
        return Verified(self.asking[rows], self.other[rows], self.likeness[rows], self.pose.taken(rows))


class _Evidence(NamedTuple):
    """agreement: float64 ``[P]``, arctanh of the correlation. detail: float64 ``[P]``, what a good block gives away of the other image."""

    agreement: Array
    detail: Array
    pose: Pose


def verified(index: Index, found: Candidates) -> Generator[Progress, None, Verified]:
    """The pairs that agree best in small, VERIFIED of either image, then those that tie groups of copies to each other, or lack in one."""
    pose = refined(index.detail, found.asking, found.other, poses_of(found.view, index.views), COARSE_STEPS)
    alike = correlation(index.detail, found.asking, found.other, pose)
    best = np.flatnonzero(_places(found.asking, found.other, alike).min(axis=0) < VERIFIED)
    near = found.taken(best)
    seen = yield from _compared(index.light, near, pose.taken(best))
    usual, group = _usual_in(near, seen, len(index.light))
    known = _weighed(near, seen, usual)
    rest = np.setdiff1d(np.arange(len(alike)), best)
    rest = rest[_bridges(found.taken(rest), alike[rest], group)]
    bridges = found.taken(rest)
    seen = yield from _compared(index.light, bridges, pose.taken(rest))
    known = put_together(known, _weighed(bridges, seen, usual))
    spokes = missing_spokes(known.asking, known.other, known.likeness, np.concatenate([near.score, bridges.score]), known.pose)
    members = Candidates(spokes.member, spokes.hub, spokes.score, np.zeros(0))
    seen = yield from _compared(index.light, members, spokes.pose)
    return put_together(known, _weighed(members, seen, usual))


def put_together(*parts: Verified) -> Verified:
    *columns, poses = zip(*parts, strict=True)
    asking, other, likeness = (np.concatenate(column) for column in columns)
    return Verified(asking, other, likeness, Pose(*(np.concatenate(column) for column in zip(*poses, strict=True))))


# -- laying over --------------------------------------------------------------------------------------


def _bridges(found: Candidates, alike: Array, group: Array) -> Array:
    """Of the pairs between two groups of copies, the best of either group. alike: ``[P]``. group: ``[N]``, of every image."""
    many = np.bincount(group, minlength=len(group))[group] > 1
    one, two = group[found.asking], group[found.other]
    rows = np.flatnonzero((one != two) & many[found.asking] & many[found.other])
    return rows[_places(one[rows], two[rows], alike[rows]).min(axis=0) == 0]


def _compared(light: Array, found: Candidates, pose: Pose) -> Generator[Progress, None, _Evidence]:
    """Every pair laid over each other in full size."""
    count = len(found.asking)
    agreement, detail, matrix, shift = np.zeros(count), np.zeros(count), pose.matrix.copy(), pose.shift.copy()
    for part in chunks(count, PAIRS):
        yield Progress(0, "compare", part.start, count)
        seen = _looked_at(light, found.asking[part], found.other[part], pose.taken(part))
        agreement[part], detail[part], (matrix[part], shift[part], _) = seen
    return _Evidence(agreement, detail, Pose(matrix, shift, pose.sign))


def _looked_at(light: Array, asking: Array, other: Array, pose: Pose) -> _Evidence:
    images, at = np.unique(np.concatenate([asking, other]), return_inverse=True)
    asking, other = np.split(at, 2)
    pose = refined(fine_detail(light[images]), asking, other, pose, FINE_STEPS)
    found = evidence(light[images], asking, other, pose)
    blocks = np.sort(found.blocks.sum(axis=1), axis=1)[:, 12]  # of 16 the fourth best: a stamp may cover the others
    return _Evidence(np.arctanh(np.clip(found.agreement, -0.99, 0.9999)), np.log1p(blocks), pose)


# -- weighing -----------------------------------------------------------------------------------------


def _weighed(found: Candidates, seen: _Evidence, usual: Array) -> Verified:
    """usual: ``[N]``, how well any other image agrees with each; a pair has to beat the larger of its two."""
    others = np.maximum(usual[found.asking], usual[found.other])
    odds = WEIGHTS["candidate"] * found.score + WEIGHTS["agreement"] * seen.agreement + WEIGHTS["detail"] * seen.detail
    odds += WEIGHTS["others"] * others + WEIGHTS["stretch"] * stretched(seen.pose.matrix) + WEIGHTS["bias"]
    likeness = np.minimum(odds, EXACT - 1)
    return Verified(found.asking, found.other, likeness, seen.pose)


def _usual_in(found: Candidates, seen: _Evidence, count: int) -> tuple[Array, Array]:
    """(how well other images usually agree with each, group of each) of ``count`` images; others are those that are in another group."""
    first = _weighed(found, seen, _usual_agreement(found, seen.agreement, np.ones(len(found.asking), dtype=bool), count))
    plausible = first.likeness > PLAUSIBLE
    group = connected(found.asking[plausible], found.other[plausible], count)
    return _usual_agreement(found, seen.agreement, group[found.asking] != group[found.other], count), group


def _usual_agreement(found: Candidates, agreement: Array, foreign: Array, count: int) -> Array:
    """float64 ``[N]``: mean of the fourth to ninth best agreement of each image, as far as ``foreign``, bool ``[P]``.

    Limited to what 95 % stay below, so that members of a large group of copies do not excuse each other.
    """
    place = _places(found.asking, found.other, agreement).ravel()
    counts = (place >= USUAL[0]) & (place < USUAL[1]) & np.tile(foreign, 2)
    image, value = np.concatenate([found.asking, found.other])[counts], np.tile(agreement, 2)[counts]
    number = np.bincount(image, minlength=count)
    mean = np.bincount(image, value, count)[number > 0] / number[number > 0]
    usual = np.full(count, np.median(mean) if len(mean) else TYPICAL)
    usual[number > 0] = np.minimum(mean, np.quantile(mean, 0.95)) if len(mean) else mean
    return usual


def _places(one: Array, two: Array, value: Array) -> Array:
    """int ``[2, P]``: place of each pair among all of its one, and of its other, image; 0 is best."""
    image, values = np.concatenate([one, two]), np.concatenate([value, value])
    order = np.lexsort((-values, image))
    place = np.empty(len(order), dtype=np.int64)
    place[order] = np.arange(len(order)) - np.searchsorted(image[order], image[order], side="left")
    return place.reshape(2, -1)


def stretched(matrix: Array) -> Array:
    """float64 ``[P]``: logarithm of how much more ``[P, 2, 2]`` stretches one direction than another, 2 at most; copies rarely are."""
    most, least = np.linalg.svd(matrix, compute_uv=False).T
    return np.minimum(np.log(most / np.maximum(least, 1e-6)), 2).astype(np.float64)
