"""Images with corrected labels as a data set of its own: Parquet in the Hugging Face convention, or an ImageFolder tree."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from explorer.config import DataConfig
from explorer.data.images import Picture
from explorer.data.originals import as_png, folder_level, originals
from explorer.pipeline import Prepared
from explorer.records import NO_CLASS, Array, DataError
from explorer.runs.files import write

ROWS = 500  # of a row group: so many encoded images are in memory at once
IMAGE = pa.struct([("bytes", pa.binary()), ("path", pa.string())])


class Corrected(NamedTuple):
    """Labels of the training images of a run as the review leaves them.

    label: int64 ``[N]``. kept: bool ``[N]``, false for images that are left out. kind: ``[N]`` of the verdict, "" without one.
    """

    label: Array
    kept: Array
    kind: Array


def corrected_labels(given: Array, kind: Array, label: Array) -> Corrected:
    """given: int64 ``[N]``. kind, label: of the verdict on each image, "" for none; see ``analysis.decisions``."""
    decided = kind == "label"
    return Corrected(np.where(decided, label, given), decided | (kind == ""), kind)


# -- Parquet ---------------------------------------------------------------------------------------


def write_parquet(folder: Path, config: DataConfig, prepared: Prepared, corrected: Corrected) -> list[Path]:
    """Write a train split and, where there are test images, a test split. ``--dataset FOLDER`` opens them.

    Images are copied as found, or become PNG where they were not files. Columns: image, label (corrected), given_label (before it),
    true_label where it is known, index (row in the source data; of training images only).

    Raises:
        ConfigError or DataError: for data that are no longer there.
    """
    dataset, labels, kept = prepared.dataset, prepared.labels, corrected.kept
    train, test = originals(config, dataset) or (as_png(dataset.train_images), as_png(dataset.test_images))
    columns = {"label": corrected.label, "given_label": labels.given_label, "index": dataset.source_index}
    test_columns = {"label": dataset.test_label, "given_label": dataset.test_label, "index": None}
    if labels.true_label is not None and (labels.true_label != NO_CLASS).all():
        columns["true_label"] = labels.true_label
        test_columns["true_label"] = dataset.test_label if dataset.test_is_reference else None
    chosen = (picture for picture, keep in zip(train, kept, strict=True) if keep)
    paths = [_write_split(folder, "train", chosen, {name: pa.array(column[kept]) for name, column in columns.items()}, dataset.class_names)]
    if M := len(dataset.test_label):
        arrays = {name: pa.nulls(M, pa.int64()) if column is None else pa.array(column) for name, column in test_columns.items()}
        paths.append(_write_split(folder, "test", test, arrays, dataset.class_names))
    return paths


def _write_split(folder: Path, split: str, pictures: Iterator[Picture], columns: Mapping[str, pa.Array], names: Sequence[str]) -> Path:
    path = folder / f"{split}-00000-of-00001.parquet"
    folder.mkdir(parents=True, exist_ok=True)
    write(path, partial(_write_rows, pictures=pictures, columns=columns, class_names=names))
    return path


def _write_rows(file: Any, pictures: Iterator[Picture], columns: Mapping[str, pa.Array], class_names: Sequence[str]) -> None:
    classes = {"names": list(class_names), "_type": "ClassLabel"}
    features = {name: {"dtype": "int64", "_type": "Value"} if name == "index" else classes for name in columns}
    metadata = {"huggingface": json.dumps({"info": {"features": {"image": {"_type": "Image"}, **features}}})}
    schema = pa.schema([("image", IMAGE), *((name, pa.int64()) for name in columns)], metadata=metadata)
    with pq.ParquetWriter(file, schema) as writer:
        start = 0
        while images := [_encoded(picture) for picture in islice(pictures, ROWS)]:
            part = [column.slice(start, len(images)) for column in columns.values()]
            writer.write_table(pa.table([pa.array(images, IMAGE), *part], schema=schema))
            start += len(images)


def _encoded(picture: Picture) -> dict[str, object]:
    if isinstance(picture.content, Path):
        return {"bytes": picture.content.read_bytes(), "path": picture.name}
    return {"bytes": picture.content, "path": None}


# -- ImageFolder -----------------------------------------------------------------------------------


class Planned(NamedTuple):
    """A file to be copied. name: in the tree of corrected class folders, relative to it."""

    original: Path
    name: str


def plan_folder(config: DataConfig, prepared: Prepared, corrected: Corrected) -> list[Planned]:
    """Where every image goes in a tree of corrected class folders; [] where the data are no ImageFolder.

    The tree has a train and a test folder where the run had test images. A file keeps its name unless another one has it already,
    which only happens to files that change their folder: then its old class is added to the name.

    Raises:
        ConfigError or DataError: for data that are no longer there.
    """
    level, found = folder_level(config), originals(config, prepared.dataset)
    if level is None or found is None:
        return []
    dataset, names = prepared.dataset, prepared.dataset.class_names
    train = "train/" if len(dataset.test_label) else ""
    rows = [(picture, f"{train}{names[k]}") for picture, k, kept in zip(found.train, *corrected[:2], strict=True) if kept]
    rows += [(picture, f"test/{names[k]}") for picture, k in zip(found.test, dataset.test_label, strict=True)]
    moved = [folder.split("/")[-1] != picture.name.split("/")[level] for picture, folder in rows]
    planned, taken = list[Planned](), set[str]()
    for (picture, folder), _ in sorted(zip(rows, moved, strict=True), key=lambda row: row[1]):  # those that stay first
        if not isinstance(picture.content, Path):
            raise DataError(f"{picture.name} is not a file any more: try again")
        parts = picture.name.split("/")
        planned.append(Planned(picture.content, _free(f"{folder}/{'/'.join(parts[level + 1 :])}", parts[level], taken)))
        taken.add(planned[-1].name.casefold())
    return planned


def _free(name: str, old_class: str, taken: set[str]) -> str:
    """The name, or the first one like it that no other file has; case does not count, as on many disks."""
    stem, dot, suffix = name.rpartition(".")
    tries, number = name, 1
    while tries.casefold() in taken:
        tries = f"{stem}_from_{old_class}{f'_{number}' if number > 1 else ''}{dot}{suffix}"
        number += 1
    return tries


def copy_folder(folder: Path, planned: Sequence[Planned]) -> None:
    """Copy every file byte by byte; the originals are only read."""
    for original, name in planned:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(original, folder / name)
