"""Train one run into the store: what the command line, the worker thread and the tests all iterate."""

from __future__ import annotations

import importlib.metadata
import platform
import time
from collections.abc import Generator, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from explorer import __version__, pipeline
from explorer.analysis.neighbors import NearDuplicates, Neighbors, find_neighbors, near_duplicates
from explorer.analysis.scores import compute_scores
from explorer.config import MemorizationConfig, RunConfig
from explorer.data.catalogue import fingerprint
from explorer.pipeline import Prepared
from explorer.records import Dataset, EpochRecord, FinalRecord, Progress, Record, Run
from explorer.runs.duplicates import execute_duplicates, flag
from explorer.runs.files import RunFolder
from explorer.runs.processors import spare_processors
from explorer.runs.store import RunStore

PACKAGES = ("torch", "torchvision", "numpy", "faiss-cpu", "scikit-learn", "cleanlab", "pyarrow", "pillow")
SEARCHED = (500, 10_000)  # images among which near-duplicates are looked for by appearance as soon as a run is over


class Interruption(BaseException):
    """Thrown into ``execute``: the run ends although nobody wants it stopped; its words say why. Finished epochs are kept."""


def execute(store: RunStore, config: RunConfig, *, again: bool = False) -> Generator[Record, None, None]:
    """Train ``config`` into its folder, continuing from its checkpoint if there is one, and pass every record on.

    Not asking for the next record (closing the generator) stops the run: finished epochs are kept, and the same call
    continues it. Status and cause of a failure are in the store before this returns or raises.

    Args:
        again: train anew from the start instead of continuing.

    Raises:
        ConfigError, DataError: before anything is written (but for what only reading all of a file of predictions shows).
        TrainingError, StoreError, OSError: records so far are kept.
    """
    spare_processors()  # for all that is computed of a run
    config = pipeline.resolve(config)
    run_id = config.run_id(fingerprint(config))
    prepared = pipeline.prepare(config)
    folder = store.folder(run_id)
    with folder.lock():
        try:
            store.set_status(run_id, "running", config=config)
            yield from _train(folder, config, prepared, again)
        except (GeneratorExit, KeyboardInterrupt):
            store.set_status(run_id, "stopped")
            raise
        except Interruption as why:
            store.set_status(run_id, "interrupted", str(why))
            raise
        except Exception as error:
            store.set_status(run_id, "failed", cause_of(error))
            raise
        store.set_status(run_id, "finished")


def cause_of(error: Exception) -> str:
    """A failure in one sentence for the page; unforeseen ones keep the name of their kind."""
    if isinstance(error, OSError) and not isinstance(error, FileNotFoundError):
        remedy = "allow it in the folder" if isinstance(error, PermissionError) else "free disk space"
        return f"a file could not be written or read ({error.strerror or error}); {remedy}, then continue the run"
    if type(error).__module__.startswith("explorer."):
        return str(error)
    return f"{type(error).__name__}: {error}"


def _train(folder: RunFolder, config: RunConfig, prepared: Prepared, again: bool) -> Iterator[Record]:
    state = None if again else folder.state()
    if state is None:
        folder.begin(config, about_run(config, prepared), prepared.dataset, prepared.labels)
    else:
        folder.rewind(pipeline.state_epoch(state))
    threads = int(folder.about()["threads"])
    for record in pipeline.run(config, state, prepared, threads):
        if isinstance(record, EpochRecord):
            folder.append(record, prepared.labels, prepared.dataset.test_label)
        elif isinstance(record, FinalRecord):
            folder.keep_extras(record)
            run = folder.read("running")
            neighbors = yield from neighbors_of(run)
            pairs = yield from duplicates_of(folder.path.parent, run, prepared.dataset, neighbors)
            folder.finish(scores_of(run, neighbors), pairs)
        yield record


def scores_of(run: Run, neighbors: Neighbors | None = None) -> dict[str, Any]:
    """Every score of a run; neighbours, unless given, are looked up in the embedding of peak mean curvature where there is one."""
    return compute_scores(
        run.facts, run.labels.given_label, pair_embedding(run), out_of_sample=run.out_of_sample, second_split=run.second_split,
        trained=run.config.trains, neighbors=neighbors,
    )  # fmt: skip


def neighbors_of(run: Run) -> Generator[Progress, None, Neighbors | None]:
    """Yield Progress; return the nearest images of every image of a run, None without embedding. Scores and pairs ask for the same."""
    embedding, found = pair_embedding(run), None
    for item in find_neighbors(embedding) if embedding is not None else ():
        if isinstance(item, Progress):
            yield replace(item, epoch=run.last_epoch)
        else:
            found = item
    return found


def pair_embedding(run: Run) -> Any:
    """float32 ``[N, D]`` or None: of the epoch of peak mean curvature, else the last.

    A network that memorizes two labels for one image pulls the two apart by the end.
    """
    return run.embedding_peak if run.embedding_peak is not None else run.embedding


def duplicates_of(
    root: Path, run: Run, dataset: Dataset, neighbors: Neighbors | None = None
) -> Generator[Progress, None, NearDuplicates | None]:
    """Yield Progress; return the flagged pairs of a run whose training is over, None where it was to look for none.

    By appearance, the better finder, where the set is small enough to be searched in passing and large enough to calibrate the search
    on; it is kept for every run on the same images. Else by the network's embedding.
    """
    given, embedding = run.labels.given_label, pair_embedding(run)
    if run.config.embedding_every == 0:
        return None
    if not SEARCHED[0] <= len(given) <= SEARCHED[1]:
        return None if embedding is None else near_duplicates(embedding, given, dataset.train_images, neighbors=neighbors)
    found = None
    for item in execute_duplicates(root, dataset.train_images):
        if isinstance(item, Progress):
            yield replace(item, epoch=run.last_epoch)
        else:
            found = flag(item, given)
    return found


def about_run(config: RunConfig | MemorizationConfig, prepared: Prepared) -> dict[str, Any]:
    """What stands beside every figure of a run: versions, device, threads, data, realised noise and corrections."""
    dataset, labels = prepared.dataset, prepared.labels
    versions = {"explorer": __version__, "python": platform.python_version()}
    for package in PACKAGES:
        try:
            versions[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            versions[package] = "not installed"
    return {
        "versions": versions,
        "device": config.device,
        **pipeline.machine(config),
        "started_at": time.time(),
        "data": {
            "name": dataset.name,
            "fingerprint": fingerprint(config),
            "class_names": list(dataset.class_names),
            "train_images": list(dataset.train_images.shape),
            "test_images": list(dataset.test_images.shape),
            "test_is_reference": dataset.test_is_reference,
            "notices": list(dataset.notices),
        },
        "noise": {
            "asked_rate": labels.asked_rate,
            "wrong_rate": labels.wrong_rate,
            "asked_transition": labels.asked_transition,
            "transition": labels.transition,
        },
        "corrections": prepared.corrected._asdict() if prepared.corrected else None,
    }
