"""What of the stored runs takes room and is needed no more."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from explorer.records import StoreError
from explorer.runs.index import RunIndex

CHECKPOINT = "checkpoint.pt"


class Needless(NamedTuple):
    """Runs whose checkpoint is needed no more, and the bytes that come back without it."""

    run_ids: tuple[str, ...]
    bytes: int


def needless_checkpoints(store: RunIndex, finished: Sequence[str]) -> Needless:
    """Checkpoints of finished runs: there is nothing left to continue."""
    sizes = {run_id: _size(store, run_id) for run_id in finished}
    found = {run_id: size for run_id, size in sizes.items() if size}
    return Needless(tuple(found), sum(found.values()))


def remove_checkpoints(store: RunIndex, run_ids: Sequence[str]) -> int:
    """Remove the checkpoints of these runs; returns the bytes that came back. One that is no longer finished keeps its own.

    Raises:
        StoreError: for a run that is being trained, or a file that cannot be removed.
    """
    freed = 0
    for run_id in run_ids:
        if not store.exists(run_id):
            continue
        folder = store.folder(run_id)
        with folder.lock():
            if store.status(run_id)[0] != "finished":
                continue
            size = _size(store, run_id)
            try:
                (folder.path / CHECKPOINT).unlink(missing_ok=True)
            except OSError as error:
                raise StoreError(f"run {run_id}: {CHECKPOINT} cannot be removed ({error.strerror}); allow it in {folder.path}") from error
            freed += size
    return freed


def _size(store: RunIndex, run_id: str) -> int:
    try:
        return (store.folder(run_id).path / CHECKPOINT).stat().st_size
    except FileNotFoundError:
        return 0
