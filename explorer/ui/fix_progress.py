"""The Fix page: how far the review is, how many labels are wrong in all, whether to go on, and how right it was where truth is known."""

from __future__ import annotations

import time

import numpy as np
import streamlit as st

from explorer.analysis import decisions
from explorer.analysis.error_rate import ErrorRate, advice, estimate_from, random_order, recent_hits
from explorer.analysis.suggestions import SUGGESTERS, accuracy
from explorer.ui import theme
from explorer.ui.fix_log import stamp
from explorer.ui.fix_suggest import TITLES, TOGETHER
from explorer.ui.fix_turn import Work
from explorer.ui.reviewing import Reviewing

ESTIMATED = (
    "From the images drawn at random alone, so that the suspicious ones do not weigh. The interval holds the true share in 95 of 100 "
    "such reviews."
)


def show_progress(work: Work) -> None:
    """The numbers of the review in a line, what they advise, and, asked for, how right it was."""
    review, run = work.review, work.review.run
    counts = decisions.count_kinds(review.verdicts, run.source_index)
    decided, N = sum(counts.values()), len(run.source_index)
    wrong = int(decisions.wrong_found(review.verdicts, run.source_index, run.labels.given_label).sum())
    rate = _estimate(review)
    pace = decisions.decisions_per_minute(review.log, review.author, time.time())
    with st.container(key="fix_progress"):
        st.progress(decided / max(1, N))
        first, second, third, fourth = st.columns(4)
        first.metric("Decided", f"{decided:,} of {N:,}", border=False)
        second.metric("Wrong labels found", f"{wrong:,}")
        third.metric("Your decisions per minute", f"{pace:.0f}" if pace else theme.UNKNOWN)
        fourth.metric("Wrong labels in all, estimated", _rate_words(rate), help=ESTIMATED)
        recent = recent_hits(review.log, given_label=run.labels.given_label, source_index=run.source_index, author=review.whose)
        st.caption(_counts_words(counts) + advice(rate, recent, wrong, N - decided))
    _truth(work)


def _estimate(review: Reviewing) -> ErrorRate | None:
    return _estimated(review.data, stamp(review.log), review.run.run_id, review.whose, review)


@st.cache_resource(max_entries=64, show_spinner=False)
def _estimated(data: str, stamp: tuple[int, str, float], run_id: str, whose: str, _review: Reviewing) -> ErrorRate | None:
    if not any(decision.via == "random" for decision in _review.log):
        return None
    run = _review.run
    order = random_order(int(run.source_index.max()) + 1, data)
    return estimate_from(_review.log, order, given_label=run.labels.given_label, source_index=run.source_index, author=whose)


def _rate_words(rate: ErrorRate | None) -> str:
    if rate is None:
        return theme.UNKNOWN
    return f"{100 * rate.estimate:.1f} % ({100 * rate.low:.1f} to {100 * rate.high:.1f})"


def _counts_words(counts: dict[str, int]) -> str:
    """What stands besides labels."""
    named = {"ambiguous": "ambiguous", "exclude": "left out", "dispute": "in dispute"}
    found = [f"{counts[kind]:,} {word}" for kind, word in named.items() if counts[kind]]
    return f"{', '.join(found)}. " if found else ""


# -- where truth is known ----------------------------------------------------------------------------


def _truth(work: Work) -> None:
    run = work.review.run
    if run.labels.true_label is None:
        return
    with st.expander("Where truth is known: how right were the decisions?", key="fix_truth", on_change="rerun") as shown:
        if shown.open:
            _show_truth(work)


def _show_truth(work: Work) -> None:
    review, run = work.review, work.review.run
    true = run.labels.true_label
    assert true is not None
    right = decisions.right_share(review.verdicts, run.source_index, true)
    if right.judged:
        st.markdown(f"**{right.right:,} of {right.judged:,} decided labels are right** ({theme.percent(right.right / right.judged)}).")
    else:
        st.markdown("No label has been decided yet.")
    st.markdown("How often each suggestion is right:")
    rows: dict[str, list[str]] = {
        "suggestion": [],
        "where the given label is wrong": [],
        "accepted without a look, over the images reviewed": [],
    }
    reviewed = np.flatnonzero(np.isin(run.source_index, review.verdicts.source_index))
    for name in (*SUGGESTERS, TOGETHER):
        if name in work.advice.by or name == TOGETHER:
            own = accuracy(work.advice.of(name), run.labels)
            seen = accuracy(work.advice.of(name), run.labels, reviewed)
            assert own is not None and seen is not None
            for column, value in zip(rows, (TITLES[name], theme.percent(own.over_wrong), theme.percent(seen.over_asked)), strict=True):
                rows[column].append(value)
    st.dataframe(rows, hide_index=True, width="content")
    st.caption("A suggestion is always another class than the given one, so for a label that is right it is never right.")
