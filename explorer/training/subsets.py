"""Many networks, each trained on a random subset: which images each of them saw, and which it gets right.

Small networks spend most of their time on starting operations, so several of a kind that gains by it are trained as one.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.func import functional_call, stack_module_state

from explorer.config import MemorizationConfig
from explorer.records import Array, Dataset, Progress, SubsetRecord, TrainingError, freeze
from explorer.training import losses
from explorer.training.devices import generator, resolve_device, thread_count
from explorer.training.epochs import learning_rate
from explorer.training.images import Images, batches, on_device
from explorer.training.models import build_model, computed_size

TOGETHER = 20  # networks
SMALL = 100_000  # weights


class _Group(NamedTuple):
    """M networks trained as one. forward: images ``[M, B, C, S, S]``, a batch for each, to logits ``[M, B, K]``."""

    mode: nn.Module  # train() and eval() on it count for all
    parameters: list[Tensor]
    forward: Callable[[Tensor], Tensor]


def train_subsets(
    config: MemorizationConfig, data: Dataset, given_label: Array, done: int = 0, threads: int | None = None
) -> Iterator[Progress | SubsetRecord]:
    """Train networks number ``done``, ``done`` + 1, ... ``config.models`` - 1, each on a subset of its own.

    A network's subset, weights and order depend on ``seed`` and on its number alone, so that ``done`` is all there is to
    continue from, and more networks go on with the same sequence.

    Args:
        data: images; its labels are not looked at. given_label: int64 ``[N]``.
        threads: processors to compute with; None for this machine's usual count.

    Yields:
        Progress after every training step (epoch within the group, networks done), and a SubsetRecord after every group.

    Raises:
        ConfigError: if the device is not there, or the share of images leaves too few inside or none outside.
        TrainingError: if a network's output is no longer a number.

    Source:
        Feldman and Zhang, arXiv:2008.03703: ratio 0.7, sampled without replacement. Departure: small networks and data of
        one's own instead of 4,000 ResNet-50.
    """
    device = resolve_device(config.device)
    size = config.subset_size(len(given_label))
    torch.set_num_threads(threads or thread_count())
    _, side, _, channels = data.train_images.shape
    images, _ = on_device(data, given_label, device, computed_size(config.model, side))
    build = partial(build_model, config.model, channels=channels, size=side, num_classes=data.num_classes, width=config.width)
    count = together(config.model, sum(p.numel() for p in build(seed=0).parameters()))
    while done < config.models:
        numbers = range(done, min(done - done % count + count, config.models))
        subsets = torch.stack([draw_subset(config.seed, m, len(images), size) for m in numbers])
        seeds = [generator(config.seed, "weights", m).initial_seed() for m in numbers]
        group = _group([build(seed=seed).to(device) for seed in seeds])
        yield from _train(config, group, images, subsets, numbers)
        done = numbers.stop
        inside = torch.zeros(len(numbers), len(images), dtype=torch.bool).scatter_(1, subsets, True)
        correct = _correct(config, group, images, len(numbers)).cpu()
        yield SubsetRecord(numbers.start, freeze(inside.numpy()), freeze(correct.numpy()))


def draw_subset(seed: int, number: int, count: int, size: int) -> Tensor:
    """int64 ``[size]``: different positions below ``count``, those that network ``number`` is trained on."""
    return torch.randperm(count, generator=generator(seed, "subset", number))[:size]


def together(model: str, weights: int) -> int:
    """How many networks are trained as one: small dense ones take half the time, others gain nothing or lose."""
    return TOGETHER if model == "mlp" and weights <= SMALL else 1


def _group(networks: Sequence[nn.Module]) -> _Group:
    if len(networks) == 1:
        network = networks[0].to(memory_format=torch.channels_last)  # faster convolutions, on a CPU too
        return _Group(network, list(network.parameters()), lambda x: network(x[0])[None])
    parameters, buffers = stack_module_state(list(networks))
    skeleton = copy.deepcopy(networks[0]).to("meta")
    batched = torch.vmap(lambda p, b, x: functional_call(skeleton, (p, b), (x,)))
    return _Group(skeleton, list(parameters.values()), lambda x: batched(parameters, buffers, x))


def _train(config: MemorizationConfig, group: _Group, images: Images, subsets: Tensor, numbers: range) -> Iterator[Progress]:
    optimizer = torch.optim.SGD(group.parameters, lr=config.lr, momentum=config.momentum, weight_decay=config.weight_decay)
    group.mode.train()
    for epoch in range(1, config.epochs + 1):
        optimizer.param_groups[0]["lr"] = learning_rate(config, epoch)
        orders = [generator(config.seed, "order", m, epoch) for m in numbers]
        rows = torch.stack([own[torch.randperm(len(own), generator=rng)] for own, rng in zip(subsets, orders, strict=True)])
        for batch in batches(rows.T, config.batch_size):  # of B rows for each of M networks, [B, M]
            _step(group, optimizer, images, batch.T.to(images.label.device))
            yield Progress(epoch, "models", numbers.start, config.models)


def _step(group: _Group, optimizer: torch.optim.SGD, images: Images, batch: Tensor) -> None:
    """One step of every network, ``batch`` int64 ``[M, B]``; the sum of their losses, so that none feels the others."""
    logits = group.forward(images.inputs(batch.flatten()).unflatten(0, batch.shape))
    loss = len(batch) * losses.cross_entropy(logits.flatten(0, 1), images.label[batch].flatten())
    optimizer.zero_grad(set_to_none=True)
    loss.backward()
    optimizer.step()


@torch.no_grad()
def _correct(config: MemorizationConfig, group: _Group, images: Images, networks: int) -> Tensor:
    """bool ``[M, N]``, evaluation mode."""
    group.mode.eval()
    parts = []
    for batch in images.slices():
        logits = group.forward(images.inputs(batch).expand(networks, -1, -1, -1, -1))
        if not logits.isfinite().all():
            raise TrainingError(
                f"a network's output is not a number any more; finished networks are kept. "
                f"A smaller learning rate usually helps (lr is {config.lr:g})"
            )
        parts.append(logits.argmax(dim=2) == images.label[batch])
    return torch.cat(parts, dim=1)
