"""What a log of review decisions amounts to: who holds what of which image, and where people differ."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np

from explorer.records import NO_CLASS, Array, Decision

OPINIONS = ("keep", "relabel", "ambiguous", "exclude")  # actions that say something of an image
UNSEEN = ("bulk", "import")  # ways in which nobody looked at the image
KINDS = ("label", "ambiguous", "exclude", "dispute")
PAUSE = 60.0  # seconds; a longer gap between two decisions is no work on the second
RECENT = 1800.0  # seconds that count for the pace


class Verdicts(NamedTuple):
    """What the decisions come to, one row per image decided, by ascending source index.

    source_index: int64 ``[R]``. kind: ``[R]`` of KINDS. label: int64 ``[R]`` class decided for, NO_CLASS unless kind is label.
    """

    source_index: Array
    kind: Array
    label: Array


class RightShare(NamedTuple):
    """right of judged decisions agree with the true label."""

    right: int
    judged: int


# -- the log ----------------------------------------------------------------------------------------


def opinion(decision: Decision) -> tuple[str, int]:
    """What a decision says of its image, as (kind, label): keeping a label and changing another one to it are the same."""
    return ("label", decision.label) if decision.action in ("keep", "relabel") else (decision.action, NO_CLASS)


def standing(log: Iterable[Decision]) -> tuple[Decision, ...]:
    """The decisions on images that nobody has taken back, oldest first; also those that later ones replace.

    Args:
        log: oldest first. Of all undo and redo of a decision the last one counts, and only by whoever made the decision.
    """
    log = tuple(log)
    author = {decision.decision_id: decision.author for decision in log if decision.action in OPINIONS}
    undone = {row.target: row.action == "undo" for row in log if row.action in ("undo", "redo") and author.get(row.target) == row.author}
    return tuple(decision for decision in log if decision.action in OPINIONS and not undone.get(decision.decision_id, False))


def active(log: Iterable[Decision]) -> tuple[Decision, ...]:
    """The decisions that count: not undone, not overruled by a later settle, the latest per author and image; oldest first."""
    latest: dict[int, dict[str, tuple[int, Decision]]] = {}
    for place, decision in enumerate(standing(log)):
        by_author = latest.setdefault(decision.source_index, {})
        if decision.via == "settle":
            by_author.clear()
        by_author[decision.author] = (place, decision)
    kept = dict(each for by_author in latest.values() for each in by_author.values())
    return tuple(kept[place] for place in sorted(kept))


def of_author(log: Iterable[Decision], author: str) -> tuple[Decision, ...]:
    """The log as far as this author wrote it; all of it for an empty name."""
    return tuple(decision for decision in log if not author or decision.author == author)


def verdicts(log: Iterable[Decision], author: str = "") -> Verdicts:
    """What the log comes to, image by image. Time is proportional to the length of the log.

    Args:
        log: oldest first. author: only this person's decisions count, so that nothing is in dispute; empty: everybody's.
    """
    said: dict[int, set[tuple[str, int]]] = {}
    for decision in active(of_author(log, author)):
        said.setdefault(decision.source_index, set()).add(opinion(decision))
    rows = [(image, *(next(iter(opinions)) if len(opinions) == 1 else ("dispute", NO_CLASS))) for image, opinions in sorted(said.items())]
    index, kind, label = zip(*rows, strict=True) if rows else ((), (), ())
    return Verdicts(np.array(index, dtype=np.int64), np.array(kind, dtype="<U9"), np.array(label, dtype=np.int64))


def disputes(log: Iterable[Decision]) -> dict[int, tuple[Decision, ...]]:
    """source index -> the decisions that differ, oldest first, of every image in dispute."""
    by_image: dict[int, list[Decision]] = {}
    for decision in active(log):
        by_image.setdefault(decision.source_index, []).append(decision)
    return {image: tuple(rows) for image, rows in sorted(by_image.items()) if len({opinion(row) for row in rows}) > 1}


def authors(log: Iterable[Decision]) -> tuple[str, ...]:
    """Everybody with a decision that counts, by name."""
    return tuple(sorted({decision.author for decision in active(log)}))


def decisions_per_minute(log: Sequence[Decision], author: str, now: float) -> float:
    """Pace of the last half hour, pauses of more than a minute left out; 0 before there are two decisions to measure between.

    Args:
        now: seconds since 1970. What was decided in bulk, imported, undone or done again does not count as a decision made.
    """
    made = [d.made_at for d in of_author(log, author) if d.action in OPINIONS and d.via not in UNSEEN and d.made_at > now - RECENT]
    gaps = np.diff(np.sort(made))
    gaps = gaps[gaps <= PAUSE]
    return float(60 * len(gaps) / gaps.sum()) if gaps.sum() > 0 else 0.0


# -- verdicts beside the images of a run ------------------------------------------------------------


def rows_of(verdicts: Verdicts, source_index: Array) -> Array:
    """int64 ``[N]``: the row of each image's verdict, -1 where it has none."""
    if not len(verdicts.source_index):
        return np.full(len(source_index), -1, dtype=np.int64)
    row = np.minimum(np.searchsorted(verdicts.source_index, source_index), len(verdicts.source_index) - 1)
    return np.where(verdicts.source_index[row] == source_index, row, -1)


def kinds_of(verdicts: Verdicts, source_index: Array) -> Array:
    """``[N]`` of KINDS, ``""`` where an image has no verdict."""
    return np.append(verdicts.kind, "")[rows_of(verdicts, source_index)]


def labels_of(verdicts: Verdicts, source_index: Array) -> Array:
    """int64 ``[N]``: the class decided for, NO_CLASS where none was."""
    return np.asarray(np.append(verdicts.label, NO_CLASS)[rows_of(verdicts, source_index)])


def count_kinds(verdicts: Verdicts, source_index: Array) -> dict[str, int]:
    """How many of these images have a verdict of each kind, in the order of KINDS."""
    kind = kinds_of(verdicts, source_index)
    return {name: int((kind == name).sum()) for name in KINDS}


def wrong_found(verdicts: Verdicts, source_index: Array, given_label: Array) -> Array:
    """bool ``[N]``: images whose given label was decided to be wrong: another class is right, or none is (excluded).

    Args:
        given_label: int ``[N]`` of the run at hand: noise of another run may have given the same image another label.
    """
    kind, label = kinds_of(verdicts, source_index), labels_of(verdicts, source_index)
    return np.asarray(((kind == "label") & (label != given_label)) | (kind == "exclude"))


def right_share(verdicts: Verdicts, source_index: Array, true_label: Array) -> RightShare:
    """How many decisions were right, where truth is known.

    A class decided for is right if it is the true one. Excluding is right for an image that shows none of the classes and is
    not judged for others, which may be left out for other reasons. Ambiguous ones and disputes are not judged.
    """
    kind, label = kinds_of(verdicts, source_index), labels_of(verdicts, source_index)
    excluded = (kind == "exclude") & (true_label == NO_CLASS)
    right = (kind == "label") & (label == true_label)
    return RightShare(int((right | excluded).sum()), int(((kind == "label") | excluded).sum()))
