"""The background trainer: orders take effect within one batch, failures reach the store, and it always ends."""

from __future__ import annotations

import dataclasses
import random
import threading
import time
from collections.abc import Callable, Iterator

import pytest

from explorer import pipeline
from explorer.config import ConfigError, RunConfig
from explorer.records import STATUSES, Progress, StoreError
from explorer.runs.execution import execute
from explorer.runs.store import RunStore
from explorer.runs.worker import Live, Worker
from tests.support import assert_same_run, wait_for


@pytest.fixture
def worker(store: RunStore) -> Iterator[Worker]:
    worker = Worker(store)
    yield worker
    worker.close()
    assert [t.name for t in threading.enumerate() if t.name.startswith("trainer-")] == []


@pytest.fixture
def endless(tiny: RunConfig) -> RunConfig:
    """Many small batches, and more epochs than any test waits for."""
    return dataclasses.replace(
        tiny, train_size=400, model="mlp", width=1, epochs=10_000, batch_size=4, curvature_every=0, embedding_every=0, susceptibility_lr=0.0
    )


@pytest.fixture
def quick(tiny: RunConfig) -> RunConfig:
    return dataclasses.replace(tiny, train_size=60, model="mlp", width=1, epochs=2)


def reach(store: RunStore, run_id: str, status: str) -> None:
    """Until the store says so; fails at once with the run's own cause if it has failed instead."""

    def trouble() -> str:
        now, cause = store.status(run_id)
        return f"{now}: {cause}" if now in ("failed", "damaged") and now != status else ""

    wait_for(f"status {status}", lambda: store.status(run_id)[0] == status, trouble)


def when(worker: Worker, store: RunStore, run_id: str, what: str, condition: Callable[[Live], object]) -> Live:
    """Until the run in training is so; returns how it was then."""
    seen: list[Live] = []

    def look() -> bool:
        live = worker.live(run_id)
        if live is not None and condition(live):
            seen.append(live)
        return bool(seen)

    wait_for(what, look, lambda: store.status(run_id)[1])
    return seen[0]


def training(live: Live) -> bool:
    return live.progress is not None and live.progress.phase == "train"


# -- one run ---------------------------------------------------------------------------------------


def test_a_submitted_run_is_trained_as_everywhere_else(
    worker: Worker, store: RunStore, tiny: RunConfig, finished: tuple[RunStore, str]
) -> None:
    run_id = worker.submit(tiny)
    assert run_id == finished[1]
    reach(store, run_id, "finished")
    wait_for("the end of the job", lambda: not worker.busy)
    assert worker.live(run_id) is None and worker.current() == []
    assert store.queue() == []
    train = store.root / run_id
    assert (train / "epochs.csv").read_text().count("\n") == tiny.epochs + 2
    assert_same_run(train, finished[0].root / run_id)


def test_while_it_trains_it_can_be_watched(worker: Worker, store: RunStore, endless: RunConfig) -> None:
    run_id = worker.submit(endless)
    live = when(worker, store, run_id, "two epochs", lambda now: now.epochs_timed >= 2)
    assert (live.run_id, live.state, live.wish) == (run_id, "running", "")
    assert live.config == pipeline.resolve(endless)
    assert live.epoch_seconds > 0 and live.images_per_second > 0 and live.started_at > 0
    assert worker.busy
    assert [now.run_id for now in worker.current()] == [run_id]


def test_pause_holds_within_one_batch_and_resume_goes_on(worker: Worker, store: RunStore, endless: RunConfig) -> None:
    first_epochs = [r for r in _progress(dataclasses.replace(endless, epochs=20))]
    run_id = worker.submit(endless)
    for _ in range(3):
        when(worker, store, run_id, "training", lambda now: now.state == "running" and training(now))
        worker.pause(run_id)
        asked = worker.live(run_id)
        assert asked is not None
        paused = when(worker, store, run_id, "the pause", lambda now: now.state == "paused")
        assert paused.wish == ""
        assert asked.progress is not None and paused.progress is not None
        assert paused.progress.epoch <= 20, "too slow a machine to compare with the list of batches"
        assert first_epochs.index(paused.progress) - first_epochs.index(asked.progress) <= 1
        reach(store, run_id, "paused")
        rows = len(store.folder(run_id).rows())
        time.sleep(0.1)
        still = worker.live(run_id)
        assert still is not None and still.progress == paused.progress and still.state == "paused"
        assert len(store.folder(run_id).rows()) == rows
        worker.resume(run_id)
        reach(store, run_id, "running")


def _progress(config: RunConfig) -> Iterator[Progress]:
    return (record for record in pipeline.run(config) if isinstance(record, Progress))


def test_a_wish_is_visible_until_it_has_come_true(worker: Worker, store: RunStore, endless: RunConfig) -> None:
    run_id = worker.submit(endless)
    when(worker, store, run_id, "training", training)
    worker.pause(run_id)
    live = worker.live(run_id)
    assert live is not None and (live.state, live.wish) in (("running", "pausing"), ("paused", ""))
    when(worker, store, run_id, "the pause", lambda now: now.state == "paused" and now.wish == "")
    worker.stop(run_id)
    live = worker.live(run_id)
    assert live is None or live.wish == "stopping"
    reach(store, run_id, "stopped")


def test_one_epoch_goes_to_the_end_of_the_epoch_and_holds(worker: Worker, store: RunStore, endless: RunConfig) -> None:
    run_id = worker.submit(endless)
    when(worker, store, run_id, "training", training)
    worker.pause(run_id)
    when(worker, store, run_id, "the pause", lambda now: now.state == "paused")
    for _ in range(3):
        before = len(store.folder(run_id).rows())
        worker.one_epoch(run_id)
        wait_for("one more row", lambda rows=before + 1: len(store.folder(run_id).rows()) >= rows, lambda: store.status(run_id)[1])
        when(worker, store, run_id, "the pause after it", lambda now: now.state == "paused")
        reach(store, run_id, "paused")
        time.sleep(0.05)
        assert len(store.folder(run_id).rows()) == before + 1


def test_pauses_do_not_count_as_time_of_an_epoch(worker: Worker, store: RunStore, endless: RunConfig) -> None:
    run_id = worker.submit(endless)
    when(worker, store, run_id, "training", training)
    worker.pause(run_id)
    when(worker, store, run_id, "the pause", lambda now: now.state == "paused")
    time.sleep(0.4)
    worker.resume(run_id)
    live = when(worker, store, run_id, "an epoch after it", lambda now: now.state == "running" and now.epochs_timed >= 3)
    assert live.epochs_timed * live.epoch_seconds <= time.monotonic() - live.started_at - 0.4 + 0.01


@pytest.mark.parametrize("paused", [False, True])
def test_stop_is_confirmed_keeps_the_epochs_and_the_run_can_go_on(
    worker: Worker, store: RunStore, endless: RunConfig, paused: bool
) -> None:
    run_id = worker.submit(endless)
    when(worker, store, run_id, "an epoch", lambda now: now.epochs_timed >= 2)
    if paused:
        worker.pause(run_id)
        when(worker, store, run_id, "the pause", lambda now: now.state == "paused")
    worker.stop(run_id)
    reach(store, run_id, "stopped")
    wait_for("the end of the job", lambda: worker.live(run_id) is None)
    assert not store.folder(run_id).is_locked()
    kept = store.open(run_id).last_epoch
    assert kept >= 1
    assert worker.submit(endless) == run_id
    live = when(worker, store, run_id, "an epoch", lambda now: now.epochs_timed >= 1)
    assert live.progress is not None and live.progress.epoch > 0  # not from the start: epoch 0 has a checkpoint at least
    assert store.open(run_id).last_epoch >= 1


def test_a_failure_has_its_cause_in_the_store_and_the_next_run_is_trained(
    worker: Worker, store: RunStore, tiny: RunConfig, quick: RunConfig
) -> None:
    bad = worker.submit(dataclasses.replace(tiny, model="mlp", lr=1e6))
    good = worker.submit(quick)
    reach(store, bad, "failed")
    assert "smaller learning rate" in store.status(bad)[1]
    reach(store, good, "finished")
    assert store.open(bad).last_epoch >= 0


def test_a_failure_while_preparing_has_its_cause_in_the_store(worker: Worker, store: RunStore, quick: RunConfig) -> None:
    run_id = worker.submit(dataclasses.replace(quick, train_size=10**6))
    reach(store, run_id, "failed")
    assert "train_size" in store.status(run_id)[1]


def test_what_cannot_be_identified_is_refused_at_once(worker: Worker, store: RunStore, quick: RunConfig) -> None:
    with pytest.raises(ConfigError, match="dataset"):
        worker.submit(dataclasses.replace(quick, dataset="/no/such/path"))
    assert store.queue() == [] and store.runs() == []


# -- several runs ----------------------------------------------------------------------------------


def test_runs_wait_for_each_other_in_order(worker: Worker, store: RunStore, endless: RunConfig, quick: RunConfig) -> None:
    first = worker.submit(endless)
    when(worker, store, first, "training", training)
    second, third = worker.submit(quick), worker.submit(dataclasses.replace(quick, seed=1))
    assert store.queue() == [second, third]
    assert [store.status(r)[0] for r in (first, second, third)] == ["running", "queued", "queued"]
    worker.stop(first)
    reach(store, third, "finished")
    assert store.status(second)[0] == "finished"
    assert store.folder(second).about()["started_at"] < store.folder(third).about()["started_at"]


def test_a_waiting_run_can_be_stopped(worker: Worker, store: RunStore, endless: RunConfig, quick: RunConfig) -> None:
    first = worker.submit(endless)
    when(worker, store, first, "training", training)
    waiting = worker.submit(quick)
    worker.stop(waiting)
    assert store.queue() == []
    assert store.status(waiting)[0] == "stopped"
    live = worker.live(first)
    assert live is not None and live.wish == ""


def test_submitting_twice_trains_once(worker: Worker, store: RunStore, endless: RunConfig, quick: RunConfig) -> None:
    first = worker.submit(endless)
    when(worker, store, first, "training", training)
    assert worker.submit(endless) == first
    assert store.queue() == [] and store.status(first)[0] == "running"
    assert worker.submit(quick) == worker.submit(quick)
    assert len(store.queue()) == 1
    worker.stop(first)
    reach(store, worker.submit(quick), "finished")


def test_a_finished_run_is_trained_anew_only_when_asked(worker: Worker, store: RunStore, quick: RunConfig) -> None:
    run_id = worker.submit(quick)
    reach(store, run_id, "finished")
    started = store.folder(run_id).about()["started_at"]
    wait_for("the end of the job", lambda: not worker.busy)
    worker.submit(quick)
    assert store.queue() == [] and store.status(run_id)[0] == "finished"
    worker.submit(quick, again=True)
    wait_for("a new start", lambda: store.folder(run_id).about()["started_at"] > started, lambda: store.status(run_id)[1])
    reach(store, run_id, "finished")


# -- the end ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("paused", [False, True])
def test_close_stops_and_joins_and_may_be_called_twice(store: RunStore, endless: RunConfig, quick: RunConfig, paused: bool) -> None:
    worker = Worker(store)
    run_id = worker.submit(endless)
    waiting = worker.submit(quick)
    when(worker, store, run_id, "training", training)
    if paused:
        worker.pause(run_id)
        when(worker, store, run_id, "the pause", lambda now: now.state == "paused")
    worker.close()
    assert [t for t in threading.enumerate() if t.name.startswith("trainer-")] == []
    status, cause = store.status(run_id)
    assert status == "interrupted" and "server was closed" in cause  # nobody stopped it
    assert store.queue() == [waiting]
    worker.close()
    worker.submit(dataclasses.replace(quick, seed=7))  # too late to be trained, kept in the queue
    time.sleep(0.05)
    assert len(store.queue()) == 2
    worker.close()


def test_closing_a_worker_that_never_worked(store: RunStore) -> None:
    Worker(store).close()
    assert store.runs() == []


@pytest.mark.parametrize("number", range(12))
def test_close_right_after_submit_ends_however_far_the_thread_has_come(store: RunStore, endless: RunConfig, number: int) -> None:
    """Between taking a run from the queue and training it there must be no moment in which close is not heard."""
    worker = Worker(store)
    run_id = worker.submit(endless)
    time.sleep(0.002 * number)
    worker.close(timeout=20)
    assert [t for t in threading.enumerate() if t.name.startswith("trainer-")] == []
    assert store.status(run_id)[0] in ("queued", "interrupted")


def test_orders_for_runs_that_are_not_there_do_nothing(worker: Worker, store: RunStore) -> None:
    for order in (worker.pause, worker.resume, worker.one_epoch, worker.stop):
        order("0" * 12)
    assert worker.live("0" * 12) is None and not worker.busy
    assert store.runs() == []


def test_threads_that_press_everything_at_random_break_nothing(store: RunStore, endless: RunConfig, quick: RunConfig) -> None:
    seed = random.SystemRandom().randrange(10**6)
    print(f"seed {seed}")
    configs = [endless, dataclasses.replace(endless, seed=1), quick, dataclasses.replace(quick, seed=1)]
    ids = [pipeline.identify(config) for config in configs]
    worker, errors = Worker(store), []

    def press(number: int) -> None:
        rng = random.Random(seed + number)
        try:
            for _ in range(40):
                which = rng.randrange(4)
                action = rng.choice(["submit", "again", "pause", "resume", "one_epoch", "stop", "live", "current", "busy", "list", "open"])
                if action in ("submit", "again"):
                    worker.submit(configs[which], again=action == "again")
                elif action in ("pause", "resume", "one_epoch", "stop", "live"):
                    getattr(worker, action)(ids[which])
                elif action == "list":
                    assert {s.status for s in store.runs()} <= set(STATUSES)
                elif action == "open" and store.exists(ids[which]):
                    store.folder(ids[which]).rows()
                else:
                    assert worker.current() is not None and worker.busy in (True, False)
                time.sleep(rng.uniform(0, 0.004))
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=press, args=(n,)) for n in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
        assert not thread.is_alive()
    worker.close(timeout=30)
    assert errors == []
    assert [t for t in threading.enumerate() if t.name.startswith("trainer-")] == []
    for summary in store.runs():
        assert summary.status in ("queued", "stopped", "interrupted", "finished"), summary
        assert not store.folder(summary.run_id).is_locked()
    for _ in execute(store, quick):  # and whatever state it was left in, it can be continued
        pass
    fresh = RunStore(store.root / "fresh")
    for _ in execute(fresh, quick):
        pass
    assert_same_run(store.root / ids[2], fresh.root / ids[2])


# -- other workers, earlier and beside -------------------------------------------------------------


def test_a_run_trained_elsewhere_is_refused_and_left_alone(worker: Worker, store: RunStore, endless: RunConfig) -> None:
    run_id = pipeline.identify(endless)
    elsewhere = Worker(RunStore(store.root))
    try:
        elsewhere.submit(endless)
        when(elsewhere, store, run_id, "training elsewhere", training)
        with pytest.raises(StoreError, match="another process"):
            worker.submit(endless)
        assert store.queue() == [] and worker.live(run_id) is None
        assert store.status(run_id)[0] == "running" and elsewhere.live(run_id) is not None
    finally:
        elsewhere.close()


def test_a_run_submitted_while_it_stops_is_trained_after_that(worker: Worker, store: RunStore, endless: RunConfig) -> None:
    run_id = worker.submit(endless)
    when(worker, store, run_id, "training", training)
    worker.pause(run_id)
    when(worker, store, run_id, "paused", lambda live: live.state == "paused")
    worker.stop(run_id)
    worker.submit(endless)
    when(worker, store, run_id, "training again", lambda live: training(live) and live.wish == "")
    worker.stop(run_id)
    wait_for("the second stop", lambda: worker.live(run_id) is None)
    assert store.status(run_id) == ("stopped", "") and store.queue() == []


def test_a_queue_left_behind_is_taken_up_by_the_next_worker(store: RunStore, quick: RunConfig) -> None:
    config = pipeline.resolve(quick)
    run_id = pipeline.identify(quick)
    store.enqueue(run_id, config)
    worker = Worker(store)
    try:
        reach(store, run_id, "finished")
        assert store.queue() == []
    finally:
        worker.close()


def test_a_run_that_a_person_stopped_is_stopped_even_if_the_server_is_closed_at_once(store: RunStore, endless: RunConfig) -> None:
    worker = Worker(store)
    run_id = worker.submit(endless)
    when(worker, store, run_id, "training", training)
    worker.stop(run_id)
    worker.close()
    assert store.status(run_id) == ("stopped", "")


def test_nothing_is_busy_while_the_queue_is_paused(worker: Worker, store: RunStore, quick: RunConfig) -> None:
    store.pause_queue()
    run_id = worker.submit(quick)
    time.sleep(0.05)
    assert not worker.busy and store.queue() == [run_id] and store.status(run_id)[0] == "queued"
    worker.resume_queue()
    assert worker.busy
    reach(store, run_id, "finished")
