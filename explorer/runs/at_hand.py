"""Data that are on this machine already: looking at runs, or planning them, downloads nothing."""

from __future__ import annotations

from explorer.config import DataConfig
from explorer.data.catalogue import load
from explorer.data.torchvision_sets import TORCHVISION_SETS, is_present
from explorer.records import DataError, Dataset


class NotAtHand(DataError):
    """Data that would have to be downloaded first."""


def load_at_hand(config: DataConfig) -> Dataset:
    """As ``catalogue.load``.

    Raises:
        ConfigError, DataError: as there. NotAtHand: where the data would have to be downloaded first.
    """
    if config.dataset in TORCHVISION_SETS and not is_present(config.dataset):
        raise NotAtHand(f"{config.dataset} is not on this machine yet; train one run on it first, which downloads it")
    return load(config)
