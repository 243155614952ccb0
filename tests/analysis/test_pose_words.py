"""Poses in words: what was done to an image is what is said of it, and the other way round for the inverse."""

from __future__ import annotations

import numpy as np
import pytest

from explorer.analysis.alignment import Pose
from explorer.analysis.appearance import MIRROR, turned
from explorer.analysis.duplicates import laid_over
from explorer.analysis.pose_words import AS_IT_IS, describe_pose, inverse, parts
from explorer.records import Array

SIDE = 32


def pose(matrix: Array | None = None, down: float = 0.0, right: float = 0.0, sign: float = 1.0) -> Pose:
    """down, right: in pixels."""
    matrix = np.eye(2) if matrix is None else matrix
    return Pose(matrix[None].astype(np.float32), np.array([[down, right]], dtype=np.float32) / SIDE, np.array([sign], dtype=np.float32))


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (pose(), AS_IT_IS),
        (pose(turned(1.5) * 1.03, down=0.4, right=-0.5), AS_IT_IS),
        (pose(MIRROR), "mirrored"),
        (pose(-MIRROR), "flipped top to bottom"),
        (pose(-np.eye(2)), "turned upside down"),
        (pose(turned(12)), "turned by 12° counterclockwise"),
        (pose(turned(-90)), "turned by 90° clockwise"),
        (pose(1.3 * np.eye(2)), "zoomed in 1.30×"),
        (pose(np.eye(2) / 1.25), "zoomed out 1.25×"),
        (pose(np.diag([1.2, 1 / 1.2])), "stretched 1.44×"),
        (pose(right=2), "shifted by 2 px right"),
        (pose(down=-3, right=-1), "shifted by 1 px left and 3 px up"),
        (pose(sign=-1), "negative"),
        (
            pose(1.1 * turned(12) @ MIRROR, down=1, right=2, sign=-1),
            "mirrored, turned by 12° counterclockwise, zoomed in 1.10×, shifted by 2 px right and 1 px down, negative",
        ),
    ],
)
def test_what_was_done_is_what_is_said(given: Pose, words: str) -> None:
    assert describe_pose(given, 0, SIDE) == words


@pytest.mark.parametrize("angle", [-170, -45, 0, 30, 135])
@pytest.mark.parametrize("mirrored", [False, True])
def test_a_matrix_comes_apart_into_what_it_was_made_of(angle: float, mirrored: bool) -> None:
    matrix = 1.2 * turned(angle) @ (MIRROR if mirrored else np.eye(2)) @ np.diag([1.1, 1 / 1.1])
    turn, zoom, stretch, flipped = parts(matrix)
    assert (turn, zoom, stretch) == pytest.approx((angle, 1.2, 1.21)) and flipped is mirrored


def picture() -> Array:
    """A soft blob off the middle, grey on black."""
    down, right = np.mgrid[:SIDE, :SIDE]
    return np.rint(250 * np.exp(-((down - 9) ** 2 + (right - 14) ** 2) / 40)).astype(np.uint8)[..., None]


EDITS = {  # what is done to the pixels, and what must be said of it
    "mirrored": (np.fliplr, pose(MIRROR)),
    "turned upside down": (lambda image: np.rot90(image, 2), pose(-np.eye(2))),
    "turned by 90° counterclockwise": (np.rot90, pose(turned(90))),
    "shifted by 3 px right": (lambda image: np.roll(image, 3, axis=1), pose(right=3)),
    "shifted by 2 px up": (lambda image: np.roll(image, -2, axis=0), pose(down=-2)),
    "negative": (lambda image: 255 - image, pose(sign=-1)),
}  # fmt: skip


@pytest.mark.parametrize("words", EDITS)
def test_the_words_are_true_of_pixels(words: str) -> None:
    """The pose that undoes an edit of the pixels, so that b lies on a, is the one that is called by the name of that edit."""
    edit, how = EDITS[words]
    image = picture()
    laid, covers = laid_over(np.ascontiguousarray(edit(image)), how, 0)
    assert np.abs(laid.astype(int) - image)[covers].max() <= 1
    assert describe_pose(how, 0, SIDE) == words


def test_the_inverse_undoes_a_pose() -> None:
    how = pose(1.2 * turned(25) @ MIRROR, down=2, right=-3, sign=-1)
    back = inverse(how)
    place = np.array([0.1, -0.3])
    there = how.matrix[0] @ place + how.shift[0]
    assert back.matrix[0] @ there + back.shift[0] == pytest.approx(place, abs=1e-6)
    assert describe_pose(inverse(back), 0, SIDE) == describe_pose(how, 0, SIDE)
    nothing = Pose(np.zeros((0, 2, 2), np.float32), np.zeros((0, 2), np.float32), np.zeros(0, np.float32))
    assert inverse(nothing).matrix.shape == (0, 2, 2)
