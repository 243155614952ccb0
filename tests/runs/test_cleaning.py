"""Checkpoints of finished runs can go, those of others stay, and nothing else is touched."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from explorer.records import StoreError
from explorer.runs.cleaning import CHECKPOINT, needless_checkpoints, remove_checkpoints
from explorer.runs.store import RunStore


@pytest.fixture
def kept(finished: tuple[RunStore, str], store: RunStore) -> tuple[RunStore, str]:
    """A copy of the finished run, with a checkpoint of 1,000 bytes."""
    original, run_id = finished
    shutil.copytree(original.folder(run_id).path, store.folder(run_id).path)
    (store.folder(run_id).path / CHECKPOINT).write_bytes(bytes(1000))
    assert [s.status for s in store.runs()] == ["finished"]
    return store, run_id


def files(store: RunStore, run_id: str) -> dict[str, bytes]:
    folder: Path = store.folder(run_id).path
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_what_is_promised_comes_back_and_nothing_else_goes(kept: tuple[RunStore, str]) -> None:
    store, run_id = kept
    before, size = files(store, run_id), store.disk_use(run_id)
    assert needless_checkpoints(store, [run_id]) == ((run_id,), 1000)
    assert remove_checkpoints(store, [run_id]) == 1000
    assert files(store, run_id) == {name: content for name, content in before.items() if name != CHECKPOINT}
    assert store.disk_use(run_id) == size - 1000
    assert needless_checkpoints(store, [run_id]) == ((), 0)
    assert remove_checkpoints(store, [run_id]) == 0
    assert store.open(run_id).status == "finished"


def test_a_run_that_may_be_continued_keeps_its_checkpoint(kept: tuple[RunStore, str]) -> None:
    store, run_id = kept
    store.set_status(run_id, "stopped")
    assert remove_checkpoints(store, [run_id]) == 0
    assert CHECKPOINT in files(store, run_id)


@pytest.mark.usefixtures("impatient")
def test_a_run_in_training_is_refused(kept: tuple[RunStore, str]) -> None:
    store, run_id = kept
    with store.folder(run_id).lock(), pytest.raises(StoreError, match="being trained"):
        remove_checkpoints(store, [run_id])
    assert CHECKPOINT in files(store, run_id)


def test_a_run_deleted_meanwhile_is_passed_over(kept: tuple[RunStore, str]) -> None:
    store, run_id = kept
    store.delete([run_id])
    assert remove_checkpoints(store, [run_id]) == 0
    store.restore([run_id])
    assert CHECKPOINT in files(store, run_id)
