"""Published claims against this machine: train what each needs, measure, decide, and write the table down.

Every training is an ordinary run in the store, so an interrupted reproduction goes on where it stopped.
"""

from __future__ import annotations

import csv
import datetime
import importlib.util
import io
import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from explorer import pipeline
from explorer.config import ConfigError, MemorizationConfig, RunConfig
from explorer.runs.claims import CLAIMS, Claim, mean
from explorer.runs.claims_scores import SCORE_CLAIMS
from explorer.runs.execution import execute
from explorer.runs.files import write
from explorer.runs.memorization import execute_memorization, open_memorization
from explorer.runs.store import RunStore

ALL: tuple[Claim, ...] = (*CLAIMS, *SCORE_CLAIMS)
SEEDS = (0, 1, 2)
COLUMNS = ("claim", "statement", "setting", "published", "measured", "verdict", "seeds", "seconds")


class Outcome(NamedTuple):
    """What came of one claim. verdict: "holds", "does not hold", or why it was not tested. seconds: of computing."""

    claim: Claim
    measured: dict[str, tuple[float, float]]  # quantity -> mean, standard deviation over the seeds
    verdict: str
    seconds: float


def select(only: Sequence[str]) -> tuple[Claim, ...]:
    """The claims of these names, all for none. Raises ConfigError for a name that is none of them."""
    known = {claim.name: claim for claim in ALL}
    for name in only:
        if name not in known:
            raise ConfigError("only", name, "is not one of " + ", ".join(known))
    return tuple(known[name] for name in only) or ALL


def reproduce(
    store: RunStore,
    only: Sequence[str] = (),
    *,
    device: str = "auto",
    seeds: Sequence[int] = SEEDS,
    progress: Callable[[str], None] = lambda text: None,
) -> Iterator[Outcome]:
    """Test the claims one after the other; ``progress`` is told what is being trained."""
    has_gpu = pipeline.resolve(RunConfig(device=device)).device != "cpu"
    for claim in select(only):
        if missing := "a GPU" if claim.needs_gpu and not has_gpu else _missing(claim.needs_package):
            yield Outcome(claim, {}, f"needs {missing}", 0.0)
            continue
        started = time.perf_counter()
        values: dict[str, list[float]] = {}
        for seed in seeds:
            trained = {}
            for role, config in claim.runs(seed).items():
                progress(f"{claim.name}: {role}, seed {seed}")
                trained[role] = _obtain(store, replace(config, device=device), only_labels=claim.only_labels)
            for name, value in claim.measure(trained).items():
                values.setdefault(name, []).append(value)
        arrays = {name: np.array(each) for name, each in values.items()}
        measured = {name: _summary(each) for name, each in arrays.items()}
        yield Outcome(claim, measured, "holds" if claim.holds(arrays) else "does not hold", time.perf_counter() - started)


def _missing(package: str) -> str:
    """The package, if it is needed and not installed."""
    return package if package and importlib.util.find_spec(package) is None else ""


def _summary(values: np.ndarray) -> tuple[float, float]:
    """(mean, standard deviation) of the seeds where the quantity is known."""
    known = values[np.isfinite(values)]
    return mean(values), (float(known.std(ddof=1)) if len(known) > 1 else math.nan)


def _obtain(store: RunStore, config: RunConfig | MemorizationConfig, *, only_labels: bool) -> Any:
    """The finished run of a config, trained (or continued) first where it is not in the store."""
    if isinstance(config, MemorizationConfig):
        return open_memorization(store.root, _exhaust(execute_memorization(store.root, config), pipeline.identify(config)))
    if only_labels:
        return pipeline.prepare(config)
    run_id = pipeline.identify(config)
    if not (store.exists(run_id) and store.status(run_id)[0] == "finished"):
        _exhaust(execute(store, config), run_id)
    return store.open(run_id)


def _exhaust(records: Iterator[object], run_id: str) -> str:
    for _ in records:
        pass
    return run_id


# -- the table -------------------------------------------------------------------------------------


def describe(outcome: Outcome, seeds: Sequence[int] = SEEDS) -> str:
    """An outcome for a terminal."""
    text = row(outcome, seeds)
    return (
        f"{text['claim']}: {text['verdict']}\n  {text['statement']}\n  published {text['published']}\n"
        f"  measured  {text['measured']}\n  {text['setting']}; {text['seeds']} seeds, {text['seconds']} s"
    )


def row(outcome: Outcome, seeds: Sequence[int] = SEEDS) -> dict[str, str]:
    """One line of the table (COLUMNS), as text."""
    claim = outcome.claim
    measured = "; ".join(f"{name} {_number(centre)} ± {_number(sd, 2)}" for name, (centre, sd) in outcome.measured.items())
    reason = f" ({claim.note})" if outcome.verdict == "does not hold" and claim.note else ""
    return {
        "claim": claim.name, "statement": claim.statement, "setting": claim.setting, "published": claim.published,
        "measured": measured or "-", "verdict": outcome.verdict + reason,
        "seeds": str(len(seeds)) if outcome.measured else "0", "seconds": f"{outcome.seconds:.0f}",
    }  # fmt: skip


def write_table(folder: Path, outcomes: Sequence[Outcome], machine: str, seeds: Sequence[int] = SEEDS) -> tuple[Path, Path]:
    """``reproduce.csv`` and ``reproduce.md`` in a folder; returns both paths."""
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(row(outcome, seeds) for outcome in outcomes)
    paths = folder / "reproduce.csv", folder / "reproduce.md"
    for path, content in zip(paths, (text.getvalue(), markdown(outcomes, machine, seeds)), strict=True):
        write(path, lambda file, content=content: file.write(content.encode()))  # type: ignore[misc]
    return paths


def markdown(outcomes: Sequence[Outcome], machine: str, seeds: Sequence[int] = SEEDS) -> str:
    """The table for a README, with machine and date."""
    tested = [outcome for outcome in outcomes if outcome.measured]
    hold = sum(outcome.verdict == "holds" for outcome in tested)
    minutes = sum(outcome.seconds for outcome in tested) / 60
    lines = [
        f"{hold} of {len(tested)} claims hold ({len(seeds)} seeds, mean ± standard deviation; {machine}, {datetime.date.today()}, "
        f"{minutes:.0f} min of new computing).", "",
        "| claim | published, full scale | here | measured | verdict |", "|---|---|---|---|---|",
    ]  # fmt: skip
    for each in (row(outcome, seeds) for outcome in outcomes):
        lines.append(f"| {each['statement']} | {each['published']} | {each['setting']} | {each['measured']} | {each['verdict']} |")
    return "\n".join(lines) + "\n"


def _number(value: float, digits: int = 3) -> str:
    return "-" if math.isnan(value) else f"{value:.{digits}g}"
