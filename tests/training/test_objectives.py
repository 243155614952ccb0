"""Robust training objectives against their definitions, written out plainly."""

from __future__ import annotations

import copy
import dataclasses
import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from explorer.config import LOSSES, RunConfig
from explorer.training.losses import elr, generalized_cross_entropy, label_smoothing, ramp
from explorer.training.objectives import MANY_CLASSES, OBJECTIVES, RAMP_SHARE, Batch, draw_mix, update_average
from explorer.training.state import Learner, new_learner

B, N = 12, 40


def config(loss: str, **settings: object) -> RunConfig:
    return dataclasses.replace(RunConfig(model="mlp", width=2, loss=loss, lr=0.1, momentum=0.0), **settings)


def learner(config: RunConfig, num_classes: int = 10) -> Learner:
    """In float64, so that what is claimed to be equal is equal."""
    made = new_learner(config, images=N, channels=1, size=4, num_classes=num_classes, device="cpu")
    for member in made.members:
        member.model.double()
        member.memory = None if member.memory is None else member.memory.double()
        member.average = None if member.average is None else member.average.double()
    return made


def batch(num_classes: int = 10, done: float = 0.3, seed: int = 0) -> Batch:
    rng = torch.Generator().manual_seed(seed)
    inputs = torch.randn(B, 1, 4, 4, generator=rng, dtype=torch.float64)
    label = torch.randint(0, num_classes, (B,), generator=rng)
    return Batch(torch.randperm(N, generator=rng)[:B], inputs, label, done, np.random.default_rng(seed))


@pytest.fixture(autouse=True)
def in_float64(monkeypatch: pytest.MonkeyPatch) -> None:
    """The objectives compute in float32; here the claims are exact, so their casts go to float64."""
    monkeypatch.setattr(Tensor, "float", Tensor.double)


def gradient(loss: Tensor, model: torch.nn.Module) -> Tensor:
    return torch.cat([g.flatten() for g in torch.autograd.grad(loss, list(model.parameters()))])


def test_every_loss_has_an_objective() -> None:
    assert tuple(OBJECTIVES) == ("ce", "elr", "elr_plus", "gce", "label_smoothing", "mixup") == LOSSES


# -- ELR+ ------------------------------------------------------------------------------------------


def test_elr_plus_without_mixup_second_network_and_averaging_is_elr() -> None:
    """One batch: the other network's average is a copy of the network itself."""
    plain, plus = config("elr"), config("elr_plus", mixup_alpha=0.0, ema_momentum=0.0)
    one, two = learner(plain), learner(plus)
    two.members[1].average = copy.deepcopy(two.members[0].model)
    for step in range(3):
        one.members[0].model.train()
        two.members[0].model.train()
        a, b = OBJECTIVES["elr"](plain, one, 0, batch(seed=step)), OBJECTIVES["elr_plus"](plus, two, 0, batch(seed=step))
        assert a.item() == pytest.approx(b.item(), abs=1e-12)
        assert torch.allclose(gradient(a, one.members[0].model), gradient(b, two.members[0].model), atol=1e-12)
        assert one.members[0].memory is not None and two.members[0].memory is not None
        assert torch.allclose(one.members[0].memory, two.members[0].memory, atol=1e-14)


def written_out(config: RunConfig, learner: Learner, batch: Batch, share: float, other: list[int], weight: float) -> float:
    """ELR+'s loss of the first network, one image at a time, from an empty memory."""
    K, student, teacher = learner.num_classes, learner.members[0].model, learner.members[1].average
    assert teacher is not None
    with torch.no_grad():
        p_teacher = torch.softmax(teacher(batch.inputs), dim=1).clamp(1e-4, 1 - 1e-4)
    t = (1 - config.elr_beta) * p_teacher / p_teacher.sum(dim=1, keepdim=True)
    total = 0.0
    for i, j in enumerate(other):
        with torch.no_grad():
            z = student(share * batch.inputs[i : i + 1] + (1 - share) * batch.inputs[j : j + 1])[0]
        q = share * t[i] + (1 - share) * t[j]
        y = share * F.one_hot(batch.label[i], K).double() + (1 - share) * F.one_hot(batch.label[j], K).double()
        if K >= MANY_CLASSES:
            y = y * q / (y * q).sum()
        p = torch.softmax(z, dim=0).clamp(1e-4, 1 - 1e-4)
        total += float(-(y * torch.log_softmax(z, dim=0)).sum() + weight * torch.log(1 - (q * p).sum()))
    return total / B


@pytest.mark.parametrize(
    ("K", "done", "rise"), [(10, 0.3, 1.0), (100, 0.0, math.exp(-5)), (100, RAMP_SHARE / 2, math.exp(-1.25)), (100, 0.9, 1.0)]
)
def test_elr_plus_is_what_the_paper_writes(K: int, done: float, rise: float) -> None:
    """mixup of images, labels and targets, keeping the larger share; from 100 classes on lambda rises and labels are weighed."""
    settings = config("elr_plus", elr_lambda=3.0, elr_beta=0.7)
    made, data = learner(settings, K), batch(K, done)
    for member in made.members:
        member.model.train()
    draws = np.random.default_rng(0)
    share = float(draws.beta(1.0, 1.0))
    other = draws.permutation(B).tolist()
    expected = written_out(settings, made, data, max(share, 1 - share), other, 3.0 * rise)
    assert OBJECTIVES["elr_plus"](settings, made, 0, data).item() == pytest.approx(expected, abs=1e-10)


def test_the_teacher_gets_no_gradient_and_the_memory_moves_in_its_rows_only() -> None:
    settings = config("elr_plus")
    made, data = learner(settings), batch()
    OBJECTIVES["elr_plus"](settings, made, 0, data).backward()
    assert made.members[1].average is not None and made.members[0].memory is not None and made.members[1].memory is not None
    assert all(p.grad is None for p in made.members[1].average.parameters())
    assert all(p.grad is None for p in made.members[1].model.parameters())
    moved = made.members[0].memory.sum(dim=1) > 0
    assert sorted(moved.nonzero().flatten().tolist()) == sorted(data.rows.tolist())
    assert made.members[1].memory.abs().max() == 0


def test_weight_averages_follow_the_ramped_momentum_and_leave_buffers_alone() -> None:
    settings = config("elr_plus", ema_momentum=0.9, model="cnn", width=2)
    member = learner(settings).members[0]
    assert member.average is not None
    buffers = copy.deepcopy(dict(member.average.named_buffers()))
    expected = {name: p.detach().clone() for name, p in member.average.named_parameters()}
    for done in (0.0, 0.25, 0.6):
        momentum = 0.9 * math.exp(-5 * (1 - min(1, done / RAMP_SHARE)) ** 2)
        with torch.no_grad():
            for name, p in member.model.named_parameters():
                p.add_(0.1)
                expected[name] = momentum * expected[name] + (1 - momentum) * p
        update_average(settings, member, done)
    for name, p in member.average.named_parameters():
        assert torch.allclose(p, expected[name], atol=1e-14), name
    for name, buffer in member.average.named_buffers():
        assert torch.equal(buffer, buffers[name]), name


def test_the_ramp_rises_from_almost_nothing_to_one() -> None:
    assert [ramp(done) for done in (0.0, 0.5, 1.0, 7.0)] == pytest.approx([math.exp(-5), math.exp(-1.25), 1.0, 1.0], rel=1e-12)
    assert 0.5 < RAMP_SHARE < 0.52


# -- mixup -----------------------------------------------------------------------------------------


def test_mixup_is_the_mixed_cross_entropy_of_both_labels() -> None:
    settings = config("mixup", mixup_alpha=0.4)
    made, data = learner(settings), batch()
    draws = np.random.default_rng(0)
    share, other = float(draws.beta(0.4, 0.4)), torch.from_numpy(draws.permutation(B))
    logits = made.members[0].model(share * data.inputs + (1 - share) * data.inputs[other])
    expected = share * F.cross_entropy(logits, data.label) + (1 - share) * F.cross_entropy(logits, data.label[other])
    assert OBJECTIVES["mixup"](settings, made, 0, data).item() == pytest.approx(expected.item(), abs=1e-12)


def test_mixup_with_alpha_0_is_cross_entropy() -> None:
    made = learner(config("mixup"))
    a = OBJECTIVES["mixup"](config("mixup", mixup_alpha=0.0), made, 0, batch())
    assert a.item() == pytest.approx(OBJECTIVES["ce"](config("ce"), made, 0, batch()).item(), abs=1e-12)


def test_shares_of_mixup_follow_their_beta_distribution() -> None:
    rng = np.random.default_rng(0)
    data = batch()._replace(mixing=rng)
    shares = np.array([draw_mix(4.0, data).share for _ in range(4000)])
    assert shares.mean() == pytest.approx(0.5, abs=4 * math.sqrt(1 / 36 / 4000))  # Beta(4, 4): variance 1 / (4 * 9)
    assert shares.var() == pytest.approx(1 / 36, rel=0.1)


# -- one network, plain losses ---------------------------------------------------------------------


@pytest.mark.parametrize("q", [0.3, 0.7, 1.0])
def test_generalized_cross_entropy_has_its_closed_form_and_gradient(q: float) -> None:
    """(1 - p_y^q) / q; d/dz = p_y^q (p - y)."""
    rng = torch.Generator().manual_seed(3)
    logits = torch.randn(B, 5, generator=rng, dtype=torch.float64, requires_grad=True)
    label = torch.randint(0, 5, (B,), generator=rng)
    p = torch.softmax(logits.detach(), dim=1)
    p_y = p[torch.arange(B), label]
    loss = generalized_cross_entropy(logits, label, q)
    assert loss.item() == pytest.approx(((1 - p_y**q) / q).mean().item(), abs=1e-12)
    expected = (p_y**q)[:, None] * (p - F.one_hot(label, 5)) / B
    assert torch.allclose(torch.autograd.grad(loss, logits)[0], expected, atol=1e-12)


def test_generalized_cross_entropy_tends_to_cross_entropy_and_stays_finite() -> None:
    logits = torch.tensor([[3.0, 0.0], [0.0, 1.0]], dtype=torch.float64)
    label = torch.tensor([0, 0])
    assert generalized_cross_entropy(logits, label, 1e-7).item() == pytest.approx(F.cross_entropy(logits, label).item(), rel=1e-6)
    hopeless = torch.tensor([[0.0, 500.0]], requires_grad=True)
    loss = generalized_cross_entropy(hopeless, torch.tensor([0]), 0.7)
    assert torch.isfinite(torch.autograd.grad(loss, hopeless)[0]).all()
    assert loss.item() == pytest.approx(1 / 0.7)


def test_label_smoothing_is_cross_entropy_against_smoothed_labels() -> None:
    logits = torch.randn(B, 5, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    label = torch.arange(B) % 5
    soft = 0.8 * F.one_hot(label, 5).double() + 0.2 / 5
    expected = -(soft * torch.log_softmax(logits, dim=1)).sum(dim=1).mean()
    assert label_smoothing(logits, label, 0.2).item() == pytest.approx(expected.item(), abs=1e-12)
    assert label_smoothing(logits, label, 0.0).item() == pytest.approx(F.cross_entropy(logits, label).item(), abs=1e-12)


def test_elr_with_one_hot_shares_of_classes_is_elr_with_labels() -> None:
    logits = torch.randn(B, 5, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    label, targets = torch.arange(B) % 5, torch.softmax(logits.flip(0), dim=1)
    soft = F.one_hot(label, 5).double()
    assert elr(logits, soft, targets, 3.0).item() == pytest.approx(elr(logits, label, targets, 3.0).item(), abs=1e-12)
