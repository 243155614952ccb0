"""The Train page: one run, live or as it was, with the buttons that steer it."""

from __future__ import annotations

from typing import NamedTuple

import streamlit as st

from explorer.analysis.findings import story
from explorer.config import ConfigError, RunConfig
from explorer.records import DataError, Run, StoreError
from explorer.runs.worker import Live
from explorer.ui import glossary, panels, sentences, state
from explorer.ui.progress import show_progress
from explorer.ui.services import get_readings, get_store, get_worker
from explorer.ui.words import STATUS_WORDS, describe

TICK = 0.7  # seconds between two looks at a run in training
WAITING, PREPARING = "**Waiting for its turn.**", "**Preparing:** loading images and building the network."
READING = "**Reading** images, predictions and embeddings."
MOVING = ("queued", "running", "paused")
UNFINISHED = ("stopped", "failed", "interrupted")


def start_run(config: RunConfig, *, again: bool = False) -> None:
    """Queue a run and look at it; what makes it impossible is said on the page."""
    try:
        run_id = get_worker().submit(config, again=again)
    except ConfigError as error:
        st.error(f"{error.field}: {error.value!r} {error.why}.")
        return
    except (DataError, StoreError, OSError) as error:
        st.error(f"{str(error).rstrip('.')}.")
        return
    if get_store().status(run_id)[0] == "finished":
        st.toast("This run is finished already. *Run again* trains it anew.")
    state.write_query(run=run_id)


# -- one run ---------------------------------------------------------------------------------------


class Now(NamedTuple):
    """How a run stands at one instant: a page is drawn from one reading, so that its parts agree and a change is noticed."""

    live: Live | None
    status: str
    cause: str
    exists: bool

    @property
    def marks(self) -> str:
        """What title and buttons depend on: when it changes, the whole page is drawn anew."""
        return f"{self.status} {self.live.state if self.live else ''} {self.live.wish if self.live else ''} {self.exists}"

    @property
    def moves(self) -> bool:
        """Whether to look again: also at a run another process trains, or one this process has only just taken up or let go."""
        return self.live is not None or self.status in MOVING


def _now(run_id: str) -> Now:
    live = get_worker().live(run_id)  # first: a run that ends meanwhile still counts as live, and is looked at again
    status, cause = get_store().status(run_id)
    return Now(live, status, cause, get_store().exists(run_id))


def show(run_id: str) -> None:
    """Title, buttons, then everything that moves."""
    try:
        now = _now(run_id)
        known = now.moves or now.status == "failed" or now.exists
        run = _read(run_id) if known else get_store().open(run_id)  # which says why there is none
    except StoreError as error:
        st.error(f"{error}.")
        st.button("Back to the start", on_click=state.write_query, kwargs={"run": None})
        return
    config = now.live.config if now.live else run.config if run else None
    title, buttons = st.columns([5, 4], vertical_alignment="center")
    with title:
        st.markdown(f"### {describe(config) if config else 'A run in the queue'}")
    with buttons:
        _buttons(run_id, now, config)
    if now.status in ("failed", "interrupted"):
        (st.error if now.status == "failed" else st.warning)(f"{STATUS_WORDS[now.status].capitalize()}: {now.cause.rstrip('.')}.")
    slider = f"epoch_of_{run_id}"
    chosen = st.session_state.get(slider)
    if config is None or chosen == config.epochs:
        chosen = None  # the right end follows the run
    st.fragment(_watch, run_every=TICK if now.moves else None)(run_id, now.marks, chosen)
    if run is not None and config is not None:
        if config.trains:
            st.slider(
                "Epoch", 0, config.epochs, config.epochs, key=slider,
                help="All panels show this epoch. At the right end they follow the run.",
            )  # fmt: skip
        panels.show_noise(run)
    glossary.explain_terms()


def _read(run_id: str) -> Run | None:
    return get_readings().read(run_id) if get_store().exists(run_id) else None


def _buttons(run_id: str, now: Now, config: RunConfig | None) -> None:
    worker, live, status = get_worker(), now.live, now.status
    with st.container(horizontal=True, horizontal_alignment="right"):
        if live is not None and live.wish == "stopping":
            st.button("Stopping…", disabled=True)
        elif live is not None:
            held = live.state == "paused"
            if live.wish == "pausing":
                st.button("Pausing…", disabled=True)
            elif held:
                st.button("Resume", on_click=worker.resume, args=(run_id,), type="primary")
            else:
                st.button("Pause", on_click=worker.pause, args=(run_id,))
            st.button("One epoch", on_click=worker.one_epoch, args=(run_id,), help="Train to the end of this epoch, then hold.")
            st.button("Stop", on_click=worker.stop, args=(run_id,), help="Stop after this batch; finished epochs are kept.")
        elif status == "queued":
            st.button("Stop", on_click=worker.stop, args=(run_id,), help="Take it from the queue.")
        elif status in ("running", "paused"):
            st.caption("Trained by another process of this machine: stop it there.")
        elif config is not None:
            if status in UNFINISHED:
                st.button("Continue", on_click=start_run, args=(config,), type="primary", help="Go on from the last kept epoch.")
            again, what = ("Run again", "Train it anew from the start.") if config.trains else ("Read again", "Read the files anew.")
            st.button(again, on_click=start_run, args=(config,), kwargs={"again": True}, help=what)
            if status != "failed" or get_store().exists(run_id):
                st.button("Inspect", on_click=_inspect, args=(run_id,))


def _inspect(run_id: str) -> None:
    st.session_state.go_to = "inspect.py"
    state.write_query(run=run_id)


def _watch(run_id: str, marks: str, chosen: int | None) -> None:
    """Everything that moves; the one polling fragment of the page."""
    try:
        now = _now(run_id)
        run = _read(run_id)
    except StoreError as error:
        st.error(f"{error}.")
        return
    if marks != now.marks:
        st.rerun()
    live = now.live
    if run is not None and not run.config.trains and run.last_epoch > 0:
        panels.show_read(run)
        return
    if run is None or run.last_epoch < 0:
        _tell(WAITING if live is None else PREPARING if live.config.trains else READING)
        if live is None or live.config.trains:
            show_progress(live, run)
        return
    epoch = run.last_epoch if chosen is None else min(chosen, run.last_epoch)
    told = story(run, epoch)
    _tell(f"**{told}**" if epoch == run.last_epoch else f"**Epoch {epoch}.** {told}", sentences.wave_sentence(run, epoch))
    left, right = st.columns([2.35, 1], gap="medium")
    with left:
        with st.container(horizontal=True, vertical_alignment="bottom", key="progress_row"):
            show_progress(live, run)
            probe = panels.choose_probe(run)
        panels.show_charts(run, epoch if chosen is not None else None, probe)
        if suspects := sentences.suspects_sentence(run, epoch):
            st.markdown(suspects)
    with right:
        panels.show_top(run, epoch)


def _tell(*sentences: str) -> None:
    """The sentences, in room for two lines: always there, so that nothing below jumps."""
    with st.container(key="story"):
        st.markdown(" ".join(filter(None, sentences)))
