"""What a run costs, counted before it starts, against the operations it really computes."""

from __future__ import annotations

import dataclasses
import json
import shutil
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from explorer import pipeline
from explorer.config import RunConfig
from explorer.records import DataError
from explorer.runs.estimate import EXTRA_PASSES, START_SECONDS, Shape, cost_shares, estimate, estimate_all, passes
from explorer.runs.grid import expand
from explorer.runs.store import RunStore
from explorer.training.cost import _Counter

BARE = RunConfig(
    train_size=100, model="mlp", width=4, epochs=2, batch_size=25, device="cpu", susceptibility_lr=0.0, curvature_every=0, embedding_every=0
)


def operations(config: RunConfig) -> tuple[float, int, int]:
    """(operations of a whole run, in forward passes of one image; training images; test images)."""
    prepared = pipeline.prepare(config)
    _, size, _, channels = prepared.dataset.train_images.shape
    once, _ = pipeline.forward_cost(config, channels=channels, size=size, num_classes=prepared.dataset.num_classes)
    with _Counter() as counter:
        for _ in pipeline.run(config, prepared=prepared, threads=1):
            pass
    return counter.flops / once, len(prepared.labels.given_label), len(prepared.dataset.test_label)


@pytest.mark.parametrize(
    "more",
    [
        {}, {"loss": "mixup"}, {"loss": "elr"}, {"loss": "elr_plus"}, {"susceptibility_lr": 0.05},
        {"curvature_every": 1, "curvature_directions": 1}, {"curvature_every": 2, "curvature_directions": 10},
        {"loss": "elr_plus", "curvature_every": 1}, {"folds": 3}, {"second_split_epochs": 3}, {"loss": "elr_plus", "folds": 2},
    ],
    ids=str,
)  # fmt: skip
def test_what_is_counted_is_what_is_computed(more: dict[str, Any]) -> None:
    """A training step needs no gradient at the images, so its first layer goes back cheaper than twice a forward pass."""
    config = dataclasses.replace(BARE, model="cnn", **more)
    computed, train, test = operations(config)
    assert computed == pytest.approx(sum(passes(config, train, test).values()), rel=0.03)


def test_shares_are_relative_to_bare_training() -> None:
    config = dataclasses.replace(BARE, epochs=10, curvature_every=2, curvature_directions=2, folds=4)
    shares = cost_shares(config, 300, 60)
    by_hand = {"training": 1, "evaluation": 11 * 360 / 9000, "susceptibility": 0, "curvature": 5 * 6 / 30, "folds": 91 / 30}
    assert shares == pytest.approx(by_hand | {"second_split": 0})
    assert set(EXTRA_PASSES) < set(shares)


def test_what_is_switched_off_costs_nothing() -> None:
    shares = cost_shares(BARE, 100, 20)
    assert [part for part, share in shares.items() if share] == ["training", "evaluation"]


def test_curvature_is_due_in_whole_epochs_only() -> None:
    rarely = dataclasses.replace(BARE, epochs=9, curvature_every=5)
    assert passes(rarely, 10, 0)["curvature"] == passes(dataclasses.replace(rarely, epochs=5), 10, 0)["curvature"]
    assert passes(dataclasses.replace(rarely, epochs=4), 10, 0)["curvature"] == 0


def test_before_the_first_run_time_goes_with_the_passes(store: RunStore) -> None:
    shape = (100, 8, 8, 1)
    longer = dataclasses.replace(BARE, epochs=4)
    short, long = (estimate(store, config, shape, 20, 10) for config in (BARE, longer))
    assert not short.timed
    ratio = (long.seconds - START_SECONDS) / (short.seconds - START_SECONDS)
    assert ratio == pytest.approx(sum(passes(longer, 100, 20).values()) / sum(passes(BARE, 100, 20).values()))


@pytest.mark.parametrize("folds", [0, 3])
def test_a_run_like_a_timed_one_will_take_as_long(finished: tuple[RunStore, str], tiny: RunConfig, store: RunStore, folds: int) -> None:
    """The seconds on record are those of the epochs, without the extra passes (``folds``) of the run that was timed."""
    done, run_id = finished
    folder = shutil.copytree(done.folder(run_id).path, store.root / run_id)
    rows = pd.read_csv(folder / "epochs.csv")
    rows[["train_seconds", "eval_seconds", "probe_seconds"]] = [2.0, 1.0, 0.5]
    rows.to_csv(folder / "epochs.csv", index=False)
    about = json.loads((folder / "config.json").read_text())
    about["config"]["folds"] = folds
    (folder / "config.json").write_text(json.dumps(about))
    shape, test = tuple(about["data"]["train_images"]), about["data"]["test_images"][0]
    expected = estimate(store, tiny, shape, test, 10)
    assert expected.timed
    epochs = expected.seconds - START_SECONDS
    assert epochs == pytest.approx(3.5 * (tiny.epochs + 1))
    more = dataclasses.replace(tiny, folds=5)
    shares = cost_shares(more, shape[0], test)
    whole = sum(shares.values())
    with_folds = estimate(store, more, shape, test, 10).seconds - START_SECONDS
    assert with_folds / epochs == pytest.approx(whole / (whole - shares["folds"]))


def test_many_are_estimated_as_one_by_one(finished: tuple[RunStore, str], tiny: RunConfig, store: RunStore) -> None:
    done, run_id = finished
    folder = shutil.copytree(done.folder(run_id).path, store.root / run_id)
    rows = pd.read_csv(folder / "epochs.csv")
    rows[["train_seconds", "eval_seconds", "probe_seconds"]] = [2.0, 1.0, 0.5]
    rows.to_csv(folder / "epochs.csv", index=False)
    grid = {
        "model": ("cnn", "mlp"), "width": ("2", "8"), "train_size": ("200", "300"), "loss": ("ce", "elr_plus"), "folds": ("0", "2"),
        "seed": ("0", "1"),
    }  # fmt: skip
    configs = expand(tiny, grid)
    alone = [estimate(store, config, (config.train_size, 8, 8, 1), 359, 10) for config in configs]  # the digits have 359 test images
    assert estimate_all(store, configs) == alone
    assert len({one.seconds for one in alone}) == len(configs) // 2


def test_the_most_similar_timed_run_tells_the_speed(finished: tuple[RunStore, str], tiny: RunConfig, store: RunStore) -> None:
    """Three timed runs, of which the wider is twice as fast a counter of operations, and one of another network four times."""
    done, run_id = finished
    shape = Shape((200, 8, 8, 1), 359, 10)

    def timed(name: str, faster: float, **settings: Any) -> None:
        config = dataclasses.replace(tiny, device="cpu", **settings)
        folder = shutil.copytree(done.folder(run_id).path, store.root / name)
        about = json.loads((folder / "config.json").read_text())
        (folder / "config.json").write_text(json.dumps(about | {"config": config.to_dict()}))
        flops, _ = pipeline.forward_cost(config, channels=1, size=8, num_classes=10)
        rows = pd.read_csv(folder / "epochs.csv")
        seconds = flops * sum(passes(config, 200, 359).values()) / (1e6 * faster) / len(rows)
        rows[["train_seconds", "eval_seconds", "probe_seconds"]] = [seconds, 0.0, 0.0]
        rows.to_csv(folder / "epochs.csv", index=False)

    def speed(**settings: Any) -> float:
        config = dataclasses.replace(tiny, **settings)
        flops, _ = pipeline.forward_cost(config, channels=1, size=8, num_classes=10)
        (found,) = estimate_all(store, [config], lambda config: shape)
        assert found.timed
        return flops * sum(passes(config, 200, 359).values()) / (found.seconds - START_SECONDS)

    timed("a" * 12, 1)
    timed("b" * 12, 2, width=8)
    timed("c" * 12, 4, model="mlp", width=64)
    assert speed() == pytest.approx(1e6) and speed(width=8, seed=3) == pytest.approx(2e6)
    assert speed(model="mlp", width=8) == pytest.approx(4e6)
    assert speed(width=8, batch_size=8) == pytest.approx(2e6)


def test_a_set_that_would_have_to_be_downloaded_is_not(store: RunStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EXPLORER_DATA", str(tmp_path))
    with pytest.raises(DataError, match="cifar10 is not on this machine yet; train one run on it first"):
        estimate_all(store, [dataclasses.replace(BARE, dataset="cifar10")])
    assert list(tmp_path.iterdir()) == []
