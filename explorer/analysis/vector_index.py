"""Search for the nearest rows of an embedding: exact up to 200,000 images, beyond that IVF-Flat of a measured recall. FAISS.

IVF-Flat keeps every row whole, in lists around centres found by k-means, and reads only the lists whose centres are nearest to a
query. How many is measured: on a sample of the images it has to find 99 % of the neighbours that exact search finds. Rows are read a
few thousand at a time, so an embedding in a file that is mapped into memory is never there twice. The number of threads is left
alone: FAISS shares it with whatever else computes in this process.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Generator
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

import numpy as np

from explorer.analysis.unit_rows import ROUNDING, Directions, chunks, normalise
from explorer.records import Array, Progress

EXACT_UP_TO = 200_000  # images
FEW = 5_000  # queries that exact search answers sooner than an index is built
RECALL, SURE = 0.99, 1.645  # asked of the index; with a certainty of 95 %, one-sided, whatever sample it is measured on
JUDGED, SAMPLE = 10, 1_000  # neighbours of each image, and images, that recall is measured on
POINTS = 100  # images per list that the centres are found from
ITERATIONS = 10  # of k-means
CHUNK = 4_096  # queries answered at a time by exact search; by an index the more, the faster each, as far as memory allows:
BATCH, SHARE, PROBED = (1_024, 16_384), 64, 2  # one in so many images, and no more lists probed together than twice the images
PASSES = 5  # over the embedding, to build and measure an index, k-means counted as one

T = TypeVar("T")


@dataclass(frozen=True, slots=True, eq=False)
class Searcher:
    """Called with (queries float32 ``[Q, D]``, k) it gives (cosine ``[Q, k]``, ids ``[Q, k]``), best first, the image itself included.

    Where there is no neighbour, id and cosine are -1; k is at most the number of images. kind: "exact" or "IVF-Flat". lists: of the
    index; probes: of them read for a query. recall: share of the 10 nearest other images that it finds, measured on images of the
    embedding itself.
    """

    ask: Callable[[Array, int], tuple[Array, Array]]
    kind: str = "exact"
    lists: int = 0
    probes: int = 0
    recall: float = 1.0
    batch: int = CHUNK  # queries to ask at a time

    def __call__(self, queries: Array, k: int) -> tuple[Array, Array]:
        return self.ask(queries, k)


def describe_index(searcher: Searcher) -> str:
    """How was searched, for the page; the share is rounded down."""
    if searcher.kind == "exact":
        return "exact search"
    found = math.floor(searcher.recall * 1000) / 10
    return f"{searcher.kind}, {searcher.lists:,} lists, {searcher.probes:,} probed: finds {found:.1f} % of what exact search finds"


def without_self(similarity: Array, ids: Array, queries: Array) -> tuple[Array, Array]:
    """Drop each query from its own row; where many exact copies crowd it out, drop the last instead."""
    drop = ids == queries[:, None]
    drop[~drop.any(axis=1), -1] = True
    shape = (len(ids), ids.shape[1] - 1)
    return similarity[~drop].reshape(shape), ids[~drop].reshape(shape)


def directions(embedding: Array) -> Directions:
    """The rows of an embedding: normalised at once where exact search needs them all, else a few at a time."""
    return Directions(normalise(embedding), unit=True) if len(embedding) <= EXACT_UP_TO else Directions(embedding)


# -- search -----------------------------------------------------------------------------------------


def searcher(unit: Array) -> Searcher:
    """What finds the nearest rows of ``unit``, float32 ``[N, D]`` with rows of length 1, which may be mapped into memory."""
    return result_of(build(Directions(unit, unit=True)))


def build(rows: Directions, asked: int | None = None) -> Generator[Progress, None, Searcher]:
    """Yield Progress; return what finds the nearest rows. Stop by not asking for the next record.

    Args:
        asked: how many queries it is for; a few are answered exactly, however many rows there are.
    """
    if len(rows) <= EXACT_UP_TO or (asked is not None and asked <= FEW):
        return Searcher(partial(_exact, rows))
    lists = max(1, min(round(math.sqrt(len(rows))), len(rows) // POINTS))
    order = yield from _by_content(rows)
    some, judged = order[: POINTS * lists].copy(), order[-SAMPLE:].copy()  # apart, unless there are few
    del order
    quantiser = yield from _centres(_taken(rows, some), lists, len(rows))
    index = yield from _filled(rows, quantiser, lists)
    probes, recall = yield from _measured(index, rows, judged)
    batch = int(np.clip(min(len(rows) // SHARE, PROBED * len(rows) // probes), *BATCH))
    return Searcher(partial(_probed, index, probes), "IVF-Flat", lists, probes, recall, batch)


def result_of(steps: Generator[Progress, None, T]) -> T:
    """What a generator returns, without a look at how far it is."""
    while True:
        try:
            next(steps)
        except StopIteration as end:
            return end.value


def _exact(rows: Directions, queries: Array, k: int) -> tuple[Array, Array]:
    return result_of(_compared(rows, queries, k))


def _compared(rows: Directions, queries: Array, k: int) -> Generator[Progress, None, tuple[Array, Array]]:
    """Every query with every row, which beyond the limit of exact search are not all held at once: the last pass of building an index."""
    import faiss

    k = min(k, len(rows))
    if len(rows) <= EXACT_UP_TO:
        return faiss.knn(queries, rows[:], k, metric=faiss.METRIC_INNER_PRODUCT)
    best = faiss.ResultHeap(len(queries), k, keep_max=True)
    for part in chunks(len(rows)):
        cosine, ids = faiss.knn(queries, rows[part], min(k, part.stop - part.start), metric=faiss.METRIC_INNER_PRODUCT)
        best.add_result(cosine, ids + part.start)
        yield Progress(0, "search", (PASSES - 1) * len(rows) + part.stop, PASSES * len(rows))
    best.finalize()
    return best.D, best.I


# -- IVF-Flat ---------------------------------------------------------------------------------------


def _by_content(rows: Directions) -> Generator[Progress, None, Array]:
    """int64 ``[N]``: the positions in an order as good as random that depends on what the rows hold, not on where they stand."""
    weight = 2 * np.random.default_rng(0).integers(2**63, size=(rows.shape[1],), dtype=np.uint64) + 1
    key = np.empty(len(rows), dtype=np.uint64)
    for part in chunks(len(rows)):
        yield Progress(0, "search", part.start, PASSES * len(rows))
        key[part] = rows[part].view(np.uint32).astype(np.uint64) @ weight
    order = np.argsort(key, kind="stable")
    start = np.flatnonzero(np.r_[True, np.diff(key[order]) != 0])
    earlier = np.arange(len(key)) - np.repeat(start, np.diff(np.r_[start, len(key)]))  # equal rows before a row: they are spread too
    key[order] += earlier.astype(np.uint64) * weight[0]
    return np.argsort(key, kind="stable")


def _taken(rows: Directions, positions: Array) -> Array:
    """Some rows, in the order of ``positions``, read where they stand, part by part: of a mapped file a scattered read leaves all of it."""
    taken, order = np.empty((len(positions), rows.shape[1]), dtype=np.float32), np.argsort(positions)
    ends = np.searchsorted(positions[order], [part.stop for part in chunks(len(rows))])
    for some in np.split(order, ends[:-1]):
        taken[some] = rows[positions[some]]
    return taken


def _centres(points: Array, lists: int, count: int) -> Generator[Progress, None, Any]:
    """A quantiser with the centres of ``lists`` clusters of some rows; one step of k-means at a time."""
    import faiss

    settings = faiss.ClusteringParameters()
    settings.niter, settings.seed, settings.spherical, settings.min_points_per_centroid = 1, 0, True, 1
    clustering, quantiser = faiss.Clustering(points.shape[1], lists, settings), faiss.IndexFlatIP(points.shape[1])
    for step in range(ITERATIONS):
        yield Progress(0, "search", count + count * step // ITERATIONS, PASSES * count)
        clustering.train(points, quantiser)  # goes on from the centres it has
    return quantiser


def _filled(rows: Directions, quantiser: Any, lists: int) -> Generator[Progress, None, Any]:
    """The index, every row in the list of its nearest centre. Each list is given the room it needs: growing, it takes up to twice that."""
    import faiss

    nearest = np.empty(len(rows), dtype=np.int64)
    for part in chunks(len(rows)):
        yield Progress(0, "search", 2 * len(rows) + part.start, PASSES * len(rows))
        nearest[part] = quantiser.assign(rows[part], 1)[:, 0]
    index = faiss.IndexIVFFlat(quantiser, rows.shape[1], lists, faiss.METRIC_INNER_PRODUCT)
    room: Any = faiss.downcast_InvertedLists(index.invlists)  # type: ignore[arg-type]
    for number, size in enumerate(np.bincount(nearest, minlength=lists).tolist()):
        room.resize(number, size)
        room.resize(number, 0)
    for part in chunks(len(rows)):
        yield Progress(0, "search", 3 * len(rows) + part.start, PASSES * len(rows))
        some, ids, where = rows[part], np.arange(part.start, part.stop), nearest[part]
        index.add_core(len(some), faiss.swig_ptr(some), faiss.swig_ptr(ids), faiss.swig_ptr(where))
    return index


def _measured(index: Any, rows: Directions, judged: Array) -> Generator[Progress, None, tuple[int, float]]:
    """(the fewest lists to probe for the recall asked for, the recall of so many), over the images ``judged``; ties count as found."""
    queries = _taken(rows, judged)
    cosine, ids = yield from _compared(rows, queries, JUDGED + 1)
    least = without_self(cosine, ids, judged)[0][:, -1:] - ROUNDING

    def recall(probes: int) -> tuple[bool, float]:
        found = (without_self(*_probed(index, probes, queries, JUDGED + 1), judged)[0] >= least).mean(axis=1)
        return found.mean() - SURE * found.std() / math.sqrt(len(found)) >= RECALL, float(found.mean())

    few, enough = 0, 1
    while not recall(enough)[0] and enough < index.nlist:
        yield Progress(0, "search", PASSES * len(rows), PASSES * len(rows))
        few, enough = enough, min(2 * enough, index.nlist)
    while enough - few > 1:
        yield Progress(0, "search", PASSES * len(rows), PASSES * len(rows))
        middle = (few + enough) // 2
        few, enough = (few, middle) if recall(middle)[0] else (middle, enough)
    return enough, recall(enough)[1]


def _probed(index: Any, probes: int, queries: Array, k: int) -> tuple[Array, Array]:
    """What ``index.search`` finds, list by list: all queries of a list at once, as matrices, in an eighth of its time."""
    import faiss

    k = min(k, index.ntotal)
    _, probed = index.quantizer.search(queries, probes)
    by_list = np.argsort(probed, axis=None, kind="stable")
    ends = np.cumsum(np.bincount(probed.ravel(), minlength=index.nlist))
    best = faiss.ResultHeap(len(queries), k, keep_max=True)
    for number, (start, end) in enumerate(zip(np.r_[0, ends[:-1]].tolist(), ends.tolist(), strict=True)):
        names, rows = _list(index, number)
        if len(names) and end > start:
            asking = by_list[start:end] // probes
            cosine, at = faiss.knn(queries[asking], rows, min(k, len(rows)), metric=faiss.METRIC_INNER_PRODUCT)
            best.add_result_subset(asking, cosine, names[at])
    best.finalize()
    return np.where(best.I >= 0, best.D, np.float32(-1)), best.I


def _list(index: Any, number: int) -> tuple[Array, Array]:
    """(ids, rows) of one list, where the index holds them."""
    import faiss

    lists: Any = faiss.downcast_InvertedLists(index.invlists)
    size, width = lists.list_size(number), 4 * index.d
    rows = faiss.rev_swig_ptr(lists.get_codes(number), size * width).view(np.float32).reshape(size, index.d)
    return faiss.rev_swig_ptr(lists.get_ids(number), size), rows
