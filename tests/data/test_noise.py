"""Label noise: exact numbers, the right targets, honest book-keeping, owned randomness."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest

from explorer import pipeline
from explorer.config import NOISES, RunConfig
from explorer.data.noise import (
    add_noise,
    expected_transition,
    expected_wrong_rate,
    symmetric,
    symmetric_inclusive,
    targeted,
)
from explorer.data.transitions import CIFAR10, DIGITS, TARGETED, flip_target
from explorer.records import Array, Dataset, Labels
from tests.support import names, toy_dataset

SIZES = [10, 37, 200, 1437, 5000, 50_000]
CLASSES = [2, 3, 10, 100]
RATES = [0.0, 0.01, 0.2, 0.5, 0.999, 1.0]
TWIN = "class_conditional_twin"
FLIPPING = [noise for noise in NOISES if noise not in ("none", TWIN, "open_set")]  # labels of a set without a second column


def labels_of(N: int, K: int) -> Array:
    return np.random.default_rng(N + K).integers(0, K, N)


def rng() -> np.random.Generator:
    return np.random.default_rng(0)


def noisy(dataset: Dataset, noise: str, rate: float, **settings: int) -> Labels:
    return add_noise(RunConfig(noise=noise, noise_rate=rate, **settings), dataset)[1]


# -- drawing ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("N", SIZES)
@pytest.mark.parametrize("K", CLASSES)
def test_symmetric_flips_the_exact_number_and_always_to_another_class(N: int, K: int) -> None:
    true = labels_of(N, K)
    for rate in RATES:
        given = symmetric(true, rate, K, rng())
        assert (given != true).sum() == round(rate * N), rate
        assert given.min() >= 0 and given.max() < K


def test_symmetric_spreads_evenly_over_the_other_classes() -> None:
    true = np.repeat(np.arange(10), 900)
    given = symmetric(true, 1.0, 10, rng())
    counts = np.zeros((10, 10))
    for t, g in zip(true, given, strict=True):
        counts[t, g] += 1
    assert np.diag(counts).sum() == 0
    off = counts[~np.eye(10, dtype=bool)]
    assert abs(off - 100).max() < 5 * np.sqrt(100)  # 90 cells of mean 100
    assert ((off - 100) ** 2 / 100).sum() < 150  # chi-square, 80 degrees of freedom: 150 is one in 10^5


@pytest.mark.parametrize("N", SIZES)
@pytest.mark.parametrize("K", CLASSES)
def test_inclusive_redraws_the_exact_number_over_all_classes_the_own_one_too(N: int, K: int) -> None:
    """Labels that are no class at all show which were redrawn."""
    for rate in RATES:
        redrawn = symmetric_inclusive(np.full(N, K), rate, K, rng())
        assert (redrawn < K).sum() == round(rate * N), rate
        assert redrawn.min() >= 0
    true = labels_of(N, K)
    wrong, share = (symmetric_inclusive(true, 1.0, K, rng()) != true).sum(), (K - 1) / K
    assert abs(wrong - N * share) <= 4.5 * math.sqrt(N * share * (1 - share))


def test_inclusive_draws_every_class_alike() -> None:
    """Here lies the difference to `symmetric`: 500 of 5,000 labels of a class are given back to it."""
    for k in (0, 9):
        counts = np.bincount(symmetric_inclusive(np.full(5000, k), 1.0, 10, rng()), minlength=10)
        assert ((counts - 500) ** 2 / 500).sum() < 39  # chi-square, 9 degrees of freedom: 39 is one in 10^5


@pytest.mark.parametrize("N", SIZES)
@pytest.mark.parametrize("noise", TARGETED)
@pytest.mark.parametrize("class_names", [names(2), names(6), names(100), CIFAR10, DIGITS], ids=lambda c: f"{len(c)} {c[0]}")
def test_targeted_noise_moves_the_exact_number_each_class_in_its_share(N: int, noise: str, class_names: tuple[str, ...]) -> None:
    true = labels_of(N, len(class_names))
    target = flip_target(noise, class_names)
    movable = target[true] != true
    for rate in RATES:
        given = targeted(true, rate, target, rng())
        flipped = given != true
        assert np.array_equal(given[flipped], target[true[flipped]])
        assert flipped.sum() == round(rate * movable.sum()), rate
        for k in np.unique(true):
            share = rate * (true == k).sum() if target[k] != k else 0.0
            assert abs(flipped[true == k].sum() - share) < 1 + 1e-9


def test_targeted_noise_on_classes_without_a_target_changes_nothing() -> None:
    true = np.array([0, 1, 4, 8, 9] * 4)
    assert np.array_equal(targeted(true, 1.0, flip_target("asymmetric", DIGITS), rng()), true)


def test_small_classes_get_their_noise_too() -> None:
    """Four labels of each of 50 classes at a rate of 0.2: counts truncated per class would flip none."""
    true = np.repeat(np.arange(50), 4)
    for noise in ("symmetric", *TARGETED):
        assert noisy(toy_dataset(true, names(50), true), noise, 0.2).wrong_rate == 0.2


@pytest.mark.parametrize("noise", FLIPPING)
def test_drawing_leaves_its_input_and_the_global_generator_alone(noise: str) -> None:
    true = labels_of(200, 10)
    before, kept = true.copy(), np.random.get_state()
    dataset = toy_dataset(true, DIGITS, true)
    images = dataset.train_images.copy()
    same, labels = add_noise(RunConfig(noise=noise, noise_rate=0.5), dataset)
    assert same is dataset and not np.array_equal(labels.given_label, true)
    assert np.array_equal(true, before) and np.array_equal(dataset.train_images, images)
    now = np.random.get_state()
    assert np.array_equal(kept[1], now[1]) and kept[2:] == now[2:]


@pytest.mark.parametrize("noise", FLIPPING)
def test_same_data_seed_same_labels_and_seed_has_no_say(noise: str) -> None:
    dataset = toy_dataset(labels_of(500, 10), DIGITS)
    labels = noisy(dataset, noise, 0.4, data_seed=7).given_label
    assert np.array_equal(labels, noisy(dataset, noise, 0.4, data_seed=7, seed=99).given_label)
    assert not np.array_equal(labels, noisy(dataset, noise, 0.4, data_seed=8).given_label)


@pytest.mark.parametrize("noise", ["symmetric", "instance_dependent", "open_set"])
def test_the_training_seed_never_changes_an_image_or_a_label(tiny: RunConfig, noise: str) -> None:
    config = dataclasses.replace(tiny, noise=noise)
    one, other = pipeline.prepare(config), pipeline.prepare(dataclasses.replace(config, seed=tiny.seed + 1))
    for name in ("train_images", "given_label", "source_index", "test_images", "test_label"):
        assert np.array_equal(getattr(one.dataset, name), getattr(other.dataset, name)), name
    for name in ("given_label", "true_label", "wrong_origin"):
        assert np.array_equal(getattr(one.labels, name), getattr(other.labels, name)), name
    moved = pipeline.prepare(dataclasses.replace(config, data_seed=tiny.data_seed + 1))
    assert not np.array_equal(one.dataset.source_index, moved.dataset.source_index)
    assert not np.array_equal(one.labels.wrong_origin, moved.labels.wrong_origin)


# -- book-keeping ----------------------------------------------------------------------------------


@pytest.mark.parametrize("noise", FLIPPING)
def test_realised_transition_is_counted_and_close_to_the_asked_one(noise: str) -> None:
    true = np.repeat(np.arange(10), 500)
    labels = noisy(toy_dataset(true, DIGITS, true), noise, 0.3)
    assert labels.transition is not None and labels.asked_transition is not None and labels.true_label is not None
    counted = np.zeros((10, 10))
    for t, g in zip(labels.true_label, labels.given_label, strict=True):
        counted[t, g] += 1 / 500
    assert np.abs(labels.transition - counted).max() < 1e-12
    for T in (labels.transition, labels.asked_transition):
        assert (T >= 0).all() and np.abs(T.sum(axis=1) - 1).max() < 1e-12
    assert np.abs(labels.transition - labels.asked_transition).max() < 5 * np.sqrt(0.3 * 0.7 / 500)
    assert labels.wrong_rate == (labels.given_label != true).mean()
    assert labels.asked_rate == 0.3


def by_chance(noise: str, rate: float, N: int) -> float:
    """How far the realised wrong rate may lie from the announced one: half a label of rounding, or 4.5 standard deviations."""
    drawn = noise == "instance_dependent" or (noise == "symmetric_inclusive" and rate > 0)
    return (4.5 * math.sqrt(0.25 / N) if drawn else 0.0) + 0.5 / N + 1e-12


@pytest.mark.parametrize("noise", ["none", *FLIPPING])
@pytest.mark.parametrize("rate", RATES)
def test_the_wrong_rate_and_transition_announced_before_the_start_are_those_realised(noise: str, rate: float) -> None:
    true = labels_of(5000, 10)
    already = np.arange(5000) < 250
    planted = toy_dataset(np.where(already, (true + 1) % 10, true), DIGITS, true, planted=True)
    share = np.bincount(true, minlength=10) / 5000
    for dataset in (toy_dataset(true, DIGITS, true), planted):
        config = RunConfig(noise=noise, noise_rate=rate)
        announced, T, labels = expected_wrong_rate(config, dataset), expected_transition(config, dataset), add_noise(config, dataset)[1]
        assert announced is not None and T is not None and labels.wrong_rate is not None and labels.transition is not None
        assert abs(announced - labels.wrong_rate) <= by_chance(noise, rate, 5000)
        assert abs(announced - share @ (1 - np.diag(T))) < 1e-12  # the two announcements are one
        assert np.abs(T.sum(axis=1) - 1).max() < 1e-12
        # an entry is a share of about 500 labels, at most 4.5 standard deviations off, or one label of rounding
        assert np.abs(T - labels.transition).max() <= 4.5 * math.sqrt(0.25 / 440) * (0 < rate < 1 or noise in FLIPPING) + 1 / 440


def test_the_announced_transition_counts_labels_that_are_wrong_already() -> None:
    true = np.repeat([0, 1], 10)
    given = np.where(np.arange(20) < 4, 1, true)
    T = expected_transition(RunConfig(noise="symmetric", noise_rate=0.5), toy_dataset(given, names(3), true, planted=True))
    assert T is not None
    assert np.allclose(T, [[0.3, 0.4 + 0.15, 0.15], [0.25, 0.5, 0.25], [0, 0, 1]])  # by hand: 4 of 10 wrong, half of the other 6 flipped


def test_every_label_starts_right_or_has_one_origin() -> None:
    true = labels_of(400, 10)
    labels = noisy(toy_dataset(true, DIGITS, true), "symmetric", 0.25)
    assert labels.is_mislabeled is not None
    assert np.array_equal(labels.wrong_origin == "flipped", labels.is_mislabeled)
    assert labels.is_mislabeled.sum() == 100
    assert set(labels.wrong_origin[~labels.is_mislabeled]) == {""}


@pytest.mark.parametrize("noise", ["none", *FLIPPING])
def test_planted_wrong_labels_stay_as_they_are_and_keep_their_origin(noise: str) -> None:
    true = labels_of(400, 10)
    wrong = np.arange(400) % 8 == 0
    dataset = toy_dataset(np.where(wrong, (true + 3) % 10, true), DIGITS, true, planted=True)
    labels = noisy(dataset, noise, 0.6)
    assert np.array_equal(labels.wrong_origin == "planted", wrong)
    assert np.array_equal(labels.given_label[wrong], dataset.given_label[wrong])
    assert labels.is_mislabeled is not None
    assert np.array_equal(labels.wrong_origin == "flipped", labels.is_mislabeled & ~wrong)
    if noise == "symmetric":
        assert (labels.wrong_origin == "flipped").sum() == round(0.6 * 350)


def test_what_nobody_knows_is_none() -> None:
    dataset = toy_dataset(labels_of(60, 3), names(3))
    labels = noisy(dataset, "none", 0.2)
    assert [labels.true_label, labels.is_mislabeled, labels.wrong_rate, labels.transition, labels.asked_transition] == [None] * 5
    assert set(labels.wrong_origin) == {""}
    for noise in ("none", TWIN):
        assert expected_wrong_rate(RunConfig(noise=noise), dataset) is None
        assert expected_transition(RunConfig(noise=noise), dataset) is None


def test_noise_over_labels_of_unknown_truth_takes_them_as_right() -> None:
    dataset = toy_dataset(labels_of(60, 3), names(3))
    labels = noisy(dataset, "symmetric", 0.5)
    assert labels.true_label is not None
    assert np.array_equal(labels.true_label, dataset.given_label)
    assert labels.wrong_rate == 0.5


@pytest.mark.parametrize("name", ["given_label", "true_label", "is_mislabeled", "wrong_origin", "transition", "asked_transition"])
@pytest.mark.parametrize("noise", ["symmetric", "instance_dependent"])
def test_labels_cannot_be_written(noise: str, name: str) -> None:
    labels = noisy(toy_dataset(labels_of(60, 3), names(3)), noise, 0.5)
    with pytest.raises(ValueError, match="read-only"):
        getattr(labels, name)[0] = 0
