"""The folder of one run: whole files or none, exact round trips, and honest words about damage."""

from __future__ import annotations

import dataclasses
import json
import math
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

from explorer.analysis.metrics import COLUMNS
from explorer.analysis.neighbors import NearDuplicates
from explorer.analysis.scores import SCORES, compute_scores
from explorer.config import RunConfig
from explorer.pipeline import Prepared
from explorer.records import EpochRecord, Record, StoreError
from explorer.runs.files import RunFolder, write
from explorer.runs.store import RunStore
from tests.support import NOT_IN_A_PLAIN_RUN, assert_same_run, bits, epoch_records, toy_dataset, toy_labels


@pytest.fixture
def folder(finished: tuple[RunStore, str], tmp_path: Path) -> RunFolder:
    """A copy of the finished tiny run."""
    store, run_id = finished
    shutil.copytree(store.root / run_id, tmp_path / run_id)
    return RunFolder(tmp_path / run_id)


def without_config(folder: RunFolder) -> dict[str, Any]:
    return {name: value for name, value in folder.about().items() if name not in ("config", "run_id")}


# -- writing ---------------------------------------------------------------------------------------


def test_a_file_is_written_whole_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "file"
    write(path, lambda file: file.write(b"first"))
    with pytest.raises(ZeroDivisionError):
        write(path, lambda file: (file.write(b"half"), 1 // 0))
    assert path.read_bytes() == b"first"
    assert [p.name for p in tmp_path.iterdir()] == ["file"]


def test_begin_drops_what_an_earlier_training_left(folder: RunFolder, prepared: Prepared) -> None:
    folder.begin(folder.config(), without_config(folder), prepared.dataset, prepared.labels)
    left = {str(p.relative_to(folder.path)) for p in folder.path.rglob("*") if p.is_file()}
    assert left == {"config.json", "lock", "epochs.csv", "examples.parquet"}
    run = folder.read("running")
    assert run.last_epoch == -1
    assert len(run.facts.epochs) == 0


def test_rewinding_drops_what_is_newer_and_nothing_else(folder: RunFolder) -> None:
    before = folder.rows()
    folder.rewind(1)
    assert [r["train_loss"] for r in folder.rows()] == [r["train_loss"] for r in before[:2]]
    assert sorted(p.name for p in (folder.path / "facts").iterdir()) == ["epoch_00000.npz", "epoch_00001.npz"]
    assert folder.read("running").facts.epochs.tolist() == [1]
    assert folder.state() is not None


def test_rewinding_a_damaged_run_to_the_start_is_possible(folder: RunFolder) -> None:
    """The advice on damage is to run it again; so that must work."""
    (folder.path / "epochs.csv").write_text("what,is\nthis,\n")
    folder.rewind(-1)
    assert folder.rows() == []
    assert folder.state() is None


def test_the_checkpoint_goes_first_when_everything_is_dropped(folder: RunFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    """Killed half way, a folder must not hold a checkpoint whose epochs are gone."""

    def killed(path: Path, missing_ok: bool = False) -> None:
        raise KeyboardInterrupt

    (folder.path / "checkpoint.pt").unlink()
    monkeypatch.setattr(Path, "unlink", killed)
    with pytest.raises(KeyboardInterrupt):
        folder.rewind(-1)
    monkeypatch.undo()
    assert len(folder.rows()) == 4  # nothing but the checkpoint was touched before


# -- round trip ------------------------------------------------------------------------------------


def test_a_run_is_read_as_it_was_recorded(folder: RunFolder, tiny: RunConfig, prepared: Prepared, records: list[Record]) -> None:
    run, epochs = folder.read("finished", "why"), epoch_records(records)
    assert (run.run_id, run.status, run.cause) == (folder.path.name, "finished", "why")
    assert run.config == tiny.canonical()
    assert run.class_names == prepared.dataset.class_names
    assert run.last_epoch == tiny.epochs
    assert run.test_is_reference
    assert run.planted is None
    for name in ("given_label", "true_label", "is_mislabeled", "wrong_origin", "transition", "asked_transition"):
        assert np.array_equal(getattr(run.labels, name), getattr(prepared.labels, name)), name
    assert (run.labels.asked_rate, run.labels.wrong_rate) == (prepared.labels.asked_rate, prepared.labels.wrong_rate)
    assert np.array_equal(run.source_index, prepared.dataset.source_index)
    for i, record in enumerate(epochs):
        for name in ("train_loss", "test_loss", "susceptibility_drop", "susceptibility_drop_fixed_lr", "learning_rate", "step"):
            assert bits(float(run.epochs[name][i])) == bits(float(getattr(record, name))), name
    assert run.facts.epochs.tolist() == run.facts.curvature_epochs.tolist() == [1, 2, 3]
    for name in ("loss", "margin", "el2n", "predicted_label", "curvature"):
        stacked = np.stack([getattr(record, name) for record in epochs[1:]])
        assert bits(getattr(run.facts, name)) == bits(stacked), name
    assert bits(run.embedding) == bits(epochs[-1].embedding)
    peak = max(epochs[1:], key=lambda r: float(np.mean(r.curvature, dtype=np.float64)) if r.curvature is not None else 0)
    assert bits(run.embedding_peak) == bits(peak.embedding)


def test_predictions_of_test_images_are_read_back_epoch_by_epoch(folder: RunFolder, records: list[Record]) -> None:
    for record in epoch_records(records):
        predicted = folder.test_predictions(record.epoch)
        assert bits(predicted) == bits(record.test_predicted_label)
    assert folder.test_predictions(99) is None
    truncate(folder.path / "facts" / "epoch_00002.npz")
    with pytest.raises(StoreError, match=r"epoch_00002\.npz cannot be read"):
        folder.test_predictions(2)


@pytest.mark.parametrize("name", ["loss", "margin", "el2n", "predicted_label", "curvature"])
def test_what_is_read_cannot_be_written(folder: RunFolder, name: str) -> None:
    run = folder.read("finished")
    for array in (getattr(run.facts, name), run.epochs["epoch"], run.source_index, run.labels.given_label):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 0
    assert run.embedding is not None
    with pytest.raises(ValueError, match="read-only"):
        run.embedding[0] = 0


def test_reading_on_from_an_earlier_reading_gives_the_same(folder: RunFolder, tmp_path: Path) -> None:
    shutil.copytree(folder.path, tmp_path / "partial" / folder.run_id)
    partial = RunFolder(tmp_path / "partial" / folder.run_id)
    partial.rewind(1)
    earlier = partial.read("running")
    whole, on = folder.read("finished"), folder.read("finished", earlier=earlier)
    for field in dataclasses.fields(whole.facts):
        assert bits(getattr(on.facts, field.name)) == bits(getattr(whole.facts, field.name)), field.name
    again = folder.read("finished", earlier=on)
    assert again.facts is on.facts
    back = partial.read("running", earlier=on)  # trained anew meanwhile: the earlier reading is of no use
    assert back.facts.epochs.tolist() == [1]


def test_examples_hold_labels_predictions_and_every_score(folder: RunFolder, prepared: Prepared) -> None:
    table = pq.read_table(folder.path / "examples.parquet")
    run = folder.read("finished")
    assert table.num_rows == len(prepared.labels.given_label)
    assert table["index"].to_pylist() == prepared.dataset.source_index.tolist()
    assert table["given_label"].to_pylist() == prepared.labels.given_label.tolist()
    assert table["predicted_label"].to_pylist() == run.facts.predicted_label[-1].tolist()
    assert table["planted_kind"].null_count == table.num_rows
    expected = compute_scores(run.facts, run.labels.given_label, run.embedding_peak)
    assert set(expected) == set(SCORES) - NOT_IN_A_PLAIN_RUN
    for name, values in expected.items():
        assert bits(table[name].to_numpy()) == bits(values), name


def test_near_duplicates_are_written_as_source_rows(folder: RunFolder, prepared: Prepared) -> None:
    found = NearDuplicates(
        a=np.array([3, 10]), b=np.array([7, 199]), similarity=np.array([1.0, 0.9], np.float32), conflicting=np.array([True, False]),
        exact=np.array([True, False]), group=np.array([3, -1]), cut=0.8,
    )  # fmt: skip
    folder.finish({}, found)
    source = prepared.dataset.source_index.tolist()
    assert pq.read_table(folder.path / "near_duplicates.parquet").to_pylist() == [
        {"a": source[3], "b": source[7], "similarity": 1.0, "conflicting": True, "group": source[3], "exact": True},
        {"a": source[10], "b": source[199], "similarity": pytest.approx(0.9), "conflicting": False, "group": -1, "exact": False},
    ]
    assert "predicted_label" in pq.read_table(folder.path / "examples.parquet").column_names


def test_unknown_truth_and_planted_kinds_survive(tmp_path: Path, tiny: RunConfig, finished: tuple[RunStore, str]) -> None:
    store, run_id = finished
    about = without_config(store.folder(run_id))
    about["noise"] |= {"wrong_rate": None, "transition": None, "asked_transition": None}
    given = np.arange(12) % 3
    unknown = RunFolder(tmp_path / "unknown")
    unknown.begin(tiny, about, toy_dataset(given, ("a", "b", "c")), toy_labels(given, None))
    labels = unknown.read("running").labels
    assert [labels.true_label, labels.is_mislabeled, labels.wrong_rate, labels.transition] == [None] * 4
    planted = RunFolder(tmp_path / "planted")
    dataset = toy_dataset(given, ("a", "b", "c"), given, planted=True)
    planted.begin(tiny, about, dataset, toy_labels(given, given))
    truth = planted.read("running").planted
    assert truth is not None and dataset.planted is not None
    for name in ("kind", "partner", "transform"):
        assert np.array_equal(getattr(truth, name), getattr(dataset.planted, name))


def test_numbers_in_epochs_csv_are_exact_and_the_unknown_is_empty(folder: RunFolder) -> None:
    header, first, *_ = (folder.path / "epochs.csv").read_text().splitlines()
    assert header.split(",") == list(COLUMNS)
    cells = dict(zip(COLUMNS, first.split(","), strict=True))
    assert cells["susceptibility"] == "" and cells["epoch"] == "0"
    rows = folder.rows()
    folder._write_rows(rows)
    again = folder.rows()
    assert [[bits(row[name]) for name in COLUMNS] for row in again] == [[bits(row[name]) for name in COLUMNS] for row in rows]
    assert type(rows[0]["epoch"]) is int and math.isnan(rows[0]["susceptibility"])


def test_the_peak_embedding_is_of_the_epoch_of_highest_mean_curvature(folder: RunFolder, records: list[Record], prepared: Prepared) -> None:
    """Curvature that rises, peaks at epoch 2 and falls."""
    one = epoch_records(records)[1]
    folder.rewind(-1)
    test_label = prepared.dataset.test_label
    for epoch, height in ((1, 1.0), (2, 9.0), (3, 4.0)):
        record: EpochRecord = dataclasses.replace(
            one, epoch=epoch, state=None, curvature=np.full(200, height, np.float32), embedding=np.full((200, 2), epoch, np.float32)
        )
        folder.append(record, prepared.labels, test_label)
    assert np.load(folder.path / "embeddings.npy")[0, 0] == 3
    assert np.load(folder.path / "embeddings_peak.npy")[0, 0] == 2


def test_finishing_twice_changes_nothing(folder: RunFolder, tmp_path: Path) -> None:
    shutil.copytree(folder.path, tmp_path / "before" / folder.run_id)
    run = folder.read("finished")
    folder.finish(compute_scores(run.facts, run.labels.given_label, run.embedding_peak), None)
    assert_same_run(folder.path, tmp_path / "before" / folder.run_id)


# -- damage ----------------------------------------------------------------------------------------


def truncate(path: Path) -> None:
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])


def garbage(path: Path) -> None:
    path.write_bytes(b"\x00\xff{[nonsense" * 20)


def empty(path: Path) -> None:
    path.write_bytes(b"")


DAMAGED = ["config.json", "epochs.csv", "examples.parquet", "facts/epoch_00002.npz", "embeddings.npy", "embeddings_peak.npy"]


@pytest.mark.parametrize("name", DAMAGED)
@pytest.mark.parametrize("damage", [truncate, garbage, empty], ids=lambda f: f.__name__)
def test_a_damaged_file_is_named(folder: RunFolder, name: str, damage: Any) -> None:
    if name == "epochs.csv" and damage is empty:
        damage = garbage
    damage(folder.path / name)
    with pytest.raises(StoreError, match=name) as caught:
        folder.read("finished")
    assert folder.run_id in str(caught.value)
    assert "run it again" in str(caught.value)


@pytest.mark.parametrize("name", ["config.json", "examples.parquet", "facts/epoch_00002.npz"])
def test_a_missing_file_is_named(folder: RunFolder, name: str) -> None:
    (folder.path / name).unlink()
    with pytest.raises(StoreError, match=f"{name} is missing"):
        folder.read("finished")


@pytest.mark.parametrize(
    "text", ["{}", "[1]", "null", '{"config": {}}', '{"config": 3}', '{"config": {"epochs": 0}}', '{"config": {"colour": 1}}'], ids=str
)
def test_a_config_file_that_says_too_little_or_nonsense_is_named(folder: RunFolder, text: str) -> None:
    (folder.path / "config.json").write_text(text)
    with pytest.raises(StoreError, match=r"config\.json"):
        folder.read("finished")


@pytest.mark.parametrize("cut", ["config", "noise", "data", "threads"])
def test_a_config_file_without_a_part_is_named(folder: RunFolder, cut: str) -> None:
    about = folder.about()
    del about[cut]
    (folder.path / "config.json").write_text(json.dumps(about))
    with pytest.raises(StoreError, match=rf"config\.json.*{cut}"):
        folder.read("finished")


# -- one writer ------------------------------------------------------------------------------------


def test_who_trains_a_run_holds_it_alone(folder: RunFolder, impatient: None) -> None:
    assert not folder.is_locked()
    with folder.lock():
        assert folder.is_locked()
        with pytest.raises(StoreError, match="trained by another process"), RunFolder(folder.path).lock():
            raise AssertionError("two trainers at once")
        assert folder.is_locked()
    assert not folder.is_locked()
    with folder.lock():
        assert folder.is_locked()


def test_a_folder_that_was_never_trained_is_not_locked(tmp_path: Path) -> None:
    assert not RunFolder(tmp_path / "nothing").is_locked()
