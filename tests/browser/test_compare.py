"""Comparing runs in a real browser: the table that is edited in place, deleting and undoing, and charts that are taken away."""

from __future__ import annotations

import csv
import dataclasses
import io
import struct
from collections.abc import Iterator
from pathlib import Path

import pytest

from explorer.config import RunConfig
from explorer.runs.execution import execute
from explorer.runs.store import RunStore
from tests.browser.conftest import Visitor
from tests.browser.serving import PATIENCE, Server, settle
from tests.browser.test_inspect import Arrive, query, until_asked
from tests.support import wait_for

pytestmark = pytest.mark.browser

BASE = RunConfig(train_size=200, width=4, epochs=4, batch_size=64, lr=0.05, curvature_directions=1, device="cpu")
CONFIGS = [dataclasses.replace(BASE, lr=lr, seed=seed) for lr in (0.05, 0.1) for seed in (0, 1)]
TICK, STAR, NAME, OPEN = 18, 118, 210, 300  # pixels from the left of the table
ROW = 35


@pytest.fixture
def compared(own_server: Server) -> Iterator[list[str]]:
    """Four runs of the server of this test, newest first, as they are listed."""
    store = RunStore(own_server.home)
    for config in CONFIGS:
        for _ in execute(store, config):
            pass
    yield [s.run_id for s in store.runs()]


def click(visitor: Visitor, x: int, row: int) -> None:
    """Into the table, at so many pixels from its left; row -1 is the header. It wants to see the pointer come before it is pressed."""
    box = visitor.page.locator('[data-testid="stDataFrame"]').bounding_box()
    assert box is not None
    place = box["x"] + x, box["y"] + ROW * (row + 1) + ROW // 2
    visitor.page.mouse.move(*place, steps=5)
    visitor.page.wait_for_timeout(200)
    visitor.page.mouse.click(*place)


def write(visitor: Visitor, x: int, row: int, text: str) -> None:
    """Into a cell, once its editor is open."""
    click(visitor, x, row)
    visitor.page.wait_for_function("() => document.activeElement.tagName === 'TD'", timeout=PATIENCE)
    visitor.page.keyboard.press("Enter")
    visitor.page.wait_for_function("() => document.activeElement.tagName === 'TEXTAREA'", timeout=PATIENCE)
    visitor.page.keyboard.type(text, delay=50)  # as fast as fingers
    visitor.page.wait_for_function("(text) => document.activeElement.value === text", arg=text, timeout=PATIENCE)
    visitor.page.keyboard.press("Enter")


def look_at(arrive: Arrive, server: Server, address: str) -> Visitor:
    visitor = arrive(server)
    visitor.open(address)
    return visitor


def said(server: Server, what: str) -> dict[str, object]:
    """What the store keeps of this kind, by run; only of runs of which something is said."""
    return {s.run_id: value for s in RunStore(server.home).runs() if (value := getattr(s, what))}


# -- the table -------------------------------------------------------------------------------------


def test_ticked_runs_are_drawn(arrive: Arrive, own_server: Server, compared: list[str]) -> None:
    visitor = look_at(arrive, own_server, "/compare")
    for row in (2, 0):
        click(visitor, TICK, row)
        visitor.page.wait_for_url(lambda url, row=row: compared[row] in url, timeout=PATIENCE)
        settle(visitor.page)
    assert query(visitor)["runs"].split(",") == [compared[2], compared[0]]
    click(visitor, TICK, 2)
    until_asked(visitor, "runs", compared[0])
    click(visitor, TICK, 3)
    until_asked(visitor, "runs", f"{compared[0]}%2C{compared[3]}")
    visitor.button("Curves")
    visitor.page.locator(".live-chart .legendtext").nth(1).wait_for(timeout=PATIENCE)
    shown = "() => document.querySelectorAll('.live-chart .scatterlayer .js-line').length"
    panels = visitor.page.evaluate(shown) // 2
    visitor.page.locator(".live-chart .legendtoggle").first.click()  # hides the run in every panel
    visitor.page.wait_for_function(f"(left) => ({shown})() === left", arg=panels, timeout=PATIENCE)
    visitor.page.reload()
    visitor.page.locator(".live-chart .legendtext").nth(1).wait_for(timeout=PATIENCE)
    assert visitor.page.locator(".live-chart .legendtext").count() == 2


def test_a_run_is_named_and_starred_in_its_row(arrive: Arrive, own_server: Server, compared: list[str]) -> None:
    visitor = look_at(arrive, own_server, "/compare")
    click(visitor, STAR, 1)
    wait_for("the star", lambda: said(own_server, "starred") == {compared[1]: True})
    settle(visitor.page)
    write(visitor, NAME, 3, "a name")
    wait_for("the name", lambda: said(own_server, "name") == {compared[3]: "a name"})
    settle(visitor.page)
    visitor.page.get_by_label("Find runs").fill("a name")
    visitor.page.keyboard.press("Enter")
    visitor.sees("1 run of 4")
    assert (said(own_server, "starred"), said(own_server, "name")) == ({compared[1]: True}, {compared[3]: "a name"})


def test_what_was_edited_stays_with_its_run_when_rows_go(arrive: Arrive, own_server: Server, compared: list[str]) -> None:
    """The row of an edited run moves up when the one above it is deleted."""
    visitor = look_at(arrive, own_server, "/compare")
    click(visitor, STAR, 2)
    wait_for("the star", lambda: said(own_server, "starred") == {compared[2]: True})
    settle(visitor.page)
    click(visitor, TICK, 0)
    until_asked(visitor, "runs", compared[0])
    visitor.button("Delete")
    visitor.sees("Deleted 1 run")
    settle(visitor.page)
    click(visitor, TICK, 0)
    until_asked(visitor, "runs", compared[1])
    assert said(own_server, "starred") == {compared[2]: True}


def test_a_run_is_opened_from_its_row(arrive: Arrive, own_server: Server, compared: list[str]) -> None:
    visitor = look_at(arrive, own_server, "/compare")
    click(visitor, OPEN, 1)
    visitor.page.get_by_text("Inspect", exact=True).last.click(timeout=PATIENCE)
    visitor.page.wait_for_url("**/inspect?**", timeout=PATIENCE)
    assert until_asked(visitor, "run", compared[1])


def test_deleting_is_undone_and_freeing_space_asks_first(arrive: Arrive, own_server: Server, compared: list[str]) -> None:
    visitor = look_at(arrive, own_server, f"/compare?runs={compared[0]},{compared[1]}")
    store = RunStore(own_server.home)
    visitor.button("Delete")
    visitor.sees("Deleted 2 runs")
    assert {run.run_id for run in store.deleted()} == set(compared[:2])
    visitor.button("Undo")
    visitor.page.get_by_text("Deleted 2 runs").wait_for(state="hidden", timeout=PATIENCE)
    assert {s.run_id for s in store.runs()} == set(compared) and store.deleted() == []
    settle(visitor.page)
    visitor.button("Delete")
    visitor.sees("Deleted 2 runs")
    settle(visitor.page)
    visitor.button("Free disk space…")
    dialog = visitor.page.get_by_role("dialog")
    dialog.get_by_text("cannot be undone").first.wait_for(timeout=PATIENCE)
    assert len(store.deleted()) == 2  # nothing has happened yet
    dialog.get_by_role("button", name="Remove for good, free").click()
    visitor.page.get_by_text("Deleted 2 runs").wait_for(state="hidden", timeout=PATIENCE)
    assert store.deleted() == [] and {s.run_id for s in store.runs()} == set(compared[2:])


# -- charts that are taken away ----------------------------------------------------------------------


def download(visitor: Visitor, word: str, chart: int = 0) -> tuple[str, bytes]:
    """(file name, content) behind a button of a chart. Nothing goes to the server, and nothing comes from it."""
    place = visitor.page.locator(".live-chart").nth(chart)
    place.hover()
    asked: list[str] = []
    visitor.page.on("request", lambda request: asked.append(request.url))
    visitor.frames.clear()
    with visitor.page.expect_download(timeout=PATIENCE) as waiting:
        place.locator(".modebar-btn", has_text=word).click()
    path: Path = waiting.value.path()
    assert [url for url in asked if not url.startswith(("blob:", "data:"))] == [] and visitor.frames == []
    return waiting.value.suggested_filename, path.read_bytes()


def test_the_csv_has_every_plotted_number(arrive: Arrive, own_server: Server, compared: list[str]) -> None:
    visitor = look_at(arrive, own_server, f"/compare?tab=curves&runs={compared[0]},{compared[3]}&metrics=test_accuracy,train_loss")
    visitor.page.locator(".live-chart .legendtext").nth(1).wait_for(timeout=PATIENCE)
    name, content = download(visitor, "CSV")
    assert name == "test-accuracy-training-loss-over-epochs_2-runs.csv"
    table = list(csv.DictReader(io.StringIO(content.decode())))
    assert list(table[0]) == ["trace", "epoch", "test accuracy (%)", "training loss (nats)"]
    store = RunStore(own_server.home)
    names = {compared[0]: "rate\u00a00.1 · seed\u00a01", compared[3]: "rate\u00a00.05 · seed\u00a00"}
    for run_id, said in names.items():
        own = [row for row in table if row["trace"].replace(" ", "\u00a0") == said.replace(" ", "\u00a0")]
        for column, head, factor in (("test_accuracy", "test accuracy (%)", 100), ("train_loss", "training loss (nats)", 1)):
            plotted = {float(row["epoch"]): float(row[head]) for row in own if row[head]}
            recorded = {float(row["epoch"]): factor * row[column] for row in store.folder(run_id).rows()}
            assert plotted == pytest.approx(recorded, rel=1e-5)


def test_a_hidden_line_is_not_in_the_csv(arrive: Arrive, own_server: Server, compared: list[str]) -> None:
    visitor = look_at(arrive, own_server, f"/compare?tab=curves&runs={compared[0]},{compared[3]}&metrics=test_accuracy")
    visitor.page.locator(".live-chart .legendtoggle").first.click(timeout=PATIENCE)
    visitor.page.wait_for_function("() => document.querySelectorAll('.live-chart .scatterlayer .js-line').length === 1", timeout=PATIENCE)
    _, content = download(visitor, "CSV")
    assert len({row["trace"] for row in csv.DictReader(io.StringIO(content.decode()))}) == 1


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_pictures_have_their_title_on_the_ground_of_the_page(arrive: Arrive, own_server: Server, compared: list[str], theme: str) -> None:
    visitor = arrive(own_server)
    visitor.page.emulate_media(color_scheme=theme)
    visitor.open(f"/compare?tab=curves&runs={compared[0]}&metrics=test_accuracy")
    visitor.page.locator(".live-chart .js-line").first.wait_for(timeout=PATIENCE)
    name, png = download(visitor, "PNG")
    assert name == "test-accuracy-over-epochs_1-runs.png" and png[:8] == b"\x89PNG\r\n\x1a\n"
    box = visitor.page.locator(".live-chart").first.bounding_box()
    assert box is not None
    width, height = struct.unpack(">II", png[16:24])
    assert width == 2 * round(box["width"]) and height > 2 * box["height"]
    _, svg = download(visitor, "SVG")
    drawn = svg.decode()
    for word in (
        "Test accuracy over epochs",
        "test accuracy (%)",
        "epoch",
        "rgb(255, 255, 255)" if theme == "light" else "rgb(20, 23, 26)",
    ):
        assert word in drawn


def test_every_chart_of_the_other_pages_offers_its_files(arrive: Arrive, small: str) -> None:
    visitor = arrive()
    visitor.open(f"/?run={small}")
    visitor.page.locator(".live-chart .js-line").first.wait_for(timeout=PATIENCE)
    settle(visitor.page)
    number = visitor.page.locator(".live-chart").count()
    assert number == 3
    for chart in range(number):
        name, content = download(visitor, "CSV", chart)
        rows = list(csv.reader(io.StringIO(content.decode())))
        assert name.endswith(f"_run-{small}.csv") and rows[0][0] == "trace" and len({len(row) for row in rows}) == 1
        assert len(rows) > 5
