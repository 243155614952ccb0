"""Laws every score obeys, over the table of all: a new score inherits them."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from explorer.analysis.scores import SCORES, compute_scores, suspicion
from explorer.records import Facts

E, N, K, D = 7, 60, 5, 6
UNBOUNDED = (-np.inf, np.inf)
RANGE = {
    "curvature": (0, np.inf), "cumulative_loss": (0, np.inf), "aum": UNBOUNDED, "forgetting_events": (0, E),
    "learning_epoch": (1, E + 1), "cumulative_errors": (0, E), "final_loss": (0, np.inf), "self_confidence": (0, 1),
    "knn_disagreement": (0, 1),
}  # fmt: skip
PER_EXAMPLE = ("loss", "margin", "el2n", "predicted_label", "curvature")


def history(seed: int = 0, N: int = N) -> tuple[Facts, np.ndarray, np.ndarray]:
    """Facts of one network: margins, losses and predictions that come from the same logits; embeddings in clusters."""
    rng = np.random.default_rng(seed)
    given = rng.integers(0, K, N)
    logits = rng.normal(0, 1, (E, N, K)) + 3 * np.linspace(0, 1, E)[:, None, None] * np.eye(K)[given]
    p = np.exp(logits) / np.exp(logits).sum(axis=2, keepdims=True)
    own = np.take_along_axis(logits, given[None, :, None], axis=2)[..., 0]
    rival = np.where(np.eye(K, dtype=bool)[given], -np.inf, logits).max(axis=2)
    loss = -np.log(np.take_along_axis(p, given[None, :, None], axis=2)[..., 0])
    facts = Facts(
        np.arange(1, E + 1), loss.astype(np.float16), (own - rival).astype(np.float16),
        np.linalg.norm(p - np.eye(K)[given], axis=2).astype(np.float16), logits.argmax(axis=2).astype(np.uint16),
        rng.exponential(5, (3, N)).astype(np.float32), np.array([2, 4, 6]),
    )  # fmt: skip
    return facts, given, (np.eye(K, D)[given] + rng.normal(0, 0.5, (N, D))).astype(np.float32)


def picked(facts: Facts, rows: np.ndarray) -> Facts:
    return dataclasses.replace(facts, **{name: getattr(facts, name)[:, rows] for name in PER_EXAMPLE})


def score(name: str, facts: Facts, given: np.ndarray, embedding: np.ndarray) -> np.ndarray:
    return compute_scores(facts, given, embedding)[name]


def test_every_score_has_a_range_here() -> None:
    assert set(RANGE) == set(SCORES)


@pytest.mark.parametrize("name", SCORES)
def test_one_finite_number_per_image_within_its_range(name: str) -> None:
    values = score(name, *history())
    assert values.shape == (N,)
    assert values.dtype == np.float64
    assert np.isfinite(values).all()
    low, high = RANGE[name]
    assert values.min() >= low and values.max() <= high
    assert len(np.unique(values)) > 1


@pytest.mark.parametrize("name", SCORES)
@pytest.mark.parametrize("seed", range(3))
def test_the_order_of_the_images_does_not_matter(name: str, seed: int) -> None:
    facts, given, embedding = history(seed)
    order = np.random.default_rng(seed + 10).permutation(N)
    moved = score(name, picked(facts, order), given[order], embedding[order])
    assert moved == pytest.approx(score(name, facts, given, embedding)[order], rel=1e-6)


@pytest.mark.parametrize("name", SCORES)
def test_the_names_of_the_classes_do_not_matter(name: str) -> None:
    facts, given, embedding = history()
    rename = np.random.default_rng(1).permutation(K)
    renamed = dataclasses.replace(facts, predicted_label=rename[facts.predicted_label].astype(np.uint16))
    assert np.array_equal(score(name, renamed, rename[given], embedding), score(name, facts, given, embedding))


@pytest.mark.parametrize("name", sorted(set(SCORES) - {"knn_disagreement"}))
def test_an_image_is_scored_by_its_own_history_alone(name: str) -> None:
    facts, given, embedding = history()
    whole = score(name, facts, given, embedding)
    for n in (0, 17, N - 1):
        assert score(name, picked(facts, np.array([n])), given[[n]], embedding[[n]]).tolist() == [whole[n]]


@pytest.mark.parametrize("name", SCORES)
def test_a_single_image_can_be_scored(name: str) -> None:
    values = score(name, *history(N=1))
    assert values.shape == (1,) and np.isfinite(values).all()


@pytest.mark.parametrize("name", SCORES)
def test_a_label_the_network_fought_is_more_suspicious_than_one_it_took_at_once(name: str) -> None:
    """Two images: one fitted from the start among its like, one never fitted among others."""
    loss = np.tile([0.01, 6.0], (E, 1)).astype(np.float16)
    margin = np.tile([8.0, -5.0], (E, 1)).astype(np.float16)
    easy, hard = np.eye(D)[0], np.eye(D)[1]
    given = np.array([0, 0] + [0] * 12 + [1] * 12)
    rest = len(given) - 2
    columns = {"loss": loss, "margin": margin, "el2n": np.tile([0.01, 1.4], (E, 1)).astype(np.float16)}
    wide = {k: np.concatenate([v, np.ones((E, rest), np.float16)], axis=1) for k, v in columns.items()}
    predicted = np.tile(np.concatenate([[0, 1], given[2:]]), (E, 1)).astype(np.uint16)
    curvature = np.concatenate([[0.1, 90.0], np.ones(rest)])[None].astype(np.float32)
    facts = Facts(np.arange(1, E + 1), **wide, predicted_label=predicted, curvature=curvature, curvature_epochs=np.array([1]))
    embedding = np.stack([easy, hard] + [easy] * 12 + [hard] * 12) + np.random.default_rng(0).normal(0, 0.01, (len(given), D))
    values = suspicion(name, score(name, facts, given, embedding.astype(np.float32)))
    assert values[1] > values[0]


@pytest.mark.parametrize("name", SCORES)
def test_scoring_changes_nothing_it_is_given(name: str) -> None:
    facts, given, embedding = history()
    before = [getattr(facts, field).copy() for field in PER_EXAMPLE] + [given.copy(), embedding.copy()]
    score(name, facts, given, embedding)
    after = [getattr(facts, field) for field in PER_EXAMPLE] + [given, embedding]
    assert all(np.array_equal(a, b) for a, b in zip(before, after, strict=True))
