"""Near-duplicate search on drawn pictures with planted copies: what is found, and what must change nothing."""

from __future__ import annotations

import numpy as np
import pytest

from explorer.analysis.duplicates import Found, laid_over, search
from explorer.data.digits import load_digits
from explorer.data.planted import load_planted
from explorer.records import Array

CHANGED = {
    "exact": lambda image: image,
    "mirrored": lambda image: image[:, ::-1],
    "shifted": lambda image: np.pad(image, ((2, 0), (1, 0), (0, 0)), mode="edge")[:-2, :-1],
    "darker": lambda image: np.rint(image * 0.8).astype(np.uint8),
    "quarter turn": lambda image: np.rot90(image),
    "negative": lambda image: 255 - image,
    "stamped": lambda image: np.where(np.arange(32)[:, None, None] < 8, np.uint8(200), image),
}


def found_in(images: Array, extra: Array | None = None) -> Found:
    *_, found = search(images, extra)
    assert isinstance(found, Found)
    return found


def pictures(count: int) -> Array:
    """Drawn pictures, none a copy of another."""
    drawn = load_planted(count + count // 10 + 4)
    assert drawn.planted is not None
    return drawn.train_images[drawn.planted.partner < 0][:count]


@pytest.fixture(scope="module")
def planted() -> tuple[Array, list[tuple[int, int]]]:
    """120 pictures and a copy changed in every way of three of them each; (images, pairs of source and copy)."""
    images = pictures(120)
    copies = [np.ascontiguousarray(change(images[3 * n + k])) for n, change in enumerate(CHANGED.values()) for k in range(3)]
    return np.concatenate([images, np.stack(copies)]), [(n, 120 + n) for n in range(len(copies))]


@pytest.fixture(scope="module")
def found(planted: tuple[Array, list[tuple[int, int]]]) -> Found:
    return found_in(planted[0])


def pairs_of(found: Found) -> list[tuple[int, int]]:
    return list(zip(found.a.tolist(), found.b.tolist(), strict=True))


def test_copies_come_first(planted: tuple[Array, list[tuple[int, int]]], found: Found) -> None:
    copies = planted[1]
    first = set(pairs_of(found)[: len(copies) + 3])
    assert len(first & set(copies)) >= len(copies) - 2
    rest = [alike for pair, alike in zip(pairs_of(found), found.likeness, strict=True) if pair not in copies]
    assert np.median([alike for pair, alike in zip(pairs_of(found), found.likeness, strict=True) if pair in copies]) > max(rest)


def test_every_pair_stands_once_in_order_and_no_image_is_its_own(found: Found) -> None:
    assert (found.a < found.b).all() and len(set(pairs_of(found))) == len(found.a)
    assert (np.diff(found.likeness) <= 0).all()
    assert ((found.similarity >= 0) & (found.similarity <= 1)).all() and np.isfinite(found.likeness).all()


def test_the_same_bytes_are_exact_and_nothing_else(planted: tuple[Array, list[tuple[int, int]]], found: Found) -> None:
    images = planted[0]
    assert found.exact.tolist() == [np.array_equal(images[a], images[b]) for a, b in pairs_of(found)]
    assert found.exact.sum() == 3 and (found.similarity[found.exact] == 1).all()


def test_the_order_of_the_images_changes_only_names(planted: tuple[Array, list[tuple[int, int]]], found: Found) -> None:
    images = planted[0]
    new = np.random.default_rng(3).permutation(len(images))
    other = found_in(images[new])
    renamed = {tuple(sorted((int(new[a]), int(new[b])))): alike for (a, b), alike in zip(pairs_of(other), other.likeness, strict=True)}
    for pair, alike in zip(pairs_of(found), found.likeness, strict=True):
        if alike > 0:
            assert renamed[pair] == pytest.approx(alike, abs=0.05)


def test_a_copy_laid_over_its_source_covers_it(planted: tuple[Array, list[tuple[int, int]]], found: Found) -> None:
    images, copies = planted
    geometric = [pair for pair in copies if pair[0] // 3 in (0, 1, 2, 4, 5)]  # not recoloured, not stamped
    for n, (a, b) in enumerate(pairs_of(found)):
        if (a, b) in geometric:
            over, inside = laid_over(images[b], found.pose, n)
            assert inside.mean() > 0.8
            apart = np.abs(over.astype(float) - images[a])[inside].mean()
            assert apart < 0.6 * np.abs(images[b].astype(float) - images[a]).mean() + 4


def test_pairs_handed_in_are_looked_at(planted: tuple[Array, list[tuple[int, int]]], found: Found) -> None:
    images, copies = planted
    new = next((a, b) for a in range(100) for b in range(a + 1, 100) if (a, b) not in pairs_of(found))
    again = found_in(images, np.array([new, copies[0]]))
    assert set(copies[:9]) <= set(pairs_of(again)) and len(set(pairs_of(again))) == len(again.a)


@pytest.mark.parametrize("crowd", ["same", "alike"])
def test_a_crowd_of_copies_is_found_together(crowd: str) -> None:
    images, rng = pictures(300), np.random.default_rng(0)
    copies = np.stack([images[0]] * 12)
    if crowd == "alike":
        copies = np.clip(copies + rng.normal(0, 6, copies.shape), 0, 255).astype(np.uint8)
    found = found_in(np.concatenate([images, copies]))
    members = {0, *range(300, 312)}
    linked = {
        image for pair, alike in zip(pairs_of(found), found.likeness, strict=True) if alike > 0 and set(pair) <= members for image in pair
    }
    assert linked == members


def test_grey_images_of_another_size() -> None:
    images = load_digits().train_images[:150]
    both = np.concatenate([images, np.clip(images[:5] * 0.8, 0, 255).astype(np.uint8)])
    found = found_in(both)
    best = set(pairs_of(found)[:12])
    assert sum((n, 150 + n) in best for n in range(5)) >= 4


def test_few_images_and_flat_ones() -> None:
    assert len(found_in(np.zeros((0, 32, 32, 3), np.uint8)).a) == 0
    assert len(found_in(pictures(1)).a) == 0
    assert pairs_of(found_in(np.stack([pictures(1)[0]] * 2))) == [(0, 1)]
    flat = found_in(np.stack([np.full((32, 32, 3), level, np.uint8) for level in (0, 80, 80, 255)]))
    assert (1, 2) in pairs_of(flat) and flat.exact[pairs_of(flat).index((1, 2))] and np.isfinite(flat.likeness).all()
