"""Sentences about images of real runs: every number in them counted anew, and what must not change them."""

from __future__ import annotations

import dataclasses
import math
import re
from collections.abc import Callable

import numpy as np
import pytest

from explorer.analysis.reasons import WORDS, Partners, reasons, why
from explorer.analysis.reasons_case import percent
from explorer.analysis.scores import suspicion
from explorer.records import Array, Run
from explorer.runs.store import RunStore
from tests.analysis.test_reasons import scores_of, with_columns


@pytest.fixture(scope="session")
def probed(finished: tuple[RunStore, str]) -> Run:
    store, run_id = finished
    return store.open(run_id)


def share_below(values: list[float], n: int) -> int:
    """Percent of the others that are smaller, rounded down."""
    return 100 * sum(v < values[n] for v in values) // (len(values) - 1)


class Oracle:
    """Recounts what a sentence says of one image, in plain Python."""

    def __init__(self, run: Run, n: int, scores: dict[str, Array], near: Array, partners: Partners) -> None:
        self.run, self.n, self.scores, self.near, self.partners = run, n, scores, near.tolist(), partners
        self.given = run.labels.given_label.tolist()
        self.called: list[list[int]] = [[int(k) for k in row] for row in run.facts.predicted_label]
        self.own = [row[n] for row in self.called]
        self.fits = [k == self.given[n] for k in self.own]
        self.kind = {name: k for k, name in enumerate(run.class_names)}

    def learned(self, n: int) -> int:
        epoch = len(self.called) + 1
        while epoch > 1 and self.called[epoch - 2][n] == self.given[n]:
            epoch -= 1
        return epoch

    def mistaken(self, text: str) -> None:
        found = re.search(r"called it (\w+)( only at first)?,? in (?:all|(\d+) of) (\d+) epochs", text)
        assert found, text
        name, first, times, epochs = found.groups()
        misses = [k for k, fit in zip(self.own, self.fits, strict=True) if not fit]
        count = int(times or epochs)
        assert int(epochs) == len(self.own) and count == self.own.count(self.kind[name]) == max(misses.count(k) for k in misses)
        assert ("never its given" in text) <= (not any(self.fits))
        assert not first or not any(self.fits[: len(misses)])
        if second := re.search(r", (\w+) in (\d+)\.$", text):
            assert self.own.count(self.kind[second[1]]) == int(second[2])

    def neighbors(self, text: str) -> None:
        labels = [self.given[j] for j in self.near if j >= 0]
        for times, name in re.findall(r"(\d+|none|All) (?:of its \d+ nearest images )?(?:is given |are given |its own )?(\w+)", text):
            count = {"none": 0, "All": len(labels)}.get(times) if not times.isdigit() else int(times)
            assert labels.count(self.kind[name if name in self.kind else text.split("given ")[1].split()[0].rstrip(".")]) == count
        assert f"its {len(labels)} nearest" in text

    def late(self, text: str) -> None:
        start = self.learned(self.n)
        assert f"{'in' if 'the last' in text else 'from'} epoch {start}" in text and ("for good" in text) == any(self.fits[: start - 1])
        rate, peak = self.run.epochs["learning_rate"].tolist(), self.run.epochs["test_accuracy"].tolist()
        if fell := re.search(r"learning rate fell to (.+?) %(?: \(epoch (\d+)\))?", text):
            assert percent(rate[start] / max(rate)) == f"{fell[1]} %"
            assert not fell[2] or (rate[int(fell[2])] == rate[start] < rate[int(fell[2]) - 1])
        elif peaked := re.search(r"peaked \(epoch (\d+)\)", text):
            assert peak[int(peaked[1])] == max(peak) and int(peaked[1]) < start
        else:
            share = share_below([self.learned(n) for n in range(len(self.given))], self.n)
            assert f"later than {'any other image' if share == 100 else f'{share} % of images'}." in text

    def past_peak(self, text: str) -> None:
        found, peak = re.search(r"\(epoch (\d+)\)", text), self.run.epochs["test_accuracy"].tolist()
        assert found and peak.index(max(peak)) == int(found[1]) < self.learned(self.n)

    def unfitted(self, text: str) -> None:
        assert f"in {sum(self.fits)} of {len(self.fits)} epochs" in text and f"epoch {len(self.fits)}." in text and not self.fits[-1]

    def forgotten(self, text: str) -> None:
        def events(n: int) -> int:
            fits = [row[n] == self.given[n] for row in self.called]
            return sum(a and not b for a, b in zip(fits, fits[1:], strict=False)) if any(fits) else len(fits)

        numbers = [int(number) for number in re.findall(r"\d+", text)]
        if "once" in text:
            assert events(self.n) == 1 and self.fits[numbers[0] - 2] and not self.fits[numbers[0] - 1]
        else:
            share = share_below([events(n) for n in range(len(self.given))], self.n)
            assert numbers == [events(self.n), *([share] if "%" in text else [])] and ("any other" in text) == (share == 100)

    def loss(self, text: str) -> None:
        found = re.search(r"(?:stayed|was) high (.+) \((.+) nats in epoch (\d+), median of its given class (.+)\)", text)
        assert found, text
        mates = [m for m in range(len(self.given)) if self.given[m] == self.given[self.n]]
        rows = [(float(row[self.n]), float(np.median([float(row[m]) for m in mates]))) for row in self.run.facts.loss]
        high = [False, *(own > 2 * usual and own > math.log(2) for own, usual in rows), False]  # by epoch
        start = int(since[1]) if (since := re.search(r"(?:since|from|in) epoch (\d+)", found[1])) else 1
        end = int(until[1]) if (until := re.search(r"(?:until epoch|to|in epoch) (\d+)", found[1])) else len(rows)
        assert all(high[start : end + 1]) and not high[start - 1] and not high[end + 1]
        assert "".join("x" if each else " " for each in high).count("x" * (end - start + 2)) == 0  # none longer
        assert int(found[3]) == end and (float(found[2]), float(found[4])) == pytest.approx(rows[end - 1], abs=0.00501)

    def curvature(self, text: str) -> None:
        means = self.run.facts.curvature.astype(float).mean(axis=0).tolist()
        found, most = re.search(r"above (\d+) %", text), re.search(r"most in epoch (\d+)", text)
        assert share_below(means, self.n) == (int(found[1]) if found else 100)
        own = self.run.facts.curvature[:, self.n].tolist()
        assert most and own[self.run.facts.curvature_epochs.tolist().index(int(most[1]))] == max(own)

    def elr(self, text: str) -> None:
        label, share = int(self.run.facts.target_label[-1, self.n]), float(self.run.facts.target_share[-1, self.n])
        assert percent(share) in text and f"its given {self.run.class_names[self.given[self.n]]}." in text
        assert ("suggests" in text) == (label != self.given[self.n])
        assert "suggests" not in text or f"suggests {self.run.class_names[label]} " in text

    def out_of_sample(self, text: str) -> None:
        assert self.run.out_of_sample is not None
        row, names = self.run.out_of_sample[self.n].tolist(), self.run.class_names
        best, own = row.index(max(row)), self.given[self.n]
        says = f"{names[own]} too ({percent(row[own])})." if best == own else (
            f"{names[best]} ({percent(row[best])}), not {names[own]} ({percent(row[own])}).")  # fmt: skip
        assert text.endswith(f"says {says}")

    def confident_learning(self, text: str) -> None:
        assert self.scores["confident_learning"][self.n] > 0.5

    def second_split(self, text: str) -> None:
        assert self.run.second_split is not None
        right = self.run.second_split[:, self.n].tolist()
        if found := re.search(r"in epoch (\d+) of (\d+)", text):
            assert right[int(found[1]) - 1] and not any(right[int(found[1]) :]) and len(right) == int(found[2]) + 1
        else:
            assert right[-1] if "survived" in text else not any(right)

    def ranked(self, text: str) -> None:
        turned = {name: suspicion(name, values).tolist() for name, values in self.scores.items()}
        high = sum(sum(v < values[self.n] for v in values) >= 0.95 * (len(values) - 1) for values in turned.values())
        assert text.startswith(f"{high} of {len(turned)} scores")

    def conflict(self, text: str) -> None:
        found = re.match(r"Image (\d+) looks .* \(similarity (.+)\) but is given (\w+)\.", text)
        assert found, text
        conflicting = [(s, j) for j, s, c in zip(*self.partners[:3], strict=True) if c]
        similarity, partner = max(conflicting)
        assert self.run.source_index[partner] == int(found[1]) and f"{similarity:.3f}" == found[2]
        assert self.kind[found[3]] == self.given[partner] != self.given[self.n]

    def typical(self, text: str) -> None:
        if found := re.search(r"from epoch (\d+)", text):
            assert int(found[1]) == self.learned(self.n)
        if found := re.search(r"(all|\d+ of) (\d+) nearest", text):
            agree = [self.given[j] for j in self.near if j >= 0].count(self.given[self.n])
            assert agree == int(found[2] if found[1] == "all" else found[1].split()[0])


def step(run: Run) -> Run:
    """The same history under a rate that fell to a tenth half way."""
    E = run.last_epoch
    return with_columns(run, learning_rate=[0.1] * (E // 2) + [0.01] * (E + 1 - E // 2))


def evidence(run: Run, seed: int) -> tuple[dict[str, Array], Array, Callable[[int], Partners]]:
    """Scores; neighbours and look-alikes that are drawn at random."""
    rng, N = np.random.default_rng(seed), len(run.labels.given_label)
    near = rng.integers(0, N, (N, 10))
    near[::7, 8:] = -1
    given = run.labels.given_label

    def partners(n: int) -> Partners:
        position = near[n, :2] if n % 3 == 0 else near[n, :0]
        return Partners(
            position, np.linspace(0.99, 0.95, 2)[: len(position)], given[position] != given[n], np.zeros(len(position), dtype=bool)
        )

    return scores_of(run), near, partners


@pytest.fixture(params=["memorizing", "step", "robust", "probed"])
def real(request: pytest.FixtureRequest) -> Run:
    kind = request.param
    run: Run = request.getfixturevalue("memorizing" if kind == "step" else kind)
    return step(run) if kind == "step" else run


def chosen(run: Run) -> list[int]:
    """Wrong labels and right ones, some of them learned late."""
    wrong = run.labels.is_mislabeled
    assert wrong is not None
    slow = np.argsort(-scores_of(run)["learning_epoch"], kind="stable")
    return [*np.flatnonzero(wrong)[:8].tolist(), *np.flatnonzero(~wrong)[:6].tolist(), *slow[:8].tolist(), *slow[80:90].tolist()]


def test_every_number_in_every_sentence_is_that_of_the_facts(real: Run) -> None:
    scores, near, partners = evidence(real, 1)
    kinds: set[str] = set()
    for n in chosen(real):
        oracle = Oracle(real, n, scores, near[n], partners(n))
        found = reasons(real, n, scores, near[n], partners(n))
        for reason in found:
            getattr(oracle, reason.kind)(reason.sentence)
        kinds |= {reason.kind for reason in found}
        strengths = [reason.strength for reason in found]
        assert strengths == sorted(strengths, reverse=True) and all(0 <= strength <= 1 for strength in strengths)
    extra = {"out_of_sample": real.out_of_sample, "second_split": real.second_split, "elr": real.config.loss == "elr" or None}
    wanted = {"mistaken", "neighbors", "late", "ranked", "conflict"} | {kind for kind, known in extra.items() if known is not None}
    assert wanted | ({"curvature"} if len(real.facts.curvature) else {"loss"}) <= kinds


def test_a_neighbourhood_of_its_own_is_recounted_too(real: Run) -> None:
    """Nearest images that mostly agree, as real ones do."""
    scores, given = scores_of(real), real.labels.given_label
    rng = np.random.default_rng(3)
    for n in chosen(real):
        like = np.flatnonzero(given == given[rng.integers(len(given))])[:8]
        near = rng.permutation(np.r_[like, rng.integers(0, len(given), 10 - len(like))])
        found, *more = [reason for reason in reasons(real, n, scores, near) if reason.kind == "neighbors"]
        assert not more and 0 <= found.strength <= 1
        Oracle(real, n, scores, near, Partners(*np.zeros((4, 0)))).neighbors(found.sentence)


def test_every_image_gets_a_short_paragraph_that_claims_no_truth(real: Run) -> None:
    scores, near, partners = evidence(real, 2)
    lengths = []
    for n in range(len(near)):
        text = why(real, n, reasons(real, n, scores, near[n], partners(n)))
        assert re.match(r"[A-Z0-9].*\.$", text) and ".;" not in text and ".." not in text
        assert not re.search(r"mislabel|is wrong|wrong label", text)
        lengths.append(len(text.split()))
    assert max(lengths) <= WORDS + 15 and np.median(lengths) <= 45


# -- laws -----------------------------------------------------------------------------------------------


def permuted(run: Run, order: Array) -> Run:
    """The same run with its images in another order."""
    labels = dataclasses.replace(run.labels, **{
        name: value[order] for name in ("given_label", "true_label", "is_mislabeled", "wrong_origin")
        if (value := getattr(run.labels, name)) is not None
    })  # fmt: skip
    facts = dataclasses.replace(run.facts, **{
        field.name: getattr(run.facts, field.name)[:, order] for field in dataclasses.fields(run.facts) if not field.name.endswith("epochs")
    })  # fmt: skip
    return dataclasses.replace(
        run, labels=labels, facts=facts, source_index=run.source_index[order],
        out_of_sample=None if run.out_of_sample is None else run.out_of_sample[order],
        second_split=None if run.second_split is None else run.second_split[:, order],
    )  # fmt: skip


def test_permuting_the_images_permutes_the_reasons(real: Run) -> None:
    scores, near, partners = evidence(real, 4)
    order = np.random.default_rng(5).permutation(len(near))
    place = np.argsort(order)
    other, turned = permuted(real, order), {name: values[order] for name, values in scores.items()}
    for n in chosen(real):
        moved = partners(n)._replace(position=place[partners(n).position])
        near_moved = np.where(near[n] >= 0, place[near[n]], -1)
        assert reasons(other, int(place[n]), turned, near_moved, moved) == reasons(real, n, scores, near[n], partners(n))


def test_renaming_the_classes_renames_the_words(real: Run) -> None:
    scores, near, partners = evidence(real, 6)
    K = len(real.class_names)
    marks = [f"<{k}>" for k in range(K)]
    for n in chosen(real):
        marked = reasons(real, n, scores, near[n], partners(n), marks)
        plain = reasons(real, n, scores, near[n], partners(n))
        assert [re.sub(r"<(\d+)>", lambda m: real.class_names[int(m[1])], reason.sentence) for reason in marked] == [
            r.sentence for r in plain
        ]
        text = why(real, n, marked, marks)
        assert re.sub(r"<(\d+)>", lambda m: real.class_names[int(m[1])], text) == why(real, n, plain)


def test_the_number_of_a_class_does_not_matter(real: Run) -> None:
    scores, near, partners = evidence(real, 7)
    new = np.random.default_rng(8).permutation(len(real.class_names))  # class k becomes new[k]
    facts = dataclasses.replace(
        real.facts, predicted_label=new[real.facts.predicted_label].astype(np.uint16),
        target_label=new[real.facts.target_label].astype(np.uint16),
    )  # fmt: skip
    other = dataclasses.replace(
        real, facts=facts, labels=dataclasses.replace(real.labels, given_label=new[real.labels.given_label]),
        class_names=tuple(real.class_names[k] for k in np.argsort(new)),
        out_of_sample=None if real.out_of_sample is None else real.out_of_sample[:, np.argsort(new)],
    )  # fmt: skip
    for n in chosen(real):
        before = reasons(real, n, scores, near[n], partners(n))
        wanted = [reason._replace(points_to=int(new[reason.points_to]) if reason.points_to >= 0 else -1) for reason in before]
        assert list(reasons(other, n, scores, near[n], partners(n))) == wanted
