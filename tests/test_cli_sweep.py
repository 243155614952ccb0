"""``sweep`` and ``export`` as people use them: what they print, how they exit, what they continue."""

from __future__ import annotations

import dataclasses
import json
import os
import re
from pathlib import Path

import pytest

from explorer import pipeline
from explorer.__main__ import main
from explorer.config import OPTIONS, RunConfig
from explorer.runs.execution import execute
from explorer.runs.store import RunStore
from explorer.runs.sweeps import expand
from tests.support import assert_same_run, interrupted

QUICK = {"train_size": "60", "model": "mlp", "width": "1", "epochs": "2", "device": "cpu", "curvature_every": "0", "embedding_every": "0"}
GRID = ("width=1,2", "seed=0,1")
BASE = RunConfig.from_query(QUICK)
CONFIGS = expand(BASE, {"width": ("1", "2"), "seed": ("0", "1")})
IDS = [pipeline.identify(config) for config in CONFIGS]


def command(store: RunStore, *grid: str, **settings: object) -> list[str]:
    given = {name: value for name, value in {**QUICK, **settings}.items() if not any(text.startswith(f"{name}=") for text in grid)}
    flags = [text for name, value in given.items() for text in (f"--{name}", str(value))]
    return ["sweep", *(text for each in grid for text in ("--grid", each)), *flags, "--runs", str(store.root)]


def test_it_says_what_comes_then_each_run_then_the_regions_then_the_ids(store: RunStore, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(command(store, *GRID)) == 0
    out, err = capsys.readouterr()
    lines = out.splitlines()
    assert re.fullmatch(r"4 runs, 0 finished already; 4 to train, about \d+ s \(a first guess: no run has been timed here yet\)", lines[0])
    for place, (line, config, run_id) in enumerate(zip(lines[1:5], CONFIGS, IDS, strict=True), 1):
        assert line.startswith(f"{place} of 4  {run_id}  width={config.width} seed={config.seed}  train ")
        row = store.folder(run_id).rows()[-1]
        assert f"test {100 * row['test_accuracy']:.1f} %" in line
        assert line.endswith(" left") == (place < 4)
    assert lines[-4:] == IDS and err == ""
    assert [line.split(":")[0] for line in lines if "comparable runs" in line] == [
        "4 comparable runs by the paper's probe", "4 comparable runs by the probe at a fixed rate",
    ]  # fmt: skip


def test_each_run_is_the_one_that_run_leads_to(store: RunStore, fast_path: Path) -> None:
    assert main(command(store, *GRID)) == 0
    other = RunStore(fast_path / "other")
    for _ in execute(other, CONFIGS[3]):
        pass
    assert_same_run(store.root / IDS[3], other.root / IDS[3])


def test_what_is_finished_is_left_as_it_is(store: RunStore, capsys: pytest.CaptureFixture[str]) -> None:
    for _ in execute(store, CONFIGS[1]):
        pass
    started = store.folder(IDS[1]).about()["started_at"]
    assert main(command(store, *GRID)) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("4 runs, 1 finished already; 3 to train, about ")
    assert lines[2] == f"2 of 4  {IDS[1]}  width=1 seed=1  finished earlier"
    assert main(command(store, *GRID)) == 0
    again = capsys.readouterr().out.splitlines()
    assert again[0] == "4 runs, 4 finished already" and all(line.endswith("finished earlier") for line in again[1:5])
    assert again[5:] == lines[5:]  # the same tables and ids
    assert store.folder(IDS[1]).about()["started_at"] == started


def test_one_that_fails_stops_no_other(store: RunStore, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(command(store, "lr=0.05,1e6,0.06", width=4)) == 1
    out, err = capsys.readouterr()
    lines = out.splitlines()
    ended = [line.split("  ")[3] for line in lines[1:4]]
    assert [text.startswith("failed: ") for text in ended] == [False, True, False]
    assert "learning rate" in ended[1] and err == ""
    assert lines[4] == "1 of 3 runs failed; the same command tries them again"
    assert [store.status(run_id)[0] for run_id in lines[5:]] == ["finished", "failed", "finished"]


def test_a_run_somebody_else_trains_is_left_to_them(store: RunStore, capsys: pytest.CaptureFixture[str]) -> None:
    with store.folder(IDS[0]).lock():
        assert main(command(store, *GRID)) == 1
    lines = capsys.readouterr().out.splitlines()
    assert "being trained by another process" in lines[1] and "1 of 4 runs failed; the same command tries them again" in lines


@pytest.mark.parametrize(
    ("grid", "error"),
    [
        (["sead=0,1"], "error: grid: 'sead' is not a setting of a run; these are: dataset, "),
        (["train_size=60,1000000"], "error: train_size: 1000000 is more than the 1,438 training images there are; use 0 for all"),
        (["seed=0,x"], "error: seed: 'x' is not a whole number from 0"),
        (["seed"], "error: grid: 'seed' is not of the form NAME=VALUE,VALUE"),
        (["dataset=digits,/no/such/path"], "error: dataset: '/no/such/path' is neither a path that exists"),
        (["seed=" + ",".join(map(str, range(1001)))], "error: grid: 'seed 1001' makes 1,001 runs, and 1,000 at most"),
    ],
)
def test_a_grid_that_cannot_be_run_exits_2_and_trains_nothing(
    store: RunStore, grid: list[str], error: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(command(store, *grid)) == 2
    out, err = capsys.readouterr()
    assert out == "" and err.startswith(error) and err.count("\n") == 1
    assert store.runs() == []


def test_a_setting_is_given_once(store: RunStore, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*command(store, "seed=0,1"), "--seed", "3"]) == 2
    assert capsys.readouterr().err == "error: seed: '3' is also in the grid, as 0,1; give it once\n"


def test_its_help_says_how_it_ends_and_knows_every_setting(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["sweep", "--help"])
    assert caught.value.code == 0
    text = " ".join(capsys.readouterr().out.split())
    assert "the ids of all runs, one a line" in text and "130 interrupted" in text
    assert all(f"--{name} " in text for name in OPTIONS)
    with pytest.raises(SystemExit) as caught:
        main(["sweep"])
    assert caught.value.code == 2 and "--grid" in capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="signals are those of Unix")
def test_ctrl_c_exits_130_and_the_same_command_continues(fast_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    store = RunStore(fast_path / "runs")
    long = dataclasses.replace(BASE, train_size=200, epochs=60, batch_size=4)
    arguments = command(store, "seed=0,1", **long.to_query())
    first, second = (pipeline.identify(dataclasses.replace(long, seed=seed)) for seed in (0, 1))
    status, out, err = interrupted(arguments, fast_path / "child", lambda: len(store.folder(first).rows()) >= 3)
    assert status == 130
    assert "the same command continues" in err and "Traceback" not in err
    assert len(out.splitlines()) == 1  # what was expected; nothing has ended
    assert store.status(first) == ("stopped", "") and not store.exists(second)
    begun = store.folder(first).about()["started_at"]
    assert main(arguments) == 0
    assert capsys.readouterr().out.splitlines()[-2:] == [first, second]
    assert store.folder(first).about()["started_at"] == begun  # it was continued
    assert [store.status(run_id)[0] for run_id in (first, second)] == ["finished", "finished"]


# -- what it leads to ------------------------------------------------------------------------------


def test_report_shows_the_tables_of_the_runs_asked_for(store: RunStore, capsys: pytest.CaptureFixture[str]) -> None:
    main(command(store, *GRID))
    tables = [line for line in capsys.readouterr().out.splitlines() if not line.startswith(("4 runs", *(f"{n} of 4" for n in range(1, 5))))]
    assert main(["report", IDS[2], "--runs", str(store.root)]) == 0
    out = capsys.readouterr().out
    assert out.splitlines()[-len(tables) + 4 :] == tables[:-4]
    assert main(["report", "--runs", str(store.root), "--json"]) == 0
    entries = json.loads(capsys.readouterr().out)
    assert {one["run_id"] for one in entries} == set(IDS)
    for one in entries:
        assert one["region"] == one["regions"]["paper"]["region"] in (1, 2, 3, 4)
        assert set(one["regions"]["fixed_rate"]["run_ids"]) == set(IDS)
        assert [each["region"] for each in one["regions"]["paper"]["summary"]] == [1, 2, 3, 4]


def test_export_writes_the_files_of_a_run_and_prints_them(
    finished: tuple[RunStore, str], fast_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    store, run_id = finished
    to = fast_path / "exported"
    arguments = ["export", run_id, "--to", str(to), "--runs", str(store.root)]
    assert main(arguments) == 0
    printed = capsys.readouterr().out.splitlines()
    assert {str(to / name) for name in ("corrected_labels.csv", "decisions.csv", "examples.parquet", "near_duplicates.parquet")} <= set(
        printed
    )
    assert all(Path(line).is_file() for line in printed)
    assert (to / "examples.parquet").read_bytes() == (store.root / run_id / "examples.parquet").read_bytes()
    (to / "decisions.csv").unlink()
    assert main([*arguments, "--overwrite"]) == 0
    assert (to / "decisions.csv").exists()


@pytest.mark.parametrize("run_id", ["0" * 12, "nonsense"])
def test_export_of_a_run_that_is_not_there_exits_1(
    store: RunStore, fast_path: Path, run_id: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["export", run_id, "--to", str(fast_path / "to"), "--runs", str(store.root)]) == 1
    out, err = capsys.readouterr()
    assert out == "" and run_id in err and not (fast_path / "to").exists()
