"""A pair of label columns is real noise; its class-conditional twin; and the human labels of CIFAR-10 against the published rates."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from explorer.config import NOISES, WITHOUT_RATE, ConfigError, DataConfig, RunConfig
from explorer.data.noise import TWIN, add_noise, expected_transition, expected_wrong_rate, permute_within
from explorer.data.tables import open_source
from explorer.records import Dataset, Labels
from tests.support import names, toy_dataset

TRUE = np.random.default_rng(63).integers(0, 3, 60)
NINE_WRONG = np.where(np.arange(60) < 9, (TRUE + 1) % 3, TRUE)
REAL = Path(__file__).resolve().parents[3] / "shared" / "data" / "cifar10"
# Wei et al., arXiv:2110.12088: wrong labels among 50,000
WRONG = {"aggre_label": 4505, "random_label1": 8617, "random_label2": 9061, "random_label3": 8820, "worse_label": 20104}


def pair_of_columns() -> Dataset:
    return toy_dataset(NINE_WRONG, names(3), TRUE)


def noisy(dataset: Dataset, noise: str, **settings: float) -> Labels:
    return add_noise(RunConfig.from_dict({"noise": noise, **settings}), dataset)[1]


def test_a_pair_of_label_columns_is_recorded_noise() -> None:
    labels = noisy(pair_of_columns(), "none")
    assert (labels.wrong_origin == "recorded").tolist() == [i < 9 for i in range(60)]
    assert labels.wrong_rate == 9 / 60
    assert labels.asked_rate == 0.0
    T = expected_transition(DataConfig(noise="none"), pair_of_columns())
    assert T is not None and np.array_equal(T, labels.transition)


@pytest.mark.parametrize("noise", [noise for noise in NOISES if noise not in WITHOUT_RATE])
def test_noise_on_top_of_a_pair_of_label_columns_is_refused(noise: str) -> None:
    with pytest.raises(ConfigError, match="none or class_conditional_twin") as caught:
        noisy(pair_of_columns(), noise)
    assert caught.value.field == "noise"


def test_permuting_keeps_the_labels_of_each_true_class() -> None:
    dealt = permute_within(NINE_WRONG, TRUE, np.random.default_rng(0))
    assert not np.array_equal(dealt, NINE_WRONG)
    for k in range(3):
        assert sorted(dealt[TRUE == k]) == sorted(NINE_WRONG[TRUE == k])


def test_a_twin_of_human_noise_has_the_same_transition_and_other_images() -> None:
    config, dataset = DataConfig(noise=TWIN, noise_rate=0.7), pair_of_columns()
    human, twin = noisy(dataset, "none"), noisy(dataset, TWIN, noise_rate=0.7)
    assert np.array_equal(human.transition, twin.transition) and np.array_equal(twin.transition, twin.asked_transition)
    assert twin.wrong_rate == human.wrong_rate == expected_wrong_rate(config, dataset)
    T = expected_transition(config, dataset)
    assert T is not None and np.array_equal(T, twin.transition)
    assert twin.is_mislabeled is not None and twin.asked_rate == 0.0
    assert np.array_equal(twin.wrong_origin == "flipped", twin.is_mislabeled) and "recorded" not in twin.wrong_origin
    assert not np.array_equal(twin.is_mislabeled, human.is_mislabeled)
    assert np.array_equal(twin.given_label, noisy(dataset, TWIN, noise_rate=0.1, seed=5).given_label)  # the rate says nothing
    assert not np.array_equal(twin.given_label, noisy(dataset, TWIN, data_seed=1).given_label)


def test_the_labels_of_a_twin_no_longer_depend_on_the_image() -> None:
    """Humans who mistake the first half of each class only: the twin's wrong labels fall on both halves alike."""
    true = np.repeat(np.arange(4), 1000)
    first = np.arange(4000) % 1000 < 500
    labels = noisy(toy_dataset(np.where(first, (true + 1) % 4, true), names(4), true), TWIN)
    assert labels.is_mislabeled is not None and labels.is_mislabeled.sum() == 2000
    for k in range(4):
        # hypergeometric: 500 of 1000 drawn, half of them wrong, standard deviation 7.9
        assert abs(labels.is_mislabeled[first & (true == k)].sum() - 250) < 5 * 7.9


@pytest.mark.parametrize("planted", [False, True])
def test_a_twin_needs_a_second_label_column(planted: bool) -> None:
    given = NINE_WRONG if planted else TRUE
    for dataset in (toy_dataset(given, names(3), TRUE, planted=planted), toy_dataset(given, names(3))):
        with pytest.raises(ConfigError, match="two label columns") as caught:
            noisy(dataset, TWIN)
        assert caught.value.field == "noise"


# -- CIFAR-10N, labels only: no image is decoded -----------------------------------------------------


def human(column: str) -> Dataset:
    if not REAL.is_dir():
        pytest.skip(f"no real data at {REAL}")
    train = open_source(REAL).train
    given, true = (np.asarray(train.labels(name).values, dtype=np.int64) for name in (column, "label"))
    images = np.zeros((len(true), 1, 1, 1), dtype=np.uint8)
    return toy_dataset(given, train.labels("label").class_names, true, images=images)


@pytest.mark.parametrize("column", WRONG)
def test_wrong_rates_are_the_published_ones(column: str) -> None:
    config, dataset = DataConfig(noise="none"), human(column)
    labels = noisy(dataset, "none")
    assert labels.is_mislabeled is not None and labels.is_mislabeled.sum() == WRONG[column]
    assert labels.wrong_rate == expected_wrong_rate(config, dataset) == WRONG[column] / 50_000


@pytest.mark.parametrize("column", WRONG)
def test_the_twin_realises_the_very_same_transition(column: str) -> None:
    config, dataset = DataConfig(noise=TWIN), human(column)
    real, twin = noisy(dataset, "none"), noisy(dataset, TWIN)
    assert real.transition is not None and np.array_equal(twin.transition, real.transition)
    assert np.array_equal(expected_transition(config, dataset), real.transition)
    assert twin.wrong_rate == real.wrong_rate
    assert twin.true_label is not None
    # two labels of one image of class k now agree as two independent draws from T[k] do
    agree = np.einsum("ij,ij->i", real.transition, real.transition)[twin.true_label]
    deviation = np.sqrt((agree * (1 - agree)).sum())
    assert abs((twin.given_label == real.given_label).sum() - agree.sum()) < 5 * deviation


def test_the_noisiest_confusions_of_the_worst_labels_are_the_published_ones() -> None:
    dataset = human("worse_label")
    T = noisy(dataset, "none").transition
    assert T is not None
    k = {name: i for i, name in enumerate(dataset.class_names)}
    published = {
        ("truck", "automobile"): 0.282, ("automobile", "truck"): 0.247, ("cat", "dog"): 0.206, ("dog", "cat"): 0.183,
        ("deer", "horse"): 0.152, ("deer", "dog"): 0.106,
    }  # fmt: skip
    assert {pair: round(float(T[k[pair[0]], k[pair[1]]]), 3) for pair in published} == published
    assert round(1 - float(T[k["cat"], k["cat"]]), 3) == 0.513 and round(1 - float(T[k["horse"], k["horse"]]), 3) == 0.278
