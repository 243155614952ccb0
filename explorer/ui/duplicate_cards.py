"""The Inspect page: near-duplicates as pictures: pairs at the edge of the cut, groups under one frame, conflicts first."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import streamlit as st

from explorer.analysis import flagged
from explorer.analysis.flagged import Cut, Strip
from explorer.analysis.scores import percentile
from explorer.records import Array, Dataset, Run
from explorer.runs.duplicates import DuplicateSet
from explorer.ui import cards, selection
from explorer.ui.duplicate_words import counted, strip_note
from explorer.ui.strips import Member, StripCard, strips

PER_PAGE = 24  # groups
MEMBERS = 10  # of a group; the others are under Images
EDGE_SIZE, PAGES_WIDTH = 64, 340  # pixels
SIMILARITY = (
    "Each group has a representative, shown first, of which all others are duplicates. Similarity runs from 0 to 1 (the same to the "
    "byte); how much of it makes a duplicate differs between sets of images, which is why the cut is told by its consequences."
)


def show_edge(run: Run, dataset: Dataset, found: DuplicateSet, cut: Cut) -> None:
    """The pairs on either side of the cut, for the eye to judge."""
    own = np.flatnonzero(found.part(against_test=False))
    above, below = flagged.edge(cut.pairs, len(own))
    chosen = own[[*above, *below]]
    if not len(chosen):
        return
    pairs = list(zip(found.found.a[chosen].tolist(), found.found.b[chosen].tolist(), strict=True))
    given = run.labels.given_label
    made = [
        StripCard(tuple(member(run, dataset, n, truth=False, other=bool(given[n] != given[a])) for n in (a, b)), note=f"pair {place + 1:,}")
        for place, (a, b) in zip([*above, *below], pairs, strict=True)
    ]
    st.markdown("**At the edge of the cut**: the last pairs flagged, and the first that are not.")
    strips(
        made, key="duplicates_edge", pixels=pixels_of(dataset), size=EDGE_SIZE, compact=True, divider=len(above), divided="cut",
        on_open=lambda number, example: open_images(run, pairs[number], "2 images at the edge of the cut", example),
        label="Pairs on either side of the cut",
    )  # fmt: skip


def show_groups(run: Run, dataset: Dataset, groups: Sequence[Strip], top: Array) -> None:
    """Every group and pair, conflicting ones first; filters, and pages of them."""
    if not groups:
        return
    conflicts = sum(group.conflicting for group in groups)
    with st.container(horizontal=True, vertical_alignment="center", key="groups_bar"):
        st.markdown("**Images that belong together**", width="content", help=SIMILARITY)
        only = st.toggle("Only conflicting labels", value=conflicts > 0, key="only_conflicts", persist_state="page", disabled=not conflicts)
        among = len(top) > 0 and st.toggle("Only with an image of the top 1 % by curvature", key="only_top", persist_state="page")
        held = set(top.tolist()) if among else set()
        shown = [group for group in groups if (group.conflicting or not only) and (not among or held & set(group.members))]
        pages = -(-len(shown) // PER_PAGE)
        page = st.pagination(pages, key=f"groups_page_{pages}", max_visible_pages=7, width=PAGES_WIDTH) if pages > 1 else 1
    shown = shown[(page - 1) * PER_PAGE : page * PER_PAGE]
    curvature = cards.scores_at(run, run.last_epoch).get("curvature")
    ranks = None if curvature is None else percentile("curvature", curvature)
    made = [group_card(run, dataset, group, ranks) for group in shown]
    strips(
        made, key="duplicate_groups", pixels=pixels_of(dataset), action="Show in Images",
        on_open=lambda number, example: open_images(run, shown[number].members, _words(shown[number]), example),
        label="Groups of near-duplicates", empty="No group fits these filters.",
    )  # fmt: skip


def group_card(run: Run, dataset: Dataset, group: Strip, ranks: Array | None) -> StripCard:
    """A group: its representative first, every other image with its given label; what conflicts stands out.

    ranks: float64 ``[N]``, share of images of lower curvature, where it is known.
    """
    given = run.labels.given_label
    first, rest = group.members[0], len(group.members) - MEMBERS
    members = [
        member(run, dataset, n, mark="representative" if n == first and len(group.members) > 2 and group.grouped else "",
               other=bool(given[n] != given[first]))
        for n in group.members[:MEMBERS]
    ]  # fmt: skip
    badge = "conflict" if group.conflicting else "exact copy" if group.exact else ""
    title = counted(len(group.members), "image") if len(group.members) > 2 else "" if group.grouped else "between two groups"
    rank = None if ranks is None else float(ranks[list(group.members)].max())
    more = f" · {rest:,} more under Images" if rest > 0 else ""
    return StripCard(tuple(members), group.conflicting, badge, title, strip_note(group, rank) + more)


def member(run: Run, dataset: Dataset, n: int, *, mark: str = "", other: bool = False, truth: bool = True) -> Member:
    """A training image with its given label, and, where there is room for ``truth``, its true one if that is another."""
    given, true = run.class_names[run.labels.given_label[n]], cards.true_name(run, n)
    below = f"true {true}" if truth and true is not None and true != given else ""
    alt = ", ".join(filter(None, (f"Image {run.source_index[n]}: given {given}", below, mark)))
    return Member(n, cards.card_image(run, dataset, n), given, alt, mark, other, below)


def pixels_of(dataset: Dataset) -> int:
    return max(dataset.train_images.shape[1:3])


def _words(group: Strip) -> str:
    return f"{counted(len(group.members), 'image')} that look alike"


def open_images(run: Run, members: Sequence[int], words: str, example: int) -> None:
    """Show a group in the gallery, one of its images opened."""
    selection.select(run.run_id, np.array(members), words)
    st.session_state["url_image"] = str(example if example >= 0 else members[0])
    st.session_state["inspect_tab"] = selection.TAB
