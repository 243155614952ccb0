"""Where words go in a drawing, so that they cover no line and no other words. Places are fractions of the drawing, 0 to 1."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from explorer.records import Array


class Box(NamedTuple):
    """A rectangle in fractions of the drawing's width and height."""

    left: float
    right: float
    bottom: float
    top: float

    def holds(self, points: Array, wide: float = 0.0, high: float = 0.0) -> Array:
        """bool ``[P]``: which points ``[P, 2]`` lie inside, or that far beside or above it."""
        x, y = points[:, 0], points[:, 1]
        across = (x >= self.left - wide) & (x <= self.right + wide)
        return across & (y >= self.bottom - high) & (y <= self.top + high)

    @property
    def inside(self) -> bool:
        return self.left >= 0 and self.right <= 1.02 and self.bottom >= 0 and self.top <= 1.06


SIDES = {  # plotly's textposition: direction across and up
    "middle right": (1, 0), "middle left": (-1, 0),
    "top right": (1, 1), "top left": (-1, 1),
    "bottom right": (1, -1), "bottom left": (-1, -1),
}  # fmt: skip


def dense(points: Array, most: float = 0.02) -> Array:
    """The way through ``points`` ``[P, 2]`` as points at most ``most`` apart, so that a long piece of line counts as well."""
    pieces = [points[:1]]
    for start, end in zip(points, points[1:], strict=False):
        steps = 1 + int(np.abs(end - start).max() / most)
        pieces.append(start + (end - start) * np.linspace(1 / steps, 1, steps)[:, None])
    return np.concatenate(pieces)


def best_side(at: Array, width: float, height: float, gap: float, taken: Array) -> tuple[str, Box]:
    """The side of the point ``at`` where words of this size cover the fewest ``taken`` points ``[P, 2]``, and their box."""
    boxes = {}
    for side, (right, up) in SIDES.items():
        near, far = sorted((at[0] + right * gap, at[0] + right * (gap + width)))
        middle = at[1] + up * (height if up else 0)
        boxes[side] = Box(near, far, middle - height / 2, middle + height / 2)
    possible = {side: box for side, box in boxes.items() if box.inside} or boxes
    side = min(possible, key=lambda name: int(possible[name].holds(taken).sum()))
    return side, boxes[side]
