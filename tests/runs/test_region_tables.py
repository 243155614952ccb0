"""The tables of the regions, against what they are made from."""

from __future__ import annotations

import dataclasses
import itertools
import json
import math
from collections.abc import Sequence

import numpy as np
import pytest

from explorer import pipeline
from explorer.analysis.deployment import repeated_choices
from explorer.analysis.regions import comparable, correlation, regions, summarise
from explorer.config import RunConfig
from explorer.records import Array
from explorer.runs.execution import execute
from explorer.runs.region_tables import PROBES, WAYS, RegionTable, describe_table, region_tables, shared_settings, table_entry
from explorer.runs.store import RunStore

WIDTHS = (1, 2, 3, 4)


@pytest.fixture(scope="module")
def base(tiny: RunConfig) -> RunConfig:
    return dataclasses.replace(tiny, train_size=60, model="mlp", epochs=2, curvature_every=0, embedding_every=0)


@pytest.fixture(scope="module")
def stocked(base: RunConfig, tmp_path_factory: pytest.TempPathFactory) -> RunStore:
    """Five comparable runs, of which one has another learning rate; one with other noise, one that was stopped."""
    store = RunStore(tmp_path_factory.mktemp("stocked"))
    for config in (
        *(dataclasses.replace(base, width=width) for width in WIDTHS),
        other_rate(base),
        dataclasses.replace(base, noise_rate=0.4),
    ):
        for _ in execute(store, config):
            pass
    stopped = execute(store, dataclasses.replace(base, width=5))
    next(record for record in stopped if not hasattr(record, "phase"))
    stopped.close()
    return store


def other_rate(base: RunConfig) -> RunConfig:
    return dataclasses.replace(base, lr=0.01)


def ids(configs: Sequence[RunConfig]) -> list[str]:
    return [pipeline.identify(config) for config in configs]


@pytest.fixture(scope="module")
def tables(stocked: RunStore) -> list[RegionTable]:
    return region_tables(stocked)


def test_finished_comparable_runs_share_a_table_for_each_probe(tables: list[RegionTable], base: RunConfig) -> None:
    same = ids([dataclasses.replace(base, width=width) for width in WIDTHS])
    paper, fixed = tables
    assert (paper.probe, [run.run_id for run in paper.runs]) == ("paper", same[::-1])  # newest first
    assert (fixed.probe, [run.run_id for run in fixed.runs]) == ("fixed_rate", [*ids([other_rate(base)]), *same[::-1]])
    for table in tables:
        assert dict(table.shared)["noise_rate"] == base.noise_rate
        assert table.clean and table.note == ""
        assert table.region_of("a" * 12) is None


@pytest.mark.parametrize("probe", PROBES)
def test_its_numbers_are_those_of_the_last_epochs(stocked: RunStore, tables: list[RegionTable], probe: str) -> None:
    (table,) = [table for table in tables if table.probe == probe]
    rows = [stocked.folder(run.run_id).rows()[-1] for run in table.runs]
    zeta, fit, test, memorized = ([row[name] for row in rows] for name in (PROBES[probe], "train_accuracy", "test_accuracy", "memorized"))
    found = regions(zeta, fit)
    assert found is not None and table.regions == found
    assert repr(table.summaries) == repr(summarise(found, test))
    assert table.with_memorized == correlation(zeta, memorized) and table.with_test_accuracy == correlation(zeta, test)
    assert [table.region_of(run.run_id) for run in table.runs] == list(found.region)


def test_ways_of_choosing_are_judged_on_the_predictions_of_the_last_epoch(
    stocked: RunStore, tables: list[RegionTable], base: RunConfig
) -> None:
    table, prepared = tables[0], pipeline.prepare(base)
    label = prepared.dataset.test_label
    opened = [stocked.open(run.run_id) for run in table.runs]
    kept = [stocked.folder(run.run_id).test_predictions(2) for run in opened]
    predictions: Array = np.stack([each for each in kept if each is not None])
    assert len(predictions) == 4
    last = {name: [float(run.epochs[name][-1]) for run in opened] for name in ("susceptibility", "train_accuracy", "test_accuracy")}
    assert (predictions == label).mean(axis=1) == pytest.approx(last["test_accuracy"])
    choices = repeated_choices(
        table.regions, last["susceptibility"], last["train_accuracy"], label, predictions, opened[0].labels.transition
    )  # fmt: skip
    assert table.choices == choices
    assert table.deployed() == {way: pytest.approx(np.mean([getattr(each, way) for each in choices]), nan_ok=True) for way in WAYS}


def test_only_the_runs_asked_for_are_compared(stocked: RunStore, base: RunConfig) -> None:
    same = ids([dataclasses.replace(base, width=width) for width in WIDTHS])
    assert region_tables(stocked, among=same[:3]) == []
    assert [{run.run_id for run in table.runs} for table in region_tables(stocked, among=same)] == [set(same)] * 2
    about = region_tables(stocked, about=ids([other_rate(base)]))
    assert [(table.probe, len(table.runs)) for table in about] == [("fixed_rate", 5)]
    assert region_tables(stocked, about=ids([dataclasses.replace(base, noise_rate=0.4)])) == []


def test_runs_share_settings_exactly_where_they_are_comparable(base: RunConfig) -> None:
    changes: list[dict[str, object]] = [
        {}, {"width": 9}, {"seed": 3}, {"model": "resnet34"}, {"lr": 0.3}, {"schedule": "cosine"}, {"batch_size": 16}, {"noise_rate": 0.1},
        {"noise": "none"}, {"susceptibility_lr": 0.1}, {"loss": "gce"}, {"loss": "gce", "gce_q": 0.3}, {"gce_q": 0.3}, {"data_seed": 1},
        {"corrections": "labels.csv"}, {"momentum": 0.5}, {"epochs": 9},
    ]  # fmt: skip
    configs = [dataclasses.replace(base, **each) for each in changes]  # type: ignore[arg-type]
    for one, other in itertools.product(configs, configs):
        for probe in PROBES:
            same = shared_settings(one, probe) == shared_settings(other, probe)
            assert same == comparable(one, other, fixed_rate=probe == "fixed_rate")


def test_a_table_without_predictions_says_why(
    stocked: RunStore, base: RunConfig, monkeypatch: pytest.MonkeyPatch, fast_path: object
) -> None:
    (table,) = [t for t in region_tables(stocked) if t.probe == "paper"]
    facts = stocked.folder(table.runs[0].run_id).path / "facts" / "epoch_00002.npz"
    content = facts.read_bytes()
    try:
        facts.unlink()
        gone = region_tables(stocked)[0]
        facts.write_bytes(b"damaged")
        damaged = region_tables(stocked)[0]
    finally:
        facts.write_bytes(content)
    assert gone.choices == () == damaged.choices and gone.deployed() == {}
    assert "missing" in gone.note and "facts/epoch_00002.npz cannot be read" in damaged.note
    assert gone.summaries == table.summaries and gone.clean
    assert gone.note in describe_table(gone)
    assert table_entry(gone, table.runs[0].run_id)["deployed"] is None


def percent(share: float | None) -> str:
    return "-" if share is None else f"{100 * share:.1f} %"


def test_the_text_and_the_json_say_the_same_numbers(tables: list[RegionTable]) -> None:
    for table in tables:
        run_id = table.runs[1].run_id
        entry, text = table_entry(table, run_id), describe_table(table)
        assert json.loads(json.dumps(entry, allow_nan=False)) == entry
        assert entry["region"] == table.regions.region[1] and entry["run_ids"][1] == run_id
        assert text.startswith(f"{len(table.runs)} comparable runs by the ")
        for one in entry["summary"]:
            (line,) = [line for line in text.splitlines() if line.startswith(f"  {one['region']} {one['name']} ")]
            sd = "" if one["sd"] is None else f" ± {100 * one['sd']:.1f}"
            shown = "-" if one["mean"] is None else f"{100 * one['mean']:.1f}{sd} %"
            assert line.endswith(f" {one['runs']}   {shown}")
        for way, value in entry["deployed"].items():
            assert f"{WAYS[way]} {percent(value)}" in text
        assert math.isfinite(entry["susceptibility"])
