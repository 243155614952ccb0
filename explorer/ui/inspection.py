"""The Inspect page, first tab: choose a run, what is worth telling about it, and its images, most suspicious first."""

from __future__ import annotations

import numpy as np
import streamlit as st

from explorer.analysis.views import View
from explorer.records import Array, Finding, Run, StoreError
from explorer.ui import cards, gallery_filters, own_data, selection, state
from explorer.ui.fix_log import reviewed_of
from explorer.ui.gallery import gallery
from explorer.ui.listing import Listing, findings_of, listing, traits_of
from explorer.ui.one_image import show_image
from explorer.ui.searches import near_duplicates_of
from explorer.ui.selection import Selection
from explorer.ui.services import get_readings, get_store
from explorer.ui.words import STATUS_WORDS, describe, plain

QUESTION = "Which images were memorized?"
NO_SCORES = "To have scores to sort by, give predictions or embeddings of a network, or train one."


def choose_run() -> Run | None:
    """The run to look into, from the URL or the list; None, with a sentence, where there is none to look into."""
    left, right = st.columns([3, 1], vertical_alignment="center")
    with right:
        own_data.offer()  # first: what it has read is one of the runs
    with left:
        run = listed_run(QUESTION)
    if run is not None:
        selection.follow(run)
    return run


def listed_run(question: str) -> Run | None:
    """The run to look into; ``question`` is the title of the page where there is none yet."""
    runs = {s.run_id: s for s in get_store().runs() if s.config is not None and s.last.get("epoch", -1) >= 1}
    wanted = state.page_value("run")
    if not runs:
        st.title(question)
        st.markdown("There is no run to look into yet. Train one first: the default takes less than a minute.")
        st.page_link("train.py", label="Go to Train", icon=":material/arrow_back:")
        return None
    if wanted and wanted not in runs:
        _say_why_not(wanted)
    chosen = wanted if wanted in runs else next(iter(runs))
    if st.session_state.get("chosen_run") != chosen:  # not as an index: each would be another widget, and lose the next choice
        st.session_state["chosen_run"] = chosen
    texts = {run_id: f"{describe(s.config)} · {STATUS_WORDS[s.status]} · {run_id}" for run_id, s in runs.items()}
    st.selectbox(
        "Run", texts, key=state.reworded("chosen_run", texts), format_func=texts.__getitem__, on_change=_another_run,
        label_visibility="collapsed",
    )  # fmt: skip
    state.write_query(run=chosen)
    try:
        return get_readings().read(chosen)
    except StoreError as error:
        st.error(f"{error}.")
        return None


def _another_run() -> None:
    state.forget("page", "image", "cell", "cut_pairs", "at")
    st.session_state["url_run"] = st.session_state["chosen_run"]


def _say_why_not(run_id: str) -> None:
    try:
        get_readings().read(run_id)
        st.info("That run has no finished epoch to look into yet; here is the newest one that has.")
    except StoreError as error:
        st.error(f"{error}. Here is the newest run instead.")


# -- gallery ---------------------------------------------------------------------------------------


def show_gallery(run: Run) -> None:
    """Findings, filters, the cards, and the one that was clicked."""
    dataset, scores = cards.images_of(run), cards.scores_at(run, run.last_epoch)
    if dataset is None:
        return
    if not scores:
        st.info(NO_SCORES)
    pairs, now = near_duplicates_of(run), (run.run_id, run.last_epoch, run.status)
    _findings(findings_of(*now, run, scores, pairs))
    _picked(selection.selection(run.run_id))
    traits = traits_of(*now, run, pairs)._replace(reviewed=reviewed_of(run))
    view = gallery_filters.choose_view(run, scores, traits)
    found = listing(run, view, scores, traits)
    left, right = st.columns([1.55, 1], gap="medium")
    with left:
        shown, more = _page(found, view, len(traits.given))
        image = _image_asked(run, shown)
        ranks, against = found.ranks, found.against
        notes = [] if ranks is None or against is None else [gallery_filters.note(ranks[n], against[n]) for n in shown]
        gallery(
            cards.cards(run, dataset, shown, run.last_epoch, "", pairs=pairs, twins="near", ranks=ranks, notes=notes), key="gallery",
            selected=image, walk=more, on_click=_open, on_turn=_turn, label="Training images",
            empty="No image fits these filters. Choose another kind or class, or reset the filters.",
        )  # fmt: skip
    with right, st.container(key="image_panel"):  # stays in sight beside the cards: see style.css
        if image >= 0:
            st.caption(_place_words(found.order, image))
            show_image(run, dataset, image, scores)


def _findings(found: list[Finding]) -> None:
    for column, finding in zip(st.columns(len(found), gap="large") if found else [], found, strict=True):
        column.markdown(f"**{finding.title}**  \n:small[{finding.text}]")


def _picked(picked: Selection | None) -> None:
    """What was picked elsewhere, and the way back to all images."""
    if picked is None:
        return
    with st.container(horizontal=True, vertical_alignment="center", key="picked_line"):
        beyond = "" if selection.link(picked) else f" :small[(too many for the link, which names up to {selection.LINKED})]"
        st.markdown(f"Showing **{plain(picked.words)}**.{beyond}", width="content")
        st.button("Show all", on_click=selection.clear, type="tertiary")


def _page(found: Listing, view: View, N: int) -> tuple[Array, tuple[bool, bool]]:
    """(the images of the page, whether there are images before and after them) of a run of N; draws what turns the page."""
    per = gallery_filters.per_page()
    pages = max(1, -(-len(found.order) // per))
    page = gallery_filters.page_of(pages)
    with st.container(horizontal=True, vertical_alignment="center", key="gallery_bar"):
        st.caption(f"{len(found.order):,} of {N:,} images, {gallery_filters.order_words(view)}", width="stretch")
        if pages > 1:
            gallery_filters.choose_page(pages, page)
        if len(found.order) > int(gallery_filters.PER_PAGE[0]):
            gallery_filters.choose_per_page()
    return found.order[(page - 1) * per : page * per], (page > 1, page < pages)


def _image_asked(run: Run, shown: Array) -> int:
    """The image in the URL, else the first of the page (the last, where a key led back to it), -1 for an empty list."""
    text, N = state.page_value("image"), len(run.labels.given_label)
    backwards = st.session_state.pop("gallery_backwards", False)
    if text.isascii() and text.isdecimal() and len(text) < 10 and int(text) < N:
        return int(text)
    if text:
        st.warning(f"The link asks for image {state.quoted(text)}; this run has images 0 to {N - 1:,}.")
        state.write_query(image=None)
    if backwards and len(shown):
        state.write_query(image=str(shown[-1]))
        return int(shown[-1])
    return int(shown[0]) if len(shown) else -1


def _open(image: int) -> None:
    st.session_state["url_image"] = str(image)


def _turn(step: int) -> None:
    """A key led beyond the page: to the next one, and its first image, or back to the last image of the one before."""
    gallery_filters.turn(step)
    st.session_state["gallery_backwards"] = step < 0
    state.forget("image")


def _place_words(order: Array, image: int) -> str:
    """Where the image is in the list."""
    place = np.flatnonzero(order == image)
    keys = "keys **j** and **k**: next and previous"
    return f"{int(place[0]) + 1:,} of {len(order):,} · {keys}" if len(place) else f"not among the images listed · {keys}"
