"""One epoch: training steps, evaluation, and what is recorded of the result."""

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

from explorer.config import MemorizationConfig, RunConfig
from explorer.records import Array, Progress, freeze
from explorer.training.devices import generator
from explorer.training.images import Images, batches
from explorer.training.models import Network
from explorer.training.objectives import OBJECTIVES, Batch, update_average
from explorer.training.probes import exact_float32
from explorer.training.state import Committee, Learner

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


def learning_rate(config: RunConfig | MemorizationConfig, epoch: int) -> float:
    """Rate of one epoch (from 1): constant; cosine from lr towards 0; step, a tenth after 60 % and again after 80 % of the
    epochs; elr_step, a hundredth after one third and again after two thirds (40 and 80 of ELR's 120)."""
    done = max(0, epoch - 1) / config.epochs
    if config.schedule == "cosine":
        return config.lr * (1 + math.cos(math.pi * done)) / 2
    if config.schedule == "step":
        return config.lr * 0.1 ** ((done >= 0.6) + (done >= 0.8))
    if config.schedule == "elr_step":
        return config.lr * 0.01 ** ((3 * (epoch - 1) >= config.epochs) + (3 * (epoch - 1) >= 2 * config.epochs))
    return config.lr


def set_rate(learner: Learner, rate: float) -> None:
    for member in learner.members:
        for group in member.optimizer.param_groups:
            group["lr"] = rate


def train_epoch(config: RunConfig, learner: Learner, images: Images, rows: Tensor, epoch: int, clock: Clock) -> Iterator[Progress]:
    """Every network of the learner sees each of ``rows`` (int64, positions in ``images``) once, one network after the other."""
    set_rate(learner, learning_rate(config, epoch))
    done, total = 0, len(rows) * len(learner.members)
    for k in range(len(learner.members)):
        when = (*learner.when, epoch, *([k] if k else []))
        order = rows[torch.randperm(len(rows), generator=generator(config.seed, "order", *when))]
        augment = generator(config.seed, "augment", *when)
        mixing = np.random.default_rng(generator(config.seed, "mixup", *when).initial_seed())
        parts = batches(order, config.batch_size)
        for number, part in enumerate(parts):
            with clock("train"):
                part = part.to(images.label.device)
                over = (epoch - 1 + number / len(parts)) / config.epochs
                inputs = images.inputs(part, config.augment, augment)
                _train_step(config, learner, k, Batch(part, inputs, images.label[part], over, mixing))
            done += len(part)
            yield Progress(epoch, "train", done, total)


def _train_step(config: RunConfig, learner: Learner, k: int, batch: Batch) -> None:
    member = learner.members[k]
    member.model.train()
    loss = OBJECTIVES[config.loss](config, learner, k, batch)
    member.optimizer.zero_grad(set_to_none=True)
    loss.backward()
    member.optimizer.step()
    member.step += 1
    update_average(config, member, batch.done)


def evaluate(model: Network | Committee, images: Images, epoch: int, clock: Clock) -> Generator[Progress, None, tuple[Tensor, Tensor]]:
    """Yields Progress; returns (logits ``[N, K]``, embedding ``[N, D]``), evaluation mode, un-augmented."""
    parts = []
    for batch in images.slices():
        with clock("eval"):
            parts.append(evaluate_batch(model, images.inputs(batch)))
        yield Progress(epoch, "evaluate", batch.stop, len(images))
    return torch.cat([logits for logits, _ in parts]), torch.cat([embedding for _, embedding in parts])


@torch.no_grad()
@exact_float32()
def evaluate_batch(model: Network | Committee, inputs: Tensor) -> tuple[Tensor, Tensor]:
    """(logits, embedding) in evaluation mode."""
    model.eval()
    return model.embed(inputs)


# -- what is recorded ------------------------------------------------------------------------------


def facts_of(logits: Tensor, given_label: Tensor) -> dict[str, Any]:
    """The per-image facts of an EpochRecord, and its mean training loss."""
    rows = torch.arange(len(logits), device=logits.device)
    loss = F.cross_entropy(logits, given_label, reduction="none")
    rival = logits.clone()
    rival[rows, given_label] = -math.inf
    probability = torch.softmax(logits, dim=1)
    probability[rows, given_label] -= 1
    return {
        "loss": to_f16(loss),
        "margin": to_f16(logits[rows, given_label] - rival.max(dim=1).values),
        "el2n": to_f16(probability.norm(dim=1)),
        "predicted_label": to_numpy(logits.argmax(dim=1), np.uint16),
        "train_loss": loss.cpu().double().mean().item(),
    }


def targets_of(learner: Learner, given_label: Tensor) -> dict[str, Array]:
    """What ELR's target memory says of each image (the mean of both networks' memories); nothing without one, or while it is empty."""
    memories = [member.memory for member in learner.members if member.memory is not None]
    if not memories or learner.epoch == 0:
        return {}
    memory = torch.stack(memories).mean(dim=0)
    total = memory.sum(dim=1).clamp_min(torch.finfo(memory.dtype).tiny)  # beta = 1 leaves it empty for good
    share = memory.gather(1, given_label[:, None])[:, 0] / total
    return {"target_label": to_numpy(memory.argmax(dim=1), np.uint16), "target_share": to_f16(share)}


def to_numpy(tensor: Tensor, dtype: Any) -> Array:
    """A read-only copy."""
    return freeze(tensor.detach().cpu().numpy().astype(dtype, copy=True))


def to_f16(tensor: Tensor) -> Array:
    """A read-only copy, clipped to float16's finite range."""
    return freeze(np.clip(tensor.detach().cpu().numpy(), F16.min, F16.max).astype(np.float16))
