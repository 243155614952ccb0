"""The Fix page: the run whose labels are reviewed, who reviews them, and what has been decided so far."""

from __future__ import annotations

from typing import NamedTuple

import streamlit as st

from explorer.analysis.decisions import Verdicts
from explorer.config import ConfigError
from explorer.records import DataError, Dataset, Decision, Run, StoreError
from explorer.ui import cards, inspection, state
from explorer.ui.fix_log import counted, key_of
from explorer.ui.services import get_reviews

LONGEST_NAME = 40
QUESTION = "Which labels are wrong, and what should they be?"
ASKING = (
    "Your name stands beside every decision, so that two people can review the same images and see where they differ. It is kept "
    "with the decisions on this machine, and nowhere else."
)


class Reviewing(NamedTuple):
    """What every tab of Fix works on.

    data: the data the decisions belong to, shared by all runs on them (see ``data_key``). author: who sits here, "" until they said so.
    log: every decision on these data, oldest first. verdicts: what they come to. whose: the one person whose decisions count in
    ``verdicts``, "" for everybody's.
    """

    run: Run
    dataset: Dataset
    data: str
    author: str
    log: tuple[Decision, ...]
    verdicts: Verdicts
    whose: str = ""


def the_review() -> Reviewing | None:
    """The run to review, from the URL or the list, and its decisions; None, with a sentence, where there is nothing to review."""
    run_place, name_place, whose_place = st.columns([3, 1, 1], vertical_alignment="center")
    with run_place:
        run = inspection.listed_run(QUESTION)
    dataset = None if run is None else cards.images_of(run)
    if run is None or dataset is None:
        return None
    try:
        data = key_of(run)
        log = get_reviews().log(data)
    except (StoreError, DataError, ConfigError, OSError) as error:
        st.error(f"The decisions cannot be read: {str(error).rstrip('.')}. Nothing that was saved is lost.")
        return None
    if author():
        with name_place:
            _name_field()
    with whose_place:
        whose = _choose_whose(counted(data, log).authors)
    return Reviewing(run, dataset, data, author(), log, counted(data, log, whose).verdicts, whose)


def renewed(review: Reviewing) -> Reviewing:
    """The same with the decisions of this moment, for a part of the page that is drawn alone. Raises StoreError."""
    log = get_reviews().log(review.data)
    return review._replace(author=author(), log=log, verdicts=counted(review.data, log, review.whose).verdicts)


# -- who reviews -----------------------------------------------------------------------------------


def author() -> str:
    """Who reviews in this session, "" until they said so."""
    return str(st.session_state.get("author", ""))


def proper_name(text: str) -> str:
    """A name as it is kept: one line, no blanks around it, at most LONGEST_NAME characters; "" for none."""
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())[:LONGEST_NAME].strip()


def ask_author() -> None:
    """Ask for the name, once per session, where a decision needs one."""
    with st.container(key="ask_author", width=560):
        st.subheader("Who reviews?")
        st.markdown(ASKING)
        _name_field("Your name")
        if st.session_state.get("author_refused"):
            st.warning("A name needs at least one letter or number.")


def _name_field(label: str = "Reviewer") -> None:
    st.session_state.setdefault("author_name", author())
    st.text_input(
        label, key="author_name", max_chars=LONGEST_NAME, placeholder="Your name", on_change=_named, persist_state="session",
        label_visibility="visible" if label == "Your name" else "collapsed",
        help=None if label == "Your name" else "Your name, which stands beside every decision.", icon=":material/person:",
    )  # fmt: skip


def _named() -> None:
    name = proper_name(st.session_state["author_name"])
    st.session_state["author_refused"] = not name
    if name:
        st.session_state["author"] = name
    st.session_state["author_name"] = author()


def _choose_whose(authors: tuple[str, ...]) -> str:
    """Whose decisions count; only asked where several people decided."""
    if len(authors) < 2:
        state.forget("whose")
        state.write_query(whose=None)
        return ""
    texts = {"": "everybody's decisions", **{name: f"only {name}'s" for name in authors}}
    key = state.linked("whose", list(texts), "", "reviewer")
    whose = st.selectbox(
        "Decisions that count", texts, key=key, format_func=texts.__getitem__,
        label_visibility="collapsed", help="Where people differ, an image is in dispute and left out, until it is settled or one "
        "person's decisions alone count.",
    )  # fmt: skip
    state.write_query(whose=whose or None)
    return str(whose)
