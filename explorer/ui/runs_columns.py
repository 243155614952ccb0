"""How the table of runs looks: its columns, the grey of unusual settings, the line beside a chosen run."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Any
from urllib.parse import quote

import pandas as pd
import streamlit as st
from pandas.io.formats.style import Styler

from explorer.ui import run_list
from explorer.ui.assets import palette
from explorer.ui.run_colours import Look
from explorer.ui.run_list import FIGURES
from explorer.ui.theme import mix


def marked(frame: pd.DataFrame) -> Styler:
    """The frame with unusual settings on grey."""
    colours = palette()
    grey = f"background-color: {mix(colours.background, colours.muted, 0.15)}"
    settings: list[Hashable] = [*run_list.settings_in(frame)]
    return frame.style.apply(lambda column: [grey if each else "" for each in run_list.unusual(column.tolist())], subset=settings)


def columns(frame: pd.DataFrame, key: str, on_open: Callable[[str], None]) -> dict[str, Any]:
    """How each column of a ``run_frame`` is shown. on_open: called with the widget's key when a run is to be opened."""
    column = st.column_config
    numbers = {
        name: column.NumberColumn(head, format=form, width=_width(head), help=said, disabled=True)
        for name, (head, _, form, said) in FIGURES.items()
    }  # fmt: skip
    settings = {name: _setting_column(frame, name) for name in run_list.settings_in(frame)}
    return {
        "compare": column.CheckboxColumn("", width=36, pinned=True, help="Compare this run."),
        "line": column.ImageColumn("", width=56, pinned=True, help="How the run is drawn, on every chart."),
        "starred": column.CheckboxColumn("★", width=54, help="A run to come back to."),
        "name": column.TextColumn("name", width=130, max_chars=120, help="Double-click to name the run."),
        "open": column.ButtonColumn("open", width=64, type="tertiary", key=f"{key}_open", on_click=on_open, args=(key,)),
        **settings,
        "status": column.TextColumn("status", width=84, disabled=True),
        "epoch": column.NumberColumn("epoch", format="%d", width=56, disabled=True, help="The last epoch that was recorded."),
        **numbers,
        "note": column.TextColumn("note", width=180, help="Double-click to write."),
        "bytes": column.NumberColumn("on disk", format="bytes", width=72, disabled=True),
        "created": column.DatetimeColumn("created", format="YYYY-MM-DD HH:mm", width=130, disabled=True, timezone=st.context.timezone),
        "run": column.TextColumn("run", width=110, disabled=True),
    }


def _setting_column(frame: pd.DataFrame, name: str) -> Any:
    head = run_list.heading(name)
    if pd.api.types.is_numeric_dtype(frame[name]):
        form = "%d" if pd.api.types.is_integer_dtype(frame[name]) else "plain"
        return st.column_config.NumberColumn(head, width=_width(head), format=form, disabled=True)
    longest = max(len(str(value)) for value in frame[name])
    return st.column_config.TextColumn(head, width=min(160, max(_width(head), 24 + 7 * longest)), disabled=True)


def _width(head: str) -> int:
    return max(56, 26 + 7 * len(head))


def picture(look: Look) -> str:
    """A piece of the line of a run, with its marker, as a data URL."""
    dash = {"solid": "", "dash": "8 5", "dot": "2 4", "dashdot": "8 4 2 4", "longdash": "13 5", "longdashdot": "13 4 2 4"}[look.dash]
    drawn = (
        f"<svg xmlns='http://www.w3.org/2000/svg' width='44' height='20'><path d='M1 10H43' stroke='{look.colour}' stroke-width='2.5' "
        f"stroke-dasharray='{dash}'/><text x='22' y='14.5' font-size='15' text-anchor='middle' fill='{look.colour}'>{look.sign}</text>"
        "</svg>"
    )
    return f"data:image/svg+xml,{quote(drawn)}"
