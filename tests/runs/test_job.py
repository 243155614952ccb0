"""Orders for a run in training, as they come in any order."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from explorer.config import RunConfig
from explorer.records import EpochRecord
from explorer.runs.job import Job, Live

ORDERS = ("pause", "one_epoch", "resume", "epoch")


def job() -> Job:
    made = Job(Live("0" * 12, RunConfig(), "running"))
    made.go.set()
    return made


def epoch_record() -> EpochRecord:
    return EpochRecord(1, 1, None, None, None, None, np.zeros(0, np.uint16), 1.0, 1.0, 0.1, 0.0, 0.0, 1.0, 0.0, 0.0)


def give(job: Job, order: str) -> None:
    if order == "pause":
        job.hold()
    elif order == "epoch":
        job.note(epoch_record())
    else:
        job.go_on(one_epoch=order == "one_epoch")


@pytest.mark.parametrize("interruption", ["", "the server was closed"])
def test_a_run_that_is_to_end_is_never_held_again(interruption: str) -> None:
    for before, after in itertools.product(itertools.product(ORDERS, repeat=2), repeat=2):
        held = job()
        for order in before:
            give(held, order)
        held.end(interruption)
        for order in after:
            give(held, order)
        assert held.go.is_set() and held.stop.is_set() and held.live.wish == "stopping", (before, after)


def test_one_epoch_holds_at_its_end_and_a_pause_forgets_it() -> None:
    held = job()
    held.go_on(one_epoch=True)
    assert held.go.is_set()
    held.note(epoch_record())
    assert not held.go.is_set()
    held.go_on(one_epoch=True)
    held.hold()
    held.go_on()
    held.note(epoch_record())
    assert held.go.is_set()
