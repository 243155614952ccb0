"""Reviewing labels in a real browser: by keyboard alone, one image or a grid at a time, two people at once."""

from __future__ import annotations

import shutil
import signal
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from explorer import pipeline
from explorer.config import RunConfig
from explorer.records import Decision
from explorer.runs.execution import execute
from explorer.runs.reviews import Reviews, data_key
from explorer.runs.store import RunStore
from tests.browser.conftest import SMALL, Visitor
from tests.browser.serving import PATIENCE, Server, settle
from tests.browser.test_inspect import query, until_asked

pytestmark = pytest.mark.browser
Arrive = Callable[..., Visitor]
GRID = '[aria-label="Images under review"]'
PICTURE = ".fix-image"


def log(home: Path, config: RunConfig = SMALL) -> list[Decision]:
    return list(Reviews(home).log(data_key(config)))


def begin(visitor: Visitor, address: str, name: str) -> None:
    """Open an address of Fix and say who one is."""
    visitor.open(address)
    field = visitor.page.get_by_label("Your name")
    field.fill(name)
    field.press("Enter")
    visitor.page.locator(PICTURE).first.wait_for(timeout=PATIENCE)
    settle(visitor.page)


def image(visitor: Visitor) -> str:
    return str(visitor.page.locator(PICTURE).first.get_attribute("alt"))


def decide(visitor: Visitor, key: str) -> None:
    """Press a key and wait until the page has gone on to another image."""
    before = image(visitor)
    visitor.page.keyboard.press(key)
    visitor.page.wait_for_function(f"(before) => document.querySelector('{PICTURE}')?.alt !== before", arg=before, timeout=PATIENCE)
    settle(visitor.page)


@pytest.fixture(scope="module")
def classes(server: Server, tmp_path_factory: pytest.TempPathFactory) -> RunConfig:
    """Images of twelve classes, of which nothing else is known."""
    root, rng = tmp_path_factory.mktemp("classes"), np.random.default_rng(0)
    for k in range(12):
        folder = root / f"kind {'abcdefghijkl'[k]}"
        folder.mkdir()
        for n in range(3):
            Image.fromarray(rng.integers(0, 255, (16, 16), dtype=np.uint8)).save(folder / f"{n}.png")
    config = RunConfig(dataset=str(root), model="none")
    for _ in execute(RunStore(server.home), config):
        pass
    return config


def test_labels_are_reviewed_without_a_mouse(arrive: Arrive, server: Server, small: str) -> None:
    visitor = arrive()
    begin(visitor, f"/fix?run={small}&order=suspicious", "Keys")
    begun, seen = len(log(server.home)), []
    for key in ("k", "m", "x", "s", "a"):
        seen.append(int(image(visitor).split()[1].rstrip(",")))
        decide(visitor, key)
    made = log(server.home)[begun:]
    assert [each.action for each in made] == ["keep", "ambiguous", "exclude", "relabel"]
    assert [each.source_index for each in made] == [*seen[:3], seen[4]] and {each.author for each in made} == {"Keys"}
    visitor.sees("Saved: image")
    decide(visitor, "u")
    assert int(image(visitor).split()[1].rstrip(",")) == seen[4]
    decide(visitor, "y")
    assert [each.action for each in log(server.home)[begun:]][-2:] == ["undo", "redo"]
    decide(visitor, "b")
    place = query(visitor)["at"]
    before = image(visitor)
    visitor.page.reload()
    begin(visitor, visitor.page.url.removeprefix(visitor.url), "Keys")
    assert (image(visitor), query(visitor)["at"]) == (before, place)


def test_a_key_is_no_key_while_somebody_types(arrive: Arrive, server: Server, classes: RunConfig) -> None:
    visitor = arrive()
    begin(visitor, f"/fix?run={pipeline.identify(classes)}", "Typist")
    before = image(visitor)
    name = visitor.page.get_by_role("textbox", name="Reviewer")
    name.click()
    visitor.page.keyboard.type("kamxs by lu")
    settle(visitor.page)
    assert image(visitor) == before and not log(server.home, classes)
    visitor.page.keyboard.press("Enter")
    settle(visitor.page)
    assert "kamxs by lu" in name.input_value()
    visitor.page.get_by_role("combobox", name="Another label").focus()
    visitor.page.keyboard.type("kamxs")
    settle(visitor.page)
    assert image(visitor) == before and not log(server.home, classes)
    visitor.page.keyboard.press("Escape")


def test_a_label_is_chosen_from_the_list_by_keyboard(arrive: Arrive, server: Server, classes: RunConfig) -> None:
    visitor = arrive()
    begin(visitor, f"/fix?run={pipeline.identify(classes)}", "Lister")
    begun = len(log(server.home, classes))
    if visitor.page.get_by_role("button", name="Keep kind k").count():
        decide(visitor, "s")
    visitor.page.keyboard.press("l")
    visitor.page.keyboard.type("kind k")
    visitor.page.get_by_role("option", name="kind k").wait_for(timeout=PATIENCE)
    decide(visitor, "Enter")
    [made] = log(server.home, classes)[begun:]
    assert (made.action, made.label) == ("relabel", 10)
    decide(visitor, "k")  # the focus is nowhere any more
    assert len(log(server.home, classes)) == begun + 2


def test_a_key_that_is_held_counts_once(arrive: Arrive, server: Server, small: str) -> None:
    visitor = arrive()
    begin(visitor, f"/fix?run={small}&order=random", "Holder")
    begun = len(log(server.home))
    for _ in range(20):
        visitor.page.keyboard.down("k")  # the second and later ones say that they repeat
        visitor.page.wait_for_timeout(60)
    visitor.page.keyboard.up("k")
    settle(visitor.page)
    assert len(log(server.home)) == begun + 1


def marked(visitor: Visitor) -> str:
    return str(visitor.page.locator(f'{GRID} .card[aria-selected="true"]').get_attribute("data-example"))


def test_a_grid_is_walked_and_decided_by_keyboard(arrive: Arrive, server: Server, small: str) -> None:
    visitor = arrive()
    begin(visitor, f"/fix?run={small}&layout=grid&order=suspicious", "Gridder")
    begun, cards = len(log(server.home)), visitor.page.locator(f"{GRID} .card")
    cards.first.wait_for(timeout=PATIENCE)
    ids = [str(card.get_attribute("data-example")) for card in cards.all()]
    assert len(ids) == 24 and marked(visitor) == ids[0]
    for key in ("ArrowRight", "ArrowRight", "x"):  # at once, faster than the page answers
        visitor.page.keyboard.press(key)
    visitor.page.locator(f'{GRID} .card[data-example="{ids[2]}"] .badge', has_text="excluded").wait_for(timeout=PATIENCE)
    settle(visitor.page)
    source = RunStore(server.home).open(small).source_index
    assert [(each.source_index, each.action) for each in log(server.home)[begun:]] == [(source[int(ids[2])], "exclude")]
    assert marked(visitor) == ids[3]
    cards.nth(7).click()
    settle(visitor.page)
    assert f"image {source[int(ids[7])]}," in image(visitor)
    visitor.page.keyboard.press("k")
    visitor.page.locator(f'{GRID} .card[data-example="{ids[7]}"] .badge', has_text="kept").wait_for(timeout=PATIENCE)
    assert log(server.home)[-1].source_index == source[int(ids[7])]
    settle(visitor.page)
    visitor.page.keyboard.press("e")
    visitor.sees("decisions at once")
    assert len(log(server.home)) == begun + 24
    visitor.page.keyboard.press("u")
    visitor.sees("Taken back: 22 decisions at once")


def test_two_people_decide_different_images_and_nothing_is_lost(arrive: Arrive, server: Server, small: str) -> None:
    people = {name: arrive() for name in ("Anna", "Ben")}
    for name, visitor in people.items():
        begin(visitor, f"/fix?run={small}", name)
    begun, wanted = len(log(server.home)), []
    for _ in range(6):
        for name, visitor in people.items():
            wanted.append((int(image(visitor).split()[1].rstrip(",")), name))
            decide(visitor, "k")
    made = [(each.source_index, each.author) for each in log(server.home)[begun:]]
    assert made == wanted and len({index for index, _ in made}) == 12


def test_what_is_said_to_be_saved_survives_a_kill(arrive: Arrive, home: Path, small: str, tmp_path: Path) -> None:
    shutil.copytree(home / small, tmp_path / "killed" / small)
    saved = []
    with Server(tmp_path / "killed") as server:
        visitor = arrive(server)
        begin(visitor, f"/fix?run={small}", "Anna")
        for _ in range(4):
            saved.append(int(image(visitor).split()[1].rstrip(",")))
            decide(visitor, "k")
        server.process.send_signal(signal.SIGKILL)
        server.process.wait()
        visitor.complaints.clear()  # of a server that is gone
        visitor.page.context.close()
    assert [each.source_index for each in log(tmp_path / "killed")] == saved


def test_many_are_decided_at_once_and_taken_back(arrive: Arrive, server: Server, small: str) -> None:
    visitor = arrive()
    visitor.open(f"/fix?run={small}&tab=bulk")
    visitor.page.get_by_label("Your name").fill("Bulk")
    visitor.page.keyboard.press("Enter")
    begun = len(log(server.home))
    button = visitor.page.get_by_role("button", name="Apply to")
    button.wait_for(timeout=PATIENCE)
    settle(visitor.page)
    number = int(button.inner_text().split()[2].replace(",", ""))
    button.click()
    visitor.sees("Saved:")
    made = log(server.home)[begun:]
    assert len(made) == number and {each.via for each in made} == {"bulk"}
    visitor.page.keyboard.press("u")
    visitor.sees("Taken back:")
    assert [each.action for each in log(server.home)[begun + number :]] == ["undo"] * number


def test_an_image_of_inspect_leads_to_its_review_and_back(arrive: Arrive, small: str) -> None:
    visitor = arrive()
    visitor.open(f"/inspect?run={small}&image=11")
    visitor.button("Review this label")
    visitor.page.wait_for_url("**/fix?**", timeout=PATIENCE)
    visitor.page.get_by_label("Your name").fill("Anna")
    visitor.page.keyboard.press("Enter")
    visitor.page.locator(PICTURE).wait_for(timeout=PATIENCE)
    visitor.button("All about this image")
    visitor.page.wait_for_url("**/inspect?**", timeout=PATIENCE)
    assert until_asked(visitor, "image") == "11"
