"""A small number for each run that was ever drawn beside others, given once and kept: what its colour is told by."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Sequence
from pathlib import Path

from explorer.runs.database import Database

KINDS = 12  # numbers that leave the same remainder look alike


class RunNumbers(Database):
    """The numbers of the runs under one root. Safe to use from several threads and processes."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self._lock = threading.Lock()
        self._known: dict[str, int] = {}

    def of(self, run_ids: Sequence[str]) -> dict[str, int]:
        """The number of each run. A new one is the least that nobody has, and of another kind than the runs it is asked for with.

        Up to KINDS runs that are first drawn together are therefore all of different kinds; a number never changes. Raises StoreError.
        """
        with self._lock:
            if not all(run_id in self._known for run_id in run_ids):
                self._known = self._completed(run_ids)
            return {run_id: self._known[run_id] for run_id in run_ids}

    def _completed(self, run_ids: Sequence[str]) -> dict[str, int]:
        with self.db() as db:
            db.execute("BEGIN IMMEDIATE")  # two processes never give one number twice
            known: dict[str, int] = dict(db.execute("SELECT run_id, number FROM run_numbers").fetchall())
            for run_id in run_ids:
                if run_id not in known:
                    known[run_id] = _new(known, run_ids)
                    db.execute("INSERT INTO run_numbers VALUES (?, ?)", (run_id, known[run_id]))
        return known


def _new(known: dict[str, int], together: Sequence[str]) -> int:
    kinds = {known[run_id] % KINDS for run_id in together if run_id in known}
    taken = set(known.values())
    return next(n for n in itertools.count() if n not in taken and (len(kinds) == KINDS or n % KINDS not in kinds))
