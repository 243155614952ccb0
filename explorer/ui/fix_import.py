"""The Fix page: decisions made elsewhere, looked at before they are entered, and taken back as one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import pandas as pd
import streamlit as st

from explorer.analysis.decisions import active, opinion, standing
from explorer.config import ConfigError
from explorer.records import DataError, Decision, StoreError
from explorer.runs.review_files import import_decisions
from explorer.ui.reviewing import Reviewing, ask_author
from explorer.ui.services import get_reviews
from explorer.ui.sweep_words import counted

WHAT = (
    "A CSV with the columns *index* or *path*, and *label*: the class by name or number, or nothing to exclude the image. Other columns "
    "are left alone. *Corrections only*, taken away here or on another machine, is such a file."
)
UPLOAD_MB = 20
SHOWN = 200  # rows of the preview
ACTION_WORDS = {"keep": "keep the label", "relabel": "change the label", "ambiguous": "ambiguous", "exclude": "exclude the image"}


class Preview(NamedTuple):
    """What entering decisions would do. fresh: those that say something this author does not hold already.

    replaced: of those, how many replace another opinion of the same author. disputed: how many differ from what somebody else holds.
    """

    fresh: tuple[Decision, ...]
    unchanged: int
    replaced: int
    disputed: int

    def count(self, action: str) -> int:
        return sum(decision.action == action for decision in self.fresh)


def preview_of(imported: Sequence[Decision], log: Sequence[Decision], author: str) -> Preview:
    """log: every decision on these data, oldest first."""
    held: dict[int, dict[str, tuple[str, int]]] = {}
    for decision in active(log):
        held.setdefault(decision.source_index, {})[decision.author] = opinion(decision)
    own = {image: by_author[author] for image, by_author in held.items() if author in by_author}
    fresh = tuple(decision for decision in imported if own.get(decision.source_index) != opinion(decision))
    replaced = sum(decision.source_index in own for decision in fresh)
    disputed = sum(_differs(decision, held.get(decision.source_index, {}), author) for decision in fresh)
    return Preview(fresh, len(imported) - len(fresh), replaced, disputed)


def _differs(decision: Decision, held: Mapping[str, tuple[str, int]], author: str) -> bool:
    return any(said != opinion(decision) for name, said in held.items() if name != author)


def preview_words(preview: Preview) -> str:
    """The preview in a few sentences."""
    if not preview.fresh:
        return f"All {counted(preview.unchanged, 'line')} of the file say what you decided already: nothing to enter."
    parts = [f"{preview.count(action):,} {words}" for action, words in ACTION_WORDS.items() if preview.count(action)]
    words = [f"**{counted(len(preview.fresh), 'decision')}** would be entered in your name: {', '.join(parts)}."]
    if preview.replaced:
        words.append(f"{preview.replaced:,} replace what you decided before.")
    if preview.disputed:
        words.append(f"{preview.disputed:,} differ from somebody else's: in dispute, and left out until they are settled.")
    if preview.unchanged:
        words.append(f"{counted(preview.unchanged, 'line')} say what you decided already.")
    return " ".join(words)


def preview_rows(preview: Preview, class_names: Sequence[str]) -> pd.DataFrame:
    """The first SHOWN decisions: index, given label, and what becomes of it."""
    shown, names = preview.fresh[:SHOWN], (*class_names, "excluded")  # NO_CLASS is the last one
    return pd.DataFrame({
        "index": [decision.source_index for decision in shown],
        "given label": [names[decision.given_label] for decision in shown],
        "becomes": [names[decision.label] for decision in shown],
    })  # fmt: skip


# -- drawing -----------------------------------------------------------------------------------------


def show_import(review: Reviewing) -> None:
    """Choose a file, see what it would do, enter it, take it back."""
    st.markdown(WHAT)
    if not review.author:
        ask_author()
        return
    st.session_state.setdefault("import_number", 0)
    file = st.file_uploader(
        "Decisions made elsewhere", type=["csv"], max_upload_size=UPLOAD_MB, label_visibility="collapsed",
        key=f"import_file_{st.session_state.import_number}",
    )  # fmt: skip
    if refused := st.session_state.pop("import_refused", ""):
        st.error(refused)
    if file is None:
        _offer_undo(review)
        return
    imported = _parsed(review, file.file_id, file.getvalue())
    if imported is not None:
        _preview(review, imported)


def _parsed(review: Reviewing, file_id: str, content: bytes) -> tuple[Decision, ...] | None:
    """The decisions of the file, read once: read again they would be others to the log. None, with the reason said, where it is no good."""
    known = file_id, review.run.run_id, review.author
    kept = st.session_state.get("import_read")
    if kept is None or kept[0] != known:
        try:
            kept = st.session_state.import_read = known, import_decisions(content, review.run, review.author)
        except (ConfigError, DataError, OSError) as error:
            st.error(f"{str(error).rstrip('.')}. Nothing was entered.")
            return None
    if not kept[1]:
        st.info("The file has no line besides its header.")
        return None
    decisions: tuple[Decision, ...] = kept[1]
    return decisions


def _preview(review: Reviewing, imported: tuple[Decision, ...]) -> None:
    preview = preview_of(imported, review.log, review.author)
    st.markdown(preview_words(preview))
    if not preview.fresh:
        return
    words = f"Enter {counted(len(preview.fresh), 'decision')}"
    st.button(words, type="primary", key="import_enter", on_click=_enter, args=(review, preview))
    rows = preview_rows(preview, review.run.class_names)
    st.dataframe(rows, hide_index=True, width="stretch", height=min(35 * (len(rows) + 1) + 3, 320), alt="What the file would decide")
    if len(preview.fresh) > len(rows):
        st.caption(f"The first {len(rows)} of {len(preview.fresh):,}.")


def _enter(review: Reviewing, preview: Preview) -> None:
    try:
        get_reviews().add(review.data, preview.fresh)
    except (DataError, StoreError, OSError) as error:
        st.session_state.import_refused = f"{str(error).rstrip('.')}. Nothing was entered."
        return
    st.session_state.import_number += 1  # a new key is an empty field


def _offer_undo(review: Reviewing) -> None:
    """Take the import back, for as long as it is the last thing its author did."""
    own = [decision for decision in standing(review.log) if decision.author == review.author]
    if not own or own[-1].via != "import":
        return
    number = sum(decision.batch == own[-1].batch for decision in own)
    with st.container(horizontal=True, vertical_alignment="center"):
        st.markdown(f"Your last step was an import: **{counted(number, 'decision')}**, kept on disk.", width="content")
        st.button("Undo the import", key="import_undo", on_click=_undo, args=(review,))


def _undo(review: Reviewing) -> None:
    try:
        get_reviews().undo(review.data, review.author, review.run.run_id)
    except (StoreError, OSError) as error:
        st.session_state.import_refused = f"{str(error).rstrip('.')}."
