"""``explorer.db``, the SQLite file beside the folders of the runs: its tables, and how files of earlier versions get them."""

from __future__ import annotations

import contextlib
import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path

from explorer.records import StoreError

# table -> its columns; one added later needs a default, and the files that are there get it when they are opened
TABLES: dict[str, dict[str, str]] = {
    "runs": {
        "run_id": "TEXT PRIMARY KEY",
        "config": "TEXT NOT NULL",
        "status": "TEXT NOT NULL",
        "cause": "TEXT NOT NULL DEFAULT ''",
        "name": "TEXT NOT NULL DEFAULT ''",
        "note": "TEXT NOT NULL DEFAULT ''",
        "starred": "INTEGER NOT NULL DEFAULT 0",
        "created_at": "REAL NOT NULL",
        "updated_at": "REAL NOT NULL",
    },
    "queue": {
        "position": "INTEGER PRIMARY KEY AUTOINCREMENT",
        "run_id": "TEXT NOT NULL UNIQUE",
        "device": "TEXT NOT NULL",
        "again": "INTEGER NOT NULL",
    },
    "deleted": {"run_id": "TEXT PRIMARY KEY", "status": "TEXT NOT NULL", "cause": "TEXT NOT NULL", "deleted_at": "REAL NOT NULL"},
    "run_numbers": {"run_id": "TEXT PRIMARY KEY", "number": "INTEGER NOT NULL UNIQUE"},
    "switches": {"name": "TEXT PRIMARY KEY", "value": "INTEGER NOT NULL"},
    "sweeps": {
        "sweep_id": "TEXT PRIMARY KEY",
        "name": "TEXT NOT NULL",
        "created_at": "REAL NOT NULL",
        "base": "TEXT NOT NULL",
        "grid": "TEXT NOT NULL",
        "state": "TEXT NOT NULL",
    },
    "sweep_runs": {
        "sweep_id": "TEXT NOT NULL",
        "place": "INTEGER NOT NULL",
        "run_id": "TEXT NOT NULL",
        "config": "TEXT NOT NULL",
    },
}


class Database:
    """One SQLite file below ``root``. Safe to use from several threads and processes: every use opens it for itself."""

    def __init__(self, root: Path) -> None:
        self.root = root
        root.mkdir(parents=True, exist_ok=True)
        with self.db() as db:
            db.execute("PRAGMA journal_mode=WAL")  # of the file, from now on
            db.execute("BEGIN IMMEDIATE")
            bring_up_to_date(db)

    @contextlib.contextmanager
    def db(self) -> Iterator[sqlite3.Connection]:
        """A connection; what is begun with BEGIN is committed at the end, or taken back by an exception.

        Raises:
            StoreError: if the file cannot be used.
        """
        try:
            db = sqlite3.connect(self.root / "explorer.db", timeout=10, isolation_level=None)
            try:
                with db:
                    yield db
            finally:
                db.close()
        except sqlite3.Error as error:
            raise StoreError(
                f"the index {self.root / 'explorer.db'} cannot be used ({error}); free disk space and allow writing; if it is damaged, "
                "move it elsewhere: the index is rebuilt, but keep the file, for it holds all review decisions"
            ) from error


def bring_up_to_date(db: sqlite3.Connection) -> None:
    """Create the tables that are missing, and add the columns that an earlier version did not have."""
    for table, columns in TABLES.items():
        db.execute(f"CREATE TABLE IF NOT EXISTS {table} ({', '.join(f'{name} {kind}' for name, kind in columns.items())})")
        known = {row[1] for row in db.execute(f"PRAGMA table_info({table})")}
        for name in columns.keys() - known:
            db.execute(f"ALTER TABLE {table} ADD COLUMN {name} {columns[name]}")


def write_status(db: sqlite3.Connection, run_id: str, status: str, cause: str, config: str) -> None:
    """Status of a run, known to the table of runs or not. config: as JSON."""
    now = time.time()
    db.execute(
        "INSERT INTO runs (run_id, config, status, cause, created_at, updated_at) VALUES (?, ?, ?, ?, ?, ?) "
        "ON CONFLICT (run_id) DO UPDATE SET config = excluded.config, status = excluded.status, cause = excluded.cause, "
        "updated_at = excluded.updated_at",
        (run_id, config, status, cause, now, now),
    )
