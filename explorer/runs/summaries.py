"""What a list of runs shows of each, kept in memory for as long as the files it was read from stay as they are."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from explorer.config import ConfigError, RunConfig
from explorer.records import StoreError
from explorer.runs.files import RunFolder

WRITTEN = ("config.json", "epochs.csv", "examples.parquet", "near_duplicates.parquet", "checkpoint.pt")  # one of them, whenever anything is
Stamp = tuple[tuple[int, int, int] | None, ...]


class RunSummary(NamedTuple):
    """What a list of runs shows of each."""

    run_id: str
    config: RunConfig | None  # None for a damaged folder
    status: str
    cause: str
    name: str
    created_at: float  # seconds since 1970
    last: Mapping[str, float]  # last row of epochs.csv, empty before the first
    note: str = ""
    starred: bool = False


class Summaries:
    """Settings, last row and size of every run, read again only where a file has changed. Safe to use from several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._read: dict[str, tuple[Stamp, str, RunConfig, Mapping[str, float]]] = {}
        self._bytes: dict[str, tuple[Stamp, int]] = {}

    def read(self, folder: RunFolder, config: str, *, queued: bool) -> tuple[RunConfig | None, Mapping[str, float], str]:
        """(settings, last row of ``epochs.csv``, ""), or (None, no row, what is damaged), which is tried again every time.

        Args:
            config: the settings as JSON, of the index. queued: there may be no folder yet.
        """
        with self._lock:
            stamp = stamp_of(folder, WRITTEN[:2])
            known = self._read.get(folder.run_id)
            if known is None or known[:2] != (stamp, config):
                try:
                    known = self._read[folder.run_id] = (stamp, config, *_read(folder, config, queued=queued))
                except (StoreError, ConfigError, ValueError, TypeError) as error:
                    return None, {}, str(error)
            return known[2], known[3], ""

    def bytes_of(self, folder: RunFolder) -> int:
        """Size of all files of a run."""
        with self._lock:
            stamp = stamp_of(folder, WRITTEN)
            known = self._bytes.get(folder.run_id)
            if known is None or known[0] != stamp:
                known = self._bytes[folder.run_id] = stamp, size_of(folder)
            return known[1]

    def keep_only(self, run_ids: set[str]) -> None:
        """Forget runs that are no longer there."""
        with self._lock:
            for known in (self._read, self._bytes):
                for run_id in known.keys() - run_ids:
                    del known[run_id]


def _read(folder: RunFolder, config: str, *, queued: bool) -> tuple[RunConfig, Mapping[str, float]]:
    rows = folder.rows()
    parsed = RunConfig.from_json(config)
    if not queued:
        folder.config()  # raises for a damaged one
    return parsed, rows[-1] if rows else {}


def stamp_of(folder: RunFolder, names: Iterable[str]) -> Stamp:
    """What changes whenever one of these files is written: each is replaced by a new one, never written into."""
    return tuple(_stamp(f"{folder.path}/{name}") for name in names)


def _stamp(path: str) -> tuple[int, int, int] | None:
    try:
        found = os.stat(path)
    except FileNotFoundError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino


def size_of(folder: RunFolder) -> int:
    """Bytes of all files below a folder; those that vanish meanwhile are not counted."""
    total = 0
    for place, _, names in os.walk(folder.path):
        total += sum(found[1] for name in names if (found := _stamp(f"{place}/{name}")) is not None)
    return total
