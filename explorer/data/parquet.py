"""Parquet in the Hugging Face convention: file or folder names tell the split, images are structs of bytes and path.

Read with pyarrow, label columns whole, image bytes only of the rows a run uses.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from explorer.data.images import Picture
from explorer.data.sources import Column, Source, split_of, taken_test
from explorer.records import Array, DataError


@dataclass(frozen=True, slots=True)
class Layout:
    """The columns all files of one split have. image: path of the bytes; kinds: "integer", "text" or the type per column."""

    image: str
    kinds: Mapping[str, str]
    class_names: Mapping[str, tuple[str, ...]]

    @property
    def labels(self) -> tuple[str, ...]:
        return tuple(name for name, kind in self.kinds.items() if kind in ("integer", "text"))


@dataclass(frozen=True, slots=True)
class ParquetSplit:
    """The files of one split, in order. starts: int64 ``[files + 1]`` first row of each, and the total."""

    files: tuple[Path, ...]
    starts: Array
    layout: Layout

    @property
    def columns(self) -> tuple[str, ...]:
        return self.layout.labels

    @property
    def source_rows(self) -> int:
        return int(self.starts[-1])

    def source_index(self) -> Array:
        return np.arange(self.starts[-1], dtype=np.int64)

    def labels(self, column: str) -> Column:
        names = self.layout.class_names.get(column, ())
        parts = [_labels_of(file, column, self.layout.kinds[column]) for file in self.files]
        values, missing = (np.concatenate(arrays) for arrays in zip(*parts, strict=True))
        if names:  # with class names -1 means "not labelled", by the convention
            missing |= values == -1
        return Column(column, values, missing, names, self.where)

    def pictures(self, positions: Array) -> Iterator[Picture]:
        for file, start, stop in zip(self.files, self.starts, self.starts[1:], strict=False):
            inside = positions[(positions >= start) & (positions < stop)]
            for position, content in zip(inside, _image_bytes(file, self.layout.image, inside - start), strict=True):
                yield Picture(self.where(position), content)

    def where(self, position: int) -> str:
        part = int(np.searchsorted(self.starts, position, side="right")) - 1
        return f"row {position - self.starts[part]} of {self.files[part].name}"


def open_parquet(root: Path, names: Sequence[str]) -> Source:
    """Sort Parquet files into splits and check that each split has one set of columns. Reads only the files' footers.

    Args:
        names: relative to ``root``, sorted; a single file is training data whatever its name.

    Raises:
        DataError: for files that are not Parquet, lack images, disagree with each other, or leave nothing to train on.
    """
    splits: dict[str, list[Path]] = {}
    for name in names:
        split = split_of(re.split(r"[^A-Za-z]+", name)) if len(names) > 1 else "train"
        splits.setdefault(split, []).append(root / name)
    test, notices = taken_test(list(splits))
    if "train" in splits and "" in splits:
        notices += (f"Left out, for their names say neither train nor test: {', '.join(file.name for file in splits[''])}.",)
    files = splits.get("train", splits.get("", []))
    if not files:
        raise DataError(f"{root} holds only a {test} split: add files named train-..., or give the path of one file to train on that")
    return Source(
        kind="Parquet",
        train=_open_split(files),
        test=_open_split(splits[test]) if test else None,
        files=tuple(files + splits.get(test, [])) if test else tuple(files),
        notices=notices,
    )


def _open_split(files: Sequence[Path]) -> ParquetSplit:
    layouts, rows = zip(*map(_open_file, files), strict=True)
    for file, layout in zip(files, layouts, strict=True):
        if layout != layouts[0]:
            raise DataError(f"{_difference(files[0], layouts[0], file, layout)}; files of one split must have the same columns")
    return ParquetSplit(tuple(files), np.cumsum([0, *rows], dtype=np.int64), layouts[0])


def _difference(a: Path, one: Layout, b: Path, other: Layout) -> str:
    for (here, mine), (there, theirs) in (((a, one), (b, other)), ((b, other), (a, one))):
        if missing := [name for name in mine.kinds if name not in theirs.kinds]:
            return f"{there.name} lacks the column {missing[0]} that {here.name} has"
    changed = [name for name in one.kinds if one.kinds[name] != other.kinds[name]]
    if changed:
        return f"column {changed[0]} is {one.kinds[changed[0]]} in {a.name} but {other.kinds[changed[0]]} in {b.name}"
    return f"{a.name} and {b.name} have different class names"


@contextmanager
def _opened(file: Path) -> Iterator[pq.ParquetFile]:
    """The open file; whatever pyarrow has to say about it becomes one sentence."""
    try:
        with pq.ParquetFile(file) as table:
            yield table
    except (pa.ArrowException, OSError) as error:
        why = str(error).splitlines()[0][:120]
        raise DataError(f"{file.name} cannot be read as Parquet ({why}): write or download it again") from error


def _open_file(file: Path) -> tuple[Layout, int]:
    with _opened(file) as table:
        schema, rows = table.schema_arrow, table.metadata.num_rows
    images = [name for name in map(_image_leaf, schema) if name]
    if not images:
        raise DataError(
            f"{file.name} has no column of images: its columns are {', '.join(schema.names)}; "
            "images are expected in a struct column `image` with `bytes` and `path`, as the `datasets` library writes them"
        )
    chosen = min(images, key=lambda name: name.split(".")[0] not in ("image", "img"))
    return Layout(chosen, {field.name: _kind(field) for field in schema}, _class_names(schema)), rows


def _is_binary(kind: pa.DataType) -> bool:
    return bool(pa.types.is_binary(kind) or pa.types.is_large_binary(kind))


def _image_leaf(field: pa.Field) -> str:
    """Path of the column's image bytes, "" if it has none."""
    if _is_binary(field.type):
        return str(field.name)
    inner = {child.name: child.type for child in field.type.fields} if pa.types.is_struct(field.type) else {}
    return f"{field.name}.bytes" if "bytes" in inner and _is_binary(inner["bytes"]) else ""


def _kind(field: pa.Field) -> str:
    if _image_leaf(field):
        return "image"
    kind = field.type.value_type if pa.types.is_dictionary(field.type) else field.type
    if pa.types.is_integer(kind) or pa.types.is_boolean(kind):
        return "integer"
    return "text" if pa.types.is_string(kind) or pa.types.is_large_string(kind) else str(kind)


def _class_names(schema: pa.Schema) -> dict[str, tuple[str, ...]]:
    """Class names per column from the metadata that the `datasets` library leaves; anything unexpected in it is ignored."""
    try:
        features = json.loads((schema.metadata or {}).get(b"huggingface", b"{}"))["info"]["features"]
        named = {column: _texts(feature.get("names")) for column, feature in features.items() if isinstance(feature, dict)}
    except (ValueError, KeyError, TypeError, AttributeError):
        return {}
    integers = {field.name for field in schema if _kind(field) == "integer"}
    return {column: names for column, names in named.items() if column in integers and names}


def _texts(names: object) -> tuple[str, ...]:
    return tuple(names) if isinstance(names, list) and all(isinstance(name, str) for name in names) else ()


def _labels_of(file: Path, column: str, kind: str) -> tuple[Array, Array]:
    """(values, missing) of one file: int64 or object ``[n]``, and bool ``[n]``."""
    with _opened(file) as table:
        chunks = table.read(columns=[column]).column(column)
        if pa.types.is_dictionary(chunks.type):
            chunks = chunks.cast(chunks.type.value_type)
        missing = chunks.is_null().to_numpy().copy()
        if kind == "integer":
            return chunks.cast(pa.int64(), safe=False).fill_null(0).to_numpy(), missing
        values = np.array(chunks.fill_null("").to_pylist(), object)
        return values, missing | (values == "")


def _image_bytes(file: Path, leaf: str, rows: Array) -> Iterator[bytes | None]:
    """The encoded images at ascending rows, one row group in memory at a time."""
    if not len(rows):
        return
    with _opened(file) as table:
        start = 0
        for group in range(table.num_row_groups):
            stop = start + table.metadata.row_group(group).num_rows
            inside = rows[(rows >= start) & (rows < stop)] - start
            if len(inside):
                column = table.read_row_group(group, columns=[leaf]).column(0)
                found = column.take(pa.array(inside))
                yield from (pc.struct_field(found, "bytes") if pa.types.is_struct(found.type) else found).to_pylist()
            start = stop
