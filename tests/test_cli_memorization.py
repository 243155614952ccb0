"""The memorization command: what it prints, how it exits, what it continues and imports."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import numpy as np
import pytest

from explorer import pipeline
from explorer.__main__ import main
from explorer.config import MemorizationConfig, RunConfig
from explorer.options import options_of
from explorer.records import Progress
from explorer.runs.execution import execute
from explorer.runs.memorization import agreements, describe, execute_memorization, memorizations, open_memorization
from explorer.runs.store import RunStore
from explorer.training import subsets
from tests.support import command_line_process, wait_for

QUICK = {"train_size": "60", "width": "1", "models": "20", "epochs": "1", "batch_size": "32", "device": "cpu"}
CONFIG = MemorizationConfig.from_query(QUICK)


@pytest.fixture(autouse=True)
def one_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subsets, "TOGETHER", 1)


def command(store: RunStore, **settings: object) -> list[str]:
    asked = {**QUICK, **settings}
    return ["memorization", *[text for name, value in asked.items() for text in (f"--{name}", str(value))], "--runs", str(store.root)]


def trained(store: RunStore, **settings: object) -> str:
    config = RunConfig(**{"train_size": 60, "model": "mlp", "width": 1, "epochs": 2, "device": "cpu", **settings})  # type: ignore[arg-type]
    for _ in execute(store, config):
        pass
    return pipeline.identify(config)


def test_a_line_every_tenth_of_the_networks_and_the_id_alone_on_the_last(store: RunStore, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(command(store)) == 0
    out, err = capsys.readouterr()
    *lines, last = out.splitlines()
    assert last == pipeline.identify(CONFIG)
    assert [line.split()[:4] for line in lines] == [["networks", str(n), "of", "20"] for n in range(2, 21, 2)]
    assert lines[-1] == describe(open_memorization(store.root, last))
    assert err == ""


def test_scores_of_runs_on_the_same_images_are_compared(store: RunStore, capsys: pytest.CaptureFixture[str]) -> None:
    same, other = trained(store), trained(store, data_seed=1)
    running = execute(store, RunConfig(train_size=60, model="mlp", width=1, epochs=3, device="cpu"))
    next(running)
    assert main(command(store)) == 0
    running.close()
    out = capsys.readouterr().out
    assert [line.split()[1].rstrip(":") for line in out.splitlines() if line.startswith("run ")] == [same]
    assert other not in out
    found = agreements(open_memorization(store.root, out.splitlines()[-1]), store.open(same))
    (line,) = [line for line in out.splitlines() if line.startswith("  Cumulative loss")]
    assert line.split()[2:] == [f"{value:.3f}" for value in found["cumulative_loss"]]


def test_a_damaged_run_is_left_out_and_named(store: RunStore, capsys: pytest.CaptureFixture[str]) -> None:
    good, bad = trained(store), trained(store, seed=1)
    (store.root / bad / "facts" / "epoch_00001.npz").write_bytes(b"")
    assert main(command(store)) == 0
    out, err = capsys.readouterr()
    assert f"run {good}" in out and bad not in out
    assert err.startswith("left out: ") and bad in err


def test_the_same_command_prints_a_finished_estimate_again(store: RunStore, capsys: pytest.CaptureFixture[str]) -> None:
    main(command(store))
    first = capsys.readouterr().out.splitlines()
    assert main(command(store)) == 0
    assert capsys.readouterr().out.splitlines() == first[-2:]


def test_an_unfinished_one_is_continued(store: RunStore, capsys: pytest.CaptureFixture[str]) -> None:
    running = execute_memorization(store.root, CONFIG)
    found = 0
    while found < 11:
        found += not isinstance(next(running), Progress)
    running.close()
    assert main(command(store)) == 0
    assert [int(line.split()[1]) for line in capsys.readouterr().out.splitlines()[:-1]] == [12, 14, 16, 18, 20]


@pytest.mark.parametrize(
    ("settings", "field"),
    [
        ({"models": 1}, "models"),
        ({"subset_ratio": 1}, "subset_ratio"),
        ({"subset_ratio": 0}, "subset_ratio"),
        ({"subset_ratio": 0.995}, "subset_ratio"),
        ({"schedule": "step"}, "schedule"),
        ({"dataset": "/nowhere"}, "dataset"),
        ({"lr": "fast"}, "lr"),
    ],
)
def test_a_setting_that_cannot_be_used_exits_2(
    store: RunStore, capsys: pytest.CaptureFixture[str], settings: dict[str, object], field: str
) -> None:
    assert main(command(store, **settings)) == 2
    out, err = capsys.readouterr()
    assert out == "" and err.startswith(f"error: {field}: ") and err.count("\n") == 1
    assert memorizations(store.root) == []


def test_an_estimate_that_fails_exits_1_with_the_cause(store: RunStore, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(command(store, lr="1e9")) == 1
    err = capsys.readouterr().err
    assert err.startswith("error: ") and "learning rate" in err and err.count("\n") == 1


def test_every_field_is_a_flag_and_explained(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["memorization", "--help"])
    assert caught.value.code == 0
    text = " ".join(capsys.readouterr().out.split())
    for option in options_of(MemorizationConfig).values():
        assert f"--{option.name} " in text
    assert "--import_scores" in text and "--epochs" in text


# -- imported --------------------------------------------------------------------------------------


def test_published_scores_are_imported_and_compared(store: RunStore, fast_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run_id = trained(store, noise="none")
    np.savez(fast_path / "scores.npz", memorization=np.linspace(-1, 1, 1797))
    arguments = ["memorization", "--import_scores", str(fast_path / "scores.npz"), "--train_size", "60", "--device", "cpu"]
    assert main([*arguments, "--runs", str(store.root)]) == 0
    out = capsys.readouterr().out.splitlines()
    assert out[0].startswith("published in scores.npz") and f"run {run_id}: agreement with memorization" in out
    assert open_memorization(store.root, out[-1]).config.noise == "none"


def test_a_file_that_cannot_be_used_exits_2(store: RunStore, fast_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for path in (fast_path / "missing.npz", fast_path / "scores.npz"):
        np.savez(fast_path / "scores.npz", other=np.zeros(3))
        assert main([*command(store), "--import_scores", str(path)]) == 2
        out, err = capsys.readouterr()
        assert out == "" and path.name in err and err.count("\n") == 1


# -- interrupted -----------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="signals are those of Unix")
def test_ctrl_c_exits_130_keeps_the_networks_and_the_same_command_continues(store: RunStore, fast_path: Path) -> None:
    settings = {"models": 100_000, "epochs": 20, "batch_size": 2, "model": "cnn"}  # one at a time
    memorization_id = pipeline.identify(MemorizationConfig.from_query({name: str(v) for name, v in {**QUICK, **settings}.items()}))

    def kept() -> int:
        return next((s.models for s in memorizations(store.root)), 0)

    def interrupt(sent: signal.Signals, enough: int) -> None:
        child = command_line_process(command(store, **settings), fast_path / "child")
        try:
            wait_for("networks", lambda: kept() >= enough, lambda: "" if child.is_alive() else "the process has ended", seconds=60)
            os.kill(child.pid or 0, sent)
            child.join(30)
        finally:
            child.kill()
            child.join(30)
        err = (fast_path / "child.err").read_text()
        assert child.exitcode == 130
        assert "the same command continues" in err and "Traceback" not in err
        assert open_memorization(store.root, memorization_id).status == "interrupted"

    interrupt(signal.SIGINT, 1)
    interrupt(signal.SIGTERM, kept() + 1)
