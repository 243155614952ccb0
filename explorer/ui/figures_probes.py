"""Susceptibility and mean curvature over the epochs of a run."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from explorer.ui.drawing import Figure, Trace, axis, empty_figure, end_label, epoch_axis, epoch_mark, layout, line, symbol_at
from explorer.ui.figures import Curve, curve_of, end_labels, last_epoch
from explorer.ui.theme import MEANINGS, Palette, significant


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
        *curve_of(epochs, "susceptibility", "susceptibility", "susceptibility"),
        *curve_of(epochs, "susceptibility_fixed_lr", "susceptibility", "at a fixed rate"),
    )
    curvature = tuple(curve_of(epochs, "mean_curvature", "curvature", "mean curvature"))
    return ProbesInfo(susceptibility, curvature, _peak(curvature), last_epoch(epochs, last), chosen)


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
        labels += end_labels(curves, lambda curve: f"{curve.name} {significant(curve.value[-1])}", palette, gap, low, high, yref)
    if info.peak:
        star, words = _peak_mark(info.peak, info.last, palette)
        traces, labels = [*traces, star], [*labels, words]
    return {"data": traces, "layout": _probes_layout(info, palette, height, labels)}


def _probes_layout(info: ProbesInfo, palette: Palette, height: int, labels: list[dict[str, Any]]) -> dict[str, Any]:
    small: dict[str, Any] = {"nticks": 4, "exponentformat": "power"}
    spans = {"y": _span(info.susceptibility), "y2": _span(info.curvature)}
    return layout(
        palette, height, (60, 176, 10, 44), annotations=labels, hovermode="x unified",
        shapes=[] if info.chosen is None else [epoch_mark(info.chosen, palette, span, yref) for yref, span in spans.items()],
        xaxis=epoch_axis(palette, info.last, anchor="y2", unifiedhovertitle={"text": "epoch %{x}"}),
        yaxis=axis("nats", palette, domain=[0.56, 1.0], range=spans["y"], **small),
        yaxis2=axis(MEANINGS["curvature"].word.removeprefix("mean "), palette, domain=[0.0, 0.44], range=spans["y2"], **small),
    )  # fmt: skip
