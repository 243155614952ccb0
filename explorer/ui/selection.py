"""Images picked by hand elsewhere on Inspect (a lasso on the map, a cell of the confusion view) for the gallery to show."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import streamlit as st

from explorer.records import Array, Run
from explorer.ui import state

LINKED = 100  # images a link may name one by one
TAB = "Images"  # where they are shown


class Selection(NamedTuple):
    """examples: int64 ``[n]`` positions in the training set. words: what was picked, to follow "shows", as "120 images of the map"."""

    examples: Array
    words: str


def select(run_id: str, examples: Array, words: str) -> None:
    """Let the gallery show these images of a run, whatever it was asked for before, until another choice or ``clear``."""
    picked = Selection(np.asarray(examples, dtype=np.int64), words)
    st.session_state["selection"] = (run_id, picked)
    state.forget("show", "cls", "looks", "truth", "reviewed", "page", "image")
    st.session_state["url_only"] = link(picked)


def selection(run_id: str) -> Selection | None:
    """What was picked in this run, or None."""
    held_by, picked = st.session_state.get("selection", ("", None))
    return picked if held_by == run_id else None


def clear() -> None:
    st.session_state.pop("selection", None)
    state.forget("only", "page")


def link(picked: Selection | None) -> str:
    """The positions as a link names them; empty for more than it can hold."""
    return "" if picked is None or len(picked.examples) > LINKED else ",".join(map(str, picked.examples.tolist()))


def follow(run: Run) -> None:
    """Pick what the link names, once per visit; afterwards let the link name what is picked in the run that is looked at."""
    text = state.page_value("only")
    if text and "selection" not in st.session_state:
        N, parts = len(run.labels.given_label), text.split(",")
        if len(parts) <= LINKED and all(part.isascii() and part.isdecimal() and int(part) < N for part in parts):
            examples = np.unique(np.array(parts, dtype=np.int64))
            st.session_state["selection"] = (run.run_id, Selection(examples, f"{len(examples):,} of the images, named in the link"))
        else:
            st.warning(
                f"The link picks the images {state.quoted(text)}. Up to {LINKED} positions from 0 to {N - 1:,}, with commas between "
                "them, were expected, so all images are shown."
            )
    state.write_query(only=link(selection(run.run_id)) or None)
