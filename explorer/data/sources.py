"""One split of somebody's data: labels readable at once, images only when asked for.

Parquet, ImageFolder and CSV differ in how they are found and read; beyond that they are all a `Source`.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np

from explorer.data.images import SUFFIXES, Picture
from explorer.records import Array, DataError

TRAIN_NAMES = ("train", "training")
TEST_NAMES = ("test", "testing", "eval", "evaluation", "val", "valid", "validation", "dev")  # the first one there is taken
MAX_DEPTH = 6
MAX_FILES = 2_000_000


@dataclass(frozen=True, slots=True)
class Column:
    """The labels of one column.

    values: int64 or text (object) ``[N]``, of no meaning where ``missing`` bool ``[N]`` is set.
    class_names: what the numbers stand for, () where nobody says.
    where: names a position for a person, as in "row 17 of labels.csv".
    """

    name: str
    values: Array
    missing: Array
    class_names: tuple[str, ...]
    where: Callable[[int], str]

    @property
    def is_integer(self) -> bool:
        return self.values.dtype != object


class Split(Protocol):
    """Training or test images, not yet decoded."""

    @property
    def columns(self) -> tuple[str, ...]:
        """Columns that could hold labels."""

    @property
    def source_rows(self) -> int:
        """How many rows ``source_index`` counts, those of other splits included where it counts them."""

    def source_index(self) -> Array:
        """int64 ``[N]``, row in the source data."""

    def labels(self, column: str) -> Column:
        """One column of all rows."""

    def pictures(self, positions: Array) -> Iterator[Picture]:
        """The images at ascending int64 ``[n]`` positions, in order."""


@dataclass(frozen=True, slots=True)
class Source:
    """What was found at a path. files: everything whose name and size tell one state of the data from another."""

    kind: str
    train: Split
    test: Split | None
    files: tuple[Path, ...]
    notices: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class FileSplit:
    """Image files with labels as text: an ImageFolder tree or the rows of a CSV manifest.

    files: names relative to ``root``. table: texts ``[N]`` per label column.
    manifest: name of the CSV, "" for a tree, which has no rows to speak of. source_rows: of the whole CSV, files of the tree.
    """

    root: Path
    files: tuple[str, ...]
    rows: Array
    table: Mapping[str, tuple[str, ...]]
    source_rows: int
    manifest: str = ""

    @property
    def columns(self) -> tuple[str, ...]:
        return tuple(self.table)

    def source_index(self) -> Array:
        return self.rows

    def labels(self, column: str) -> Column:
        texts = self.table[column]
        values = _numbers(texts) if self.manifest else None  # a class folder called 007 is a name
        if values is None:
            values = np.array(texts, object)
        return Column(column, values, np.array([not text for text in texts], bool), (), self.where)

    def pictures(self, positions: Array) -> Iterator[Picture]:
        for position in positions:
            name = self.files[position]
            yield Picture(name, self.root / name)

    def where(self, position: int) -> str:
        return f"row {self.rows[position]} of {self.manifest}" if self.manifest else self.files[position]


def _numbers(texts: tuple[str, ...]) -> Array | None:
    """int64 ``[N]`` if every text that is there is a whole number as it is usually written, else None."""
    if not any(texts) or any(text and not re.fullmatch(r"0|-?[1-9][0-9]{0,17}", text, re.ASCII) for text in texts):
        return None
    return np.array([int(text or 0) for text in texts], np.int64)


def split_of(words: list[str]) -> str:
    """The split that the words of a path announce: "train", a test name, or "". The last word counts, as the file's name says most."""
    for word in reversed(words):
        name = word.casefold()
        if name in TRAIN_NAMES:
            return "train"
        if name in TEST_NAMES:
            return name
    return ""


def taken_test(splits: list[str]) -> tuple[str, tuple[str, ...]]:
    """Of several test splits the first is taken; the notice names the others."""
    found = [name for name in TEST_NAMES if name in splits]
    if len(found) < 2:
        return "".join(found), ()
    return found[0], (f"The split {found[0]} is used for testing; left out: {', '.join(found[1:])}.",)


def find_files(root: Path) -> list[str]:
    """Visible images, Parquet files and CSV files below a folder, as sorted names relative to it.

    Links to folders are not followed: one that points upwards would never end.

    Raises:
        DataError: if the folder cannot be listed or is far larger than any dataset.
    """
    found: list[tuple[str, ...]] = []
    seen = 0
    for folder, inner, files in os.walk(root, onerror=_cannot_list):
        parts = Path(folder).relative_to(root).parts
        inner[:] = [name for name in inner if not name.startswith(".")] if len(parts) < MAX_DEPTH else []
        found += [(*parts, name) for name in files if not name.startswith(".") and _wanted(name)]
        seen += len(files) + len(inner)
        if seen > MAX_FILES:
            raise DataError(f"{root} holds more than {MAX_FILES:,} files: give the folder of the dataset itself")
    return ["/".join(parts) for parts in sorted(found)]


def _wanted(name: str) -> bool:
    return os.path.splitext(name)[1].lower() in {*SUFFIXES, ".parquet", ".csv"}


def _cannot_list(error: OSError) -> None:
    raise DataError(f"{error.filename} cannot be listed ({error.strerror}): check its permissions")
