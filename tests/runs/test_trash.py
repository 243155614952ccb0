"""Deleting moves runs aside: what is brought back is what was there, and nothing in use is taken away."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from explorer.config import RunConfig
from explorer.records import StoreError
from explorer.runs.store import RunStore

ONE, OTHER, THIRD = (f"{n:012x}" for n in range(3))


@pytest.fixture
def three(finished: tuple[RunStore, str], fast_path: Path) -> RunStore:
    """A store with three copies of the finished tiny run."""
    source, run_id = finished
    for name in (ONE, OTHER, THIRD):
        shutil.copytree(source.root / run_id, fast_path / "three" / name)
    return RunStore(fast_path / "three")


def content(folder: Path) -> dict[str, bytes]:
    return {str(file.relative_to(folder)): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


def listed(store: RunStore) -> set[str]:
    return {summary.run_id for summary in store.runs()}


def test_a_deleted_run_comes_back_as_it_was(three: RunStore) -> None:
    three.rename(ONE, "a name")
    three.annotate(ONE, "a note")
    three.star(ONE, True)
    three.set_status(OTHER, "failed", "a reason")
    before, files = {s.run_id: s for s in three.runs()}, content(three.root / ONE)
    three.delete([ONE, OTHER, ONE])
    assert listed(three) == {THIRD} and not three.exists(ONE)
    with pytest.raises(StoreError, match="may have been deleted"):
        three.open(ONE)
    RunStore(three.root).restore([OTHER, ONE])  # the undo outlives the process
    after = {s.run_id: s for s in three.runs()}
    assert {i: repr(s) for i, s in after.items()} == {i: repr(s) for i, s in before.items()}
    assert content(three.root / ONE) == files
    assert three.deleted() == []


def test_what_was_deleted_is_listed_last_first_with_its_size(three: RunStore, tiny: RunConfig) -> None:
    three.rename(OTHER, "the other")
    size = three.disk_use(ONE)
    three.delete([ONE])
    three.delete([OTHER])
    last, first = three.deleted()
    assert (last.run_id, last.name, first.run_id, first.bytes) == (OTHER, "the other", ONE, size)
    assert last.config == tiny.canonical()
    assert last.deleted_at > first.deleted_at > 0


def test_a_purged_run_is_gone_for_good_and_frees_its_disk(three: RunStore) -> None:
    three.annotate(ONE, "a note")
    three.delete([ONE, OTHER])
    three.purge([ONE, ONE])
    assert [run.run_id for run in three.deleted()] == [OTHER]
    assert not list(three.root.rglob(f"{ONE}/*"))
    with pytest.raises(StoreError, match="may have been purged"):
        three.restore([ONE])
    shutil.copytree(three.root / THIRD, three.root / ONE)  # an id that comes again is another run
    assert {s.run_id: s.note for s in three.runs()}[ONE] == ""
    three.purge([ONE])  # never one that was not deleted
    assert listed(three) == {ONE, THIRD}


def test_a_run_in_use_cannot_be_deleted_and_then_nothing_is(three: RunStore, tiny: RunConfig) -> None:
    with three.folder(OTHER).lock(), pytest.raises(StoreError, match=f"{OTHER} is being trained; stop it first"):
        three.delete([ONE, OTHER])
    three.enqueue(OTHER, tiny)
    with pytest.raises(StoreError, match=f"{OTHER} waits.*queue first"):
        three.delete([ONE, OTHER])
    assert three.dequeue("cpu") is not None  # taken, and not begun yet
    with pytest.raises(StoreError, match=f"{OTHER} waits"):
        three.delete([ONE, OTHER])
    assert listed(three) == {ONE, OTHER, THIRD} and three.deleted() == []


@pytest.mark.parametrize("run_id", ["a" * 12, "..", "../three", "deleted"])
def test_a_run_that_is_not_there_cannot_be_deleted_restored_or_purged(three: RunStore, run_id: str) -> None:
    with pytest.raises(StoreError, match="no run|not the id"):
        three.delete([ONE, run_id])
    with pytest.raises(StoreError, match="not among the deleted|not the id"):
        three.restore([run_id])
    assert listed(three) == {ONE, OTHER, THIRD}
    if len(run_id) != 12:
        with pytest.raises(StoreError, match="not the id"):
            three.purge([run_id])


def test_a_run_trained_again_since_is_not_overwritten(three: RunStore) -> None:
    three.delete([ONE])
    shutil.copytree(three.root / OTHER, three.root / ONE)
    with pytest.raises(StoreError, match="trained again"):
        three.restore([ONE])
    (three.root / ONE / "checkpoint.pt").write_bytes(b"newer")
    three.delete([ONE])  # makes way for the newer one
    (kept,) = three.deleted()
    assert kept.run_id == ONE
    three.restore([ONE])
    assert (three.root / ONE / "checkpoint.pt").read_bytes() == b"newer"


def test_deleted_runs_come_back_without_an_index_too(three: RunStore) -> None:
    three.delete([ONE])
    for file in three.root.glob("explorer.db*"):
        file.unlink()
    again = RunStore(three.root)
    assert [(run.run_id, run.deleted_at) for run in again.deleted()] == [(ONE, 0.0)]
    again.restore([ONE])
    assert again.status(ONE) == ("finished", "") and listed(again) == {ONE, OTHER, THIRD}


def test_a_damaged_run_can_be_deleted_and_brought_back(three: RunStore) -> None:
    (three.root / ONE / "epochs.csv").write_bytes(b"\xff")
    for file in three.root.glob("explorer.db*"):
        file.unlink()
    store = RunStore(three.root)
    store.delete([ONE])
    (kept,) = store.deleted()
    assert kept.config is not None
    store.restore([ONE])
    assert {s.run_id: s.status for s in store.runs()}[ONE] == "damaged"


def test_nothing_else_in_the_folder_counts_as_deleted(three: RunStore) -> None:
    three.delete([ONE])
    os.makedirs(three.root / "deleted" / "notes")
    (three.root / "deleted" / "readme").write_text("mine")
    assert [run.run_id for run in three.deleted()] == [ONE]
