"""The table of runs: what a filter leaves, what runs have in common, what each looks like, and the page in its states."""

from __future__ import annotations

import dataclasses
import itertools
from collections import Counter

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from explorer.config import OPTIONS, RunConfig
from explorer.runs.store import RunStore
from explorer.runs.summaries import RunSummary
from explorer.ui import run_list, theme
from explorer.ui.run_colours import COLOURS, DASHES, SIGNS, SYMBOLS, look
from explorer.ui.run_list import Filter
from tests.ui.conftest import Library, Visit
from tests.ui.inspecting import table
from tests.ui.test_pages import press, said


def summary(number: int, config: RunConfig | None = None, **more: object) -> RunSummary:
    status = "damaged" if config is None else "finished"
    made = RunSummary(f"{number:012x}", config, status, "", "", 1e9 + number, {"epoch": 3.0, "test_accuracy": 0.5} if config else {})
    return made._replace(**more)  # type: ignore[arg-type]


GRID = [RunConfig(model=model, lr=lr, seed=seed) for model in ("cnn", "mlp") for lr in (0.01, 0.1) for seed in range(3)]
LISTED = [summary(n, config) for n, config in enumerate(GRID)]


def left(wanted: Filter, runs: list[RunSummary] = LISTED) -> list[int]:
    return [int(s.run_id, 16) for s in runs if run_list.fits(s, wanted)]


# -- filter ----------------------------------------------------------------------------------------


def test_a_filter_leaves_what_it_names() -> None:
    assert left(Filter()) == list(range(12))
    assert left(Filter(model=("MLP",))) == [n for n, config in enumerate(GRID) if config.model == "mlp"]
    assert left(Filter(text="lr=0.1 seed=2")) == [n for n, config in enumerate(GRID) if (config.lr, config.seed) == (0.1, 2)]
    assert left(Filter(text="seed=1")) == [n for n, config in enumerate(GRID) if config.seed == 1]
    assert left(Filter(text=LISTED[7].run_id)) == [7]
    assert left(Filter(text="small cnn", dataset=("digits",), status=("finished",), loss=("cross-entropy",))) == list(range(6))


def test_words_are_sought_in_names_and_notes() -> None:
    runs = [summary(0, GRID[0], name="Baseline A"), summary(1, GRID[1], note="try a BASELINE later"), summary(2, GRID[2], starred=True)]
    assert left(Filter(text="baseline"), runs) == [0, 1]
    assert left(Filter(text="baseline later"), runs) == [1]
    assert left(Filter(starred=True), runs) == [2]


def test_every_part_of_a_filter_narrows() -> None:
    parts = [Filter(text="seed=0"), Filter(model=("MLP",)), Filter(status=("failed",)), Filter(starred=True)]
    for part in parts:
        assert set(left(part)) < set(left(Filter()))
    both = Filter(text="seed=0", model=("MLP",))
    assert left(both) == [n for n in left(parts[0]) if n in left(parts[1])]


def test_a_damaged_run_is_found_by_its_status_only() -> None:
    runs = [*LISTED, summary(99)]
    assert left(Filter(status=("damaged",)), runs) == [99]
    assert 99 not in left(Filter(model=("MLP", "small CNN")), runs)
    assert 99 not in left(Filter(text="seed=0"), runs)
    assert run_list.kinds_in(runs, "model") == ["MLP", "small CNN"]


# -- settings --------------------------------------------------------------------------------------


def test_columns_are_the_settings_that_differ() -> None:
    columns = run_list.setting_columns(LISTED)
    assert list(columns) == [name for name in OPTIONS if len({getattr(config.canonical(), name) for config in GRID}) > 1]
    assert columns["lr"] == [config.lr for config in GRID] and columns["model"][0] == "small CNN"
    assert run_list.setting_columns(LISTED[:1]) == {}
    assert run_list.setting_columns([*LISTED, summary(99)])["lr"][-1] is None


def test_what_has_no_effect_is_no_difference() -> None:
    """Of a network without a width, and of a loss without its parameter."""
    pair = [RunConfig(model="vgg11_bn", width=width, gce_q=q) for width, q in ((8, 0.5), (32, 0.7))]
    assert run_list.setting_columns([summary(n, config) for n, config in enumerate(pair)]) == {}


def test_the_sentence_names_what_all_share_and_nothing_that_differs() -> None:
    said = run_list.in_common(GRID).replace("\u00a0", " ")
    assert said == "digits · symmetric · 20 % · cross-entropy · 30 epochs"
    changed = [dataclasses.replace(config, schedule="step", weight_decay=5e-4, curvature_every=0) for config in GRID]
    assert run_list.in_common(changed).replace("\u00a0", " ") == said + " · weight decay 0.0005 · step · no curvature probe"
    assert "small CNN" in run_list.in_common(GRID[:3]) and run_list.in_common([]) == ""


@pytest.mark.parametrize("values", [[1, 2, 2, 3], ["a", "b"], [0.1], [], [2, 1, 1, 2, 3], [None, 1, 1]])
def test_unusual_is_whatever_is_not_the_most_frequent(values: list[object]) -> None:
    found = run_list.unusual(values)
    known = [(value, odd) for value, odd in zip(values, found, strict=True) if value is not None]
    usual = [value for value, odd in known if not odd]
    assert len(set(usual)) <= 1 and sum(found) == sum(odd for _, odd in known)
    assert len(usual) == max(Counter(value for value, _ in known).values(), default=0)


def test_a_row_says_what_the_store_says() -> None:
    runs = [*LISTED, summary(99, name="broken", starred=True)]
    frame = run_list.run_frame(runs, {LISTED[2].run_id: 2048}, [LISTED[3].run_id], {LISTED[3].run_id: "data:,x"})
    assert list(frame.index) == [s.run_id for s in runs] and run_list.settings_in(frame) == ["model", "lr", "seed"]
    assert frame["compare"].tolist() == [n == 3 for n in range(12)] + [False]
    assert frame["test_accuracy"].iloc[0] == 50.0 and np.isnan(frame["test_accuracy"].iloc[-1]) and "memorized" not in frame
    assert frame["bytes"].iloc[2] == 2048 and frame["line"].tolist().count("data:,x") == 1
    assert frame["name"].iloc[-1] == "broken" and frame["status"].iloc[-1] == "damaged" and np.isnan(frame["epoch"].iloc[-1])
    assert frame["open"].iloc[0] == ["Train", "Inspect"] and frame["open"].iloc[-1] == ["Train"]


def test_sizes_are_said_with_a_unit() -> None:
    assert [run_list.size_words(size) for size in (0, 812_300, 3_440_000, 12.3e9)] == ["0 kB", "812 kB", "3.4 MB", "12.3 GB"]


# -- what a run looks like ---------------------------------------------------------------------------

# Machado, Oliveira, Fernandes 2009: what eyes without one of the three cones see, in linear RGB.
EYES = {
    "common": np.eye(3),
    "protanopia": np.array([[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]]),
    "deuteranopia": np.array([[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]]),
    "tritanopia": np.array([[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]]),
}


def oklab(colour: str, eyes: str) -> np.ndarray:
    """Ottosson 2020: a space in which equal distances look about equally far apart."""
    value = np.array([int(colour[at : at + 2], 16) for at in (1, 3, 5)]) / 255
    linear = np.clip(EYES[eyes] @ np.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4), 0, 1)
    cones = np.array([[0.41222147, 0.53633254, 0.05144599], [0.2119035, 0.68069955, 0.10739696], [0.08830246, 0.28171884, 0.6299787]])
    mixed = np.array([[0.21045426, 0.79361779, -0.00407205], [1.9779985, -2.4285922, 0.45059371], [0.02590404, 0.78277177, -0.80867577]])
    return mixed @ np.cbrt(cones @ linear)


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("eyes", EYES)
def test_any_two_colours_of_runs_stay_apart(eyes: str, dark: bool) -> None:
    """0.08 is about four times the difference that is just noticed; the meanings' own colours come as near as 0.05 to each other."""
    places = [oklab(pair[dark], eyes) for pair in COLOURS]
    assert min(np.linalg.norm(a - b) for a, b in itertools.combinations(places, 2)) > 0.08


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_every_colour_of_a_run_stands_out_from_the_page(dark: bool) -> None:
    assert min(theme.contrast(pair[dark], theme.colours(dark).background) for pair in COLOURS) >= 3


def test_no_two_runs_look_alike() -> None:
    looks = [look(number, dark=False) for number in range(864)]
    assert len(set(looks)) == len(looks)
    assert {each.dash for each in looks} == set(DASHES) and set(SYMBOLS) == set(SIGNS)
    assert len({each.colour for each in looks[:12]}) == 12 and len({each.symbol for each in looks[:12]}) == 12


# -- the page --------------------------------------------------------------------------------------


def runs_in(page: AppTest) -> list[str]:
    return [str(run_id) for run_id in table(page)["run"]]


def test_an_empty_store_sends_to_train(visit: Visit) -> None:
    page = visit("compare")
    assert "There is no run to compare yet" in said(page)
    assert not page.error and not page.dataframe


def test_every_run_has_a_row_and_the_settings_that_differ_a_column(visit: Visit, stocked: Library) -> None:
    page = visit("compare")
    assert set(runs_in(page)) == set(stocked.ids.values())
    shown = table(page)
    assert set(run_list.settings_in(page.dataframe[0].value)) == {"dataset", "train_size", "noise", "noise_rate", "lr", "seed"}
    assert shown["epoch"][runs_in(page).index(stocked.ids["finished"])] == 3
    assert f"{len(stocked.ids)} runs" in said(page) and "small CNN" in said(page)


def test_a_single_run_has_no_columns_of_settings(visit: Visit, stocked: Library) -> None:
    RunStore(stocked.home).delete([run_id for kind, run_id in stocked.ids.items() if kind != "finished"])
    page = visit("compare")
    assert runs_in(page) == [stocked.ids["finished"]]
    assert run_list.settings_in(page.dataframe[0].value) == []
    assert "**1 run**" in said(page)


def test_the_link_chooses_runs(visit: Visit, stocked: Library) -> None:
    chosen = [stocked.ids["finished"], stocked.ids["stopped"]]
    page = visit("compare", runs=",".join([*chosen, "nonsense", chosen[0], "../../etc", "f" * 12]))
    shown = table(page)
    assert {run for run, on in zip(runs_in(page), shown["compare"], strict=True) if on} == set(chosen)
    assert sum(bool(line) for line in shown["line"]) == 2 and "**2 chosen.**" in said(page)


def test_a_filter_nothing_fits_says_so_and_can_be_reset(visit: Visit, stocked: Library) -> None:
    page = visit("compare")
    page.text_input[0].set_value("no such word").run()
    assert f"None of the {len(stocked.ids)} runs fits" in said(page) and not page.dataframe
    press(page, "Reset the filter")
    assert len(runs_in(page)) == len(stocked.ids)


def test_a_damaged_run_is_listed_with_its_cause_and_hides_nothing(visit: Visit, stocked: Library) -> None:
    (stocked.home / stocked.ids["stopped"] / "config.json").write_text("{")
    page = visit("compare")
    assert len(runs_in(page)) == len(stocked.ids)
    assert "1 run is damaged" in [each.label for each in page.expander][0]
    assert f"{stocked.ids['stopped']}: run" in said(page)


def test_deleted_runs_come_back_as_they_were(visit: Visit, stocked: Library) -> None:
    gone = [stocked.ids["finished"], stocked.ids["failed"]]
    before = set(runs_in(visit("compare")))
    page = press(visit("compare", runs=",".join(gone)), "Delete")
    assert set(runs_in(page)) == before - set(gone) and "Deleted **2 runs**" in said(page)
    assert "runs" not in page.query_params
    press(page, "Undo")
    assert set(runs_in(page)) == before and "Deleted" not in said(page)
    assert set(page.query_params["runs"].split(",")) == set(gone)


def test_when_all_runs_are_deleted_the_way_back_is_shown(visit: Visit, stocked: Library) -> None:
    page = press(visit("compare", runs=",".join(stocked.ids.values())), "Delete")
    assert "All runs are deleted" in said(page) and "Deleted **5 runs**" in said(page)
    press(page, "Undo")
    assert len(runs_in(page)) == 5
    later = visit("compare")  # without the bar
    RunStore(stocked.home).delete(list(stocked.ids.values()))
    assert "5 runs deleted" in said(later.run()) and "Free disk space…" in {button.label for button in later.button}


def test_what_the_store_refuses_is_said(visit: Visit, stocked: Library, impatient: None) -> None:
    with RunStore(stocked.home).folder(stocked.ids["finished"]).lock():
        page = press(visit("compare", runs=stocked.ids["finished"]), "Delete")
        assert "is being trained; stop it first" in said(page)
    assert stocked.ids["finished"] in runs_in(page)


def test_names_and_notes_of_people_stay_text(visit: Visit, stocked: Library) -> None:
    RunStore(stocked.home).rename(stocked.ids["failed"], "<b>best</b> *run*")
    page = press(visit("compare", runs=stocked.ids["failed"]), "Delete")
    assert r"\<b\>best\</b\> \*run\*" in said(page)


def test_the_tab_is_in_the_link(visit: Visit, stocked: Library) -> None:
    assert visit("compare", tab="curves").query_params["tab"] == "curves"
    assert "tab" not in visit("compare", tab="no such tab").query_params
