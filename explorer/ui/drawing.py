"""What all figures share: plotly figures as plain dicts, with every style explicit (the default template is heavy)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from explorer.ui.theme import MEANINGS, Palette

Figure = dict[str, Any]  # data: list of traces, layout
Trace = dict[str, Any]

FONT_SIZE = 13
PERCENT = ",.0%"


def axis(title: str, palette: Palette, **more: object) -> dict[str, Any]:
    """One axis with its title (unit included), thin grid, no zero line."""
    style: dict[str, Any] = {
        "title": {"text": title, "font": {"color": palette.muted, "size": FONT_SIZE}, "standoff": 8},
        "gridcolor": palette.grid,
        "linecolor": palette.faint,
        "tickcolor": palette.faint,
        "tickfont": {"color": palette.muted, "size": 12},
        "zeroline": False,
        "showline": True,
        "ticks": "outside",
        "ticklen": 4,
        "automargin": False,
    }
    return style | more


def layout(palette: Palette, height: int, margin: tuple[int, int, int, int], **more: object) -> dict[str, Any]:
    """margin: left, right, top, bottom in pixels, fixed so that a live chart does not jump."""
    left, right, top, bottom = margin
    style: dict[str, Any] = {
        "height": height,
        "margin": {"l": left, "r": right, "t": top, "b": bottom, "pad": 0},
        "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "rgba(0,0,0,0)",
        "font": {"color": palette.text, "size": FONT_SIZE},
        "hoverlabel": {"bgcolor": palette.panel, "bordercolor": palette.faint, "font": {"color": palette.text, "size": 13}},
        "hovermode": "closest",
        "showlegend": False,
        "dragmode": "zoom",
        "modebar": {"bgcolor": "rgba(0,0,0,0)", "color": palette.faint, "activecolor": palette.text},
        "uirevision": "keep",
    }
    return style | more


def epoch_axis(palette: Palette, last: int, *, words: str = "epoch", **more: object) -> dict[str, Any]:
    """Epochs from 0; the full planned length from the start, so the picture does not shift while a run goes on."""
    whole = {"range": [0, max(1, last)], "tick0": 0, "dtick": nice_step(last, 8), "tickformat": "d"}
    return axis(words, palette, **(whole | more))


def nice_step(span: float, ticks: int) -> float:
    """The smallest of 1, 2, 5, 10, 20, ... that gives at most ``ticks`` steps over ``span`` whole numbers."""
    raw = max(1.0, span / ticks)
    power = 10 ** math.floor(math.log10(raw))
    return float(next(power * step for step in (1, 2, 5, 10) if power * step >= raw))


def nice_top(value: float) -> float:
    """A round number at or above ``value`` (> 0): 1, 1.5, 2, 3, 4, 5, 6, 8 or 10 times a power of ten."""
    power = 10.0 ** math.floor(math.log10(value))
    return float(next(power * step for step in (1, 1.5, 2, 3, 4, 5, 6, 8, 10, 15) if power * step >= value * (1 - 1e-12)))


def line(name: str, x: Sequence[float], y: Sequence[float], palette: Palette, meaning: str, value: str, **more: object) -> Trace:
    """A line of one meaning: its colour, dash and width. value: hover format."""
    style = MEANINGS[meaning]
    trace = {
        "type": "scatter",
        "mode": "lines",
        "name": name,
        "x": x,
        "y": y,
        "line": {"color": palette.of(meaning), "dash": style.dash, "width": style.width},
        "hovertemplate": f"{name} %{{y:{value}}}<extra></extra>",
    }
    return trace | more


def symbol_at(name: str, x: float, y: float, palette: Palette, meaning: str, **more: object) -> Trace:
    """The marker of a meaning at the end of its line: the colour is never alone."""
    colour = palette.of(meaning)
    marker = {"symbol": MEANINGS[meaning].symbol, "color": colour, "size": 8, "line": {"color": colour, "width": 1.5}}
    return {"type": "scatter", "mode": "markers", "name": name, "x": [x], "y": [y], "marker": marker, "hoverinfo": "skip"} | more


def spread(positions: Sequence[float], gap: float, low: float, high: float) -> list[float]:
    """Move label positions as little as needed so that neighbours are ``gap`` apart within ``low`` .. ``high``.

    Order is kept. Too many labels for the room: they share it evenly.
    """
    if not positions:
        return []
    gap = min(gap, (high - low) / max(1, len(positions) - 1))
    order = np.argsort(np.asarray(positions, dtype=float), kind="stable")
    placed = np.clip(np.asarray(positions, dtype=float)[order], low, high)
    for _ in range(50):
        for i in range(1, placed.size):
            lack = gap - (placed[i] - placed[i - 1])
            if lack > 1e-12:
                placed[i - 1] -= lack / 2
                placed[i] += lack / 2
        placed += max(0.0, low - placed[0])
        placed -= max(0.0, placed[-1] - high)
    placed = np.maximum.accumulate(np.maximum(placed, low + gap * np.arange(placed.size)))
    placed = np.minimum(placed, high - gap * np.arange(placed.size)[::-1])
    result = np.empty_like(placed)
    result[order] = placed
    return [float(value) for value in result]


def end_label(name: str, text: str, x: float, y: float, colour: str, yref: str = "y") -> dict[str, Any]:
    """Words beside the end of the line ``name``; a click on them hides or shows that line."""
    return {
        "name": name, "text": text, "x": x, "y": y, "xref": "x", "yref": yref, "xanchor": "left", "yanchor": "middle",
        "xshift": 8, "showarrow": False, "align": "left", "captureevents": True, "font": {"color": colour, "size": FONT_SIZE},
    }  # fmt: skip


def note(text: str, x: float, y: float, palette: Palette, **more: object) -> dict[str, Any]:
    """Quiet words inside a drawing, in paper coordinates unless told otherwise."""
    place: dict[str, Any] = {"xref": "paper", "yref": "paper", "xanchor": "left", "yanchor": "top", "showarrow": False}
    return {"text": text, "x": x, "y": y, "font": {"color": palette.muted, "size": 12}} | place | more


def epoch_mark(epoch: int, palette: Palette, span: tuple[float, float], yref: str = "y") -> dict[str, Any]:
    """The vertical line of the chosen epoch, above the grid and below the lines. span: the range of the axis ``yref``.

    By values on both axes: what is placed by paper or domain plotly draws under the grid, or not at all.
    """
    return {
        "type": "line", "x0": epoch, "x1": epoch, "y0": span[0], "y1": span[1], "xref": "x", "yref": yref, "layer": "between",
        "line": {"color": palette.muted, "width": 1.5, "dash": "dash"},
    }  # fmt: skip


def empty_figure(text: str, palette: Palette, height: int) -> Figure:
    """A sentence where a drawing will be."""
    words = note(text, 0.5, 0.5, palette, xanchor="center", yanchor="middle", font={"color": palette.muted, "size": 14})
    hidden = {"visible": False, "fixedrange": True}
    return {"data": [], "layout": layout(palette, height, (8, 8, 8, 8), annotations=[words], xaxis=hidden, yaxis=hidden)}
