"""The Fix page: the networks that are compared, those that are still to be trained, and how far they are."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import streamlit as st

from explorer.config import ConfigError, RunConfig
from explorer.records import DataError, StoreError
from explorer.runs.job import Live
from explorer.runs.retraining import BeforeAfter, Member
from explorer.runs.sweeps import Expected, expected
from explorer.ui import theme
from explorer.ui.services import get_store, get_worker
from explorer.ui.sweep_words import command, counted
from explorer.ui.words import STATUS_WORDS, plain

TICK = 0.7  # seconds between two looks at networks in training
MOVING = ("queued", "running", "paused")
FAMILIES = {"before": "before", "after": "after", "truth": "on the true labels"}


class Plan(NamedTuple):
    """The networks asked for with one corrected version. members: by family, a network per wanted seed. status: by run_id."""

    members: Mapping[str, tuple[Member, ...]]
    status: Mapping[str, str]

    @property
    def all(self) -> list[Member]:
        return [member for family in self.members.values() for member in family]

    def having(self, *statuses: str) -> list[Member]:
        return [member for member in self.all if self.status[member.run_id] in statuses]

    @property
    def missing(self) -> list[Member]:
        """Neither finished nor on their way."""
        return [member for member in self.all if self.status[member.run_id] not in ("finished", *MOVING)]


def plan_of(proof: BeforeAfter, seeds: Iterable[int], *, truth: bool) -> Plan:
    """The networks of the wanted seeds, and how each stands; also one that failed before it began."""
    wanted = set(seeds)
    members = {
        name: tuple(member for member in family if member.config.seed in wanted)
        for name, family in proof.members.items() if truth or name != "truth"
    }  # fmt: skip
    return Plan(members, get_store().statuses([member.run_id for family in members.values() for member in family]))


def show_networks(plan: Plan) -> None:
    """What will be trained and how long it takes, the button, and how far it is."""
    moving, missing = plan.having(*MOVING), plan.missing
    if refused := st.session_state.pop("retrain_refused", ""):
        st.error(refused)
    if missing:
        time = expected(get_store(), [member.config for member in missing])
        st.markdown(plan_words(plan, time))
        with st.container(horizontal=True, vertical_alignment="center"):
            how = "Continue" if len(plan.having("stopped", "interrupted")) == len(missing) else "Train"
            st.button(f"{how} {counted(len(missing), 'run')}", type="primary", key="retrain_start", on_click=_start, args=(missing,))
    if moving:
        _show_going(plan, moving)
    for cause, failed in causes(plan).items():
        st.error(f"Failed: {cause.rstrip('.')}. ({', '.join(failed)})")


def show_command(config: RunConfig, corrections: str, plan: Plan, seeds: Sequence[int]) -> None:
    """The same networks from the command line."""
    with st.expander("The same from the command line"):
        files = dict.fromkeys(("", corrections, *(member.config.corrections for member in plan.members.get("truth", ()))))
        grid = {"seed": tuple(map(str, sorted(seeds))), "corrections": tuple(files)}
        st.code(command(config, grid), language="bash", wrap_lines=True)


def plan_words(plan: Plan, time: Expected) -> str:
    """``9 runs: seeds 0, 1 and 2, before, after and on the true labels; 3 are there already. About 1:20 min for the other 6.``"""
    kinds, each = [FAMILIES[name] for name in plan.members], len(next(iter(plan.members.values())))
    there = len(plan.all) - len(plan.missing)
    basis = "" if time.timed else " (a first guess)"
    parts = f"{counted(len(plan.all), 'run')}: {counted(each, 'seed')} each {', '.join(kinds[:-1])} and {kinds[-1]}"
    kept = f"; {there:,} {'is' if there == 1 else 'are'} there already and not trained again" if there else ""
    return f"{parts}{kept}. About {theme.seconds(time.seconds)} min for {'the other ' if there else ''}{len(plan.missing):,}{basis}."


def causes(plan: Plan) -> dict[str, list[str]]:
    """Why runs failed, and which ones: those of one cause together."""
    found: dict[str, list[str]] = {}
    for name, family in plan.members.items():
        for member in family:
            if plan.status[member.run_id] in ("failed", "damaged"):
                cause = get_store().status(member.run_id)[1] or STATUS_WORDS[plan.status[member.run_id]]
                found.setdefault(plain(cause), []).append(f"seed {member.config.seed} {FAMILIES[name]}")
    return found


def _start(members: Sequence[Member]) -> None:
    try:
        get_worker().submit_all([member.config for member in members])
    except (ConfigError, DataError, StoreError, OSError) as error:
        st.session_state.retrain_refused = f"{str(error).rstrip('.')}."


# -- while they train --------------------------------------------------------------------------------


def _show_going(plan: Plan, moving: Sequence[Member]) -> None:
    """Progress, in the one polling fragment of the tab, and what holds or ends it."""
    store, ids = get_store(), tuple(member.run_id for member in plan.all)
    held = store.queue_paused and not plan.having("running", "paused")
    left, right = st.columns([5, 1], vertical_alignment="center")
    with left:
        st.fragment(_watch, run_every=None if held else TICK)(ids, marks(plan.status), plan.all[0].config)
    with right:
        if held:
            st.button("Resume the queue", key="retrain_resume", on_click=get_worker().resume_queue, width="stretch")
        st.button(
            "Stop", key="retrain_stop", on_click=_stop, args=(tuple(member.run_id for member in moving),), width="stretch",
            help="Finished networks and epochs are kept, and can be continued.",
        )  # fmt: skip


def _stop(run_ids: Sequence[str]) -> None:
    for run_id in reversed(run_ids):  # those that wait first, so that none begins meanwhile
        get_worker().stop(run_id)


def marks(status: Mapping[str, str]) -> str:
    """What everything but the progress depends on."""
    return repr((dict(status), get_store().queue_paused))


def _watch(run_ids: tuple[str, ...], seen: str, config: RunConfig) -> None:
    """How far they are; when a run begins or ends the whole page is drawn anew."""
    live = {run_id: one for run_id in run_ids if (one := get_worker().live(run_id)) is not None}  # first: one that ends is looked at again
    status = get_store().statuses(run_ids)
    if marks(status) != seen:
        st.rerun()
    share, words = progress_words(status, live, config.epochs)
    st.progress(share, text=words)


def progress_words(status: Mapping[str, str], live: Mapping[str, Live], epochs: int) -> tuple[float, str]:
    """(share done, in words) of runs of so many epochs each."""
    finished, waiting = (sum(each == name for each in status.values()) for name in ("finished", "queued"))
    parts, begun, seconds = [f"{finished} of {len(status)} finished"], 0.0, 0.0
    for one in live.values():
        epoch = one.progress.epoch if one.progress is not None else 0
        begun += max(0, epoch - 1) / epochs
        seconds = max(seconds, one.epoch_seconds)
        parts.append(f"seed {one.config.seed}{' paused' if one.state == 'paused' else ''}: epoch {epoch}/{epochs}")
    parts += [f"{waiting} waiting"] if waiting else []
    if seconds:
        parts.append(f"about {theme.seconds(seconds * epochs * (waiting + len(live) - begun))} left")
    return min(1.0, (finished + begun) / max(1, len(status))), " · ".join(parts)
