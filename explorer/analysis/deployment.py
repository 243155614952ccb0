"""Which model would be deployed, and how good it is: by the rule of the regions, by noisy validation, and by an oracle."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from explorer.analysis.agreement import ranks
from explorer.analysis.regions import Regions
from explorer.records import Array


class Choices(NamedTuple):
    """Test accuracy, in [0, 1], of what each way of choosing deploys, on the half of the test images no choice looks at.

    rule: of the run the rule picks from region 1. region_1: mean over region 1; both NaN where it is empty. all_runs: mean over all.
    noisy_validation: of the run that is best on the other half with noisy labels; NaN where the transition is unknown.
    oracle: of the best run, judged on the judging half itself: nothing can be better. accuracy: of every run on that half.
    rule_run, noisy_run, oracle_run: their places among the runs, -1 for none. judged, validated: test images in either half.
    """

    rule: float
    region_1: float
    all_runs: float
    noisy_validation: float
    oracle: float
    rule_run: int
    noisy_run: int
    oracle_run: int
    judged: int
    validated: int
    accuracy: tuple[float, ...] = ()


def rule_choice(region: Sequence[int], susceptibility: Sequence[float], train_accuracy: Sequence[float]) -> int:
    """Place of the run that the rule deploys, -1 where region 1 is empty.

    Of region 1, the run with the best mean of two ranks, high training accuracy and low susceptibility; ties go to the lower
    susceptibility, then to the higher training accuracy.

    Source:
        Forouzesh et al., arXiv:2212.04461, recommend any model of region 1. Departure: one has to be deployed, and this picks it.
    """
    x, y = np.asarray(susceptibility, dtype=np.float64), np.asarray(train_accuracy, dtype=np.float64)
    inside = np.flatnonzero(np.asarray(region) == 1)
    if not len(inside):
        return -1
    rank = ranks(x[inside]) + ranks(-y[inside])
    return int(inside[np.lexsort((-y[inside], x[inside], rank))[0]])


def choices(
    regions: Regions,
    susceptibility: Sequence[float],
    train_accuracy: Sequence[float],
    test_label: Array,
    test_predictions: Array,
    transition: Array | None,
    seed: int = 0,
) -> Choices:
    """What each way of choosing a model comes to.

    Args:
        test_label: int ``[M]``. test_predictions: int ``[R, M]``, of each run. transition: float ``[K, K]`` T[true, given], rows sum
            to 1, or None where unknown. seed: decides the halves and the noisy labels.

    A random half of the test images gets labels drawn from ``transition``, as a validation set would have them; every accuracy
    is of the other half, with the labels as they are, so that no choice but the oracle's touches its judge.

    Raises:
        ValueError: if the lengths differ, or for fewer than 2 test images.
    """
    _check(regions, susceptibility, train_accuracy, test_label, test_predictions)
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(test_label))
    validated, judged = order[: len(order) // 2], order[len(order) // 2 :]
    accuracy = (test_predictions[:, judged] == test_label[judged]).mean(axis=1)
    rule = rule_choice(regions.region, susceptibility, train_accuracy)
    noisy = -1 if transition is None else _best_by_noisy_validation(test_predictions[:, validated], test_label[validated], transition, rng)
    first, oracle = accuracy[np.asarray(regions.region) == 1], int(np.argmax(accuracy))
    return Choices(
        rule=_of(accuracy, rule), region_1=float(first.mean()) if len(first) else math.nan, all_runs=float(accuracy.mean()),
        noisy_validation=_of(accuracy, noisy), oracle=float(accuracy[oracle]), rule_run=rule, noisy_run=noisy, oracle_run=oracle,
        judged=len(judged), validated=len(validated), accuracy=tuple(accuracy.tolist()),
    )  # fmt: skip


def noisy_labels(label: Array, transition: Array, rng: np.random.Generator) -> Array:
    """int64 ``[M]``: labels drawn for each true one from its row of T[true, given]."""
    upto = np.cumsum(transition, axis=1)[label]
    return np.asarray((rng.random(len(label))[:, None] * upto[:, -1:] >= upto).sum(axis=1))


def _best_by_noisy_validation(predictions: Array, label: Array, transition: Array, rng: np.random.Generator) -> int:
    """Ties are drawn."""
    accuracy = (predictions == noisy_labels(label, transition, rng)).mean(axis=1)
    return int(rng.choice(np.flatnonzero(accuracy == accuracy.max())))


def _of(accuracy: Array, run: int) -> float:
    return float(accuracy[run]) if run >= 0 else math.nan


def _check(regions: Regions, susceptibility: Sequence[float], train_accuracy: Sequence[float], label: Array, predictions: Array) -> None:
    runs = len(regions.region)
    if not len(susceptibility) == len(train_accuracy) == len(predictions) == runs:
        raise ValueError(
            f"runs: {runs} regions, {len(susceptibility)} susceptibilities and {len(predictions)} predictions; give one per run"
        )
    if len(label) < 2 or predictions.shape[1] != len(label):
        raise ValueError(f"test images: {predictions.shape[1]} predictions for {len(label)} labels; give 2 or more, one label each")


def repeated_choices(
    regions: Regions,
    susceptibility: Sequence[float],
    train_accuracy: Sequence[float],
    test_label: Array,
    test_predictions: Array,
    transition: Array | None,
    seeds: Sequence[int] = range(20),
) -> tuple[Choices, ...]:
    """The same for several random halves: how much of a difference is luck of the draw."""
    return tuple(choices(regions, susceptibility, train_accuracy, test_label, test_predictions, transition, seed) for seed in seeds)
