"""Reasons that training itself recorded: what the network made of one image, epoch by epoch."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator

import numpy as np

from explorer.analysis.findings import peak_of
from explorer.analysis.reasons_case import Case, Reason, at_least, percent
from explorer.records import Array, Run

FALLEN = 0.5  # the learning rate has fallen once it is at most this share of its largest
HIGH = 2.0  # a loss is high above this multiple of the median of its class, ...
UNSURE = math.log(2)  # ... and above this many nats: the given label has less than half of the probability
CURVED = 0.8  # share of the images below from which curvature is worth a sentence


def mistaken(case: Case) -> Iterator[Reason]:
    """How often the network took it for another class; of several classes as often, the one it named last."""
    called = case.run.facts.predicted_label[:, case.n].tolist()
    last = {k: epoch for epoch, k in enumerate(called)}
    counts = sorted(Counter(k for k in called if k != case.given).items(), key=lambda item: (-item[1], -last[item[0]]))
    if not counts or (len(called) == 1 and case.run.out_of_sample is not None):  # a look from outside says more than one epoch
        return
    (rival, times), misses = counts[0], sum(count for _, count in counts)
    name, most = case.names[rival], case.of_epochs(times)
    if len(called) == 1:
        text = f"{'The' if case.run.config.epochs == 1 else 'After 1 epoch the'} network calls it {name}."
    elif times < misses and 2 * times <= len(called):
        text = f"The network wavered: it called it {name} in {most}, {case.names[counts[1][0]]} in {counts[1][1]}."
    elif times < misses == len(called):
        text = f"The network called it {name} in {most}, never its given {case.own}."
    elif times < misses:
        text = f"The network mostly called it {name}, in {most}."
    elif not case.fitted[:misses].any() and 2 * times <= len(called):
        text = f"The network called it {name} only at first, in {most}."
    else:
        text = f"The network called it {name} in {most}."
    yield Reason("mistaken", text, 0.95 * times / max(3, len(called)), rival)  # one epoch says little


def fitted_late(case: Case) -> Iterator[Reason]:
    """From which epoch on the given label stayed fitted, and what had happened by then; nothing where it never was, or always."""
    if not case.fitted.any() or case.fitted.all():
        return
    E, start = len(case.fitted), case.fitted_from
    if start > E:
        text = f"Its given label was fitted in {case.of_epochs(int(case.fitted.sum()))}, but not in epoch {case.run.last_epoch}."
        yield Reason("unfitted", text, 0.5)
        return
    later, fell, peaked = case.above("learning_epoch"), _rate_by(case.run, start), _peak_by(case.run, start)
    since = f"only in epoch {start}, the last" if start == E == case.run.config.epochs else f"only from epoch {start} on"
    for_good = "for good " if case.fitted[: start - 1].any() else ""
    when = f"after {fell or peaked}" if fell or peaked else f"later than {at_least(later)}"
    strength = 0.8 * later * min(1.0, 2 * start / E)
    yield Reason("late", f"Its given label was fitted {for_good}{since}, {when}.", strength)
    if fell and peaked:
        yield Reason("past_peak", f"{peaked[0].upper()}{peaked[1:]} before its label was fitted for good.", 0.7 * strength)


def _rate_by(run: Run, epoch: int) -> str:
    """What the learning rate had done by an epoch, and when if it has stayed there since; empty while it is above FALLEN."""
    rates = run.epochs["learning_rate"][run.epochs["epoch"] <= epoch]
    share = float(rates[-1] / rates.max())
    if not share <= FALLEN:  # nor where it is unknown
        return ""
    fell = int(run.epochs["epoch"][np.argmax(rates <= rates[-1])])
    return f"the learning rate fell to {percent(share)}{f' (epoch {fell})' if fell < epoch else ''}"


def _peak_by(run: Run, epoch: int) -> str:
    peak, _ = peak_of(run.epochs, "test_accuracy")
    return f"{'test' if run.test_is_reference else 'held-out'} accuracy peaked (epoch {peak})" if 1 <= peak < epoch else ""


def forgotten(case: Case) -> Iterator[Reason]:
    """How often its label was learned and lost again."""
    lost = 1 + np.flatnonzero(case.fitted[:-1] & ~case.fitted[1:])
    if not len(lost):
        return
    more = case.above("forgetting_events")
    if len(lost) == 1:
        text = f"It was learned once and lost again in epoch {case.run.facts.epochs[lost[0]]}."
    else:
        text = f"It was learned and lost again {len(lost)} times (more often than {at_least(more)})."
    yield Reason("forgotten", text, 0.6 * more * min(1.0, len(lost) / 3))


def high_loss(case: Case) -> Iterator[Reason]:
    """For how long its loss stayed high beside the images of the same given label."""
    facts, mates = case.run.facts, case.run.labels.given_label == case.given
    own, usual = facts.loss[:, case.n].astype(float), np.median(facts.loss[:, mates].astype(float), axis=1)
    start, end = _longest((own > HIGH * usual) & (own > UNSURE))
    if end:
        span = _span(facts.epochs[start], facts.epochs[end - 1], start == 0, end == len(own))
        when = f" in epoch {facts.epochs[end - 1]}" if len(own) > 1 else ""
        numbers = f"{own[end - 1]:.2f} nats{when}, median of its given class {usual[end - 1]:.2f}"
        yield Reason("loss", f"Its loss {span} ({numbers}).", 0.45 * (end - start) / len(own))


def _span(first: int, last: int, at_first: bool, at_last: bool) -> str:
    """That epochs ``first`` to ``last``, which may be the first and the last recorded, were high."""
    if first == last:
        return "is high" if at_first and at_last else f"was high in epoch {last}"
    if at_first:
        return "stayed high throughout" if at_last else f"stayed high until epoch {last}"
    return f"stayed high since epoch {first}" if at_last else f"stayed high from epoch {first} to {last}"


def _longest(true: Array) -> tuple[int, int]:
    """The longest stretch of a bool ``[E]``, the latest of several, as positions from .. to (not included); (0, 0) for none."""
    edges = np.flatnonzero(np.diff(np.r_[False, true, False])).reshape(-1, 2).tolist()
    start, end = max(edges, key=lambda edge: (edge[1] - edge[0], edge[0]), default=(0, 0))
    return start, end


def curved(case: Case) -> Iterator[Reason]:
    """How sharply the network bends around it, and when it did most."""
    if "curvature" not in case.scores or (share := case.above("curvature")) < CURVED:
        return
    facts, N = case.run.facts, len(case.scores["curvature"])
    rank = f"the highest of all {N:,} images" if share == 1 else f"above {at_least(share)}"
    most = f", most in epoch {facts.curvature_epochs[np.argmax(facts.curvature[:, case.n])]}" if len(facts.curvature) > 1 else ""
    text = f"The decision bends sharply around it (curvature {rank}{most})."
    yield Reason("curvature", text, 0.75 * (share - CURVED) / (1 - CURVED))


def elr_target(case: Case) -> Iterator[Reason]:
    """The class ELR's target memory leans to."""
    facts = case.run.facts
    if not len(facts.target_label) or not facts.target_share[-1].any():  # empty until it is first filled
        return
    label, share = int(facts.target_label[-1, case.n]), float(facts.target_share[-1, case.n])
    if label == case.given:
        yield Reason("elr", f"ELR's target memory holds {percent(share)} for its given {case.own}.", 0.35 * share, label)
    else:
        text = f"ELR's target memory suggests {case.names[label]} and leaves {percent(share)} to its given {case.own}."
        yield Reason("elr", text, 0.4 + 0.45 * (1 - share), label)
