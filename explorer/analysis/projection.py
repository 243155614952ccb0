"""An embedding flattened to two numbers per image, to be drawn as a map: PCA at once, UMAP where it is installed."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from importlib.util import find_spec
from typing import NamedTuple

import numpy as np

from explorer.records import Array

CHUNK = 4096
LEAST_VARIANCE = 1e-12  # of the total; a direction with less holds rounding errors
UMAP_NEIGHBORS = 15
_one_at_a_time = threading.Lock()


class Projection(NamedTuple):
    """positions: float32 ``[N, 2]``, NaN for an image whose embedding is not finite.

    explained: float64 ``[2]``, share of the total variance each direction holds; empty where a map does not keep variance.
    """

    positions: Array
    explained: Array


def pca(embedding: Array) -> Projection:
    """The two directions in which the images differ most, and where each image lies along them, the mean at (0, 0).

    Exact: eigenvectors of the D x D covariance, added up in float64. Nothing is random; each direction points to where its
    largest component is positive, so the same embedding gives the same map. ``explained`` tells how much of the picture to
    believe: at 0.1 + 0.1, four fifths of the differences between images are not to be seen. Where images differ in fewer
    than two directions the rest is 0.

    Args:
        embedding: float ``[N, D]``, a memory-mapped one is read in parts. Rows that are not finite are left out.

    Source:
        Pearson 1901; Hotelling 1933. The sign is scikit-learn's.
    """
    mean, covariance = _moments(embedding)
    directions, explained = _main_directions(covariance)
    positions = np.empty((len(embedding), 2), dtype=np.float32)
    for rows, part, finite in _chunks(embedding):
        positions[rows] = np.where(finite[:, None], (part - mean) @ directions, np.nan)
    return Projection(positions, explained)


def _main_directions(covariance: Array) -> tuple[Array, Array]:
    """(unit vectors ``[D, 2]``, their shares of the variance ``[2]``), the largest first; 0 for a direction there is not."""
    found, vectors = np.linalg.eigh(covariance)
    variance, directions = np.zeros(2), np.zeros((len(covariance), 2))
    held = min(2, len(found))
    variance[:held], directions[:, :held] = found[::-1][:held], vectors[:, ::-1][:, :held]  # eigh sorts upwards
    total = found.clip(0).sum()
    real = variance > LEAST_VARIANCE * total
    largest = np.abs(directions).argmax(axis=0)
    sign = np.sign(directions[largest, [0, 1]])
    return directions * sign * real, np.where(real, variance, 0) / max(total, np.finfo(float).tiny)


def _chunks(embedding: Array) -> Iterator[tuple[slice, Array, Array]]:
    """(rows, float64 ``[n, D]`` with 0 where the row is not finite, bool ``[n]`` finite), a part at a time."""
    for start in range(0, len(embedding), CHUNK):
        part = np.asarray(embedding[start : start + CHUNK], dtype=np.float64)
        finite = np.asarray(np.isfinite(part).all(axis=1))
        yield slice(start, start + len(part)), np.where(finite[:, None], part, 0.0), finite


def _moments(embedding: Array) -> tuple[Array, Array]:
    """(mean ``[D]``, covariance ``[D, D]`` divided by the number of rows) of the finite rows; 0 where there are none."""
    width = embedding.shape[1]
    known, mean, covariance = 0, np.zeros(width), np.zeros((width, width))
    for _, part, finite in _chunks(embedding):
        known, mean = known + int(finite.sum()), mean + part.sum(axis=0)
    mean /= max(1, known)
    for _, part, finite in _chunks(embedding):
        centred = (part - mean)[finite]
        covariance += centred.T @ centred
    return mean, covariance / max(1, known)


def has_umap() -> bool:
    """Whether the package ``umap-learn`` is installed."""
    return find_spec("umap") is not None


def umap(embedding: Array, seed: int = 0) -> Projection:
    """A map that keeps neighbours together: groups are real, their sizes and the distances between them are not.

    Takes minutes for 50,000 images. The same embedding and seed give the same map on the same machine and versions.

    Args:
        embedding: as for ``pca``; distance is Euclidean. Needs more than 15 finite rows.

    Raises:
        ValueError: for fewer.

    Source:
        McInnes, Healy, Melville 2018, arXiv:1802.03426. Departure: starts from PCA, which needs no spectral solver.
    """
    from umap import UMAP  # installed by choice: see has_umap

    finite = np.isfinite(embedding).all(axis=1)
    if finite.sum() <= UMAP_NEIGHBORS:
        raise ValueError(f"UMAP needs more than {UMAP_NEIGHBORS} images with a finite embedding, there are {finite.sum()}; use PCA")
    positions = np.full((len(embedding), 2), np.nan, dtype=np.float32)
    with _one_at_a_time:  # numba's simplest thread pool ends the process when two threads enter it
        reducer = UMAP(n_neighbors=UMAP_NEIGHBORS, init="pca", random_state=seed, n_jobs=1)
        positions[finite] = reducer.fit_transform(np.asarray(embedding[finite], dtype=np.float32))
    return Projection(positions, np.zeros(0))
