"""Training, watched and steered from a real browser."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable

import pytest

from explorer.runs.store import RunStore
from tests.browser.conftest import LONG_EPOCHS, Visitor
from tests.browser.serving import PATIENCE, Server, run_in, settle
from tests.support import wait_for

pytestmark = pytest.mark.browser
Arrive = Callable[..., Visitor]

RANGE = """() => [...document.querySelectorAll('.live-chart')][1]._fullLayout.xaxis.range.map(x => Math.round(100 * x) / 100)"""


def epochs(store: RunStore, run_id: str) -> int:
    return len(store.folder(run_id).rows())


def until(store: RunStore, run_id: str, count: int) -> None:
    wait_for(f"{count} recorded epochs", lambda: epochs(store, run_id) >= count, seconds=PATIENCE / 1000)


def seconds_to(what: str, visitor: Visitor, selector: str, began: float) -> float:
    visitor.page.wait_for_selector(selector, timeout=PATIENCE)
    took = time.monotonic() - began
    print(f"{what}: {took:.1f} s")
    return took


def stop(visitor: Visitor) -> None:
    """The page's own Stop: while a script runs the header of the page has one, too."""
    visitor.page.get_by_test_id("stMainBlockContainer").get_by_role("button", name="Stop", exact=True).click(timeout=PATIENCE)


def test_from_start_to_the_first_point_and_through_all_buttons(arrive: Arrive, own_server: Server) -> None:
    visitor, store = arrive(own_server), RunStore(own_server.home)
    page = visitor.page
    visitor.open("/?epochs=300")
    began = time.monotonic()
    visitor.button("Start this run")
    seconds_to("Start to the first sentence about it", visitor, ".st-key-story >> text=/Preparing|Untrained/", began)
    seconds_to("Start to the first line of the curves", visitor, ".live-chart .scatterlayer .js-line", began)
    seconds_to("Start to the first point in the plane", visitor, ".live-chart .point", began)
    run_id = run_in(page.url)

    # zoom into the curves: later epochs leave it as it is, and the chart is the same one
    settle(page)
    box = page.locator(".live-chart").nth(1).bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + 290, box["y"] + 60)  # right of the labels at the ends of the lines
    page.mouse.down()
    page.mouse.move(box["x"] + 390, box["y"] + 62, steps=6)
    page.mouse.up()
    page.wait_for_timeout(300)
    zoomed = page.evaluate(RANGE)
    assert zoomed[1] - zoomed[0] < 200
    page.evaluate("() => { document.querySelectorAll('.live-chart')[1].dataset.mine = 'yes' }")
    seen = epochs(store, run_id)
    until(store, run_id, seen + 3)
    page.wait_for_timeout(1500)
    assert page.evaluate(RANGE) == zoomed
    assert page.evaluate("() => document.querySelectorAll('.live-chart')[1].dataset.mine") == "yes"

    # pause, and it holds
    visitor.button("Pause")
    page.get_by_role("button", name="Resume").wait_for(timeout=PATIENCE)
    assert store.status(run_id)[0] == "paused"
    held = epochs(store, run_id)
    page.wait_for_timeout(2000)
    assert epochs(store, run_id) == held
    visitor.sees("paused")

    # one epoch, then it holds again
    visitor.button("One epoch")
    wait_for("one epoch", lambda: epochs(store, run_id) == held + 1 and store.status(run_id)[0] == "paused", seconds=PATIENCE / 1000)
    page.get_by_role("button", name="Resume").wait_for(timeout=PATIENCE)

    # resume; a second visitor attaches; the first leaves, and training goes on
    visitor.button("Resume")
    second = arrive(own_server)
    second.open(f"/?run={run_id}")
    second.page.get_by_role("button", name="Pause").wait_for(timeout=PATIENCE)
    page.close()
    until(store, run_id, epochs(store, run_id) + 2)

    # stop is confirmed only once it is true
    stop(second)
    second.page.get_by_role("button", name="Continue").wait_for(timeout=PATIENCE)
    assert store.status(run_id)[0] == "stopped"
    kept = epochs(store, run_id)
    second.page.wait_for_timeout(1000)
    assert epochs(store, run_id) == kept

    # continue goes on from there
    second.button("Continue")
    until(store, run_id, kept + 1)
    stop(second)
    second.page.get_by_role("button", name="Continue").wait_for(timeout=PATIENCE)


def test_a_finished_run_sends_nothing_more(arrive: Arrive) -> None:
    visitor = arrive()
    visitor.open("/?train_size=200&width=4&epochs=3&batch_size=64")
    visitor.button("Start this run")
    visitor.page.get_by_role("button", name="Run again").wait_for(timeout=PATIENCE)
    visitor.sees("finished")
    settle(visitor.page)
    visitor.page.wait_for_timeout(1000)
    visitor.frames.clear()
    visitor.page.wait_for_timeout(3000)
    assert visitor.frames == []


def test_a_refresh_stays_small_after_hundreds_of_epochs(arrive: Arrive, long: str) -> None:
    visitor = arrive()
    visitor.open(f"/?run={long}")
    visitor.button("Continue")
    visitor.page.get_by_role("button", name="Pause").wait_for(timeout=PATIENCE)
    settle(visitor.page)
    visitor.page.wait_for_timeout(2000)  # the whole page is drawn once when the run begins; what follows are refreshes
    visitor.frames.clear()
    visitor.page.wait_for_timeout(6000)
    sizes = visitor.refreshes()
    stop(visitor)
    visitor.page.get_by_role("button", name="Continue").wait_for(timeout=PATIENCE)
    print(f"{len(sizes)} refreshes in 6 s after {LONG_EPOCHS} epochs, largest {max(sizes) / 1000:.0f} kB")
    assert len(sizes) > 2
    assert max(sizes) < 100_000


def test_the_epoch_slider_goes_back_in_time(arrive: Arrive, small: str) -> None:
    visitor = arrive()
    visitor.open(f"/?run={small}")
    slider = visitor.page.get_by_role("slider", name="Epoch")
    slider.focus()
    slider.press("ArrowLeft")
    visitor.sees("up to epoch 3")
    assert "Epoch 3." in visitor.page.locator(".st-key-story").inner_text()


def test_the_probe_of_the_plane_is_changed_while_it_trains(arrive: Arrive, own_server: Server) -> None:
    visitor, store = arrive(own_server), RunStore(own_server.home)
    visitor.open("/?epochs=300&train_size=400&width=8")
    visitor.button("Start this run")
    visitor.page.wait_for_selector(".live-chart .point", timeout=PATIENCE)
    visitor.page.get_by_role("radio", name="fixed-rate probe").click(timeout=PATIENCE)
    words = visitor.page.locator(".live-chart .xtitle").first
    words.get_by_text("at a fixed rate").wait_for(timeout=PATIENCE)
    run_id = run_in(visitor.page.url)
    until(store, run_id, epochs(store, run_id) + 3)
    visitor.page.wait_for_timeout(1500)
    assert "at a fixed rate" in (words.text_content() or "")
    assert "axis=fixed" in visitor.page.url
    stop(visitor)
    visitor.page.get_by_role("button", name="Continue").wait_for(timeout=PATIENCE)


def test_which_label_becomes_which_is_drawn_before_the_start(arrive: Arrive) -> None:
    visitor = arrive()
    visitor.open("/?noise=asymmetric&noise_rate=0.3")
    visitor.button("Which label becomes which")
    cells = visitor.page.locator('[role="dialog"] .live-chart .heatmap-label')
    cells.first.wait_for(timeout=PATIENCE)
    assert sorted(cells.all_text_contents(), key=int) == ["30"] * 5 + ["70"] * 5 + ["100"] * 5


def test_a_failed_run_says_why(arrive: Arrive) -> None:
    visitor = arrive()
    visitor.open("/?train_size=200&width=4&epochs=3&lr=1e30")
    visitor.button("Start this run")
    visitor.sees("Failed: the loss is not a number")
    assert visitor.page.get_by_text("Traceback").count() == 0


def test_the_server_ends_cleanly_while_it_trains(arrive: Arrive, own_server: Server) -> None:
    visitor, store = arrive(own_server), RunStore(own_server.home)
    visitor.open("/?epochs=300")
    visitor.button("Start this run")
    visitor.page.get_by_role("button", name="Pause").wait_for(timeout=PATIENCE)
    run_id = run_in(visitor.page.url)
    until(store, run_id, 1)
    visitor.page.close()
    status, seconds = own_server.stop()
    print(f"SIGTERM while training: exit status {status} after {seconds:.1f} s")
    assert status in (0, -signal.SIGTERM)  # not SIGABRT: torch aborts a process that exits while it computes
    assert seconds < 5
    assert store.status(run_id)[0] == "interrupted"  # nobody stopped it
