"""Near-duplicates of a data set as a table, without any trained run: what ``python -m explorer duplicates`` writes."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Generator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from explorer.analysis.calibration import at_cut, default_cut
from explorer.analysis.neighbors import NearDuplicates
from explorer.config import ConfigError, DataConfig
from explorer.data import catalogue
from explorer.records import Dataset, Progress
from explorer.runs.duplicates import DuplicateSet, execute_duplicates, flag, leaks
from explorer.runs.files import write


def check_export(against: str, precision: float, to: str) -> Path:
    """Where the table goes. Raises ConfigError for what cannot be done, before anything is searched."""
    if against not in ("", "test"):
        raise ConfigError("against", against, "is not test; leave it out to search among the training images")
    if not 0 < precision < 1:
        raise ConfigError("precision", precision, "is not a number above 0 and below 1")
    path = Path(to).expanduser()
    if path.suffix != ".parquet" or path.is_dir():
        raise ConfigError("to", to, "is not the name of a .parquet file")
    if not (path.absolute().parent.is_dir() and os.access(path.absolute().parent, os.W_OK)):
        raise ConfigError("to", to, "lies in a folder that is not there or cannot be written to")
    return path


def export_duplicates(
    root: Path | str, config: DataConfig, *, against: str, precision: float, to: str
) -> Generator[Progress | str, None, None]:
    """Search, or read an earlier search of the same images, and write the flagged pairs; yield Progress and, last, a sentence.

    Args:
        root: the folder of the runs, below which the search is kept. config: says which images; its noise is not added.
        against: "" searches among the training images, all of them, nothing held out; "test" between training and test images.
        precision: wanted share of duplicates among the flagged pairs, as estimated; in (0, 1). Odds are even at least.
        to: the .parquet file, with columns a, b, similarity, conflicting, group: ``write_pairs``.

    Raises:
        ConfigError, DataError: naming the setting or the file.
    """
    path = check_export(against, precision, to)
    dataset = catalogue.load(dataclasses.replace(config, test_split="auto" if against else "none"))
    if against and not len(dataset.test_images):
        raise ConfigError("against", against, "needs test images, and these data have none")
    for item in execute_duplicates(root, dataset.train_images, dataset.test_images if against else None):
        if isinstance(item, Progress):
            yield item
        else:
            cut = default_cut(item.calibration, precision)
            pairs = leaks(item, dataset.given_label, dataset.test_label, cut) if against else flag(item, dataset.given_label, cut)
            write_pairs(path, dataset, pairs, against_test=bool(against))
            yield _sentence(item, pairs, cut)


def write_pairs(path: Path, dataset: Dataset, pairs: NearDuplicates, *, against_test: bool) -> None:
    """One row for each pair: a, b (source indices, a < b; b the row of the test set where against it), similarity (0 to 1), conflicting
    (the given labels differ), group (smallest source index of the group of copies both are in, -1 where they share none)."""
    index = dataset.source_index
    columns = {
        "a": index[pairs.a],
        "b": pairs.b if against_test else index[pairs.b],
        "similarity": pairs.similarity,
        "conflicting": pairs.conflicting,
        "group": np.where(pairs.group >= 0, index[pairs.group], -1),
    }
    if not against_test:
        columns["a"], columns["b"] = np.minimum(columns["a"], columns["b"]), np.maximum(columns["a"], columns["b"])
        columns["group"] = _smallest(columns["group"], columns["a"])
    table = pa.table({name: pa.array(column) for name, column in columns.items()})
    write(path, lambda file: pq.write_table(table, file))


def _smallest(group: np.ndarray, a: np.ndarray) -> np.ndarray:
    """Groups named by the smallest source index in them: positions need not be in the order of the source."""
    _, at = np.unique(group, return_inverse=True)
    smallest = np.full(at.max(initial=-1) + 1, np.iinfo(np.int64).max)
    np.minimum.at(smallest, at, a)
    return np.where(group >= 0, smallest[at], -1)


def _sentence(duplicates: DuplicateSet, pairs: NearDuplicates, cut: float) -> str:
    _, precision, recall = at_cut(duplicates.calibration, cut)
    number, conflicts = len(pairs.a), int(pairs.conflicting.sum())
    pairs_found = f"{number:,} {'pair' if number == 1 else 'pairs'}"
    found = f"{pairs_found}, {int(pairs.exact.sum()):,} byte for byte, {conflicts:,} under different labels"
    if not number and not np.isnan(duplicates.calibration.precision).all():
        return "no pair is alike enough for that precision; a lower one may find some"
    if np.isnan(precision):
        return f"{found}; too few look-alikes to estimate how many of them are duplicates"
    return f"{found}; about {precision:.0%} of them duplicates, about {recall:.0%} of changed copies found (estimated on planted ones)"
