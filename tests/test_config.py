"""RunConfig: what it accepts, the forms it travels in, and its identity."""

from __future__ import annotations

import dataclasses
import json
import math
import random

import pytest

from explorer.config import MODELS, OPTIONS, ConfigError, MemorizationConfig, Option, RunConfig, elr_preset, with_preset

BAD = [
    ("noise_rate", 1.2), ("noise_rate", -0.1), ("noise_rate", math.nan), ("noise_rate", math.inf), ("noise_rate", True),
    ("noise_rate", "0.2"), ("noise_rate", None), ("lr", 0.0), ("lr", -1.0), ("lr", math.nan), ("lr", math.inf), ("lr", 10**400),
    ("epochs", 0), ("epochs", -1), ("epochs", 2.0), ("epochs", True), ("epochs", "3"), ("epochs", 10_001), ("epochs", None),
    ("batch_size", 1), ("width", 0), ("width", 513), ("train_size", -1), ("image_size", -8), ("image_size", 513),
    ("model", "transformer"), ("model", ""), ("model", None), ("model", ["cnn"]), ("noise", "Symmetric"), ("loss", "mse"),
    ("schedule", "linear"), ("augment", "blur"), ("device", "tpu"), ("dataset", ""), ("dataset", "  "), ("dataset", 3),
    ("seed", -1), ("seed", 1.0), ("seed", False), ("data_seed", -1), ("momentum", 1.0), ("momentum", -0.5), ("weight_decay", -1e-4),
    ("weight_decay", math.inf), ("elr_beta", 1.01), ("elr_lambda", -3.0), ("susceptibility_lr", -0.1), ("curvature_every", -1),
    ("curvature_directions", 0), ("curvature_radius", 0.0), ("curvature_radius", 11.0), ("embedding_every", -1),
    ("label_column", 1), ("true_label_column", None),
]  # fmt: skip


@pytest.mark.parametrize(("name", "value"), BAD, ids=[f"{name}={str(value)[:20]}" for name, value in BAD])
def test_bad_value_raises_and_names_field_value_and_what_is_accepted(name: str, value: object) -> None:
    with pytest.raises(ConfigError) as caught:
        RunConfig(**{name: value})
    assert caught.value.field == name
    assert caught.value.value is value or caught.value.value == value or value == 10**400
    assert OPTIONS[name].accepts in caught.value.why or name == "dataset"
    assert str(caught.value).startswith(f"{name}: ")


@pytest.mark.parametrize("name", OPTIONS)
def test_every_number_has_its_bounds_checked(name: str) -> None:
    """Just outside is refused and the bounds themselves are taken, for each field by its own declaration."""
    option = OPTIONS[name]
    if option.kind is str:
        for choice in option.choices:
            assert getattr(RunConfig(**{name: choice}), name) == choice
        return
    step = 1 if option.kind is int else 1e-6
    assert option.low is not None, f"{name} accepts any negative number"
    low, high = option.kind(option.low), None if option.high is None else option.kind(option.high)
    refused = [low - step, *([low] if option.above else []), *([] if high is None else [high + step])]
    taken = [low + step if option.above else low, *([] if high is None else [high])]
    for value in refused:
        with pytest.raises(ConfigError, match=name):
            RunConfig(**{name: value})
    for value in taken:
        assert getattr(RunConfig(**{name: value}), name) == value


def test_a_whole_number_is_taken_as_a_float_and_the_type_is_the_fields() -> None:
    config = RunConfig(noise_rate=1, lr=1)
    assert (type(config.noise_rate), type(config.lr)) == (float, float)
    assert config == RunConfig(noise_rate=1.0, lr=1.0)


def test_a_seed_too_large_for_a_browser_is_refused() -> None:
    assert RunConfig(seed=10**9).seed == 10**9
    with pytest.raises(ConfigError, match="seed"):
        RunConfig(seed=10**400)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("epochs", "three"),
        ("epochs", "3.0"),
        ("epochs", ""),
        ("lr", "fast"),
        ("lr", "0,05"),
        ("lr", "nan"),
        ("noise_rate", "120%"),
        ("model", "CNN"),
    ],  # fmt: skip
)
def test_bad_text_of_a_flag_or_url_raises(name: str, text: str) -> None:
    with pytest.raises(ConfigError) as caught:
        RunConfig.from_query({name: text})
    assert caught.value.field == name
    assert repr(text) in str(caught.value) or text == "nan"


def test_unknown_field_raises_and_is_named() -> None:
    with pytest.raises(ConfigError) as caught:
        RunConfig.from_dict({"epochs": 3, "learning_rate": 0.1})
    assert caught.value.field == "learning_rate"
    with pytest.raises(ConfigError):
        RunConfig.from_json('{"Epochs": 3}')


def test_a_query_may_hold_names_that_belong_to_the_page() -> None:
    assert RunConfig.from_query({"epochs": "3", "page": "inspect", "selected": "17"}) == RunConfig(epochs=3)


def test_default_run_has_an_empty_query() -> None:
    assert RunConfig().to_query() == {}
    assert RunConfig.from_query({}) == RunConfig()


def test_query_holds_exactly_what_differs() -> None:
    config = dataclasses.replace(RunConfig(), epochs=RunConfig().epochs + 1, dataset="a b/ä&c=1")
    assert config.to_query() == {"epochs": str(config.epochs), "dataset": "a b/ä&c=1"}


def other_value(option: Option, rng: random.Random) -> object:
    """A valid value that is not the default."""
    if option.choices:
        return rng.choice([c for c in option.choices if c != option.default])
    if option.kind is str:
        return rng.choice(["labels", "folder/with space & ü", "/data/x.csv"])
    low, high = option.low or 0.0, option.high if option.high is not None else 1000.0
    while True:
        value: float = rng.randint(math.ceil(low), math.floor(high)) if option.kind is int else rng.uniform(low, high)
        allowed = option.name != "folds" or value != 1
        if allowed and value != option.default and not (option.above and value == low):
            return value


@pytest.mark.parametrize("seed", range(40))
def test_any_config_survives_every_form_it_travels_in(seed: int) -> None:
    rng = random.Random(seed)
    config = RunConfig(**{name: other_value(option, rng) for name, option in OPTIONS.items() if rng.random() < 0.5})
    assert RunConfig.from_dict(config.to_dict()) == config
    assert RunConfig.from_json(config.to_json()) == config
    assert RunConfig.from_query(config.to_query()) == config
    assert json.loads(config.to_json()) == config.to_dict()
    assert all(type(text) is str for text in config.to_query().values())
    assert RunConfig.from_dict(config.to_dict()).run_id("x") == config.run_id("x")


def test_frozen_and_hashable() -> None:
    config = RunConfig()
    with pytest.raises(dataclasses.FrozenInstanceError):
        config.epochs = 3  # type: ignore[misc]
    assert len({config, RunConfig(), dataclasses.replace(config, epochs=config.epochs + 1)}) == 2


# where a field has an effect, so that it must be in the identity; every other field has one anywhere
RELEVANT = {
    "open_set": RunConfig(noise="open_set"), "elr_beta": RunConfig(loss="elr"), "elr_lambda": RunConfig(loss="elr_plus"),
    "ema_momentum": RunConfig(loss="elr_plus"), "mixup_alpha": RunConfig(loss="mixup"), "gce_q": RunConfig(loss="gce"),
    "smoothing": RunConfig(loss="label_smoothing"), "pred_probs": RunConfig(model="none"), "pred_probs_kind": RunConfig(model="none"),
    "embeddings": RunConfig(model="none"),
}  # fmt: skip


@pytest.mark.parametrize("name", OPTIONS)
def test_every_field_with_an_effect_changes_the_run_id(name: str) -> None:
    rng, base = random.Random(name), RELEVANT.get(name, RunConfig())
    if OPTIONS[name].choices:
        changed = [dataclasses.replace(base, **{name: c}) for c in OPTIONS[name].choices if c != getattr(base, name)]
    else:
        changed = [dataclasses.replace(base, **{name: other_value(OPTIONS[name], rng)})]
    assert changed
    for config in changed:
        assert config.run_id("x") != base.run_id("x")


@pytest.mark.parametrize(
    ("settings", "irrelevant"),
    [
        ({"noise": "none"}, {"noise_rate": 0.9}),
        ({"loss": "ce"}, {"elr_beta": 0.1}),
        ({"loss": "ce"}, {"elr_lambda": 9.0}),
        ({"curvature_every": 0}, {"curvature_directions": 7, "curvature_radius": 0.5}),
        ({"model": "none"}, {"noise": "open_set", "open_set": "digits", "noise_rate": 0.7, "test_split": "none"}),
        ({"model": "none"}, {"epochs": 7, "loss": "elr", "lr": 0.5, "folds": 4, "curvature_every": 3, "seed": 5, "device": "cuda"}),
    ],
)
def test_a_field_without_effect_does_not_change_the_run_id(settings: dict[str, object], irrelevant: dict[str, object]) -> None:
    one, other = RunConfig(**settings), RunConfig(**settings, **irrelevant)
    assert one != other
    assert one.canonical() == other.canonical()
    assert one.run_id("x") == other.run_id("x")


def test_equal_configs_on_other_data_are_other_runs() -> None:
    assert RunConfig().run_id("x") == RunConfig().run_id("x") != RunConfig().run_id("y")
    assert len(RunConfig().run_id("x")) == 12
    assert int(RunConfig().run_id("x"), 16) >= 0


def test_canonical_is_a_projection() -> None:
    config = RunConfig(noise="none", noise_rate=0.7, loss="ce", elr_beta=0.2)
    assert config.canonical().canonical() == config.canonical()


@pytest.mark.parametrize("option", OPTIONS.values(), ids=OPTIONS)
def test_every_field_says_what_it_means(option: Option) -> None:
    assert option.help.endswith(".")
    assert option.accepts
    assert option.check(option.default) == option.default
    assert option.parse(str(option.default)) == option.default


@pytest.mark.parametrize("name", RELEVANT)
def test_a_field_without_an_effect_is_not_in_the_run_id(name: str) -> None:
    base = RunConfig(noise="symmetric", loss="ce")
    changed = dataclasses.replace(base, **{name: other_value(OPTIONS[name], random.Random(name))})
    assert changed != base and changed.run_id("x") == base.run_id("x")


def test_a_run_that_trains_nothing_is_one_look_at_the_labels_as_they_come() -> None:
    config = RunConfig(model="none", noise="pair_flip", epochs=50, embeddings="e.npy").canonical()
    assert (config.epochs, config.noise, config.noise_rate, config.test_split, config.curvature_every) == (1, "none", 0.0, "none", 0)
    assert config.embeddings == "e.npy" and not config.trains
    assert all(RunConfig(model=name).trains for name in MODELS)


def test_no_estimate_of_memorization_is_made_without_training() -> None:
    with pytest.raises(ConfigError, match="model"):
        MemorizationConfig(model="none")


def test_one_fold_is_refused_because_it_leaves_nothing_to_train_on() -> None:
    with pytest.raises(ConfigError, match="folds: 1 leaves nothing"):
        RunConfig(folds=1)


# -- ELR's presets ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("dataset", "noise", "beta", "weight"),
    [
        ("cifar10", "symmetric", 0.7, 3.0), ("cifar10", "asymmetric", 0.9, 1.0), ("digits", "pair_flip", 0.9, 1.0),
        ("cifar100", "symmetric", 0.9, 7.0), ("/data/cifar100/", "asymmetric", 0.9, 7.0), ("digits", "symmetric", 0.7, 3.0),
    ],
)  # fmt: skip
def test_elr_presets_are_the_papers(dataset: str, noise: str, beta: float, weight: float) -> None:
    assert elr_preset(dataset, noise) == {"elr_beta": beta, "elr_lambda": weight}


def test_flags_take_the_preset_unless_they_say_otherwise() -> None:
    asked = {"loss": "elr", "noise": "asymmetric"}
    assert RunConfig.from_query(with_preset(asked)) == RunConfig(loss="elr", noise="asymmetric", elr_beta=0.9, elr_lambda=1.0)
    assert with_preset(asked | {"elr_lambda": "5"})["elr_lambda"] == "5"
    assert with_preset({"noise": "asymmetric"}) == {"noise": "asymmetric"}
