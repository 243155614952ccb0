"""Images on the device: kept as uint8, normalised and augmented a batch at a time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from explorer.records import Array, Dataset
from explorer.training.augment import augment_batch


@dataclass(slots=True)
class Images:
    """One split on the device: uint8 pixels ``[N, C, S, S]``, int64 labels ``[N]``, per-channel mean and sd for the network's input.

    side: pixels the network computes with, more than S where it enlarges small images.
    """

    pixels: Tensor
    label: Tensor
    mean: Tensor
    std: Tensor
    side: int

    def __len__(self) -> int:
        return len(self.label)

    def slices(self) -> Iterator[slice]:
        """The whole split in order, in batches small enough that a CPU's activations are not paged in anew each time.

        One empty slice for no images, so that results have their shapes.
        """
        size = self.at_once
        return (slice(start, min(start + size, len(self))) for start in range(0, max(1, len(self)), size))

    @property
    def at_once(self) -> int:
        """How many images are evaluated or probed in one go."""
        return 1024 if self.pixels.is_cuda else max(32, min(512, 2**17 // self.side**2))

    def inputs(self, batch: Tensor | slice, augment: str = "none", rng: torch.Generator | None = None) -> Tensor:
        """float32 ``[B, C, S, S]``, channels last in memory, normalised; augmented first, so that black moves in at the borders."""
        pixels = self.pixels[batch]
        if rng is not None:
            pixels = augment_batch(pixels, augment, rng)
        return ((pixels.float() / 255 - self.mean) / self.std).contiguous(memory_format=torch.channels_last)


def on_device(data: Dataset, given_label: Array, device: str, side: int = 0) -> tuple[Images, Images]:
    """(training, test) split on a device; both are normalised by the training images' statistics. side: see Images; 0 for S."""
    mean, std = (statistic.to(device) for statistic in channel_statistics(data.train_images))
    train_set, test_set = (
        Images(
            torch.from_numpy(np.array(images)).permute(0, 3, 1, 2).contiguous().to(device),
            torch.from_numpy(np.array(label)).to(device), mean, std, side or images.shape[1],
        )
        for images, label in ((data.train_images, given_label), (data.test_images, data.test_label))
    )  # fmt: skip
    return train_set, test_set


def channel_statistics(images: Array) -> tuple[Tensor, Tensor]:
    """float32 ``[1, C, 1, 1]`` mean and standard deviation of uint8 ``[N, H, W, C]`` pixels scaled to 0..1, exact, by counting values."""
    value = np.arange(256) / 255
    counts = np.stack([np.bincount(images[..., c].ravel(), minlength=256) for c in range(images.shape[-1])])
    share = counts / counts.sum(axis=1, keepdims=True)
    mean = share @ value
    std = np.sqrt((share * (value - mean[:, None]) ** 2).sum(axis=1))
    std = np.maximum(std, 1e-3)  # a blank channel stays finite
    return tuple(torch.from_numpy(s).float().reshape(1, -1, 1, 1) for s in (mean, std))  # type: ignore[return-value]


def batches(order: Tensor, batch_size: int) -> list[Tensor]:
    """Split an order ``[N]`` into batches; a last batch of one joins the one before (batch norm needs two)."""
    parts = list(order.split(batch_size))
    if len(parts) > 1 and len(parts[-1]) == 1:
        parts[-2:] = [torch.cat(parts[-2:])]
    return parts
