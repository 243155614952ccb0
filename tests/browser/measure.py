"""How fast the Inspect page answers on a large run: ``python -m tests.browser.measure HOME RUN_ID``. By hand; nothing here judges a time.

Each figure is the median and the 95th percentile over ROUNDS, in milliseconds from the action to what it changes on the page, and the
bytes the server sent for it.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from tests.browser.conftest import Visitor
from tests.browser.serving import PATIENCE, Server, chromium, settle
from tests.browser.test_inspect import ALL, GALLERY

if TYPE_CHECKING:
    from playwright.sync_api import Browser

ROUNDS = 20
CARDS = f"({ALL})('{GALLERY} .card').map((card) => card.dataset.example).join()"
PANEL = "document.querySelector('.st-key-image_panel')?.innerText ?? ''"
PICKED = "document.querySelector('[data-testid=\"stMain\"]').innerText.match(/[\\d,]+ images? picked on the map/)?.[0] ?? ''"


def visit(browser: Browser, server: Server) -> Visitor:
    """A visitor with an empty cache whose frames are counted."""
    visitor = Visitor(browser.new_context(viewport={"width": 1280, "height": 800}).new_page(), server.url)
    visitor.page.on("websocket", lambda socket: socket.on("framereceived", lambda frame: visitor.frames.append(bytes(frame, "utf-8")
                    if isinstance(frame, str) else frame)))  # fmt: skip
    return visitor


def answer(visitor: Visitor, act: Callable[[], object], watched: str) -> tuple[float, int]:
    """(milliseconds until ``watched`` says something else, bytes sent until the page is at rest)."""
    before = visitor.page.evaluate(watched)
    visitor.frames.clear()
    start = time.perf_counter()
    act()
    visitor.page.wait_for_function(f"(before) => {{ const now = {watched}; return now && now !== before }}", arg=before, timeout=PATIENCE)
    elapsed = 1000 * (time.perf_counter() - start)
    settle(visitor.page)
    return elapsed, sum(len(frame) for frame in visitor.frames)


def tell(what: str, measured: list[tuple[float, int]]) -> None:
    times, sizes = np.array(measured).T
    print(
        f"{what:34} median {np.median(times):6.0f} ms, p95 {np.quantile(times, 0.95):6.0f} ms; {np.median(sizes) / 1000:7.1f} kB",
        flush=True,
    )


def paint(browser: Browser, server: Server, run_id: str) -> tuple[float, int]:
    """A new visitor opens the gallery."""
    visitor = visit(browser, server)
    start = time.perf_counter()
    visitor.page.goto(f"{server.url}/inspect?run={run_id}", timeout=PATIENCE)
    visitor.page.wait_for_function(f"() => {CARDS}.length > 0", timeout=5 * PATIENCE)
    elapsed = 1000 * (time.perf_counter() - start)
    settle(visitor.page)
    size = sum(len(frame) for frame in visitor.frames)
    visitor.page.context.close()
    return elapsed, size


def turn_to(visitor: Visitor, run_id: str) -> tuple[float, int]:
    """From the Train page, by the menu."""
    visitor.open(f"/?run={run_id}")
    return answer(visitor, visitor.page.get_by_role("link", name="Inspect").first.click, CARDS)


def choose(visitor: Visitor, number: int) -> None:
    """Another given class, by keyboard: the list opens, one down, taken."""
    box = visitor.page.get_by_label("Given class", exact=True).first
    box.click(timeout=PATIENCE)
    visitor.page.get_by_role("option").nth(1 + number % 10).click(timeout=PATIENCE)


def lasso(visitor: Visitor, share: float) -> None:
    place = visitor.page.locator("canvas.above").bounding_box()
    assert place is not None
    points = [
        (place["x"] + x * place["width"], place["y"] + y * place["height"]) for x, y in ((0.3, 0.3), (share, 0.3), (share, 0.7), (0.3, 0.7))
    ]
    visitor.page.mouse.move(*points[0])
    visitor.page.mouse.down()
    for point in points[1:]:
        visitor.page.mouse.move(*point, steps=4)
    visitor.page.mouse.up()


def main(home: str, run_id: str) -> None:
    with Server(Path(home)) as server, chromium() as browser:
        tell("first visit of all (reads the data)", [paint(browser, server, run_id)])
        tell("gallery, a new visitor", [paint(browser, server, run_id) for _ in range(ROUNDS)])
        visitor = visit(browser, server)
        tell("gallery, from the Train page", [turn_to(visitor, run_id) for _ in range(ROUNDS)])
        visitor.open(f"/inspect?run={run_id}")
        tell("filter: another class", [answer(visitor, lambda n=n: choose(visitor, n), CARDS) for n in range(ROUNDS)])
        card = visitor.page.locator(f"{GALLERY} .card")
        tell("opening an image", [answer(visitor, lambda n=n: card.nth(n).click(), PANEL) for n in range(1, ROUNDS + 1)])
        visitor.open(f"/inspect?run={run_id}&tab=embedding")
        visitor.page.locator("canvas.above").wait_for(timeout=5 * PATIENCE)
        settle(visitor.page)
        tell("lasso on the map", [answer(visitor, lambda n=n: lasso(visitor, 0.5 + 0.01 * n), PICKED) for n in range(ROUNDS)])


if __name__ == "__main__":
    main(*sys.argv[1:])
