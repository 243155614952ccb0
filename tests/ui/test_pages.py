"""Every page in every state, without a browser: no exception, and a sentence that says what is the matter."""

from __future__ import annotations

import dataclasses
import shutil
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest
from streamlit.testing.v1.element_tree import Selectbox

from explorer.config import RunConfig
from explorer.runs.store import RunStore
from explorer.ui import state, watch
from explorer.ui.services import get_worker
from tests.support import wait_for
from tests.ui.conftest import Library, Visit, draw_folder

PAGES = ("train", "inspect")
KINDS = ("finished", "failed", "stopped", "interrupted", "no truth")
SPOKEN = ("title", "header", "subheader", "markdown", "caption", "error", "warning", "info")


def said(page: AppTest) -> str:
    """Everything the page says, as one text; fails on an exception."""
    assert not page.exception, [each.value for each in page.exception]
    return "\n".join(each.value for kind in SPOKEN for each in page.get(kind))


def buttons(page: AppTest) -> set[str]:
    return {button.label for button in page.button if not button.disabled}


def press(page: AppTest, label: str) -> AppTest:
    next(button for button in page.button if button.label == label).click()
    return page.run()


def box(page: AppTest, label: str) -> Selectbox:
    return next(each for each in page.selectbox if each.label == label)


# -- every page, every kind of run -----------------------------------------------------------------


def test_an_empty_store_makes_the_newcomer_press_start(visit: Visit) -> None:
    page = visit("train")
    assert "Press **Start**" in said(page)
    assert {"Start", "Start the demo"} <= buttons(page)


def test_inspect_sends_the_newcomer_to_train(visit: Visit) -> None:
    page = visit("inspect")
    assert "Train one first" in said(page)
    assert not page.error and not page.warning


@pytest.mark.parametrize("page", PAGES)
@pytest.mark.parametrize("kind", KINDS)
def test_every_page_opens_on_every_kind_of_run(visit: Visit, stocked: Library, page: str, kind: str) -> None:
    opened = visit(page, run=stocked.ids[kind])
    assert said(opened)
    assert opened.query_params["run"] == stocked.ids[kind] or (page, kind) == ("inspect", "failed")


@pytest.mark.parametrize(
    ("kind", "sentence", "offers"),
    [
        ("finished", "of the wrong labels", {"Run again", "Inspect"}),
        ("failed", "Failed: the loss", {"Continue", "Run again"}),
        ("stopped", "of the wrong labels", {"Continue", "Run again", "Inspect"}),
        ("interrupted", "Interrupted: the process that trained it is gone", {"Continue", "Run again", "Inspect"}),
        ("no truth", "Which labels are wrong is not known", {"Run again", "Inspect"}),
    ],
)
def test_train_says_what_became_of_a_run(visit: Visit, stocked: Library, kind: str, sentence: str, offers: set[str]) -> None:
    page = visit("train", run=stocked.ids[kind])
    assert sentence in said(page)
    assert offers <= buttons(page)


def test_inspect_without_truth_says_so(visit: Visit, stocked: Library) -> None:
    assert "true label unknown" in said(visit("inspect", run=stocked.ids["no truth"]))


def test_class_names_from_peoples_files_stay_text(visit: Visit, stocked: Library) -> None:
    assert r"**\<b\>up**" in said(visit("inspect", run=stocked.ids["no truth"], cls="<b>up", show="all"))


def test_images_that_are_gone_are_said_to_be_gone(visit: Visit, stocked: Library, tmp_path: Path) -> None:
    own = draw_folder(tmp_path / "moved")
    config = dataclasses.replace(stocked.configs["no truth"], dataset=str(own), epochs=1)
    page = visit("train")
    run_id = get_worker().submit(config)
    wait_for("the run", lambda: RunStore(stocked.home).status(run_id)[0] == "finished")
    shutil.rmtree(own)
    for name in PAGES:
        page = visit(name, run=run_id)
        assert "cannot be shown" in said(page)


# -- damage ----------------------------------------------------------------------------------------

DAMAGE = {
    "config.json": b"{",
    "epochs.csv": b"epoch,train_loss\n1,x\n",
    "examples.parquet": b"PAR1",
    "embeddings.npy": b"\x93NUMPY",
    "embeddings_peak.npy": b"",
}


@pytest.mark.parametrize("page", PAGES)
@pytest.mark.parametrize("name", [*DAMAGE, "facts"])
def test_a_damaged_run_names_what_is_damaged(visit: Visit, stocked: Library, page: str, name: str) -> None:
    folder = stocked.home / stocked.ids["finished"]
    if name == "facts":
        victim = sorted((folder / "facts").iterdir())[-1]
        victim.write_bytes(victim.read_bytes()[:100])
    elif not (folder / name).exists():
        pytest.skip(f"this run keeps no {name}")
    else:
        (folder / name).write_bytes(DAMAGE[name])
    opened = visit(page, run=stocked.ids["finished"])
    assert "damaged" in said(opened)
    assert opened.error


def test_a_damaged_run_does_not_hide_the_others(visit: Visit, stocked: Library) -> None:
    (stocked.home / stocked.ids["finished"] / "config.json").write_text("{")
    page = visit("train")
    assert sum(button.label == "Open" for button in page.button) == len(KINDS) - 1
    assert "damaged" in said(page)


# -- addresses that were tampered with ---------------------------------------------------------------


@pytest.mark.parametrize("page", PAGES)
@pytest.mark.parametrize("text", ["../../etc", "zzz", "0" * 12, "A" * 12, "\x00", "'; DROP TABLE runs;--"])
def test_a_run_that_cannot_be_is_said_so(visit: Visit, stocked: Library, page: str, text: str) -> None:
    opened = visit(page, run=text)
    assert "not the id of a run" in said(opened) or "there is no run" in said(opened)
    assert opened.error


@pytest.mark.parametrize("page", PAGES)
@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("noise_rate", "7"), ("noise_rate", "nan"), ("model", "nope"), ("epochs", "1e9"), ("epochs", "three"), ("lr", "-1"),
        ("width", "99999999999999999999"), ("nonsense", "1"), ("device", "tpu"), ("seed", "-1"),
    ],
)  # fmt: skip
def test_a_setting_that_cannot_be_is_left_out_and_named(visit: Visit, stocked: Library, page: str, name: str, text: str) -> None:
    opened = visit(page, **{name: text})
    assert any(f"{name} in the link" in warning.value for warning in opened.warning), said(opened)
    assert opened.session_state.config == RunConfig()


@pytest.mark.parametrize(
    ("name", "text", "sentence"),
    [
        ("image", "99999", "asks for image '99999'"), ("image", "-1", "asks for image '-1'"), ("image", "²", "asks for image"),
        ("score", "x", "200 of 200 images"), ("show", "x", "200 of 200 images"), ("cls", "x", "200 of 200 images"),
        ("epoch", "x", ""),
    ],
)  # fmt: skip
def test_inspect_falls_back_to_the_default_view(visit: Visit, stocked: Library, name: str, text: str, sentence: str) -> None:
    assert sentence in said(visit("inspect", run=stocked.ids["finished"], **{name: text}))


@pytest.mark.parametrize("page", PAGES)
def test_a_served_app_needs_its_token(visit: Visit, stocked: Library, page: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EXPLORER_TOKEN", "söcret")
    for query in ({}, {"token": "wrong"}, {"token": ""}):
        closed = visit(page, run=stocked.ids["finished"], **query)
        assert "Open it with the full link" in said(closed)
        assert not closed.button and not closed.selectbox
    assert "Open it with the full link" not in said(visit(page, run=stocked.ids["finished"], token="söcret"))


# -- training from the page --------------------------------------------------------------------------


def shown_run(page: AppTest) -> str:
    return str(page.query_params["run"])


def status(page: AppTest) -> str:
    return RunStore().status(shown_run(page))[0]


def finish(page: AppTest) -> AppTest:
    wait_for("the end of the run", lambda: status(page) == "finished", lambda: "failed" * (status(page) == "failed"))
    wait_for("an idle trainer", lambda: get_worker().live(shown_run(page)) is None)
    said(page.run())
    return page


def start(visit: Visit, **more: str) -> AppTest:
    query = {"train_size": "200", "width": "4", "batch_size": "64", "epochs": "3"} | more
    page = press(visit("train", **query), "Start")
    said(page)
    return page


def test_start_trains_to_the_end_and_says_what_happened(visit: Visit) -> None:
    page = finish(start(visit))
    assert "of the wrong labels" in said(page)
    assert {"Run again", "Inspect"} <= buttons(page)
    assert "Stop" not in buttons(page)
    assert "of the wrong labels" in said(visit("train", run=shown_run(page)))  # another visitor sees the same


def test_the_button_of_the_first_visit_starts_too(visit: Visit) -> None:
    page = press(visit("train", train_size="200", width="4", epochs="1"), "Start this run")
    assert {"Run again", "Inspect"} <= buttons(finish(page))


def test_a_run_in_training_is_shown_on_both_pages(visit: Visit) -> None:
    page = start(visit, epochs="5000")
    run_id = shown_run(page)
    wait_for("the first epoch", lambda: RunStore().folder(run_id).rows()[1:])
    for name in PAGES:
        opened = visit(name, run=run_id)
        assert said(opened)
    assert {"Pause", "One epoch", "Stop"} <= buttons(page.run()), said(page)
    press(page, "Stop")
    wait_for("the stop", lambda: status(page) == "stopped")


def test_pause_one_epoch_resume_and_stop(visit: Visit) -> None:
    page = start(visit, epochs="5000")
    run_id = shown_run(page)
    live = get_worker().live

    def epochs() -> int:
        return len(RunStore().folder(run_id).rows())

    wait_for("the first epoch", lambda: epochs() > 1)
    press(page.run(), "Pause")
    wait_for("the pause", lambda: live(run_id).state == "paused")
    held = epochs()
    assert {"Resume", "One epoch", "Stop"} <= buttons(page.run())
    assert "Pause" not in buttons(page)
    press(page, "One epoch")
    wait_for("one more epoch", lambda: epochs() == held + 1 and live(run_id).state == "paused")
    press(page.run(), "Resume")
    wait_for("several more epochs", lambda: epochs() > held + 3)
    press(page.run(), "Stop")
    wait_for("the stop", lambda: status(page) == "stopped" and live(run_id) is None)
    assert {"Continue", "Run again", "Inspect"} <= buttons(page.run())
    assert said(page)


def test_a_run_that_ends_while_the_page_is_drawn_is_looked_at_again(visit: Visit) -> None:
    page = start(visit, epochs="5000")
    run_id, live = shown_run(page), get_worker().live
    wait_for("the first epoch", lambda: RunStore().folder(run_id).rows()[1:])

    def live_then_stopped(asked: str) -> object:
        found = live(asked)
        get_worker().stop(asked)
        wait_for("the stop", lambda: live(asked) is None)
        return found

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(get_worker(), "live", live_then_stopped)
        now = watch._now(run_id)
    assert (now.live is not None, now.status, now.moves) == (True, "stopped", True)
    assert not watch._now(run_id).moves


def test_a_stopped_run_continues_to_its_end(visit: Visit, stocked: Library) -> None:
    page = visit("train", run=stocked.ids["stopped"])
    finish(press(page, "Continue"))
    rows = RunStore().folder(stocked.ids["stopped"]).rows()
    assert [row["epoch"] for row in rows] == [0, 1, 2, 3]


def test_a_run_that_fails_shows_its_cause(visit: Visit) -> None:
    page = start(visit, lr="1e30")
    wait_for("the failure", lambda: status(page) == "failed" and get_worker().live(shown_run(page)) is None)
    page.run()
    assert any("Failed: the loss" in error.value for error in page.error), said(page)


def test_what_cannot_be_trained_is_refused_in_words(visit: Visit, monkeypatch: pytest.MonkeyPatch) -> None:
    page = visit("train", train_size="200", device="mps")
    press(page, "Start")
    assert "device" in "".join(error.value for error in page.error)
    assert "run" not in page.query_params
    said(page)


# -- inspecting --------------------------------------------------------------------------------------


def test_filters_are_kept_in_the_address(visit: Visit, stocked: Library) -> None:
    page = visit("inspect", run=stocked.ids["finished"])
    box(page, "Sort by").set_value("cumulative_loss")
    box(page, "Show").set_value("wrong")
    box(page, "Given class").set_value("7")
    assert "most suspicious first" in said(page.run())
    query = dict(page.query_params)
    assert query == {"run": stocked.ids["finished"], "score": "cumulative_loss", "show": "wrong", "cls": "7"}
    again = visit("inspect", **query)
    assert [box(again, label).value for label in ("Sort by", "Show", "Given class")] == ["cumulative_loss", "wrong", "7"]


def test_an_image_from_the_address_is_shown(visit: Visit, stocked: Library) -> None:
    page = visit("inspect", run=stocked.ids["finished"], image="17")
    source = RunStore().open(stocked.ids["finished"]).source_index[17]
    assert f"**Image {source}**" in said(page)


def test_another_run_can_be_chosen(visit: Visit, stocked: Library) -> None:
    page = visit("inspect", run=stocked.ids["finished"])
    box(page, "Run").set_value(stocked.ids["no truth"])
    assert "true label unknown" in said(page.run())
    assert page.query_params["run"] == stocked.ids["no truth"]


def test_no_sentence_of_the_address_reader_ends_twice() -> None:
    _, errors = state.read_query({"noise_rate": "7", "what": "1", "model": "x"})
    assert len(errors) == 3
    assert all(error.rstrip(".").strip() for error in errors)
