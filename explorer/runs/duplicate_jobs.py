"""Searches for near-duplicates asked for on the page: which wait, which goes on, and what went wrong."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

from explorer.records import Array, Progress
from explorer.runs.duplicates import duplicates_id, execute_duplicates
from explorer.runs.execution import cause_of


@dataclass(frozen=True, slots=True)
class DuplicateLive:
    """A search at this instant. state: queued, running or failed (then cause says why). wish: "stopping", or ""."""

    duplicates_id: str
    state: str
    wish: str = ""
    progress: Progress | None = None
    cause: str = ""


@dataclass(slots=True)
class _Job:
    live: DuplicateLive
    train_images: Array
    test_images: Array | None
    stop: threading.Event = field(default_factory=threading.Event)


class DuplicateJobs:
    """One search after the other, in one thread that ends with the last of them. Every method may be called from any thread.

    Searches work on the processor whatever runs train on, so they do not wait for runs. Nothing of them outlives the process:
    a search that was stopped begins anew.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self._lock = threading.Lock()
        self._waiting: dict[str, _Job] = {}  # oldest first
        self._running: _Job | None = None
        self._failed: dict[str, DuplicateLive] = {}
        self._thread: threading.Thread | None = None
        self._closed = False

    def start(self, train_images: Array, test_images: Array | None = None) -> str:
        """Put a search in line, once, and return the id under which its result will be kept.

        Args:
            train_images, test_images: uint8 ``[.., H, W, C]`` of one shape.
        """
        found = duplicates_id(train_images, test_images)
        with self._lock:
            ends = self._running is not None and self._running.stop.is_set()  # then it waits for its own end
            if not self._closed and (self._running is None or self._running.live.duplicates_id != found or ends):
                self._waiting.setdefault(found, _Job(DuplicateLive(found, "queued"), train_images, test_images))
                self._failed.pop(found, None)
                if self._thread is None:
                    self._thread = threading.Thread(target=self._serve, daemon=True, name="near-duplicates")
                    self._thread.start()
        return found

    def stop(self, duplicates_id: str) -> None:
        """End a search at its next progress, or take it out of the line; nothing of it is kept."""
        with self._lock:
            self._waiting.pop(duplicates_id, None)
            if self._running is not None and self._running.live.duplicates_id == duplicates_id:
                self._running.live = replace(self._running.live, wish="stopping")
                self._running.stop.set()

    def close(self, timeout: float = 10.0) -> None:
        """Stop everything, for good, and wait for the thread."""
        with self._lock:
            self._closed = True
            self._waiting.clear()
            if self._running is not None:
                self._running.stop.set()
            thread = self._thread
        if thread is not None:
            thread.join(timeout)

    def live(self, duplicates_id: str) -> DuplicateLive | None:
        """How a search stands now; None where nothing is to be done or told."""
        with self._lock:
            if self._running is not None and self._running.live.duplicates_id == duplicates_id:
                return self._running.live
            if job := self._waiting.get(duplicates_id):
                return job.live
            return self._failed.get(duplicates_id)

    @property
    def busy(self) -> bool:
        with self._lock:
            return self._thread is not None

    # -- the thread ----------------------------------------------------------------------------

    def _serve(self) -> None:
        while (job := self._next()) is not None:
            try:
                with half_the_processors():
                    self._search(job)
            except Exception as error:  # the page shows it: a background thread has nobody else to tell
                with self._lock:
                    self._failed[job.live.duplicates_id] = replace(job.live, state="failed", wish="", cause=cause_of(error))

    def _next(self) -> _Job | None:
        """The oldest one waiting; with the last of them the thread ends, under the lock that ``start`` looks at it with."""
        with self._lock:
            if not self._waiting:
                self._running = self._thread = None
                return None
            job = self._running = self._waiting.pop(next(iter(self._waiting)))
            job.live = replace(job.live, state="running")
            return job

    def _search(self, job: _Job) -> None:
        for record in execute_duplicates(self._root, job.train_images, job.test_images):
            if isinstance(record, Progress):
                with self._lock:
                    job.live = replace(job.live, progress=record)
            if job.stop.is_set():
                break


@contextlib.contextmanager
def half_the_processors() -> Iterator[None]:
    """Leave the others to training and to the page: limits OpenMP (FAISS), which counts its threads for this thread alone."""
    from threadpoolctl import ThreadpoolController  # type: ignore[import-untyped]

    with ThreadpoolController().select(user_api="openmp").limit(limits=max(1, (os.cpu_count() or 2) // 2)):
        yield
