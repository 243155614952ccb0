"""Time and memory a run will take, said before it starts."""

from __future__ import annotations

from typing import Any, NamedTuple

from explorer import pipeline
from explorer.config import RunConfig
from explorer.records import StoreError
from explorer.runs.store import RunStore

FIRST_GUESS = 5e10  # floating-point operations a second of one thread, until a run on this machine has been timed
LEAST_SECONDS = 2.0  # a shorter run tells more about starting than about training
BASE_MB = 600.0  # torch, FAISS and the app itself


class Estimate(NamedTuple):
    """seconds, memory_mb: expected. timed: whether a run on this machine stands behind the seconds, or only a guess."""

    seconds: float
    memory_mb: float
    timed: bool


def passes(config: RunConfig, train: int, test: int) -> float:
    """Forward passes of one image that a whole run amounts to; a backward pass counts as two."""
    per_epoch = 3.0 * train + train + test
    if config.curvature_every:
        per_epoch += 3.0 * train * (config.curvature_directions + 1) / config.curvature_every
    if config.susceptibility_lr:
        per_epoch += 5.0 * config.batch_size
    return per_epoch * config.epochs


def estimate(store: RunStore, config: RunConfig, train_shape: tuple[int, ...], test_images: int, num_classes: int) -> Estimate:
    """Count the passes of ``config`` and divide by the speed of the most similar timed run: same model first, else any.

    Args:
        train_shape: ``(N, H, W, C)``. test_images: M.

    Raises:
        ConfigError: if the device asked for is not there.
    """
    config = pipeline.resolve(config)
    N, size, _, channels = train_shape
    flops, parameters = pipeline.forward_cost(config, channels=channels, size=size, num_classes=num_classes)
    speed, timed = _speed(store, config)
    pixels = (N + test_images) * size * size * channels
    memory = BASE_MB + (2 * pixels + 16 * parameters + N * 4 * 3 * num_classes) / 1e6 + 512 * size * size * config.width * 24 / 1e6
    return Estimate(flops * passes(config, N, test_images) / speed, memory, timed)


def _speed(store: RunStore, config: RunConfig) -> tuple[float, bool]:
    """Operations a second of the newest timed run, of the same model where there is one."""
    timed = [s for s in store.runs() if s.status == "finished" and s.config is not None and s.config.device == config.device]
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
    return flops * passes(config, N, about["data"]["test_images"][0]) / seconds if seconds > LEAST_SECONDS else 0.0
