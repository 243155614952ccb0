"""Which runs may be compared, and where they stand."""

from __future__ import annotations

import dataclasses
import math
import statistics

import numpy as np
import pytest
from scipy.stats import pearsonr, spearmanr

from explorer.analysis.regions import REGION_NAMES, Correlation, comparable, correlation, regions, summarise, why_not_comparable
from explorer.config import RunConfig

BASE = RunConfig(noise="symmetric", loss="elr", schedule="constant")
DIFFERENT = {
    "dataset": "planted", "label_column": "x", "true_label_column": "x", "image_size": 16, "train_size": 100, "noise": "asymmetric",
    "noise_rate": 0.9, "data_seed": 7, "loss": "ce", "elr_beta": 0.1, "elr_lambda": 1.0,
    "corrections": "/some/labels.csv", "test_split": "none",
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


# -- why not ----------------------------------------------------------------------------------------


def test_the_settings_that_differ_are_named() -> None:
    assert why_not_comparable(BASE, BASE) == ""
    other = dataclasses.replace(BASE, dataset="planted", loss="ce", lr=0.5)
    assert why_not_comparable(BASE, other) == (
        "Not comparable: they differ in dataset (digits and planted), loss (elr and ce) and lr (0.03 and 0.5)."
    )
    assert why_not_comparable(BASE, dataclasses.replace(BASE, corrections="/a.csv")) == (
        "Not comparable: they differ in corrections (none and /a.csv)."
    )


@pytest.mark.parametrize("fixed_rate", [False, True])
@pytest.mark.parametrize("name", [*DIFFERENT, *FREE])
def test_there_is_a_reason_exactly_where_runs_cannot_be_compared(name: str, fixed_rate: bool) -> None:
    other = dataclasses.replace(BASE, **{name: (DIFFERENT | FREE)[name]})
    why = why_not_comparable(BASE, other, fixed_rate=fixed_rate)
    assert (why == "") is comparable(BASE, other, fixed_rate=fixed_rate) is (name in FREE)
    assert why == "" or f"{name} (" in why


def test_where_nothing_was_trained_that_is_the_reason() -> None:
    assert "Nothing was trained" in why_not_comparable(BASE, RunConfig(model="none"))


# -- what the regions hold --------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(4))
def test_a_summary_is_mean_and_deviation_of_each_region(seed: int) -> None:
    rng = np.random.default_rng(seed)
    found = regions(list(rng.random(12)), list(rng.random(12)))
    assert found is not None
    accuracy = rng.random(12).tolist()
    summaries = summarise(found, accuracy)
    assert [each.region for each in summaries] == [1, 2, 3, 4]
    assert sum(each.runs for each in summaries) == 12
    for each in summaries:
        held = [a for a, region in zip(accuracy, found.region, strict=True) if region == each.region]
        assert each.name == REGION_NAMES[each.region]
        assert each.runs == len(held)
        assert each.mean == pytest.approx(statistics.mean(held) if held else math.nan, nan_ok=True)
        assert each.sd == pytest.approx(statistics.stdev(held) if len(held) > 1 else math.nan, nan_ok=True)


def test_an_empty_region_has_no_mean_and_a_single_run_no_deviation() -> None:
    found = regions([0.0, 1.0, 1.0, 1.0], [0.9, 0.1, 0.1, 0.1])
    assert found is not None and found.region == (1, 4, 4, 4)
    one, two, _, four = summarise(found, [0.5, 0.1, 0.2, 0.3])
    assert (one.runs, one.mean) == (1, 0.5) and math.isnan(one.sd)
    assert two.runs == 0 and math.isnan(two.mean) and math.isnan(two.sd)
    assert (four.mean, four.sd) == pytest.approx((0.2, 0.1))
    with pytest.raises(ValueError, match="3 values for 4 runs"):
        summarise(found, [0.1, 0.2, 0.3])


@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize("seed", range(3))
def test_correlations_are_scipys(seed: int, ties: bool) -> None:
    rng = np.random.default_rng(seed)
    x = rng.random(15).round(1 if ties else 9)
    y = (x + rng.random(15)).round(1 if ties else 9)
    found = correlation(list(x), list(y))
    assert found.pearson == pytest.approx(pearsonr(x, y).statistic)
    assert found.spearman == pytest.approx(spearmanr(x, y).statistic)
    assert found.count == 15
    assert correlation([*x, math.nan, 0.5], [*y, 0.5, math.nan]) == found


def test_too_few_runs_or_one_value_throughout_correlate_with_nothing() -> None:
    assert correlation([], []) == Correlation(None, None, 0)
    assert correlation([1.0, 2.0], [1.0, 2.0]) == Correlation(None, None, 2)
    assert correlation([1.0, 1.0, 1.0], [1.0, 2.0, 3.0]) == Correlation(None, None, 3)
    assert correlation([1.0, 2.0, 3.0], [1.0, 8.0, 27.0]).spearman == pytest.approx(1)
    with pytest.raises(ValueError, match="give one of each per run"):
        correlation([1.0], [1.0, 2.0])
