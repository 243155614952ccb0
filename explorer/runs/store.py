"""All runs under one root: their folders, and an SQLite file with queue, status and names.

The folders are the truth; the table of runs is an index that is rebuilt from them where it is missing rows.
"""

from __future__ import annotations

import os
from pathlib import Path

from explorer.data.catalogue import home as default_root
from explorer.records import Run, StoreError
from explorer.runs.queue import RunQueue
from explorer.runs.summaries import RunSummary, Summaries
from explorer.runs.trash import Trash

__all__ = ["RunStore", "RunSummary", "default_root"]


class RunStore(RunQueue, Trash):
    """Opens, lists and keeps account of runs: status and names (RunIndex), the queue (RunQueue), deleted ones (Trash).

    Safe to use from several threads and processes.
    """

    def __init__(self, root: Path | str | None = None) -> None:
        super().__init__(Path(root).expanduser().resolve() if root is not None else default_root().resolve())
        self._summaries = Summaries()
        self._index_folders()

    def open(self, run_id: str, earlier: Run | None = None) -> Run:
        """Read a run as far as it has come. Raises StoreError if there is none, or its folder is damaged."""
        folder = self.folder(run_id)
        if not folder.path.exists():
            raise StoreError(f"there is no run {run_id} in {self.root}; it may have been deleted, or kept elsewhere")
        status, cause = self.status(run_id)
        return folder.read(status, cause, earlier)

    def runs(self) -> list[RunSummary]:
        """All runs, newest first; damaged ones are listed with the reason. Files that did not change are not read again."""
        self._index_folders()
        with self.db() as db:
            rows = db.execute("SELECT run_id, config, status, cause, name, created_at, note, starred FROM runs ORDER BY created_at DESC")
            found = rows.fetchall()
        there = set(os.listdir(self.root))
        shown = [row for row in found if row[2] == "queued" or row[0] in there]
        self._summaries.keep_only({row[0] for row in shown})
        return [self._summary(*row) for row in shown]

    def _summary(
        self, run_id: str, config: str, status: str, cause: str, name: str, created_at: float, note: str, starred: int
    ) -> RunSummary:
        parsed, last, damage = self._summaries.read(self.folder(run_id), config, queued=status == "queued")
        if parsed is None:
            status, cause = "damaged", damage
        else:
            status, cause = self._checked(run_id, status, cause)
        return RunSummary(run_id, parsed, status, cause, name, created_at, last, note, bool(starred))

    def disk_use(self, run_id: str) -> int:
        """Bytes of all files of a run; counted again only where it has changed."""
        return self._summaries.bytes_of(self.folder(run_id))
