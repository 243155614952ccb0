"""The panels of the Train page: plane, curves, probes, the images of highest curvature, and what is wrong with the labels."""

from __future__ import annotations

import math

import pandas as pd
import streamlit as st

from explorer.analysis.regions import comparable
from explorer.records import Run
from explorer.ui import cards, figures, figures_images, figures_plane, state, theme
from explorer.ui.assets import palette
from explorer.ui.gallery import gallery
from explorer.ui.live_chart import live_chart
from explorer.ui.services import get_store

TOP_CARDS = 8
PLANE, CURVES, PROBES, MATRIX = 262, 190, 184, 360  # heights in pixels: together they fit a window of 800


def show_charts(run: Run, chosen: int | None) -> None:
    """chosen: an epoch to point out, None for the newest."""
    frame, colours = pd.DataFrame(dict(run.epochs)), palette()
    last = run.config.epochs
    plane = figures_plane.plane_info(
        frame, run_id=run.run_id, wrong_rate=run.labels.wrong_rate, others=comparable_runs(run), chosen=chosen,
        finished=run.status == "finished")  # fmt: skip
    live_chart(figures_plane.plane_figure(plane, colours, PLANE), key="plane", height=PLANE, alt="Susceptibility against training accuracy")
    curves = figures.curves_info(frame, test_is_reference=run.test_is_reference, last=last, chosen=chosen)
    figure = figures.curves_figure(curves, colours, CURVES, axis_title=False)
    live_chart(figure, key="curves", height=CURVES, alt="Accuracies and shares over the epochs")
    probes = figures.probes_info(frame, last=last, chosen=chosen)
    live_chart(
        figures.probes_figure(probes, colours, PROBES), key="probes", height=PROBES, alt="Susceptibility and mean curvature over the epochs"
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


def show_top(run: Run, epoch: int) -> None:
    """The images of highest curvature after an epoch; a click leads to Inspect."""
    st.markdown(f"**Highest curvature** up to epoch {epoch}")
    top = cards.top_by_curvature(run, epoch, TOP_CARDS)
    dataset = cards.images_of(run)
    if dataset is None:
        return
    empty = "Curvature is switched off for this run." if run.config.curvature_every == 0 else "Curvature is probed from epoch 1 on."
    shown = cards.cards(run, dataset, top, epoch, "curvature")
    clicked = gallery(shown, key="top", compact=True, label="Images of highest curvature", empty=empty)
    if clicked is not None:
        state.write_query(image=str(clicked))
        st.session_state.go_to = "inspect.py"
        st.rerun()


def show_labels(run: Run) -> None:
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
                figure = figures_images.transition_figure(figures_images.transition_info(matrix, run.class_names), palette(), MATRIX)
                live_chart(figure, key=f"T_{title}", height=MATRIX, alt=f"Transition matrix, {title}")
