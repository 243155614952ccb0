"""Time and memory a run will take, said before it starts."""

from __future__ import annotations

from typing import Any, NamedTuple

from explorer import pipeline
from explorer.analysis.scores import forward_passes
from explorer.config import SCALABLE, RunConfig
from explorer.records import StoreError
from explorer.runs.store import RunStore

FIRST_GUESS = 5e10  # floating-point operations a second of one thread, until a run on this machine has been timed
LEAST_SECONDS = 2.0  # a shorter run tells more about starting than about training
BASE_MB = 600.0  # torch, FAISS and the app itself
DEEP_BYTES = 10_000  # per pixel: ResNet-34 and DenseNet-121 hold 8,400 and 10,700
EXTRA_PASSES = ("folds", "second_split")  # after the last epoch, in this order; named like the phases of Progress


class Estimate(NamedTuple):
    """seconds, memory_mb: expected. timed: whether a run on this machine stands behind the seconds, or only a guess."""

    seconds: float
    memory_mb: float
    timed: bool


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
    """Count the passes of ``config`` and divide by the speed of the most similar timed run: same model first, else any.

    Where nothing is trained it takes no time to speak of, and the memory of the images and of what is kept of each.

    Args:
        train_shape: ``(N, H, W, C)``. test_images: M.

    Raises:
        ConfigError: if the device asked for is not there.
    """
    N, size, _, channels = train_shape
    if not config.trains:
        return Estimate(0.0, BASE_MB + N * (2 * size * size * channels + 4 * num_classes) / 1e6, True)
    config = pipeline.resolve(config)
    flops, parameters = pipeline.forward_cost(config, channels=channels, size=size, num_classes=num_classes)
    speed, timed = _speed(store, config)
    pixels = (N + test_images) * size * size * channels
    networks = 2 if config.loss == "elr_plus" else 1
    kept = 2 * pixels + networks * 16 * parameters + N * 4 * 3 * num_classes
    memory = BASE_MB + (kept + _activations(config, size)) / 1e6
    return Estimate(flops * sum(passes(config, N, test_images).values()) / speed, memory, timed)


def _activations(config: RunConfig, size: int) -> float:
    """Bytes a network holds of the images it works on at once. Those of fixed width work on 128 images of 32 pixels or more."""
    if config.model in SCALABLE:
        return 512.0 * size * size * config.width * 24
    return 128 * 32 * 32 * DEEP_BYTES


def _speed(store: RunStore, config: RunConfig) -> tuple[float, bool]:
    """Operations a second of the newest timed run, of the same model where there is one."""
    timed = [
        s for s in store.runs() if s.status == "finished" and s.config is not None and s.config.trains and s.config.device == config.device
    ]
    for summary in sorted(timed, key=lambda s: s.config is None or s.config.model != config.model)[:3]:
        try:
            speed = _measured(store, summary.run_id)
        except StoreError:
            continue
        if speed:
            return speed, True
    return FIRST_GUESS, False


def _measured(store: RunStore, run_id: str) -> float:
    folder = store.folder(run_id)
    about: dict[str, Any] = folder.about()
    config = folder.config()
    N, size, _, channels = about["data"]["train_images"]
    flops, _ = pipeline.forward_cost(config, channels=channels, size=size, num_classes=len(about["data"]["class_names"]))
    seconds = sum(row["train_seconds"] + row["eval_seconds"] + row["probe_seconds"] for row in folder.rows())
    counted = passes(config, N, about["data"]["test_images"][0])
    timed = sum(count for part, count in counted.items() if part not in EXTRA_PASSES)  # those are not among the seconds
    return flops * timed / seconds if seconds > LEAST_SECONDS else 0.0
