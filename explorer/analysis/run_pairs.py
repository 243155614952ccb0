"""Two runs on the same images, held side by side: what changed from one to the other."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from explorer.analysis.distributions import sign_test
from explorer.records import Array, Run


class Aligned(NamedTuple):
    """Images both runs trained on, by ascending source index. a, b: int64 ``[C]``, positions in either training set."""

    source_index: Array
    a: Array
    b: Array


class ImageChanges(NamedTuple):
    """From run a to run b, of the ``[C]`` common images, at the last epoch of either.

    loss_change: float64, nats, b - a, each against the label that run was given. same_prediction: bool.
    memorized_a, memorized_b: bool, wrong label given and predicted; all False where truth is unknown. relabelled: bool, the two
    runs were given different labels.
    """

    source_index: Array
    loss_change: Array
    same_prediction: Array
    memorized_a: Array
    memorized_b: Array
    relabelled: Array

    @property
    def newly_memorized(self) -> Array:
        return np.asarray(self.memorized_b & ~self.memorized_a)

    @property
    def no_longer_memorized(self) -> Array:
        return np.asarray(self.memorized_a & ~self.memorized_b)


class TestChanges(NamedTuple):
    """Of the same test images: how many only run a, only run b, both and neither got right.

    p_value: exact McNemar test, two-sided: the chance of ``only_a`` and ``only_b`` lying so far apart if both runs were equally
    good. agreement: share of equal predictions, in [0, 1]; NaN for no images.
    """

    only_a: int
    only_b: int
    both: int
    neither: int
    p_value: float
    agreement: float


def align(a: Array, b: Array) -> Aligned:
    """The images two runs share, by their source index ``[N]`` each; none twice."""
    common, in_a, in_b = np.intersect1d(a, b, assume_unique=True, return_indices=True)
    return Aligned(common, in_a, in_b)


def image_changes(a: Run, b: Run) -> ImageChanges:
    """What became of each image both runs trained on.

    Raises:
        ValueError: if either has recorded no epoch after the untrained network.
    """
    for run in (a, b):
        if not len(run.facts.epochs):
            raise ValueError(f"run {run.run_id} has recorded no epoch with predictions; train it further first")
    common = align(a.source_index, b.source_index)
    places = ((a, common.a), (b, common.b))
    loss_a, loss_b = (run.facts.loss[-1, at].astype(np.float64) for run, at in places)
    predicted_a, predicted_b = (run.facts.predicted_label[-1, at] for run, at in places)
    given_a, given_b = (run.labels.given_label[at] for run, at in places)
    memorized_a, memorized_b = (memorized(run)[at] for run, at in places)
    return ImageChanges(common.source_index, loss_b - loss_a, predicted_a == predicted_b, memorized_a, memorized_b, given_a != given_b)


def memorized(run: Run) -> Array:
    """bool ``[N]``: the given label is wrong and predicted at the last epoch; all False where truth is unknown."""
    wrong = run.labels.is_mislabeled
    if wrong is None or not len(run.facts.epochs):
        return np.zeros(len(run.source_index), dtype=bool)
    return np.asarray(wrong & (run.facts.predicted_label[-1] == run.labels.given_label))


def most_changed(changes: ImageChanges) -> Array:
    """int64 ``[C]``: places in ``changes``, the largest change of loss first, either way; ties by source index."""
    return np.lexsort((changes.source_index, -np.abs(changes.loss_change)))


def test_changes(predicted_a: Array, predicted_b: Array, label: Array) -> TestChanges:
    """How two runs differ on the same test images.

    Args:
        predicted_a, predicted_b, label: int ``[M]``.

    Raises:
        ValueError: if the lengths differ.
    """
    _check_same_length(predicted_a, predicted_b, label)
    right_a, right_b = predicted_a == label, predicted_b == label
    only_a, only_b = int((right_a & ~right_b).sum()), int((right_b & ~right_a).sum())
    agree = float((predicted_a == predicted_b).mean()) if len(label) else math.nan
    return TestChanges(only_a, only_b, int((right_a & right_b).sum()), int((~right_a & ~right_b).sum()), sign_test(only_a, only_b), agree)


class ClassChanges(NamedTuple):
    """Test accuracy per class in either run, float64 ``[K]`` in [0, 1], NaN for a class without test images; images: int64 ``[K]``."""

    accuracy_a: Array
    accuracy_b: Array
    images: Array

    @property
    def change(self) -> Array:
        return np.asarray(self.accuracy_b - self.accuracy_a)


def class_changes(predicted_a: Array, predicted_b: Array, label: Array, num_classes: int) -> ClassChanges:
    """Test accuracy of each class in two runs. Raises ValueError if the lengths differ."""
    _check_same_length(predicted_a, predicted_b, label)
    count = np.bincount(label, minlength=num_classes)
    right = [np.bincount(label[predicted == label], minlength=num_classes) for predicted in (predicted_a, predicted_b)]
    share = [np.where(count > 0, hits / np.maximum(count, 1), np.nan) for hits in right]
    return ClassChanges(share[0], share[1], count)


def _check_same_length(predicted_a: Array, predicted_b: Array, label: Array) -> None:
    if not len(predicted_a) == len(predicted_b) == len(label):
        raise ValueError(
            f"test predictions: {len(predicted_a)} and {len(predicted_b)} for {len(label)} labels; both runs need the same test images"
        )
