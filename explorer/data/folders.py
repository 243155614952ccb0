"""Image files on disk: a torchvision ImageFolder tree, or a CSV manifest that lists them."""

from __future__ import annotations

import csv
import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from explorer.data.sources import TRAIN_NAMES, FileSplit, Source, split_of, taken_test
from explorer.records import DataError

FOLDER_COLUMN = "folder"  # an ImageFolder's only column, never shown


def open_folder(root: Path, images: Sequence[str]) -> Source | None:
    """An ImageFolder tree: class folders, or a train folder (and a test or validation folder) of class folders.

    Args:
        images: names relative to ``root``, sorted.

    Returns:
        The source, or None if no image lies in a class folder.
    """
    parts = [name.split("/") for name in images]
    # A folder `train` without folders in it holds pictures of trains.
    deep: dict[str, list[str]] = {}
    for name, part in zip(images, parts, strict=True):
        if len(part) >= 3 and (split := split_of(part[:1])):
            deep.setdefault(split, []).append(name)
    if "train" not in deep:
        plain = [name for name, part in zip(images, parts, strict=True) if len(part) >= 2]
        return Source("ImageFolder", _tree(root, plain, 0), None, _files(root, plain)) if plain else None
    chosen, notices = taken_test(list(deep))
    test = deep[chosen] if chosen else []
    return Source(
        kind="ImageFolder",
        train=_tree(root, deep["train"], 1),
        test=_tree(root, test, 1) if test else None,
        files=_files(root, [*deep["train"], *test]),
        notices=notices,
    )


def _tree(root: Path, names: Sequence[str], level: int) -> FileSplit:
    labels = tuple(name.split("/")[level] for name in names)
    return FileSplit(root, tuple(names), np.arange(len(names)), {FOLDER_COLUMN: labels}, len(names))


def _files(root: Path, names: Sequence[str]) -> tuple[Path, ...]:
    return tuple(root / name for name in names)


def open_manifest(file: Path) -> Source:
    """A CSV with a header: `path` relative to the CSV's folder, label columns, and perhaps `split` (train or test).

    Raises:
        DataError: for a file that is no such CSV, and for paths that leave its folder.
    """
    header, rows = _read_csv(file)
    columns = [name for name in header if name not in ("path", "split", "")]
    if "path" not in header or not columns:
        raise DataError(
            f"{file.name} begins with the line {','.join(header)[:120]!r}, "
            "but a manifest needs the columns path,label in it, and may have true_label and split"
        )
    paths = [row[header.index("path")] for row in rows]
    table = {name: [row[header.index(name)] for row in rows] for name in columns}
    splits = [_row_split(row[header.index("split")], f"row {i} of {file.name}") for i, row in enumerate(rows)] if "split" in header else []
    _check_paths(file, paths)
    chosen, notices = taken_test(splits)
    members = {name: [i for i, split in enumerate(splits or ["train"] * len(rows)) if split == name] for name in ("train", chosen)}
    if not members["train"]:
        raise DataError(f"{file.name} lists no training images: give at least some rows" + (" the split train" if splits else ""))

    def part(name: str) -> FileSplit:
        picked = members[name]
        texts = {column: tuple(values[i] for i in picked) for column, values in table.items()}
        return FileSplit(file.parent, tuple(paths[i] for i in picked), np.array(picked, np.int64), texts, len(rows), file.name)

    used = sorted(paths[i] for picked in members.values() for i in picked)
    return Source("CSV", part("train"), part(chosen) if chosen else None, (file, *_files(file.parent, used)), notices)


def _read_csv(file: Path) -> tuple[list[str], list[list[str]]]:
    """Header and rows, stripped; blank lines do not count as rows."""
    try:
        with file.open(encoding="utf-8-sig", newline="") as lines:
            rows = [[cell.strip() for cell in row] for row in csv.reader(lines, strict=True) if any(cell.strip() for cell in row)]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{file.name} cannot be read as CSV ({error}): save it as comma-separated text in UTF-8") from error
    if not rows:
        raise DataError(f"{file.name} is empty: its first line must name the columns, as in path,label")
    header, *body = rows
    if len(set(header)) < len(header):
        raise DataError(f"{file.name} names a column twice: {','.join(header)[:120]}")
    for i, row in enumerate(body):
        if len(row) != len(header):
            raise DataError(f"row {i} of {file.name} has {len(row)} fields, the first line {len(header)}: quote texts that hold commas")
    return header, body


def _row_split(text: str, where: str) -> str:
    split = split_of([text])
    if not split:
        raise DataError(f"{where} has the split {text!r}: use {TRAIN_NAMES[0]} or test")
    return split


def _check_paths(file: Path, paths: Sequence[str]) -> None:
    """A manifest may come from a stranger: it must not make the app read, and show, files elsewhere on the machine."""
    folder, resolved = os.path.realpath(file.parent), dict[str, str]()
    for i, path in enumerate(paths):
        where = f"row {i} of {file.name}"
        if not path:
            raise DataError(f"{where} has no path: fill it in or remove the row")
        if not _inside(folder, path, resolved):
            raise DataError(f"{where} points outside the folder of the CSV: {path[:120]!r}; paths are relative to it and stay below it")


def _inside(folder: str, path: str, resolved: dict[str, str]) -> bool:
    """Whether a path, its links followed, stays below the folder. resolved: parent folders seen, for thousands of rows share a few."""
    if os.path.isabs(path):
        return False
    parent, name = os.path.split(os.path.join(folder, path))
    try:
        resolved[parent] = resolved.get(parent) or os.path.realpath(parent)
    except (OSError, ValueError):
        return False
    target = os.path.join(resolved[parent], name)
    if name in ("", ".", "..") or os.path.islink(target):
        target = os.path.realpath(target)
    return target.startswith(os.path.join(folder, ""))
