"""The Fix page: corrected versions of one run's labels, the networks trained on each, and how far the rounds of review have come."""

from __future__ import annotations

import math
import time
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import pandas as pd
import streamlit as st

from explorer.analysis.before_after import PairedChange, paired_change
from explorer.config import RunConfig
from explorer.data.corrections import read_corrections
from explorer.records import Array, DataError
from explorer.runs.retraining import BeforeAfter, before_after, families
from explorer.runs.store import RunSummary
from explorer.ui import theme
from explorer.ui.figures_before_after import difference_words
from explorer.ui.fix_corrected import Change, Ground, change_of, change_words
from explorer.ui.services import get_store

FORMAT = "%d %b %H:%M"


class Round(NamedTuple):
    """One corrected version of the labels. path: of its corrections. made_at: when its first network was asked for, NaN before that.

    is_current: whether it is what the decisions come to now.
    """

    path: str
    made_at: float
    change: Change
    is_current: bool

    @property
    def words(self) -> str:
        now = "the decisions as they are now, " if self.is_current else ""
        return f"{change_words(self.change)} ({now}{self.when})"

    @property
    def when(self) -> str:
        return "not trained yet" if math.isnan(self.made_at) else f"trained {time.strftime(FORMAT, time.localtime(self.made_at))}"


def relatives(summaries: Iterable[RunSummary], config: RunConfig) -> list[RunSummary]:
    """Stored runs that differ from ``config`` in seed and corrections alone."""
    alike = replace(config, seed=0, corrections="")
    return [s for s in summaries if s.config is not None and replace(s.config, seed=0, corrections="") == alike]


def rounds_of(ground: Ground, runs: Sequence[RunSummary], current: Path | None) -> list[Round]:
    """Corrected versions that networks were trained on, newest first, before them the one of the decisions as they are now.

    A version whose file is gone, or can no longer be read, cannot be trained again and is left out. So are the true labels.

    Args:
        runs: the relatives of the ground's config.

    Raises:
        ConfigError or DataError: for data that are not there.
    """
    made: dict[str, float] = {}
    for run in runs:
        if run.config is not None and run.config.corrections:
            made[run.config.corrections] = min(run.created_at, made.get(run.config.corrections, math.inf))
    first = [] if current is None else [str(current)]
    earlier = sorted((path for path in made if path not in first), key=lambda path: -made[path])
    if earlier:
        truth = families(ground.config, earlier[0], (0,), get_store().root).get("truth", ())
        earlier = [path for path in earlier if path not in {config.corrections for config in truth}]
    found = ((path, _change(ground, path)) for path in (*first, *earlier))
    return [Round(path, made.get(path, math.nan), change, path in first) for path, change in found if change is not None]


def _change(ground: Ground, path: str) -> Change | None:
    try:
        return change_of(ground, read_corrections(Path(path), ground.class_names))
    except (DataError, OSError):
        return None


# -- what came of them -------------------------------------------------------------------------------


def proof_of(config: RunConfig, path: str, wanted: Iterable[int], runs: Sequence[RunSummary]) -> BeforeAfter:
    """Before and after for the wanted seeds and every other one trained on these corrections. runs: the relatives of ``config``.

    Raises:
        ConfigError or DataError: for data or corrections that are not there.
    """
    trained = {run.config.seed for run in runs if run.config is not None and run.config.corrections == path}
    stamp = tuple(sorted((run.run_id, run.status) for run in runs))
    return _proof(str(get_store().root), config, path, tuple(sorted({*trained, *wanted})), stamp)


@st.cache_data(max_entries=32, show_spinner=False)
def _proof(root: str, config: RunConfig, path: str, seeds: tuple[int, ...], stamp: tuple[tuple[str, str], ...]) -> BeforeAfter:
    """Looked up anew when a run of the family has begun or ended, not at every refresh."""
    return before_after(get_store(), config, path, seeds)


def measured(proof: BeforeAfter, measure: str, family: str) -> dict[int, float]:
    """Seed to value of a finished network; memorized is turned into a share of all images, of which there may be fewer after the fix.

    (As ``epochs.csv`` has it, a share of the wrong labels, it could even rise: a review finds the easy ones and leaves the others.)
    """
    values: Array = getattr(proof, family)[measure]
    found = {int(seed): float(value) for seed, value in zip(proof.seeds, values, strict=True)}
    if measure != "memorized":
        return found
    rates = {member.config.seed: member.run_id for member in proof.members.get(family, ()) if member.status == "finished"}
    return {seed: _of_all(value, _wrong_rate(str(get_store().root), rates[seed])) for seed, value in found.items() if seed in rates}


def _of_all(memorized: float, wrong_rate: float) -> float:
    return 0.0 if wrong_rate == 0 else memorized * wrong_rate


@st.cache_data(max_entries=512, show_spinner=False)
def _wrong_rate(root: str, run_id: str) -> float:
    """Share of wrong labels a finished run was trained on; NaN where truth is unknown."""
    rate = get_store().folder(run_id).about()["noise"]["wrong_rate"]
    return math.nan if rate is None else float(rate)


def round_rows(rounds: Sequence[tuple[Round, BeforeAfter]]) -> pd.DataFrame:
    """A row for each round, oldest first: what it corrected, and what that did to the test accuracy."""
    rows = [_row(each, paired_change(proof.before["test_accuracy"], proof.after["test_accuracy"])) for each, proof in reversed(rounds)]
    return pd.DataFrame(rows)


def _row(each: Round, change: PairedChange) -> dict[str, object]:
    known = math.isfinite(change.low + change.high)
    ends = [difference_words("test_accuracy", end).removesuffix(" points") for end in (change.low, change.high)]
    return {
        "round": each.when, "labels changed": each.change.relabelled, "left out": each.change.left_out,
        "seeds": change.pairs, "before": theme.percent(change.before), "after": theme.percent(change.after),
        "change": difference_words("test_accuracy", change.change), "95 % interval": " to ".join(ends) if known else theme.UNKNOWN,
        "beyond noise": ("yes" if change.low > 0 or change.high < 0 else "no") if known else theme.UNKNOWN,
    }  # fmt: skip
