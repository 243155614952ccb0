"""The whole story of a run: data -> labels -> train, or read what another network said. Read this first."""

from __future__ import annotations

import platform
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TypeVar

from explorer.config import DataConfig, MemorizationConfig, RunConfig
from explorer.data import catalogue
from explorer.data.corrections import Corrected, correct
from explorer.data.given import check_given, read_given, with_files
from explorer.data.noise import add_noise
from explorer.records import Dataset, Labels, Progress, Record, SubsetRecord

C = TypeVar("C", RunConfig, MemorizationConfig)


@dataclass(frozen=True, slots=True, eq=False)
class Prepared:
    """What a run starts from: images and the labels to train on. corrected: what corrections did to them, None without any."""

    dataset: Dataset
    labels: Labels
    corrected: Corrected | None = None


def prepare(config: DataConfig) -> Prepared:
    """Load the images, make the labels, correct them; noise may replace images, corrections leave some out. Same config: same result."""
    config = config.canonical()
    prepared = Prepared(*correct(config, *add_noise(config, catalogue.load(config))))
    if isinstance(config, RunConfig) and not config.trains:
        check_given(config, prepared.dataset)
    return prepared


def resolve(config: C) -> C:
    """The config with everything that depends on this machine made explicit: the device, and paths made absolute."""
    config = config.canonical()
    dataset = catalogue.absolute(config.dataset)
    config = replace(config, corrections=str(catalogue.corrections_file(config) or ""))
    if isinstance(config, RunConfig) and not config.trains:
        return replace(with_files(config), dataset=dataset, device="cpu")
    from explorer.training.devices import resolve_device

    foreign = catalogue.foreign_set(config) if config.noise == "open_set" else ""
    return replace(config, dataset=dataset, open_set=foreign, device=resolve_device(config.device))


def identify(config: C) -> str:
    """The run_id of a config on this machine's device and on the data as they are now."""
    config = resolve(config)
    return config.run_id(catalogue.fingerprint(config))


def machine(config: RunConfig | MemorizationConfig) -> dict[str, object]:
    """What a run's numbers depend on besides its config: the device's name and the thread count (kept when it is continued)."""
    if isinstance(config, RunConfig) and not config.trains:  # and torch stays where it is
        return {"device_name": f"{platform.machine()} {config.device}", "threads": 1}
    from explorer.training.devices import device_name, thread_count

    return {"device_name": device_name(config.device), "threads": thread_count()}


def forward_cost(config: RunConfig, *, channels: int, size: int, num_classes: int) -> tuple[float, int]:
    """(floating-point operations of one forward pass of one image, parameters) of the config's network."""
    from explorer.training.cost import forward_cost

    return forward_cost(config.model, channels=channels, size=size, num_classes=num_classes, width=config.width)


def state_epoch(state: bytes) -> int:
    """The epoch a checkpoint was taken after. Raises TrainingError if it cannot be read."""
    from explorer.training.state import read_state

    return int(read_state(state)["epoch"])


def run(config: RunConfig, state: bytes | None = None, prepared: Prepared | None = None, threads: int | None = None) -> Iterator[Record]:
    """Train as ``config`` says and yield Progress, EpochRecord (0..epochs) and one FinalRecord; for model none see ``read_given``.

    Needs nothing but its config; ``state`` continues an earlier run, ``prepared`` saves loading the data twice and
    ``threads`` repeats an earlier run's count. Stop by not asking for the next record. Truth never reaches the
    training: it is handed the given labels only.
    """
    prepared = prepared or prepare(config)
    if not config.trains:
        yield from read_given(config, prepared.dataset, prepared.labels.given_label)
        return
    from explorer.training.loop import train

    yield from train(config, prepared.dataset, prepared.labels.given_label, state, threads)


def memorize(
    config: MemorizationConfig, done: int = 0, prepared: Prepared | None = None, threads: int | None = None
) -> Iterator[Progress | SubsetRecord]:
    """Train many networks on random subsets, as ``config`` says, and yield Progress and a SubsetRecord for every few of them.

    Needs nothing but its config; ``done`` networks, finished earlier, are left out, the rest is as in ``run``.
    """
    from explorer.training.subsets import train_subsets

    prepared = prepared or prepare(config)
    yield from train_subsets(config, prepared.dataset, prepared.labels.given_label, done, threads)
