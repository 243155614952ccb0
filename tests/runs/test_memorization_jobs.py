"""Memorization estimates trained in the background: after the runs, stopped within one batch, failures kept for the page."""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from explorer import pipeline
from explorer.config import ConfigError, MemorizationConfig, RunConfig
from explorer.records import StoreError
from explorer.runs.memorization import execute_memorization, memorizations, open_memorization
from explorer.runs.memorization_files import MemorizationFolder
from explorer.runs.memorization_jobs import MemorizationLive
from explorer.runs.store import RunStore
from explorer.runs.worker import Worker
from explorer.training import subsets
from tests.support import table_bits, wait_for

QUICK = MemorizationConfig(train_size=60, width=1, models=6, epochs=2, batch_size=32, device="cpu")


@pytest.fixture(autouse=True)
def two_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subsets, "TOGETHER", 2)


@pytest.fixture
def root(fast_path: Path) -> Path:
    return fast_path / "runs"


@pytest.fixture
def worker(root: Path) -> Iterator[Worker]:
    worker = Worker(RunStore(root))
    yield worker
    worker.close()
    assert [t.name for t in threading.enumerate() if t.name.startswith("trainer-")] == []


ENDLESS = dataclasses.replace(QUICK, models=100_000, epochs=10, batch_size=4)


def live(worker: Worker, memorization_id: str, condition: Callable[[MemorizationLive], object]) -> MemorizationLive:
    """Until it is so; returns how it was then."""
    seen: list[MemorizationLive] = []

    def look() -> bool:
        now = worker.memorization_live(memorization_id)
        if now is not None and condition(now):
            seen.append(now)
        return bool(seen)

    wait_for("the estimate", look)
    return seen[0]


def training(now: MemorizationLive) -> bool:
    return now.state == "running" and now.progress is not None


def test_the_worker_trains_it_as_everywhere_else(worker: Worker, root: Path, fast_path: Path) -> None:
    memorization_id = worker.start_memorization(QUICK)
    assert memorization_id == pipeline.identify(QUICK)
    wait_for("the end", lambda: not worker.busy)
    assert worker.memorization_live(memorization_id) is None
    for _ in execute_memorization(fast_path / "other", QUICK):
        pass
    one, other = (MemorizationFolder.of(where, memorization_id).path / "memorization.parquet" for where in (root, fast_path / "other"))
    assert table_bits(one) == table_bits(other)


def test_stop_ends_it_within_one_batch_and_start_goes_on(worker: Worker, root: Path) -> None:
    memorization_id = worker.start_memorization(ENDLESS)
    now = live(worker, memorization_id, lambda now: training(now) and now.progress is not None and now.progress.done >= 4)
    assert worker.busy and now.progress is not None and (now.progress.phase, now.progress.total) == ("models", 100_000)
    with pytest.raises(StoreError, match="another process"):
        next(execute_memorization(root, ENDLESS))
    worker.stop_memorization(memorization_id)
    after = worker.memorization_live(memorization_id)
    assert after is None or after.wish == "stopping"
    wait_for("the stop", lambda: not worker.busy)
    stored = open_memorization(root, memorization_id)
    assert stored.status == "interrupted" and stored.models >= 4
    worker.start_memorization(ENDLESS)
    again = live(worker, memorization_id, training)
    assert again.progress is not None and again.progress.done >= stored.models


def test_one_started_while_it_stops_is_trained_after_that(worker: Worker) -> None:
    memorization_id = worker.start_memorization(ENDLESS)
    live(worker, memorization_id, training)
    worker.stop_memorization(memorization_id)
    worker.start_memorization(ENDLESS)
    again = live(worker, memorization_id, lambda now: training(now) and now.wish == "")
    assert again.state == "running"


def test_runs_go_first(worker: Worker, tiny: RunConfig) -> None:
    run_id = worker.submit(dataclasses.replace(tiny, model="mlp", width=1, epochs=10_000))
    wait_for("the run", lambda: worker.live(run_id) is not None)
    waiting = worker.start_memorization(QUICK)
    other = worker.start_memorization(dataclasses.replace(QUICK, seed=1))
    assert worker.start_memorization(QUICK) == waiting
    now = worker.memorization_live(waiting)
    assert now is not None and (now.state, now.progress) == ("queued", None)
    worker.stop_memorization(other)
    assert worker.memorization_live(other) is None
    worker.stop(run_id)
    wait_for("the estimate", lambda: not worker.busy)
    assert [s.memorization_id for s in memorizations(worker._store.root)] == [waiting]


def test_a_failure_keeps_its_cause_until_it_is_tried_again(worker: Worker, monkeypatch: pytest.MonkeyPatch) -> None:
    config = dataclasses.replace(QUICK, lr=1e9)
    memorization_id = worker.start_memorization(config)
    failed = live(worker, memorization_id, lambda now: now.state == "failed")
    assert "learning rate" in failed.cause and failed.config == pipeline.resolve(config)
    assert not worker.busy
    monkeypatch.setattr(subsets, "learning_rate", lambda config, epoch: 0.01)
    worker.start_memorization(config)
    wait_for("the end", lambda: not worker.busy)
    assert worker.memorization_live(memorization_id) is None


def test_what_cannot_be_trained_is_refused_at_once(worker: Worker, root: Path) -> None:
    with pytest.raises(ConfigError, match="dataset"):
        worker.start_memorization(dataclasses.replace(QUICK, dataset="/nowhere"))
    elsewhere = execute_memorization(root, QUICK)
    next(elsewhere)
    with pytest.raises(StoreError, match="another process"):
        worker.start_memorization(QUICK)
    elsewhere.close()
    assert not worker.busy


def test_orders_that_come_too_late_do_nothing(worker: Worker) -> None:
    worker.stop_memorization("0123456789ab")
    assert worker.memorization_live("0123456789ab") is None


def test_closing_ends_what_runs_and_starts_nothing_more(worker: Worker, root: Path) -> None:
    memorization_id = worker.start_memorization(ENDLESS)
    waiting = worker.start_memorization(QUICK)
    live(worker, memorization_id, training)
    worker.close(timeout=30)
    assert not worker.busy
    assert not MemorizationFolder.of(root, memorization_id).is_locked()
    assert not MemorizationFolder.of(root, waiting).has_table()
