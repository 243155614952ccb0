"""Near-duplicates as the eye means them: candidates from the appearance index, laid over each other, and judged by what then agrees.

Read from the bottom: ``search`` asks for every image in all its views which others look like it (FAISS), lays the best
candidates over it (``alignment``), and weighs what it finds into one number, *likeness*, in log-odds; ``similarity`` is the same
between 0 and 1. Nothing is learned from labels; the four weights are a logistic regression on planted copies (18 kinds of change,
from recompression to perspective) in CIFAR-10 test images and Fashion-MNIST, and stay fixed. What cut to use on your own images
is measured there: see ``calibration``.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from explorer.analysis import appearance
from explorer.analysis.alignment import Pose, correlation, detail_of, evidence, refined
from explorer.analysis.appearance import Appearance, View, embed, luminance, maps_of, unit, warp
from explorer.analysis.neighbors import searcher
from explorer.records import Array, Progress

NEIGHBORS = 6  # asked for of each view
CANDIDATES = 12  # partners of an image that are laid over it
SIMPLE = 3  # and so many more of those found by a flip, or as they are, which crops would crowd out
VERIFIED = 2  # best of either image that are looked at in detail
ASKED, PAIRS = 4096, 4096  # images, and pairs, at a time
COARSE_STEPS = FINE_STEPS = 3
REFERENCE = 512  # images that tell what likeness is usual in a view
TYPICAL = 0.55  # agreement of two photographs that merely look alike
EXACT = 16.0  # log-odds of a pair with the same bytes; more than any other can reach
WEIGHTS = {"candidate": 6.72, "agreement": 1.28, "others": -4.77, "detail": 2.45, "bias": -16.23}


class Found(NamedTuple):
    """Verified pairs of positions a < b, most alike first.

    likeness: float64 ``[P]``, log-odds. exact: bool, the same bytes. pose: how b is laid over a.
    """

    a: Array
    b: Array
    likeness: Array
    exact: Array
    pose: Pose

    @property
    def similarity(self) -> Array:
        """float32 ``[P]`` in [0, 1]: 0.5 is even odds, 1 an exact copy."""
        return np.where(self.exact, 1.0, 1 / (1 + np.exp(-self.likeness))).astype(np.float32)

    def __getitem__(self, chosen: object) -> Found:  # type: ignore[override]
        return Found(self.a[chosen], self.b[chosen], self.likeness[chosen], self.exact[chosen], self.pose[chosen])


class _Candidates(NamedTuple):
    """asking, other: int ``[P]``. score: how far above usual their likeness is. view: which view of the asking image it was."""

    asking: Array
    other: Array
    score: Array
    view: Array


def search(images: Array, extra: Array | None = None) -> Iterator[Progress | Found]:
    """Yield Progress and, last, one Found.

    Args:
        images: uint8 ``[N, H, W, C]``; square, of any size. extra: int ``[P, 2]``, pairs to verify whatever the index says of
            them, such as neighbours in a network's embedding.

    An image is never its own duplicate; every pair stands once. The order of the images changes nothing but names: rare ties apart.
    Stop by not asking for the next record. Costs about 2.5 ms of one core per image for 5,000 images, of which the index, whose
    cost grows with the square, takes half.
    """
    copies = exact_copies(images)
    if len(images) < 2:
        yield _found(np.zeros(0), _no_candidates(), copies, _poses(np.zeros(0, int), appearance.views()))
        return
    light = np.concatenate([luminance(images[s]) for s in _chunks(len(images), ASKED)])
    fitted = appearance.fit_appearance(light)
    coarse = np.concatenate([maps_of(light[s])[:, 1:] for s in _chunks(len(images), ASKED)])
    base = np.concatenate([embed(fitted, maps_of(light[s])) for s in _chunks(len(images), ASKED)])
    views = appearance.views(len(images))
    found = _no_candidates()
    for item in _candidates(light, fitted, base, views):
        if isinstance(item, Progress):
            yield item
        else:
            found = item
    if extra is not None:
        found = _once(_joined(found, _asked_for(light, fitted, base, coarse, views, np.asarray(extra, dtype=np.int64).reshape(-1, 2))))
    pose = refined(coarse, found.asking, found.other, _poses(found.view, views), COARSE_STEPS)
    kept = np.flatnonzero(_rank(found, correlation(coarse, found.asking, found.other, pose)) < VERIFIED)
    found, pose = _Candidates(*(column[kept] for column in found)), pose[kept]
    agreement, detail, poses = np.zeros(len(kept)), np.zeros(len(kept)), []
    for part in _chunks(len(kept), PAIRS):
        yield Progress(0, "compare", part.start, len(kept))
        agreement[part], detail[part], refined_pose = _verified(light, found.asking[part], found.other[part], pose[part])
        poses.append(refined_pose)
    pose = Pose(*(np.concatenate(column) for column in zip(*poses, strict=True))) if poses else pose
    others = _usual_agreement(found, agreement, len(images))
    likeness = (
        WEIGHTS["candidate"] * found.score + WEIGHTS["agreement"] * agreement + WEIGHTS["others"] * others
        + WEIGHTS["detail"] * detail + WEIGHTS["bias"]
    )  # fmt: skip
    yield _found(likeness, found, copies, pose)


# -- candidates: who looks like whom ----------------------------------------------------------------


def _candidates(light: Array, fitted: Appearance, base: Array, views: tuple[View, ...]) -> Iterator[Progress | _Candidates]:
    """The best partners of every image over all its views; each pair once, in its better direction."""
    ask, count = searcher(base), len(base)
    asked_for = min(NEIGHBORS, count - 1)
    matrices = list(appearance.projections(fitted, views))
    usual = _usual_likeness(light, fitted, matrices, ask, asked_for)
    parts = []
    for part in _chunks(count, ASKED):
        maps = maps_of(light[part]).reshape(-1, matrices[0].shape[0])
        best = _Best(np.arange(count)[part])
        for view, matrix in enumerate(matrices):
            yield Progress(0, "search", part.start * len(views) + view * len(maps), count * len(views))
            likeness, ids = _without_self(*ask(unit(maps @ matrix - fitted.offset), asked_for + 1), best.asking)
            best.add(_above_usual(likeness, usual[view]), ids, view)
            if view == appearance.SIMPLE_VIEWS - 1:
                best.keep_simple()
        parts.append(best.pairs())
    yield _once(_joined(*parts))


def _above_usual(likeness: Array, usual: float) -> Array:
    """Cosine plus its lead over the last neighbour: what stands out among its own kind. A crowd of copies counts as no more than usual."""
    last = np.minimum(likeness[:, -1:], usual)
    return np.asarray(likeness + np.clip((likeness - last) / (1.02 - last), -1, 1))


def _usual_likeness(light: Array, fitted: Appearance, matrices: list[Array], ask: object, asked_for: int) -> list[float]:
    """For each view, the cosine that the last neighbour rarely passes (95 %)."""
    chosen = maps_of(light[appearance.by_content(light)[:REFERENCE]]).reshape(-1, matrices[0].shape[0])
    return [float(np.quantile(ask(unit(chosen @ m - fitted.offset), asked_for + 1)[0][:, -1], 0.95)) for m in matrices]  # type: ignore[operator]


class _Best:
    """The best CANDIDATES partners of some images so far, each partner once, with the view it was best in."""

    def __init__(self, asking: Array) -> None:
        shape = (len(asking), CANDIDATES)
        self.asking = asking
        self._score, self._other = np.full(shape, -9, dtype=np.float32), np.full(shape, -1)
        self._view = np.zeros(shape, dtype=np.int64)
        self._simple: list[Array] = []

    def add(self, score: Array, other: Array, view: int) -> None:
        columns = [np.concatenate(pair, axis=1) for pair in (
            (self._score, np.where(other >= 0, score, -9)), (self._other, other), (self._view, np.full_like(other, view)))]  # fmt: skip
        order = np.argsort(-columns[0], axis=1, kind="stable")
        score, other, at = (np.take_along_axis(column, order, axis=1) for column in columns)
        for column in range(1, other.shape[1]):
            score[(other[:, :column] == other[:, column : column + 1]).any(axis=1), column] = -9
        order = np.argsort(-score, axis=1, kind="stable")[:, :CANDIDATES]
        self._score, self._other, self._view = (np.take_along_axis(column, order, axis=1) for column in (score, other, at))

    def keep_simple(self) -> None:
        self._simple = [column[:, :SIMPLE].copy() for column in (self._score, self._other, self._view)]

    def pairs(self) -> _Candidates:
        score, other, view = (
            np.concatenate(pair, axis=1) for pair in zip((self._score, self._other, self._view), self._simple, strict=True)
        )
        asking = np.broadcast_to(self.asking[:, None], other.shape)
        real = (other >= 0) & (score > -9)
        return _Candidates(asking[real], other[real], score[real].astype(np.float64), view[real])


def _without_self(likeness: Array, ids: Array, asking: Array) -> tuple[Array, Array]:
    """Drop each image from its own row; where many copies crowd it out, drop the last instead."""
    own = ids == asking[:, None]
    own[~own.any(axis=1), -1] = True
    return likeness[~own].reshape(len(ids), -1), ids[~own].reshape(len(ids), -1)


def _asked_for(light: Array, fitted: Appearance, base: Array, coarse: Array, views: tuple[View, ...], pairs: Array) -> _Candidates:
    """Pairs handed in, each in the flip under which its maps agree best."""
    asking, other = pairs.min(axis=1), pairs.max(axis=1)
    flips = np.arange(appearance.SIMPLE_VIEWS)
    agreements = np.stack([correlation(coarse, asking, other, _poses(np.full(len(asking), v), views)) for v in flips])
    view = agreements.argmax(axis=0)
    score = np.zeros(len(asking))
    for v, matrix in zip(flips, appearance.projections(fitted, views), strict=False):
        rows = np.flatnonzero(view == v)
        seen = unit(maps_of(light[asking[rows]]).reshape(len(rows), -1) @ matrix - fitted.offset)
        score[rows] = _above_usual(np.einsum("pd,pd->p", seen, base[other[rows]])[:, None].repeat(2, 1), 0.5)[:, 0]
    return _Candidates(asking, other, score, view)


def _once(found: _Candidates) -> _Candidates:
    """Every unordered pair once, in the direction of the higher score."""
    low, high = np.minimum(found.asking, found.other), np.maximum(found.asking, found.other)
    order = np.lexsort((found.asking, -found.score, high, low))
    order = order[low[order] != high[order]]
    first = np.ones(len(order), dtype=bool)
    first[1:] = (np.diff(low[order]) != 0) | (np.diff(high[order]) != 0)
    return _Candidates(*(column[order[first]] for column in found))


def _joined(*parts: _Candidates) -> _Candidates:
    return _Candidates(*(np.concatenate(column) for column in zip(*parts, strict=True)))


def _no_candidates() -> _Candidates:
    none = np.zeros(0, dtype=np.int64)
    return _Candidates(none, none, np.zeros(0), none)


# -- verification: what agrees when one is laid over the other ----------------------------------------


def _poses(view: Array, views: tuple[View, ...]) -> Pose:
    matrix, shift = np.stack([v.matrix for v in views]), np.array([v.shift for v in views])
    sign = np.array([v.sign for v in views])
    return Pose(matrix[view].astype(np.float32), shift[view].astype(np.float32), sign[view].astype(np.float32))


def _verified(light: Array, asking: Array, other: Array, pose: Pose) -> tuple[Array, Array, Pose]:
    """(agreement, detail, pose) of some pairs after the last alignment, at full resolution."""
    images, at = np.unique(np.concatenate([asking, other]), return_inverse=True)
    asking, other = at[: len(asking)], at[len(asking) :]
    detail = detail_of(light[images])
    pose = refined(detail.fine, asking, other, pose, FINE_STEPS)
    agreement = np.arctanh(np.clip(correlation(detail.fine, asking, other, pose).astype(np.float64), -0.99, 0.995))
    blocks = np.sort(evidence(detail, asking, other, pose).sum(axis=1), axis=1)
    return agreement, np.log1p(blocks[:, 12]), pose  # of 16 blocks the fourth best: a stamp may cover the others


def _rank(found: _Candidates, value: Array) -> Array:
    """int ``[P]``: place of a pair among all of either of its images, the better of the two; 0 is best."""
    return _places(found, value).min(axis=0)


def _places(found: _Candidates, value: Array) -> Array:
    """int ``[2, P]``: place of each pair among those of its asking, and of its other, image."""
    image, values = np.concatenate([found.asking, found.other]), np.concatenate([value, value])
    order = np.lexsort((-values, image))
    ordered = image[order]
    start = np.flatnonzero(np.r_[True, ordered[1:] != ordered[:-1]])[: len(ordered)]
    place = np.empty(len(order), dtype=np.int64)
    place[order] = np.arange(len(order)) - np.repeat(start, np.diff(np.r_[start, len(order)]))
    return place.reshape(2, -1)


def _usual_agreement(found: _Candidates, agreement: Array, count: int) -> Array:
    """float64 ``[P]``: how well other images agree with the pair's, which is what agreement has to beat.

    Mean of each image's fourth to ninth best; the larger of the two images. Limited to what 95 % stay below, so that the members of
    a large group of copies do not excuse each other.
    """
    place = _places(found, agreement).ravel()
    counts = (place >= 3) & (place < 9)
    image, value = np.concatenate([found.asking, found.other])[counts], np.tile(agreement, 2)[counts]
    number = np.bincount(image, minlength=count)
    mean = np.bincount(image, value, count)[number > 0] / number[number > 0]
    usual = np.full(count, np.median(mean) if len(mean) else TYPICAL)
    usual[number > 0] = np.minimum(mean, np.quantile(mean, 0.95)) if len(mean) else mean
    return np.maximum(usual[found.asking], usual[found.other])


def _found(likeness: Array, found: _Candidates, copies: list[tuple[int, int]], pose: Pose) -> Found:
    """Sorted, exact copies in front, every pose turned so that the later image is laid over the earlier."""
    backwards = found.asking < found.other  # asking image is a: the pose lays a over b
    inverse = np.linalg.inv(pose.matrix) if len(pose.matrix) else pose.matrix
    matrix = np.where(backwards[:, None, None], inverse, pose.matrix)
    shift = np.where(backwards[:, None], -(inverse @ pose.shift[..., None])[..., 0], pose.shift)
    a, b = np.minimum(found.asking, found.other), np.maximum(found.asking, found.other)
    same = np.array(copies, dtype=np.int64).reshape(-1, 2)
    known = set(map(tuple, copies))
    fresh = np.array([(i, j) not in known for i, j in zip(a.tolist(), b.tolist(), strict=True)], dtype=bool)
    a, b = np.concatenate([same[:, 0], a[fresh]]), np.concatenate([same[:, 1], b[fresh]])
    plain = Pose(np.tile(np.eye(2, dtype=np.float32), (len(same), 1, 1)), np.zeros((len(same), 2), np.float32), np.ones(len(same), np.float32))
    exact = np.arange(len(a)) < len(same)
    likeness = np.where(exact, EXACT, np.minimum(np.concatenate([np.zeros(len(same)), likeness[fresh]]), EXACT - 1))
    order = np.lexsort((b, a, -likeness))
    columns = (np.concatenate([p, q]) for p, q in zip(plain, (matrix[fresh], shift[fresh], pose.sign[fresh]), strict=True))
    return Found(a, b, likeness, exact, Pose(*columns))[order]


def exact_copies(images: Array) -> list[tuple[int, int]]:
    """Pairs a < b of images ``[N, ...]`` with the same bytes, each with the first of its kind."""
    seen: dict[bytes, list[int]] = defaultdict(list)
    for position, image in enumerate(images):
        seen[hashlib.blake2b(image.tobytes(), digest_size=16).digest()].append(position)
    return [(same[0], b) for same in seen.values() for b in same[1:] if np.array_equal(images[same[0]], images[b])]


def laid_over(image: Array, pose: Pose, i: int) -> tuple[Array, Array]:
    """(image b of pair i as it lies over a: uint8 ``[H, W, C]``, bool ``[H, W]`` where it covers a)."""
    planes = np.ascontiguousarray(np.moveaxis(image, -1, 0)[None], dtype=np.float32)
    planes = planes if pose.sign[i] > 0 else 255 - planes
    seen, inside = warp(planes, np.zeros(1, dtype=int), pose.matrix[i : i + 1], pose.shift[i : i + 1] * image.shape[0])
    return np.rint(np.clip(np.moveaxis(seen[0], 0, -1), 0, 255)).astype(np.uint8), inside[0]


def _chunks(count: int, size: int) -> list[slice]:
    return [slice(start, min(start + size, count)) for start in range(0, count, size)]
