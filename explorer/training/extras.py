"""What is computed once, after the last epoch, by training other networks with the same settings: declared extra passes."""

from __future__ import annotations

import dataclasses
from collections.abc import Generator

import numpy as np
import torch
from torch import Tensor

from explorer.config import RunConfig
from explorer.records import Array, Progress, freeze
from explorer.training.devices import generator
from explorer.training.epochs import Clock, evaluate_batch, to_numpy, train_epoch
from explorer.training.images import Images
from explorer.training.state import Learner, new_learner

FOLDS, SECOND_SPLIT = 1, 2  # tell these trainings' generators from the run's own

Passes = Generator[Progress, None, Array | None]


def out_of_sample(config: RunConfig, images: Images, num_classes: int) -> Passes:
    """Probabilities ``[N, K]`` float32 of every image by a network that never saw it: k folds, each predicted by the others.

    Folds are drawn within each given class, so that every network has met every class. None where ``config.folds`` is 0.

    Source:
        Northcutt et al., arXiv:1911.00068 (confident learning asks for out-of-sample probabilities).
    """
    if config.folds == 0:
        return None
    fold = _folds(images.label.cpu().numpy(), config.folds, generator(config.seed, "folds").initial_seed())
    probability = np.zeros((len(images), num_classes), dtype=np.float32)
    total = (config.folds - 1) * len(images) * config.epochs
    done = 0
    for number in range(config.folds):
        learner = _learner(config, images, num_classes, (FOLDS, number))
        done = yield from _train(config, learner, images, torch.from_numpy(np.flatnonzero(fold != number)), "folds", done, total)
        held_out = np.flatnonzero(fold == number)
        probability[held_out] = torch.softmax(_logits(learner, images, torch.from_numpy(held_out)), dim=1).cpu().numpy()
    return freeze(probability)


def second_split(config: RunConfig, images: Images, num_classes: int) -> Passes:
    """bool ``[F + 1, N]``: whether each given label was predicted after 0..F epochs of training on the half without the image.

    A network is trained on one random half as ``config`` says and goes on with the other half for ``second_split_epochs``
    epochs under the same schedule; then the halves change places. None where ``second_split_epochs`` is 0.

    Source:
        Maini et al., "Characterizing datapoints via second-split forgetting", arXiv:2210.15031. Departure: evaluation mode.
    """
    F = config.second_split_epochs
    if F == 0:
        return None
    order = torch.randperm(len(images), generator=generator(config.seed, "halves"))
    halves = order[: len(order) // 2].sort().values, order[len(order) // 2 :].sort().values
    correct = np.zeros((F + 1, len(images)), dtype=bool)
    total, done = len(images) * (config.epochs + F), 0
    for number, (first, second) in enumerate((halves, halves[::-1])):
        learner = _learner(config, images, num_classes, (SECOND_SPLIT, number))
        done = yield from _train(config, learner, images, first, "second_split", done, total)
        later = dataclasses.replace(config, epochs=F)
        learner.when = (SECOND_SPLIT, number, 1)
        for epoch in range(F + 1):
            if epoch:
                done = yield from _epoch(later, learner, images, second, epoch, "second_split", done, total)
            predicted = _logits(learner, images, first).argmax(dim=1)
            correct[epoch, first.numpy()] = to_numpy(predicted == images.label[first.to(images.label.device)], bool)
    return freeze(correct)


def _folds(label: Array, k: int, seed: int) -> Array:
    """int ``[N]``: the fold of each image, 0 to k - 1, dealt out within each class in random order; sizes differ by one at most."""
    order = np.random.default_rng(seed).permutation(len(label))
    order = order[np.argsort(label[order], kind="stable")]
    fold = np.empty(len(label), dtype=np.int64)
    fold[order] = np.arange(len(label)) % k
    return fold


def _learner(config: RunConfig, images: Images, num_classes: int, when: tuple[int, ...]) -> Learner:
    N, channels, size, _ = images.pixels.shape
    return new_learner(config, images=N, channels=channels, size=size, num_classes=num_classes, device=str(images.pixels.device), when=when)


def _train(
    config: RunConfig, learner: Learner, images: Images, rows: Tensor, phase: str, done: int, total: int
) -> Generator[Progress, None, int]:
    """All epochs on some rows; yields Progress over the whole phase and returns the images done so far."""
    for epoch in range(1, config.epochs + 1):
        done = yield from _epoch(config, learner, images, rows, epoch, phase, done, total)
    return done


def _epoch(
    config: RunConfig, learner: Learner, images: Images, rows: Tensor, epoch: int, phase: str, done: int, total: int
) -> Generator[Progress, None, int]:
    for progress in train_epoch(config, learner, images, rows, epoch, Clock()):
        yield Progress(config.epochs, phase, done + progress.done // len(learner.members), total)
    learner.epoch = epoch
    return done + len(rows)


def _logits(learner: Learner, images: Images, rows: Tensor) -> Tensor:
    parts = rows.to(images.label.device).split(images.at_once)
    return torch.cat([evaluate_batch(learner.predictor, images.inputs(part))[0] for part in parts])
