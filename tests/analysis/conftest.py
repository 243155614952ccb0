"""Two small real runs: one that learns and then memorizes every wrong label, and one that ELR keeps from it."""

from __future__ import annotations

import dataclasses

import pytest

from explorer.config import RunConfig
from explorer.pipeline import identify
from explorer.records import Run
from explorer.runs.execution import execute
from explorer.runs.store import RunStore

MEMORIZING = RunConfig(
    dataset="digits", train_size=400, noise="symmetric", noise_rate=0.4, model="mlp", width=32, epochs=35, batch_size=32, lr=0.03,
    schedule="constant", susceptibility_lr=0.0, curvature_every=0, embedding_every=0, device="cpu",
)  # fmt: skip


def trained(config: RunConfig, folder: pytest.TempPathFactory) -> Run:
    store = RunStore(folder.mktemp("run"))
    for _ in execute(store, config):
        pass
    return store.open(identify(config))


@pytest.fixture(scope="session")
def memorizing(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """40 % of the labels wrong, constant rate: about a second and a half."""
    return trained(MEMORIZING, tmp_path_factory)


@pytest.fixture(scope="session")
def robust(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """The same data under ELR, with both extra passes."""
    return trained(dataclasses.replace(MEMORIZING, loss="elr", epochs=12, folds=2, second_split_epochs=2), tmp_path_factory)
