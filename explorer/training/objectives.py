"""From a batch to the loss a network is trained on: one function per loss, named in OBJECTIVES."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from explorer.config import RunConfig
from explorer.training import losses
from explorer.training.state import Learner, Member

RAMP_SHARE = 40_000 / (200 * 391)  # ELR+ ramps up over 40,000 of CIFAR-10's 200 epochs of 391 steps: the same share of any run
MANY_CLASSES = 100  # from here on ELR+ ramps lambda up and weighs labels by targets, as for CIFAR-100


class Batch(NamedTuple):
    """rows: int64 ``[B]`` positions in the training set. inputs: float32 ``[B, C, S, S]``. label: int64 ``[B]``. done: share of
    the run that is over. mixing: draws of mixup."""

    rows: Tensor
    inputs: Tensor
    label: Tensor
    done: float
    mixing: np.random.Generator


class Mix(NamedTuple):
    """Each image of a batch keeps ``share`` of itself and takes the rest from the image at ``other`` ``[B]``."""

    share: float
    other: Tensor

    def of(self, values: Tensor) -> Tensor:
        return self.share * values + (1 - self.share) * values[self.other]


def draw_mix(alpha: float, batch: Batch) -> Mix:
    """A share from Beta(alpha, alpha) and a random partner for every image; alpha 0 mixes nothing.

    Source:
        Zhang et al., arXiv:1710.09412.
    """
    share = float(batch.mixing.beta(alpha, alpha)) if alpha > 0 else 1.0
    other = torch.from_numpy(batch.mixing.permutation(len(batch.rows)))
    return Mix(share, other.to(batch.inputs.device))


def logits_of(model: nn.Module, inputs: Tensor) -> Tensor:
    """float32 ``[B, K]``; bfloat16 inside the network on CUDA."""
    cuda = inputs.device.type == "cuda"
    with torch.autocast("cuda", dtype=torch.bfloat16) if cuda else contextlib.nullcontext():
        logits = model(inputs)
    return logits.float()


# -- one function per loss: (config, learner, k, batch) -> loss of network k -----------------------


def _cross_entropy(config: RunConfig, learner: Learner, k: int, batch: Batch) -> Tensor:
    return losses.cross_entropy(logits_of(learner.members[k].model, batch.inputs), batch.label)


def _gce(config: RunConfig, learner: Learner, k: int, batch: Batch) -> Tensor:
    return losses.generalized_cross_entropy(logits_of(learner.members[k].model, batch.inputs), batch.label, config.gce_q)


def _label_smoothing(config: RunConfig, learner: Learner, k: int, batch: Batch) -> Tensor:
    return losses.label_smoothing(logits_of(learner.members[k].model, batch.inputs), batch.label, config.smoothing)


def _mixup(config: RunConfig, learner: Learner, k: int, batch: Batch) -> Tensor:
    mix = draw_mix(config.mixup_alpha, batch)
    label = mix.of(F.one_hot(batch.label, learner.num_classes).float())
    return losses.cross_entropy(logits_of(learner.members[k].model, mix.of(batch.inputs)), label)


def _elr(config: RunConfig, learner: Learner, k: int, batch: Batch) -> Tensor:
    member = learner.members[k]
    logits = logits_of(member.model, batch.inputs)
    targets = losses.update_targets(_memory(member), logits, batch.rows, config.elr_beta)
    return losses.elr(logits, batch.label, targets, config.elr_lambda)


def _elr_plus(config: RunConfig, learner: Learner, k: int, batch: Batch) -> Tensor:
    """ELR+ for network k: targets from the other network's weight average on the images as they are, then everything mixed.

    Source:
        Liu et al., arXiv:2007.00151, section 4 and the authors' code: the average is in train mode, averages parameters
        only, and mixup keeps the larger share. Departure: ramps rise over the same share of training as in the paper
        instead of the same number of steps; what the paper does for CIFAR-100 alone is done from 100 classes on.
    """
    member, teacher = learner.members[k], learner.members[1 - k].average
    assert teacher is not None
    teacher.train()
    with torch.no_grad():
        opinion = logits_of(teacher, batch.inputs)
    targets = losses.update_targets(_memory(member), opinion, batch.rows, config.elr_beta)
    mix = draw_mix(config.mixup_alpha, batch)
    mix = mix._replace(share=max(mix.share, 1 - mix.share))
    label = mix.of(F.one_hot(batch.label, learner.num_classes).float())
    targets, weight = mix.of(targets), config.elr_lambda
    if learner.num_classes >= MANY_CLASSES:
        weighed = label * targets
        total = weighed.sum(dim=1, keepdim=True)
        label = torch.where(total > 0, weighed / total, label)  # a memory still empty weighs nothing
        weight *= losses.ramp(batch.done / RAMP_SHARE)
    return losses.elr(logits_of(member.model, mix.of(batch.inputs)), label, targets, weight)


def update_average(config: RunConfig, member: Member, done: float) -> None:
    """Move ELR+'s weight average towards the weights: a <- m a + (1 - m) w, with m ramped up to ``ema_momentum``."""
    if member.average is None:
        return
    momentum = config.ema_momentum * losses.ramp(done / RAMP_SHARE)
    with torch.no_grad():
        for average, weight in zip(member.average.parameters(), member.model.parameters(), strict=True):
            average.lerp_(weight, 1 - momentum)


def _memory(member: Member) -> Tensor:
    assert member.memory is not None
    return member.memory


OBJECTIVES: dict[str, Callable[[RunConfig, Learner, int, Batch], Tensor]] = {
    "ce": _cross_entropy,
    "elr": _elr,
    "elr_plus": _elr_plus,
    "gce": _gce,
    "label_smoothing": _label_smoothing,
    "mixup": _mixup,
}
