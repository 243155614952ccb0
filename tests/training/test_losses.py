"""Early-learning regularization against its closed forms, and cross-entropy."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from explorer.training.losses import cross_entropy, elr, update_targets

B, K, N = 6, 5, 20


def draw(seed: int, *shape: int, scale: float = 1.0) -> Tensor:
    return scale * torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


@pytest.fixture
def logits() -> Tensor:
    return draw(0, B, K)


@pytest.fixture
def labels() -> Tensor:
    return torch.tensor([0, 1, 2, 3, 4, 0])


@pytest.fixture
def memory() -> Tensor:
    return torch.softmax(draw(1, N, K), dim=1)


BATCH = torch.tensor([3, 19, 0, 7, 8, 11])


def test_cross_entropy_is_the_mean_of_minus_log_p(logits: Tensor, labels: Tensor) -> None:
    by_hand = 0.0
    for row, y in zip(logits.double().tolist(), labels.tolist(), strict=True):
        by_hand += math.log(sum(math.exp(z) for z in row)) - row[y]
    assert cross_entropy(logits, labels).item() == pytest.approx(by_hand / B, rel=1e-6)


@pytest.mark.parametrize("beta", [0.0, 0.7, 0.99, 1.0])
def test_memory_moves_towards_the_prediction_in_the_rows_of_the_batch_only(logits: Tensor, memory: Tensor, beta: float) -> None:
    before = memory.numpy().astype(np.float64).copy()
    rows = update_targets(memory, logits, BATCH, beta)
    expected = before.copy()
    for b, n in enumerate(BATCH.tolist()):
        e = np.exp(logits[b].double().numpy())
        p = np.clip(e / e.sum(), 1e-4, 1 - 1e-4)
        expected[n] = beta * before[n] + (1 - beta) * p / p.sum()
    assert np.abs(memory.numpy() - expected).max() < 1e-6
    untouched = np.setdiff1d(np.arange(N), BATCH)
    assert np.array_equal(memory.numpy()[untouched], before[untouched].astype(np.float32))
    assert torch.equal(rows, memory[BATCH])
    assert not rows.requires_grad


def test_memory_carries_no_gradient(labels: Tensor) -> None:
    logits = draw(0, B, K).requires_grad_()
    targets = update_targets(torch.zeros(N, K), logits, BATCH, 0.7)
    assert not targets.requires_grad


def test_elr_without_weight_is_cross_entropy(logits: Tensor, labels: Tensor, memory: Tensor) -> None:
    logits.requires_grad_()
    loss = elr(logits, labels, memory[BATCH], 0.0)
    assert loss.item() == cross_entropy(logits, labels).item()
    assert torch.equal(torch.autograd.grad(loss, logits)[0], torch.autograd.grad(cross_entropy(logits, labels), logits)[0])


def test_elr_with_frozen_memory_is_cross_entropy(logits: Tensor, labels: Tensor) -> None:
    """beta = 1 leaves the memory at the zeros it starts from, and log(1 - 0) is nothing."""
    logits.requires_grad_()
    targets = update_targets(torch.zeros(N, K), logits, BATCH, 1.0)
    loss = elr(logits, labels, targets, 3.0)
    assert targets.abs().max() == 0
    assert loss.item() == cross_entropy(logits, labels).item()
    assert torch.allclose(torch.autograd.grad(loss, logits)[0], torch.autograd.grad(cross_entropy(logits, labels), logits)[0], atol=1e-8)


@pytest.mark.parametrize("weight", [1.0, 3.0, 7.0])
def test_elr_value_and_gradient_have_the_closed_form(logits: Tensor, labels: Tensor, memory: Tensor, weight: float) -> None:
    """p - y + weight * g with g_c = p_c / (1 - <p, t>) * sum_k (t_k - t_c) p_k, for each image."""
    logits.requires_grad_()
    targets = memory[BATCH]
    loss = elr(logits, labels, targets, weight)
    gradient = torch.autograd.grad(loss, logits)[0].double().numpy() * B
    z, t = logits.detach().double().numpy(), targets.double().numpy()
    value = 0.0
    for b in range(B):
        p = np.exp(z[b]) / np.exp(z[b]).sum()
        assert p.min() > 1e-3  # away from the clamp
        inner = float(p @ t[b])
        value += -math.log(p[labels[b]]) + weight * math.log(1 - inner)
        for c in range(K):
            g = p[c] / (1 - inner) * sum((t[b, k] - t[b, c]) * p[k] for k in range(K))
            assert gradient[b, c] == pytest.approx(p[c] - (c == int(labels[b])) + weight * g, abs=2e-5)
    assert loss.item() == pytest.approx(value / B, abs=1e-5)


def test_elr_pulls_towards_the_target_and_may_be_negative() -> None:
    logits = torch.tensor([[4.0, 0.0, 0.0]], requires_grad=True)
    target, wrong = torch.tensor([[0.9, 0.05, 0.05]]), torch.tensor([1])
    pull = torch.autograd.grad(elr(logits, wrong, target, 3.0), logits)[0][0, 0]
    assert pull < torch.autograd.grad(cross_entropy(logits, wrong), logits)[0][0, 0]
    assert elr(torch.tensor([[9.0, 0.0, 0.0]]), torch.tensor([0]), torch.tensor([[0.99, 0.0, 0.0]]), 3.0) < 0


def test_certain_predictions_stay_finite() -> None:
    """The clamp keeps log(1 - 1) away; a clamped entry gets no gradient from the regulariser."""
    logits = torch.tensor([[200.0, -200.0, 0.0]], requires_grad=True)
    memory = torch.zeros(1, 3)
    for _ in range(50):
        targets = update_targets(memory, logits, torch.tensor([0]), 0.7)
    loss = elr(logits, torch.tensor([0]), targets, 3.0)
    gradient = torch.autograd.grad(loss, logits)[0]
    assert torch.isfinite(loss) and torch.isfinite(gradient).all()
    assert gradient.abs().max() < 1e-6
    assert F.cross_entropy(logits, torch.tensor([0])).item() == 0
