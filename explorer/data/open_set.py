"""Open-set noise: images of another set under the labels of the images they replace."""

from __future__ import annotations

import dataclasses

import numpy as np
from PIL import Image

from explorer.config import ConfigError, DataConfig
from explorer.data import catalogue
from explorer.data.images import resize_images
from explorer.data.tables import label_columns
from explorer.data.transitions import spelling
from explorer.records import Array, Dataset, PlantedTruth, freeze

LEAST_DRAWN = 16  # pixels: the planted set cannot be drawn smaller


def replace_images(config: DataConfig, dataset: Dataset, rows: Array, rng: np.random.Generator) -> Dataset:
    """The data set with the training images at ``rows`` replaced by foreign ones, each used once where there are enough.

    Foreign images of a class that the set knows by the same name are left out, and planted copies of other images.

    Args:
        rows: int64 ``[n]`` positions among the training images.

    Raises:
        ConfigError: naming ``open_set``, for a source that cannot be read or shows none but the set's own classes.
    """
    if not len(rows):
        return dataset
    foreign = _load(config, len(rows), side=dataset.train_images.shape[1])
    known = {spelling(name) for name in dataset.class_names}
    usable = ~np.isin(foreign.given_label, [k for k, name in enumerate(foreign.class_names) if spelling(name) in known])
    if foreign.planted is not None:
        usable &= foreign.planted.partner < 0
    pool = np.flatnonzero(usable)
    if not len(pool):
        raise ConfigError("open_set", config.open_set, f"has no foreign images: its classes are all classes of {dataset.name}")
    picked = rng.choice(pool, len(rows), replace=len(rows) > len(pool))
    images = dataset.train_images.copy()
    images[rows] = fit(foreign.train_images[picked], *images.shape[2:])
    again = f", some more than once (there are {len(pool):,})" if len(rows) > len(pool) else ""
    return dataclasses.replace(
        dataset,
        train_images=freeze(images),
        planted=None if dataset.planted is None else _without(dataset.planted, dataset.source_index, rows),
        notices=(*dataset.notices, f"{len(rows):,} training images are foreign: images of {foreign.name}{again}."),
    )


def fit(images: Array, side: int, channels: int) -> Array:
    """uint8 ``[n, side, side, channels]`` from images of any size, grey or colour."""
    images = resize_images(images, side)
    if images.shape[-1] == channels:
        return images
    if channels == 3:
        return np.repeat(images, 3, axis=-1)
    return np.stack([np.asarray(Image.fromarray(image).convert("L")) for image in images])[..., None]


def _load(config: DataConfig, count: int, side: int) -> Dataset:
    """The foreign set, at the set's own size where it can be had; as many planted pictures as are needed."""
    name = catalogue.foreign_set(config)
    try:
        source = DataConfig(
            dataset=name,
            label_column=_any_column(name),
            image_size=side if side >= LEAST_DRAWN else 0,
            train_size=count + count // 10 + 10 if name == "planted" else 0,  # more than are used: 5 % of them are copies
            test_split="none" if name == "planted" else "auto",  # a set that is split keeps the split it has
            noise="none",
            data_seed=config.data_seed,
        )
        return catalogue.load(source)
    except ConfigError as error:
        raise ConfigError("open_set", config.open_set, f"cannot be used: {error.why}") from error


def _any_column(name: str) -> str:
    """Some label column of a table that has no default one: the foreign labels are not trained on."""
    columns = label_columns(catalogue.existing_path(name, "open_set")) if catalogue.is_path(name) else ()
    return columns[0] if columns and "label" not in columns else ""


def _without(planted: PlantedTruth, source_index: Array, rows: Array) -> PlantedTruth:
    """What is still true of the planted images: the replaced ones are foreign, and copies of them copies of nothing."""
    kind, partner, transform = planted.kind.copy(), planted.partner.copy(), planted.transform.copy()
    orphaned = np.isin(partner, source_index[rows])
    kind[orphaned], partner[orphaned], transform[orphaned] = "typical", -1, ""
    kind[rows], partner[rows], transform[rows] = "foreign", -1, ""
    return PlantedTruth(freeze(kind), freeze(partner), freeze(transform))
