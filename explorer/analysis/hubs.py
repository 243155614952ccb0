"""Pairs that a group of copies lacks: verification looks at few partners of each image, a group's representative needs all members."""

from __future__ import annotations

from collections import deque
from typing import NamedTuple

import numpy as np

from explorer.analysis.alignment import Pose
from explorer.records import Array

LIKELY = 0.0  # log-odds from which on a pair ties two images together
SIZES = (0.4, 2.5)  # of an image laid over the hub: beyond, too little is left to compare


class Spokes(NamedTuple):
    """member, hub: int64 ``[P]``, pairs to verify. score: the least on the way from one to the other. pose: lays member over hub."""

    member: Array
    hub: Array
    score: Array
    pose: Pose


class _Laid(NamedTuple):
    """One image as it lies over the hub of its group."""

    image: int
    score: float
    matrix: Array
    shift: Array
    sign: float


def missing_spokes(asking: Array, other: Array, likeness: Array, score: Array, pose: Pose) -> Spokes:
    """Every image tied to a hub by likely pairs, but compared only with others of the group.

    A hub is the image with most likely partners among those that no earlier one reaches; how a member lies over it follows from
    the pairs on the way.

    Args:
        asking, other: int ``[P]``, verified pairs, each once; pose lays asking over other. likeness, score: float64 ``[P]``.
    """
    known = set(zip(np.minimum(asking, other).tolist(), np.maximum(asking, other).tolist(), strict=True))
    found = [
        (hub, laid)
        for hub, members in _groups(_ties(asking, other, likeness, score, pose))
        for laid in members
        if (min(hub, laid.image), max(hub, laid.image)) not in known and _comparable(laid.matrix)
    ]
    members = [laid for _, laid in found]
    return Spokes(
        np.array([laid.image for laid in members], dtype=np.int64), np.array([hub for hub, _ in found], dtype=np.int64),
        np.array([laid.score for laid in members]),
        Pose(
            np.array([laid.matrix for laid in members], dtype=np.float32).reshape(-1, 2, 2),
            np.array([laid.shift for laid in members], dtype=np.float32).reshape(-1, 2),
            np.array([laid.sign for laid in members], dtype=np.float32),
        ),
    )  # fmt: skip


def _ties(asking: Array, other: Array, likeness: Array, score: Array, pose: Pose) -> dict[int, list[_Laid]]:
    """For each image its likely partners as they lie over it, most alike first."""
    ties: dict[int, list[_Laid]] = {}
    matrices, shifts = pose.matrix.astype(np.float64), pose.shift.astype(np.float64)
    for i in np.argsort(-likeness, kind="stable")[: int((likeness > LIKELY).sum())].tolist():
        one, two, inverse = int(asking[i]), int(other[i]), np.linalg.inv(matrices[i])
        ties.setdefault(two, []).append(_Laid(one, float(score[i]), matrices[i], shifts[i], float(pose.sign[i])))
        ties.setdefault(one, []).append(_Laid(two, float(score[i]), inverse, -inverse @ shifts[i], float(pose.sign[i])))
    return ties


def _groups(ties: dict[int, list[_Laid]]) -> list[tuple[int, list[_Laid]]]:
    """Each hub with everything that likely pairs lead to from it, nearest first."""
    groups, taken = [], set()
    for hub in sorted(ties, key=lambda image: (-len(ties[image]), -round(sum(laid.score for laid in ties[image]), 6), image)):
        if hub not in taken:
            taken.add(hub)
            members, waiting = [], deque([_Laid(hub, np.inf, np.eye(2), np.zeros(2), 1.0)])
            while waiting:
                over = waiting.popleft()
                for laid in ties[over.image]:
                    if laid.image not in taken:
                        taken.add(laid.image)
                        members.append(_through(laid, over))
                        waiting.append(members[-1])
            groups.append((hub, members))
    return groups


def _through(laid: _Laid, over: _Laid) -> _Laid:
    """An image that lies over another, which lies over the hub."""
    return _Laid(
        laid.image, min(laid.score, over.score), laid.matrix @ over.matrix, laid.matrix @ over.shift + laid.shift, laid.sign * over.sign
    )


def _comparable(matrix: Array) -> bool:
    least, most = np.linalg.svd(matrix, compute_uv=False)[[1, 0]]
    return bool(SIZES[0] <= least and most <= SIZES[1])
