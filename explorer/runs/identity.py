"""Which runs configs stand for on this machine, many at once."""

from __future__ import annotations

from collections.abc import Sequence

from explorer import pipeline
from explorer.config import DataConfig, RunConfig
from explorer.data.catalogue import fingerprint
from explorer.options import options_of


def identify_all(configs: Sequence[RunConfig]) -> list[tuple[str, RunConfig]]:
    """(run_id, config as it is on this machine) of each; the data behind them are looked at once.

    Raises:
        ConfigError, DataError: if one could not be trained.
    """
    seen: dict[object, str] = {}
    found = []
    for config in map(pipeline.resolve, configs):
        data = tuple(getattr(config, name) for name in options_of(DataConfig)) if config.trains else config
        if data not in seen:
            seen[data] = fingerprint(config)
        found.append((config.run_id(seen[data]), config))
    return found
