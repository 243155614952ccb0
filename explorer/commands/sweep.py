"""``sweep``: train a grid of runs, one after the other."""

from __future__ import annotations

import argparse
import contextlib
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from explorer.commands.shared import Commands, add_settings, asked_for, bar, say, terminable
from explorer.config import OPTIONS, ConfigError, RunConfig, with_preset
from explorer.records import DataError, EpochRecord, StoreError, TrainingError

if TYPE_CHECKING:
    from explorer.runs.store import RunStore

ABOUT = (
    "Train every combination of the grid that is not finished yet, one after the other, in this process. First the expected time is "
    "printed, then a line for each run: its place among all, its id, its settings, how it ended. Runs that fail do not stop the "
    "others. Last come the tables of the regions of comparable runs, and the ids of all runs, one a line, in the order of the grid. "
    "The same command continues after Ctrl-C. Exit status: 0 all are finished; 1 some failed; 2 a setting or the data cannot be used; "
    "130 interrupted."
)
GRID = "values of a setting, as in --grid model=mlp,cnn; may be given several times: all combinations are trained, the last varies fastest"
SHOWN = {"train": "train_accuracy", "test": "test_accuracy", "memorized": "memorized"}
FAILURES = (ConfigError, DataError, StoreError, TrainingError, OSError)


def add(commands: Commands) -> None:
    parser = commands.add_parser("sweep", help="train a grid of runs one after the other; the same command continues", description=ABOUT)
    parser.add_argument("--grid", action="append", required=True, metavar="NAME=VALUE,VALUE", help=GRID)
    add_settings(parser, OPTIONS)
    parser.set_defaults(command=sweep)


def sweep(options: argparse.Namespace) -> int:
    """Train what is not finished; the ids of all runs stand on the last lines of stdout."""
    from explorer.runs.identity import identify_all
    from explorer.runs.region_tables import describe_table, region_tables
    from explorer.runs.store import RunStore

    configs = _configs(options)
    known = identify_all(configs)
    store = RunStore(options.runs)
    with terminable():
        failed = _train_all(store, known)
    run_ids = [run_id for run_id, _ in known]
    for table in region_tables(store, among=run_ids):
        print(describe_table(table))
    if failed:
        print(f"{failed} of {len(known)} runs failed; the same command tries them again")
    print("\n".join(run_ids))
    return 1 if failed else 0


def _configs(options: argparse.Namespace) -> tuple[RunConfig, ...]:
    from explorer.runs.grid import expand, parse_grid

    asked, grid = asked_for(options, OPTIONS), parse_grid(options.grid)
    for name in grid.keys() & asked.keys():
        raise ConfigError(name, asked[name], f"is also in the grid, as {','.join(grid[name])}; give it once")
    return expand(RunConfig.from_query(with_preset(asked)), grid, asked)


def _train_all(store: RunStore, known: Sequence[tuple[str, RunConfig]]) -> int:
    """A line for each run; returns how many failed."""
    from explorer.runs.execution import cause_of
    from explorer.runs.grid import differences

    plan = _Plan(store, known)
    say(plan.words())
    names, failed = differences([config for _, config in known]), 0
    with bar("run") as shown:
        shown.total = len(known)
        for place, (run_id, config) in enumerate(known, 1):
            words = f"{place} of {len(known)}  {run_id}  {' '.join(f'{name}={getattr(config, name)}' for name in names)}".rstrip()
            if run_id in plan.finished:
                say(f"{words}  finished earlier")
            else:
                started = time.monotonic()
                try:
                    ended = _train(store, run_id, config, shown, place)
                except FAILURES as error:
                    failed, ended = failed + 1, f"failed: {cause_of(error)}"
                    plan.over(run_id)
                else:
                    plan.over(run_id, time.monotonic() - started)
                say(f"{words}  {ended}  {_duration(time.monotonic() - started)}{plan.left_words()}")
            shown.update()
    return failed


def _train(store: RunStore, run_id: str, config: RunConfig, shown: Any, place: int) -> str:
    """Returns the numbers of the last epoch in words."""
    from explorer.runs.execution import execute

    with contextlib.closing(execute(store, config)) as records:
        for record in records:
            if isinstance(record, EpochRecord):
                shown.set_description_str(f"run {place} of {shown.total}, epoch {record.epoch} of {config.epochs}")
    last = store.folder(run_id).rows()[-1]
    return "  ".join(f"{word} {_percent(last[name])} %" for word, name in SHOWN.items())


class _Plan:
    """What is finished, and how long the others take."""

    def __init__(self, store: RunStore, known: Sequence[tuple[str, RunConfig]]) -> None:
        from explorer.runs.at_hand import NotAtHand
        from explorer.runs.estimate import estimate_all

        status = store.statuses([run_id for run_id, _ in known])
        self.finished = {run_id for run_id in status if status[run_id] == "finished"}
        left = [(run_id, config) for run_id, config in known if run_id not in self.finished]
        try:
            each = estimate_all(store, [config for _, config in left])
        except NotAtHand:  # the first run downloads them
            each = []
        self._left = {run_id: one.seconds for (run_id, _), one in zip(left, each, strict=bool(each))}
        self._count, self._timed, self._pace = len(known), all(one.timed for one in each), 1.0

    def words(self) -> str:
        """The first line: how many runs, how many of them are finished, and the time for the others."""
        to_do = self._count - len(self.finished)
        text = f"{self._count} runs, {len(self.finished)} finished already"
        if not self._left:
            return text if not to_do else f"{text}; the data are downloaded first, so the time is not known yet"
        guess = "" if self._timed else " (a first guess: no run has been timed here yet)"
        return f"{text}; {to_do} to train, about {_duration(sum(self._left.values()))}{guess}"

    def over(self, run_id: str, seconds: float | None = None) -> None:
        """A run has ended. seconds: what a whole one took, by which the others are expected to take longer or shorter too."""
        expected = self._left.pop(run_id, 0.0)
        if seconds is not None and expected:
            self._pace = seconds / expected

    def left_words(self) -> str:
        return f", about {_duration(self._pace * sum(self._left.values()))} left" if self._left else ""


def _duration(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 100 else f"{seconds / 60:.0f} min" if seconds < 6000 else f"{seconds / 3600:.1f} h"


def _percent(share: float) -> str:
    return "-" if share != share else f"{100 * share:.1f}"
