"""From decisions to a proof: corrections kept in a file, the same networks trained with and without them, and what came of each pair."""

from __future__ import annotations

import csv
import functools
import hashlib
import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import NamedTuple

import numpy as np

from explorer import pipeline
from explorer.analysis.decisions import Verdicts
from explorer.config import ConfigError, DataConfig, RunConfig
from explorer.data.catalogue import fingerprint
from explorer.data.label_files import class_texts
from explorer.records import NO_CLASS, Array
from explorer.runs.files import write
from explorer.runs.store import RunStore, default_root
from explorer.runs.summaries import RunSummary

MEASURES = ("test_accuracy", "memorized", "susceptibility", "mean_curvature")  # columns of epochs.csv


class Member(NamedTuple):
    """One network of a family. status: that of its run, "" where nobody has asked for it yet. last: its last row of ``epochs.csv``."""

    run_id: str
    config: RunConfig
    status: str
    last: Mapping[str, float]


class BeforeAfter(NamedTuple):
    """What correcting the labels changed, seed by seed.

    members: "before", "after", and "truth" where true labels are known, to every network asked for, one per seed.
    seeds: int64 ``[S]`` ascending, those whose networks before and after are both finished. before, after, truth: each of MEASURES
    to float64 ``[S]``, at the last epoch; NaN where it was not measured, or the network on true labels is not finished.
    """

    members: Mapping[str, tuple[Member, ...]]
    seeds: Array
    before: Mapping[str, Array]
    after: Mapping[str, Array]
    truth: Mapping[str, Array]


# -- corrections as a file -------------------------------------------------------------------------


def keep_corrections(root: Path | str, verdicts: Verdicts, class_names: Sequence[str]) -> Path:
    """Keep what was decided in ``<root>/corrections``, named by its content: equal verdicts give the same file, which never changes.

    Images that are ambiguous, excluded or in dispute are left out of training.
    """
    return _keep(root, corrections_text(verdicts.source_index, np.where(verdicts.kind == "label", verdicts.label, NO_CLASS), class_names))


def corrections_text(source_index: Array, label: Array, class_names: Sequence[str]) -> str:
    """A file of corrections as ``read_corrections`` reads it. label: int ``[C]``, NO_CLASS to leave the image out."""
    texts, order = (*class_texts(class_names), ""), np.argsort(source_index)  # NO_CLASS is the last one
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(("index", "label"))
    writer.writerows((int(index), texts[k]) for index, k in zip(source_index[order], label[order], strict=True))
    return text.getvalue()


def _keep(root: Path | str, text: str) -> Path:
    content = text.encode()
    path = Path(root).expanduser().resolve() / "corrections" / f"{hashlib.sha256(content).hexdigest()[:12]}.csv"
    if not path.exists() or path.read_bytes() != content:
        path.parent.mkdir(parents=True, exist_ok=True)
        write(path, lambda file: file.write(content))
        path.chmod(0o444)
    return path


@functools.lru_cache(maxsize=16)
def _truth_text(config: DataConfig, fingerprint: str) -> str:
    """Corrections that set every wrong label right, and leave out what shows none of the classes; "" where nothing is known to be wrong."""
    prepared = pipeline.prepare(config)
    wrong, true = prepared.labels.is_mislabeled, prepared.labels.true_label
    if wrong is None or true is None or not wrong.any():
        return ""
    return corrections_text(prepared.dataset.source_index[wrong], true[wrong], prepared.dataset.class_names)


# -- networks to compare ---------------------------------------------------------------------------


def parent_of(config: RunConfig) -> RunConfig | None:
    """The same run on the labels before their correction; None for one that was not corrected."""
    return replace(config, corrections="") if config.corrections else None


def families(config: RunConfig, corrections: str, seeds: Iterable[int], root: Path | str | None = None) -> dict[str, tuple[RunConfig, ...]]:
    """Configs that differ in seed and corrections alone, a seed at the same place in each family.

    before: without corrections. after: with them. truth, only where some labels are known to be wrong: with every one of them set
    right, which is what a perfect review would reach.

    Args:
        config: of any of them. corrections: path of the file. root: of the runs, where the truth is kept as corrections.

    Raises:
        ConfigError: for a run that trains nothing, or without corrections. DataError: for data that are not there.
    """
    if not config.trains:
        raise ConfigError("model", config.model, "trains nothing, so that correcting labels changes no network; choose a run with one")
    if not corrections:
        raise ConfigError("corrections", corrections, "is empty; decide on some images first")
    base = replace(config, corrections="")
    files = {"before": "", "after": corrections}
    data = DataConfig(**{field.name: getattr(base.canonical(), field.name) for field in fields(DataConfig)})
    if truth := _truth_text(data, fingerprint(data)):
        files["truth"] = str(_keep(default_root() if root is None else root, truth))
    wanted = tuple(dict.fromkeys(seeds))
    return {name: tuple(replace(base, corrections=file, seed=seed) for seed in wanted) for name, file in files.items()}


def before_after(store: RunStore, config: RunConfig, corrections: str, seeds: Iterable[int] | None = None) -> BeforeAfter:
    """What is known so far of the networks trained before and after; ``seeds`` None takes every seed that either was asked for with.

    Raises:
        ConfigError, DataError: as ``families``.
    """
    summaries = {summary.run_id: summary for summary in store.runs()}
    asked = sorted(_seeds_of(summaries.values(), config, corrections) if seeds is None else set(seeds))
    members = {name: _members(family, summaries) for name, family in families(config, corrections, asked, store.root).items()}
    pairs = zip(members["before"], members["after"], strict=True)
    done = [i for i, pair in enumerate(pairs) if all(one.status == "finished" for one in pair)]

    def measured(name: str) -> dict[str, Array]:
        family = members.get(name)
        rows = [family[i].last if family and family[i].status == "finished" else {} for i in done]
        return {measure: np.array([row.get(measure, np.nan) for row in rows], dtype=np.float64) for measure in MEASURES}

    return BeforeAfter(members, np.array([asked[i] for i in done], dtype=np.int64), *map(measured, ("before", "after", "truth")))


def _members(family: Sequence[RunConfig], summaries: Mapping[str, RunSummary]) -> tuple[Member, ...]:
    """Data and device are the same for the whole family, and looked at once."""
    if not family:
        return ()
    first = pipeline.resolve(family[0])
    data = fingerprint(first)

    def member(config: RunConfig) -> Member:
        config = replace(first, seed=config.seed)
        run_id = config.run_id(data)
        summary = summaries.get(run_id)
        return Member(run_id, config, summary.status if summary else "", summary.last if summary else {})

    return tuple(map(member, family))


def _seeds_of(summaries: Iterable[RunSummary], config: RunConfig, corrections: str) -> set[int]:
    """Seeds of the stored runs with or without these corrections that are otherwise the same."""
    wanted = {replace(pipeline.resolve(replace(config, corrections=file)), seed=0) for file in ("", corrections)}
    return {s.config.seed for s in summaries if s.config is not None and replace(s.config, seed=0) in wanted}
