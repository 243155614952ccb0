"""The downloadable sets: what is said before a download, without a network, and what is read once they are there."""

from __future__ import annotations

import hashlib
import pickle
import struct
import urllib.error
import urllib.request
from pathlib import Path

import numpy as np
import pytest
from torchvision import datasets

from explorer.config import ConfigError
from explorer.data.torchvision_sets import TORCHVISION_SETS, data_root, download_notice, is_present, load_torchvision
from explorer.records import DataError

N, M = 40, 6
TRAIN_LABELS, TEST_LABELS = np.arange(N) % 10, np.arange(M)


@pytest.fixture(autouse=True)
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty data folder, and no network behind torchvision."""

    def refuse(*_: object, **__: object) -> None:
        raise urllib.error.URLError("network is unreachable")

    monkeypatch.setattr(urllib.request, "urlopen", refuse)
    monkeypatch.setenv("EXPLORER_DATA", str(tmp_path))
    return tmp_path


def pixels(count: int, side: int, channels: int) -> np.ndarray:
    """uint8 [count, channels, side, side]; every pixel holds row number, column and channel apart."""
    return np.random.default_rng(count).integers(0, 256, (count, channels, side, side)).astype(np.uint8)


def write_idx(root: Path, name: str) -> None:
    raw = root / TORCHVISION_SETS[name].class_name / "raw"
    raw.mkdir(parents=True)
    for part, labels in (("train", TRAIN_LABELS), ("t10k", TEST_LABELS)):
        count = len(labels)
        (raw / f"{part}-images-idx3-ubyte").write_bytes(struct.pack(">4i", 0x803, count, 28, 28) + pixels(count, 28, 1).tobytes())
        (raw / f"{part}-labels-idx1-ubyte").write_bytes(struct.pack(">2i", 0x801, count) + labels.astype(np.uint8).tobytes())


def write_batches(root: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """CIFAR as torchvision keeps it, with the published checksums replaced by those of the tiny files."""
    source = getattr(datasets, TORCHVISION_SETS[name].class_name)
    folder, fine = root / source.base_folder, name == "cifar100"
    folder.mkdir()

    def write(file: str, content: object) -> str:
        (folder / file).write_bytes(pickle.dumps(content))
        return hashlib.md5((folder / file).read_bytes(), usedforsecurity=False).hexdigest()

    def batch(file: str, images: np.ndarray, labels: np.ndarray) -> list[str]:
        return [file, write(file, {"data": images.reshape(len(images), -1), "fine_labels" if fine else "labels": labels.tolist()})]

    files = [file for file, _ in source.train_list]
    train = zip(files, np.split(pixels(N, 32, 3), len(files)), np.split(TRAIN_LABELS, len(files)), strict=True)
    monkeypatch.setattr(source, "train_list", [batch(*part) for part in train])
    monkeypatch.setattr(source, "test_list", [batch(source.test_list[0][0], pixels(M, 32, 3), TEST_LABELS)])
    names = {source.meta["key"]: [f"class {i}" for i in range(TORCHVISION_SETS[name].num_classes)]}
    monkeypatch.setattr(source, "meta", {**source.meta, "md5": write(source.meta["filename"], names)})


def write_svhn(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from scipy.io import savemat

    for part, labels in (("train", TRAIN_LABELS), ("test", TEST_LABELS)):
        file = root / f"{part}_32x32.mat"
        savemat(file, {"X": pixels(len(labels), 32, 3).transpose(2, 3, 1, 0), "y": np.where(labels == 0, 10, labels)[:, None]})
        md5 = hashlib.md5(file.read_bytes(), usedforsecurity=False).hexdigest()
        monkeypatch.setitem(datasets.SVHN.split_list, part, ["http://nowhere.invalid", file.name, md5])


def write_stl10(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = root / "stl10_binary"
    folder.mkdir()
    lists: dict[str, list[list[str]]] = {"train": [], "test": []}
    for part, labels in (("train", TRAIN_LABELS), ("test", TEST_LABELS)):
        contents = {"X": pixels(len(labels), 96, 3).swapaxes(2, 3).tobytes(), "y": (labels + 1).astype(np.uint8).tobytes()}
        for kind, content in contents.items():
            (folder / f"{part}_{kind}.bin").write_bytes(content)
            lists[part].append([f"{part}_{kind}.bin", hashlib.md5(content, usedforsecurity=False).hexdigest()])
    monkeypatch.setattr(datasets.STL10, "train_list", lists["train"])
    monkeypatch.setattr(datasets.STL10, "test_list", lists["test"])


def write(name: str, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if name.startswith("cifar"):
        write_batches(root, name, monkeypatch)
    elif name == "svhn":
        write_svhn(root, monkeypatch)
    elif name == "stl10":
        write_stl10(root, monkeypatch)
    else:
        write_idx(root, name)


@pytest.mark.parametrize("name", TORCHVISION_SETS)
def test_a_local_copy_is_read_without_a_network(name: str, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    entry = TORCHVISION_SETS[name]
    assert not is_present(name)
    write(name, root, monkeypatch)
    assert is_present(name)
    assert download_notice(name) == ""
    data = load_torchvision(name)
    assert len(data.class_names) == entry.num_classes
    assert np.array_equal(data.train_images, pixels(N, entry.image_size, entry.channels).transpose(0, 2, 3, 1))
    assert np.array_equal(data.test_images, pixels(M, entry.image_size, entry.channels).transpose(0, 2, 3, 1))
    assert data.given_label.tolist() == TRAIN_LABELS.tolist()
    assert data.true_label is not None
    assert data.true_label.tolist() == TRAIN_LABELS.tolist()
    assert data.test_label.tolist() == TEST_LABELS.tolist()
    assert data.source_index.tolist() == list(range(N))
    assert data.test_is_reference
    assert data.notices == ()


def test_subset_and_size(root: Path) -> None:
    write_idx(root, "fashion_mnist")
    data = load_torchvision("fashion_mnist", train_size=20, seed=3, image_size=14)
    assert data.train_images.shape == (20, 14, 14, 1)
    assert data.test_images.shape == (M, 14, 14, 1)
    assert data.given_label.tolist() == TRAIN_LABELS[data.source_index].tolist()
    assert np.bincount(data.given_label).tolist() == [2] * 10
    assert data.notices == ("Images of 28 x 28 were resized to 14 x 14.",)
    assert data.class_names[9] == "Ankle boot"
    with pytest.raises(ConfigError, match="train_size"):
        load_torchvision("fashion_mnist", train_size=N + 1)


@pytest.mark.parametrize("name", TORCHVISION_SETS)
def test_without_a_network_the_offline_choices_are_named(name: str, root: Path) -> None:
    entry = TORCHVISION_SETS[name]
    size = f"{entry.download_mb:,} MB"
    assert download_notice(name) == f"{entry.title} is not on this machine yet. Starting downloads about {size} to {root}."
    with pytest.raises(DataError) as caught:
        load_torchvision(name)
    assert str(caught.value) == (
        f"{entry.title} could not be downloaded (network is unreachable): try again with a network, "
        "or take the sets that need no download, `digits` and `planted`, or the path of a set of your own"
    )


def test_damaged_copies_are_not_called_a_failed_download(root: Path) -> None:
    write_idx(root, "mnist")
    (root / "MNIST" / "raw" / "train-images-idx3-ubyte").write_bytes(b"\0\0\x08\x03\0\0")
    with pytest.raises(DataError, match="the files of MNIST in .*MNIST are damaged .*delete them and start again"):
        load_torchvision("mnist")


def test_a_strangers_pickle_is_never_read(root: Path) -> None:
    """Batch files with other checksums than the published ones are refused before they are unpickled."""
    for file in TORCHVISION_SETS["cifar10"].files:
        (root / file).parent.mkdir(exist_ok=True)
        (root / file).write_bytes(b"cos\nsystem\n(S'touch " + str(root / "harm").encode() + b"'\ntR.")
    with pytest.raises(DataError, match="the files of CIFAR-10 in .* are damaged"):
        load_torchvision("cifar10")
    assert not (root / "harm").exists()


def test_data_root_and_unknown_names(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("EXPLORER_DATA")
    assert data_root() == Path.home() / ".memorization-explorer" / "data"
    with pytest.raises(ConfigError, match="dataset: 'imagenet' is not one of mnist, fashion_mnist"):
        is_present("imagenet")
