"""The Inspect page: what its gallery knows of a run, computed once for each epoch that was recorded."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import streamlit as st

from explorer.analysis.findings import findings
from explorer.analysis.kinds import kinds_of
from explorer.analysis.neighbors import NearDuplicates
from explorer.analysis.scores import combined, usual_prediction
from explorer.analysis.views import Traits, View, fits, ordered, standing, truth_of
from explorer.records import Array, Finding, Run

_BY_ID = {
    Run: lambda run: run.run_id,
    NearDuplicates: lambda pairs: (len(pairs.a), float(pairs.similarity.sum())),  # others, once the images have been searched
}


class Listing(NamedTuple):
    """The images a view asks for. order: int64 ``[n]``, first to last.

    ranks: float64 ``[N]``, the (mean) percentile of its scores, None without any. against: the same of the score it is sorted against,
    or None.
    """

    order: Array
    ranks: Array | None
    against: Array | None


def listing(run: Run, view: View, scores: dict[str, Array], traits: Traits) -> Listing:
    """Sorting is kept, filters are not: they take next to no time."""
    now, N = (run.run_id, run.last_epoch, run.status), len(traits.given)
    ranks, against, order = _sorted(*now, N, tuple(view.scores), view.against, view.opposite, scores)
    return Listing(order[fits(view, traits)[order]], ranks, against)


@st.cache_data(max_entries=64, show_spinner=False)
def _sorted(
    run_id: str, recorded: int, status: str, N: int, names: tuple[str, ...], against: str, opposite: bool, _scores: dict[str, Array]
) -> tuple[Array | None, Array | None, Array]:  # fmt: skip
    own = combined(_scores, names) if names else None
    other = combined(_scores, [against]) if against else None
    return own, other, ordered(standing(View(names, against, opposite), _scores, N))


@st.cache_resource(max_entries=16, show_spinner=False, hash_funcs=_BY_ID)
def traits_of(run_id: str, recorded: int, status: str, run: Run, pairs: NearDuplicates | None) -> Traits:
    """What can be asked of the images of a run. predicted: the class predicted in most epochs, as the cards say."""
    predicted = usual_prediction(run.facts.predicted_label) if len(run.facts.epochs) else None
    return Traits(run.labels.given_label, predicted, truth_of(run.labels), kinds_of(run, pairs))


@st.cache_data(max_entries=16, show_spinner=False, hash_funcs=_BY_ID)
def findings_of(
    run_id: str, recorded: int, status: str, run: Run, _scores: dict[str, Array], pairs: NearDuplicates | None
) -> list[Finding]:  # fmt: skip
    return findings(run, _scores, pairs)


def class_sizes(traits: Traits, names: tuple[str, ...]) -> dict[str, int]:
    """How many images carry each class as their given label."""
    return dict(zip(names, np.bincount(traits.given, minlength=len(names)).tolist(), strict=True))
