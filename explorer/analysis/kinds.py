"""Kinds of images one may want to look at, by what is known of them and what the network makes of them."""

from __future__ import annotations

import numpy as np

from explorer.analysis.neighbors import NearDuplicates
from explorer.analysis.scores import suspected_by_target
from explorer.records import Array, Run

KINDS: dict[str, str] = {
    "all": "all images",
    "missed": "given label not predicted",
    "conflict": "look-alike under another label",
    "suspected": "ELR suspects the label",
    "wrong": "wrong label",
    "right": "right label",
    "memorized": "memorized (wrong label predicted)",
    "recovered": "recovered (true label predicted)",
    "flipped": "flipped by the noise",
    "planted": "planted wrong copy",
    "recorded": "wrong in the data",
    "foreign": "replaced by a foreign image",
    "reviewed": "wrong since its review",
    "atypical": "planted atypical",
    "near_duplicate": "planted near-duplicate",
}


def kinds_of(run: Run, pairs: NearDuplicates | None) -> dict[str, Array]:
    """Kind to bool ``[N]``, in the order of KINDS, as of the last epoch; kinds that cannot be told, or are empty, are left out."""
    labels, N = run.labels, len(run.labels.given_label)
    found: dict[str, Array] = {"all": np.ones(N, dtype=bool)}
    predicted = run.facts.predicted_label[-1] if len(run.facts.epochs) else None
    if predicted is not None:
        found["missed"] = predicted != labels.given_label
    if pairs is not None:
        found["conflict"] = np.isin(np.arange(N), np.concatenate([pairs.a[pairs.conflicting], pairs.b[pairs.conflicting]]))
    found["suspected"] = suspected_by_target(run.facts, labels.given_label)
    if labels.is_mislabeled is not None and labels.true_label is not None:
        found["wrong"], found["right"] = labels.is_mislabeled, ~labels.is_mislabeled
        if predicted is not None:
            found["memorized"] = labels.is_mislabeled & (predicted == labels.given_label)
            # The class of an image that shows none, NO_CLASS, is never predicted: it can be memorized but not recovered.
            found["recovered"] = labels.is_mislabeled & (predicted == labels.true_label)
    found |= {origin: labels.wrong_origin == origin for origin in ("flipped", "planted", "recorded", "foreign", "reviewed")}
    if run.planted is not None:
        found |= {kind: run.planted.kind == kind for kind in ("atypical", "near_duplicate")}
    return {kind: found[kind] for kind in KINDS if kind in found and found[kind].any()}
