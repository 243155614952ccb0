"""Class numbers shared by several label columns, whatever they are written in: numbers, names, or numbers with names."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from explorer.data.sources import Column
from explorer.records import Array, DataError

MAX_CLASSES = 65_535  # predictions are recorded as uint16
NAMED = 5


def encode(columns: Sequence[Column], place: str) -> tuple[tuple[str, ...], list[Array]]:
    """One list of class names for all columns, and each column as int64 ``[N]`` positions in it.

    Names given by the data keep their order; plain numbers are sorted as numbers and named by themselves; texts are sorted.

    Args:
        columns: the labels to train on first; then the true ones, the test labels.
        place: name of the data, for errors that concern no single row.

    Raises:
        DataError: for a row without a label, a label outside the class names, one class only, or a column that is no label.
    """
    if not len(columns[0].values):
        raise DataError(f"{place} has columns but no rows: there is nothing to train on")
    for column in columns:
        _require_complete(column)
    known = tuple(dict.fromkeys(name for column in columns for name in column.class_names))
    names = known or _found_names(columns)
    encoded = [_codes(column, names, bool(known)) for column in columns]
    if trouble := _no_classes(columns[0].name, encoded[0], names, bool(known)):
        raise DataError(f"{place}: {trouble}")
    return names, encoded


def _found_names(columns: Sequence[Column]) -> tuple[str, ...]:
    values = np.concatenate([np.unique(column.values) for column in columns])
    if all(column.is_integer for column in columns):
        return tuple(str(value) for value in np.unique(values))
    return tuple(sorted({str(value) for value in values}))


def _codes(column: Column, names: tuple[str, ...], known: bool) -> Array:
    """int64 ``[N]`` positions in ``names``."""
    values, inverse = np.unique(column.values, return_inverse=True)
    own = column.class_names or names
    position = {name: code for code, name in enumerate(names)}
    by_number = column.is_integer and known
    codes = np.empty(len(values), np.int64)
    for i, value in enumerate(values):
        inside = 0 <= value < len(own) if by_number else str(value) in position
        if not inside:
            row = int(np.flatnonzero(inverse == i)[0])
            expected = f"numbers from 0 to {len(own) - 1}" if by_number else f"one of {', '.join(names[:NAMED])}, ..."
            raise DataError(f"{column.where(row)} has the label {value!s} in column {column.name}, which is no class: expected {expected}")
        codes[i] = position[own[value]] if by_number else position[str(value)]
    return codes[inverse]


def _require_complete(column: Column) -> None:
    rows = np.flatnonzero(column.missing)
    if not len(rows):
        return
    others = ", ".join(column.where(int(row)) for row in rows[1:NAMED])
    more = f"; {len(rows):,} rows in all, also {others}{', ...' if len(rows) > NAMED else ''}" if len(rows) > 1 else ""
    raise DataError(f"{column.where(int(rows[0]))} has no label in column {column.name}{more} (rows count from 0): fill in or remove them")


def _no_classes(column: str, codes: Array, names: tuple[str, ...], known: bool) -> str:
    """What is wrong with the labels as classes to tell apart, "" if nothing."""
    used = np.unique(codes)
    if len(used) < 2:
        return f"all {len(codes):,} images have the same label, {names[used[0]]}; a classifier needs at least two classes"
    if len(names) > MAX_CLASSES or (not known and len(codes) > 20 and len(used) > len(codes) // 2):
        return f"column {column} has {len(used):,} different values for {len(codes):,} images; choose one that holds classes"
    return ""
