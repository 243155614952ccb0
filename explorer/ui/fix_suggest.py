"""The Fix page: what each label should be, if not the given one, as the network, ELR's target and look-alikes say."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import streamlit as st

from explorer.analysis import suggestions
from explorer.analysis.neighbors import NearDuplicates, Neighbors
from explorer.analysis.suggestions import SUGGESTERS, Suggestion, appearance_neighbors, by_model, by_neighbors, by_target
from explorer.records import NO_CLASS, Array, Dataset, Run
from explorer.ui import cards
from explorer.ui.searches import near_duplicates_of

TOGETHER = "together"
TITLES = {TOGETHER: suggestions.TOGETHER.title, **{name: suggester.title for name, suggester in SUGGESTERS.items()}}
_BY_ID = {Run: lambda run: run.run_id, Dataset: id}


class Advice(NamedTuple):
    """What is suggested for the images of a run. by: name in SUGGESTERS to what it says. together: what is offered to be accepted.

    backers: ``[N]``, the names of those whose class that is, with commas. looks: the images that look most like each.
    epochs: how many the network was asked at.
    """

    by: Mapping[str, Suggestion]
    together: Suggestion
    backers: Array
    looks: Neighbors
    epochs: int

    def of(self, name: str) -> Suggestion:
        """What one of TITLES suggests."""
        return self.together if name == TOGETHER else self.by[name]


def known_of(run: Run, dataset: Dataset) -> tuple[Mapping[str, Array], Advice, NearDuplicates | None]:
    """What a reviewer works with: the scores, what is suggested, and the near-duplicates."""
    return cards.scores_at(run, run.last_epoch), advice_of(run, dataset), near_duplicates_of(run)


def advice_of(run: Run, dataset: Dataset) -> Advice:
    """Computed once for each epoch that was recorded; looks once for the images."""
    return _advice(run.run_id, run.last_epoch, run, dataset)


@st.cache_resource(max_entries=4, show_spinner=False, hash_funcs=_BY_ID)
def _advice(run_id: str, recorded: int, run: Run, dataset: Dataset) -> Advice:
    given, classes, looks = run.labels.given_label, len(run.class_names), _looks(dataset)
    found: dict[str, Suggestion] = {}
    if len(run.facts.epochs):
        found["model"] = by_model(run.facts, given, classes)
    target = by_target(run.facts, given)
    if target is not None:
        found["target"] = target
    found["neighbors"] = by_neighbors(looks.ids, given, classes)
    joint = suggestions.together(run.facts, looks.ids, given, classes)
    return Advice(found, joint, backers(found, joint), looks, len(run.facts.epochs))


@st.cache_resource(max_entries=2, show_spinner="Comparing how the images look. This is done once…", hash_funcs=_BY_ID)
def _looks(dataset: Dataset) -> Neighbors:
    *_, found = appearance_neighbors(dataset.train_images)
    assert isinstance(found, Neighbors)  # the last record
    return found


def backers(found: Mapping[str, Suggestion], joint: Suggestion) -> Array:
    """``[N]``: who suggests the class of ``joint``, in the order of SUGGESTERS, with commas; empty where there is none.

    TOGETHER where it is the first choice of nobody, and the second of several.
    """
    named = np.full(len(joint.label), "", dtype=object)
    for name, each in found.items():
        says = (each.label == joint.label) & (joint.label != NO_CLASS)
        named[says] = [f"{before},{name}" if before else name for before in named[says]]
    named[(named == "") & (joint.label != NO_CLASS)] = TOGETHER
    return named.astype(str)


def words(advice: Advice, name: str, n: int, class_names: Sequence[str], given_label: Array) -> str:
    """What one suggester says of image ``n``, and how sure it is, with class names as they are given. given_label: int ``[N]``."""
    label, share = int(advice.of(name).label[n]), float(advice.of(name).share[n])
    if name == TOGETHER:
        return f"taken together, most speaks for {class_names[label]}"
    if label == NO_CLASS:
        return NOTHING[name]
    if name == "model":
        return f"the network called it {class_names[label]} in {round(share * advice.epochs):,} of {advice.epochs:,} epochs"
    if name == "target":
        return f"ELR\u2019s target holds it for {class_names[label]}, {100 * share:.0f}\u00a0% against the given label"
    asked = advice.looks.ids[n][advice.looks.ids[n] >= 0]
    same = int((given_label[asked] == given_label[n]).sum())
    own = f", {same:,} {class_names[given_label[n]]} as given" if same else ""
    return f"{round(share * len(asked)):,} of {len(asked):,} look-alikes are {class_names[label]}{own}"


NOTHING = {
    "model": "the network never called it anything else",
    "target": "ELR\u2019s target never left the given label",
    "neighbors": "all its look-alikes carry the given label",
}
