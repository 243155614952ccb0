"""Time and memory a run will take, said before it starts."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from explorer import pipeline
from explorer.analysis.scores import forward_passes
from explorer.config import OPTIONS, SCALABLE, DataConfig, RunConfig
from explorer.data.catalogue import fingerprint
from explorer.records import Dataset, StoreError
from explorer.runs.at_hand import load_at_hand
from explorer.runs.files import RunFolder
from explorer.runs.store import RunStore, RunSummary
from explorer.runs.summaries import stamp_of

FIRST_GUESS = 5e10  # floating-point operations a second of one thread, until a run on this machine has been timed
START_SECONDS = 1.0  # of a run, besides its epochs: to read the data, to compute its scores and to write them down
LEAST_SECONDS = 2.0  # a shorter run tells more about starting than about training
BASE_MB = 600.0  # torch, FAISS and the app itself
DEEP_BYTES = 10_000  # per pixel: ResNet-34 and DenseNet-121 hold 8,400 and 10,700
ALIKE = ("model", "width", "batch_size", "loss")  # what the speed of a network depends on, the most telling first
DATA = ("dataset", "label_column", "true_label_column", "image_size", "train_size", "test_split")  # settings that decide how many images
FREE = ("seed", "data_seed", "noise_rate", "lr", "momentum", "weight_decay", "schedule")  # settings that cost nothing
COSTING = tuple(name for name in OPTIONS if name not in FREE)
EXTRA_PASSES = ("folds", "second_split")  # after the last epoch, in this order; named like the phases of Progress


class Estimate(NamedTuple):
    """seconds, memory_mb: expected. timed: whether a run on this machine stands behind the seconds, or only a guess."""

    seconds: float
    memory_mb: float
    timed: bool


class Shape(NamedTuple):
    """What of the data decides the cost. train_images: ``(N, H, W, C)``. test_images: M."""

    train_images: tuple[int, ...]
    test_images: int
    num_classes: int

    @staticmethod
    def of(dataset: Dataset) -> Shape:
        return Shape(dataset.train_images.shape, len(dataset.test_label), dataset.num_classes)


def passes(config: RunConfig, train: int, test: int) -> dict[str, float]:
    """Forward passes of one image through one network that a whole run amounts to, by what they are for.

    A backward pass counts as two; one to the image alone, as the curvature needs it, as one. ELR+ trains two networks, each
    with a look at the other's average, and both are measured.

    Args:
        train, test: number of images.

    Returns:
        training, evaluation, susceptibility, curvature, and the extra passes after the last epoch (see EXTRA_PASSES); all 0 where
        nothing is trained.
    """
    if not config.trains:
        return dict.fromkeys(("training", "evaluation", "susceptibility", "curvature", *EXTRA_PASSES), 0.0)
    networks, step = (2, 4.0) if config.loss == "elr_plus" else (1, 3.0)
    return {
        "training": networks * step * config.epochs * train,
        "evaluation": float(networks * (config.epochs + 1) * (train + test)),
        "susceptibility": 5.0 * min(config.batch_size, train) * config.epochs if config.susceptibility_lr else 0.0,
        "curvature": train * forward_passes("curvature", config),
        "folds": train * forward_passes("out_of_sample_confidence", config),
        "second_split": train * forward_passes("second_split_forgetting", config),
    }


def cost_shares(config: RunConfig, train: int, test: int) -> dict[str, float]:
    """What a run consists of, relative to its bare training: 1 is as long as the training steps alone.

    Args:
        train, test: number of images.

    Returns:
        The parts of ``passes``, training = 1; all 0 where nothing is trained.
    """
    counted = passes(config, train, test)
    return {part: count / (counted["training"] or 1) for part, count in counted.items()}


def estimate(store: RunStore, config: RunConfig, train_shape: tuple[int, ...], test_images: int, num_classes: int) -> Estimate:
    """Count the passes of ``config`` and divide by the speed of the most similar timed run; the start comes on top.

    Where nothing is trained it takes no time to speak of, and the memory of the images and of what is kept of each.

    Args:
        train_shape: ``(N, H, W, C)``. test_images: M.

    Raises:
        ConfigError: if the device asked for is not there.
    """
    (only,) = estimate_all(store, [config], lambda config: Shape(train_shape, test_images, num_classes))
    return only


def estimate_all(store: RunStore, configs: Sequence[RunConfig], shape: Callable[[RunConfig], Shape] | None = None) -> list[Estimate]:
    """As ``estimate``, of many configs, for which the store is read once.

    Args:
        shape: tells the shape of a config's data; unless given it is that of a stored run on the same data, else they are loaded.

    Raises:
        ConfigError, DataError: if the data cannot be read, or would have to be downloaded first.
    """
    runs, known = store.runs(), dict[tuple[Any, ...], Estimate]()
    shape, speeds = shape or Shapes(store, runs), Speeds(store, runs)
    costs = [tuple(getattr(config, name) for name in COSTING) for config in configs]
    for config, cost in zip(configs, costs, strict=True):
        if cost not in known:
            known[cost] = _estimate(config, shape(config), speeds)
    return [known[cost] for cost in costs]


def _estimate(config: RunConfig, shape: Shape, speeds: Speeds) -> Estimate:
    N, size, _, channels = shape.train_images
    if not config.trains:
        return Estimate(0.0, BASE_MB + N * (2 * size * size * channels + 4 * shape.num_classes) / 1e6, True)
    config = pipeline.resolve(config)
    flops, parameters = pipeline.forward_cost(config, channels=channels, size=size, num_classes=shape.num_classes)
    speed, timed = speeds.of(config)
    pixels = (N + shape.test_images) * size * size * channels
    networks = 2 if config.loss == "elr_plus" else 1
    kept = 2 * pixels + networks * 16 * parameters + N * 4 * 3 * shape.num_classes
    memory = BASE_MB + (kept + _activations(config, size)) / 1e6
    seconds = START_SECONDS + flops * sum(passes(config, N, shape.test_images).values()) / speed
    return Estimate(seconds, memory, timed)


def _activations(config: RunConfig, size: int) -> float:
    """Bytes a network holds of the images it works on at once. Those of fixed width work on 128 images of 32 pixels or more."""
    if config.model in SCALABLE:
        return 512.0 * size * size * config.width * 24
    return 128 * 32 * 32 * DEEP_BYTES


class Speeds:
    """Operations a second of the timed ones of the stored runs."""

    def __init__(self, store: RunStore, runs: Sequence[RunSummary]) -> None:
        self._store = store
        self._timed = [(s.run_id, s.config) for s in runs if s.status == "finished" and s.config is not None and s.config.trains]
        self._known: dict[tuple[Any, ...], tuple[float, bool]] = {}

    def of(self, config: RunConfig) -> tuple[float, bool]:
        """(speed, whether it was measured): of a run on the same device, the more alike and then the newer the better."""
        alike = tuple(getattr(config, name) for name in ALIKE)
        key = (config.device, *alike)
        if key not in self._known:
            self._known[key] = self._measure(config.device, alike)
        return self._known[key]

    def _measure(self, device: str, alike: tuple[Any, ...]) -> tuple[float, bool]:
        """Tries the three most alike: a short run, or one that is damaged, tells nothing."""
        there = [
            (tuple(getattr(c, n) != value for n, value in zip(ALIKE, alike, strict=True)), i) for i, c in self._timed if c.device == device
        ]
        for _, run_id in sorted(there, key=lambda one: one[0])[:3]:
            folder = self._store.folder(run_id)
            try:
                speed = _measured(folder, stamp_of(folder, ("config.json", "epochs.csv")))
            except StoreError:
                continue
            if speed:
                return speed, True
        return FIRST_GUESS, False


@functools.lru_cache(maxsize=1024)
def _measured(folder: RunFolder, stamp: object) -> float:
    """Operations a second of a run; 0 for one too short to tell. stamp: of its files, as they are now."""
    shape, config = _stored_shape(folder, stamp), folder.config()
    N, size, _, channels = shape.train_images
    flops, _ = pipeline.forward_cost(config, channels=channels, size=size, num_classes=shape.num_classes)
    seconds = sum(row["train_seconds"] + row["eval_seconds"] + row["probe_seconds"] for row in folder.rows())
    counted = passes(config, N, shape.test_images)
    timed = sum(count for part, count in counted.items() if part not in EXTRA_PASSES)  # those are not among the seconds
    return flops * timed / seconds if seconds > LEAST_SECONDS else 0.0


def _shape_of_run(folder: RunFolder) -> Shape:
    data = folder.about()["data"]
    return Shape(tuple(data["train_images"]), data["test_images"][0], len(data["class_names"]))


class Shapes:
    """Shapes of the data of configs: of a stored run on the same data where there is one, else the data are loaded, once each."""

    def __init__(self, store: RunStore, runs: Sequence[RunSummary]) -> None:
        self._store = store
        self._runs = {_data_of(s.config): s.run_id for s in runs if s.config is not None and s.last}

    def __call__(self, config: RunConfig) -> Shape:
        """Raises ConfigError or DataError if the data cannot be read, or would have to be downloaded first."""
        data = _data_of(pipeline.resolve(config))
        if data in self._runs:
            folder = self._store.folder(self._runs[data])
            with contextlib.suppress(StoreError):  # damaged: the data themselves will tell
                return _stored_shape(folder, stamp_of(folder, ("config.json",)))
        return _loaded_shape(data, fingerprint(data))


@functools.lru_cache(maxsize=1024)
def _stored_shape(folder: RunFolder, stamp: object) -> Shape:
    data = folder.about()["data"]
    return Shape(tuple(data["train_images"]), data["test_images"][0], len(data["class_names"]))


@functools.lru_cache(maxsize=32)
def _loaded_shape(data: DataConfig, fingerprint: str) -> Shape:
    return Shape.of(load_at_hand(data))


def _data_of(config: RunConfig) -> DataConfig:
    """What decides how many images there are, and their size: noise changes neither."""
    return DataConfig(noise="none", **{name: getattr(config, name) for name in DATA}).canonical()
