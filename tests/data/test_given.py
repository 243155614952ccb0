"""Predictions and embeddings from files: what they say of each image, which rows they speak of, and what is refused."""

from __future__ import annotations

import dataclasses
import io
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from cleanlab.rank import get_label_quality_scores

from explorer.analysis.scores import compute_scores
from explorer.config import ConfigError, RunConfig
from explorer.data import given
from explorer.data.given import check_given, given_fingerprint, locate, read_given, with_files
from explorer.records import Array, Dataset, EpochRecord, Facts, FinalRecord, Progress, freeze
from tests.support import bits, names, toy_dataset

N, K, D = 40, 4, 6


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(0)


@pytest.fixture
def probability(rng: np.random.Generator) -> Array:
    return rng.dirichlet(np.full(K, 0.5), N)


@pytest.fixture
def dataset(rng: np.random.Generator) -> Dataset:
    return toy_dataset(rng.integers(0, K, N), names(K))


def saved(path: Path, array: Array) -> Path:
    np.save(path, array)
    return path


def read(dataset: Dataset, **settings: Any) -> tuple[EpochRecord, FinalRecord]:
    config = RunConfig(model="none", **{name: str(value) for name, value in settings.items()})
    *progress, epoch, final = read_given(config, dataset, dataset.given_label)
    assert all(isinstance(each, Progress) for each in progress)
    assert isinstance(epoch, EpochRecord) and isinstance(final, FinalRecord)
    return epoch, final


def facts_of(epoch: EpochRecord) -> Facts:
    empty = Facts.empty(N)
    rows = {name: np.asarray(getattr(epoch, name))[None] for name in ("loss", "margin", "el2n", "predicted_label")}
    return dataclasses.replace(empty, epochs=np.array([1]), **rows)


def part_of(dataset: Dataset, rows: Array, counted: int) -> Dataset:
    """The data set as ``rows`` of a source of so many rows."""
    return dataclasses.replace(
        dataset, given_label=freeze(dataset.given_label[: len(rows)]), train_images=dataset.train_images[: len(rows)],
        source_index=freeze(rows), source_rows=counted,
    )  # fmt: skip


# -- what they say ---------------------------------------------------------------------------------


def test_facts_are_those_of_the_probabilities_image_by_image(tmp_path: Path, dataset: Dataset, probability: Array) -> None:
    epoch, _ = read(dataset, pred_probs=saved(tmp_path / "p.npy", probability))
    for n, (p, label) in enumerate(zip(probability, dataset.given_label, strict=True)):
        others = [p[k] for k in range(K) if k != label]
        assert epoch.loss[n] == np.float16(-math.log(p[label]))
        assert epoch.margin[n] == np.float16(math.log(p[label]) - math.log(max(others)))
        assert epoch.el2n[n] == pytest.approx(math.dist(p, np.eye(K)[label]), rel=1e-3)
        assert epoch.predicted_label[n] == max(range(K), key=lambda k, p=p: p[k])
    assert epoch.train_loss == pytest.approx(np.mean([-math.log(p[y]) for p, y in zip(probability, dataset.given_label, strict=True)]))
    assert (epoch.loss.dtype, epoch.margin.dtype, epoch.el2n.dtype, epoch.predicted_label.dtype) == (*["float16"] * 3, "uint16")


@pytest.mark.parametrize(
    ("score", "method", "tolerance"),
    [
        ("self_confidence", "self_confidence", 2e-3), ("normalised_margin", "normalized_margin", 2e-3),  # by way of float16
        ("out_of_sample_confidence", "self_confidence", 1e-6), ("out_of_sample_margin", "normalized_margin", 1e-6),
    ],
)  # fmt: skip
def test_scores_are_cleanlabs(tmp_path: Path, dataset: Dataset, probability: Array, score: str, method: str, tolerance: float) -> None:
    epoch, final = read(dataset, pred_probs=saved(tmp_path / "p.npy", probability))
    scores = compute_scores(facts_of(epoch), dataset.given_label, out_of_sample=final.out_of_sample, trained=False)
    theirs = get_label_quality_scores(dataset.given_label, probability, method=method, adjust_pred_probs=False)
    assert np.abs(scores[score] - theirs).max() < tolerance
    assert np.argmin(scores[score]) == np.argmin(theirs)


def test_what_is_not_known_is_not_made_up(tmp_path: Path, dataset: Dataset, probability: Array) -> None:
    epoch, final = read(dataset, pred_probs=saved(tmp_path / "p.npy", probability))
    unknown = ("test_loss", "learning_rate", "susceptibility_drop", "susceptibility_drop_fixed_lr")
    assert all(math.isnan(getattr(epoch, name)) for name in unknown)
    assert [getattr(epoch, name) for name in ("curvature", "sensitivity", "embedding", "target_label", "state")] == [None] * 5
    assert (epoch.epoch, epoch.step, final.parameters, len(epoch.test_predicted_label)) == (1, 0, 0, 0)


@pytest.mark.parametrize("kind", ["in_sample", "out_of_sample"])
def test_probabilities_are_out_of_sample_where_the_person_says_so(tmp_path: Path, dataset: Dataset, probability: Array, kind: str) -> None:
    _, final = read(dataset, pred_probs=saved(tmp_path / "p.npy", probability), pred_probs_kind=kind)
    expected = bits(probability.astype(np.float32)) if kind == "out_of_sample" else None
    assert bits(final.out_of_sample) == expected


def test_without_predictions_there_are_only_embeddings(tmp_path: Path, dataset: Dataset, rng: np.random.Generator) -> None:
    embedding = rng.normal(size=(N, D))
    epoch, final = read(dataset, embeddings=saved(tmp_path / "e.npy", embedding))
    assert bits(epoch.embedding) == bits(embedding.astype(np.float32))
    assert [getattr(epoch, name) for name in ("loss", "margin", "el2n", "predicted_label")] == [None] * 4
    assert math.isnan(epoch.train_loss) and final.out_of_sample is None


def test_without_any_file_there_is_nothing_but_a_record(dataset: Dataset) -> None:
    epoch, _ = read(dataset)
    assert epoch.loss is None and epoch.embedding is None


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_a_probability_of_zero_is_the_largest_loss_and_finite(tmp_path: Path, dataset: Dataset, probability: Array, dtype: str) -> None:
    label = int(dataset.given_label[7])
    probability[7] = np.eye(K)[(label + 1) % K]
    probability[8] = np.eye(K)[dataset.given_label[8]]
    epoch, _ = read(dataset, pred_probs=saved(tmp_path / "p.npy", probability.astype(dtype)))
    assert np.isfinite(epoch.loss).all() and np.isfinite(epoch.margin).all() and math.isfinite(epoch.train_loss)
    assert np.argmax(epoch.loss) == np.argmin(epoch.margin) == 7
    assert epoch.loss[8] == 0 and np.argmax(epoch.margin) == 8


# -- which rows they speak of ----------------------------------------------------------------------


def test_rows_are_those_of_the_source_also_of_a_subset(tmp_path: Path, dataset: Dataset, probability: Array) -> None:
    rows = np.array([1, 5, 6, 20, 33])
    subset = part_of(dataset, rows, counted=N)
    whole, _ = read(subset, pred_probs=saved(tmp_path / "whole.npy", probability))
    exact, _ = read(subset, pred_probs=saved(tmp_path / "exact.npy", probability[rows]))
    assert bits(whole.loss) == bits(exact.loss) and bits(whole.margin) == bits(exact.margin)
    assert not np.array_equal(whole.loss, read(dataset, pred_probs=tmp_path / "whole.npy")[0].loss[:5])


@pytest.mark.parametrize(("rows", "columns"), [(4, K), (6, K), (N - 1, K), (N + 1, K), (N, K - 1), (5, K + 1)])
def test_any_other_shape_is_refused_with_those_expected(tmp_path: Path, dataset: Dataset, rows: int, columns: int) -> None:
    subset = part_of(dataset, np.array([1, 5, 6, 20, 33]), counted=N)
    path = saved(tmp_path / "p.npy", np.full((rows, columns), 1 / columns))
    with pytest.raises(
        ConfigError, match=rf"p\.npy.*has the shape \[{rows}, {columns}\]; expected \[{N}, {K}\].* or \[5, {K}\].*class 0, class 1"
    ):
        check_given(RunConfig(model="none", pred_probs=str(path)), subset)


def test_how_much_is_read_at_a_time_changes_nothing(
    tmp_path: Path, dataset: Dataset, probability: Array, rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = {"pred_probs": saved(tmp_path / "p.npy", probability), "embeddings": saved(tmp_path / "e.npy", rng.normal(size=(N, D)))}
    once = read(dataset, **files)
    monkeypatch.setattr(given, "ROWS", 7)
    parts = read(dataset, **files)
    for name in ("loss", "margin", "el2n", "predicted_label", "embedding", "train_loss"):
        assert bits(getattr(once[0], name)) == bits(getattr(parts[0], name)), name
    assert bits(once[1].out_of_sample) == bits(parts[1].out_of_sample)


def test_a_file_in_column_order_is_read_alike(tmp_path: Path, dataset: Dataset, probability: Array) -> None:
    one, _ = read(dataset, pred_probs=saved(tmp_path / "c.npy", probability))
    other, _ = read(dataset, pred_probs=saved(tmp_path / "f.npy", np.asfortranarray(probability)))
    assert bits(one.loss) == bits(other.loss)


# -- what is refused -------------------------------------------------------------------------------


def changed(probability: Array, row: int, values: list[float]) -> Array:
    other = probability.copy()
    other[row] = values
    return other


@pytest.mark.parametrize(
    ("values", "why"),
    [
        ([3.2, -1.0, 0.5, 0.1], "row 11 holds -1.* logits: apply softmax"), ([9.0, 2.0, 0.5, 0.1], "row 11 sums to 11.6.*apply softmax"),
        ([0.5, 0.2, 0.1, 0.1], "sums to 0.9"), ([math.nan, 0.5, 0.5, 0.0], "not finite in row 11"), ([math.inf, 0, 0, 0], "not finite"),
    ],
)  # fmt: skip
def test_what_are_no_probabilities_is_said_with_the_row(
    tmp_path: Path, dataset: Dataset, probability: Array, values: list[float], why: str
) -> None:
    with pytest.raises(ConfigError, match=why) as caught:
        read(dataset, pred_probs=saved(tmp_path / "p.npy", changed(probability, 11, values)))
    assert caught.value.field == "pred_probs" and "p.npy" in str(caught.value)


def test_rounding_is_forgiven(tmp_path: Path, dataset: Dataset, probability: Array) -> None:
    epoch, final = read(dataset, pred_probs=saved(tmp_path / "p.npy", probability * 1.0005))
    assert (np.asarray(epoch.loss) >= 0).all() and final.out_of_sample.max() <= 1


@pytest.mark.parametrize("value", [math.nan, math.inf, 1e300])
def test_an_embedding_that_is_no_number_is_said_with_the_row(
    tmp_path: Path, dataset: Dataset, rng: np.random.Generator, value: float
) -> None:
    embedding = rng.normal(size=(N, D))
    embedding[29, 3] = value
    with pytest.raises(ConfigError, match="embeddings: .*e.npy.*row 29"):
        read(dataset, embeddings=saved(tmp_path / "e.npy", embedding))


def objects() -> bytes:
    file = io.BytesIO()
    np.save(file, np.array([[{"a": 1}]], dtype=object), allow_pickle=True)
    return file.getvalue()


def archive() -> bytes:
    file = io.BytesIO()
    np.savez(file, a=np.zeros((N, K)))
    return file.getvalue()


def cut_short() -> bytes:
    file = io.BytesIO()
    np.save(file, np.full((N, K), 1 / K))
    return file.getvalue()[:-100]


@pytest.mark.parametrize("content", [b"", b"path,label\n", objects(), archive(), cut_short(), b"\x93NUMPY\x01\x00\x10\x00" + b"(" * 16])
@pytest.mark.parametrize("field", given.FILES)
def test_what_is_no_array_is_refused_and_never_unpickled(tmp_path: Path, dataset: Dataset, field: str, content: bytes) -> None:
    (tmp_path / "x.npy").write_bytes(content)
    with pytest.raises(ConfigError, match=r"x\.npy.* cannot be read as a .npy file") as caught:
        check_given(RunConfig(model="none", **{field: str(tmp_path / "x.npy")}), dataset)
    assert caught.value.field == field


@pytest.mark.parametrize("array", [np.zeros(N), np.zeros((N, K, 1)), np.zeros((N, 0)), np.ones((N, K), dtype=int), np.ones((N, K)) > 0])
@pytest.mark.parametrize("field", given.FILES)
def test_another_kind_of_array_is_refused(tmp_path: Path, dataset: Dataset, field: str, array: Array) -> None:
    with pytest.raises(ConfigError, match=r"shape \[|floating-point|cannot be read"):
        check_given(RunConfig(model="none", **{field: str(saved(tmp_path / "x.npy", array))}), dataset)


def test_a_folder_is_not_a_file(tmp_path: Path, dataset: Dataset) -> None:
    with pytest.raises(ConfigError, match="is not a file"):
        check_given(RunConfig(model="none", embeddings=str(tmp_path)), dataset)


# -- where they are --------------------------------------------------------------------------------


@pytest.mark.parametrize("inside", ["", "data.csv"])
def test_files_beside_the_data_are_found_and_named_ones_win(tmp_path: Path, inside: str) -> None:
    (tmp_path / "data.csv").write_text("path,label\n")
    config = RunConfig(model="none", dataset=str(tmp_path / inside), pred_probs_kind="in_sample")
    assert with_files(config) == dataclasses.replace(config, pred_probs_kind="out_of_sample")  # says nothing without predictions
    beside = saved(tmp_path / "pred_probs.npy", np.zeros((2, 2)))
    named = saved(tmp_path / "mine.npy", np.zeros((2, 2)))
    assert locate(config, "pred_probs") == str(beside) and locate(config, "embeddings") == ""
    assert with_files(config).pred_probs_kind == "in_sample"
    assert locate(dataclasses.replace(config, pred_probs=str(named)), "pred_probs") == str(named)


def test_a_named_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    for text in (str(tmp_path / "gone.npy"), "\0", "~nobody_of_that_name/x.npy"):
        with pytest.raises(ConfigError, match="path") as caught:
            locate(RunConfig(model="none", embeddings=text), "embeddings")
        assert caught.value.field == "embeddings" and "digits" not in caught.value.why


def test_only_the_shared_folder_is_open_to_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shared = tmp_path / "shared"
    shared.mkdir()
    outside = saved(tmp_path / "p.npy", np.zeros((2, 2)))
    monkeypatch.setenv("EXPLORER_DATA_ROOT", str(shared))
    (shared / "link.npy").symlink_to(outside)
    (shared / "pred_probs.npy").symlink_to(outside)  # found beside the data
    for asked in (str(outside), str(shared / ".." / "p.npy"), str(shared / "link.npy"), ""):
        with pytest.raises(ConfigError, match="shared folder") as caught:
            locate(RunConfig(model="none", dataset=str(shared), pred_probs=asked), "pred_probs")
        assert caught.value.field == "pred_probs"


def test_the_fingerprint_is_that_of_the_content(tmp_path: Path) -> None:
    path, config = tmp_path / "p.npy", RunConfig(model="none", pred_probs=str(tmp_path / "p.npy"))
    array = np.full((9, 3), 1 / 3)
    first = given_fingerprint(dataclasses.replace(config, pred_probs=str(saved(path, array))))
    saved(path, array)
    assert given_fingerprint(config) == first != ""
    array[4, 1] += 1e-9
    saved(path, array)
    assert given_fingerprint(config) != first
    assert given_fingerprint(RunConfig(model="none")) == ""
