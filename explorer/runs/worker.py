"""The background trainer: one thread per device takes runs from the queue and trains them into the store; memorization
estimates come after them.

It never calls the page. Pages read the store, and ask here for what changes several times a second.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from explorer import pipeline
from explorer.config import MemorizationConfig, RunConfig
from explorer.data.catalogue import fingerprint
from explorer.records import EpochRecord, FinalRecord, Progress, Record, StoreError
from explorer.runs.execution import cause_of, execute
from explorer.runs.memorization_jobs import MemorizationJobs, MemorizationLive
from explorer.runs.store import RunStore


@dataclass(frozen=True, slots=True)
class Live:
    """A run in training, at this instant. wish: what was asked for and has not happened yet ("pausing", "stopping"), or ""."""

    run_id: str
    config: RunConfig
    state: str  # running, paused
    wish: str = ""
    progress: Progress | None = None
    started_at: float = 0.0  # monotonic seconds
    epochs_timed: int = 0  # recorded since then
    epoch_seconds: float = 0.0  # mean time of an epoch, pauses left out
    images_per_second: float = 0.0  # while training, evaluation and probes left out


@dataclass(slots=True)
class _Job:
    """Orders for the run in training; the thread obeys between two records, so within one batch."""

    live: Live
    go: threading.Event = field(default_factory=threading.Event)
    stop: threading.Event = field(default_factory=threading.Event)
    one_epoch: bool = False
    paused_for: float = 0.0
    images: int = 0


class Worker:
    """Trains queued runs. Every method may be called from any thread, more than once."""

    def __init__(self, store: RunStore) -> None:
        self._store = store
        self._memorizations = MemorizationJobs(store.root)
        self._lock = threading.RLock()
        self._jobs: dict[str, _Job] = {}
        self._threads: dict[str, threading.Thread] = {}
        self._closing = threading.Event()
        self._wake = threading.Event()
        for device in store.queued_devices():  # left by a server that was closed
            self._thread_for(device)

    # -- orders --------------------------------------------------------------------------------

    def submit(self, config: RunConfig, *, again: bool = False) -> str:
        """Queue a run (or let it go on) and return its run_id.

        Raises:
            ConfigError, DataError: if it could not be trained. StoreError: if another process trains it. Nothing is queued then.
        """
        config = pipeline.resolve(config)
        run_id = config.run_id(fingerprint(config))
        with self._lock:
            job = self._jobs.get(run_id)
            if job is None and self._store.folder(run_id).is_locked():
                raise StoreError(f"run {run_id} is being trained by another process; wait for it or stop it there")
            ending = job is not None and job.stop.is_set()  # then it waits for its own end in the queue
            if (job is None or ending) and (again or not self._is_finished(run_id)):
                self._store.enqueue(run_id, config, again=again)
                self._thread_for(config.device)
                self._wake.set()
        return run_id

    def pause(self, run_id: str) -> None:
        """Hold a run after the batch it is in."""
        with self._job(run_id) as job:
            job.go.clear()
            job.one_epoch = False
            if job.live.state == "running":
                job.live = replace(job.live, wish="pausing")

    def resume(self, run_id: str) -> None:
        with self._job(run_id) as job:
            job.one_epoch = False
            job.live = replace(job.live, wish="")
            job.go.set()

    def one_epoch(self, run_id: str) -> None:
        """Go on to the end of the current epoch, then hold."""
        with self._job(run_id) as job:
            job.one_epoch = True
            job.live = replace(job.live, wish="")
            job.go.set()

    def stop(self, run_id: str) -> None:
        """End a run after the batch it is in, or take it from the queue; finished epochs are kept."""
        if self._store.remove_from_queue(run_id):
            self._store.set_status(run_id, "stopped")
        with self._job(run_id) as job:
            job.live = replace(job.live, wish="stopping")
            job.stop.set()
            job.go.set()

    def start_memorization(self, config: MemorizationConfig) -> str:
        """Train the networks of an estimate (or go on with it) once no run is waiting; returns its id.

        Raises:
            ConfigError, DataError: if it could not be trained. StoreError: if another process trains it.
        """
        with self._lock:
            memorization_id, device = self._memorizations.start(config)
            self._thread_for(device)
            self._wake.set()
        return memorization_id

    def stop_memorization(self, memorization_id: str) -> None:
        """End it after the batch it is in; finished networks are kept."""
        self._memorizations.stop(memorization_id)

    def close(self, timeout: float = 10.0) -> None:
        """Stop everything and wait for the threads: torch aborts a process that exits while one of them computes."""
        self._closing.set()
        self._memorizations.close()
        self._wake.set()
        with self._lock:
            for job in self._jobs.values():
                job.stop.set()
                job.go.set()
            threads = list(self._threads.values())
        for thread in threads:
            thread.join(timeout)

    # -- looking -------------------------------------------------------------------------------

    def live(self, run_id: str) -> Live | None:
        """The run's state now, or None when this process is not training it."""
        with self._lock:
            job = self._jobs.get(run_id)
            return job.live if job else None

    def current(self) -> list[Live]:
        """Runs in training now."""
        with self._lock:
            return [job.live for job in self._jobs.values()]

    def memorization_live(self, memorization_id: str) -> MemorizationLive | None:
        """An estimate that waits, is being trained or has failed (with its cause); None for any other."""
        return self._memorizations.live(memorization_id)

    @property
    def busy(self) -> bool:
        with self._lock:
            return bool(self._jobs) or bool(self._store.queue()) or self._memorizations.busy

    # -- the thread ----------------------------------------------------------------------------

    @contextlib.contextmanager
    def _job(self, run_id: str) -> Iterator[_Job]:
        """The job under the lock; a throw-away one where the run is not in training, so that late clicks do nothing."""
        with self._lock:
            yield self._jobs.get(run_id) or _Job(Live(run_id, RunConfig(), "running"))

    def _is_finished(self, run_id: str) -> bool:
        return self._store.exists(run_id) and self._store.status(run_id)[0] == "finished"

    def _thread_for(self, device: str) -> None:
        thread = self._threads.get(device)
        if thread is None or not thread.is_alive():
            thread = threading.Thread(target=self._serve, args=(device,), daemon=True, name=f"trainer-{device}")
            self._threads[device] = thread
            thread.start()

    def _serve(self, device: str) -> None:
        while not self._closing.is_set():
            with self._lock:
                taken = None if self._closing.is_set() else self._store.dequeue(device)  # asked under the lock that close takes
                if taken is not None:
                    run_id, config, again = taken
                    job = self._jobs[run_id] = _Job(Live(run_id, config, "running", started_at=time.monotonic()))
                    job.go.set()
            if taken is None:
                if not self._memorizations.train_next(device):
                    self._wake.wait(timeout=1.0)
                    self._wake.clear()
                continue
            try:
                self._train(job, config, again)
            finally:
                with self._lock:
                    del self._jobs[run_id]

    def _train(self, job: _Job, config: RunConfig, again: bool) -> None:
        run_id = job.live.run_id
        try:
            with contextlib.closing(execute(self._store, config, again=again)) as records:
                for record in records:
                    self._note(job, record)
                    self._hold(job)
                    if job.stop.is_set() and not isinstance(record, FinalRecord):
                        break
        except Exception as error:  # the page shows it: a background thread has nobody else to tell
            self._store.set_status(run_id, "failed", cause_of(error), config=config)

    def _note(self, job: _Job, record: Record) -> None:
        now = time.monotonic()
        with self._lock:
            if isinstance(record, Progress):
                if record.phase == "train":
                    job.images = record.done
                job.live = replace(job.live, progress=record)
            elif isinstance(record, EpochRecord):
                timed = job.live.epochs_timed + 1
                seconds = (now - job.live.started_at - job.paused_for) / timed
                rate = job.images / record.train_seconds if record.train_seconds > 0 else 0.0
                job.live = replace(job.live, epochs_timed=timed, epoch_seconds=seconds, images_per_second=rate)
                if job.one_epoch:
                    job.one_epoch = False
                    job.go.clear()

    def _hold(self, job: _Job) -> None:
        """Wait while paused; the status says so only once it is true."""
        if job.go.is_set():
            return
        run_id, began = job.live.run_id, time.monotonic()
        with self._lock:
            job.live = replace(job.live, state="paused", wish="")
        self._store.set_status(run_id, "paused")
        job.go.wait()
        job.paused_for += time.monotonic() - began
        with self._lock:
            job.live = replace(job.live, state="running")
        if not job.stop.is_set():
            self._store.set_status(run_id, "running")
