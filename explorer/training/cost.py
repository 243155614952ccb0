"""What a network costs, counted rather than timed."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry

from explorer.training.models import MODELS, Network


class _Counter(TorchDispatchMode):
    """Adds up the floating-point operations of this thread.

    Not FlopCounterMode: it hooks into every module of the process, so counting for a page breaks the training of another
    thread.
    """

    flops = 0

    def __torch_dispatch__(
        self, func: Any, types: Sequence[type], args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        out = func(*args, **(kwargs or {}))
        count: Callable[..., int] | None = flop_registry.get(func._overloadpacket)
        if count is not None:
            self.flops += count(*args, **(kwargs or {}), out_val=out)
        return out


@cache
def forward_cost(model: str, *, channels: int, size: int, num_classes: int, width: int) -> tuple[float, int]:
    """(floating-point operations of one forward pass of one image, parameters). Computes nothing: shapes only."""
    with torch.device("meta"):
        network = Network(*MODELS[model](channels, size, width), num_classes)
        images = torch.empty(2, channels, size, size)
    network.eval()
    with torch.no_grad(), _Counter() as counter:
        network(images)
    return counter.flops / 2, sum(p.numel() for p in network.parameters())
