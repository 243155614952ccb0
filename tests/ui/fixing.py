"""Shared by the tests of Fix: a visitor with a name, what stands on the page, and the log."""

from __future__ import annotations

from pathlib import Path

from streamlit.testing.v1 import AppTest
from streamlit.testing.v1.element_tree import Button

from explorer.records import Decision
from explorer.runs.reviews import Reviews, data_key
from explorer.runs.store import RunStore
from tests.ui.conftest import Library, Visit
from tests.ui.test_pages import said


def reviewer(visit: Visit, run_id: str, name: str = "Anna", **query: str) -> AppTest:
    """Somebody who opened Fix on a run and gave a name."""
    page = visit("fix", run=run_id, **query)
    page.text_input(key="author_name").set_value(name)
    said(page.run())
    return page


def key(page: AppTest, action: str) -> Button:
    """The button of a decision, whatever its turn."""
    return next(button for button in page.button if button.key and button.key.startswith(f"fix_{action}"))


def press(page: AppTest, action: str) -> AppTest:
    key(page, action).click()
    said(page.run())
    return page


def image(page: AppTest) -> int:
    """The source index of the image under review."""
    pictures = [each.proto.body for each in page.get("html") if 'class="fix-image' in each.proto.body]
    return int(pictures[0].split('alt="image ')[1].split(",")[0])


def log(library: Library, kind: str = "finished") -> tuple[Decision, ...]:
    return Reviews(library.home).log(data_key(library.configs[kind]))


def log_of(home: Path, run_id: str) -> tuple[Decision, ...]:
    return Reviews(home).log(data_key(RunStore(home).open(run_id).config))
