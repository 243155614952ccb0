"""The Inspect page: a search for near-duplicates that has not been done yet: what it takes, how far it is, why it failed."""

from __future__ import annotations

import streamlit as st

from explorer.records import Dataset, Run
from explorer.runs.duplicate_jobs import DuplicateLive
from explorer.runs.duplicates import expected_seconds
from explorer.ui.searches import search_id
from explorer.ui.services import get_duplicate_jobs

TICK = 0.5  # seconds between two looks at a search that goes on
PHASES = {"search": "Step 1 of 2: looking for look-alikes", "compare": "Step 2 of 2: comparing pairs pixel by pixel"}


def show_search(run: Run, dataset: Dataset, words: str, label: str, *, against_test: bool = False) -> None:
    """How far a search is, or ``words``, its cost and a button ``label`` that starts it."""
    jobs, wanted = get_duplicate_jobs(), search_id(run.run_id, dataset, against_test)
    key = "leaks" if against_test else "duplicates"
    live = jobs.live(wanted)
    if live is not None and live.state != "failed":
        _show_going(wanted, live, key)
        return
    if live is not None:
        st.error(f"The search failed: {live.cause.rstrip('.')}. Nothing of it was kept.")
    count = len(dataset.train_images) + (len(dataset.test_images) if against_test else 0)
    cost = f"about {duration(expected_seconds(count))} of one processor core"
    st.markdown(f"{words} It takes {cost} and is kept for every run on these images.")
    st.button(
        label, type="secondary" if against_test else "primary", key=f"{key}_search", on_click=jobs.start,
        args=(dataset.train_images, dataset.test_images if against_test else None),
    )  # fmt: skip


def duration(seconds: float) -> str:
    """``10 seconds``, ``4 minutes``: rounded as an estimate deserves."""
    if seconds < 55:
        rounded = max(5, 5 * round(seconds / 5))
        return f"{rounded} seconds"
    minutes = max(1, round(seconds / 60))
    return f"{minutes:,} {'minute' if minutes == 1 else 'minutes'}"


# -- one that goes on ------------------------------------------------------------------------------


def _show_going(wanted: str, live: DuplicateLive, key: str) -> None:
    """Progress, in a fragment that polls, and a button beside it."""
    left, right = st.columns([5, 1], vertical_alignment="center")
    with left:
        st.fragment(_watch, run_every=TICK)(wanted, _marks(live))
    with right:
        st.button(
            "Stopping…" if live.wish else "Stop", key=f"{key}_stop", disabled=bool(live.wish), width="stretch",
            on_click=get_duplicate_jobs().stop, args=(wanted,), help="Nothing is kept of a search that was stopped.",
        )  # fmt: skip


def _marks(live: DuplicateLive | None) -> str:
    return "" if live is None else f"{live.state} {live.wish}"


def _watch(wanted: str, marks: str) -> None:
    """How far it is; when anything else changes the whole page is drawn anew."""
    live = get_duplicate_jobs().live(wanted)
    if live is None or _marks(live) != marks:
        st.rerun()
    share, words = progress_words(live)
    st.progress(share, text=words)


def progress_words(live: DuplicateLive) -> tuple[float, str]:
    """(share of its step that is done, in words) of a search that waits or goes on."""
    if live.state == "queued":
        return 0.0, "Waiting: another search goes first."
    if live.progress is None:
        return 0.0, "Preparing: planting copies and learning what these images look like."
    share = min(1.0, live.progress.done / max(1, live.progress.total))
    return share, f"{PHASES.get(live.progress.phase, live.progress.phase)}, {100 * share:.0f} %"
