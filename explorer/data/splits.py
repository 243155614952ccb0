"""Seeded, stratified choices of examples. Every function owns its generator; the global one is never touched."""

from __future__ import annotations

import numpy as np

from explorer.config import ConfigError
from explorer.records import Array, DataError

PURPOSES = ("test split", "subset", "flips", "hold-out", "planted")


def generator(seed: int, purpose: str) -> np.random.Generator:
    """One private generator per seed and purpose, so that asking one question never changes another's answer."""
    return np.random.default_rng([seed, PURPOSES.index(purpose)])


def stratified_pick(labels: Array, size: int, rng: np.random.Generator) -> Array:
    """Pick exactly ``size`` positions, each class in its share (largest remainders, then at random).

    Args:
        labels: int ``[N]``.
        size: 0 to N.

    Returns:
        int64 ``[size]`` positions in ascending order.
    """
    classes, counts = np.unique(labels, return_counts=True)
    quota = size * counts / len(labels)
    take = np.floor(quota).astype(int)
    by_remainder = np.lexsort((rng.random(len(classes)), -(quota - take)))
    take[by_remainder[: size - take.sum()]] += 1
    picked = [rng.permutation(np.flatnonzero(labels == c))[:n] for c, n in zip(classes, take, strict=True)]
    return np.sort(np.concatenate(picked)).astype(np.int64)


def training_subset(labels: Array, train_size: int, seed: int) -> Array:
    """Positions of the training images a run uses: all for ``train_size`` 0, else a stratified subset.

    Raises:
        ConfigError: if ``train_size`` is beyond the data.
        DataError: if there are too few images or classes to train on.
    """
    if train_size > len(labels):
        raise ConfigError("train_size", train_size, f"is more than the {len(labels):,} training images there are; use 0 for all")
    picked = np.arange(len(labels)) if train_size == 0 else stratified_pick(labels, train_size, generator(seed, "subset"))
    if len(picked) < 4:
        raise DataError(f"only {len(picked)} training images: at least 4 are needed to train a classifier")
    if len(np.unique(labels[picked])) < 2:
        raise DataError("all training images have the same label: a classifier needs at least two classes")
    return picked


def hold_out(labels: Array, share: float, seed: int, purpose: str = "hold-out") -> tuple[Array, Array]:
    """Split positions into (train, test), stratified, with ``round(share * N)`` test images (at least one)."""
    size = max(1, round(share * len(labels)))
    test = stratified_pick(labels, size, generator(seed, purpose))
    return np.setdiff1d(np.arange(len(labels)), test), test
