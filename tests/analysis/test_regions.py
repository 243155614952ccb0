"""Which runs may be compared, and where they stand."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from explorer.analysis.regions import comparable, regions
from explorer.config import RunConfig

BASE = RunConfig(noise="symmetric", loss="elr", schedule="constant")
DIFFERENT = {
    "dataset": "planted", "label_column": "x", "true_label_column": "x", "image_size": 16, "train_size": 100, "noise": "asymmetric",
    "noise_rate": 0.9, "data_seed": 7, "loss": "ce", "elr_beta": 0.1, "elr_lambda": 1.0,
}  # fmt: skip
FREE = {"model": "mlp", "width": 8, "seed": 3, "epochs": 77, "momentum": 0.5, "weight_decay": 0.1, "curvature_every": 0}


@pytest.mark.parametrize("name", DIFFERENT)
@pytest.mark.parametrize("fixed_rate", [False, True])
def test_other_data_labels_or_loss_cannot_be_compared(name: str, fixed_rate: bool) -> None:
    other = dataclasses.replace(BASE, **{name: DIFFERENT[name]})
    assert not comparable(BASE, other, fixed_rate=fixed_rate)
    assert not comparable(other, BASE, fixed_rate=fixed_rate)


@pytest.mark.parametrize("name", FREE)
@pytest.mark.parametrize("fixed_rate", [False, True])
def test_other_models_and_seeds_can(name: str, fixed_rate: bool) -> None:
    assert comparable(BASE, dataclasses.replace(BASE, **{name: FREE[name]}), fixed_rate=fixed_rate)


@pytest.mark.parametrize(
    ("name", "value", "paper", "fixed"),
    [
        ("schedule", "cosine", False, True),
        ("lr", 0.5, False, True),
        ("batch_size", 7, False, False),
        ("susceptibility_lr", 0.5, True, False),
    ],
)
def test_each_probe_needs_its_own_settings_equal(name: str, value: object, paper: bool, fixed: bool) -> None:
    other = dataclasses.replace(BASE, **{name: value})
    assert comparable(BASE, other) is paper
    assert comparable(BASE, other, fixed_rate=True) is fixed


def test_settings_without_effect_do_not_keep_runs_apart() -> None:
    assert comparable(RunConfig(noise="none", noise_rate=0.1), RunConfig(noise="none", noise_rate=0.9))
    assert comparable(RunConfig(loss="ce", elr_beta=0.1), RunConfig(loss="ce", elr_beta=0.9))


@pytest.mark.parametrize("N", range(4))
def test_fewer_than_four_runs_have_no_regions(N: int) -> None:
    assert regions([0.1] * N, [0.5] * N) is None


def test_regions_by_hand() -> None:
    found = regions([0.0, 1.0, 0.0, 1.0], [0.9, 0.9, 0.1, 0.1])
    assert found is not None
    assert found.region == (1, 2, 3, 4)  # resistant and trainable; trainable; resistant; neither
    assert (found.susceptibility, found.train_accuracy) == (0.5, 0.5)


@pytest.mark.parametrize("seed", range(5))
def test_regions_equal_a_plain_loop_and_do_not_depend_on_the_order(seed: int) -> None:
    rng = np.random.default_rng(seed)
    x, y = rng.normal(0.3, 0.2, 9), rng.random(9)
    found = regions(list(x), list(y))
    assert found is not None
    mean_x, mean_y = sum(x) / 9, sum(y) / 9
    for a, b, region in zip(x, y, found.region, strict=True):
        trainable, resistant = b >= mean_y, a <= mean_x
        assert region == {(True, True): 1, (True, False): 2, (False, True): 3, (False, False): 4}[trainable, resistant]
    order = rng.permutation(9)
    moved = regions(list(x[order]), list(y[order]))
    assert moved is not None
    assert moved.region == tuple(found.region[i] for i in order)


def test_equal_runs_are_all_in_the_first_region() -> None:
    found = regions([0.25] * 4, [0.5] * 4)
    assert found is not None and found.region == (1, 1, 1, 1)
