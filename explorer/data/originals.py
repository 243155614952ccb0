"""The images of somebody's data as they were found, encoded, and the files they lie in."""

from __future__ import annotations

from collections.abc import Iterator
from io import BytesIO
from itertools import chain
from typing import NamedTuple

import numpy as np
from PIL import Image

from explorer.config import DataConfig
from explorer.data.catalogue import existing_path, is_path
from explorer.data.images import Picture, decode_images
from explorer.data.sources import FileSplit, Source
from explorer.data.tables import open_labelled, open_source, positions
from explorer.records import Array, DataError, Dataset


class Originals(NamedTuple):
    """The training and the test images of a data set, in its order, to be read once."""

    train: Iterator[Picture]
    test: Iterator[Picture]


def originals(config: DataConfig, dataset: Dataset) -> Originals | None:
    """The encoded images behind a data set; None where there are none: sets of the catalogue, and images that noise replaced.

    Args:
        dataset: as the config prepares it, images that are left out or broken no longer in it.

    Raises:
        ConfigError or DataError: for data that are no longer there.
    """
    if not is_path(config.dataset) or config.noise == "open_set":
        return None
    path, tested = existing_path(config.dataset, "dataset"), config.test_split == "auto"
    source, labels = open_labelled(path, config.label_column, config.true_label_column, tested)
    _, test, _ = positions(source, labels, config.data_seed, tested)
    split = source.train if labels.test is None or source.test is None else source.test
    if len(test) != len(dataset.test_label):  # some are broken
        test = test[decode_images(split.pictures(test), config.image_size).kept]
    if len(test) != len(dataset.test_label):
        raise DataError(f"{path.name} has changed while it was read: try again")
    train = np.searchsorted(source.train.source_index(), dataset.source_index)
    return Originals(source.train.pictures(train), split.pictures(test) if len(test) else iter(()))


def image_paths(config: DataConfig) -> dict[int, str]:
    """Source index to the file of each training image, relative to the data; {} where images are not files.

    Raises:
        ConfigError or DataError: for data that are not there.
    """
    train = _source(config).train if is_path(config.dataset) else None
    return dict(zip(train.source_index().tolist(), train.files, strict=True)) if isinstance(train, FileSplit) else {}


def folder_level(config: DataConfig) -> int | None:
    """Which part of the files' names is the class, 0 or 1; None where the data are no ImageFolder tree."""
    source = _source(config) if is_path(config.dataset) else None
    if source is None or source.kind != "ImageFolder" or not isinstance(source.train, FileSplit):
        return None
    return next(level for level in (0, 1) if _class_is(source.train, level))


def _class_is(train: FileSplit, level: int) -> bool:
    texts = chain.from_iterable(train.table.values())
    return all(name.split("/")[level] == text for name, text in zip(train.files, texts, strict=True))


def _source(config: DataConfig) -> Source:
    return open_source(existing_path(config.dataset, "dataset"))


def source_folders(config: DataConfig) -> tuple[set[str], set[str]]:
    """(folders that are the data with everything below them, folders that hold a file of the data), absolute.

    A Parquet file or a manifest does not make all of the folder it lies in data.
    """
    if not is_path(config.dataset):
        return set(), set()
    path = existing_path(config.dataset, "dataset")
    holding = {str(file.resolve().parent) for file in open_source(path).files}
    return ({str(path)}, holding) if path.is_dir() else (holding - {str(path.parent)}, holding)


def as_png(images: Array) -> Iterator[Picture]:
    """Decoded images uint8 ``[n, H, W, C]`` as PNG, which loses nothing."""
    for number, image in enumerate(images):
        content = BytesIO()
        Image.fromarray(image.squeeze(-1) if image.shape[-1] == 1 else image).save(content, "PNG")
        yield Picture(f"{number}.png", content.getvalue())
