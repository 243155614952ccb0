"""The Compare page: what is in training and what waits, in order, whoever asked for it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import streamlit as st

from explorer.records import Run
from explorer.runs.job import Live
from explorer.ui import theme
from explorer.ui.progress import show_progress
from explorer.ui.region_runs import run_words
from explorer.ui.services import get_readings, get_store, get_worker
from explorer.ui.sweep_now import Now
from explorer.ui.sweep_words import counted
from explorer.ui.words import describe, plain

LISTED = 8  # waiting runs with buttons
Slots = dict[str, Any]
HELD = "The queue is paused: no waiting run begins, also after a restart, until somebody resumes it."


def show_queue(now: Now, slots: Slots) -> None:
    """Runs in training, then those that wait; what moves is left to ``show_moving``."""
    with st.container(horizontal=True, vertical_alignment="center", key="queue_head"):
        st.markdown("**Queue**", width="stretch")
        if now.paused or any(one.state == "paused" or one.wish == "pausing" for one in now.live):
            st.button("Resume all", key="resume_all", type="primary", on_click=resume_all)
        elif now.live or now.queue:
            st.button("Pause all", key="pause_all", on_click=pause_all, help="Hold the run in training, and begin no other.")
    slots["summary"] = st.empty()
    if now.paused:
        st.warning(HELD)
    words = queue_words(now)
    for one in now.live:
        _in_training(one, slots, words[one.run_id])
    for other in now.elsewhere:
        what = describe(other.config) if other.config else other.run_id
        st.markdown(f"{plain(what)}  \n:small[Trained by another process of this machine: stop it there.]")
    _waiting(now, words)


def _in_training(one: Live, slots: Slots, words: str) -> None:
    left, right = st.columns([5, 1.2], vertical_alignment="center")
    with left:
        st.markdown(f":small[**Now** {plain(words)}]")
    with right:
        stopping = one.wish == "stopping"
        st.button(
            "Stopping…" if stopping else "Stop", key=f"stop_{one.run_id}", disabled=stopping, type="tertiary", on_click=get_worker().stop,
            args=(one.run_id,), help="End this run after the batch it is in; finished epochs are kept.",
        )  # fmt: skip
    slots[one.run_id] = st.empty()


def _waiting(now: Now, words: dict[str, str]) -> None:
    shown = now.queue if st.session_state.get("whole_queue") else now.queue[:LISTED]
    with st.container(key="queue_rows", gap=None):
        for place, run_id in enumerate(shown):
            _waiting_row(place, run_id, now, words[run_id])
    if len(shown) < len(now.queue):
        st.button(f"Show all {len(now.queue)} that wait", key="show_whole_queue", type="tertiary", on_click=_show_whole)
    if now.queue:
        st.caption("The queue is shared by everybody who uses this server; what others asked for is in it too.")


def queue_words(now: Now) -> dict[str, str]:
    """What tells the runs that wait, or are in training, from each other; by run_id."""
    configs = {one.run_id: one.config for one in now.live} | {i: config for i in now.queue if (config := now.config(i)) is not None}
    told = run_words(list(configs.values())) if len(configs) > 1 else [describe(config) for config in configs.values()]
    return dict.fromkeys(now.queue, "settings of another version") | dict(zip(configs, told, strict=True))


def _waiting_row(place: int, run_id: str, now: Now, words: str) -> None:
    whose = next((sweep.name for sweep in now.sweeps if sweep.name and run_id in sweep.run_ids), "")
    last = place == len(now.queue) - 1
    with st.container(horizontal=True, vertical_alignment="center", gap=None, wrap=False):
        st.markdown(f":small[**{place + 1}**  {plain(words)}{f' :gray[{plain(whose)}]' if whose else ''}]", width="stretch")
        with st.container(horizontal=True, gap=None, width="content", wrap=False):
            _arrow("First", ":material/vertical_align_top:", run_id, place == 0, lambda: get_store().move(run_id, "first"), "Train it next")
            _arrow("Up", ":material/arrow_upward:", run_id, place == 0, lambda: get_store().move(run_id, "up"), "One place up")
            _arrow("Down", ":material/arrow_downward:", run_id, last, lambda: get_store().move(run_id, "down"), "One place down")
            _arrow("Cancel", ":material/close:", run_id, False, lambda: get_worker().stop(run_id), "Take it out of the queue")


def _arrow(words: str, icon: str, run_id: str, off: bool, do: Callable[[], object], help: str) -> None:
    st.button(icon, key=f"{words}_{run_id}", on_click=do, disabled=off, type="tertiary", help=help)


def _show_whole() -> None:
    st.session_state.whole_queue = True


def pause_all() -> None:
    """Begin nothing, and hold what is in training."""
    get_store().pause_queue()
    for one in get_worker().current():
        get_worker().pause(one.run_id)


def resume_all() -> None:
    for one in get_worker().current():
        get_worker().resume(one.run_id)
    get_worker().resume_queue()


# -- what moves ------------------------------------------------------------------------------------


def show_moving(now: Now, slots: Slots, seconds_left: float) -> None:
    """Called by the polling fragment: how long everything takes, and how far the runs in training are. Raises StoreError."""
    slots["summary"].markdown(summary_words(now, seconds_left))
    for one in now.live:
        if one.run_id in slots:
            with slots[one.run_id].container():
                show_progress(one, _read(one.run_id))


def summary_words(now: Now, seconds_left: float) -> str:
    """``1 run in training, 12 waiting: about 5:20 left for all.``"""
    training = len(now.live) + len(now.elsewhere)
    if not training + len(now.queue):
        return "Nothing is in training and nothing waits."
    words = f"{counted(training, 'run')} in training, {len(now.queue)} waiting"
    return f"{words}: about **{theme.seconds(seconds_left)}** left for all." if seconds_left else f"{words}."


def _read(run_id: str) -> Run | None:
    """None before its first epoch. Raises StoreError."""
    return get_readings().read(run_id) if get_store().exists(run_id) else None
