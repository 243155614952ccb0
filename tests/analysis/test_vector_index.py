"""The index beyond the limit of exact search, forced on a few thousand rows: against brute force, and against FAISS."""

from __future__ import annotations

import faiss
import numpy as np
import pytest

from explorer.analysis import unit_rows, vector_index
from explorer.analysis.neighbors import Searcher, describe_index, near_duplicates, nearest, normalise, searcher
from explorer.analysis.unit_rows import Directions
from explorer.analysis.vector_index import result_of
from explorer.records import Array
from tests.analysis.embeddings import EXACT, clustered, index_however_few, true_neighbors


@pytest.fixture()
def indexed(monkeypatch: pytest.MonkeyPatch) -> None:
    index_however_few(monkeypatch)


def share_found(ids: Array, expected: Array) -> float:
    return float(np.mean([len({*row} & {*true}) / len(true) for row, true in zip(ids.tolist(), expected.tolist(), strict=True)]))


# -- recall ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(3))
def test_the_recall_that_is_stated_is_that_of_the_search(seed: int, indexed: None, monkeypatch: pytest.MonkeyPatch) -> None:
    embedding = clustered(seed)
    expected = true_neighbors(embedding)[0]
    got = nearest(normalise(embedding))
    assert share_found(got.ids, expected) >= 0.99  # of all 3,000, while 1,000 chose how many lists are probed
    monkeypatch.setattr(vector_index, "SAMPLE", len(embedding))
    found = searcher(normalise(embedding))
    assert (found.kind, found.lists) == ("IVF-Flat", 55)
    assert found.recall == pytest.approx(share_found(nearest(normalise(embedding)).ids, expected), abs=1e-9)
    assert 0.99 <= found.recall < 1 and 1 < found.probes < 55


def test_no_fewer_lists_would_do(indexed: None) -> None:
    """Asked of FAISS itself, with the same index, over the same images."""
    unit = normalise(clustered())
    found = searcher(unit)
    index = found.ask.args[0]  # type: ignore[attr-defined]
    judged = result_of(vector_index._by_content(Directions(unit, unit=True)))[-1000:]
    expected = true_neighbors(clustered())[0][judged]
    bound = {}
    for probes in (found.probes - 1, found.probes):
        index.nprobe = probes
        ids = index.search(unit[judged], 11)[1][:, 1:]
        each = np.array([share_found(row[None], true[None]) for row, true in zip(ids, expected, strict=True)])
        bound[probes] = each.mean() - 1.645 * each.std() / np.sqrt(1000)
    assert bound[found.probes - 1] < 0.99 <= bound[found.probes]
    assert each.mean() == pytest.approx(found.recall, abs=1e-9)


def test_it_finds_what_the_same_index_finds_in_faiss(indexed: None) -> None:
    unit, queries = normalise(clustered()), normalise(clustered(5, 400))
    found = searcher(unit)
    index = found.ask.args[0]  # type: ignore[attr-defined]
    assert index.ntotal == len(unit)
    index.nprobe = found.probes
    cosine, ids = found(queries, 7)
    expected = index.search(queries, 7)
    assert np.array_equal(ids, expected[1])
    assert np.abs(cosine - expected[0]).max() < 1e-6


def test_where_all_has_to_be_found_it_is_exact(indexed: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vector_index, "RECALL", 1.0)
    monkeypatch.setattr(vector_index, "SAMPLE", 500)
    embedding = np.random.default_rng(3).normal(size=(500, 24)).astype(np.float32)  # no clusters: nearly every list is needed
    got, (ids, cosine) = nearest(normalise(embedding)), true_neighbors(embedding)
    assert got.search.endswith("finds 100.0 % of what exact search finds")
    assert np.array_equal(got.ids, ids)
    assert np.abs(got.similarity - cosine).max() < 1e-6


def test_planted_pairs_are_found_by_the_index_and_nothing_else(indexed: None) -> None:
    embedding, rng = clustered(7).copy(), np.random.default_rng(0)
    pairs = rng.permutation(len(embedding))[:100].reshape(-1, 2)
    embedding[pairs[:, 1]] = embedding[pairs[:, 0]] * (1 + 1e-3 * rng.normal(size=(50, 16)))
    found = near_duplicates(embedding, np.zeros(len(embedding), dtype=int), cut=0.9999)
    assert {*zip(found.a.tolist(), found.b.tolist(), strict=True)} == {(int(min(pair)), int(max(pair))) for pair in pairs}


def test_it_says_how_was_searched() -> None:
    unit = normalise(clustered())
    assert describe_index(searcher(unit)) == nearest(unit).search == EXACT
    index = Searcher(lambda queries, k: (queries, queries), "IVF-Flat", 4000, 24, 0.99296)
    assert describe_index(index) == "IVF-Flat, 4,000 lists, 24 probed: finds 99.2 % of what exact search finds"


# -- laws ------------------------------------------------------------------------------------------


def test_the_order_of_the_images_changes_nothing(indexed: None) -> None:
    unit, order = normalise(clustered()), np.random.default_rng(1).permutation(3000)
    one, other = nearest(unit), nearest(unit[order])
    assert one.search == other.search
    assert np.abs(other.similarity - one.similarity[order]).max() < 1e-6
    assert np.array_equal(order[other.ids], one.ids[order])


@pytest.mark.parametrize("size", [1, 64, 1000])
def test_how_many_are_read_and_asked_at_a_time_changes_nothing(size: int, indexed: None, monkeypatch: pytest.MonkeyPatch) -> None:
    unit = normalise(clustered()[:1000])
    whole = nearest(unit)
    monkeypatch.setattr(unit_rows, "ROWS", size + 9)
    monkeypatch.setattr(vector_index, "BATCH", (size, size))
    parts = nearest(unit)
    assert np.array_equal(parts.ids, whole.ids) and parts.search == whole.search
    assert np.abs(parts.similarity - whole.similarity).max() < 1e-6


def test_copies_are_drawn_into_a_sample_as_often_as_they_occur() -> None:
    embedding = clustered().copy()
    embedding[np.random.default_rng(0).permutation(3000)[:1500]] = embedding[0]
    copy = (embedding == embedding[0]).all(axis=1)
    order = result_of(vector_index._by_content(Directions(embedding, unit=True)))
    assert np.array_equal(np.sort(order), np.arange(3000))
    assert [copy[part].mean() for part in np.split(order, 10)] == pytest.approx([0.5] * 10, abs=0.1)


def test_an_image_is_never_its_own_neighbour_in_a_crowd_of_copies(indexed: None) -> None:
    embedding = clustered()[:1000].copy()
    embedding[100:600], embedding[600:620] = embedding[0], 0
    got, (_, cosine) = nearest(normalise(embedding)), true_neighbors(embedding)
    assert not (got.ids == np.arange(1000)[:, None]).any()
    assert all(len({*row}) == 10 for row in np.where(got.ids < 0, -1 - np.arange(10), got.ids).tolist())
    assert (got.similarity >= cosine[:, -1:] - 1e-6).mean() >= 0.99  # whichever of the copies
    assert np.abs(got.similarity[100:600] - 1).max() < 1e-6


@pytest.mark.parametrize("N", [2, 5, 11, 40])
def test_more_neighbours_than_images(N: int, indexed: None) -> None:
    embedding = clustered()[:N]
    got = nearest(normalise(embedding), 50)
    assert got.ids.shape == got.similarity.shape == (N, 50)
    assert np.array_equal(got.ids[:, : N - 1], true_neighbors(embedding, N - 1)[0])
    assert (got.ids[:, N - 1 :] == -1).all() and (got.similarity[:, N - 1 :] == -1).all()
    assert searcher(normalise(embedding))(normalise(embedding), 50)[1].shape == (N, N)


def test_a_few_queries_are_answered_exactly_however_many_images(indexed: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vector_index, "FEW", 30)
    monkeypatch.setattr(unit_rows, "ROWS", 700)
    embedding, queries = clustered(), np.arange(0, 3000, 100)
    got, (ids, cosine) = nearest(normalise(embedding), 10, queries), true_neighbors(embedding)
    assert got.search == EXACT
    assert np.array_equal(got.ids, ids[queries])
    assert np.abs(got.similarity - cosine[queries]).max() < 1e-6
    assert nearest(normalise(embedding), 10, np.arange(31)).search != EXACT


def test_faiss_keeps_its_threads(indexed: None) -> None:
    before = faiss.omp_get_max_threads()
    searcher(normalise(clustered()))
    assert faiss.omp_get_max_threads() == before
