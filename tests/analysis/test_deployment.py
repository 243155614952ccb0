"""What each way of choosing a model deploys, and that no choice touches its judge."""

from __future__ import annotations

import math

import numpy as np
import pytest
from sklearn.metrics import accuracy_score

from explorer.analysis.deployment import choices, noisy_labels, repeated_choices, rule_choice
from explorer.analysis.regions import Regions, regions
from explorer.records import Array

K = 3


def symmetric(rate: float) -> Array:
    return np.full((K, K), rate / (K - 1)) + np.eye(K) * (1 - rate - rate / (K - 1))


def some_runs(seed: int, R: int = 9, M: int = 400) -> tuple[list[float], list[float], Array, Array]:
    """(susceptibility, training accuracy, test label, predictions) of runs between chance and perfect."""
    rng = np.random.default_rng(seed)
    label = rng.integers(0, K, M)
    skill = rng.random(R)
    predictions = np.where(rng.random((R, M)) < skill[:, None], label, rng.integers(0, K, (R, M)))
    return list(1 - skill + rng.normal(0, 0.1, R)), list(skill + rng.normal(0, 0.1, R)), label, predictions


def found_regions(x: list[float], y: list[float]) -> Regions:
    found = regions(x, y)
    assert found is not None
    return found


@pytest.mark.parametrize("seed", range(6))
def test_the_rule_picks_the_best_mean_rank_of_region_1(seed: int) -> None:
    x, y, _, _ = some_runs(seed, R=15)
    region = found_regions(x, y).region
    inside = [n for n in range(15) if region[n] == 1]
    by_x, by_y = sorted(inside, key=lambda n: x[n]), sorted(inside, key=lambda n: -y[n])
    expected = min(inside, key=lambda n: (by_x.index(n) + by_y.index(n), x[n]))
    assert rule_choice(region, x, y) == expected


def test_the_rule_by_hand() -> None:
    #              tie: 1st and 3rd      best of both     outside
    assert rule_choice([1, 1, 1, 2], [0.1, 0.2, 0.3, 0.0], [0.7, 0.8, 0.9, 1.0]) == 0  # all tie: the least susceptible
    assert rule_choice([1, 1, 1, 2], [0.3, 0.1, 0.2, 0.0], [0.9, 0.9, 0.7, 1.0]) == 1
    assert rule_choice([1, 1], [0.1, 0.1], [0.5, 0.5]) == 0
    assert rule_choice([2, 3, 4], [0.1, 0.2, 0.3], [0.9, 0.8, 0.7]) == -1


@pytest.mark.parametrize("seed", range(4))
def test_every_accuracy_is_of_the_half_nobody_chose_by(seed: int) -> None:
    x, y, label, predictions = some_runs(seed)
    found, region = choices(found_regions(x, y), x, y, label, predictions, symmetric(0.3), seed), found_regions(x, y).region
    order = np.random.default_rng(seed).permutation(len(label))
    judged = order[len(order) // 2 :]
    accuracy = [accuracy_score(label[judged], run[judged]) for run in predictions]
    assert (found.judged, found.validated) == (200, 200)
    assert found.rule_run == rule_choice(region, x, y)
    assert found.rule == pytest.approx(accuracy[found.rule_run])
    assert found.region_1 == pytest.approx(np.mean([a for a, r in zip(accuracy, region, strict=True) if r == 1]))
    assert found.all_runs == pytest.approx(np.mean(accuracy))
    assert found.noisy_validation == pytest.approx(accuracy[found.noisy_run])
    assert found.oracle == pytest.approx(max(accuracy)) == pytest.approx(accuracy[found.oracle_run])


@pytest.mark.parametrize("seed", range(4))
def test_the_judging_half_has_no_part_in_choosing(seed: int) -> None:
    """Other predictions on the judging half, and on the validating half other labels drawn: only the choice that looks there changes."""
    x, y, label, predictions = some_runs(seed)
    judged = np.random.default_rng(seed).permutation(len(label))[len(label) // 2 :]
    changed = predictions.copy()
    changed[:, judged] = np.random.default_rng(99).integers(0, K, (len(predictions), len(judged)))
    one, other = (choices(found_regions(x, y), x, y, label, p, symmetric(0.3), seed) for p in (predictions, changed))
    assert (one.rule_run, one.noisy_run) == (other.rule_run, other.noisy_run)
    assert one.noisy_validation != other.noisy_validation


def test_without_noise_validation_finds_the_best_of_its_half() -> None:
    x, y, label, predictions = some_runs(3)
    found = choices(found_regions(x, y), x, y, label, predictions, np.eye(K), 5)
    validated = np.random.default_rng(5).permutation(len(label))[: len(label) // 2]
    assert found.noisy_run == int(np.argmax([accuracy_score(label[validated], run[validated]) for run in predictions]))


def test_what_is_unknown_is_not_a_number() -> None:
    x, y, label, predictions = some_runs(1)
    found = choices(found_regions(x, y), x, y, label, predictions, None)
    assert math.isnan(found.noisy_validation) and found.noisy_run == -1
    nobody = Regions(0.5, 0.5, (2,) * 9)
    found = choices(nobody, x, y, label, predictions, symmetric(0.2))
    assert math.isnan(found.rule) and math.isnan(found.region_1) and found.rule_run == -1
    assert math.isfinite(found.all_runs + found.oracle + found.noisy_validation)


def test_labels_are_drawn_from_the_row_of_the_true_one() -> None:
    transition = np.array([[0.7, 0.2, 0.1], [0, 1, 0], [0.5, 0, 0.5]])
    label = np.repeat(np.arange(K), 20_000)
    drawn = noisy_labels(label, transition, np.random.default_rng(0))
    share = np.array([np.bincount(drawn[label == k], minlength=K) / 20_000 for k in range(K)])
    np.testing.assert_allclose(share, transition, atol=0.015)
    assert ((share == 0) == (transition == 0)).all()


def test_rows_that_rounding_left_short_of_one_still_give_a_class() -> None:
    transition = np.full((10, 10), 0.1)[:, :10] * (1 - 1e-12)
    drawn = noisy_labels(np.zeros(50_000, dtype=np.int64), transition, np.random.default_rng(0))
    assert drawn.min() == 0 and drawn.max() == 9


def test_a_tie_in_validation_is_drawn() -> None:
    x, y, label, predictions = some_runs(2, R=4)
    same = np.repeat(predictions[:1], 4, axis=0)
    found = repeated_choices(found_regions(x, y), x, y, label, same, symmetric(0.2), range(40))
    assert {each.noisy_run for each in found} == {0, 1, 2, 3}


def test_repeating_changes_the_halves_and_nothing_of_the_rule() -> None:
    x, y, label, predictions = some_runs(0)
    found = repeated_choices(found_regions(x, y), x, y, label, predictions, symmetric(0.2), range(5))
    assert found[3] == choices(found_regions(x, y), x, y, label, predictions, symmetric(0.2), 3)
    assert len({each.rule_run for each in found}) == 1
    assert len({each.all_runs for each in found}) > 1


def test_what_does_not_fit_together_is_refused() -> None:
    x, y, label, predictions = some_runs(0)
    found = found_regions(x, y)
    for bad in ((x[1:], y, label, predictions), (x, y[1:], label, predictions), (x, y, label, predictions[1:])):
        with pytest.raises(ValueError, match="give one per run"):
            choices(found, *bad, None)
    with pytest.raises(ValueError, match="400 predictions for 399 labels"):
        choices(found, x, y, label[1:], predictions, None)
    with pytest.raises(ValueError, match="give 2 or more"):
        choices(found, x, y, label[:1], predictions[:, :1], None)
