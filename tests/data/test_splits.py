"""Stratified choices: exact sizes, fair shares, and randomness that is owned."""

from __future__ import annotations

import numpy as np
import pytest

from explorer.config import ConfigError
from explorer.data.splits import PURPOSES, generator, hold_out, stratified_pick, training_subset
from explorer.records import DataError


@pytest.mark.parametrize("N", [4, 10, 37, 500])
@pytest.mark.parametrize("K", [2, 3, 10])
def test_pick_has_the_exact_size_and_each_class_its_share(N: int, K: int) -> None:
    labels = np.random.default_rng(N * K).integers(0, K, N)
    for size in range(0, N + 1, max(1, N // 20)):
        picked = stratified_pick(labels, size, np.random.default_rng(0))
        assert len(picked) == size
        assert (np.diff(picked) > 0).all()  # ascending, no position twice
        for k in range(K):
            quota = size * (labels == k).sum() / N
            assert abs((labels[picked] == k).sum() - quota) < 1


def test_pick_takes_everything_or_nothing() -> None:
    labels = np.array([0, 0, 0, 1])
    assert stratified_pick(labels, 4, np.random.default_rng(0)).tolist() == [0, 1, 2, 3]
    assert stratified_pick(labels, 0, np.random.default_rng(0)).tolist() == []


def test_pick_is_not_always_the_first_of_a_class() -> None:
    picks = {tuple(stratified_pick(np.zeros(20, dtype=int), 5, np.random.default_rng(seed))) for seed in range(10)}
    assert len(picks) > 5


def test_remainders_go_to_the_largest() -> None:
    labels = np.repeat([0, 1, 2], [7, 2, 1])  # quotas of 5: 3.5, 1.0, 0.5 -> the two halves draw lots
    counts = {tuple(np.bincount(labels[stratified_pick(labels, 5, np.random.default_rng(s))], minlength=3)) for s in range(30)}
    assert counts == {(4, 1, 0), (3, 1, 1)}


def test_hold_out_is_a_partition_with_the_asked_share() -> None:
    labels = np.random.default_rng(0).integers(0, 7, 1797)
    train, test = hold_out(labels, 0.2, seed=3)
    assert len(test) == round(0.2 * 1797)
    assert np.array_equal(np.sort(np.concatenate([train, test])), np.arange(1797))
    again = hold_out(labels, 0.2, seed=3)
    assert np.array_equal(train, again[0]) and np.array_equal(test, again[1])
    assert not np.array_equal(test, hold_out(labels, 0.2, seed=4)[1])
    assert not np.array_equal(test, hold_out(labels, 0.2, seed=3, purpose="test split")[1])


def test_hold_out_keeps_at_least_one() -> None:
    assert [len(part) for part in hold_out(np.array([0, 1, 0]), 0.01, seed=0)] == [2, 1]


def test_subset_of_size_zero_is_everything() -> None:
    assert training_subset(np.array([0, 1, 0, 1, 1]), 0, seed=9).tolist() == [0, 1, 2, 3, 4]


def test_subset_is_seeded_and_stratified() -> None:
    labels = np.repeat([0, 1], [90, 10])
    picked = training_subset(labels, 50, seed=0)
    assert np.bincount(labels[picked]).tolist() == [45, 5]
    assert np.array_equal(picked, training_subset(labels, 50, seed=0))
    assert not np.array_equal(picked, training_subset(labels, 50, seed=1))


def test_subset_beyond_the_data_names_the_field_and_the_number_there_is() -> None:
    with pytest.raises(ConfigError, match="1,000") as caught:
        training_subset(np.arange(1000) % 3, 1001, seed=0)
    assert caught.value.field == "train_size"


@pytest.mark.parametrize(
    ("labels", "size", "why"), [([0, 1, 0], 0, "3 training images"), ([0, 1] * 9, 3, "3 training"), ([2] * 9, 0, "same label")]
)
def test_too_little_to_learn_from_is_said(labels: list[int], size: int, why: str) -> None:
    with pytest.raises(DataError, match=why):
        training_subset(np.array(labels), size, seed=0)


def test_each_purpose_and_seed_has_its_own_stream() -> None:
    streams = {tuple(generator(seed, purpose).integers(0, 2**32, 4)) for seed in range(5) for purpose in PURPOSES}
    assert len(streams) == 5 * len(PURPOSES)
    assert generator(3, "flips").random() == generator(3, "flips").random()
