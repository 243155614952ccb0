"""Nearest neighbours and near-duplicates: FAISS exact search over L2-normalised embeddings.

Self is removed by index (an exact copy may come back first), missing neighbours by id -1, and exact copies are
proved by their bytes. Any embedding may be handed in.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from explorer.records import Array

NEIGHBORS = 10
CHUNK = 4096


class Neighbors(NamedTuple):
    """Nearest first. ids: int64 ``[Q, k]``, -1 where there is none; similarity: float32 ``[Q, k]`` cosine, -1 there."""

    ids: Array
    similarity: Array


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


def normalise(embedding: Array) -> Array:
    """float32 ``[N, D]`` with rows of length 1; a zero row stays zero and so is similar to nothing."""
    embedding = np.ascontiguousarray(embedding, dtype=np.float32)
    length = np.linalg.norm(embedding, axis=1, keepdims=True)
    return embedding / np.where(length > 0, length, 1)


def nearest(unit: Array, k: int = NEIGHBORS, queries: Array | None = None) -> Neighbors:
    """The k nearest other images of each query.

    Args:
        unit: float32 ``[N, D]`` from ``normalise``. queries: positions ``[Q]``, all by default.
    """
    import faiss

    queries = np.arange(len(unit)) if queries is None else np.asarray(queries)
    index = np.full((len(queries), k), -1, dtype=np.int64)
    similarity = np.full((len(queries), k), -1, dtype=np.float32)
    wanted = min(k + 1, len(unit))
    for start in range(0, len(queries), CHUNK):
        asked = queries[start : start + CHUNK]
        found, ids = faiss.knn(unit[asked], unit, wanted, metric=faiss.METRIC_INNER_PRODUCT)
        found, ids = _without_self(found, ids, asked)
        index[start : start + CHUNK, : ids.shape[1]] = ids
        similarity[start : start + CHUNK, : ids.shape[1]] = np.where(ids >= 0, found, -1)
    return Neighbors(index, similarity)


def searcher(unit: Array) -> Callable[[Array, int], tuple[Array, Array]]:
    """A function (queries ``[Q, D]``, k) -> (cosine ``[Q, k]``, ids ``[Q, k]``, -1 where there is none), best first, self included."""
    import faiss

    def ask(queries: Array, k: int) -> tuple[Array, Array]:
        return faiss.knn(queries, unit, min(k, len(unit)), metric=faiss.METRIC_INNER_PRODUCT)  # type: ignore[no-any-return]

    return ask


def _without_self(similarity: Array, ids: Array, queries: Array) -> tuple[Array, Array]:
    """Drop each query from its own row; where many exact copies crowd it out, drop the last instead."""
    drop = ids == queries[:, None]
    drop[~drop.any(axis=1), -1] = True
    shape = (len(ids), ids.shape[1] - 1)
    return similarity[~drop].reshape(shape), ids[~drop].reshape(shape)


def knn_disagreement(embedding: Array, given_label: Array, k: int = NEIGHBORS) -> Array:
    """float64 ``[N]`` in [0, 1]: similarity-weighted share of the k nearest images with another given label. High is suspicious."""
    neighbors = nearest(normalise(embedding), k)
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


def near_duplicates(embedding: Array, given_label: Array, images: Array | None = None, cut: float | None = None) -> NearDuplicates:
    """Pairs of images closer than the cut, and exact copies whatever the embedding says.

    Args:
        embedding: float32 ``[N, D]``. given_label: int ``[N]``. images: uint8 ``[N, ...]`` to prove exact copies.
        cut: cosine; None takes ``default_cut``.
    """
    unit = normalise(embedding)
    neighbors = nearest(unit)
    cut = default_cut(neighbors) if cut is None else cut
    query, rank = np.nonzero((neighbors.ids >= 0) & (neighbors.similarity >= cut))
    other = neighbors.ids[query, rank]
    pairs = np.stack([np.minimum(query, other), np.maximum(query, other)], axis=1)
    same_bytes = exact_copies(images) if images is not None else []
    pairs = np.unique(np.concatenate([pairs, np.array(same_bytes, dtype=np.int64).reshape(-1, 2)]), axis=0)
    a, b = pairs[:, 0], pairs[:, 1]
    similarity = np.einsum("nd,nd->n", unit[a], unit[b])
    order = np.lexsort((b, a, -similarity))
    a, b, similarity = a[order], b[order], similarity[order]
    first_of_kind = np.arange(len(unit))
    for first, copy in same_bytes:
        first_of_kind[copy] = first
    exact = first_of_kind[a] == first_of_kind[b]
    return NearDuplicates(a, b, similarity, given_label[a] != given_label[b], exact, _groups(a, b, unit, cut, exact), cut)


def _groups(a: Array, b: Array, unit: Array, cut: float, exact: Array) -> Array:
    """Merge pairs, most similar first, as long as every two members of a group are within the cut: no chaining."""
    group = {int(i): int(i) for i in np.concatenate([a, b])}
    members: dict[int, list[int]] = {i: [i] for i in group}
    for i, j, proved in zip(a.tolist(), b.tolist(), exact.tolist(), strict=True):
        left, right = sorted((group[i], group[j]))
        if left != right and (proved or (unit[members[left]] @ unit[members[right]].T).min() >= cut - 1e-6):
            for member in members.pop(right):
                group[member] = left
                members[left].append(member)
    return np.array([group[i] if group[i] == group[j] else -1 for i, j in zip(a.tolist(), b.tolist(), strict=True)], dtype=np.int64)
