"""Memorization estimates: trained into a folder each, continued, listed, opened, and matched with runs."""

from __future__ import annotations

import math
from collections.abc import Generator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from explorer import pipeline
from explorer.analysis.agreement import Agreement, agreement
from explorer.analysis.memorization import MEMORIZED, Memorization, memorization
from explorer.analysis.scores import SCORES, suspicion
from explorer.config import DataConfig, MemorizationConfig
from explorer.data.catalogue import fingerprint
from explorer.options import options_of
from explorer.pipeline import Prepared
from explorer.records import Array, Progress, Run, StoreError, SubsetRecord, freeze
from explorer.runs.execution import about_run, scores_of
from explorer.runs.memorization_files import COUNTS, MemorizationFolder, models_of


@dataclass(frozen=True, slots=True, eq=False)
class StoredMemorization:
    """An estimate as far as it has come. memorization, standard_error, inside, outside: see analysis.memorization.

    status: running, finished or interrupted. models: networks trained so far, 0 for a published estimate.
    source: name of the file a published estimate comes from, else empty. source_index: int64 ``[N]`` row in the source data.
    given_label: int64 ``[N]``; true_label: the same, or None. n_inside, n_outside: int64 ``[N]`` networks trained with,
    without the image. about: the rest of ``config.json``.
    """

    memorization_id: str
    config: MemorizationConfig
    status: str
    models: int
    source: str
    source_index: Array
    given_label: Array
    true_label: Array | None
    memorization: Array
    standard_error: Array
    inside: Array
    outside: Array
    n_inside: Array
    n_outside: Array
    about: Mapping[str, Any]


class MemorizationSummary(NamedTuple):
    """What a list of estimates shows of each."""

    memorization_id: str
    config: MemorizationConfig | None  # None for a damaged folder
    status: str
    cause: str
    models: int
    source: str


# -- training --------------------------------------------------------------------------------------


def execute_memorization(root: Path | str, config: MemorizationConfig) -> Generator[Progress | SubsetRecord, None, None]:
    """Train the networks of ``config`` into their folder, continuing where it was left, and pass every record on.

    Not asking for the next record stops it: finished networks are kept, and the same call continues it. Networks of an
    earlier estimate that differs in nothing but a smaller ``models`` are taken over.

    Raises:
        ConfigError, DataError: before anything is written. TrainingError, StoreError, OSError: networks so far are kept.
    """
    config = pipeline.resolve(config)
    folder = MemorizationFolder.of(root, config.run_id(fingerprint(config)))
    prepared = pipeline.prepare(config)
    config.subset_size(len(prepared.labels.given_label))
    with folder.lock():
        if not folder.has_table():
            _begin(root, folder, config, prepared)
        counts, threads = folder.counts(), int(folder.about()["threads"])
        for record in pipeline.memorize(config, models_of(counts), prepared, threads):
            if not isinstance(record, Progress):
                counts = _add(counts, record.inside, record.correct)
                folder.write_table(prepared, memorization(**counts), counts)
            yield record


def _begin(root: Path | str, folder: MemorizationFolder, config: MemorizationConfig, prepared: Prepared) -> None:
    about = about_run(config, prepared)
    none = np.zeros(len(prepared.labels.given_label), dtype=np.int64)
    counts = _earlier(root, config, about) or dict.fromkeys(COUNTS, none)
    folder.write_about(config, about)
    folder.write_table(prepared, memorization(**counts), counts)


def _earlier(root: Path | str, config: MemorizationConfig, about: Mapping[str, Any]) -> dict[str, Array] | None:
    """Counts of the largest estimate that ``config`` would only go on with, by more networks; None without one."""
    same = []
    for other in memorizations(root):
        if other.config is not None and replace(other.config, models=config.models) == config and 0 < other.models <= config.models:
            folder = MemorizationFolder.of(root, other.memorization_id)
            theirs = folder.about()
            if (theirs["data"]["fingerprint"], theirs["threads"]) == (about["data"]["fingerprint"], about["threads"]):
                same.append(folder.counts())
    return max(same, key=models_of, default=None)


def _add(counts: Mapping[str, Array], inside: Array, correct: Array) -> dict[str, Array]:
    """The counts with M more networks; inside, correct: bool ``[M, N]``."""
    more = (inside & correct, inside, ~inside & correct, ~inside)
    return {name: counts[name] + new.sum(axis=0) for name, new in zip(COUNTS, more, strict=True)}


# -- reading ---------------------------------------------------------------------------------------


def memorizations(root: Path | str) -> list[MemorizationSummary]:
    """All estimates, newest first; damaged ones are listed with the reason."""
    files = sorted((Path(root) / "memorization").glob("*/config.json"), key=lambda file: file.stat().st_mtime, reverse=True)
    return [_summary(MemorizationFolder(file.parent)) for file in files]


def _summary(folder: MemorizationFolder) -> MemorizationSummary:
    name = folder.path.name
    try:
        return MemorizationSummary(name, folder.config(), folder.status(), "", folder.models(), folder.about().get("source", ""))
    except StoreError as error:
        return MemorizationSummary(name, None, "damaged", str(error), 0, "")


def open_memorization(root: Path | str, memorization_id: str) -> StoredMemorization:
    """The estimate as far as it has come. Raises StoreError if there is none, or its folder is damaged."""
    folder = MemorizationFolder.of(root, memorization_id)
    if not folder.path.exists():
        raise StoreError(f"there is no memorization estimate {memorization_id} in {root}; it may have been deleted, or kept elsewhere")
    about = folder.about()
    table = {name: freeze(values) for name, values in folder.table().items()}
    return StoredMemorization(
        memorization_id=memorization_id, config=folder.config(), status=folder.status(), models=folder.models(),
        source=about.get("source", ""), source_index=table["index"], given_label=table["given_label"],
        true_label=table.get("true_label"), n_inside=table["n_inside"], n_outside=table["n_outside"], about=about,
        **{name: table[name] for name in Memorization._fields},
    )  # fmt: skip


def matching(root: Path | str, run: Run) -> list[StoredMemorization]:
    """Estimates for the very images and labels of a run, the finished first, then by number of networks."""
    known = [s for s in memorizations(root) if s.config is not None and (s.models or s.source) and same_data(s.config, run.config)]
    found = [open_memorization(root, summary.memorization_id) for summary in known]
    return sorted((s for s in found if describes(s, run)), key=lambda s: (s.status != "finished", -s.models))


def same_data(one: DataConfig, other: DataConfig) -> bool:
    """Whether all that decides images and labels is the same."""
    one, other = one.canonical(), other.canonical()
    return all(getattr(one, name) == getattr(other, name) for name in options_of(DataConfig))


def describes(stored: StoredMemorization, run: Run) -> bool:
    """Whether the two speak of the very same images and labels: what stands at one position then belongs to one image."""
    return (
        same_data(stored.config, run.config)
        and stored.about["data"]["fingerprint"] == run.about["data"]["fingerprint"]
        and np.array_equal(stored.source_index, run.source_index)
        and np.array_equal(stored.given_label, run.labels.given_label)
    )


def agreements(stored: StoredMemorization, run: Run) -> dict[str, Agreement]:
    """How far each score of a run on the same images agrees with their memorization."""
    return {name: agreement(stored.memorization, suspicion(name, values)) for name, values in scores_of(run).items()}


# -- in words --------------------------------------------------------------------------------------


def describe(stored: StoredMemorization) -> str:
    """One line: how far it is, how sure, and how much is memorized."""
    known = np.isfinite(stored.memorization)
    share = 100 * float((stored.memorization[known] > MEMORIZED).mean()) if known.any() else math.nan
    above = f"{share:.1f} % of {int(known.sum()):,} images above {MEMORIZED}"
    if stored.source:
        return f"published in {stored.source}  {above}"
    inside, outside, error = (
        float(np.mean(a[known])) if known.any() else math.nan for a in (stored.inside, stored.outside, stored.standard_error)
    )
    right = f"right inside {100 * inside:5.1f} %  outside {100 * outside:5.1f} %"
    return f"networks {stored.models:5d} of {stored.config.models}  {right}  standard error {error:.3f}  {above}"


def describe_agreements(run_id: str, found: Mapping[str, Agreement]) -> str:
    """A table of how far the scores of a run agree with memorization, best rank correlation first."""
    lines = [
        f"run {run_id}: agreement with memorization",
        "  score                         Spearman  Pearson  cosine (misleading: high for any two positive scores)",
    ]
    for name in sorted(found, key=lambda name: -np.nan_to_num(found[name].spearman, nan=-2)):
        lines.append(f"  {SCORES[name].title:30}{found[name].spearman:8.3f} {found[name].pearson:8.3f} {found[name].cosine:7.3f}")
    return "\n".join(lines)
