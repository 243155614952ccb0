"""Which classes are taken for which: given labels against what the network, or the truth, says instead."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from explorer.records import NO_CLASS, Array
from explorer.ui.theme import Palette, contrast, mix

HEAT = ("#3D4AA8", "#5A68E0")  # many images: on the light page, on the dark page
STEPS, FAINTEST = 100, 8
INKS = ("#000000", "#FFFFFF")  # one of them can be read on any colour (4.5 to 1)


class ConfusionInfo(NamedTuple):
    """Images counted by given label (row) and by another class of theirs (column).

    counts: int64 ``[K, C]``; C = K, or K + 1 where an image shows none of the classes, which is the last column.
    rows, columns: names of the classes.
    """

    counts: Array
    rows: tuple[str, ...]
    columns: tuple[str, ...]


class Confused(NamedTuple):
    """One cell. given, other: its row and column. share: of the images of that given label."""

    given: int
    other: int
    images: int
    share: float


def confusion_info(given: Array, other: Array, names: Sequence[str], none: str = "none") -> ConfusionInfo:
    """Count the images.

    Args:
        given: int ``[N]``. other: int ``[N]``, predicted or true classes; NO_CLASS where an image shows none.
        names: of the classes ``[K]``. none: what the column of NO_CLASS is called.
    """
    K = len(names)
    columns = columns_of(other, K)
    C = K + bool((columns == K).any())
    counts = np.bincount(given.astype(np.int64) * C + columns, minlength=K * C).reshape(K, C)
    return ConfusionInfo(counts, tuple(names), (*names, none)[:C])


def columns_of(other: Array, K: int) -> Array:
    """int64 ``[N]``: the column of each image; K for NO_CLASS."""
    other = np.asarray(other, dtype=np.int64)
    return np.where(other == NO_CLASS, K, other)


def members(given: Array, other: Array, cell: tuple[int, int], K: int) -> Array:
    """int64 ``[n]``: positions of the images counted in a cell (row, column)."""
    return np.flatnonzero((given == cell[0]) & (columns_of(other, K) == cell[1]))


def apart(info: ConfusionInfo) -> int:
    """How many images are off the diagonal."""
    return int(info.counts.sum() - np.trace(info.counts))


def most_confused(info: ConfusionInfo, limit: int) -> list[Confused]:
    """The cells off the diagonal with the most images, those of equal number in the order of the rows; empty ones left out."""
    off = _off_diagonal(info.counts)
    order = np.argsort(-off, axis=None, kind="stable")[:limit]
    total = info.counts.sum(axis=1)
    cells = [(g, c) for g, c in np.stack(np.unravel_index(order, off.shape), axis=1).tolist() if off[g, c]]
    return [Confused(g, c, int(off[g, c]), float(off[g, c] / total[g])) for g, c in cells]


def strengths(info: ConfusionInfo) -> Array:
    """int64 ``[K, C]``, 0 to STEPS: how much of the colour a cell gets, by its count; the diagonal, which would outshine all, gets none."""
    off = _off_diagonal(info.counts)
    share = np.ceil(STEPS * off / max(1, off.max(initial=0))).astype(np.int64)
    return np.where(off > 0, np.maximum(share, FAINTEST), 0)


def shades(palette: Palette) -> list[tuple[str, str]]:
    """(colour of the cell, colour of the number on it) for each strength."""
    colours = [mix(palette.background, HEAT[palette.dark], step / STEPS) for step in range(STEPS + 1)]
    return [(colour, max(INKS, key=lambda ink: contrast(ink, colour))) for colour in colours]


def _off_diagonal(counts: Array) -> Array:
    off = counts.copy()
    np.fill_diagonal(off, 0)
    return off
