"""Shared by the tests of Inspect: its tabs, the stored run, a table on the page."""

from __future__ import annotations

from streamlit.testing.v1 import AppTest

from explorer.records import Run
from explorer.runs.store import RunStore
from tests.ui.conftest import Library

TABS = (
    "Images", "Near-duplicates", "Confusion", "Data map", "Embedding map", "How good are the scores?", "Memorization (Feldman-Zhang)",
)  # fmt: skip
IMAGES, PAIRS, CONFUSION, MAP, EMBEDDING, QUALITY, MEMORIZATION = TABS


def read(library: Library, kind: str) -> Run:
    return RunStore(library.home).open(library.ids[kind])


def table(page: AppTest, place: int = 0) -> dict[str, list[object]]:
    return {name: column.tolist() for name, column in page.dataframe[place].value.items()}
