"""The folder of one memorization estimate, ``<root>/memorization/<id>/``: what is in it and how it is read back.

config.json            config, versions, device, threads, data fingerprint, realised noise; for a published one its source
memorization.parquet   a row per training image: index, labels, the estimate so far, and the counts of networks it comes
                       from, which are all that continuing needs
lock                   held by whoever trains it
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from explorer.analysis.memorization import Memorization
from explorer.config import MemorizationConfig
from explorer.pipeline import Prepared
from explorer.records import Array, StoreError
from explorer.runs.files import write
from explorer.runs.locking import Locked, hold, is_held

# counts of networks, int64 [N], as analysis names them, and their columns
COUNTS = {"correct_in": "correct_inside", "n_in": "n_inside", "correct_out": "correct_outside", "n_out": "n_outside"}


@dataclass(frozen=True, slots=True)
class MemorizationFolder:
    """One estimate's files. Only whoever holds ``lock`` writes."""

    path: Path

    @staticmethod
    def of(root: Path | str, memorization_id: str) -> MemorizationFolder:
        """Raises StoreError for an id that could not be one of ours (ids also come from URLs)."""
        if not (len(memorization_id) == 12 and all(c in "0123456789abcdef" for c in memorization_id)):
            raise StoreError(f"{memorization_id!r} is not the id of a memorization estimate: twelve hexadecimal digits are")
        return MemorizationFolder(Path(root) / "memorization" / memorization_id)

    # -- writing -------------------------------------------------------------------------------

    def write_about(self, config: MemorizationConfig, about: Mapping[str, Any]) -> None:
        content = {"memorization_id": self.path.name, "config": config.to_dict(), **about}
        text = json.dumps(content, indent=1, default=np.ndarray.tolist)
        write(self.path / "config.json", lambda file: file.write(text.encode()))

    def write_table(self, prepared: Prepared, estimate: Memorization, counts: Mapping[str, Array]) -> None:
        """estimate: float64 ``[N]`` each. counts: int64 ``[N]`` each, named as in COUNTS."""
        given, true = prepared.labels.given_label, prepared.labels.true_label
        columns = {
            "index": prepared.dataset.source_index,
            "given_label": given,
            "true_label": pa.nulls(len(given), pa.int64()) if true is None else true,
            **estimate._asdict(),
            **{column: counts[name] for name, column in COUNTS.items()},
        }
        write(self.path / "memorization.parquet", lambda file: pq.write_table(pa.table(columns), file))

    # -- reading -------------------------------------------------------------------------------

    def about(self) -> dict[str, Any]:
        """All of ``config.json``. Raises StoreError if it is missing or damaged."""
        with self._readable("config.json"):
            about = dict(json.loads((self.path / "config.json").read_text()))
            if missing := [part for part in ("config", "data", "threads") if part not in about]:
                raise ValueError("without " + ", ".join(missing))
            return about

    def config(self) -> MemorizationConfig:
        about = self.about()
        with self._readable("config.json"):
            return MemorizationConfig.from_dict(about["config"])

    def table(self) -> dict[str, Array]:
        """Every column ``[N]``; true_label only where it is known. Raises StoreError if the table is missing or damaged."""
        with self._readable("memorization.parquet"):
            table = pq.read_table(self.path / "memorization.parquet")
            known = [name for name in table.column_names if not (name == "true_label" and table[name].null_count)]
            if missing := {"index", "given_label", *Memorization._fields, *COUNTS.values()} - set(known):
                raise ValueError("without " + ", ".join(sorted(missing)))
            return {name: table[name].to_numpy() for name in known}

    def counts(self) -> dict[str, Array]:
        """Counts of networks, int64 ``[N]`` each, named as in COUNTS."""
        table = self.table()
        return {name: table[column] for name, column in COUNTS.items()}

    def models(self) -> int:
        """Networks trained so far; 0 before the first and for a published estimate."""
        return models_of(self.counts()) if self.has_table() else 0

    def has_table(self) -> bool:
        return (self.path / "memorization.parquet").exists()

    def status(self) -> str:
        """running, finished or interrupted."""
        if "source" in self.about() or self.models() >= self.config().models:
            return "finished"
        return "running" if is_held(self.path / "lock") else "interrupted"

    @contextlib.contextmanager
    def _readable(self, name: str) -> Iterator[None]:
        try:
            yield
        except (OSError, ValueError, KeyError, TypeError, pa.ArrowException) as error:
            what = "is missing" if isinstance(error, FileNotFoundError) else f"cannot be read ({type(error).__name__}: {error})"
            raise StoreError(
                f"memorization {self.path.name}: {name} {what}; delete the folder {self.path} and estimate it again"
            ) from error

    # -- one writer at a time ------------------------------------------------------------------

    @contextlib.contextmanager
    def lock(self) -> Iterator[None]:
        """Hold the folder while training. Raises StoreError if somebody else does."""
        with contextlib.ExitStack() as stack:
            try:
                stack.enter_context(hold(self.path / "lock"))
            except Locked:
                raise StoreError(
                    f"memorization {self.path.name} is being estimated by another process; wait for it or stop it there"
                ) from None
            yield

    def is_locked(self) -> bool:
        return is_held(self.path / "lock")


def models_of(counts: Mapping[str, Array]) -> int:
    """Networks behind the counts: each image was either inside or outside."""
    return int(counts["n_in"][0] + counts["n_out"][0])
