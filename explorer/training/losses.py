"""Training losses: pure functions of logits, labels and, for ELR, targets. Each is a mean over the batch, in nats."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

CLAMP = 1e-4


def cross_entropy(logits: Tensor, label: Tensor) -> Tensor:
    """Mean cross-entropy of logits ``[B, K]`` against labels, int64 ``[B]`` or shares of classes ``[B, K]``."""
    return F.cross_entropy(logits, label)


def label_smoothing(logits: Tensor, given_label: Tensor, share: float) -> Tensor:
    """Cross-entropy against labels of which ``share`` is spread over all K classes, the given one included.

    Source:
        Szegedy et al., arXiv:1512.00567; against wrong labels: Lukasik et al., arXiv:2003.02819.
    """
    return F.cross_entropy(logits, given_label, label_smoothing=share)


def generalized_cross_entropy(logits: Tensor, given_label: Tensor, q: float) -> Tensor:
    """(1 - p_y^q) / q: cross-entropy as q goes to 0, mean absolute error (up to a factor of 2) at q = 1.

    Source:
        Zhang and Sabuncu, arXiv:1805.07836, without their pruning of images of low confidence.
    """
    log_p = F.log_softmax(logits, dim=1).gather(1, given_label[:, None])
    return (-torch.expm1(q * log_p) / q).mean()


def update_targets(memory: Tensor, logits: Tensor, batch: Tensor, beta: float) -> Tensor:
    """ELR's target memory ``[N, K]``: t <- beta t + (1 - beta) p / sum(p) for the rows of ``batch``, in place.

    p is the softmax clamped to [1e-4, 1 - 1e-4], without gradient. Returns the updated rows ``[B, K]``.
    """
    p = torch.softmax(logits.detach().to(memory.dtype), dim=1).clamp(CLAMP, 1 - CLAMP)
    memory[batch] = beta * memory[batch] + (1 - beta) * p / p.sum(dim=1, keepdim=True)
    return memory[batch]


def elr(logits: Tensor, label: Tensor, targets: Tensor, weight: float) -> Tensor:
    """Early-learning regularization: cross-entropy + weight * mean log(1 - <targets, p>); may be negative.

    Args:
        label: int64 ``[B]``, or shares of classes ``[B, K]`` (ELR+, where labels and targets are mixed like the images).
        targets: ``[B, K]``, without gradient.

    Source:
        Liu, Niles-Weed, Razavian, Fernandez-Granda, NeurIPS 2020, arXiv:2007.00151, as in the authors' code:
        p clamped to [1e-4, 1 - 1e-4] in the regulariser only.
    """
    p = torch.softmax(logits, dim=1).clamp(CLAMP, 1 - CLAMP)
    return F.cross_entropy(logits, label) + weight * torch.log(1 - (targets * p).sum(dim=1)).mean()


def ramp(done: float) -> float:
    """exp(-5 (1 - done)^2), from 0.0067 at 0 to 1 at ``done`` = 1 and beyond: ELR+'s ramp-up of averaging and of lambda."""
    return math.exp(-5 * (1 - min(1.0, done)) ** 2)
