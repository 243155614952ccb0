"""Stored runs in the plane of susceptibility and training accuracy: which may be compared, and what choosing among them comes to."""

from __future__ import annotations

import functools
import math
from collections.abc import Collection, Sequence
from typing import Any, NamedTuple

import numpy as np

from explorer.analysis.deployment import Choices, repeated_choices
from explorer.analysis.regions import (
    SAME_DATA,
    SAME_FIXED_PROBE,
    SAME_PROBE,
    Correlation,
    Regions,
    RegionSummary,
    correlation,
    regions,
    summarise,
)
from explorer.config import ConfigError, RunConfig
from explorer.records import Array, DataError, StoreError
from explorer.runs.at_hand import load_at_hand
from explorer.runs.store import RunStore, RunSummary

PROBES = {"paper": "susceptibility", "fixed_rate": "susceptibility_fixed_lr"}  # probe -> its column of epochs.csv
WAYS = {
    "rule": "what the rule deploys", "region_1": "mean of region 1", "all_runs": "mean of all runs",
    "noisy_validation": "best by noisy validation", "oracle": "oracle",
}  # fmt: skip
Settings = tuple[tuple[str, Any], ...]


class RegionTable(NamedTuple):
    """Comparable finished runs, newest first, and what their regions hold. probe: one of PROBES.

    clean: whether test accuracy is by reference labels. choices: of several random halves of the test images; empty where that
    cannot be told, and then ``note`` says why.
    """

    probe: str
    shared: Settings
    runs: tuple[RunSummary, ...]
    regions: Regions
    summaries: tuple[RegionSummary, ...]
    with_memorized: Correlation
    with_test_accuracy: Correlation
    clean: bool
    choices: tuple[Choices, ...]
    note: str

    def region_of(self, run_id: str) -> int | None:
        """1 to 4; None for a run that is not in it."""
        return dict(zip((run.run_id for run in self.runs), self.regions.region, strict=True)).get(run_id)

    def deployed(self) -> dict[str, float]:
        """Test accuracy each way of choosing comes to (see WAYS), mean over the random halves; empty where it cannot be told."""
        return {way: float(np.mean([getattr(each, way) for each in self.choices])) for way in WAYS} if self.choices else {}


def region_tables(store: RunStore, among: Collection[str] | None = None, about: Collection[str] | None = None) -> list[RegionTable]:
    """A table for each probe and each set of four or more comparable runs, the set of the newest run first.

    Args:
        among: only these runs are compared with each other; unless given all stored ones. about: only sets with one of these runs.
    """
    runs = [run for run in store.runs() if among is None or run.run_id in among]
    return [
        table
        for probe in PROBES
        for shared, group in comparable_groups(runs, probe).items()
        if about is None or any(run.run_id in about for run in group)
        if (table := _table(store, probe, shared, group)) is not None
    ]


def comparable_groups(runs: Sequence[RunSummary], probe: str) -> dict[Settings, list[RunSummary]]:
    """Finished runs with a susceptibility by this probe, by the settings that comparable runs share."""
    groups: dict[Settings, list[RunSummary]] = {}
    for run in runs:
        if joins(run, probe) and run.config is not None:
            groups.setdefault(shared_settings(run.config, probe), []).append(run)
    return groups


def joins(run: RunSummary, probe: str) -> bool:
    """Whether a run has a place in the plane: finished, with a susceptibility by this probe."""
    known = not math.isnan(run.last.get(PROBES[probe], math.nan) + run.last.get("train_accuracy", math.nan))
    return run.status == "finished" and run.config is not None and run.config.trains and known


@functools.lru_cache(maxsize=4096)
def shared_settings(config: RunConfig, probe: str) -> Settings:
    """The settings that decide whether two runs are comparable; see ``analysis.regions.comparable``."""
    config = config.canonical()
    return tuple((name, getattr(config, name)) for name in SAME_DATA + (SAME_PROBE if probe == "paper" else SAME_FIXED_PROBE))


def _table(store: RunStore, probe: str, shared: Settings, runs: Sequence[RunSummary]) -> RegionTable | None:
    column = {
        name: [run.last.get(name, math.nan) for run in runs] for name in (PROBES[probe], "train_accuracy", "test_accuracy", "memorized")
    }
    zeta = column[PROBES[probe]]
    found = regions(zeta, column["train_accuracy"])
    if found is None:
        return None
    choices, clean, note = _choices(store, runs, found, zeta, column["train_accuracy"])
    return RegionTable(
        probe, shared, tuple(runs), found, summarise(found, column["test_accuracy"]), correlation(zeta, column["memorized"]),
        correlation(zeta, column["test_accuracy"]), clean, choices, note,
    )  # fmt: skip


def _choices(
    store: RunStore, runs: Sequence[RunSummary], found: Regions, susceptibility: Sequence[float], train_accuracy: Sequence[float]
) -> tuple[tuple[Choices, ...], bool, str]:
    """(what each way of choosing comes to, whether the test labels are a reference, why nothing can be told)."""
    clean = False
    try:
        about = store.folder(runs[0].run_id).about()
        clean = bool(about["data"]["test_is_reference"])
        assert runs[0].config is not None  # of a set of comparable runs
        label = load_at_hand(runs[0].config).test_label
        drawn = drawn_choices(store, [run.run_id for run in runs], found, susceptibility, train_accuracy, label)
    except (ConfigError, DataError, StoreError) as error:
        return (), clean, str(error)
    return drawn, clean, "" if drawn else "predictions of the test images are missing, or there are fewer than two"


def drawn_choices(
    store: RunStore, run_ids: Sequence[str], found: Regions, susceptibility: Sequence[float], train_accuracy: Sequence[float], label: Array
) -> tuple[Choices, ...]:
    """What each way of choosing one of these runs comes to, over random halves of the test images; empty without predictions of them.

    Args:
        run_ids: finished runs on the same data and labels. label: int ``[M]`` of the test images.

    Raises:
        StoreError: for a damaged run.
    """
    folders = [store.folder(run_id) for run_id in run_ids]
    predictions = [folder.test_predictions(folder.config().epochs) for folder in folders]
    if len(label) < 2 or any(each is None or len(each) != len(label) for each in predictions):
        return ()
    transition = folders[0].about()["noise"]["transition"]
    stacked = np.stack([each for each in predictions if each is not None])
    return repeated_choices(found, susceptibility, train_accuracy, label, stacked, None if transition is None else np.array(transition))


# -- for a terminal, and for scripts ---------------------------------------------------------------


def describe_table(table: RegionTable) -> str:
    """A table as lines of text."""
    shared = dict(table.shared)
    named = ("dataset", "noise", "noise_rate", "loss", *(SAME_PROBE if table.probe == "paper" else SAME_FIXED_PROBE))
    probe = "the paper's probe" if table.probe == "paper" else "the probe at a fixed rate"
    lines = [
        f"{len(table.runs)} comparable runs by {probe}: {', '.join(f'{name} {shared[name]}' for name in named)}",
        f"  thresholds: susceptibility {table.regions.susceptibility:.4g}, training accuracy {_percent(table.regions.train_accuracy)}",
        f"  {'region':36}{'runs':>5}   {'clean' if table.clean else 'held-out given labels:'} test accuracy, mean ± standard deviation",
    ]
    lines += [f"  {one.region} {one.name:34}{one.runs:>5}   {_spread(one.mean, one.sd)}" for one in table.summaries]
    for what, found in (("memorized share", table.with_memorized), ("test accuracy", table.with_test_accuracy)):
        if found.pearson is not None and found.spearman is not None:
            lines.append(f"  susceptibility and {what}: Pearson {found.pearson:.2f}, Spearman {found.spearman:.2f} ({found.count} runs)")
    if deployed := table.deployed():
        judged = f"mean over {len(table.choices)} random halves of the test images"
        lines.append(f"  test accuracy by way of choosing, {judged}:")
        lines.append("    " + ", ".join(f"{WAYS[way]} {_percent(value)}" for way, value in deployed.items()))
    elif table.note:
        lines.append(f"  what choosing among them comes to is not told: {table.note}")
    return "\n".join(lines)


def table_entry(table: RegionTable, run_id: str) -> dict[str, Any]:
    """What a table says about one of its runs, for JSON; unknown numbers are None."""
    return {
        "region": table.region_of(run_id),
        "run_ids": [run.run_id for run in table.runs],
        "susceptibility": table.regions.susceptibility,
        "train_accuracy": table.regions.train_accuracy,
        "summary": [_known(one._asdict()) for one in table.summaries],
        "with_memorized": table.with_memorized._asdict(),
        "with_test_accuracy": table.with_test_accuracy._asdict(),
        "deployed": _known(table.deployed()) or None,
    }


def _known(values: dict[str, Any]) -> dict[str, Any]:
    return {name: None if isinstance(value, float) and math.isnan(value) else value for name, value in values.items()}


def _percent(share: float) -> str:
    """With its unit; "-" where it is unknown."""
    return "-" if math.isnan(share) else f"{100 * share:.1f} %"


def _spread(mean: float, sd: float) -> str:
    return _percent(mean) if math.isnan(sd) else f"{100 * mean:.1f} ± {_percent(sd)}"
