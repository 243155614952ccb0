"""The Fix page: what the decisions make of the labels a run was trained on, in numbers and in words."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from explorer.analysis.decisions import Verdicts, labels_of, rows_of
from explorer.config import RunConfig
from explorer.data.corrections import Corrections
from explorer.records import NO_CLASS, Array, Labels, Run
from explorer.runs.retraining import parent_of
from explorer.ui.services import load_labels
from explorer.ui.sweep_words import counted

REASONS = {"dispute": "in dispute", "ambiguous": "ambiguous", "exclude": "excluded"}  # kind of verdict -> why an image is left out


class Ground(NamedTuple):
    """A run's settings without corrections, and the images ``[N]`` and labels it has then: what corrections change."""

    config: RunConfig
    source_index: Array
    labels: Labels
    class_names: tuple[str, ...]


class Outcome(NamedTuple):
    """Where truth is known: of so many wrong labels, how many are set right, left out, or still wrong, and how many new ones there are."""

    wrong: int
    set_right: int
    left_out: int
    still_wrong: int
    made_wrong: int


class Change(NamedTuple):
    """What corrections do to the images of a ground. outcome: None where truth is unknown."""

    images: int
    relabelled: int
    left_out: int
    outcome: Outcome | None


def ground_of(run: Run) -> Ground:
    """Raises ConfigError, DataError or OSError where a run on corrected labels has lost its data."""
    parent = parent_of(run.config)
    if parent is None:
        return Ground(run.config, run.source_index, run.labels, run.class_names)
    dataset, labels = load_labels(parent)
    return Ground(parent, dataset.source_index, labels, dataset.class_names)


def effective(verdicts: Verdicts, ground: Ground) -> Verdicts:
    """The verdicts that change something here, so that keeping more labels does not ask for other networks."""
    given = _given(ground, verdicts.source_index)
    here = given != NO_CLASS
    changes = here & ((verdicts.kind != "label") | (verdicts.label != given))
    return Verdicts(verdicts.source_index[changes], verdicts.kind[changes], verdicts.label[changes])


def _given(ground: Ground, source_index: Array) -> Array:
    """int64 ``[R]``: the given label of each of these source indices, NO_CLASS for images that are not in the run."""
    order = np.argsort(ground.source_index)
    sorted_index = ground.source_index[order]
    return labels_of(Verdicts(sorted_index, np.full(len(order), "label"), ground.labels.given_label[order]), source_index)


def as_corrections(verdicts: Verdicts) -> Corrections:
    """A class for what has one, NO_CLASS for what is left out."""
    return Corrections(verdicts.source_index, np.where(verdicts.kind == "label", verdicts.label, NO_CLASS))


def change_of(ground: Ground, corrections: Corrections) -> Change:
    """Counted over the images of the ground; rows about others say nothing."""
    order = np.argsort(corrections.source_index)
    table = Verdicts(corrections.source_index[order], np.full(len(order), "label"), corrections.label[order])
    listed = rows_of(table, ground.source_index) >= 0
    given, corrected = ground.labels.given_label, labels_of(table, ground.source_index)
    out = listed & (corrected == NO_CLASS)
    now = np.where(listed, corrected, given)
    changed = ~out & (now != given)
    return Change(len(given), int(changed.sum()), int(out.sum()), _outcome(ground.labels, now, out))


def _outcome(labels: Labels, now: Array, out: Array) -> Outcome | None:
    if labels.true_label is None or labels.is_mislabeled is None:
        return None
    wrong, right = labels.is_mislabeled, now == labels.true_label
    counts = wrong, wrong & right & ~out, wrong & out, wrong & ~right & ~out, ~wrong & ~right & ~out
    return Outcome(*(int(each.sum()) for each in counts))


# -- in words --------------------------------------------------------------------------------------


def change_words(change: Change) -> str:
    """``34 labels change, 5 of 300 images are left out``."""
    changes = f"{counted(change.relabelled, 'label')} {'changes' if change.relabelled == 1 else 'change'}"
    return f"{changes}, {change.left_out:,} of {change.images:,} images {'is' if change.left_out == 1 else 'are'} left out"


def reason_words(kinds: dict[str, int]) -> str:
    """``2 ambiguous, 1 in dispute``; empty where nothing is left out. kinds: of ``count_kinds``."""
    return ", ".join(f"{kinds[kind]:,} {words}" for kind, words in REASONS.items() if kinds.get(kind))


def outcome_words(outcome: Outcome) -> str:
    """What became of the wrong labels, where truth is known."""
    if not outcome.wrong:
        kept = "no label was wrong"
    else:
        parts = f"{outcome.set_right:,} set right, {outcome.left_out:,} left out, {outcome.still_wrong:,} still wrong"
        kept = f"of {counted(outcome.wrong, 'wrong label')}, {parts}"
    new = f"; {counted(outcome.made_wrong, 'right label')} made wrong" if outcome.made_wrong else ""
    return f"Where truth is known: {kept}{new}."
