"""Label Wave on series made by hand, and on a run that learns and then memorizes."""

from __future__ import annotations

import math

import numpy as np
import pytest

from explorer.analysis.label_wave import label_wave, prediction_changes
from explorer.records import Run


def wave(*changes: float, window: int = 1) -> int | None:
    """Of changes from epoch 2 on."""
    return label_wave(np.array([math.nan, *changes]), window)


@pytest.mark.parametrize("seed", range(3))
def test_changes_are_counted_one_by_one(seed: int) -> None:
    predicted = np.random.default_rng(seed).integers(0, 3, (5, 40)).astype(np.uint16)
    changes = prediction_changes(predicted)
    assert changes.shape == (5,) and changes.dtype == np.float64 and math.isnan(changes[0])
    for e in range(1, 5):
        assert changes[e] == sum(int(predicted[e, n]) != int(predicted[e - 1, n]) for n in range(40)) / 40


def test_without_epochs_or_with_one_there_is_no_change_to_see() -> None:
    assert prediction_changes(np.zeros((0, 7), dtype=np.uint16)).tolist() == []
    assert np.isnan(prediction_changes(np.zeros((1, 7), dtype=np.uint16))).tolist() == [True]
    for epochs in range(4):
        assert label_wave(prediction_changes(np.zeros((epochs, 7), dtype=np.uint16))) is None


def test_the_first_minimum_is_a_fall_followed_by_a_rise() -> None:
    assert wave(0.5, 0.3, 0.4) == 3
    assert wave(0.5, 0.4, 0.3, 0.2, 0.1) is None  # still falling
    assert wave(0.1, 0.2, 0.3, 0.4) is None  # has not fallen yet
    assert wave(0.1, 0.5, 0.2, 0.3) == 4  # the rise at the start is none
    assert wave(0.5, 0.3, 0.4, 0.1, 0.6) == 3  # the first, not the lowest


def test_a_plateau_counts_once_and_from_its_first_epoch() -> None:
    assert wave(0.5, 0.3, 0.3, 0.3, 0.4) == 3
    assert wave(0.5, 0.3, 0.3, 0.3) is None  # may fall again
    assert wave(0.5, 0.3, 0.3, 0.2, 0.4) == 5
    assert wave(0.3, 0.3, 0.3) is None
    assert wave(0.4, 0.4, 0.5, 0.2, 0.3) == 5  # a plateau that was not fallen into is no minimum


def test_the_average_is_centred() -> None:
    assert wave(0.9, 0.5, 0.1, 0.5, 0.9, window=3) == 4
    # means of three: .6 .4 .3 .4, around epochs 3 4 5 6
    assert wave(0.9, 0.6, 0.3, 0.3, 0.3, 0.6, window=3) == 5
    assert wave(9, 7, 4, 2, 4, 7, 9, window=5) == 5


def test_smoothing_passes_over_one_unsteady_epoch() -> None:
    unsteady = (0.9, 0.7, 0.75, 0.5, 0.3, 0.2, 0.3, 0.5)
    assert wave(*unsteady, window=1) == 3
    assert wave(*unsteady, window=3) == 7


def test_sums_of_equal_shares_in_another_order_are_a_plateau() -> None:
    assert 0.1 + 0.2 + 0.3 != 0.2 + 0.3 + 0.1
    assert wave(0.9, 0.1, 0.2, 0.3, 0.1, 0.2, 0.3, window=3) is None
    assert wave(0.9, 0.1, 0.2, 0.3, 0.1, 0.2, 0.9, window=3) == 4


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("window", [1, 3, 5])
def test_an_answer_once_given_is_not_taken_back(seed: int, window: int) -> None:
    """What is said at an epoch uses that and earlier epochs only: the rest of the series changes nothing."""
    changes = np.random.default_rng(seed).random(40)
    final = label_wave(changes, window)
    assert final is not None
    seen = [label_wave(changes[:epoch], window) for epoch in range(1, 41)]
    assert set(seen) == {None, final}
    assert seen.index(final) + 1 == final + window // 2 + 1  # random numbers have no plateaus


@pytest.mark.parametrize("window", [0, 2, 4])
def test_a_window_without_centre_is_refused(window: int) -> None:
    with pytest.raises(ValueError, match="odd"):
        label_wave(np.zeros(9), window)


def test_it_stops_a_memorizing_run_before_it_memorizes(memorizing: Run) -> None:
    """It never sees a true label, nor a test image."""
    stop = label_wave(prediction_changes(memorizing.facts.predicted_label))
    assert stop is not None
    memorized, test = memorizing.epochs["memorized"], memorizing.epochs["test_accuracy"]  # epoch 0 first
    assert memorized[stop] < 0.1 and memorized[-1] > 0.9
    assert test[stop] > test.max() - 0.1
    assert test[stop] > test[-1] + 0.1
