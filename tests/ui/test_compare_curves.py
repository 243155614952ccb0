"""Curves over each other: every plotted number is that of a run, or of its group; and the page in its states."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from explorer.analysis.metrics import COLUMNS
from explorer.runs.store import RunStore
from explorer.ui import figures_overlays, overlays
from explorer.ui.figures_overlays import OverlayLine, Series, grid, overlays_figure, overlays_height, overlays_info
from explorer.ui.run_colours import look
from explorer.ui.run_metrics import ACROSS, METRICS, TIMES, along
from explorer.ui.theme import colours
from tests.ui.conftest import Library, Visit
from tests.ui.test_pages import box, said

LIGHT = colours(False)


def columns(seed: int, epochs: int = 6, first: int = 0) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    made = {name: rng.random(epochs + 1) for name in COLUMNS}
    return made | {"epoch": np.arange(first, first + epochs + 1.0), "step": 7.0 * np.arange(first, first + epochs + 1)}


def series(*groups: str) -> list[Series]:
    return [Series(group, look(number, dark=False), columns(number)) for number, group in enumerate(groups)]


def lines(info: figures_overlays.OverlaysInfo, metric: str) -> dict[str, OverlayLine]:
    return {line.name: line for line in info.panels[metric]}


# -- numbers ---------------------------------------------------------------------------------------


def test_every_column_of_a_run_can_be_drawn() -> None:
    assert set(METRICS) == set(COLUMNS) - {"epoch"}
    info = overlays_info(series("a", "b"), list(METRICS))
    assert list(info.panels) == list(METRICS) and info.missing == ()


@pytest.mark.parametrize("across", ACROSS)
def test_a_line_is_the_column_of_its_run(across: str) -> None:
    runs = series("a", "b")
    found = lines(overlays_info(runs, ["memorized"], across), "memorized")
    for each in runs:
        line = found[each.group]
        assert line.y == each.columns["memorized"].tolist() and line.epoch == list(range(7)) and not line.low
        seconds = [sum(float(each.columns[name][: e + 1].sum()) for name in TIMES) for e in range(7)]
        expected = {"epoch": list(range(7)), "step": [7 * e for e in range(7)], "seconds": seconds}[across]
        assert line.x == pytest.approx(expected)


def test_unknown_values_leave_a_gap_in_no_line() -> None:
    [run] = series("a")
    run.columns["mean_curvature"][[0, 2]] = np.nan
    line = overlays_info([run], ["mean_curvature"]).panels["mean_curvature"][0]
    assert line.epoch == [1, 3, 4, 5, 6] and np.isfinite(line.y).all()
    run.columns["mean_curvature"][:] = np.nan
    info = overlays_info([run], ["mean_curvature", "step"])
    assert info.missing == ("mean_curvature",) and list(info.panels) == ["step"]


def test_time_that_is_unknown_counts_as_none() -> None:
    made = columns(0)
    made["probe_seconds"][:] = np.nan
    assert along(made, "seconds") == pytest.approx(np.cumsum(made["train_seconds"] + made["eval_seconds"]))


@pytest.mark.parametrize("band", figures_overlays.BANDS)
def test_a_group_is_its_mean_and_its_spread(band: str) -> None:
    runs = series("g", "g", "alone", "g")
    found = lines(overlays_info(runs, ["test_accuracy"], band=band), "test_accuracy")
    values = np.array([each.columns["test_accuracy"] for each in runs if each.group == "g"])
    mean, sd = values.mean(axis=0), values.std(axis=0, ddof=1)
    assert found["g"].runs == 3 and found["g"].y == pytest.approx(mean)
    low, high = (values.min(axis=0), values.max(axis=0)) if band == "range" else (mean - sd, mean + sd)
    assert found["g"].low == pytest.approx(low) and found["g"].high == pytest.approx(high)
    assert found["alone"].runs == 1 and found["alone"].low == [] == found["alone"].high


def test_a_group_is_averaged_over_the_epochs_all_of_its_runs_have() -> None:
    runs = [Series("g", look(0, dark=False), columns(0, 6)), Series("g", look(1, dark=False), columns(1, 3, first=2))]
    line = overlays_info(runs, ["train_loss"]).panels["train_loss"][0]
    assert line.epoch == [2, 3, 4, 5]
    assert line.y == pytest.approx((runs[0].columns["train_loss"][2:6] + runs[1].columns["train_loss"][:4]) / 2)


def test_the_order_of_the_runs_changes_no_line() -> None:
    runs = series("a", "g", "b", "g", "c")
    info, turned = (overlays_info(each, ["test_loss"], band="sd") for each in (runs, runs[::-1]))
    for name, line in lines(info, "test_loss").items():
        other = lines(turned, "test_loss")[name]
        assert line.y == pytest.approx(other.y) and line.high == pytest.approx(other.high)


@pytest.mark.parametrize("epochs", [599, 600, 1234, 10_000])
def test_long_runs_are_thinned_evenly_and_keep_both_ends(epochs: int) -> None:
    run = Series("a", look(0, dark=False), columns(0, epochs))
    info = overlays_info([run, *series("short")], ["memorized"])
    line = lines(info, "memorized")["a"]
    assert (info.every == 1) == (epochs + 1 <= figures_overlays.POINTS) and len(line.x) <= figures_overlays.POINTS + 1
    assert line.epoch[0] == 0 and line.epoch[-1] == epochs
    assert line.y == run.columns["memorized"][line.epoch].tolist()


# -- drawing ---------------------------------------------------------------------------------------


def drawn(info: figures_overlays.OverlaysInfo) -> dict[str, Any]:
    figure = overlays_figure(info, LIGHT)
    json.dumps(figure, allow_nan=False)
    return figure


@pytest.mark.parametrize("number", range(1, 10))
def test_panels_do_not_overlap(number: int) -> None:
    info = overlays_info(series("a", "b"), list(METRICS)[:number])
    layout = drawn(info)["layout"]
    boxes = []
    for n in range(number):
        x, y = (layout[f"{letter}axis{n + 1 if n else ''}"]["domain"] for letter in "xy")
        assert 0 <= x[0] < x[1] <= 1 + 1e-9 and 0 <= y[0] < y[1] <= 1 + 1e-9
        assert all(x[0] >= b[1] or b[0] >= x[1] or y[0] >= b[3] or b[2] >= y[1] for b in boxes)
        boxes.append((*x, *y))
    across, down = grid(number)
    assert across * down >= number and layout["height"] == overlays_height(info)


def test_a_run_looks_the_same_in_every_panel_and_is_named_once_in_the_legend() -> None:
    traces = drawn(overlays_info(series("a", "b<i>"), ["test_accuracy", "memorized"]))["data"]
    for name in ("a", "b&lt;i&gt;"):
        own = [trace for trace in traces if trace["name"] == name]
        assert len(own) == 2 and [trace["showlegend"] for trace in own] == [True, False]
        assert own[0]["line"] == own[1]["line"] and name in own[0]["hovertemplate"]


def test_the_frame_of_a_share_leaves_out_the_untrained_network_only() -> None:
    run = series("a")[0]
    run.columns["test_accuracy"][:] = [0.1, 0.9, 0.95, 0.97, 0.96, 0.96, 0.98]
    info = overlays_info([run], ["test_accuracy", "train_loss"])
    low, high = figures_overlays.frame(METRICS["test_accuracy"], info.panels["test_accuracy"])
    assert 0.88 < low < 0.9 and 0.98 < high < 1
    assert figures_overlays.frame(METRICS["train_loss"], info.panels["train_loss"]) == ()
    assert figures_overlays.begins_below(info)
    run.columns["test_accuracy"][0] = 0.93
    assert not figures_overlays.begins_below(overlays_info([run], ["test_accuracy"]))


def test_the_notes_say_what_was_done() -> None:
    runs = series("g", "g")
    info = overlays_info(runs, ["test_accuracy", "mean_curvature"], band="sd")
    assert "one standard deviation (n - 1)" in " ".join(overlays.notes(info, "seed", 2))
    assert "lowest to the highest" in " ".join(overlays.notes(overlays_info(runs, ["step"]), "seed", 2))
    assert "with other seeds" in " ".join(overlays.notes(overlays_info(series("a", "b"), ["step"]), "seed", 2))
    runs[0].columns["mean_curvature"][:] = runs[1].columns["mean_curvature"][:] = np.nan
    assert "Not recorded in these runs: mean curvature" in " ".join(overlays.notes(overlays_info(runs, ["mean_curvature"]), "run", 2))


# -- the page --------------------------------------------------------------------------------------


def chart(page: AppTest) -> dict[str, Any]:
    """The panels as the browser gets them."""
    [found] = [each for each in page.get("bidi_component") if "overlays" in each.proto.id]
    return dict(json.loads(found.proto.json if found.proto.json else found.proto.mixed.json))


def lines_of(page: AppTest) -> list[str]:
    return [trace["name"] for trace in chart(page)["figure"]["data"] if trace.get("showlegend")]


def test_without_runs_there_is_a_sentence(visit: Visit) -> None:
    assert "There are no curves yet" in said(visit("compare", tab="curves"))


def test_where_nothing_is_chosen_the_newest_are_drawn(visit: Visit, stocked: Library) -> None:
    page = visit("compare", tab="curves")
    assert "Nothing is smoothed" in said(page) and "None is chosen" in said(page)
    assert len(lines_of(page)) == 4  # the one that failed at once has no curve


def test_the_link_says_what_is_drawn(visit: Visit, stocked: Library) -> None:
    chosen = [stocked.ids["stopped"], stocked.ids["finished"], stocked.ids["failed"]]
    page = visit("compare", tab="curves", runs=",".join(chosen), metrics="train_loss,nonsense,step", across="step")
    traces = chart(page)["figure"]["data"]
    assert lines_of(page) == ["seed 1", "seed 0"]
    rows = RunStore(stocked.home).folder(stocked.ids["stopped"]).rows()
    assert traces[0]["y"] == pytest.approx([row["train_loss"] for row in rows], rel=1e-5)
    assert page.query_params["across"] == "step" and page.query_params["metrics"] == "train_loss,step"


def test_a_run_keeps_its_look_whatever_is_drawn_beside_it(visit: Visit, stocked: Library) -> None:
    ids = [stocked.ids[kind] for kind in ("finished", "stopped", "interrupted")]
    seen = []
    for chosen in (ids, ids[:1], ids[::-1], ids[1:]):
        page = visit("compare", tab="curves", runs=",".join(chosen))
        looks = [(trace["line"]["color"], trace["marker"]["symbol"]) for trace in chart(page)["figure"]["data"] if trace.get("showlegend")]
        seen += list(zip(chosen, looks, strict=True))
    assert len(set(seen)) == len(ids)


def test_runs_are_grouped_over_seeds(visit: Visit, stocked: Library) -> None:
    chosen = [stocked.ids[kind] for kind in ("finished", "stopped", "interrupted", "no truth")]
    page = visit("compare", tab="curves", runs=",".join(chosen), by="seed", metrics="test_accuracy")
    assert len(lines_of(page)) == 2 and "Band: from the lowest to the highest" in said(page)
    assert box(page, "One line for").value == "seed"


def test_a_choice_that_cannot_be_is_left_out(visit: Visit, stocked: Library) -> None:
    page = visit("compare", tab="curves", runs=stocked.ids["finished"], by="nonsense", across="time", band="x")
    assert len(page.warning) == 2 and len(lines_of(page)) == 1
    assert not {"by", "across", "band"} & set(page.query_params)


def test_a_damaged_run_is_named(visit: Visit, stocked: Library) -> None:
    page = visit("compare", tab="curves", runs=stocked.ids["finished"])
    path: Path = stocked.home / stocked.ids["finished"] / "epochs.csv"
    path.write_text("epoch,train_loss\n1,x\n")
    assert stocked.ids["finished"] not in json.dumps(chart(page.run())["figure"])
    assert "None is chosen" in said(page)
