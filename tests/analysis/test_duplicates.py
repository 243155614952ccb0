"""The search for near-duplicates: planted copies of every kind are found, and nothing depends on order, chunks, size or colour."""

from __future__ import annotations

import functools
from collections.abc import Callable

import numpy as np
import pytest
from PIL import Image

from explorer.analysis import alignment, candidates, verification
from explorer.analysis.alignment import Pose
from explorer.analysis.duplicates import Found, laid_over, search, similarity_of
from explorer.analysis.verification import EXACT
from explorer.data.copies import CHANGES
from explorer.records import Array, Progress
from tests.analysis.pictures import pictures

pytestmark = pytest.mark.usefixtures("one_thread")

EACH = 8  # copies of a kind


def by_pillow(edit: Callable[[Image.Image], Image.Image]) -> Callable[[Array], Array]:
    return lambda image: np.asarray(edit(Image.fromarray(image)))


KINDS: dict[str, Callable[[Array], Array]] = {
    "exact": lambda image: image.copy(),
    "mirrored": lambda image: image[:, ::-1],
    "upside down": lambda image: image[::-1],
    "quarter turn": lambda image: np.rot90(image),
    "negative": lambda image: 255 - image,
    "shifted": lambda image: np.pad(image, ((3, 0), (2, 0), (0, 0)), mode="edge")[:32, :32],
    "brightened": lambda image: np.clip(image * 1.2 + 10, 0, 255).astype(np.uint8),
    "cropped": by_pillow(lambda image: image.resize((32, 32), Image.Resampling.BICUBIC, (2, 1, 29, 28))),
    "turned": by_pillow(lambda image: image.rotate(9, Image.Resampling.BICUBIC, fillcolor=image.getpixel((0, 0)))),
}
UNDONE = {"exact": 0, "mirrored": 0.5, "upside down": 0.5, "quarter turn": 0.5, "negative": 0.5, "shifted": 4, "cropped": 9, "turned": 8}


def searched(images: Array, extra: Array | None = None) -> Found:
    *progress, found = search(images, extra)
    assert all(isinstance(item, Progress) for item in progress)
    assert isinstance(found, Found)
    return found


def pairs_of(found: Found) -> dict[tuple[int, int], float]:
    return dict(zip(zip(found.a.tolist(), found.b.tolist(), strict=True), found.likeness.tolist(), strict=True))


@functools.cache
def planted() -> tuple[Array, dict[tuple[int, int], str]]:
    """300 pictures, and behind them EACH copies of every kind; (images, kind of each true pair)."""
    images = pictures(300)
    source = 3 * np.arange(EACH * len(KINDS))
    kinds = [list(KINDS)[n % len(KINDS)] for n in range(len(source))]
    copies = np.stack([KINDS[kind](images[n]) for kind, n in zip(kinds, source, strict=True)])
    return np.concatenate([images, copies]), {(int(n), 300 + i): kind for i, (n, kind) in enumerate(zip(source, kinds, strict=True))}


@functools.cache
def found_planted() -> Found:
    return searched(planted()[0])


# -- what is found ----------------------------------------------------------------------------------


def test_planted_copies_of_every_kind_are_found() -> None:
    _, truth = planted()
    found = pairs_of(found_planted())
    assert set(truth) <= set(found)
    first = set(sorted(found, key=lambda pair: -found[pair])[: len(truth)])
    assert len(first & set(truth)) >= 0.95 * len(truth)
    for kind in KINDS:
        assert sum(pair in first for pair, made in truth.items() if made == kind) >= EACH - 2, kind


def test_every_pair_once_the_earlier_image_first_and_most_alike_first() -> None:
    found = found_planted()
    assert (found.a < found.b).all() and found.a.min() >= 0 and found.b.max() < len(planted()[0])
    assert len(pairs_of(found)) == len(found.a)
    assert (np.diff(found.likeness) <= 0).all()
    assert found.likeness[~found.exact].max() < EXACT and set(found.likeness[found.exact]) == {EXACT}
    assert found.similarity.dtype == np.float32 and set(found.similarity[found.exact]) == {1.0}
    assert np.allclose(found.similarity[~found.exact], 1 / (1 + np.exp(-found.likeness[~found.exact])))


def test_exact_are_the_pairs_with_the_same_bytes() -> None:
    images, truth = planted()
    found = found_planted()
    same = {(a, b) for a, b in truth if np.array_equal(images[a], images[b])}
    assert {(int(a), int(b)) for a, b in zip(found.a[found.exact], found.b[found.exact], strict=True)} == same
    assert all(truth[pair] == "exact" for pair in same) and len(same) == EACH


@pytest.mark.parametrize("turned_round", [False, True])
def test_a_copy_laid_over_its_source_is_the_source(turned_round: bool) -> None:
    """Whichever of the two comes first."""
    images, truth = planted()
    last = len(images) - 1
    images = images[::-1] if turned_round else images
    truth = {(last - b, last - a): kind for (a, b), kind in truth.items()} if turned_round else truth
    found = searched(images) if turned_round else found_planted()
    for i, pair in enumerate(zip(found.a.tolist(), found.b.tolist(), strict=True)):
        if pair in truth and truth[pair] in UNDONE and found.likeness[i] > 0.5:
            laid, covers = laid_over(images[pair[1]], found.pose, i)
            assert laid.shape == images[0].shape and laid.dtype == np.uint8 and covers.mean() > 0.6
            assert np.abs(laid.astype(float) - images[pair[0]])[covers].mean() < UNDONE[truth[pair]] + 1, truth[pair]


def test_poses_can_be_inverted() -> None:
    sizes = np.linalg.svd(found_planted().pose.matrix, compute_uv=False)
    assert sizes.min() > 0.1 and sizes.max() < 10
    assert found_planted().pose.matrix.dtype == np.float32 and set(found_planted().pose.sign.tolist()) == {1, -1}


def test_laid_over_follows_the_pose_in_any_size() -> None:
    image = np.random.default_rng(0).integers(0, 256, (10, 10, 3), dtype=np.uint8)
    pose = Pose(np.eye(2, dtype=np.float32)[None].repeat(2, 0), np.array([[0, 0], [0.2, -0.1]], np.float32), np.array([-1, 1], np.float32))
    assert np.abs(laid_over(image, pose, 0)[0].astype(int) - (255 - image)).max() <= 1
    laid, covers = laid_over(image, pose, 1)
    assert np.abs(laid[:8, 1:].astype(int) - image[2:, :9]).max() <= 1
    assert covers[:8, 1:].all() and not covers[8:].any() and not covers[:, 0].any()


def test_similarity_is_a_probability_at_any_odds() -> None:
    odds = np.array([-np.inf, -1000, 0, np.log(3), 1000, np.inf])
    assert similarity_of(odds) == pytest.approx([0, 0, 0.5, 0.75, 1, 1])


# -- what changes nothing ---------------------------------------------------------------------------


def assert_same_above(found: dict[tuple[int, int], float], other: dict[tuple[int, int], float], cut: float) -> None:
    assert {pair for pair, value in found.items() if value > cut + 1e-3} <= set(other)
    assert {pair for pair, value in other.items() if value > cut + 1e-3} <= set(found)
    apart = [abs(found[pair] - other[pair]) for pair in found if found[pair] > cut and pair in other]
    assert len(apart) > 50 and max(apart) < 1e-3


def test_the_order_of_the_images_changes_nothing_but_names() -> None:
    images, _ = planted()
    order = np.random.default_rng(1).permutation(len(images))
    again = searched(images[order])
    renamed = {(min(i, j), max(i, j)): value for (i, j), value in pairs_of(again._replace(a=order[again.a], b=order[again.b])).items()}
    assert_same_above(renamed, pairs_of(found_planted()), -1)


def test_nor_does_how_many_are_looked_at_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    for module, name, value in ((candidates, "ASKED", 90), (candidates, "QUERIES", 700), (candidates, "PIXELS", 5000),
                                (verification, "PAIRS", 37), (alignment, "PIXELS", 2048)):  # fmt: skip
        monkeypatch.setattr(module, name, value)
    assert_same_above(pairs_of(searched(planted()[0])), pairs_of(found_planted()), -1)


def test_twice_the_same_search_is_the_same() -> None:
    images = pictures(60)
    one, two = searched(images), searched(images)
    assert all(np.array_equal(x, y) for x, y in zip(one[:4], two[:4], strict=True))
    assert all(np.array_equal(x, y) for x, y in zip(one.pose, two.pose, strict=True))


def in_size(images: Array, side: int, channels: int) -> Array:
    """By Pillow; grey is the mean of the channels."""
    sized = np.stack([np.asarray(Image.fromarray(image).resize((side, side), Image.Resampling.BICUBIC)) for image in images])
    return sized if channels == 3 else sized.mean(axis=-1, keepdims=True).astype(np.uint8)


@pytest.mark.parametrize(
    ("side", "channels"),
    [(8, 3), (28, 1), (64, 3), *(pytest.param(*odd, marks=pytest.mark.slow) for odd in ((8, 1), (28, 3), (32, 1), (64, 1)))],
)
def test_copies_are_found_in_any_size_and_in_grey(side: int, channels: int) -> None:
    images = in_size(pictures(150), side, channels)
    copies = np.concatenate([images[:5, :, ::-1], np.clip(images[5:10] * 0.8, 0, 255).astype(np.uint8), images[10:12]])
    found = pairs_of(searched(np.concatenate([images, copies])))
    best = sorted(found, key=lambda pair: -found[pair])[: len(copies)]
    assert len(set(best) & {(n, 150 + n) for n in range(len(copies))}) >= len(copies) - 1


# -- crowds -----------------------------------------------------------------------------------------


def test_a_crowd_of_exact_copies_hides_nothing() -> None:
    """12 times the same image and a mirrored copy of it: all are linked to the first, and the mirrored one to each of them."""
    images = pictures(120)
    found = searched(np.concatenate([images, images[:1].repeat(11, 0), images[:1, :, ::-1]]))
    pairs = pairs_of(found)
    crowd, mirrored = [0, *range(120, 131)], 131
    assert {pair for pair, value in pairs.items() if value == EXACT} == {(0, n) for n in crowd[1:]}
    assert all(pairs[(n, mirrored)] == pairs[(0, mirrored)] > 0 for n in crowd)
    for i, (a, b) in enumerate(zip(found.a.tolist(), found.b.tolist(), strict=True)):
        if b == mirrored and a in crowd:
            assert np.abs(laid_over(images[0, :, ::-1], found.pose, i)[0].astype(int) - images[0]).mean() < 1


def test_images_with_the_same_bytes_share_their_other_pairs() -> None:
    images = pictures(120)
    doubled = np.concatenate([images, images[:40]])
    found = pairs_of(searched(doubled))
    shared = [(a, b) for a, b in found if a < 40 and b < 120]
    assert len(shared) > 20 and all(found[(b, 120 + a)] == found[(a, b)] for a, b in shared)
    alone = pairs_of(searched(images))
    assert {pair: value for pair, value in found.items() if pair[1] < 120} == pytest.approx(alone, abs=1e-3)


@pytest.mark.parametrize(
    "kind",
    [
        "noisy",
        "turned",
        *(pytest.param(more, marks=pytest.mark.slow) for more in ("recompressed", "brighter or darker", "stamped", "blurred")),
    ],
)
def test_twelve_slightly_different_copies_are_all_linked_to_one(kind: str) -> None:
    """More than are looked at of each image: what the group lacks is filled in."""
    rng = np.random.default_rng(0)
    images = pictures(300)
    copies = np.stack([CHANGES[kind](images[5], rng) for _ in range(12)])
    found = searched(np.concatenate([images, copies]))
    crowd = {5, *range(300, 312)}
    likely = found.likeness > -1
    inside = [(int(a), int(b)) for a, b in zip(found.a[likely], found.b[likely], strict=True) if a in crowd and b in crowd]
    hub = max(crowd, key=lambda n: sum(n in pair for pair in inside))
    assert len({n for pair in inside if hub in pair for n in pair}) >= 11
    assert {n for pair in inside for n in pair} == crowd


# -- the edges --------------------------------------------------------------------------------------


@pytest.mark.parametrize("count", [0, 1])
def test_fewer_than_two_images_have_no_pairs(count: int) -> None:
    found = searched(pictures(3)[:count])
    assert len(found.a) == len(found.likeness) == len(found.pose.matrix) == 0


def test_two_images() -> None:
    images = pictures(2)
    assert pairs_of(searched(images)).keys() == {(0, 1)}
    same = searched(images[[0, 0]])
    assert (same.a.tolist(), same.b.tolist(), same.exact.tolist(), same.likeness.tolist()) == ([0], [1], [True], [EXACT])
    assert pairs_of(searched(images[[1, 0, 1]])).keys() == {(0, 2), (0, 1), (1, 2)}


@pytest.mark.parametrize("channels", [1, 3])
def test_images_of_one_colour_are_no_near_duplicates(channels: int) -> None:
    flat = np.repeat(np.arange(0, 240, 8, dtype=np.uint8), 16 * 16 * channels).reshape(-1, 16, 16, channels)
    found = searched(np.concatenate([flat, flat[:3]]))
    assert np.isfinite(found.likeness).all() and np.isfinite(found.pose.matrix).all()
    assert (found.likeness[~found.exact] < 0).all()
    assert set(zip(found.a[found.exact].tolist(), found.b[found.exact].tolist(), strict=True)) == {(0, 30), (1, 31), (2, 32)}


def test_pairs_asked_for_are_looked_at_besides() -> None:
    images = pictures(300)
    without = pairs_of(searched(images))
    wanted = [(i, j) for i in range(40) for j in range(i + 1, 40) if (i, j) not in without][:200]
    found = pairs_of(searched(images, np.array([(j, i) for i, j in wanted] + [(7, 7)])))
    assert set(found) - set(without) & set(wanted) and (7, 7) not in found
    assert all(value < 0.5 for pair, value in found.items() if pair in wanted)


def test_nothing_goes_on_after_the_search_is_left() -> None:
    steps = search(pictures(60))
    first = next(steps)
    assert isinstance(first, Progress) and 0 <= first.done < first.total
    steps.close()  # type: ignore[attr-defined]
    assert list(steps) == []


def test_progress_rises_to_its_total() -> None:
    *progress, _ = search(pictures(60))
    assert {item.phase for item in progress if isinstance(item, Progress)} == {"search", "compare"}
    looked_up = [item.done / item.total for item in progress if isinstance(item, Progress) and item.phase == "search"]
    assert looked_up == sorted(looked_up) and 0 <= looked_up[0] and looked_up[-1] < 1
