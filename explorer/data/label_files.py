"""Labels as people write them into tables, read and written: class names or numbers, rows by number, lines named in errors."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Iterator, Sequence

from explorer.records import NO_CLASS, DataError

NAMED = 5  # class names listed in an error
NUMBER = re.compile(r"-?[0-9]{1,10}", re.ASCII)
ROW = re.compile(r"[0-9]{1,10}", re.ASCII)
FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")  # what table programs take for the beginning of one


def row_number(text: str, source_rows: int, where: str) -> int:
    """A source index as written. Raises DataError naming ``where``."""
    if not ROW.fullmatch(text.strip()) or (source_rows and int(text) >= source_rows):
        highest = f"a row of the data, from 0 to {source_rows - 1}" if source_rows else "a row of the data, counted from 0"
        raise DataError(f"{where} has the index {text[:60]!r}: give {highest}")
    return int(text)


def class_reader(class_names: Sequence[str]) -> Callable[[str, str], int]:
    """(text, where) -> class, NO_CLASS for an empty text: a class name, or else a class number unless the names are numbers themselves.

    The reader raises DataError naming ``where``.
    """
    known = {name.strip(): number for number, name in enumerate(class_names)} | {name: number for number, name in enumerate(class_names)}
    if not all(NUMBER.fullmatch(name) for name in class_names):
        known = {str(number): number for number in range(len(class_names))} | known

    def read(text: str, where: str) -> int:
        if not text.strip():
            return NO_CLASS
        found = known.get(text, known.get(text.strip()))
        if found is None:
            listed = f"{', '.join(class_names[:NAMED])}{', ...' if len(class_names) > NAMED else ''}"
            raise DataError(f"{where} has the label {text[:60]!r}: give a class ({listed}), or nothing to leave the image out")
        return found

    return read


def class_texts(class_names: Sequence[str]) -> tuple[str, ...]:
    """How each class is written in a file so that ``class_reader`` reads it back: by name, or by number where a table program would take
    the name for a formula."""
    read = class_reader(class_names)

    def text(number: int, name: str) -> str:
        harmless = bool(name.strip()) and (bool(NUMBER.fullmatch(name)) or plain_text(name) == name)
        taken = str(number) in class_names and class_names[number] != str(number)  # the number is the name of another class
        return name if (harmless and read(name, "") == number) or taken else str(number)

    return tuple(text(number, name) for number, name in enumerate(class_names))


def plain_text(text: str) -> str:
    """Free text for a CSV: what a table program would take for a formula gets an apostrophe before it."""
    return f"'{text}" if text.startswith(FORMULA) else text


def csv_table(content: bytes, name: str) -> tuple[list[str], Iterator[tuple[str, dict[str, str]]]]:
    """(column names, (where, cells by column) of each line that is not empty). Raises DataError, also while the lines are read."""
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataError(f"{name} is not text in UTF-8 ({error.reason} at byte {error.start}): save it as CSV in UTF-8") from error
    lines = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        header = [cell.strip() for cell in next(lines, [])]
    except csv.Error as error:
        raise DataError(f"line 1 of {name} cannot be read ({error}): save it as comma-separated text") from error
    if len(set(header)) < len(header):
        raise DataError(f"{name} names a column twice: {','.join(header)[:120]}")

    def rows() -> Iterator[tuple[str, dict[str, str]]]:
        try:
            for cells in lines:
                where = f"line {lines.line_num} of {name}"
                if not any(cell.strip() for cell in cells):
                    continue
                if len(cells) != len(header):
                    raise DataError(f"{where} has {len(cells)} fields, the first line {len(header)}: quote texts that hold commas")
                yield where, dict(zip(header, cells, strict=True))
        except csv.Error as error:
            raise DataError(f"line {lines.line_num} of {name} cannot be read ({error}): save it as comma-separated text") from error

    return header, rows()
