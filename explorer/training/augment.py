"""Random crops and mirror images, a whole batch at a time on the device it lives on."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def augment_batch(images: Tensor, kind: str, rng: torch.Generator) -> Tensor:
    """Shift each image of ``[B, C, S, S]`` by up to 1/8 of its side (zeros move in) and, for crop_mirror, mirror half of them.

    At 32 pixels this is the usual crop with padding 4. Draws come from ``rng`` on the CPU, so that a run's
    augmentation is the same on every device.
    """
    if kind == "none":
        return images
    B, _, S, _ = images.shape
    pad = max(1, S // 8)
    shift = torch.randint(0, 2 * pad + 1, (2, B), generator=rng).to(images.device)
    mirror = (torch.rand(B, generator=rng) < 0.5).to(images.device) & (kind == "crop_mirror")
    span = torch.arange(S, device=images.device)
    rows = (shift[0, :, None] + span)[:, None, :, None]
    columns = (shift[1, :, None] + torch.where(mirror[:, None], S - 1 - span, span))[:, None, None, :]
    padded = F.pad(images, (pad, pad, pad, pad))
    channel = torch.arange(images.shape[1], device=images.device)[None, :, None, None]
    return padded[torch.arange(B, device=images.device)[:, None, None, None], channel, rows, columns]
