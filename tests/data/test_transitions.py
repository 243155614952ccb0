"""Which class is mistaken for which: the published maps, and matrices that are distributions."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from explorer.data.transitions import CIFAR10, CIFAR100_GROUPS, DIGITS, TARGETED, asked_transition, flip_target, transition_matrix
from tests.support import names

# Fine classes in torchvision's order (alphabetical), and the coarse class of each in the order of the binary files' coarse names.
CIFAR100 = tuple(sorted(name for group in CIFAR100_GROUPS.values() for name in group))
COARSE = """4 1 14 8 0 6 7 7 18 3 3 14 9 18 7 11 3 9 7 11 6 11 5 10 7 6 13 15 3 15 0 11 1 10 12 14 16 9 11 5 5 19 8 8 15 13 14 17 18 10
16 4 17 4 2 0 17 4 18 17 10 3 2 12 12 16 12 1 9 19 2 10 0 1 16 12 9 13 15 13 16 19 2 4 6 19 5 5 8 19 18 1 2 15 6 0 17 8 14 13"""
KINDS = ("none", "symmetric", "symmetric_inclusive", *TARGETED)


def mapping(noise: str, class_names: tuple[str, ...]) -> dict[str, str]:
    return {class_names[k]: class_names[t] for k, t in enumerate(flip_target(noise, class_names)) if k != t}


def test_asymmetric_maps_are_the_published_ones() -> None:
    assert mapping("asymmetric", CIFAR10) == {"truck": "automobile", "bird": "airplane", "cat": "dog", "dog": "cat", "deer": "horse"}
    assert mapping("asymmetric", DIGITS) == {"2": "7", "3": "8", "5": "6", "6": "5", "7": "1"}
    assert flip_target("asymmetric", names(4)).tolist() == [1, 2, 3, 0]


def test_the_coarse_groups_are_those_of_the_published_files() -> None:
    """The table by name against the coarse number that the set's own files give each fine number."""
    coarse = np.array(COARSE.split(), dtype=int)
    by_name = {name: g for g, group in enumerate(CIFAR100_GROUPS.values()) for name in group}
    assert len(by_name) == 100 and [by_name[name] for name in CIFAR100] == coarse.tolist()


def assert_cycles(target: np.ndarray, coarse: np.ndarray) -> None:
    """Each class goes to the next number of its coarse group, the last of the five to the first."""
    for group in range(20):
        members = np.flatnonzero(coarse == group)
        assert target[members].tolist() == [*members[1:], members[0]]


def test_asymmetric_on_cifar100_goes_round_each_coarse_group() -> None:
    assert_cycles(flip_target("asymmetric", CIFAR100), np.array(COARSE.split(), dtype=int))
    found = mapping("asymmetric", CIFAR100)
    assert (found["baby"], found["woman"], found["train"]) == ("boy", "baby", "bicycle")


@pytest.mark.parametrize("spell", [str.title, lambda name: name.replace("_", " "), lambda name: "cra" if name == "crab" else name])
def test_cifar100_is_recognised_by_its_names_in_any_order_and_spelling(spell: Callable[[str], str]) -> None:
    order = np.random.default_rng(0).permutation(100)
    written = tuple(spell(CIFAR100[k]) for k in order)
    assert_cycles(flip_target("asymmetric", written), np.array(COARSE.split(), dtype=int)[order])
    stranger = ("wug", *CIFAR100[1:])
    assert flip_target("asymmetric", stranger).tolist() == [*range(1, 100), 0]


def test_pair_flip_is_the_next_class_whatever_the_names() -> None:
    for class_names in (names(2), names(3), DIGITS, CIFAR10, CIFAR100):
        K = len(class_names)
        assert flip_target("pair_flip", class_names).tolist() == [*range(1, K), 0]


def test_blocks_are_five_consecutive_classes_and_what_is_left() -> None:
    assert flip_target("asymmetric_blocks", names(12)).tolist() == [1, 2, 3, 4, 0, 6, 7, 8, 9, 5, 11, 10]
    assert flip_target("asymmetric_blocks", names(6)).tolist() == [1, 2, 3, 4, 0, 5]
    assert flip_target("asymmetric_blocks", names(3)).tolist() == [1, 2, 0]
    hundred = flip_target("asymmetric_blocks", CIFAR100)
    assert np.array_equal(hundred // 5, np.arange(100) // 5)
    assert CIFAR100[hundred[4]] == "apple"  # a beaver: the blocks are not the coarse groups


@pytest.mark.parametrize("noise", KINDS)
@pytest.mark.parametrize("class_names", [names(2), names(3), CIFAR10, DIGITS, CIFAR100], ids=lambda c: f"{len(c)} {c[0]}")
@pytest.mark.parametrize("rate", [0.0, 0.01, 0.2, 0.5, 0.999, 1.0])
def test_an_asked_transition_is_a_distribution_over_given_labels_for_each_true_one(
    noise: str, class_names: tuple[str, ...], rate: float
) -> None:
    T = asked_transition(noise, rate, class_names)
    assert T.shape == (len(class_names),) * 2
    assert (T >= 0).all()
    assert np.abs(T.sum(axis=1) - 1).max() < 1e-12
    if noise in TARGETED:
        moved = flip_target(noise, class_names) != np.arange(len(class_names))
        assert np.allclose(1 - np.diag(T), rate * moved, atol=1e-15)


def test_a_transition_reads_true_then_given_and_an_absent_class_has_the_identity_row() -> None:
    T = transition_matrix(np.array([0, 0, 0, 0, 2]), np.array([0, 1, 1, 1, 2]), 4)
    assert T.tolist() == [[0.25, 0.75, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]]


def test_a_counted_transition_is_scikit_learns_confusion_matrix_by_row() -> None:
    from sklearn.metrics import confusion_matrix

    rng = np.random.default_rng(0)
    true, given = rng.integers(0, 7, 1000), rng.integers(0, 7, 1000)
    assert np.abs(transition_matrix(true, given, 7) - confusion_matrix(true, given, normalize="true")).max() < 1e-15
