"""Where images come from: a name of the catalogue, or a path."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

from explorer.config import ConfigError, DataConfig, RunConfig
from explorer.records import Dataset

NAMED = ("dataset", "open_set")  # settings that take a catalogue name as well as a path
OFFLINE = {
    "digits": "1,797 real handwritten digits, 8x8 grey; comes with scikit-learn",
    "planted": "2,000 drawn pictures, 32x32 colour, with rare styles and near-duplicates planted on purpose",
}


def names() -> tuple[str, ...]:
    """Catalogue names, those that need no download first."""
    from explorer.data.torchvision_sets import TORCHVISION_SETS

    return (*OFFLINE, *TORCHVISION_SETS)


def is_path(dataset: str) -> bool:
    return dataset not in names()


def kept_corrections() -> Path:
    """Where corrections made on the Fix page are kept: may be read by everybody whom the page is served to."""
    return home() / "corrections"


def home() -> Path:
    """``EXPLORER_HOME``, else ``~/.memorization-explorer``."""
    return Path(os.environ.get("EXPLORER_HOME") or Path.home() / ".memorization-explorer").expanduser()


def absolute(dataset: str) -> str:
    """Catalogue names as they are; a path made absolute."""
    return str(Path(dataset).expanduser().resolve()) if is_path(dataset) else dataset


def foreign_set(config: DataConfig) -> str:
    """Where open_set noise takes its foreign images from: a catalogue name, or an absolute path.

    Raises:
        ConfigError: if that is the set itself.
    """
    source = absolute(config.open_set.strip() or ("digits" if config.dataset == "planted" else "planted"))
    if source == absolute(config.dataset):
        raise ConfigError("open_set", config.open_set, "is the set itself; foreign images must come from another one")
    return source


def corrections_file(config: DataConfig) -> Path | None:
    """Absolute path of the file of corrected labels, None where a config names none. Raises ConfigError as ``existing_path``."""
    asked = config.corrections.strip()
    return existing_path(asked, "corrections") if asked else None


def fingerprint(config: DataConfig) -> str:
    """Text that changes when the data behind a config do: a version, or file names and sizes. Decodes nothing.

    Raises:
        ConfigError or DataError: if there is nothing at the path.
    """
    found = [_fingerprint(config.dataset, "dataset")]
    if isinstance(config, RunConfig) and not config.trains:
        from explorer.data.given import given_fingerprint

        found.append(given_fingerprint(config))
    elif config.noise == "open_set":
        found.append(f", foreign images: {_fingerprint(foreign_set(config), 'open_set')}")
    if file := corrections_file(config):
        from explorer.data.corrections import corrections_fingerprint

        found.append(f", corrections: {corrections_fingerprint(file)}")
    return "".join(found)


def _fingerprint(dataset: str, field: str) -> str:
    if dataset == "planted":
        from explorer.data.planted import PLANTED_VERSION

        return f"planted {PLANTED_VERSION}"
    if not is_path(dataset):
        return dataset
    from explorer.data.tables import path_fingerprint

    return path_fingerprint(existing_path(dataset, field))


def load(config: DataConfig) -> Dataset:
    """Load the images and labels a config names, without any noise of ours.

    Raises:
        ConfigError or DataError: naming the field, or the file, and what to do.
    """
    for column in ("label_column", "true_label_column"):
        if getattr(config, column) and not is_path(config.dataset):
            raise ConfigError(column, getattr(config, column), f"is for tables; {config.dataset} has one set of labels")
    size = {"train_size": config.train_size, "seed": config.data_seed}
    tested = config.test_split == "auto"
    if config.dataset == "digits":
        from explorer.data.digits import load_digits

        return load_digits(**size, image_size=config.image_size, tested=tested)
    if not is_path(config.dataset):
        dataset = _with_a_test_set(config, size)
        return dataset if tested else replace(dataset, test_images=dataset.test_images[:0], test_label=dataset.test_label[:0])
    from explorer.data.tables import load_path

    return load_path(
        existing_path(config.dataset, "dataset"),
        label_column=config.label_column,
        true_label_column=config.true_label_column,
        image_size=config.image_size,
        tested=tested,
        **size,
    )


def _with_a_test_set(config: DataConfig, size: dict[str, int]) -> Dataset:
    """A set of the catalogue that comes with test images of its own."""
    if config.dataset == "planted":
        from explorer.data.planted import load_planted

        return load_planted(**size, image_size=config.image_size, tested=config.test_split == "auto")
    from explorer.data.torchvision_sets import load_torchvision

    return load_torchvision(config.dataset, **size, image_size=config.image_size)


def existing_path(text: str, field: str) -> Path:
    """A path, made absolute, that may be read here: of a data set, or of a file that stands with it.

    Raises:
        ConfigError: naming ``field``, if there is nothing, or it lies outside the folder opened to others.
    """
    try:
        path = Path(text).expanduser().resolve()
    except (OSError, RuntimeError, ValueError):  # a name too long, an unknown ~user, a zero byte
        raise ConfigError(field, text, "is not a path") from None
    named = f" nor one of {', '.join(names())}" if field in NAMED else ""
    root = os.environ.get("EXPLORER_DATA_ROOT")
    opened = (root, kept_corrections()) if field == "corrections" else (root,)
    if root and not any(path.is_relative_to(Path(folder or root).resolve()) for folder in opened):
        raise ConfigError(field, text, f"is {'neither' if named else 'not'} a path below the shared folder {root}{named}")
    if not path.exists():
        raise ConfigError(field, text, f"is {'neither' if named else 'not'} a path that exists{named}")
    return path
