"""The Fix page: take the corrected labels away as files, and bring in decisions that were made elsewhere."""

from __future__ import annotations

import os
import shlex
from collections.abc import Callable
from functools import partial

import streamlit as st

from explorer.analysis import decisions
from explorer.config import ConfigError
from explorer.data.originals import folder_level
from explorer.records import DataError, StoreError
from explorer.runs.review_downloads import parquet_zip
from explorer.runs.review_files import export_review, review_tables
from explorer.ui.fix_corrected import reason_words
from explorer.ui.fix_import import show_import
from explorer.ui.reviewing import Reviewing
from explorer.ui.services import get_store, load_labels
from explorer.ui.sweep_words import counted
from explorer.ui.words import plain, word

KEPT_SAFE = "Your own files are only read, never changed."
UNDECIDED = "Nothing has been decided yet, so there is nothing to take away: the labels are as they were."
TABLES = {  # file: what the button says, what is in it
    "corrected_labels.csv": (
        "Corrected labels (CSV)", "Every image that goes out: its index, its path where it has one, its label now and before.",
    ),
    "corrections.csv": (
        "Corrections only (CSV)",
        "Only what was decided, with an empty label where an image is left out. *--corrections* of the command line takes it, and so does "
        "*Bring in*.",
    ),
    "decisions.csv": (
        "Decisions (CSV)", "Every decision ever made: by whom, when, on which run, with the score and the suggestion at that moment.",
    ),
}  # fmt: skip
PARQUET = (
    "Images with corrected labels, in the Hugging Face convention, zipped. Unpacked it opens again as a data set, here or with the "
    "*datasets* library."
)


def show_files(review: Reviewing) -> None:
    """Downloads, a folder on this machine, and an upload."""
    left, right = st.columns(2, gap="large")
    with left:
        st.subheader("Take away")
        _take_away(review)
    with right:
        st.subheader("Bring in")
        show_import(review)


def _take_away(review: Reviewing) -> None:
    if not len(review.verdicts.source_index):
        st.info(UNDECIDED)
        return
    try:
        st.markdown(going_words(review))
        if review.run.config.noise != "none":
            st.caption(f"Labels of this run carry added noise ({word(review.run.config.noise)}); what nobody corrected goes out with it.")
        _downloads(review)
        _folder(review)
    except (ConfigError, DataError, StoreError, OSError) as error:
        st.error(f"{str(error).rstrip('.')}.")


def going_words(review: Reviewing) -> str:
    """How many images go out, with what labels, and how many stay behind and why."""
    run, verdicts = review.run, review.verdicts
    kinds, N = decisions.count_kinds(verdicts, run.source_index), len(run.source_index)
    out = kinds["dispute"] + kinds["ambiguous"] + kinds["exclude"]
    wrong = decisions.wrong_found(verdicts, run.source_index, run.labels.given_label)
    relabelled = int(wrong.sum()) - kinds["exclude"]
    confirmed = kinds["label"] - relabelled
    words = (
        f"**{N - out:,} of {counted(N, 'image')} go out**: {relabelled:,} with another label, {confirmed:,} with the given one confirmed, "
        f"{N - out - relabelled - confirmed:,} undecided, as they were."
    )
    stays = f" **{out:,} {'stays' if out == 1 else 'stay'} out**: {reason_words(kinds)}." if out else ""
    settle = " Settle disputes under *Review*, or choose above whose decisions count." if kinds["dispute"] else ""
    whose = f" Only the decisions of {plain(review.whose)} count." if review.whose else ""
    return f"{words}{stays}{settle}{whose}"


# -- downloads ---------------------------------------------------------------------------------------


def _downloads(review: Reviewing) -> None:
    """Each is made when it is asked for."""
    run, whose = review.run, review.whose
    dataset, labels = load_labels(run.config)
    name = f"{run.run_id}_{whose}" if whose.isalnum() and whose.isascii() else run.run_id
    for file, (title, what) in TABLES.items():
        _download(title, what, partial(_table, review, file), f"{name}_{file}", "text/csv")
    packed = partial(parquet_zip, run, dataset, labels, review.log, review.whose)
    _download("Corrected data set (Parquet)", PARQUET, packed, f"{name}_corrected.zip", "application/zip")
    st.caption(KEPT_SAFE)


def _table(review: Reviewing, file: str) -> str:
    return review_tables(review.run, review.log, review.whose)[file]


def _download(title: str, what: str, make: Callable[[], str | bytes], name: str, mime: str) -> None:
    """A button, and beside it what is in the file."""
    left, right = st.columns([1, 1.35], vertical_alignment="center")
    left.download_button(
        title, make, file_name=name, mime=mime, on_click="ignore", icon=":material/download:", key=f"download_{title}", width="stretch"
    )
    right.caption(what)


# -- a folder on this machine --------------------------------------------------------------------------


def served_to_others() -> bool:
    """Whether visitors may sit elsewhere: then nobody writes to this machine's disk by naming a folder."""
    return bool(os.environ.get("EXPLORER_TOKEN") or os.environ.get("EXPLORER_DATA_ROOT"))


def _folder(review: Reviewing) -> None:
    """Everything at once into a folder, with the images in corrected class folders where they came so."""
    tree = folder_level(review.run.config) is not None
    if not served_to_others():
        st.markdown(f"**All of it into a folder**{', with the images in corrected class folders' if tree else ''}")
        with st.container(horizontal=True, vertical_alignment="bottom"):
            st.text_input("Folder", key="export_to", placeholder="a new folder on this machine", persist_state="page")
            st.button("Write", key="export_write", on_click=_write, args=(review.run.run_id, review.whose))
        st.checkbox("Replace an earlier export in that folder", key="export_overwrite", persist_state="page")
        if refused := st.session_state.pop("export_refused", ""):
            st.error(refused)
        if done := st.session_state.pop("export_done", ""):
            st.success(done)
    everybody = "; it counts everybody's decisions" if review.whose else ""
    st.caption(f"The same from the command line, with the scores of the run{everybody}:")
    st.code(command(review.run.run_id, st.session_state.get("export_to", "")), language="bash", wrap_lines=True)


def command(run_id: str, folder: str) -> str:
    """The same from the command line."""
    elsewhere = f" --runs {shlex.quote(str(get_store().root))}" if os.environ.get("EXPLORER_HOME") else ""
    return f"python -m explorer export {run_id} --to {shlex.quote(folder.strip() or 'FOLDER')}{elsewhere}"


def _write(run_id: str, whose: str) -> None:
    to = st.session_state.get("export_to", "").strip()
    if not to:
        st.session_state.export_refused = "Name the folder first; it is made where there is none."
        return
    try:
        written = export_review(get_store(), run_id, to, whose, overwrite=bool(st.session_state.get("export_overwrite")))
    except (ConfigError, DataError, StoreError, OSError) as error:
        st.session_state.export_refused = f"{str(error).rstrip('.')}."
        return
    names = ", ".join(f"`{path.name}`" for path in written)
    st.session_state.export_done = f"Written to `{written[0].parent}`: {names}."
