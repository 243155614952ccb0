"""What is known of every run without opening it: where it lies, its status, its name. Rebuilt from the folders where rows are missing."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Sequence
from typing import Any

from explorer.config import RunConfig
from explorer.records import StoreError
from explorer.runs.database import Database, write_status
from explorer.runs.files import RunFolder

ACTIVE = ("running", "paused")
GONE = "the process that trained it is gone; continue it to go on from the last kept epoch"
LONGEST_NAME = 120
HEXADECIMAL = frozenset("0123456789abcdef")


def is_run_id(text: str) -> bool:
    return len(text) == 12 and HEXADECIMAL.issuperset(text)


class RunIndex(Database):
    """The table of runs."""

    def folder(self, run_id: str) -> RunFolder:
        """Raises StoreError for an id that could not be one of ours (ids also come from URLs)."""
        if not is_run_id(run_id):
            raise StoreError(f"{run_id!r} is not the id of a run: twelve hexadecimal digits are")
        return RunFolder(self.root / run_id)

    def exists(self, run_id: str) -> bool:
        return (self.folder(run_id).path / "config.json").exists()

    # -- status --------------------------------------------------------------------------------

    def status(self, run_id: str) -> tuple[str, str]:
        """(status, cause). A run said to be running that nobody holds is interrupted."""
        with self.db() as db:
            row = db.execute("SELECT status, cause FROM runs WHERE run_id = ?", (run_id,)).fetchone()
        if row is None:
            return self._derived(run_id), ""
        return self._checked(run_id, *row)

    def statuses(self, run_ids: Sequence[str]) -> dict[str, str]:
        """Status of many runs at once; "" for those that were never asked for, or are no longer there."""
        with self.db() as db:
            known = dict(db.execute("SELECT run_id, status FROM runs").fetchall())
        found = {run_id: self._checked(run_id, known.get(run_id, ""), "")[0] for run_id in run_ids}
        return {run_id: "" if status == "finished" and not self.exists(run_id) else status for run_id, status in found.items()}

    def _checked(self, run_id: str, status: str, cause: str) -> tuple[str, str]:
        if status in ACTIVE and not self.folder(run_id).is_locked():
            return "interrupted", GONE
        return status, cause

    def set_status(self, run_id: str, status: str, cause: str = "", config: RunConfig | None = None) -> None:
        with self.db() as db:
            if config is not None:
                write_status(db, run_id, status, cause, config.to_json())
                return
            changed = db.execute(
                "UPDATE runs SET status = ?, cause = ?, updated_at = ? WHERE run_id = ?", (status, cause, time.time(), run_id)
            )
            if changed.rowcount == 0:
                write_status(db, run_id, status, cause, json.dumps(self.folder(run_id).about()["config"]))

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
        with self.db() as db:
            known = {row[0] for row in db.execute("SELECT run_id FROM runs")}
        found = [name for name in os.listdir(self.root) if name not in known and is_run_id(name) and self.exists(name)]
        rows = [(name, self._config_text(name), self._derived(name), self._changed_at(name), time.time()) for name in found]
        if rows:
            with self.db() as db:
                db.execute("BEGIN IMMEDIATE")
                db.executemany("INSERT OR IGNORE INTO runs (run_id, config, status, created_at, updated_at) VALUES (?, ?, ?, ?, ?)", rows)

    def _config_text(self, run_id: str) -> str:
        try:
            config: Any = self.folder(run_id).about()["config"]
        except StoreError:
            config = {}
        return json.dumps(config)

    def _changed_at(self, run_id: str) -> float:
        return (self.root / run_id).stat().st_mtime

    # -- what a person says of a run -----------------------------------------------------------

    def rename(self, run_id: str, name: str) -> None:
        """Call a run something; "" for no name. Raises StoreError if there is none, or the name is too long."""
        name = " ".join(name.split())
        if len(name) > LONGEST_NAME:
            raise StoreError(f"a name has at most {LONGEST_NAME} characters, and this one {len(name)}; put the rest into the note")
        self._say(run_id, "name", name)

    def annotate(self, run_id: str, note: str) -> None:
        """Keep a note beside a run, instead of the one before. Raises StoreError if there is no such run."""
        self._say(run_id, "note", note.strip())

    def star(self, run_id: str, on: bool) -> None:
        """Mark a run as one to come back to, or no longer. Raises StoreError if there is no such run."""
        self._say(run_id, "starred", int(on))

    def _say(self, run_id: str, column: str, value: str | int) -> None:
        path = self.folder(run_id).path  # an id, or an error
        self._index_folders()
        with self.db() as db:
            if db.execute(f"UPDATE runs SET {column} = ? WHERE run_id = ?", (value, run_id)).rowcount == 0:
                raise StoreError(f"there is no run {run_id} in {path.parent}; it may have been deleted, or kept elsewhere")
