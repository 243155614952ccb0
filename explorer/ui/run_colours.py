"""What a run looks like on every chart and page: one colour, dash and marker, which it keeps whatever it is drawn with.

Twelve colours that stay apart, in pairs, for common and colour-blind eyes on the light and on the dark page (a test measures it); where
more runs were drawn than there are colours, dash and marker still tell two of one colour apart.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import streamlit as st

from explorer.runs.run_numbers import KINDS, RunNumbers
from explorer.ui.services import get_store

COLOURS = (  # light page, dark page; those that come first differ most
    ("#444CB5", "#2A63C5"), ("#B98807", "#FDDE45"), ("#6E0200", "#E56C36"), ("#3A9EAD", "#59F8FF"), ("#98266C", "#BC82A1"),
    ("#541C58", "#805B77"), ("#664B24", "#F4A50F"), ("#038557", "#48DD9C"), ("#012B8B", "#59A7FD"), ("#C24D04", "#B14505"),
    ("#9C7DEF", "#8D73E4"), ("#84659A", "#C5BAE9"),
)  # fmt: skip
DASHES = ("solid", "dash", "dot", "dashdot", "longdash", "longdashdot")  # as plotly names them; another for each round of the colours
SYMBOLS = (
    "circle", "square", "triangle-up", "diamond", "x", "star", "triangle-down", "cross", "pentagon", "hourglass", "triangle-left", "bowtie",
)  # fmt: skip
SIGNS = dict(zip(SYMBOLS, "●■▲◆✖★▼✚⬟⧗◀⧓", strict=True))  # the same in running text


class Look(NamedTuple):
    """colour: #RRGGBB. dash, symbol: as plotly names them. sign: the symbol as a letter."""

    colour: str
    dash: str
    symbol: str

    @property
    def sign(self) -> str:
        return SIGNS[self.symbol]


def look(number: int, dark: bool) -> Look:
    """The look of a run with this number; of 864 in a row no two are the same."""
    symbol = SYMBOLS[(number + number // (KINDS * len(DASHES))) % len(SYMBOLS)]
    return Look(COLOURS[number % KINDS][dark], DASHES[number // KINDS % len(DASHES)], symbol)


def looks(run_ids: Sequence[str], dark: bool) -> dict[str, Look]:
    """The look of each of these runs, which are drawn together. Raises StoreError."""
    numbers = _numbers(get_store().root).of(run_ids)
    return {run_id: look(number, dark) for run_id, number in numbers.items()}


def run_colour(run_id: str, dark: bool) -> str:
    """The colour of a run, the same on every chart and page. Raises StoreError."""
    return looks([run_id], dark)[run_id].colour


@st.cache_resource(max_entries=8, show_spinner=False)
def _numbers(root: Path) -> RunNumbers:
    return RunNumbers(root)
