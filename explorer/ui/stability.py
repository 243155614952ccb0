"""The Inspect page: memorization as Feldman and Zhang define it, estimated here, or read from a published file."""

from __future__ import annotations

import dataclasses
import os
import shlex
import tempfile
from pathlib import Path

import streamlit as st

from explorer.config import ConfigError, MemorizationConfig
from explorer.records import DataError, Run, StoreError
from explorer.runs.memorization import StoredMemorization, matching, memorizations, same_data
from explorer.runs.memorization_files import MemorizationFolder
from explorer.runs.memorization_jobs import MemorizationLive
from explorer.runs.published import import_published
from explorer.ui.services import data_config, get_store, get_worker
from explorer.ui.stability_results import show_results
from explorer.ui.words import word

WHAT = (
    "How far does an image have to be in the training set to be got right? Train many networks, each on a random part of the images: an "
    "image's *memorization* is the share of networks that predict its given label when it was inside, minus the share when it was not."
)
TICK = 1.0  # seconds between two looks at an estimate that goes on
UPLOAD_MB = 20


def show_memorization(run: Run) -> None:
    """The estimate of these images and labels, the one that goes on, or how to come by one."""
    st.markdown(f"{WHAT} Near 1: an exception, or a wrong label. Near 0: like many others (Feldman, Zhang 2020, arXiv:2008.03703).")
    try:
        stored = matching(get_store().root, run)
    except StoreError as error:
        st.error(f"{error}.")
        return
    known = _ids(run)
    for each in filter(None, map(get_worker().memorization_live, known)):
        if each.state == "failed":
            st.error(f"The estimate failed: {each.cause.rstrip('.')}. Finished networks are kept; *Start* goes on with them.")
    going = next((memorization_id for memorization_id in known if _moves(memorization_id)), None)
    if going is not None:
        _show_going(going)
    if stored:
        show_results(run, _choose(stored))
    if going is None:
        with st.expander("More networks, or a published estimate") if stored else st.container():
            left, right = st.columns(2, gap="large")
            with left:
                _offer(run)
            with right:
                _upload(run)


def _choose(stored: list[StoredMemorization]) -> StoredMemorization:
    if len(stored) == 1:
        return stored[0]
    found = {each.memorization_id: each for each in stored}
    chosen = st.selectbox(
        "Estimate", list(found), format_func=lambda i: describe(found[i]), key="memorization_chosen", persist_state="page"
    )
    return found[chosen]


def describe(stored: StoredMemorization) -> str:
    """An estimate in one line of words."""
    if stored.source:
        return f"published · {stored.source}"
    config = stored.config
    part = f"{100 * config.subset_ratio:g} % of the images each"
    status = "" if stored.status == "finished" else f" · {stored.status}"
    return f"{stored.models:,} networks · {word(config.model)} · {part} · {config.epochs} epochs · seed {config.seed}{status}"


# -- one that goes on ------------------------------------------------------------------------------


def _ids(run: Run) -> list[str]:
    """Ids of the estimates of these data: the one asked for here first, which may have no folder yet."""
    started = st.session_state.get("memorization_started", {}).get(run.run_id)
    found = [each.memorization_id for each in memorizations(get_store().root) if each.config and same_data(each.config, run.config)]
    return list(dict.fromkeys([*([started] if started else []), *found]))


def _moves(memorization_id: str) -> bool:
    """Whether to look again: this server, or another process, trains it, or it waits for its turn."""
    live = get_worker().memorization_live(memorization_id)
    return live.state != "failed" if live is not None else _trained_by_another(memorization_id)


def _trained_by_another(memorization_id: str) -> bool:
    folder = MemorizationFolder.of(get_store().root, memorization_id)
    return folder.path.exists() and folder.is_locked()


def _show_going(memorization_id: str) -> None:
    """Progress, in the one polling fragment of the tab, and a button beside it."""
    live = get_worker().memorization_live(memorization_id)
    left, right = st.columns([5, 1], vertical_alignment="center")
    with left:
        st.fragment(_watch, run_every=TICK)(memorization_id, _marks(live))
    with right:
        if live is not None:
            st.button(
                "Stopping…" if live.wish else "Stop", key="memorization_stop", disabled=bool(live.wish), width="stretch",
                on_click=get_worker().stop_memorization, args=(memorization_id,), help="Finished networks are kept, and can be continued.",
            )  # fmt: skip


def _marks(live: MemorizationLive | None) -> str:
    return f"{live.state} {live.wish}" if live is not None else ""


def _watch(memorization_id: str, marks: str) -> None:
    """How far it is; when anything else changes the whole page is drawn anew."""
    live = get_worker().memorization_live(memorization_id)
    if not _moves(memorization_id) or _marks(live) != marks:
        st.rerun()
    share, words = progress_words(live)
    st.progress(share, text=words)


def progress_words(live: MemorizationLive | None) -> tuple[float, str]:
    """(share done, in words) of an estimate that goes on; None: another process trains it."""
    if live is None:
        return 0.0, "Another process of this machine trains the networks: stop it there."
    if live.state == "queued":
        return 0.0, "Waiting for its turn: runs go first."
    if live.progress is None:
        return 0.0, "Preparing: loading images and building the networks."
    done, total, epoch = live.progress.done, live.progress.total, live.progress.epoch
    return min(1.0, done / max(1, total)), f"{done:,} of {total:,} networks; the next are at epoch {epoch}/{live.config.epochs}"


# -- how to come by one ----------------------------------------------------------------------------


def _offer(run: Run) -> None:
    """Number of networks, what they cost, a button, and the same as a command."""
    st.markdown("**Estimate it here**")
    models = st.number_input(
        "Number of networks", min_value=2, max_value=100_000, value=MemorizationConfig().models, step=50, key="memorization_models",
        persist_state="page",
        help="The error falls with its square root: four times as many halve it. More networks go on where fewer stopped.",
    )  # fmt: skip
    config = config_for(run, int(models))
    try:
        st.markdown(cost(config, run))
    except ConfigError as error:
        st.error(f"{error.field}: {error.value!r} {error.why}.")
        return
    st.button("Start", type="primary", key="memorization_start", on_click=_start, args=(config, run.run_id))
    if refused := st.session_state.pop("memorization_error", ""):
        st.error(refused)
    st.code(command(config), language="bash", wrap_lines=True)


def config_for(run: Run, models: int) -> MemorizationConfig:
    """An estimate for the images and labels of a run, by so many networks."""
    return MemorizationConfig(**dataclasses.asdict(data_config(run.config)), models=models)


def cost(config: MemorizationConfig, run: Run) -> str:
    """What an estimate takes, in words, and beside the run's own training. Raises ConfigError for too few images."""
    N = len(run.labels.given_label)
    inside = config.subset_size(N)
    networks = f"{config.models:,} networks ({word(config.model)}) × {config.epochs} epochs × {inside:,} images"
    if not run.config.trains:
        return f"{networks}: here networks are trained on your images, small ones."
    steps = config.models * config.epochs * inside / (run.config.epochs * N)
    return f"{networks}: each image is trained on {steps:,.0f} times as often as in this run, by a small network."


def command(config: MemorizationConfig) -> str:
    """The same estimate from the command line."""
    flags = [f"--{name} {shlex.quote(value)}" for name, value in config.to_query().items()]
    elsewhere = [f"--runs {shlex.quote(str(get_store().root))}"] if os.environ.get("EXPLORER_HOME") else []
    return " ".join(["python -m explorer memorization", *flags, *elsewhere])


def _start(config: MemorizationConfig, run_id: str) -> None:
    try:
        started = get_worker().start_memorization(config)
    except ConfigError as error:
        st.session_state.memorization_error = f"{error.field}: {error.value!r} {error.why}."
        return
    except (DataError, StoreError, OSError) as error:
        st.session_state.memorization_error = f"{str(error).rstrip('.')}."
        return
    st.session_state.setdefault("memorization_started", {})[run_id] = started


def _upload(run: Run) -> None:
    st.markdown("**Read a published estimate**")
    st.markdown(
        "A file of NumPy arrays with one value per image, such as those of "
        "[Feldman and Zhang](https://pluskid.github.io/influence-memorization/) (*tr_mem*), or *memorization* and *index*. It must be "
        "for the very images and labels of this run."
    )
    file = st.file_uploader("File", type=["npz"], max_upload_size=UPLOAD_MB, key="memorization_file", label_visibility="collapsed")
    if file is None or st.session_state.get("memorization_read") == (file.file_id, run.run_id):
        return
    try:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / Path(file.name).name
            path.write_bytes(file.getvalue())
            import_published(get_store().root, path, config_for(run, MemorizationConfig().models))
    except ConfigError as error:
        st.error(f"{error.field}: {error.value!r} {error.why}.")
    except (DataError, StoreError, OSError) as error:
        st.error(f"{str(error).rstrip('.')}.")
    else:
        st.session_state.memorization_read = file.file_id, run.run_id
        st.rerun()
