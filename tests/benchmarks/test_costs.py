"""What probes and records cost, as ratios within one run: ``pytest -m benchmark -s``. Nothing here judges a time."""

from __future__ import annotations

import dataclasses
import statistics
import time

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from explorer import pipeline
from explorer.config import RunConfig
from explorer.pipeline import Prepared
from explorer.training.devices import generator, thread_count
from explorer.training.images import on_device
from explorer.training.models import Network, build_model
from explorer.training.state import read_state
from tests.support import PROBED, assert_same_epochs, assert_same_tensors, epoch_records

pytestmark = pytest.mark.benchmark

BARE = RunConfig(dataset="digits", epochs=6, device="cpu", susceptibility_lr=0.0, curvature_every=0, embedding_every=0, schedule="constant")
VARIANTS = {
    "bare": {},
    "with susceptibility": {"susceptibility_lr": 0.05},
    "with curvature, 2 directions": {"curvature_every": 1, "curvature_directions": 2},
    "with curvature, the paper's 10": {"curvature_every": 1, "curvature_directions": 10, "curvature_radius": 1e-3},
    "with embeddings": {"embedding_every": 1},
    "with all of them": {"susceptibility_lr": 0.05, "curvature_every": 1, "curvature_directions": 2, "embedding_every": 1},
}
ROUNDS = 3


@pytest.fixture(scope="module")
def prepared() -> Prepared:
    return pipeline.prepare(BARE)


def by_hand(config: RunConfig, prepared: Prepared) -> tuple[Network, list[float]]:
    """The plain loop anyone would write; the same order of images, so the same weights."""
    torch.set_num_threads(thread_count())
    images, _ = on_device(prepared.dataset, prepared.labels.given_label, "cpu")
    x, y = images.inputs(slice(None)), images.label
    weights = generator(config.seed, "weights").initial_seed()
    model = build_model(config.model, channels=x.shape[1], size=x.shape[2], num_classes=10, width=config.width, seed=weights).train()
    optimizer = torch.optim.SGD(model.parameters(), lr=config.lr, momentum=config.momentum)
    seconds = []
    for epoch in range(1, config.epochs + 1):
        started = time.perf_counter()
        for batch in torch.randperm(len(x), generator=generator(config.seed, "order", epoch)).split(config.batch_size):
            loss = F.cross_entropy(model(x[batch]), y[batch])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        seconds.append(time.perf_counter() - started)
    return model, seconds


def show(title: str, seconds: dict[str, list[float]], unit: str) -> None:
    base = statistics.median(seconds[unit])
    print(f"\n{title} ({thread_count()} threads; 1.00 is {unit}: {1000 * base:.0f} ms)")
    for name, values in seconds.items():
        print(f"  {name:34}{statistics.median(values) / base:6.2f}  from {min(values) / base:.2f} to {max(values) / base:.2f}")


def test_what_an_epoch_costs_with_each_probe(prepared: Prepared) -> None:
    """Rounds take turns, so that a slow minute of the machine hits all variants alike."""
    seconds: dict[str, list[float]] = {name: [] for name in VARIANTS}
    bare = None
    for _ in range(ROUNDS):
        for name, settings in VARIANTS.items():
            got = epoch_records(pipeline.run(dataclasses.replace(BARE, **settings), prepared=prepared))
            seconds[name] += [r.train_seconds + r.eval_seconds + r.probe_seconds for r in got[1:]]
            bare = bare or got
            assert_same_epochs(bare, got, without=PROBED)  # whatever it costs, it changes nothing
    show("one epoch: training, evaluation, probes", seconds, "bare")


def test_what_the_loop_costs_over_one_written_by_hand(prepared: Prepared) -> None:
    seconds: dict[str, list[float]] = {"by hand": [], "ours, training alone": [], "ours, with evaluation": []}
    for _ in range(ROUNDS):
        model, taken = by_hand(BARE, prepared)
        seconds["by hand"] += taken
        got = epoch_records(pipeline.run(BARE, prepared=prepared))
        seconds["ours, training alone"] += [r.train_seconds for r in got[1:]]
        seconds["ours, with evaluation"] += [r.train_seconds + r.eval_seconds for r in got[1:]]
        assert got[-1].state is not None
        assert_same_tensors(read_state(got[-1].state)["model"], dict(model.state_dict()))  # the same work, to the last bit
    show("one epoch of training", seconds, "by hand")


def test_what_a_checkpoint_costs(prepared: Prepared) -> None:
    """States are spaced out to stay within their share of the time."""
    got = epoch_records(pipeline.run(dataclasses.replace(BARE, epochs=20), prepared=prepared))
    with_state = [r.epoch for r in got if r.state is not None]
    print(f"\nepochs with a checkpoint, of 20: {with_state}; size {np.mean([len(r.state) for r in got if r.state]) / 1e6:.2f} MB")
    assert with_state[0] == 0 and with_state[-1] == 20
