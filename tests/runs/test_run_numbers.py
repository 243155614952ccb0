"""The number of a run never changes, and runs that are first drawn together are of different kinds."""

from __future__ import annotations

import random
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from explorer.runs.run_numbers import KINDS, RunNumbers

IDS = [f"{n:012x}" for n in range(400)]


def test_runs_drawn_together_for_the_first_time_are_of_different_kinds(tmp_path: Path) -> None:
    numbers = RunNumbers(tmp_path)
    for start in range(0, 60, KINDS):
        kinds = {number % KINDS for number in numbers.of(IDS[start : start + KINDS]).values()}
        assert len(kinds) == KINDS


def test_a_number_stays_whatever_the_run_is_drawn_with(tmp_path: Path) -> None:
    rng, numbers = random.Random(0), RunNumbers(tmp_path)
    known: dict[str, int] = {}
    for _ in range(60):
        together = rng.sample(IDS[:80], rng.randint(1, 2 * KINDS))
        numbers = RunNumbers(tmp_path) if rng.random() < 0.3 else numbers
        found = numbers.of(together)
        assert list(found) == together
        assert all(known.get(run_id, number) == number for run_id, number in found.items())
        known |= found
    assert len(set(known.values())) == len(known)


def test_a_new_run_differs_from_those_it_joins_while_kinds_are_left(tmp_path: Path) -> None:
    numbers = RunNumbers(tmp_path)
    for n in range(2, KINDS + 1):
        found = numbers.of(IDS[:n])
        assert len({number % KINDS for number in found.values()}) == n
    assert numbers.of(["f" * 12]) == {"f" * 12: KINDS}


def test_numbers_are_small(tmp_path: Path) -> None:
    """All runs at once, as in a region plot: no number is left out."""
    assert sorted(RunNumbers(tmp_path).of(IDS).values()) == list(range(len(IDS)))


def test_processes_that_number_at_once_agree(tmp_path: Path) -> None:
    stores = [RunNumbers(tmp_path) for _ in range(4)]
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda numbers: {run_id: numbers.of([run_id])[run_id] for run_id in IDS[:40]}, stores))
    assert all(each == found[0] for each in found)
    assert len(set(found[0].values())) == 40
