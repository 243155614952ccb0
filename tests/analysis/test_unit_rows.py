"""Embeddings mapped into memory, and searches that take long: seen, left, and made once."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from explorer.analysis import neighbors, unit_rows, vector_index
from explorer.analysis.neighbors import Neighbors, find_neighbors, knn_disagreement, near_duplicates, nearest, normalise, searcher
from explorer.analysis.vector_index import build
from explorer.config import RunConfig
from explorer.records import Progress
from explorer.runs.execution import execute
from explorer.runs.store import RunStore
from tests.analysis.embeddings import EXACT, clustered, index_however_few


@pytest.fixture()
def indexed(monkeypatch: pytest.MonkeyPatch) -> None:
    index_however_few(monkeypatch)


@pytest.mark.parametrize("limit", [0, 200_000])
@pytest.mark.parametrize("kind", [np.float32, np.float64])
def test_a_memory_map_gives_what_an_array_gives(
    limit: int, kind: type, indexed: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(vector_index, "EXACT_UP_TO", limit)
    embedding, labels = clustered().astype(kind), np.arange(3000) % 3
    np.save(tmp_path / "raw.npy", embedding)
    mapped = np.load(tmp_path / "raw.npy", mmap_mode="r")
    (*_, expected), (*_, got) = find_neighbors(embedding), find_neighbors(mapped)
    assert isinstance(got, Neighbors) and isinstance(expected, Neighbors)
    assert (got.search == EXACT) == (limit > 0)
    assert np.array_equal(got.ids, expected.ids) and np.array_equal(got.similarity, expected.similarity)
    assert np.array_equal(knn_disagreement(mapped, labels), knn_disagreement(embedding, labels))
    one, other = near_duplicates(mapped, labels), near_duplicates(embedding, labels)
    assert len(one.a) and all(np.array_equal(a, b) for a, b in zip(one, other, strict=True))
    assert np.array_equal(normalise(mapped), normalise(embedding))


@pytest.mark.parametrize("limit", [0, 200_000])
def test_a_memory_map_of_unit_rows_is_searched_as_it_is(limit: int, indexed: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vector_index, "EXACT_UP_TO", limit)
    unit = normalise(clustered())
    np.save(tmp_path / "unit.npy", unit)
    mapped = np.load(tmp_path / "unit.npy", mmap_mode="r")
    assert np.shares_memory(normalise(mapped), mapped)
    assert np.array_equal(nearest(mapped).ids, nearest(unit).ids)
    assert np.array_equal(searcher(mapped)(unit[:50], 4)[1], searcher(unit)(unit[:50], 4)[1])


def test_what_was_changed_in_a_private_map_is_not_given_back(indexed: None, tmp_path: Path) -> None:
    np.save(tmp_path / "raw.npy", clustered())
    mapped = np.load(tmp_path / "raw.npy", mmap_mode="c")
    mapped[7] = mapped[2500]
    (*_, got) = find_neighbors(mapped)
    assert isinstance(got, Neighbors) and (got.ids[7, 0], got.ids[2500, 0]) == (2500, 7)
    assert np.array_equal(mapped[7], mapped[2500]) and not np.array_equal(clustered()[7], clustered()[2500])


def test_rows_of_length_one_are_not_copied() -> None:
    embedding = clustered(1).copy()
    embedding[5] = 0
    unit = normalise(embedding)
    length = np.linalg.norm(embedding, axis=1, keepdims=True)
    assert np.array_equal(unit, embedding / np.where(length > 0, length, 1))
    assert normalise(unit).base is unit or normalise(unit) is unit
    unit[2999, 0] += 1e-3  # one row is enough
    assert not np.shares_memory(normalise(unit), unit)
    assert np.linalg.norm(normalise(unit)[2999]) == pytest.approx(1, abs=1e-6)


# -- long searches --------------------------------------------------------------------------------------


def test_progress_only_grows_and_neighbours_come_last(indexed: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unit_rows, "ROWS", 500)
    monkeypatch.setattr(vector_index, "BATCH", (500, 500))
    *steps, last = find_neighbors(clustered())
    assert isinstance(last, Neighbors)
    assert all(isinstance(step, Progress) and 0 <= step.done <= step.total for step in steps)
    building, searching = ([s.done for s in steps if s.total == total] for total in (15_000, 3000))  # type: ignore[union-attr]
    assert building == sorted(building) and building[-1] == 15_000 and len(building) > 20
    assert searching == [500, 1000, 1500, 2000, 2500]
    assert len(building) + len(searching) == len(steps)


def test_the_search_can_be_left_at_any_step(indexed: None) -> None:
    embedding = clustered()[:600]
    count = len([*find_neighbors(embedding)])
    for leave_at in range(count):
        search = find_neighbors(embedding)
        for _ in range(leave_at):
            next(search)
        search.close()  # type: ignore[attr-defined]
        assert next(search, None) is None


def test_neighbours_that_are_known_are_not_looked_up_again(monkeypatch: pytest.MonkeyPatch) -> None:
    embedding, labels = clustered()[:400], np.arange(400) % 3
    expected = knn_disagreement(embedding, labels), near_duplicates(embedding, labels, cut=0.9)
    (known,) = find_neighbors(embedding)
    assert isinstance(known, Neighbors) and len(expected[1].a) > 10
    monkeypatch.delattr(neighbors, "build")  # a search would fail
    assert np.array_equal(knn_disagreement(embedding, labels, neighbors=known), expected[0])
    got = near_duplicates(embedding, labels, cut=0.9, neighbors=known)
    assert all(np.array_equal(a, b) for a, b in zip(got, expected[1], strict=True))


def test_a_run_searches_its_embedding_once(store: RunStore, tiny: RunConfig, monkeypatch: pytest.MonkeyPatch) -> None:
    built: list[tuple[object, ...]] = []

    def counted(*args: object) -> object:
        built.append(args)
        return build(*args)  # type: ignore[arg-type]

    monkeypatch.setattr(neighbors, "build", counted)
    for _ in execute(store, dataclasses.replace(tiny, train_size=60, epochs=1)):
        pass
    (run,) = store.runs()
    assert (store.root / run.run_id / "near_duplicates.parquet").exists()
    assert len(built) == 1
