"""The small-loss criterion: two kinds of losses, told apart by a mixture of two normal distributions."""

from __future__ import annotations

import numpy as np

from explorer.records import Array

STEPS, TOLERANCE, LEAST_VARIANCE = 10, 1e-2, 5e-4  # of the authors' mixture


def small_loss_gmm(loss: Array) -> Array:
    """Chance that each image's loss belongs with the large ones.

    Args:
        loss: ``[N]`` in nats, of one epoch.

    Returns:
        float64 ``[N]`` in [0, 1]: 1 minus the posterior of the component with the lower mean, high is suspicious. Far out
        it saturates, so the top of the list may tie. 0 throughout where all losses are equal: nothing stands out.

    Source:
        Li, Socher, Hoi, "DivideMix", ICLR 2020, arXiv:2002.07394: losses scaled to [0, 1], at most 10 steps of
        expectation-maximisation, tolerance 1e-2, 5e-4 added to each variance. Departure: it starts from the losses below and
        above their mean; the authors start from k-means, which depends on the order of the images.
    """
    loss = loss.astype(np.float64)
    if loss.min() == loss.max():
        return np.zeros(len(loss))
    scaled = (loss - loss.min()) / (loss.max() - loss.min())
    large = scaled > scaled.mean()
    weight, mean, variance = _maximise(scaled, np.stack([~large, large]).astype(np.float64))
    before = -np.inf
    for _ in range(STEPS):
        share, likelihood = _expect(scaled, weight, mean, variance)
        weight, mean, variance = _maximise(scaled, share)
        if abs(likelihood - before) < TOLERANCE:
            break
        before = likelihood
    return _expect(scaled, weight, mean, variance)[0][np.argmax(mean)]


def _expect(x: Array, weight: Array, mean: Array, variance: Array) -> tuple[Array, float]:
    """(posterior ``[2, N]`` of either component, mean log-likelihood in nats)."""
    log = np.log(weight / np.sqrt(2 * np.pi * variance))[:, None] - (x - mean[:, None]) ** 2 / (2 * variance[:, None])
    total = np.logaddexp(log[0], log[1])
    return np.exp(log - total), float(total.mean())


def _maximise(x: Array, share: Array) -> tuple[Array, Array, Array]:
    """(weight, mean, variance), each ``[2]``, of components that own the images by these shares ``[2, N]``."""
    count = share.sum(axis=1) + 10 * np.finfo(np.float64).eps  # a component may lose all its images
    mean = (share * x).sum(axis=1) / count
    variance = (share * (x - mean[:, None]) ** 2).sum(axis=1) / count + LEAST_VARIANCE
    return count / count.sum(), mean, variance
