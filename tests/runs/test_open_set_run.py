"""A run with foreign images in its training set: what is written of their truth is what is read back."""

from __future__ import annotations

import dataclasses
import math
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from explorer import pipeline
from explorer.analysis.kinds import kinds_of
from explorer.config import RunConfig
from explorer.data.noise import add_noise
from explorer.pipeline import Prepared
from explorer.records import NO_CLASS, Labels, Run
from explorer.runs.execution import execute
from explorer.runs.files import RunFolder
from explorer.runs.report import quality
from explorer.runs.store import RunStore


@pytest.fixture(scope="module")
def foreign(tiny: RunConfig, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Prepared, Run]:
    """The tiny run with a fifth of its digits replaced by planted pictures."""
    config = dataclasses.replace(tiny, noise="open_set")
    store = RunStore(tmp_path_factory.mktemp("foreign"))
    for _ in execute(store, config):
        pass
    run_id = pipeline.identify(config)
    return store.folder(run_id).path, pipeline.prepare(config), store.open(run_id)


def same(one: Labels, other: Labels) -> None:
    for name in ("given_label", "true_label", "is_mislabeled", "wrong_origin", "asked_transition", "transition"):
        assert np.array_equal(getattr(one, name), getattr(other, name)), name
    assert (one.asked_rate, one.wrong_rate) == (other.asked_rate, other.wrong_rate)


def test_labels_come_back_as_they_were(foreign: tuple[Path, Prepared, Run]) -> None:
    _, prepared, run = foreign
    same(run.labels, prepared.labels)
    assert run.labels.true_label is not None and run.labels.true_label.dtype == np.int64
    assert (run.labels.true_label == NO_CLASS).sum() == (run.labels.wrong_origin == "foreign").sum() == 40
    assert run.labels.wrong_rate == 0.2 and run.labels.transition is None


def test_a_foreign_image_has_no_true_label_in_the_table(foreign: tuple[Path, Prepared, Run]) -> None:
    folder, prepared, _ = foreign
    table = pq.read_table(folder / "examples.parquet")
    unknown = table["true_label"].is_null().to_numpy()
    assert np.array_equal(unknown, prepared.labels.wrong_origin == "foreign")
    assert table["true_label"].drop_null().to_numpy().min() >= 0


def test_its_epochs_split_into_memorized_and_neither(foreign: tuple[Path, Prepared, Run]) -> None:
    _, _, run = foreign
    assert run.status == "finished"
    assert np.isnan(run.epochs["recovered"]).all()
    assert np.allclose(run.epochs["memorized"] + run.epochs["neither"], 1)
    wrong = run.labels.is_mislabeled
    assert wrong is not None
    hit = run.facts.predicted_label[-1][wrong] == run.labels.given_label[wrong]
    assert run.epochs["memorized"][-1] == pytest.approx(hit.mean())


def test_no_kind_mistakes_it_for_recovered_and_scores_are_judged(foreign: tuple[Path, Prepared, Run]) -> None:
    _, _, run = foreign
    kinds = kinds_of(run, None)
    assert "recovered" not in kinds and kinds["wrong"].sum() == 40
    judged = quality(run)
    assert judged and all(found["k"] == 40 for found in judged.values())
    assert not any(math.isnan(value) for found in judged.values() for value in found.values() if value is not None)


def read_back(tmp_path: Path, config: RunConfig, prepared: Prepared) -> Labels:
    folder = RunFolder(tmp_path / "run")
    noise = {name: getattr(prepared.labels, name) for name in ("asked_rate", "wrong_rate", "asked_transition", "transition")}
    data = {"class_names": prepared.dataset.class_names, "test_is_reference": True}
    folder.begin(config, {"data": data, "noise": noise, "device_name": "-", "threads": 1}, prepared.dataset, prepared.labels)
    return folder.read("queued").labels


@pytest.mark.parametrize("rate", [0.0, 0.005, 1.0])
def test_none_one_or_all_images_may_be_foreign(tiny: RunConfig, tmp_path: Path, rate: float) -> None:
    """With all of them foreign the column is all null, as for a set of unknown truth; yet it is known."""
    config = dataclasses.replace(tiny, noise="open_set", noise_rate=rate)
    prepared = pipeline.prepare(config)
    labels = read_back(tmp_path, config, prepared)
    same(labels, prepared.labels)
    assert labels.is_mislabeled is not None and labels.is_mislabeled.sum() == round(200 * rate)


def test_a_set_of_unknown_truth_stays_unknown(tiny: RunConfig, prepared: Prepared, tmp_path: Path) -> None:
    config = dataclasses.replace(tiny, noise="none")
    dataset = dataclasses.replace(prepared.dataset, true_label=None)
    unknown = Prepared(*add_noise(config, dataset))
    labels = read_back(tmp_path, config, unknown)
    assert labels.true_label is None and labels.is_mislabeled is None
    assert set(labels.wrong_origin) == {""}
