"""The Fix page: what is to become of many images at once, before it is done."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from explorer.analysis.flagged import Strip
from explorer.analysis.suggestions import Suggestion
from explorer.records import NO_CLASS, Array, Decision


class Plan(NamedTuple):
    """examples: int64 ``[n]`` positions in the training set. label: int64 ``[n]`` the class each shall have, NO_CLASS to leave it out.

    beside: int64 ``[n]``, the image that stays in the place of each, or None.
    """

    examples: Array
    label: Array
    beside: Array | None = None


class Counts(NamedTuple):
    """What a plan does: labels changed, labels confirmed, images left out."""

    changed: int
    kept: int
    left_out: int


def above_cut(suspicious: Array, first: int, suggestion: Suggestion, least: float, free: Array) -> Plan:
    """The suggested class for those of the most suspicious images that have a suggestion sure enough.

    Args:
        suspicious: int ``[N]``, most suspicious first; of these the ``first``. least: share the suggestion must have, in [0, 1].
        free: bool ``[N]``, images that may be decided.
    """
    top = suspicious[:first]
    chosen = top[(suggestion.label[top] != NO_CLASS) & (suggestion.share[top] >= least) & free[top]]
    return Plan(chosen, suggestion.label[chosen])


def to_one_label(members: Sequence[int], label: int, free: Array) -> Plan:
    """The same class for every image of a group; those that carry it are confirmed."""
    chosen = np.array([n for n in members if free[n]], dtype=np.int64)
    return Plan(chosen, np.full(len(chosen), label, dtype=np.int64))


def one_of_each(groups: Sequence[Strip], free: Array, *, exact: bool, differing: bool) -> Plan:
    """Leave out all of each group but its representative, which stands first and is itself not decided.

    Args:
        exact: only groups whose images are the same to the byte. differing: also groups whose given labels differ.
    """
    chosen = [
        (n, group.members[0]) for group in groups if group.grouped and (group.exact or not exact) and (differing or not group.conflicting)
        for n in group.members[1:] if free[n]
    ]  # fmt: skip
    examples, beside = np.array(chosen, dtype=np.int64).reshape(-1, 2).T
    return Plan(examples, np.full(len(examples), NO_CLASS, dtype=np.int64), beside)


def counts(plan: Plan, given_label: Array) -> Counts:
    out, same = plan.label == NO_CLASS, plan.label == given_label[plan.examples]
    return Counts(int((~out & ~same).sum()), int(same.sum()), int(out.sum()))


def decisions_of(plan: Plan, given_label: Array, source_index: Array, made: Decision) -> tuple[Decision, ...]:
    """A row of the log for each image of a plan, all of one batch.

    Args:
        given_label, source_index: int ``[N]``. made: what all of them have in common.
    """
    batch = uuid.uuid4().hex
    rows = []
    for n, label in zip(plan.examples.tolist(), plan.label.tolist(), strict=True):
        given = int(given_label[n])
        action = "exclude" if label == NO_CLASS else "keep" if label == given else "relabel"
        rows.append(Decision(
            source_index=int(source_index[n]), action=action, label=label, author=made.author, given_label=given, token=f"{batch}-{n}",
            via="bulk", run_id=made.run_id, score=made.score, suggested=label, suggested_by=made.suggested_by, batch=batch,
        ))  # fmt: skip
    return tuple(rows)
