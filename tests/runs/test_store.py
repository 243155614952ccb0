"""All runs under one root: listing, status, names, and an index that can be lost."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import shutil
import sqlite3
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from explorer.config import RunConfig
from explorer.records import StoreError
from explorer.runs.store import RunStore, default_root


def run_ids(count: int) -> list[str]:
    return [f"{n:012x}" for n in range(count)]


@pytest.fixture
def copied(finished: tuple[RunStore, str], fast_path: Path) -> tuple[RunStore, str]:
    """A store of one's own with the finished tiny run in it."""
    source, run_id = finished
    root = fast_path / "copied"
    shutil.copytree(source.root / run_id, root / run_id)
    return RunStore(root), run_id


# -- opening ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("run_id", ["", "..", "../../../etc", "0" * 11, "0" * 13, "ABCDEF012345", "zzzzzzzzzzzz", "a/b/c/d/e/f/", "é" * 12])
def test_only_ids_of_runs_reach_the_file_system(store: RunStore, run_id: str) -> None:
    for ask in (store.folder, store.open, store.exists):
        with pytest.raises(StoreError, match="not the id of a run"):
            ask(run_id)


def test_a_run_that_is_not_there_is_said_so(store: RunStore) -> None:
    with pytest.raises(StoreError, match=f"no run {'a' * 12} in"):
        store.open("a" * 12)
    assert not store.exists("a" * 12)
    assert not (store.root / ("a" * 12)).exists()


def test_opening_gives_the_run_with_its_status(copied: tuple[RunStore, str], tiny: RunConfig) -> None:
    store, run_id = copied
    run = store.open(run_id)
    assert (run.run_id, run.status, run.cause) == (run_id, "finished", "")
    assert run.config == tiny.canonical()
    assert run.last_epoch == tiny.epochs
    store.set_status(run_id, "failed", "a reason")
    assert (store.open(run_id).status, store.open(run_id).cause) == ("failed", "a reason")


def test_the_root_comes_from_the_argument_then_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EXPLORER_HOME", str(tmp_path / "home"))
    assert default_root() == tmp_path / "home"
    assert RunStore().root == (tmp_path / "home").resolve()
    assert RunStore(tmp_path / "other").root == (tmp_path / "other").resolve()
    monkeypatch.setenv("EXPLORER_HOME", "")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert default_root() == tmp_path / ".memorization-explorer"


# -- the list --------------------------------------------------------------------------------------


def test_runs_are_listed_newest_first_with_their_last_row(copied: tuple[RunStore, str], tiny: RunConfig) -> None:
    store, run_id = copied
    (other,) = run_ids(1)
    store.enqueue(other, dataclasses.replace(tiny, seed=9))
    first, second = store.runs()
    assert (first.run_id, first.status, first.last) == (other, "queued", {})
    assert first.config == dataclasses.replace(tiny, seed=9)
    assert (second.run_id, second.status) == (run_id, "finished")
    assert second.last == store.folder(run_id).rows()[-1]
    assert first.created_at > second.created_at


def test_the_index_is_rebuilt_from_the_folders(copied: tuple[RunStore, str], tiny: RunConfig) -> None:
    store, run_id = copied
    before = store.runs()
    for file in store.root.glob("explorer.db*"):
        file.unlink()
    again = RunStore(store.root)
    assert [(s.run_id, s.status, s.config, dict(s.last)) for s in again.runs()] == [
        (s.run_id, s.status, s.config, dict(s.last)) for s in before
    ]
    assert again.open(run_id).status == "finished"


def test_the_status_of_a_folder_nobody_wrote_down_is_read_off_its_epochs(copied: tuple[RunStore, str]) -> None:
    store, run_id = copied
    store.folder(run_id).rewind(1)
    for file in store.root.glob("explorer.db*"):
        file.unlink()
    again = RunStore(store.root)
    assert again.status(run_id)[0] == "interrupted"
    assert [s.status for s in again.runs()] == ["interrupted"]


def test_a_folder_copied_in_later_is_found(copied: tuple[RunStore, str], store: RunStore) -> None:
    source, run_id = copied
    assert store.runs() == []
    shutil.copytree(source.root / run_id, store.root / run_id)
    (store.root / "notes").mkdir()  # anything else is left alone
    assert [s.run_id for s in store.runs()] == [run_id]
    shutil.rmtree(store.root / run_id)
    assert store.runs() == []


@pytest.mark.parametrize("name", ["config.json", "epochs.csv"])
@pytest.mark.parametrize("index_lost", [False, True])
def test_a_damaged_run_is_listed_as_such_and_hides_no_other(copied: tuple[RunStore, str], name: str, index_lost: bool) -> None:
    store, run_id = copied
    (broken,) = run_ids(1)
    shutil.copytree(store.root / run_id, store.root / broken)
    store.runs()
    (store.root / broken / name).write_bytes(b"{ \xff nonsense")
    if index_lost:
        for file in store.root.glob("explorer.db*"):
            file.unlink()
    found = {s.run_id: s for s in RunStore(store.root).runs()}
    assert found[run_id].status == "finished"
    assert (found[broken].status, found[broken].config) == ("damaged", None)
    assert name in found[broken].cause
    with pytest.raises(StoreError, match=name):
        store.open(broken)


@pytest.mark.parametrize("name", ["examples.parquet", "facts/epoch_00001.npz"])
def test_damage_that_only_opening_shows_leaves_the_list_alone(copied: tuple[RunStore, str], name: str) -> None:
    store, run_id = copied
    (store.root / run_id / name).unlink()
    assert [s.run_id for s in store.runs()] == [run_id]
    with pytest.raises(StoreError, match=name):
        store.open(run_id)


@pytest.mark.parametrize("content", [b"not a database, but long enough to be read as one " * 40, b"SQLite format 3\x00" + b"\xff" * 4000])
def test_a_damaged_index_says_what_to_do_and_deleting_it_helps(copied: tuple[RunStore, str], content: bytes) -> None:
    store, run_id = copied
    for file in store.root.glob("explorer.db*"):
        file.unlink()
    (store.root / "explorer.db").write_bytes(content)
    with pytest.raises(StoreError, match=r"explorer\.db.*move it elsewhere: the index is rebuilt"):
        RunStore(store.root)
    (store.root / "explorer.db").unlink()
    assert [s.run_id for s in RunStore(store.root).runs()] == [run_id]


# -- status ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", ["running", "paused"])
def test_a_run_whose_trainer_is_gone_is_interrupted(copied: tuple[RunStore, str], status: str) -> None:
    store, run_id = copied
    store.set_status(run_id, status)
    assert store.status(run_id)[0] == "interrupted"
    assert [s.status for s in store.runs()] == ["interrupted"]
    assert "continue" in store.open(run_id).cause
    with store.folder(run_id).lock():
        assert store.status(run_id) == (status, "")
        assert [s.status for s in store.runs()] == [status]
    assert store.status(run_id)[0] == "interrupted"


@pytest.mark.parametrize("status", ["stopped", "finished", "failed"])
def test_a_run_at_rest_needs_no_trainer(copied: tuple[RunStore, str], status: str) -> None:
    store, run_id = copied
    store.set_status(run_id, status, "because")
    assert store.status(run_id) == (status, "because")


# -- what a person says of it ----------------------------------------------------------------------


def test_name_note_and_star_are_kept(copied: tuple[RunStore, str]) -> None:
    store, run_id = copied
    (before,) = store.runs()
    assert (before.name, before.note, before.starred) == ("", "", False)
    store.rename(run_id, "  the wide\n one ")
    store.annotate(run_id, " first line\nsecond line ")
    store.star(run_id, True)
    (after,) = RunStore(store.root).runs()
    assert (after.name, after.note, after.starred) == ("the wide one", "first line\nsecond line", True)
    store.set_status(run_id, "failed", "a reason")  # and whatever becomes of the run
    store.star(run_id, False)
    (last,) = store.runs()
    assert (last.name, last.note, last.starred, last.status) == ("the wide one", "first line\nsecond line", False, "failed")


def test_a_run_that_was_copied_in_can_be_named_at_once(copied: tuple[RunStore, str], store: RunStore) -> None:
    source, run_id = copied
    shutil.copytree(source.root / run_id, store.root / run_id)
    store.rename(run_id, "from elsewhere")
    assert [s.name for s in store.runs()] == ["from elsewhere"]


def test_a_name_that_is_no_name_and_a_run_that_is_not_there_are_refused(copied: tuple[RunStore, str]) -> None:
    store, run_id = copied
    store.rename(run_id, "x" * 120)
    with pytest.raises(StoreError, match="at most 120 characters.*121"):
        store.rename(run_id, "x" * 121)
    for say in (lambda i: store.rename(i, "x"), lambda i: store.annotate(i, "x"), lambda i: store.star(i, True)):
        with pytest.raises(StoreError, match="no run"):
            say("a" * 12)
        with pytest.raises(StoreError, match="not the id"):
            say("../../etc")


# -- an index of an earlier version, or of several writers -----------------------------------------


def test_an_index_of_an_earlier_version_gets_what_it_lacks(finished: tuple[RunStore, str], fast_path: Path, tiny: RunConfig) -> None:
    root, run_id = fast_path / "old", finished[1]
    shutil.copytree(finished[0].root / run_id, root / run_id)
    with contextlib.closing(sqlite3.connect(root / "explorer.db")) as db:
        db.executescript(
            "CREATE TABLE runs (run_id TEXT PRIMARY KEY, config TEXT NOT NULL, status TEXT NOT NULL, cause TEXT NOT NULL DEFAULT '', "
            "name TEXT NOT NULL DEFAULT '', note TEXT NOT NULL DEFAULT '', created_at REAL NOT NULL, updated_at REAL NOT NULL);"
            "CREATE TABLE queue (position INTEGER PRIMARY KEY AUTOINCREMENT, run_id TEXT NOT NULL UNIQUE, device TEXT NOT NULL, "
            "again INTEGER NOT NULL);"
        )
        row = (run_id, tiny.to_json(), "finished", "", "an old name", "", 12.0, 13.0)
        db.execute("INSERT INTO runs VALUES (?, ?, ?, ?, ?, ?, ?, ?)", row)
        db.commit()
    stores: list[RunStore] = []
    together([lambda: stores.append(RunStore(root)) for _ in range(6)])  # all of them find it old
    (summary,) = stores[0].runs()
    assert (summary.name, summary.created_at, summary.starred) == ("an old name", 12.0, False)
    stores[1].star(run_id, True)
    assert [s.starred for s in stores[2].runs()] == [True]
    assert stores[3].deleted() == [] and not stores[4].queue_paused


def together(work: list[Callable[[], object]]) -> None:
    """All at once, each in a thread; the first failure is raised."""
    with ThreadPoolExecutor(len(work)) as pool:
        for done in [pool.submit(each) for each in work]:
            done.result(60)


# -- many runs -------------------------------------------------------------------------------------


def test_what_did_not_change_is_not_read_again(copied: tuple[RunStore, str]) -> None:
    store, run_id = copied
    path = store.root / run_id / "epochs.csv"
    (before,) = store.runs()
    content, stat = path.read_bytes(), path.stat()
    with open(path, "r+b") as file:
        file.write(b"\xff" * len(content))  # the same file, as long and as old as before: nobody writes so
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert store.runs() == [before]
    assert [s.status for s in RunStore(store.root).runs()] == ["damaged"]  # whoever reads it sees it
    os.utime(path)
    assert [s.status for s in store.runs()] == ["damaged"]
    path.write_bytes(content)
    assert [(s.status, repr(s.last)) for s in store.runs()] == [("finished", repr(before.last))]


def test_a_new_epoch_new_settings_and_a_run_trained_anew_are_seen(copied: tuple[RunStore, str], tiny: RunConfig) -> None:
    store, run_id = copied
    folder, rows = store.folder(run_id), store.folder(run_id).rows()
    for last in (2, 1):
        folder.rewind(last)
        assert [s.last for s in store.runs()] == [rows[last]]
    about = json.loads((folder.path / "config.json").read_text())
    (folder.path / "config.json").write_text(json.dumps(about | {"config": "nonsense"}))
    assert [s.status for s in store.runs()] == ["damaged"]


def test_the_list_holds_while_others_write(copied: tuple[RunStore, str], tiny: RunConfig) -> None:
    """Lists taken while runs are copied in, moved out and written by other threads: each run is in it whole, or not at all."""
    store, run_id = copied
    rows = [store.folder(run_id).rows()[-1]] * 2 + [{}]
    ids, stop, lists = run_ids(6), threading.Event(), []

    def look() -> None:
        while not stop.is_set():
            lists.append(store.runs())

    def write() -> None:
        other = RunStore(store.root)
        for other_id in ids * 2:
            shutil.copytree(store.root / run_id, store.root / f"{other_id}.tmp")
            os.rename(store.root / f"{other_id}.tmp", store.root / other_id)
            other.set_status(other_id, "stopped")
            other.folder(other_id).rewind(1)
            other.delete([other_id])
        stop.set()

    try:
        together([write, look, look])
    finally:
        stop.set()
    assert len(lists) > 2
    for summary in (s for each in lists for s in each):
        assert summary.run_id in (run_id, *ids)
        if summary.config is None:  # its folder went away while it was read
            assert "is missing" in summary.cause and summary.run_id != run_id
        else:
            assert summary.last.keys() in ({}.keys(), rows[0].keys())


def test_disk_use_is_that_of_all_files_and_follows_the_run(copied: tuple[RunStore, str]) -> None:
    store, run_id = copied
    folder = store.root / run_id

    def whole() -> int:
        return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())

    assert store.disk_use(run_id) == whole() > 10_000
    before = whole()
    store.folder(run_id).rewind(1)
    assert store.disk_use(run_id) == whole() < before
    (folder / "checkpoint.pt").unlink()
    assert store.disk_use(run_id) == whole()
    assert store.disk_use("a" * 12) == 0
