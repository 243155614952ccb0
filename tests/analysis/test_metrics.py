"""The row of numbers per epoch against counting by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.stats import binomtest

from explorer.analysis.metrics import COLUMNS, accuracy, epoch_row, share_interval, susceptibility, wrong_label_split
from explorer.pipeline import Prepared
from explorer.records import NO_CLASS, EpochRecord, Labels, Record
from tests.support import epoch_records, toy_labels


def random_labels(seed: int, N: int = 300, K: int = 5) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    true = rng.integers(0, K, N)
    given = np.where(rng.random(N) < 0.4, rng.integers(0, K, N), true)
    return rng.integers(0, K, N).astype(np.uint16), given, true


@pytest.mark.parametrize("seed", range(5))
def test_split_of_wrong_labels_is_counted(seed: int) -> None:
    predicted, given, true = random_labels(seed)
    counts = {"memorized": 0, "recovered": 0, "neither": 0}
    for p, g, t in zip(predicted, given, true, strict=True):
        if g != t:
            counts["memorized" if p == g else "recovered" if p == t else "neither"] += 1
    split = wrong_label_split(predicted, given, true)
    assert split._asdict() == pytest.approx({name: n / sum(counts.values()) for name, n in counts.items()})
    assert sum(split) == pytest.approx(1)


def test_split_without_wrong_labels_is_unknown_not_zero() -> None:
    labels = np.array([0, 1, 2])
    assert all(math.isnan(share) for share in wrong_label_split(labels, labels, labels))


@pytest.mark.parametrize(("hits", "total"), [(0, 1), (1, 1), (5, 100), (0, 50), (50, 50), (333, 1000)])
def test_the_interval_of_a_share_is_wilsons(hits: int, total: int) -> None:
    low, high = binomtest(hits, total).proportion_ci(0.95, method="wilson")
    assert share_interval(hits, total) == pytest.approx((low, high), abs=1e-6)


@pytest.mark.parametrize(("hits", "total"), [(0, 0), (-1, 5), (6, 5)])
def test_what_is_no_sample_has_no_interval(hits: int, total: int) -> None:
    with pytest.raises(ValueError, match=f"{hits} of {total} is no sample"):
        share_interval(hits, total)


@pytest.mark.parametrize("dtype", [np.uint16, np.int64])
def test_an_image_that_shows_no_class_is_memorized_or_not_but_never_recovered(dtype: type) -> None:
    """By hand: five wrong labels, three of them under foreign images. 65,535 is what -1 would be as a prediction's number."""
    given = np.array([0, 1, 2, 0, 1, 2])
    true = np.array([0, 2, 1, NO_CLASS, NO_CLASS, NO_CLASS])
    predicted = np.array([0, 2, 2, 0, 2, 65_535], dtype=dtype)
    assert wrong_label_split(predicted, given, true) == (2 / 5, 1 / 5, 2 / 5)


@pytest.mark.parametrize("seed", range(5))
def test_split_with_foreign_images_is_counted_among_all_wrong_images(seed: int) -> None:
    predicted, given, true = random_labels(seed)
    true = np.where(np.random.default_rng(seed).random(len(true)) < 0.3, NO_CLASS, true)
    wrong = [(p, g, t) for p, g, t in zip(predicted, given, true, strict=True) if g != t]
    split = wrong_label_split(predicted, given, true)
    assert split.memorized == pytest.approx(sum(p == g for p, g, _ in wrong) / len(wrong))
    assert split.recovered == pytest.approx(sum(t >= 0 and p == t for p, _, t in wrong) / len(wrong))
    assert sum(split) == pytest.approx(1)


def test_where_only_foreign_images_are_wrong_nothing_can_be_recovered() -> None:
    given, true = np.array([0, 1, 1, 0]), np.array([NO_CLASS, NO_CLASS, NO_CLASS, 0])
    split = wrong_label_split(np.array([0, 1, 0, 0], dtype=np.uint16), given, true)
    assert math.isnan(split.recovered)
    assert split.memorized == pytest.approx(2 / 3) and split.memorized + split.neither == 1


def test_accuracy_of_nothing_is_unknown() -> None:
    assert math.isnan(accuracy(np.array([]), np.array([])))
    assert accuracy(np.array([1, 2, 3, 4], dtype=np.uint16), np.array([1, 2, 0, 4])) == 0.75


def test_susceptibility_is_the_running_mean() -> None:
    assert math.isnan(susceptibility([]))
    assert susceptibility([0.25]) == 0.25
    assert susceptibility([0.5, -0.25, 0.5]) == 0.25
    assert susceptibility([0.1] * 10) == 0.1


def rows_of(records: list[EpochRecord], labels: Labels, test_label: np.ndarray) -> list[dict[str, float]]:
    rows: list[dict[str, float]] = []
    for record in records:
        rows.append(epoch_row(record, labels, test_label, rows))
    return rows


def test_a_row_has_exactly_the_columns_and_the_numbers_of_its_record(records: list[Record], prepared: Prepared) -> None:
    epochs, labels = epoch_records(records), prepared.labels
    assert labels.true_label is not None and labels.is_mislabeled is not None
    rows = rows_of(epochs, labels, prepared.dataset.test_label)
    for t, (record, row) in enumerate(zip(epochs, rows, strict=True)):
        assert tuple(sorted(row)) == tuple(sorted(COLUMNS))
        hits = [int(p) == int(g) for p, g in zip(record.predicted_label, labels.given_label, strict=True)]
        assert row["train_accuracy"] == pytest.approx(sum(hits) / len(hits))
        right = [hit for hit, wrong in zip(hits, labels.is_mislabeled, strict=True) if not wrong]
        assert row["clean_accuracy"] == pytest.approx(sum(right) / len(right))
        test = [int(p) == int(y) for p, y in zip(record.test_predicted_label, prepared.dataset.test_label, strict=True)]
        assert row["test_accuracy"] == pytest.approx(sum(test) / len(test))
        drops = [e.susceptibility_drop for e in epochs[1 : t + 1]]
        fixed = [e.susceptibility_drop_fixed_lr for e in epochs[1 : t + 1]]
        for name, values in (("susceptibility", drops), ("susceptibility_fixed_lr", fixed)):
            assert row[name] == pytest.approx(sum(values) / len(values)) if values else math.isnan(row[name])
        if record.curvature is None:
            assert math.isnan(row["mean_curvature"])
        else:
            assert row["mean_curvature"] == pytest.approx(sum(map(float, record.curvature)) / len(record.curvature), rel=1e-12)
        for name in ("epoch", "step", "train_loss", "test_loss", "learning_rate", "train_seconds", "eval_seconds", "probe_seconds"):
            assert row[name] == getattr(record, name)


def test_columns_that_need_truth_are_unknown_without_it(records: list[Record], prepared: Prepared) -> None:
    blind = toy_labels(prepared.labels.given_label, None)
    for row in rows_of(epoch_records(records), blind, prepared.dataset.test_label):
        assert all(math.isnan(row[name]) for name in ("clean_accuracy", "memorized", "recovered", "neither"))
        assert not math.isnan(row["train_accuracy"])
