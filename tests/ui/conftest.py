"""The pages without a browser: a home with a run of every kind, and a visitor who opens a page on a copy of it."""

from __future__ import annotations

import contextlib
import dataclasses
import shutil
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from streamlit.testing.v1 import AppTest

from explorer import pipeline
from explorer.config import MemorizationConfig, RunConfig
from explorer.records import EpochRecord, TrainingError
from explorer.runs.execution import execute
from explorer.runs.memorization import execute_memorization
from explorer.runs.store import RunStore
from explorer.ui import services

MAIN = Path(__file__).parents[2] / "explorer" / "ui" / "pages" / "main.py"


@dataclasses.dataclass(frozen=True)
class Library:
    """A home with runs in it. ids: kind of run (finished, failed, stopped, interrupted, no truth) to run_id."""

    home: Path
    ids: dict[str, str]
    configs: dict[str, RunConfig]


def draw_folder(root: Path, images: int = 30) -> Path:
    """An ImageFolder tree of two classes: somebody's own data, truth unknown."""
    rng = np.random.default_rng(0)
    for k, name in enumerate(("<b>up", "down_*1*")):
        (root / name).mkdir(parents=True)
        for n in range(images):
            pixels = rng.integers(0, 60, (8, 8), dtype=np.uint8)
            pixels[:4] += np.uint8(150 * k)
            Image.fromarray(pixels).save(root / name / f"{n}.png")
    return root


@pytest.fixture(scope="session")
def library(tiny: RunConfig, tmp_path_factory: pytest.TempPathFactory) -> Library:
    root = tmp_path_factory.mktemp("library")
    own = draw_folder(root / "own")
    configs = {
        "finished": tiny,
        "failed": dataclasses.replace(tiny, lr=1e30),
        "stopped": dataclasses.replace(tiny, seed=1),
        "interrupted": dataclasses.replace(tiny, seed=2),
        "no truth": dataclasses.replace(tiny, dataset=str(own), train_size=0, noise="none"),
    }
    store = RunStore(root / "home")
    for kind, config in configs.items():
        with contextlib.closing(execute(store, config)) as records, contextlib.suppress(TrainingError):
            for record in records:
                if kind in ("stopped", "interrupted") and isinstance(record, EpochRecord) and record.epoch == 2:
                    break
    ids = {kind: pipeline.identify(config) for kind, config in configs.items()}
    store.set_status(ids["interrupted"], "running")  # as a process that was killed leaves it
    return Library(root / "home", ids, configs)


Visit = Callable[..., AppTest]


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty home for one test; what belongs to a home is dropped, and the trainer stopped, before and after."""
    shared = (  # loaded images stay
        services.get_readings, services.get_worker, services.get_duplicate_jobs, services.get_reviews, services.get_store,
    )  # fmt: skip
    for each in shared:
        each.clear()
    monkeypatch.setenv("EXPLORER_HOME", str(tmp_path / "home"))
    yield tmp_path / "home"
    for each in shared:
        each.clear()
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("trainer")]


@pytest.fixture(scope="session", autouse=True)
def no_search_for_components() -> Iterator[None]:
    """Every AppTest would read the description of every installed package anew, which takes longer than the page."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("streamlit.components.v2.manifest_scanner.scan_component_manifests", lambda: [])
        yield


@pytest.fixture
def visit(home: Path) -> Visit:
    """``visit("inspect", run=..., **query)``: a new visitor who opened that address."""

    def open_page(page: str = "train", /, **query: str) -> AppTest:
        visitor = AppTest.from_file(MAIN, default_timeout=30)
        for name, text in query.items():
            visitor.query_params[name] = text
        if page != "train":
            visitor.session_state["go_to"] = f"{page}.py"
        return visitor.run()

    return open_page


@pytest.fixture
def stocked(home: Path, library: Library) -> Library:
    """The library, copied into this test's home."""
    shutil.copytree(library.home, home)
    return dataclasses.replace(library, home=home)


# -- Inspect ---------------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def workshop(tiny: RunConfig, tmp_path_factory: pytest.TempPathFactory) -> Library:
    """A home with a run that has everything, one with foreign images, and a memorization estimate of the first."""
    configs = {
        "everything": dataclasses.replace(tiny, loss="elr", folds=2, second_split_epochs=1),
        "foreign": dataclasses.replace(tiny, noise="open_set", epochs=2, curvature_every=0),
        "memorized": tiny,
    }
    home = tmp_path_factory.mktemp("workshop") / "home"
    for config in configs.values():
        for _ in execute(RunStore(home), config):
            pass
    for _ in execute_memorization(home, MemorizationConfig(train_size=200, models=20, epochs=2)):
        pass
    return Library(home, {kind: pipeline.identify(config) for kind, config in configs.items()}, configs)


@pytest.fixture
def shop(home: Path, workshop: Library) -> Library:
    """The workshop, copied into this test's home."""
    shutil.copytree(workshop.home, home)
    return dataclasses.replace(workshop, home=home)


Look = Callable[[str, str], AppTest]


@pytest.fixture
def look(visit: Visit) -> Look:
    """``look(run_id, tab)``: a visitor who opened Inspect and went to that tab."""

    def open_tab(run_id: str, tab: str) -> AppTest:
        page = visit("inspect", run=run_id)
        page.session_state["inspect_tab"] = tab
        return page.run()

    return open_tab
