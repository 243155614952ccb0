"""Nearest neighbours and near-duplicates by an embedding: cosine of L2-normalised rows, found by ``vector_index``.

Self is removed by index (an exact copy may come back first), missing neighbours by id -1, and exact copies are
proved by their bytes. Any embedding may be handed in, also one in a file that is mapped into memory.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Generator, Iterator
from typing import NamedTuple

import numpy as np

from explorer.analysis.unit_rows import Directions, chunks, normalise
from explorer.analysis.vector_index import CHUNK, Searcher, build, describe_index, directions, result_of, searcher, without_self
from explorer.records import Array, Progress

__all__ = [
    "NearDuplicates", "Neighbors", "Searcher", "default_cut", "describe_index", "exact_copies", "find_neighbors", "knn_disagreement",
    "near_duplicates", "nearest", "normalise", "searcher",
]  # fmt: skip

NEIGHBORS = 10


class Neighbors(NamedTuple):
    """Nearest first. ids: int64 ``[Q, k]``, -1 where there is none; similarity: float32 ``[Q, k]`` cosine, -1 there.

    search: how they were found, as ``describe_index`` says it.
    """

    ids: Array
    similarity: Array
    search: str = "exact search"


class NearDuplicates(NamedTuple):
    """Flagged pairs, most similar first; a < b are positions in the training set.

    similarity: float32 cosine. conflicting: bool, the given labels differ. exact: bool, the same bytes.
    group: int64, smallest position of the group both belong to, -1 where they belong to no common group.
    cut: the cosine from which a pair was flagged.
    """

    a: Array
    b: Array
    similarity: Array
    conflicting: Array
    exact: Array
    group: Array
    cut: float


def find_neighbors(embedding: Array, k: int = NEIGHBORS) -> Iterator[Progress | Neighbors]:
    """Yield Progress and, last, one Neighbors: the k nearest other images of every image. Stop by not asking for the next record.

    Args:
        embedding: ``[N, D]``. Beyond the limit of exact search it is not copied but into the index.
    """
    yield (yield from _asked(directions(embedding), k))


def nearest(unit: Array, k: int = NEIGHBORS, queries: Array | None = None) -> Neighbors:
    """The k nearest other images of each query.

    Args:
        unit: float32 ``[N, D]`` from ``normalise``. queries: positions ``[Q]``, all by default; few are always searched exactly.
    """
    return result_of(_asked(Directions(unit, unit=True), k, queries))


def _asked(rows: Directions, k: int, queries: Array | None = None) -> Generator[Progress, None, Neighbors]:
    queries = np.arange(len(rows)) if queries is None else np.asarray(queries)
    ask = yield from build(rows, len(queries))
    index = np.full((len(queries), k), -1, dtype=np.int64)
    similarity = np.full((len(queries), k), -1, dtype=np.float32)
    for part in chunks(len(queries), ask.batch):
        if part.start:  # few images take no time worth a word
            yield Progress(0, "search", part.start, len(queries))
        found, ids = ask(rows[queries[part]], k + 1)
        found, ids = without_self(found, ids, queries[part])
        index[part, : ids.shape[1]] = ids
        similarity[part, : ids.shape[1]] = found
    return Neighbors(index, similarity, describe_index(ask))


def knn_disagreement(embedding: Array, given_label: Array, k: int = NEIGHBORS, neighbors: Neighbors | None = None) -> Array:
    """float64 ``[N]`` in [0, 1]: similarity-weighted share of the k nearest images with another given label. High is suspicious.

    neighbors: of ``find_neighbors``, where they are known; saves the search.
    """
    neighbors = result_of(_asked(directions(embedding), k)) if neighbors is None else neighbors
    weight = np.where(neighbors.ids >= 0, np.clip(neighbors.similarity, 0, None), 0).astype(np.float64)
    other = given_label[neighbors.ids] != given_label[:, None]
    total = weight.sum(axis=1)
    return np.divide((weight * other).sum(axis=1), total, out=np.zeros_like(total), where=total > 0)


def default_cut(neighbors: Neighbors, ratio: float = 0.5) -> float:
    """The cosine at which two images are ``ratio`` times as far apart as an image and its nearest neighbour typically are.

    Distance is Euclidean on the unit sphere. A fixed cosine does not carry over from one embedding to another; this does.
    """
    closest = neighbors.similarity[neighbors.ids[:, 0] >= 0, 0].astype(np.float64)
    typical = np.median(np.sqrt(np.clip(2 - 2 * closest, 0, None))) if len(closest) else 0.0
    return float(min(1 - (ratio * typical) ** 2 / 2, 1 - 1e-6))


def exact_copies(images: Array) -> list[tuple[int, int]]:
    """Pairs a < b of images ``[N, ...]`` with the same bytes, each with the first of its kind."""
    seen: dict[bytes, list[int]] = defaultdict(list)
    for position, image in enumerate(images):
        seen[hashlib.blake2b(image.tobytes(), digest_size=16).digest()].append(position)
    return [(same[0], b) for same in seen.values() for b in same[1:] if np.array_equal(images[same[0]], images[b])]


def near_duplicates(
    embedding: Array, given_label: Array, images: Array | None = None, cut: float | None = None, neighbors: Neighbors | None = None
) -> NearDuplicates:
    """Pairs of images closer than the cut, and exact copies whatever the embedding says.

    Args:
        embedding: float32 ``[N, D]``. given_label: int ``[N]``. images: uint8 ``[N, ...]`` to prove exact copies.
        cut: cosine; None takes ``default_cut``. neighbors: of ``find_neighbors``, where they are known; saves the search.
    """
    rows = directions(embedding)
    neighbors = result_of(_asked(rows, NEIGHBORS)) if neighbors is None else neighbors
    cut = default_cut(neighbors) if cut is None else cut
    query, rank = np.nonzero((neighbors.ids >= 0) & (neighbors.similarity >= cut))
    other = neighbors.ids[query, rank]
    pairs = np.stack([np.minimum(query, other), np.maximum(query, other)], axis=1)
    same_bytes = exact_copies(images) if images is not None else []
    pairs = np.unique(np.concatenate([pairs, np.array(same_bytes, dtype=np.int64).reshape(-1, 2)]), axis=0)
    a, b = pairs[:, 0], pairs[:, 1]
    similarity = np.concatenate([np.zeros(0, np.float32), *(_cosine(rows, a[part], b[part]) for part in chunks(len(a), CHUNK))])
    order = np.lexsort((b, a, -similarity))
    a, b, similarity = a[order], b[order], similarity[order]
    first_of_kind = np.arange(len(rows))
    for first, copy in same_bytes:
        first_of_kind[copy] = first
    exact = first_of_kind[a] == first_of_kind[b]
    return NearDuplicates(a, b, similarity, given_label[a] != given_label[b], exact, _groups(a, b, rows, cut, exact), cut)


def _cosine(rows: Directions, a: Array, b: Array) -> Array:
    return np.einsum("nd,nd->n", rows[a], rows[b])


def _groups(a: Array, b: Array, rows: Directions, cut: float, exact: Array) -> Array:
    """Merge pairs, most similar first, as long as every two members of a group are within the cut: no chaining."""
    group = {int(i): int(i) for i in np.concatenate([a, b])}
    members: dict[int, list[int]] = {i: [i] for i in group}
    for i, j, proved in zip(a.tolist(), b.tolist(), exact.tolist(), strict=True):
        left, right = sorted((group[i], group[j]))
        if left != right and (proved or (rows[members[left]] @ rows[members[right]].T).min() >= cut - 1e-6):
            for member in members.pop(right):
                group[member] = left
                members[left].append(member)
    return np.array([group[i] if group[i] == group[j] else -1 for i, j in zip(a.tolist(), b.tolist(), strict=True)], dtype=np.int64)
