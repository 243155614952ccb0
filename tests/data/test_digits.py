"""The default data against its source."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.datasets import load_digits as load_source

from explorer.config import ConfigError
from explorer.data.digits import load_digits
from explorer.records import Dataset


@pytest.fixture(scope="module")
def digits() -> Dataset:
    return load_digits()


def test_every_digit_is_in_one_split_with_its_own_picture_and_label(digits: Dataset) -> None:
    source = load_source()
    assert len(digits.train_images) + len(digits.test_images) == 1797
    assert len(digits.test_images) == round(0.2 * 1797)
    assert np.array_equal(digits.given_label, source.target[digits.source_index])
    ink = np.rint(source.images[digits.source_index] * 255 / 16)
    assert np.array_equal(digits.train_images[..., 0], ink)
    assert (digits.train_images.min(), digits.train_images.max()) == (0, 255)
    rest = np.setdiff1d(np.arange(1797), digits.source_index)
    assert np.array_equal(np.sort(digits.test_label), np.sort(source.target[rest]))


def test_shapes_types_and_truth(digits: Dataset) -> None:
    assert digits.class_names == tuple("0123456789")
    assert digits.train_images.shape[1:] == (8, 8, 1)
    assert digits.train_images.dtype == np.uint8
    assert digits.given_label.dtype == digits.source_index.dtype == np.int64
    assert digits.true_label is not None
    assert np.array_equal(digits.true_label, digits.given_label)
    assert digits.test_is_reference
    assert digits.planted is None


def test_splits_are_stratified(digits: Dataset) -> None:
    share = np.bincount(digits.test_label) / np.bincount(load_source().target)
    assert np.abs(share - 0.2).max() < 0.01


@pytest.mark.parametrize("name", ["train_images", "given_label", "true_label", "source_index", "test_images", "test_label"])
def test_arrays_cannot_be_written(digits: Dataset, name: str) -> None:
    with pytest.raises(ValueError, match="read-only"):
        getattr(digits, name)[0] = 0


def test_seed_decides_the_split_and_a_subset_is_part_of_it(digits: Dataset) -> None:
    small = load_digits(200)
    assert len(small.train_images) == 200
    assert set(small.source_index) < set(digits.source_index)
    assert np.array_equal(small.test_images, digits.test_images)
    assert np.array_equal(small.source_index, load_digits(200).source_index)
    other = load_digits(200, seed=1)
    assert not np.array_equal(other.source_index, small.source_index)
    assert not np.array_equal(other.test_label, small.test_label)


def test_images_can_be_enlarged(digits: Dataset) -> None:
    large = load_digits(50, image_size=16)
    assert large.train_images.shape == (50, 16, 16, 1)
    assert large.train_images.dtype == np.uint8
    small = load_digits(50)
    assert np.array_equal(small.source_index, large.source_index)
    shrunk = large.train_images[..., 0].reshape(50, 8, 2, 8, 2).mean(axis=(2, 4))
    assert np.corrcoef(shrunk.ravel(), small.train_images.ravel())[0, 1] > 0.95
    assert np.array_equal(load_digits(50, image_size=8).train_images, small.train_images)


def test_more_than_there_is_raises() -> None:
    with pytest.raises(ConfigError) as caught:
        load_digits(1798)
    assert caught.value.field == "train_size"
