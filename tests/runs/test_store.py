"""All runs under one root: listing, status, queue, and an index that can be lost."""

from __future__ import annotations

import dataclasses
import shutil
import threading
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
    with pytest.raises(StoreError, match=r"explorer\.db.*delete it: it is rebuilt"):
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


# -- queue -----------------------------------------------------------------------------------------


def test_first_in_first_out(store: RunStore, tiny: RunConfig) -> None:
    ids = run_ids(5)
    for n, run_id in enumerate(ids):
        store.enqueue(run_id, dataclasses.replace(tiny, seed=n), again=n == 3)
    assert store.queue() == ids
    taken = [store.dequeue("cpu") for _ in range(6)]
    assert taken == [(run_id, dataclasses.replace(tiny, seed=n), n == 3) for n, run_id in enumerate(ids)] + [None]
    assert store.queue() == []


def test_a_run_waits_once(store: RunStore, tiny: RunConfig) -> None:
    one, other = run_ids(2)
    for run_id in (one, other, one, one):
        store.enqueue(run_id, tiny)
    assert store.queue() == [one, other]
    assert store.status(one) == ("queued", "")


def test_each_device_has_its_own_queue(store: RunStore, tiny: RunConfig) -> None:
    one, other = run_ids(2)
    store.enqueue(one, dataclasses.replace(tiny, device="cuda"))
    store.enqueue(other, tiny)
    taken = store.dequeue("cpu")
    assert taken is not None and taken[0] == other
    assert store.dequeue("cpu") is None
    assert store.queue() == [one]


def test_a_waiting_run_can_be_taken_back(store: RunStore, tiny: RunConfig) -> None:
    (run_id,) = run_ids(1)
    store.enqueue(run_id, tiny)
    assert store.remove_from_queue(run_id)
    assert not store.remove_from_queue(run_id)
    assert store.dequeue("cpu") is None


def test_the_queue_outlives_the_process(store: RunStore, tiny: RunConfig) -> None:
    ids = run_ids(3)
    for run_id in ids:
        store.enqueue(run_id, tiny)
    assert RunStore(store.root).queue() == ids


def test_no_run_is_taken_twice(store: RunStore, tiny: RunConfig) -> None:
    ids = run_ids(24)
    for run_id in ids:
        store.enqueue(run_id, tiny)
    taken: list[str] = []
    errors: list[BaseException] = []

    def take() -> None:
        mine = RunStore(store.root)
        try:
            while (found := mine.dequeue("cpu")) is not None:
                taken.append(found[0])
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=take) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
        assert not thread.is_alive()
    assert errors == []
    assert sorted(taken) == ids
