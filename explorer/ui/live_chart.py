"""A plotly chart that is redrawn in place: zoom, hidden lines and the hover label survive every refresh.

(``st.plotly_chart`` builds a new chart whenever a number changes.) The drawing is done by Plotly.react in
live_chart.js; plotly.js comes from the route in assets.py.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import streamlit as st

from explorer.ui.assets import is_dark, source

_VERSION = version("plotly")
_CSS = """\
.live-chart { width: 100%; }
"""
_component = st.components.v2.component("explorer_live_chart", js=source(Path(__file__).with_suffix(".js")), css=_CSS, isolate_styles=False)


def compact(value: object, digits: int = 4) -> object:
    """A figure as small JSON: arrays to lists, numbers to ``digits`` significant digits, NaN and infinity to None."""
    if isinstance(value, Mapping):
        return {str(name): compact(item, digits) for name, item in value.items() if item is not None}
    if isinstance(value, np.ndarray):
        value = value.tolist()
    if isinstance(value, list | tuple):
        return [compact(item, digits) for item in value]
    if isinstance(value, np.generic):
        value = value.item()
    return _short(value, digits) if isinstance(value, float) else value


def _evenly(trace: Mapping[str, Any]) -> Mapping[str, Any]:
    """Evenly spaced whole numbers on the x axis of a line, epochs mostly, as first and step."""
    x = trace.get("x")
    if trace.get("type") != "scatter" or not isinstance(x, list) or len(x) < 3 or not all(isinstance(value, int) for value in x):
        return trace
    step = x[1] - x[0]
    if step == 0 or x != list(range(x[0], x[0] + step * len(x), step)):
        return trace
    return {name: value for name, value in trace.items() if name != "x"} | {"x0": x[0], "dx": step}


def _short(value: float, digits: int) -> float | int | None:
    if not math.isfinite(value):
        return None
    rounded = float(f"{value:.{digits}g}")
    return int(rounded) if rounded.is_integer() and abs(rounded) < 1e15 else rounded


class PlotlyFigure(Protocol):
    """A plotly ``Figure``; named by what it can do, so that plotly need not be imported here."""

    def to_plotly_json(self) -> dict[str, Any]: ...


def _message(figure: Mapping[str, Any] | PlotlyFigure) -> dict[str, object]:
    parts = figure if isinstance(figure, Mapping) else figure.to_plotly_json()
    return {"data": [compact(_evenly(trace)) for trace in parts["data"]], "layout": compact(parts["layout"])}


def live_chart(figure: Mapping[str, Any] | PlotlyFigure, *, key: str, height: int, alt: str, clickable: bool = False) -> int | str | None:
    """Draw ``figure`` (a dict with data and layout, or a plotly Figure) in place of its predecessor with this ``key``.

    height: pixels. alt: what the chart shows, in a sentence, for those who cannot see it. Returns the ``customdata``
    (where it has none, the x) of a point just clicked, once, in the rerun the click causes; None otherwise, or unless ``clickable``.
    """
    data = {
        "figure": _message(figure),
        "height": height,
        "alt": alt,
        "clickable": clickable,
        "version": _VERSION,
        "dark": is_dark(),
    }
    result = _component(key=key, data=data, height=height, on_clicked_change=_nothing)
    return result.clicked if clickable else None


def _nothing() -> None:
    """Registering a callback makes ``result.clicked`` exist."""
