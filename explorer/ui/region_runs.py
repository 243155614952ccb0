"""Which stored runs share a region plot, what tells them apart, and how well each way of choosing one of them does."""

from __future__ import annotations

import hashlib
import math
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import streamlit as st

from explorer.analysis.deployment import Choices
from explorer.analysis.regions import SAME_DATA, SAME_FIXED_PROBE, SAME_PROBE, Regions, regions
from explorer.config import OPTIONS, RunConfig
from explorer.runs import region_tables
from explorer.runs.grid import differences
from explorer.runs.region_tables import Settings, comparable_groups, shared_settings
from explorer.runs.store import RunSummary
from explorer.ui.figures_plane import AXES
from explorer.ui.figures_regions import Point
from explorer.ui.services import get_store, load_source
from explorer.ui.words import label, word

PROBE_OF = {"paper": "paper", "fixed": "fixed_rate"}  # name of a probe here, a key of AXES, to its name in ``region_tables``
SHORT = {"lr": "rate", "batch_size": "batch", "noise_rate": "noise", "susceptibility_lr": "probe rate"}
SELF_EXPLAINING = ("model", "loss", "schedule", "augment", "noise", "dataset")  # their values name themselves
UNIMPORTANT = ("device", "curvature_every", "curvature_directions", "curvature_radius", "embedding_every", "folds", "second_split_epochs")


class Group(NamedTuple):
    """Comparable finished runs, newest first. key: short and always the same for these settings, for links and widgets."""

    key: str
    words: str
    settings: Settings  # what they share
    runs: tuple[RunSummary, ...]


# -- groups ----------------------------------------------------------------------------------------


def groups(summaries: Sequence[RunSummary], probe: str) -> list[Group]:
    """Runs that may be compared with each other, the group of the newest run first.

    Args:
        summaries: newest first.
    """
    together = comparable_groups(summaries, PROBE_OF[probe])
    said = _group_words(list(together), probe)
    return [Group(_key(shared), words, shared, tuple(runs)) for (shared, runs), words in zip(together.items(), said, strict=True)]


def usual_group(found: Sequence[Group]) -> Group:
    """The largest on the data, labels and loss of the newest run; of equally large ones the newest."""
    data = found[0].settings[: len(SAME_DATA)]
    return max((group for group in found if group.settings[: len(SAME_DATA)] == data), key=lambda group: len(group.runs))


def comparable_sizes(configs: Sequence[RunConfig], probe: str) -> list[int]:
    """How many of these runs may be compared with each other by this probe, group by group."""
    return list(Counter(shared_settings(config, PROBE_OF[probe]) for config in configs).values())


def _key(shared: Settings) -> str:
    return hashlib.sha256(repr(shared).encode()).hexdigest()[:8]


# -- in words --------------------------------------------------------------------------------------


def setting_words(name: str, value: object) -> str:
    """One setting in two or three words: ``width 8``, ``small CNN``, ``rate 0.03``."""
    if name == "noise_rate":
        return f"{100 * float(str(value)):g}\N{NO-BREAK SPACE}%"
    if name == "corrections":
        return f"corrected labels {Path(str(value)).stem}" if value else "labels as given"
    if value == "":
        return f"no {label(name).lower()}"
    if name in SELF_EXPLAINING:
        return word(str(value).rstrip("/").rsplit("/", 1)[-1]).split(" (")[0].split(" · ")[0]
    return f"{SHORT.get(name, label(name).lower())} {word(str(value))}"


def _group_words(all_shared: Sequence[Settings], probe: str) -> list[str]:
    """What each group shares: always the data, the loss and what the probe depends on, and whatever else tells the groups apart."""
    always = ("dataset", "noise", "noise_rate", "loss", *(SAME_FIXED_PROBE if probe == "fixed" else SAME_PROBE))
    differing = {name for name, values in _values(all_shared).items() if len(values) > 1}
    return [
        " · ".join(
            setting_words(name, value) for name, value in shared
            if name in always or (name in differing and value != OPTIONS[name].default)  # the others say by silence that they have it
        )
        for shared in all_shared
    ]  # fmt: skip


def _values(all_shared: Sequence[Settings]) -> dict[str, set[Any]]:
    values: dict[str, set[Any]] = {}
    for name, value in (each for shared in all_shared for each in shared):
        values.setdefault(name, set()).add(value)
    return values


def run_words(configs: Sequence[RunConfig]) -> list[str]:
    """For each run the settings that tell it from the others; the model and seed where nothing does."""
    differing = [name for name in differences(configs) if name not in UNIMPORTANT] or ["model", "seed"]
    canonical = [config.canonical() for config in configs]
    return [" · ".join(setting_words(name, getattr(config, name)) for name in differing) for config in canonical]


# -- numbers ---------------------------------------------------------------------------------------


def points_of(runs: Sequence[RunSummary], probe: str) -> list[Point]:
    """Where the runs of a group stand after their last epoch."""
    column, _ = AXES[probe]
    configs = [run.config for run in runs if run.config is not None]
    words = [f"{run.name} ({said})" if run.name else said for run, said in zip(runs, run_words(configs), strict=True)]
    return [
        Point(
            run.run_id, said, config.model, run.last[column], run.last["train_accuracy"],
            run.last.get("test_accuracy", math.nan), run.last.get("memorized", math.nan),
        )
        for run, config, said in zip(runs, configs, words, strict=True)
    ]  # fmt: skip


def regions_of(points: Sequence[Point]) -> Regions | None:
    return regions([point.susceptibility for point in points], [point.train_accuracy for point in points])


def about(run_id: str) -> dict[str, Any]:
    """What ``config.json`` says of the data and the noise of a run, which all runs of its group share. Raises StoreError."""
    found = get_store().folder(run_id).about()
    return {"noise": found["noise"], "data": found["data"]}


def drawn_choices(points: Sequence[Point], config: RunConfig) -> tuple[Choices, ...]:
    """Each way of choosing, over random halves of the test images; empty where predictions of test images are missing.

    Args:
        config: of any of the runs, which share their test images.

    Raises:
        ConfigError, DataError: where the test labels cannot be read. StoreError: for a damaged run.
    """
    return _drawn(str(get_store().root), tuple(points), config)


@st.cache_data(max_entries=16, show_spinner=False)
def _drawn(root: str, points: tuple[Point, ...], _config: RunConfig) -> tuple[Choices, ...]:
    found = regions_of(points)
    if found is None:
        return ()
    x, y = ([getattr(point, name) for point in points] for name in ("susceptibility", "train_accuracy"))
    return region_tables.drawn_choices(get_store(), [point.run_id for point in points], found, x, y, load_source(_config).test_label)
