"""Fixtures shared by all tests: a private home, one small run trained once, and empty stores."""

from __future__ import annotations

import functools
import math
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from explorer import pipeline
from explorer.config import RunConfig
from explorer.data import planted
from explorer.pipeline import Prepared
from explorer.records import Record
from explorer.runs import locking
from explorer.runs.execution import execute
from explorer.runs.store import RunStore
from explorer.training import state
from tests.support import share_processors

TINY = RunConfig(
    dataset="digits", train_size=200, noise="symmetric", noise_rate=0.2, model="cnn", width=4, loss="ce", epochs=3, batch_size=64, lr=0.05,
    momentum=0.9, weight_decay=0.0, schedule="constant", augment="none", susceptibility_lr=0.05, curvature_every=1, curvature_directions=2,
    curvature_radius=1e-3, embedding_every=1, device="cpu",
)  # fmt: skip


def pytest_xdist_auto_num_workers(config: pytest.Config) -> int | None:
    """One process for what measures, prints or drives a browser, and where a second would start no sooner than the first is done.

    Otherwise as many as there are processors, up to the limit of .pytest.ini.
    """
    marks = config.option.markexpr
    alone = not marks or any(mark in marks and f"not {mark}" not in marks for mark in ("browser", "benchmark"))
    files = [Path(argument.split("::")[0]) for argument in config.args]
    few = bool(config.option.keyword) or (len(files) <= 3 and all(file.is_file() for file in files))
    return 0 if alone or few or config.option.capture == "no" else None


def pytest_configure(config: pytest.Config) -> None:
    """Processes that test beside each other compute with one thread each: more would only wait for each other."""
    if config.option.numprocesses:
        os.environ |= {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}  # read by faiss and numpy when a process starts


@pytest.fixture(scope="session", autouse=True)
def private_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """No test reads or writes the home of whoever runs the tests."""
    home = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("EXPLORER_HOME", str(home))
        torch.set_num_threads(1)  # small tensors on a shared machine: more threads only wait for each other
        share_processors()
        for name in ("EXPLORER_DATA_ROOT", "EXPLORER_TOKEN"):
            patch.delenv(name, raising=False)
        yield home


@pytest.fixture(scope="session", autouse=True)
def drawn_once() -> Iterator[None]:
    """A set of planted pictures is drawn once for every test that loads it: it cannot be written to, and takes half a second."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(planted, "load_planted", functools.cache(planted.load_planted))
        yield


@pytest.fixture(scope="module")
def one_thread() -> Iterator[None]:
    """BLAS and OpenMP with one thread each: many small products, on a machine whose processors are busy with other tests."""
    import faiss  # noqa: F401  its libraries are limited too, once they are there
    from threadpoolctl import threadpool_limits

    with threadpool_limits(1):
        yield


@pytest.fixture(scope="session")
def tiny() -> RunConfig:
    """200 digits, 20 % of the labels flipped, a narrow network, 3 epochs: about a tenth of a second."""
    return TINY


@pytest.fixture(scope="session")
def prepared(tiny: RunConfig) -> Prepared:
    return pipeline.prepare(tiny)


@pytest.fixture(scope="session")
def records(tiny: RunConfig, prepared: Prepared) -> list[Record]:
    """The tiny run, every record of it, each epoch with its state."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(state, "STATE_SHARE", math.inf)
        return list(pipeline.run(tiny, prepared=prepared))


@pytest.fixture
def state_every_epoch(monkeypatch: pytest.MonkeyPatch) -> None:
    """Checkpoints are spaced out by time; here every epoch carries one."""
    monkeypatch.setattr(state, "STATE_SHARE", math.inf)


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A lock that somebody else holds is waited for a second; here it is not."""
    monkeypatch.setattr(locking, "PATIENCE", 0.0)


@pytest.fixture
def fast_path(tmp_path: Path) -> Iterator[Path]:
    """A folder in memory where there is room: every file of a run is flushed to disk, which takes most of a small run's time."""
    memory = Path("/dev/shm")
    if not (memory.is_dir() and os.access(memory, os.W_OK) and shutil.disk_usage(memory).free > 500e6):
        yield tmp_path
        return
    with tempfile.TemporaryDirectory(dir=memory, prefix="explorer-tests-") as folder:
        yield Path(folder)


@pytest.fixture
def store(fast_path: Path) -> RunStore:
    return RunStore(fast_path / "runs")


@pytest.fixture(scope="session")
def finished(tiny: RunConfig, tmp_path_factory: pytest.TempPathFactory) -> tuple[RunStore, str]:
    """A store that holds the tiny run, finished. Copy it before changing anything."""
    store = RunStore(tmp_path_factory.mktemp("finished"))
    for _ in execute(store, tiny):
        pass
    return store, pipeline.identify(tiny)
