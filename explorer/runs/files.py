"""The folder of one run: what is in it, in which order it is written, and how it is read back.

Per epoch: facts, then scalars, then checkpoint, each under a temporary name and then renamed, so that a kill at any
moment leaves a folder that opens. Files are the truth of a run; everything else can be rebuilt from them.
"""

from __future__ import annotations

import contextlib
import csv
import functools
import io
import json
import math
import os
import zipfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from explorer.analysis.metrics import COLUMNS, epoch_row
from explorer.analysis.neighbors import NearDuplicates
from explorer.config import RunConfig
from explorer.records import Array, Dataset, EpochRecord, Facts, FinalRecord, Labels, Run, StoreError, freeze
from explorer.runs.examples import read_labels, read_planted, true_label_column
from explorer.runs.locking import Locked, hold, is_held

FACTS = ("loss", "margin", "el2n", "predicted_label")  # of every epoch
PROBED = ("curvature", "sensitivity")  # of every probed epoch
TARGETS = ("target_label", "target_share")  # of every epoch of a run with a target memory
EXTRAS = ("out_of_sample", "second_split")  # after the last epoch, where asked for
ABOUT = ("config", "data", "noise", "device_name", "threads")  # what no config.json is without


def write(path: Path, fill: Callable[[Any], object]) -> None:
    """Write a file whole or not at all: fill a temporary neighbour, flush it to disk, rename it."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with open(temporary, "wb") as file:
            fill(file)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


@dataclass(frozen=True, slots=True)
class RunFolder:
    """One run's files. Only whoever holds ``lock`` writes."""

    path: Path

    @property
    def run_id(self) -> str:
        return self.path.name

    # -- writing -------------------------------------------------------------------------------

    def begin(self, config: RunConfig, about: Mapping[str, Any], dataset: Dataset, labels: Labels) -> None:
        """Start from nothing: drop what an earlier training left, then write the config and what is known of every image."""
        self.path.mkdir(parents=True, exist_ok=True)
        self.rewind(-1)
        examples = {
            "index": dataset.source_index,
            "given_label": labels.given_label,
            "true_label": true_label_column(labels.true_label),
            "wrong_origin": labels.wrong_origin,
            "planted_kind": dataset.planted.kind if dataset.planted else None,
            "planted_partner": dataset.planted.partner if dataset.planted else None,
            "planted_transform": dataset.planted.transform if dataset.planted else None,
        }
        self._write_table("examples.parquet", examples, len(labels.given_label))
        text = json.dumps({"run_id": self.run_id, "config": config.to_dict(), **about}, indent=1, default=_plain)
        write(self.path / "config.json", lambda file: file.write(text.encode()))

    def append(self, record: EpochRecord, labels: Labels, test_label: Array) -> dict[str, float]:
        """Keep one epoch; returns its row of ``epochs.csv``."""
        earlier = [row for row in self.rows() if row["epoch"] < record.epoch]
        row = epoch_row(record, labels, test_label, earlier)
        if record.loss is not None:
            names = (*FACTS, "test_predicted_label", *PROBED, *TARGETS)
            arrays = {name: value for name in names if (value := getattr(record, name)) is not None}
            self._facts.mkdir(exist_ok=True)
            write(self._facts / f"epoch_{record.epoch:05d}.npz", lambda file: np.savez(file, allow_pickle=False, **arrays))
        if record.embedding is not None:
            self._keep_embedding(record.embedding, row, earlier)
        self._write_rows([*earlier, row])
        if record.state is not None:
            state = record.state
            write(self.path / "checkpoint.pt", lambda file: file.write(state))
        return row

    def _keep_embedding(self, embedding: Array, row: dict[str, float], earlier: list[dict[str, float]]) -> None:
        write(self.path / "embeddings.npy", lambda file: np.save(file, embedding, allow_pickle=False))
        every = self.config().embedding_every  # the peak among the epochs whose embedding was recorded
        probed = [r["mean_curvature"] for r in earlier if r["epoch"] % every == 0 and np.isfinite(r["mean_curvature"])]
        if np.isfinite(row["mean_curvature"]) and all(row["mean_curvature"] > value for value in probed):
            write(self.path / "embeddings_peak.npy", lambda file: np.save(file, embedding, allow_pickle=False))

    def keep_extras(self, record: FinalRecord) -> None:
        """Keep what was computed once, after the last epoch."""
        for name in EXTRAS:
            array = getattr(record, name)
            if array is not None:
                write(self.path / f"{name}.npy", functools.partial(np.save, arr=array, allow_pickle=False))

    def finish(self, scores: Mapping[str, Array], duplicates: NearDuplicates | None) -> None:
        """Add the scores to ``examples.parquet`` and write the flagged pairs."""
        run = self.read("finished")
        table = pq.read_table(self.path / "examples.parquet")
        known = {name: table[name] for name in table.column_names if name not in scores and name != "predicted_label"}
        predicted = run.facts.predicted_label[-1].astype(np.int64) if len(run.facts.epochs) else None
        self._write_table("examples.parquet", {**known, "predicted_label": predicted, **scores}, table.num_rows)
        if duplicates is not None:
            index = run.source_index
            pairs = {
                "a": index[duplicates.a],
                "b": index[duplicates.b],
                "similarity": duplicates.similarity,
                "conflicting": duplicates.conflicting,
                "group": np.where(duplicates.group >= 0, index[duplicates.group], -1),
                "exact": duplicates.exact,
            }
            self._write_table("near_duplicates.parquet", pairs, len(duplicates.a))

    def rewind(self, epoch: int) -> None:
        """Drop every record newer than ``epoch`` (the checkpoint's); -1 drops them all, damaged or not, and first the checkpoint."""
        if epoch < 0:
            for name in (
                "checkpoint.pt",
                "embeddings.npy",
                "embeddings_peak.npy",
                "near_duplicates.parquet",
                *(f"{e}.npy" for e in EXTRAS),
            ):
                (self.path / name).unlink(missing_ok=True)
        for unfinished in self.path.rglob(".*.tmp"):  # a kill while writing leaves one behind
            unfinished.unlink()
        self._write_rows([row for row in self.rows() if row["epoch"] <= epoch] if epoch >= 0 else [])
        for file in self._facts.glob("epoch_*.npz"):
            if int(file.stem.removeprefix("epoch_")) > epoch:
                file.unlink()

    def _write_rows(self, rows: list[dict[str, float]]) -> None:
        text = io.StringIO()
        writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows({name: "" if row[name] != row[name] else repr(row[name]) for name in COLUMNS} for row in rows)
        write(self.path / "epochs.csv", lambda file: file.write(text.getvalue().encode()))

    def _write_table(self, name: str, columns: Mapping[str, Any], length: int) -> None:
        arrays = {key: pa.nulls(length) if value is None else pa.array(value) if isinstance(value, np.ndarray) else value
                  for key, value in columns.items()}  # fmt: skip
        write(self.path / name, lambda file: pq.write_table(pa.table(arrays), file))

    # -- reading -------------------------------------------------------------------------------

    @property
    def _facts(self) -> Path:
        return self.path / "facts"

    def about(self) -> dict[str, Any]:
        """All of ``config.json``. Raises StoreError if it is missing or damaged."""
        with self._readable("config.json"):
            about = dict(json.loads((self.path / "config.json").read_text()))
            if missing := [part for part in ABOUT if part not in about]:
                raise ValueError("without " + ", ".join(missing))
            return about

    def config(self) -> RunConfig:
        with self._readable("config.json"):
            return RunConfig.from_dict(self.about()["config"])

    def rows(self) -> list[dict[str, float]]:
        """The rows of ``epochs.csv``, oldest first; empty where there is none yet."""
        path = self.path / "epochs.csv"
        if not path.exists():
            return []
        with self._readable("epochs.csv"):
            lines = csv.DictReader(io.StringIO(path.read_text()))
            return [{name: _number(name, line[name]) for name in COLUMNS} for line in lines]

    def state(self) -> bytes | None:
        path = self.path / "checkpoint.pt"
        return path.read_bytes() if path.exists() else None

    def read(self, status: str, cause: str = "", earlier: Run | None = None) -> Run:
        """The run as far as it has come; ``earlier``, an older reading of it, saves reading its epochs again.

        Raises:
            StoreError: naming the file that is missing or damaged.
        """
        about, config, rows = self.about(), self.config(), self.rows()
        with self._readable("examples.parquet"):
            table = pq.read_table(self.path / "examples.parquet")
            labels, planted = read_labels(table, about["noise"]), read_planted(table)
            source_index = freeze(table["index"].to_numpy())
        columns = {name: freeze(np.array([row[name] for row in rows], dtype=np.float64)) for name in COLUMNS}
        # Without a loss there were no predictions, and nothing is known of single images.
        done = [int(row["epoch"]) for row in rows if row["epoch"] > 0 and not math.isnan(row["train_loss"])]
        before = earlier.facts if earlier is not None else Facts.empty(len(labels.given_label))
        if list(before.epochs) != done[: len(before.epochs)]:
            before = Facts.empty(len(labels.given_label))
        return Run(
            run_id=self.run_id, config=config, status=status, cause=cause, class_names=tuple(about["data"]["class_names"]),
            source_index=source_index, labels=labels, planted=planted, epochs=columns,
            facts=self._read_facts(before, done), embedding=self._read_array("embeddings.npy"),
            embedding_peak=self._read_array("embeddings_peak.npy"), about=about,
            **{name: self._read_array(f"{name}.npy") for name in EXTRAS},
        )  # fmt: skip

    def test_predictions(self, epoch: int) -> Array | None:
        """uint16 ``[M]``: the class predicted for each test image after an epoch; None where none was recorded. Raises StoreError."""
        name = f"facts/epoch_{epoch:05d}.npz"
        if not (self.path / name).exists():
            return None
        with self._readable(name), open(self.path / name, "rb") as whole, np.load(whole, allow_pickle=False) as file:
            return np.asarray(file["test_predicted_label"])

    def _read_facts(self, before: Facts, done: list[int]) -> Facts:
        fresh = done[len(before.epochs) :]
        if not fresh:
            return before
        arrays = []
        for epoch in fresh:
            name = f"facts/epoch_{epoch:05d}.npz"
            with self._readable(name), open(self.path / name, "rb") as whole, np.load(whole, allow_pickle=False) as file:
                arrays.append({key: file[key] for key in file.files if key != "test_predicted_label"})
        stacked = {name: freeze(np.concatenate([getattr(before, name), [a[name] for a in arrays]])) for name in FACTS}
        probed = [epoch for epoch, a in zip(fresh, arrays, strict=True) if "curvature" in a]
        for name in (*PROBED, *TARGETS):
            new = [a[name] for a in arrays if name in a]
            stacked[name] = freeze(np.concatenate([getattr(before, name), new])) if new else getattr(before, name)
        curvature_epochs = np.concatenate([before.curvature_epochs, np.array(probed, dtype=np.int64)])
        return Facts(epochs=np.array(done), curvature_epochs=curvature_epochs, **stacked)

    def _read_array(self, name: str) -> Array | None:
        if not (self.path / name).exists():
            return None
        with self._readable(name):
            return np.asarray(np.load(self.path / name, mmap_mode="r", allow_pickle=False))

    @contextlib.contextmanager
    def _readable(self, name: str) -> Iterator[None]:
        try:
            yield
        except StoreError:
            raise
        except (OSError, ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile, pa.ArrowException) as error:
            what = "is missing" if isinstance(error, FileNotFoundError) else f"cannot be read ({type(error).__name__}: {error})"
            raise StoreError(f"run {self.run_id}: {name} {what}; run it again, or delete the folder {self.path}") from error

    # -- one writer at a time ------------------------------------------------------------------

    @contextlib.contextmanager
    def lock(self) -> Iterator[None]:
        """Hold the run while training it. Raises StoreError if somebody else does."""
        with contextlib.ExitStack() as stack:
            try:
                stack.enter_context(hold(self.path / "lock"))
            except Locked:
                text = f"run {self.run_id} is being trained by another process; wait for it or stop it there"
                raise StoreError(text) from None
            yield

    def is_locked(self) -> bool:
        """Whether somebody trains this run now."""
        return is_held(self.path / "lock")


def _number(name: str, text: str) -> float:
    value = float("nan") if text == "" else float(text)
    return int(value) if name in ("epoch", "step") else value


def _plain(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        return value.tolist()
    raise TypeError(f"{type(value).__name__} does not belong in config.json")
