"""The Train page: one run, live or as it was, with the buttons that steer it."""

from __future__ import annotations

import math

import pandas as pd
import streamlit as st

from explorer.analysis.findings import story
from explorer.analysis.regions import comparable
from explorer.config import ConfigError, RunConfig
from explorer.records import DataError, Run, StoreError
from explorer.runs.store import RunSummary
from explorer.runs.worker import Live
from explorer.ui import cards, figures, figures_images, figures_plane, glossary, state, theme
from explorer.ui.assets import palette
from explorer.ui.controls import word
from explorer.ui.gallery import gallery
from explorer.ui.live_chart import live_chart
from explorer.ui.services import get_readings, get_store, get_worker

TICK = 0.7  # seconds between two looks at a run in training
TOP_CARDS = 8
UNFINISHED = ("stopped", "failed", "interrupted")
STATUS_WORDS = {
    "queued": "waiting for its turn", "running": "training", "paused": "paused", "stopped": "stopped; the finished epochs are kept",
    "finished": "finished", "failed": "failed", "interrupted": "interrupted", "damaged": "damaged",
}  # fmt: skip


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
    state.write_query(run=run_id)


def describe(config: RunConfig) -> str:
    """A run in one line of words."""
    noise = "no added noise" if config.noise == "none" else f"{word(config.noise)} {100 * config.noise_rate:g} %"
    name = config.dataset.rstrip("/").rsplit("/", 1)[-1]
    return f"{name} · {noise} · {word(config.model)} · {word(config.loss)} · seed {config.seed}"


def show_nothing_yet(config: RunConfig | None) -> None:
    """First visit, or a store without runs."""
    st.title("Watch a network learn, then memorize")
    st.markdown(
        "Some training labels are made wrong on purpose. Press **Start**: the default takes real handwritten digits, one label "
        "in five wrong, and less than a minute on a laptop."
    )
    steps = (
        ("1 · It learns", "First the network learns what the classes look like. It sees through most wrong labels; test accuracy rises."),
        ("2 · It memorizes", "Then it fits the wrong labels one by one. Training accuracy climbs above its ceiling, test accuracy falls."),
        ("3 · You look", "The images it had to memorize stand at the top, beside look-alikes under other labels: real errors hide there."),
    )  # fmt: skip
    for column, (title, text) in zip(st.columns(3, gap="medium"), steps, strict=True):
        column.markdown(f"**{title}**  \n{text}")
    if config is not None:
        st.button("Start the demo", type="primary", on_click=start_run, args=(config,))
    runs = get_store().runs()
    earlier = [summary for summary in runs if summary.config is not None]
    if earlier:
        st.subheader("Earlier runs")
        _run_list(earlier)
    if damaged := [summary for summary in runs if summary.config is None]:
        st.caption(f"Not listed, because damaged: {'; '.join(f'{each.run_id} ({each.cause})' for each in damaged[:3])}.")


def _run_list(earlier: list[RunSummary]) -> None:
    for summary in earlier[:8]:
        assert summary.config is not None
        left, right = st.columns([6, 1], vertical_alignment="center")
        last = summary.last
        result = f" · test {theme.percent(last['test_accuracy'])}, memorized {theme.percent(last['memorized'])}" if last else ""
        left.markdown(f"{describe(summary.config)} · {STATUS_WORDS[summary.status]}{result}")
        right.button("Open", key=f"open_{summary.run_id}", on_click=open_run, args=(summary.run_id,), width="stretch")


def open_run(run_id: str) -> None:
    state.write_query(run=run_id)


# -- one run ---------------------------------------------------------------------------------------


def show(run_id: str) -> None:
    """Title, buttons, then everything that moves."""
    try:
        status, cause = get_store().status(run_id)
        live = get_worker().live(run_id)
        known = live is not None or status in ("queued", "failed") or get_store().exists(run_id)
        run = _read(run_id) if known else get_store().open(run_id)  # which says why there is none
    except StoreError as error:
        st.error(f"{error}.")
        st.button("Back to the start", on_click=state.write_query, kwargs={"run": None})
        return
    config = live.config if live else run.config if run else None
    title, buttons = st.columns([5, 4], vertical_alignment="center")
    with title:
        st.markdown(f"### {describe(config) if config else 'A run in the queue'}")
    with buttons:
        _buttons(run_id, status, live, config)
    if status in ("failed", "interrupted"):
        (st.error if status == "failed" else st.warning)(f"{STATUS_WORDS[status].capitalize()}: {cause.rstrip('.')}.")
    slider = f"epoch_of_{run_id}"
    chosen = st.session_state.get(slider)
    if config is None or chosen == config.epochs:
        chosen = None  # the right end follows the run
    active = live is not None or status == "queued"
    st.fragment(_watch, run_every=TICK if active else None)(run_id, _marks(run_id), chosen)
    if run is not None and config is not None:
        st.slider(
            "Epoch", 0, config.epochs, config.epochs, key=slider, help="All panels show this epoch. At the right end they follow the run."
        )
        _labels(run)
    glossary.explain_terms()


def _read(run_id: str) -> Run | None:
    return get_readings().read(run_id) if get_store().exists(run_id) else None


def _marks(run_id: str) -> str:
    """What the buttons depend on: when it changes, the whole page is drawn anew."""
    live = get_worker().live(run_id)
    return f"{get_store().status(run_id)[0]} {live.state if live else ''} {live.wish if live else ''} {get_store().exists(run_id)}"


def _buttons(run_id: str, status: str, live: Live | None, config: RunConfig | None) -> None:
    worker = get_worker()
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
            st.button("Run again", on_click=start_run, args=(config,), kwargs={"again": True}, help="Train it anew from the start.")
            if status != "failed" or get_store().exists(run_id):
                st.button("Inspect", on_click=_inspect, args=(run_id,))


def _inspect(run_id: str) -> None:
    st.session_state.go_to = "pages/inspect.py"
    state.write_query(run=run_id)


def _watch(run_id: str, marks: str, chosen: int | None) -> None:
    """Everything that moves; the one polling fragment of the page."""
    if marks != _marks(run_id):
        st.rerun()
    live = get_worker().live(run_id)
    try:
        run = _read(run_id)
    except StoreError as error:
        st.error(f"{error}.")
        return
    if run is None or not len(run.epochs["epoch"]):
        _progress(live, run)
        st.markdown("**Waiting for its turn.**" if live is None else "**Preparing:** loading images and building the network.")
        return
    epoch = run.last_epoch if chosen is None else min(chosen, run.last_epoch)
    st.markdown(f"**{story(run, epoch)}**" if epoch == run.last_epoch else f"**Epoch {epoch}.** {story(run, epoch)}")
    _progress(live, run)
    left, right = st.columns([2.35, 1], gap="medium")
    with left:
        _charts(run, epoch if chosen is not None else None)
    with right:
        _top(run, epoch)


def _progress(live: Live | None, run: Run | None) -> None:
    if live is None:
        return
    total = live.config.epochs
    done = run.last_epoch if run is not None else 0
    progress = live.progress
    phase = {"train": "training", "evaluate": "evaluating", "curvature": "probing curvature", "susceptibility": "probing susceptibility"}
    words = [f"epoch {max(0, min(total, done + 1 if progress and progress.epoch > done else done))}/{total}"]
    if live.state == "paused":
        words.append("paused")
    elif progress is not None:
        words.append(phase[progress.phase])
    if live.epochs_timed > 1:
        words.append(f"{theme.seconds(live.epoch_seconds * (total - done))} left")
    if live.images_per_second:
        words.append(f"{theme.count(live.images_per_second)} images/s")
    st.progress(min(1.0, max(0.0, done / total)), text=", ".join(words))


def _charts(run: Run, chosen: int | None) -> None:
    frame, colours = pd.DataFrame(dict(run.epochs)), palette()
    last = run.config.epochs
    others = comparable_runs(run)
    plane = figures_plane.plane_info(frame, run_id=run.run_id, wrong_rate=run.labels.wrong_rate, others=others, chosen=chosen)
    live_chart(figures_plane.plane_figure(plane, colours, 300), key="plane", height=300, alt="Susceptibility against training accuracy")
    if len(others) < figures_plane.LEAST_FOR_REGIONS:
        st.caption(
            f"Regions need {figures_plane.LEAST_FOR_REGIONS} finished comparable runs (same data, labels, loss, schedule and rate) "
            f"beside this one; there {'is' if len(others) == 1 else 'are'} {len(others)}. Try another model or seed."
        )
    curves = figures.curves_info(frame, test_is_reference=run.test_is_reference, last=last, chosen=chosen)
    live_chart(figures.curves_figure(curves, colours, 230), key="curves", height=230, alt="Accuracies and shares over the epochs")
    probes = figures.probes_info(frame, last=last, chosen=chosen)
    live_chart(
        figures.probes_figure(probes, colours, 200), key="probes", height=200, alt="Susceptibility and mean curvature over the epochs"
    )


def comparable_runs(run: Run) -> list[tuple[str, pd.DataFrame]]:
    """(run_id, epochs) of the finished runs whose susceptibility may be compared with this one's."""
    found = [
        s for s in get_store().runs()
        if s.status == "finished" and s.run_id != run.run_id and s.config is not None and comparable(s.config, run.config)
        and not math.isnan(s.last.get("susceptibility", math.nan))
    ]  # fmt: skip
    return [(s.run_id, _frame(s.run_id, s.last["epoch"])) for s in found]


@st.cache_data(max_entries=256, show_spinner=False)
def _frame(run_id: str, last_epoch: float) -> pd.DataFrame:
    return pd.DataFrame(get_store().folder(run_id).rows())


def _top(run: Run, epoch: int) -> None:
    st.markdown("**Highest curvature now**")
    top = cards.top_by_curvature(run, epoch, TOP_CARDS)
    dataset = cards.images_of(run)
    if dataset is None:
        return
    empty = "Curvature is switched off for this run." if run.config.curvature_every == 0 else "Curvature is probed from epoch 1 on."
    shown = cards.cards(run, dataset, top, epoch, "curvature")
    clicked = gallery(shown, key="top", compact=True, label="Images of highest curvature", empty=empty)
    if clicked is not None:
        state.write_query(image=str(clicked))
        st.session_state.go_to = "pages/inspect.py"
        st.rerun()


def _labels(run: Run) -> None:
    """Which labels were made wrong: counts, rates and both matrices."""
    labels = run.labels
    with st.expander("Labels: what is wrong, and by how much"):
        if labels.is_mislabeled is None or labels.asked_transition is None or labels.transition is None:
            st.write("Which labels are wrong is not known for these data.")
            return
        wrong, total = int(labels.is_mislabeled.sum()), len(labels.given_label)
        origins = {origin: int((labels.wrong_origin == origin).sum()) for origin in ("flipped", "planted", "recorded")}
        parts = ", ".join(f"{count:,} {origin}" for origin, count in origins.items() if count)
        st.write(
            f"{wrong:,} of {total:,} labels are wrong: {theme.percent(labels.wrong_rate)}{f' ({parts})' if parts else ''}. "
            f"Asked for: rate {labels.asked_rate:g}."
        )
        left, right = st.columns(2)
        for place, matrix, title in ((left, labels.asked_transition, "asked"), (right, labels.transition, "realised")):
            with place:
                st.markdown(f"**T, {title}:** share of a true class (row) that was given each label (column)")
                info = figures_images.transition_info(matrix, run.class_names)
                live_chart(
                    figures_images.transition_figure(info, palette(), 360), key=f"T_{title}", height=360, alt=f"Transition matrix, {title}"
                )
