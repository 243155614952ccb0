"""What the search is made of: best partners, places and bridges between groups, each against brute force."""

from __future__ import annotations

import numpy as np
import pytest

from explorer.analysis import candidates, verification
from explorer.analysis.appearance import IDENTITY, SAMPLE, SIMPLE_VIEWS, by_content, luminance, views
from explorer.analysis.candidates import CANDIDATES, NEIGHBORS, Candidates, Index, asked_for, index_of, light_of, once, poses_of
from explorer.analysis.vector_index import result_of
from explorer.records import Array
from tests.analysis.pictures import pictures

pytestmark = pytest.mark.usefixtures("one_thread")


def random_candidates(seed: int, pairs: int = 80, count: int = 12) -> Candidates:
    rng = np.random.default_rng(seed)
    asking, other = rng.integers(0, count, (2, pairs))
    return Candidates(asking, other, rng.normal(size=pairs), rng.integers(0, 9, pairs))


@pytest.fixture(scope="module")
def index() -> Index:
    return index_of(pictures(90))


# -- building ---------------------------------------------------------------------------------------


def test_an_index_knows_its_images(index: Index) -> None:
    assert np.array_equal(index.light, luminance(pictures(90)))
    assert index.detail.shape == (90, 1, 16, 16) and len(index.base) == 90
    assert len(index.views) == len(index.projections) == len(index.usual) == len(views())
    assert (index.usual > 0).all() and (index.usual < 1).all()
    assert len(by_content(pictures(90))[:SAMPLE]) == 90


def test_light_is_read_a_few_images_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = light_of(pictures(20))
    for pixels in (1, 7000):
        monkeypatch.setattr(candidates, "PIXELS", pixels)
        assert np.array_equal(light_of(pictures(20)), whole)


def test_poses_say_where_a_view_looks() -> None:
    found = views()
    pose = poses_of(np.array([0, SIMPLE_VIEWS - 1, 30]), found)
    assert np.array_equal(pose.matrix[0], IDENTITY) and pose.sign.tolist() == [1, -1, 1]
    assert pose.shift[2] == pytest.approx(found[30].shift) and pose.matrix.dtype == np.float32


# -- looking up -------------------------------------------------------------------------------------


def brute_force(index: Index, asking: int) -> dict[int, float]:
    """Score of every partner that is among the nearest in some view, in its best view: loops, float64."""
    best: dict[int, float] = {}
    maps = candidates._flat_maps(index.light[asking : asking + 1])
    for view, usual in enumerate(index.usual):
        likeness = (candidates._seen(index, maps, slice(view, view + 1)).astype(float) @ index.base.T.astype(float))[0]
        nearest = [n for n in np.argsort(-likeness) if n != asking][:NEIGHBORS]
        last = min(likeness[nearest[-1]], usual)
        for n in nearest:
            score = likeness[n] + np.clip((likeness[n] - last) / (1.02 - last), -1, 1)
            best[int(n)] = max(best.get(int(n), -np.inf), float(score))
    return best


def test_candidates_are_the_best_partners_over_all_views(index: Index) -> None:
    found = result_of(candidates.candidates(index))
    score = {(int(i), int(j)): s for i, j, s in zip(found.asking, found.other, found.score, strict=True)}
    assert len({frozenset(pair) for pair in score}) == len(score)
    for asking in (0, 17, 60):
        expected = brute_force(index, asking)
        ranked = sorted(expected, key=lambda n: -expected[n])[: CANDIDATES - 1]
        for n in ranked:  # in either direction, never with a lower score
            assert max(score.get((asking, n), -9), score.get((n, asking), -9)) >= expected[n] - 1e-4
            if (asking, n) in score:
                assert score[asking, n] == pytest.approx(expected[n], abs=1e-4)


def test_merging_keeps_each_partner_once_in_its_best_view() -> None:
    rng = np.random.default_rng(0)
    score, other = rng.normal(size=(50, 60)).astype(np.float32), rng.integers(0, 35, (50, 60))
    found = candidates._merged(candidates._Best(score.copy(), other, np.arange(60)[None].repeat(50, 0)))
    for row in range(50):
        best = {int(n): float(score[row][other[row] == n].max()) for n in set(other[row].tolist())}
        expected = sorted(best, key=lambda n: -best[n])[:CANDIDATES]
        assert found.other[row].tolist() == expected
        assert found.score[row] == pytest.approx([best[n] for n in expected])
        assert other[row, found.view[row]].tolist() == expected


@pytest.mark.parametrize("seed", range(4))
def test_once_keeps_the_better_direction_and_no_image_with_itself(seed: int) -> None:
    found = random_candidates(seed)
    kept = once(found)
    best: dict[frozenset[int], float] = {}
    for i, j, s in zip(found.asking.tolist(), found.other.tolist(), found.score.tolist(), strict=True):
        if i != j:
            best[frozenset((i, j))] = max(s, best.get(frozenset((i, j)), -np.inf))
    pairs = [frozenset(pair) for pair in zip(kept.asking.tolist(), kept.other.tolist(), strict=True)]
    assert len(set(pairs)) == len(pairs) and dict(zip(pairs, kept.score.tolist(), strict=True)) == best
    given = set(zip(*(column.tolist() for column in found), strict=True))
    assert set(zip(*(column.tolist() for column in kept), strict=True)) <= given


def test_pairs_handed_in_are_taken_in_the_flip_that_fits() -> None:
    images = np.concatenate([pictures(40), pictures(1)[:, :, ::-1], 255 - pictures(2)[1:], pictures(3)[2:, ::-1]])
    found = asked_for(index_of(images), np.array([(40, 0), (1, 41), (2, 42), (3, 4)]))
    assert found.asking.tolist() == [0, 1, 2, 3] and found.other.tolist() == [40, 41, 42, 4]
    assert found.view[:3].tolist() == [1, 7, 2] and found.view[3] < SIMPLE_VIEWS
    assert (found.score[:3] > 1.5).all() and found.score[3] < 1.5


# -- weighing ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(3))
def test_a_place_counts_the_better_pairs_of_an_image(seed: int) -> None:
    found = once(random_candidates(seed))
    place = verification._places(found.asking, found.other, found.score)
    for side, image in enumerate((found.asking, found.other)):
        for n in range(len(image)):
            of_image = (found.asking == image[n]) | (found.other == image[n])
            assert place[side, n] == (of_image & (found.score > found.score[n])).sum()


def usual_agreement(found: Candidates, agreement: Array, foreign: Array, count: int) -> list[float]:
    """Image by image."""
    mean = np.full(count, np.nan)
    for n in range(count):
        rows = np.flatnonzero((found.asking == n) | (found.other == n))
        rows = rows[np.argsort(-agreement[rows])][3:9]
        mean[n] = agreement[rows][foreign[rows]].mean() if foreign[rows].any() else np.nan
    known = mean[~np.isnan(mean)]
    return np.where(np.isnan(mean), np.median(known), np.minimum(mean, np.quantile(known, 0.95))).tolist()


@pytest.mark.parametrize("seed", range(3))
def test_usual_is_the_mean_of_the_fourth_to_ninth_best_of_other_groups(seed: int) -> None:
    found, rng = once(random_candidates(seed, 150, 30)), np.random.default_rng(seed)
    agreement, foreign = rng.normal(size=len(found.asking)), rng.random(len(found.asking)) < 0.7
    got = verification._usual_agreement(found, agreement, foreign, 31)  # the last image has no pair
    assert got == pytest.approx(usual_agreement(found, agreement, foreign, 31))


def test_bridges_are_the_best_pairs_between_groups_of_several() -> None:
    group = np.array([0, 0, 2, 2, 4, 4, 6, 7])  # 6 and 7 are alone
    asking, other = np.array([0, 1, 0, 2, 0, 6, 3, 0]), np.array([2, 3, 4, 5, 1, 1, 2, 7])
    alike = np.array([0.5, 0.9, 0.3, 0.4, 1.0, 1.0, 1.0, 1.0])
    found = verification._bridges(Candidates(asking, other, alike, asking), alike, group)
    assert found.tolist() == [1, 3]  # 1-3 is the best of the groups 0 and 2, 2-5 the best of group 4
