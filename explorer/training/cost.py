"""What a network costs, counted rather than timed."""

from __future__ import annotations

import torch
from torch.utils.flop_counter import FlopCounterMode

from explorer.training.models import build_model


def forward_cost(model: str, *, channels: int, size: int, num_classes: int, width: int) -> tuple[float, int]:
    """(floating-point operations of one forward pass of one image, parameters). Computes nothing: shapes only."""
    with torch.device("meta"):
        network = build_model(model, channels=channels, size=size, num_classes=num_classes, width=width, seed=0)
        images = torch.empty(2, channels, size, size)
    network.eval()
    with FlopCounterMode(display=False) as counter:
        network(images)
    return counter.get_total_flops() / 2, sum(p.numel() for p in network.parameters())
