"""The well-known image sets, through torchvision's own classes; downloaded when a run first needs them."""

from __future__ import annotations

import http.client
import os
import tarfile
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from explorer.config import ConfigError
from explorer.data.images import resize_images, resize_notice
from explorer.data.splits import training_subset
from explorer.records import Array, DataError, Dataset, freeze

OFFLINE_CHOICES = "the sets that need no download, `digits` and `planted`, or the path of a set of your own"
# What torchvision lets through of a refused connection, a broken archive or a damaged file.
FAILURES = (
    *(AssertionError, EOFError, OSError, RuntimeError, TypeError, ValueError),
    *(http.client.HTTPException, tarfile.TarError, zlib.error),
)


@dataclass(frozen=True, slots=True)
class TorchvisionSet:
    """One set. files: what must lie below the data folder for the set to be there. license: as its makers state it."""

    title: str
    class_name: str  # in torchvision.datasets
    kind: Literal["idx", "batches", "split"]  # how its torchvision class is asked, and what it hands back
    files: tuple[str, ...]
    download_mb: int
    num_classes: int
    image_size: int
    channels: int
    license: str


def _idx(class_name: str) -> tuple[str, ...]:
    return tuple(f"{class_name}/raw/{part}-{kind}-ubyte" for part in ("train", "t10k") for kind in ("images-idx3", "labels-idx1"))


_CIFAR10_FILES = tuple(f"cifar-10-batches-py/{name}" for name in (*(f"data_batch_{i}" for i in range(1, 6)), "test_batch", "batches.meta"))
_CIFAR100_FILES = tuple(f"cifar-100-python/{name}" for name in ("train", "test", "meta"))
_SVHN_FILES = ("train_32x32.mat", "test_32x32.mat")
_STL10_FILES = tuple(f"stl10_binary/{part}_{kind}.bin" for part in ("train", "test") for kind in "Xy")

TORCHVISION_SETS: dict[str, TorchvisionSet] = {
    "mnist": TorchvisionSet("MNIST", "MNIST", "idx", _idx("MNIST"), 12, 10, 28, 1, "CC BY-SA 3.0"),
    "fashion_mnist": TorchvisionSet("Fashion-MNIST", "FashionMNIST", "idx", _idx("FashionMNIST"), 31, 10, 28, 1, "MIT"),
    "kmnist": TorchvisionSet("Kuzushiji-MNIST", "KMNIST", "idx", _idx("KMNIST"), 21, 10, 28, 1, "CC BY-SA 4.0"),
    "cifar10": TorchvisionSet("CIFAR-10", "CIFAR10", "batches", _CIFAR10_FILES, 170, 10, 32, 3, "none stated"),
    "cifar100": TorchvisionSet("CIFAR-100", "CIFAR100", "batches", _CIFAR100_FILES, 169, 100, 32, 3, "none stated"),
    "svhn": TorchvisionSet("SVHN", "SVHN", "split", _SVHN_FILES, 246, 10, 32, 3, "non-commercial use only"),
    "stl10": TorchvisionSet("STL-10", "STL10", "split", _STL10_FILES, 2_640, 10, 96, 3, "none stated"),
}


def data_root() -> Path:
    """Where downloaded sets are kept: ``$EXPLORER_DATA``, or a folder in the home directory."""
    chosen = os.environ.get("EXPLORER_DATA", "").strip()
    return Path(chosen or "~/.memorization-explorer/data").expanduser()


def is_present(name: str) -> bool:
    """Whether all files of a set are on this machine. Looks, downloads nothing."""
    return all((data_root() / file).is_file() for file in _set(name).files)


def download_notice(name: str) -> str:
    """What starting a run would download, and where to; "" if nothing."""
    entry = _set(name)
    if is_present(name):
        return ""
    return f"{entry.title} is not on this machine yet. Starting downloads about {entry.download_mb:,} MB to {data_root()}."


def load_torchvision(name: str, *, train_size: int = 0, seed: int = 0, image_size: int = 0) -> Dataset:
    """Load a set of the table, downloading it first if it is not there.

    The published labels are taken as reference: they are given and true labels at once.

    Raises:
        ConfigError: for a name that is not in the table, or a ``train_size`` beyond the data.
        DataError: if the set cannot be downloaded, or its files are damaged.
    """
    entry = _set(name)
    train = _read(entry, train=True)
    test = _read(entry, train=False)
    picked = training_subset(train.labels, train_size, seed)
    side = image_size or train.images.shape[1]
    labels = freeze(train.labels[picked])
    return Dataset(
        name=name,
        class_names=train.class_names,
        train_images=freeze(resize_images(train.images[picked], side)),
        given_label=labels,
        true_label=labels,
        source_index=freeze(picked),
        test_images=freeze(resize_images(test.images, side)),
        test_label=freeze(test.labels),
        test_is_reference=True,
        notices=resize_notice(train.images.shape[1], side),
        source_rows=len(train.labels),
    )


@dataclass(frozen=True, slots=True, eq=False)
class _Part:
    images: Array  # uint8 [N, H, H, C]
    labels: Array  # int64 [N]
    class_names: tuple[str, ...]


def _set(name: str) -> TorchvisionSet:
    if name not in TORCHVISION_SETS:
        raise ConfigError("dataset", name, f"is not one of {', '.join(TORCHVISION_SETS)}")
    return TORCHVISION_SETS[name]


def _read(entry: TorchvisionSet, train: bool) -> _Part:
    here = all((data_root() / file).is_file() for file in entry.files)
    try:
        return _part(entry, _open(entry, train, download=not here))
    except FAILURES as error:
        if here:
            raise DataError(
                f"the files of {entry.title} in {data_root() / entry.files[0].split('/')[0]} are damaged ({_cause(error)}): "
                "delete them and start again to download them afresh"
            ) from error
        raise DataError(
            f"{entry.title} could not be downloaded ({_cause(error)}): try again with a network, or take {OFFLINE_CHOICES}"
        ) from error


def _open(entry: TorchvisionSet, train: bool, download: bool) -> Any:  # noqa: ANN401 (an object of a class torchvision does not type)
    """The torchvision dataset.

    Its CIFAR classes unpickle, which would be unsafe for a stranger's file, but only after the MD5 of every
    batch file was found equal to the published one. The other sets are plain arrays.
    """
    import torchvision

    root = data_root()
    root.mkdir(parents=True, exist_ok=True)
    which = {"split": "train" if train else "test"} if entry.kind == "split" else {"train": train}
    return getattr(torchvision.datasets, entry.class_name)(root, download=download, **which)


def _part(entry: TorchvisionSet, source: Any) -> _Part:  # noqa: ANN401 (as above)
    if entry.kind == "idx":
        images, labels = source.data.numpy()[..., None], source.targets.numpy()
    elif entry.kind == "batches":
        images, labels = source.data, source.targets
    else:
        images, labels = source.data.transpose(0, 2, 3, 1), source.labels
    names = tuple(getattr(source, "classes", None) or map(str, range(entry.num_classes)))
    labels = np.asarray(labels).astype(np.int64)
    if len(images) != len(labels) or not len(labels) or labels.min() < 0 or labels.max() >= len(names):
        raise ValueError("images and labels do not belong together")
    return _Part(np.ascontiguousarray(images), labels, names)


def _cause(error: BaseException) -> str:
    """The last line that says something, without Python's wrapping."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1].removeprefix("<urlopen error ").removesuffix(">")[:160] if lines else type(error).__name__
