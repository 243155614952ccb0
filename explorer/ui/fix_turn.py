"""The Fix page: which image, or which page of them, is up for review now, and who else looks at it."""

from __future__ import annotations

import time
import uuid
from typing import Any, NamedTuple

import numpy as np
import streamlit as st

from explorer.records import Array
from explorer.ui import state
from explorer.ui.fix_queue import Queue, marks, next_place, wanted
from explorer.ui.fix_suggest import Advice
from explorer.ui.reviewing import Reviewing, renewed

GRID = 24  # images at once
GRID_KEY = "fix_grid"  # of the component that shows them
LOOKING = 120.0  # seconds after which somebody who does nothing is taken to have gone
TRAIL = 200  # places to go back to


class Work(NamedTuple):
    """What is being reviewed, and how. score: name in SCORES, "" for none; values: float64 ``[N]`` of it, or None."""

    review: Reviewing
    queue: Queue
    which: str
    score: str
    values: Array | None
    advice: Advice
    grid: bool


class Turn(NamedTuple):
    """What stands on the page. A key counts only while its turn is the one that stands: it is never for an image not seen yet.

    shown: the positions shown, one or a page of them. told: that of them the server marks.
    """

    work: Work
    number: int
    shown: tuple[int, ...]
    told: int


def number() -> int:
    """Of the turn that stands."""
    return int(st.session_state.get("fix_turn", 0))


def end_turn() -> None:
    """Keys that were pressed for what stood on the page so far no longer count."""
    st.session_state["fix_turn"] = number() + 1


def focus_of(turn: Turn) -> int:
    """The image the keys are for: the one shown, or in a grid the one the reviewer moved to."""
    held: Any = st.session_state.get(GRID_KEY) if turn.work.grid else None
    moved = held.get("focused") if held else None
    if moved and int(moved[1]) == turn.number and int(moved[0]) in turn.shown:
        return int(moved[0])
    return turn.told


# -- places in the order ---------------------------------------------------------------------------


def fitting(work: Work, *, alone: bool = False) -> Array:
    """bool ``[N]`` by place: the images that are asked for now. alone: without those that somebody else is looking at.

    Raises StoreError.
    """
    _, found = marks(renewed(work.review))
    fits = wanted(work.which, found, work.queue)
    if alone and work.which == "undecided":
        fits = fits & ~np.isin(work.review.run.source_index[work.queue.order], looked_at(work.review.data))
    return np.asarray(fits)


def place_of(work: Work) -> int:
    """The place to show: as the link says, or as gone to; the first that is asked for where nothing is said; N for the end."""
    N, text = len(work.queue.order), state.page_value("at")
    if (asked := st.session_state.pop("fix_open", None)) is not None:  # an image that another page sent here
        return go_to(work, int(work.queue.place[asked]))
    if text.isascii() and text.isdecimal() and len(text) < 10 and 1 <= int(text) <= N + 1:
        return int(text) - 1
    if text:
        st.warning(f"The link asks for place {state.quoted(text)}; this order has places 1 to {N:,}, so it begins at its first.")
    first = _next_alone(work, -1)
    return go_to(work, N if first is None else first)


def go_to(work: Work, place: int) -> int:
    state.write_query(at=str(place + 1))
    return place


def step(work: Work, place: int) -> None:
    """On to the next image that is asked for, passing over those that somebody else looks at while there are others; or to the end."""
    trail = [*st.session_state.get("fix_trail", []), place]
    st.session_state["fix_trail"] = trail[-TRAIL:]
    following = _next_alone(work, place)
    if following is None:
        following = next_place(fitting(work), place)
    _move(len(work.queue.order) if following is None else following)


def _next_alone(work: Work, place: int) -> int | None:
    """The next image asked for that nobody else looks at, and from now on this session does: two who go on at once part ways."""
    fits = fitting(work, alone=True)
    following = next_place(fits, place)
    while following is not None and work.which == "undecided" and not _claim(work.review, int(work.queue.order[following])):
        following = next_place(fits, following)
    return following


def step_back(work: Work, place: int) -> None:
    """To what was shown before; without that, to the image before in the order."""
    trail = list(st.session_state.get("fix_trail", []))
    before = trail.pop() if trail else next_place(fitting(work), place, -1)
    st.session_state["fix_trail"] = trail
    if before is not None:
        _move(int(before))


def open_image(work: Work, n: int) -> None:
    """Go to an image, whatever is asked for."""
    _move(int(work.queue.place[n]))
    st.session_state["fix_focus"] = n


def _move(place: int) -> None:
    st.session_state["url_at"] = str(place + 1)
    end_turn()


def page_from(work: Work, place: int) -> tuple[int, ...]:
    """The images of the grid that begins at a place: those asked for from there on; they stay while they are decided."""
    work_key = (work.review.run.run_id, work.review.run.last_epoch, id(work.queue), work.which, place)
    kept = st.session_state.get("fix_page")
    if kept is None or kept[0] != work_key:
        fits = fitting(work, alone=True)
        if not fits[place:].any():
            fits = fitting(work)
        fits[place : place + 1] |= place < len(fits) and st.session_state.get("fix_focus") == work.queue.order[place]
        places = place + np.flatnonzero(fits[place:])[:GRID]
        kept = st.session_state["fix_page"] = (work_key, tuple(work.queue.order[places].tolist()))
    return tuple(kept[1])


# -- who else looks --------------------------------------------------------------------------------


@st.cache_resource(show_spinner=False)
def _looking() -> dict[tuple[str, int], tuple[str, float]]:
    """(data, source index) -> (session, when it was shown there), of all visitors."""
    return {}


def look_at(review: Reviewing, shown: tuple[int, ...]) -> None:
    """Say what this session shows, so that another one is given other images."""
    own, now, looking = session(), time.monotonic(), _looking()
    keys = {_named(review, n) for n in shown}
    for key, (who, since) in list(looking.items()):
        if now - since > LOOKING or (who == own and key not in keys):
            looking.pop(key, None)
    for key in keys:
        if looking.setdefault(key, (own, now))[0] == own:
            looking[key] = own, now


def _claim(review: Reviewing, n: int) -> bool:
    """Whether this session is the one that looks at an image: the first to say so is, which a dictionary decides in one step."""
    return _looking().setdefault(_named(review, n), (session(), time.monotonic()))[0] == session()


def _named(review: Reviewing, n: int) -> tuple[str, int]:
    return review.data, int(review.run.source_index[n])


def looked_at(data: str) -> list[int]:
    """Source indices of the images that other sessions show."""
    own, now = session(), time.monotonic()
    return [key[1] for key, (who, since) in list(_looking().items()) if key[0] == data and who != own and now - since <= LOOKING]


def session() -> str:
    """Names this visit."""
    return str(st.session_state.setdefault("fix_session", uuid.uuid4().hex))
