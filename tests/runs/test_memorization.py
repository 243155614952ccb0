"""Memorization estimates in the store: stopped at every moment and continued to the same bits, and matched with runs."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image

from explorer import pipeline
from explorer.analysis.agreement import agreement
from explorer.analysis.memorization import memorization
from explorer.analysis.scores import suspicion
from explorer.config import ConfigError, MemorizationConfig, RunConfig
from explorer.records import Progress, StoreError, TrainingError
from explorer.runs.execution import execute, scores_of
from explorer.runs.memorization import (
    agreements,
    describe,
    describe_agreements,
    describes,
    execute_memorization,
    matching,
    memorizations,
    open_memorization,
)
from explorer.runs.memorization_files import COUNTS
from explorer.runs.store import RunStore
from explorer.training import subsets
from tests.support import table_bits

QUICK = MemorizationConfig(train_size=60, width=1, models=6, epochs=2, batch_size=32, device="cpu")


@pytest.fixture(autouse=True)
def two_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subsets, "TOGETHER", 2)


@pytest.fixture
def root(fast_path: Path) -> Path:
    return fast_path / "runs"


def estimate(root: Path, config: MemorizationConfig = QUICK, records: int | None = None) -> str:
    """The whole of it, or so many records of it; returns the id."""
    running = execute_memorization(root, config)
    for n, _ in enumerate(running, start=1):
        if n == records:
            break
    running.close()
    return pipeline.identify(config)


def table_of(root: Path, memorization_id: str) -> Path:
    return root / "memorization" / memorization_id / "memorization.parquet"


# -- the ordinary way ------------------------------------------------------------------------------


def test_the_table_holds_what_the_networks_were_counted_to(root: Path) -> None:
    table = pq.read_table(table_of(root, estimate(root)))
    prepared = pipeline.prepare(QUICK)
    assert table.column_names == [
        "index", "given_label", "true_label", "memorization", "standard_error", "inside", "outside",
        "correct_inside", "n_inside", "correct_outside", "n_outside",
    ]  # fmt: skip
    assert table["index"].to_pylist() == prepared.dataset.source_index.tolist()
    assert table["given_label"].to_pylist() == prepared.labels.given_label.tolist()
    assert prepared.labels.true_label is not None
    assert table["true_label"].to_pylist() == prepared.labels.true_label.tolist()
    found = [r for r in pipeline.memorize(QUICK, 0, prepared, pipeline.machine(QUICK)["threads"]) if not isinstance(r, Progress)]  # type: ignore[arg-type]
    inside, correct = np.concatenate([r.inside for r in found]), np.concatenate([r.correct for r in found])
    counts = np.zeros((4, 60), dtype=np.int64)
    for was_inside, was_correct in zip(inside, correct, strict=True):
        counts += np.stack([was_inside & was_correct, was_inside, ~was_inside & was_correct, ~was_inside])
    for column, expected in zip(COUNTS.values(), counts, strict=True):
        np.testing.assert_array_equal(table[column].to_numpy(), expected)
    np.testing.assert_array_equal(table["n_inside"].to_numpy() + table["n_outside"].to_numpy(), 6)
    assert table["n_inside"].to_numpy().sum() == 6 * 42
    for name, values in memorization(*counts)._asdict().items():
        np.testing.assert_array_equal(table[name].to_numpy(), values)


def test_it_is_opened_as_it_was_kept(root: Path) -> None:
    memorization_id = estimate(root)
    stored, table = open_memorization(root, memorization_id), pq.read_table(table_of(root, memorization_id))
    assert (stored.memorization_id, stored.config, stored.status, stored.models, stored.source) == (
        memorization_id, pipeline.resolve(QUICK), "finished", 6, "")  # fmt: skip
    for name in ("memorization", "standard_error", "inside", "outside", "n_inside", "n_outside", "given_label", "true_label"):
        np.testing.assert_array_equal(getattr(stored, name), table[name].to_numpy())
        assert not getattr(stored, name).flags.writeable
    np.testing.assert_array_equal(stored.source_index, table["index"].to_numpy())
    assert {"versions", "device", "device_name", "threads", "data", "noise"} <= set(stored.about)
    assert stored.about["noise"]["wrong_rate"] == pytest.approx(0.2, abs=0.01)


def test_unknown_truth_stays_unknown(root: Path, fast_path: Path) -> None:
    rng = np.random.default_rng(0)
    for n in range(30):
        folder = fast_path / "pictures" / "ab"[n % 2]
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 256, (8, 8), dtype=np.uint8)).save(folder / f"{n}.png")
    config = dataclasses.replace(QUICK, dataset=str(fast_path / "pictures"), train_size=0, noise="none")
    stored = open_memorization(root, estimate(root, config))
    assert stored.true_label is None and stored.models == 6


def test_while_it_runs_the_estimate_so_far_can_be_opened(root: Path) -> None:
    running, seen = execute_memorization(root, QUICK), []
    for record in running:
        if not isinstance(record, Progress):
            stored = open_memorization(root, pipeline.identify(QUICK))
            seen.append((stored.status, stored.models))
            assert np.isnan(stored.memorization).any() or stored.models > 2
    assert seen == [("running", 2), ("running", 4), ("finished", 6)]


def test_it_does_not_stand_among_the_runs(root: Path) -> None:
    estimate(root)
    assert RunStore(root).runs() == []


# -- stopped and continued -------------------------------------------------------------------------


@pytest.mark.parametrize("moments", [(1,), (5,), (6, 1), (5, 5, 5)])  # 4 steps and a record for every two networks
def test_stopped_and_continued_it_is_the_same_to_the_last_bit(root: Path, fast_path: Path, moments: tuple[int, ...]) -> None:
    for records in moments:
        memorization_id = estimate(root, records=records)
        assert open_memorization(root, memorization_id).status in ("interrupted", "finished")
    estimate(root)
    assert open_memorization(root, memorization_id).status == "finished"
    assert table_bits(table_of(root, memorization_id)) == table_bits(table_of(fast_path / "other", estimate(fast_path / "other")))


def test_what_a_stop_leaves_counts_whole_networks_only(root: Path) -> None:
    stored = open_memorization(root, estimate(root, records=8))
    assert (stored.status, stored.models) == ("interrupted", 2)
    np.testing.assert_array_equal(stored.n_inside + stored.n_outside, 2)


def test_a_finished_one_trains_nothing_more(root: Path) -> None:
    memorization_id = estimate(root)
    before = table_of(root, memorization_id).stat()
    assert list(execute_memorization(root, QUICK)) == []
    after = table_of(root, memorization_id).stat()
    assert (after.st_mtime_ns, after.st_ino) == (before.st_mtime_ns, before.st_ino)


def test_more_networks_take_over_those_there_are(root: Path, fast_path: Path) -> None:
    more = dataclasses.replace(QUICK, models=10)
    estimate(root)
    steps = [record for record in execute_memorization(root, more) if isinstance(record, Progress)]
    assert {step.done for step in steps} == {6, 8}
    estimate(fast_path / "other", more)
    memorization_id = pipeline.identify(more)
    assert table_bits(table_of(root, memorization_id)) == table_bits(table_of(fast_path / "other", memorization_id))
    assert open_memorization(root, pipeline.identify(QUICK)).models == 6


@pytest.mark.parametrize("changes", [{"seed": 1}, {"models": 4}, {"noise_rate": 0.1}, {"lr": 0.2}])
def test_other_networks_are_not_taken_over(root: Path, changes: dict[str, object]) -> None:
    estimate(root)
    config = dataclasses.replace(QUICK, **{"models": 10, **changes})
    first = next(iter(execute_memorization(root, config)))
    assert isinstance(first, Progress) and first.done == 0


def test_a_second_process_is_refused(root: Path, impatient: None) -> None:
    running = execute_memorization(root, QUICK)
    next(running)
    with pytest.raises(StoreError, match="another process"):
        next(execute_memorization(root, QUICK))
    running.close()
    estimate(root)


def test_settings_without_effect_make_no_other_estimate(root: Path) -> None:
    none, other = (dataclasses.replace(QUICK, noise="none", noise_rate=rate) for rate in (0.1, 0.2))
    assert pipeline.identify(none) == pipeline.identify(other) != pipeline.identify(QUICK)


# -- failures --------------------------------------------------------------------------------------


def test_a_failure_keeps_the_networks_so_far(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    memorization_id = estimate(root, records=5)
    monkeypatch.setattr(subsets, "learning_rate", lambda config, epoch: 1e9)
    with pytest.raises(TrainingError, match="finished networks are kept"):
        estimate(root)
    assert open_memorization(root, memorization_id).models == 2


def test_what_cannot_be_trained_writes_nothing(root: Path) -> None:
    for changes, error in (
        ({"subset_ratio": 0.999}, ConfigError),
        ({"dataset": "/nowhere"}, ConfigError),
        ({"noise": "class_conditional_twin"}, ConfigError),
    ):
        with pytest.raises(error):
            estimate(root, dataclasses.replace(QUICK, **changes))
    assert not (root / "memorization").exists()


@pytest.mark.parametrize("file", ["memorization.parquet", "config.json"])
@pytest.mark.parametrize("content", [b"", b"{}", b"PAR1 nonsense"])
def test_a_damaged_file_is_named_and_listed(root: Path, file: str, content: bytes) -> None:
    memorization_id = estimate(root)
    (root / "memorization" / memorization_id / file).write_bytes(content)
    with pytest.raises(StoreError, match=file):
        open_memorization(root, memorization_id)
    (summary,) = memorizations(root)
    assert (summary.status, summary.config) == ("damaged", None) and file in summary.cause


def test_a_table_of_something_else_is_damaged(root: Path) -> None:
    memorization_id = estimate(root)
    pq.write_table(pq.read_table(table_of(root, memorization_id)).drop_columns(["inside"]), table_of(root, memorization_id))
    with pytest.raises(StoreError, match="without inside"):
        open_memorization(root, memorization_id)


@pytest.mark.parametrize("name", ["../../etc", "0123456789ag", "abc", ""])
def test_what_is_no_id_is_refused(root: Path, name: str) -> None:
    with pytest.raises(StoreError, match="twelve hexadecimal digits"):
        open_memorization(root, name)


def test_one_that_is_not_there_is_an_error(root: Path) -> None:
    with pytest.raises(StoreError, match="there is no memorization"):
        open_memorization(root, "0123456789ab")


# -- listed and matched ----------------------------------------------------------------------------


def test_the_list_has_them_all_newest_first(root: Path) -> None:
    assert memorizations(root) == []
    one, two = estimate(root), estimate(root, dataclasses.replace(QUICK, seed=1), records=5)
    assert [(s.memorization_id, s.status, s.models) for s in memorizations(root)] == [(two, "interrupted", 2), (one, "finished", 6)]


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[RunStore, str]:
    """A store with one finished run on the very data of QUICK."""
    store = RunStore(tmp_path_factory.mktemp("trained"))
    config = RunConfig(train_size=60, model="mlp", width=1, epochs=2, device="cpu", lr=0.01, seed=3)
    for _ in execute(store, config):
        pass
    return store, pipeline.identify(config)


def test_a_run_finds_the_estimates_on_its_images_and_labels(root: Path, trained: tuple[RunStore, str]) -> None:
    store, run_id = trained
    run = store.open(run_id)
    same = estimate(root)
    more = estimate(root, dataclasses.replace(QUICK, models=8, lr=0.01), records=5)
    for changes in (
        {"data_seed": 1},
        {"noise_rate": 0.1},
        {"noise": "pair_flip"},
        {"train_size": 61},
        {"image_size": 9},
        {"dataset": "planted"},
    ):
        estimate(root, dataclasses.replace(QUICK, models=2, epochs=1, **changes))
    none_yet = estimate(root, dataclasses.replace(QUICK, seed=9), records=1)
    assert [s.memorization_id for s in matching(root, run)] == [same, more]
    assert open_memorization(root, none_yet).models == 0
    assert [s.status for s in matching(root, run)] == ["finished", "interrupted"]


def test_the_same_rows_and_labels_as_other_pixels_do_not_match(root: Path, trained: tuple[RunStore, str]) -> None:
    run = trained[0].open(trained[1])
    assert describes(open_memorization(root, estimate(root)), run)
    assert not describes(open_memorization(root, estimate(root, dataclasses.replace(QUICK, image_size=9))), run)


@pytest.mark.parametrize("column", ["index", "given_label"])
def test_other_images_or_labels_behind_the_same_settings_do_not_match(root: Path, trained: tuple[RunStore, str], column: str) -> None:
    memorization_id = estimate(root)
    table = pq.read_table(table_of(root, memorization_id))
    other = np.roll(table[column].to_numpy(), 1)
    position = table.column_names.index(column)
    pq.write_table(table.set_column(position, column, [other]), table_of(root, memorization_id))
    assert matching(root, trained[0].open(trained[1])) == []


def test_data_that_have_changed_do_not_match(root: Path, trained: tuple[RunStore, str]) -> None:
    file = root / "memorization" / estimate(root) / "config.json"
    about = json.loads(file.read_text())
    about["data"]["fingerprint"] = "something else"
    file.write_text(json.dumps(about))
    assert matching(root, trained[0].open(trained[1])) == []


def test_a_damaged_one_hides_no_other(root: Path, trained: tuple[RunStore, str]) -> None:
    kept, damaged = estimate(root), estimate(root, dataclasses.replace(QUICK, seed=1))
    table_of(root, damaged).write_bytes(b"")
    assert [s.memorization_id for s in matching(root, trained[0].open(trained[1]))] == [kept]


def test_every_score_of_a_run_is_compared(root: Path, trained: tuple[RunStore, str]) -> None:
    run = trained[0].open(trained[1])
    stored = open_memorization(root, estimate(root))
    found, scores = agreements(stored, run), scores_of(run)
    assert list(found) == list(scores)
    for name, values in scores.items():
        assert found[name] == agreement(stored.memorization, suspicion(name, values))
    text = describe_agreements(run.run_id, found)
    assert f"{found['aum'].spearman:.3f}" in text and "misleading" in text and run.run_id in text


def test_it_is_described_in_one_line(root: Path) -> None:
    stored = open_memorization(root, estimate(root))
    known = np.isfinite(stored.memorization)
    text = describe(stored)
    assert "networks     6 of 6" in text and "\n" not in text
    assert f"standard error {stored.standard_error[known].mean():.3f}" in text
    assert f"{100 * (stored.memorization[known] > 0.3).mean():.1f} % of {known.sum()} images" in text
    assert "0 images" in describe(open_memorization(root, estimate(root, dataclasses.replace(QUICK, seed=1), records=1)))
