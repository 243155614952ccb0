"""Which runs wait to be trained, and in which order: kept in SQLite, so that a queue outlives the server."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

from explorer.config import ConfigError, RunConfig
from explorer.records import StoreError
from explorer.runs.database import write_status
from explorer.runs.index import RunIndex

WAYS = ("first", "up", "down")
WAITING = "SELECT run_id FROM queue ORDER BY position"


class RunQueue(RunIndex):
    """First in, first out, unless a run is moved; each device takes its own."""

    def enqueue(self, run_id: str, config: RunConfig, *, again: bool = False) -> None:
        """Put a run at the end of the queue (once) and mark it queued."""
        self.enqueue_all([(run_id, config)], again=again)

    def enqueue_all(self, runs: Sequence[tuple[str, RunConfig]], *, again: bool = False, first: bool = False) -> None:
        """Put runs at the end of the queue, or before all others, in their order; each waits once.

        Args:
            again: train anew from the start instead of continuing.
        """
        with self.db() as db:
            db.execute("BEGIN IMMEDIATE")
            earlier = [run_id for (run_id,) in db.execute(WAITING)] if first else []
            for run_id, config in runs:
                write_status(db, run_id, "queued", "", config.to_json())
                db.execute("INSERT OR IGNORE INTO queue (run_id, device, again) VALUES (?, ?, ?)", (run_id, config.device, again))
            if first:
                front = [run_id for run_id, _ in runs]
                _reorder(db, [*front, *(run_id for run_id in earlier if run_id not in front)])

    def requeue_lost(self) -> None:
        """Queue again what was taken from the queue by a process that was killed before it could begin."""
        with self.db() as db:
            db.execute("BEGIN IMMEDIATE")
            db.execute(
                "INSERT OR IGNORE INTO queue (run_id, device, again) SELECT run_id, json_extract(config, '$.device'), 0 FROM runs "
                "WHERE status = 'queued' ORDER BY updated_at"
            )

    def dequeue(self, device: str) -> tuple[str, RunConfig, bool] | None:
        """Take the next waiting run for a device; None where there is none, or the queue is paused.

        Two processes never take the same one.
        """
        with self.db() as db:
            if self._next(db, device) is None:  # only read: nobody else has to wait for that
                return None
            db.execute("BEGIN IMMEDIATE")
            while (row := self._next(db, device)) is not None:
                run_id, again, config = row
                db.execute("DELETE FROM queue WHERE run_id = ?", (run_id,))
                try:
                    return run_id, RunConfig.from_json(config), bool(again)
                except (ConfigError, ValueError, TypeError) as error:  # written by another version; the others have to go on
                    write_status(db, run_id, "failed", f"its settings cannot be read ({error}); start it anew", config)
        return None

    @staticmethod
    def _next(db: sqlite3.Connection, device: str) -> tuple[str, int, str] | None:
        row: tuple[str, int, str] | None = db.execute(
            "SELECT q.run_id, q.again, r.config FROM queue q JOIN runs r USING (run_id) WHERE q.device = ? "
            "AND NOT EXISTS (SELECT 1 FROM switches WHERE name = 'queue_paused' AND value) ORDER BY q.position LIMIT 1", (device,),
        ).fetchone()  # fmt: skip
        return row

    def queued_devices(self) -> set[str]:
        """Devices that runs wait for."""
        with self.db() as db:
            return {row[0] for row in db.execute("SELECT DISTINCT device FROM queue")}

    def remove_from_queue(self, run_id: str) -> bool:
        """Whether the run was still waiting (and now is not)."""
        return bool(self.remove_all_from_queue([run_id], "stopped"))

    def remove_all_from_queue(self, run_ids: Sequence[str], status: str, cause: str = "") -> tuple[str, ...]:
        """Those that were still waiting, and now are not but have this status."""
        with self.db() as db:
            db.execute("BEGIN IMMEDIATE")
            taken = tuple(i for i in run_ids if db.execute("DELETE FROM queue WHERE run_id = ?", (i,)).rowcount > 0)
            db.executemany("UPDATE runs SET status = ?, cause = ? WHERE run_id = ?", [(status, cause, run_id) for run_id in taken])
        return taken

    def queue(self) -> list[str]:
        """Ids of waiting runs, next first."""
        with self.db() as db:
            return [row[0] for row in db.execute(WAITING)]

    # -- order, and holding all of it ----------------------------------------------------------

    def move(self, run_id: str, where: str) -> bool:
        """Let a waiting run be the first, or change places with the one before (up) or after it (down).

        Returns whether it was still waiting.

        Raises:
            StoreError: if ``where`` is none of them.
        """
        if where not in WAYS:
            raise StoreError(f"{where!r} is not a place in the queue: {', '.join(WAYS)} are")
        with self.db() as db:
            db.execute("BEGIN IMMEDIATE")
            waiting = [row[0] for row in db.execute(WAITING)]
            if run_id not in waiting:
                return False
            at = waiting.index(run_id)
            to = {"first": 0, "up": max(0, at - 1), "down": at + 1}[where]
            waiting.insert(to, waiting.pop(at))
            _reorder(db, waiting)
        return True

    def pause_queue(self) -> None:
        """Begin no waiting run until it is resumed, by whatever server; runs in training go on."""
        self._switch("queue_paused", True)

    def resume_queue(self) -> None:
        self._switch("queue_paused", False)

    @property
    def queue_paused(self) -> bool:
        with self.db() as db:
            row = db.execute("SELECT value FROM switches WHERE name = 'queue_paused'").fetchone()
        return bool(row and row[0])

    def _switch(self, name: str, on: bool) -> None:
        with self.db() as db:
            db.execute("INSERT OR REPLACE INTO switches (name, value) VALUES (?, ?)", (name, int(on)))


def _reorder(db: sqlite3.Connection, run_ids: Sequence[str]) -> None:
    """Number the waiting runs anew, past every number there is: a place is taken by one run at any time."""
    (last,) = db.execute("SELECT coalesce(max(position), 0) FROM queue").fetchone()
    db.executemany("UPDATE queue SET position = ? WHERE run_id = ?", [(last + 1 + n, run_id) for n, run_id in enumerate(run_ids)])
