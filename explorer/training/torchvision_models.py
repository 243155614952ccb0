"""Networks of torchvision as bodies ``(channels, size, width) -> (body, embedding width)``; ``width`` says nothing to them.

Nothing is downloaded: weights are drawn by torchvision's own rule. The classifier is left out; the body ends with what the
classifier would have been given. torchvision is imported when one of these networks is built, so all others do without it.

Departures from torchvision:
- Dropout and stochastic depth are 0: their randomness is global.
- Images under 32 pixels are enlarged to 32 inside the body, since these networks halve them up to five times.
- Up to 64 pixels the first convolution moves by one pixel instead of two, as is usual for CIFAR. Otherwise an image of 32
  pixels ends as a single place, where batch norm has one value per image: the first step on two images then has gradients
  of 1e5 to 1e10 and soon the loss is not a number. With it they stay below 1e3, and wrong labels are learned sooner.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

LEAST_SIZE = 32  # pixels; smaller images are enlarged
SMALL_SIZE = 64  # pixels; up to here the first convolution has stride 1


class Enlarge(nn.Module):
    """Bilinear enlargement of images ``[B, C, S, S]`` to ``[B, C, T, T]``, as two products with one matrix.

    The same numbers as interpolate gives, whose gradient on a GPU, as PyTorch documents, is added up in a new order at every
    call: curvature, which is read from gradients at the original pixels, would not come out the same twice.
    """

    share: Tensor  # [S, T]: what each pixel gives to each new one

    def __init__(self, size: int, to: int) -> None:
        super().__init__()
        self.register_buffer("share", F.interpolate(torch.eye(size)[None], to, mode="linear")[0], persistent=False)

    def forward(self, images: Tensor) -> Tensor:
        return self.share.T @ images @ self.share


def _body(network: nn.Module, channels: int, size: int) -> nn.Module:
    """The network for images of so many channels and pixels.

    Of the first convolution's three input channels a grey image keeps the first, as drawn; the batch norm behind it takes
    the scale out. Repeating the image in three channels instead would spend three weights where one does.
    """
    stem = next(layer for layer in network.modules() if isinstance(layer, nn.Conv2d))
    stem.in_channels = channels
    stem.weight = nn.Parameter(stem.weight.detach()[:, :channels].clone())
    if size <= SMALL_SIZE:
        stem.stride = (1, 1)
    return nn.Sequential(Enlarge(size, LEAST_SIZE), network) if size < LEAST_SIZE else network


def resnet34(channels: int, size: int, width: int) -> tuple[nn.Module, int]:
    """ResNet-34; up to 64 pixels with the stem for small images, one 3x3 convolution and no pooling.

    Source:
        He et al., arXiv:1512.03385. Departure from torchvision: that stem. Published numbers on 32 pixels, those of ELR
        (arXiv:2007.00151) among them, are numbers of it.
    """
    from torchvision import models

    network = models.resnet34(weights=None)
    if size <= SMALL_SIZE:
        network.conv1 = nn.Conv2d(3, 64, 3, padding=1, bias=False)
        nn.init.kaiming_normal_(network.conv1.weight, mode="fan_out", nonlinearity="relu")
        network.maxpool = nn.Identity()
    network.fc = nn.Identity()
    return _body(network, channels, size), 512


def vgg11_bn(channels: int, size: int, width: int) -> tuple[nn.Module, int]:
    """VGG-11 with batch norm: its eight convolutions, then the mean over what places are left.

    Its features are large, so a learning rate of 0.03 throws the head about for long; 0.01 learns well.

    Source:
        Simonyan and Zisserman, arXiv:1409.1556. Departure: without the two hidden layers of 4,096 units. They hold 93 % of
        the weights, and at 32 pixels would see one place copied to 7 x 7.
    """
    from torchvision.models.vgg import cfgs, make_layers

    features = make_layers(cfgs["A"], batch_norm=True)
    for layer in features:
        if isinstance(layer, nn.Conv2d):
            nn.init.kaiming_normal_(layer.weight, mode="fan_out", nonlinearity="relu")
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)
    return _body(nn.Sequential(*features, nn.AdaptiveAvgPool2d(1), nn.Flatten()), channels, size), 512


def densenet121(channels: int, size: int, width: int) -> tuple[nn.Module, int]:
    """DenseNet-121.

    Source:
        Huang et al., arXiv:1608.06993.
    """
    from torchvision import models

    network = models.densenet121(weights=None, drop_rate=0.0)
    network.classifier = nn.Identity()
    return _body(network, channels, size), 1024


def mobilenet_v2(channels: int, size: int, width: int) -> tuple[nn.Module, int]:
    """MobileNetV2.

    Source:
        Sandler et al., arXiv:1801.04381. Departure: dropout 0 instead of 0.2.
    """
    from torchvision import models

    network = models.mobilenet_v2(weights=None, dropout=0.0)
    network.classifier = nn.Identity()
    return _body(network, channels, size), 1280


def efficientnet_b0(channels: int, size: int, width: int) -> tuple[nn.Module, int]:
    """EfficientNet-B0.

    Source:
        Tan and Le, arXiv:1905.11946. Departure: dropout and stochastic depth 0 instead of 0.2 each.
    """
    from torchvision import models

    network = models.efficientnet_b0(weights=None, dropout=0.0, stochastic_depth_prob=0.0)
    network.classifier = nn.Identity()
    return _body(network, channels, size), 1280


def shufflenet_v2_x1_0(channels: int, size: int, width: int) -> tuple[nn.Module, int]:
    """ShuffleNetV2 of width 1.

    Source:
        Ma et al., arXiv:1807.11164.
    """
    from torchvision import models

    network = models.shufflenet_v2_x1_0(weights=None)
    network.fc = nn.Identity()
    return _body(network, channels, size), 1024
