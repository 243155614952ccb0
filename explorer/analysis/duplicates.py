"""Near-duplicates as the eye means them: candidates from the appearance index, laid over each other, and judged by what then agrees.

``search`` asks for every image in all its views which others look like it (``candidates``), lays the best of them over it
(``alignment``), and weighs what it finds into one number, *likeness*, in log-odds (``verification``); ``similarity`` is the same
between 0 and 1. What cut to use on your own images is measured there: see ``calibration``.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from typing import NamedTuple

import numpy as np

from explorer.analysis.alignment import Pose
from explorer.analysis.candidates import asked_for, candidates, index_of, joined, once
from explorer.analysis.neighbors import exact_copies
from explorer.analysis.verification import EXACT, Verified, put_together, verified
from explorer.analysis.warping import warp
from explorer.records import Array, Progress


class Found(NamedTuple):
    """Verified pairs of positions a < b, most alike first.

    likeness: float64 ``[P]``, log-odds. exact: bool, the same bytes. pose: how b is laid over a.
    """

    a: Array
    b: Array
    likeness: Array
    exact: Array
    pose: Pose

    @property
    def similarity(self) -> Array:
        """float32 ``[P]`` in [0, 1]: 0.5 is even odds, 1 an exact copy."""
        return np.where(self.exact, 1.0, similarity_of(self.likeness)).astype(np.float32)

    def taken(self, rows: Array) -> Found:
        return Found(self.a[rows], self.b[rows], self.likeness[rows], self.exact[rows], self.pose.taken(rows))


def similarity_of(likeness: Array) -> Array:
    """From log-odds to a probability, without overflow."""
    return np.asarray(np.exp(-np.logaddexp(0, -likeness)))


def search(images: Array, extra: Array | None = None) -> Iterator[Progress | Found]:
    """Yield Progress and, last, one Found.

    Args:
        images: uint8 ``[N, H, W, C]``; square, of any size. extra: int ``[P, 2]``, pairs to verify whatever the index says of
            them, such as neighbours in a network's embedding.

    An image is never its own duplicate; every pair stands once. Images with the same bytes are looked up as one: each is listed
    with the first of its kind and with what that one is paired with. The order of the images changes nothing but names: rare
    ties apart. Stop by not asking for the next record. Costs about 2 ms of one core per image for 5,000 images, of which the index,
    whose cost grows with the square, takes half.
    """
    copies = np.array(exact_copies(images), dtype=np.int64).reshape(-1, 2)
    found = _exact(copies)
    if len(images) - len(copies) > 1:
        first = np.arange(len(images))
        first[copies[:, 1]] = copies[:, 0]
        distinct, kind = np.unique(first, return_inverse=True)
        wanted = np.zeros((0, 2), np.int64) if extra is None else kind[np.asarray(extra, dtype=np.int64).reshape(-1, 2)]
        near = yield from _near(images[distinct] if len(copies) else images, wanted)
        found = _sorted(found, _turned(_spread(near._replace(asking=distinct[near.asking], other=distinct[near.other]), copies)))
    yield found


def _near(images: Array, wanted: Array) -> Generator[Progress, None, Verified]:
    """The verified pairs of images that are all different. wanted: int ``[P, 2]``, as ``extra``."""
    index = index_of(images)
    found = yield from candidates(index)
    if len(wanted):
        found = once(joined(found, asked_for(index, wanted)))
    return (yield from verified(index, found))


# -- what is handed out -------------------------------------------------------------------------------


def _spread(found: Verified, copies: Array) -> Verified:
    """What is found of an image holds of its exact copies: each is paired with the other image too, not with that one's copies.

    Args:
        copies: int ``[P, 2]``, (first, copy), by first.
    """
    row, copy = _copies_of(found.asking, copies)
    asked = found.taken(row)._replace(asking=copy)
    row, copy = _copies_of(found.other, copies)
    return put_together(found, asked, found.taken(row)._replace(other=copy))


def _copies_of(images: Array, copies: Array) -> tuple[Array, Array]:
    """(place in ``images``, copy) for every exact copy of each of them."""
    start = np.searchsorted(copies[:, 0], images, side="left")
    number = np.searchsorted(copies[:, 0], images, side="right") - start
    step = np.arange(number.sum()) - np.repeat(np.cumsum(number) - number, number)
    return np.repeat(np.arange(len(images)), number), copies[np.repeat(start, number) + step, 1]


def _turned(found: Verified) -> Found:
    """Every pose turned so that the later image is laid over the earlier."""
    forwards = (found.asking > found.other)[:, None, None]  # the asking image, b, is laid over a
    inverse = np.linalg.inv(found.pose.matrix)
    matrix = np.where(forwards, found.pose.matrix, inverse)
    shift = np.where(forwards[..., 0], found.pose.shift, -(inverse @ found.pose.shift[..., None])[..., 0])
    a, b = np.minimum(found.asking, found.other), np.maximum(found.asking, found.other)
    return Found(a, b, found.likeness, np.zeros(len(a), dtype=bool), Pose(matrix, shift, found.pose.sign))


def _exact(copies: Array) -> Found:
    """Pairs with the same bytes, ``[P, 2]``."""
    count = len(copies)
    plain = Pose(np.tile(np.eye(2, dtype=np.float32), (count, 1, 1)), np.zeros((count, 2), np.float32), np.ones(count, np.float32))
    return Found(copies[:, 0], copies[:, 1], np.full(count, EXACT), np.ones(count, dtype=bool), plain)


def _sorted(*parts: Found) -> Found:
    *columns, poses = zip(*parts, strict=True)
    a, b, likeness, exact = (np.concatenate(column) for column in columns)
    pose = Pose(*(np.concatenate(column) for column in zip(*poses, strict=True)))
    return Found(a, b, likeness, exact, pose).taken(np.lexsort((b, a, -likeness)))


def laid_over(image: Array, pose: Pose, i: int) -> tuple[Array, Array]:
    """(image b of pair i as it lies over a: uint8 ``[H, W, C]``, bool ``[H, W]`` where it covers a)."""
    planes = np.ascontiguousarray(np.moveaxis(image, -1, 0)[None], dtype=np.float32)
    planes = planes if pose.sign[i] > 0 else 255 - planes
    seen, inside = warp(planes, np.zeros(1, dtype=int), pose.matrix[i : i + 1], pose.shift[i : i + 1] * image.shape[0])
    return np.rint(np.clip(np.moveaxis(seen[0], 0, -1), 0, 255)).astype(np.uint8), inside[0]
