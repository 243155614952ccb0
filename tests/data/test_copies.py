"""Changed copies for calibration: of distinct images, chosen by content, in the shape and colours of their sources."""

from __future__ import annotations

import numpy as np
import pytest

from explorer.data.copies import CHANGES, changed_copies
from explorer.data.digits import load_digits
from tests.analysis.pictures import pictures


@pytest.mark.parametrize("name", ["planted", "digits"])
def test_copies_look_like_their_source(name: str) -> None:
    images = pictures(120) if name == "planted" else load_digits().train_images[:120]
    made = changed_copies(images, 60)
    assert made.images.dtype == np.uint8 and made.images.shape == (60, *images.shape[1:])
    assert len(set(made.source.tolist())) == 60
    assert {kind: int((made.change == kind).sum()) for kind in CHANGES} == dict.fromkeys(CHANGES, 60 // len(CHANGES))
    plain = made.change != "mirrored"
    own = np.abs(made.images.astype(float) - images[made.source])[plain].mean(axis=(1, 2, 3))
    other = np.abs(made.images.astype(float) - images[np.roll(made.source, 1)])[plain].mean(axis=(1, 2, 3))
    assert (own < other).mean() > 0.95
    changed = (made.images != images[made.source]).any(axis=(1, 2, 3))
    assert changed.mean() > 0.9


def test_mirrored_is_exactly_that() -> None:
    images = pictures(60)
    made = changed_copies(images, 40)
    for copy, source in zip(made.images[made.change == "mirrored"], made.source[made.change == "mirrored"], strict=True):
        np.testing.assert_array_equal(copy, images[source][:, ::-1])


def test_which_images_depends_on_content_not_on_place() -> None:
    images = pictures(80)
    order = np.random.default_rng(0).permutation(len(images))
    one, other = changed_copies(images, 30), changed_copies(images[order], 30)
    np.testing.assert_array_equal(one.images, other.images)
    np.testing.assert_array_equal(images[one.source], images[order][other.source])


def test_never_more_than_one_of_an_image_and_none_of_none() -> None:
    images = pictures(12)
    assert len(changed_copies(images, 100).source) == 12
    assert len(changed_copies(images, 0).images) == 0 and changed_copies(images, 0).images.shape[1:] == images.shape[1:]


def test_another_seed_makes_other_copies() -> None:
    images = pictures(50)
    assert not np.array_equal(changed_copies(images, 20, seed=0).source, changed_copies(images, 20, seed=1).source)


@pytest.mark.parametrize("kind", CHANGES)
@pytest.mark.parametrize(("side", "channels"), [(8, 1), (28, 1), (32, 3), (64, 3)])
def test_every_change_keeps_size_and_colours_and_leaves_its_source(kind: str, side: int, channels: int) -> None:
    image = np.random.default_rng(0).integers(0, 256, (side, side, channels), dtype=np.uint8)
    before = image.copy()
    one, two = (CHANGES[kind](image, np.random.default_rng(3)) for _ in range(2))
    assert one.shape == image.shape and one.dtype == np.uint8 and np.array_equal(one, two)
    assert np.array_equal(image, before) and not np.array_equal(one, image)


def test_tones_are_stretched_about_their_level() -> None:
    image = np.array([10, 100, 120], dtype=np.uint8).reshape(1, 3, 1).repeat(3, axis=0)
    factors = {"brighter or darker": 1.3, "more or less contrast": 1.6}
    for kind, most in factors.items():
        level = 0 if kind == "brighter or darker" else image.mean()
        for seed in range(8):
            factor = (CHANGES[kind](image, np.random.default_rng(seed))[0, 2, 0] - level) / (120 - level)
            assert 1 / most - 0.02 < factor < most + 0.02 and abs(factor - 1) > 0.05


def test_a_shift_moves_by_one_pixel_in_32_and_a_stamp_covers_a_sixteenth() -> None:
    image = np.random.default_rng(0).integers(0, 256, (64, 64, 1), dtype=np.uint8)
    for seed in range(8):
        shifted = CHANGES["shifted"](image, np.random.default_rng(seed))
        moves = [
            (y, x)
            for y in (-2, 0, 2)
            for x in (-2, 0, 2)
            if np.array_equal(np.roll(image, (y, x), (0, 1))[2:-2, 2:-2], shifted[2:-2, 2:-2])
        ]
        assert len(moves) == 1 and moves[0] != (0, 0)
        covered = CHANGES["stamped"](image, np.random.default_rng(seed)) != image
        assert 0.9 * 16**2 < covered.sum() <= 16**2
