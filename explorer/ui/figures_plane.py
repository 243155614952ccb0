"""The plane: how easily the network swallows random labels (x) against how well it fits the given ones (y)."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from explorer.analysis.regions import regions
from explorer.ui.drawing import PERCENT, Figure, Trace, axis, empty_figure, layout, nice_top
from explorer.ui.figures import Others, column
from explorer.ui.placing import Box, best_side, dense
from explorer.ui.plane_marks import ceiling_mark, region_marks, too_few
from explorer.ui.theme import Palette, mix

_THIN = 30  # points kept of an earlier run
_ASPECT = 2.7  # width of the drawing over its height, about
AXES = {  # what the x axis may show: column, and what it is called
    "paper": ("susceptibility", "susceptibility, running mean (nats)"),
    "fixed": ("susceptibility_fixed_lr", "susceptibility at a fixed rate, running mean (nats)"),
}


class Path(NamedTuple):
    """A run's way through the plane, epochs with both values known; axes ``[E]``. memorized: share, NaN where unknown."""

    run_id: str
    epoch: list[int]
    susceptibility: list[float]  # running mean, nats
    train_accuracy: list[float]  # on the given labels
    memorized: list[float]


class PlaneInfo(NamedTuple):
    """ceiling: training accuracy of a network that fits every right label and no wrong one. region: mean (x, y) of the
    last points of at least four comparable runs. chosen: an epoch to point out. marks: epochs with a marker, far enough
    apart. labels: those with their number beside it. side: where the words about the newest epoch go. ceiling_left, note_left:
    whether those words stand on the left because the way runs through the right. across: what the x axis is called."""

    path: Path
    others: tuple[Path, ...]
    ceiling: float | None
    region: tuple[float, float] | None
    chosen: int | None
    marks: tuple[int, ...]
    labels: tuple[int, ...]
    x_range: tuple[float, float]
    y_range: tuple[float, float]
    side: str
    ceiling_left: bool
    note_left: bool
    compared: int  # finished runs the regions rest on
    across: str


def _path(run_id: str, epochs: pd.DataFrame, across: str) -> Path:
    names = ("epoch", across, "train_accuracy", "memorized")
    epoch, x, y, memorized = (column(epochs, name) for name in names)
    known = np.isfinite(x) & np.isfinite(y)
    return Path(run_id, epoch[known].astype(int).tolist(), x[known].tolist(), y[known].tolist(), memorized[known].tolist())


def _thinned(path: Path) -> Path:
    keep = np.unique(np.linspace(0, len(path.epoch) - 1, min(_THIN, len(path.epoch))).round().astype(int))
    x, y, memorized = ([values[i] for i in keep] for values in path[2:])
    return Path(path.run_id, [path.epoch[i] for i in keep], x, y, memorized)


def _x_range(paths: list[Path]) -> tuple[float, float]:
    """Round numbers, so that a live chart seldom rescales."""
    values = [value for path in paths for value in path.susceptibility] or [1.0]
    top, low = max(values), min(values)
    return (-nice_top(-1.1 * low) if low < 0 else 0.0), (nice_top(1.1 * top) if top > 0 else 1.0)


def _y_range(paths: list[Path], ceiling: float | None) -> tuple[float, float]:
    """From a round number below everything, so that what happens fills the drawing; it seldom moves while accuracy rises."""
    lowest = min([value for path in paths for value in path.train_accuracy] + [1.0 if ceiling is None else ceiling, 0.8])
    low = max(0.0, np.floor(5 * lowest - 0.15) / 5)
    return round(float(low), 1), 1 + 0.03 * (1 - low)


def _fractions(path: Path, x_range: tuple[float, float], y_range: tuple[float, float]) -> np.ndarray:
    """The way ``[E, 2]`` as fractions of the drawing."""
    both = ((path.susceptibility, x_range), (path.train_accuracy, y_range))
    return np.column_stack([(np.array(values, dtype=float) - low) / (high - low) for values, (low, high) in both])


def _level(height: float) -> np.ndarray:
    """A line across the drawing, as points ``[51, 2]``."""
    return np.column_stack([np.linspace(0, 1, 51), np.full(51, height)])


def _apart(path: Path, points: np.ndarray, share: float, keep_free: Box | None = None) -> tuple[int, ...]:
    """The first epoch, then any at least ``share`` of the height away from all taken before and from the last."""
    points = points * [_ASPECT, 1.0]
    taken, epochs = points[-1:], []
    free = np.ones(len(points), dtype=bool) if keep_free is None else ~keep_free.holds(points / [_ASPECT, 1.0], 0.04, 0.12)
    for epoch, point, allowed in zip(path.epoch[:-1], points[:-1], free[:-1], strict=True):
        if allowed and np.hypot(*(taken - point).T).min() >= share:
            taken = np.vstack([taken, point])
            epochs.append(epoch)
    return tuple(epochs)


def plane_info(
    epochs: pd.DataFrame, *, run_id: str = "", wrong_rate: float | None = None, others: Others = (), chosen: int | None = None,
    finished: bool = False, probe: str = "paper",
) -> PlaneInfo:  # fmt: skip
    """The way of one run and of comparable ones. ``wrong_rate``: realised share of wrong labels, None where unknown.

    probe: which one gives the susceptibility, a key of AXES.
    finished: the run counts among those compared; while it trains it does not, or the regions would wander with it.
    """
    column_name, across = AXES[probe]
    path = _path(run_id, epochs, column_name)
    rest = [each for each in (_path(*other, column_name) for other in others) if each.epoch]
    compared = [*rest, path] if finished and path.epoch else rest
    found = regions([each.susceptibility[-1] for each in compared], [each.train_accuracy[-1] for each in compared])
    region = None if found is None else (found.susceptibility, found.train_accuracy)
    ceiling = None if wrong_rate is None else 1 - wrong_rate
    x_range, y_range = _x_range([path, *rest]), _y_range([path, *rest], ceiling)
    points = _fractions(path, x_range, y_range)
    height = -1.0 if ceiling is None else (ceiling - y_range[0]) / (y_range[1] - y_range[0])
    side, words, line = "middle right", None, np.zeros((0, 2))
    if path.epoch:
        line = dense(points)
        means = [] if region is None else [(region[1] - y_range[0]) / (y_range[1] - y_range[0])]
        rules = [_level(each) for each in (height, *means)]
        side, words = best_side(points[-1], 0.12, 0.1, 0.02, np.concatenate([line, *rules]))
    right, left = (Box(start, start + 0.36, height - 0.1, height) for start in (0.64, 0.0))
    return PlaneInfo(
        path, tuple(_thinned(each) for each in rest), ceiling, region, chosen if chosen in path.epoch else None,
        (*_apart(path, points, 0.045), *path.epoch[-1:]), _apart(path, points, 0.17, words), x_range, y_range, side,
        ceiling_left=bool(left.holds(line).sum() < right.holds(line).sum()),
        note_left=bool(Box(0.5, 1, 0, 0.1).holds(line).any()), compared=len(compared), across=across,
    )  # fmt: skip


def _others(info: PlaneInfo, palette: Palette) -> list[Trace]:
    """All earlier runs as one faint trace, their ends as another (``customdata``: the run_id)."""
    if not info.others:
        return []
    x = [value for path in info.others for value in (*path.susceptibility, None)]
    y = [value for path in info.others for value in (*path.train_accuracy, None)]
    lines = {"type": "scatter", "mode": "lines", "name": "earlier runs", "x": x, "y": y, "hoverinfo": "skip",
             "line": {"color": palette.faint, "width": 1}, "opacity": 0.6}  # fmt: skip
    ends = {
        "type": "scatter", "mode": "markers", "name": "earlier runs, last epoch",
        "x": [path.susceptibility[-1] for path in info.others], "y": [path.train_accuracy[-1] for path in info.others],
        "customdata": [path.run_id for path in info.others],
        "marker": {"symbol": "circle-open", "size": 7, "color": palette.faint, "line": {"width": 1.5, "color": palette.faint}},
        "hovertemplate": "earlier run %{customdata}<br>%{x:.2~g} nats, %{y:.1%}<extra></extra>",
    }  # fmt: skip
    return [lines, ends]


def _marker_colours(path: Path, palette: Palette) -> list[str]:
    """From the colour of fitting to that of memorizing by the share memorized; from faint to full where truth is unknown."""
    if np.isfinite(path.memorized).all():
        return [mix(palette.fit, palette.memorized, share) for share in path.memorized]
    return [mix(palette.faint, palette.text, share) for share in np.linspace(0.2, 1, len(path.epoch)).tolist()]


def _label_sides(info: PlaneInfo, marked: list[int]) -> list[str]:
    """For each marked epoch the side on which its number covers the least of the way and of the ceiling."""
    points = _fractions(info.path, info.x_range, info.y_range)
    low, high = info.y_range
    taken = np.concatenate([dense(points), _level(-1.0 if info.ceiling is None else (info.ceiling - low) / (high - low))])
    return [best_side(points[i], 0.03, 0.08, 0.012, taken)[0] for i in marked]


def _way(info: PlaneInfo, palette: Palette) -> list[Trace]:
    path = info.path
    line = {"type": "scatter", "mode": "lines", "name": "this run", "x": path.susceptibility, "y": path.train_accuracy,
            "hoverinfo": "skip", "line": {"color": palette.muted, "width": 2}}  # fmt: skip
    marked = [i for i, epoch in enumerate(path.epoch) if epoch in info.marks]
    colour, size = _marker_colours(path, palette), np.linspace(6, 11, len(path.epoch)).round(1).tolist()
    edge = {"width": 1, "color": palette.background}
    marks = {
        "type": "scatter", "mode": "markers+text", "name": "epochs", "customdata": [path.epoch[i] for i in marked],
        "x": [path.susceptibility[i] for i in marked], "y": [path.train_accuracy[i] for i in marked],
        "marker": {"color": [colour[i] for i in marked], "size": [size[i] for i in marked], "line": edge},
        "text": [str(path.epoch[i]) if path.epoch[i] in info.labels else "" for i in marked],
        "textposition": _label_sides(info, marked),
        "textfont": {"color": palette.muted, "size": 12}, "cliponaxis": False,
        "hovertemplate": "epoch %{customdata}<br>susceptibility %{x:.2~g} nats<br>training accuracy %{y:.1%}<extra></extra>",
    }  # fmt: skip
    return [line, marks]


def _ring(name: str, path: Path, i: int, words: str, palette: Palette, marker: dict[str, Any], position: str) -> Trace:
    style = {"color": palette.text, "line": {"width": 2}} | marker
    return {
        "type": "scatter", "mode": "markers+text", "name": name, "x": [path.susceptibility[i]], "y": [path.train_accuracy[i]],
        "customdata": [path.epoch[i]], "marker": style, "text": [f"<b>{words}</b>"], "textposition": position,
        "textfont": {"color": palette.text, "size": 14}, "hoverinfo": "skip", "cliponaxis": False,
    }  # fmt: skip


def _marked(info: PlaneInfo, palette: Palette) -> list[Trace]:
    """The newest epoch in a ring, the chosen one in a diamond."""
    path = info.path
    marks = [_ring("newest epoch", path, -1, f"epoch {path.epoch[-1]}", palette, {"symbol": "circle-open", "size": 20}, info.side)]
    if info.chosen is not None and info.chosen != path.epoch[-1]:
        i, diamond = path.epoch.index(info.chosen), {"symbol": "diamond-open", "size": 16}
        marks.append(_ring("chosen epoch", path, i, f"epoch {info.chosen}", palette, diamond, "bottom right"))
    return marks


def plane_figure(info: PlaneInfo, palette: Palette, height: int = 260) -> Figure:
    """The hero of the Train page."""
    if not info.path.epoch and not info.others:
        return empty_figure("The way through the plane begins with the first epoch.", palette, height)
    traces = _others(info, palette)
    if info.path.epoch:
        traces += _way(info, palette) + _marked(info, palette)
    shapes, words = ceiling_mark(info.ceiling, palette, left=info.ceiling_left)
    missing = too_few(info.compared, palette, left=info.note_left)
    lines, corners = missing if info.region is None else region_marks(info.region, info.x_range, palette)
    step = 0.2 if info.y_range[0] < 0.5 else 0.1 if info.y_range[0] < 0.8 else 0.05
    return {
        "data": traces,
        "layout": layout(
            palette, height, (60, 16, 22 if info.region else 12, 46), shapes=shapes + lines, annotations=words + corners,
            meta={"detail": "epoch or run"},
            xaxis=axis(info.across, palette, range=list(info.x_range), nticks=7),
            yaxis=axis("training accuracy on given labels (%)", palette, range=list(info.y_range), tickformat=PERCENT, dtick=step),
        ),
    }  # fmt: skip
