"""A plotly chart that is redrawn in place: zoom, hidden lines and the hover label survive every refresh.

(``st.plotly_chart`` builds a new chart whenever a number changes.) The drawing is done by Plotly.react in
live_chart.js; plotly.js comes from the route in assets.py, and with it chart_files.js, which offers every chart as a picture
(PNG, SVG) and as a table of the plotted numbers (CSV).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import streamlit as st

from explorer.ui import state
from explorer.ui.assets import drawing_version, palette, source

OF_ONE_RUN = ("", "inspect", "fix")  # addresses of pages whose charts are of the run in the link, the first one being Train
# The buttons stand below the drawing on the right, where nothing that is read or clicked is.
_CSS = """\
.live-chart { width: 100%; position: relative; }
.live-chart .modebar-container { top: auto !important; bottom: 0; }
.live-chart .modebar { top: auto !important; bottom: 1px; right: 0 !important; }
.live-chart .modebar-group { padding: 0 2px !important; border-radius: 4px; background: var(--st-background-color) !important; }
.live-chart .modebar-btn { padding: 2px 3px !important; }
.live-chart .modebar-btn svg { width: 30px; height: 14px; top: 1px; }
.live-chart .modebar-btn text { font: 600 11px sans-serif; fill: currentColor; }
.live-chart .modebar-btn { color: var(--st-text-color); opacity: 0.75; }
.live-chart .modebar-btn:hover, .live-chart .modebar-btn:focus-visible { opacity: 1; outline-color: currentColor !important; }
.live-chart .modebar-btn::before { display: none !important; }
.live-chart .modebar-btn::after { top: auto !important; bottom: 115%; }
"""
_component = st.components.v2.component("explorer_live_chart", js=source(Path(__file__).with_suffix(".js")), css=_CSS, isolate_styles=False)


def compact(value: object, digits: int = 6) -> object:
    """A figure as small JSON: arrays to lists, numbers to ``digits`` significant digits, whole ones as they are, NaN and infinity to
    None."""
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
    if value.is_integer() and abs(value) < 1e15:
        return int(value)
    rounded = float(f"{value:.{digits}g}")
    return int(rounded) if rounded.is_integer() and abs(rounded) < 1e15 else rounded


class PlotlyFigure(Protocol):
    """A plotly ``Figure``; named by what it can do, so that plotly need not be imported here."""

    def to_plotly_json(self) -> dict[str, Any]: ...


def _message(figure: Mapping[str, Any] | PlotlyFigure) -> dict[str, object]:
    parts = figure if isinstance(figure, Mapping) else figure.to_plotly_json()
    return {"data": [compact(_evenly(trace)) for trace in parts["data"]], "layout": compact(parts["layout"])}


def live_chart(
    figure: Mapping[str, Any] | PlotlyFigure, *, key: str, height: int, alt: str, clickable: bool = False, title: str = "",
    of: str | None = None,
) -> int | str | None:  # fmt: skip
    """Draw ``figure`` (a dict with data and layout, or a plotly Figure) in place of its predecessor with this ``key``.

    height: pixels. alt: what the chart shows, in a sentence, for those who cannot see it. Returns the ``customdata``
    (where it has none, the x) of a point just clicked, once, in the rerun the click causes; None otherwise, or unless ``clickable``.

    title: heads a downloaded picture and names the files; the first sentence of ``alt`` unless given. of: what the chart is of, said
    below the title; the run in the link, on the pages about one run, unless given. Columns of the table are headed by the axis titles;
    where the layout has none, or for what is in ``customdata``, by its ``meta``: x, y, z, detail.
    """
    colours = palette()
    data = {
        "figure": _message(figure),
        "height": height,
        "alt": alt,
        "clickable": clickable,
        "version": drawing_version(),
        "dark": colours.dark,
        "about": {
            "title": title or alt.split(". ")[0].rstrip("."),
            "of": _run_in_link() if of is None else of,
            "background": colours.background,
            "text": colours.text,
        },
    }
    result = _component(key=key, data=data, height=height, on_clicked_change=_nothing)
    return result.clicked if clickable else None


def _run_in_link() -> str:
    run_id = state.page_value("run")
    return f"run {run_id}" if run_id and st.session_state.get("page_path") in OF_ONE_RUN else ""


def _nothing() -> None:
    """Registering a callback makes ``result.clicked`` exist."""
