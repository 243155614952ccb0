"""Curves of several runs over each other, one panel for each metric. Numbers first (``overlays_info``), drawing second."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any, NamedTuple

import numpy as np

from explorer.records import Array
from explorer.ui.drawing import Figure, Trace, axis, empty_figure, layout
from explorer.ui.run_colours import Look
from explorer.ui.run_metrics import ACROSS, METRICS, Metric, along
from explorer.ui.theme import Palette

POINTS = 600  # drawn of a line; a screen has no more
PANEL, BETWEEN, FOOT = 250, 58, 48  # pixels: height of a panel, room between two rows, and below the last
WIDE = 400  # height of a panel that stands alone
COLUMNS = 3  # panels beside each other
LEGEND_ROW, LEGEND_WIDTH = 22, 1100  # pixels


BANDS = {"range": "lowest to highest", "sd": "± standard deviation"}


class Series(NamedTuple):
    """One run to draw. group: what its line is called where lines are means over runs, else its own name. columns: float64 ``[E + 1]``
    by name, epoch 0 first."""

    group: str
    look: Look
    columns: Mapping[str, Array]


class OverlayLine(NamedTuple):
    """One line of a panel, only where it is known. low, high: edges of the band, empty for a single run. runs: behind the mean."""

    name: str
    look: Look
    x: list[float]
    y: list[float]
    epoch: list[int]
    low: list[float]
    high: list[float]
    runs: int


class OverlaysInfo(NamedTuple):
    """panels: metric to its lines; those that no run has recorded are named in ``missing``. across, band: keys of ACROSS and BANDS.
    every: so many epochs lie between two drawn points of the longest line."""

    panels: Mapping[str, tuple[OverlayLine, ...]]
    missing: tuple[str, ...]
    across: str
    band: str
    every: int


def overlays_info(
    series: Sequence[Series], metrics: Sequence[str], across: str = "epoch", band: str = "range", points: int = POINTS
) -> OverlaysInfo:  # fmt: skip
    """Lines of each metric; runs of one group are averaged epoch by epoch, over the epochs that all of them have.

    Nothing is smoothed. The standard deviation is that of a sample (n - 1).
    """
    groups: dict[str, list[Series]] = {}
    for each in series:
        groups.setdefault(each.group, []).append(each)
    found = {metric: tuple(filter(None, (_line(name, runs, metric, across, band) for name, runs in groups.items()))) for metric in metrics}
    panels = {metric: lines for metric, lines in found.items() if lines}
    longest = max((len(line.x) for lines in panels.values() for line in lines), default=0)
    every = max(1, math.ceil(longest / points))
    thin = {metric: tuple(_thinned(line, every) for line in lines) for metric, lines in panels.items()}
    return OverlaysInfo(thin, tuple(metric for metric in metrics if metric not in panels), across, band, every)


def _line(name: str, runs: Sequence[Series], metric: str, across: str, band: str) -> OverlayLine | None:
    known = [each for each in runs if np.isfinite(each.columns[metric]).any()]
    if not known:
        return None
    places = [each.columns["epoch"][np.isfinite(each.columns[metric])] for each in known]
    epochs = places[0][np.all([np.isin(places[0], other) for other in places], axis=0)]
    rows = [np.searchsorted(each.columns["epoch"], epochs) for each in known]
    values = np.array([each.columns[metric][at] for each, at in zip(known, rows, strict=True)])
    x = np.mean([along(each.columns, across)[at] for each, at in zip(known, rows, strict=True)], axis=0)
    low, high = _band(values, band) if len(known) > 1 else ([], [])
    return OverlayLine(name, known[0].look, x.tolist(), values.mean(axis=0).tolist(), epochs.astype(int).tolist(), low, high, len(known))


def _band(values: Array, band: str) -> tuple[list[float], list[float]]:
    """Edges around the mean of ``[R, E]``, R > 1."""
    if band == "range":
        return values.min(axis=0).tolist(), values.max(axis=0).tolist()
    mean, sd = values.mean(axis=0), values.std(axis=0, ddof=1)
    return (mean - sd).tolist(), (mean + sd).tolist()


def _thinned(line: OverlayLine, every: int) -> OverlayLine:
    """Every so manieth point, and the last."""
    if every == 1 or not line.x:
        return line
    keep = sorted({*range(0, len(line.x), every), len(line.x) - 1})
    parts: dict[str, Any] = {
        name: [values[i] for i in keep] for name in ("x", "y", "epoch", "low", "high") if (values := getattr(line, name))
    }
    return line._replace(**parts)


def frame(metric: Metric, lines: Sequence[OverlayLine]) -> tuple[float, ...]:
    """(low, high) of the y axis of a share: what trained networks reach, with some room; () for the axis to find its own.

    The untrained network, which guesses, would take most of the height and leave the differences none.
    """
    edges = [(each, line.epoch) for line in lines for each in (line.y, line.low, line.high) if each]
    values = [value for each, epochs in edges for value, epoch in zip(each, epochs, strict=True) if epoch > 0]
    if not metric.share or not values:
        return ()
    low, high = min(values), max(values)
    room = max(0.005, 0.06 * (high - low))
    return max(-0.02, low - room), min(1.02, high + room)


def begins_below(info: OverlaysInfo) -> bool:
    """Whether a line begins below its frame."""
    framed = [(lines, frame(METRICS[metric], lines)) for metric, lines in info.panels.items()]
    return any(value < span[0] for lines, span in framed if span for line in lines for value in line.y)


# -- drawing ---------------------------------------------------------------------------------------


def grid(panels: int, most: int = COLUMNS) -> tuple[int, int]:
    """(columns, rows) for so many panels, at most so many beside each other."""
    columns = max(1, min(most, 2 if panels == 4 else panels))
    return columns, max(1, math.ceil(panels / columns))


def overlays_height(info: OverlaysInfo, most: int = COLUMNS) -> int:
    """Pixels. most: panels beside each other."""
    rows = grid(len(info.panels), most)[1]
    panel = WIDE if len(info.panels) == 1 else PANEL
    return _legend_height(info) + rows * panel + (rows - 1) * BETWEEN + FOOT


def _legend_height(info: OverlaysInfo) -> int:
    names = {line.name for lines in info.panels.values() for line in lines}
    return 10 + LEGEND_ROW * math.ceil(sum(58 + 7 * len(name) for name in names) / LEGEND_WIDTH)


def overlays_figure(info: OverlaysInfo, palette: Palette, most: int = COLUMNS) -> Figure:
    """Panels side by side over matching x axes, under one legend; a click on a name hides or shows its line in all of them."""
    if not info.panels:
        return empty_figure("None of these runs has recorded what is asked for.", palette, 160)
    height, top = overlays_height(info, most), _legend_height(info)
    inside = height - top - FOOT
    traces: list[Trace] = []
    axes: dict[str, Any] = {}
    seen: set[str] = set()
    for place, (metric, lines) in enumerate(info.panels.items()):
        number = str(place + 1) if place else ""
        for line in lines:
            traces += _traces(info, line, METRICS[metric], number, first=line.name not in seen)
            seen.add(line.name)
        axes |= _axes(info, metric, place, most, inside, palette)
    legend = {
        "orientation": "h", "x": 0, "xanchor": "left", "y": 1 + 8 / inside, "yanchor": "bottom", "itemwidth": 42,
        "font": {"color": palette.text, "size": 13}, "bgcolor": "rgba(0,0,0,0)", "traceorder": "normal",
    }  # fmt: skip
    return {
        "data": traces,
        "layout": layout(
            palette, height, (64, 16, top, FOOT), showlegend=True, legend=legend, meta={"x": ACROSS[info.across], "detail": "epoch"},
            uirevision=f"{list(info.panels)} {info.across} {sorted(seen)}", **axes,
        ),
    }  # fmt: skip


def _axes(info: OverlaysInfo, name: str, place: int, most: int, inside: int, palette: Palette) -> dict[str, Any]:
    """Both axes of a panel. place: number of the panel, row by row. inside: height of all rows in pixels."""
    columns, rows = grid(len(info.panels), most)
    row, column = divmod(place, columns)
    gap, panel, between = 0.07 if most == COLUMNS else 0.12, (inside - (rows - 1) * BETWEEN) / rows / inside, BETWEEN / inside
    width = (1 - gap * (columns - 1)) / columns
    left, top = column * (width + gap), 1 - row * (panel + between)
    first, last = (end(value for lines in info.panels.values() for line in lines for value in line.x) for end in (min, max))
    room = 0.015 * (last - first)
    metric, number, span = METRICS[name], str(place + 1) if place else "", list(frame(METRICS[name], info.panels[name]))
    kept = {"matches": "x"} if place else {"range": [first - room, last + room]}
    words = ACROSS[info.across] if place + columns >= len(info.panels) else ""  # below the lowest panel of a column
    tick = {"tickformat": ",.1~%"} if metric.share else {"exponentformat": "power", "nticks": 6}
    across = axis(words, palette, anchor=f"y{number}", domain=[left, left + width], nticks=8, **kept)
    up = axis(metric.axis, palette, anchor=f"x{number}", domain=[max(0.0, top - panel), top], **tick)
    return {f"xaxis{number}": across, f"yaxis{number}": up | ({"range": span} if span else {})}


def _traces(info: OverlaysInfo, line: OverlayLine, metric: Metric, number: str, *, first: bool) -> list[Trace]:
    """The band, if there is one, below the line."""
    where = {"type": "scatter", "xaxis": f"x{number}", "yaxis": f"y{number}", "legendgroup": line.name, "customdata": line.epoch}
    value = "%{y:.1%}" if metric.share else "%{y:.4~g}"
    behind = f"<br>mean of {line.runs} runs" if line.runs > 1 else ""
    moment = "epoch %{x}" if info.across == "epoch" else f"%{{x:,.4~g}} {ACROSS[info.across]}, epoch %{{customdata}}"
    name = escape(line.name)
    drawn = {
        **where, "mode": "lines+markers", "name": name, "x": line.x, "y": line.y, "showlegend": first,
        "line": {"color": line.look.colour, "dash": line.look.dash, "width": 2},
        "marker": {"symbol": line.look.symbol, "color": line.look.colour, "size": 8, "maxdisplayed": 8},
        "hovertemplate": f"<b>{name}</b><br>{moment}<br>{metric.title} {value}{behind}<extra></extra>",
    }  # fmt: skip
    return [*_bands(info, line, where), drawn]


def _bands(info: OverlaysInfo, line: OverlayLine, where: Trace) -> list[Trace]:
    if not line.low:
        return []
    words = ("lowest", "highest") if info.band == "range" else ("mean - sd", "mean + sd")
    edge = {
        **where,
        "mode": "lines",
        "x": line.x,
        "line": {"width": 0, "color": line.look.colour},
        "hoverinfo": "skip",
        "showlegend": False,
    }
    red, green, blue = (int(line.look.colour[at : at + 2], 16) for at in (1, 3, 5))
    low, high = ({**edge, "name": f"{escape(line.name)}, {word}"} for word in words)
    return [{**low, "y": line.low}, {**high, "y": line.high, "fill": "tonexty", "fillcolor": f"rgba({red},{green},{blue},0.16)"}]
