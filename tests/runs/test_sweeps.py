"""Sweeps: trained through a real worker, held, cancelled, and taken up again by the next server."""

from __future__ import annotations

import dataclasses
import json
import math
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from explorer import pipeline
from explorer.config import ConfigError, RunConfig
from explorer.records import StoreError
from explorer.runs.estimate import START_SECONDS, Shape, estimate_all
from explorer.runs.execution import execute
from explorer.runs.identity import identify_all
from explorer.runs.store import RunStore
from explorer.runs.sweeps import Sweep, expand, expected, keep_sweep, sweep_progress, sweeps
from explorer.runs.worker import Worker
from tests.support import assert_same_run, wait_for

GRID = {"width": ("1", "2"), "seed": ("0", "1")}


@pytest.fixture
def open_worker(store: RunStore) -> Iterator[Callable[[], Worker]]:
    """Starts servers' workers on the store; all of them are closed in the end."""
    workers: list[Worker] = []

    def start() -> Worker:
        workers.append(Worker(RunStore(store.root)))
        return workers[-1]

    yield start
    for worker in workers:
        worker.close()
    assert [t.name for t in threading.enumerate() if t.name.startswith("trainer-")] == []


@pytest.fixture
def quick(tiny: RunConfig) -> RunConfig:
    return dataclasses.replace(tiny, train_size=60, model="mlp", width=1, epochs=2)


@pytest.fixture
def endless(tiny: RunConfig) -> RunConfig:
    """More epochs than any test waits for."""
    return dataclasses.replace(
        tiny, train_size=400, model="mlp", width=1, epochs=10_000, batch_size=4, curvature_every=0, embedding_every=0, susceptibility_lr=0.0
    )


def ids_of(base: RunConfig, grid: dict[str, tuple[str, ...]] = GRID) -> list[str]:
    return [pipeline.identify(config) for config in expand(base, grid)]


def train(store: RunStore, config: RunConfig) -> str:
    for _ in execute(store, config):
        pass
    return pipeline.identify(config)


def only(store: RunStore) -> Sweep:
    (sweep,) = sweeps(store)
    return sweep


def statuses(store: RunStore, sweep: Sweep) -> list[str]:
    return [member.status for member in sweep_progress(store, sweep).members]


def training(worker: Worker) -> list[str]:
    """Ids of the runs that have come to an epoch in which something was learned."""
    return [live.run_id for live in worker.current() if live.epochs_timed >= 2]


# -- from beginning to end -------------------------------------------------------------------------


def test_a_sweep_trains_every_combination_as_everywhere_else(open_worker: Callable[[], Worker], store: RunStore, quick: RunConfig) -> None:
    worker = open_worker()
    sweep_id = worker.start_sweep(quick, GRID, "  my\nsweep ")
    sweep = only(store)
    assert (sweep.sweep_id, sweep.name, sweep.state, sweep.grid) == (sweep_id, "my sweep", "active", GRID)
    assert list(sweep.run_ids) == ids_of(quick) and sweep.base == quick
    wait_for("the end", lambda: not worker.busy)
    progress = sweep_progress(store, sweep)
    assert progress[:6] == (4, 0, 0, 0, 0, 0.0)
    assert [m.settings for m in progress.members] == [{"width": w, "seed": s} for w in (1, 2) for s in (0, 1)]
    assert [(m.run_id, m.status, m.epochs, m.seconds_left) for m in progress.members] == [(i, "finished", 2, 0.0) for i in sweep.run_ids]
    alone = RunStore(store.root / "alone")
    assert_same_run(store.root / sweep.run_ids[3], alone.root / train(alone, expand(quick, GRID)[3]))


def test_what_is_finished_is_not_trained_again(open_worker: Callable[[], Worker], store: RunStore, quick: RunConfig) -> None:
    configs = expand(quick, GRID)
    before = [train(store, config) for config in configs[:2]]
    started = [store.folder(run_id).about()["started_at"] for run_id in before]
    assert expected(store, configs).finished == 2
    worker = open_worker()
    worker.start_sweep(quick, GRID)
    assert not set(before) & set(store.queue())
    wait_for("the end", lambda: not worker.busy)
    assert [store.folder(run_id).about()["started_at"] for run_id in before] == started
    first = worker.start_sweep(quick, GRID, "named later")
    assert not worker.busy and store.queue() == []
    assert (only(store).sweep_id, only(store).name) == (first, "named later")  # the same runs are the same sweep
    worker.start_sweep(quick, GRID)
    assert only(store).name == "named later"


def test_a_run_that_fails_stops_no_other_and_is_tried_again_only_when_asked(
    open_worker: Callable[[], Worker], store: RunStore, quick: RunConfig
) -> None:
    worker = open_worker()
    grid = {"lr": ("1000000", "0.05"), "train_size": ("1000000", "60")}
    sweep_id = worker.start_sweep(quick, grid)
    wait_for("the end", lambda: not worker.busy)
    progress = sweep_progress(store, only(store))
    assert [m.status for m in progress.members] == ["failed", "failed", "failed", "finished"]
    assert (progress.finished, progress.failed, progress.waiting) == (1, 3, 0)
    assert "train_size" in progress.members[0].cause and "learning rate" in progress.members[1].cause
    worker.resume_sweep(sweep_id)
    assert open_worker().busy is False and store.queue() == []
    worker.pause_sweep(sweep_id)
    store.pause_queue()
    worker.start_sweep(quick, grid)
    assert store.queue() == list(only(store).run_ids[:3])


def test_a_sweep_that_cannot_be_trained_is_refused_whole(open_worker: Callable[[], Worker], store: RunStore, quick: RunConfig) -> None:
    worker = open_worker()
    for grid, field in (({"dataset": ("digits", "/no/such/path")}, "dataset"), ({"lr": ("0.1", "x")}, "lr")):
        with pytest.raises(ConfigError) as caught:
            worker.start_sweep(quick, grid)
        assert caught.value.field == field
    assert store.queue() == [] and sweeps(store) == [] and store.runs() == []


def test_orders_for_a_sweep_that_is_not_there_say_so(open_worker: Callable[[], Worker]) -> None:
    worker = open_worker()
    for order in (worker.pause_sweep, worker.resume_sweep, worker.cancel_sweep):
        with pytest.raises(StoreError, match="no sweep 0000"):
            order("0" * 12)


# -- held, cancelled, stopped ----------------------------------------------------------------------


def test_a_paused_sweep_makes_way_and_goes_on_from_its_last_epoch(
    open_worker: Callable[[], Worker], store: RunStore, endless: RunConfig, quick: RunConfig
) -> None:
    worker = open_worker()
    sweep_id = worker.start_sweep(endless, GRID)
    first, *others = only(store).run_ids
    wait_for("training", lambda: training(worker) == [first])
    worker.pause_sweep(sweep_id)
    assert store.queue() == []
    wait_for("the end of the run", lambda: worker.live(first) is None)
    assert statuses(store, only(store)) == ["interrupted"] * 4 and only(store).state == "paused"
    assert "sweep is paused" in store.status(first)[1]
    progress = sweep_progress(store, only(store))
    assert (progress.waiting, progress.running) == (4, 0) and progress.seconds_left > 0
    alone = worker.submit(quick)  # others have their turn
    wait_for("another run", lambda: store.status(alone)[0] == "finished" and not worker.busy)
    assert open_worker().busy is False  # nor does the next server go on with it
    begun = store.folder(first).about()["started_at"]
    worker.resume_sweep(sweep_id)
    wait_for("training", lambda: training(worker) == [first])
    assert store.folder(first).about()["started_at"] == begun  # it was continued
    assert store.queue() == others and only(store).state == "active"
    worker.cancel_sweep(sweep_id)


def test_a_cancelled_sweep_is_stopped_whole_and_can_be_taken_up(
    open_worker: Callable[[], Worker], store: RunStore, endless: RunConfig
) -> None:
    worker = open_worker()
    sweep_id = worker.start_sweep(endless, GRID)
    first, *others = only(store).run_ids
    wait_for("training", lambda: training(worker) == [first])
    worker.cancel_sweep(sweep_id)
    wait_for("the end", lambda: not worker.busy)
    progress = sweep_progress(store, only(store))
    assert only(store).state == "cancelled" and statuses(store, only(store)) == ["stopped"] * 4
    assert (progress.stopped, progress.waiting, progress.seconds_left) == (4, 0, 0.0)
    assert open_worker().busy is False
    worker.resume_sweep(sweep_id)
    wait_for("training", lambda: training(worker) == [first])
    assert store.queue() == others
    worker.cancel_sweep(sweep_id)


def test_a_run_that_a_person_stops_stays_stopped_and_the_others_go_on(
    open_worker: Callable[[], Worker], store: RunStore, endless: RunConfig
) -> None:
    worker = open_worker()
    worker.start_sweep(endless, GRID)
    first, second, third, fourth = only(store).run_ids
    wait_for("training", lambda: training(worker) == [first])
    worker.stop(third)
    worker.stop(first)
    wait_for("the second", lambda: training(worker) == [second])
    assert statuses(store, only(store)) == ["stopped", "running", "stopped", "queued"]
    worker.close()
    assert statuses(store, only(store)) == ["stopped", "interrupted", "stopped", "queued"]
    again = open_worker()
    wait_for("the second", lambda: training(again) == [second])
    assert store.queue() == [fourth]
    again.cancel_sweep(only(store).sweep_id)


def test_a_run_of_two_sweeps_goes_on_while_one_of_them_wants_it(
    open_worker: Callable[[], Worker], store: RunStore, endless: RunConfig
) -> None:
    store.pause_queue()
    worker = open_worker()
    one = worker.start_sweep(endless, {"seed": ("0", "1", "2")})
    other = worker.start_sweep(endless, {"seed": ("1", "2", "3")})
    ids = [pipeline.identify(dataclasses.replace(endless, seed=seed)) for seed in range(4)]
    assert store.queue() == ids
    worker.cancel_sweep(one)
    assert store.queue() == ids[1:]
    worker.resume_sweep(one)
    assert store.queue() == [*ids[1:], ids[0]]
    worker.pause_sweep(other)
    assert store.queue() == [ids[1], ids[2], ids[0]]


def test_a_deleted_run_is_not_trained_again_by_itself(open_worker: Callable[[], Worker], store: RunStore, quick: RunConfig) -> None:
    worker = open_worker()
    worker.start_sweep(quick, GRID)
    wait_for("the end", lambda: not worker.busy)
    store.delete(only(store).run_ids[:1])
    assert open_worker().busy is False
    progress = sweep_progress(store, only(store))
    assert (progress.finished, progress.stopped) == (3, 1)
    store.restore(only(store).run_ids[:1])
    assert sweep_progress(store, only(store)).finished == 4


def test_a_queue_that_is_paused_holds_a_sweep_until_it_is_resumed(
    open_worker: Callable[[], Worker], store: RunStore, quick: RunConfig
) -> None:
    store.pause_queue()
    worker = open_worker()
    worker.start_sweep(quick, GRID)
    assert not worker.busy and len(store.queue()) == 4
    store.move(store.queue()[-1], "first")
    last = store.queue()[0]
    worker.resume_queue()
    wait_for("the end", lambda: not worker.busy)
    begun = {run_id: store.folder(run_id).about()["started_at"] for run_id in only(store).run_ids}
    assert min(begun, key=begun.__getitem__) == last


# -- the end of a server ---------------------------------------------------------------------------


def test_a_sweep_goes_on_when_a_server_starts_again(open_worker: Callable[[], Worker], store: RunStore, endless: RunConfig) -> None:
    """What was in training comes first, whatever the queue looks like."""
    worker = open_worker()
    worker.start_sweep(endless, GRID)
    first, *others = only(store).run_ids
    wait_for("training", lambda: training(worker) == [first])
    store.move(others[-1], "first")
    order = store.queue()
    worker.close()
    again = open_worker()
    wait_for("training", lambda: training(again) == [first])
    assert store.queue() == order
    again.close()
    assert open_worker().busy


def test_a_sweep_survives_what_a_killed_server_leaves(open_worker: Callable[[], Worker], store: RunStore, quick: RunConfig) -> None:
    """One run taken from the queue and never begun, one said to be in training, one finished, one that waits; nobody holds a lock."""
    configs = expand(quick, GRID)
    keep_sweep(store, quick, GRID, "", known := identify_all(configs))
    store.enqueue_all(known)
    taken = store.dequeue("cpu")
    begun = execute(store, configs[1])
    next(record for record in begun if not hasattr(record, "phase"))
    begun.close()
    store.remove_from_queue(known[1][0])
    store.set_status(known[1][0], "running")
    train(store, configs[2])
    assert taken is not None and store.queue() == [known[2][0], known[3][0]]
    worker = open_worker()
    wait_for("the end", lambda: not worker.busy)
    assert statuses(store, only(store)) == ["finished"] * 4


SERVER = """
import sys
from explorer.config import RunConfig
from explorer.runs.store import RunStore
from explorer.runs.worker import Worker
import time
worker = Worker(RunStore(sys.argv[1]))
if sys.argv[2]:
    worker.start_sweep(RunConfig.from_json(sys.argv[2]), {"width": ("1", "2"), "seed": ("0", "1")})
print("started", flush=True)
time.sleep(300)
"""


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="signals are those of Unix")
def test_a_sweep_survives_kill_9(open_worker: Callable[[], Worker], store: RunStore, quick: RunConfig) -> None:
    long = dataclasses.replace(quick, epochs=60, batch_size=8, train_size=200)
    for number, epoch in enumerate((0, 20)):
        command = [sys.executable, "-c", SERVER, str(store.root), "" if number else long.to_json()]
        server = subprocess.Popen(command, cwd=Path(__file__).parents[2], stdout=subprocess.PIPE)
        try:
            reach = ids_of(long)[number]
            wait_for("an epoch", lambda run_id=reach, at=epoch: len(store.folder(run_id).rows()) > at, seconds=120)
            server.send_signal(signal.SIGKILL)
        finally:
            server.kill()
            server.wait(30)
            assert server.stdout is not None
            server.stdout.close()
    worker = open_worker()
    wait_for("the end", lambda: not worker.busy, seconds=120)
    assert statuses(store, only(store)) == ["finished"] * 4
    alone = RunStore(store.root / "alone")
    for config in expand(long, GRID)[:2]:
        assert_same_run(store.root / pipeline.identify(config), alone.root / train(alone, config))


# -- two servers on one store ----------------------------------------------------------------------


def test_two_servers_share_a_sweep_and_fail_none_of_it(open_worker: Callable[[], Worker], store: RunStore, quick: RunConfig) -> None:
    first, grid = open_worker(), {"seed": tuple(map(str, range(8)))}
    first.start_sweep(quick, grid)
    second = open_worker()  # also takes what the first has only just taken from the queue
    wait_for("the end", lambda: not first.busy and not second.busy)
    assert statuses(store, only(store)) == ["finished"] * 8


# -- time ------------------------------------------------------------------------------------------


def test_expected_time_is_that_of_what_is_left(store: RunStore, quick: RunConfig) -> None:
    configs = expand(quick, GRID)
    shape = Shape((60, 8, 8, 1), 360, 10)
    asked: list[RunConfig] = []

    def shapes(config: RunConfig) -> Shape:
        asked.append(config)
        return shape

    seconds, finished, timed = expected(store, configs, shapes)
    each = [one.seconds for one in estimate_all(store, configs, lambda config: shape)]
    assert (finished, timed) == (0, False) and seconds == pytest.approx(sum(each))
    train(store, configs[1])
    left = expected(store, configs)  # the shape is that of the stored run now
    assert left.finished == 1 and left.seconds == pytest.approx(sum(each) - each[1], rel=1e-3)
    assert len(asked) == 2  # a seed costs nothing


def test_time_left_is_measured_on_the_run_in_training_and_expected_of_the_others(
    open_worker: Callable[[], Worker], store: RunStore, endless: RunConfig
) -> None:
    worker = open_worker()
    worker.start_sweep(endless, {"seed": ("0", "1")})
    wait_for("epochs", lambda: any(live.epochs_timed >= 3 for live in worker.current()))
    worker.pause(only(store).run_ids[0])
    wait_for("the pause", lambda: store.status(only(store).run_ids[0])[0] == "paused")
    (live,) = worker.current()
    progress = sweep_progress(store, only(store), [live])
    running, waiting = progress.members
    assert (progress.running, progress.waiting, running.status) == (1, 1, "paused")
    assert running.epochs == store.folder(live.run_id).rows()[-1]["epoch"]
    assert running.seconds_left == pytest.approx((endless.epochs - running.epochs) * live.epoch_seconds)
    (whole,) = (one.seconds for one in estimate_all(store, [waiting.config]))
    assert waiting.seconds_left == pytest.approx(whole) and whole > START_SECONDS
    assert progress.seconds_left == pytest.approx(running.seconds_left + waiting.seconds_left)
    worker.cancel_sweep(only(store).sweep_id)


def test_time_left_counts_the_extra_passes_after_the_epochs(store: RunStore, quick: RunConfig) -> None:
    plain, more = (dataclasses.replace(quick, folds=folds, epochs=10) for folds in (0, 5))
    left = []
    for config in (plain, more):
        keep_sweep(store, config, {}, "", identify_all([config]))
        left.append(sweep_progress(store, sweeps(store)[0]).seconds_left)
        (whole,) = (one.seconds for one in estimate_all(store, [config]))
        assert left[-1] == pytest.approx(whole)
    assert left[1] > left[0]


# -- many, and kept by others ----------------------------------------------------------------------


def test_many_runs_are_queued_in_one_step(open_worker: Callable[[], Worker], store: RunStore, quick: RunConfig) -> None:
    store.pause_queue()
    worker = open_worker()
    configs = [dataclasses.replace(quick, seed=seed) for seed in range(500)]
    run_ids = worker.submit_all(configs)
    assert store.queue() == list(run_ids) == [pipeline.identify(config) for config in configs]
    assert not list(store.root.glob("?" * 12))  # nothing was prepared
    with pytest.raises(ConfigError, match="dataset"):
        worker.submit_all([dataclasses.replace(quick, seed=500), dataclasses.replace(quick, dataset="/no/such/path")])
    assert len(store.queue()) == 500


def test_one_of_many_that_another_process_trains_keeps_all_of_them_back(
    open_worker: Callable[[], Worker], store: RunStore, quick: RunConfig
) -> None:
    worker = open_worker()
    with store.folder(pipeline.identify(quick)).lock(), pytest.raises(StoreError, match="another process"):
        worker.submit_all([dataclasses.replace(quick, seed=1), quick])
    assert store.queue() == []


def test_ids_are_those_of_single_runs_whatever_the_data(quick: RunConfig) -> None:
    configs = expand(quick, {"dataset": ("digits", "planted"), "noise": ("none", "open_set"), "train_size": ("60", "80")})
    assert [run_id for run_id, _ in identify_all(configs)] == [pipeline.identify(config) for config in configs]


def test_a_run_on_data_that_changed_since_says_so(open_worker: Callable[[], Worker], store: RunStore, quick: RunConfig) -> None:
    store.enqueue("a" * 12, pipeline.resolve(quick))
    worker = open_worker()
    wait_for("the end", lambda: not worker.busy)
    status, cause = store.status("a" * 12)
    assert status == "failed" and "data have changed" in cause
    assert not store.exists(pipeline.identify(quick))


def test_a_sweep_whose_data_are_gone_can_still_be_looked_at(
    open_worker: Callable[[], Worker], store: RunStore, quick: RunConfig, fast_path: Path
) -> None:
    base = dataclasses.replace(quick, dataset=str(fast_path / "gone"), noise="none", noise_rate=0.0)
    keep_sweep(store, base, GRID, "", [(f"{n:012x}", config) for n, config in enumerate(expand(base, GRID))])
    progress = sweep_progress(store, only(store))
    assert progress.waiting == 4 and math.isnan(progress.seconds_left)
    worker = open_worker()  # the server starts, and the runs say what is missing
    wait_for("the end", lambda: not worker.busy)
    assert {(m.status, "path that exists" in m.cause, m.seconds_left) for m in sweep_progress(store, only(store)).members} == {
        ("failed", True, 0.0)
    }


@pytest.mark.parametrize("column", ["base", "config"])
def test_a_sweep_of_another_version_hides_no_other(store: RunStore, quick: RunConfig, column: str) -> None:
    keep_sweep(store, quick, GRID, "", identify_all(expand(quick, GRID)))
    other = json.dumps(quick.to_dict() | {"warp": 9})
    base, member = (other, quick.to_json()) if column == "base" else (quick.to_json(), other)
    with store.db() as db:
        db.execute("INSERT INTO sweeps SELECT 'other', name, created_at + 1, ?, grid, state FROM sweeps", (base,))
        db.execute("INSERT INTO sweep_runs VALUES ('other', 0, ?, ?)", ("a" * 12, member))
    assert len(only(store).run_ids) == 4
    assert math.isfinite(sweep_progress(store, only(store)).seconds_left)
