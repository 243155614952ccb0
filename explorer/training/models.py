"""Networks. Each is a body that turns images into an embedding, and a linear head that turns it into logits.

To add one: write a function ``(channels, size, width) -> (body, embedding width)`` and name it in MODELS.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from explorer.config import SCALABLE
from explorer.training import torchvision_models


class Network(nn.Module):
    """logits ``[B, K]`` = head(body(images ``[B, C, S, S]``)); the body's output is the penultimate embedding ``[B, D]``."""

    def __init__(self, body: nn.Module, width: int, num_classes: int) -> None:
        super().__init__()
        self.body = body
        self.head = nn.Linear(width, num_classes)

    def forward(self, images: Tensor) -> Tensor:
        return self.head(self.body(images))

    def embed(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """(logits, embedding) of one pass."""
        embedding = self.body(images)
        return self.head(embedding), embedding


def mlp(channels: int, size: int, width: int) -> tuple[nn.Module, int]:
    """Two hidden layers of 8 x width ReLU units on the flattened pixels."""
    hidden = 8 * width
    body = nn.Sequential(nn.Flatten(), nn.Linear(channels * size * size, hidden), nn.ReLU(), nn.Linear(hidden, hidden), nn.ReLU())
    return body, hidden


def _block(inside: int, outside: int) -> list[nn.Module]:
    return [nn.Conv2d(inside, outside, 3, padding=1, bias=False), nn.BatchNorm2d(outside), nn.ReLU()]


def cnn(channels: int, size: int, width: int) -> tuple[nn.Module, int]:
    """Three blocks of convolution, batch norm and ReLU (width, 2 and 4 x width channels), halved after each, down to 2 x 2 places.

    Images of 8 pixels or less are not halved after the first block. Halving takes means: a maximum would add kinks of
    its own, and curvature, which reads the kinks a label forces on the network, would drown in them.
    """
    layers: list[nn.Module] = []
    for outside in (width, 2 * width, 4 * width):
        layers += _block(channels, outside)
        if outside > width or size > 8:
            layers.append(nn.AvgPool2d(2, ceil_mode=True))
        channels = outside
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(2), nn.Flatten()), 4 * channels


class ResidualBlock(nn.Module):
    """Two 3x3 convolutions and a shortcut (He et al., arXiv:1512.03385)."""

    def __init__(self, inside: int, outside: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inside, outside, 3, stride=stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(outside)
        self.conv2 = nn.Conv2d(outside, outside, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(outside)
        self.shortcut: nn.Module = nn.Identity()
        if stride != 1 or inside != outside:
            self.shortcut = nn.Sequential(nn.Conv2d(inside, outside, 1, stride=stride, bias=False), nn.BatchNorm2d(outside))

    def forward(self, x: Tensor) -> Tensor:
        out = torch.relu(self.bn1(self.conv1(x)))
        return torch.relu(self.bn2(self.conv2(out)) + self.shortcut(x))


def resnet18(channels: int, size: int, width: int) -> tuple[nn.Module, int]:
    """ResNet-18 with the stem for small images: one 3x3 convolution, no pooling. width 64 is the published network."""
    layers = _block(channels, width)
    inside = width
    for stage in range(4):
        outside = width * 2**stage
        layers += [ResidualBlock(inside, outside, 1 if stage == 0 else 2), ResidualBlock(outside, outside, 1)]
        inside = outside
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten()), inside


MODELS: dict[str, Callable[[int, int, int], tuple[nn.Module, int]]] = {
    "cnn": cnn,
    "mlp": mlp,
    "resnet18": resnet18,
    "resnet34": torchvision_models.resnet34,
    "vgg11_bn": torchvision_models.vgg11_bn,
    "densenet121": torchvision_models.densenet121,
    "mobilenet_v2": torchvision_models.mobilenet_v2,
    "efficientnet_b0": torchvision_models.efficientnet_b0,
    "shufflenet_v2_x1_0": torchvision_models.shufflenet_v2_x1_0,
}


def computed_size(name: str, size: int) -> int:
    """Pixels a network computes with, given images of ``size``: those of torchvision enlarge small ones."""
    return size if name in SCALABLE else max(size, torchvision_models.LEAST_SIZE)


def build_model(name: str, *, channels: int, size: int, num_classes: int, width: int, seed: int) -> Network:
    """A freshly initialised network; initial weights depend on ``seed`` alone and the global generator is left as it was."""
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)  # not torch.manual_seed, which would reseed every GPU as well
        body, embedding_width = MODELS[name](channels, size, width)
        return Network(body, embedding_width, num_classes)
