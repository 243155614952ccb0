"""Photographs of every page in every state: ``python tests/browser/photograph.py OUT_FOLDER [--home FOLDER] [--only WORD]``.

A look at them replaces no test and finds what no test does. Runs that are missing in the home are trained first; give a
``--home`` to keep them for the next time.
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageDraw
from playwright.sync_api import Browser, Page, TimeoutError

sys.path.insert(0, str(Path(__file__).parents[2]))

from explorer import pipeline
from explorer.config import MemorizationConfig, RunConfig, with_preset
from explorer.records import StoreError, TrainingError
from explorer.runs.execution import execute
from explorer.runs.memorization import execute_memorization
from explorer.runs.store import RunStore
from tests.browser.serving import OURS, PATIENCE, Server, chromium, settle

SIZES = ((1280, 800), (1920, 1080))
NARROW = (1024, 768)
DEMO = RunConfig()
ESTIMATE = MemorizationConfig(models=20)  # of the images and labels of the default run


class Shot(NamedTuple):
    """What to open, and what to do before the picture is taken."""

    name: str
    address: str
    prepare: Callable[[Page], None] | None = None
    empty_store: bool = False


# -- runs to look at -------------------------------------------------------------------------------


def runs(own: Path) -> dict[str, RunConfig]:
    """One run of every kind; ``comparable`` ones stand behind the default run in the plane."""
    small = dataclasses.replace(DEMO, epochs=12)
    return {
        "finished": DEMO,
        "failed": dataclasses.replace(DEMO, lr=1e30),
        "no truth": dataclasses.replace(DEMO, dataset=str(own), noise="none", epochs=8),
        "planted": dataclasses.replace(DEMO, dataset="planted", train_size=1500, epochs=15),
        "damaged": dataclasses.replace(DEMO, train_size=200, epochs=2),
        "elr": RunConfig.from_query(with_preset({"loss": "elr", "noise_rate": "0.4", "folds": "3", "second_split_epochs": "10"})),
        "compared": dataclasses.replace(small, noise_rate=0.4),
        **{f"comparable {model} {seed}": dataclasses.replace(small, noise_rate=0.4, model=model, seed=seed)
           for model, seed in (("mlp", 0), ("mlp", 1), ("cnn", 1), ("cnn", 2))},
    }  # fmt: skip


def draw_own_data(root: Path) -> Path:
    """An ImageFolder of two classes, drawn once."""
    rng = np.random.default_rng(0)
    rows = np.linspace(0, 1, 24)[:, None, None]
    for name, sky in (("evening", (200, 110, 60)), ("noon", (120, 180, 230))):
        (root / name).mkdir(parents=True, exist_ok=True)
        for n in range(60):
            light = np.array(sky) * (1 - rows * rng.uniform(0.3, 0.8)) + rng.normal(0, 22, (24, 24, 3))
            Image.fromarray(light.clip(0, 255).astype(np.uint8)).save(root / name / f"{n:02}.png")
    return root


def train_missing(home: Path) -> dict[str, str]:
    """Kind of run to run_id; what is not in the home yet is trained."""
    own = home.parent / f"{home.name}-own"
    if not own.exists():
        draw_own_data(own)
    store, ids = RunStore(home), {}
    for kind, config in runs(own).items():
        run_id = ids[kind] = pipeline.identify(config)
        if not store.exists(run_id):
            print(f"training: {kind}", flush=True)
            with contextlib.suppress(TrainingError):
                for _ in execute(store, config):
                    pass
        if kind == "damaged":
            with contextlib.suppress(StoreError):
                (store.folder(run_id).path / "epochs.csv").write_text("epoch,train_loss\n0,\n")
    for _ in execute_memorization(home, ESTIMATE):  # nothing to do where it is finished
        pass
    return ids


# -- pictures --------------------------------------------------------------------------------------


def press(label: str) -> Callable[[Page], None]:
    def action(page: Page) -> None:
        page.locator(OURS).get_by_role("button", name=label, exact=True).click()

    return action


def press_like(label: str) -> Callable[[Page], None]:
    return lambda page: page.get_by_role("button", name=label).click()


def scrolled(page: Page, pixels: int = 500) -> None:
    page.mouse.move(page.evaluate("innerWidth") - 12, 400)  # beside tables, which take the wheel for themselves
    page.mouse.wheel(0, pixels)
    page.wait_for_timeout(400)


def reviewer(page: Page) -> None:
    """Say who reviews, and wait for the first image."""
    page.get_by_label("Your name").fill("Anna")
    page.keyboard.press("Enter")
    page.wait_for_selector(".fix-image, .st-key-bulk_apply", timeout=PATIENCE)


def shots(ids: dict[str, str]) -> list[Shot]:
    def at(kind: str, page: str = "", more: str = "") -> str:
        return f"/{page}?run={ids[kind]}{more}"

    return [
        Shot("empty", "/", empty_store=True),
        Shot("empty inspect", "/inspect", empty_store=True),
        Shot("bad link", "/?noise_rate=7&model=nope", empty_store=True),
        Shot("earlier runs", "/"),
        Shot("finished", at("finished")),
        Shot("finished, below", at("finished"), scrolled),
        Shot("noise", "/?noise=asymmetric&noise_rate=0.3", press("Which label becomes which")),
        Shot("elr", at("elr")),
        Shot("elr, below", at("elr"), scrolled),
        Shot("regions", at("compared")),
        Shot("failed", at("failed")),
        Shot("no truth", at("no truth")),
        Shot("planted", at("planted")),
        Shot("damaged", at("damaged")),
        Shot("no such run", "/?run=zzz"),
        Shot("inspect", at("finished", "inspect")),
        Shot("inspect, below", at("finished", "inspect"), scrolled),
        Shot("inspect elr", at("elr", "inspect")),
        Shot("inspect pairs", at("finished", "inspect", "&tab=pairs")),
        Shot("inspect disagreement", at("finished", "inspect", "&against=cumulative_loss&per=240")),
        Shot("inspect filters", at("finished", "inspect", "&truth=wrong"), press_like("More filters")),
        Shot("inspect confusion", at("elr", "inspect", "&tab=confusion")),
        Shot("inspect map", at("elr", "inspect", "&tab=map")),
        Shot("inspect scores", at("elr", "inspect", "&tab=scores")),
        Shot("inspect scores, below", at("elr", "inspect", "&tab=scores"), scrolled),
        Shot("inspect scores, far below", at("elr", "inspect", "&tab=scores"), partial(scrolled, pixels=20_000)),
        Shot("inspect memorization", at("finished", "inspect", "&tab=memorization")),
        Shot("inspect memorization, below", at("finished", "inspect", "&tab=memorization"), scrolled),
        Shot("inspect memorization offered", at("planted", "inspect", "&tab=memorization")),
        Shot("inspect planted", at("planted", "inspect", "&show=conflict")),
        Shot("inspect planted pairs", at("planted", "inspect", "&tab=pairs")),
        Shot("fix, who", at("finished", "fix")),
        Shot("fix", at("finished", "fix"), reviewer),
        Shot("fix grid", at("planted", "fix", "&layout=grid"), reviewer),
        Shot("fix no truth", at("no truth", "fix"), reviewer),
        Shot("fix many", at("finished", "fix", "&tab=bulk"), reviewer),
        Shot("fix files", at("finished", "fix", "&tab=files")),
        Shot("fix retrain", at("finished", "fix", "&tab=retrain")),
        Shot("fix empty", "/fix", empty_store=True),
        Shot("compare empty", "/compare", empty_store=True),
        Shot("compare", "/compare"),
        *(Shot(f"compare {tab}", f"/compare?tab={tab}") for tab in ("curves", "two", "regions", "sweeps")),
        Shot("inspect no truth", at("no truth", "inspect")),
        Shot("inspect no truth, scores", at("no truth", "inspect", "&tab=scores")),
    ]


@contextlib.contextmanager
def visitor(browser: Browser, size: tuple[int, int], theme: str) -> Iterator[Page]:
    width, height = size
    context = browser.new_context(viewport={"width": width, "height": height}, color_scheme=theme)  # type: ignore[arg-type]
    yield context.new_page()
    context.close()


def take(page: Page, server: Server, shot: Shot, file: Path) -> Path:
    page.goto(server.url + shot.address, timeout=PATIENCE)
    settle(page)
    with contextlib.suppress(TimeoutError):
        page.wait_for_selector(".live-chart .main-svg", timeout=4000 if "run=" in shot.address else 1)
    if shot.prepare:
        shot.prepare(page)
        settle(page)
    page.wait_for_timeout(400)
    page.screenshot(path=file)
    print(file.name, flush=True)
    return file


def take_live(page: Page, server: Server, out: Path, suffix: str, seed: int) -> list[Path]:
    """A run from its first moment on: preparing, training, paused, one of it chosen on the slider, stopped."""
    page.goto(f"{server.url}/?seed={seed}&noise_rate=0.3", timeout=PATIENCE)
    settle(page)
    page.locator(".st-key-start button").click()
    taken = []

    def keep(name: str) -> None:
        taken.append(out / f"live {name} {suffix}.png")
        page.screenshot(path=taken[-1])
        print(taken[-1].name, flush=True)

    page.wait_for_selector(".st-key-story", timeout=PATIENCE)  # preparing, or already the untrained network
    keep("1 begun")
    page.wait_for_selector('[data-testid="stProgress"] >> text=/epoch [7-9]/', timeout=PATIENCE)
    settle(page)
    keep("2 running")
    press("Pause")(page)
    page.wait_for_selector("text=Resume", timeout=PATIENCE)
    page.wait_for_timeout(900)
    keep("3 paused")
    press("Stop")(page)
    page.wait_for_selector("text=Run again", timeout=PATIENCE)
    settle(page)
    keep("4 stopped")
    return taken


def contact_sheet(files: list[Path], to: Path, columns: int = 4, width: int = 480) -> None:
    """All pictures small, each under its name."""
    tiles = []
    for file in files:
        picture = Image.open(file).convert("RGB")
        tile = Image.new("RGB", (width, width * 10 // 16 + 22), "#777777")
        picture.thumbnail((width, width * 10 // 16))
        tile.paste(picture, (0, 22))
        ImageDraw.Draw(tile).text((6, 5), file.stem, fill="white")
        tiles.append(tile)
    step = tiles[0].height
    sheet = Image.new("RGB", (columns * (width + 6), -(-len(tiles) // columns) * (step + 6)), "#333333")
    for i, tile in enumerate(tiles):
        sheet.paste(tile, (i % columns * (width + 6), i // columns * (step + 6)))
    sheet.save(to, optimize=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("--home", type=Path)
    parser.add_argument("--only", default="", help="names of shots that hold this word")
    parser.add_argument("--themes", nargs="+", default=["light", "dark"])
    parser.add_argument("--sizes", nargs="+", type=int, default=[0, 1, 2], help="0: 1280x800, 1: 1920x1080, 2: 1024x768")
    asked = parser.parse_args()
    asked.out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        home = (asked.home or Path(folder) / "home").resolve()
        wanted = [shot for shot in shots(train_missing(home)) if asked.only in shot.name]
        empty = Path(folder) / "empty"
        files: list[Path] = []
        with Server(home) as server, Server(empty) as bare, chromium() as browser:
            looks = [
                (size, theme) for i, size in enumerate((*SIZES, NARROW)) for theme in asked.themes
                if i in asked.sizes and (size != NARROW or theme == asked.themes[0])
            ]  # fmt: skip
            for size, theme in looks:
                suffix = f"{theme} {size[0]}"
                with visitor(browser, size, theme) as page:
                    for shot in wanted:
                        files.append(take(page, bare if shot.empty_store else server, shot, asked.out / f"{shot.name} {suffix}.png"))
                    if asked.only in "live":
                        files += take_live(page, server, asked.out, suffix, int(time.time()) % 1_000_000)
        contact_sheet(files, asked.out / "sheet.png")


if __name__ == "__main__":
    main()
