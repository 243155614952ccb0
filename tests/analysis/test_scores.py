"""Each score against a loop over images and epochs that cannot share its mistakes."""

from __future__ import annotations

import math

import numpy as np
import pytest

from explorer.analysis.scores import SCORES, compute_scores, forgetting_events, learning_epoch, ranking, suspicion
from explorer.records import Facts


def random_facts(seed: int, E: int = 6, N: int = 40, K: int = 4, P: int = 3) -> tuple[Facts, np.ndarray]:
    rng = np.random.default_rng(seed)
    given = rng.integers(0, K, N)
    predicted = np.where(rng.random((E, N)) < 0.6, given, rng.integers(0, K, (E, N))).astype(np.uint16)
    loss = rng.exponential(1.0, (E, N)).astype(np.float16)
    facts = Facts(
        epochs=np.arange(1, E + 1), loss=loss, margin=rng.normal(0, 3, (E, N)).astype(np.float16),
        el2n=rng.random((E, N)).astype(np.float16), predicted_label=predicted,
        curvature=rng.exponential(5, (P, N)).astype(np.float32), curvature_epochs=np.arange(1, P + 1),
    )  # fmt: skip
    return facts, given


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("E", [1, 2, 6])
def test_scores_equal_loops(seed: int, E: int) -> None:
    facts, given = random_facts(seed, E)
    scores = compute_scores(facts, given)
    for n in range(len(given)):
        losses = [float(facts.loss[e, n]) for e in range(E)]
        fitted = [int(facts.predicted_label[e, n]) == int(given[n]) for e in range(E)]
        assert scores["cumulative_loss"][n] == pytest.approx(math.fsum(losses), rel=1e-12)
        assert scores["aum"][n] == pytest.approx(math.fsum(float(facts.margin[e, n]) for e in range(E)) / E, rel=1e-12)
        assert scores["final_loss"][n] == losses[-1]
        assert scores["self_confidence"][n] == pytest.approx(math.exp(-losses[-1]), rel=1e-12)
        assert scores["cumulative_errors"][n] == sum(not hit for hit in fitted)
        assert scores["curvature"][n] == pytest.approx(np.mean([float(c) for c in facts.curvature[:, n]]), rel=1e-12)
        events = 0
        for e in range(1, E):
            if fitted[e - 1] and not fitted[e]:
                events += 1
        assert scores["forgetting_events"][n] == (events if any(fitted) else E)
        learned = next((e + 1 for e in range(E) if all(fitted[e:])), E + 1)
        assert scores["learning_epoch"][n] == learned


@pytest.mark.parametrize(
    ("history", "events", "learned"),
    [("1", 0, 1), ("0", 1, 2), ("111", 0, 1), ("000", 3, 4), ("011", 0, 2), ("110", 1, 4), ("101", 1, 3), ("10101", 2, 5), ("01010", 2, 6)],
)
def test_forgetting_and_learning_by_hand(history: str, events: int, learned: int) -> None:
    fitted = np.array([[c == "1"] for c in history])
    assert forgetting_events(fitted).tolist() == [events]
    assert learning_epoch(fitted).tolist() == [learned]


def test_what_was_not_recorded_is_not_scored() -> None:
    facts, given = random_facts(0, P=0)
    assert set(compute_scores(facts, given)) == set(SCORES) - {"curvature", "knn_disagreement"}
    assert compute_scores(Facts.empty(5), np.zeros(5, dtype=int)) == {}
    embedding = np.random.default_rng(0).normal(size=(5, 3)).astype(np.float32)
    assert list(compute_scores(Facts.empty(5), np.arange(5), embedding)) == ["knn_disagreement"]


def test_scores_come_in_the_order_of_the_table() -> None:
    facts, given = random_facts(0)
    assert list(compute_scores(facts, given, np.ones((40, 3), dtype=np.float32))) == list(SCORES)


def test_suspicion_turns_low_scores_round_and_unknown_values_rank_last() -> None:
    values = np.array([3.0, np.nan, -1.0, 3.0, np.inf])
    assert ranking("cumulative_loss", values).tolist() == [4, 0, 3, 2, 1]
    assert ranking("aum", values).tolist() == [2, 0, 3, 4, 1]
    assert suspicion("aum", np.array([1.0, -2.0])).tolist() == [-1.0, 2.0]
    assert suspicion("curvature", np.array([1.0, -2.0])).tolist() == [1.0, -2.0]


@pytest.mark.parametrize("name", SCORES)
def test_every_score_tells_a_person_what_it_is(name: str) -> None:
    info = SCORES[name]
    assert info.suspicious in ("high", "low")
    assert info.title and info.unit and info.cost
    assert info.explanation.endswith(".")
    assert any(c.isdigit() for c in info.paper)  # a year
