"""Every network: shapes, initial weights from the seed alone, no hidden randomness."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from explorer.training.models import MODELS, build_model
from tests.support import assert_same_tensors


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize(("channels", "size"), [(1, 8), (3, 9), (1, 28), (3, 32)])
def test_logits_are_the_head_of_the_embedding(name: str, channels: int, size: int) -> None:
    model = build_model(name, channels=channels, size=size, num_classes=7, width=4, seed=0).eval()
    images = torch.randn(3, channels, size, size, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        logits, embedding = model.embed(images)
        assert logits.shape == (3, 7)
        assert embedding.shape == (3, model.head.in_features)
        assert_same_tensors(logits, model(images))
        assert torch.allclose(logits, embedding @ model.head.weight.T + model.head.bias, atol=1e-5)


@pytest.mark.parametrize("name", MODELS)
def test_initial_weights_come_from_the_seed_alone(name: str) -> None:
    def weights(seed: int) -> dict[str, torch.Tensor]:
        return dict(build_model(name, channels=1, size=8, num_classes=3, width=4, seed=seed).state_dict())

    torch.manual_seed(1)
    before = torch.get_rng_state()
    one = weights(5)
    assert torch.equal(before, torch.get_rng_state())
    torch.manual_seed(2)
    assert_same_tensors(one, weights(5))
    other = weights(6)
    assert not torch.equal(one["head.weight"], other["head.weight"])
    assert sum(not torch.equal(one[key], other[key]) for key in one) >= 2


@pytest.mark.parametrize("name", MODELS)
def test_every_parameter_is_trained(name: str) -> None:
    model = build_model(name, channels=1, size=8, num_classes=3, width=4, seed=0).train()
    images = torch.randn(6, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    nn.functional.cross_entropy(model(images), torch.arange(6) % 3).backward()
    assert [key for key, p in model.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0] == []


@pytest.mark.parametrize("name", MODELS)
def test_nothing_in_a_network_draws_from_the_global_generator(name: str) -> None:
    model = build_model(name, channels=1, size=8, num_classes=3, width=4, seed=0).train()
    before = torch.get_rng_state()
    model(torch.zeros(4, 1, 8, 8))
    assert torch.equal(before, torch.get_rng_state())


@pytest.mark.parametrize("name", MODELS)
def test_in_evaluation_an_image_is_judged_on_its_own(name: str) -> None:
    model = build_model(name, channels=1, size=8, num_classes=3, width=4, seed=0).double().eval()
    images = torch.randn(9, 1, 8, 8, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    with torch.no_grad():
        alone = torch.cat([model(image[None]) for image in images])
        assert torch.allclose(model(images), alone, atol=1e-12, rtol=0)


@pytest.mark.parametrize("name", MODELS)
def test_width_makes_a_network_wider(name: str) -> None:
    def parameters(width: int) -> int:
        return sum(p.numel() for p in build_model(name, channels=1, size=8, num_classes=3, width=width, seed=0).parameters())

    assert parameters(4) < parameters(8) < parameters(16)


def test_resnet18_of_width_64_is_the_published_network() -> None:
    """11,173,962 parameters: the usual ResNet-18 for CIFAR-10."""
    with torch.device("meta"):
        body, embedding = MODELS["resnet18"](3, 32, 64)
        head = nn.Linear(embedding, 10)
    assert sum(p.numel() for p in [*body.parameters(), *head.parameters()]) == 11_173_962
