"""Training into the store: killed at every moment and continued to the same bits; failures that say why."""

from __future__ import annotations

import dataclasses
import json
import os
import random
import shutil
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import torch

from explorer import pipeline
from explorer.__main__ import main
from explorer.config import ConfigError, RunConfig
from explorer.records import DataError, EpochRecord, Record, StoreError, TrainingError
from explorer.runs.execution import cause_of, execute
from explorer.runs.store import RunStore
from explorer.training import state as state_module
from tests.support import assert_same_epochs, assert_same_run, command_line_process, epoch_records, wait_for

unix = pytest.mark.skipif(os.name == "nt", reason="signals and file limits are those of Unix")


def train_through(store: RunStore, config: RunConfig, *, again: bool = False) -> str:
    for _ in execute(store, config, again=again):
        pass
    return pipeline.identify(config)


@pytest.fixture
def quick(tiny: RunConfig) -> RunConfig:
    """A run of some tens of milliseconds."""
    return dataclasses.replace(tiny, train_size=60, model="mlp", width=1, epochs=2)


# -- the ordinary way ------------------------------------------------------------------------------


def test_every_record_is_passed_on_as_training_yields_it(store: RunStore, tiny: RunConfig, records: list[Record]) -> None:
    passed = list(execute(store, tiny))
    assert_same_epochs(passed, records)
    assert [type(r) for r in passed] == [type(r) for r in records]
    assert store.status(pipeline.identify(tiny)) == ("finished", "")


def test_an_epoch_is_on_disk_before_its_record_is_passed_on(store: RunStore, quick: RunConfig) -> None:
    run_id = pipeline.identify(quick)
    for record in execute(store, quick):
        if isinstance(record, EpochRecord):
            assert store.open(run_id).last_epoch == record.epoch
            assert store.status(run_id) == ("running", "")


def test_closing_stops_and_the_same_call_continues(
    store: RunStore, tiny: RunConfig, finished: tuple[RunStore, str], state_every_epoch: None
) -> None:
    run_id = pipeline.identify(tiny)
    running = execute(store, tiny)
    for record in running:
        if isinstance(record, EpochRecord) and record.epoch == 1:
            break
    running.close()
    assert store.status(run_id) == ("stopped", "")
    assert store.open(run_id).last_epoch == 1
    continued = [r.epoch for r in epoch_records(execute(store, tiny))]
    assert continued == [2, 3]
    assert_same_run(store.root / run_id, finished[0].root / run_id)


def test_a_finished_run_is_not_trained_again_unless_asked(store: RunStore, quick: RunConfig) -> None:
    train_through(store, quick)
    assert [type(r).__name__ for r in execute(store, quick)] == ["FinalRecord"]
    assert [r.epoch for r in epoch_records(execute(store, quick, again=True))] == [0, 1, 2]


def test_what_stands_beside_every_figure_is_kept(store: RunStore, quick: RunConfig) -> None:
    about = store.folder(train_through(store, quick)).about()
    assert about["device"] == "cpu" and about["device_name"].endswith("cpu")
    assert about["threads"] == torch.get_num_threads()
    assert about["versions"]["torch"] == torch.__version__.split("+")[0] or about["versions"]["torch"] == torch.__version__
    assert about["data"]["train_images"] == [60, 8, 8, 1]
    assert about["noise"]["wrong_rate"] == 12 / 60
    assert np.asarray(about["noise"]["transition"]).shape == (10, 10)
    json.dumps(about, allow_nan=False)


def test_a_continued_run_computes_with_as_many_threads_as_before(store: RunStore, quick: RunConfig) -> None:
    run_id, running = pipeline.identify(quick), execute(store, quick)
    next(r for r in running if isinstance(r, EpochRecord))
    running.close()
    path = store.root / run_id / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"threads": 3}))
    before = torch.get_num_threads()
    try:
        train_through(store, quick)
        assert torch.get_num_threads() == 3
    finally:
        torch.set_num_threads(before)


# -- failures --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"train_size": 10**6}, ConfigError),
        ({"train_size": 3}, DataError),
        ({"label_column": "x"}, ConfigError),
        ({"dataset": "/no/such"}, ConfigError),
    ],
    ids=str,
)
def test_what_cannot_be_run_leaves_no_trace(store: RunStore, quick: RunConfig, change: dict[str, object], error: type[Exception]) -> None:
    with pytest.raises(error):
        list(execute(store, dataclasses.replace(quick, **change)))
    assert store.runs() == []
    assert [p for p in store.root.iterdir() if p.is_dir()] == []


def test_a_run_that_diverges_keeps_its_epochs_and_its_cause(store: RunStore, tiny: RunConfig) -> None:
    config = dataclasses.replace(tiny, model="mlp", lr=1e6)
    with pytest.raises(TrainingError) as caught:
        train_through(store, config)
    run_id = pipeline.identify(config)
    assert store.status(run_id) == ("failed", str(caught.value))
    run = store.open(run_id)
    assert run.last_epoch >= 0 and run.cause == str(caught.value)
    assert np.isfinite(run.epochs["train_loss"]).all()


def test_a_damaged_checkpoint_fails_with_advice_that_works(store: RunStore, quick: RunConfig) -> None:
    run_id = train_through(store, quick)
    (store.root / run_id / "checkpoint.pt").write_bytes(b"nonsense")
    with pytest.raises(TrainingError, match="run it again"):
        train_through(store, quick)
    assert store.status(run_id)[0] == "failed"
    train_through(store, quick, again=True)
    assert store.status(run_id) == ("finished", "")


@pytest.mark.parametrize("name", ["config.json", "epochs.csv", "examples.parquet", "facts/epoch_00001.npz"])
def test_running_it_again_repairs_any_damage(store: RunStore, quick: RunConfig, name: str) -> None:
    run_id = train_through(store, quick)
    (store.root / run_id / name).write_bytes(b"\x00\xff nonsense")
    train_through(store, quick, again=True)
    assert store.open(run_id).last_epoch == 2


def test_a_second_trainer_is_refused_and_the_first_goes_on(store: RunStore, quick: RunConfig, impatient: None) -> None:
    running = execute(store, quick)
    next(running)
    with pytest.raises(StoreError, match="being trained by another process"):
        next(execute(RunStore(store.root), quick))
    assert store.status(pipeline.identify(quick)) == ("running", "")
    assert [r.epoch for r in epoch_records(running)] == [0, 1, 2]
    assert store.status(pipeline.identify(quick)) == ("finished", "")


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (OSError(28, "No space left on device"), ["No space left on device", "free disk space"]),
        (StoreError("the very words"), ["the very words"]),
        (RuntimeError("odd"), ["RuntimeError", "odd"]),
    ],
)
def test_a_cause_is_a_sentence_for_a_person(error: Exception, words: list[str]) -> None:
    assert all(word in cause_of(error) for word in words)


# -- killed at every write -------------------------------------------------------------------------


class Killed(BaseException):
    """The process is gone: nothing catches this, and nothing is written after it."""


@contextmanager
def killed_before_write(number: int) -> Iterator[list[str]]:
    """Every rename and removal of a file is a moment to die at; this dies before the one of that number."""
    done: list[str] = []
    dead = False
    replace, unlink = os.replace, os.unlink

    def step(name: str) -> None:
        nonlocal dead
        if dead or len(done) == number:
            dead = True
            raise Killed
        done.append(name)

    def dying_replace(source: str, target: str) -> None:
        step(f"write {Path(target).name}")
        replace(source, target)

    def dying_unlink(path: str) -> None:
        if dead or not str(path).endswith(".tmp"):
            step(f"remove {Path(path).name}")
        unlink(path)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "replace", dying_replace)
        patch.setattr(os, "unlink", dying_unlink)
        yield done


def kill_and_continue(root: Path, config: RunConfig, expected: Path, *, start: str, end: str, again: bool = False) -> list[str]:
    """Kill at each moment between two, in a folder of its own; look at it, continue, compare. Returns all moments seen."""
    seen: list[str] = []
    for moment in range(200):
        if moment and start not in seen and moment < len(seen):
            continue
        store = RunStore(root / str(moment))
        run_id = pipeline.identify(config)
        if again:
            shutil.copytree(expected, store.root / run_id)
        with killed_before_write(moment) as done:
            try:
                train_through(store, config, again=again)
            except Killed:
                pass
            else:
                return done
        seen = done
        assert store.status(run_id)[0] == "interrupted", done
        assert [s.run_id for s in store.runs()] == [run_id]
        if store.exists(run_id):
            run = store.open(run_id)
            assert run.last_epoch <= config.epochs and len(run.facts.epochs) == max(0, run.last_epoch)
        train_through(store, config)
        assert store.status(run_id) == ("finished", ""), done
        assert_same_run(store.root / run_id, expected)
        if done and done[-1] == end:
            return done
    raise AssertionError("the run never came to its end")


@pytest.fixture
def whole(fast_path: Path, quick: RunConfig, state_every_epoch: None) -> Path:
    """The folder of the quick run, never interrupted."""
    store = RunStore(fast_path / "whole")
    return store.root / train_through(store, quick)


@pytest.mark.slow
def test_killed_before_any_write_a_run_continues_to_the_same_bits(fast_path: Path, quick: RunConfig, whole: Path) -> None:
    moments = kill_and_continue(fast_path, quick, whole, start="", end="")
    assert moments.count("write checkpoint.pt") == 3
    assert moments.count("write epochs.csv") == 4
    assert moments[-1] == "write near_duplicates.parquet"


def test_killed_far_from_its_checkpoint_a_run_continues_to_the_same_bits(
    fast_path: Path, quick: RunConfig, whole: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(state_module, "STATE_SHARE", 0.0)
    moments = kill_and_continue(fast_path, quick, whole, start="write epoch_00001.npz", end="")
    assert moments.count("write checkpoint.pt") == 2
    assert moments[-1] == "write near_duplicates.parquet"


def test_killed_while_it_starts_anew_a_finished_run_continues_to_the_same_bits(fast_path: Path, quick: RunConfig, whole: Path) -> None:
    moments = kill_and_continue(fast_path, quick, whole, start="", end="write epoch_00000.npz", again=True)
    assert moments[0] == "remove checkpoint.pt"
    assert "remove epoch_00002.npz" in moments and "write config.json" in moments


def test_what_a_killed_process_was_writing_is_cleared_away(store: RunStore, quick: RunConfig, whole: Path) -> None:
    run_id = pipeline.identify(quick)
    shutil.copytree(whole, store.root / run_id)
    for name in (".checkpoint.pt.99999.tmp", "facts/.epoch_00002.npz.99999.tmp"):
        (store.root / run_id / name).write_bytes(b"half")
    train_through(store, quick)
    assert_same_run(store.root / run_id, whole)


# -- other processes -------------------------------------------------------------------------------

LONG = RunConfig(
    train_size=200, noise="symmetric", noise_rate=0.2, model="cnn", width=4, loss="elr", epochs=14, batch_size=50, lr=0.05,
    schedule="cosine", augment="crop_mirror", device="cpu",
)  # fmt: skip


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    store = RunStore(tmp_path_factory.mktemp("uninterrupted"))
    return store.root / train_through(store, LONG)


def flags(config: RunConfig) -> list[str]:
    return [text for name, value in config.to_query().items() for text in (f"--{name}", value)]


@unix
@pytest.mark.slow
@pytest.mark.parametrize("number", range(3))
def test_kill_9_at_a_random_moment_then_the_same_run_continues_to_the_same_bits(fast_path: Path, uninterrupted: Path, number: int) -> None:
    seed = random.SystemRandom().randrange(10**6)
    rng = random.Random(seed)
    rows, delay = rng.randint(1, 8), rng.uniform(0, 0.03)
    print(f"seed {seed}: killed {delay:.3f} s after {rows} rows")
    store = RunStore(fast_path / "runs")
    run_id = pipeline.identify(LONG)
    child = command_line_process(["run", *flags(LONG), "--runs", str(store.root)], fast_path / "child")
    try:
        wait_for(
            "the first epochs", lambda: len(store.folder(run_id).rows()) >= rows,
            lambda: "" if child.is_alive() else f"ended: {(fast_path / 'child.err').read_text()}", seconds=60,
        )  # fmt: skip
        if number == 0:
            assert store.folder(run_id).is_locked()
            assert store.status(run_id) == ("running", "")
            os.kill(child.pid or 0, signal.SIGSTOP)  # it must not finish meanwhile
            with pytest.raises(StoreError, match="being trained by another process"):
                next(execute(store, LONG))
            os.kill(child.pid or 0, signal.SIGCONT)
        time.sleep(delay)
    finally:
        child.kill()
        child.join(30)
    assert child.exitcode == -signal.SIGKILL
    kept = len(store.folder(run_id).rows())
    assert rows <= kept <= LONG.epochs, "too late: it had finished"
    status, cause = store.status(run_id)
    assert status == "interrupted" and "continue" in cause
    assert store.open(run_id).last_epoch == kept - 1
    train_through(store, LONG)
    assert_same_run(store.root / run_id, uninterrupted)


@contextmanager
def files_of_at_most(size: int) -> Iterator[None]:
    """No file of this process may grow beyond ``size`` bytes."""
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@unix
def test_a_full_disk_fails_clearly_and_keeps_earlier_epochs(fast_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """No file may grow beyond 48 kB; the embedding of epoch 2 is the first that would."""
    config = dataclasses.replace(LONG, train_size=400, model="mlp", width=4, loss="ce", epochs=3, embedding_every=2)
    store = RunStore(fast_path / "runs")
    with files_of_at_most(48_000):
        assert main(["run", *flags(config), "--runs", str(store.root)]) == 1
    error = capsys.readouterr().err
    assert error.startswith("error: ") and "free disk space" in error and "Traceback" not in error
    run_id = pipeline.identify(config)
    assert store.status(run_id)[0] == "failed"
    assert "free disk space" in store.status(run_id)[1]
    run = store.open(run_id)
    assert run.last_epoch == 1
    assert run.facts.epochs.tolist() == [1] and run.facts.loss.shape == (1, 400)
    train_through(store, config)
    fresh = RunStore(fast_path / "fresh")
    train_through(fresh, config)
    assert_same_run(store.root / run_id, fresh.root / run_id)
