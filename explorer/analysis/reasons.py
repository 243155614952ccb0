"""Why one image stands out, or does not: sentences built from its recorded facts. A reason is a small record, a finder a generator.

Sentences state facts with their numbers, never that a label is wrong. Shares of images count those strictly below
and are rounded down, so that none is overstated.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np

from explorer.analysis.neighbors import NearDuplicates
from explorer.analysis.reasons_case import Case, Partners, Reason, percent
from explorer.analysis.reasons_history import curved, elr_target, fitted_late, forgotten, high_loss, mistaken
from explorer.analysis.scores import suspicion
from explorer.records import Array, Run

__all__ = ["FINDERS", "NOTABLE", "Partners", "Reason", "partners_of", "reasons", "why"]

NOTABLE = 0.3  # from this strength on, a reason speaks against a label
TOP = 0.95  # more suspicious than this share of the images: among the most suspicious 5 %
SUPPORT = 0.25  # from this strength on, a reason speaks for it
MOST, WORDS = 3, 44  # a paragraph holds at most so many reasons against a label, and about so many words


def partners_of(pairs: NearDuplicates, n: int) -> Partners:
    """The near-duplicates of one image, most similar first."""
    among = np.flatnonzero((pairs.a == n) | (pairs.b == n))
    other = np.where(pairs.a[among] == n, pairs.b[among], pairs.a[among])
    return Partners(other, pairs.similarity[among], pairs.conflicting[among], pairs.exact[among])


# -- finders: case -> reasons; those of the training history are in reasons_history ----------------


def conflicting_copy(case: Case) -> Iterator[Reason]:
    """A look-alike under another label: an exact copy first, then the most similar."""
    if case.partners is None or not case.partners.conflicting.any():
        return
    found, run = case.partners, case.run
    best = max(np.flatnonzero(found.conflicting), key=lambda i: (found.exact[i], found.similarity[i]))
    label, image = int(run.labels.given_label[found.position[best]]), f"Image {run.source_index[found.position[best]]}"
    if found.exact[best]:
        text = f"{image} is the same picture to the byte, given {case.names[label]}: at most one of the two labels can be right."
        yield Reason("conflict", text, 1.0, label)
    else:
        text = f"{image} looks nearly the same (similarity {found.similarity[best]:.3f}) but is given {case.names[label]}."
        yield Reason("conflict", text, 0.9, label)


def neighborhood(case: Case) -> Iterator[Reason]:
    """The given labels of its nearest images; of several labels as frequent, that of the nearest."""
    labels = case.run.labels.given_label[case.neighbors].tolist()
    if not labels:
        return
    k, agree = len(labels), labels.count(case.given)
    rival, times = max(Counter(label for label in labels if label != case.given).items(), key=lambda item: item[1], default=(-1, 0))
    name, of = case.names[rival], f"of its {k} nearest images"
    if k == 1:
        text = f"Its nearest image is given {case.own if agree else name}."
    elif k in (agree, times):
        text = f"All {of} are given {case.own if agree else name}{' too' if agree else ''}."
    elif agree > times:
        text = f"{agree} {of} are given {case.own} too, {times} {_be(times)} given {name}."
    else:
        text = f"{times} {of} {_be(times)} given {name}, {agree or 'none'} its own {case.own}."
    if agree > times:
        yield Reason("neighbors", text, 0.45 * agree / k, case.given)
    else:
        yield Reason("neighbors", text, 0.9 * times / k, rival if times > agree else -1)


def _be(count: int) -> str:
    return "is" if count == 1 else "are"


def never_saw_it(case: Case) -> Iterator[Reason]:
    """What a network says that was not trained on it."""
    if case.run.out_of_sample is None:
        return
    probability = case.run.out_of_sample[case.n]
    label, own = int(probability.argmax()), float(probability[case.given])
    if label == case.given:
        yield Reason("out_of_sample", f"A network that never saw it says {case.own} too ({percent(own)}).", 0.45 * own, label)
        return
    text = f"A network that never saw it says {case.names[label]} ({percent(float(probability[label]))}), not {case.own} ({percent(own)})."
    yield Reason("out_of_sample", text, 0.9 * float(probability[label]), label)
    if "confident_learning" in case.scores and case.scores["confident_learning"][case.n] > 0.5:
        yield Reason("confident_learning", "Confident learning flags its label.", 0.45)


def second_split(case: Case) -> Iterator[Reason]:
    """How long its label outlived training on other images."""
    if case.run.second_split is None:
        return
    right = case.run.second_split[:, case.n]
    further, last = len(right) - 1, int(np.max(np.flatnonzero(right), initial=-1))
    if last < 0:
        yield Reason("second_split", "A second network, trained on half of the images with it, never fitted its label.", 0.5)
    elif last == further:
        text = f"Its label survived {further} {'epoch' if further == 1 else 'epochs'} of training on other images only."
        yield Reason("second_split", text, 0.3, case.given)
    else:
        text = f"Trained on other images only, a network forgot its label for good in epoch {last + 1} of {further}."
        yield Reason("second_split", text, 0.6 * (1 - last / further))


def ranked_high(case: Case) -> Iterator[Reason]:
    """How many scores place it near their suspicious end."""
    turned = (suspicion(name, values) for name, values in case.scores.items())
    high = sum(float((values < values[case.n]).sum()) >= TOP * (len(values) - 1) for values in turned if len(values) > 1)
    if high:
        text = f"{high} of {len(case.scores)} scores {'places' if high == 1 else 'place'} it among the most suspicious 5 %."
        yield Reason("ranked", text, 0.55 * high / len(case.scores))


FINDERS: tuple[Callable[[Case], Iterator[Reason]], ...] = (
    conflicting_copy, mistaken, neighborhood, never_saw_it, elr_target, fitted_late, curved, second_split, forgotten, high_loss,
    ranked_high,
)  # fmt: skip


# -- a paragraph -----------------------------------------------------------------------------------


def reasons(
    run: Run, n: int, scores: Mapping[str, Array], neighbors: Array | None = None, partners: Partners | None = None,
    names: Sequence[str] | None = None,
) -> tuple[Reason, ...]:  # fmt: skip
    """Every fact that tells why training image ``n`` stands out, or does not, most telling first.

    Args:
        scores: of the recorded epochs, by name, each ``[N]``. neighbors: int ``[k]``, its nearest images by some embedding, nearest
            first, -1 for none; None where no embedding was recorded. partners: its near-duplicates.
        names: ``[K]``, how each class is written in the sentences (escaped, say); the class names by default.

    Raises:
        IndexError: if the run has no image ``n``.
    """
    if not 0 <= n < len(run.labels.given_label):
        raise IndexError(f"n: the run has no image {n}; choose one from 0 to {len(run.labels.given_label) - 1}")
    near = np.zeros(0, dtype=int) if neighbors is None else neighbors[neighbors >= 0]
    case = Case(run, n, scores, near, partners, run.class_names if names is None else names)
    found = [reason for finder in FINDERS for reason in finder(case)]
    if (len(case.fitted) or len(near)) and not any(_against(reason, case.given) for reason in found):
        found.append(typical(case, found))
    return tuple(sorted(found, key=lambda reason: -reason.strength))


def _against(reason: Reason, given: int) -> bool:
    return reason.points_to != given and reason.strength >= NOTABLE


def typical(case: Case, found: Sequence[Reason]) -> Reason:
    """That little or nothing speaks against its label, and what speaks for it."""
    labels, parts = case.run.labels.given_label[case.neighbors], []
    if len(case.fitted) and case.fitted[-1]:
        parts.append(f"fitted from epoch {case.fitted_from} on" if len(case.fitted) > 1 else "predicted as given")
    k, agree = len(labels), int((labels == case.given).sum())
    if 2 * agree > k:
        nearest = "its nearest image" if k == 1 else f"{'all' if agree == k else f'{agree} of'} {k} nearest images"
        parts.append(f"{nearest} given {case.own} too")
    much = "Nothing" if all(reason.points_to == case.given for reason in found) else "Little"
    return Reason("typical", f"{much} speaks against its label{': ' if parts else ''}{', '.join(parts)}.", 0.9, case.given)


def why(run: Run, n: int, found: Sequence[Reason], names: Sequence[str] | None = None) -> str:
    """The strongest of the ``reasons`` of image ``n`` as a short paragraph, then what speaks for its label, and what that comes to."""
    given = int(run.labels.given_label[n])
    if found and found[0].kind == "typical":
        doubts = [reason for reason in found if reason.points_to != given and reason.strength >= NOTABLE / 2 and reason.kind != "late"]
        return " ".join(reason.sentence for reason in (found[0], *doubts[:1]))
    support = [reason for reason in found if reason.points_to == given and reason.strength >= SUPPORT][:1]
    against = _fitting([reason for reason in found if _against(reason, given)], WORDS - sum(map(_words, support)))
    verdict = _verdict([reason.points_to for reason in against], bool(support), run.class_names if names is None else names)
    return " ".join(filter(None, [_joined(against), *(f"But {_within(reason.sentence)}" for reason in support), verdict]))


def _fitting(found: Sequence[Reason], room: int) -> list[Reason]:
    """The strongest reason, and those after it that there is room for, in words."""
    chosen = list(found[:1])
    for reason in found[1:]:
        if len(chosen) < MOST and sum(map(_words, chosen)) + _words(reason) <= room:
            chosen.append(reason)
    return chosen


def _words(reason: Reason) -> int:
    return len(reason.sentence.split())


def _verdict(points_to: Sequence[int], contested: bool, names: Sequence[str]) -> str:
    """What facts against a label that point to these classes come to; empty where they leave it open."""
    classes = [k for k in points_to if k >= 0]
    if contested:
        return "The facts disagree: look closely." if classes else "Rare images under the right label look like this too."
    return f"Check its label against {names[classes[0]]}." if len(classes) > 1 and len(set(classes)) == 1 else ""


def _joined(found: Sequence[Reason]) -> str:
    """Their sentences as one."""
    sentences = [reason.sentence for reason in found]
    return "; ".join([*sentences[:1], *map(_within, sentences[1:])]).replace(".; ", "; ")


def _within(sentence: str) -> str:
    """A sentence as it goes on within another."""
    return sentence if sentence[1:2].isupper() else sentence[0].lower() + sentence[1:]
