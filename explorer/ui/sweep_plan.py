"""The Compare page: what a sweep will be: settings and their values, and before the start how many runs that is and how long it takes."""

from __future__ import annotations

from collections import Counter
from typing import NamedTuple

import streamlit as st

from explorer.analysis.regions import ENOUGH
from explorer.config import OPTIONS, ConfigError, RunConfig
from explorer.data.catalogue import names
from explorer.records import DataError, StoreError
from explorer.runs.grid import expand
from explorer.runs.sweeps import Expected, expected
from explorer.ui import state, theme
from explorer.ui.region_runs import comparable_sizes
from explorer.ui.services import get_store, get_worker
from explorer.ui.sweep_words import base_words, command, counted, grid_words
from explorer.ui.words import label, plain, word

FORM = "sweep_form"  # key of the panel, and first part of the keys in it
USUAL = ("model", "width", "lr", "schedule", "loss", "noise_rate", "seed", "batch_size", "epochs", "momentum", "weight_decay", "augment")
READY = {  # by probe: a sweep whose runs may all be compared by it
    "paper": {"model": ["mlp", "cnn"], "width": "8, 16, 32"},
    "fixed": {"model": ["mlp", "cnn"], "width": "8, 32", "lr": "0.01, 0.03, 0.1", "schedule": ["constant", "cosine"]},
}
WHAT = "One run for every combination. What is finished already is not trained again."
KEEP = "page"  # the form outlives a look at another tab


class Plan(NamedTuple):
    """A sweep as the form says it. configs: empty while something in the form cannot be used."""

    base: RunConfig
    grid: dict[str, tuple[str, ...]]
    configs: tuple[RunConfig, ...]


# -- filled in by a button -------------------------------------------------------------------------


def prepare(config: RunConfig, probe: str) -> None:
    """Open the form with a sweep of runs that are comparable with those of ``config``; a button's callback."""
    use_settings(config)
    ready = READY[probe]
    st.session_state[f"{FORM}_fields"] = list(ready)
    for name, values in ready.items():
        st.session_state[f"{FORM}_{name}"] = values
    st.session_state[FORM] = True
    st.session_state.compare_tab = "Sweeps"


def use_settings(config: RunConfig) -> None:
    """Make these the settings of the Train page. They were left by it, and are shown there again."""
    for name in (*OPTIONS, "source", "path"):
        st.session_state.pop(name, None)
    st.session_state.config = config


# -- the form --------------------------------------------------------------------------------------


def show_plan(*, first: bool) -> None:
    """The form in a panel that is open where there is no sweep yet."""
    st.session_state.setdefault(FORM, first)
    panel = st.expander("New sweep", key=FORM, on_change="rerun", icon=":material/add:")
    if not panel.open:
        return
    with panel:
        st.markdown(WHAT)
        base: RunConfig = st.session_state.config
        if not base.trains:
            st.info("The settings of the Train page train nothing (model none). Choose a network there first.")
            st.page_link("train.py", label="Go to Train", icon=":material/arrow_back:")
            return
        left, right = st.columns([1.5, 1], gap="large")
        with left:
            plan = _fill_in(base)
        with right:
            _expectation(plan)


def _fill_in(base: RunConfig) -> Plan:
    rest = st.container(horizontal=True, vertical_alignment="center")
    fields = [*USUAL, *(name for name in OPTIONS if name not in USUAL)]
    st.session_state.setdefault(f"{FORM}_fields", list(READY["fixed"]))
    for name, values in READY["fixed"].items():
        st.session_state.setdefault(f"{FORM}_{name}", values)
    chosen = st.multiselect("Settings to vary", fields, format_func=label, key=f"{FORM}_fields", persist_state=KEEP)
    grid: dict[str, tuple[str, ...]] = {}
    for start in range(0, len(chosen), 2):
        for column, name in zip(st.columns(2), chosen[start : start + 2], strict=False):
            with column:
                grid[name] = _values(name, base)
    with rest:
        st.markdown(f"Everything else: {plain(base_words(base, grid))}", width="stretch")
        st.page_link("train.py", label="Change", icon=":material/tune:", help="The settings of the Train page.")
    if not chosen:
        st.info("Choose at least one setting to vary.")
    return Plan(base, grid, _configs(base, grid) if chosen and all(grid.values()) else ())


def _values(name: str, base: RunConfig) -> tuple[str, ...]:
    """The values of one setting as text; none, with the reason at the field, where they cannot be used."""
    option, key = OPTIONS[name], f"{FORM}_{name}"
    if option.choices or name == "dataset":
        st.session_state.setdefault(key, [getattr(base, name)])
        known = list(option.choices or dict.fromkeys([*names(), base.dataset, *st.session_state[key]]))
        texts = st.multiselect(
            label(name), known, format_func=word, key=key, help=option.help, accept_new_options=name == "dataset", persist_state=KEEP,
        )  # fmt: skip
    else:
        st.session_state.setdefault(key, str(getattr(base, name)))
        help = f"{option.help} Takes {option.accepts}; several with commas between them."
        typed = st.text_input(label(name), key=key, help=help, persist_state=KEEP)
        texts = [text.strip() for text in typed.split(",")] if typed.strip() or option.kind is not str else [""]
    return _checked(name, texts)


def _checked(name: str, texts: list[str]) -> tuple[str, ...]:
    option = OPTIONS[name]
    if not texts:
        st.error(f"{name}: give at least one value.")
        return ()
    for text in texts:
        try:
            option.check(option.parse(text))
        except ConfigError as error:
            st.error(f"{error.field}: {error.value!r} {error.why}.")
            return ()
    return tuple(dict.fromkeys(texts))


def _configs(base: RunConfig, grid: dict[str, tuple[str, ...]]) -> tuple[RunConfig, ...]:
    try:
        return expand(base, grid)
    except ConfigError as error:
        st.error(f"{error.field}: {error.value!r} {error.why}.")
        return ()


# -- what it will be -------------------------------------------------------------------------------


def _expectation(plan: Plan) -> None:
    """How many runs, how long, what may be compared, and the start."""
    found = _expected(plan) if plan.configs else None
    if found is not None:
        st.markdown(cost_words(plan, found))
        st.caption(comparable_words(plan.configs))
    name = st.text_input("Name", key=f"{FORM}_name", placeholder=grid_words(plan.grid) or "optional", max_chars=80, persist_state=KEEP)
    to_do = len(plan.configs) - found.finished if found else 0
    st.button(
        f"Start {counted(to_do, 'run')}" if to_do else "Start", type="primary", key=f"{FORM}_start", disabled=found is None,
        on_click=_start, args=(plan, name),
    )  # fmt: skip
    if refused := st.session_state.pop(f"{FORM}_refused", ""):
        st.error(refused)
    if plan.configs:
        st.caption("The same from the command line:")
        st.code(command(plan.base, plan.grid), language="bash", wrap_lines=True)


def _expected(plan: Plan) -> Expected | None:
    """None, with the reason, where the runs could not be trained."""
    try:
        return expected(get_store(), plan.configs)
    except ConfigError as error:
        st.error(f"{error.field}: {error.value!r} {error.why}.")
    except (DataError, StoreError, OSError) as error:
        st.error(f"{str(error).rstrip('.')}.")
    return None


def cost_words(plan: Plan, found: Expected) -> str:
    """``**24 runs**, 6 of them finished already; 18 to train, about **12:30** min in all.``"""
    to_do = len(plan.configs) - found.finished
    already = f", {'all' if not to_do else found.finished} of them finished already" if found.finished else ""
    if not to_do:
        return f"**{counted(len(plan.configs), 'run')}**{already}: nothing is left to train."
    basis = "" if found.timed else " (a first guess; known better after one run)"
    rest = f"; {to_do} to train" if found.finished else ""
    return f"**{counted(len(plan.configs), 'run')}**{already}{rest}, about **{theme.seconds(found.seconds)}** min in all{basis}."


def comparable_words(configs: tuple[RunConfig, ...]) -> str:
    """Which of the runs will share a region plot, by either probe."""
    said = []
    for probe, words in (("paper", "the paper's probe"), ("fixed", "the fixed-rate probe")):
        sizes = Counter(comparable_sizes(configs, probe))
        groups = " and ".join(f"{times} × {size}" for size, times in sorted(sizes.items(), reverse=True))
        said.append(f"by {words} {groups}" if len(configs) != 1 and sizes != {len(configs): 1} else f"by {words} all")
    return f"Comparable with each other: {', '.join(said)}. Regions need {ENOUGH} or more."


def _start(plan: Plan, name: str) -> None:
    try:
        started = get_worker().start_sweep(plan.base, plan.grid, name)
    except ConfigError as error:
        st.session_state[f"{FORM}_refused"] = f"{error.field}: {error.value!r} {error.why}."
        return
    except (DataError, StoreError, OSError) as error:
        st.session_state[f"{FORM}_refused"] = f"{str(error).rstrip('.')}."
        return
    st.session_state[FORM] = False
    state.forget("sweep")
    st.session_state["url_sweep"] = started
