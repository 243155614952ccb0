"""Corrected labels, read from a file and put in the place of those a run would train on. Files may come from strangers."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from explorer.config import ConfigError, DataConfig
from explorer.data.catalogue import corrections_file
from explorer.data.label_files import class_reader, csv_table, row_number
from explorer.data.splits import training_subset
from explorer.data.transitions import transition_matrix
from explorer.records import NO_CLASS, Array, DataError, Dataset, Labels, PlantedTruth, freeze

MAX_BYTES = 100 * 2**20
MAX_ROWS = 5_000_000


class Corrections(NamedTuple):
    """source_index: int64 ``[C]``, each once. label: int64 ``[C]`` class, NO_CLASS to leave the image out."""

    source_index: Array
    label: Array


class Corrected(NamedTuple):
    """What the corrections of a file did to the images of a run. relabelled: images whose label they changed."""

    file: str
    relabelled: int
    left_out: int


def correct(config: DataConfig, dataset: Dataset, labels: Labels) -> tuple[Dataset, Labels, Corrected | None]:
    """The images and labels with the corrections that a config names, None where it names none.

    Args:
        dataset, labels: as noise leaves them.

    Raises:
        ConfigError: naming ``corrections``, for a file that is not there, cannot be read, or leaves too little to train on.
    """
    file = corrections_file(config)
    if file is None:
        return dataset, labels, None
    try:
        corrections = read_corrections(file, dataset.class_names, dataset.source_rows)
        new_dataset, new_labels = apply_corrections(dataset, labels, corrections)
    except DataError as error:
        raise ConfigError("corrections", config.corrections, f"cannot be used: {error}") from error
    before = labels.given_label[np.isin(dataset.source_index, new_dataset.source_index)]
    done = Corrected(str(file), int((new_labels.given_label != before).sum()), len(labels.given_label) - len(before))
    said = f"Labels corrected by {file.name}: {done.relabelled:,} changed, {done.left_out:,} images left out."
    return replace(new_dataset, notices=(*new_dataset.notices, said)), new_labels, done


def apply_corrections(dataset: Dataset, labels: Labels, corrections: Corrections) -> tuple[Dataset, Labels]:
    """Put the corrected labels in place and leave images out; what is known of the rest stays true.

    Rows about images that are not among these, held out or left out by ``train_size``, say nothing here. Copies of an image that
    is left out are copies of nothing.

    Raises:
        DataError: if fewer than 4 images, or fewer than two classes, are left.
    """
    position = _positions(dataset.source_index, corrections.source_index)
    here, out = position >= 0, corrections.label == NO_CLASS
    given, kept = labels.given_label.copy(), np.ones(len(labels.given_label), dtype=bool)
    given[position[here & ~out]] = corrections.label[here & ~out]
    kept[position[here & out]] = False
    training_subset(given[kept], 0, 0)  # enough images and classes left?
    return _keep(dataset, kept), _relabel(labels, given, kept, dataset.num_classes)


def _positions(source_index: Array, wanted: Array) -> Array:
    """int64 ``[C]``: where each wanted source index stands, -1 where it does not."""
    order = np.argsort(source_index)
    at = order[np.minimum(np.searchsorted(source_index, wanted, sorter=order), len(order) - 1)]
    return np.where(source_index[at] == wanted, at, -1)


def _keep(dataset: Dataset, kept: Array) -> Dataset:
    if kept.all():
        return dataset
    return replace(
        dataset,
        train_images=freeze(dataset.train_images[kept]),
        given_label=freeze(dataset.given_label[kept]),
        true_label=None if dataset.true_label is None else freeze(dataset.true_label[kept]),
        source_index=freeze(dataset.source_index[kept]),
        planted=None if dataset.planted is None else _keep_planted(dataset.planted, dataset.source_index[~kept], kept),
    )


def _keep_planted(planted: PlantedTruth, gone: Array, kept: Array) -> PlantedTruth:
    kind, partner, transform = planted.kind.copy(), planted.partner.copy(), planted.transform.copy()
    orphaned = np.isin(partner, gone)
    kind[orphaned], partner[orphaned], transform[orphaned] = "typical", -1, ""
    return PlantedTruth(freeze(kind[kept]), freeze(partner[kept]), freeze(transform[kept]))


def _relabel(labels: Labels, given: Array, kept: Array, num_classes: int) -> Labels:
    """A label that is wrong because the review made it so has the origin ``reviewed``; no label is right for a foreign image."""
    changed, given = (given != labels.given_label)[kept], freeze(given[kept])
    origin = labels.wrong_origin[kept].astype("<U8")
    if labels.true_label is None:
        return replace(labels, given_label=given, wrong_origin=freeze(origin))
    true = freeze(labels.true_label[kept])
    wrong = given != true
    origin[~wrong] = ""
    origin[wrong & changed & (true != NO_CLASS)] = "reviewed"
    return replace(
        labels,
        given_label=given,
        true_label=true,
        is_mislabeled=freeze(wrong),
        wrong_origin=freeze(origin),
        wrong_rate=float(wrong.mean()),
        transition=None if labels.transition is None else freeze(transition_matrix(true, given, num_classes)),
    )


# -- the file --------------------------------------------------------------------------------------


def corrections_fingerprint(file: Path) -> str:
    """Text that changes when the content of the file does. Raises ConfigError for what is not a file."""
    if not file.is_file():  # opening a pipe or a device would wait for ever
        raise ConfigError("corrections", str(file), "is not a file; give a .csv or .parquet file")
    with open(file, "rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()[:32]


def read_corrections(path: Path, class_names: Sequence[str], source_rows: int = 0) -> Corrections:
    """Read a CSV or Parquet file with the columns index and label; others are left alone.

    Args:
        class_names: what a label may say, by name, or else by number; an empty label leaves the image out.
        source_rows: how many rows there are to index; 0 where that is unknown.

    Raises:
        DataError: naming the line (of a Parquet file the row, from 0) and what to do.
    """
    if not path.is_file() or path.stat().st_size > MAX_BYTES:
        raise DataError(f"{path.name} is {'larger than 100 MB' if path.is_file() else 'not a file'}; give a .csv or .parquet file")
    lines = _parquet_lines(path) if path.suffix.lower() in (".parquet", ".pq") else _csv_lines(path)
    class_of, seen, label = class_reader(class_names), dict[int, str](), list[int]()
    for where, index, text in lines:
        number = row_number(index, source_rows, where)
        if number in seen:
            raise DataError(f"{where} is about image {number} again, after {seen[number]}; keep one of the two")
        seen[number] = where
        label.append(class_of(text, where))
        if len(label) > MAX_ROWS:
            raise DataError(f"{path.name} has more than {MAX_ROWS:,} rows: give only images whose label changes")
    return Corrections(freeze(np.array(list(seen), dtype=np.int64)), freeze(np.array(label, dtype=np.int64)))


def _csv_lines(path: Path) -> Iterator[tuple[str, str, str]]:
    header, rows = csv_table(path.read_bytes(), path.name)
    _require(path, header)
    for where, cells in rows:
        yield where, cells["index"], cells["label"]


def _parquet_lines(path: Path) -> Iterator[tuple[str, str, str]]:
    try:
        with pq.ParquetFile(path) as file:
            _require(path, file.schema_arrow.names)
            if file.metadata.num_rows > MAX_ROWS:
                raise DataError(f"{path.name} has more than {MAX_ROWS:,} rows: give only images whose label changes")
            table = file.read(columns=["index", "label"])
    except (pa.ArrowException, OSError) as error:
        raise DataError(f"{path.name} cannot be read as Parquet ({str(error).splitlines()[0][:120]}): write it again") from error
    for row, (index, label) in enumerate(zip(table["index"].to_pylist(), table["label"].to_pylist(), strict=True)):
        yield f"row {row} of {path.name}", str(index), "" if label is None else str(label)


def _require(path: Path, columns: Sequence[str]) -> None:
    for name in ("index", "label"):
        if list(columns).count(name) != 1:
            how = "two columns" if name in columns else "no column"
            raise DataError(f"{path.name} has {how} {name}: its columns are {', '.join(columns)[:120]}; one index and one label are needed")
