"""Training as a generator of records: read ``train`` from top to bottom.

Nothing here prints, stores or knows a true label. Whoever iterates decides what to keep and when to stop.
"""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import Generator, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from explorer.config import RunConfig
from explorer.records import Array, Dataset, EpochRecord, FinalRecord, Progress, Record, TrainingError, freeze
from explorer.training import losses
from explorer.training.devices import generator, peak_memory_mb, resolve_device, thread_count
from explorer.training.images import Images, batches, on_device
from explorer.training.models import Network, build_model
from explorer.training.probes import exact_float32, input_loss_curvature, susceptibility_drops
from explorer.training.state import Learner, Saving, restore

F16 = np.finfo(np.float16)


@dataclass(slots=True)
class Clock:
    """Seconds by phase, of our own work only: time in which the generator is suspended does not count."""

    seconds: dict[str, float] = field(default_factory=lambda: dict.fromkeys(("train", "eval", "probe"), 0.0))

    @contextlib.contextmanager
    def __call__(self, phase: str) -> Iterator[None]:
        started = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[phase] += time.perf_counter() - started


def train(config: RunConfig, data: Dataset, given_label: Array, state: bytes | None = None, threads: int | None = None) -> Iterator[Record]:
    """Train on ``data``'s images under ``given_label`` and yield what happened.

    Args:
        config: of the run. data: images and test labels; its training labels are not looked at.
        given_label: int64 ``[N]``. state: of an earlier EpochRecord, to continue after it.
        threads: processors to compute with; None for this machine's usual count.

    Yields:
        Progress after every batch, one EpochRecord per epoch from 0 (the untrained network), then one FinalRecord.

    Raises:
        ConfigError: if the device is not there. TrainingError: if the loss is no longer a number, or if ``state`` does
            not belong to this run.
    """
    device = resolve_device(config.device)
    torch.set_num_threads(threads or thread_count())
    train_set, test_set = on_device(data, given_label, device)
    learner = _learner(config, data, device)
    if state is not None:
        restore(learner, state)
    saving = Saving()
    for epoch in range(learner.epoch + 1, config.epochs + 1):
        clock = Clock()
        drops = (math.nan, math.nan)
        rate = learning_rate(config, epoch)
        if epoch > 0:
            if config.susceptibility_lr > 0:
                with clock("probe"):
                    drops = _susceptibility(config, learner, train_set, data.num_classes, epoch, rate)
                yield Progress(epoch, "susceptibility", config.batch_size, config.batch_size)
            yield from _train_epoch(config, learner, train_set, epoch, rate, clock)
        learner.epoch = epoch
        logits, embedding = yield from _evaluate(learner.model, train_set, epoch, clock)
        test_logits, _ = yield from _evaluate(learner.model, test_set, epoch, clock)
        curvature = None
        if due(epoch, config.curvature_every):
            curvature = yield from _curvature(config, learner.model, train_set, epoch, clock)
        facts = _facts(logits, train_set.label)
        _check_finite(facts["train_loss"], epoch, config)
        yield EpochRecord(
            epoch=epoch,
            step=learner.step,
            **facts,
            test_predicted_label=_numpy(test_logits.argmax(dim=1), np.uint16),
            test_loss=F.cross_entropy(test_logits, test_set.label).item() if len(test_set) else math.nan,
            learning_rate=rate,
            susceptibility_drop=drops[0],
            susceptibility_drop_fixed_lr=drops[1],
            curvature=None if curvature is None else _numpy(curvature, np.float32),
            embedding=_numpy(embedding, np.float32) if _embedding_due(config, epoch) else None,
            state=saving.state(learner, last=epoch == config.epochs),
            train_seconds=clock.seconds["train"],
            eval_seconds=clock.seconds["eval"],
            probe_seconds=clock.seconds["probe"],
        )
    parameters = sum(p.numel() for p in learner.model.parameters())
    yield FinalRecord(learner.epoch, learner.step, parameters, peak_memory_mb(device))


def due(epoch: int, every: int) -> bool:
    """Whether something done every so many epochs is done now: never for 0, and not for the untrained network."""
    return every > 0 and epoch > 0 and epoch % every == 0


def learning_rate(config: RunConfig, epoch: int) -> float:
    """Rate of one epoch (from 1): constant, cosine from lr towards 0, or a tenth after 60 % and again after 80 % of the epochs."""
    done = max(0, epoch - 1) / config.epochs
    if config.schedule == "cosine":
        return config.lr * (1 + math.cos(math.pi * done)) / 2
    if config.schedule == "step":
        return config.lr * 0.1 ** ((done >= 0.6) + (done >= 0.8))
    return config.lr


# -- setting up ------------------------------------------------------------------------------------


def _learner(config: RunConfig, data: Dataset, device: str) -> Learner:
    _, size, _, channels = data.train_images.shape
    seed = generator(config.seed, "weights").initial_seed()
    model = build_model(config.model, channels=channels, size=size, num_classes=data.num_classes, width=config.width, seed=seed).to(device)
    model = model.to(memory_format=torch.channels_last)  # faster convolutions, on a CPU too
    optimizer = torch.optim.SGD(model.parameters(), lr=config.lr, momentum=config.momentum, weight_decay=config.weight_decay)
    memory = torch.zeros(len(data.given_label), data.num_classes, device=device) if config.loss == "elr" else None
    return Learner(model, optimizer, memory)


# -- one epoch -------------------------------------------------------------------------------------


def _train_epoch(config: RunConfig, learner: Learner, images: Images, epoch: int, rate: float, clock: Clock) -> Iterator[Progress]:
    for group in learner.optimizer.param_groups:
        group["lr"] = rate
    order = torch.randperm(len(images), generator=generator(config.seed, "order", epoch))
    augment = generator(config.seed, "augment", epoch)
    done = 0
    for batch in batches(order, config.batch_size):
        with clock("train"):
            _train_step(config, learner, images, batch.to(images.label.device), augment)
        done += len(batch)
        yield Progress(epoch, "train", done, len(images))


def _train_step(config: RunConfig, learner: Learner, images: Images, batch: Tensor, augment: torch.Generator) -> None:
    learner.model.train()
    inputs = images.inputs(batch, config.augment, augment)
    cuda = inputs.device.type == "cuda"
    with torch.autocast("cuda", dtype=torch.bfloat16) if cuda else contextlib.nullcontext():
        logits = learner.model(inputs)
    logits = logits.float()
    if learner.memory is None:
        loss = losses.cross_entropy(logits, images.label[batch])
    else:
        targets = losses.update_targets(learner.memory, logits, batch, config.elr_beta)
        loss = losses.elr(logits, images.label[batch], targets, config.elr_lambda)
    learner.optimizer.zero_grad(set_to_none=True)
    loss.backward()
    learner.optimizer.step()
    learner.step += 1


def _susceptibility(config: RunConfig, learner: Learner, images: Images, num_classes: int, epoch: int, rate: float) -> tuple[float, float]:
    for group in learner.optimizer.param_groups:
        group["lr"] = rate
    rng = generator(config.seed, "susceptibility", epoch)
    random_label = torch.randint(0, num_classes, (len(images),), generator=generator(config.seed, "random labels"))
    batch = torch.randperm(len(images), generator=rng)[: config.batch_size]
    inputs = images.inputs(batch.to(images.label.device), config.augment, rng)
    return susceptibility_drops(learner.model, learner.optimizer, inputs, random_label[batch].to(inputs.device), config.susceptibility_lr)


def _evaluate(model: Network, images: Images, epoch: int, clock: Clock) -> Generator[Progress, None, tuple[Tensor, Tensor]]:
    """Yields Progress; returns (logits ``[N, K]``, embedding ``[N, D]``), evaluation mode, un-augmented."""
    parts = []
    for batch in images.slices():
        with clock("eval"):
            parts.append(_evaluate_batch(model, images.inputs(batch)))
        yield Progress(epoch, "evaluate", batch.stop, len(images))
    return torch.cat([logits for logits, _ in parts]), torch.cat([embedding for _, embedding in parts])


@torch.no_grad()
@exact_float32()
def _evaluate_batch(model: Network, inputs: Tensor) -> tuple[Tensor, Tensor]:
    model.eval()
    return model.embed(inputs)


def _curvature(config: RunConfig, model: Network, images: Images, epoch: int, clock: Clock) -> Generator[Progress, None, Tensor]:
    """Yields Progress; returns curvature ``[N]``."""
    model.eval()
    directions = [generator(config.seed, "curvature", epoch, i) for i in range(config.curvature_directions)]
    parts = []
    for batch in images.slices():
        with clock("probe"):
            parts.append(input_loss_curvature(model, images.inputs(batch), images.label[batch], config.curvature_radius, directions))
        yield Progress(epoch, "curvature", batch.stop, len(images))
    return torch.cat(parts)


# -- what is recorded ------------------------------------------------------------------------------


def _facts(logits: Tensor, given_label: Tensor) -> dict[str, Any]:
    rows = torch.arange(len(logits), device=logits.device)
    loss = F.cross_entropy(logits, given_label, reduction="none")
    rival = logits.clone()
    rival[rows, given_label] = -math.inf
    probability = torch.softmax(logits, dim=1)
    probability[rows, given_label] -= 1
    return {
        "loss": _f16(loss),
        "margin": _f16(logits[rows, given_label] - rival.max(dim=1).values),
        "el2n": _f16(probability.norm(dim=1)),
        "predicted_label": _numpy(logits.argmax(dim=1), np.uint16),
        "train_loss": loss.cpu().double().mean().item(),
    }


def _numpy(tensor: Tensor, dtype: Any) -> Array:
    return freeze(tensor.detach().cpu().numpy().astype(dtype, copy=True))


def _f16(tensor: Tensor) -> Array:
    return freeze(np.clip(tensor.detach().cpu().numpy(), F16.min, F16.max).astype(np.float16))


def _check_finite(train_loss: float, epoch: int, config: RunConfig) -> None:
    if not math.isfinite(train_loss):
        raise TrainingError(
            f"the loss is not a number any more after epoch {epoch}; earlier epochs are kept. "
            f"A smaller learning rate usually helps (lr is {config.lr:g})"
        )


def _embedding_due(config: RunConfig, epoch: int) -> bool:
    return config.embedding_every > 0 and (due(epoch, config.embedding_every) or epoch == config.epochs)
