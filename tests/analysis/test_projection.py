"""PCA against scikit-learn and closed forms, with what trips it: constants, one dimension, NaN, files on disk."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from sklearn.decomposition import PCA

from explorer.analysis.projection import CHUNK, pca, umap


def cloud(seed: int, N: int = 300, D: int = 12) -> np.ndarray:
    """Correlated numbers far from 0, in which no two directions vary equally."""
    rng = np.random.default_rng(seed)
    return (rng.normal(size=(N, D)) * np.linspace(1, 4, D) @ rng.normal(size=(D, D)) + 100 * rng.normal(size=D)).astype(np.float32)


@pytest.mark.parametrize(("N", "D"), [(300, 12), (5, 40), (CHUNK + 3, 3), (3, 2)])
def test_pca_equals_scikit_learn_sign_included(N: int, D: int) -> None:
    embedding = cloud(N, N, D)
    oracle = PCA(2, svd_solver="full").fit(embedding.astype(np.float64))
    got = pca(embedding)
    assert got.positions.dtype == np.float32
    scale = np.abs(oracle.transform(embedding)).max()
    assert got.positions == pytest.approx(oracle.transform(embedding.astype(np.float64)), abs=1e-6 * scale)
    assert got.explained == pytest.approx(oracle.explained_variance_ratio_, rel=1e-9)


def test_the_plane_two_directions_span_is_found_wherever_it_lies() -> None:
    rng = np.random.default_rng(0)
    plane = rng.normal(size=(200, 2)) * (3, 1)
    turned, _ = np.linalg.qr(rng.normal(size=(7, 7)))
    got = pca(plane @ turned[:2] + 5)
    assert got.explained.sum() == pytest.approx(1)
    apart = np.linalg.norm(plane[:, None] - plane[None], axis=2)
    assert np.linalg.norm(got.positions[:, None] - got.positions[None], axis=2) == pytest.approx(apart, abs=1e-5)


def test_the_order_of_the_images_does_not_matter() -> None:
    embedding, order = cloud(1), np.random.default_rng(2).permutation(300)
    assert pca(embedding[order]).positions == pytest.approx(pca(embedding).positions[order], rel=1e-5, abs=1e-4)


def test_twice_is_the_same() -> None:
    embedding = cloud(3)
    assert np.array_equal(pca(embedding).positions, pca(embedding).positions)


def test_rows_that_are_not_finite_are_nan_and_change_nothing_else() -> None:
    embedding = cloud(4)
    broken = np.insert(embedding, [0, 150, 300], np.array([[np.nan], [np.inf], [-np.inf]], dtype=np.float32), axis=0)
    got = pca(broken)
    unknown = np.isnan(got.positions).all(axis=1)
    assert np.flatnonzero(unknown).tolist() == [0, 151, 302]
    assert got.positions[~unknown] == pytest.approx(pca(embedding).positions, rel=1e-5, abs=1e-4)
    assert got.explained == pytest.approx(pca(embedding).explained)


def test_one_number_that_is_not_finite_spoils_its_row_alone() -> None:
    embedding = cloud(5)
    embedding[7, 3] = np.nan
    assert np.flatnonzero(np.isnan(pca(embedding).positions).any(axis=1)).tolist() == [7]


@pytest.mark.parametrize(
    "embedding",
    [np.full((6, 4), 7.5), np.zeros((1, 4)), np.ones((1, 1)), np.zeros((0, 4)), np.full((3, 2), 1e30, dtype=np.float32)],
    ids=["constant", "one zero row", "one number", "no images", "huge constant"],
)
def test_where_nothing_varies_all_lie_at_zero(embedding: np.ndarray) -> None:
    got = pca(embedding)
    assert got.positions.tolist() == [[0, 0]] * len(embedding) and got.explained.tolist() == [0, 0]


@pytest.mark.parametrize("width", [1, 5])
def test_what_varies_in_one_direction_lies_on_a_line(width: int) -> None:
    along = np.array([-2.0, 0.0, 1.0, 9.0])
    embedding = along[:, None] * np.full(width, 1 / np.sqrt(width))
    got = pca(embedding)
    assert got.positions[:, 0] == pytest.approx(along - 2)
    assert got.positions[:, 1].tolist() == [0] * 4 and got.explained == pytest.approx([1, 0])


def test_nothing_known_is_said_as_nan() -> None:
    got = pca(np.full((3, 2), np.nan))
    assert np.isnan(got.positions).all() and got.explained.tolist() == [0, 0]


def test_a_file_on_disk_is_as_good_as_memory(tmp_path: Path) -> None:
    embedding = cloud(6, 2 * CHUNK + 1, 4)
    np.save(tmp_path / "embeddings.npy", embedding)
    mapped = np.load(tmp_path / "embeddings.npy", mmap_mode="r", allow_pickle=False)
    assert np.array_equal(pca(mapped).positions, pca(embedding).positions)


@pytest.mark.slow
def test_umap_keeps_groups_apart_and_leaves_out_what_is_not_finite() -> None:
    pytest.importorskip("umap", reason="the package umap-learn is not installed")
    rng = np.random.default_rng(0)
    embedding = (rng.normal(size=(90, 6)) + 50 * np.repeat(np.eye(6)[:3], 30, axis=0)).astype(np.float32)
    embedding[4, 2] = np.inf
    got = umap(embedding)
    assert np.flatnonzero(np.isnan(got.positions).any(axis=1)).tolist() == [4] and got.explained.size == 0
    group, known = np.repeat([0, 1, 2], 30), np.arange(90) != 4
    apart = np.linalg.norm(got.positions[:, None] - got.positions[None], axis=2) + np.diag(np.full(90, np.inf))
    nearest = np.where(np.isnan(apart), np.inf, apart).argmin(axis=1)
    assert np.array_equal(group[nearest][known], group[known])
    with pytest.raises(ValueError, match="more than 15"):
        umap(embedding[:15])
