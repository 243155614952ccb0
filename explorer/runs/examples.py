"""What ``examples.parquet`` knows of the truth of every training image, there and back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa

from explorer.records import NO_CLASS, Array, Labels, PlantedTruth, freeze


def true_label_column(true_label: Array | None) -> pa.Array | None:
    """True labels as stored: null for an image that shows none of the classes."""
    return None if true_label is None else pa.array(true_label, mask=true_label == NO_CLASS)


def read_labels(table: pa.Table, noise: Mapping[str, Any]) -> Labels:
    """The labels a run trained on; ``noise`` is that part of ``config.json``."""
    given = freeze(table["given_label"].to_numpy())
    origin = np.array(table["wrong_origin"].to_pylist(), dtype=str)
    known = table["true_label"].null_count < len(given) or (origin != "").any()  # all may be foreign: null, yet known
    true = freeze(table["true_label"].fill_null(NO_CLASS).to_numpy()) if known else None
    return Labels(
        given_label=given,
        true_label=true,
        is_mislabeled=freeze(given != true) if true is not None else None,
        wrong_origin=freeze(origin),
        asked_rate=noise["asked_rate"],
        wrong_rate=noise["wrong_rate"],
        asked_transition=None if noise["asked_transition"] is None else freeze(np.array(noise["asked_transition"])),
        transition=None if noise["transition"] is None else freeze(np.array(noise["transition"])),
    )


def read_planted(table: pa.Table) -> PlantedTruth | None:
    """What a generator did to each image; None for data that were not drawn."""
    if table["planted_kind"].null_count:
        return None
    kind, transform = (freeze(np.array(table[name].to_pylist(), dtype=str)) for name in ("planted_kind", "planted_transform"))
    return PlantedTruth(kind, freeze(table["planted_partner"].to_numpy()), transform)
