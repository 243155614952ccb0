"""Counting what a network costs: the right number, and nothing else in the process notices."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn
from torch.nn.modules import module
from torch.utils.flop_counter import FlopCounterMode
from torchvision.models import get_model_weights

from explorer.training.cost import forward_cost
from explorer.training.models import MODELS, build_model


@pytest.mark.parametrize("name", MODELS)
def test_counts_what_torch_counts(name: str) -> None:
    shape = {"channels": 3, "size": 16, "num_classes": 7, "width": 6}
    network = build_model(name, **shape, seed=0).eval()
    with FlopCounterMode(display=False) as counter:
        network(torch.zeros(1, 3, 16, 16))
    assert forward_cost(name, **shape) == (counter.get_total_flops(), sum(p.numel() for p in network.parameters()))


@pytest.mark.parametrize(("name", "parameters"), [("resnet18", 11_173_962), ("resnet34", 21_282_122)])
def test_the_parameters_of_the_usual_networks_for_cifar10(name: str, parameters: int) -> None:
    assert forward_cost(name, channels=3, size=32, num_classes=10, width=64)[1] == parameters


@pytest.mark.parametrize("name", ["resnet34", "vgg11_bn", "densenet121", "mobilenet_v2", "efficientnet_b0", "shufflenet_v2_x1_0"])
def test_on_large_images_a_network_costs_what_torchvision_publishes_for_it(name: str) -> None:
    """Multiplications by the billion, three decimals, at 224 pixels and 1,000 classes; VGG less its two hidden layers."""
    published = get_model_weights(name).DEFAULT.meta
    left_out = [(7 * 7 * 512, 4096), (4096, 4096), (4096, 1000)] if name == "vgg11_bn" else []
    ours = [(512, 1000)] if left_out else []
    flops, parameters = forward_cost(name, channels=3, size=224, num_classes=1000, width=1)
    weights = sum(a * b for a, b in ours) - sum(a * b for a, b in left_out)
    biases = sum(b for _, b in ours) - sum(b for _, b in left_out)
    assert parameters == published["num_params"] + weights + biases
    assert flops / 2e9 == pytest.approx(published["_ops"] + weights / 1e9, abs=0.0006)


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
