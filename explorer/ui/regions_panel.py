"""The Compare page: the four regions. First a model is chosen without clean labels, then its test accuracy is revealed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd
import streamlit as st

from explorer.analysis.regions import ENOUGH, why_not_comparable
from explorer.config import RunConfig
from explorer.records import StoreError
from explorer.runs.region_tables import joins
from explorer.runs.store import RunSummary
from explorer.runs.sweeps import sweeps
from explorer.ui import region_results, sentences, state, sweep_plan
from explorer.ui.assets import is_dark, palette
from explorer.ui.figures_plane import AXES
from explorer.ui.figures_regions import SYMBOLS, Point, regions_figure, regions_info
from explorer.ui.live_chart import live_chart
from explorer.ui.region_runs import PROBE_OF, Group, about, groups, points_of, regions_of, usual_group
from explorer.ui.run_colours import looks
from explorer.ui.services import get_store
from explorer.ui.sweep_words import counted, sweep_words
from explorer.ui.theme import percent, significant
from explorer.ui.words import STATUS_WORDS, describe, plain, word

WHAT = (
    "Which model would you deploy without a clean test set? The rule: one of **region 1**, that fits its training labels better than the "
    "mean run and gives way to random labels less."
)
PROBES = {"paper": "paper's probe", "fixed": "fixed-rate probe"}
EVERY = "all runs"
HEIGHT = 430
LISTED = 300  # runs that cannot join


def show_regions() -> None:
    """Which runs are compared, the plane, your choice, and behind a button what the test images say."""
    st.markdown(WHAT)
    summaries = get_store().runs()
    scope, place, probe = _choose_scope(summaries)
    found = groups(scope, probe)
    if not found:
        _nothing_yet(scope, probe)
        return
    with place:
        group = _choose_group(found)
    points = points_of(group.runs, probe)
    config = group.runs[0].config
    assert config is not None
    try:
        if len(points) < ENOUGH:
            _too_few(group, config, probe)
            _plane(points, probe, about(group.runs[0].run_id), group.key, False, {})
        else:
            _choose_then_reveal(group, points, probe)
    except StoreError as error:
        st.error(f"{error}.")
    if words := sentences.caveat(config, len(points) - 1, fixed_rate=probe == "fixed"):
        st.caption(words)
    _cannot_join(scope, group, probe)


# -- which runs ------------------------------------------------------------------------------------


def _choose_scope(summaries: Sequence[RunSummary]) -> tuple[list[RunSummary], st.delta_generator.DeltaGenerator, str]:
    """(the runs of all or of one sweep, where the choice of a group goes, the probe)."""
    left, middle, right = st.columns([1.1, 2.6, 1.3], vertical_alignment="bottom")
    known = {sweep.sweep_id: sweep for sweep in sweeps(get_store())}
    texts = {EVERY: EVERY} | {sweep_id: sweep_words(sweep) for sweep_id, sweep in known.items()}
    with left:
        chosen = st.selectbox("Compare", texts, key=_key("sweep", texts, EVERY), format_func=texts.__getitem__) or EVERY
    with right:
        probe = _choose_probe()
    state.write_query(sweep=None if chosen == EVERY else chosen)
    return [s for s in summaries if chosen == EVERY or s.run_id in known[chosen].run_ids], middle, probe


def _key(name: str, texts: dict[str, str], default: str) -> str:
    """The key of a select box that starts with what the link says; what is there no longer gives way to the default."""
    if state.page_value(name) not in texts:
        state.forget(name)
    return state.reworded(state.linked(name, texts, default, name), texts)


def _choose_probe() -> str:
    """The probe that gives the x axis, a key of AXES; kept in the URL, as on the Train page."""
    asked = state.page_value("axis")
    chosen = st.segmented_control(
        "Susceptibility by", list(PROBES), default=asked if asked in PROBES else "paper", required=True, format_func=PROBES.__getitem__,
        key="regions_axis", help="The paper's probe steps as the training does, so it compares only runs of one schedule, rate and batch "
        "size. The fixed-rate probe compares them all.",
    )  # fmt: skip
    state.write_query(axis=None if chosen == "paper" else chosen)
    return chosen or "paper"


def _choose_group(found: Sequence[Group]) -> Group:
    known = {group.key: group for group in found}
    usual = usual_group(found).key
    texts = {group.key: f"{group.words} · {counted(len(group.runs), 'run')}" for group in found}
    chosen = st.selectbox("Comparable runs", texts, key=_key("group", texts, usual), format_func=texts.__getitem__) or usual
    state.write_query(group=None if chosen == usual else chosen)
    return known[chosen]


def _nothing_yet(scope: Sequence[RunSummary], probe: str) -> None:
    """No run has a place in the plane."""
    trained = any(s.status == "finished" and s.config is not None and s.config.trains for s in scope)
    if trained:
        words = f"No finished run recorded a susceptibility by the {PROBES[probe]}: train with a probe rate above 0."
    else:
        words = f"No run is finished yet. Regions rest on the means of at least {ENOUGH} comparable runs."
    _offer_sweep(words, st.session_state.config, probe)


def _too_few(group: Group, config: RunConfig, probe: str) -> None:
    there = f"{counted(len(group.runs), 'comparable run')} {'is' if len(group.runs) == 1 else 'are'} finished"
    more = "" if probe == "fixed" else ", and for the paper's probe schedule, learning rate and batch size"
    words = f"No regions yet: their borders are the means of at least {ENOUGH} comparable runs, and only {there}."
    _offer_sweep(f"{words} Comparable runs share data, labels and loss{more}.", config, probe)


def _offer_sweep(words: str, config: RunConfig, probe: str) -> None:
    left, right = st.columns([2.2, 1], vertical_alignment="center", gap="medium")
    left.info(words)
    right.button(
        "Set up a sweep of comparable runs", type="primary", on_click=sweep_plan.prepare, args=(config, probe),
        help="Fills in the form under Sweeps. Nothing starts before you say so.",
    )  # fmt: skip


def _cannot_join(scope: Sequence[RunSummary], group: Group, probe: str) -> None:
    """The other runs, each with the sentence why it is not in the plot."""
    inside = {run.run_id for run in group.runs}
    others = [summary for summary in scope if summary.run_id not in inside]
    if not others:
        return
    panel = st.expander(f"Runs that cannot join: {len(others):,}", key="cannot_join", on_change="rerun")
    if not panel.open:
        return
    rows = [(describe(s.config) if s.config else s.run_id, _why_not(s, group, probe)) for s in others[:LISTED]]
    with panel:
        st.dataframe(pd.DataFrame(rows, columns=["run", "why not"]), hide_index=True, width="stretch", alt="Runs that cannot join, and why")
        if len(others) > LISTED:
            st.caption(f"The newest {LISTED} of {len(others):,}.")


def _why_not(summary: RunSummary, group: Group, probe: str) -> str:
    here = group.runs[0].config
    if summary.config is None or summary.status == "damaged":
        return f"Damaged: {summary.cause}."
    if summary.config.trains and summary.status != "finished":
        return f"Not finished: {STATUS_WORDS[summary.status].split(';')[0]}."
    if summary.config.trains and not joins(summary, PROBE_OF[probe]):
        return f"It recorded no susceptibility by the {PROBES[probe]} (probe rate 0)."
    return why_not_comparable(summary.config, here, fixed_rate=probe == "fixed") if here is not None else ""


# -- first choose, then reveal ---------------------------------------------------------------------


def _choose_then_reveal(group: Group, points: list[Point], probe: str) -> None:
    """What is chosen and whether it is revealed is this visitor's own, and forgotten with the visit."""
    flow = st.session_state.setdefault(f"deploy_{probe}_{group.key}", {"chosen": "", "revealed": False})
    ids = [point.run_id for point in points]
    if flow["chosen"] not in ids:  # none yet, or deleted meanwhile
        flow.update(chosen="", revealed=False)
    facts = about(ids[0])
    outcome = region_results.outcome_of(group, points, flow["chosen"], facts) if flow["revealed"] else None
    left, right = st.columns([2.35, 1], gap="medium")
    with left:
        marked = {"choice": flow["chosen"]} | (outcome.marked if outcome else {})
        clicked = _plane(points, probe, facts, group.key, outcome is not None, marked)
    if clicked in ids and clicked != flow["chosen"] and outcome is None:
        flow["chosen"] = clicked
        st.rerun()
    with right:
        if outcome is None:
            _choose(points, f"{probe}_{group.key}", flow, facts)
        else:
            region_results.show_verdict(outcome)
            st.button("Hide and choose again", on_click=flow.update, kwargs={"chosen": "", "revealed": False})
    if outcome is not None:
        region_results.show_tables(outcome)


def _plane(
    points: list[Point], probe: str, facts: dict[str, Any], key: str, revealed: bool, marked: dict[str, str]
) -> int | str | None:  # fmt: skip
    info = regions_info(points, probe=probe, wrong_rate=facts["noise"]["wrong_rate"], revealed=revealed, marked=marked)
    own = {run_id: look.colour for run_id, look in looks([point.run_id for point in points], is_dark()).items()}
    figure = regions_figure(info, palette(), own, HEIGHT, region_results.test_words(facts))
    figure["layout"]["uirevision"] = f"{probe} {key}"  # another group is another picture
    clicked = live_chart(
        figure, key="regions", height=HEIGHT, clickable=True,
        alt=f"{len(points)} runs by {AXES[probe][1]} and training accuracy, in four regions at the means",
    )  # fmt: skip
    shapes = " · ".join(f"{SYMBOLS[model][1]} {word(model)}" for model in dict.fromkeys(point.model for point in points))
    test = [point.test_accuracy for point in points]
    told = f"The fuller and larger, the higher the {region_results.test_words(facts)}: {percent(min(test))} to {percent(max(test))}."
    st.caption(f"{shapes}. Each run keeps its colour on every chart. {told if revealed else ''}")
    return clicked


def _choose(points: list[Point], key: str, flow: dict[str, Any], facts: dict[str, Any]) -> None:
    """Steps 1 and 2; what needs clean labels stays hidden."""
    found = regions_of(points)
    region = dict(zip([p.run_id for p in points], found.region, strict=True)) if found else {}
    listed = sorted(points, key=lambda p: (region.get(p.run_id, 0), p.words))
    texts = {p.run_id: _choice_text(p, region.get(p.run_id, 0)) for p in listed}
    st.markdown("**1 · Choose the model you would deploy.** Click a mark, or take it from the list.")
    box = f"deploy_box_{key}"
    if st.session_state.get(box) != (flow["chosen"] or None):  # by a click on a mark
        st.session_state[box] = flow["chosen"] or None
    st.selectbox(
        "Your choice", texts, key=box, format_func=texts.__getitem__, index=None, placeholder="none chosen yet",
        label_visibility="collapsed", on_change=lambda: flow.update(chosen=st.session_state[box] or ""),
    )  # fmt: skip
    if flow["chosen"]:
        point = next(p for p in points if p.run_id == flow["chosen"])
        measured = f"susceptibility {significant(point.susceptibility)} nats, training accuracy {percent(point.train_accuracy)}"
        st.markdown(f"**{plain(point.words)}**  \n{measured}")
    tested = facts["data"]["test_images"][0]
    if not tested:
        st.markdown("These runs were tested on no images: there is nothing to reveal.")
        return
    st.markdown("**2 · Reveal** what the test images say.")
    st.button(
        "Reveal", type="primary", key=f"reveal_{key}", disabled=not flow["chosen"], on_click=flow.update, kwargs={"revealed": True},
        help=None if flow["chosen"] else "Choose a model first.",
    )  # fmt: skip
    st.caption("Until then nobody sees test accuracy here: in practice clean labels are what one lacks.")


def _choice_text(point: Point, region: int) -> str:
    return f"region {region} · {point.words}" if region else point.words
