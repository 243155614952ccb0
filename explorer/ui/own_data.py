"""The Inspect page: the way in for images with predictions of their owner's; nothing is trained."""

from __future__ import annotations

import streamlit as st

from explorer.config import UNTRAINED, ConfigError, RunConfig
from explorer.records import DataError, StoreError
from explorer.ui import state
from explorer.ui.controls import choose_columns
from explorer.ui.controls_model import given_files
from explorer.ui.services import get_store, get_worker

TICK = 0.5  # seconds between two looks at files that are being read
PREFIX = "own_"  # of the widgets' keys: the settings of the Train page stay as they are
FIELDS = ("dataset", "label_column", "true_label_column", "pred_probs", "pred_probs_kind", "embeddings")
WHAT = (
    "Images, and if you have them the predictions and embeddings of a network of your own. They are looked at as they are: all images, "
    "the labels as they come."
)


def offer() -> None:
    """A form for paths, and what became of the last ones; the run is shown as soon as it can be."""
    for name in FIELDS:
        st.session_state.setdefault(PREFIX + name, getattr(RunConfig(), name) if name != "dataset" else "")
    started = st.session_state.setdefault("own_started", 0)  # a new key is a closed popover
    with st.popover("Inspect your own images without training", icon=":material/folder_open:", key=f"own_data_{started}"):
        st.markdown(WHAT)
        path = st.text_input(
            "Path of the images", key=f"{PREFIX}dataset", placeholder="folder, .parquet or .csv on the machine that runs this app",
            help="A Parquet folder or file (Hugging Face convention), an ImageFolder tree, or a CSV with path,label[,true_label].",
        )  # fmt: skip
        if path.strip():
            choose_columns(path.strip(), PREFIX)
        given_files(PREFIX)
        st.button("Inspect", type="primary", key=f"{PREFIX}inspect", on_click=_start)
    if refused := st.session_state.pop("own_refused", ""):
        st.error(refused)
    if run_id := st.session_state.get("own_run"):
        _follow(run_id)


def _start() -> None:
    try:
        config = RunConfig(model=UNTRAINED, **{name: st.session_state[PREFIX + name].strip() for name in FIELDS})
        st.session_state.own_run = get_worker().submit(config)
        st.session_state.own_started += 1
    except ConfigError as error:
        st.session_state.own_refused = f"{error.field}: {error.value!r} {error.why}."
    except (DataError, StoreError, OSError) as error:
        st.session_state.own_refused = f"{str(error).rstrip('.')}."


def _follow(run_id: str) -> None:
    """Show the run once its files are read, or say why it cannot be."""
    if _moves(run_id):
        st.fragment(_wait, run_every=TICK)(run_id)
        return
    status, cause = get_store().status(run_id)
    del st.session_state.own_run
    if status == "finished":
        state.forget("page", "image", "cell")
        state.write_query(run=run_id)
    else:
        st.error(f"{cause.rstrip('.') or 'It was stopped before it was read'}.")


def _moves(run_id: str) -> bool:
    live = get_worker().live(run_id)  # first: a run that ends meanwhile still counts as live, and is looked at again
    return live is not None or get_store().status(run_id)[0] in ("queued", "running", "paused")


def _wait(run_id: str) -> None:
    """The one polling fragment: when the files are read the whole page is drawn anew."""
    if not _moves(run_id):
        st.rerun()
    live = get_worker().live(run_id)
    st.markdown("**Waiting for its turn:** a network is in training." if live is None else "**Reading** images and files…")
