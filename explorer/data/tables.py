"""Own data by path: Parquet in the Hugging Face convention, an ImageFolder tree, or a CSV manifest.

The path is looked at once (`open_source`); then labels are read for all rows, the training images are
chosen, and only those are decoded.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path

import numpy as np

from explorer.config import ConfigError
from explorer.data.folders import FOLDER_COLUMN, open_folder, open_manifest
from explorer.data.images import SUFFIXES, decode_images
from explorer.data.sources import Column, Source, find_files
from explorer.data.splits import hold_out, training_subset
from explorer.records import Array, DataError, Dataset, freeze

HOLD_OUT_SHARE = 0.1
EXPECTED = "a folder or file of Parquet, a folder with one folder of images per class, or a CSV manifest with the columns path,label"


@dataclass(frozen=True, slots=True, eq=False)
class Labelled:
    """Encoded labels of all rows: int64 ``[N]``, ``[N]`` or None, ``[M]`` or None (no test labels)."""

    class_names: tuple[str, ...]
    given: Array
    true: Array | None
    test: Array | None
    test_is_reference: bool


def load_path(
    path: Path, *, label_column: str = "", true_label_column: str = "", image_size: int = 0, train_size: int = 0, seed: int = 0,
    tested: bool = True,
) -> Dataset:  # fmt: skip
    """Load images and labels from a path.

    Args:
        path: Parquet folder or file, ImageFolder tree, or CSV manifest.
        label_column: labels to train on; "" takes the only one there is, or ``label``.
        true_label_column: reference labels, "" where nobody knows them. Test labels are read from it where the test split has it.
        image_size: side in pixels; 0 for the images' own, or 32 where sizes differ.
        train_size: stratified subset, taken before anything is decoded; 0 for all.
        seed: decides subset and hold-out.
        tested: False to leave a test split alone and hold nothing out.

    Raises:
        ConfigError: naming ``dataset``, ``label_column``, ``true_label_column`` or ``train_size``.
        DataError: for data that cannot be used: what was found, where, and the remedy.
    """
    path = _existing(path)
    source, labelled = open_labelled(path, label_column, true_label_column, tested)
    try:
        return _load(path, source, labelled, image_size, train_size, seed, tested)
    except DataError as error:
        raise DataError(f"{path.name}: {error}") from error


def open_labelled(path: Path, label_column: str = "", true_label_column: str = "", tested: bool = True) -> tuple[Source, Labelled]:
    """What a path holds, and the labels of all rows; decodes no image. Raises ConfigError or DataError as ``load_path``."""
    source = open_source(path) if tested else replace(open_source(path), test=None)
    return source, _read_labels(source, path, *_chosen_columns(source, path, label_column, true_label_column))


def label_columns(path: Path) -> tuple[str, ...]:
    """Columns of the training split that could hold labels; () for an ImageFolder, whose folders are the labels.

    Raises:
        ConfigError or DataError: as ``load_path``.
    """
    source = open_source(path)
    return () if source.kind == "ImageFolder" else source.train.columns


def path_fingerprint(path: Path) -> str:
    """Text that changes when file names, file sizes or labels do, and not when the folder is moved. Decodes no image.

    Raises:
        ConfigError or DataError: as ``load_path``.
    """
    source = open_source(path)
    root, total, digest = _existing(path), 0, hashlib.sha256()
    root = root if root.is_dir() else root.parent
    for file in source.files:
        size = file.stat().st_size if file.is_file() else -1
        total += max(size, 0)
        digest.update(f"{file.relative_to(root).as_posix()}\t{size}\n".encode(errors="surrogatepass"))
    for split in filter(None, (source.train, source.test)):
        for name in split.columns:  # a label corrected in place leaves every size as it was
            column = split.labels(name)
            content = column.values.tobytes() if column.is_integer else "\n".join(column.values).encode(errors="surrogatepass")
            digest.update(f"{name}\t{column.class_names}\n".encode(errors="surrogatepass") + content + column.missing.tobytes())
    return f"{source.kind} {len(source.files)} files {total} bytes {digest.hexdigest()[:32]}"


def open_source(path: Path) -> Source:
    """Find out what a path holds and sort it into splits; reads no labels of Parquet and no images.

    Raises:
        ConfigError or DataError: as ``load_path``.
    """
    root = _existing(path)
    if root.is_file():
        return _open_file(root)
    names = find_files(root)
    by_suffix = {suffix: [name for name in names if name.lower().endswith(suffix)] for suffix in (".parquet", ".csv")}
    images = [name for name in names if Path(name).suffix.lower() in SUFFIXES]
    if by_suffix[".parquet"]:
        from explorer.data.parquet import open_parquet

        return open_parquet(root, by_suffix[".parquet"])
    folder = open_folder(root, images)
    manifests = [name for name in by_suffix[".csv"] if "/" not in name]
    # A manifest next to one folder of all images is the usual layout; beside class folders a CSV is something else.
    if len(manifests) == 1 and (folder is None or len(set(folder.train.labels(FOLDER_COLUMN).values)) < 2):
        return open_manifest(root / manifests[0])
    if folder is None:
        raise DataError(f"{root} holds {_contents(images, manifests)}")
    return folder


def _contents(images: list[str], manifests: list[str]) -> str:
    if manifests:
        return f"several CSV files ({', '.join(manifests[:5])}): give the path of one of them"
    found = f"{len(images):,} images but no class folders, no Parquet and no CSV" if images else "no images and no tables"
    return f"{found}; expected {EXPECTED}"


def _existing(path: Path) -> Path:
    try:
        found = path.expanduser().resolve()
        exists = found.is_file() or found.is_dir()
    except (OSError, RuntimeError, ValueError):  # a name too long, an unknown ~user, a zero byte
        exists = False
    if not exists:
        raise ConfigError("dataset", str(path), f"does not exist; give a catalogue name, or {EXPECTED}")
    return found


def _open_file(file: Path) -> Source:
    if file.suffix.lower() == ".csv":
        return open_manifest(file)
    if file.suffix.lower() not in (".parquet", ".pq"):
        raise DataError(f"{file.name} is neither a .parquet nor a .csv file; expected {EXPECTED}")
    from explorer.data.parquet import open_parquet

    return open_parquet(file.parent, [file.name])


def _chosen_columns(source: Source, path: Path, label_column: str, true_label_column: str) -> tuple[str, str]:
    """(given, true or ""), both columns of the training split."""
    for field, name in (("label_column", label_column), ("true_label_column", true_label_column)):
        if name and source.kind == "ImageFolder":
            raise ConfigError(field, name, f"is not needed: in {path.name} the folders are the labels; leave it empty")
        if name and name not in source.train.columns:
            raise ConfigError(field, name, f"is not a label column of {path.name}; there are {_listed(source.train.columns)}")
    return label_column or _default_column(source, path), true_label_column


def _default_column(source: Source, path: Path) -> str:
    columns = source.train.columns
    if not columns:
        raise DataError(f"{path.name} has no column that could hold labels (whole numbers or text): add one")
    if len(columns) > 1 and "label" not in columns:
        raise ConfigError("label_column", "", f"must be chosen among the columns of {path.name}: {_listed(columns)}")
    return columns[0] if len(columns) == 1 else "label"


def _listed(columns: tuple[str, ...]) -> str:
    return ", ".join(columns) or "none"


def _read_labels(source: Source, path: Path, given: str, true: str) -> Labelled:
    from explorer.data.classes import encode

    test = next((column for name in (true, given) if (column := _test_labels(source, name))), None)
    columns = [source.train.labels(name) for name in (given, true) if name]
    names, encoded = encode([*columns, *([test] if test else [])], path.name)
    return Labelled(
        class_names=names,
        given=encoded[0],
        true=encoded[1] if true else None,
        test=encoded[-1] if test else None,
        test_is_reference=bool(true) and (test is None or test.name == true),
    )


def _test_labels(source: Source, name: str) -> Column | None:
    """A column of the test split, None if it is not there or a published test set keeps all its labels back."""
    if source.test is None or name not in source.test.columns:
        return None
    column = source.test.labels(name)
    return None if column.missing.all() else column


def _load(path: Path, source: Source, labels: Labelled, image_size: int, train_size: int, seed: int, tested: bool) -> Dataset:
    train, test, notices = positions(source, labels, seed, tested)
    train = train[training_subset(labels.given[train], train_size, seed)]
    test_split = source.train if labels.test is None or source.test is None else source.test
    images, kept, more = decode_images(chain(source.train.pictures(train), test_split.pictures(test)), image_size)
    count = int((kept < len(train)).sum())
    train_kept, test_kept = train[kept[:count]], test[kept[count:] - len(train)]
    if tested and not len(test_kept):
        raise DataError(f"no test image can be read. {' '.join(more)}")
    training_subset(labels.given[train_kept], 0, seed)  # enough images and classes left?
    test_labels = labels.test
    if test_labels is None:
        test_labels = labels.given if labels.true is None else labels.true
    return Dataset(
        name=path.name,
        class_names=labels.class_names,
        train_images=images[:count],
        given_label=freeze(labels.given[train_kept]),
        true_label=None if labels.true is None else freeze(labels.true[train_kept]),
        source_index=freeze(source.train.source_index()[train_kept]),
        test_images=images[count:],
        test_label=freeze(test_labels[test_kept]),
        test_is_reference=labels.test_is_reference,
        notices=(*source.notices, *notices, *more),
        source_rows=source.train.source_rows,
    )


def positions(source: Source, labels: Labelled, seed: int, tested: bool) -> tuple[Array, Array, tuple[str, ...]]:
    """Positions of training images (in the training split) and of test images, and what to tell about a hold-out."""
    if not tested:
        return np.arange(len(labels.given)), np.zeros(0, dtype=np.int64), ()
    if labels.test is not None:
        return np.arange(len(labels.given)), np.arange(len(labels.test)), ()
    train, test = hold_out(labels.given, HOLD_OUT_SHARE, seed)
    why = "There is no test split" if source.test is None else "The test split has no labels in the chosen columns"
    return train, test, (f"{why}: 10 % of the images ({len(test):,}) are held out for testing.",)
