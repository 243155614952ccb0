"""What still differs once one image is laid over another: nothing where it is a copy, and as much as was added where it is not."""

from __future__ import annotations

import math

import numpy as np
import pytest

from explorer.analysis.alignment import Pose
from explorer.analysis.appearance import MIRROR
from explorer.analysis.difference import GAINS, difference
from explorer.records import Array

SIDE = 16


def picture(channels: int = 3, seed: int = 0) -> Array:
    return np.random.default_rng(seed).integers(20, 200, (SIDE, SIDE, channels), dtype=np.uint8)


def pose(matrix: Array | None = None, right: float = 0.0, sign: float = 1.0) -> Pose:
    shift = np.array([[0, right / SIDE]], dtype=np.float32)
    return Pose((np.eye(2) if matrix is None else matrix)[None].astype(np.float32), shift, np.array([sign], dtype=np.float32))


@pytest.mark.parametrize("channels", [1, 3])
def test_a_copy_does_not_differ(channels: int) -> None:
    image = picture(channels)
    found = difference(image, image[:, ::-1], pose(MIRROR), 0)
    assert np.array_equal(found.laid, image) and found.covers.all()
    assert found.mean == 0 and not found.amplified.any()


def test_a_negative_is_turned_back() -> None:
    image = picture()
    assert difference(image, 255 - image, pose(sign=-1), 0).mean == 0


def test_the_difference_is_what_was_added_times_the_gain() -> None:
    image = picture()
    brighter = image + np.uint8(10)
    found = difference(image, brighter, pose(), 0)
    assert (found.mean, found.gain) == (10.0, 16) and (found.amplified == 160).all()


@pytest.mark.parametrize(("step", "gain"), [(15, 16), (16, 8), (40, 4), (100, 2), (150, 1)])
def test_the_gain_is_the_largest_that_cuts_nothing_off(step: int, gain: int) -> None:
    black = np.zeros((SIDE, SIDE, 1), dtype=np.uint8)
    found = difference(black, black + np.uint8(step), pose(), 0)
    assert found.gain == gain in GAINS and (found.amplified == gain * step).all()


def test_where_the_other_does_not_reach_nothing_is_said() -> None:
    image = picture()
    found = difference(image, np.roll(image, 4, axis=1), pose(right=4), 0)
    assert not found.covers[:, -4:].any() and found.covers[:, :-4].all()
    assert found.mean == 0 and not found.amplified.any()


def test_images_that_do_not_overlap_have_no_difference() -> None:
    found = difference(picture(), picture(seed=1), pose(right=3 * SIDE), 0)
    assert not found.covers.any() and math.isnan(found.mean) and not found.amplified.any()
