"""Every network: shapes, initial weights from the seed alone, no hidden randomness, and a short run from end to end."""

from __future__ import annotations

import importlib.util
import sys
from functools import cache
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torchvision import models as zoo

from explorer import config, pipeline
from explorer.config import RunConfig
from explorer.pipeline import Prepared
from explorer.records import FinalRecord
from explorer.training import torchvision_models
from explorer.training.models import MODELS, Network, build_model
from explorer.training.state import read_state
from explorer.training.torchvision_models import Enlarge
from tests.support import assert_same_epochs, assert_same_tensors, epoch_records, names, toy_dataset, toy_labels

OF_TORCHVISION = tuple(name for name in config.MODELS if name not in config.SCALABLE)
# training one of torchvision takes seconds
TRAINED = [*config.SCALABLE, *(pytest.param(name, marks=pytest.mark.slow) for name in OF_TORCHVISION)]
AS_THEY_ARE = ("densenet121", "mobilenet_v2", "efficientnet_b0", "shufflenet_v2_x1_0")  # only the classifier is taken off


def build(name: str, channels: int = 1, size: int = 8, num_classes: int = 3, seed: int = 0) -> Network:
    return build_model(name, channels=channels, size=size, num_classes=num_classes, width=4, seed=seed)


@cache
def untrained(name: str, channels: int = 1, size: int = 8) -> Network:
    """In evaluation mode; only to be looked at."""
    return build(name, channels, size).eval()


def draw(*shape: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(0))


def assert_close(one: Tensor, other: Tensor) -> None:
    """Equal within float32 rounding, as far as it grows through a hundred layers."""
    assert one.shape == other.shape
    assert (one - other).abs().max() <= 1e-5 * other.abs().max()


def test_every_choice_of_the_config_is_there() -> None:
    assert tuple(MODELS) == config.MODELS


# -- one network at rest ---------------------------------------------------------------------------


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize(("channels", "size"), [(1, 8), (3, 9), (3, 32)])
def test_logits_are_the_head_of_the_embedding_and_each_image_is_judged_on_its_own(name: str, channels: int, size: int) -> None:
    model = untrained(name, channels, size)
    images = draw(2, channels, size, size)
    with torch.no_grad():
        logits, embedding = model.embed(images)
        assert logits.shape == (2, 3)
        assert embedding.shape == (2, model.head.in_features)
        assert_same_tensors(logits, model(images))
        assert_close(logits, embedding @ model.head.weight.T + model.head.bias)
        assert_close(torch.cat([model.body(image[None]) for image in images]), embedding)


@pytest.mark.parametrize("name", MODELS)
def test_initial_weights_come_from_the_seed_alone(name: str) -> None:
    def weights(seed: int) -> dict[str, Tensor]:
        return dict(build(name, seed=seed).state_dict())

    torch.manual_seed(1)
    before = torch.get_rng_state()
    one = weights(5)
    assert torch.equal(before, torch.get_rng_state())
    torch.manual_seed(2)
    assert_same_tensors(one, weights(5))
    other = weights(6)
    assert not torch.equal(one["head.weight"], other["head.weight"])
    assert sum(not torch.equal(one[key], other[key]) for key in one) >= 2


@pytest.mark.parametrize("name", config.SCALABLE)
def test_width_makes_a_network_wider(name: str) -> None:
    def parameters(width: int) -> int:
        return sum(p.numel() for p in build_model(name, channels=1, size=8, num_classes=3, width=width, seed=0).parameters())

    assert parameters(4) < parameters(8) < parameters(16)


# -- one training step -----------------------------------------------------------------------------


def without_effect(model: nn.Module) -> set[str]:
    """Biases of convolutions that a batch norm follows: it takes them out again."""
    layers = list(model.named_modules())
    pairs = zip(layers, layers[1:], strict=False)
    return {f"{name}.bias" for (name, layer), (_, after) in pairs if isinstance(layer, nn.Conv2d) and isinstance(after, nn.BatchNorm2d)}


@pytest.mark.parametrize("name", MODELS)
def test_every_parameter_is_trained_and_nothing_draws_from_the_global_generator(name: str) -> None:
    model = build(name).train()
    before = torch.get_rng_state()
    F.cross_entropy(model(draw(4, 1, 8, 8)), torch.arange(4) % 3).backward()
    assert torch.equal(before, torch.get_rng_state())
    idle = {key for key, p in model.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0}
    assert idle - without_effect(model) == set()


def chances(model: nn.Module) -> list[float]:
    """The probability with which each layer leaves something out in training."""
    found = [getattr(layer, name, 0.0) for layer in model.modules() for name in ("p", "drop_rate", "dropout")]
    return [p for p in found if isinstance(p, float) and p > 0]


@pytest.mark.parametrize("name", MODELS)
def test_nothing_is_left_out_by_chance(name: str) -> None:
    assert chances(untrained(name)) == []


def test_the_search_for_chance_finds_what_torchvision_does_by_default() -> None:
    assert len(chances(zoo.efficientnet_b0(weights=None))) == 1 + 15  # dropout, and every block but the first


# -- torchvision's networks on small images --------------------------------------------------------


@pytest.mark.parametrize("size", [1, 7, 8, 31])
def test_enlarging_is_bilinear_and_so_is_its_gradient(size: int) -> None:
    images, weight = draw(3, 2, size, size), draw(3, 2, 32, 32)
    gradients = []
    for enlarge in (Enlarge(size, 32), lambda x: F.interpolate(x, 32, mode="bilinear")):
        x = images.clone().requires_grad_()
        gradients.append(torch.autograd.grad((enlarge(x) * weight).sum(), x)[0])
    assert_close(Enlarge(size, 32)(images), F.interpolate(images, 32, mode="bilinear"))
    assert_close(*gradients)


@pytest.mark.parametrize("name", OF_TORCHVISION)
def test_a_small_image_is_seen_as_if_it_had_been_enlarged_before(name: str) -> None:
    images = draw(2, 3, 9, 9)
    with torch.no_grad():
        assert_close(untrained(name, 3, 9)(images), untrained(name, 3, 32)(F.interpolate(images, 32, mode="bilinear")))


@pytest.mark.parametrize("name", AS_THEY_ARE)
def test_a_colour_image_meets_torchvisions_network_and_a_grey_one_the_first_channel_of_its_stem(name: str) -> None:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        theirs = dict(zoo.get_model(name, weights=None).state_dict())
    for channels in (3, 1):
        ours = dict(untrained(name, channels, 32).body.state_dict())
        stem = next(iter(ours))
        assert ours.keys() == {key for key in theirs if not key.startswith(("classifier", "fc"))}
        assert_same_tensors(ours, {key: theirs[key][:, :channels] if key == stem else theirs[key] for key in ours})


def test_vgg_starts_as_torchvision_lets_it_start() -> None:
    """Normal weights of variance 2 / (outputs x places), no biases."""
    layers = [layer for layer in untrained("vgg11_bn", 3, 32).body.modules() if isinstance(layer, nn.Conv2d)]
    assert len(layers) == 8
    for layer in layers:
        assert layer.weight.std().item() == pytest.approx((2 / (9 * layer.out_channels)) ** 0.5, rel=0.04)
        assert layer.bias is not None and not layer.bias.any()


@pytest.mark.parametrize("name", OF_TORCHVISION)
def test_stems_are_torchvisions_above_64_pixels_and_keep_more_than_one_place_below(name: str) -> None:
    def stem_and_pools(size: int) -> tuple[nn.Conv2d, int]:
        with torch.device("meta"):
            layers = list(MODELS[name](3, size, 1)[0].modules())
        return next(x for x in layers if isinstance(x, nn.Conv2d)), sum(isinstance(x, nn.MaxPool2d) for x in layers)

    small, large = stem_and_pools(64), stem_and_pools(65)
    assert small[0].stride == stem_and_pools(8)[0].stride == (1, 1)
    assert large[0].stride == ((1, 1) if name == "vgg11_bn" else (2, 2))
    assert small[0].kernel_size == ((3, 3) if name == "resnet34" else large[0].kernel_size)
    assert large[1] - small[1] == (name == "resnet34")


def test_torchvision_is_imported_by_its_own_networks_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torchvision", None)  # importing it now fails
    spec = importlib.util.spec_from_file_location("again", torchvision_models.__file__)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    for name in config.SCALABLE:
        build(name)
    with pytest.raises(ImportError):
        module.mobilenet_v2(1, 8, 1)


# -- a short run -----------------------------------------------------------------------------------


def prepare(channels: int, size: int) -> Prepared:
    """Three training images, so that batches of two leave a last one of one image; two test images."""
    pixels = np.random.default_rng(0).integers(0, 256, (5, size, size, channels), dtype=np.uint8)
    label = np.array([0, 1, 2])
    test = {"test_images": pixels[3:], "test_label": label[:2]}
    return Prepared(toy_dataset(label, names(3), images=pixels[:3], **test), toy_labels(label, None))


def short(name: str, **changes: Any) -> RunConfig:
    settings: dict[str, Any] = {"epochs": 2, "curvature_every": 2, "curvature_directions": 1, "embedding_every": 2} | changes
    return RunConfig(model=name, width=4, noise="none", batch_size=2, lr=0.01, schedule="constant", device="cpu", **settings)


def weights(state: bytes | None) -> dict[str, Tensor]:
    assert state is not None
    return dict(read_state(state)["members"][0]["model"])


@pytest.mark.usefixtures("state_every_epoch")
@pytest.mark.parametrize("name", TRAINED)
def test_a_short_run_learns_is_probed_and_goes_on_where_it_stopped(name: str) -> None:
    run, prepared = short(name), prepare(1, 8)
    records = list(pipeline.run(run, prepared=prepared, threads=1))
    untouched, first, last = epoch_records(records)
    final = records[-1]
    assert isinstance(final, FinalRecord) and final.step == 2  # one step an epoch: the last image joined the batch before
    assert np.isfinite([(r.train_loss, r.test_loss) for r in (untouched, first, last)]).all()
    assert np.isfinite([(r.susceptibility_drop, r.susceptibility_drop_fixed_lr) for r in (first, last)]).all()
    assert last.curvature is not None and last.embedding is not None
    assert np.isfinite(last.curvature).all() and (last.curvature > 0).all()
    before, after = weights(first.state), weights(last.state)
    assert last.embedding.shape == (3, before["head.weight"].shape[1])
    assert [key for key in before if before[key].dim() > 1 and torch.equal(before[key], after[key])] == []
    continued = epoch_records(pipeline.run(run, first.state, prepared, threads=1))
    assert_same_epochs([last], continued)
    assert_same_tensors(after, weights(continued[0].state))


@pytest.mark.parametrize("name", TRAINED)
def test_colour_images_are_trained_on(name: str) -> None:
    run = short(name, epochs=1, curvature_every=0, susceptibility_lr=0.0)
    untouched, last = epoch_records(pipeline.run(run, prepared=prepare(3, 32), threads=1))
    assert np.isfinite([last.train_loss, last.test_loss]).all() and last.train_loss != untouched.train_loss
