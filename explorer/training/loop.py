"""Training as a generator of records: read ``train`` from top to bottom.

Nothing here prints, stores or knows a true label. Whoever iterates decides what to keep and when to stop.
"""

from __future__ import annotations

import math
from collections.abc import Generator, Iterator

import numpy as np
import torch
import torch.nn.functional as F

from explorer.config import RunConfig
from explorer.records import Array, Dataset, EpochRecord, FinalRecord, Progress, Record, TrainingError
from explorer.training.devices import generator, peak_memory_mb, resolve_device, thread_count
from explorer.training.epochs import Clock, evaluate, facts_of, learning_rate, set_rate, targets_of, to_numpy, train_epoch
from explorer.training.extras import out_of_sample, second_split
from explorer.training.images import Images, on_device
from explorer.training.models import computed_size
from explorer.training.probes import Curvature, input_loss_curvature, susceptibility_drops
from explorer.training.state import Learner, Saving, new_learner, restore


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
    _, size, _, channels = data.train_images.shape
    train_set, test_set = on_device(data, given_label, device, computed_size(config.model, size))
    shape = {"images": len(given_label), "channels": channels, "size": size, "num_classes": data.num_classes}
    learner = new_learner(config, **shape, device=device)
    if state is not None:
        restore(learner, state)
    saving = Saving()
    for epoch in range(learner.epoch + 1, config.epochs + 1):
        yield (yield from _epoch(config, learner, train_set, test_set, epoch, saving))
    unseen = yield from out_of_sample(config, train_set, data.num_classes)
    halves = yield from second_split(config, train_set, data.num_classes)
    parameters = sum(p.numel() for p in learner.predictor.parameters())
    yield FinalRecord(learner.epoch, learner.members[0].step, parameters, peak_memory_mb(device), unseen, halves)


def _epoch(
    config: RunConfig, learner: Learner, train_set: Images, test_set: Images, epoch: int, saving: Saving
) -> Generator[Progress, None, EpochRecord]:
    """Probe, train, evaluate, probe: yields Progress and returns what happened; epoch 0 is only evaluated."""
    clock = Clock()
    drops = (math.nan, math.nan)
    if epoch > 0:
        if config.susceptibility_lr > 0:
            with clock("probe"):
                drops = _susceptibility(config, learner, train_set, epoch)
            yield Progress(epoch, "susceptibility", config.batch_size, config.batch_size)
        yield from train_epoch(config, learner, train_set, torch.arange(len(train_set)), epoch, clock)
    learner.epoch = epoch
    logits, embedding = yield from evaluate(learner.predictor, train_set, epoch, clock)
    test_logits, _ = yield from evaluate(learner.predictor, test_set, epoch, clock)
    curvature = None
    if due(epoch, config.curvature_every):
        curvature = yield from _curvature(config, learner, train_set, epoch, clock)
    facts = facts_of(logits, train_set.label) | targets_of(learner, train_set.label)
    _check_finite(facts["train_loss"], epoch, config)
    return EpochRecord(
        epoch=epoch,
        step=learner.members[0].step,
        **facts,
        test_predicted_label=to_numpy(test_logits.argmax(dim=1), np.uint16),
        test_loss=F.cross_entropy(test_logits, test_set.label).item() if len(test_set) else math.nan,
        learning_rate=learning_rate(config, epoch),
        susceptibility_drop=drops[0],
        susceptibility_drop_fixed_lr=drops[1],
        curvature=None if curvature is None else to_numpy(curvature.curvature, np.float32),
        sensitivity=None if curvature is None else to_numpy(curvature.sensitivity, np.float32),
        embedding=to_numpy(embedding, np.float32) if _embedding_due(config, epoch) else None,
        state=saving.state(learner, last=epoch == config.epochs),
        train_seconds=clock.seconds["train"],
        eval_seconds=clock.seconds["eval"],
        probe_seconds=clock.seconds["probe"],
    )


def due(epoch: int, every: int) -> bool:
    """Whether something done every so many epochs is done now: never for 0, and not for the untrained network."""
    return every > 0 and epoch > 0 and epoch % every == 0


def _susceptibility(config: RunConfig, learner: Learner, images: Images, epoch: int) -> tuple[float, float]:
    """Both drops in nats, of the first network where there are two."""
    set_rate(learner, learning_rate(config, epoch))
    rng = generator(config.seed, "susceptibility", epoch)
    random_label = torch.randint(0, learner.num_classes, (len(images),), generator=generator(config.seed, "random labels"))
    batch = torch.randperm(len(images), generator=rng)[: config.batch_size]
    inputs = images.inputs(batch.to(images.label.device), config.augment, rng)
    first = learner.members[0]
    return susceptibility_drops(first.model, first.optimizer, inputs, random_label[batch].to(inputs.device), config.susceptibility_lr)


def _curvature(config: RunConfig, learner: Learner, images: Images, epoch: int, clock: Clock) -> Generator[Progress, None, Curvature]:
    """Yields Progress; returns curvature and sensitivity ``[N]``."""
    model = learner.predictor.eval()
    directions = [generator(config.seed, "curvature", epoch, i) for i in range(config.curvature_directions)]
    parts = []
    for batch in images.slices():
        with clock("probe"):
            parts.append(input_loss_curvature(model, images.inputs(batch), images.label[batch], config.curvature_radius, directions))
        yield Progress(epoch, "curvature", batch.stop, len(images))
    return Curvature(*(torch.cat(values) for values in zip(*parts, strict=True)))


def _check_finite(train_loss: float, epoch: int, config: RunConfig) -> None:
    if not math.isfinite(train_loss):
        raise TrainingError(
            f"the loss is not a number any more after epoch {epoch}; earlier epochs are kept. "
            f"A smaller learning rate usually helps (lr is {config.lr:g})"
        )


def _embedding_due(config: RunConfig, epoch: int) -> bool:
    return config.embedding_every > 0 and (due(epoch, config.embedding_every) or epoch == config.epochs)
