"""The Inspect page: pairs of images that the network's embedding holds to be close, and whether they look alike too."""

from __future__ import annotations

import numpy as np
import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from explorer.analysis.flagged import confirmed
from explorer.analysis.neighbors import NearDuplicates
from explorer.records import Array, Dataset, Run, StoreError
from explorer.ui import cards, searches
from explorer.ui.duplicate_cards import PAGES_WIDTH, member, open_images, pixels_of
from explorer.ui.strips import StripCard, strips
from explorer.ui.words import no_embedding

PER_PAGE = 40  # pairs


def show_network_pairs(run: Run, dataset: Dataset, story: DeltaGenerator) -> None:
    """Pairs close in the embedding, conflicting labels first, by curvature. story: where the sentence that tells the most is to stand."""
    pairs = searches.by_network(run)
    if pairs is None:
        story.info(f"{no_embedding(run)} What looks alike to the network is not known.")
        return
    both = _confirmed(run, dataset, pairs)
    story.markdown(network_words(pairs, both))
    if not len(pairs.a):
        return
    conflicts = int(pairs.conflicting.sum())
    with st.container(horizontal=True, vertical_alignment="center", key="network_bar"):
        only = st.toggle("Only conflicting labels", value=conflicts > 0, key="only_conflicts", persist_state="page", disabled=not conflicts)
        order = by_curvature(pairs, cards.scores_at(run, run.last_epoch).get("curvature"))
        order = order[pairs.conflicting[order]] if only else order
        pages = -(-len(order) // PER_PAGE)
        page = st.pagination(pages, key=f"network_page_{pages}", max_visible_pages=7, width=PAGES_WIDTH) if pages > 1 else 1
    shown = order[(page - 1) * PER_PAGE : page * PER_PAGE]
    strips(
        [_card(run, dataset, pairs, both, int(i)) for i in shown], key="network_pairs", pixels=pixels_of(dataset),
        on_open=lambda number, example: open_images(
            run, (int(pairs.a[shown[number]]), int(pairs.b[shown[number]])), "2 images close to each other for the network", example
        ),
        label="Pairs that look alike to the network", empty="No pair fits these filters.",
    )  # fmt: skip


def by_curvature(pairs: NearDuplicates, curvature: Array | None) -> Array:
    """int64 ``[P]``: conflicting pairs first, of those the one with the highest curvature; most similar first where it is unknown."""
    height = np.zeros(len(pairs.a)) if curvature is None else np.maximum(curvature[pairs.a], curvature[pairs.b])
    return np.lexsort((-pairs.similarity, -height, ~pairs.conflicting))


def _confirmed(run: Run, dataset: Dataset, pairs: NearDuplicates) -> Array | None:
    """Which of the pairs are flagged by appearance too, at the chosen cut; None where that was not searched."""
    try:
        found = searches.stored(run, dataset)
    except StoreError as error:
        st.warning(f"{error}.")
        return None
    return None if found is None else confirmed(pairs, searches.flagged_pairs(run, found, searches.chosen_cut(found).likeness))


def network_words(pairs: NearDuplicates, both: Array | None) -> str:
    """What the embedding says, and how far appearance agrees."""
    if not len(pairs.a):
        return f"**No two images look alike** to the network: none has a neighbour at a cosine of {pairs.cut:.3f} or more in its embedding."
    cosine = pairs.cut if np.isfinite(pairs.cut) else float(pairs.similarity[~pairs.exact].min(initial=1.0))
    number, conflicts = len(pairs.a), int(pairs.conflicting.sum())
    words = (
        f"**{number:,} {'pair looks' if number == 1 else 'pairs look'} alike to the network** (cosine {cosine:.3f} or more in its "
        f"embedding, at the epoch of peak mean curvature), {int(pairs.exact.sum()):,} of them byte for byte; "
        f"**{conflicts:,} under conflicting labels**."
    )
    if both is None:
        return f"{words} Whether they look alike to the eye is not known yet: search by appearance."
    agree = int(both.sum())
    rest = number - agree
    if not rest:
        return f"{words} Appearance confirms {'it' if number == 1 else 'all of them'} at the chosen cut."
    return (
        f"{words} Appearance confirms {agree or 'none'} at the chosen cut; {rest:,} {'is' if rest == 1 else 'are'} close for the "
        "network only."
    )


def _card(run: Run, dataset: Dataset, pairs: NearDuplicates, both: Array | None, i: int) -> StripCard:
    a, b = int(pairs.a[i]), int(pairs.b[i])
    conflict = bool(pairs.conflicting[i])
    badge = "conflict" if conflict else "exact copy" if pairs.exact[i] else ""
    seen = "" if both is None else " · also by appearance" if both[i] else " · not by appearance"
    members = member(run, dataset, a), member(run, dataset, b, other=conflict)
    return StripCard(members, conflict, badge, note=f"cosine {pairs.similarity[i]:.3f}{seen}")
