"""Runs that were deleted, and can be brought back until they are purged: ``<root>/deleted/<run_id>``."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from explorer.config import RunConfig
from explorer.records import StoreError
from explorer.runs.files import RunFolder
from explorer.runs.index import RunIndex, is_run_id
from explorer.runs.summaries import size_of


class DeletedRun(NamedTuple):
    """A run that can still be brought back. config: None where it is damaged. deleted_at: seconds since 1970. bytes: on disk."""

    run_id: str
    config: RunConfig | None
    name: str
    deleted_at: float
    bytes: int


class Trash(RunIndex):
    """Deleting moves folders aside; only ``purge`` takes away what nobody can bring back."""

    @property
    def _deleted(self) -> Path:
        return self.root / "deleted"

    def delete(self, run_ids: Sequence[str]) -> None:
        """Move runs aside: all of them, or none.

        A run deleted earlier under the same id, and trained again since, makes way for this one.

        Raises:
            StoreError: naming a run that is being trained, waits to be, or is not there.
        """
        run_ids = tuple(dict.fromkeys(run_ids))
        with self.db() as db:
            db.execute("BEGIN IMMEDIATE")  # nothing is taken from the queue meanwhile
            known = {run_id: (status, cause) for run_id, status, cause in db.execute("SELECT run_id, status, cause FROM runs")}
            for run_id in run_ids:
                self._check_idle(run_id, known.get(run_id, ("", ""))[0])
            for run_id in run_ids:
                status, cause = known.get(run_id) or (self._derived(run_id), "")
                shutil.rmtree(self._deleted / run_id, ignore_errors=True)
                _move(self.root / run_id, self._deleted / run_id)
                db.execute("INSERT OR REPLACE INTO deleted VALUES (?, ?, ?, ?)", (run_id, status, cause, time.time()))
            # A person took it away: a sweep it belongs to does not train it again by itself.
            db.executemany("UPDATE runs SET status = 'stopped', cause = '' WHERE run_id = ?", [(run_id,) for run_id in run_ids])

    def _check_idle(self, run_id: str, status: str) -> None:
        folder = self.folder(run_id)
        if not folder.path.exists():
            raise StoreError(f"there is no run {run_id} in {self.root}; it may have been deleted already")
        if folder.is_locked():
            raise StoreError(f"run {run_id} is being trained; stop it first, then delete it")
        if status == "queued":
            raise StoreError(f"run {run_id} waits to be trained; take it out of the queue first, then delete it")

    def restore(self, run_ids: Sequence[str]) -> None:
        """Bring deleted runs back as they were: all of them, or none.

        Raises:
            StoreError: naming a run that was not deleted, was purged, or was trained again since.
        """
        run_ids = tuple(dict.fromkeys(run_ids))
        for run_id in run_ids:
            if not (self._deleted / self.folder(run_id).run_id).exists():
                raise StoreError(f"run {run_id} is not among the deleted ones in {self._deleted}; it may have been purged")
            if self.folder(run_id).path.exists():
                raise StoreError(f"run {run_id} was trained again after it was deleted; delete that one first, or purge the deleted one")
        for run_id in run_ids:
            _move(self._deleted / run_id, self.root / run_id)
            with self.db() as db:
                kept = db.execute("SELECT status, cause FROM deleted WHERE run_id = ?", (run_id,)).fetchone()
                db.execute("DELETE FROM deleted WHERE run_id = ?", (run_id,))
            status, cause = self._checked(run_id, *kept) if kept else (self._derived(run_id), "")
            if status != "damaged":
                self.set_status(run_id, status, cause)

    def purge(self, run_ids: Sequence[str]) -> None:
        """Remove deleted runs for good, with what was said of them. Raises StoreError for an id that could not be one of a run."""
        for run_id in run_ids:
            folder = self.folder(run_id)
            if (self._deleted / run_id).exists():
                shutil.rmtree(self._deleted / run_id)
            with self.db() as db:
                db.execute("DELETE FROM deleted WHERE run_id = ?", (run_id,))
                if not folder.path.exists():
                    db.execute("DELETE FROM runs WHERE run_id = ? AND status = 'stopped'", (run_id,))

    def deleted(self) -> list[DeletedRun]:
        """What can be brought back, deleted last first."""
        if not self._deleted.exists():
            return []
        with self.db() as db:
            when = dict(db.execute("SELECT run_id, deleted_at FROM deleted").fetchall())
            names = dict(db.execute("SELECT run_id, name FROM runs").fetchall())
        folders = [RunFolder(self._deleted / name) for name in os.listdir(self._deleted) if is_run_id(name)]
        found = [DeletedRun(f.run_id, _config(f), names.get(f.run_id, ""), when.get(f.run_id, 0.0), size_of(f)) for f in folders]
        return sorted(found, key=lambda run: -run.deleted_at)


def _config(folder: RunFolder) -> RunConfig | None:
    try:
        return folder.config()
    except StoreError:
        return None


def _move(source: Path, target: Path) -> None:
    target.parent.mkdir(exist_ok=True)
    try:
        os.rename(source, target)
    except FileNotFoundError:
        raise StoreError(f"run {source.name} is no longer in {source.parent}") from None
