"""Label noise: labels made wrong on purpose, in exact numbers, from a seed, and accounted for.

Counts are drawn exactly over the whole set (largest remainders where they are per class): truncating a
count per class, as some noise generators do, gives no noise at all on small classes.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from explorer.config import ConfigError, RunConfig
from explorer.data.splits import generator, stratified_pick
from explorer.records import Array, Dataset, Labels, freeze

CIFAR10 = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
DIGITS = tuple(str(d) for d in range(10))
# CIFAR-10: truck -> automobile, bird -> airplane, cat <-> dog, deer -> horse (ELR, arXiv:2007.00151).
# Digits: 2 -> 7, 3 -> 8, 5 <-> 6, 7 -> 1 (loss correction, arXiv:1609.03683).
LOOK_ALIKES: dict[tuple[str, ...], dict[int, int]] = {
    CIFAR10: {9: 1, 2: 0, 3: 5, 5: 3, 4: 7},
    DIGITS: {2: 7, 3: 8, 5: 6, 6: 5, 7: 1},
}


def asymmetric_target(class_names: tuple[str, ...]) -> Array:
    """int64 ``[K]``: the class each class is mistaken for; itself where it is left alone.

    CIFAR-10 and digits have look-alike maps of their own; any other set maps each class to the next.
    """
    K = len(class_names)
    target = np.arange(K)
    look_alikes = LOOK_ALIKES.get(class_names, {k: (k + 1) % K for k in range(K)})
    target[list(look_alikes)] = list(look_alikes.values())
    return target


def asked_transition(noise: str, rate: float, class_names: tuple[str, ...]) -> Array:
    """float64 ``[K, K]``, T[true, given] as asked for; rows sum to 1."""
    K = len(class_names)
    identity = np.eye(K)
    if noise == "symmetric":
        return (1 - rate) * identity + rate / (K - 1) * (1 - identity)
    if noise == "symmetric_inclusive":
        return (1 - rate) * identity + rate / K
    if noise == "asymmetric":
        return (1 - rate) * identity + rate * identity[asymmetric_target(class_names)]
    return identity


def transition_matrix(true_label: Array, given_label: Array, num_classes: int) -> Array:
    """float64 ``[K, K]``, T[true, given] as realised; a class without examples has the identity row.

    cleanlab's ``noise_matrix[given, true]`` is the transpose.
    """
    counts = np.zeros((num_classes, num_classes))
    np.add.at(counts, (true_label, given_label), 1)
    total = counts.sum(axis=1, keepdims=True)
    return np.where(total > 0, counts / np.maximum(total, 1), np.eye(num_classes))


def expected_wrong_rate(config: RunConfig, dataset: Dataset) -> float | None:
    """Share of wrong labels a run would start from, before drawing it; None where truth is unknown."""
    T = asked_transition(config.noise, config.noise_rate, dataset.class_names)
    base = _reference(dataset)
    wrong_already = dataset.given_label != base
    if config.noise == "none" and dataset.true_label is None:
        return None
    flipped = (1 - np.diag(T))[base]
    return float(np.where(wrong_already, 1.0, flipped).mean())


# -- drawing: each returns the new labels of ``labels`` ([n], all of them right so far) ----------


def symmetric(labels: Array, rate: float, class_names: tuple[str, ...], rng: np.random.Generator) -> Array:
    """Flip exactly ``round(rate * n)`` labels, each to one of the other K - 1 classes."""
    picked = rng.permutation(len(labels))[: round(rate * len(labels))]
    K = len(class_names)
    flipped = labels.copy()
    flipped[picked] = (labels[picked] + rng.integers(1, K, size=len(picked))) % K
    return flipped


def symmetric_inclusive(labels: Array, rate: float, class_names: tuple[str, ...], rng: np.random.Generator) -> Array:
    """Redraw exactly ``round(rate * n)`` labels over all K classes, the true one included (the papers' variant)."""
    picked = rng.permutation(len(labels))[: round(rate * len(labels))]
    redrawn = labels.copy()
    redrawn[picked] = rng.integers(0, len(class_names), size=len(picked))
    return redrawn


def asymmetric(labels: Array, rate: float, class_names: tuple[str, ...], rng: np.random.Generator) -> Array:
    """Move the share ``rate`` of every class that has a look-alike to it; other classes stay untouched."""
    target = asymmetric_target(class_names)
    candidates = np.flatnonzero(target[labels] != labels)
    moved = labels.copy()
    if len(candidates):
        picked = candidates[stratified_pick(labels[candidates], round(rate * len(candidates)), rng)]
        moved[picked] = target[labels[picked]]
    return moved


NOISES: dict[str, Callable[[Array, float, tuple[str, ...], np.random.Generator], Array]] = {
    "symmetric": symmetric,
    "symmetric_inclusive": symmetric_inclusive,
    "asymmetric": asymmetric,
}


def make_labels(config: RunConfig, dataset: Dataset) -> Labels:
    """The labels this run trains on: the data's own, with the noise asked for drawn over those still right.

    Labels that are wrong already (planted, or a second human label column) are left as they are, so that
    every wrong label has exactly one origin.

    Raises:
        ConfigError: if noise is asked for on top of a pair of (given, true) label columns.
    """
    base = _reference(dataset)
    wrong_already = dataset.given_label != base
    if dataset.planted is None and dataset.true_label is not None and wrong_already.any() and config.noise != "none":
        raise ConfigError("noise", config.noise, "cannot be added: the two label columns are real noise already; use none")
    given = dataset.given_label.copy()
    if config.noise != "none":
        right = np.flatnonzero(~wrong_already)
        rng = generator(config.data_seed, "flips")
        given[right] = NOISES[config.noise](given[right], config.noise_rate, dataset.class_names, rng)
    return _account(config, dataset, given, base, wrong_already)


def _account(config: RunConfig, dataset: Dataset, given: Array, base: Array, wrong_already: Array) -> Labels:
    origin = np.full(len(given), "", dtype="<U8")
    origin[wrong_already] = "planted" if dataset.planted is not None else "recorded"
    origin[(given != base) & ~wrong_already] = "flipped"
    known = dataset.true_label is not None or config.noise != "none"
    K = dataset.num_classes
    return Labels(
        given_label=freeze(given),
        true_label=freeze(base) if known else None,
        is_mislabeled=freeze(given != base) if known else None,
        wrong_origin=freeze(origin),
        asked_rate=config.noise_rate if config.noise != "none" else 0.0,
        wrong_rate=float((given != base).mean()) if known else None,
        asked_transition=freeze(asked_transition(config.noise, config.noise_rate, dataset.class_names)) if known else None,
        transition=freeze(transition_matrix(base, given, K)) if known else None,
    )


def _reference(dataset: Dataset) -> Array:
    """The labels noise starts from: the true ones where known, else the source's own, taken as right."""
    return dataset.given_label if dataset.true_label is None else dataset.true_label
