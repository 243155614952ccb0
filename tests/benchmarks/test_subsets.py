"""What training several small networks as one saves, as ratios of processor time: ``pytest -m benchmark -s``. Nothing judges a time."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import pytest

from explorer import pipeline
from explorer.config import MemorizationConfig
from explorer.records import Array, SubsetRecord
from explorer.training import subsets

pytestmark = pytest.mark.benchmark

KINDS: list[dict[str, Any]] = [
    {"model": "mlp", "width": 8},
    {"model": "mlp", "width": 16},
    {"model": "mlp", "width": 32},
    {"model": "mlp", "width": 64},
    {"model": "mlp", "width": 16, "image_size": 28},
    {"model": "cnn", "width": 4},
    {"model": "cnn", "width": 8},
    {"model": "cnn", "width": 16},
]


def milliseconds(config: MemorizationConfig) -> tuple[float, Array]:
    """(processor time of an epoch of one network, correct bool ``[M, N]``), one thread."""
    prepared = pipeline.prepare(config)
    started = time.process_time()
    found = [r.correct for r in pipeline.memorize(config, 0, prepared, threads=1) if isinstance(r, SubsetRecord)]
    return (time.process_time() - started) / config.models / config.epochs * 1000, np.concatenate(found)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: " ".join(map(str, kind.values())))
def test_what_training_together_saves(kind: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where it is not done, to see that it is rightly not done."""
    size = 1
    monkeypatch.setattr(subsets, "together", lambda model, weights: size)
    line, alone, first = "", 0.0, np.zeros(0)
    milliseconds(MemorizationConfig(models=2, epochs=1, device="cpu"))  # what is imported late is not part of it
    for size in (1, 5, 10, 20):
        config = MemorizationConfig(models=20 if kind["model"] == "mlp" else max(4, size), epochs=3, device="cpu", **kind)
        spent, correct = milliseconds(config)
        alone, first = (spent, correct) if size == 1 else (alone, first)
        line += f"  {size:2d}: {spent:6.1f} ms ({alone / spent:4.2f} times as fast)"
        assert (correct[:4] == first[:4]).mean() > 0.99  # the same networks, but for rounding
    print(f"\n{kind}{line}")
