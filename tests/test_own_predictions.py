"""Predictions of one's own from end to end: the same generator, store, scores and command line as a run that trains."""

from __future__ import annotations

import dataclasses
import io
import math
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from PIL import Image

from explorer import pipeline
from explorer.__main__ import main
from explorer.analysis.findings import findings, story
from explorer.analysis.regions import comparable
from explorer.analysis.score_table import HISTORY, forward_passes
from explorer.analysis.scores import SCORES
from explorer.config import ConfigError, RunConfig
from explorer.records import Array, EpochRecord, Run
from explorer.runs.estimate import estimate
from explorer.runs.execution import duplicates_of, execute, scores_of
from explorer.runs.report import describe, report
from explorer.runs.store import RunStore
from explorer.training.epochs import evaluate_batch
from explorer.training.images import on_device
from explorer.training.state import new_learner, restore
from tests.support import returned

ROOT = Path(__file__).parents[1]
NAMES, EACH = ("ant", "bee", "cat"), 12
N, K = len(NAMES) * EACH, len(NAMES)
ONE_LOOK = {"el2n", "final_loss", "self_confidence", "normalised_margin", "small_loss_gmm"}
UNSEEN = {"out_of_sample_confidence", "out_of_sample_margin", "confident_learning"}


def pixels(n: int) -> Array:
    return np.random.default_rng(n).integers(0, 256, (8, 8), dtype=np.uint8)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """An ImageFolder tree; two images are the same, under different labels."""
    for n in range(N):
        place = tmp_path / "own" / NAMES[n // EACH]
        place.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels(0 if n == EACH else n)).save(place / f"{n:02d}.png")
    return tmp_path / "own"


@pytest.fixture
def table(tmp_path: Path) -> Path:
    """The same as Parquet with two label columns and a test split; every sixth given label is wrong."""
    true = np.arange(N) // EACH
    given = np.where(np.arange(N) % 6 == 0, (true + 1) % K, true)
    for split, rows in (("train", np.arange(N)), ("test", np.arange(4))):
        images = []
        for n in rows:
            Image.fromarray(pixels(int(n))).save(file := io.BytesIO(), "PNG")
            images.append({"bytes": file.getvalue(), "path": f"{n}.png"})
        columns = {"image": images, "label": pa.array(given[rows]), "true_label": pa.array(true[rows])}
        (tmp_path / "table").mkdir(exist_ok=True)
        pq.write_table(pa.table(columns), tmp_path / "table" / f"{split}-0.parquet")
    return tmp_path / "table"


def confident(label: Array, rate: float = 0.9) -> Array:
    """Probabilities of a network that is sure of these labels, each a little differently."""
    own = rate - 0.1 * np.random.default_rng(3).random(len(label))
    probability = np.repeat((1 - own)[:, None] / (K - 1), K, axis=1)
    probability[np.arange(len(label)), label] = own
    return probability


def give(folder: Path, *, probability: bool = True, embedding: bool = True) -> None:
    """Files beside the data: the network believes the true labels, and sees classes as directions."""
    true = np.arange(N) // EACH
    if probability:
        np.save(folder / "pred_probs.npy", confident(true))
    if embedding:
        np.save(folder / "embeddings.npy", np.eye(K)[true] + 0.05 * np.random.default_rng(4).normal(size=(N, K)))


def kept(store: RunStore, config: RunConfig) -> Run:
    for _ in execute(store, config):
        pass
    return store.open(pipeline.identify(config))


# -- the command line ------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["folder", "table"])
def test_a_data_set_is_inspected_from_the_command_line(
    request: pytest.FixtureRequest, kind: str, fast_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data: Path = request.getfixturevalue(kind)
    give(data)
    columns = ["--label_column", "label", "--true_label_column", "true_label"] if kind == "table" else []
    command = ["run", "--dataset", str(data), "--model", "none", *columns, "--runs", str(fast_path)]
    assert main(command) == 0
    *lines, run_id = capsys.readouterr().out.splitlines()
    share = "83.3" if kind == "table" else "100.0"
    assert lines == [f"nothing trained; the predictions agree with {share} % of the given labels"]
    assert main([*command, "--epochs", "9", "--loss", "elr", "--noise", "pair_flip"]) == 0  # says nothing here, so it is the same run
    assert capsys.readouterr().out.splitlines() == [*lines, run_id]
    examples = pd.read_parquet(fast_path / run_id / "examples.parquet")
    assert len(examples) == N and list(examples["index"]) == list(range(N))
    assert set(SCORES) & set(examples) == ONE_LOOK | UNSEEN | {"knn_disagreement"}
    assert main(["report", run_id, "--runs", str(fast_path)]) == 0
    told = capsys.readouterr().out
    assert "nothing trained" in told and "nan" not in told and "inf" not in told
    assert ("Self-confidence" in told) == (kind == "table")


def test_torch_is_not_imported(folder: Path, tmp_path: Path) -> None:
    give(folder)
    code = (
        f"import sys; from explorer.__main__ import main; main(['run', '--dataset', {str(folder)!r}, '--model', 'none', "
        f"'--runs', {str(tmp_path / 'runs')!r}]); print(sorted({{'torch', 'torchvision', 'streamlit'}} & sys.modules.keys()))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "[]"


@pytest.mark.parametrize(("field", "shape"), [("pred_probs", (N, K + 1)), ("embeddings", (N - 1, 5))])
def test_a_file_that_does_not_fit_is_refused_before_anything_is_written(
    folder: Path, store: RunStore, capsys: pytest.CaptureFixture[str], field: str, shape: tuple[int, int]
) -> None:
    np.save(folder / "x.npy", np.full(shape, 1 / shape[1]))
    command = ["run", "--dataset", str(folder), "--model", "none", f"--{field}", str(folder / "x.npy"), "--runs", str(store.root)]
    assert main(command) == 2
    error = capsys.readouterr().err
    assert error.startswith(f"error: {field}: ") and "x.npy" in error and f"[{shape[0]}, {shape[1]}]" in error
    assert store.runs() == []


def test_logits_are_a_failed_run_that_says_so_and_can_be_read_again(folder: Path, store: RunStore) -> None:
    np.save(folder / "pred_probs.npy", 5 * np.random.default_rng(0).normal(size=(N, K)))
    config = RunConfig(dataset=str(folder), model="none")
    with pytest.raises(ConfigError, match="apply softmax first"):
        kept(store, config)
    assert store.status(pipeline.identify(config))[0] == "failed" and "softmax" in store.status(pipeline.identify(config))[1]
    give(folder)
    assert kept(store, config).status == "finished"


# -- the same numbers as training ------------------------------------------------------------------


def test_the_last_epoch_of_a_run_comes_back_from_its_probabilities(tiny: RunConfig, tmp_path: Path, state_every_epoch: None) -> None:
    config = dataclasses.replace(tiny, noise="none", test_split="none")
    prepared = pipeline.prepare(config)
    last = [record for record in pipeline.run(config, prepared=prepared) if isinstance(record, EpochRecord)][-1]
    given = prepared.labels.given_label
    np.save(tmp_path / "p.npy", torch.softmax(logits_of(config, prepared, last).double(), dim=1).numpy())
    np.save(tmp_path / "e.npy", last.embedding)
    files = {"pred_probs": str(tmp_path / "p.npy"), "embeddings": str(tmp_path / "e.npy")}
    own = RunConfig(dataset=config.dataset, train_size=config.train_size, model="none", **files)
    read = next(record for record in pipeline.run(own) if isinstance(record, EpochRecord))
    assert len(read.loss) == len(given) == 200
    assert np.array_equal(read.predicted_label, last.predicted_label)
    assert np.array_equal(read.embedding, last.embedding)
    for name in ("loss", "margin", "el2n"):
        assert np.allclose(getattr(read, name), getattr(last, name), rtol=2e-3, atol=1e-5), name
    assert read.train_loss == pytest.approx(last.train_loss, rel=1e-5)


def logits_of(config: RunConfig, prepared: pipeline.Prepared, record: EpochRecord) -> torch.Tensor:
    """What the network of a record's state says of the training images, float32 ``[N, K]``."""
    assert record.state is not None
    images, _ = on_device(prepared.dataset, prepared.labels.given_label, "cpu")
    learner = new_learner(config, images=len(images), channels=1, size=8, num_classes=10, device="cpu")
    restore(learner, record.state)
    return evaluate_batch(learner.predictor, images.inputs(slice(None)))[0]


# -- what a run is made of -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("probability", "embedding", "expected"),
    [
        (True, True, ONE_LOOK | UNSEEN | {"knn_disagreement"}), (True, False, ONE_LOOK | UNSEEN), (False, True, {"knn_disagreement"}),
        (False, False, set()),
    ],
)  # fmt: skip
def test_there_are_the_scores_that_the_files_allow(
    table: Path, store: RunStore, probability: bool, embedding: bool, expected: set[str]
) -> None:
    give(table, probability=probability, embedding=embedding)
    run = kept(store, RunConfig(dataset=str(table), label_column="label", true_label_column="true_label", model="none"))
    scores = scores_of(run)
    assert set(scores) == expected and not expected & set(HISTORY)
    assert (run.status, run.last_epoch, len(run.labels.given_label)) == ("finished", 1, N)
    assert len(run.facts.epochs) == (1 if probability else 0)
    assert story(run, 1).startswith("Nothing was trained here") and "nan" not in story(run, 1) and "-" not in story(run, 1)
    pairs = returned(duplicates_of(store.root, run, pipeline.prepare(run.config).dataset))
    assert (pairs is None) == (not embedding)
    assert {finding.kind for finding in findings(run, scores, pairs)} <= {"flagged", "conflict"}
    told = describe(report(store, [run.run_id])[0])
    assert all((SCORES[name].title in told) == (name in expected) for name in (*ONE_LOOK, "knn_disagreement", "aum"))
    assert RunStore(store.root).status(run.run_id)[0] == "finished"


def test_scores_of_a_network_that_knows_better_find_the_wrong_labels(table: Path, store: RunStore) -> None:
    give(table)
    run = kept(store, RunConfig(dataset=str(table), label_column="label", true_label_column="true_label", model="none"))
    judged = report(store, [run.run_id])[0]["scores"]
    assert {name: found["auroc"] for name, found in judged.items()} == dict.fromkeys(judged, 1.0)
    assert {found["forward_passes"] for found in judged.values()} == {0}
    assert run.labels.wrong_rate == pytest.approx(1 / 6)
    assert run.epochs["recovered"][-1] == 1.0 and run.epochs["memorized"][-1] == 0.0
    assert math.isnan(run.epochs["test_accuracy"][-1]) and math.isnan(run.epochs["susceptibility"][-1])


def test_in_sample_probabilities_are_not_passed_off_as_unseen(folder: Path, store: RunStore) -> None:
    give(folder)
    run = kept(store, RunConfig(dataset=str(folder), model="none", pred_probs_kind="in_sample"))
    assert set(scores_of(run)) == ONE_LOOK | {"knn_disagreement"}


def test_look_alikes_under_different_labels_are_found_by_the_embeddings(folder: Path, store: RunStore) -> None:
    true = np.arange(N) // EACH
    embedding = np.eye(K)[true] + 0.3 * np.random.default_rng(0).normal(size=(N, K))
    embedding[EACH] = embedding[0]
    np.save(folder / "embeddings.npy", embedding)
    run = kept(store, RunConfig(dataset=str(folder), model="none"))
    pairs = pd.read_parquet(store.root / run.run_id / "near_duplicates.parquet")
    exact = pairs[pairs["exact"]]
    assert exact[["a", "b", "conflicting"]].values.tolist() == [[0, EACH, True]]


def test_no_image_is_held_out_and_a_test_split_is_left_alone(folder: Path, table: Path) -> None:
    for data in (folder, table):
        config = RunConfig(dataset=str(data), label_column="label" if data == table else "", model="none")
        dataset = pipeline.prepare(config).dataset
        assert (len(dataset.given_label), len(dataset.test_label), dataset.source_rows, dataset.notices) == (N, 0, N, ())
    assert len(pipeline.prepare(RunConfig(model="none")).dataset.given_label) == 1797
    assert len(pipeline.prepare(RunConfig(model="none", dataset="planted", train_size=50)).dataset.test_images) == 0


def test_a_broken_image_moves_no_row(folder: Path, store: RunStore) -> None:
    give(folder)
    whole = kept(store, RunConfig(dataset=str(folder), model="none"))
    sorted(folder.rglob("*.png"))[5].write_bytes(b"no image")
    run = kept(store, RunConfig(dataset=str(folder), model="none"))
    assert run.run_id != whole.run_id
    rest = np.delete(np.arange(N), 5)
    assert np.array_equal(run.source_index, rest)
    assert np.array_equal(run.facts.loss, whole.facts.loss[:, rest])
    assert np.array_equal(run.embedding, whole.embedding[rest])


def test_other_predictions_are_another_run(folder: Path) -> None:
    give(folder)
    config = RunConfig(dataset=str(folder), model="none")
    before = pipeline.identify(config)
    assert pipeline.identify(dataclasses.replace(config, pred_probs=str(folder / "pred_probs.npy"))) == before
    assert pipeline.identify(dataclasses.replace(config, seed=4, width=7, lr=1.0)) == before
    assert pipeline.identify(dataclasses.replace(config, pred_probs_kind="in_sample")) != before
    np.save(folder / "pred_probs.npy", confident(np.arange(N) // EACH, rate=0.8))
    assert pipeline.identify(config) != before
    assert pipeline.resolve(pipeline.resolve(config)) == pipeline.resolve(config)


def test_it_is_not_compared_with_runs_that_train_and_takes_no_time(folder: Path, store: RunStore, tiny: RunConfig) -> None:
    config = RunConfig(dataset=str(folder), model="none")
    assert not comparable(config, config) and not comparable(tiny, dataclasses.replace(tiny, model="none"), fixed_rate=True)
    assert estimate(store, config, (N, 8, 8, 1), 0, K).seconds == 0
    assert {forward_passes(name, config) for name in SCORES} == {0.0}
    kept(store, config)
    after = estimate(store, dataclasses.replace(tiny, device="cpu"), (N, 8, 8, 1), 0, K)
    assert not after.timed and after.seconds > 0  # nothing to learn a speed from


# -- training on every image -----------------------------------------------------------------------


@pytest.mark.parametrize("noise", ["none", "symmetric"])
def test_a_network_can_be_trained_on_every_image(tiny: RunConfig, folder: Path, store: RunStore, noise: str) -> None:
    run = kept(store, dataclasses.replace(tiny, dataset=str(folder), train_size=0, test_split="none", noise=noise))
    assert len(run.labels.given_label) == N and run.about["data"]["test_images"][0] == 0
    assert np.isnan(run.epochs["test_accuracy"]).all() and np.isfinite(run.epochs["train_accuracy"]).all()
    for epoch in range(tiny.epochs + 1):
        assert "no test images" in story(run, epoch) and "nan" not in story(run, epoch)
    assert set(HISTORY) <= set(scores_of(run))
    assert "test_accuracy -" in describe(report(store, [run.run_id])[0])
