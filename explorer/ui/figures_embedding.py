"""The embedding map as numbers: where each point goes, which colour it has, and how all of it travels to the browser and back."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from explorer.records import NO_CLASS, Array
from explorer.ui.theme import Palette, mix

FINEST = 65_535  # steps along the longer side of the map
SHADES = 101  # of a score: whole percent
# Classes on a light and a dark page: told apart by lightness too, for red-green-blind eyes, and none near the orange of wrong labels.
ON_LIGHT = ("#2A7A2E", "#7A3BE8", "#1F2FB0", "#6B3A12", "#5A0F6E", "#5B94F0", "#2F6F8F", "#8E9A2E", "#C00060", "#E85BC8")
ON_DARK = ("#3FDC4A", "#CC9CFC", "#7070FF", "#A67B34", "#C83AD6", "#3FE0F0", "#12A2C4", "#A8B400", "#FF5A82", "#FCE49C")


class Layout(NamedTuple):
    """Which image each point is and where it lies. The order is the order of drawing, the same whatever the colours.

    examples: int64 ``[P]`` positions in the training set, at random, so that no class is drawn over another; those under a wrong
    label last. points: uint16 ``[P, 2]``, both axes in the same unit, y upwards. box: largest x and y. wrong: how many at the end
    have a wrong label. left_out: images whose place is not known.
    """

    examples: Array
    points: Array
    box: tuple[int, int]
    wrong: int
    left_out: int


class Words(NamedTuple):
    """Labels of each point ``[P]``, positions in names; None where not known. names: the classes, then perhaps a word for none of them."""

    given: Array
    looks: Array | None
    true: Array | None
    names: tuple[str, ...]


class Colours(NamedTuple):
    """What colour tells. by: given, looks, true or score. shade: uint8 ``[P]`` whole percent of a score, None for a class."""

    by: str
    title: str
    shade: Array | None


def lay_out(positions: Array, is_mislabeled: Array | None) -> Layout:
    """Args: positions: float ``[N, 2]``, NaN where unknown. is_mislabeled: bool ``[N]``, None where nobody knows."""
    order = np.random.default_rng(0).permutation(len(positions))
    order = order[np.isfinite(positions[order]).all(axis=1)]
    wrong = np.zeros(len(positions), dtype=bool) if is_mislabeled is None else is_mislabeled
    order = np.concatenate([order[~wrong[order]], order[wrong[order]]])
    points = _quantised(positions[order])
    box = tuple(points.max(axis=0, initial=0).tolist())
    return Layout(order, points, (box[0], box[1]), int(wrong[order].sum()), len(positions) - len(order))


def _quantised(positions: Array) -> Array:
    """uint16 ``[P, 2]``: the longer side over all of 0 .. 65,535, the other in the same unit, so that distances stay what they are."""
    if not len(positions):
        return np.zeros((0, 2), dtype=np.uint16)
    low = positions.min(axis=0).astype(np.float64)
    span = float((positions.max(axis=0) - low).max())
    return np.rint((positions - low) * (FINEST / span if span else 0.0)).astype(np.uint16)


def words_of(
    layout: Layout, given: Array, looks: Array | None, true: Array | None, class_names: Sequence[str], none_word: str
) -> Words:  # fmt: skip
    """Labels of all images ``[N]`` in the order of the points; NO_CLASS among the true ones gets a name of its own."""
    names = (*class_names, none_word) if true is not None and (true == NO_CLASS).any() else tuple(class_names)
    shown = None if true is None else np.where(true == NO_CLASS, len(class_names), true)[layout.examples]
    return Words(given[layout.examples], None if looks is None else looks[layout.examples], shown, names)


def colours_of(layout: Layout, by: str, title: str, percentile: Array | None = None) -> Colours:
    """Args: percentile: of a score for all images ``[N]``, 0 to 1; None for a class."""
    shade = None if percentile is None else np.rint(100 * percentile[layout.examples]).astype(np.uint8)
    return Colours(by if percentile is None else "score", title, shade)


# -- colours ---------------------------------------------------------------------------------------


def class_colours(count: int, palette: Palette) -> list[str]:
    """One colour per class; beyond ten they begin again, and pointing or the legend tells."""
    ten = ON_DARK if palette.dark else ON_LIGHT
    return [ten[k % len(ten)] for k in range(count)]


def score_colours(palette: Palette) -> list[str]:
    """From hardly there to the ink of the page, least to most suspicious: lightness alone, which every eye and printer sees.

    Squared, so that the few most suspicious stand out of many.
    """
    return [mix(palette.faint, palette.text, (step / (SHADES - 1)) ** 2) for step in range(SHADES)]


# -- there and back --------------------------------------------------------------------------------


def packed(values: Array, wide: bool = False) -> str:
    """Whole numbers as base64: a byte each, or ``wide`` two, the lower first."""
    return base64.b64encode(values.astype("<u2" if wide else np.uint8).tobytes()).decode()


def message(name: str, layout: Layout, words: Words, colours: Colours, palette: Palette, *, mark_wrong: bool) -> dict[str, Any]:
    """All the browser needs to draw. name: of this arrangement of points; what is picked comes back under it.

    Of the true labels only those of the wrong ones travel: the others are the given ones.
    """
    counted = {"given": words.given, "looks": words.looks, "true": words.true}.get(colours.by)
    wide = len(words.names) > 256
    return {
        "name": name,
        "count": len(layout.examples),
        "points": packed(layout.points, wide=True),
        "box": layout.box,
        "wrong": layout.wrong,
        "mark": mark_wrong,
        "names": words.names,
        "wide": wide,
        "given": packed(words.given, wide),
        "looks": None if words.looks is None else packed(words.looks, wide),
        "true": None if words.true is None else packed(words.true[len(words.true) - layout.wrong :], wide),
        "by": colours.by,
        "title": colours.title,
        "shade": None if colours.shade is None else packed(colours.shade),
        "counts": [] if counted is None else np.bincount(counted, minlength=len(words.names)).tolist(),
        "table": score_colours(palette) if counted is None else class_colours(len(words.names), palette),
        "colours": {part: getattr(palette, part) for part in ("memorized", "background", "panel", "text", "muted", "faint", "grid", "fit")},
        "dark": palette.dark,
    }


def pack_bits(chosen: Array) -> str:
    """bool ``[P]`` as base64, eight to a byte, the first in the lowest bit: 50,000 points are 8,336 characters."""
    return base64.b64encode(np.packbits(chosen, bitorder="little").tobytes()).decode()


def unpack_bits(text: str, count: int) -> Array:
    """bool ``[count]`` as ``pack_bits`` made it.

    Raises:
        ValueError: where ``text`` is no base64 of that many bits; it comes from a browser.
    """
    data = np.frombuffer(base64.b64decode(text, validate=True), dtype=np.uint8)
    if len(data) != -(-count // 8):
        raise ValueError(f"the map sent {len(data)} bytes for {count} points, {-(-count // 8)} were expected; reload the page")
    return np.unpackbits(data, count=count, bitorder="little").astype(bool)
