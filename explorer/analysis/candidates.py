"""Who may look like whom: every image, in all its views, is looked up among all others by its label-free embedding (FAISS)."""

from __future__ import annotations

from collections.abc import Generator
from typing import NamedTuple

import numpy as np

from explorer.analysis import appearance
from explorer.analysis.alignment import Pose, correlation
from explorer.analysis.appearance import SAMPLE, SIMPLE_VIEWS, Appearance, View, by_content, embed, fit_appearance, luminance, maps_of, unit
from explorer.analysis.unit_rows import chunks
from explorer.analysis.vector_index import Searcher, searcher, without_self
from explorer.records import Array, Progress

NEIGHBORS = 6  # asked for of each view
CANDIDATES = 18  # partners of an image that are laid over it
SIMPLE = 3  # and so many more of those found by a flip, or as they are, which crops would crowd out
ASKED = 8192  # images at a time
QUERIES = 2**15  # views of images looked up at a time; FAISS is three times slower with a few thousand
REFERENCE = 512  # images that tell what likeness is usual in a view
PIXELS = 2**23  # read at a time


class Index(NamedTuple):
    """Some images, ready to be looked up.

    light: float32 ``[N, SIDE, SIDE]`` luminance. detail: float32 ``[N, 1, CELLS, CELLS]``, the second of the maps.
    base: float32 ``[N, D]`` embedding. usual: float64 ``[V]``, cosine that the last neighbour of a view rarely passes (95 %).
    """

    light: Array
    detail: Array
    base: Array
    fitted: Appearance
    views: tuple[View, ...]
    projections: tuple[Array, ...]
    usual: Array


class Candidates(NamedTuple):
    """asking, other: int ``[P]``. score: how far above usual their likeness is. view: which view of the asking image it was."""

    asking: Array
    other: Array
    score: Array
    view: Array

    def taken(self, rows: Array) -> Candidates:
        return Candidates(self.asking[rows], self.other[rows], self.score[rows], self.view[rows])


class _Best(NamedTuple):
    """The best partners of some images, ``[n, K]`` each, best first; score -inf where there is none."""

    score: Array
    other: Array
    view: Array


# -- building ---------------------------------------------------------------------------------------


def light_of(images: Array) -> Array:
    """float32 ``[N, SIDE, SIDE]``: luminance, of a few images at a time."""
    return np.concatenate([luminance(images[part]) for part in chunks(len(images), max(1, PIXELS // images[0].size))])


def index_of(images: Array) -> Index:
    """Of uint8 ``[N, H, W, C]``, at least two; fitted on themselves."""
    light, sample = light_of(images), by_content(images)
    fitted = fit_appearance(light[sample[:SAMPLE]])
    detail, base = [], []
    for part in chunks(len(light), ASKED):
        maps = maps_of(light[part])
        detail.append(maps[:, 1:].copy())
        base.append(embed(fitted, maps))
    views = appearance.views(len(light))
    index = Index(
        light, np.concatenate(detail), np.concatenate(base), fitted, views, tuple(appearance.projections(fitted, views)), np.zeros(0)
    )
    return index._replace(usual=_usual_likeness(index, searcher(index.base), sample[:REFERENCE]))


def _usual_likeness(index: Index, ask: Searcher, sample: Array) -> Array:
    maps = _flat_maps(index.light[sample])
    asked_for = min(NEIGHBORS, len(index.base) - 1) + 1
    last = [ask(_seen(index, maps, part), asked_for)[0][:, -1].reshape(len(maps), -1) for part in _blocks(index, len(maps))]
    return np.asarray(np.quantile(np.concatenate(last, axis=1), 0.95, axis=0))


def _flat_maps(light: Array) -> Array:
    return maps_of(light).reshape(len(light), 2 * appearance.CELLS**2)


def _seen(index: Index, maps: Array, part: slice) -> Array:
    """float32 ``[n * V, D]``: some views of some images, the views of the first image first."""
    projected = maps @ np.concatenate(index.projections[part], axis=1)
    return unit(projected.reshape(-1, index.base.shape[1]) - index.fitted.offset)


def _blocks(index: Index, images: int, first: int = 0, last: int | None = None) -> list[slice]:
    """Views at a time, from ``first`` to before ``last``."""
    last = len(index.views) if last is None else last
    return [slice(first + part.start, first + part.stop) for part in chunks(last - first, max(1, QUERIES // images))]


# -- looking up -------------------------------------------------------------------------------------


def candidates(index: Index) -> Generator[Progress, None, Candidates]:
    """The best partners of every image over all its views; each pair once, in its better direction."""
    ask, count = searcher(index.base), len(index.base)
    parts = []
    for part in chunks(count, -(-count // -(-count // ASKED))):
        asking = np.arange(count)[part]
        maps = _flat_maps(index.light[part])
        simple = yield from _best_of(index, ask, asking, maps, _blocks(index, len(maps), 0, SIMPLE_VIEWS))
        rest = yield from _best_of(index, ask, asking, maps, _blocks(index, len(maps), SIMPLE_VIEWS), simple)
        parts += [_pairs(asking, rest), _pairs(asking, _Best(*(column[:, :SIMPLE] for column in simple)))]
    return once(joined(*parts))


def _best_of(
    index: Index, ask: Searcher, asking: Array, maps: Array, blocks: list[slice], best: _Best | None = None
) -> Generator[Progress, None, _Best]:
    """The CANDIDATES best partners in some views, and of those that are there already."""
    for block in blocks:
        yield Progress(0, "search", int(asking[0]) * len(index.views) + block.start * len(asking), len(index.base) * len(index.views))
        fresh = _partners(index, ask, asking, maps, block)
        best = _merged(fresh if best is None else _Best(*(np.concatenate(columns, axis=1) for columns in zip(best, fresh, strict=True))))
    assert best is not None  # there are views
    return best


def _partners(index: Index, ask: Searcher, asking: Array, maps: Array, block: slice) -> _Best:
    views = np.arange(block.start, block.stop)
    likeness, ids = ask(_seen(index, maps, block), min(NEIGHBORS, len(index.base) - 1) + 1)
    likeness, ids = without_self(likeness, ids, asking.repeat(len(views)))
    score = _above_usual(likeness, np.tile(index.usual[block], len(asking))[:, None])
    view = np.broadcast_to(np.tile(views, len(asking))[:, None], ids.shape)
    return _Best(*(column.reshape(len(asking), -1) for column in (np.where(ids >= 0, score, -np.inf), ids, view)))


def _above_usual(likeness: Array, usual: Array | float) -> Array:
    """Cosine plus its lead over the last neighbour: what stands out among its own kind. A crowd of copies counts as no more than usual."""
    last = np.minimum(likeness[:, -1:], usual)
    return np.asarray(likeness + np.clip((likeness - last) / (1.02 - last), -1, 1), dtype=np.float32)


def _merged(found: _Best) -> _Best:
    """The CANDIDATES best of every row, each partner once, in its best view."""
    found = _taken(found, np.argsort(-found.score, axis=1, kind="stable"))
    by_partner = np.argsort(found.other, axis=1, kind="stable")
    row, column = np.nonzero(np.diff(np.take_along_axis(found.other, by_partner, axis=1), axis=1) == 0)
    found.score[row, by_partner[row, column + 1]] = -np.inf
    return _taken(found, np.argsort(-found.score, axis=1, kind="stable")[:, :CANDIDATES])


def _taken(found: _Best, order: Array) -> _Best:
    return _Best(*(np.take_along_axis(column, order, axis=1) for column in found))


def _pairs(asking: Array, found: _Best) -> Candidates:
    real = found.score > -np.inf
    return Candidates(
        np.broadcast_to(asking[:, None], real.shape)[real], found.other[real], found.score[real].astype(np.float64), found.view[real]
    )


def asked_for(index: Index, pairs: Array) -> Candidates:
    """Pairs ``[P, 2]`` handed in, each in the flip under which its maps agree best."""
    asking, other = pairs.min(axis=1), pairs.max(axis=1)
    flips = np.arange(SIMPLE_VIEWS)
    agreements = [correlation(index.detail, asking, other, poses_of(np.full(len(asking), flip), index.views)) for flip in flips]
    view = np.argmax(agreements, axis=0)
    score = np.zeros(len(asking))
    for flip in flips:
        rows = np.flatnonzero(view == flip)
        seen = _seen(index, _flat_maps(index.light[asking[rows]]), slice(flip, flip + 1))
        score[rows] = _above_usual(np.einsum("pd,pd->p", seen, index.base[other[rows]])[:, None].repeat(2, 1), 0.5)[:, 0]
    return Candidates(asking, other, score, view)


def poses_of(view: Array, views: tuple[View, ...]) -> Pose:
    """How a view lays the asking images over the others."""
    matrix, shift = np.stack([v.matrix for v in views]), np.array([v.shift for v in views])
    sign = np.array([v.sign for v in views])
    return Pose(matrix[view].astype(np.float32), shift[view].astype(np.float32), sign[view].astype(np.float32))


def once(found: Candidates) -> Candidates:
    """Every unordered pair once, in the direction of the higher score."""
    low, high = np.minimum(found.asking, found.other), np.maximum(found.asking, found.other)
    order = np.lexsort((found.asking, -found.score, high, low))
    order = order[low[order] != high[order]]
    first = np.ones(len(order), dtype=bool)
    first[1:] = (np.diff(low[order]) != 0) | (np.diff(high[order]) != 0)
    return found.taken(order[first])


def joined(*parts: Candidates) -> Candidates:
    return Candidates(*(np.concatenate(column) for column in zip(*parts, strict=True)))
