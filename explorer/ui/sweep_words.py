"""What sweeps, their members and the queue are called on the pages, and the command that does the same."""

from __future__ import annotations

import os
import shlex
from collections.abc import Collection, Mapping, Sequence

from explorer.config import OPTIONS, WITHOUT_RATE, RunConfig
from explorer.runs.job import Live
from explorer.runs.sweeps import Member, Sweep
from explorer.ui import state, theme
from explorer.ui.region_runs import SHORT, setting_words
from explorer.ui.services import get_store
from explorer.ui.sweep_now import Counts
from explorer.ui.words import STATUS_WORDS, label, word

TOLD = ("dataset", "noise", "noise_rate", "model", "loss", "epochs", "lr", "schedule", "seed")  # also where they are as by default


def counted(number: int, noun: str) -> str:
    """``1 run``, ``24 runs``."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def grid_words(grid: Mapping[str, Sequence[str]]) -> str:
    """``model MLP, small CNN × width 8, 32``."""
    return " × ".join(f"{SHORT.get(name, label(name).lower())} {', '.join(map(word, values))}" for name, values in grid.items())


def base_words(base: RunConfig, grid: Collection[str]) -> str:
    """What all runs of a sweep share, as far as one asks: the usual settings, and all that are not as by default."""
    shared = base.canonical()
    told = (name for name in OPTIONS if name not in grid and (name in TOLD or getattr(shared, name) != OPTIONS[name].default))
    skipped = {"noise_rate"} if shared.noise in WITHOUT_RATE else set()
    return " · ".join(setting_words(name, getattr(shared, name)) for name in told if name not in skipped)


def sweep_words(sweep: Sweep) -> str:
    """A sweep in one line: its name, else its grid."""
    return f"{sweep.name or grid_words(sweep.grid)} · {counted(len(sweep.run_ids), 'run')}"


def state_of(sweep: Sweep, counts: Counts) -> str:
    """active, paused, cancelled, or over: nothing is left to train."""
    return "over" if counts.over else sweep.state


def progress_words(sweep: Sweep, counts: Counts, seconds_left: float = 0.0) -> str:
    """``7 of 24 finished · 1 failed · 1 in training · 15 to come · about 3:20 left``."""
    now = state_of(sweep, counts)
    parts = [f"{counts.finished} of {counts.all} finished"]
    parts += [f"{count} {what}" for count, what in (
        (counts.failed, "failed"), (counts.stopped, "stopped"), (counts.running, "in training"), (counts.waiting, "to come"),
    ) if count]  # fmt: skip
    if sweep.state == "cancelled" or now == "paused":
        parts.append(sweep.state)
    if seconds_left and now != "over":
        parts.append(f"about {theme.seconds(seconds_left)} left")
    return " · ".join(parts)


def member_words(member: Member, live: Live | None, state: str) -> str:
    """Where one run of a sweep stands. state: of the sweep, as ``state_of`` says it."""
    kept = f", {member.epochs}/{member.config.epochs} epochs kept" if member.epochs else ""
    if live is not None and live.wish:
        return f"{live.wish} …"
    if live is not None or member.status in ("running", "paused"):
        return "paused in training" if member.status == "paused" else "in training"
    if member.status == "queued":
        return f"waiting{kept}"
    if member.status in ("", "interrupted"):
        return {"active": "waiting", "paused": "held"}.get(state, member.status or "not begun") + kept
    return STATUS_WORDS[member.status].split(";")[0] + (kept if member.status != "finished" else "")


def command(base: RunConfig, grid: Mapping[str, Sequence[str]]) -> str:
    """The same sweep from the command line."""
    flags = [f"--{name} {shlex.quote(value)}" for name, value in state.config_query(base).items() if name not in grid]
    grids = [f"--grid {shlex.quote(name + '=' + ','.join(values))}" for name, values in grid.items()]
    elsewhere = [f"--runs {shlex.quote(str(get_store().root))}"] if os.environ.get("EXPLORER_HOME") else []
    return " ".join(["python -m explorer sweep", *flags, *grids, *elsewhere])
