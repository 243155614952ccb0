"""What the report says, against the numbers it is made from."""

from __future__ import annotations

import dataclasses
import json
import math
from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, roc_auc_score

from explorer import pipeline
from explorer.analysis.label_wave import label_wave, prediction_changes
from explorer.analysis.metrics import COLUMNS
from explorer.analysis.scores import SCORES, forward_passes
from explorer.config import RunConfig
from explorer.records import StoreError
from explorer.runs.execution import execute, scores_of
from explorer.runs.report import describe, quality, report
from explorer.runs.store import RunStore


def test_one_entry_per_run_in_the_order_asked_for(finished: tuple[RunStore, str], tiny: RunConfig) -> None:
    store, run_id = finished
    one, again = report(store, [run_id, run_id])
    assert one == again
    assert {"run_id", "config", "status", "epochs", "scores", "region", "label_wave"} <= set(one)
    assert one["run_id"] == run_id
    assert RunConfig.from_dict(one["config"]) == tiny.canonical()
    assert one["status"] == "finished"
    assert one["region"] is None  # alone
    assert len(one["epochs"]) == tiny.epochs + 1
    for row, kept in zip(one["epochs"], store.folder(run_id).rows(), strict=True):
        assert set(row) == set(COLUMNS)
        assert all(row[name] == kept[name] or (row[name] is None and math.isnan(kept[name])) for name in COLUMNS)


def test_it_is_json_without_nan(finished: tuple[RunStore, str]) -> None:
    store, run_id = finished
    entries = report(store, [run_id])
    assert json.loads(json.dumps(entries, allow_nan=False)) == entries


def test_quality_is_that_of_each_score_for_finding_wrong_labels(finished: tuple[RunStore, str]) -> None:
    store, run_id = finished
    run = store.open(run_id)
    found = quality(run)
    wrong = run.labels.is_mislabeled
    assert wrong is not None
    asked_for = {"elr_target", "out_of_sample_confidence", "out_of_sample_margin", "confident_learning", "second_split_forgetting"}
    assert list(found) == [name for name in SCORES if name not in asked_for]
    for name, values in scores_of(run).items():
        sign = 1 if SCORES[name].suspicious == "high" else -1
        one = found[name]
        assert set(one) >= {"auroc", "auroc_low", "auroc_high", "average_precision", "precision_at_k"}
        assert one["auroc"] == pytest.approx(roc_auc_score(wrong, sign * values))
        assert one["average_precision"] == pytest.approx(average_precision_score(wrong, sign * values))
        assert one["auroc_low"] < one["auroc"] < one["auroc_high"]
        assert one["forward_passes"] == forward_passes(name, run.config)
        top = np.argsort(-sign * values, kind="stable")[: int(wrong.sum())]
        assert one["precision_at_k"] == pytest.approx(wrong[top].mean())
        assert one["k"] == wrong.sum()


def test_neighbours_are_looked_up_at_the_epoch_of_peak_curvature(finished: tuple[RunStore, str]) -> None:
    from explorer.analysis.neighbors import knn_disagreement

    run = finished[0].open(finished[1])
    assert run.embedding_peak is not None
    assert np.array_equal(scores_of(run)["knn_disagreement"], knn_disagreement(run.embedding_peak, run.labels.given_label))
    late = dataclasses.replace(run, embedding_peak=None)
    assert run.embedding is not None
    assert np.array_equal(scores_of(late)["knn_disagreement"], knn_disagreement(run.embedding, run.labels.given_label))


def test_nothing_is_judged_without_truth_or_epochs(finished: tuple[RunStore, str]) -> None:
    run = finished[0].open(finished[1])
    unknown = dataclasses.replace(run.labels, true_label=None, is_mislabeled=None)
    assert quality(dataclasses.replace(run, labels=unknown)) == {}
    running = quality(dataclasses.replace(run, status="running"))
    assert all(one["auroc_low"] is None for one in running.values())  # intervals take a while: finished runs only


def test_nothing_to_find_is_null_and_still_described(store: RunStore, tiny: RunConfig) -> None:
    config = dataclasses.replace(tiny, train_size=60, model="mlp", width=1, epochs=1, noise="none")
    for _ in execute(store, config):
        pass
    (one,) = report(store, [pipeline.identify(config)])
    assert one["scores"]["aum"]["auroc"] is None
    assert one["wrong_rate"] == 0
    assert one["epochs"][-1]["memorized"] is None
    assert "memorized -" in describe(one)


def test_a_run_without_epochs_is_described(store: RunStore, tiny: RunConfig) -> None:
    running = execute(store, tiny)
    next(running)
    running.close()
    (one,) = report(store, [pipeline.identify(tiny)])
    assert (one["status"], one["epochs"], one["scores"], one["region"]) == ("stopped", [], {}, None)
    assert one["run_id"] in describe(one)


def test_an_unknown_run_is_said_so(store: RunStore) -> None:
    with pytest.raises(StoreError, match="no run"):
        report(store, ["a" * 12])


def test_regions_are_drawn_among_four_comparable_finished_runs(store: RunStore, tiny: RunConfig) -> None:
    small = dataclasses.replace(tiny, train_size=60, model="mlp", width=1, epochs=2, curvature_every=0, embedding_every=0)
    configs = [dataclasses.replace(small, seed=seed, width=seed + 1) for seed in range(4)]
    others = [dataclasses.replace(small, noise_rate=0.4), dataclasses.replace(small, lr=0.01)]  # not comparable
    for config in (*configs[:3], *others):
        for _ in execute(store, config):
            pass
    assert [one["region"] for one in report(store, [pipeline.identify(c) for c in (*configs[:3], *others)])] == [None] * 5
    for _ in execute(store, configs[3]):
        pass
    entries = report(store, [pipeline.identify(c) for c in configs])
    last = [one["epochs"][-1] for one in entries]
    zeta, fit = ([row[name] for row in last] for name in ("susceptibility", "train_accuracy"))
    for one, a, b in zip(entries, zeta, fit, strict=True):
        trainable, resistant = b >= np.mean(fit), a <= np.mean(zeta)
        assert one["region"] == {(True, True): 1, (True, False): 2, (False, True): 3, (False, False): 4}[bool(trainable), bool(resistant)]
    assert [one["region"] for one in report(store, [pipeline.identify(c) for c in others])] == [None, None]


def test_the_epoch_label_wave_would_stop_at_is_told(store: RunStore, tiny: RunConfig) -> None:
    config = dataclasses.replace(tiny, model="mlp", width=16, epochs=14, noise_rate=0.4, curvature_every=0, embedding_every=0)
    for _ in execute(store, config):
        pass
    (one,) = report(store, [pipeline.identify(config)])
    stop = label_wave(prediction_changes(store.open(pipeline.identify(config)).facts.predicted_label))
    assert stop is not None and one["label_wave"] == stop
    assert f"Label Wave would stop at epoch {stop}\n" in describe(one)
    assert "Label Wave" not in describe(one | {"label_wave": None})


def test_what_was_computed_after_training_is_judged_too(store: RunStore, tiny: RunConfig) -> None:
    pytest.importorskip("cleanlab", reason="confident learning needs the optional package cleanlab")
    config = dataclasses.replace(tiny, loss="elr", folds=2, second_split_epochs=1)
    for _ in execute(store, config):
        pass
    (one,) = report(store, [pipeline.identify(config)])
    assert list(one["scores"]) == list(SCORES)
    assert one["scores"]["confident_learning"]["forward_passes"] == 3 * 3 + 1
    assert one["scores"]["second_split_forgetting"]["forward_passes"] == (3 + 1) * 3 + 2
    assert f"{3 * 3 + 1}\n" in describe(one)


def test_the_description_names_run_numbers_and_every_score(finished: tuple[RunStore, str], tmp_path: Path) -> None:
    (one,) = report(*finished[:1], [finished[1]])
    text = describe(one)
    last = one["epochs"][-1]
    assert text.startswith(finished[1])
    assert f"train_accuracy {last['train_accuracy']:.4f}" in text
    assert "aum" in one["scores"] and len(one["scores"]) > 10
    for name, found in one["scores"].items():
        (line,) = [line for line in text.splitlines() if line.strip().startswith(SCORES[name].title + " ")]
        assert f"{found['auroc']:.4f}" in line
        assert line.endswith(f" {found['forward_passes']:.0f}")
