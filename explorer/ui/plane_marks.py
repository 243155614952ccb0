"""What stands behind the way through the plane: the ceiling of a network that memorizes nothing, and the four regions."""

from __future__ import annotations

from typing import Any

from explorer.analysis.regions import ENOUGH
from explorer.ui.drawing import note
from explorer.ui.theme import Palette, percent

Marks = tuple[list[dict[str, Any]], list[dict[str, Any]]]  # shapes, words

_REGIONS = (
    ("trainable, resistant", 0, 1), ("trainable, susceptible", 1, 1),
    ("not trainable, resistant", 0, 0), ("not trainable, susceptible", 1, 0),
)  # fmt: skip


def ceiling_mark(ceiling: float | None, palette: Palette, *, left: bool) -> Marks:
    """The line of what can be fitted without memorizing, and a wash above it; nothing where no label is known to be wrong."""
    if ceiling is None or ceiling >= 1:
        return [], []
    across: dict[str, Any] = {"xref": "paper", "x0": 0, "x1": 1, "layer": "between"}
    wash = across | {"type": "rect", "y0": ceiling, "y1": 1, "line": {"width": 0}, "fillcolor": palette.tint("memorized", 0.08)}
    dashes = {"color": palette.memorized, "width": 1.5, "dash": "dash"}
    rule = across | {"type": "line", "y0": ceiling, "y1": ceiling, "layer": "above", "line": dashes}
    x, anchor = (0.005, "left") if left else (0.995, "right")
    words = note(f"memorizes nothing: {percent(ceiling)}", x, ceiling, palette, yref="y", xanchor=anchor, yanchor="top",
                 font={"color": palette.ink("memorized"), "size": 13})  # fmt: skip
    return [wash, rule], [words]


def too_few(compared: int, palette: Palette, *, left: bool) -> Marks:
    """Words on what is missing before there are regions."""
    x, anchor = (0.005, "left") if left else (0.995, "right")
    missing = f"regions: from {ENOUGH} comparable runs on, {compared or 'none'} so far"
    return [], [note(missing, x, 0.01, palette, xanchor=anchor, yanchor="bottom", font={"color": palette.muted, "size": 11})]


def region_marks(region: tuple[float, float], x_range: tuple[float, float], palette: Palette) -> Marks:
    """Lines at the mean of each axis and a word in each corner."""
    style: dict[str, Any] = {"type": "line", "layer": "between", "line": {"color": palette.faint, "width": 1.5, "dash": "dot"}}
    (x, y), (low, high) = region, x_range
    lines = [style | {"x0": x, "x1": x, "yref": "paper", "y0": 0, "y1": 1}, style | {"xref": "paper", "x0": 0, "x1": 1, "y0": y, "y1": y}]
    middle = ((low + x) / 2, (x + high) / 2)
    place: dict[str, Any] = {"xref": "x", "xanchor": "center", "yanchor": "bottom", "font": {"color": palette.muted, "size": 11}}
    words = [note(text, middle[right], 1.0 if top else 0.01, palette, **place) for text, right, top in _REGIONS]
    return lines, words
