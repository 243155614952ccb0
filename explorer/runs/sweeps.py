"""Sweeps: many runs asked for at once, as a grid of settings. Kept in SQLite, so that they outlive the server."""

from __future__ import annotations

import functools
import hashlib
import json
import math
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from explorer.config import ConfigError, RunConfig
from explorer.records import DataError, StoreError
from explorer.runs.estimate import EXTRA_PASSES, Shape, cost_shares, estimate_all
from explorer.runs.grid import Grid, differences, expand, parse_grid
from explorer.runs.identity import identify_all
from explorer.runs.index import ACTIVE
from explorer.runs.job import Live
from explorer.runs.store import RunStore

__all__ = ["Expected", "Member", "Sweep", "SweepProgress", "expand", "expected", "parse_grid", "sweep_progress", "sweeps"]

STATES = ("active", "paused", "cancelled")
OVER = {"finished": "finished", "failed": "failed", "damaged": "failed", "stopped": "stopped"}  # status -> how a member ended


class Sweep(NamedTuple):
    """A grid of runs as it was asked for. base: the settings outside the grid. run_ids: in the order of the grid, each once.

    state: active; paused or cancelled: none of its runs waits in the queue.
    """

    sweep_id: str
    name: str
    created_at: float  # seconds since 1970
    grid: dict[str, tuple[str, ...]]
    run_ids: tuple[str, ...]
    state: str
    base: RunConfig


class Expected(NamedTuple):
    """seconds: of the runs that are not finished yet. finished: how many are. timed: whether a timed run stands behind the seconds."""

    seconds: float
    finished: int
    timed: bool


class Member(NamedTuple):
    """One run of a sweep. settings: those in which the runs of the sweep differ. status: "" before it was first queued.

    epochs: recorded so far. seconds_left: 0 where it is over, NaN where it cannot be told because the data are not there.
    """

    run_id: str
    config: RunConfig
    settings: dict[str, object]
    status: str
    cause: str
    epochs: int
    seconds_left: float


class SweepProgress(NamedTuple):
    """How many runs of a sweep are finished, failed, stopped by a person, in training (or paused in it), and still to come.

    seconds_left: until the last of them is over, one after the other.
    """

    finished: int
    failed: int
    stopped: int
    running: int
    waiting: int
    seconds_left: float
    members: tuple[Member, ...]


# -- before the start ------------------------------------------------------------------------------


def expected(store: RunStore, configs: Sequence[RunConfig], shape: Callable[[RunConfig], Shape] | None = None) -> Expected:
    """Time for the configs that are not finished, one after the other, and how many are.

    Args:
        shape: see ``estimate_all``.

    Raises:
        ConfigError, DataError: if one could not be trained.
    """
    known = identify_all(configs)
    status = store.statuses([run_id for run_id, _ in known])
    left = [config for run_id, config in known if status[run_id] != "finished"]
    each = estimate_all(store, left, shape)
    return Expected(sum(one.seconds for one in each), len(known) - len(left), all(one.timed for one in each))


# -- what is kept ----------------------------------------------------------------------------------


def keep_sweep(store: RunStore, base: RunConfig, grid: Grid, name: str, runs: Sequence[tuple[str, RunConfig]]) -> str:
    """Write a sweep down as active and return its id; the same runs asked for again are the same sweep."""
    text, grid_text = json.dumps([run_id for run_id, _ in runs]), json.dumps({key: list(values) for key, values in grid.items()})
    sweep_id = hashlib.sha256(text.encode()).hexdigest()[:12]
    with store.db() as db:
        db.execute("BEGIN IMMEDIATE")
        db.execute(
            "INSERT INTO sweeps VALUES (?, ?, ?, ?, ?, 'active') ON CONFLICT (sweep_id) DO UPDATE SET state = 'active', "
            "name = CASE excluded.name WHEN '' THEN sweeps.name ELSE excluded.name END",
            (sweep_id, " ".join(name.split()), time.time(), base.to_json(), grid_text),
        )
        db.execute("DELETE FROM sweep_runs WHERE sweep_id = ?", (sweep_id,))
        rows = [(sweep_id, place, run_id, config.to_json()) for place, (run_id, config) in enumerate(runs)]
        db.executemany("INSERT INTO sweep_runs VALUES (?, ?, ?, ?)", rows)
    return sweep_id


def sweeps(store: RunStore) -> list[Sweep]:
    """All sweeps, newest first; those of another version, whose settings cannot be read, are left out."""
    with store.db() as db:
        rows = db.execute("SELECT sweep_id, name, created_at, grid, state, base FROM sweeps ORDER BY created_at DESC").fetchall()
        members: dict[str, dict[str, str]] = {}
        for sweep_id, run_id, config in db.execute("SELECT sweep_id, run_id, config FROM sweep_runs ORDER BY place"):
            members.setdefault(sweep_id, {})[run_id] = config
    return [sweep for row in rows if (sweep := _read(row, members.get(row[0], {}))) is not None]


def _read(row: tuple[str, str, float, str, str, str], members: Mapping[str, str]) -> Sweep | None:
    sweep_id, name, created_at, grid, state, base = row
    try:
        values = {key: tuple(values) for key, values in json.loads(grid).items()}
        for config in members.values():
            _config(config)
        return Sweep(sweep_id, name, created_at, values, tuple(members), state, _config(base))
    except (ConfigError, ValueError, TypeError):
        return None


def sweep_of(store: RunStore, sweep_id: str) -> Sweep:
    """Raises StoreError if there is none of this id."""
    found = next((sweep for sweep in sweeps(store) if sweep.sweep_id == sweep_id), None)
    if found is None:
        raise StoreError(f"there is no sweep {sweep_id} in {store.root}")
    return found


def set_state(store: RunStore, sweep_id: str, state: str) -> None:
    with store.db() as db:
        db.execute("UPDATE sweeps SET state = ? WHERE sweep_id = ?", (state, sweep_id))


def remove_sweep(store: RunStore, sweep_id: str) -> None:
    """Take a sweep off the list; its runs stay.

    Raises:
        StoreError: if there is none of this id, or some of its runs are still to be trained.
    """
    sweep = sweep_of(store, sweep_id)
    status = store.statuses(sweep.run_ids)
    if sweep.state != "cancelled" and any(status[run_id] not in OVER for run_id in sweep.run_ids):
        raise StoreError(f"sweep {sweep_id} still has runs to train; cancel it first, then remove it")
    with store.db() as db:
        db.execute("BEGIN IMMEDIATE")
        db.execute("DELETE FROM sweep_runs WHERE sweep_id = ?", (sweep_id,))
        db.execute("DELETE FROM sweeps WHERE sweep_id = ?", (sweep_id,))


def sweep_configs(store: RunStore, sweep_id: str) -> dict[str, RunConfig]:
    """Settings of every run of a sweep, in the order of the grid."""
    with store.db() as db:
        rows = db.execute("SELECT run_id, config FROM sweep_runs WHERE sweep_id = ? ORDER BY place", (sweep_id,)).fetchall()
    return {run_id: _config(text) for run_id, text in rows}


def alone_in(store: RunStore, sweep_id: str) -> list[str]:
    """The runs of a sweep that belong to no other active one."""
    with store.db() as db:
        rows = db.execute(
            "SELECT run_id FROM sweep_runs WHERE sweep_id = ? AND run_id NOT IN (SELECT run_id FROM sweep_runs "
            "JOIN sweeps USING (sweep_id) WHERE state = 'active' AND sweep_id != ?) ORDER BY place", (sweep_id, sweep_id),
        ).fetchall()  # fmt: skip
    return [row[0] for row in rows]


@functools.lru_cache(maxsize=4096)
def _config(text: str) -> RunConfig:
    return RunConfig.from_json(text)


# -- how far they are ------------------------------------------------------------------------------


def sweep_progress(
    store: RunStore, sweep: Sweep, live: Sequence[Live] = (), shape: Callable[[RunConfig], Shape] | None = None
) -> SweepProgress:
    """How far a sweep is, and each of its runs.

    Args:
        live: the runs in training here (``Worker.current``): their pace is known. shape: see ``estimate_all``.
    """
    configs = sweep_configs(store, sweep.sweep_id)
    listed = {summary.run_id: summary for summary in store.runs()}
    status = store.statuses(list(configs)) | {i: listed[i].status for i in configs if i in listed}
    whole = _whole_seconds(store, {run_id: config for run_id, config in configs.items() if status[run_id] not in OVER}, shape)
    now = {one.run_id: one for one in live}
    names, members = differences(list(configs.values())), []
    for run_id, config in configs.items():
        epochs = max(0, int(listed[run_id].last.get("epoch", 0))) if run_id in listed else 0
        seconds = _seconds_left(config, whole[run_id], epochs, now.get(run_id)) if run_id in whole else 0.0
        cause = listed[run_id].cause if run_id in listed else store.status(run_id)[1] if status[run_id] == "failed" else ""
        members.append(Member(run_id, config, {n: getattr(config, n) for n in names}, status[run_id], cause, epochs, seconds))
    count = Counter(OVER.get(m.status, "running" if m.status in ACTIVE else "waiting") for m in members)
    return SweepProgress(
        count["finished"], count["failed"], count["stopped"], count["running"], count["waiting"],
        seconds_left=sum(m.seconds_left for m in members), members=tuple(members),
    )  # fmt: skip


def _whole_seconds(store: RunStore, configs: Mapping[str, RunConfig], shape: Callable[[RunConfig], Shape] | None) -> dict[str, float]:
    """Expected time of each run from beginning to end; NaN where the data are not there (the run itself will say why)."""
    try:
        each = [one.seconds for one in estimate_all(store, list(configs.values()), shape)]
    except (ConfigError, DataError):
        each = [math.nan] * len(configs)
    return dict(zip(configs, each, strict=True))


def _seconds_left(config: RunConfig, whole: float, epochs: int, live: Live | None) -> float:
    """Time of the epochs still to come, at the pace of those so far where it is known, and of the extra passes after them.

    Args:
        whole: seconds expected of the whole run. epochs: recorded so far.
    """
    shares = cost_shares(config, 1, 0)
    extra = whole * sum(shares[part] for part in EXTRA_PASSES) / (sum(shares.values()) or 1)
    epoch = live.epoch_seconds if live is not None and live.epochs_timed > 1 else (whole - extra) / config.epochs
    return max(0, config.epochs - epochs) * epoch + extra
