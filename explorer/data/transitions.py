"""Which class is mistaken for which: the published maps, and transition matrices T[true, given].

Every T is float64 ``[K, K]`` with rows that sum to 1; cleanlab's ``noise_matrix[given, true]`` is the transpose.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from explorer.records import Array

CIFAR10 = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
DIGITS = tuple(str(d) for d in range(10))
# CIFAR-10: truck -> automobile, bird -> airplane, cat <-> dog, deer -> horse (ELR, arXiv:2007.00151).
# Digits: 2 -> 7, 3 -> 8, 5 <-> 6, 7 -> 1 (loss correction, arXiv:1609.03683).
LOOK_ALIKES: dict[tuple[str, ...], dict[int, int]] = {
    CIFAR10: {9: 1, 2: 0, 3: 5, 5: 3, 4: 7},
    DIGITS: {2: 7, 3: 8, 5: 6, 6: 5, 7: 1},
}
# The coarse groups of CIFAR-100 (Krizhevsky 2009, table on the set's home page), fine classes as torchvision names them.
CIFAR100_GROUPS: dict[str, tuple[str, ...]] = {
    "aquatic mammals": ("beaver", "dolphin", "otter", "seal", "whale"),
    "fish": ("aquarium_fish", "flatfish", "ray", "shark", "trout"),
    "flowers": ("orchid", "poppy", "rose", "sunflower", "tulip"),
    "food containers": ("bottle", "bowl", "can", "cup", "plate"),
    "fruit and vegetables": ("apple", "mushroom", "orange", "pear", "sweet_pepper"),
    "household electrical devices": ("clock", "keyboard", "lamp", "telephone", "television"),
    "household furniture": ("bed", "chair", "couch", "table", "wardrobe"),
    "insects": ("bee", "beetle", "butterfly", "caterpillar", "cockroach"),
    "large carnivores": ("bear", "leopard", "lion", "tiger", "wolf"),
    "large man-made outdoor things": ("bridge", "castle", "house", "road", "skyscraper"),
    "large natural outdoor scenes": ("cloud", "forest", "mountain", "plain", "sea"),
    "large omnivores and herbivores": ("camel", "cattle", "chimpanzee", "elephant", "kangaroo"),
    "medium-sized mammals": ("fox", "porcupine", "possum", "raccoon", "skunk"),
    "non-insect invertebrates": ("crab", "lobster", "snail", "spider", "worm"),
    "people": ("baby", "boy", "girl", "man", "woman"),
    "reptiles": ("crocodile", "dinosaur", "lizard", "snake", "turtle"),
    "small mammals": ("hamster", "mouse", "rabbit", "shrew", "squirrel"),
    "trees": ("maple_tree", "oak_tree", "palm_tree", "pine_tree", "willow_tree"),
    "vehicles 1": ("bicycle", "bus", "motorcycle", "pickup_truck", "train"),
    "vehicles 2": ("lawn_mower", "rocket", "streetcar", "tank", "tractor"),
}
MISSPELT = {"cra": "crab"}  # in the copy of CIFAR-100 on the Hugging Face hub
BLOCK = 5  # consecutive classes that asymmetric_blocks stays within
TARGETED = ("pair_flip", "asymmetric", "asymmetric_blocks")  # noise kinds that give every class one target


def spelling(class_name: str) -> str:
    """A class name as it is compared with those of another set: lower case, words joined by underscores."""
    plain = class_name.strip().lower().replace(" ", "_").replace("-", "_")
    return MISSPELT.get(plain, plain)


def flip_target(noise: str, class_names: tuple[str, ...]) -> Array:
    """int64 ``[K]``: the class each class is mistaken for by a noise kind of TARGETED; itself where it is left alone.

    Source:
        asymmetric_blocks is what the code of ELR (arXiv:2007.00151) does to CIFAR-100. Departure: asymmetric takes the
        set's real coarse groups, which those blocks of the alphabet are not, though meant to be.
    """
    K = len(class_names)
    if noise == "pair_flip":
        return _cycles(K, [range(K)])
    if noise == "asymmetric_blocks":
        return _cycles(K, [range(start, min(start + BLOCK, K)) for start in range(0, K, BLOCK)])
    if groups := _coarse_groups(class_names):
        return _cycles(K, groups)
    target = np.arange(K)
    look_alikes = LOOK_ALIKES.get(class_names, {k: (k + 1) % K for k in range(K)})
    target[list(look_alikes)] = list(look_alikes.values())
    return target


def _cycles(num_classes: int, groups: Sequence[Sequence[int]]) -> Array:
    """int64 ``[K]``: the next member of each class's group, the first after the last."""
    target = np.arange(num_classes)
    for group in groups:
        target[list(group)] = np.roll(group, -1)
    return target


def _coarse_groups(class_names: tuple[str, ...]) -> list[list[int]]:
    """The groups of CIFAR-100 as ascending class numbers, however the classes are ordered; [] for any other set."""
    number = {spelling(name): k for k, name in enumerate(class_names)}
    if number.keys() != {name for group in CIFAR100_GROUPS.values() for name in group}:
        return []
    return [sorted(number[name] for name in group) for group in CIFAR100_GROUPS.values()]


def asked_transition(noise: str, rate: float, class_names: tuple[str, ...]) -> Array:
    """T as asked for, of the noise kinds that look at nothing but the class; the identity for none."""
    K = len(class_names)
    identity = np.eye(K)
    if noise == "symmetric":
        return (1 - rate) * identity + rate / (K - 1) * (1 - identity)
    if noise == "symmetric_inclusive":
        return (1 - rate) * identity + rate / K
    if noise in TARGETED:
        return (1 - rate) * identity + rate * identity[flip_target(noise, class_names)]
    return identity


def transition_matrix(true_label: Array, given_label: Array, num_classes: int) -> Array:
    """T as counted; a class without examples has the identity row."""
    pairs = np.bincount(true_label * num_classes + given_label, minlength=num_classes**2)
    return row_shares(pairs.reshape(num_classes, num_classes))


def row_shares(counts: Array) -> Array:
    """``[K, K]`` counts or weights divided by their row sums; the identity row where there are none."""
    total = counts.sum(axis=1, keepdims=True)
    return np.where(total > 0, counts / np.where(total > 0, total, 1), np.eye(len(counts)))
