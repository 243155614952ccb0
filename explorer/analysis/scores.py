"""Per-image scores: pure functions of the facts recorded in epochs 1..E. A new score needs no new training.

Files and functions keep each score's natural unit; ``suspicion`` turns any of them so that high means suspicious,
and every list, AUROC and gallery goes through it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from explorer.analysis.dynamics import facts_until, recorded_scores, suggested_label, suspected_by_target, usual_prediction
from explorer.analysis.neighbors import Neighbors, knn_disagreement
from explorer.analysis.out_of_sample import out_of_sample_scores, second_split_forgetting
from explorer.analysis.score_table import HISTORY, SCORES, ScoreInfo, forward_passes
from explorer.records import Array, Facts

__all__ = [
    "SCORES", "ScoreInfo", "combined", "compute_scores", "facts_until", "forward_passes", "percentile", "ranking", "suggested_label",
    "suspected_by_target", "suspicion", "usual_prediction",
]  # fmt: skip


def compute_scores(
    facts: Facts,
    given_label: Array,
    embedding: Array | None = None,
    *,
    out_of_sample: Array | None = None,
    second_split: Array | None = None,
    trained: bool = True,
    neighbors: Neighbors | None = None,
) -> dict[str, Array]:
    """Every score that what is known allows, float64 ``[N]`` by name, in the order of SCORES.

    Args:
        facts: of epochs 1..E; with E = 0 only what follows is left to judge by. given_label: int ``[N]``.
        embedding: float32 ``[N, D]`` or None. out_of_sample, second_split: see FinalRecord, or None.
        trained: False where the facts are one look at a network trained elsewhere: scores that need a history are left out.
        neighbors: of ``find_neighbors`` in the embedding, where they are known; saves the search.
    """
    scores = recorded_scores(facts, given_label)
    if embedding is not None:
        scores["knn_disagreement"] = knn_disagreement(embedding, given_label, neighbors=neighbors)
    if out_of_sample is not None:
        scores |= out_of_sample_scores(out_of_sample, given_label)
    if second_split is not None:
        scores["second_split_forgetting"] = second_split_forgetting(second_split)
    return {name: scores[name] for name in SCORES if name in scores and (trained or name not in HISTORY)}


def suspicion(name: str, values: Array) -> Array:
    """float64 ``[N]``: the score turned so that high is suspicious."""
    values = np.asarray(values, dtype=np.float64)
    return values if SCORES[name].suspicious == "high" else -values


def ranking(name: str, values: Array) -> Array:
    """int64 ``[N]``: positions, most suspicious first; ties in the order of the data. Unknown values (NaN) come last."""
    return np.argsort(-np.nan_to_num(suspicion(name, values), nan=-np.inf), kind="stable")


def percentile(name: str, values: Array) -> Array:
    """float64 ``[N]`` in [0, 1]: share of the other images that are less suspicious, ties counting half; 1 is the most suspicious."""
    ascending = np.sort(np.nan_to_num(suspicion(name, values), nan=-np.inf))
    own = np.nan_to_num(suspicion(name, values), nan=-np.inf)
    below, upto = np.searchsorted(ascending, own, "left"), np.searchsorted(ascending, own, "right")
    return (below + upto - 1) / 2 / max(1, len(own) - 1)


def combined(scores: Mapping[str, Array], names: Sequence[str]) -> Array:
    """float64 ``[N]`` in [0, 1]: mean percentile of some scores, high is suspicious.

    Raises:
        KeyError: for a score that is not there. ValueError: for no names.
    """
    if not names:
        raise ValueError("no score to combine")
    return np.mean([percentile(name, scores[name]) for name in names], axis=0)
