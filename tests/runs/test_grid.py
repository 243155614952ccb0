"""A grid of settings: what it stands for, and what is said of one that stands for nothing."""

from __future__ import annotations

import dataclasses
import itertools

import pytest

from explorer.config import OPTIONS, ConfigError, RunConfig, with_preset
from explorer.runs.grid import MOST, differences, expand, parse_grid

BASE = RunConfig(epochs=2, device="cpu")


# -- text ------------------------------------------------------------------------------------------


def test_a_grid_is_read_from_flags() -> None:
    assert parse_grid(["model=mlp,cnn", " seed = 0, 1 ", "open_set="]) == {"model": ("mlp", "cnn"), "seed": ("0", "1"), "open_set": ("",)}
    assert parse_grid([]) == {}


def test_a_path_may_contain_an_equals_sign() -> None:
    assert parse_grid(["dataset=/a=b,digits"]) == {"dataset": ("/a=b", "digits")}


@pytest.mark.parametrize(
    ("texts", "field", "why"),
    [
        (["seed"], "grid", "NAME=VALUE,VALUE"),
        (["=1,2"], "grid", "NAME=VALUE,VALUE"),
        (["sead=1"], "grid", "not a setting of a run; these are: dataset, "),
        (["seed=0,1", "seed=2"], "seed", "--grid seed=0,1,2"),
        (["seed="], "seed", "leaves a value empty; it takes a whole number"),
        (["seed=0,,1"], "seed", "leaves a value empty"),
    ],
)
def test_what_is_no_grid_is_refused_with_a_remedy(texts: list[str], field: str, why: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_grid(texts)
    assert caught.value.field == field and why in caught.value.why


# -- combinations ----------------------------------------------------------------------------------


def test_every_combination_once_the_last_setting_fastest() -> None:
    grid = {"model": ("mlp", "cnn"), "lr": ("0.1", "0.01"), "seed": ("0", "1", "2")}
    found = expand(BASE, grid)
    assert [(c.model, c.lr, c.seed) for c in found] == list(itertools.product(("mlp", "cnn"), (0.1, 0.01), (0, 1, 2)))
    assert {dataclasses.replace(c, model=BASE.model, lr=BASE.lr, seed=BASE.seed) for c in found} == {BASE.canonical()}


def test_an_empty_grid_is_the_base_alone() -> None:
    assert expand(BASE, {}) == (BASE.canonical(),)


def test_the_order_of_settings_changes_the_order_only() -> None:
    grid = {"model": ("mlp", "cnn"), "noise_rate": ("0", "0.2"), "seed": ("0", "1")}
    assert set(expand(BASE, dict(reversed(grid.items())))) == set(expand(BASE, grid))


def test_combinations_that_differ_in_nothing_that_matters_are_one() -> None:
    assert len(expand(BASE, {"model": ("cnn", "resnet34"), "width": ("8", "16", "32")})) == 3 + 1  # of fixed width
    assert len(expand(BASE, {"noise": ("none", "symmetric"), "noise_rate": ("0.1", "0.2")})) == 1 + 2
    assert len(expand(BASE, {"seed": ("1", "1", "01")})) == 1


@pytest.mark.parametrize(
    ("grid", "field", "why"),
    [
        ({"lr": ("0.1", "fast")}, "lr", "a number above 0"),
        ({"model": ("cnn", "vgg")}, "model", "one of cnn"),
        ({"noise_rate": ("1.5",)}, "noise_rate", "from 0 to 1"),
        ({"folds": ("1",)}, "folds", "use 0"),
        ({"warp": ("9",)}, "grid", "not a setting"),
        ({"seed": ()}, "seed", "a whole number"),
    ],
)
def test_a_value_that_cannot_be_run_is_named(grid: dict[str, tuple[str, ...]], field: str, why: str) -> None:
    with pytest.raises(ConfigError) as caught:
        expand(BASE, grid)
    assert caught.value.field == field and why in caught.value.why


def test_too_many_at_once_are_refused_before_any_is_made() -> None:
    many = {"seed": tuple(map(str, range(MOST))), "data_seed": tuple(map(str, range(10**5)))}
    with pytest.raises(ConfigError, match=r"seed 1000 x data_seed 100000.*100,000,000 runs.*1,000 at most"):
        expand(BASE, many)
    assert len(expand(BASE, {"seed": many["seed"]})) == MOST


# -- ELR takes the preset of its data --------------------------------------------------------------


@pytest.mark.parametrize("asked", [{}, {"loss": "elr"}, {"elr_beta": "0.7"}, {"loss": "elr", "elr_lambda": "5"}, {"noise": "asymmetric"}])
def test_each_member_is_the_run_that_the_same_flags_alone_lead_to(asked: dict[str, str]) -> None:
    grid = {name: values for name, values in {"loss": ("ce", "elr", "elr_plus"), "noise": ("symmetric", "asymmetric")}.items()}
    alone = [
        RunConfig.from_query(with_preset({**asked, "loss": loss, "noise": noise})).canonical()
        for loss, noise in itertools.product(grid["loss"], grid["noise"])
    ]
    assert list(expand(RunConfig.from_query(with_preset(asked)), grid, asked)) == list(dict.fromkeys(alone))


def test_what_a_base_that_trains_with_elr_says_is_kept() -> None:
    base = RunConfig(loss="elr", elr_beta=0.5, elr_lambda=3.0)
    found = expand(base, {"noise": ("symmetric", "asymmetric")})
    assert [(c.elr_beta, c.elr_lambda) for c in found] == [(0.5, 3.0), (0.5, 1.0)]
    assert [c.elr_beta for c in expand(base, {"elr_beta": ("0.7", "0.9")})] == [0.7, 0.9]


# -- what tells them apart -------------------------------------------------------------------------


def test_differences_are_the_settings_that_vary_and_matter() -> None:
    found = expand(BASE, {"seed": ("0", "1"), "model": ("mlp", "cnn"), "loss": ("ce",)})
    assert differences(found) == ("model", "seed")
    assert differences(found[:1]) == () == differences([])
    fixed = [RunConfig(model="resnet34", width=width) for width in (8, 16)]
    assert differences(fixed) == ()
    assert differences([RunConfig(), RunConfig(loss="gce", gce_q=0.5)]) == ("loss", "gce_q")
    assert set(differences([RunConfig(), RunConfig(model="none")])) < set(OPTIONS)
