"""Confident learning against cleanlab and a confident joint counted by hand; forgetting on the second half against a loop."""

from __future__ import annotations

import importlib.util
import threading

import numpy as np
import pytest

from explorer.analysis.out_of_sample import flag, out_of_sample_scores, second_split_forgetting
from explorer.analysis.scores import compute_scores
from explorer.records import Facts

needs_cleanlab = pytest.mark.skipif(importlib.util.find_spec("cleanlab") is None, reason="cleanlab, an optional package, is not installed")


def predictions(seed: int, N: int = 300, K: int = 4, share: float = 0.2) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(probabilities float32 ``[N, K]`` that mostly know the true class, given label, is mislabelled)."""
    rng = np.random.default_rng(seed)
    true = rng.integers(0, K, N)
    wrong = rng.random(N) < share
    given = np.where(wrong, (true + rng.integers(1, K, N)) % K, true)
    logits = rng.normal(0, 1.2, (N, K)) + 3 * np.eye(K)[true]
    p = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    return p.astype(np.float32), given, wrong


def naive_confident_joint(p: np.ndarray, given: np.ndarray) -> list[list[int]]:
    """Counts ``[given][believed]``: of the classes an image reaches the mean self-confidence of, the most probable."""
    K = p.shape[1]
    of_class = [[float(p[n, k]) for n in range(len(given)) if given[n] == k] for k in range(K)]
    threshold = [sum(values) / len(values) if values else 2.0 for values in of_class]
    joint = [[0] * K for _ in range(K)]
    for n, row in enumerate(p):
        reached = [k for k in range(K) if row[k] >= threshold[k] - 1e-6]
        if reached:
            joint[given[n]][max(reached, key=lambda k: row[k])] += 1
    for k in range(K):
        joint[k][k] = max(joint[k][k], 1)
    return joint


def naive_flags(p: np.ndarray, given: np.ndarray) -> np.ndarray:
    """Prune by noise rate, where calibrating needs no rounding: from each class as many as counted, of the largest margin."""
    joint, K = np.array(naive_confident_joint(p, given)), p.shape[1]
    flagged = np.zeros(len(given), dtype=bool)
    for i in range(K):
        own = np.flatnonzero(given == i)
        for j in range(K):
            calibrated = joint[i, j] * len(own) / joint[i].sum()
            assert calibrated == int(calibrated)
            if i != j:
                by_margin = sorted(own, key=lambda n: p[n, i] - p[n, j])
                flagged[by_margin[: int(calibrated)]] = True
    return flagged & (p.argmax(axis=1) != given)


def scores_of(p: np.ndarray, given: np.ndarray) -> dict[str, np.ndarray]:
    return compute_scores(Facts.empty(len(given)), given, out_of_sample=p)


@pytest.mark.parametrize("K", [2, 3, 7])
def test_confidence_and_margin_are_those_of_a_loop_and_of_cleanlab(K: int) -> None:
    p, given, _ = predictions(K, K=K)
    scores = scores_of(p, given)
    for n, (row, label) in enumerate(zip(p.astype(float), given, strict=True)):
        assert scores["out_of_sample_confidence"][n] == row[label]
        assert scores["out_of_sample_margin"][n] == pytest.approx((row[label] - max(np.delete(row, label)) + 1) / 2, rel=1e-12)
    rank = pytest.importorskip("cleanlab.rank", reason="cleanlab, an optional package, is not installed")
    expected = rank.get_label_quality_scores(given, p.astype(float), method="normalized_margin")
    assert scores["out_of_sample_margin"] == pytest.approx(expected, rel=1e-12)
    assert np.array_equal(scores["out_of_sample_confidence"], rank.get_label_quality_scores(given, p.astype(float)))


@needs_cleanlab
@pytest.mark.parametrize("K", [2, 3, 7])
@pytest.mark.parametrize("seed", range(3))
def test_what_cleanlab_flags_comes_first_and_margin_orders_either_group(K: int, seed: int) -> None:
    from cleanlab.filter import find_label_issues

    p, given, wrong = predictions(seed, K=K)
    scores, flagged = scores_of(p, given), find_label_issues(given, p.astype(float), n_jobs=1)
    doubt, margin = scores["confident_learning"], scores["out_of_sample_margin"]
    assert np.array_equal(doubt > 0.5, flagged)
    assert 0 < flagged.sum() < len(given)
    assert doubt[flagged].min() >= 0.75 > 0.5 >= doubt[~flagged].max()
    for group in (flagged, ~flagged):
        assert np.array_equal(np.argsort(-doubt[group], kind="stable"), np.argsort(margin[group], kind="stable"))
    assert len(np.unique(doubt)) == len(np.unique(margin))  # flagging ties nothing
    assert wrong[flagged].mean() > 2 * wrong.mean()


@needs_cleanlab
@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("K", [2, 5])
def test_the_joint_behind_it_is_the_one_counted_by_hand(seed: int, K: int) -> None:
    from cleanlab.count import compute_confident_joint

    p, given, _ = predictions(seed, K=K)
    assert compute_confident_joint(given, p.astype(float), calibrate=False).tolist() == naive_confident_joint(p.astype(float), given)


@needs_cleanlab
def test_flags_are_those_of_the_method_by_hand() -> None:
    """Every image is sure of some class, so that the joint counts everyone and calibration has nothing to round."""
    rng = np.random.default_rng(0)
    believed, given = rng.integers(0, 3, 120), rng.integers(0, 3, 120)
    believed = np.where(rng.random(120) < 0.7, given, believed)
    p = np.full((120, 3), 0.02) + rng.uniform(0, 0.01, (120, 3))
    p[np.arange(120), believed] = rng.uniform(0.9, 0.95, 120)
    expected = naive_flags(p, given)
    assert 10 < expected.sum() < 60
    assert np.array_equal(flag(p, given).flagged, expected)


@needs_cleanlab
@pytest.mark.parametrize("K", [2, 4])
def test_classes_without_examples_or_with_one_are_survived(K: int) -> None:
    p, given, _ = predictions(0, K=K)
    others = np.where(given == K - 1, 0, given)  # nobody is given the last class
    for labels in (others, np.where(np.arange(len(given)) == 5, K - 1, others)):
        doubt = scores_of(p, labels)["confident_learning"]
        assert doubt.shape == (len(given),)
        assert doubt.min() >= 0 and doubt.max() <= 1


@needs_cleanlab
def test_one_class_only_is_no_opinion_with_a_reason() -> None:
    p, given, _ = predictions(0)
    ones = np.ones_like(given)
    assert "confident_learning" not in out_of_sample_scores(p, ones)
    flagged, why_not = flag(p, ones)
    assert flagged is None and "at least 2 classes" in why_not


@needs_cleanlab
def test_two_threads_at_once_get_what_each_would_get_alone() -> None:
    """The library passes arrays to itself through globals."""
    cases = [predictions(seed, N=200 + 50 * seed, K=3) for seed in range(4)]
    alone = [flag(p, given).flagged for p, given, _ in cases]
    found: dict[tuple[int, int], np.ndarray | None] = {}

    def work(i: int) -> None:
        for turn in range(15):
            found[i, turn] = flag(*cases[i][:2]).flagged

    threads = [threading.Thread(target=work, args=(i,)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len(found) == 60
    for (i, _), flagged in found.items():
        assert np.array_equal(flagged, alone[i])


def test_without_cleanlab_the_score_is_absent_and_the_reason_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    find_spec = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *rest: None if name == "cleanlab" else find_spec(name, *rest))
    p, given, _ = predictions(0)
    assert list(out_of_sample_scores(p, given)) == ["out_of_sample_confidence", "out_of_sample_margin"]
    assert "pip install cleanlab" in flag(p, given).why_not


# -- second split ----------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("F", [1, 2, 9])
def test_forgetting_is_the_first_row_from_which_it_stays_wrong(F: int, seed: int) -> None:
    fitted = np.random.default_rng(seed).random((F, 50)) < 0.5
    expected = [next(row for row in range(F + 1) if not fitted[row:, n].any()) for n in range(50)]
    assert second_split_forgetting(fitted).tolist() == expected
    assert compute_scores(Facts.empty(50), np.zeros(50, int), second_split=fitted)["second_split_forgetting"].tolist() == expected


@pytest.mark.parametrize(("history", "epoch"), [("1111", 4), ("0000", 0), ("1000", 1), ("1010", 3), ("0001", 4), ("0110", 3)])
def test_forgetting_by_hand(history: str, epoch: int) -> None:
    assert second_split_forgetting(np.array([[c == "1"] for c in history])).tolist() == [epoch]
