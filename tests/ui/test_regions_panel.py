"""The Regions tab: which runs are compared, and that test accuracy stays hidden until a model was chosen and asked for."""

from __future__ import annotations

import dataclasses
import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from explorer import pipeline
from explorer.config import RunConfig
from explorer.runs.execution import execute
from explorer.runs.store import RunStore
from explorer.runs.sweeps import identify_all, keep_sweep
from explorer.ui import sweep_plan
from tests.ui.conftest import Visit
from tests.ui.test_pages import box, press, said

SIX = [{"width": width, "lr": lr} for lr in (0.05, 0.005) for width in (2, 4, 8)]


@pytest.fixture(scope="module")
def six(tiny: RunConfig, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six finished runs of three widths and two learning rates: two groups by the paper's probe, one by the other."""
    home = tmp_path_factory.mktemp("six") / "home"
    base = dataclasses.replace(tiny, epochs=2, curvature_every=0, embedding_every=0)
    for changes in SIX:
        for _ in execute(RunStore(home), dataclasses.replace(base, **changes)):
            pass
    return home


@pytest.fixture
def stored(home: Path, six: Path) -> RunStore:
    shutil.copytree(six, home)
    return RunStore(home)


def regions(visit: Visit, **query: str) -> AppTest:
    return visit("compare", tab="regions", **query)


def ids(store: RunStore) -> list[str]:
    return [summary.run_id for summary in store.runs()]


def plane(page: AppTest) -> dict[str, Any]:
    charts = [json.loads(each.proto.json) for each in page.get("bidi_component") if "nats" in each.proto.json]
    return charts[0]["figure"]


def choose(page: AppTest, run_id: str) -> AppTest:
    next(each for each in page.selectbox if each.label == "Your choice").set_value(run_id)
    return page.run()


def tables(page: AppTest) -> list[Any]:
    return [each.value for each in page.dataframe]


# -- states ----------------------------------------------------------------------------------------


def test_an_empty_store_offers_a_ready_sweep(visit: Visit) -> None:
    page = regions(visit)
    assert "No run is finished yet" in said(page)
    page = press(page, "Set up a sweep of comparable runs")
    assert page.session_state["compare_tab"] == "Sweeps" and page.query_params["tab"] == "sweeps"
    assert "**6 runs**" in said(page)


def test_too_few_comparable_runs_are_shown_and_the_reason_said(visit: Visit, stored: RunStore) -> None:
    page = regions(visit)
    words = said(page)
    assert "at least 4 comparable runs, and only 3 comparable runs are finished" in words
    assert "for the paper's probe schedule, learning rate and batch size" in words
    assert len(next(each for each in plane(page)["data"] if each["name"] == "runs")["x"]) == 3
    assert "Reveal" not in {button.label for button in page.button}


def test_the_ready_sweep_is_comparable_with_the_group(visit: Visit, stored: RunStore) -> None:
    page = regions(visit)
    shown = page.session_state["view_group"]
    page = press(page, "Set up a sweep of comparable runs")
    assert "by the paper's probe all" in said(page)
    config: RunConfig = page.session_state["config"]
    assert (config.dataset, config.train_size, config.batch_size) == ("digits", 200, 64)
    assert config.lr in (0.05, 0.005) and shown
    assert page.session_state[sweep_plan.FORM] is True


def test_runs_without_probes_are_said_to_have_none(visit: Visit, home: Path, tiny: RunConfig) -> None:
    for _ in execute(RunStore(home), dataclasses.replace(tiny, susceptibility_lr=0.0, curvature_every=0)):
        pass
    assert "train with a probe rate above 0" in said(regions(visit))


def test_the_probe_decides_the_group_and_stays_in_the_address(visit: Visit, stored: RunStore) -> None:
    page = regions(visit)
    assert len(box(page, "Comparable runs").options) == 2
    page.get_by_key("regions_axis").set_value("fixed")
    page.run()
    assert len(box(page, "Comparable runs").options) == 1 and "6 runs" in box(page, "Comparable runs").options[0]
    assert page.query_params["axis"] == "fixed"
    assert "Not comparable" not in said(page)


def test_runs_that_cannot_join_say_why(visit: Visit, stored: RunStore, tiny: RunConfig) -> None:
    other = pipeline.identify(dataclasses.replace(tiny, seed=9))
    stored.set_status(other, "queued", config=dataclasses.replace(tiny, seed=9))
    page = regions(visit)
    page.session_state["cannot_join"] = True
    (table,) = tables(page.run())
    reasons = list(table["why not"])
    assert len(reasons) == 4 and sum("differ in lr (" in reason for reason in reasons) == 3
    assert "Not finished: waiting for its turn." in reasons


def test_one_sweep_can_be_the_group(visit: Visit, stored: RunStore, tiny: RunConfig) -> None:
    base = dataclasses.replace(tiny, epochs=2, curvature_every=0, embedding_every=0)
    configs = [dataclasses.replace(base, **changes) for changes in SIX[:2] + SIX[3:5]]
    sweep_id = keep_sweep(stored, base, {"width": ("2", "4"), "lr": ("0.05", "0.005")}, "widths", identify_all(configs))
    page = regions(visit, sweep=sweep_id, axis="fixed")
    assert "4 runs" in box(page, "Comparable runs").options[0]
    assert box(page, "Compare").options == ["all runs", "widths · 4 runs"]
    everything = regions(visit, axis="fixed")
    assert "6 runs" in box(everything, "Comparable runs").options[0]


def test_links_to_what_is_gone_show_what_is_there(visit: Visit, stored: RunStore) -> None:
    page = regions(visit, sweep="0" * 12, group="12345678", axis="odd")
    assert said(page) and not page.error
    assert {"sweep", "group", "axis"}.isdisjoint(page.query_params)


# -- first choose, then reveal ---------------------------------------------------------------------


def test_test_accuracy_is_nowhere_before_it_is_asked_for(visit: Visit, stored: RunStore) -> None:
    page = regions(visit, axis="fixed")
    shown = json.dumps(plane(page)) + said(page) + str(tables(page))
    for summary in stored.runs():
        assert f"{100 * summary.last['test_accuracy']:.1f}" not in shown.replace("memorizes nothing: 80.0", "")
    assert "Reveal" in {button.label for button in page.button}
    assert next(button for button in page.button if button.label == "Reveal").disabled


def test_choosing_marks_the_run_and_revealing_shows_every_number(visit: Visit, stored: RunStore) -> None:
    chosen = ids(stored)[2]
    page = choose(regions(visit, axis="fixed"), chosen)
    assert any("your choice" in each["name"] for each in plane(page)["data"])
    page = press(page, "Reveal")
    words = said(page)
    assert "Published pattern: on Clothing1M" in words and "The rule" in words and "Your choice: **" in words
    assert "Susceptibility correlates with the memorized share" in words
    by_region, by_way = tables(page)
    assert list(by_region["runs"]) and sum(by_region["runs"]) == 6 and len(by_region) == 4
    assert list(by_way["way of choosing"]) == [
        "your choice", "what the rule deploys", "mean of region 1", "mean of all runs", "best by noisy validation", "oracle",
    ]  # fmt: skip
    hover = next(each for each in plane(page)["data"] if each["name"] == "runs")["text"]
    for summary in stored.runs():
        assert any(f"clean test accuracy {100 * summary.last['test_accuracy']:.1f} %" in text for text in hover)


def test_hiding_again_forgets_the_choice(visit: Visit, stored: RunStore) -> None:
    page = press(choose(regions(visit, axis="fixed"), ids(stored)[0]), "Reveal")
    page = press(page, "Hide and choose again")
    assert "Published pattern" not in said(page) and len(tables(page)) == 0
    assert next(button for button in page.button if button.label == "Reveal").disabled
    assert next(each for each in page.selectbox if each.label == "Your choice").value is None


def test_another_visitor_has_to_choose_for_themselves(visit: Visit, stored: RunStore) -> None:
    press(choose(regions(visit, axis="fixed"), ids(stored)[0]), "Reveal")
    assert "Published pattern" not in said(regions(visit, axis="fixed"))


def test_a_choice_that_was_deleted_is_forgotten(visit: Visit, stored: RunStore) -> None:
    chosen = ids(stored)[1]
    page = press(choose(regions(visit, axis="fixed"), chosen), "Reveal")
    stored.delete([chosen])
    page.run()
    assert "Published pattern" not in said(page)
    assert "5 runs" in box(page, "Comparable runs").options[0]


def test_every_run_can_be_taken_away_as_a_table(visit: Visit, stored: RunStore) -> None:
    page = press(choose(regions(visit, axis="fixed"), ids(stored)[0]), "Reveal")
    page.session_state["every_run"] = True
    table = tables(page.run())[-1]
    found = {row["id"]: row for row in table.to_dict("records")}
    assert set(found) == set(ids(stored))
    for summary in stored.runs():
        assert found[summary.run_id]["clean test accuracy (%)"] == pytest.approx(100 * summary.last["test_accuracy"], abs=0.01)


def test_missing_predictions_leave_the_regions_and_say_what_is_missing(visit: Visit, stored: RunStore) -> None:
    shutil.rmtree(stored.folder(ids(stored)[0]).path / "facts")
    page = press(choose(regions(visit, axis="fixed"), ids(stored)[1]), "Reveal")
    assert any("needs the predictions of every run" in each.value for each in page.warning)
    assert len(tables(page)) == 1


def test_held_out_given_labels_are_never_called_clean(visit: Visit, home: Path, tiny: RunConfig, tmp_path: Path) -> None:
    from tests.ui.conftest import draw_folder

    own = str(draw_folder(tmp_path / "own"))
    for seed in range(4):
        config = dataclasses.replace(tiny, dataset=own, train_size=0, noise="none", seed=seed, epochs=1, curvature_every=0)
        for _ in execute(RunStore(home), config):
            pass
    page = press(choose(regions(visit), ids(RunStore(home))[0]), "Reveal")
    words = said(page)
    assert "accuracy on held-out given labels" in words and "clean test accuracy," not in words
    assert "cannot be replayed: the true labels are not known" in words
