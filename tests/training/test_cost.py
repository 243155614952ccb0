"""Counting what a network costs: the right number, and nothing else in the process notices."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn
from torch.nn.modules import module
from torch.utils.flop_counter import FlopCounterMode

from explorer.training.cost import forward_cost
from explorer.training.models import MODELS, build_model


@pytest.mark.parametrize("name", MODELS)
def test_counts_what_torch_counts(name: str) -> None:
    shape = {"channels": 3, "size": 16, "num_classes": 7, "width": 6}
    network = build_model(name, **shape, seed=0).eval()
    with FlopCounterMode(display=False) as counter:
        network(torch.zeros(1, 3, 16, 16))
    assert forward_cost(name, **shape) == (counter.get_total_flops(), sum(p.numel() for p in network.parameters()))


class Spy(nn.Module):
    """A body that looks around while it is being counted."""

    def forward(self, images: Tensor) -> Tensor:
        assert not module._global_forward_pre_hooks and not module._global_forward_hooks
        return images.flatten(1)


def test_counting_for_a_page_touches_nothing_of_a_run_in_training(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hooks on all modules and the global generator are shared with the thread that trains."""
    monkeypatch.setitem(MODELS, "spy", lambda channels, size, width: (Spy(), channels * size * size))
    before = torch.get_rng_state()
    assert forward_cost("spy", channels=1, size=4, num_classes=3, width=1) == (2 * 16 * 3, 16 * 3 + 3)
    assert torch.equal(torch.get_rng_state(), before)
