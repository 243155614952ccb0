"""Pictures to look for near-duplicates in: drawn ones that are no copies of each other, and changes with known outcome."""

from __future__ import annotations

import functools

from explorer.data.planted import load_planted
from explorer.records import Array


@functools.cache
def _drawn() -> Array:
    drawn = load_planted(420)
    assert drawn.planted is not None
    images = drawn.train_images[drawn.planted.partner < 0]
    images.flags.writeable = False
    return images


def pictures(count: int) -> Array:
    """uint8 ``[count, 32, 32, 3]``, at most 399, all different."""
    assert count <= len(_drawn())
    return _drawn()[:count]
