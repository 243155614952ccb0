"""The Inspect page, first tab: choose a run, what is worth telling about it, and its images, most suspicious first."""

from __future__ import annotations

import numpy as np
import streamlit as st

from explorer.analysis.findings import findings
from explorer.analysis.kinds import KINDS, kinds_of
from explorer.analysis.neighbors import NearDuplicates
from explorer.analysis.scores import SCORES, ranking
from explorer.records import Array, Run, StoreError
from explorer.ui import cards, state
from explorer.ui.gallery import gallery
from explorer.ui.one_image import show_image
from explorer.ui.pairs import pairs_of
from explorer.ui.services import get_readings, get_store
from explorer.ui.words import STATUS_WORDS, describe

PER_PAGE = 60


def choose_run() -> Run | None:
    """The run to look into, from the URL or the list; None, with a sentence, where there is none to look into."""
    runs = {s.run_id: s for s in get_store().runs() if s.config is not None and s.last.get("epoch", -1) >= 1}
    wanted = state.page_value("run")
    if not runs:
        st.title("Which images were memorized?")
        st.markdown("There is no run to look into yet. Train one first: the default takes less than a minute.")
        st.page_link("train.py", label="Go to Train", icon=":material/arrow_back:")
        return None
    if wanted and wanted not in runs:
        _say_why_not(wanted)
    ids = list(runs)
    chosen = st.selectbox(
        "Run", ids, index=ids.index(wanted) if wanted in runs else 0, label_visibility="collapsed",
        format_func=lambda i: f"{describe(runs[i].config)} · {STATUS_WORDS[runs[i].status]} · {i}",
    )  # fmt: skip
    state.write_query(run=chosen)
    try:
        return get_readings().read(chosen)
    except StoreError as error:
        st.error(f"{error}.")
        return None


def _say_why_not(run_id: str) -> None:
    try:
        get_readings().read(run_id)
        st.info("That run has no finished epoch to look into yet; here is the newest one that has.")
    except StoreError as error:
        st.error(f"{error}. Here is the newest run instead.")


# -- gallery ---------------------------------------------------------------------------------------


def show_gallery(run: Run) -> None:
    """Findings, filters, the cards, and the one that was clicked."""
    dataset, scores, pairs = cards.images_of(run), cards.scores_at(run, run.last_epoch), pairs_of(run)
    if dataset is None:
        return
    _findings(run, scores, pairs)
    score, chosen = _filters(run, scores, pairs)
    order = ranking(score, scores[score])
    order = order[chosen[order]]
    image = _image_asked(run, order)
    left, right = st.columns([1.55, 1], gap="medium")
    with left:
        pages = max(1, -(-len(order) // PER_PAGE))
        with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="center"):
            st.caption(f"{len(order):,} of {len(chosen):,} images, most suspicious first")
            page = st.pagination(pages, key="gallery_page", persist_state="page") if pages > 1 else 1
        shown = order[(page - 1) * PER_PAGE : page * PER_PAGE]
        clicked = gallery(
            cards.cards(run, dataset, shown, run.last_epoch, score, selected=image, twins="near"), key="gallery",
            label="Training images", empty="No image fits these filters. Choose another kind or class.",
        )  # fmt: skip
    if clicked is not None and clicked != image:
        state.write_query(image=str(clicked))
        st.rerun()
    with right, st.container(key="image_panel"):  # stays in sight beside the cards: see style.css
        if image >= 0:
            show_image(run, dataset, image, scores)


def _findings(run: Run, scores: dict[str, Array], pairs: NearDuplicates | None) -> None:
    found = findings(run, scores, pairs)
    for column, finding in zip(st.columns(len(found), gap="large") if found else [], found, strict=True):
        column.markdown(f"**{finding.title}**  \n:small[{finding.text}]")


def _filters(run: Run, scores: dict[str, Array], pairs: NearDuplicates | None) -> tuple[str, Array]:
    """(score to sort by, bool ``[N]`` images to show)."""
    kinds = kinds_of(run, pairs)
    first, second, third = st.columns(3)
    start = state.page_value("score", "curvature")
    names = list(scores)
    with first:
        score = st.selectbox(
            "Sort by", names, index=names.index(start) if start in names else 0, format_func=lambda name: SCORES[name].title
        )
    with second:
        start = state.page_value("show", "all")
        kind = st.selectbox(
            "Show", list(kinds), index=list(kinds).index(start) if start in kinds else 0,
            format_func=lambda name: f"{KINDS[name]} ({int(kinds[name].sum()):,})",
        )  # fmt: skip
    with third:
        classes = ["", *run.class_names]
        start = state.page_value("cls")
        name = st.selectbox(
            "Given class", classes, index=classes.index(start) if start in classes else 0, format_func=lambda c: c or "all classes"
        )
    state.write_query(score=score if score != "curvature" else None, show=kind if kind != "all" else None, cls=name or None)
    of_class = run.labels.given_label == run.class_names.index(name) if name else np.ones(len(kinds["all"]), dtype=bool)
    return score, kinds[kind] & of_class


def _image_asked(run: Run, order: Array) -> int:
    """The image in the URL, else the first of the list, -1 for an empty list."""
    text = state.page_value("image")
    if text.isdecimal() and int(text) < len(run.labels.given_label):
        return int(text)
    if text:
        st.warning(f"The link asks for image {text!r}; this run has images 0 to {len(run.labels.given_label) - 1:,}.")
        state.write_query(image=None)
    return int(order[0]) if len(order) else -1
