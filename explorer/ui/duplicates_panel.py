"""The Inspect page, second tab: images that stand in the data twice, how sure that is, and which of them carry two labels."""

from __future__ import annotations

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from explorer.analysis import flagged
from explorer.analysis.flagged import Cut
from explorer.records import Array, Dataset, Run, StoreError
from explorer.runs.duplicates import DuplicateSet
from explorer.ui import cards, duplicate_cards, leaks_panel, network_pairs, searches, state
from explorer.ui.assets import palette
from explorer.ui.duplicate_words import consequence, cut_label, estimated_words, found_words, planted_words
from explorer.ui.duplicates_search import show_search
from explorer.ui.figures_duplicates import calibration_figure, calibration_info, found_table
from explorer.ui.live_chart import live_chart

CURVE = 250  # pixels
OFFER = (
    "Nobody has looked for near-duplicates among these images yet. The search compares how they **look**, whatever their labels and "
    "whatever a network makes of them: mirrored, cropped, turned and recompressed copies are found."
)
WAYS = {"appearance": "appearance", "network": "the network"}


def show_duplicates(run: Run) -> None:
    """Near-duplicates within the training set, by appearance or by the network, then those between training and test images."""
    dataset = cards.images_of(run)
    if dataset is None:
        return
    left, right = st.columns([1, 4.2], vertical_alignment="center", gap="medium")
    with left:
        way = _way(run)
    if way == "network":
        network_pairs.show_network_pairs(run, dataset, right)
    else:
        _by_appearance(run, dataset, right)
    leaks_panel.show_leaks(run, dataset)


def _way(run: Run) -> str:
    """ "appearance" or "network"."""
    ways = list(WAYS) if run.embedding is not None else list(WAYS)[:1]
    return st.segmented_control(
        "Look-alikes by", ways, default=ways[0], required=True, key="duplicates_by", persist_state="page", format_func=WAYS.__getitem__,
        help="Appearance: what the pixels look like, without labels and without a network. The network: neighbours in its embedding "
        "(penultimate layer, at the epoch of peak mean curvature).",
    )  # fmt: skip


def _by_appearance(run: Run, dataset: Dataset, story: DeltaGenerator) -> None:
    """story: where the sentence that tells the most is to stand."""
    try:
        found = searches.stored(run, dataset)
    except StoreError as error:
        st.error(f"{error}.")
        return
    if found is None:
        show_search(run, dataset, OFFER, "Search for near-duplicates")
        return
    left, middle, right = st.columns([1.05, 1.3, 0.75], gap="medium")
    with left:
        cut = _choose_cut(run, found)
    with middle:
        info = calibration_info(found.calibration, cut)
        live_chart(calibration_figure(info, palette(), CURVE), key="duplicates_curve", height=CURVE,
                   alt="Estimated precision and recall against the number of pairs flagged")  # fmt: skip
    with right:
        st.markdown("**Changed copies found at this cut**")
        st.html(found_table(flagged.recall_by_change(found.planted_change, found.planted_likeness, cut.likeness)))
    st.caption(estimated_words(found))
    pairs = searches.flagged_pairs(run, found, cut.likeness)
    strips = searches.strips(run, found, cut, _curvature(run))
    story.markdown(found_words(pairs, strips, _top(run)))
    duplicate_cards.show_edge(run, dataset, found, cut)
    duplicate_cards.show_groups(run, dataset, strips, _top(run))


def _choose_cut(run: Run, found: DuplicateSet) -> Cut:
    """The slider, and what comes of it in words."""
    choice, standard = searches.cuts(found)
    by_pairs = {str(cut.pairs): cut for cut in choice}
    cut = standard
    if len(by_pairs) > 1:
        texts = {pairs: cut_label(each) for pairs, each in by_pairs.items()}
        key = state.reworded(state.linked("cut_pairs", list(texts), str(standard.pairs), "number of pairs"), texts)
        asked = st.select_slider(
            "How many pairs to flag", list(texts), key=key, format_func=texts.__getitem__,
            help="To the left: fewer pairs, surer ones. To the right: more of the copies, and more pairs that merely look alike.",
        )  # fmt: skip
        state.write_query(cut_pairs=asked if asked != str(standard.pairs) else None)
        cut = by_pairs[asked]
    st.markdown(consequence(cut, found.calibration))
    if run.planted is not None:
        pairs = searches.flagged_pairs(run, found, cut.likeness)
        st.markdown(planted_words(flagged.against_planted(pairs, run.planted, run.source_index)))
    return cut


def _curvature(run: Run) -> Array | None:
    return cards.scores_at(run, run.last_epoch).get("curvature")


def _top(run: Run) -> Array:
    """The one percent of the images of highest curvature; none where it was not probed."""
    return cards.top_by_curvature(run, run.last_epoch, max(1, len(run.labels.given_label) // 100))
