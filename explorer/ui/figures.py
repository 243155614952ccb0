"""Figures over the epochs of a run: the plane, the curves, the probes. Numbers first (``*_info``), drawing second (``*_figure``).

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
from explorer.ui.theme import MEANINGS, Palette, percent, significant

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


def _curve(epochs: pd.DataFrame, name: str, meaning: str, label: str) -> list[Curve]:
    """The curve of a column in a list, or nothing where every value is unknown."""
    value = column(epochs, name)
    known = np.isfinite(value)
    if not known.any():
        return []
    return [Curve(label, meaning, column(epochs, "epoch")[known].astype(int).tolist(), value[known].tolist())]


class CurvesInfo(NamedTuple):
    """Accuracies and shares over epochs, as fractions. last: length of the epoch axis. chosen: a marked epoch."""

    curves: tuple[Curve, ...]
    last: int
    chosen: int | None


_FIT = (("train_accuracy", "train", "training accuracy"), ("clean_accuracy", "fit", "clean images fitted"))
_SHARES = (("memorized", "memorized", "memorized"), ("recovered", "recovered", "recovered"), ("neither", "neither", "neither"))


def curves_info(
    epochs: pd.DataFrame, *, test_is_reference: bool = True, last: int | None = None, chosen: int | None = None,
    parts: Sequence[str] = ("train", "fit", "memorized", "recovered", "neither", "test"),
) -> CurvesInfo:  # fmt: skip
    """``parts``: the meanings to draw. Those that need true labels are left out where nobody knows them."""
    test = "clean test accuracy" if test_is_reference else "held-out given labels"
    wanted = [each for each in (*_FIT, *_SHARES, ("test_accuracy", "test", test)) if each[1] in parts]
    curves = tuple(curve for each in wanted for curve in _curve(epochs, *each))
    return CurvesInfo(curves, _last(epochs, last), chosen)


def _last(epochs: pd.DataFrame, last: int | None) -> int:
    return last if last is not None else int(epochs["epoch"].max()) if len(epochs) else 1


def _ends(
    curves: Sequence[Curve], text: Callable[[Curve], str], palette: Palette, gap: float, low: float, high: float, yref: str = "y"
) -> list[dict[str, Any]]:
    """Labels beside the line ends, moved apart vertically."""
    places = spread([curve.value[-1] for curve in curves], gap, low, high)
    return [
        end_label(curve.name, text(curve), curve.epoch[-1], place, palette.ink(curve.meaning), yref)
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
    labels = _ends(info.curves, lambda curve: f"{curve.name} {percent(curve.value[-1])}", palette, gap, 0.03, 1.0)
    return {
        "data": lines,
        "layout": layout(
            palette, height, (60, 176, 10, 44 if axis_title else 26), annotations=labels, hovermode="x unified",
            shapes=[] if info.chosen is None else [epoch_mark(info.chosen, palette)],
            xaxis=epoch_axis(palette, info.last, words="epoch" if axis_title else "", unifiedhovertitle={"text": "epoch %{x}"}),
            yaxis=axis("share of images (%)", palette, range=[0, 1.04], tickformat=PERCENT, dtick=0.2 if height > 180 else 0.5),
        ),
    }  # fmt: skip


class ProbesInfo(NamedTuple):
    """Susceptibility (nats) and mean input-loss curvature over epochs. peak: epoch and value of the largest curvature."""

    susceptibility: tuple[Curve, ...]
    curvature: tuple[Curve, ...]
    peak: tuple[int, float] | None
    last: int
    chosen: int | None


def probes_info(epochs: pd.DataFrame, *, last: int | None = None, chosen: int | None = None) -> ProbesInfo:
    """The peak is only named once the curvature has gone down after it."""
    susceptibility = (
        *_curve(epochs, "susceptibility", "susceptibility", "susceptibility"),
        *_curve(epochs, "susceptibility_fixed_lr", "susceptibility", "at a fixed rate"),
    )
    curvature = tuple(_curve(epochs, "mean_curvature", "curvature", "mean curvature"))
    return ProbesInfo(susceptibility, curvature, _peak(curvature), _last(epochs, last), chosen)


def _peak(curvature: Sequence[Curve]) -> tuple[int, float] | None:
    if not curvature:
        return None
    _, _, epoch, value = curvature[0]
    top = int(np.argmax(value))
    return (epoch[top], value[top]) if top < len(value) - 1 else None


def _panel(curves: Sequence[Curve], yaxis: str, palette: Palette) -> list[Trace]:
    traces = []
    for number, curve in enumerate(curves):
        more = {"line": {"color": palette.of(curve.meaning), "dash": "dot", "width": 1.5}} if number else {}
        traces.append(line(curve.name, curve.epoch, curve.value, palette, curve.meaning, ".2~g", yaxis=yaxis, **more))
        end = symbol_at(curve.name, curve.epoch[-1], curve.value[-1], palette, curve.meaning, yaxis=yaxis, cliponaxis=False)
        if number:
            end["marker"]["symbol"] += "-open"
        traces.append(end)
    return traces


def _span(curves: Sequence[Curve]) -> tuple[float, float]:
    """Axis range with 12 % of room, zero included."""
    values = [value for curve in curves for value in curve.value] or [0.0, 1.0]
    low, high = min(0.0, *values), max(0.0, *values)
    room = 0.12 * (high - low or 1.0)
    return low - (room if low < 0 else 0.0), high + room


def _peak_mark(peak: tuple[int, float], last: int, palette: Palette) -> tuple[Trace, dict[str, Any]]:
    star = symbol_at("peak", *peak, palette, "curvature", yaxis="y2", cliponaxis=False)
    star["marker"] |= {"symbol": "star", "size": 13}
    words = end_label("", f"peak at epoch {peak[0]}", *peak, palette.ink("curvature"), "y2")
    side = {"xanchor": "right", "xshift": -6} if peak[0] > 0.6 * last else {"xshift": 6}  # away from the words at the end
    return star, words | side | {"yanchor": "bottom", "yshift": -2, "captureevents": False}


def probes_figure(info: ProbesInfo, palette: Palette, height: int = 230) -> Figure:
    """Two panels over one epoch axis: susceptibility above, mean curvature below with its peak marked."""
    if not info.susceptibility and not info.curvature:
        return empty_figure("No susceptibility or curvature has been measured.", palette, height)
    traces = _panel(info.susceptibility, "y", palette) + _panel(info.curvature, "y2", palette)
    labels: list[dict[str, Any]] = []
    for curves, yref in ((info.susceptibility, "y"), (info.curvature, "y2")):
        low, high = _span(curves)
        gap = (high - low) * 17 / max(30.0, 0.44 * (height - 54))
        labels += _ends(curves, lambda curve: f"{curve.name} {significant(curve.value[-1])}", palette, gap, low, high, yref)
    if info.peak:
        star, words = _peak_mark(info.peak, info.last, palette)
        traces, labels = [*traces, star], [*labels, words]
    return {"data": traces, "layout": _probes_layout(info, palette, height, labels)}


def _probes_layout(info: ProbesInfo, palette: Palette, height: int, labels: list[dict[str, Any]]) -> dict[str, Any]:
    small: dict[str, Any] = {"nticks": 4, "exponentformat": "power"}
    return layout(
        palette, height, (60, 176, 10, 44), annotations=labels, hovermode="x unified",
        shapes=[] if info.chosen is None else [epoch_mark(info.chosen, palette)],
        xaxis=epoch_axis(palette, info.last, anchor="y2", unifiedhovertitle={"text": "epoch %{x}"}),
        yaxis=axis("nats", palette, domain=[0.56, 1.0], range=_span(info.susceptibility), **small),
        yaxis2=axis(MEANINGS["curvature"].word.removeprefix("mean "), palette, domain=[0.0, 0.44], range=_span(info.curvature), **small),
    )  # fmt: skip
