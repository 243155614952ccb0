"""The embedding map in a real browser: lasso, keyboard, legend; and what travels for it."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest

from tests.browser.conftest import Visitor
from tests.browser.serving import PATIENCE, settle

pytestmark = pytest.mark.browser

Arrive = Callable[..., Visitor]
ALL = 400  # images of the small run


def at_the_map(arrive: Arrive, run: str, more: str = "") -> Visitor:
    visitor = arrive()
    visitor.open(f"/inspect?run={run}&tab=embedding{more}")
    visitor.page.locator("canvas.above").wait_for(timeout=PATIENCE)
    told(visitor, f"{ALL} images.")
    return visitor


def told(visitor: Visitor, words: str) -> str:
    """The line below the map, once it says so."""
    line = visitor.page.locator(".status").filter(has_text=words)
    line.wait_for(timeout=PATIENCE)
    return line.inner_text()


def lasso(visitor: Visitor, *corners: tuple[float, float]) -> None:
    """Draw around a part of the map; corners in shares of its sides."""
    place = visitor.page.locator("canvas.above").bounding_box()
    assert place is not None
    points = [(place["x"] + x * place["width"], place["y"] + y * place["height"]) for x, y in corners]
    visitor.page.mouse.move(*points[0])
    visitor.page.mouse.down()
    for point in points[1:]:
        visitor.page.mouse.move(*point, steps=5)
    visitor.page.mouse.up()


def picked(visitor: Visitor) -> int:
    """How many images the page, not the map, says are picked."""
    visitor.sees("picked on the map")
    settle(visitor.page)
    found = re.search(r"(\d+) images? picked on the map", visitor.page.locator('[data-testid="stMain"]').inner_text())
    assert found is not None
    return int(found[1])


def test_a_lasso_fills_the_gallery_and_the_points_do_not_travel_again(arrive: Arrive, small: str) -> None:
    visitor = at_the_map(arrive, small)
    visitor.frames.clear()
    lasso(visitor, (0.01, 0.01), (0.5, 0.01), (0.5, 0.99), (0.01, 0.99))
    number = picked(visitor)
    assert 0 < number < ALL
    told(visitor, f"{number} of {ALL} images picked.")
    cards = visitor.page.locator('[aria-label="Images picked on the map"] .card')
    cards.first.wait_for(timeout=PATIENCE)
    assert cards.count() == min(number, 120)
    assert not [frame for frame in visitor.frames if b"explorer_embedding_map" in frame]  # known to the browser: sent by name

    lasso(visitor, (0.5, 0.01), (0.99, 0.01), (0.99, 0.99), (0.5, 0.99))
    visitor.page.wait_for_function("(n) => !document.body.innerText.includes(`${n} images picked`)", arg=number, timeout=PATIENCE)
    assert picked(visitor) == ALL - number  # no image lies on both sides, none on neither


def test_what_was_picked_is_kept_over_tabs_and_let_go_by_escape(arrive: Arrive, small: str) -> None:
    visitor = at_the_map(arrive, small)
    lasso(visitor, (0.2, 0.2), (0.7, 0.2), (0.7, 0.7), (0.2, 0.7))
    number = picked(visitor)
    visitor.button("Open in Images")
    visitor.sees("Showing")
    settle(visitor.page)
    visitor.page.get_by_role("tab", name="Embedding map").click(timeout=PATIENCE)
    told(visitor, f"{number} of {ALL} images picked.")
    visitor.page.locator("canvas.above").focus()
    visitor.page.keyboard.press("Escape")
    told(visitor, f"{ALL} images.")
    visitor.sees("Nothing is picked yet")
    assert visitor.page.locator('[aria-label="Images picked on the map"] .card').count() == 0


def test_a_class_can_be_picked_by_keyboard_alone(arrive: Arrive, small: str) -> None:
    visitor = at_the_map(arrive, small)
    entry = visitor.page.locator(".legend .entry").last
    counted = re.search(r"\((\d+)\)$", entry.inner_text())
    assert counted is not None
    entry.focus()
    visitor.page.keyboard.press("Enter")
    assert visitor.page.locator(".legend .entry").last.get_attribute("aria-pressed") == "true"
    visitor.page.locator("canvas.above").focus()
    visitor.page.keyboard.press("Enter")
    assert picked(visitor) == int(counted[1])


def test_pointing_tells_the_labels_and_a_click_asks_for_the_image(arrive: Arrive, small: str) -> None:
    visitor = at_the_map(arrive, small, "&colour=cumulative_loss")
    place = visitor.page.locator("canvas.above").bounding_box()
    assert place is not None
    tip = visitor.page.locator(".tip")
    for step in range(20, 80):  # along the diagonal until a point is near
        x, y = place["x"] + step / 100 * place["width"], place["y"] + step / 100 * place["height"]
        visitor.page.mouse.move(x, y)
        if tip.is_visible():
            break
    assert re.match(r"given \w+ \u2192 looks like \w+ \(true \w+\)\nCumulative loss: more suspicious than \d+ %", tip.inner_text())
    visitor.page.mouse.click(x, y)
    visitor.page.wait_for_url(re.compile("image=[0-9]+"), timeout=PATIENCE)
    visitor.sees("Shown under Images")
