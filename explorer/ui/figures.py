"""Curves over the epochs of a run, and what all figures over epochs share. Numbers first (``*_info``), drawing second (``*_figure``).

Input is the frame with one row per recorded epoch: epoch, train_loss, train_accuracy, test_accuracy, clean_accuracy,
memorized, recovered, neither, susceptibility, susceptibility_fixed_lr, mean_curvature, learning_rate; NaN where unknown.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from explorer.ui.drawing import (
    PERCENT,
    Figure,
    Trace,
    axis,
    empty_figure,
    end_label,
    epoch_axis,
    epoch_mark,
    layout,
    line,
    spread,
    symbol_at,
)  # fmt: skip
from explorer.ui.placing import Box
from explorer.ui.theme import Palette, percent

CHANGED = "predictions changed"
Others = Sequence[tuple[str, pd.DataFrame]]


def column(epochs: pd.DataFrame, name: str) -> np.ndarray:
    """A column as float64 ``[E]``; all NaN where the frame has none."""
    return epochs[name].to_numpy(dtype=float, na_value=np.nan) if name in epochs else np.full(len(epochs), np.nan)


class Curve(NamedTuple):
    """One line over epochs. Only epochs where the value is known; axes ``[E]``."""

    name: str
    meaning: str
    epoch: list[int]
    value: list[float]


def curve_of(epochs: pd.DataFrame, name: str, meaning: str, label: str) -> list[Curve]:
    """The curve of a column in a list, or nothing where every value is unknown."""
    value = column(epochs, name)
    known = np.isfinite(value)
    if not known.any():
        return []
    return [Curve(label, meaning, column(epochs, "epoch")[known].astype(int).tolist(), value[known].tolist())]


class CurvesInfo(NamedTuple):
    """Accuracies and shares over epochs, as fractions. last: length of the epoch axis. chosen: a marked epoch. changes: share of
    images whose prediction changed since the epoch before. stop: epoch Label Wave would stop at, None before it is seen.
    place: where its name covers least, see ``_wave_place``."""

    curves: tuple[Curve, ...]
    last: int
    chosen: int | None
    changes: Curve | None
    stop: int | None
    place: tuple[float, str]


_FIT = (("train_accuracy", "train", "training accuracy"), ("clean_accuracy", "fit", "clean images fitted"))
_SHARES = (("memorized", "memorized", "memorized"), ("recovered", "recovered", "recovered"), ("neither", "neither", "neither"))


def curves_info(
    epochs: pd.DataFrame, *, test_is_reference: bool = True, last: int | None = None, chosen: int | None = None,
    parts: Sequence[str] = ("train", "fit", "memorized", "recovered", "neither", "test"), changes: np.ndarray | None = None,
    stop: int | None = None,
) -> CurvesInfo:  # fmt: skip
    """``parts``: the meanings to draw. Those that need true labels are left out where nobody knows them.

    changes: share of images whose prediction changed ``[E]``, of epochs 1..E, NaN where unknown. stop: epoch of Label Wave.
    """
    test = "clean test accuracy" if test_is_reference else "held-out given labels"
    wanted = [each for each in (*_FIT, *_SHARES, ("test_accuracy", "test", test)) if each[1] in parts]
    curves = tuple(curve for each in wanted for curve in curve_of(epochs, *each))
    changed, whole = _changed(changes), last_epoch(epochs, last)
    return CurvesInfo(curves, whole, chosen, changed, stop, _wave_place([*curves, *filter(None, [changed])], stop, whole))


def _changed(changes: np.ndarray | None) -> Curve | None:
    if changes is None or not np.isfinite(changes).any():
        return None
    known = np.flatnonzero(np.isfinite(changes))
    return Curve(CHANGED, "", (known + 1).tolist(), changes[known].tolist())


def _wave_place(curves: Sequence[Curve], stop: int | None, last: int) -> tuple[float, str]:
    """(height, side of the rule) at which the words beside the rule of Label Wave cover the fewest points of the curves."""
    if stop is None:
        return 0.5, "left"
    across = np.linspace(0, 1, 201)
    points = np.concatenate([np.column_stack([across, np.interp(across * last, curve.epoch, curve.value)]) for curve in curves])
    places = {}
    for anchor, left in (("left", stop / last), ("right", stop / last - 0.2)):
        for height in (0.5, 0.6, 0.4, 0.7, 0.3, 0.8, 0.2):
            box = Box(left, left + 0.2, height - 0.08, height + 0.08)
            if box.inside:
                places[height, anchor] = int(box.holds(points).sum())
    return min(places, key=lambda place: places[place])


def last_epoch(epochs: pd.DataFrame, last: int | None) -> int:
    return last if last is not None else int(epochs["epoch"].max()) if len(epochs) else 1


def end_labels(
    curves: Sequence[Curve], text: Callable[[Curve], str], palette: Palette, gap: float, low: float, high: float, yref: str = "y"
) -> list[dict[str, Any]]:
    """Labels beside the line ends, moved apart vertically."""
    places = spread([curve.value[-1] for curve in curves], gap, low, high)
    return [
        end_label(curve.name, text(curve), curve.epoch[-1], place, palette.ink(curve.meaning) if curve.meaning else palette.muted, yref)
        for curve, place in zip(curves, places, strict=True)
    ]


def curves_figure(info: CurvesInfo, palette: Palette, height: int = 260, *, axis_title: bool = True) -> Figure:
    """Lines labelled at their ends with the newest value; a click on a label hides its line.

    axis_title: False above another chart over epochs.
    """
    if not info.curves:
        return empty_figure("The curves begin with the first epoch.", palette, height)
    lines: list[Trace] = []
    for curve in info.curves:
        lines.append(line(curve.name, curve.epoch, curve.value, palette, curve.meaning, ".1%"))
        lines.append(symbol_at(curve.name, curve.epoch[-1], curve.value[-1], palette, curve.meaning, cliponaxis=False))
    gap = 1.04 * 17 / max(40, height - 54)
    ended = info.curves if info.changes is None else (*info.curves, info.changes)
    labels = end_labels(ended, lambda curve: f"{curve.name} {percent(curve.value[-1])}", palette, gap, 0.03, 1.0)
    changes, (rules, words) = _changes(info, palette), _wave(info, palette)
    chosen = [] if info.chosen is None else [epoch_mark(info.chosen, palette, (0, 1.04))]
    return {
        "data": [*changes, *lines],
        "layout": layout(
            palette, height, (60, 176, 10, 44 if axis_title else 26), annotations=labels + words, hovermode="x unified",
            shapes=chosen + rules, meta={"x": "epoch"},
            xaxis=epoch_axis(palette, info.last, words="epoch" if axis_title else "", unifiedhovertitle={"text": "epoch %{x}"}),
            yaxis=axis("share of images (%)", palette, range=[0, 1.04], tickformat=PERCENT, dtick=0.2 if height > 160 else 0.5),
        ),
    }  # fmt: skip


def _changes(info: CurvesInfo, palette: Palette) -> list[Trace]:
    """A thin line, and the symbol of Label Wave at the top of its rule."""
    if info.changes is None:
        return []
    thin = {"type": "scatter", "mode": "lines", "name": CHANGED, "x": info.changes.epoch, "y": info.changes.value,
            "line": {"color": palette.muted, "width": 1}, "hovertemplate": f"{CHANGED} %{{y:.1%}}<extra></extra>"}  # fmt: skip
    if info.stop is None:
        return [thin]
    mark = {"type": "scatter", "mode": "markers", "name": "Label Wave", "x": [info.stop], "y": [1.04], "hoverinfo": "skip",
            "cliponaxis": False, "marker": {"symbol": "triangle-down", "size": 11, "color": palette.text}}  # fmt: skip
    return [thin, mark]


def _wave(info: CurvesInfo, palette: Palette) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """(rule, words) at the epoch Label Wave would stop at."""
    if info.stop is None:
        return [], []
    dashes = {"color": palette.text, "width": 1, "dash": "longdashdot"}
    rule = epoch_mark(info.stop, palette, (0, 1.04)) | {"line": dashes}
    height, anchor = info.place
    words = end_label("", "Label Wave", info.stop, height, palette.text)
    return [rule], [words | {"xanchor": anchor, "xshift": 5 if anchor == "left" else -5, "captureevents": False}]
