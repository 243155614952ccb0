"""All runs under one root: their folders, and an SQLite file with queue, status and names.

The folders are the truth; the table of runs is an index that is rebuilt from them where it is missing rows.
"""

from __future__ import annotations

import contextlib
import json
import os
import sqlite3
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from explorer.config import ConfigError, RunConfig
from explorer.records import Run, StoreError
from explorer.runs.files import RunFolder

SCHEMA = """
CREATE TABLE IF NOT EXISTS runs (
    run_id TEXT PRIMARY KEY, config TEXT NOT NULL, status TEXT NOT NULL, cause TEXT NOT NULL DEFAULT '',
    name TEXT NOT NULL DEFAULT '', note TEXT NOT NULL DEFAULT '', created_at REAL NOT NULL, updated_at REAL NOT NULL);
CREATE TABLE IF NOT EXISTS queue (
    position INTEGER PRIMARY KEY AUTOINCREMENT, run_id TEXT NOT NULL UNIQUE, device TEXT NOT NULL, again INTEGER NOT NULL);
"""
ACTIVE = ("running", "paused")


class RunSummary(NamedTuple):
    """What a list of runs shows of each."""

    run_id: str
    config: RunConfig | None  # None for a damaged folder
    status: str
    cause: str
    name: str
    created_at: float  # seconds since 1970
    last: Mapping[str, float]  # last row of epochs.csv, empty before the first


def default_root() -> Path:
    """``EXPLORER_HOME``, else ``~/.memorization-explorer``."""
    return Path(os.environ.get("EXPLORER_HOME") or Path.home() / ".memorization-explorer").expanduser()


class RunStore:
    """Opens, lists and keeps account of runs. Safe to use from several threads and processes."""

    def __init__(self, root: Path | str | None = None) -> None:
        self.root = Path(root).expanduser().resolve() if root is not None else default_root().resolve()
        self.root.mkdir(parents=True, exist_ok=True)
        with self._db() as db:
            db.executescript(SCHEMA)
        self._index_folders()

    # -- folders -------------------------------------------------------------------------------

    def folder(self, run_id: str) -> RunFolder:
        """Raises StoreError for an id that could not be one of ours (ids also come from URLs)."""
        if not (len(run_id) == 12 and all(c in "0123456789abcdef" for c in run_id)):
            raise StoreError(f"{run_id!r} is not the id of a run: twelve hexadecimal digits are")
        return RunFolder(self.root / run_id)

    def exists(self, run_id: str) -> bool:
        return (self.folder(run_id).path / "config.json").exists()

    def open(self, run_id: str, earlier: Run | None = None) -> Run:
        """Read a run as far as it has come. Raises StoreError if there is none, or its folder is damaged."""
        folder = self.folder(run_id)
        if not folder.path.exists():
            raise StoreError(f"there is no run {run_id} in {self.root}; it may have been deleted, or kept elsewhere")
        status, cause = self.status(run_id)
        return folder.read(status, cause, earlier)

    def runs(self) -> list[RunSummary]:
        """All runs, newest first; damaged ones are listed with the reason."""
        self._index_folders()
        with self._db() as db:
            rows = db.execute("SELECT run_id, config, status, cause, name, created_at FROM runs ORDER BY created_at DESC").fetchall()
        return [self._summary(*row) for row in rows if row[2] == "queued" or self.folder(row[0]).path.exists()]

    def _summary(self, run_id: str, config: str, status: str, cause: str, name: str, created_at: float) -> RunSummary:
        folder = self.folder(run_id)
        try:
            rows = folder.rows()
            parsed = RunConfig.from_json(config)
            if status != "queued":
                folder.config()
        except (StoreError, ConfigError, ValueError, TypeError) as error:
            return RunSummary(run_id, None, "damaged", str(error), name, created_at, {})
        status, cause = self._checked(run_id, status, cause)
        return RunSummary(run_id, parsed, status, cause, name, created_at, rows[-1] if rows else {})

    # -- status --------------------------------------------------------------------------------

    def status(self, run_id: str) -> tuple[str, str]:
        """(status, cause). A run said to be running that nobody holds is interrupted."""
        with self._db() as db:
            row = db.execute("SELECT status, cause FROM runs WHERE run_id = ?", (run_id,)).fetchone()
        if row is None:
            return self._derived(run_id), ""
        return self._checked(run_id, *row)

    def _checked(self, run_id: str, status: str, cause: str) -> tuple[str, str]:
        if status in ACTIVE and not self.folder(run_id).is_locked():
            return "interrupted", "the process that trained it is gone; continue it to go on from the last kept epoch"
        return status, cause

    def set_status(self, run_id: str, status: str, cause: str = "", config: RunConfig | None = None) -> None:
        now = time.time()
        with self._db() as db:
            changed = db.execute("UPDATE runs SET status = ?, cause = ?, updated_at = ? WHERE run_id = ?", (status, cause, now, run_id))
            if changed.rowcount == 0:
                text = config.to_json() if config is not None else json.dumps(self.folder(run_id).about()["config"])
                db.execute(
                    "INSERT INTO runs (run_id, config, status, cause, created_at, updated_at) VALUES (?, ?, ?, ?, ?, ?)",
                    (run_id, text, status, cause, now, now),
                )

    def _derived(self, run_id: str) -> str:
        """Status of a folder nobody wrote down: finished if all epochs are there."""
        folder = self.folder(run_id)
        try:
            rows = folder.rows()
            complete = bool(rows) and rows[-1]["epoch"] == folder.config().epochs
        except StoreError:
            return "damaged"
        return "finished" if complete else "interrupted"

    def _index_folders(self) -> None:
        """Add runs the index does not know: folders copied here, or an index that was lost."""
        with self._db() as db:
            known = {row[0] for row in db.execute("SELECT run_id FROM runs")}
        for path in self.root.iterdir():
            if path.name in known or len(path.name) != 12 or not (path / "config.json").exists():
                continue
            try:
                config: Any = self.folder(path.name).about()["config"]
            except (StoreError, KeyError):
                config = {}
            with self._db() as db:
                db.execute(
                    "INSERT OR IGNORE INTO runs (run_id, config, status, created_at, updated_at) VALUES (?, ?, ?, ?, ?)",
                    (path.name, json.dumps(config), self._derived(path.name), path.stat().st_mtime, time.time()),
                )

    # -- queue ---------------------------------------------------------------------------------

    def enqueue(self, run_id: str, config: RunConfig, *, again: bool = False) -> None:
        """Put a run at the end of the queue (once) and mark it queued."""
        self.set_status(run_id, "queued", config=config)
        with self._db() as db:
            db.execute("INSERT OR IGNORE INTO queue (run_id, device, again) VALUES (?, ?, ?)", (run_id, config.device, again))

    def dequeue(self, device: str) -> tuple[str, RunConfig, bool] | None:
        """Take the oldest queued run for a device, or None. Two processes never take the same one."""
        with self._db() as db:
            db.execute("BEGIN IMMEDIATE")
            row = db.execute(
                "SELECT q.position, q.run_id, q.again, r.config FROM queue q JOIN runs r USING (run_id) WHERE q.device = ? "
                "ORDER BY q.position LIMIT 1", (device,)).fetchone()  # fmt: skip
            if row is None:
                return None
            db.execute("DELETE FROM queue WHERE position = ?", (row[0],))
        return row[1], RunConfig.from_json(row[3]), bool(row[2])

    def queued_devices(self) -> set[str]:
        """Devices that runs wait for."""
        with self._db() as db:
            return {row[0] for row in db.execute("SELECT DISTINCT device FROM queue")}

    def remove_from_queue(self, run_id: str) -> bool:
        """Whether the run was still waiting (and now is not)."""
        with self._db() as db:
            return db.execute("DELETE FROM queue WHERE run_id = ?", (run_id,)).rowcount > 0

    def queue(self) -> list[str]:
        """Ids of waiting runs, next first."""
        with self._db() as db:
            return [row[0] for row in db.execute("SELECT run_id FROM queue ORDER BY position")]

    @contextlib.contextmanager
    def _db(self) -> Iterator[sqlite3.Connection]:
        try:
            db = sqlite3.connect(self.root / "explorer.db", timeout=10, isolation_level=None)
            try:
                db.execute("PRAGMA journal_mode=WAL")
                with db:
                    yield db
            finally:
                db.close()
        except sqlite3.Error as error:
            raise StoreError(
                f"the index {self.root / 'explorer.db'} cannot be used ({error}); free disk space, or delete it: it is rebuilt"
            ) from error
