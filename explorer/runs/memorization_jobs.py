"""Memorization estimates asked for on the page: which wait, which is being trained, and what went wrong."""

from __future__ import annotations

import contextlib
import threading
from dataclasses import dataclass, field, replace
from pathlib import Path

from explorer import pipeline
from explorer.config import MemorizationConfig
from explorer.data.catalogue import fingerprint
from explorer.records import Progress, StoreError
from explorer.runs.execution import cause_of
from explorer.runs.memorization import execute_memorization
from explorer.runs.memorization_files import MemorizationFolder


@dataclass(frozen=True, slots=True)
class MemorizationLive:
    """An estimate at this instant. state: queued, running or failed (then cause says why). wish: "stopping", or ""."""

    memorization_id: str
    config: MemorizationConfig
    state: str
    wish: str = ""
    progress: Progress | None = None
    cause: str = ""


@dataclass(slots=True)
class _Job:
    live: MemorizationLive
    stop: threading.Event = field(default_factory=threading.Event)


class MemorizationJobs:
    """The worker's threads take from here what runs leave them time for. Every method may be called from any thread.

    Nothing of it outlives the process: an estimate asked for again goes on from its last finished networks.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self._lock = threading.Lock()
        self._waiting: dict[str, MemorizationConfig] = {}  # oldest first
        self._running: dict[str, _Job] = {}
        self._failed: dict[str, MemorizationLive] = {}
        self._closed = False

    def start(self, config: MemorizationConfig) -> tuple[str, str]:
        """Put it in line, once; returns (memorization_id, device).

        Raises:
            ConfigError, DataError: if it could not be trained. StoreError: if another process trains it.
        """
        config = pipeline.resolve(config)
        memorization_id = config.run_id(fingerprint(config))
        with self._lock:
            job = self._running.get(memorization_id)
            if job is None and MemorizationFolder.of(self._root, memorization_id).is_locked():
                raise StoreError(f"memorization {memorization_id} is being estimated by another process; wait for it or stop it there")
            if job is None or job.stop.is_set():  # then it waits for its own end
                self._waiting.setdefault(memorization_id, config)
                self._failed.pop(memorization_id, None)
        return memorization_id, config.device

    def stop(self, memorization_id: str) -> None:
        """End it after the batch it is in, or take it out of the line; finished networks are kept."""
        with self._lock:
            self._waiting.pop(memorization_id, None)
            if job := self._running.get(memorization_id):
                job.live = replace(job.live, wish="stopping")
                job.stop.set()

    def close(self) -> None:
        """Stop everything, for good."""
        with self._lock:
            self._closed = True
            self._waiting.clear()
            for job in self._running.values():
                job.stop.set()

    def live(self, memorization_id: str) -> MemorizationLive | None:
        """How it stands now; None where nothing is to be done or told."""
        with self._lock:
            if job := self._running.get(memorization_id):
                return job.live
            if config := self._waiting.get(memorization_id):
                return MemorizationLive(memorization_id, config, "queued")
            return self._failed.get(memorization_id)

    @property
    def busy(self) -> bool:
        with self._lock:
            return bool(self._waiting or self._running)

    def train_next(self, device: str) -> bool:
        """Train the oldest one waiting for a device, in this thread; False where none is."""
        with self._lock:
            found = next((i for i, config in self._waiting.items() if config.device == device), None)
            if found is None or self._closed:
                return False
            job = self._running[found] = _Job(MemorizationLive(found, self._waiting.pop(found), "running"))
        try:
            self._train(job)
        except Exception as error:  # the page shows it: a background thread has nobody else to tell
            with self._lock:
                self._failed[found] = replace(job.live, state="failed", wish="", cause=cause_of(error))
        finally:
            with self._lock:
                del self._running[found]
        return True

    def _train(self, job: _Job) -> None:
        with contextlib.closing(execute_memorization(self._root, job.live.config)) as records:
            for record in records:
                if isinstance(record, Progress):
                    with self._lock:
                        job.live = replace(job.live, progress=record)
                if job.stop.is_set():
                    break
