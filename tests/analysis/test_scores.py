"""Each score of recorded facts against a loop over images and epochs that cannot share its mistakes."""

from __future__ import annotations

import dataclasses
import math
import statistics

import numpy as np
import pytest

from explorer.analysis.dynamics import early_epoch, forgetting_events, learning_epoch, normalised_margin
from explorer.analysis.scores import (
    SCORES,
    combined,
    compute_scores,
    facts_until,
    forward_passes,
    percentile,
    ranking,
    suggested_label,
    suspected_by_target,
    suspicion,
)
from explorer.config import RunConfig
from explorer.records import Facts
from tests.analysis.histories import random_facts

EXTRA = {"out_of_sample_confidence", "out_of_sample_margin", "confident_learning", "second_split_forgetting"}
RECORDED = [name for name in SCORES if name not in EXTRA | {"knn_disagreement"}]


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
        assert scores["curvature_last"][n] == float(facts.curvature[-1, n])
        assert scores["curvature"][n] == pytest.approx(np.mean([float(c) for c in facts.curvature[:, n]]), rel=1e-12)
        assert scores["sensitivity"][n] == pytest.approx(np.mean([float(c) for c in facts.sensitivity[:, n]]), rel=1e-12)
        assert scores["elr_target"][n] == pytest.approx(1 - float(facts.target_share[-1, n]), rel=1e-12)
        events = 0
        for e in range(1, E):
            if fitted[e - 1] and not fitted[e]:
                events += 1
        assert scores["forgetting_events"][n] == (events if any(fitted) else E)
        learned = next((e + 1 for e in range(E) if all(fitted[e:])), E + 1)
        assert scores["learning_epoch"][n] == learned


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("E", [1, 2, 6])
def test_the_data_map_is_mean_and_standard_deviation_of_the_label_probability(seed: int, E: int) -> None:
    facts, given = random_facts(seed, E)
    scores = compute_scores(facts, given)
    for n in range(len(given)):
        p = [math.exp(-float(facts.loss[e, n])) for e in range(E)]
        assert scores["confidence"][n] == pytest.approx(statistics.fmean(p), rel=1e-12)
        assert scores["variability"][n] == pytest.approx(statistics.pstdev(p), rel=1e-9, abs=1e-15)


def test_what_never_changes_has_no_variability() -> None:
    facts, given = random_facts(0, E=50)
    steady = dataclasses.replace(facts, loss=np.repeat(facts.loss[:1], 50, axis=0))
    assert not compute_scores(steady, given)["variability"].any()


@pytest.mark.parametrize(("E", "epoch"), [(1, 1), (4, 1), (10, 1), (16, 2), (30, 3), (100, 10), (200, 20)])
def test_el2n_is_read_a_tenth_of_the_way_into_training(E: int, epoch: int) -> None:
    facts, given = random_facts(1, E)
    assert early_epoch(E) == epoch
    expected = [float(facts.el2n[epoch - 1, n]) for n in range(len(given))]
    assert compute_scores(facts, given)["el2n"].tolist() == expected


@pytest.mark.parametrize("K", [2, 3, 10])
@pytest.mark.parametrize("scale", [0.3, 3.0, 30.0])
def test_normalised_margin_of_loss_and_margin_is_that_of_the_probabilities(K: int, scale: float) -> None:
    rng = np.random.default_rng(K)
    logits, given = rng.normal(0, scale, (200, K)), rng.integers(0, K, 200)
    p = np.exp(logits - np.logaddexp.reduce(logits, axis=1, keepdims=True))
    rows, own_class = np.arange(200), np.eye(K, dtype=bool)[given]
    loss, rival = -np.log(p[rows, given]), np.where(own_class, -np.inf, logits).max(axis=1)
    expected = (p[rows, given] - np.where(own_class, 0, p).max(axis=1) + 1) / 2
    margin = logits[rows, given] - rival
    assert normalised_margin(loss, margin) == pytest.approx(expected, abs=1e-12)
    rounded = normalised_margin(loss.astype(np.float16), margin.astype(np.float16))
    assert (abs(rounded - expected) <= (loss + abs(margin)) * 2**-11 + 1e-6).all()  # half a unit in the last place of each
    assert rounded.min() >= 0 and rounded.max() <= 1


def test_normalised_margin_at_the_ends_of_float16() -> None:
    loss = np.array([0, 65504, 65504, 0.6931, 0.6931], dtype=np.float16)
    margin = np.array([65504, -65504, -3, 0, -65504], dtype=np.float16)
    assert normalised_margin(loss, margin) == pytest.approx([1, 0, 0.5, 0.5, 0.5], abs=1e-3)


@pytest.mark.parametrize(
    ("history", "events", "learned"),
    [("1", 0, 1), ("0", 1, 2), ("111", 0, 1), ("000", 3, 4), ("011", 0, 2), ("110", 1, 4), ("101", 1, 3), ("10101", 2, 5), ("01010", 2, 6)],
)
def test_forgetting_and_learning_by_hand(history: str, events: int, learned: int) -> None:
    fitted = np.array([[c == "1"] for c in history])
    assert [e.tolist() for e in forgetting_events(fitted)][-1] == [events]
    assert [e.tolist() for e in learning_epoch(fitted)][-1] == [learned]


def test_what_was_not_recorded_is_not_scored() -> None:
    facts, given = random_facts(0, P=0, targets=False)
    assert set(compute_scores(facts, given)) == set(RECORDED) - {"curvature", "curvature_last", "sensitivity", "elr_target"}
    assert compute_scores(Facts.empty(5), np.zeros(5, dtype=int)) == {}
    embedding = np.random.default_rng(0).normal(size=(5, 3)).astype(np.float32)
    assert list(compute_scores(Facts.empty(5), np.arange(5), embedding)) == ["knn_disagreement"]


def test_scores_come_in_the_order_of_the_table() -> None:
    pytest.importorskip("cleanlab", reason="confident learning needs the optional package cleanlab")
    facts, given = random_facts(0)
    p = np.full((40, 4), 0.25)
    scores = compute_scores(facts, given, np.ones((40, 3), np.float32), out_of_sample=p, second_split=np.ones((3, 40), bool))
    assert list(scores) == list(SCORES)
    assert list(compute_scores(facts, given)) == RECORDED


def test_the_facts_until_an_epoch_are_those_of_a_shorter_run() -> None:
    facts, given = random_facts(2, E=6, P=3)
    for epoch in range(7):
        probes = min(epoch, 3)
        early = facts_until(facts, epoch)
        rows = {"epochs": epoch, "loss": epoch, "margin": epoch, "el2n": epoch, "predicted_label": epoch, "target_label": epoch}
        rows |= {"target_share": epoch, "curvature": probes, "sensitivity": probes, "curvature_epochs": probes}
        assert {field.name for field in dataclasses.fields(Facts)} == set(rows)
        for name, count in rows.items():
            assert np.array_equal(getattr(early, name), getattr(facts, name)[:count]), name
    without = dataclasses.replace(facts, target_label=facts.target_label[:0], target_share=facts.target_share[:0])
    assert facts_until(without, 2).target_label.shape == (0, len(given))


def test_suspicion_turns_low_scores_round_and_unknown_values_rank_last() -> None:
    values = np.array([3.0, np.nan, -1.0, 3.0, np.inf])
    assert ranking("cumulative_loss", values).tolist() == [4, 0, 3, 2, 1]
    assert ranking("aum", values).tolist() == [2, 0, 3, 4, 1]
    assert suspicion("aum", np.array([1.0, -2.0])).tolist() == [-1.0, 2.0]
    assert suspicion("curvature", np.array([1.0, -2.0])).tolist() == [1.0, -2.0]


def test_a_combined_ranking_is_the_mean_of_the_percentiles() -> None:
    facts, given = random_facts(3)
    scores = compute_scores(facts, given)
    assert combined(scores, ["aum"]).tolist() == percentile("aum", scores["aum"]).tolist()
    both = combined(scores, ["aum", "curvature"])
    for n in range(len(given)):
        less_aum = sum(scores["aum"] > scores["aum"][n]) + (sum(scores["aum"] == scores["aum"][n]) - 1) / 2
        less_curved = sum(scores["curvature"] < scores["curvature"][n]) + (sum(scores["curvature"] == scores["curvature"][n]) - 1) / 2
        assert both[n] == pytest.approx((less_aum + less_curved) / 2 / (len(given) - 1), rel=1e-12)
    with pytest.raises(ValueError, match="no score"):
        combined(scores, [])
    with pytest.raises(KeyError):
        combined(scores, ["knn_disagreement"])


# -- what ELR's target memory says ------------------------------------------------------------------


def test_a_target_that_leans_to_another_class_is_a_suspicion() -> None:
    facts, given = random_facts(4)
    leaning = [int(facts.target_label[-1, n]) for n in range(len(given))]
    assert suspected_by_target(facts, given).tolist() == [leaning[n] != int(given[n]) for n in range(len(given))]
    assert suggested_label(facts).tolist() == leaning
    assert 0 < suspected_by_target(facts, given).sum() < len(given)


def test_no_memory_and_an_empty_one_suspect_nothing() -> None:
    facts, given = random_facts(4)
    empty = dataclasses.replace(facts, target_label=np.zeros_like(facts.target_label), target_share=np.zeros_like(facts.target_share))
    for none in (empty, random_facts(4, targets=False)[0], Facts.empty(len(given))):
        assert suspected_by_target(none, given).tolist() == [False] * len(given)


# -- the table -------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", SCORES)
def test_every_score_tells_a_person_what_it_is(name: str) -> None:
    info = SCORES[name]
    assert info.suspicious in ("high", "low")
    assert info.title and info.unit and info.cost
    assert info.explanation.endswith(".")
    assert any(c.isdigit() for c in info.paper)  # a year
    assert [other for other, its in SCORES.items() if its.title == info.title] == [name]


def test_passes_are_counted_step_by_step() -> None:
    """A run small enough to count by hand: 4 epochs; probes after epochs 2 and 4; 3 folds; 5 more epochs on the second half."""
    config = RunConfig(epochs=4, curvature_every=2, curvature_directions=10, folds=3, second_split_epochs=5)
    step, evaluation, gradient = 3, 1, 2  # only the gradient of the image
    counted = {
        "aum": 4 * evaluation,
        "final_loss": 4 * evaluation,
        "curvature": 2 * (10 + 1) * gradient,
        "curvature_last": (10 + 1) * gradient,
        "sensitivity": 2 * gradient,
        "knn_disagreement": 0,
        "elr_target": 0,
        "confident_learning": 2 * 4 * step + evaluation,
        "second_split_forgetting": 4 * step + 5 * step + 6 * evaluation,
    }
    assert {name: forward_passes(name, config) for name in counted} == counted
    plus = dataclasses.replace(config, loss="elr_plus")
    assert forward_passes("curvature", plus) == 2 * counted["curvature"]  # both networks
    assert forward_passes("confident_learning", plus) == 2 * (2 * 4 * (step + 1) + evaluation)  # and the average of the other


def test_what_is_switched_off_costs_nothing_and_the_table_has_no_other_names() -> None:
    off = RunConfig(curvature_every=0)
    for name in SCORES:
        expected = 0 if name in EXTRA | {"curvature", "curvature_last", "sensitivity", "knn_disagreement", "elr_target"} else off.epochs
        assert forward_passes(name, off) == expected
    with pytest.raises(KeyError):
        forward_passes("no_such_score", off)
