"""Looking at images in a real browser."""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import parse_qs, urlsplit

import pytest

from tests.browser.conftest import Visitor
from tests.browser.serving import PATIENCE, Server, settle

pytestmark = pytest.mark.browser
Arrive = Callable[..., Visitor]

GALLERY = '[aria-label="Training images"]'
ALL = """(selector) => { const found = []; const look = (root) => { for (const each of root.querySelectorAll('*')) {
    if (each.shadowRoot) look(each.shadowRoot); if (each.matches(selector)) found.push(each) } }; look(document); return found }"""


def query(visitor: Visitor) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(urlsplit(visitor.page.url).query).items()}


def until_asked(visitor: Visitor, name: str, value: str | None = None) -> str:
    """Until the address holds ``name`` (as ``value``)."""
    wanted = f"{name}={value}" if value is not None else f"{name}="
    visitor.page.wait_for_url(lambda url: wanted in url, timeout=PATIENCE)
    settle(visitor.page)
    return query(visitor)[name]


def cards(visitor: Visitor) -> list[str]:
    visitor.page.locator(f"{GALLERY} .card").first.wait_for(timeout=PATIENCE)
    return [str(card.get_attribute("data-example")) for card in visitor.page.locator(f"{GALLERY} .card").all()]


def words(visitor: Visitor) -> str:
    """What the panel says of its image above the chart, which is drawn in its own time."""
    return visitor.page.locator(".st-key-image_panel").inner_text().split("epochs.")[0]


def choose(visitor: Visitor, label: str, option: str) -> None:
    visitor.page.get_by_label(label, exact=True).first.click(timeout=PATIENCE)
    visitor.page.get_by_role("option").filter(has_text=option).first.click(timeout=PATIENCE)
    settle(visitor.page)


def test_the_gallery_paints_and_a_click_shows_the_image(arrive: Arrive, small: str) -> None:
    visitor = arrive()
    visitor.open(f"/inspect?run={small}")
    shown = cards(visitor)
    assert len(shown) == 60
    first = f"({ALL})('.picture:not([hidden])').slice(0, 60)"
    visitor.page.wait_for_function(f"() => {first}.length == 60 && {first}.every((image) => image.naturalWidth)", timeout=PATIENCE)
    before = words(visitor)
    visitor.page.locator(f"{GALLERY} .card").nth(3).click()
    assert until_asked(visitor, "image") == shown[3]
    after = words(visitor)
    assert after != before
    assert visitor.page.locator(f"{GALLERY} .card").nth(3).get_attribute("aria-selected") == "true"
    assert cards(visitor) == shown  # the list stays where it was

    visitor.page.reload()
    settle(visitor.page)
    assert cards(visitor) == shown
    assert words(visitor) == after


def test_a_deep_link_may_be_the_first_thing_a_server_is_asked_for(arrive: Arrive, own_server: Server) -> None:
    visitor = arrive(own_server)
    visitor.open("/inspect?noise_rate=0.4")
    visitor.sees("There is no run to look into yet")
    visitor.page.get_by_role("link", name="Go to Train").click()
    visitor.sees("Watch a network learn")
    assert query(visitor)["noise_rate"] == "0.4"


def test_filters_change_the_cards_and_the_address(arrive: Arrive, small: str) -> None:
    visitor = arrive()
    visitor.open(f"/inspect?run={small}")
    everything = cards(visitor)
    choose(visitor, "Sort by", "Cumulative loss")
    until_asked(visitor, "score", "cumulative_loss")
    by_loss = cards(visitor)
    assert by_loss != everything
    choose(visitor, "Given class", "fish")
    until_asked(visitor, "cls", "fish")
    labels = f"({ALL})('.gallery:not(.compact) .label').slice(0, 5).map((label) => label.textContent)"
    visitor.page.wait_for_function(f"() => {labels}.every((text) => text.startsWith('given fish'))", timeout=PATIENCE)
    assert len(cards(visitor)) < 60
    visitor.page.reload()
    settle(visitor.page)
    assert query(visitor) | {"score": "cumulative_loss", "cls": "fish"} == query(visitor)


def test_another_run_may_be_chosen_again_and_again(arrive: Arrive, small: str, long: str) -> None:
    visitor = arrive()
    visitor.open(f"/inspect?run={small}&show=wrong")
    for run_id in (long, small, long):  # with other counts in the options of the filters
        choose(visitor, "Run", run_id)
        until_asked(visitor, "run", run_id)
    visitor.page.locator(f"{GALLERY} .card").nth(3).click()
    until_asked(visitor, "image")
    assert query(visitor)["run"] == long and query(visitor)["show"] == "wrong"
    assert visitor.page.get_by_test_id("stAlert").count() == 0


def test_the_gallery_can_be_walked_by_keyboard(arrive: Arrive, small: str) -> None:
    visitor = arrive()
    visitor.open(f"/inspect?run={small}")
    shown = cards(visitor)
    visitor.page.locator(f"{GALLERY} .card").first.focus()
    for key in ("ArrowRight", "ArrowRight", "ArrowLeft", "ArrowRight"):
        visitor.page.keyboard.press(key)
    visitor.page.keyboard.press("Enter")
    assert until_asked(visitor, "image") == shown[2]
    visitor.page.keyboard.press("End")  # the focus is still where it was
    visitor.page.keyboard.press("Enter")
    assert until_asked(visitor, "image", shown[-1]) == shown[-1]


def test_near_duplicates_are_searched_cut_and_opened(arrive: Arrive, small: str) -> None:
    visitor = arrive()
    visitor.open(f"/inspect?run={small}&tab=pairs")
    visitor.button("Search for near-duplicates")
    groups = visitor.page.locator('[aria-label="Groups of near-duplicates"] .strip')
    groups.first.wait_for(timeout=PATIENCE)
    settle(visitor.page)
    assert groups.count() > 3
    assert all("conflict" in str(group.get_attribute("class")) for group in groups.all())
    slider = visitor.page.locator('[data-testid="stSlider"] [tabindex="0"], [data-testid="stSlider"] input').first
    slider.focus()
    visitor.page.keyboard.press("Home")  # exact copies alone
    until_asked(visitor, "cut_pairs")
    visitor.sees("the same to the byte.")
    member = groups.first.locator("button.member").nth(1)
    label = str(member.get_attribute("aria-label"))
    member.click()
    until_asked(visitor, "only")
    visitor.page.locator(".st-key-image_panel .overlay img").nth(3).wait_for(timeout=PATIENCE)
    assert label.split(":")[0] in words(visitor)
    visitor.sees("is this very image, byte for byte")


def test_a_card_of_train_leads_to_its_image(arrive: Arrive, small: str) -> None:
    visitor = arrive()
    visitor.open(f"/?run={small}")
    card = visitor.page.locator('[aria-label="Images of highest curvature"] .card').nth(1)
    card.wait_for(timeout=PATIENCE)
    example = card.get_attribute("data-example")
    card.click()
    visitor.page.wait_for_url("**/inspect?**", timeout=PATIENCE)
    assert until_asked(visitor, "image") == example
    assert query(visitor)["run"] == small
    visitor.page.get_by_role("link", name="Train").click()
    visitor.page.wait_for_url(lambda url: "/inspect" not in url, timeout=PATIENCE)
    settle(visitor.page)
    visitor.sees("planted")
    assert query(visitor)["run"] == small


def test_the_dark_page_is_dark(arrive: Arrive, small: str) -> None:
    visitor = arrive()
    visitor.page.emulate_media(color_scheme="dark")
    visitor.open(f"/inspect?run={small}")
    cards(visitor)
    assert visitor.page.locator(GALLERY).evaluate("list => list.style.getPropertyValue('--background')") == "#14171A"


def open_tab(visitor: Visitor, name: str, words: str) -> None:
    visitor.page.get_by_role("tab", name=name).click(timeout=PATIENCE)
    visitor.sees(words)
    settle(visitor.page)


def test_a_row_of_the_table_is_explained_beside_it(arrive: Arrive, small: str) -> None:
    visitor = arrive()
    visitor.open(f"/inspect?run={small}")
    open_tab(visitor, "How good are the scores?", "Which scores say the same?")
    visitor.sees("is suspicious)")
    detail = visitor.page.get_by_text("is suspicious)").first
    before = detail.inner_text()
    visitor.page.locator('[data-testid="stDataFrame"]').first.click(position={"x": 18, "y": 34 * 4 + 17})  # the fourth row
    visitor.page.wait_for_function(
        "(before) => ![...document.querySelectorAll('p')].some((p) => p.innerText === before)", arg=before, timeout=PATIENCE
    )
    settle(visitor.page)
    assert "is suspicious)" in detail.inner_text()


def test_a_point_of_the_data_map_leads_to_its_image(arrive: Arrive, small: str) -> None:
    visitor = arrive()
    visitor.open(f"/inspect?run={small}")
    open_tab(visitor, "Data map", "Nearest to the hard-to-learn corner")
    visitor.page.locator(".live-chart .scatterlayer .point").last.click(force=True, timeout=PATIENCE)
    assert until_asked(visitor, "image").isdecimal()
    open_tab(visitor, "Images", "most suspicious first")
    visitor.sees("Nearest images to the network")


def test_what_was_chosen_on_a_tab_is_kept_while_another_is_looked_at(arrive: Arrive, small: str) -> None:
    visitor = arrive()
    visitor.open(f"/inspect?run={small}")
    visitor.page.locator('[data-testid="stPagination"]').get_by_text("2", exact=True).click(timeout=PATIENCE)  # further cards
    settle(visitor.page)
    second = cards(visitor)
    open_tab(visitor, "Data map", "Nearest to the hard-to-learn corner")
    open_tab(visitor, "Images", "most suspicious first")
    assert cards(visitor) == second


def test_an_estimate_is_followed_to_its_stop_and_then_nothing_moves(arrive: Arrive, small: str) -> None:
    visitor = arrive()
    visitor.open(f"/inspect?run={small}")
    open_tab(visitor, "Memorization", "Estimate it here")
    visitor.button("Start")
    said = visitor.page.wait_for_selector("text=/^[1-9][0-9]* of 200 networks|^The estimate failed/", timeout=PATIENCE)
    assert said is not None and "of 200 networks" in said.inner_text()
    visitor.button("Stop")
    visitor.sees("Agreement of each score with memorization")
    settle(visitor.page)
    visitor.page.wait_for_timeout(1500)
    visitor.frames.clear()
    visitor.page.wait_for_timeout(2500)
    assert visitor.frames == []
