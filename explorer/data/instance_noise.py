"""Instance-dependent noise: which wrong label an image gets, and how likely, depends on its pixels."""

from __future__ import annotations

import numpy as np

from explorer.records import Array

SPREAD = 0.1  # standard deviation of the flip rates before truncation
CHUNK = 2_048  # images whose pixels are held as floats at once


def instance_dependent(images: Array, label: Array, rate: float, num_classes: int, rng: np.random.Generator) -> tuple[Array, Array]:
    """Draw wrong labels by part-dependent noise.

    Image i is flipped with a chance q_i of its own. If it is, the chance of class k is the softmax over the other classes of
    x_i W_y, with x_i its pixels and W_y a random projection for its class y.

    Args:
        images: uint8 ``[n, H, W, C]``. label: int64 ``[n]``, all right so far.
        rate: mean of the flip rates before truncation (see ``flip_rates``).

    Returns:
        New labels int64 ``[n]``, and float64 ``[K, K]`` the chances P[true, given] summed over the images of each class.

    Source:
        Xia et al., "Part-dependent Label Noise", arXiv:2006.07836, as in the authors' tools.py. Departure: pixels run from 0 to
        1 without further normalisation.
    """
    q = flip_rates(len(label), rate, rng)
    u = rng.random(len(label))
    given, total = label.copy(), np.zeros((num_classes, num_classes))
    inputs = int(np.prod(images.shape[1:]))
    for k, own in enumerate(rng.spawn(num_classes)):
        members = np.flatnonzero(label == k)
        if not len(members):
            continue
        W = own.standard_normal((inputs, num_classes)) / 255  # the pixels' scale, divided out once
        for start in range(0, len(members), CHUNK):
            rows = members[start : start + CHUNK]
            # float64: in single precision the last digits depend on the number of threads, and with them now and then a label
            logits = images[rows].reshape(len(rows), -1).astype(np.float64) @ W
            P = _chances(logits, k, q[rows])
            given[rows] = (u[rows, None] >= P.cumsum(axis=1)[:, :-1]).sum(axis=1)
            total[k] += P.sum(axis=0)
    return given, total


def flip_rates(count: int, rate: float, rng: np.random.Generator) -> Array:
    """float64 ``[count]`` in [0, 1]: the chance of each image to be flipped, Normal(rate, 0.1^2) truncated to [0, 1].

    Truncation moves their mean away from ``rate`` near 0 and 1: a rate of 0 flips 8 %, a rate of 1 leaves 8 %.
    """
    q = rng.normal(rate, SPREAD, count)
    while len(outside := np.flatnonzero((q < 0) | (q > 1))):
        q[outside] = rng.normal(rate, SPREAD, len(outside))
    return q


def _chances(logits: Array, own: int, q: Array) -> Array:
    """float64 ``[n, K]`` chance of each label for images of class ``own``; rows sum to 1."""
    logits[:, own] = -np.inf
    P = np.exp(logits - logits.max(axis=1, keepdims=True))
    P *= (q / P.sum(axis=1))[:, None]
    P[:, own] = 1 - q
    return P
