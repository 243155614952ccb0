"""The command line as people use it: what it prints, how it exits, what it continues."""

from __future__ import annotations

import dataclasses
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from explorer import pipeline
from explorer.__main__ import main
from explorer.analysis.metrics import COLUMNS
from explorer.analysis.scores import SCORES
from explorer.config import OPTIONS, RunConfig
from explorer.runs.execution import execute
from explorer.runs.store import RunStore
from tests.support import NOT_IN_A_PLAIN_RUN, assert_same_run, interrupted

QUICK = {"train_size": "60", "model": "mlp", "width": "1", "epochs": "2", "device": "cpu"}
CONFIG = RunConfig.from_query(QUICK)


def flags(**settings: object) -> list[str]:
    return [text for name, value in {**QUICK, **settings}.items() for text in (f"--{name}", str(value))]


def train(store: RunStore, *more: str, **settings: object) -> int:
    return main(["run", *flags(**settings), "--runs", str(store.root), *more])


# -- run -------------------------------------------------------------------------------------------


def test_one_line_per_epoch_and_the_run_id_alone_on_the_last(store: RunStore, capsys: pytest.CaptureFixture[str]) -> None:
    assert train(store) == 0
    out, err = capsys.readouterr()
    *epochs, last = out.splitlines()
    assert last == pipeline.identify(CONFIG)
    assert [line.split()[:2] for line in epochs] == [["epoch", "0"], ["epoch", "1"], ["epoch", "2"]]
    assert err == ""
    assert store.status(last) == ("finished", "")
    row = store.folder(last).rows()[-1]
    assert f"train {100 * row['train_accuracy']:5.1f} %" in epochs[-1]
    assert f"susceptibility {row['susceptibility']:6.3g}" in epochs[-1]


def test_the_same_command_prints_a_finished_run_without_training_it(store: RunStore, capsys: pytest.CaptureFixture[str]) -> None:
    train(store)
    first = capsys.readouterr().out
    run_id = first.splitlines()[-1]
    before = {p: (p.stat().st_mtime_ns, p.stat().st_ino) for p in (store.root / run_id).rglob("*") if p.is_file()}
    assert train(store) == 0
    assert capsys.readouterr().out == first
    assert {p: (p.stat().st_mtime_ns, p.stat().st_ino) for p in (store.root / run_id).rglob("*") if p.is_file()} == before


def test_again_trains_it_anew(store: RunStore, capsys: pytest.CaptureFixture[str]) -> None:
    train(store)
    run_id = capsys.readouterr().out.splitlines()[-1]
    started = store.folder(run_id).about()["started_at"]
    assert train(store, "--again") == 0
    assert capsys.readouterr().out.splitlines()[-1] == run_id
    assert store.folder(run_id).about()["started_at"] > started


def test_it_is_the_run_every_other_way_leads_to(store: RunStore, fast_path: Path) -> None:
    train(store)
    other = RunStore(fast_path / "other")
    for _ in execute(other, CONFIG):
        pass
    assert_same_run(store.root / pipeline.identify(CONFIG), other.root / pipeline.identify(CONFIG))


def test_an_unfinished_run_is_continued(store: RunStore, capsys: pytest.CaptureFixture[str]) -> None:
    running = execute(store, CONFIG)
    next(record for record in running if not hasattr(record, "phase"))
    running.close()
    assert train(store) == 0
    assert [line.split()[1] for line in capsys.readouterr().out.splitlines()[:-1]] == ["1", "2"]


def test_unknown_numbers_are_dashes(store: RunStore, capsys: pytest.CaptureFixture[str]) -> None:
    train(store, noise="none", curvature_every=0, susceptibility_lr=0)
    last = capsys.readouterr().out.splitlines()[-2]
    assert " ".join(last.split()).count("memorized - % recovered - % susceptibility - curvature -") == 1


def test_a_run_that_fails_exits_1_with_the_cause_and_keeps_its_epochs(store: RunStore, capsys: pytest.CaptureFixture[str]) -> None:
    assert train(store, lr="1e6", width=4) == 1
    out, err = capsys.readouterr()
    assert err.startswith("error: ") and "learning rate" in err and err.count("\n") == 1
    assert out.splitlines()[0].startswith("epoch    0")
    (summary,) = store.runs()
    assert summary.status == "failed" and summary.cause in err


def test_a_run_someone_else_trains_exits_1(store: RunStore, capsys: pytest.CaptureFixture[str]) -> None:
    running = execute(store, CONFIG)
    next(running)
    assert train(store) == 1
    running.close()
    assert "being trained by another process" in capsys.readouterr().err


def test_a_place_that_cannot_hold_runs_exits_1(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").write_text("not a folder")
    assert main(["run", *flags(), "--runs", str(tmp_path / "file")]) == 1
    err = capsys.readouterr().err
    assert err.startswith("error: ") and err.count("\n") == 1


def test_every_field_is_a_flag_and_explained(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["run", "--help"])
    assert caught.value.code == 0
    text = " ".join(capsys.readouterr().out.split())
    for name, option in OPTIONS.items():
        assert f"--{name} " in text
        assert " ".join(option.help.split()) in text


def test_the_module_is_the_command() -> None:
    """``python -m explorer``, as typed; a bad setting is found before anything heavy is imported."""
    command = [sys.executable, "-m", "explorer", "run", "--epochs", "0"]
    done = subprocess.run(command, cwd=Path(__file__).parents[1], capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "error: epochs: 0 is not a whole number from 1 to 10,000\n"


@pytest.mark.parametrize("arguments", [["run", "--epoch_count", "3"], ["fly"], []])
def test_what_is_no_command_exits_2(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    assert caught.value.code == 2
    assert "usage:" in capsys.readouterr().err


# -- interrupted -----------------------------------------------------------------------------------


@pytest.mark.skipif(os.name == "nt", reason="signals are those of Unix")
def test_ctrl_c_exits_130_keeps_the_epochs_and_the_same_command_continues(fast_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    store = RunStore(fast_path / "runs")
    config = dataclasses.replace(CONFIG, train_size=200, epochs=50, batch_size=4, curvature_every=0, embedding_every=0)
    arguments = ["run", *[t for n, v in config.to_query().items() for t in (f"--{n}", v)], "--runs", str(store.root)]
    run_id = pipeline.identify(config)
    status, out, err = interrupted(arguments, fast_path / "child", lambda: len(store.folder(run_id).rows()) >= 3)
    assert status == 130
    assert "the same command continues" in err and "Traceback" not in err
    assert not any(line == run_id for line in out.splitlines())
    assert store.status(run_id) == ("stopped", "")
    kept = store.open(run_id).last_epoch
    assert 2 <= kept < config.epochs
    assert main(arguments) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[-1] == run_id
    assert 0 < int(lines[0].split()[1]) <= kept + 1
    assert store.open(run_id).last_epoch == config.epochs


# -- report ----------------------------------------------------------------------------------------


def test_report_json_has_the_contract_of_the_command_line(finished: tuple[RunStore, str], capsys: pytest.CaptureFixture[str]) -> None:
    store, run_id = finished
    assert main(["report", run_id, "--json", "--runs", str(store.root)]) == 0
    (one,) = json.loads(capsys.readouterr().out, parse_constant=lambda name: pytest.fail(f"{name} is not JSON"))
    assert {"run_id", "config", "status", "epochs", "scores", "region"} <= set(one)
    assert one["run_id"] == run_id and one["status"] == "finished"
    assert set(one["config"]) == set(OPTIONS)
    assert [row["epoch"] for row in one["epochs"]] == [0, 1, 2, 3]
    assert all(set(row) == set(COLUMNS) for row in one["epochs"])
    assert list(one["scores"]) == [name for name in SCORES if name not in NOT_IN_A_PLAIN_RUN]
    for found in one["scores"].values():
        for name in ("auroc", "auroc_low", "auroc_high", "average_precision", "precision_at_k"):
            assert 0 <= found[name] <= 1


def test_report_shows_all_runs_unless_told_which(store: RunStore, capsys: pytest.CaptureFixture[str]) -> None:
    train(store)
    train(store, seed=1)
    capsys.readouterr()
    one, other = (pipeline.identify(dataclasses.replace(CONFIG, seed=seed)) for seed in (0, 1))
    assert main(["report", "--runs", str(store.root)]) == 0
    text = capsys.readouterr().out
    assert one in text and other in text
    assert main(["report", other, "--runs", str(store.root)]) == 0
    text = capsys.readouterr().out
    assert one not in text and other in text


def test_report_of_nothing_is_an_empty_list(store: RunStore, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["report", "--json", "--runs", str(store.root)]) == 0
    assert json.loads(capsys.readouterr().out) == []


def test_one_damaged_run_does_not_keep_the_others_from_being_reported(store: RunStore, capsys: pytest.CaptureFixture[str]) -> None:
    train(store)
    train(store, seed=1)
    good, bad = (pipeline.identify(dataclasses.replace(CONFIG, seed=seed)) for seed in (0, 1))
    (store.root / bad / "examples.parquet").unlink()
    capsys.readouterr()
    assert main(["report", "--json", "--runs", str(store.root)]) == 0
    out, err = capsys.readouterr()
    assert [one["run_id"] for one in json.loads(out)] == [good]
    assert bad in err and "examples.parquet is missing" in err
    assert main(["report", bad, "--runs", str(store.root)]) == 1


@pytest.mark.parametrize("run_id", ["0" * 12, "../../etc", "nonsense"])
def test_report_of_a_run_that_is_not_there_exits_1(store: RunStore, run_id: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["report", run_id, "--runs", str(store.root)]) == 1
    out, err = capsys.readouterr()
    assert out == "" and err.startswith("error: ") and run_id in err


# -- serve -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "arguments", [["--host", "0.0.0.0"], ["--data_root", "/no/such"], ["--host", "0.0.0.0", "--data_root", "/no/such"]], ids=str
)
def test_serve_asks_for_a_folder_before_it_lets_others_in(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["serve", *arguments]) == 2
    out, err = capsys.readouterr()
    assert err.startswith("error: data_root: ") and "token" not in out
