"""How sweeps and the queue stand at one instant: a page is drawn from one reading, so that its parts agree and a change is noticed."""

from __future__ import annotations

from collections import Counter
from typing import NamedTuple

from explorer.config import RunConfig
from explorer.runs.estimate import estimate_all
from explorer.runs.job import Live
from explorer.runs.store import RunSummary
from explorer.runs.sweeps import OVER, Sweep, SweepProgress, sweep_progress, sweeps
from explorer.ui.services import get_store, get_worker

MOVING = ("running", "paused")


class Counts(NamedTuple):
    """Of the runs of a sweep: how many are finished, failed, stopped by a person, in training, and still to come."""

    finished: int
    failed: int
    stopped: int
    running: int
    waiting: int

    @property
    def all(self) -> int:
        return sum(self)

    @property
    def over(self) -> bool:
        return not self.running + self.waiting


class Now(NamedTuple):
    """sweeps: newest first. status: of every run of one, by run_id. queue: waiting runs, next first. live: in training here.

    elsewhere: in training by another process. paused: whether the queue is held. known: settings and names of runs, by run_id.
    """

    sweeps: tuple[Sweep, ...]
    status: dict[str, str]
    queue: tuple[str, ...]
    live: tuple[Live, ...]
    elsewhere: tuple[RunSummary, ...]
    paused: bool
    known: dict[str, RunSummary]

    @property
    def marks(self) -> str:
        """What everything but the progress depends on: when it changes, the whole page is drawn anew."""
        live = sorted((one.run_id, one.state, one.wish) for one in self.live)
        elsewhere = sorted(one.run_id for one in self.elsewhere)
        kept = [(sweep.sweep_id, sweep.name, sweep.state, [self.status[i] for i in sweep.run_ids]) for sweep in self.sweeps]
        return repr((kept, self.queue, live, elsewhere, self.paused))

    @property
    def moves(self) -> bool:
        """Whether to look again: something is trained, or will be by itself."""
        return bool(self.live or self.elsewhere or (self.queue and not self.paused))

    def counts(self, sweep: Sweep) -> Counts:
        status = [self.status[run_id] for run_id in sweep.run_ids]
        ends = Counter(OVER.get(each, "running" if each in MOVING else "waiting") for each in status)
        return Counts(*(ends[name] for name in Counts._fields))

    def goes_on(self, sweep: Sweep) -> bool:
        """Whether something of it is left to train, now or once it is resumed."""
        return sweep.state != "cancelled" and not self.counts(sweep).over

    def config(self, run_id: str) -> RunConfig | None:
        return self.known[run_id].config if run_id in self.known else None


def read_now() -> Now:
    """Raises StoreError."""
    store, worker = get_store(), get_worker()
    live = tuple(worker.current())  # first: a run that ends meanwhile still counts as live, and is looked at again
    here = {one.run_id for one in live}
    found = tuple(sweeps(store))
    known = {summary.run_id: summary for summary in store.runs()}
    status = store.statuses(list(dict.fromkeys(run_id for sweep in found for run_id in sweep.run_ids)))
    elsewhere = tuple(summary for summary in known.values() if summary.status in MOVING and summary.run_id not in here)
    return Now(found, status, tuple(store.queue()), live, elsewhere, store.queue_paused, known)


def progress_of(sweep: Sweep, now: Now) -> SweepProgress:
    """Raises StoreError."""
    return sweep_progress(get_store(), sweep, now.live)


def seconds_left(now: Now, progress: dict[str, SweepProgress]) -> float:
    """Until the queue is empty and nothing is in training, one run after the other.

    Args:
        progress: of sweeps that go on, by id: the time left of their runs is known already.
    """
    left = {member.run_id: member.seconds_left for each in progress.values() for member in each.members}
    configs = {one.run_id: one.config for one in now.live} | {i: config for i in now.queue if (config := now.config(i)) is not None}
    others = [run_id for run_id in configs if run_id not in left]
    if others:
        guessed = estimate_all(get_store(), [configs[run_id] for run_id in others])
        left |= {run_id: one.seconds for run_id, one in zip(others, guessed, strict=True)}
    return sum(left[run_id] for run_id in configs)
