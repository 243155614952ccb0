"""What stored runs found, as plain values: the command line prints them, the page shows the same."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from explorer.analysis.detection import detect
from explorer.analysis.label_wave import label_wave, prediction_changes
from explorer.analysis.scores import SCORES, forward_passes, suspicion
from explorer.config import RunConfig
from explorer.records import Run
from explorer.runs.execution import scores_of
from explorer.runs.region_tables import PROBES, RegionTable, region_tables, table_entry
from explorer.runs.store import RunStore


def report(store: RunStore, run_ids: Sequence[str], tables: Sequence[RegionTable] | None = None) -> list[dict[str, Any]]:
    """One entry per run: run_id, config, status, epochs, scores against truth, region among comparable finished runs (by the paper's
    probe), regions (by probe, the table that region is from), the epoch Label Wave would stop at.

    Unknown numbers are None. Raises StoreError for an id that is not there.

    Args:
        tables: of ``region_tables``, where they are known already.
    """
    opened = [store.open(run_id) for run_id in run_ids]
    tables = region_tables(store, about=run_ids) if tables is None else tables
    return [_report_one(run, tables) for run in opened]


def _report_one(run: Run, tables: Sequence[RegionTable]) -> dict[str, Any]:
    found: dict[str, dict[str, Any] | None] = dict.fromkeys(PROBES)
    found |= {table.probe: table_entry(table, run.run_id) for table in tables if table.region_of(run.run_id)}
    paper = found["paper"]
    return {
        "run_id": run.run_id,
        "config": run.config.to_dict(),
        "status": run.status,
        "cause": run.cause,
        "device": run.about["device_name"],
        "threads": run.about["threads"],
        "wrong_rate": run.labels.wrong_rate,
        "epochs": [{name: _known(column[i]) for name, column in run.epochs.items()} for i in range(len(run.epochs["epoch"]))],
        "scores": quality(run),
        "region": None if paper is None else paper["region"],
        "regions": found,
        "label_wave": label_wave(prediction_changes(run.facts.predicted_label)),
    }


def quality(run: Run) -> dict[str, dict[str, Any]]:
    """Detection quality of every score for finding wrong labels, and its cost; empty where truth is unknown.

    Intervals on finished runs. forward_passes: of one image over the whole run, beyond bare training (see there).
    """
    wrong = run.labels.is_mislabeled
    if wrong is None:
        return {}
    judged = {name: detect(suspicion(name, values), wrong, intervals=run.status == "finished") for name, values in scores_of(run).items()}
    return {
        name: {key: _known(value) for key, value in found._asdict().items()} | {"forward_passes": forward_passes(name, run.config)}
        for name, found in judged.items()
    }


def describe(one: dict[str, Any]) -> str:
    """A report entry for a terminal."""
    config = one["config"]
    trained = RunConfig.from_dict(config).trains
    what = f"{config['noise']} {config['noise_rate']:g}  {config['model']}  {config['loss']}  seed {config['seed']}"
    where = f"{one['device']}, {one['threads']} threads" if trained else one["device"]
    lines = [f"{one['run_id']}  {config['dataset']}  {what if trained else 'nothing trained'}  {one['status']}  {where}"]
    wrong = one["wrong_rate"]
    lines.append("  which labels are wrong is not known" if wrong is None else f"  {100 * wrong:.2f} % of the training labels are wrong")
    if one["cause"]:
        lines.append(f"  {one['cause']}")
    if one["epochs"]:
        last = one["epochs"][-1]
        shown = ("train_accuracy", "test_accuracy", "memorized", "recovered", "susceptibility")
        numbers = f"epoch {last['epoch']:.0f}: " + ", ".join(f"{name} {_text(last[name])}" for name in shown)
        lines.append(f"  {numbers if trained else _given_words(last['train_accuracy'])}")
    if one["label_wave"] is not None:
        lines.append(f"  Label Wave would stop at epoch {one['label_wave']}")
    if one["scores"]:
        lines.append(f"  {'finding wrong labels':24}{'AUROC':>7}{'95 % interval':>18}{'AP':>8}{'precision@k':>13}{'passes':>9}")
    for name, found in one["scores"].items():
        interval = f"{_text(found['auroc_low'])} to {_text(found['auroc_high'])}" if found["auroc_low"] is not None else "-"
        lines.append(
            f"  {SCORES[name].title:24}{_text(found['auroc']):>7}{interval:>18}{_text(found['average_precision']):>8}"
            f"{_text(found['precision_at_k']):>9} @{found['k']:<3.0f}{found['forward_passes']:>8,.0f}"
        )
    if one["scores"] and trained:
        lines.append("  passes: forward passes of one image over the whole run, beyond bare training; those of recorded facts are shared")
    elif one["epochs"] and not one["scores"]:
        lines.append("  no scores are judged: that needs known wrong labels")
    return "\n".join(lines)


def _given_words(agreement: float | None) -> str:
    """What was read instead of training. agreement: share of the given labels that are predicted, None or NaN without predictions."""
    if agreement is None or math.isnan(agreement):
        return "nothing trained; no predictions"
    return f"nothing trained; the predictions agree with {100 * agreement:.1f} % of the given labels"


def epoch_line(row: Mapping[str, float], *, trained: bool = True) -> str:
    """A row of ``epochs.csv`` for a terminal."""
    if not trained:
        return _given_words(row["train_accuracy"])

    def percent(name: str) -> str:
        return "    -" if math.isnan(row[name]) else f"{100 * row[name]:5.1f}"

    def number(name: str) -> str:
        return "     -" if math.isnan(row[name]) else f"{row[name]:6.3g}"

    seconds = row["train_seconds"] + row["eval_seconds"] + row["probe_seconds"]
    return (
        f"epoch {row['epoch']:4d}  train {percent('train_accuracy')} %  test {percent('test_accuracy')} %  "
        f"memorized {percent('memorized')} %  recovered {percent('recovered')} %  susceptibility {number('susceptibility')}  "
        f"curvature {number('mean_curvature')}  {seconds:.2f} s"
    )


def _known(value: float) -> float | None:
    return None if math.isnan(value) else float(value)


def _text(value: float | None) -> str:
    return "-" if value is None else f"{value:.4f}"
