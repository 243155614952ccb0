"""Measurements of a network that leave its training untouched: susceptibility and input-loss curvature.

Both run in float32 with TF32 off, whatever precision the training step uses: at a radius of 1e-3
lower precision gives zeros or noise.
"""

from __future__ import annotations

import contextlib
import copy
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn


@contextlib.contextmanager
def exact_float32() -> Iterator[None]:
    """TF32 off for matrix products and convolutions on CUDA, put back afterwards. Never spans a yield of a run."""
    matmul, conv = torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
    try:
        yield
    finally:
        torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32 = matmul, conv


@exact_float32()
def susceptibility_drops(
    model: nn.Module, optimizer: torch.optim.Optimizer, images: Tensor, random_label: Tensor, fixed_lr: float
) -> tuple[float, float]:
    """How far one step on a randomly labelled batch lowers the loss on that very batch, in nats.

    A network that gives way easily to meaningless labels is the kind that memorizes them; no true label is needed.
    Works on a copy of network and optimizer, so weights, BatchNorm buffers and momentum stay bit-identical.

    Args:
        images: float ``[B, C, S, S]`` normalised, augmented as in training. random_label: int64 ``[B]``.
        fixed_lr: learning rate of the second probe.

    Returns:
        (drop of the training optimizer's step, drop of a plain SGD step at ``fixed_lr``), before minus after.
        Negative when the step made the loss worse, as old momentum can in the first epochs.

    Source:
        Forouzesh, Sedghi, Thiran, "Leveraging Unlabeled Data to Track Memorization", ICLR 2023, arXiv:2212.04461:
        train mode before and after, one step before the epoch. Departure: the second, fixed-rate probe is ours; the
        paper's drop scales with the learning rate and vanishes under a decaying schedule.
    """
    probe, step = copy.deepcopy((model, optimizer))  # in one go, so that the copied optimizer holds the copied weights
    probe.train()
    step.zero_grad(set_to_none=True)
    before = F.cross_entropy(probe(images), random_label)
    before.backward()
    parameters = [p for p in probe.parameters() if p.grad is not None]
    start = [(p.detach().clone(), p.grad.detach().clone()) for p in parameters if p.grad is not None]
    step.step()
    with torch.no_grad():
        after = F.cross_entropy(probe(images), random_label)
        for p, (weight, gradient) in zip(parameters, start, strict=True):
            p.copy_(weight - fixed_lr * gradient)
        after_fixed = F.cross_entropy(probe(images), random_label)
    return before.item() - after.item(), before.item() - after_fixed.item()


def rademacher(shape: torch.Size, rng: torch.Generator, device: torch.device) -> Tensor:
    """float32 of -1 and +1, from packed random bits drawn on the CPU: the same on every device and for every batch size."""
    size = shape[1:].numel()
    packed = torch.randint(0, 256, (shape[0], -(-size // 8)), dtype=torch.uint8, generator=rng).to(device)
    bits = (packed[:, :, None] >> torch.arange(8, dtype=torch.uint8, device=device)) & 1
    return bits.flatten(1)[:, :size].reshape(shape).float().mul_(2).sub_(1)


def input_gradient(model: nn.Module, images: Tensor, given_label: Tensor) -> Tensor:
    """d loss / d image ``[B, C, S, S]``; the loss is summed over the batch, so no image's gradient depends on B."""
    images = images.detach().requires_grad_()
    loss = F.cross_entropy(model(images), given_label, reduction="sum")
    return torch.autograd.grad(loss, images)[0]


class Curvature(NamedTuple):
    """float32 ``[B]`` each, in nats per squared input unit and nats per input unit; high is suspicious."""

    curvature: Tensor
    sensitivity: Tensor  # norm of the clean loss gradient at the image, which the curvature needs anyway


@exact_float32()
def input_loss_curvature(
    model: nn.Module, images: Tensor, given_label: Tensor, radius: float, directions: Sequence[torch.Generator]
) -> Curvature:
    """How fast the loss gradient turns around each image: the sign of an image the network has had to make an exception for.

    Args:
        model: in evaluation mode. images: float ``[B, C, S, S]`` in network-input units. given_label: int64 ``[B]``.
        radius: h; the step has length ``h * sqrt(C S S)``. A neighbourhood, not a numerical epsilon: on a ReLU network
            the exact second derivative does not depend on the label at all, the label enters only because the step
            crosses kinks. Do not shrink it.
        directions: one generator per direction; each goes on from batch to batch.

    Returns:
        curvature: mean over directions v in {-1, +1}^d of ``|| grad L(x + h v) - grad L(x) ||_2 / h``.
        sensitivity: ``|| grad L(x) ||_2``.

    Source:
        Garg, Ravikumar, Roy, "Memorization through the lens of curvature of loss function around samples", ICML 2024,
        arXiv:2307.05831, un-squared norm as in the authors' code. Departure: summed instead of mean loss (theirs divides
        an image's score by its batch size); divided by h, so that radii compare; the clean gradient is computed once.
    """
    frozen = [p for p in model.parameters() if p.requires_grad]
    for p in frozen:
        p.requires_grad_(False)
    try:
        clean = input_gradient(model, images, given_label)
        total = torch.zeros(len(images), device=images.device, dtype=images.dtype)
        for rng in directions:
            step = radius * rademacher(images.shape, rng, images.device).to(images.dtype)
            total += (input_gradient(model, images + step, given_label) - clean).flatten(1).norm(dim=1)
    finally:
        for p in frozen:
            p.requires_grad_(True)
    return Curvature(total / (len(directions) * radius), clean.flatten(1).norm(dim=1))
