"""The Sweeps tab: what a sweep will be, how it stands, its orders, and the queue that all visitors share."""

from __future__ import annotations

import contextlib
import dataclasses
import itertools
from pathlib import Path
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from explorer.__main__ import main
from explorer.config import OPTIONS, RunConfig
from explorer.records import EpochRecord, StoreError
from explorer.runs.execution import execute
from explorer.runs.grid import expand
from explorer.runs.job import Live
from explorer.runs.store import RunStore
from explorer.runs.sweeps import Expected, Member, identify_all, keep_sweep, remove_sweep, set_state, sweeps
from explorer.ui import queue_panel, sweep_plan, sweep_words
from explorer.ui.services import get_store, get_worker
from explorer.ui.sweep_now import Counts, read_now
from tests.support import wait_for
from tests.ui.conftest import Visit
from tests.ui.test_pages import buttons, press, said

SMALL = {"train_size": "200", "width": "4", "epochs": "2", "batch_size": "64", "curvature_every": "0", "embedding_every": "0"}
LONG = SMALL | {"epochs": "5000"}
GRID = {"seed": ("0", "1", "2")}


def tab(visit: Visit, **query: str) -> AppTest:
    return visit("compare", tab="sweeps", **query)


def plan(page: AppTest, **values: str | list[str]) -> AppTest:
    """Fill in the form: these settings, and no others."""
    page.get_by_key("sweep_form_fields").set_value(list(values))
    page.run()
    for name, value in values.items():
        page.get_by_key(f"sweep_form_{name}").set_value(value)
    return page.run()


def store() -> RunStore:
    return get_store()


def kept(tiny: RunConfig, grid: dict[str, tuple[str, ...]] | None = None, name: str = "", state: str = "paused") -> str:
    """A sweep in the store, none of its runs in the queue."""
    grid = grid or GRID
    base = dataclasses.replace(tiny, epochs=2, curvature_every=0, embedding_every=0)
    sweep_id = keep_sweep(store(), base, grid, name, identify_all(expand(base, grid)))
    set_state(store(), sweep_id, state)
    return sweep_id


@pytest.fixture
def held(home: Path) -> RunStore:
    """A home whose queue is paused: what is asked for waits."""
    get_store().pause_queue()
    return get_store()


def table(page: AppTest) -> list[dict[str, Any]]:
    return page.dataframe[0].value.to_dict("records")


# -- the form --------------------------------------------------------------------------------------


def test_without_sweeps_the_form_is_open_and_says_what_it_comes_to(visit: Visit) -> None:
    page = tab(visit, **SMALL)
    words = said(page)
    assert "**24 runs**" in words and "min in all (a first guess; known better after one run)" in words
    assert "by the paper's probe 6 × 4, by the fixed-rate probe all" in words
    assert "None yet" in words and "Nothing is in training and nothing waits" in words
    assert "Start 24 runs" in buttons(page)


def test_finished_combinations_are_counted_and_not_trained_again(visit: Visit, held: RunStore) -> None:
    base = RunConfig.from_query(SMALL)
    for seed in (0, 1):
        for _ in execute(held, dataclasses.replace(base, seed=seed)):
            pass
    page = plan(tab(visit, **SMALL), seed="0, 1, 2")
    assert "**3 runs**, 2 of them finished already; 1 to train" in said(page)
    page = press(page, "Start 1 run")
    assert len(held.queue()) == 1
    assert any("2 of 3 finished" in bar.proto.text for bar in page.get("progress"))


def test_a_sweep_that_is_finished_says_there_is_nothing_to_do(visit: Visit, held: RunStore) -> None:
    for _ in execute(held, RunConfig.from_query(SMALL)):
        pass
    page = plan(tab(visit, **SMALL), seed="0")
    assert "**1 run**, all of them finished already: nothing is left to train." in said(page)


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("lr", "0.1, -1", "lr: -1.0 is not a number above 0"),
        ("seed", "1, x", "seed: 'x' is not a whole number"),
        ("width", "8,,16", "width: '' is not a whole number"),
        ("model", [], "model: give at least one value"),
        ("dataset", ["digits", "/no/such/folder"], "dataset: '/no/such/folder'"),
    ],
)
def test_a_value_that_cannot_be_used_is_said_at_its_field(visit: Visit, name: str, value: Any, words: str) -> None:
    page = plan(tab(visit, **SMALL), **{name: value})
    assert any(words in error.value for error in page.error), [error.value for error in page.error]
    assert "Start" not in {label[:5] for label in buttons(page)}


def test_too_many_runs_are_refused_before_the_start(visit: Visit) -> None:
    page = plan(tab(visit, **SMALL), seed=", ".join(map(str, range(40))), width=", ".join(map(str, range(1, 41))))
    assert any("makes 1,600 runs, and 1,000 at most" in error.value for error in page.error)


def test_nothing_chosen_and_nothing_trained_are_said(visit: Visit) -> None:
    page = plan(tab(visit, **SMALL))
    assert any("Choose at least one setting" in info.value for info in page.info)
    assert any("train nothing" in info.value for info in tab(visit, model="none").info)


def test_every_setting_can_be_varied(visit: Visit) -> None:
    page = tab(visit, **SMALL)
    assert set(page.get_by_key("sweep_form_fields").options) == {sweep_plan.label(name) for name in OPTIONS}


def test_a_ready_sweep_fills_in_the_form(visit: Visit) -> None:
    for probe, ready in sweep_plan.READY.items():
        grid = {name: values if isinstance(values, list) else values.split(", ") for name, values in ready.items()}
        configs = expand(RunConfig(), grid)
        assert sweep_plan.comparable_sizes(configs, probe) == [len(configs)] and len(configs) >= 4


@pytest.mark.parametrize(
    ("count", "found", "words"),
    [
        (4, Expected(150.0, 0, True), "**4 runs**, about **2:30** min in all."),
        (
            4,
            Expected(75.0, 3, False),
            "**4 runs**, 3 of them finished already; 1 to train, about **1:15** min in all (a first guess",
        ),
        (1, Expected(0.0, 1, True), "**1 run**, all of them finished already: nothing"),
    ],
)
def test_the_cost_in_words(count: int, found: Expected, words: str) -> None:
    configs = tuple(RunConfig(seed=n) for n in range(count))
    assert sweep_plan.cost_words(sweep_plan.Plan(RunConfig(), {}, configs), found).startswith(words)


# -- the command line ------------------------------------------------------------------------------


def test_the_command_shown_trains_the_same_runs(visit: Visit, held: RunStore, capsys: pytest.CaptureFixture[str]) -> None:
    page = plan(tab(visit, **SMALL, name=""), model=["mlp", "cnn"], seed="0, 1")
    command = page.code[0].value
    assert command.startswith("python -m explorer sweep --train_size 200") and "--grid model=mlp,cnn --grid seed=0,1" in command
    press(page, "Start 4 runs")
    asked = set(held.queue())
    assert len(asked) == 4
    held.remove_all_from_queue(sorted(asked), "stopped")
    held.resume_queue()
    assert main(command.split()[3:]) == 0
    capsys.readouterr()
    assert {summary.run_id for summary in held.runs() if summary.status == "finished"} == asked


def test_settings_of_the_grid_stand_once_in_the_command(home: Path) -> None:
    base = RunConfig(lr=0.5, dataset="my data", seed=3)
    assert sweep_words.command(base, {"seed": ("1", "2")}).startswith(
        "python -m explorer sweep --dataset 'my data' --lr 0.5 --grid seed=1,2 --runs "
    )


# -- one sweep -------------------------------------------------------------------------------------


def test_a_sweep_goes_its_way_and_the_page_stops_looking(visit: Visit, home: Path) -> None:
    page = press(plan(tab(visit, **SMALL), seed="0, 1, 2"), "Start 3 runs")
    assert len(sweeps(store())) == 1 and page.query_params["sweep"] == sweeps(store())[0].sweep_id
    wait_for("the sweep", lambda: not get_worker().busy)
    page.run()
    assert any(bar.proto.text == "3 of 3 finished" and bar.value == 100 for bar in page.get("progress"))
    assert [row["state"] for row in table(page)] == ["finished"] * 3 and [row["Seed"] for row in table(page)] == [0, 1, 2]
    assert not read_now().moves
    assert {"Regions", "Remove"} <= buttons(page) and not {"Pause", "Cancel", "Pause all"} & buttons(page)


def test_pause_resume_and_cancel(visit: Visit, home: Path) -> None:
    page = press(plan(tab(visit, **LONG), seed="0, 1, 2"), "Start 3 runs")
    wait_for("the first run", lambda: get_worker().current())
    sweep_id = sweeps(store())[0].sweep_id
    page = press(page.run(), "Pause")
    wait_for("the pause", lambda: not get_worker().current())
    page.run()
    assert store().queue() == [] and sweeps(store())[0].state == "paused"
    assert {row["state"].split(",")[0] for row in table(page)} == {"held"}
    page = press(page, "Resume")
    wait_for("the run to go on", lambda: get_worker().current())
    page = press(page.run(), "Cancel")
    wait_for("the end", lambda: not get_worker().current())
    page.run()
    assert sweeps(store())[0].state == "cancelled" and "Remove" in buttons(page)
    assert all("stopped" in row["state"] for row in table(page))
    press(page, "Remove")
    assert sweeps(store()) == [] and sweep_id


def test_a_paused_sweep_says_so_and_how_much_is_left(visit: Visit, held: RunStore, tiny: RunConfig) -> None:
    kept(tiny, name="my <b>grid</b>")
    page = tab(visit)
    (words,) = [bar.proto.text for bar in page.get("progress")]
    assert words.startswith("0 of 3 finished · 3 to come · paused · about ")
    assert "**my \\<b\\>grid\\</b\\>**" in said(page)


def test_a_failed_member_shows_its_cause_and_can_be_tried_again(visit: Visit, held: RunStore, tiny: RunConfig) -> None:
    sweep_id = kept(tiny, state="active")
    runs = sweeps(held)[0].run_ids
    configs = expand(sweeps(held)[0].base, GRID)
    for _ in execute(held, configs[0]):
        pass
    held.set_status(runs[1], "failed", "the loss is not a number", config=configs[1])
    held.set_status(runs[2], "stopped", config=configs[2])
    page = tab(visit, sweep=sweep_id)
    assert [row["state"] for row in table(page)] == ["finished", "failed", "stopped"]
    assert [row["cause"] for row in table(page)] == ["", "the loss is not a number", ""]
    assert any(bar.proto.text == "1 of 3 finished · 1 failed · 1 stopped" for bar in page.get("progress"))
    press(page, "Try again")
    assert sorted(held.queue()) == sorted(runs[1:])


def test_regions_of_a_sweep_open_with_its_runs(visit: Visit, held: RunStore, tiny: RunConfig) -> None:
    sweep_id = kept(tiny, state="active")
    for config in expand(sweeps(held)[0].base, GRID):
        for _ in execute(held, config):
            pass
    page = press(tab(visit), "Regions")
    assert page.query_params["tab"] == "regions" and page.query_params["sweep"] == sweep_id
    assert "only 3 comparable runs are finished" in said(page)


def test_a_sweep_with_runs_to_come_cannot_be_removed(held: RunStore, tiny: RunConfig) -> None:
    sweep_id = kept(tiny, state="active")
    with pytest.raises(StoreError, match="cancel it first"):
        remove_sweep(held, sweep_id)
    set_state(held, sweep_id, "cancelled")
    remove_sweep(held, sweep_id)
    assert sweeps(held) == []
    with pytest.raises(StoreError, match="there is no sweep"):
        remove_sweep(held, sweep_id)


def test_only_a_few_sweeps_that_are_over_are_listed_at_first(visit: Visit, held: RunStore, tiny: RunConfig) -> None:
    for seed in range(8):
        kept(tiny, {"seed": (str(seed),)}, f"number {seed}", "cancelled")
    page = tab(visit)
    assert said(page).count("**number ") == 5
    page = press(page, "Show all 8")
    assert said(page).count("**number ") == 8


# -- the queue, and two visitors -------------------------------------------------------------------


def waiting(held: RunStore, tiny: RunConfig, count: int = 3) -> list[str]:
    return list(get_worker().submit_all([dataclasses.replace(tiny, seed=10 + n) for n in range(count)]))


def test_runs_are_moved_and_cancelled(visit: Visit, held: RunStore, tiny: RunConfig) -> None:
    first, second, third = waiting(held, tiny)
    page = tab(visit)
    page.get_by_key(f"First_{third}").click().run()
    assert held.queue() == [third, first, second]
    page.get_by_key(f"Down_{third}").click().run()
    assert held.queue() == [first, third, second]
    page.get_by_key(f"Up_{second}").click().run()
    assert held.queue() == [first, second, third]
    page.get_by_key(f"Cancel_{second}").click().run()
    assert held.queue() == [first, third]
    assert page.get_by_key(f"Up_{first}").disabled and page.get_by_key(f"Down_{third}").disabled


def test_what_one_asks_for_the_other_sees(visit: Visit, held: RunStore) -> None:
    one, other = tab(visit, **SMALL), tab(visit, **SMALL)
    one.get_by_key("sweep_form_name").set_value("asked by one")
    press(plan(one, seed="0, 1"), "Start 2 runs")
    other.run()
    assert "**asked by one**" in said(other) and "2 waiting" in said(other)
    run_id = held.queue()[0]
    other.get_by_key(f"Cancel_{run_id}").click().run()
    stale = one.get_by_key(f"First_{held.queue()[-1]}")
    get_worker().stop(held.queue()[-1])
    stale.click().run()  # it is gone: nothing happens, nothing breaks
    assert said(one) and held.queue() == []


def test_a_sweep_somebody_else_removed_is_no_trouble(visit: Visit, held: RunStore, tiny: RunConfig) -> None:
    sweep_id = kept(tiny, state="cancelled")
    page = tab(visit)
    remove = next(button for button in page.button if button.label == "Resume")
    remove_sweep(held, sweep_id)
    page = remove.click().run()
    assert any("there is no sweep" in error.value for error in page.error)
    assert said(page)


def test_pause_all_holds_the_run_in_training_and_begins_no_other(visit: Visit, home: Path) -> None:
    page = press(plan(tab(visit, **LONG), seed="0, 1"), "Start 2 runs")
    wait_for("the first run", lambda: get_worker().current())
    page = press(page.run(), "Pause all")
    wait_for("the pause", lambda: all(one.state == "paused" for one in get_worker().current()))
    page.run()
    assert store().queue_paused and len(store().queue()) == 1 and "The queue is paused" in "".join(w.value for w in page.warning)
    page = press(page, "Resume all")
    wait_for("the run to go on", lambda: all(one.state == "running" for one in get_worker().current()))
    assert not store().queue_paused
    press(page.run(), "Cancel")
    wait_for("the end", lambda: not get_worker().busy)


def test_a_run_trained_by_another_process_is_listed(visit: Visit, held: RunStore, tiny: RunConfig) -> None:
    with contextlib.closing(execute(held, tiny)) as records:  # not by this server's worker
        next(record for record in records if isinstance(record, EpochRecord))
        page = tab(visit)
        assert "Trained by another process of this machine" in said(page) and "1 run in training, 0 waiting" in said(page)
        assert read_now().moves
    assert not read_now().moves


def test_a_long_queue_is_shown_in_part(visit: Visit, held: RunStore, tiny: RunConfig) -> None:
    waiting(held, tiny, 12)
    page = tab(visit)
    assert sum(str(button.key).startswith("First_") for button in page.button) == queue_panel.LISTED
    page = press(page, "Show all 12 that wait")
    assert sum(str(button.key).startswith("First_") for button in page.button) == 12


# -- words -----------------------------------------------------------------------------------------


def member(status: str, epochs: int = 0) -> Member:
    return Member("0" * 12, RunConfig(epochs=30), {}, status, "", epochs, 1.0)


@pytest.mark.parametrize(
    ("status", "epochs", "state", "words"),
    [
        ("queued", 0, "active", "waiting"),
        ("queued", 7, "active", "waiting, 7/30 epochs kept"),
        ("", 0, "paused", "held"),
        ("interrupted", 7, "paused", "held, 7/30 epochs kept"),
        ("interrupted", 7, "cancelled", "interrupted, 7/30 epochs kept"),
        ("", 0, "cancelled", "not begun"),
        ("stopped", 7, "cancelled", "stopped, 7/30 epochs kept"),
        ("finished", 30, "over", "finished"),
        ("failed", 2, "active", "failed, 2/30 epochs kept"),
        ("running", 2, "active", "in training"),
        ("paused", 2, "active", "paused in training"),
    ],
)
def test_where_a_member_stands_in_words(status: str, epochs: int, state: str, words: str) -> None:
    assert sweep_words.member_words(member(status, epochs), None, state) == words


def test_a_wish_is_told_while_it_is_not_yet_true() -> None:
    live = Live("0" * 12, RunConfig(), "running", wish="stopping")
    assert sweep_words.member_words(member("running"), live, "active") == "stopping …"


def test_progress_in_words_adds_up(tiny: RunConfig, home: Path) -> None:
    kept(tiny)
    (sweep,) = sweeps(store())
    for state, left in itertools.product(("active", "paused", "cancelled"), (0.0, 75.0)):
        words = sweep_words.progress_words(sweep._replace(state=state), Counts(2, 1, 0, 1, 3), left)
        assert words.startswith("2 of 7 finished · 1 failed · 1 in training · 3 to come")
        assert ("about 1:15 left" in words) == bool(left) and (state in words) == (state != "active")
    assert sweep_words.progress_words(sweep, Counts(2, 1, 0, 0, 0), 75.0) == "2 of 3 finished · 1 failed"
    cancelled = sweep._replace(state="cancelled")
    assert sweep_words.progress_words(cancelled, Counts(2, 0, 1, 0, 0)) == "2 of 3 finished · 1 stopped · cancelled"
