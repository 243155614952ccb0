"""Laws every score obeys, over the table of all: a new score inherits them."""

from __future__ import annotations

import dataclasses
from typing import NamedTuple

import numpy as np
import pytest

from explorer.analysis.out_of_sample import Flags, flag
from explorer.analysis.scores import SCORES, compute_scores, suspicion
from explorer.records import Facts

E, N, K, D, F = 7, 60, 5, 6, 5
UNBOUNDED = (-np.inf, np.inf)
RANGE = {
    "curvature": (0, np.inf), "curvature_last": (0, np.inf), "sensitivity": (0, np.inf),
    "cumulative_loss": (0, np.inf), "aum": UNBOUNDED, "confidence": (0, 1),
    "variability": (0, 0.5), "forgetting_events": (0, E), "learning_epoch": (1, E + 1), "cumulative_errors": (0, E),
    "el2n": (0, 2**0.5 + 1e-3), "final_loss": (0, np.inf), "self_confidence": (0, 1), "normalised_margin": (0, 1),
    "small_loss_gmm": (0, 1), "knn_disagreement": (0, 1), "elr_target": (0, 1), "out_of_sample_confidence": (0, 1),
    "out_of_sample_margin": (0, 1), "confident_learning": (0, 1), "second_split_forgetting": (0, F),
}  # fmt: skip
PER_EXAMPLE = ("loss", "margin", "el2n", "predicted_label", "curvature", "sensitivity", "target_label", "target_share")
AMONG_OTHERS = {"knn_disagreement", "small_loss_gmm", "confident_learning"}  # judged among the others, not by their own history
BY_CLASS = {"confident_learning"}  # rounds its counts class by class: an image at the border may change sides


class Known(NamedTuple):
    """All that is known of N images of one network; row n is image n, in whichever axis."""

    facts: Facts
    given: np.ndarray  # [N]
    embedding: np.ndarray  # [N, D]
    out_of_sample: np.ndarray  # [N, K]
    second_split: np.ndarray  # [F, N]


def history(seed: int = 0, N: int = N) -> Known:
    """Margins, losses and predictions that come from the same logits; embeddings in clusters."""
    rng = np.random.default_rng(seed)
    given = rng.integers(0, K, N)
    logits = rng.normal(0, 1, (E, N, K)) + 3 * np.linspace(0, 1, E)[:, None, None] * np.eye(K)[given]
    p = np.exp(logits) / np.exp(logits).sum(axis=2, keepdims=True)
    own = np.take_along_axis(logits, given[None, :, None], axis=2)[..., 0]
    rival = np.where(np.eye(K, dtype=bool)[given], -np.inf, logits).max(axis=2)
    loss = -np.log(np.take_along_axis(p, given[None, :, None], axis=2)[..., 0])
    target = p.mean(axis=0, keepdims=True).repeat(E, axis=0)
    facts = Facts(
        np.arange(1, E + 1), loss.astype(np.float16), (own - rival).astype(np.float16),
        np.linalg.norm(p - np.eye(K)[given], axis=2).astype(np.float16), logits.argmax(axis=2).astype(np.uint16),
        rng.exponential(5, (3, N)).astype(np.float32), rng.exponential(2, (3, N)).astype(np.float32), np.array([2, 4, 6]),
        target.argmax(axis=2).astype(np.uint16), np.take_along_axis(target, given[None, :, None], axis=2)[..., 0].astype(np.float16),
    )  # fmt: skip
    embedding = (np.eye(K, D)[given] + rng.normal(0, 0.5, (N, D))).astype(np.float32)
    return Known(facts, given, embedding, p[3].astype(np.float32), rng.random((F, N)) < 0.6)


def picked(known: Known, rows: np.ndarray) -> Known:
    facts = dataclasses.replace(known.facts, **{name: getattr(known.facts, name)[:, rows] for name in PER_EXAMPLE})
    return Known(facts, known.given[rows], known.embedding[rows], known.out_of_sample[rows], known.second_split[:, rows])


def score(name: str, known: Known) -> np.ndarray:
    facts, given, embedding, unseen, halves = known
    if name == "confident_learning":
        pytest.importorskip("cleanlab", reason="confident learning needs the optional package cleanlab")
    return compute_scores(facts, given, embedding, out_of_sample=unseen, second_split=halves)[name]


def test_every_score_has_a_range_here() -> None:
    assert set(RANGE) == set(SCORES)


@pytest.mark.parametrize("name", SCORES)
def test_one_finite_number_per_image_within_its_range(name: str) -> None:
    values = score(name, history())
    assert values.shape == (N,)
    assert values.dtype == np.float64
    assert np.isfinite(values).all()
    low, high = RANGE[name]
    assert values.min() >= low and values.max() <= high
    assert len(np.unique(values)) > 1


@pytest.mark.parametrize("name", SCORES)
@pytest.mark.parametrize("seed", range(3))
def test_the_order_of_the_images_does_not_matter(name: str, seed: int) -> None:
    known = history(seed)
    order = np.random.default_rng(seed + 10).permutation(N)
    assert score(name, picked(known, order)) == pytest.approx(score(name, known)[order], rel=1e-6)


@pytest.mark.parametrize("name", sorted(set(SCORES) - BY_CLASS))
def test_the_names_of_the_classes_do_not_matter(name: str) -> None:
    known = history()
    rename = np.random.default_rng(1).permutation(K)
    new = {field: rename[getattr(known.facts, field)].astype(np.uint16) for field in ("predicted_label", "target_label")}
    renamed = known._replace(
        facts=dataclasses.replace(known.facts, **new), given=rename[known.given], out_of_sample=known.out_of_sample[:, np.argsort(rename)]
    )
    assert np.array_equal(score(name, renamed), score(name, known))


@pytest.mark.parametrize("name", sorted(set(SCORES) - AMONG_OTHERS))
def test_an_image_is_scored_by_its_own_history_alone(name: str) -> None:
    known = history()
    whole = score(name, known)
    for n in (0, 17, N - 1):
        assert score(name, picked(known, np.array([n]))).tolist() == [whole[n]]


@pytest.mark.parametrize("name", sorted(set(SCORES) - {"confident_learning"}))
def test_a_single_image_can_be_scored(name: str) -> None:
    values = score(name, history(N=1))
    assert values.shape == (1,) and np.isfinite(values).all()


def test_of_a_single_image_confident_learning_has_no_opinion_and_says_why() -> None:
    pytest.importorskip("cleanlab", reason="confident learning needs the optional package cleanlab")
    known = history(N=1)._replace(given=np.array([3]))
    assert "confident_learning" not in compute_scores(*known[:3], out_of_sample=known.out_of_sample)
    assert flag(known.out_of_sample, known.given) == Flags(
        None, "confident learning cannot judge these labels: Labels must contain at least 2 classes"
    )


@pytest.mark.parametrize("name", SCORES)
def test_a_label_the_network_fought_is_more_suspicious_than_one_it_took_at_once(name: str) -> None:
    """Two images: one fitted from the start among its like, one resisted among others and memorized in the last epoch, if at all."""
    loss, margin = np.tile([0.01, 6.0], (E, 1)), np.tile([8.0, -5.0], (E, 1))
    loss[-1, 1], margin[-1, 1] = 0.6, 0.5
    given = np.array([0, 0] + [0] * 12 + [1] * 12)
    rest = len(given) - 2
    columns = {"loss": loss, "margin": margin, "el2n": np.tile([0.01, 1.4], (E, 1))}
    wide = {k: np.concatenate([v, np.full((E, rest), 0.3)], axis=1).astype(np.float16) for k, v in columns.items()}
    predicted = np.tile(np.concatenate([[0, 1], given[2:]]), (E, 1)).astype(np.uint16)
    probed = np.concatenate([[0.1, 90.0], np.ones(rest)])[None].astype(np.float32)
    share = np.tile(np.concatenate([[0.99, 0.02], np.full(rest, 0.9)]), (E, 1)).astype(np.float16)
    facts = Facts(
        np.arange(1, E + 1), **wide, predicted_label=predicted, curvature=probed, sensitivity=probed, curvature_epochs=np.array([1]),
        target_label=predicted, target_share=share,
    )  # fmt: skip
    easy, hard = np.eye(D)[0], np.eye(D)[1]
    embedding = np.stack([easy, hard] + [easy] * 12 + [hard] * 12) + np.random.default_rng(0).normal(0, 0.01, (len(given), D))
    unseen = np.where(np.eye(2, dtype=bool)[given], 0.9, 0.1)
    unseen[1] = 0.05, 0.95
    halves = np.ones((F, len(given)), dtype=bool)
    halves[1:, 1] = False
    values = suspicion(name, score(name, Known(facts, given, embedding.astype(np.float32), unseen, halves)))
    assert values[1] > values[0]


@pytest.mark.parametrize("name", SCORES)
def test_scoring_changes_nothing_it_is_given(name: str) -> None:
    known = history()
    before = [getattr(known.facts, field).copy() for field in PER_EXAMPLE] + [array.copy() for array in known[1:]]
    score(name, known)
    after = [getattr(known.facts, field) for field in PER_EXAMPLE] + list(known[1:])
    assert all(np.array_equal(a, b) for a, b in zip(before, after, strict=True))
