"""Label noise: labels made wrong on purpose, in exact numbers, from a seed, and accounted for.

Counts are drawn exactly over the whole set (largest remainders where they are per class): truncating a
count per class, as some noise generators do, gives no noise at all on small classes. Labels that are wrong
already (planted, or a second human label column) are left as they are, so that every wrong label has one origin.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from explorer.config import WITHOUT_RATE, ConfigError, DataConfig
from explorer.data.catalogue import foreign_set
from explorer.data.instance_noise import flip_rates, instance_dependent
from explorer.data.open_set import replace_images
from explorer.data.splits import generator, stratified_pick
from explorer.data.transitions import TARGETED, asked_transition, flip_target, row_shares, transition_matrix
from explorer.records import NO_CLASS, Array, Dataset, Labels, freeze

TWIN = "class_conditional_twin"


def add_noise(config: DataConfig, dataset: Dataset) -> tuple[Dataset, Labels]:
    """The images and labels a run trains on: the data's own, with the noise asked for. Only open_set changes images.

    Args:
        dataset: as ``catalogue.load`` gives it for ``config``.

    Raises:
        ConfigError: as ``check_noise``, and for a source of foreign images that cannot be used.

    Source:
        symmetric, pair_flip: Han et al., arXiv:1804.06872. symmetric_inclusive, asymmetric, asymmetric_blocks: Liu et al.,
        arXiv:2007.00151. instance_dependent: Xia et al., arXiv:2006.07836. open_set: Wang et al., arXiv:1804.00092.
        class_conditional_twin: Wei et al., arXiv:2110.12088. Departure: there T is estimated and labels are drawn from it; here
        the human labels are permuted within each true class, which realises their T exactly.
    """
    check_noise(config, dataset)
    if config.noise == "open_set":
        return _open_set(config, dataset)
    true = _reference(dataset)
    flipped = _flip(config, dataset)
    wrong = flipped.given_label != true
    already = _wrong_already(dataset) & (config.noise != TWIN)
    origin = np.where(already, "recorded" if dataset.planted is None else "planted", np.where(wrong, "flipped", ""))
    known = dataset.true_label is not None or config.noise != "none"
    return dataset, Labels(
        given_label=freeze(flipped.given_label),
        true_label=freeze(true) if known else None,
        is_mislabeled=freeze(wrong) if known else None,
        wrong_origin=freeze(origin),
        asked_rate=0.0 if config.noise in WITHOUT_RATE else config.noise_rate,
        wrong_rate=float(wrong.mean()) if known else None,
        asked_transition=freeze(flipped.asked) if known else None,
        transition=freeze(transition_matrix(true, flipped.given_label, dataset.num_classes)) if known else None,
    )


def check_noise(config: DataConfig, dataset: Dataset) -> None:
    """Whether the noise asked for makes sense on these data; looks at the labels only.

    Raises:
        ConfigError: for noise on top of a pair of (given, true) label columns that differ, for a twin of human noise without
            such a pair, and for foreign images out of the set itself.
    """
    real = dataset.planted is None and dataset.true_label is not None and _wrong_already(dataset).any()
    if real and config.noise not in WITHOUT_RATE:
        raise ConfigError("noise", config.noise, f"cannot be added: the two label columns are real noise already; use none or {TWIN}")
    if config.noise == TWIN and not real:
        raise ConfigError("noise", TWIN, "needs a table with two label columns that differ: label_column and true_label_column")
    if config.noise == "open_set":
        foreign_set(config)


def expected_wrong_rate(config: DataConfig, dataset: Dataset) -> float | None:
    """Share of wrong labels a run would start from, before drawing it; None where truth is unknown."""
    if config.noise in WITHOUT_RATE and dataset.true_label is None:
        return None
    already = _wrong_already(dataset)
    right = _reference(dataset)[~already]
    if config.noise == "open_set":
        new = float(round(config.noise_rate * len(right)))
    elif config.noise == "instance_dependent":
        new = float(flip_rates(len(right), config.noise_rate, _rng(config)).sum())
    else:
        T = asked_transition(config.noise, config.noise_rate, dataset.class_names)
        new = float((1 - np.diag(T))[right].sum())
    return float(already.sum() + new) / len(already)


def expected_transition(config: DataConfig, dataset: Dataset) -> Array | None:
    """float64 ``[K, K]``, T[true, given] a run would start from, labels that are wrong already counted in.

    Instance-dependent noise has a T for each image; this is their mean over each true class. None for foreign images, which no
    T describes, and where truth is unknown.
    """
    if config.noise == "open_set" or (config.noise in WITHOUT_RATE and dataset.true_label is None):
        return None
    true, already = _reference(dataset), _wrong_already(dataset)
    if config.noise == TWIN:
        return transition_matrix(true, dataset.given_label, dataset.num_classes)
    asked = _flip(config, dataset).asked if config.noise == "instance_dependent" else _asked(config, dataset)
    weight = np.bincount(true[~already], minlength=dataset.num_classes)[:, None] * asked
    np.add.at(weight, (true[already], dataset.given_label[already]), 1)
    return row_shares(weight)


# -- drawing ---------------------------------------------------------------------------------------


class _Flipped(NamedTuple):
    given_label: Array  # int64 [N]
    asked: Array  # [K, K], T[true, given] of the noise alone


def _flip(config: DataConfig, dataset: Dataset) -> _Flipped:
    """Noise that leaves the images alone."""
    rng, given = _rng(config), dataset.given_label.copy()
    if config.noise == TWIN:
        true = _reference(dataset)
        return _Flipped(permute_within(given, true, rng), transition_matrix(true, given, dataset.num_classes))
    right = np.flatnonzero(~_wrong_already(dataset))
    if config.noise == "instance_dependent":
        images = dataset.train_images if len(right) == len(given) else dataset.train_images[right]
        given[right], chances = instance_dependent(images, given[right], config.noise_rate, dataset.num_classes, rng)
        return _Flipped(given, row_shares(chances))
    if config.noise == "symmetric":
        given[right] = symmetric(given[right], config.noise_rate, dataset.num_classes, rng)
    elif config.noise == "symmetric_inclusive":
        given[right] = symmetric_inclusive(given[right], config.noise_rate, dataset.num_classes, rng)
    elif config.noise in TARGETED:
        given[right] = targeted(given[right], config.noise_rate, flip_target(config.noise, dataset.class_names), rng)
    return _Flipped(given, _asked(config, dataset))


def _asked(config: DataConfig, dataset: Dataset) -> Array:
    return asked_transition(config.noise, config.noise_rate, dataset.class_names)


def symmetric(labels: Array, rate: float, num_classes: int, rng: np.random.Generator) -> Array:
    """Flip exactly ``round(rate * n)`` of ``[n]`` labels, each to one of the other K - 1 classes."""
    picked = _pick(len(labels), rate, rng)
    flipped = labels.copy()
    flipped[picked] = (labels[picked] + rng.integers(1, num_classes, size=len(picked))) % num_classes
    return flipped


def symmetric_inclusive(labels: Array, rate: float, num_classes: int, rng: np.random.Generator) -> Array:
    """Redraw exactly ``round(rate * n)`` of ``[n]`` labels over all K classes, the true one included (the papers' variant)."""
    picked = _pick(len(labels), rate, rng)
    redrawn = labels.copy()
    redrawn[picked] = rng.integers(0, num_classes, size=len(picked))
    return redrawn


def targeted(labels: Array, rate: float, target: Array, rng: np.random.Generator) -> Array:
    """Move the share ``rate`` of ``[n]`` labels of every class to its target; a class that is its own target stays untouched.

    Exactly ``round(rate * m)`` of the m labels that can move do, each class's share by largest remainders.
    """
    candidates = np.flatnonzero(target[labels] != labels)
    moved = labels.copy()
    if len(candidates):
        picked = candidates[stratified_pick(labels[candidates], round(rate * len(candidates)), rng)]
        moved[picked] = target[labels[picked]]
    return moved


def permute_within(given: Array, true: Array, rng: np.random.Generator) -> Array:
    """Given labels int64 ``[N]`` dealt anew among the images of each true class: same counts, no tie to the image."""
    dealt = given.copy()
    for k in np.unique(true):
        members = np.flatnonzero(true == k)
        dealt[members] = rng.permutation(given[members])
    return dealt


def _open_set(config: DataConfig, dataset: Dataset) -> tuple[Dataset, Labels]:
    """Replace exactly the asked share of the rightly labelled images; what the new ones show is none of the classes."""
    rng, already = _rng(config), _wrong_already(dataset)
    right = np.flatnonzero(~already)
    rows = right[np.sort(_pick(len(right), config.noise_rate, rng))]
    true, origin = _reference(dataset).copy(), np.where(already, "planted", np.full(len(already), "", dtype="<U7"))
    true[rows], origin[rows] = NO_CLASS, "foreign"
    wrong = dataset.given_label != true
    return replace_images(config, dataset, rows, rng), Labels(
        given_label=dataset.given_label,
        true_label=freeze(true),
        is_mislabeled=freeze(wrong),
        wrong_origin=freeze(origin),
        asked_rate=config.noise_rate,
        wrong_rate=float(wrong.mean()),
        asked_transition=None,
        transition=None,
    )


def _pick(count: int, rate: float, rng: np.random.Generator) -> Array:
    """Exactly ``round(rate * count)`` positions, in random order."""
    return rng.permutation(count)[: round(rate * count)]


def _rng(config: DataConfig) -> np.random.Generator:
    return generator(config.data_seed, "flips")


def _reference(dataset: Dataset) -> Array:
    """The labels noise starts from: the true ones where known, else the source's own, taken as right."""
    return dataset.given_label if dataset.true_label is None else dataset.true_label


def _wrong_already(dataset: Dataset) -> Array:
    """bool ``[N]``"""
    return np.asarray(dataset.given_label != _reference(dataset))
