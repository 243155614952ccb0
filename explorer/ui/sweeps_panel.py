"""The Compare page: sweeps, how far each is, and the queue behind them, which all visitors share."""

from __future__ import annotations

import time
from typing import Any

import pandas as pd
import streamlit as st

from explorer.records import StoreError
from explorer.runs.sweeps import Member, Sweep, remove_sweep
from explorer.ui import queue_panel, state, sweep_plan
from explorer.ui.region_runs import setting_words
from explorer.ui.services import get_store, get_worker
from explorer.ui.sweep_now import MOVING, Now, progress_of, read_now, seconds_left
from explorer.ui.sweep_words import base_words, counted, grid_words, member_words, progress_words, state_of
from explorer.ui.theme import seconds
from explorer.ui.words import label, plain

TICK = 1.5  # seconds between two looks at what goes on
LISTED = 5  # sweeps that are over, before somebody asks for all
KEPT = (
    "Sweeps, their order and every finished epoch are on disk: after a restart of the server a sweep that was going on goes on by itself, "
    "and finished runs are not trained again."
)
Slots = dict[str, Any]  # name -> an empty place that the polling fragment fills


def show_sweeps() -> None:
    """A form for a new sweep, those there are, and the queue; the one polling fragment of the tab comes last."""
    try:
        now = read_now()
    except StoreError as error:
        st.error(f"{error}.")
        return
    sweep_plan.show_plan(first=not now.sweeps)
    if refused := st.session_state.pop("sweep_refused", ""):
        st.error(refused)
    slots: Slots = {}
    left, right = st.columns([1.6, 1], gap="large")
    with left:
        _list(now, slots)
    with right:
        queue_panel.show_queue(now, slots)
    st.fragment(_watch, run_every=TICK if now.moves else None)(slots, now.marks)


def _watch(slots: Slots, marks: str) -> None:
    """Everything that moves, into the places the page has left for it."""
    try:
        now = read_now()
        if now.marks != marks:
            st.rerun()
        _fill(slots, now)
    except StoreError as error:
        st.error(f"{error}.")


def _fill(slots: Slots, now: Now) -> None:
    going = {sweep.sweep_id: progress_of(sweep, now) for sweep in now.sweeps if now.goes_on(sweep)}
    for sweep in now.sweeps:
        if slot := slots.get(sweep.sweep_id):
            counts = now.counts(sweep)
            remaining = going[sweep.sweep_id].seconds_left if sweep.sweep_id in going else 0.0
            slot.progress(_share(sweep, now, going), text=progress_words(sweep, counts, remaining))
    queue_panel.show_moving(now, slots, seconds_left(now, going))


def _share(sweep: Sweep, now: Now, going: dict[str, Any]) -> float:
    """How much of a sweep is over, runs in training by their epochs."""
    counts = now.counts(sweep)
    begun = sum(m.epochs / m.config.epochs for m in going[sweep.sweep_id].members if m.status in MOVING) if (
        sweep.sweep_id in going
    ) else 0.0  # fmt: skip
    return min(1.0, (counts.finished + counts.failed + counts.stopped + begun) / max(1, counts.all))


# -- the list --------------------------------------------------------------------------------------


def _list(now: Now, slots: Slots) -> None:
    st.markdown("**Sweeps**")
    if not now.sweeps:
        st.markdown("None yet. Start one above: a grid of settings, one run for each combination.")
        return
    opened = state.page_value("sweep")
    going = [sweep for sweep in now.sweeps if now.goes_on(sweep)]
    rest = [sweep for sweep in now.sweeps if not now.goes_on(sweep)]
    asked = next((sweep for sweep in rest[LISTED:] if sweep.sweep_id == opened), None)
    shown = rest if st.session_state.get("all_sweeps") else [*rest[:LISTED], *([asked] if asked else [])]
    for sweep in (*going, *shown):
        _row(sweep, now, slots, opened == sweep.sweep_id)
    if len(shown) < len(rest):
        st.button(f"Show all {len(now.sweeps)}", key="show_all_sweeps", type="tertiary", on_click=_show_all)
    st.caption(KEPT)


def _show_all() -> None:
    st.session_state.all_sweeps = True


def _row(sweep: Sweep, now: Now, slots: Slots, opened: bool) -> None:
    counts = now.counts(sweep)
    with st.container(key=f"sweep_{sweep.sweep_id}", gap="small"):
        with st.container(horizontal=True, vertical_alignment="center", gap="small"):
            st.markdown(f"**{plain(sweep.name or grid_words(sweep.grid))}**", width="stretch")
            _buttons(sweep, state_of(sweep, counts), now, opened)
        began = time.strftime("%d %b %H:%M", time.localtime(sweep.created_at))
        grid = f"{grid_words(sweep.grid)} · " if sweep.name else ""
        st.caption(plain(f"{grid}{base_words(sweep.base, sweep.grid)} · asked for {began}"))
        slots[sweep.sweep_id] = st.empty()
        if opened:
            _members(sweep, now)


def _buttons(sweep: Sweep, how: str, now: Now, opened: bool) -> None:
    worker, counts, name = get_worker(), now.counts(sweep), sweep.sweep_id
    with st.container(horizontal=True, horizontal_alignment="right", gap="small", width="content"):
        if how == "active":
            _button("Pause", name, worker.pause_sweep, help="Its runs leave the queue; finished epochs of the one in training are kept.")
        if how in ("paused", "cancelled"):
            _button("Resume", name, worker.resume_sweep, type="primary" if how == "paused" else "secondary")
        if how in ("active", "paused"):
            _button("Cancel", name, worker.cancel_sweep, help="No more of its runs are trained. Finished runs and epochs are kept.")
        if how == "over" and counts.failed + counts.stopped:
            lost = counted(counts.failed + counts.stopped, "run")
            _button("Try again", name, _again, help=f"Train the {lost} that failed or were stopped.")
        if counts.finished:
            st.button("Regions", key=f"Regions_{name}", on_click=_regions, args=(name,), help="The region plot of its finished runs.")
        st.button("Hide runs" if opened else "Runs", key=f"runs_of_{name}", on_click=_open, args=("" if opened else name,))
        if how in ("over", "cancelled"):
            _button("Remove", name, lambda sweep_id: remove_sweep(get_store(), sweep_id), type="tertiary",
                    help="From this list only. Its runs stay; the same grid, started again, finds them.")  # fmt: skip


def _button(words: str, sweep_id: str, do: Any, **more: Any) -> None:
    """A button that gives an order; why it could not be followed is said on the page."""

    def order() -> None:
        try:
            do(sweep_id)
        except (StoreError, ValueError, OSError) as error:
            st.session_state.sweep_refused = f"{str(error).rstrip('.')}."

    st.button(words, key=f"{words}_{sweep_id}", on_click=order, **more)


def _again(sweep_id: str) -> None:
    sweep = next(each for each in read_now().sweeps if each.sweep_id == sweep_id)
    get_worker().start_sweep(sweep.base, sweep.grid, sweep.name)


def _open(sweep_id: str) -> None:
    state.forget("sweep")
    st.session_state["url_sweep"] = sweep_id


def _regions(sweep_id: str) -> None:
    state.forget("group")
    _open(sweep_id)
    st.session_state.compare_tab = "Regions"


# -- the runs of one sweep -------------------------------------------------------------------------


def _members(sweep: Sweep, now: Now) -> None:
    """A row for each run; a picked one can be opened."""
    progress = progress_of(sweep, now)
    rows = member_rows(progress.members, now, state_of(sweep, now.counts(sweep)))
    picked = st.dataframe(
        rows, hide_index=True, width="stretch", height=min(35 * (len(rows) + 1) + 3, 420), on_select="rerun", selection_mode="single-row",
        key=f"members_{sweep.sweep_id}", alt="Every run of the sweep and how it stands",
    )["selection"]["rows"]  # fmt: skip
    if picked and picked[0] < len(progress.members):
        member = progress.members[picked[0]]
        with st.container(horizontal=True, vertical_alignment="center"):
            st.button("Open on Train", key="open_member", on_click=_train, args=(member.run_id,), disabled=not _to_see(member))
            if member.cause:
                st.caption(plain(member.cause))


def member_rows(members: tuple[Member, ...], now: Now, how: str) -> pd.DataFrame:
    """Columns: each setting that differs, state, expected (time, a dash where it has begun or is over), cause where one failed."""
    live = {one.run_id: one for one in now.live}
    rows = []
    for member in members:
        begun = member.run_id in live or member.status in MOVING  # then its time left stands beside the queue, and moves
        row = {label(name): _value(name, value) for name, value in member.settings.items()}
        row |= {
            "state": member_words(member, live.get(member.run_id), how),
            "expected": seconds(None if begun else member.seconds_left or None),
        }
        row |= {"cause": member.cause if member.status == "failed" else ""}
        rows.append(row)
    frame = pd.DataFrame(rows)
    return frame if frame["cause"].any() else frame.drop(columns="cause")


def _value(name: str, value: object) -> object:
    return setting_words(name, value) if isinstance(value, str) else value


def _to_see(member: Member) -> bool:
    return member.status not in ("", "queued")


def _train(run_id: str) -> None:
    st.session_state.go_to = "train.py"
    state.write_query(run=run_id)
