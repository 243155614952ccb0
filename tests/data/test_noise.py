"""Label noise: exact numbers, the right targets, honest book-keeping, owned randomness."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from explorer import pipeline
from explorer.config import ConfigError, RunConfig
from explorer.data.noise import (
    CIFAR10,
    DIGITS,
    NOISES,
    asked_transition,
    asymmetric_target,
    expected_wrong_rate,
    make_labels,
    transition_matrix,
)
from explorer.records import Dataset, Labels
from tests.support import names, toy_dataset

SIZES = [10, 37, 200, 1437, 5000]
CLASSES = [2, 3, 10, 100]
RATES = [0.0, 0.01, 0.2, 0.5, 0.999, 1.0]


def labels_of(N: int, K: int) -> np.ndarray:
    return np.random.default_rng(N + K).integers(0, K, N)


def noisy(dataset: Dataset, noise: str, rate: float, **settings: int) -> Labels:
    return make_labels(RunConfig(noise=noise, noise_rate=rate, **settings), dataset)


def nearest_count(count: int, exactly: float) -> bool:
    """A whole number can be no closer."""
    return abs(count - exactly) <= 0.5 + 1e-9


@pytest.mark.parametrize("N", SIZES)
@pytest.mark.parametrize("K", CLASSES)
def test_symmetric_flips_the_exact_number_and_always_to_another_class(N: int, K: int) -> None:
    true = labels_of(N, K)
    for rate in RATES:
        given = NOISES["symmetric"](true, rate, names(K), np.random.default_rng(0))
        assert nearest_count(int((given != true).sum()), rate * N), rate
        assert given.min() >= 0 and given.max() < K


def test_symmetric_spreads_evenly_over_the_other_classes() -> None:
    true = np.repeat(np.arange(10), 900)
    given = NOISES["symmetric"](true, 1.0, names(10), np.random.default_rng(0))
    counts = np.zeros((10, 10))
    for t, g in zip(true, given, strict=True):
        counts[t, g] += 1
    assert np.diag(counts).sum() == 0
    off = counts[~np.eye(10, dtype=bool)]
    assert abs(off - 100).max() < 5 * np.sqrt(100)  # 90 cells of mean 100
    assert ((off - 100) ** 2 / 100).sum() < 150  # chi-square, 80 degrees of freedom: 150 is one in 10^5


@pytest.mark.parametrize("K", CLASSES)
@pytest.mark.parametrize("rate", RATES)
def test_inclusive_redraws_over_all_classes_the_own_one_too(K: int, rate: float) -> None:
    N = 5000
    true = labels_of(N, K)
    given = NOISES["symmetric_inclusive"](true, rate, names(K), np.random.default_rng(1))
    picked = round(rate * N)
    wrong = (given != true).sum()
    assert wrong <= picked
    share = (K - 1) / K
    assert abs(wrong - picked * share) <= 4.5 * np.sqrt(picked * share * (1 - share))


def test_inclusive_leaves_some_of_the_picked_labels_right() -> None:
    """Here lies the difference to `symmetric`, which would flip all 5,000."""
    true = labels_of(5000, 2)
    assert 2300 < (NOISES["symmetric_inclusive"](true, 1.0, names(2), np.random.default_rng(0)) != true).sum() < 2700


@pytest.mark.parametrize("N", SIZES)
@pytest.mark.parametrize("class_names", [names(2), names(3), names(100), CIFAR10, DIGITS], ids=lambda c: f"{len(c)} {c[0]}")
def test_asymmetric_moves_the_exact_share_of_each_class_to_its_look_alike(N: int, class_names: tuple[str, ...]) -> None:
    true = labels_of(N, len(class_names))
    target = asymmetric_target(class_names)
    movable = target[true] != true
    for rate in RATES:
        given = NOISES["asymmetric"](true, rate, class_names, np.random.default_rng(0))
        flipped = given != true
        assert np.array_equal(given[flipped], target[true[flipped]])
        assert nearest_count(int(flipped.sum()), rate * movable.sum()), rate
        for k in np.unique(true):
            share = rate * (true == k).sum() if target[k] != k else 0.0
            assert abs(flipped[true == k].sum() - share) < 1 + 1e-9


def test_asymmetric_maps_are_the_published_ones() -> None:
    cifar = {CIFAR10[k]: CIFAR10[t] for k, t in enumerate(asymmetric_target(CIFAR10)) if k != t}
    assert cifar == {"truck": "automobile", "bird": "airplane", "cat": "dog", "dog": "cat", "deer": "horse"}
    digits = {k: int(t) for k, t in enumerate(asymmetric_target(DIGITS)) if k != t}
    assert digits == {2: 7, 3: 8, 5: 6, 6: 5, 7: 1}
    assert asymmetric_target(names(4)).tolist() == [1, 2, 3, 0]


def test_asymmetric_on_classes_without_a_look_alike_changes_nothing() -> None:
    true = np.array([0, 1, 4, 8, 9] * 4)
    assert np.array_equal(NOISES["asymmetric"](true, 1.0, DIGITS, np.random.default_rng(0)), true)


@pytest.mark.parametrize("noise", NOISES)
def test_drawing_leaves_its_input_and_the_global_generator_alone(noise: str) -> None:
    true = labels_of(200, 10)
    before, kept = true.copy(), np.random.get_state()
    NOISES[noise](true, 0.5, DIGITS, np.random.default_rng(0))
    make_labels(RunConfig(noise=noise, noise_rate=0.5), toy_dataset(true, DIGITS, true))
    assert np.array_equal(true, before)
    now = np.random.get_state()
    assert np.array_equal(kept[1], now[1]) and kept[2:] == now[2:]


@pytest.mark.parametrize("noise", NOISES)
def test_same_data_seed_same_labels_and_seed_has_no_say(noise: str) -> None:
    dataset = toy_dataset(labels_of(500, 10), DIGITS)
    labels = noisy(dataset, noise, 0.4, data_seed=7).given_label
    assert np.array_equal(labels, noisy(dataset, noise, 0.4, data_seed=7, seed=99).given_label)
    assert not np.array_equal(labels, noisy(dataset, noise, 0.4, data_seed=8).given_label)


def test_the_training_seed_never_changes_an_image_or_a_label(tiny: RunConfig) -> None:
    one, other = pipeline.prepare(tiny), pipeline.prepare(dataclasses.replace(tiny, seed=tiny.seed + 1))
    for name in ("train_images", "given_label", "source_index", "test_images", "test_label"):
        assert np.array_equal(getattr(one.dataset, name), getattr(other.dataset, name)), name
    assert np.array_equal(one.labels.given_label, other.labels.given_label)
    moved = pipeline.prepare(dataclasses.replace(tiny, data_seed=tiny.data_seed + 1))
    assert not np.array_equal(one.dataset.source_index, moved.dataset.source_index)


# -- book-keeping ----------------------------------------------------------------------------------


@pytest.mark.parametrize("noise", ["none", *NOISES])
@pytest.mark.parametrize("class_names", [names(2), names(3), CIFAR10, DIGITS], ids=lambda c: f"{len(c)} {c[0]}")
def test_asked_transition_is_a_distribution_over_given_labels_for_each_true_one(noise: str, class_names: tuple[str, ...]) -> None:
    for rate in RATES:
        T = asked_transition(noise, rate, class_names)
        assert T.shape == (len(class_names),) * 2
        assert (T >= 0).all()
        assert np.abs(T.sum(axis=1) - 1).max() < 1e-12


@pytest.mark.parametrize("noise", NOISES)
def test_realised_transition_is_counted_and_close_to_the_asked_one(noise: str) -> None:
    true = np.repeat(np.arange(10), 500)
    labels = noisy(toy_dataset(true, DIGITS, true), noise, 0.3)
    assert labels.transition is not None and labels.asked_transition is not None and labels.true_label is not None
    counted = np.zeros((10, 10))
    for t, g in zip(labels.true_label, labels.given_label, strict=True):
        counted[t, g] += 1 / 500
    assert np.abs(labels.transition - counted).max() < 1e-12
    assert np.abs(labels.transition.sum(axis=1) - 1).max() < 1e-12
    assert np.abs(labels.transition - labels.asked_transition).max() < 5 * np.sqrt(0.3 * 0.7 / 500)
    assert labels.wrong_rate == (labels.given_label != true).mean()
    assert labels.asked_rate == 0.3


def test_transition_reads_true_then_given_and_an_absent_class_has_the_identity_row() -> None:
    T = transition_matrix(np.array([0, 0, 0, 0, 2]), np.array([0, 1, 1, 1, 2]), 4)
    assert T.tolist() == [[0.25, 0.75, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]]


@pytest.mark.parametrize("noise", ["none", *NOISES])
@pytest.mark.parametrize("rate", RATES)
def test_the_wrong_rate_announced_before_the_start_is_the_one_realised(noise: str, rate: float) -> None:
    true = labels_of(5000, 10)
    already = np.arange(5000) < 250
    planted = toy_dataset(np.where(already, (true + 1) % 10, true), DIGITS, true, planted=True)
    for dataset in (toy_dataset(true, DIGITS, true), planted):
        config = RunConfig(noise=noise, noise_rate=rate)
        announced, realised = expected_wrong_rate(config, dataset), make_labels(config, dataset).wrong_rate
        assert announced is not None and realised is not None
        chance = 4.5 * np.sqrt(0.25 / 5000) if noise == "symmetric_inclusive" and rate else 0.0
        assert abs(announced - realised) <= chance + 0.5 / 5000 + 1e-12  # half an example of rounding


def test_every_label_starts_right_or_has_one_origin() -> None:
    true = labels_of(400, 10)
    labels = noisy(toy_dataset(true, DIGITS, true), "symmetric", 0.25)
    assert labels.is_mislabeled is not None
    assert np.array_equal(labels.wrong_origin == "flipped", labels.is_mislabeled)
    assert labels.is_mislabeled.sum() == 100
    assert set(labels.wrong_origin[~labels.is_mislabeled]) == {""}


@pytest.mark.parametrize("noise", ["none", *NOISES])
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


def test_a_pair_of_label_columns_is_recorded_noise() -> None:
    true = labels_of(60, 3)
    given = np.where(np.arange(60) < 9, (true + 1) % 3, true)
    labels = noisy(toy_dataset(given, names(3), true), "none", 0.2)
    assert (labels.wrong_origin == "recorded").tolist() == [i < 9 for i in range(60)]
    assert labels.wrong_rate == 9 / 60
    assert labels.asked_rate == 0.0


@pytest.mark.parametrize("noise", NOISES)
def test_noise_on_top_of_a_pair_of_label_columns_is_refused(noise: str) -> None:
    true = labels_of(60, 3)
    with pytest.raises(ConfigError) as caught:
        noisy(toy_dataset((true + (np.arange(60) < 9)) % 3, names(3), true), noise, 0.2)
    assert caught.value.field == "noise"


def test_what_nobody_knows_is_none() -> None:
    dataset = toy_dataset(labels_of(60, 3), names(3))
    labels = noisy(dataset, "none", 0.2)
    assert [labels.true_label, labels.is_mislabeled, labels.wrong_rate, labels.transition, labels.asked_transition] == [None] * 5
    assert set(labels.wrong_origin) == {""}
    assert expected_wrong_rate(RunConfig(noise="none"), dataset) is None


def test_noise_over_labels_of_unknown_truth_takes_them_as_right() -> None:
    dataset = toy_dataset(labels_of(60, 3), names(3))
    labels = noisy(dataset, "symmetric", 0.5)
    assert labels.true_label is not None
    assert np.array_equal(labels.true_label, dataset.given_label)
    assert labels.wrong_rate == 0.5


@pytest.mark.parametrize("name", ["given_label", "true_label", "is_mislabeled", "wrong_origin", "transition", "asked_transition"])
def test_labels_cannot_be_written(name: str) -> None:
    labels = noisy(toy_dataset(labels_of(60, 3), names(3)), "symmetric", 0.5)
    with pytest.raises(ValueError, match="read-only"):
        getattr(labels, name)[0] = 0
