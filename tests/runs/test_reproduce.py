"""The table of claims: every claim can be run and measured, what is there is not trained again, verdicts follow the numbers."""

from __future__ import annotations

import csv
import dataclasses
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from explorer.config import ConfigError, MemorizationConfig, RunConfig
from explorer.records import Run
from explorer.runs.claims import Claim, exceeds, falling, tracking
from explorer.runs.execution import execute
from explorer.runs.reproduce import ALL, COLUMNS, Outcome, reproduce, select, write_table
from explorer.runs.store import RunStore

SMALL_RUN = {"train_size": 80, "epochs": 4, "batch_size": 16, "width": 4, "second_split_epochs": 0, "folds": 0}


def small(config: RunConfig | MemorizationConfig) -> RunConfig | MemorizationConfig:
    """The same claim on 120 images: what it measures means nothing, but it is measured by the same code."""
    if isinstance(config, MemorizationConfig):
        return dataclasses.replace(config, train_size=80, epochs=2, models=4)
    changes: dict[str, Any] = SMALL_RUN | {"folds": min(config.folds, 2), "second_split_epochs": min(config.second_split_epochs, 1)}
    if config.dataset == "planted":
        changes |= {"train_size": 100, "epochs": 2}
    return dataclasses.replace(config, **changes)


def shrunk(claim: Claim) -> Claim:
    return claim._replace(runs=lambda seed: {role: small(config) for role, config in claim.runs(seed).items()})


@pytest.fixture(scope="module")
def shared_store(tmp_path_factory: pytest.TempPathFactory) -> RunStore:
    return RunStore(tmp_path_factory.mktemp("claims"))


@pytest.mark.slow
@pytest.mark.parametrize("claim", [c for c in ALL if not c.needs_gpu], ids=lambda c: c.name)
def test_every_claim_can_be_run_and_measured(claim: Claim, shared_store: RunStore, monkeypatch: pytest.MonkeyPatch) -> None:
    if claim.name != "noise-rates":
        monkeypatch.setattr("explorer.runs.reproduce.ALL", (shrunk(claim),))
    (outcome,) = reproduce(shared_store, [claim.name], seeds=(0,), device="cpu")
    assert outcome.verdict in ("holds", "does not hold")
    assert outcome.measured
    for name, (mean, sd) in outcome.measured.items():
        assert name and (math.isfinite(mean) or claim.name in ("regions", "susceptibility-tracks")), name
        assert math.isnan(sd)  # one seed has no spread


def test_claims_have_names_of_their_own_and_configs_of_their_own_per_seed() -> None:
    assert len({claim.name for claim in ALL}) == len(ALL)
    for claim in ALL:
        assert claim.statement.endswith(".") and claim.published and claim.setting
        one, other = claim.runs(0), claim.runs(1)
        assert one.keys() == other.keys()
        assert all(one[role] != other[role] and (other[role].seed, other[role].data_seed) == (1, 1) for role in one)


def test_noise_rates_hold_exactly_on_any_machine(store: RunStore) -> None:
    (outcome,) = reproduce(store, ["noise-rates"], seeds=(0, 1, 2))
    assert outcome.verdict == "holds"
    assert [mean for mean, _ in outcome.measured.values()] == pytest.approx([45, 20, 20], abs=2)


# -- a claim made for the test ---------------------------------------------------------------------


def one_claim(tiny: RunConfig, **changes: Any) -> Claim:
    return Claim(
        "made-up", "Training accuracy is a share.", "1", "tiny",
        lambda seed: {"run": dataclasses.replace(tiny, seed=seed, data_seed=seed, curvature_every=0)},
        lambda runs: {"training accuracy": float(runs["run"].epochs["train_accuracy"][-1])},
        lambda v: bool((v["training accuracy"] <= 1).all()),
    )._replace(**changes)  # fmt: skip


@pytest.fixture
def claimed(tiny: RunConfig, monkeypatch: pytest.MonkeyPatch) -> Iterator[Claim]:
    claim = one_claim(tiny)
    monkeypatch.setattr("explorer.runs.reproduce.ALL", (claim, one_claim(tiny, name="too-large", needs_gpu=True)))
    yield claim


def test_mean_and_spread_are_over_the_seeds(claimed: Claim, store: RunStore, tiny: RunConfig) -> None:
    told: list[str] = []
    outcome, too_large = reproduce(store, seeds=(0, 1, 2), progress=told.append, device="cpu")
    single = [float(run.epochs["train_accuracy"][-1]) for run in (store.open(s.run_id) for s in store.runs())]
    assert len(single) == 3 and len(set(single)) > 1
    assert outcome.measured["training accuracy"] == pytest.approx((np.mean(single), np.std(single, ddof=1)))
    assert told == [f"made-up: run, seed {seed}" for seed in (0, 1, 2)]
    assert (too_large.verdict, too_large.measured) == ("needs a GPU", {})


def test_what_is_there_is_not_trained_again_and_what_was_interrupted_goes_on(
    claimed: Claim, store: RunStore, state_every_epoch: None
) -> None:
    config = claimed.runs(0)["run"]
    assert isinstance(config, RunConfig)
    records = execute(store, config)
    for _ in range(20):  # into the second epoch, then interrupted
        next(records)
    records.close()
    first = list(reproduce(store, ["made-up"], seeds=(0,), device="cpu"))[0]
    (summary,) = store.runs()
    written = (store.folder(summary.run_id).path / "checkpoint.pt").stat().st_mtime_ns
    again = list(reproduce(store, ["made-up"], seeds=(0,), device="cpu"))[0]
    assert (
        again.measured.keys() == first.measured.keys() and again.measured["training accuracy"][0] == first.measured["training accuracy"][0]
    )
    assert (store.folder(summary.run_id).path / "checkpoint.pt").stat().st_mtime_ns == written


def test_a_claim_that_fails_stays_in_the_table_with_its_reason(tiny: RunConfig, tmp_path: Path) -> None:
    claim = one_claim(tiny, note="it was made up")
    outcomes = [
        Outcome(claim, {"a": (1.23456, 0.01234), "b": (math.nan, math.nan)}, "does not hold", 61.0),
        Outcome(claim, {}, "needs a GPU", 0.0),
    ]
    table, text = write_table(tmp_path, outcomes, "a machine", (0, 1))
    with open(table, newline="") as file:
        rows = list(csv.DictReader(file))
    assert tuple(rows[0]) == COLUMNS
    assert rows[0]["verdict"] == "does not hold (it was made up)"
    assert rows[0]["measured"] == "a 1.23 ± 0.012; b - ± -"
    assert (rows[1]["verdict"], rows[1]["measured"], rows[1]["seeds"]) == ("needs a GPU", "-", "0")
    assert "0 of 1 claims hold (2 seeds" in text.read_text() and "a machine" in text.read_text()
    assert text.read_text().count("\n| ") == 3


def test_an_unknown_name_is_refused_with_the_known_ones() -> None:
    with pytest.raises(ConfigError, match="two-phases"):
        select(["three-phases"])
    assert select([]) == ALL
    assert [claim.name for claim in select(["averaging"])] == ["averaging"]


# -- verdicts --------------------------------------------------------------------------------------


def test_an_order_holds_when_the_paired_difference_exceeds_its_standard_error() -> None:
    assert exceeds(np.array([1.0, 1.1, 0.9])) and not exceeds(np.array([3.0, -2.0, 0.5]))
    assert exceeds(np.array([0.2, 0.2]), -0.1) and not exceeds(np.array([0.2, 0.2]), 0.2)
    spread = np.array([0.0, 1.0, 2.0])  # mean 1, standard error 0.577
    assert exceeds(spread, 0.42) and not exceeds(spread, 0.43)
    assert exceeds(np.array([0.1])) and not exceeds(np.array([-0.1]))


def test_falling_compares_means_in_the_order_named() -> None:
    values = {"a": np.array([3.0, 1.0]), "b": np.array([1.5, 1.5]), "c": np.array([0.0, 0.0])}
    assert falling(values, "a", "b", "c") and not falling(values, "b", "a", "c") and not falling(values, "a", "a")


def test_tracking_is_the_correlation_before_saturation(tiny: RunConfig, store: RunStore) -> None:
    for _ in execute(store, dataclasses.replace(tiny, epochs=6)):
        pass
    run = store.open(store.runs()[0].run_id)
    memorized = np.array([0.0, 0.1, 0.3, 0.4, 0.97, 1.0, 0.2])  # epoch 0 does not count, nor what comes after 95 %
    zeta = np.array([9.0, 1.0, 2.0, 4.0, -50.0, 70.0, 3.0])
    made: Run = dataclasses.replace(run, epochs={**run.epochs, "memorized": memorized, "susceptibility": zeta})
    assert tracking(made) == pytest.approx(np.corrcoef([0.1, 0.3, 0.4], [1.0, 2.0, 4.0])[0, 1])
    early = dataclasses.replace(run, epochs={**run.epochs, "memorized": np.array([0, 0.1, 1, 1, 1, 1, 1.0]), "susceptibility": zeta})
    assert math.isnan(tracking(early))
