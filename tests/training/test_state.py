"""Checkpoints: plain content, honest refusals, and how often they come."""

from __future__ import annotations

import dataclasses
import io
import math
import pickle
import zipfile
from pathlib import Path

import pytest
import torch

from explorer import pipeline
from explorer.config import RunConfig
from explorer.pipeline import Prepared
from explorer.records import Record, TrainingError
from explorer.training import state as state_module
from explorer.training.devices import PURPOSES, generator, resolve_device, thread_count
from explorer.training.state import read_state
from tests.support import epoch_records


def last_state(records: list[Record]) -> bytes:
    state = epoch_records(records)[-1].state
    assert state is not None
    return state


def test_a_state_holds_tensors_and_plain_values_only(tiny: RunConfig, records: list[Record]) -> None:
    content = torch.load(io.BytesIO(last_state(records)), weights_only=True)
    assert content["epoch"] == tiny.epochs
    assert [{type(v) for v in member["model"].values()} for member in content["members"]] == [{torch.Tensor}]
    assert pipeline.state_epoch(last_state(records)) == tiny.epochs


@pytest.mark.parametrize("damage", ["cut", "empty", "text", "flipped"])
def test_a_damaged_state_is_refused_with_advice(tiny: RunConfig, prepared: Prepared, records: list[Record], damage: str) -> None:
    state = last_state(records)
    broken = {
        "cut": state[: len(state) // 2],
        "empty": b"",
        "text": b"not a checkpoint",
        "flipped": state[:100] + b"\xff" * 900 + state[1000:],
    }[damage]
    with pytest.raises(TrainingError, match="run it again"):
        list(pipeline.run(tiny, broken, prepared))


def test_a_state_is_never_unpickled(tmp_path: Path) -> None:
    """A crafted checkpoint must not run code: torch's own container around a pickle that calls a function."""
    marker = tmp_path / "executed"

    class Attack:
        def __reduce__(self) -> tuple[object, ...]:
            return (Path.touch, (marker,))

    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("archive/data.pkl", pickle.dumps(Attack(), protocol=2))
        archive.writestr("archive/version", "3\n")
    for crafted in (buffer.getvalue(), pickle.dumps(Attack())):
        with pytest.raises(TrainingError):
            read_state(crafted)
        assert not marker.exists()


@pytest.mark.parametrize("change", [{"model": "mlp"}, {"width": 5}, {"loss": "elr"}, {"loss": "elr_plus"}], ids=str)
def test_the_state_of_another_run_is_refused(tiny: RunConfig, prepared: Prepared, records: list[Record], change: dict[str, object]) -> None:
    with pytest.raises(TrainingError, match="another run"):
        list(pipeline.run(dataclasses.replace(tiny, **change), last_state(records), prepared))


def test_states_of_another_format_are_refused(records: list[Record]) -> None:
    content = read_state(last_state(records)) | {"format": 999}
    buffer = io.BytesIO()
    torch.save(content, buffer)
    with pytest.raises(TrainingError, match="cannot be read"):
        read_state(buffer.getvalue())


def test_states_are_spaced_out_but_the_first_and_the_last_always_come(
    tiny: RunConfig, prepared: Prepared, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(state_module, "STATE_SHARE", 0.0)
    got = epoch_records(pipeline.run(tiny, prepared=prepared))
    assert [r.state is not None for r in got] == [True, False, False, True]
    monkeypatch.setattr(state_module, "STATE_SHARE", math.inf)
    assert all(r.state is not None for r in epoch_records(pipeline.run(tiny, prepared=prepared)))


# -- sources of randomness -------------------------------------------------------------------------


def test_each_purpose_time_and_seed_has_its_own_stream() -> None:
    seeds = {generator(seed, purpose, epoch).initial_seed() for seed in range(4) for purpose in PURPOSES for epoch in range(4)}
    assert len(seeds) == 4 * len(PURPOSES) * 4
    assert generator(0, "order", 1, 2).initial_seed() != generator(0, "order", 12).initial_seed()
    one, other = (torch.rand(3, generator=generator(7, "order", 2)) for _ in range(2))
    assert torch.equal(one, other)
    with pytest.raises(ValueError, match="lunch"):
        generator(0, "lunch")


def test_auto_is_a_device_that_is_there_and_threads_are_between_one_and_four() -> None:
    assert resolve_device("auto") in ("cpu", "cuda", "mps")
    assert resolve_device(resolve_device("auto")) == resolve_device("auto")
    assert 1 <= thread_count() <= 4
