"""The Fix page: in which order images come up for review, and which of them are passed over."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import streamlit as st

from explorer.analysis.decisions import UNSEEN, opinion
from explorer.analysis.error_rate import random_order, unseen_among_drawn
from explorer.analysis.scores import ranking
from explorer.records import Array, Decision, Run
from explorer.ui.fix_log import Counted, counted, stamp
from explorer.ui.reviewing import Reviewing

EVERY = 4  # of the mixed order, so many images hold one drawn at random
ORDERS = {
    "mixed": "suspicious, every fourth at random",
    "suspicious": "most suspicious first",
    "random": "all at random",
}
WHICH = {
    "undecided": "nobody decided yet",
    "mine": "decided by me",
    "others": "decided by others, not by me",
    "disputed": "in dispute",
    "all": "all images",
}
PREFERRED = ("aum", "cumulative_loss", "out_of_sample_margin", "knn_disagreement", "curvature")  # they find wrong labels best


class Queue(NamedTuple):
    """The order of review. order: int64 ``[N]`` positions in the training set. drawn: bool ``[N]``, those places drawn at random.

    place: int64 ``[N]``, where in the order each image stands.
    """

    order: Array
    drawn: Array
    place: Array


class Marks(NamedTuple):
    """What has been decided, by image: bool ``[N]`` each. unseen: decided, but by nobody who looked at it; owed: of those, the ones
    that drawing at random has come past."""

    mine: Array
    others: Array
    disputed: Array
    unseen: Array
    owed: Array


def queue_of(order: str, suspicious: Array, random: Array) -> Queue:
    """The order of review of N images.

    Args:
        order: of ORDERS. suspicious: int ``[N]``, most suspicious first. random: int ``[N]``, the same images as drawn.
    """
    if order == "suspicious":
        return _queue(suspicious, np.zeros(len(suspicious), dtype=bool))
    if order == "random":
        return _queue(random, np.ones(len(random), dtype=bool))
    count = len(suspicious)
    taken, places, drawn = np.zeros(count, dtype=bool), np.empty(count, dtype=np.int64), np.zeros(count, dtype=bool)
    rest = {False: iter(suspicious.tolist()), True: iter(random.tolist())}
    for place in range(count):
        drawn[place] = place % EVERY == EVERY - 1
        places[place] = next(n for n in rest[bool(drawn[place])] if not taken[n])
        taken[places[place]] = True
    return _queue(places, drawn)


def _queue(order: Array, drawn: Array) -> Queue:
    place = np.empty(len(order), dtype=np.int64)
    place[order] = np.arange(len(order))
    return Queue(np.asarray(order, dtype=np.int64), drawn, place)


def marks_of(by_image: Mapping[int, Mapping[str, Decision]], row_of: Mapping[int, int], author: str) -> Marks:
    """Who decided what, by image of the run. row_of: source index to position; decisions on other images are left out."""
    mine, others, disputed, unseen = (np.zeros(len(row_of), dtype=bool) for _ in range(4))
    for source_index, by_author in by_image.items():
        n = row_of.get(source_index)
        if n is not None:
            mine[n] = author in by_author
            others[n] = len(by_author) > mine[n]
            disputed[n] = len({opinion(each) for each in by_author.values()}) > 1
            unseen[n] = all(each.via in UNSEEN for each in by_author.values())
    return Marks(mine, others, disputed, unseen, np.zeros_like(unseen))


def wanted(which: str, marks: Marks, queue: Queue) -> Array:
    """bool ``[N]`` by place in the queue: the images that one of WHICH asks for.

    An image drawn at random that was decided without a look is to be looked at too: the estimate of the error rate needs it.
    """
    by_image = {
        "undecided": ~marks.mine & ~marks.others,
        "mine": marks.mine,
        "others": marks.others & ~marks.mine,
        "disputed": marks.disputed,
        "all": np.ones(len(marks.mine), dtype=bool),
    }
    fits = by_image[which][queue.order]
    return fits | (queue.drawn & marks.unseen[queue.order]) | marks.owed[queue.order] if which == "undecided" else fits


def next_place(fits: Array, place: int, step: int = 1) -> int | None:
    """The nearest place after (step 1) or before (-1) ``place`` that ``fits``; None where there is none. fits: bool ``[N]`` by place."""
    found = np.flatnonzero(fits)
    found = found[found > place] if step > 0 else found[found < place][::-1]
    return int(found[0]) if len(found) else None


# -- of a run --------------------------------------------------------------------------------------


def the_queue(review: Reviewing, order: str, score: str, scores: Mapping[str, Array]) -> Queue:
    """Built once for a run, an order and a score, so that a decision changes no place in it. Without scores: order "random"."""
    run = review.run
    return _built(run.run_id, run.last_epoch, run.status, review.data, order, score, run, scores)


@st.cache_resource(max_entries=16, show_spinner=False, hash_funcs={Run: lambda run: run.run_id})
def _built(
    run_id: str, recorded: int, status: str, data: str, order: str, score: str, run: Run, _scores: Mapping[str, Array]
) -> Queue:  # fmt: skip
    drawn = drawn_order(data, run.source_index)
    return queue_of(order, ranking(score, _scores[score]) if score else drawn, drawn)


def drawn_order(data: str, source_index: Array) -> Array:
    """int64 ``[N]``: the images of a run in the order in which they are drawn at random, for everybody the same."""
    row_of = np.full(int(source_index.max()) + 1, -1, dtype=np.int64)
    row_of[source_index] = np.arange(len(source_index))
    rows = row_of[random_order(len(row_of), data)]
    return rows[rows >= 0]


@st.cache_resource(max_entries=8, show_spinner=False, hash_funcs={Run: lambda run: run.run_id})
def rows_of(run_id: str, run: Run) -> dict[int, int]:
    """Source index to position in the training set."""
    return {int(index): n for n, index in enumerate(run.source_index.tolist())}


def marks(review: Reviewing) -> tuple[Counted, Marks]:
    """The decisions that count, of everybody, and the images they are on."""
    found = counted(review.data, review.log)
    return found, _marks(review.run.run_id, review.data, stamp(review.log), review.author, review.run, found, review.log)


@st.cache_resource(max_entries=8, show_spinner=False)
def _marks(
    run_id: str, data: str, stamp: tuple[int, str, float], author: str, _run: Run, _counted: Counted, _log: tuple[Decision, ...]
) -> Marks:  # fmt: skip
    rows, index = rows_of(run_id, _run), _run.source_index
    found = marks_of(_counted.by_image, rows, author)
    if not found.unseen.any():
        return found
    owed = unseen_among_drawn(_log, random_order(int(index.max()) + 1, data), index)
    found.owed[[rows[n] for n in owed.tolist()]] = True
    return found
