"""The real server in a process of its own, and a Chromium to look at it. Shared by the browser tests and photograph.py."""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

ROOT = Path(__file__).parents[2]
CHROMIUM_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
CHROMIUM_FLAGS = [
    "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--disable-background-networking", "--disable-component-update",
]  # fmt: skip
OURS = '[data-testid="stMainBlockContainer"], [data-testid="stSidebar"]'  # Streamlit's own header says "Stop" while a script runs
PATIENCE = 60_000  # ms: machines that test are slow and busy


def chromium_path() -> str | None:
    """``CHROMIUM``, else an installed one; None where there is none."""
    return os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, CHROMIUM_NAMES)), None)


@contextmanager
def chromium() -> Iterator[Browser]:
    from playwright.sync_api import sync_playwright  # here, so that the tests can be collected without it

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium_path(), args=CHROMIUM_FLAGS)
        yield browser
        browser.close()


class Server:
    """``python -m streamlit run app.py`` on a free port, with runs kept in ``home``."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.log = home.parent / f"{home.name}.log"
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        self.url = f"http://localhost:{port}"
        environment = {name: text for name, text in os.environ.items() if not name.startswith("EXPLORER_")}
        with open(self.log, "w") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "streamlit", "run", "app.py", "--server.port", str(port)],
                cwd=ROOT, env=environment | {"EXPLORER_HOME": str(home)}, stdout=log, stderr=subprocess.STDOUT,
            )  # fmt: skip

    def __enter__(self) -> Server:
        deadline = time.monotonic() + PATIENCE / 1000
        while True:
            try:
                with urllib.request.urlopen(f"{self.url}/_stcore/health", timeout=5):
                    return self
            except (urllib.error.URLError, OSError):
                trouble = self.process.poll() is not None or time.monotonic() > deadline
                if trouble:
                    self.stop()
                    raise RuntimeError(f"the server did not start:\n{self.log.read_text()}") from None
                time.sleep(0.1)

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.stop()

    def stop(self, patience: float = 15.0) -> tuple[int, float]:
        """Ask it to end, as Ctrl-C and process managers do; (exit status, seconds it took)."""
        began = time.monotonic()
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            status = self.process.wait(patience)
        except subprocess.TimeoutExpired:
            self.process.kill()
            status = self.process.wait()
        return status, time.monotonic() - began


def settle(page: Page) -> None:
    """Until the page's script has run and every chart and image on it is drawn."""
    page.wait_for_timeout(150)  # the browser begins to ask
    page.wait_for_selector('[data-testid="stApp"][data-test-script-state="notRunning"]', timeout=PATIENCE)
    page.wait_for_function(
        """() => document.querySelector('[data-testid="stMainBlockContainer"] p, [data-testid="stAlert"]')
            && [...document.querySelectorAll('.live-chart')].every((chart) => chart.querySelector('.main-svg') || !chart.clientWidth)
            && [...document.images].every((image) => image.complete)""",
        timeout=PATIENCE,
    )


def run_in(url: str) -> str:
    """The run an address shows."""
    found = re.search(r"[?&]run=([0-9a-f]{12})", url)
    return found[1] if found else ""
