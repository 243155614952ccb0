"""Training losses: pure functions of logits, labels and, for ELR, a target memory."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

CLAMP = 1e-4


def cross_entropy(logits: Tensor, given_label: Tensor) -> Tensor:
    """Mean cross-entropy in nats."""
    return F.cross_entropy(logits, given_label)


def update_targets(memory: Tensor, logits: Tensor, batch: Tensor, beta: float) -> Tensor:
    """ELR's target memory ``[N, K]``: t <- beta t + (1 - beta) p / sum(p) for the rows of ``batch``, in place.

    p is the softmax clamped to [1e-4, 1 - 1e-4], without gradient. Returns the updated rows ``[B, K]``.
    """
    p = torch.softmax(logits.detach().float(), dim=1).clamp(CLAMP, 1 - CLAMP)
    memory[batch] = beta * memory[batch] + (1 - beta) * p / p.sum(dim=1, keepdim=True)
    return memory[batch]


def elr(logits: Tensor, given_label: Tensor, targets: Tensor, weight: float) -> Tensor:
    """Early-learning regularization: cross-entropy + weight * mean log(1 - <targets, p>); may be negative.

    Source:
        Liu, Niles-Weed, Razavian, Fernandez-Granda, NeurIPS 2020, arXiv:2007.00151, as in the authors' code:
        p clamped to [1e-4, 1 - 1e-4] in the regulariser only; targets carry no gradient.
    """
    p = torch.softmax(logits.float(), dim=1).clamp(CLAMP, 1 - CLAMP)
    return F.cross_entropy(logits, given_label) + weight * torch.log(1 - (targets * p).sum(dim=1)).mean()
