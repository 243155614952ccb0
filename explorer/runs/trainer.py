"""The background threads: one per device takes runs from the queue and trains them into the store; memorization estimates
come after them.

It never calls the page. Pages read the store, and ask here for what changes several times a second.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace

from explorer import pipeline
from explorer.config import MemorizationConfig, RunConfig
from explorer.records import DataError, FinalRecord, StoreError
from explorer.runs.execution import Interruption, cause_of, execute
from explorer.runs.identity import identify_all
from explorer.runs.job import Job, Live
from explorer.runs.memorization_jobs import MemorizationJobs, MemorizationLive
from explorer.runs.store import RunStore

CLOSED = "the server was closed while it trained; continue it to go on from the last kept epoch"


class Trainer:
    """Trains queued runs, once ``_begin`` was called. Every method may be called from any thread, more than once."""

    def __init__(self, store: RunStore) -> None:
        self._store = store
        self._memorizations = MemorizationJobs(store.root)
        self._lock = threading.RLock()
        self._jobs: dict[str, Job] = {}
        self._threads: dict[str, threading.Thread] = {}
        self._closing = threading.Event()
        self._wake = threading.Event()
        store.requeue_lost()  # before any thread takes a run from the queue

    def _begin(self) -> None:
        """Take up what waits in the queue, also where another server left it."""
        for device in self._store.queued_devices():
            self._thread_for(device)

    # -- orders --------------------------------------------------------------------------------

    def submit(self, config: RunConfig, *, again: bool = False) -> str:
        """Queue a run (or let it go on) and return its run_id.

        Raises:
            ConfigError, DataError: if it could not be trained. StoreError: if another process trains it. Nothing is queued then.
        """
        (run_id,) = self.submit_all([config], again=again)
        return run_id

    def submit_all(self, configs: Sequence[RunConfig], *, again: bool = False) -> tuple[str, ...]:
        """As ``submit``, of many runs, in one step: all are queued, or none."""
        known = identify_all(configs)
        with self._lock:
            for run_id, _ in known:
                if run_id not in self._jobs and self._store.folder(run_id).is_locked():
                    raise StoreError(f"run {run_id} is being trained by another process; wait for it or stop it there")
            status = self._store.statuses([run_id for run_id, _ in known])
            self._enqueue([one for one in known if self._is_free(one[0]) and (again or status[one[0]] != "finished")], again=again)
        return tuple(run_id for run_id, _ in known)

    def pause(self, run_id: str) -> None:
        """Hold a run after the batch it is in."""
        with self._job(run_id) as job:
            job.hold()

    def resume(self, run_id: str) -> None:
        with self._job(run_id) as job:
            job.go_on()

    def one_epoch(self, run_id: str) -> None:
        """Go on to the end of the current epoch, then hold."""
        with self._job(run_id) as job:
            job.go_on(one_epoch=True)

    def stop(self, run_id: str) -> None:
        """End a run after the batch it is in, or take it from the queue; finished epochs are kept."""
        self._store.remove_from_queue(run_id)
        with self._job(run_id) as job:
            job.end()

    def resume_queue(self) -> None:
        """Take up waiting runs again, at once. To pause the queue is to say so to the store."""
        self._store.resume_queue()
        self._wake.set()

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
        """End everything and wait for the threads: torch aborts a process that exits while one of them computes.

        Nobody stopped these runs: they are interrupted, and those of a sweep go on when a server starts again.
        """
        self._closing.set()
        self._memorizations.close()
        self._wake.set()
        with self._lock:
            for job in self._jobs.values():
                job.end(CLOSED)
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
        """Whether something is being trained, or will be without anybody's doing."""
        with self._lock:
            return bool(self._jobs) or (bool(self._store.queue()) and not self._store.queue_paused) or self._memorizations.busy

    # -- the thread ----------------------------------------------------------------------------

    @contextlib.contextmanager
    def _job(self, run_id: str) -> Iterator[Job]:
        """The job under the lock; a throw-away one where the run is not in training, so that late clicks do nothing."""
        with self._lock:
            yield self._jobs.get(run_id) or Job(Live(run_id, RunConfig(), "running"))

    def _is_free(self, run_id: str) -> bool:
        """Whether it can be queued: it is not in training here, or ends, and then waits for its own end in the queue."""
        job = self._jobs.get(run_id)
        return job is None or job.stop.is_set()

    def _enqueue(self, runs: Sequence[tuple[str, RunConfig]], *, again: bool = False, first: bool = False) -> None:
        self._store.enqueue_all(runs, again=again, first=first)
        for device in {config.device for _, config in runs}:
            self._thread_for(device)
        self._wake.set()

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
                    job = self._jobs[run_id] = Job(Live(run_id, config, "running", started_at=time.monotonic()))
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

    def _train(self, job: Job, config: RunConfig, again: bool) -> None:
        run_id = job.live.run_id
        if not again and self._store.status(run_id)[0] == "finished":
            return  # by another process, while it waited here
        try:
            if pipeline.identify(config) != run_id:
                raise DataError("the data have changed since it was queued; start it anew with the data as they are now")
            with contextlib.closing(execute(self._store, config, again=again)) as records:
                for record in records:
                    with self._lock:
                        job.note(record)
                    self._hold(job)
                    if job.stop.is_set() and not isinstance(record, FinalRecord):
                        if job.interruption:
                            records.throw(Interruption(job.interruption))
                        break
        except Interruption:
            pass
        except Exception as error:  # the page shows it: a background thread has nobody else to tell
            if not self._store.folder(run_id).is_locked():  # else another process trains it, and writes down how it goes
                self._store.set_status(run_id, "failed", cause_of(error), config=config)

    def _hold(self, job: Job) -> None:
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
