"""Walking through hundreds of images in a real browser: keys, pages, the filters' popover, a cell of the confusion view."""

from __future__ import annotations

import pytest

from tests.browser.conftest import Visitor
from tests.browser.serving import PATIENCE, settle
from tests.browser.test_inspect import GALLERY, Arrive, cards, query, until_asked, words

pytestmark = pytest.mark.browser


def marked(visitor: Visitor) -> str:
    """The card whose image is shown in full."""
    [card] = visitor.page.locator(f'{GALLERY} .card[aria-selected="true"]').all()
    return str(card.get_attribute("data-example"))


def press(visitor: Visitor, key: str) -> str:
    """Press a key and wait for the image it leads to; returns the example."""
    before = query(visitor).get("image", "")
    visitor.page.keyboard.press(key)
    visitor.page.wait_for_function(
        "(before) => (new URLSearchParams(location.search).get('image') ?? '') !== before", arg=before, timeout=PATIENCE
    )
    settle(visitor.page)
    return marked(visitor)


def place(visitor: Visitor) -> tuple[int, int]:
    """Where the card stands that has the focus: pixels from the left and from the top of the list."""
    left, top = visitor.page.locator(f"{GALLERY} .card:focus").evaluate("card => [card.offsetLeft, card.offsetTop]")
    return left, top


def test_keys_lead_from_image_to_image_and_from_page_to_page(arrive: Arrive, small: str) -> None:
    visitor = arrive()
    visitor.open(f"/inspect?run={small}&page=2")
    shown = cards(visitor)
    assert marked(visitor) == shown[0]
    assert press(visitor, "j") == shown[1] == query(visitor)["image"]
    before = words(visitor)
    assert press(visitor, "j") == shown[2] and words(visitor) != before
    assert press(visitor, "k") == shown[1] and words(visitor) == before
    visitor.page.locator(f"{GALLERY} .card").nth(59).click()
    until_asked(visitor, "image", shown[59])
    visitor.page.keyboard.press("j")
    until_asked(visitor, "page", "3")
    third = cards(visitor)
    assert not set(third) & set(shown) and marked(visitor) == third[0]
    visitor.page.keyboard.press("k")
    until_asked(visitor, "page", "2")
    assert (cards(visitor), marked(visitor), query(visitor)["image"]) == (shown, shown[59], shown[59])


def test_a_key_typed_into_a_filter_leads_nowhere(arrive: Arrive, small: str) -> None:
    visitor = arrive()
    visitor.open(f"/inspect?run={small}")
    first = cards(visitor)[0]
    visitor.page.get_by_label("Given class", exact=True).first.click(timeout=PATIENCE)
    visitor.page.keyboard.type("jjk")
    visitor.page.wait_for_timeout(500)
    assert marked(visitor) == first and "image" not in query(visitor)
    visitor.page.keyboard.press("Escape")
    visitor.page.keyboard.press("Control+j")
    visitor.page.wait_for_timeout(500)
    assert marked(visitor) == first and "image" not in query(visitor)


def test_arrows_move_by_what_is_seen(arrive: Arrive, small: str) -> None:
    visitor = arrive()
    visitor.open(f"/inspect?run={small}")
    cards(visitor)
    visitor.page.locator(f"{GALLERY} .card").nth(1).focus()
    left, top = place(visitor)
    visitor.page.keyboard.press("ArrowDown")
    below_left, below = place(visitor)
    assert below > top and abs(below_left - left) < 200
    visitor.page.keyboard.press("PageDown")
    assert place(visitor)[1] > below + 300
    visitor.page.keyboard.press("Home")
    assert place(visitor)[1] == top


def test_a_click_sends_the_panel_and_not_the_images_again(arrive: Arrive, small: str) -> None:
    visitor = arrive()
    visitor.open(f"/inspect?run={small}&per=240")
    shown = cards(visitor)
    assert len(shown) == 240
    opened = max(visitor.refreshes())
    visitor.frames.clear()
    visitor.page.locator(f"{GALLERY} .card").nth(4).click()
    until_asked(visitor, "image", shown[4])
    assert sum(visitor.refreshes()) < opened / 4
    assert marked(visitor) == shown[4]


def test_the_filters_stay_open_while_they_are_used_and_say_how_many_hold(arrive: Arrive, small: str) -> None:
    visitor = arrive()
    visitor.open(f"/inspect?run={small}")
    cards(visitor)
    visitor.page.get_by_role("button", name="More filters").click(timeout=PATIENCE)
    visitor.page.locator(".st-key-view_truth").get_by_text("wrong").click(timeout=PATIENCE)
    until_asked(visitor, "truth", "wrong")
    visitor.sees("More filters (1)")
    visitor.page.get_by_role("button", name="Reset all filters").click(timeout=PATIENCE)
    visitor.page.wait_for_url(lambda url: "truth" not in url, timeout=PATIENCE)
    settle(visitor.page)
    assert "truth" not in query(visitor) and visitor.page.get_by_text("More filters (1)").count() == 0


def test_a_cell_of_the_confusion_view_opens_its_images(arrive: Arrive, small: str) -> None:
    visitor = arrive()
    visitor.open(f"/inspect?run={small}&tab=confusion&versus=true")
    visitor.page.locator(".cell").first.wait_for(timeout=PATIENCE)
    cell = visitor.page.locator(".cell:not(.none, .same, .chosen)").first
    cell = visitor.page.locator(f'.cell[data-g="{cell.get_attribute("data-g")}"][data-c="{cell.get_attribute("data-c")}"]')
    label = str(cell.get_attribute("aria-label"))
    cell.click()
    until_asked(visitor, "cell", f"{cell.get_attribute('data-g')}-{cell.get_attribute('data-c')}")
    visitor.page.locator("strong").get_by_text(label, exact=True).wait_for(timeout=PATIENCE)
    assert "chosen" in str(cell.get_attribute("class"))
    inside = [each.get_attribute("data-example") for each in visitor.page.locator('[aria-label="Images of the cell"] .card').all()]
    assert str(len(inside)) == label.split()[0]
    visitor.page.locator('[aria-label="Images of the cell"] .card').last.click()
    visitor.sees(f"Showing {label}")
    assert sorted(cards(visitor)) == sorted(map(str, inside))
    assert marked(visitor) == inside[-1] == query(visitor)["image"]
    visitor.button("Show all")
    visitor.page.wait_for_url(lambda url: "only=" not in url, timeout=PATIENCE)
    settle(visitor.page)
    assert len(cards(visitor)) == 60


def test_the_matrix_can_be_walked_by_keyboard(arrive: Arrive, small: str) -> None:
    visitor = arrive()
    visitor.open(f"/inspect?run={small}&tab=confusion&cell=0-0")
    visitor.page.locator(".cell.chosen").focus()
    for key in ("ArrowDown", "ArrowRight", "ArrowDown", "ArrowRight"):
        visitor.page.keyboard.press(key)
    visitor.page.keyboard.press("Enter")
    assert until_asked(visitor, "cell", "2-2") == "2-2"
