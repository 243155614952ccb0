"""Runs that wait: in order, once each, whoever asks, and beyond the end of a server."""

from __future__ import annotations

import dataclasses
import random
import sqlite3
import threading

import pytest

from explorer.config import RunConfig
from explorer.records import StoreError
from explorer.runs.store import RunStore


def run_ids(count: int) -> list[str]:
    return [f"{n:012x}" for n in range(count)]


@pytest.fixture
def waiting(store: RunStore, tiny: RunConfig) -> list[str]:
    """Five runs that wait, first to last."""
    ids = run_ids(5)
    store.enqueue_all([(run_id, dataclasses.replace(tiny, seed=n)) for n, run_id in enumerate(ids)])
    return ids


def test_first_in_first_out(store: RunStore, tiny: RunConfig) -> None:
    ids = run_ids(5)
    for n, run_id in enumerate(ids):
        store.enqueue(run_id, dataclasses.replace(tiny, seed=n), again=n == 3)
    assert store.queue() == ids
    taken = [store.dequeue("cpu") for _ in range(6)]
    assert taken == [(run_id, dataclasses.replace(tiny, seed=n), n == 3) for n, run_id in enumerate(ids)] + [None]
    assert store.queue() == []


def test_a_run_waits_once(store: RunStore, tiny: RunConfig) -> None:
    one, other = run_ids(2)
    for run_id in (one, other, one, one):
        store.enqueue(run_id, tiny)
    assert store.queue() == [one, other]
    assert store.status(one) == ("queued", "")


def test_each_device_has_its_own_queue(store: RunStore, tiny: RunConfig) -> None:
    one, other = run_ids(2)
    store.enqueue(one, dataclasses.replace(tiny, device="cuda"))
    store.enqueue(other, tiny)
    taken = store.dequeue("cpu")
    assert taken is not None and taken[0] == other
    assert store.dequeue("cpu") is None
    assert store.queue() == [one]


def test_a_waiting_run_can_be_taken_back(store: RunStore, tiny: RunConfig) -> None:
    (run_id,) = run_ids(1)
    store.enqueue(run_id, tiny)
    assert store.remove_from_queue(run_id)
    assert not store.remove_from_queue(run_id)
    assert store.dequeue("cpu") is None


def test_the_queue_outlives_the_process(store: RunStore, tiny: RunConfig) -> None:
    ids = run_ids(3)
    for run_id in ids:
        store.enqueue(run_id, tiny)
    assert RunStore(store.root).queue() == ids


def test_no_run_is_taken_twice(store: RunStore, tiny: RunConfig) -> None:
    ids = run_ids(24)
    for run_id in ids:
        store.enqueue(run_id, tiny)
    taken: list[str] = []
    errors: list[BaseException] = []

    def take() -> None:
        mine = RunStore(store.root)
        try:
            while (found := mine.dequeue("cpu")) is not None:
                taken.append(found[0])
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=take) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
        assert not thread.is_alive()
    assert errors == []
    assert sorted(taken) == ids


def test_what_was_taken_and_never_begun_is_queued_again(store: RunStore, waiting: list[str], tiny: RunConfig) -> None:
    """As a server leaves it that is killed between taking a run and training it."""
    taken = store.dequeue("cpu")
    assert taken is not None and store.queue() == waiting[1:]
    store.set_status(waiting[4], "running")
    store.remove_from_queue(waiting[3])
    again = RunStore(store.root)
    again.requeue_lost()
    assert again.queue() == [*waiting[1:3], waiting[4], waiting[0]]
    again.requeue_lost()
    assert len(again.queue()) == 4


def test_settings_that_cannot_be_read_fail_that_run_and_hold_up_no_other(store: RunStore, waiting: list[str]) -> None:
    with store.db() as db:
        db.execute("UPDATE runs SET config = ? WHERE run_id = ?", ('{"device": "cpu", "warp": 9}', waiting[0]))
    taken = store.dequeue("cpu")
    assert taken is not None and taken[0] == waiting[1]
    status, cause = store.status(waiting[0])
    assert status == "failed" and "warp" in cause


# -- order -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("which", "where", "order"),
    [
        (3, "first", [3, 0, 1, 2, 4]), (3, "up", [0, 1, 3, 2, 4]), (3, "down", [0, 1, 2, 4, 3]), (0, "first", [0, 1, 2, 3, 4]),
        (0, "up", [0, 1, 2, 3, 4]), (4, "down", [0, 1, 2, 3, 4]), (4, "first", [4, 0, 1, 2, 3]), (0, "down", [1, 0, 2, 3, 4]),
    ],
)  # fmt: skip
def test_a_waiting_run_can_be_moved(store: RunStore, waiting: list[str], which: int, where: str, order: list[int]) -> None:
    assert store.move(waiting[which], where)
    assert store.queue() == [waiting[n] for n in order]
    assert [taken[0] for _ in order if (taken := RunStore(store.root).dequeue("cpu"))] == [waiting[n] for n in order]


def test_a_run_that_does_not_wait_is_not_moved_and_a_place_that_is_none_is_refused(store: RunStore, waiting: list[str]) -> None:
    assert not store.move("a" * 12, "first")
    with pytest.raises(StoreError, match="'last'.*first, up, down"):
        store.move(waiting[0], "last")
    assert store.queue() == waiting


def test_new_runs_come_last_whatever_was_moved(store: RunStore, waiting: list[str], tiny: RunConfig) -> None:
    store.move(waiting[2], "first")
    store.move(waiting[4], "up")
    order, (*_, new) = store.queue(), run_ids(6)
    store.enqueue(new, tiny)
    assert store.queue() == [*order, new]


def test_many_can_be_put_before_all_others(store: RunStore, waiting: list[str], tiny: RunConfig) -> None:
    *_, one, other = run_ids(7)
    store.enqueue_all([(one, tiny), (waiting[3], tiny), (other, tiny)], first=True)
    assert store.queue() == [one, waiting[3], other, *(waiting[n] for n in (0, 1, 2, 4))]


def test_any_moves_and_ends_leave_an_order_of_what_waits(store: RunStore, waiting: list[str], tiny: RunConfig) -> None:
    seed = random.SystemRandom().randrange(10**6)
    print(f"seed {seed}")
    rng, model = random.Random(seed), list(waiting)
    for _ in range(60):
        run_id, where = rng.choice(waiting), rng.choice(["first", "up", "down", "add", "take", "remove"])
        if where == "add":
            store.enqueue(run_id, tiny)
            model += [run_id] if run_id not in model else []
        elif where == "take":
            taken = store.dequeue("cpu")
            assert (taken[0] if taken else None) == (model.pop(0) if model else None)
        elif where == "remove":
            assert store.remove_from_queue(run_id) == (run_id in model)
            model = [each for each in model if each != run_id]
        elif store.move(run_id, where):
            at = model.index(run_id)
            model.insert({"first": 0, "up": max(0, at - 1), "down": at + 1}[where], model.pop(at))
        assert store.queue() == model


# -- held ------------------------------------------------------------------------------------------


def test_a_paused_queue_gives_nothing_out_until_it_is_resumed(store: RunStore, waiting: list[str]) -> None:
    assert not store.queue_paused
    store.pause_queue()
    store.pause_queue()
    after = RunStore(store.root)  # it outlives the process
    assert after.queue_paused and after.dequeue("cpu") is None and after.queue() == waiting
    after.resume_queue()
    assert not store.queue_paused
    taken = store.dequeue("cpu")
    assert taken is not None and taken[0] == waiting[0]


def test_looking_for_work_does_not_wait_for_whoever_writes(store: RunStore) -> None:
    """A server with nothing to do asks every second: that must not stand in the way of decisions being written."""
    writer = sqlite3.connect(store.root / "explorer.db", isolation_level=None)
    try:
        writer.execute("BEGIN IMMEDIATE")
        assert store.dequeue("cpu") is None
        writer.execute("ROLLBACK")
    finally:
        writer.close()
