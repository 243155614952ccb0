"""The background trainer of a server, with its sweeps: grids of runs that are queued, held and cancelled together."""

from __future__ import annotations

from collections.abc import Sequence

from explorer.config import RunConfig
from explorer.runs.grid import Grid, expand
from explorer.runs.identity import identify_all
from explorer.runs.job import Live
from explorer.runs.store import RunStore
from explorer.runs.sweeps import alone_in, keep_sweep, set_state, sweep_configs, sweep_of, sweeps
from explorer.runs.trainer import Trainer

__all__ = ["Live", "Worker"]

HELD = "its sweep is paused; resume the sweep, or continue this run by itself"
OVER = ("finished", "failed", "stopped")  # status of a run that nobody queues but a person


class Worker(Trainer):
    """Trains queued runs, also those of sweeps, which go on by themselves when a server starts again."""

    def __init__(self, store: RunStore) -> None:
        super().__init__(store)
        for sweep in sweeps(store):
            if sweep.state == "active":
                self._queue_members(sweep.sweep_id, first=True)  # one was being trained when the server ended
        self._begin()

    def start_sweep(self, base: RunConfig, grid: Grid, name: str = "") -> str:
        """Queue every run of a grid that is not finished, also those that failed or were stopped before; returns the sweep's id.

        Raises:
            ConfigError, DataError: if one of the runs could not be trained. Nothing is queued then.
        """
        known = identify_all(expand(base, grid))
        with self._lock:
            sweep_id = keep_sweep(self._store, base, grid, name, known)
            self._queue_members(sweep_id, over=OVER[:1])
        return sweep_id

    def pause_sweep(self, sweep_id: str) -> None:
        """Take its waiting runs out of the queue, and end the one in training after the batch it is in: other runs have their turn.

        Raises:
            StoreError: if there is no such sweep.
        """
        self._leave(sweep_id, "paused", "interrupted", HELD)

    def resume_sweep(self, sweep_id: str) -> None:
        """Go on with a sweep that was paused; with one that was cancelled, also with the runs that were stopped.

        Raises:
            StoreError: if there is no such sweep.
        """
        with self._lock:
            cancelled = sweep_of(self._store, sweep_id).state == "cancelled"
            set_state(self._store, sweep_id, "active")
            self._queue_members(sweep_id, over=OVER[:2] if cancelled else OVER)

    def cancel_sweep(self, sweep_id: str) -> None:
        """Stop all of its runs that are not over; finished epochs are kept.

        Raises:
            StoreError: if there is no such sweep.
        """
        self._leave(sweep_id, "cancelled", "stopped", "")

    def _queue_members(self, sweep_id: str, *, over: Sequence[str] = OVER, first: bool = False) -> None:
        """Queue the runs of a sweep, but those that are over, wait already, or are being trained by somebody."""
        configs, waiting = sweep_configs(self._store, sweep_id), set(self._store.queue())
        status = self._store.statuses(list(configs))
        left = [run_id for run_id in configs if run_id not in waiting and status[run_id] not in over and self._is_free(run_id)]
        idle = [run_id for run_id in left if run_id in self._jobs or not self._store.folder(run_id).is_locked()]
        self._enqueue([(run_id, configs[run_id]) for run_id in idle], first=first)

    def _leave(self, sweep_id: str, state: str, status: str, cause: str) -> None:
        """Let go of the runs that no other active sweep wants too."""
        with self._lock:
            set_state(self._store, sweep_of(self._store, sweep_id).sweep_id, state)
            own = alone_in(self._store, sweep_id)
            self._store.remove_all_from_queue(own, status, cause)
            for run_id in own:
                with self._job(run_id) as job:
                    job.end(cause)
