"""How one image came from another, in words, read off the pose that lays the one over the other."""

from __future__ import annotations

import numpy as np

from explorer.analysis.alignment import Pose
from explorer.records import Array

LEAST_TURN = 2.0  # degrees; alignment is not surer of anything less
LEAST_ZOOM = 0.04
LEAST_STRETCH = 0.1
LEAST_SHIFT = 0.6  # pixels
AS_IT_IS = "the same in place and size"


def describe_pose(pose: Pose, i: int, side: int) -> str:
    """What was done to image a to give image b of pair ``i``, as far as geometry and sign go: ``mirrored, turned by 12° clockwise``.

    Args:
        side: of the images, in pixels; shifts are told in them.

    An image is mirrored left to right first, then turned, zoomed about its middle and shifted. What is too little to be sure of is
    left out; where nothing is left, it says AS_IT_IS.
    """
    turn, zoom, stretch, mirrored = parts(pose.matrix[i])
    if mirrored and abs(turn) > 180 - LEAST_TURN:
        words, turn = ["flipped top to bottom"], 0.0
    else:
        words = ["mirrored"] if mirrored else []
    if abs(turn) > 180 - LEAST_TURN:
        words.append("turned upside down")
    elif abs(turn) >= LEAST_TURN:
        words.append(f"turned by {abs(turn):.0f}° {'counterclockwise' if turn > 0 else 'clockwise'}")
    if abs(np.log(zoom)) >= LEAST_ZOOM:
        words.append(f"zoomed {'in' if zoom > 1 else 'out'} {max(zoom, 1 / zoom):.2f}×")
    if stretch - 1 >= LEAST_STRETCH:
        words.append(f"stretched {stretch:.2f}×")
    words += _shifted(pose.shift[i] * side)
    if pose.sign[i] < 0:
        words.append("negative")
    return ", ".join(words) or AS_IT_IS


def _shifted(pixels: Array) -> list[str]:
    """``shifted by 2 px right and 1 px down``; pixels: (down, right)."""
    ways = [
        f"{abs(distance):.0f} px {ahead if distance > 0 else back}"
        for distance, ahead, back in ((pixels[1], "right", "left"), (pixels[0], "down", "up")) if abs(distance) >= LEAST_SHIFT
    ]  # fmt: skip
    return [f"shifted by {' and '.join(ways)}"] if ways else []


def parts(matrix: Array) -> tuple[float, float, float, bool]:
    """(degrees turned, counterclockwise positive, in (-180, 180]; zoom; stretch >= 1 of one direction against the other; mirrored).

    The matrix ``[2, 2]`` maps (down, right) of image a to those of b. It is taken apart as turn @ mirror @ stretch (polar decomposition).
    """
    left, sizes, right = np.linalg.svd(matrix.astype(np.float64))
    rigid = left @ right
    mirrored = bool(np.linalg.det(rigid) < 0)
    turned = rigid @ np.diag([1.0, -1.0]) if mirrored else rigid
    degrees = float(np.rad2deg(np.arctan2(turned[1, 0], turned[0, 0])))
    smallest = max(float(sizes[1]), 1e-9)
    return degrees, float(np.sqrt(sizes[0] * smallest)), float(sizes[0]) / smallest, mirrored


def inverse(pose: Pose) -> Pose:
    """The poses that lay every a over its b instead."""
    matrix = np.linalg.inv(pose.matrix) if len(pose.matrix) else pose.matrix
    return Pose(matrix, -(matrix @ pose.shift[..., None])[..., 0], pose.sign)
