"""Groups of near-duplicates without chaining: every member is a verified duplicate of the group's representative."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from explorer.records import Array


class Groups(NamedTuple):
    """group: int64 ``[P]``, smallest position of the group both images of a pair are in, -1 where they are in different ones.

    representative: int64 ``[P]``, the image of that group that all others are duplicates of; -1 likewise.
    """

    group: Array
    representative: Array


def grouped(a: Array, b: Array, likeness: Array, count: int, tie: Array | None = None) -> Groups:
    """Groups of flagged pairs.

    The image with most duplicates comes first and takes all of them that no earlier one took; and so on. So two members are at most
    two steps apart: a long chain of ever different images falls into several groups.

    Args:
        a, b: int64 ``[P]`` of flagged pairs. likeness: float64 ``[P]``. count: number of images.
        tie: ``[N]``, what decides between images alike in everything else (some key of their content); their position by default.
    """
    partners: list[list[int]] = [[] for _ in range(count)]
    strength = np.zeros(count)
    for i, j, alike in zip(a.tolist(), b.tolist(), likeness.tolist(), strict=True):
        partners[i].append(j)
        partners[j].append(i)
        strength[[i, j]] += min(alike, 100.0)
    degree = np.array([len(p) for p in partners])
    tie = np.arange(count) if tie is None else tie
    owner = np.full(count, -1)
    for image in np.lexsort((np.arange(count), tie, -np.round(strength, 6), -degree)).tolist():
        if degree[image] and owner[image] < 0:
            free = [j for j in partners[image] if owner[j] < 0]
            owner[[image, *free]] = image
    smallest = np.full(count, count)
    held = owner >= 0
    np.minimum.at(smallest, owner[held], np.flatnonzero(held))
    together = owner[a] == owner[b]
    return Groups(np.where(together, smallest[owner[a]], -1), np.where(together, owner[a], -1))


def connected(a: Array, b: Array, count: int) -> Array:
    """int64 ``[N]``: the smallest position that pairs lead to from each of ``count`` images, over however many steps."""
    smallest = np.arange(count)
    while True:
        before, least = smallest.copy(), np.minimum(smallest[a], smallest[b])
        np.minimum.at(smallest, a, least)
        np.minimum.at(smallest, b, least)
        smallest = smallest[smallest]
        if np.array_equal(smallest, before):
            return smallest
