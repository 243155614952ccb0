"""Per-image scores: pure functions of the facts recorded in epochs 1..E. A new score needs no new training.

Files and functions keep each score's natural unit; ``suspicion`` turns any of them so that high means suspicious,
and every list, AUROC and gallery goes through it.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from explorer.analysis.neighbors import knn_disagreement
from explorer.records import Array, Facts


class ScoreInfo(NamedTuple):
    """What a score is called, which end is suspicious, and what a person should know before trusting it."""

    title: str
    suspicious: str  # "high" or "low"
    unit: str
    explanation: str
    paper: str
    departure: str
    cost: str  # beyond training, with one evaluation pass per epoch


SCORES: dict[str, ScoreInfo] = {
    "curvature": ScoreInfo(
        "Input-loss curvature", "high", "nats/unit²",
        "How fast the loss gradient turns when the image changes a little, averaged over the probed epochs. The network bends its "
        "decision sharply around images it makes an exception for: good at conflicting copies and atypical images.",
        "Garg, Ravikumar, Roy 2024, arXiv:2307.05831",
        "Summed loss (the authors' mean divides by the batch size), divided by the radius; the default uses 2 random "
        "directions, the paper 10.",
        "(directions + 1) forward and backward passes per probed epoch",
    ),
    "cumulative_loss": ScoreInfo(
        "Cumulative loss", "high", "nats",
        "The image's loss added up over the epochs. Labels that resist being learned pile it up: the best single score here for "
        "labels flipped at random.",
        "Ravikumar et al. 2025 (CSL), ICML",
        "Sum over epochs in evaluation mode; the paper averages, which ranks the same.",
        "none",
    ),
    "aum": ScoreInfo(
        "Area under the margin", "low", "logits",
        "By how much the given label's logit leads its best rival, averaged over the epochs. A wrong label fights the class the "
        "image really shows.",
        "Pleiss et al. 2020, arXiv:2001.10528",
        "Read after each epoch in evaluation mode, not during the training step.",
        "none",
    ),
    "forgetting_events": ScoreInfo(
        "Forgetting events", "high", "events",
        "How often the network had the given label right and lost it again; E where it never had it right.",
        "Toneva et al. 2019, arXiv:1812.05159",
        "Counted between epochs, not between presentations.",
        "none",
    ),
    "learning_epoch": ScoreInfo(
        "Learning epoch", "high", "epochs",
        "First epoch from which the given label stays predicted to the end; E + 1 where it never does. Wrong labels are learned late.",
        "Toneva et al. 2019, arXiv:1812.05159",
        "Evaluation mode, once per epoch.",
        "none",
    ),
    "cumulative_errors": ScoreInfo(
        "Cumulative errors", "high", "epochs",
        "In how many epochs the network did not predict the given label.",
        "cumulative correctness in Ravikumar et al. 2025",
        "A count, not a share.",
        "none",
    ),
    "final_loss": ScoreInfo(
        "Final loss", "high", "nats",
        "Loss at the last epoch. A network that has memorized everything has little left to say here.",
        "Arpit et al. 2017, arXiv:1706.05394",
        "",
        "none",
    ),
    "self_confidence": ScoreInfo(
        "Self-confidence", "low", "probability",
        "Probability of the given label at the last epoch; the same order as final loss, read as a probability.",
        "Northcutt et al. 2021, arXiv:1911.00068",
        "Of the network that was trained on the image; the paper asks for out-of-sample probabilities, which are better.",
        "none",
    ),
    "knn_disagreement": ScoreInfo(
        "Neighbour disagreement", "high", "share",
        "Share of the 10 nearest images (by embedding, weighted by similarity) that carry another label. The cheap baseline any "
        "other score must beat.",
        "Zhu et al. 2022 (SimiFeat), arXiv:2110.06283",
        "The network's own embedding at the epoch of peak curvature, not a frozen foreign one; no repeated augmented rounds.",
        "one exact neighbour search",
    ),
}  # fmt: skip


def suspicion(name: str, values: Array) -> Array:
    """float64 ``[N]``: the score turned so that high is suspicious."""
    values = np.asarray(values, dtype=np.float64)
    return values if SCORES[name].suspicious == "high" else -values


def ranking(name: str, values: Array) -> Array:
    """int64 ``[N]``: positions, most suspicious first; ties in the order of the data. Unknown values (NaN) come last."""
    return np.argsort(-np.nan_to_num(suspicion(name, values), nan=-np.inf), kind="stable")


def compute_scores(facts: Facts, given_label: Array, embedding: Array | None = None) -> dict[str, Array]:
    """Every score the facts allow, in the order of SCORES.

    Args:
        facts: of epochs 1..E; with E = 0 only neighbours are left to judge by. given_label: int ``[N]``.
        embedding: float32 ``[N, D]`` or None.
    """
    scores: dict[str, Array] = {}
    if len(facts.epochs):
        fitted = facts.predicted_label == given_label
        scores = {
            "cumulative_loss": cumulative_loss(facts.loss),
            "aum": facts.margin.mean(axis=0, dtype=np.float64),
            "forgetting_events": forgetting_events(fitted),
            "learning_epoch": learning_epoch(fitted),
            "cumulative_errors": (~fitted).sum(axis=0).astype(np.float64),
            "final_loss": facts.loss[-1].astype(np.float64),
            "self_confidence": np.exp(-facts.loss[-1].astype(np.float64)),
        }
    if len(facts.curvature):
        scores["curvature"] = facts.curvature.mean(axis=0, dtype=np.float64)
    if embedding is not None:
        scores["knn_disagreement"] = knn_disagreement(embedding, given_label)
    return {name: scores[name] for name in SCORES if name in scores}


def cumulative_loss(loss: Array) -> Array:
    """float64 ``[N]`` in nats: sum over the epochs of ``loss [E, N]``. High is suspicious."""
    return loss.sum(axis=0, dtype=np.float64)


def forgetting_events(fitted: Array) -> Array:
    """float64 ``[N]``: fitted at one epoch, not at the next, counted in ``fitted`` bool ``[E, N]``; E where never fitted."""
    forgotten = (fitted[:-1] & ~fitted[1:]).sum(axis=0)
    return np.where(fitted.any(axis=0), forgotten, len(fitted)).astype(np.float64)


def learning_epoch(fitted: Array) -> Array:
    """float64 ``[N]``: first epoch (from 1) from which ``fitted`` bool ``[E, N]`` stays true to the end; E + 1 if never."""
    E = len(fitted)
    last_miss = np.where((~fitted).any(axis=0), E - np.argmax(~fitted[::-1], axis=0), 0)
    return (last_miss + 1).astype(np.float64)


def facts_until(facts: Facts, epoch: int) -> Facts:
    """The facts of epochs 1..epoch only: how things looked then."""
    keep, probed = facts.epochs <= epoch, facts.curvature_epochs <= epoch
    if keep.all() and probed.all():
        return facts
    return Facts(
        facts.epochs[keep], facts.loss[keep], facts.margin[keep], facts.el2n[keep], facts.predicted_label[keep],
        facts.curvature[probed], facts.curvature_epochs[probed],
    )  # fmt: skip


def percentile(name: str, values: Array) -> Array:
    """float64 ``[N]`` in [0, 1]: share of the other images that are less suspicious, ties counting half; 1 is the most suspicious."""
    ascending = np.sort(np.nan_to_num(suspicion(name, values), nan=-np.inf))
    own = np.nan_to_num(suspicion(name, values), nan=-np.inf)
    below, upto = np.searchsorted(ascending, own, "left"), np.searchsorted(ascending, own, "right")
    return (below + upto - 1) / 2 / max(1, len(own) - 1)


def usual_prediction(predicted_label: Array) -> Array:
    """int64 ``[N]``: the class predicted in most epochs of ``predicted_label [E, N]``; of several, the smallest.

    What an image looks like to the network over its whole training: at the end, a network that memorizes repeats the label.
    """
    counts = np.stack([(predicted_label == k).sum(axis=0) for k in range(int(predicted_label.max(initial=0)) + 1)])
    return counts.argmax(axis=0).astype(np.int64)
