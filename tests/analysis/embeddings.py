"""Embeddings to search, all pairs of them compared, and the index for however few."""

from __future__ import annotations

import functools

import numpy as np
import pytest

from explorer.analysis import vector_index
from explorer.records import Array

EXACT = "exact search"


def index_however_few(patch: pytest.MonkeyPatch) -> None:
    """The index in place of exact search, its centres found from a third of the images."""
    for name, value in {"EXACT_UP_TO": 0, "FEW": 0, "POINTS": 20}.items():
        patch.setattr(vector_index, name, value)


@functools.cache
def clustered(seed: int = 0, N: int = 3000, D: int = 16) -> Array:
    """Overlapping clusters; rows of any length."""
    rng = np.random.default_rng(seed)
    centres = rng.normal(size=(60, D))
    return np.asarray(3 * (centres[rng.integers(60, size=N)] + 0.6 * rng.normal(size=(N, D))), dtype=np.float32)


def true_neighbors(embedding: Array, k: int = 10) -> tuple[Array, Array]:
    """(ids, cosine), nearest first; float64, every pair."""
    length = np.linalg.norm(embedding.astype(np.float64), axis=1, keepdims=True)
    unit = embedding / np.where(length > 0, length, 1)
    cosine = unit @ unit.T
    np.fill_diagonal(cosine, -2)
    ids = np.argsort(-cosine, axis=1, kind="stable")[:, :k]
    return ids, np.take_along_axis(cosine, ids, axis=1)
