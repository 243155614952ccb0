"""Curvature against its closed form and the laws it must obey; susceptibility against a hand-written probe."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from explorer.training import probes
from explorer.training.models import Network, build_model
from explorer.training.probes import exact_float32, input_gradient, rademacher, susceptibility_drops
from tests.support import assert_same_tensors


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def draw(seed: int, *shape: int) -> Tensor:
    return torch.randn(*shape, generator=rng(seed), dtype=torch.float64)


def trained(name: str, K: int = 4, steps: int = 30) -> tuple[Network, torch.optim.SGD, Tensor, Tensor]:
    """A network that has learned something, its optimizer with momentum in it, and float64 images with labels."""
    images, labels = draw(1, 40, 1, 8, 8), torch.randint(0, K, (40,), generator=rng(2))
    model = build_model(name, channels=1, size=8, num_classes=K, width=4, seed=0).double()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9, weight_decay=1e-3)
    for _ in range(steps):
        optimizer.zero_grad()
        F.cross_entropy(model(images), labels).backward()
        optimizer.step()
    return model, optimizer, images, labels


def input_loss_curvature(*arguments: Any) -> Tensor:
    return probes.input_loss_curvature(*arguments).curvature


# -- curvature -------------------------------------------------------------------------------------


@pytest.mark.parametrize("d", [2, 5, 8])
def test_on_a_linear_softmax_model_the_mean_square_over_all_sign_vectors_is_the_hessian_norm(d: int) -> None:
    """H = W^T (diag p - p p^T) W has a closed form, and E ||Hv||^2 = ||H||_F^2 over all 2^d sign vectors v.

    4,096 copies of one image meet every sign vector (at most 256); each copy's score is ||Hv||, un-squared.
    """
    K, copies, h = 3, 4096, 1e-5
    model = nn.Sequential(nn.Flatten(), nn.Linear(d, K)).double().eval()
    x = draw(3, 1, 1, 1, d)
    scores = input_loss_curvature(model, x.expand(copies, 1, 1, d).clone(), torch.full((copies,), 1), h, [rng(7)])
    signs = rademacher(torch.Size((copies, 1, 1, d)), rng(7), torch.device("cpu")).flatten(1)
    by_vector = {tuple(v): s for v, s in zip(signs.tolist(), scores.tolist(), strict=True)}
    assert len(by_vector) == 2**d
    with torch.no_grad():
        p = torch.softmax(model(x), dim=1)[0]
        W = model[1].weight
        H = W.T @ (torch.diag(p) - torch.outer(p, p)) @ W
    assert np.mean([s**2 for s in by_vector.values()]) == pytest.approx((H**2).sum().item(), rel=1e-6)
    for v, s in list(by_vector.items())[:16]:  # and each single one is ||Hv||
        assert s == pytest.approx((H @ torch.tensor(v, dtype=torch.float64)).norm().item(), rel=1e-3)


def test_score_is_the_plain_loop_over_directions_and_images() -> None:
    """One image, one direction at a time, both gradients computed afresh."""
    model, _, images, labels = trained("mlp")
    model.eval()
    h, n = 0.05, 3
    signs = [rademacher(images.shape, rng(s), torch.device("cpu")).double() for s in range(n)]
    expected = []
    for i in range(8):
        norms = []
        for v in signs:
            gradients = []
            for x in (images[i] + h * v[i], images[i]):
                x = x[None].clone().requires_grad_()
                F.cross_entropy(model(x), labels[i : i + 1]).backward(inputs=[x])
                assert x.grad is not None
                gradients.append(x.grad)
            norms.append((gradients[0] - gradients[1]).norm().item() / h)
        expected.append(np.mean(norms))
    got = input_loss_curvature(model, images, labels, h, [rng(s) for s in range(n)])[:8]
    assert got.tolist() == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("name", ["mlp", "cnn"])
@pytest.mark.parametrize("batch_size", [1, 7, 39])
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-9), (torch.float32, 2e-4)])
def test_score_does_not_depend_on_the_batch_size(name: str, batch_size: int, dtype: torch.dtype, tolerance: float) -> None:
    model, _, images, labels = trained(name)
    model, images = model.to(dtype).eval(), images.to(dtype)
    whole = input_loss_curvature(model, images, labels, 1e-2, [rng(0), rng(1)])
    directions = [rng(0), rng(1)]
    parts = [
        input_loss_curvature(model, x, y, 1e-2, directions) for x, y in zip(images.split(batch_size), labels.split(batch_size), strict=True)
    ]
    assert whole.dtype == dtype
    assert whole.min() > 0
    assert torch.allclose(torch.cat(parts), whole, rtol=tolerance, atol=tolerance * whole.max().item())


def test_in_float32_one_image_at_a_time_ranks_the_images_as_all_at_once() -> None:
    model, _, _, _ = trained("cnn", steps=200)
    model = model.float().eval()
    images, labels = draw(5, 300, 1, 8, 8).float(), torch.arange(300) % 4
    whole = probes.input_loss_curvature(model, images, labels, 1e-2, [rng(0), rng(1)])
    directions = [rng(0), rng(1)]
    single = [probes.input_loss_curvature(model, x[None], y[None], 1e-2, directions) for x, y in zip(images, labels, strict=True)]
    for name in ("curvature", "sensitivity"):
        one, other = getattr(whole, name), torch.cat([getattr(s, name) for s in single])
        ranks = np.stack([values.double().numpy().argsort().argsort() for values in (one, other)])
        assert np.corrcoef(ranks)[0, 1] > 0.9999, name


def test_a_copy_of_an_image_scores_as_the_image_along_the_same_direction() -> None:
    model, _, images, labels = trained("cnn")
    model.eval()
    one = input_loss_curvature(model, images[:1], labels[:1], 1e-2, [rng(0)])
    many = input_loss_curvature(model, torch.cat([images[:1], images[5:25]]), torch.cat([labels[:1], labels[5:25]]), 1e-2, [rng(0)])
    assert many[0].item() == pytest.approx(one[0].item(), rel=1e-9)


def test_on_a_relu_network_the_label_enters_only_by_crossing_kinks() -> None:
    """As h goes to 0 the score forgets the label; at the radii in use it does not. So h is a neighbourhood."""
    model, _, images, labels = trained("mlp", steps=200)
    model.eval()
    other = (labels + 1) % 4

    def score(h: float, y: Tensor) -> Tensor:
        return input_loss_curvature(model, images, y, h, [rng(0), rng(1)])

    tiny, tiny_other = score(1e-7, labels), score(1e-7, other)
    assert torch.allclose(tiny, tiny_other, rtol=1e-4, atol=1e-6 * tiny.max().item())
    for h in (1e-3, 1e-2, 1e-1):
        difference = (score(h, labels) - score(h, other)).abs().mean() / score(h, other).mean()
        assert difference > 0.2, f"h = {h}"


def test_a_smooth_network_depends_on_the_label_at_every_radius() -> None:
    """The control of the test above: with SiLU the second derivative itself holds the label."""
    model = nn.Sequential(nn.Flatten(), nn.Linear(64, 32), nn.SiLU(), nn.Linear(32, 4)).double().eval()
    images, labels = draw(1, 20, 1, 8, 8), torch.arange(20) % 4
    one, other = (input_loss_curvature(model, images, y, 1e-6, [rng(0)]) for y in (labels, (labels + 1) % 4))
    assert ((one - other).abs() / other).mean() > 0.01


def test_curvature_leaves_the_network_as_it_was() -> None:
    model, _, images, labels = trained("cnn")
    model.eval()
    next(iter(model.parameters())).requires_grad_(False)  # somebody froze a layer
    flags = [p.requires_grad for p in model.parameters()]
    for p in model.parameters():
        p.grad = None
    before, kept = copy.deepcopy(model.state_dict()), torch.get_rng_state()
    image_before = images.clone()
    score = input_loss_curvature(model, images, labels, 1e-2, [rng(0)])
    assert not score.requires_grad
    assert all(p.grad is None for p in model.parameters())
    assert [p.requires_grad for p in model.parameters()] == flags
    assert_same_tensors(before, model.state_dict())
    assert torch.equal(torch.get_rng_state(), kept)
    assert torch.equal(images, image_before) and not images.requires_grad


def test_curvature_restores_the_network_when_it_fails() -> None:
    model, _, images, labels = trained("mlp", steps=1)
    with pytest.raises((IndexError, RuntimeError)):
        input_loss_curvature(model, images, labels + 99, 1e-2, [rng(0)])
    assert all(p.requires_grad for p in model.parameters())


def test_sensitivity_is_the_norm_of_the_clean_gradient_whatever_the_directions() -> None:
    model, _, images, labels = trained("cnn")
    model.eval()
    expected = torch.stack([input_gradient(model, x[None], y[None])[0].norm() for x, y in zip(images, labels, strict=True)])
    for radius, seeds in ((1e-3, [0]), (0.1, [3, 4])):
        got = probes.input_loss_curvature(model, images, labels, radius, [rng(s) for s in seeds]).sensitivity
        assert torch.allclose(got, expected, rtol=1e-9, atol=0)


def test_input_gradient_of_an_image_does_not_depend_on_its_companions() -> None:
    model, _, images, labels = trained("cnn")
    model.eval()
    whole = input_gradient(model, images, labels)
    for i in (0, 17, 39):
        assert torch.allclose(whole[i], input_gradient(model, images[i : i + 1], labels[i : i + 1])[0], rtol=0, atol=1e-12)


@pytest.mark.parametrize("shape", [(1, 1, 3, 3), (50, 3, 5, 5), (7, 1, 1, 8)])
def test_sign_vectors_are_signs_fair_and_the_same_in_batches_of_any_size(shape: tuple[int, ...]) -> None:
    whole = rademacher(torch.Size(shape), rng(5), torch.device("cpu"))
    assert whole.shape == shape
    assert set(whole.unique().tolist()) <= {-1.0, 1.0}
    generator = rng(5)
    single = [rademacher(torch.Size((1, *shape[1:])), generator, torch.device("cpu")) for _ in range(shape[0])]
    assert torch.equal(torch.cat(single), whole)


def test_sign_vectors_are_fair_and_uncorrelated() -> None:
    signs = rademacher(torch.Size((20_000, 1, 1, 12)), rng(0), torch.device("cpu")).flatten(1).double()
    assert signs.mean(dim=0).abs().max() < 5 / 20_000**0.5
    products = signs.T @ signs / 20_000 - torch.eye(12)
    assert products.abs().max() < 5 / 20_000**0.5


# -- susceptibility --------------------------------------------------------------------------------


def by_hand(model: Network, optimizer: torch.optim.SGD, images: Tensor, random_label: Tensor, fixed_lr: float) -> tuple[float, float]:
    """The paper's way: save everything, step, measure, load everything back; then the same for plain SGD."""
    weights, steps, mode = copy.deepcopy(model.state_dict()), copy.deepcopy(optimizer.state_dict()), model.training
    drops = []
    plain = torch.optim.SGD(model.parameters(), lr=fixed_lr) if fixed_lr else None
    for stepper in (optimizer, plain):
        model.train()
        assert stepper is not None
        stepper.zero_grad()
        before = F.cross_entropy(model(images), random_label)
        before.backward()
        stepper.step()
        drops.append(before.item() - F.cross_entropy(model(images), random_label).item())
        model.load_state_dict(weights)
        optimizer.load_state_dict(steps)
        optimizer.zero_grad()
    model.train(mode)
    return drops[0], drops[1]


@pytest.mark.parametrize("name", ["mlp", "cnn"])
@pytest.mark.parametrize("steps", [0, 30])
@pytest.mark.parametrize("mode", [True, False])
def test_drop_equals_a_probe_written_by_hand(name: str, steps: int, mode: bool) -> None:
    """Measured in training mode, whatever mode the network was left in: batch norm takes the batch's own statistics."""
    model, optimizer, images, _ = trained(name, steps=steps)
    model.train(mode)
    random_label = torch.randint(0, 4, (40,), generator=rng(11))
    got = susceptibility_drops(model, optimizer, images, random_label, 0.02)
    assert got == pytest.approx(by_hand(model, optimizer, images, random_label, 0.02), rel=1e-10)
    assert got[0] != pytest.approx(got[1], rel=1e-3)


def test_a_fixed_rate_step_on_a_new_network_lowers_the_loss() -> None:
    model, optimizer, images, _ = trained("mlp", steps=0)
    random_label = torch.randint(0, 4, (40,), generator=rng(11))
    drops = [susceptibility_drops(model, optimizer, images, random_label, lr)[1] for lr in (1e-4, 1e-3, 1e-2)]
    assert 0 < drops[0] < drops[1] < drops[2]
    gradients = torch.autograd.grad(F.cross_entropy(model(images), random_label), list(model.parameters()))
    square = sum((g**2).sum().item() for g in gradients)
    assert drops[0] == pytest.approx(1e-4 * square, rel=0.01)  # first order: rate times squared gradient


@pytest.mark.parametrize("mode", [True, False])
def test_susceptibility_leaves_everything_bit_identical(mode: bool) -> None:
    model, optimizer, images, labels = trained("cnn")
    model.train()
    optimizer.zero_grad()
    F.cross_entropy(model(images), labels).backward()  # gradients of training are not the probe's to touch
    model.train(mode)
    parts: list[Callable[[], object]] = [
        model.state_dict, optimizer.state_dict, lambda: [p.grad for p in model.parameters()], torch.get_rng_state,
        lambda: [m.training for m in model.modules()], lambda: [p.requires_grad for p in model.parameters()],
    ]  # fmt: skip
    before = [copy.deepcopy(part()) for part in parts]
    assert any("num_batches" in key for key in model.state_dict())  # there are BatchNorm buffers to disturb
    assert any("momentum_buffer" in state for state in optimizer.state_dict()["state"].values())
    susceptibility_drops(model, optimizer, images, labels, 0.05)
    for one, part in zip(before, parts, strict=True):
        assert_same_tensors(one, part())


def test_tf32_is_off_inside_and_put_back_even_after_an_error() -> None:
    backends = torch.backends.cuda.matmul, torch.backends.cudnn
    before = [backend.allow_tf32 for backend in backends]
    try:
        for backend in backends:
            backend.allow_tf32 = True
        with pytest.raises(KeyError), exact_float32():
            assert not any(backend.allow_tf32 for backend in backends)
            raise KeyError
        assert all(backend.allow_tf32 for backend in backends)
    finally:
        for backend, value in zip(backends, before, strict=True):
            backend.allow_tf32 = value
