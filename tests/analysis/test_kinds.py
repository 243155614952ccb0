"""Kinds of images, counted by hand."""

from __future__ import annotations

import dataclasses

import numpy as np

from explorer.analysis.kinds import KINDS, kinds_of
from explorer.records import NO_CLASS, Run


def test_elr_suspects_are_a_kind_only_where_elr_trained(robust: Run, memorizing: Run) -> None:
    found = kinds_of(robust, None)["suspected"]
    given = robust.labels.given_label
    assert found.tolist() == [int(robust.facts.target_label[-1, n]) != int(given[n]) for n in range(len(given))]
    assert "suspected" not in kinds_of(memorizing, None)


def test_a_foreign_image_can_be_memorized_but_not_recovered(memorizing: Run) -> None:
    labels = memorizing.labels
    assert labels.true_label is not None and labels.is_mislabeled is not None
    foreign = np.flatnonzero(labels.is_mislabeled)[:40]
    true, origin = labels.true_label.copy(), labels.wrong_origin.astype("<U8")
    true[foreign], origin[foreign] = NO_CLASS, "foreign"
    run = dataclasses.replace(memorizing, labels=dataclasses.replace(labels, true_label=true, wrong_origin=origin))
    found, before = kinds_of(run, None), kinds_of(memorizing, None)
    assert np.flatnonzero(found["foreign"]).tolist() == foreign.tolist()
    assert "foreign" not in before
    assert np.array_equal(found["wrong"], before["wrong"])
    assert np.array_equal(found["memorized"], before["memorized"]) and found["memorized"][foreign].any()
    assert np.array_equal(found["flipped"], before["flipped"] & ~found["foreign"])
    recovered = found.get("recovered", np.zeros(len(true), dtype=bool))
    assert not recovered[foreign].any()


def test_kinds_come_in_the_order_of_their_list_and_none_is_empty(robust: Run) -> None:
    found = kinds_of(robust, None)
    assert list(found) == [kind for kind in KINDS if kind in found]
    assert all(kind.dtype == bool and kind.any() and kind.shape == robust.labels.given_label.shape for kind in found.values())
    assert found["all"].all()
    assert not (found["wrong"] & found["right"]).any() and (found["wrong"] | found["right"]).all()
