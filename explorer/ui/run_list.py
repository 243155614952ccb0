"""The table of runs as data: which runs a filter leaves, what they have in common, and a row of figures for each."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from explorer.config import OPTIONS, RunConfig
from explorer.records import Array
from explorer.runs.summaries import RunSummary
from explorer.ui.region_runs import setting_words
from explorer.ui.words import STATUS_WORDS, describe, label, word

KINDS = ("status", "dataset", "model", "loss")  # what a filter may choose among
FIGURES = {  # column of epochs.csv: heading with its unit, factor, format, what it says
    "test_accuracy": ("test %", 100, "%.1f", "Test accuracy after the last epoch, in percent."),
    "train_accuracy": ("train %", 100, "%.1f", "Share of training images whose given label is predicted, in percent."),
    "memorized": ("memorized %", 100, "%.1f", "Share of the wrong labels that are predicted, in percent; unknown without true labels."),
    "susceptibility": ("suscept. (nats)", 1, "%.2g", "Susceptibility: comparable only within one loss and schedule, on the same data."),
    "mean_curvature": ("curvature", 1, "%.2g", "Mean input-loss curvature after the last epoch."),
}  # fmt: skip
EDITED = ("compare", "starred", "name", "note")
ORDINARY = ("dataset", "noise", "noise_rate", "model", "loss", "epochs")  # named first where all runs have them in common
SILENT = ("device",)  # said only where it differs
SWITCHED_OFF = {  # settings whose zero, or "none", has a word of its own
    ("noise", "none"): "no added noise", ("curvature_every", 0): "no curvature probe", ("embedding_every", 0): "no embeddings",
    ("susceptibility_lr", 0.0): "no susceptibility probe",
}  # fmt: skip


class Filter(NamedTuple):
    """What is asked of a run. text: words that all occur in what is said of it, or ``setting=value``. Of each kind: any of the chosen
    ones, or all where none is chosen."""

    text: str = ""
    status: tuple[str, ...] = ()
    dataset: tuple[str, ...] = ()
    model: tuple[str, ...] = ()
    loss: tuple[str, ...] = ()
    starred: bool = False


def kind_of(summary: RunSummary, kind: str) -> str:
    """Status, or a setting, of a run; "" for a setting of a damaged one. A data set is named by the end of its path."""
    if kind == "status":
        return summary.status
    if summary.config is None:
        return ""
    return short_value(kind, getattr(summary.config, kind))


def kinds_in(summaries: Sequence[RunSummary], kind: str) -> list[str]:
    """What a filter can choose among, each once, in alphabetical order."""
    return sorted({found for summary in summaries if (found := kind_of(summary, kind))})


def fits(summary: RunSummary, wanted: Filter) -> bool:
    if wanted.starred and not summary.starred:
        return False
    if any(chosen and kind_of(summary, kind) not in chosen for kind in KINDS if (chosen := getattr(wanted, kind))):
        return False
    return all(_has(summary, word) for word in wanted.text.lower().split())


def _has(summary: RunSummary, word: str) -> bool:
    """Whether a word occurs in what is said of a run; ``setting=value`` asks for exactly that."""
    said, settings = ("", frozenset()) if summary.config is None else _settings_said(summary.config)
    if "=" in word:
        return word in settings
    return word in f"{summary.run_id} {summary.name} {summary.note} {STATUS_WORDS[summary.status]} ".lower() + said


@functools.lru_cache(maxsize=4096)
def _settings_said(config: RunConfig) -> tuple[str, frozenset[str]]:
    """(what is said of the settings, all of them as ``name=value``), in small letters."""
    values = _canonical(config).to_dict()
    said = " ".join([describe(config), *(str(value) for name, value in values.items() if value != OPTIONS[name].default)])
    return said.lower(), frozenset(f"{name}={value}".lower() for name, value in values.items())


# -- settings --------------------------------------------------------------------------------------


def short_value(name: str, value: object) -> str:
    """The value of a setting in a word; of a path its end."""
    text = str(value)
    if name in ("dataset", "open_set", "corrections", "pred_probs", "embeddings"):
        text = text.rstrip("/").rsplit("/", 1)[-1]
    return word(text).split(" (")[0].split(" · ")[0]


@functools.lru_cache(maxsize=8192)
def _canonical(config: RunConfig) -> RunConfig:
    """Kept: for 500 runs it would take most of the time of the page."""
    return config.canonical()


def differing_in(configs: Sequence[RunConfig]) -> list[str]:
    """Settings in which these runs are not all alike, in the order of the settings."""
    canonical = list(map(_canonical, configs))
    return [name for name in OPTIONS if any(getattr(config, name) != getattr(canonical[0], name) for config in canonical)]


def in_common(configs: Sequence[RunConfig]) -> str:
    """The settings that all of these runs share, in a sentence: the ordinary ones, and others that are not at their default."""
    if not configs:
        return ""
    differing, first = set(differing_in(configs)), _canonical(configs[0])
    changed = [name for name in OPTIONS if name not in (*ORDINARY, *SILENT) and getattr(first, name) != OPTIONS[name].default]
    shown = [name for name in (*ORDINARY, *changed) if name not in differing and _says(first, name)]
    return " · ".join(_in_words(name, getattr(first, name)) for name in shown)


def _says(config: RunConfig, name: str) -> bool:
    """Whether a setting tells anything of the run."""
    if not config.trains:
        return name not in ("noise", "noise_rate", "model", "loss", "epochs")
    return name != "noise_rate" or config.noise_rate > 0


def _in_words(name: str, value: Any) -> str:
    if name == "epochs":
        return f"{value:,} epochs"
    return SWITCHED_OFF.get((name, value)) or setting_words(name, value)


# -- rows ------------------------------------------------------------------------------------------


def run_frame(
    summaries: Sequence[RunSummary], sizes: Mapping[str, int], chosen: Sequence[str] = (), pictures: Mapping[str, str] | None = None
) -> pd.DataFrame:  # fmt: skip
    """A row for each run, by run_id: compare, line, starred, name, open, FIGURES (times their factor, NaN where unknown; not
    those that are known of none), the settings that differ, status, epoch, note, bytes, created (UTC), run.

    sizes: bytes by run_id. chosen: those that are compared. pictures: of the line of a chosen run, as a data URL, by run_id.
    """
    ids = [s.run_id for s in summaries]
    picked, drawn = set(chosen), pictures or {}
    columns: dict[str, object] = {
        "compare": [run_id in picked for run_id in ids],
        "line": [drawn.get(run_id, "") for run_id in ids],
        "starred": [s.starred for s in summaries],
        "name": [s.name for s in summaries],
        "open": [["Train", "Inspect"] if s.last.get("epoch", -1) >= 1 else ["Train"] for s in summaries],
        **_figures(summaries),
        **setting_columns(summaries),
        "status": [STATUS_WORDS[s.status].split(";")[0] for s in summaries],
        "epoch": np.array([s.last.get("epoch", np.nan) for s in summaries], dtype=float),
        "note": [s.note for s in summaries],
        "bytes": [sizes.get(run_id, 0) for run_id in ids],
        "created": pd.to_datetime([s.created_at for s in summaries], unit="s", utc=True),
        "run": ids,
    }
    return pd.DataFrame(columns, index=pd.Index(ids, name="run_id", dtype=object))


def _figures(summaries: Sequence[RunSummary]) -> dict[str, Array]:
    """Columns of FIGURES, but those that are known of no run."""
    found = {name: factor * np.array([s.last.get(name, np.nan) for s in summaries]) for name, (_, factor, *_) in FIGURES.items()}
    return {name: values for name, values in found.items() if np.isfinite(values).any()}


def setting_columns(summaries: Sequence[RunSummary]) -> dict[str, list[object]]:
    """The settings in which these runs are not all alike, by name; numbers stay numbers, a damaged run has none."""
    configs = [None if s.config is None else _canonical(s.config) for s in summaries]
    names = differing_in([config for config in configs if config is not None])
    return {name: [None if config is None else _shown(name, getattr(config, name)) for config in configs] for name in names}


def _shown(name: str, value: object) -> object:
    return value if isinstance(value, int | float) else short_value(name, value) or "-"


def settings_in(frame: pd.DataFrame) -> list[str]:
    """The columns of a ``run_frame`` that are settings."""
    return [str(name) for name in frame.columns if name in OPTIONS]


def unusual(values: Sequence[Any]) -> list[bool]:
    """Which of a column's values are not the most frequent one (of equally frequent ones the first); a damaged run has no value."""
    count: dict[object, int] = {}
    for value in values:
        if not pd.isna(value):
            count[value] = count.get(value, 0) + 1
    usual = max(count, key=lambda value: count[value]) if count else None
    return [value != usual and not pd.isna(value) for value in values]


def heading(name: str) -> str:
    """What the column of a setting is called."""
    return label(name).lower() if name != "lr" else "rate"


def size_words(size: float) -> str:
    """Bytes in words: ``812 kB``, ``3.4 MB``."""
    if size >= 1e9:
        return f"{size / 1e9:.1f} GB"
    return f"{size / 1e6:.1f} MB" if size >= 1e6 else f"{size / 1e3:.0f} kB"
