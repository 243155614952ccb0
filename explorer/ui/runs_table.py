"""The Compare page, first tab: all runs in a table that filters, sorts, names, notes and stars them, and chooses what is compared."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pandas as pd
import streamlit as st

from explorer.records import StoreError
from explorer.runs.summaries import RunSummary
from explorer.ui import run_list, runs_columns, runs_removal, state
from explorer.ui.assets import is_dark
from explorer.ui.chosen_runs import MOST, choose, chosen_ids
from explorer.ui.run_colours import looks
from explorer.ui.run_list import Filter
from explorer.ui.services import get_store
from explorer.ui.words import STATUS_WORDS, plain

ROW = 35  # pixels
TALLEST = 15  # rows seen at once
STYLED = 100  # rows up to which unusual settings are marked: for 500 it takes half a second, at every click
EDITOR = "runs_table"
NO_RUNS = "There is no run to compare yet. Train one first: the default takes less than a minute."


def show_runs() -> None:
    """What was deleted, the filter, the sentence above the table, the table, and what can be done with the runs chosen in it."""
    summaries = get_store().runs()
    runs_removal.show_undo()
    _refusals()
    if not summaries:
        st.title("Which run is better?")
        gone = bool(get_store().deleted())
        st.markdown("All runs are deleted; they can still be brought back." if gone else NO_RUNS)
        st.page_link("train.py", label="Go to Train", icon=":material/arrow_back:")
        runs_removal.show_disk([], 0)
        return
    wanted = _choose_filter(summaries)
    listed = [s for s in summaries if run_list.fits(s, wanted)]
    if not listed:
        st.info(f"None of the {len(summaries):,} runs fits this filter.")
        st.button("Reset the filter", on_click=_reset_filter)
        return
    with st.container(key="runs_above"):
        st.markdown(_above(summaries, listed))
    _actions(summaries, listed)
    sizes = {s.run_id: get_store().disk_use(s.run_id) for s in summaries}
    _table(listed, sizes)
    _damaged(listed)
    runs_removal.show_disk(summaries, sum(sizes.values()))


# -- the filter ------------------------------------------------------------------------------------


def _choose_filter(summaries: Sequence[RunSummary]) -> Filter:
    """Kept for the visit; only what can be chosen among is offered."""
    columns = iter(st.columns([2.4, 1, 1, 1, 1, 0.8], vertical_alignment="center"))
    with next(columns):
        text = st.text_input(
            "Find runs", key="runs_text", persist_state="session", placeholder="Find: words, an id, or a setting as lr=0.03",
            label_visibility="collapsed", icon=":material/search:",
        )  # fmt: skip
    chosen: dict[str, tuple[str, ...]] = {}
    for kind in run_list.KINDS:
        offered = run_list.kinds_in(summaries, kind)
        with next(columns):
            chosen[kind] = _choose_kind(kind, offered)
    with next(columns):
        starred = st.toggle("Starred", key="runs_starred", persist_state="session")
    return Filter(text or "", starred=starred, **chosen)


def _choose_kind(kind: str, offered: Sequence[str]) -> tuple[str, ...]:
    key = f"runs_{kind}"
    held = st.session_state.get(key)
    if held and not set(held) <= set(offered):  # the last run of its kind is gone
        st.session_state[key] = [value for value in held if value in offered]
    texts = {value: STATUS_WORDS[value].split(";")[0] if kind == "status" else value for value in offered}
    return tuple(
        st.multiselect(
            kind.capitalize(), texts, key=key, persist_state="session", format_func=texts.__getitem__, placeholder=f"Any {kind}",
            label_visibility="collapsed",
        )
    )  # fmt: skip


def _reset_filter() -> None:
    for name in ("text", "starred", *run_list.KINDS):
        st.session_state.pop(f"runs_{name}", None)


# -- words -----------------------------------------------------------------------------------------


def _above(summaries: Sequence[RunSummary], listed: Sequence[RunSummary]) -> str:
    number = f"**{len(listed):,} {'run' if len(listed) == 1 else 'runs'}**"
    if len(listed) < len(summaries):
        number += f" of {len(summaries):,}"
    configs = [s.config for s in listed if s.config is not None]
    common = plain(run_list.in_common(configs))
    if len(configs) == 1:
        return f"{number}: {common}."
    if not common:
        return f"{number}."
    styled = ", unusual ones in grey" if len(listed) <= STYLED else ""
    return f"{number}. All of them: {common}. The other settings have a column each{styled}."


def _damaged(listed: Sequence[RunSummary]) -> None:
    damaged = [s for s in listed if s.config is None]
    if damaged:
        lines = "\n".join(f"- {s.run_id}: {plain(s.cause)}" for s in damaged)
        number = "1 run is damaged" if len(damaged) == 1 else f"{len(damaged):,} runs are damaged"
        with st.expander(f"{number} and cannot be compared"):
            st.markdown(lines)


def _refusals() -> None:
    """What the store refused since the page was last drawn."""
    for said in st.session_state.pop("runs_refused", []):
        st.error(f"{said}.")


# -- what can be done with the chosen ----------------------------------------------------------------


def _actions(summaries: Sequence[RunSummary], listed: Sequence[RunSummary]) -> None:
    known = {s.run_id for s in summaries}
    chosen = [run_id for run_id in chosen_ids() if run_id in known]
    usable = [s.run_id for s in summaries if s.run_id in chosen and s.config is not None]
    with st.container(horizontal=True, vertical_alignment="center", key="runs_actions"):
        st.markdown(_chosen_words(chosen), width="content")
        st.button("Curves", on_click=_to_tab, args=("Curves",), disabled=not usable, icon=":material/show_chart:")
        st.button("Two runs", on_click=_to_tab, args=("Two runs",), disabled=len(usable) < 2, icon=":material/compare_arrows:")
        st.button("Delete", on_click=runs_removal.delete, args=(chosen,), disabled=not chosen, icon=":material/delete:")
        if len(chosen) < len(listed):
            st.button(f"Choose all {len(listed):,}", on_click=choose, args=([s.run_id for s in listed],), type="tertiary")
        if chosen:
            st.button("Choose none", on_click=choose, args=([],), type="tertiary")


def _chosen_words(chosen: Sequence[str]) -> str:
    if not chosen:
        return "Tick the runs to compare."
    words = f"**{len(chosen):,} chosen.**"
    return f"{words} Curves show the first {MOST}." if len(chosen) > MOST else words


def _to_tab(title: str) -> None:
    st.session_state["compare_tab"] = title


# -- the table -------------------------------------------------------------------------------------


def _table(listed: Sequence[RunSummary], sizes: Mapping[str, int]) -> None:
    chosen = chosen_ids()
    drawn = looks(chosen[:MOST], is_dark())
    frame = run_list.run_frame(listed, sizes, chosen, {run_id: runs_columns.picture(each) for run_id, each in drawn.items()})
    key = _key_for(frame)
    st.data_editor(
        runs_columns.marked(frame) if len(frame) <= STYLED else frame, key=key, on_change=_edited, args=(key, list(frame.index)),
        column_config=runs_columns.columns(frame, key, _open), hide_index=True, width="stretch", placeholder="",
        height=ROW * (min(len(frame), TALLEST) + 1) + 3, row_height=ROW, alt="All runs with their settings and last figures",
    )  # fmt: skip


def _key_for(frame: pd.DataFrame) -> str:
    """The widget's key. A table that was edited here and changed elsewhere since starts anew, or it would go on showing the edit."""
    version = st.session_state.setdefault(f"{EDITOR}_version", 0)
    held = st.session_state.get(f"{EDITOR}_{version}") or {}
    edits = held.get("edited_rows", {})
    same = st.session_state.get(f"{EDITOR}_rows") == list(frame.index)
    stale = same and any(frame[name].iloc[int(row)] != value for row, changed in edits.items() for name, value in changed.items())
    if stale:
        st.session_state[f"{EDITOR}_version"] = version = version + 1
    st.session_state[f"{EDITOR}_rows"] = list(frame.index)
    return f"{EDITOR}_{version}"


# -- what was done in it ---------------------------------------------------------------------------


def _edited(key: str, run_ids: list[str]) -> None:
    """Cells were changed: what says something new of a run is kept, and the ticks choose."""
    store, refused = get_store(), []
    known = {s.run_id: s for s in store.runs()}
    ticks = dict.fromkeys(chosen_ids(), True)
    keep: dict[str, Callable[[str, Any], None]] = {"name": store.rename, "note": store.annotate, "starred": store.star}
    for row, changed in st.session_state[key]["edited_rows"].items():
        summary = known.get(run_ids[int(row)])
        for name, value in changed.items() if summary is not None else ():
            run_id = run_ids[int(row)]
            if name == "compare":
                ticks[run_id] = bool(value)
            elif (value or "") != (getattr(summary, name) or ""):
                try:
                    keep[name](run_id, value if name == "starred" else value or "")
                except StoreError as error:
                    refused.append(str(error))
    choose([run_id for run_id, on in ticks.items() if on])
    st.session_state["runs_refused"] = refused


def _open(key: str) -> None:
    """A run is opened on the page that was picked in its row."""
    click = st.session_state[f"{key}_open"]
    run_ids = st.session_state[f"{EDITOR}_rows"]
    if click is None or not 0 <= click["row"] < len(run_ids):
        return
    state.write_query(run=run_ids[click["row"]], tab=None)
    st.session_state.go_to = "inspect.py" if "Inspect" in click["label"] else "train.py"
