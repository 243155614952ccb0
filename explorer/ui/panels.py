"""The panels of the Train page: plane, curves, probes, the images of highest curvature, and the noise."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import streamlit as st

from explorer.analysis.findings import story
from explorer.analysis.regions import comparable
from explorer.analysis.scores import facts_until, percentile, ranking
from explorer.config import RunConfig
from explorer.records import Array, Run
from explorer.ui import cards, figures, figures_plane, figures_probes, sentences, state, theme
from explorer.ui.assets import palette
from explorer.ui.controls_noise import show_transition
from explorer.ui.gallery import gallery
from explorer.ui.live_chart import live_chart
from explorer.ui.services import get_store
from explorer.ui.words import KIND_WORDS, NOISE_SENTENCES, plain, word

TOP_CARDS = 8
PLANE, CURVES, PROBES, MATRIX = 240, 180, 160, 400  # heights in pixels: together they fit a window of 800
PROBE_WORDS = {"paper": "paper's probe", "fixed": "fixed-rate probe"}
TOP_WORDS = {"mean": "mean so far", "epoch": "this epoch"}
ORIGIN_WORDS = {
    "flipped": "flipped", "planted": "planted wrong copies", "recorded": "wrong in the data",
    "foreign": "foreign images, none of the classes", "reviewed": "wrong since their review",
}  # fmt: skip


def choose_probe(run: Run) -> str:
    """Which probe gives the plane its x axis, a key of AXES; kept in the URL."""
    if run.config.susceptibility_lr == 0:
        return "paper"
    return _switch("axis", PROBE_WORDS, "Susceptibility by")


def _switch(name: str, words: dict[str, str], label: str) -> str:
    """A choice of two kept in the URL under ``name``; the first is the default and stays out of it."""
    first, asked = next(iter(words)), state.page_value(name)
    chosen = st.segmented_control(
        label, list(words), default=asked if asked in words else first, required=True, format_func=words.__getitem__, key=f"choose_{name}",
        label_visibility="collapsed", wrap=True,
    )  # fmt: skip
    state.write_query(**{name: None if chosen == first else chosen})
    return chosen or first


def show_charts(run: Run, chosen: int | None, probe: str) -> None:
    """chosen: an epoch to point out, None for the newest. probe: of ``choose_probe``."""
    frame, colours = pd.DataFrame(dict(run.epochs)), palette()
    last, others = run.config.epochs, comparable_runs(run, probe)
    plane = figures_plane.plane_info(
        frame, run_id=run.run_id, wrong_rate=run.labels.wrong_rate, others=others, chosen=chosen, finished=run.status == "finished",
        probe=probe)  # fmt: skip
    live_chart(figures_plane.plane_figure(plane, colours, PLANE), key="plane", height=PLANE, alt="Susceptibility against training accuracy")
    if words := sentences.caveat(run.config, len(others), fixed_rate=probe == "fixed"):
        st.caption(words)
    wave = sentences.wave_of(run, run.last_epoch)
    curves = figures.curves_info(
        frame, test_is_reference=run.test_is_reference, last=last, chosen=chosen, changes=wave.changes, stop=wave.stop
    )
    figure = figures.curves_figure(curves, colours, CURVES, axis_title=False)
    live_chart(figure, key="curves", height=CURVES, alt="Accuracies and shares over the epochs")
    probes = figures_probes.probes_info(frame, last=last, chosen=chosen)
    figure = figures_probes.probes_figure(probes, colours, PROBES)
    live_chart(figure, key="probes", height=PROBES, alt="Susceptibility and mean curvature over the epochs")


def comparable_runs(run: Run, probe: str) -> list[tuple[str, pd.DataFrame]]:
    """(run_id, epochs) of the finished runs whose susceptibility by this probe may be compared with this one's."""
    return [(run_id, _frame(run_id, last)) for run_id, last in _comparable(str(get_store().root), run.run_id, probe, run.config)]


@st.cache_data(ttl=10, max_entries=64, show_spinner=False)
def _comparable(root: str, run_id: str, probe: str, config: RunConfig) -> list[tuple[str, float]]:
    """(run_id, last epoch). Not at every refresh: it looks into the folder of every run."""
    column, _ = figures_plane.AXES[probe]
    return [
        (s.run_id, s.last["epoch"]) for s in get_store().runs()
        if s.status == "finished" and s.run_id != run_id and s.config is not None
        and comparable(s.config, config, fixed_rate=probe == "fixed") and not math.isnan(s.last.get(column, math.nan))
    ]  # fmt: skip


@st.cache_data(max_entries=256, show_spinner=False)
def _frame(run_id: str, last_epoch: float) -> pd.DataFrame:
    return pd.DataFrame(get_store().folder(run_id).rows())


def show_top(run: Run, epoch: int) -> None:
    """The images of highest curvature after an epoch, on average so far or at that epoch; a click leads to Inspect."""
    heading = st.empty()
    which = _switch("top", TOP_WORDS, "Highest curvature") if run.config.curvature_every else "mean"
    probed = run.facts.curvature_epochs[run.facts.curvature_epochs <= epoch]
    at = f"at epoch {int(probed[-1])}" if which == "epoch" and len(probed) else f"up to epoch {epoch}"
    heading.markdown(f"**Highest curvature** {at}")
    dataset = cards.images_of(run)
    if dataset is None:
        return
    top, ranks = _top(run.run_id, run.status, epoch, which, run)
    empty = "Curvature is switched off for this run." if run.config.curvature_every == 0 else "Curvature is probed from epoch 1 on."
    shown = cards.cards(run, dataset, top, epoch, "curvature", ranks=ranks)
    with st.container(key="top_cards"):  # as high as the charts beside it: see style.css
        clicked = gallery(shown, key="top", compact=True, label="Images of highest curvature", empty=empty)
    if clicked is not None:
        state.write_query(image=str(clicked))
        st.session_state.go_to = "inspect.py"
        st.rerun()


@st.cache_data(max_entries=32, show_spinner=False, hash_funcs={Run: lambda run: run.run_id})
def _top(run_id: str, status: str, epoch: int, which: str, run: Run) -> tuple[Array, Array]:
    """(the images of highest curvature, percentile of every image ``[N]``): once for each epoch, not at every refresh."""
    values = curvature_of(facts_until(run.facts, epoch).curvature, which)
    return ranking("curvature", values)[:TOP_CARDS], percentile("curvature", values)


def curvature_of(curvature: Array, which: str) -> Array:
    """float64 ``[N]`` from the probed epochs ``[P, N]``: their mean, or the last of them ("epoch"); ``[0]`` before the first."""
    if not len(curvature):
        return np.zeros(0)
    return curvature[-1].astype(np.float64) if which == "epoch" else curvature.mean(axis=0, dtype=np.float64)


# -- nothing trained -------------------------------------------------------------------------------


def show_read(run: Run) -> None:
    """What stands in the place of the charts where nothing was trained: what was read, and where the images are."""
    st.markdown(f"**{story(run, run.last_epoch)}**")
    config = run.config
    found = {f"Predictions, {KIND_WORDS[config.pred_probs_kind]},": config.pred_probs, "Embeddings": config.embeddings}
    st.markdown("  \n".join(f"{what} from {plain(path)}" for what, path in found.items() if path))
    st.markdown("There are no curves and no susceptibility to show. **Inspect** has the images, their scores and near-duplicates.")


# -- noise -----------------------------------------------------------------------------------------


def show_noise(run: Run) -> None:
    """Which labels were made wrong: what was asked for beside what came of it."""
    panel = st.expander("Noise: what is wrong, and by how much", key="noise_panel", on_change="rerun")
    if not panel.open:
        return
    labels, config = run.labels, run.config
    with panel:
        st.markdown(f"**{word(config.noise).capitalize()}.** {NOISE_SENTENCES[config.noise]}")
        st.markdown(_counts(run))
        if labels.asked_transition is None or labels.transition is None:
            return
        both = {"asked for": labels.asked_transition, "realised": labels.transition}
        top = max(float(np.where(np.eye(len(T), dtype=bool), 0, T).max()) for T in both.values())
        for place, (title, T) in zip(st.columns(2, gap="medium"), both.items(), strict=True):
            with place:
                st.markdown(f"**T, {title}:** share of a true class (row) that was given each label (column)")
                show_transition(T, run.class_names, key=f"T_{title.split()[0]}", top=top, height=MATRIX)


def _counts(run: Run) -> str:
    labels = run.labels
    if labels.is_mislabeled is None:
        return "Which labels are wrong is not known for these data."
    wrong, total = int(labels.is_mislabeled.sum()), len(labels.given_label)
    counts = {words: int((labels.wrong_origin == origin).sum()) for origin, words in ORIGIN_WORDS.items()}
    parts = ", ".join(f"{count:,} {words}" for words, count in counts.items() if count)
    asked = f" Asked for: rate {labels.asked_rate:g}." if labels.asked_rate else ""
    return f"{wrong:,} of {total:,} labels are wrong: {theme.percent(labels.wrong_rate)}{f' ({parts})' if parts else ''}.{asked}"
