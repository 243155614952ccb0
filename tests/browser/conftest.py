"""One real server with a few runs, one Chromium, and visitors whose console and traffic are watched."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg

from explorer import pipeline
from explorer.config import RunConfig
from explorer.records import EpochRecord
from explorer.runs.execution import execute
from explorer.runs.store import RunStore
from tests.browser.serving import OURS, PATIENCE, Server, chromium, chromium_path, settle

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

KNOWN_PROBES = re.compile(r"/(train|inspect|fix|compare)/_stcore/(health|host-config)")  # Streamlit looks for itself below the page's path
SMALL = RunConfig(dataset="planted", train_size=400, width=8, epochs=4, curvature_directions=1)
LONG = RunConfig(train_size=200, width=4, epochs=10_000, batch_size=64, lr=0.05)
LONG_EPOCHS = 200  # recorded of it


@dataclass
class Visitor:
    """A page, every frame its server sent it, and what its console complained about."""

    page: Page
    url: str
    frames: list[bytes] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)

    def open(self, address: str) -> None:
        self.page.goto(self.url + address, timeout=PATIENCE)
        settle(self.page)

    def button(self, label: str) -> None:
        self.page.locator(OURS).get_by_role("button", name=label, exact=True).click(timeout=PATIENCE)

    def sees(self, words: str) -> None:
        self.page.get_by_text(words).first.wait_for(timeout=PATIENCE)

    def refreshes(self) -> list[int]:
        """Bytes of each run of the page's script, or of its fragment, since the frames were last cleared."""
        sizes = [0]
        for frame in list(self.frames):
            message = ForwardMsg()
            message.ParseFromString(frame)
            sizes[-1] += len(frame)
            if message.WhichOneof("type") == "script_finished":
                sizes.append(0)
        return [size for size in sizes if size]


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    if chromium_path() is None:
        pytest.skip("no Chromium was found: install one, or name it in CHROMIUM")
    with chromium() as started:
        yield started


@pytest.fixture(scope="session")
def home(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run of planted pictures, and a long run stopped after 200 epochs."""
    home = tmp_path_factory.mktemp("served") / "home"
    store = RunStore(home)
    for _ in execute(store, SMALL):
        pass
    records = execute(store, LONG)
    for record in records:
        if isinstance(record, EpochRecord) and record.epoch == LONG_EPOCHS:
            break
    records.close()
    return home


@pytest.fixture(scope="session")
def server(home: Path) -> Iterator[Server]:
    with Server(home) as started:
        yield started


@pytest.fixture
def own_server(browser: Browser, tmp_path: Path) -> Iterator[Server]:
    """A server for one test: a run that is left in training keeps nobody else waiting."""
    with Server(tmp_path / "own") as started:
        yield started


@pytest.fixture(scope="session")
def small() -> str:
    return pipeline.identify(SMALL)


@pytest.fixture(scope="session")
def long() -> str:
    return pipeline.identify(LONG)


@pytest.fixture
def arrive(browser: Browser, server: Server, request: pytest.FixtureRequest) -> Iterator[Callable[..., Visitor]]:
    """``arrive()`` or ``arrive(server)``: a new visitor with a browser profile of their own.

    No page may complain in the console, or show an exception.
    """
    if "own_server" in request.fixturenames:
        request.getfixturevalue("own_server")  # begun before, so that it ends after its visitors have gone
    visitors: list[Visitor] = []

    def new(other: Server | None = None) -> Visitor:
        page = browser.new_context(viewport={"width": 1280, "height": 800}).new_page()
        visitor = Visitor(page, (other or server).url)
        visitors.append(visitor)
        page.on("websocket", lambda socket: socket.on("framereceived", lambda data: visitor.frames.append(data)))
        page.on("pageerror", lambda error: visitor.complaints.append(str(error)))
        page.on("console", lambda said: complain(visitor, said.type, said.text, said.location.get("url", "")))
        return visitor

    def complain(visitor: Visitor, kind: str, text: str, url: str) -> None:
        if kind == "error" and not KNOWN_PROBES.search(url):
            visitor.complaints.append(f"{text} {url}")

    yield new
    for visitor in visitors:
        if not visitor.page.is_closed():
            assert visitor.page.locator('[data-testid="stException"]').count() == 0
            visitor.page.context.close()
        assert visitor.complaints == []
