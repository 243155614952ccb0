"""The four regions: finished runs in the plane of susceptibility and training accuracy, test accuracy hidden until it is asked for."""

from __future__ import annotations

import html
import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from explorer.analysis.regions import REGION_NAMES, regions, summarise
from explorer.config import MODELS
from explorer.records import Array
from explorer.ui.drawing import PERCENT, Figure, Trace, axis, empty_figure, layout, nice_top, note
from explorer.ui.figures_plane import AXES
from explorer.ui.placing import best_side
from explorer.ui.plane_marks import ceiling_mark
from explorer.ui.theme import Palette, mix, percent

SYMBOLS = dict(zip(MODELS, (
    ("circle", "●"), ("square", "■"), ("diamond", "◆"), ("triangle-up", "▲"), ("triangle-down", "▼"), ("pentagon", "⬟"),
    ("hexagon", "⬢"), ("star", "★"), ("star-diamond", "✦"),
), strict=True))  # fmt: skip
_SMALL, _LARGE, _PLAIN = 10.0, 22.0, 14.0  # diameters in pixels
_RINGS = {"choice": ("circle-open", 32), "rule": ("diamond-open", 26), "best": ("square-open", 29)}  # what is pointed out, and how
_CORNERS = {1: (0, 1), 2: (1, 1), 3: (0, 0), 4: (1, 0)}  # right, top


class Point(NamedTuple):
    """One run in the plot; shares in [0, 1], NaN where unknown. words: what tells it from the others."""

    run_id: str
    words: str
    model: str
    susceptibility: float  # running mean at the last epoch, nats
    train_accuracy: float  # on the given labels
    test_accuracy: float
    memorized: float


class Ring(NamedTuple):
    """A run pointed out. kind: of the first thing it is, a key of _RINGS. words: all it is."""

    place: int  # among the points
    kind: str
    words: str


class RegionsInfo(NamedTuple):
    """means: of both axes, the thresholds; None for fewer than four runs. region: of each point, 1 to 4, 0 without thresholds.

    fullness: 0 to 1, where a point's test accuracy stands between the lowest and the highest; None while hidden. corners: the words of
    each region that has a place. ceiling: training accuracy of a network that fits every right label and no wrong one. ceiling_left:
    whether the words about it stand on the left. across: what the x axis is called.
    """

    points: tuple[Point, ...]
    means: tuple[float, float] | None
    region: tuple[int, ...]
    fullness: tuple[float, ...] | None
    corners: dict[int, str]
    rings: tuple[Ring, ...]
    ceiling: float | None
    ceiling_left: bool
    x_range: tuple[float, float]
    y_range: tuple[float, float]
    across: str


def _x_range(values: Sequence[float]) -> tuple[float, float]:
    low, high = min(values), max(values)
    return (-nice_top(-1.1 * low) if low < 0 else 0.0), (nice_top(1.08 * high) if high > 0 else 1.0)


def _y_range(values: Sequence[float]) -> tuple[float, float]:
    """From a multiple of 5 %, with room for words below everything, and above it for the marks of runs that fit all."""
    low = math.floor(20 * (min(values) - 0.01 - 0.14 * (1 - min(values)))) / 20
    return round(max(-0.1, low), 2), 1 + 0.06 * (1 - low)


def _fullness(accuracy: Sequence[float]) -> tuple[float, ...]:
    """Unknown ones are empty; where all are equal, all are full."""
    values = np.asarray(accuracy, dtype=np.float64)
    known = values[np.isfinite(values)]
    span = float(np.ptp(known)) if len(known) else 0.0
    full = (values - known.min()) / span if span else np.ones(len(values))
    return tuple(np.where(np.isfinite(values), full, 0.0).tolist())


def _rings(points: Sequence[Point], marked: Mapping[str, str]) -> tuple[Ring, ...]:
    """One for each run, however many things it is. marked: kind to run_id."""
    place = {point.run_id: i for i, point in enumerate(points)}
    names = {"choice": "your choice", "rule": "the rule's", "best": "the best"}
    kinds: dict[int, list[str]] = {}
    for kind in _RINGS:
        if marked.get(kind) in place:
            kinds.setdefault(place[marked[kind]], []).append(kind)
    return tuple(Ring(i, each[0], " = ".join(names[kind] for kind in each)) for i, each in kinds.items())


def regions_info(
    points: Sequence[Point], *, probe: str = "paper", wrong_rate: float | None = None, revealed: bool = False,
    marked: Mapping[str, str] | None = None,
) -> RegionsInfo:  # fmt: skip
    """Finished runs that may be compared, each where it ended.

    probe: which one gives the susceptibility, a key of AXES. wrong_rate: realised share of wrong labels, None where unknown.
    revealed: whether test accuracy may be seen. marked: runs to point out: choice, rule, best to run_id.
    """
    x, y = [point.susceptibility for point in points], [point.train_accuracy for point in points]
    found = regions(x, y)
    region = (0,) * len(points) if found is None else found.region
    corners = {} if found is None else {number: f"{number} · {name}" for number, name in REGION_NAMES.items()}
    test = [point.test_accuracy for point in points]
    if revealed and found is not None:
        for summary in summarise(found, test):
            if summary.runs:
                sd = f" ± {100 * summary.sd:.1f}" if math.isfinite(summary.sd) else ""
                corners[summary.region] += f": test {100 * summary.mean:.1f}{sd} %"
    ceiling = None if wrong_rate is None else 1 - wrong_rate
    x_range, y_range = _x_range(x or [1.0]), _y_range([*y, *([] if ceiling is None else [ceiling])] or [0.8])
    crowd = _fractions(x, y, x_range, y_range)
    height = 0.0 if ceiling is None else (ceiling - y_range[0]) / (y_range[1] - y_range[0])
    beside = crowd[np.abs(crowd[:, 1] - height + 0.03) < 0.05, 0]  # of the points where the words would be
    return RegionsInfo(
        tuple(points), None if found is None else (found.susceptibility, found.train_accuracy), region,
        _fullness(test) if revealed else None, corners, _rings(points, marked or {}), ceiling,
        bool((beside < 0.3).sum() < (beside > 0.7).sum()), x_range, y_range, AXES[probe][1],
    )  # fmt: skip


def _fractions(x: Sequence[float], y: Sequence[float], x_range: tuple[float, float], y_range: tuple[float, float]) -> Array:
    """Points ``[P, 2]`` as fractions of the drawing."""
    both = ((x, x_range), (y, y_range))
    return np.column_stack([(np.array(values, dtype=float) - low) / (high - low) for values, (low, high) in both])


# -- drawing ---------------------------------------------------------------------------------------


def _hover(info: RegionsInfo, test_word: str) -> list[str]:
    lines = []
    for point, region in zip(info.points, info.region, strict=True):
        words = f"<b>{html.escape(point.words)}</b>"
        if region:
            words += f"<br>region {region}: {REGION_NAMES[region]}"
        if info.fullness is not None:
            words += f"<br>{test_word} {percent(point.test_accuracy)}"
        lines.append(words)
    return lines


def _dots(info: RegionsInfo, palette: Palette, colours: Mapping[str, str], test_word: str) -> Trace:
    """Every run, by model a symbol and by id a colour; revealed, the fill and the size tell its test accuracy."""
    own = [colours.get(point.run_id, palette.muted) for point in info.points]
    fill, size = own, [_PLAIN] * len(own)
    if info.fullness is not None:
        fill = [mix(palette.background, palette.test, full) for full in info.fullness]
        size = [round(_SMALL + (_LARGE - _SMALL) * full, 1) for full in info.fullness]
    edge = {"color": palette.background if info.fullness is None else own, "width": 1 if info.fullness is None else 2.5}
    return {
        "type": "scatter", "mode": "markers", "name": "runs", "cliponaxis": False,
        "x": [point.susceptibility for point in info.points], "y": [point.train_accuracy for point in info.points],
        "customdata": [point.run_id for point in info.points],
        "marker": {"symbol": [SYMBOLS[point.model][0] for point in info.points], "color": fill, "size": size, "opacity": 1, "line": edge},
        "text": _hover(info, test_word),
        "hovertemplate": "%{text}<br>susceptibility %{x:.2~g} nats<br>training accuracy %{y:.1%}<extra></extra>",
    }  # fmt: skip


def _pointed_out(info: RegionsInfo, palette: Palette) -> list[Trace]:
    """A ring and its words, on the side with the fewest points."""
    crowd = _fractions([p.susceptibility for p in info.points], [p.train_accuracy for p in info.points], info.x_range, info.y_range)
    traces = []
    for ring in info.rings:
        point, (symbol, size) = info.points[ring.place], _RINGS[ring.kind]
        words = ring.words if info.fullness is None else f"{ring.words} {percent(point.test_accuracy)}"
        side, box = best_side(crowd[ring.place], 0.011 * len(words), 0.05, 0.025, crowd)
        middle = [[(box.left + box.right) / 2, (box.bottom + box.top) / 2], [box.left, box.bottom], [box.right, box.top]]
        crowd = np.concatenate([crowd, middle])  # the next words keep clear of these
        traces.append({
            "type": "scatter", "mode": "markers+text", "name": ring.words, "x": [point.susceptibility], "y": [point.train_accuracy],
            "customdata": [point.run_id], "text": [f"<b>{words}</b>"], "textposition": side, "hoverinfo": "skip", "cliponaxis": False,
            "marker": {"symbol": symbol, "size": size, "color": palette.text, "line": {"width": 2, "color": palette.text}},
            "textfont": {"color": palette.text, "size": 13},
        })  # fmt: skip
    return traces


def _corners(info: RegionsInfo, palette: Palette) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """A wash over region 1, lines at the means, and each region's words in its corner."""
    if info.means is None:
        return [], []
    x, y = info.means
    rule: dict[str, Any] = {"type": "line", "layer": "between", "line": {"color": palette.muted, "width": 1.5, "dash": "dot"}}
    shapes = [
        {"type": "rect", "layer": "between", "line": {"width": 0}, "fillcolor": palette.tint("fit", 0.1),
         "x0": info.x_range[0], "x1": x, "y0": y, "y1": info.y_range[1]},
        rule | {"x0": x, "x1": x, "yref": "paper", "y0": 0, "y1": 1}, rule | {"xref": "paper", "x0": 0, "x1": 1, "y0": y, "y1": y},
    ]  # fmt: skip
    words = []
    for number, text in info.corners.items():
        right, top = _CORNERS[number]
        font = {"color": palette.text if number == 1 else palette.muted, "size": 13}
        place = {"xanchor": "right" if right else "left", "yanchor": "bottom", "font": font}
        words.append(note(f"<b>{text}</b>" if number == 1 else text, right, 1.005 if top else 0.008, palette, **place))
    return shapes, words


def regions_figure(
    info: RegionsInfo, palette: Palette, colours: Mapping[str, str], height: int = 420, test_word: str = "clean test accuracy"
) -> Figure:  # fmt: skip
    """colours: run_id to colour, #RRGGBB. test_word: what the accuracy on the test images is called."""
    if not info.points:
        return empty_figure("No finished run has a place in the plane yet.", palette, height)
    ceiling_shapes, ceiling_words = ceiling_mark(info.ceiling, palette, left=info.ceiling_left)
    ceiling_shapes = ceiling_shapes[1:]  # without the wash above it, which would lie over most of the regions
    shapes, words = _corners(info, palette)
    step = 0.2 if info.y_range[0] < 0.4 else 0.1 if info.y_range[0] < 0.7 else 0.05
    return {
        "data": [*_pointed_out(info, palette), _dots(info, palette, colours, test_word)],
        "layout": layout(
            palette, height, (60, 16, 24, 46), shapes=[*shapes, *ceiling_shapes], annotations=[*words, *ceiling_words],
            meta={"detail": "run"},
            xaxis=axis(info.across, palette, range=list(info.x_range), nticks=8),
            yaxis=axis("training accuracy on given labels (%)", palette, range=list(info.y_range), tickformat=PERCENT, dtick=step),
        ),
    }  # fmt: skip
