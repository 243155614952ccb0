"""What a label should be: by hand, against plain loops, and on a network that has memorized every wrong label."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from sklearn.neighbors import NearestNeighbors

from explorer.analysis import suggestions
from explorer.analysis.neighbors import Neighbors
from explorer.analysis.suggestions import (
    SUGGESTERS,
    Suggestion,
    accuracy,
    appearance_neighbors,
    by_model,
    by_neighbors,
    by_target,
    together,
)
from explorer.pipeline import prepare
from explorer.records import NO_CLASS, Array, Facts, Progress, Run
from tests.analysis.histories import random_facts
from tests.support import names, returned, toy_dataset, toy_labels

K = 4


def with_predictions(predicted: list[list[int]]) -> Facts:
    E, N = np.shape(predicted)
    return replace(Facts.empty(N), epochs=np.arange(1, E + 1), predicted_label=np.array(predicted, dtype=np.uint16))


def some_neighbors(seed: int, N: int = 40, k: int = 7) -> Array:
    rng = np.random.default_rng(seed)
    ids = np.array([rng.choice(np.delete(np.arange(N), n), k, replace=False) for n in range(N)])
    ids[rng.random(ids.shape) < 0.2] = -1
    return ids


def most_common(said: list[int], given: int) -> tuple[int, float]:
    """The first of those said most often besides the given one, and its share of all."""
    rest = Counter(label for label in said if label != given)  # keeps the order in which they come
    if not rest:
        return NO_CLASS, 0.0
    label, count = rest.most_common(1)[0]
    return label, count / len(said)


def assert_same(found: Suggestion, label: list[int], share: list[float]) -> None:
    assert found.label.tolist() == label
    assert found.label.dtype == np.int64
    np.testing.assert_allclose(found.share, share, atol=1e-12)


def test_by_model_by_hand() -> None:
    facts = with_predictions([[1, 2, 0], [1, 1, 0], [2, 1, 0], [0, 2, 0]])
    # image 0: 1 twice; image 1: 2 and 1 twice each, 2 came first; image 2: never anything but the given label
    assert_same(by_model(facts, np.array([0, 0, 0]), K), [1, 2, NO_CLASS], [0.5, 0.5, 0])


@pytest.mark.parametrize("seed", range(4))
def test_by_model_is_a_plain_count(seed: int) -> None:
    facts, given = random_facts(seed)
    expected = [most_common(column, g) for column, g in zip(facts.predicted_label.T.tolist(), given.tolist(), strict=True)]
    assert_same(by_model(facts, given, K), [label for label, _ in expected], [share for _, share in expected])


@pytest.mark.parametrize("seed", range(4))
def test_by_neighbors_is_a_plain_count(seed: int) -> None:
    ids, given = some_neighbors(seed), random_facts(seed)[1]
    carried = [[int(given[i]) for i in row if i >= 0] for row in ids.tolist()]
    expected = [most_common(row, g) for row, g in zip(carried, given.tolist(), strict=True)]
    assert_same(by_neighbors(ids, given, K), [label for label, _ in expected], [share for _, share in expected])


def joint(facts: Facts, ids: Array, given: Array) -> tuple[list[int], list[float]]:
    """Model and neighbours together, in exact fractions, image by image."""
    agree, labels, shares = 0, [], []
    voters = [[int(given[i]) for i in row if i >= 0] for row in ids.tolist()]
    for n, row in enumerate(voters):
        agree += bool(row) and Counter(row).most_common(1)[0][0] == given[n]
    weight = Fraction(agree, len(voters))
    for n, row in enumerate(voters):
        votes: Counter[int] = Counter()
        for said, worth in ((facts.predicted_label[:, n].tolist(), Fraction(1)), (row, weight)):
            for label in said:
                votes[label] += worth * Fraction(1, len(said))  # type: ignore[assignment]
        del votes[int(given[n])]
        best = votes.most_common(1)[0] if votes else (NO_CLASS, Fraction(0))
        labels.append(best[0])
        shares.append(float(best[1] / (1 + weight)))
    return labels, shares


@pytest.mark.parametrize("seed", range(4))
def test_together_is_a_weighted_sum(seed: int) -> None:
    facts, given = random_facts(seed, E=7, N=40)
    ids = some_neighbors(seed, 40, 3)
    ids[5] = -1  # nobody to ask
    found, (label, share) = together(facts, ids, given, K), joint(facts, ids, given)
    assert_same(found, label, share)


@pytest.mark.parametrize("seed", range(3))
def test_laws(seed: int) -> None:
    """No suggestion depends on how images or classes are numbered or on how many are counted at a time, and none is the given label."""
    facts, given = random_facts(seed, E=9, N=40)
    ids, rng = some_neighbors(seed), np.random.default_rng(seed)
    asked = {
        "model": lambda facts, ids, given: by_model(facts, given, K),
        "target": lambda facts, ids, given: by_target(facts, given),
        "neighbors": lambda facts, ids, given: by_neighbors(ids, given, K),
        "together": lambda facts, ids, given: together(facts, ids, given, K),
    }
    order, renamed = rng.permutation(40), rng.permutation(K)
    back = np.append(np.argsort(order), -1)
    moved = replace(facts, predicted_label=facts.predicted_label[:, order], target_label=facts.target_label[:, order],
                    target_share=facts.target_share[:, order])  # fmt: skip
    other = replace(facts, predicted_label=renamed[facts.predicted_label], target_label=renamed[facts.target_label])
    for name, ask in asked.items():
        found = ask(facts, ids, given)
        assert (found.label != given).all(), name
        assert ((found.label == NO_CLASS) == (found.share == 0)).all(), name
        assert (found.share <= 1).all(), name
        again = ask(moved, back[ids[order]], given[order])
        assert again.label.tolist() == found.label[order].tolist(), name
        again = ask(other, ids, renamed[given])
        assert again.label.tolist() == np.append(renamed, NO_CLASS)[found.label].tolist(), name
        np.testing.assert_allclose(again.share, found.share, atol=1e-12, err_msg=name)


def test_counting_a_few_images_at_a_time_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    facts, given = random_facts(3)
    ids = some_neighbors(3)
    whole = by_model(facts, given, K), by_neighbors(ids, given, K), together(facts, ids, given, K)
    monkeypatch.setattr(suggestions, "CELLS", 3 * K)
    parts = by_model(facts, given, K), by_neighbors(ids, given, K), together(facts, ids, given, K)
    for one, other in zip(whole, parts, strict=True):
        assert one.label.tolist() == other.label.tolist()
        assert one.share.tolist() == other.share.tolist()


def test_nothing_recorded_suggests_nothing() -> None:
    assert_same(by_model(Facts.empty(3), np.array([0, 1, 2]), K), [NO_CLASS] * 3, [0.0] * 3)
    assert_same(by_neighbors(np.full((2, 5), -1), np.array([0, 1]), K), [NO_CLASS] * 2, [0.0] * 2)
    assert_same(together(Facts.empty(3), np.full((3, 5), -1), np.array([0, 1, 2]), K), [NO_CLASS] * 3, [0.0] * 3)
    assert by_target(Facts.empty(3), np.array([0, 1, 2])) is None
    assert len(by_model(Facts.empty(0), np.zeros(0, dtype=np.int64), K).label) == 0


def test_by_target_is_what_the_memory_held_last_before_it_gave_in() -> None:
    facts = replace(
        Facts.empty(3), epochs=np.arange(1, 4), target_label=np.array([[1, 0, 3], [2, 0, 3], [0, 0, 3]], dtype=np.uint16),
        target_share=np.array([[0.25, 1, 0.5], [0.125, 1, 0.25], [0.75, 1, 0.0]], dtype=np.float16),
    )  # fmt: skip
    found = by_target(facts, np.array([0, 0, 0]))
    assert found is not None
    assert_same(found, [2, NO_CLASS, 3], [0.875, 0, 1])


def test_a_network_that_memorized_every_label_still_tells_what_it_took_the_images_for(memorizing: Run) -> None:
    labels, last = memorizing.labels, memorizing.facts.predicted_label[-1].astype(np.int64)
    found = accuracy(by_model(memorizing.facts, labels.given_label, 10), labels)
    at_the_end = accuracy(Suggestion(last, np.ones(len(last))), labels)
    assert found is not None and at_the_end is not None
    assert found.wrong == labels.is_mislabeled.sum() == 160  # type: ignore[union-attr]
    assert at_the_end.over_wrong < 0.1 < 0.7 < found.over_wrong


def test_the_target_of_a_robust_network_is_mostly_right(robust: Run) -> None:
    suggestion = by_target(robust.facts, robust.labels.given_label)
    assert suggestion is not None
    found = accuracy(suggestion, robust.labels)
    assert found is not None and found.over_wrong > 0.8


def test_accuracy_by_hand() -> None:
    labels = toy_labels(np.array([0, 1, 2, 0]), np.array([0, 2, 1, NO_CLASS]))
    suggestion = Suggestion(np.array([1, 2, NO_CLASS, NO_CLASS]), np.zeros(4))
    assert accuracy(suggestion, labels) == (1 / 3, 3, 1 / 4, 4)  # no suggestion is not right, not even for an image of no class
    assert accuracy(suggestion, labels, np.array([1, 0])) == (1, 1, 1 / 2, 2)
    none = accuracy(suggestion, labels, np.array([], dtype=np.int64))
    assert none is not None and np.isnan(none.over_wrong) and np.isnan(none.over_asked)
    assert accuracy(suggestion, toy_labels(np.array([0, 1, 2, 0]), None)) is None


def test_every_suggester_explains_itself() -> None:
    assert tuple(SUGGESTERS) == ("model", "target", "neighbors")
    for suggester in SUGGESTERS.values():
        assert suggester.explanation.endswith(".") and suggester.title and suggester.share.startswith("of ")


# -- neighbours by looks ----------------------------------------------------------------------------


def test_look_alikes_are_those_of_the_embedding(memorizing: Run) -> None:
    images = prepare(memorizing.config).dataset.train_images
    *steps, found = appearance_neighbors(images, 5)
    assert steps and all(isinstance(step, Progress) for step in steps)
    assert isinstance(found, Neighbors)
    embedding = returned(suggestions._embedded(images))
    expected = NearestNeighbors(n_neighbors=6, metric="cosine", algorithm="brute").fit(embedding).kneighbors(embedding)[1][:, 1:]
    assert np.mean(found.ids == expected) > 0.99  # but for ties
    labels = memorizing.labels
    right = accuracy(by_neighbors(found.ids, labels.given_label, 10), labels)
    assert right is not None and right.over_wrong > 0.6  # digits look like their class


def test_a_copy_looks_most_like_its_original() -> None:
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (30, 12, 12, 3), dtype=np.uint8)
    images = np.concatenate([images, images])
    *_, found = appearance_neighbors(images, 3)
    assert isinstance(found, Neighbors)
    assert found.ids.shape == (60, 3)
    assert found.ids[:, 0].tolist() == [*range(30, 60), *range(30)]


@pytest.mark.parametrize("N", [0, 1, 2])
def test_few_images_have_few_neighbours(N: int) -> None:
    images = toy_dataset(np.zeros(2, dtype=np.int64), names(2)).train_images[:N]
    *_, found = appearance_neighbors(images, 4)
    assert isinstance(found, Neighbors)
    assert found.ids.shape == found.similarity.shape == (N, 4)
    assert (found.ids >= 0).sum() == (2 if N == 2 else 0)
