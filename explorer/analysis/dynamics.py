"""Scores of the facts recorded epoch by epoch, each as it stood after every epoch.

One formula serves two questions: what is the score now, and when would it have been known? Sums run in the order of the
epochs, so that both answers agree to the last bit.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator

import numpy as np

from explorer.analysis.small_loss import small_loss_gmm
from explorer.records import Array, Facts

PROBED = ("curvature", "curvature_last", "sensitivity")  # known after every probed epoch only


def recorded_scores(facts: Facts, given_label: Array) -> dict[str, Array]:
    """float64 ``[N]`` by name: every score of recorded facts as of the last epoch; what was not recorded is left out."""
    found = {name: deque(running(facts, given_label), maxlen=1)[0] for name, running in RUNNING.items() if known_epochs(name, facts)}
    return found | {name: at(facts, rows - 1) for name, at in AT_EPOCH.items() if (rows := known_epochs(name, facts))}


def over_epochs(name: str, facts: Facts, given_label: Array) -> Iterator[Array]:
    """float64 ``[N]`` after each epoch, oldest first; for PROBED scores after each probed epoch; nothing where not recorded."""
    if name in AT_EPOCH:
        return (AT_EPOCH[name](facts, row) for row in range(known_epochs(name, facts)))
    return RUNNING[name](facts, given_label)


def known_epochs(name: str, facts: Facts) -> int:
    """After how many epochs a score of recorded facts is known."""
    rows = {
        "curvature": facts.curvature, "curvature_last": facts.curvature, "sensitivity": facts.sensitivity, "elr_target": facts.target_share,
    }  # fmt: skip
    return len(rows.get(name, facts.epochs))


# -- what adds up over the epochs ------------------------------------------------------------------


def _sums(rows: Iterable[Array]) -> Iterator[Array]:
    total: Array = np.zeros(())
    for row in rows:
        total = total + row.astype(np.float64)
        yield total


def _means(rows: Iterable[Array]) -> Iterator[Array]:
    return (total / count for count, total in enumerate(_sums(rows), 1))


def _deviations(rows: Iterable[Array]) -> Iterator[Array]:
    """Standard deviation over the rows so far (Welford's recurrence: exactly 0 for what never changes)."""
    mean: Array = np.zeros(())
    squares: Array = np.zeros(())
    for count, row in enumerate(rows, 1):
        away = row - mean
        mean = mean + away / count
        squares = squares + away * (row - mean)
        yield np.sqrt(squares / count)


def _probabilities(facts: Facts) -> Iterator[Array]:
    """Probability of the given label at each epoch."""
    return (np.exp(-loss.astype(np.float64)) for loss in facts.loss)


def forgetting_events(fitted: Array) -> Iterator[Array]:
    """Fitted at one epoch, not at the next, counted in ``fitted`` bool ``[E, N]``; E where never fitted."""
    ever = before = np.zeros(fitted.shape[1], dtype=bool)
    events = np.zeros(fitted.shape[1])
    for count, hit in enumerate(fitted, 1):
        events = events + (before & ~hit)
        ever, before = ever | hit, hit
        yield np.where(ever, events, float(count))


def learning_epoch(fitted: Array) -> Iterator[Array]:
    """First epoch (from 1) from which ``fitted`` bool ``[E, N]`` stays true to the end; E + 1 if never."""
    last_miss = np.zeros(fitted.shape[1])
    for count, hit in enumerate(fitted, 1):
        last_miss = np.where(hit, last_miss, float(count))
        yield last_miss + 1


RUNNING: dict[str, Callable[[Facts, Array], Iterator[Array]]] = {
    "curvature": lambda facts, given: _means(facts.curvature),
    "sensitivity": lambda facts, given: _means(facts.sensitivity),
    "cumulative_loss": lambda facts, given: _sums(facts.loss),
    "aum": lambda facts, given: _means(facts.margin),
    "confidence": lambda facts, given: _means(_probabilities(facts)),
    "variability": lambda facts, given: _deviations(_probabilities(facts)),
    "forgetting_events": lambda facts, given: forgetting_events(facts.predicted_label == given),
    "learning_epoch": lambda facts, given: learning_epoch(facts.predicted_label == given),
    "cumulative_errors": lambda facts, given: _sums(facts.predicted_label != given),
}


# -- what is read off one epoch --------------------------------------------------------------------


def early_epoch(epochs: int) -> int:
    """The epoch (from 1) EL2N is read at: a tenth of the way, the first at least."""
    return max(1, round(epochs / 10))


def normalised_margin(loss: Array, margin: Array) -> Array:
    """float64 ``[N]`` in [0, 1]: ``(p_y - max other p + 1) / 2`` from the loss in nats and the margin in logits.

    The rival's probability is ``p_y exp(-margin)``. What rounding to float16 puts above ``1 - p_y`` is cut there.
    """
    loss = loss.astype(np.float64)
    own = np.exp(-loss)
    rival = np.minimum(np.exp(np.minimum(-loss - margin, 0)), 1 - own)
    return (own - rival + 1) / 2


AT_EPOCH: dict[str, Callable[[Facts, int], Array]] = {
    "curvature_last": lambda facts, row: facts.curvature[row].astype(np.float64),
    "el2n": lambda facts, row: facts.el2n[early_epoch(row + 1) - 1].astype(np.float64),
    "final_loss": lambda facts, row: facts.loss[row].astype(np.float64),
    "self_confidence": lambda facts, row: np.exp(-facts.loss[row].astype(np.float64)),
    "normalised_margin": lambda facts, row: normalised_margin(facts.loss[row], facts.margin[row]),
    "small_loss_gmm": lambda facts, row: small_loss_gmm(facts.loss[row]),
    "elr_target": lambda facts, row: 1 - facts.target_share[row].astype(np.float64),
}


# -- other readings of the same facts --------------------------------------------------------------


def suspected_by_target(facts: Facts, given_label: Array) -> Array:
    """bool ``[N]``: ELR's target memory leans to another class than the given label; none without a memory, or while it is empty.

    Source:
        Liu et al., arXiv:2007.00151, the authors' code suggests it as a by-product.
    """
    if not len(facts.target_label) or not facts.target_share[-1].any():
        return np.zeros(len(given_label), dtype=bool)
    return facts.target_label[-1] != given_label


def suggested_label(facts: Facts) -> Array:
    """int64 ``[N]``: the class ELR's target memory leans to; only for runs with such a memory."""
    return facts.target_label[-1].astype(np.int64)


def usual_prediction(predicted_label: Array) -> Array:
    """int64 ``[N]``: the class predicted in most epochs of ``predicted_label [E, N]``; of several, the smallest.

    What an image looks like to the network over its whole training: at the end, a network that memorizes repeats the label.
    """
    counts = np.stack([(predicted_label == k).sum(axis=0) for k in range(int(predicted_label.max(initial=0)) + 1)])
    return counts.argmax(axis=0).astype(np.int64)


def facts_until(facts: Facts, epoch: int) -> Facts:
    """The facts of epochs 1..epoch only: how things looked then."""
    keep, probed = facts.epochs <= epoch, facts.curvature_epochs <= epoch
    if keep.all() and probed.all():
        return facts
    sensitivity, label, share = facts.sensitivity, facts.target_label, facts.target_share  # each may be without rows
    return Facts(
        facts.epochs[keep], facts.loss[keep], facts.margin[keep], facts.el2n[keep], facts.predicted_label[keep],
        facts.curvature[probed], sensitivity[probed[: len(sensitivity)]], facts.curvature_epochs[probed],
        label[keep[: len(label)]], share[keep[: len(share)]],
    )  # fmt: skip
