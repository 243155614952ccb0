"""The Compare page: curves of the chosen runs over each other."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from explorer.config import RunConfig
from explorer.records import StoreError
from explorer.runs.grid import differences
from explorer.runs.summaries import RunSummary
from explorer.ui import state
from explorer.ui.assets import is_dark, palette
from explorer.ui.chosen_runs import MOST, choose, chosen, chosen_ids, epochs_of, has_curve, names_of
from explorer.ui.figures_overlays import (
    BANDS,
    OverlaysInfo,
    Series,
    begins_below,
    overlays_figure,
    overlays_height,
    overlays_info,
)
from explorer.ui.live_chart import live_chart
from explorer.ui.region_runs import run_words, setting_words
from explorer.ui.run_colours import Look, look, looks
from explorer.ui.run_list import heading
from explorer.ui.run_metrics import METRICS
from explorer.ui.services import get_store
from explorer.ui.words import describe, plain

USUAL = ("test_accuracy", "memorized", "susceptibility")
NEWEST = 5  # shown where nothing is chosen
EACH, SEEDS = "run", "seed"
OVER = {"epoch": "epochs", "step": "steps", "seconds": "seconds"}
MOVING = ("queued", "running", "paused")
TICK = 2.0  # seconds between two looks at runs in training


def show_curves() -> None:
    """Which runs, which metrics, over what, grouped or not; then the panels."""
    summaries = [s for s in get_store().runs() if has_curve(s)]
    if not summaries:
        st.info("There are no curves yet: train a run, and its curve is here after the first epoch.")
        return
    place, *rest = st.columns([0.9, 3.3, 1.7, 1.5, 1.4], vertical_alignment="bottom")
    with place:
        runs = _choose_runs(summaries)
    metrics, across, by, band = _choose_view(runs, rest)
    drawn = runs if by != EACH else runs[:MOST]
    if len(drawn) < len(runs):
        st.caption(f"{len(runs):,} runs are chosen; the first {MOST} are drawn, for more lines nobody tells apart. Group them to see all.")
    moving = any(s.status in MOVING for s in drawn)
    st.fragment(_draw, run_every=TICK if moving else None)([s.run_id for s in drawn], metrics, across, by, band, moving)


def _draw(run_ids: list[str], metrics: list[str], across: str, by: str, band: str, moving: bool) -> None:
    """The panels; drawn again by themselves while one of the runs is in training."""
    known = {s.run_id: s for s in get_store().runs()}
    runs = [known[run_id] for run_id in run_ids if run_id in known]
    if moving and not any(s.status in MOVING for s in runs):
        st.rerun()
    try:
        info = overlays_info(series_of(runs, by, dark=is_dark()), metrics, across, band)
    except StoreError as error:
        st.error(f"{error}.")
        return
    height = overlays_height(info) if info.panels else 160
    title = ", ".join(METRICS[metric].title for metric in info.panels) or "Curves"
    live_chart(
        overlays_figure(info, palette()), key="overlays", height=height, alt=f"{title} of {len(runs)} runs",
        title=f"{title[0].upper()}{title[1:]} over {OVER[across]}", of=f"{len(runs)} runs",
    )  # fmt: skip
    st.caption(" ".join(notes(info, by, len(runs))))


# -- lines -----------------------------------------------------------------------------------------


def series_of(runs: Sequence[RunSummary], by: str, *, dark: bool) -> list[Series]:
    """What is drawn: each run by itself, or in groups that share a setting (by), or all settings but the seed. Raises StoreError."""
    groups = names_of(runs) if by == EACH else group_names(runs, by)
    if by == EACH:
        seen: dict[str, Look] = looks([s.run_id for s in runs], dark)
        styles = {groups[run_id]: each for run_id, each in seen.items()}
    else:
        styles = {name: look(place, dark) for place, name in enumerate(dict.fromkeys(groups.values()))}
    return [Series(groups[s.run_id], styles[groups[s.run_id]], epochs_of(s.run_id)) for s in runs]


def group_names(runs: Sequence[RunSummary], by: str) -> dict[str, str]:
    """What the group of each run is called: its value of a setting, or, over seeds, all that tells it from the other groups."""
    configs = {s.run_id: s.config.canonical() for s in runs if s.config is not None}
    if by != SEEDS:
        return {run_id: setting_words(by, getattr(config, by)) for run_id, config in configs.items()}
    without = {run_id: dataclasses.replace(config, seed=0) for run_id, config in configs.items()}
    kinds = list(dict.fromkeys(without.values()))
    said = dict(zip(kinds, run_words(kinds), strict=True)) if len(kinds) > 1 else dict.fromkeys(kinds, "all seeds")
    return {run_id: said[config] for run_id, config in without.items()}


def notes(info: OverlaysInfo, by: str, runs: int) -> list[str]:
    """What the drawing does not say by itself."""
    said = ["Nothing is smoothed."]
    if info.every > 1:
        said = [f"Nothing is smoothed; one epoch in {info.every} is drawn."]
    lines = [line for lines in info.panels.values() for line in lines]
    if by != EACH and any(line.runs > 1 for line in lines):
        said.append(f"Line: mean of the runs of a group, epoch by epoch. Band: {_band_words(info.band)}; a group of one run has none.")
    elif by != EACH:
        said.append("Every group is a single run, so there is no spread to show: train the same settings with other seeds.")
    if info.missing:
        said.append(f"Not recorded in {'this run' if runs == 1 else 'these runs'}: {', '.join(METRICS[m].title for m in info.missing)}.")
    if begins_below(info):
        said.append("The untrained network, epoch 0, lies below the frame; a double click shows all.")
    if "susceptibility" in info.panels and runs > 1:
        said.append("Raw susceptibilities compare only within one loss and schedule, on the same data.")
    return said


def _band_words(band: str) -> str:
    return "from the lowest to the highest of them" if band == "range" else "one standard deviation (n - 1) to either side"


# -- what is chosen, kept in the URL -----------------------------------------------------------------


def _choose_runs(summaries: Sequence[RunSummary]) -> list[RunSummary]:
    """The chosen runs; the newest few, said so, where none is chosen."""
    runs = chosen(summaries)
    texts = {s.run_id: f"{s.name or _described(s)} · {s.run_id}" for s in summaries}
    st.session_state["overlay_runs"] = [s.run_id for s in runs]
    shown = f"{len(runs):,} {'run' if len(runs) == 1 else 'runs'}" if runs else f"Newest {min(NEWEST, len(summaries))}"
    with st.popover(shown, width="stretch"):
        st.markdown("Runs that are drawn; the first tab shows more of each." if runs else "None is chosen, so the newest are drawn.")
        st.multiselect(
            "Runs", texts, key="overlay_runs", format_func=texts.__getitem__, on_change=_runs_chosen, label_visibility="collapsed",
            placeholder="Choose runs", width=640,
        )  # fmt: skip
    return runs or list(summaries[:NEWEST])


def _described(summary: RunSummary) -> str:
    return describe(summary.config) if summary.config is not None else summary.run_id


def _runs_chosen() -> None:
    kept = list(st.session_state["overlay_runs"])
    hidden = [run_id for run_id in chosen_ids() if run_id not in {s.run_id for s in get_store().runs() if has_curve(s)}]
    choose([*kept, *hidden])


def _choose_view(runs: Sequence[RunSummary], places: Sequence[DeltaGenerator]) -> tuple[list[str], str, str, str]:
    """(metrics, key of ACROSS, how runs are grouped, key of BANDS); each choice in its place."""
    with places[0]:
        metrics = _choose_metrics(runs)
    with places[1]:
        across = _segmented("across", "Over", OVER)
    with places[2]:
        by = _choose_groups(runs)
    with places[3]:
        band = "range" if by == EACH else _pick("band", "Band", BANDS)
    usual = list(metrics) == usual_metrics(runs)
    state.write_query(
        metrics=None if usual else ",".join(metrics), across=_unless(across, "epoch"), by=_unless(by, EACH), band=_unless(band, "range")
    )
    return metrics or usual_metrics(runs), across, by, band


def usual_metrics(runs: Sequence[RunSummary]) -> list[str]:
    """Test accuracy, and of the other usual ones what at least one of the runs has."""
    return [name for name in USUAL if name == USUAL[0] or any(s.last.get(name, float("nan")) == s.last.get(name) for s in runs)]


def _choose_metrics(runs: Sequence[RunSummary]) -> list[str]:
    if "overlay_metrics" not in st.session_state:
        asked = [name for name in state.page_value("metrics").split(",") if name in METRICS]
        st.session_state["overlay_metrics"] = asked or usual_metrics(runs)
    return st.multiselect(
        "Metrics", list(METRICS), key="overlay_metrics", persist_state="page", format_func=lambda name: METRICS[name].title,
        placeholder="Choose at least one",
    )  # fmt: skip


def _choose_groups(runs: Sequence[RunSummary]) -> str:
    configs: list[RunConfig] = [s.config for s in runs if s.config is not None]
    texts = {EACH: "each run", SEEDS: "seeds (all else equal)"}
    texts |= {name: heading(name) for name in differences(configs) if name != "seed"}
    return _pick("by", "One line for", texts)


def _pick(name: str, label: str, texts: dict[str, str]) -> str:
    key = state.linked(name, texts, next(iter(texts)), "choice")
    return str(st.selectbox(label, texts, key=state.reworded(key, texts), format_func=lambda value: texts.get(value, plain(value))))


def _segmented(name: str, label: str, texts: dict[str, str]) -> str:
    key = state.linked(name, texts, next(iter(texts)), "choice")
    return str(st.segmented_control(label, list(texts), key=key, format_func=texts.__getitem__, required=True))


def _unless(value: str, usual: str) -> str | None:
    return None if value == usual else value
