"""Neighbours and near-duplicates against brute force, with the cases that trip an index: copies, zero rows, tiny sets."""

from __future__ import annotations

import numpy as np
import pytest

from explorer.analysis.neighbors import CHUNK, default_cut, exact_copies, knn_disagreement, near_duplicates, nearest, normalise


def random_embedding(seed: int, N: int, D: int = 8) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(N, D)).astype(np.float32)


def brute_force(embedding: np.ndarray, k: int) -> list[list[tuple[float, int]]]:
    """For each image all others by cosine, nearest first; loops, float64."""
    found = []
    for i, a in enumerate(embedding.astype(np.float64)):
        others = []
        for j, b in enumerate(embedding.astype(np.float64)):
            if i != j:
                length = np.linalg.norm(a) * np.linalg.norm(b)
                others.append((float(a @ b / length) if length else 0.0, j))
        found.append(sorted(others, key=lambda pair: -pair[0])[:k])
    return found


@pytest.mark.parametrize("N", [2, 3, 11, 12, 80])
@pytest.mark.parametrize("k", [1, 3, 10])
def test_nearest_equals_brute_force(N: int, k: int) -> None:
    embedding = random_embedding(N, N)
    got = nearest(normalise(embedding), k)
    for expected, ids, similarity in zip(brute_force(embedding, k), got.ids, got.similarity, strict=True):
        assert ids[: len(expected)].tolist() == [j for _, j in expected]
        assert similarity[: len(expected)] == pytest.approx([s for s, _ in expected], abs=1e-5)
        assert set(ids[len(expected) :]) <= {-1} and set(similarity[len(expected) :]) <= {-1.0}


@pytest.mark.parametrize("copies", [2, 5, 11, 12, 30])
def test_an_image_is_never_its_own_neighbour_however_many_copies_it_has(copies: int) -> None:
    embedding = random_embedding(0, 40)
    embedding[:copies] = embedding[0]
    got = nearest(normalise(embedding), 10)
    for row, ids in enumerate(got.ids):
        assert row not in ids
        assert len(set(ids)) == 10
    assert got.similarity[:copies, : min(10, copies - 1)] == pytest.approx(1.0, abs=1e-6)
    expected = [[s for s, _ in row] for row in brute_force(embedding, 10)]
    assert np.abs(got.similarity - np.array(expected)).max() < 1e-5


def test_asking_for_some_equals_asking_for_all() -> None:
    unit = normalise(random_embedding(1, 50))
    queries = np.array([49, 0, 7])
    whole, some = nearest(unit, 5), nearest(unit, 5, queries)
    assert np.array_equal(some.ids, whole.ids[queries])
    assert np.allclose(some.similarity, whole.similarity[queries], atol=1e-6)


def test_more_queries_than_fit_in_one_search() -> None:
    unit = normalise(random_embedding(2, CHUNK + 50, 4))
    got = nearest(unit, 3)
    assert (got.ids != np.arange(len(unit))[:, None]).all()
    for row in (0, CHUNK - 1, CHUNK, CHUNK + 49):
        similarity = unit @ unit[row]
        similarity[row] = -2
        assert got.similarity[row] == pytest.approx(np.sort(similarity)[::-1][:3], abs=1e-5)


@pytest.mark.parametrize("N", [1, 2])
def test_tiny_sets(N: int) -> None:
    embedding = random_embedding(3, N)
    got = nearest(normalise(embedding), 10)
    assert got.ids.shape == got.similarity.shape == (N, 10)
    assert (got.ids[:, 0] == [-1] if N == 1 else got.ids[:, 0] == [1, 0]).all()
    assert (got.ids[:, 1:] == -1).all() and (got.similarity[:, 1:] == -1).all()
    found = near_duplicates(embedding, np.zeros(N, dtype=int), np.zeros((N, 2, 2, 1), np.uint8), cut=0.9999)
    assert list(zip(found.a, found.b, strict=True)) == ([] if N == 1 else [(0, 1)])
    assert np.array_equal(knn_disagreement(embedding[:1], np.array([3])), [0.0])


def test_normalised_rows_have_length_one_and_zero_rows_stay_zero() -> None:
    embedding = random_embedding(4, 6) * np.array([1e-20, 1, 1e15, 3, 0, 7], dtype=np.float32)[:, None]
    lengths = np.linalg.norm(normalise(embedding).astype(np.float64), axis=1)
    assert lengths == pytest.approx([1, 1, 1, 1, 0, 1], abs=1e-5)


def test_a_zero_row_is_similar_to_nothing() -> None:
    embedding = random_embedding(5, 20)
    embedding[[3, 8]] = 0
    unit = normalise(embedding)
    got = nearest(unit, 19)
    assert np.abs(got.similarity[[3, 8]]).max() == 0
    found = near_duplicates(embedding, np.zeros(20, dtype=int), cut=0.5)
    assert not {3, 8} & {*found.a, *found.b}
    assert np.isfinite(knn_disagreement(embedding, np.arange(20))).all()


# -- disagreement ----------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("N", [4, 40])
def test_disagreement_is_the_weighted_share_of_other_labels(seed: int, N: int) -> None:
    embedding, labels = random_embedding(seed, N), np.random.default_rng(seed).integers(0, 3, N)
    for n, row in enumerate(brute_force(embedding, 10)):
        weight = sum(max(s, 0) for s, _ in row)
        other = sum(max(s, 0) for s, j in row if labels[j] != labels[n])
        assert knn_disagreement(embedding, labels)[n] == pytest.approx(other / weight if weight else 0.0, abs=1e-5)


def test_a_wrong_label_inside_a_cluster_disagrees_with_all_of_it() -> None:
    centres = np.repeat(np.eye(2, 5) * 10, 20, axis=0)
    embedding = (centres + np.random.default_rng(0).normal(0, 0.1, centres.shape)).astype(np.float32)
    labels = np.repeat([0, 1], 20)
    labels[4] = 1
    got = knn_disagreement(embedding, labels)
    assert got[4] == pytest.approx(1.0)
    assert got[np.arange(40) != 4].max() < 0.2


# -- near-duplicates -------------------------------------------------------------------------------


def planted_pairs(seed: int = 0, N: int = 60, pairs: int = 6, D: int = 16) -> tuple[np.ndarray, set[tuple[int, int]]]:
    """Well separated points, some of which have a close companion."""
    rng = np.random.default_rng(seed)
    embedding = random_embedding(seed, N, D)
    chosen = rng.permutation(N)[: 2 * pairs].reshape(-1, 2)
    embedding[chosen[:, 1]] = embedding[chosen[:, 0]] + rng.normal(0, 0.01, (pairs, D)).astype(np.float32)
    return embedding, {(int(min(p)), int(max(p))) for p in chosen}


@pytest.mark.parametrize("seed", range(4))
def test_planted_pairs_are_found_and_nothing_else(seed: int) -> None:
    embedding, pairs = planted_pairs(seed)
    labels = np.random.default_rng(seed).integers(0, 2, 60)
    found = near_duplicates(embedding, labels)
    assert set(zip(found.a.tolist(), found.b.tolist(), strict=True)) == pairs
    assert (found.a < found.b).all()
    assert (np.diff(found.similarity) <= 0).all()
    assert found.conflicting.tolist() == [labels[a] != labels[b] for a, b in zip(found.a, found.b, strict=True)]
    assert not found.exact.any()
    assert np.array_equal(found.group, found.a)


@pytest.mark.parametrize("cut", [0.3, 0.6, 0.9])
def test_pairs_equal_brute_force_at_any_cut(cut: int) -> None:
    embedding, _ = planted_pairs(7, N=30)
    expected = {(min(i, j), max(i, j)) for i, row in enumerate(brute_force(embedding, 10)) for s, j in row if s >= cut}
    found = near_duplicates(embedding, np.zeros(30, dtype=int), cut=cut)
    assert set(zip(found.a.tolist(), found.b.tolist(), strict=True)) == expected
    assert len(found.a) == len(expected)


@pytest.mark.parametrize("seed", range(3))
def test_permuting_the_images_permutes_the_pairs(seed: int) -> None:
    embedding, _ = planted_pairs(seed)
    images = np.random.default_rng(1).integers(0, 256, (60, 2, 2, 1), dtype=np.uint8)
    images[9] = images[31]
    labels = np.random.default_rng(seed).integers(0, 2, 60)
    order = np.random.default_rng(seed + 5).permutation(60)
    one, other = near_duplicates(embedding, labels, images), near_duplicates(embedding[order], labels[order], images[order])

    def facts(found: object, names: np.ndarray) -> set[tuple[object, ...]]:
        return {
            (frozenset((int(names[a]), int(names[b]))), round(float(s), 4), bool(c), bool(e), bool(g >= 0))
            for a, b, s, c, e, g in zip(*found[:6], strict=True)  # type: ignore[index]
        }

    assert facts(one, np.arange(60)) == facts(other, order)
    assert other.cut == pytest.approx(one.cut, abs=1e-5)


def test_groups_do_not_chain() -> None:
    """Five points along an arc: neighbours are within the cut, the ends are far apart. A chain would join them all."""
    angle = np.radians([0, 10, 20, 30, 40, 180])
    embedding = np.stack([np.cos(angle), np.sin(angle)], axis=1).astype(np.float32)
    cut = float(np.cos(np.radians(11)))
    found = near_duplicates(embedding, np.zeros(6, dtype=int), cut=cut)
    assert set(zip(found.a.tolist(), found.b.tolist(), strict=True)) == {(0, 1), (1, 2), (2, 3), (3, 4)}
    members: dict[int, set[int]] = {}
    for a, b, group in zip(found.a.tolist(), found.b.tolist(), found.group.tolist(), strict=True):
        if group >= 0:
            members.setdefault(group, set()).update((a, b))
    assert members
    for group, inside in members.items():
        assert group == min(inside)
        for i in inside:
            for j in inside:
                assert embedding[i] @ embedding[j] >= cut - 1e-5
    assert -1 in found.group  # the links between groups stay, flagged as such


def test_close_together_is_one_group_named_after_its_first() -> None:
    embedding = random_embedding(0, 30)
    for n in (17, 22, 29):
        embedding[n] = embedding[4] + 0.001 * random_embedding(n, 1)[0]
    found = near_duplicates(embedding, np.arange(30), cut=0.99)
    assert len(found.a) == 6  # every two of the four
    assert set(found.group.tolist()) == {4}
    assert found.conflicting.all()


def test_exact_copies_are_proved_by_their_bytes_whatever_the_embedding_says() -> None:
    embedding = random_embedding(6, 30)
    images = np.random.default_rng(0).integers(0, 256, (30, 3, 3, 1), dtype=np.uint8)
    images[21] = images[2]
    assert float(normalise(embedding)[2] @ normalise(embedding)[21]) < 0.9
    found = near_duplicates(embedding, np.arange(30), images)
    assert (found.a.tolist(), found.b.tolist()) == ([2], [21])
    assert found.exact.tolist() == [True] and found.group.tolist() == [2]


@pytest.mark.parametrize("copies", [3, 10, 14, 25])
def test_every_flagged_pair_of_copies_is_exact_and_all_copies_are_one_group(copies: int) -> None:
    embedding = random_embedding(8, 40)
    images = np.random.default_rng(0).integers(0, 256, (40, 3, 3, 1), dtype=np.uint8)
    same = np.random.default_rng(1).permutation(40)[:copies]
    embedding[same], images[same] = embedding[same[0]], images[same[0]]
    found = near_duplicates(embedding, np.arange(40), images)
    inside = np.isin(found.a, same) & np.isin(found.b, same)
    assert np.array_equal(found.exact, inside)
    assert {*found.a[inside], *found.b[inside]} == set(same)
    assert set(found.group[inside].tolist()) == {int(same.min())}
    assert found.similarity[inside] == pytest.approx(1.0, abs=1e-6)


def test_exact_copies_are_pairs_with_the_first_of_their_kind() -> None:
    images = np.zeros((6, 2, 2, 3), dtype=np.uint8)
    images[1] = images[4] = 5
    images[3, 0, 0, 0] = 1
    assert sorted(exact_copies(images)) == [(0, 2), (0, 5), (1, 4)]
    assert exact_copies(images[3:4]) == []


def test_the_cut_is_a_fraction_of_the_typical_distance_and_scale_free() -> None:
    unit = normalise(random_embedding(9, 200))
    distances = []
    for i in range(200):
        others = [np.linalg.norm(unit[i].astype(np.float64) - unit[j]) for j in range(200) if j != i]
        distances.append(min(others))
    limit = 0.25 * np.median(distances)
    assert default_cut(nearest(unit), ratio=0.25) == pytest.approx(1 - limit**2 / 2, abs=1e-5)
    assert default_cut(nearest(normalise(1000 * unit))) == pytest.approx(default_cut(nearest(unit)), abs=1e-5)


def test_when_everything_is_the_same_everything_is_a_duplicate() -> None:
    found = near_duplicates(np.ones((8, 4), np.float32), np.zeros(8, dtype=int))
    assert found.cut < 1
    assert len(found.a) == 8 * 7 // 2
