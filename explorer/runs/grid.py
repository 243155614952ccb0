"""A grid of settings, as a sweep takes it: read from text, and taken apart into the configs it stands for."""

from __future__ import annotations

import dataclasses
import itertools
import math
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from explorer.config import OPTIONS, ConfigError, RunConfig, elr_preset

Grid = Mapping[str, Sequence[str]]  # setting -> its values as text, as flags and the URL give them

MOST = 1000  # runs at once
FORM = "is not of the form NAME=VALUE,VALUE, as in seed=0,1"
ELR = ("elr", "elr_plus")
PRESET = ("elr_beta", "elr_lambda")


def parse_grid(texts: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """Read ``["model=mlp,cnn", "seed=0,1"]``; values are checked by ``expand``. A value cannot contain a comma.

    Raises:
        ConfigError: naming the setting, and what to write instead.
    """
    grid: dict[str, tuple[str, ...]] = {}
    for text in texts:
        name, equals, values = (part.strip() for part in text.partition("="))
        if not name or not equals:
            raise ConfigError("grid", text, FORM)
        if name in grid:
            raise ConfigError(name, values, f"is a second list of its values; give one: --grid {name}={','.join(grid[name])},{values}")
        grid[name] = tuple(value.strip() for value in values.split(","))
        _check_setting(name, grid[name])
    return grid


def _check_setting(name: str, values: Sequence[str]) -> None:
    if name not in OPTIONS:
        raise ConfigError("grid", name, f"is not a setting of a run; these are: {', '.join(OPTIONS)}")
    if not values or (OPTIONS[name].kind is not str and "" in values):
        raise ConfigError(name, ",".join(values), f"leaves a value empty; it takes {OPTIONS[name].accepts}")


def expand(base: RunConfig, grid: Grid, asked: Collection[str] = ()) -> tuple[RunConfig, ...]:
    """Every combination of the grid's values, the rest as in ``base``; the last setting varies fastest.

    Combinations that differ only in settings without effect (the width of a network of fixed width) are one run. ELR takes its
    beta and lambda from the preset of its data, as a single run does, unless they are in the grid, in ``asked``, or ``base`` trains
    with ELR and others.

    Args:
        asked: settings of ``base`` that were chosen on purpose.

    Raises:
        ConfigError: naming the setting, its value, and what is accepted.
    """
    for name, texts in grid.items():
        _check_setting(name, texts)
    count = math.prod(len(texts) for texts in grid.values())
    if count > MOST:
        sizes = " x ".join(f"{name} {len(texts)}" for name, texts in grid.items())
        raise ConfigError("grid", sizes, f"makes {count:,} runs, and {MOST:,} at most are taken at once; leave some values out")
    values = [[OPTIONS[name].parse(text) for text in texts] for name, texts in grid.items()]
    left = _left_to_preset(base, {*grid, *asked})
    combinations = (dict(zip(grid, combination, strict=True)) for combination in itertools.product(*values))
    return tuple(dict.fromkeys(_config(base, changes, left).canonical() for changes in combinations))


def _left_to_preset(base: RunConfig, settled: Collection[str]) -> tuple[str, ...]:
    """Which of ELR's settings nobody has chosen: all of them where the base does not train with it."""
    preset, chosen = elr_preset(base.dataset, base.noise), base.loss in ELR
    return tuple(name for name in PRESET if name not in settled and not (chosen and getattr(base, name) != preset[name]))


def _config(base: RunConfig, changes: Mapping[str, Any], left: Sequence[str]) -> RunConfig:
    config = dataclasses.replace(base, **changes)
    if config.loss not in ELR:
        return config
    preset: dict[str, Any] = {name: value for name, value in elr_preset(config.dataset, config.noise).items() if name in left}
    return dataclasses.replace(config, **preset)


def differences(configs: Sequence[RunConfig]) -> tuple[str, ...]:
    """Settings in which these configs are not all alike, in the order of the settings."""
    canonical = [config.canonical() for config in configs]
    return tuple(name for name in OPTIONS if len({getattr(config, name) for config in canonical}) > 1)
