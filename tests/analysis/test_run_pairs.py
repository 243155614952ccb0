"""Two runs side by side: images by their source index, and tests against SciPy and scikit-learn."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import binomtest
from sklearn.metrics import cohen_kappa_score, recall_score

from explorer.analysis import run_pairs
from explorer.analysis.run_pairs import align, class_changes, image_changes, memorized, most_changed
from explorer.config import RunConfig
from explorer.records import Array, Facts, Run
from tests.support import names, toy_labels

K = 3


def a_run(source_index: list[int], given: list[int], predicted: list[int], loss: list[float], true: list[int] | None = None) -> Run:
    """After two epochs, the first of which says nothing."""
    N = len(given)
    facts = replace(
        Facts.empty(N), epochs=np.array([1, 2]), loss=np.array([np.zeros(N), loss], dtype=np.float16),
        predicted_label=np.array([np.zeros(N), predicted], dtype=np.uint16),
    )  # fmt: skip
    labels = toy_labels(np.array(given), None if true is None else np.array(true))
    return Run(
        "0" * 12, RunConfig(), "finished", "", names(K), np.array(source_index), labels, None, {"epoch": np.arange(3.0)}, facts,
        None, None, None, None, {},
    )  # fmt: skip


A = a_run([3, 5, 8, 9], [0, 1, 2, 0], [0, 1, 0, 2], [0.5, 1, 2, 4], [0, 2, 0, 1])
B = a_run([9, 8, 7, 5], [0, 2, 1, 2], [0, 2, 1, 2], [1, 2.5, 0, 0.25], [1, 0, 1, 2])


def test_images_are_matched_by_source_index() -> None:
    found = image_changes(A, B)
    assert found.source_index.tolist() == [5, 8, 9]
    assert found.loss_change.tolist() == [-0.75, 0.5, -3]
    assert found.same_prediction.tolist() == [False, False, False]
    assert found.relabelled.tolist() == [True, False, False]
    assert found.memorized_a.tolist() == [True, False, False]
    assert found.memorized_b.tolist() == [False, True, True]  # 5 was corrected: nothing wrong to memorize
    assert found.newly_memorized.tolist() == [False, True, True]
    assert found.no_longer_memorized.tolist() == [True, False, False]
    assert most_changed(found).tolist() == [2, 0, 1]


def test_exchanging_the_runs_turns_everything_round() -> None:
    one, other = image_changes(A, B), image_changes(B, A)
    assert (one.loss_change == -other.loss_change).all()
    assert (one.newly_memorized == other.no_longer_memorized).all()
    assert (one.memorized_a == other.memorized_b).all()
    assert (one.relabelled == other.relabelled).all()


@pytest.mark.parametrize("seed", range(4))
def test_alignment_is_that_of_a_dictionary(seed: int) -> None:
    rng = np.random.default_rng(seed)
    a, b = rng.choice(40, 25, replace=False), rng.choice(40, 20, replace=False)
    found = align(a, b)
    places = {int(index): place for place, index in enumerate(b)}
    expected = sorted((int(index), place, places[int(index)]) for place, index in enumerate(a) if int(index) in places)
    assert list(zip(*(column.tolist() for column in found), strict=True)) == expected


def test_the_same_run_twice_changes_nothing(memorizing: Run, robust: Run) -> None:
    same = image_changes(memorizing, memorizing)
    assert not same.loss_change.any() and same.same_prediction.all() and not same.newly_memorized.any()
    found = image_changes(memorizing, robust)
    assert found.no_longer_memorized.sum() > 100 > found.newly_memorized.sum()  # ELR keeps it from memorizing
    assert not found.relabelled.any()
    share = memorized(memorizing).sum() / memorizing.labels.is_mislabeled.sum()  # type: ignore[union-attr]
    assert share == pytest.approx(memorizing.epochs["memorized"][-1])


def test_without_truth_nothing_is_known_to_be_memorized() -> None:
    unknown = a_run([3, 5], [0, 1], [0, 1], [0, 0])
    assert not memorized(unknown).any()
    assert not image_changes(unknown, B).memorized_a.any()


def test_runs_without_a_common_image_have_no_changes() -> None:
    found = image_changes(A, a_run([1], [0], [0], [0], [0]))
    assert all(len(column) == 0 for column in found) and len(most_changed(found)) == 0


def test_a_run_that_has_recorded_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="has recorded no epoch"):
        image_changes(A, replace(B, facts=Facts.empty(4)))


# -- test images ------------------------------------------------------------------------------------


def some_predictions(seed: int, M: int = 300) -> tuple[Array, Array, Array]:
    rng = np.random.default_rng(seed)
    label = rng.integers(0, K, M)
    return tuple(np.where(rng.random(M) < skill, label, rng.integers(0, K, M)).astype(np.uint16) for skill in (0.6, 0.75)) + (label,)  # type: ignore[return-value]


@pytest.mark.parametrize("seed", range(4))
def test_mcnemar_is_the_exact_binomial_test(seed: int) -> None:
    a, b, label = some_predictions(seed)
    found = run_pairs.test_changes(a, b, label)
    only_a = sum(x == y != z for x, z, y in zip(a.tolist(), b.tolist(), label.tolist(), strict=True))
    only_b = sum(z == y != x for x, z, y in zip(a.tolist(), b.tolist(), label.tolist(), strict=True))
    assert (found.only_a, found.only_b) == (only_a, only_b)
    assert found.p_value == pytest.approx(binomtest(only_a, only_a + only_b).pvalue, rel=1e-9)
    assert found.both + found.neither + only_a + only_b == len(label)
    assert (found.both + only_b - found.both - only_a) / len(label) == pytest.approx(np.mean(b == label) - np.mean(a == label))
    assert found.agreement == pytest.approx(np.mean(a == b))
    kappa = cohen_kappa_score(a, b)
    assert (found.agreement == 1) == (kappa == 1)


def test_a_run_against_itself() -> None:
    a, _, label = some_predictions(0)
    found = run_pairs.test_changes(a, a, label)
    assert (found.only_a, found.only_b, found.p_value, found.agreement) == (0, 0, 1, 1)
    nothing = run_pairs.test_changes(a[:0], a[:0], label[:0])
    assert nothing.p_value == 1 and np.isnan(nothing.agreement)


@pytest.mark.parametrize("seed", range(3))
def test_accuracy_by_class_is_recall(seed: int) -> None:
    a, b, label = some_predictions(seed)
    found = class_changes(a, b, label, K + 1)
    for ours, predicted in ((found.accuracy_a, a), (found.accuracy_b, b)):
        assert ours[:K] == pytest.approx(recall_score(label, predicted, average=None))
        assert np.isnan(ours[K])  # a class without test images
    assert found.change[:K] == pytest.approx(found.accuracy_b[:K] - found.accuracy_a[:K])
    assert found.images.tolist() == [*np.bincount(label).tolist(), 0]


def test_other_test_images_are_refused() -> None:
    a, b, label = some_predictions(0)
    for call in (lambda: run_pairs.test_changes(a[1:], b, label), lambda: class_changes(a, b[1:], label, K)):
        with pytest.raises(ValueError, match="both runs need the same test images"):
            call()
