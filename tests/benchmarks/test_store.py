"""What listing many stored runs costs, as ratios within one run: ``pytest -m benchmark -s``. Nothing here judges a time."""

from __future__ import annotations

import dataclasses
import shutil
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from explorer.config import RunConfig
from explorer.runs.estimate import estimate_all
from explorer.runs.identity import identify_all
from explorer.runs.store import RunStore
from explorer.runs.sweeps import expand, expected

pytestmark = pytest.mark.benchmark

RUNS = 500


@pytest.fixture(scope="module")
def many(finished: tuple[RunStore, str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("many")
    for n in range(RUNS):
        shutil.copytree(finished[0].root / finished[1], root / f"{n:012x}")
    RunStore(root)  # indexed, as after the first start
    return root


def seconds(work: Callable[[], object], rounds: int = 5) -> float:
    taken = []
    for _ in range(rounds):
        started = time.perf_counter()
        work()
        taken.append(time.perf_counter() - started)
    return statistics.median(taken)


def show(title: str, taken: dict[str, float], unit: str) -> None:
    print(f"\n{title} (1.00 is {unit}: {1000 * taken[unit]:.1f} ms)")
    for name, value in taken.items():
        print(f"  {name:58}{value / taken[unit]:9.3f}")


def test_what_a_list_of_many_runs_costs(many: Path) -> None:
    """The yardstick is reading all of them once, which every refresh of a page would do without anything kept in memory."""
    taken = {"first list of a server, everything read": seconds(lambda: RunStore(many).runs(), 3)}
    store = RunStore(many)
    assert len(store.runs()) == RUNS
    taken["the same list again"] = seconds(store.runs)
    folder = store.folder(f"{0:012x}")
    taken["after one run has changed"] = seconds(lambda: (folder.rewind(2), store.runs()))
    taken["disk use of all of them, first time"] = seconds(lambda: [store.disk_use(f"{n:012x}") for n in range(RUNS)], 1)
    taken["disk use of all of them again"] = seconds(lambda: [store.disk_use(f"{n:012x}") for n in range(RUNS)])
    show(f"{RUNS} stored runs", taken, "first list of a server, everything read")


def test_what_a_sweep_of_many_runs_costs_before_it_starts(many: Path, tiny: RunConfig) -> None:
    store = RunStore(many)
    store.runs()
    grid = {"width": ("1", "2", "4", "8", "16"), "seed": tuple(map(str, range(100)))}
    configs = expand(tiny, grid)
    identify_all(configs[:1])
    known = identify_all(configs)
    taken = {
        "taking the grid apart": seconds(lambda: expand(tiny, grid)),
        "ids of all runs": seconds(lambda: identify_all(configs)),
        "expected time of one run": seconds(lambda: estimate_all(store, configs[:1])),
        "expected time of all, and which are finished": seconds(lambda: expected(store, configs)),
        "queueing all": seconds(lambda: store.enqueue_all([(run_id, dataclasses.replace(c, device="cpu")) for run_id, c in known]), 1),
    }
    show(f"a sweep of {len(configs)} runs beside {RUNS} stored ones", taken, "expected time of one run")
