"""The story of a run from its config alone, and what it is called."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from explorer import pipeline
from explorer.config import ConfigError, RunConfig
from explorer.pipeline import Prepared
from explorer.records import DataError, EpochRecord, Record, TrainingError
from tests.support import assert_same_epochs


@pytest.fixture
def table(tmp_path: Path) -> Path:
    """A CSV manifest of twelve tiny pictures in two classes."""
    lines = ["path,label"]
    for n in range(12):
        Image.fromarray(np.full((8, 8), 20 * n, np.uint8)).save(tmp_path / f"{n}.png")
        lines.append(f"{n}.png,{'cat' if n % 2 else 'dog'}")
    (tmp_path / "data.csv").write_text("\n".join(lines) + "\n")
    return tmp_path / "data.csv"


def test_a_run_needs_nothing_but_its_config(tiny: RunConfig, records: list[Record]) -> None:
    assert_same_epochs(pipeline.run(tiny), records)


def test_preparing_once_spares_the_second_loading_and_changes_nothing(tiny: RunConfig, prepared: Prepared, records: list[Record]) -> None:
    again = pipeline.prepare(tiny)
    assert np.array_equal(again.dataset.train_images, prepared.dataset.train_images)
    assert np.array_equal(again.labels.given_label, prepared.labels.given_label)
    assert_same_epochs(pipeline.run(tiny, prepared=again), records)


def test_the_epoch_of_a_state_can_be_read(records: list[Record]) -> None:
    for record in records:
        if isinstance(record, EpochRecord):
            assert record.state is not None
            assert pipeline.state_epoch(record.state) == record.epoch
    with pytest.raises(TrainingError):
        pipeline.state_epoch(b"")


def test_resolving_names_the_device_and_is_a_projection(tiny: RunConfig) -> None:
    resolved = pipeline.resolve(dataclasses.replace(tiny, device="auto", noise="none", noise_rate=0.7))
    assert resolved.device in ("cpu", "cuda", "mps")
    assert resolved.noise_rate == 0.0
    assert pipeline.resolve(resolved) == resolved


def test_auto_is_the_run_of_the_device_it_finds(tiny: RunConfig) -> None:
    auto = dataclasses.replace(tiny, device="auto")
    assert pipeline.identify(auto) == pipeline.identify(pipeline.resolve(auto))


def test_a_device_that_is_not_there_is_named(tiny: RunConfig) -> None:
    import torch

    missing = "mps" if not torch.backends.mps.is_available() else "cuda"
    with pytest.raises(ConfigError, match="not available") as caught:
        pipeline.identify(dataclasses.replace(tiny, device=missing))
    assert caught.value.field == "device"


def test_a_path_is_one_run_however_it_is_written(tiny: RunConfig, table: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(table.parent)
    monkeypatch.setenv("HOME", str(table.parent))
    ids = {
        pipeline.identify(dataclasses.replace(tiny, dataset=text, train_size=0))
        for text in ("data.csv", "./data.csv", str(table), f"../{table.parent.name}/data.csv", "~/data.csv")
    }
    assert len(ids) == 1
    assert pipeline.resolve(dataclasses.replace(tiny, dataset="data.csv")).dataset == str(table.resolve())


def test_other_data_at_the_same_path_is_another_run(tiny: RunConfig, table: Path) -> None:
    config = dataclasses.replace(tiny, dataset=str(table), train_size=0)
    before = pipeline.identify(config)
    assert pipeline.identify(config) == before
    with open(table, "a") as file:
        file.write("0.png,cat\n")
    assert pipeline.identify(config) != before


def test_a_catalogue_name_stays_a_name_wherever_one_stands(tiny: RunConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = pipeline.identify(tiny)
    (tmp_path / "digits").mkdir()
    monkeypatch.chdir(tmp_path)
    assert pipeline.resolve(tiny).dataset == "digits"
    assert pipeline.identify(tiny) == before


def test_only_the_shared_folder_is_open_to_others(tiny: RunConfig, table: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shared = tmp_path / "shared"
    shared.mkdir()
    monkeypatch.setenv("EXPLORER_DATA_ROOT", str(shared))
    (shared / "link.csv").symlink_to(table)
    for outside in (str(table), str(shared / ".." / "data.csv"), "/etc", str(shared / "link.csv")):
        with pytest.raises(ConfigError, match="shared folder") as caught:
            pipeline.prepare(dataclasses.replace(tiny, dataset=outside, train_size=0))
        assert caught.value.field == "dataset"
    assert pipeline.prepare(tiny).dataset.name == "digits"


def test_a_table_is_trained_on_from_end_to_end(tiny: RunConfig, table: Path) -> None:
    config = dataclasses.replace(tiny, dataset=str(table), train_size=0, noise="none", epochs=1, batch_size=4)
    *_, last = (r for r in pipeline.run(config) if isinstance(r, EpochRecord))
    assert len(last.loss) + len(last.test_predicted_label) == 12
    assert np.isfinite(last.loss).all()


@pytest.mark.parametrize("missing", ["/no/such/place", "no_such_set"])
def test_data_that_is_not_there_is_named(tiny: RunConfig, missing: str) -> None:
    for ask in (pipeline.identify, pipeline.prepare):
        with pytest.raises((ConfigError, DataError), match=missing):
            ask(dataclasses.replace(tiny, dataset=missing))
