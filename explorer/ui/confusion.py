"""The Inspect page: which classes are taken for which, as a matrix or a list; a cell leads to its images."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import streamlit as st

from explorer.analysis.scores import ranking, usual_prediction
from explorer.records import Array, Dataset, Run
from explorer.ui import cards, selection, state
from explorer.ui.assets import palette, source
from explorer.ui.figures_confusion import ConfusionInfo, apart, confusion_info, members, most_confused, shades, strengths
from explorer.ui.gallery import gallery
from explorer.ui.theme import percent
from explorer.ui.words import plain

NUMBERS_UP_TO = 20  # classes; of more only the colours are drawn
PAIRS_LISTED = 200
IMAGES_SHOWN = 60
VERSUS = {"usual": "usual prediction", "last": "last prediction", "true": "true label"}
VERBS = {"usual": "and taken for", "last": "and taken for", "true": "that show"}
AXES = {"usual": "predicted in most epochs", "last": "predicted after the last epoch", "true": "true label"}
LEGEND = {  # what is off the diagonal
    "usual": "in most epochs the network saw another class than it was told. Wrong labels gather there, and classes that look alike.",
    "last": "even at the end the network does not repeat the label it was told. What it memorized has moved onto the diagonal.",
    "true": "their labels are wrong. This is the noise itself, to hold the predictions against.",
}

_HERE = Path(__file__)
_grid = st.components.v2.component("explorer_confusion", js=source(_HERE.with_suffix(".js")), css=source(_HERE.with_suffix(".css")))


def show_confusion(run: Run) -> None:
    """The matrix or the list, and beside it the images of the chosen cell."""
    known = _known(run)
    if not known:
        st.info("The confusion view begins with the first epoch: nothing has been predicted yet, and no true labels are known.")
        return
    standard = next(iter(known))
    key = state.linked("versus", list(known), standard, "comparison")
    with st.container(horizontal=True, vertical_alignment="bottom", horizontal_alignment="distribute"):
        versus = st.segmented_control("Given label against", list(known), key=key, format_func=VERSUS.__getitem__, required=True)
        few = len(run.class_names) <= NUMBERS_UP_TO
        form = st.segmented_control("Shown as", ["matrix", "list"], default="matrix" if few else "list", required=True,
                                    key="confusion_form", persist_state="page")  # fmt: skip
    state.write_query(versus=versus if versus != standard else None)
    info = confusion_info(run.labels.given_label, known[versus], run.class_names, cards.NONE_OF_THE_CLASSES)
    cell = _cell(info)
    left, right = st.columns([1.2, 1], gap="medium")
    with left:
        total = int(info.counts.sum())
        st.markdown(f"**{apart(info):,} of {total:,} images ({percent(apart(info) / total)}) are off the diagonal**: {LEGEND[versus]}")
        if form == "list":
            _list(run, info, versus, cell)
        else:
            _matrix(info, versus, cell)
    with right:
        _images(run, info, known[versus], versus, cell)


def _known(run: Run) -> dict[str, Array]:
    """What a given label can be held against, ``[N]`` each."""
    found: dict[str, Array] = {}
    if len(run.facts.epochs):
        found = {"usual": _usual(run.run_id, run.last_epoch, run), "last": run.facts.predicted_label[-1]}
    return found if run.labels.true_label is None else found | {"true": run.labels.true_label}


@st.cache_data(max_entries=16, show_spinner=False, hash_funcs={Run: lambda run: run.run_id})
def _usual(run_id: str, recorded: int, run: Run) -> Array:
    return usual_prediction(run.facts.predicted_label)


def _cell(info: ConfusionInfo) -> tuple[int, int]:
    """The cell in the link, else the one off the diagonal with the most images; (-1, -1) where there is none."""
    text, (K, C) = state.page_value("cell"), info.counts.shape
    if found := re.fullmatch(r"(\d{1,5})-(\d{1,5})", text, re.ASCII):
        cell = int(found[1]), int(found[2])
        if cell[0] < K and cell[1] < C:
            return cell
    if text:
        st.warning(f"The link asks for the cell {state.quoted(text)}; the numbers of two classes, as in 0-1, were expected.")
        state.write_query(cell=None)
    return next(((top.given, top.other) for top in most_confused(info, 1)), (-1, -1))


def _choose(cell: tuple[int, int]) -> None:
    st.session_state["url_cell"] = f"{cell[0]}-{cell[1]}"


# -- matrix and list -------------------------------------------------------------------------------


def _matrix(info: ConfusionInfo, versus: str, cell: tuple[int, int]) -> None:
    colours = palette()
    data = {
        "counts": info.counts.tolist(), "rows": info.rows, "columns": info.columns, "strengths": strengths(info).tolist(),
        "shades": shades(colours), "numbers": len(info.rows) <= NUMBERS_UP_TO, "verb": VERBS[versus], "chosen": list(cell),
        "axis": f"Row: given label. Column: {AXES[versus]}.", "alt": f"Images by given label and by class {AXES[versus]}",
        "colours": {name: getattr(colours, name) for name in ("text", "muted", "grid", "panel", "fit")} | {"rows": str(len(info.rows))},
    }  # fmt: skip
    _grid(key="confusion_grid", data=data, on_clicked_change=_clicked)


def _clicked() -> None:
    cell = st.session_state["confusion_grid"].clicked
    if cell is not None:
        _choose((int(cell[0]), int(cell[1])))


def _list(run: Run, info: ConfusionInfo, versus: str, cell: tuple[int, int]) -> None:
    found = most_confused(info, PAIRS_LISTED)
    if not found:
        return
    table = pd.DataFrame({
        "given": [info.rows[pair.given] for pair in found], "other": [info.columns[pair.other] for pair in found],
        "images": [pair.images for pair in found], "share": [pair.share for pair in found],
    })  # fmt: skip
    here = next((place for place, pair in enumerate(found) if (pair.given, pair.other) == cell), None)
    key = f"confusion_list_{run.run_id}_{versus}"

    def picked() -> None:
        rows = st.session_state[key]["selection"]["rows"]
        if rows and rows[0] < len(found):
            _choose((found[rows[0]].given, found[rows[0]].other))

    st.dataframe(
        table, hide_index=True, height=min(520, 36 * (len(table) + 1)), on_select=picked, selection_mode="single-row", key=key,
        selection_default=None if here is None else {"selection": {"rows": [here]}},
        alt="Pairs of classes that are confused most often",
        column_config={
            "given": st.column_config.TextColumn("given label"), "other": st.column_config.TextColumn(AXES[versus]),
            "images": st.column_config.NumberColumn("images", format="localized"),
            "share": st.column_config.NumberColumn("of that given label", format="percent"),
        },
    )  # fmt: skip
    if len(found) == PAIRS_LISTED:
        st.caption(f"The {PAIRS_LISTED} most frequent pairs; the matrix has all of them.")


# -- the images of a cell --------------------------------------------------------------------------


def cell_words(info: ConfusionInfo, versus: str, cell: tuple[int, int]) -> str:
    """``31 images given 4 and taken for 9``"""
    count = int(info.counts[cell])
    return f"{count:,} {'image' if count == 1 else 'images'} given {info.rows[cell[0]]} {VERBS[versus]} {info.columns[cell[1]]}"


def _images(run: Run, info: ConfusionInfo, other: Array, versus: str, cell: tuple[int, int]) -> None:
    if cell[0] < 0:
        st.info("Nothing is off the diagonal: every given label agrees. Pick a cell of the diagonal to see its images.")
        return
    words = cell_words(info, versus, cell)
    examples = members(run.labels.given_label, other, cell, len(info.rows))
    scores = cards.scores_at(run, run.last_epoch)
    asked = state.page_value("score", "curvature")
    score = asked if asked in scores else next(iter(scores), "")
    order = ranking(score, scores[score]) if score else np.arange(len(other))
    shown = order[np.isin(order, examples)][:IMAGES_SHOWN]
    said, button = st.columns([1.9, 1], vertical_alignment="center")
    said.markdown(f"**{plain(words)}**" + (f", the first {len(shown)}" if len(shown) < len(examples) else ""))
    button.button(
        "Open in Images", icon=":material/arrow_forward:", width="stretch", disabled=not len(examples),
        on_click=lambda: _open(run.run_id, examples, words),
    )  # fmt: skip
    dataset = cards.images_of(run)
    if dataset is not None:
        _cards(run, dataset, shown, score, lambda image: _open(run.run_id, examples, words, image))


def _cards(run: Run, dataset: Dataset, shown: Array, score: str, on_click: Callable[[int], None]) -> None:
    with st.container(height=520, border=False):
        gallery(
            cards.cards(run, dataset, shown, run.last_epoch, score, twins="near"), key="confusion_images", label="Images of the cell",
            empty="No image is in this cell.", on_click=on_click,
        )  # fmt: skip


def _open(run_id: str, examples: Array, words: str, image: int | None = None) -> None:
    """Show the images of the cell in the gallery, where they can be sorted and looked at closely; one of them opened."""
    selection.select(run_id, examples, words)
    if image is not None:
        st.session_state["url_image"] = str(image)
    st.session_state["inspect_tab"] = selection.TAB
