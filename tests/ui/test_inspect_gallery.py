"""Inspect, the gallery: what the filters ask for is shown, stands in the link, and comes back from it."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from streamlit.testing.v1 import AppTest

from explorer.analysis.scores import SCORES, combined, ranking
from explorer.analysis.views import View
from explorer.config import RunConfig
from explorer.records import Run
from explorer.runs.execution import execute
from explorer.runs.kept import kept_pairs
from explorer.runs.store import RunStore
from explorer.ui import cards, gallery_filters, inspection, searches, selection
from tests.ui.conftest import Library, Visit, draw_folder
from tests.ui.inspecting import read
from tests.ui.test_pages import box, press, said


def message(page: AppTest, label: str = "Training images") -> dict[str, Any]:
    """What the browser is told by the gallery of this name."""
    told = [json.loads(each.proto.json) for each in page.get("bidi_component") if each.proto.json]
    return next(data for data in told if data.get("label") == label)


def shown(page: AppTest) -> list[int]:
    return [card["id"] for card in message(page)["cards"]]


def scores_of(run: Run) -> dict[str, np.ndarray]:
    return cards.scores_at(run, run.last_epoch)


# -- what is shown ---------------------------------------------------------------------------------


def test_every_score_of_the_run_may_sort_the_gallery_and_curvature_does_at_first(visit: Visit, shop: Library) -> None:
    page = visit("inspect", run=shop.ids["everything"])
    choice = box(page, "Sort by")
    assert choice.value == "curvature"
    assert len(choice.options) == len(scores_of(read(shop, "everything")))


def test_the_first_sixty_are_the_most_suspicious(visit: Visit, stocked: Library) -> None:
    run = read(stocked, "finished")
    found = ranking("curvature", scores_of(run)["curvature"]).tolist()
    assert shown(visit("inspect", run=run.run_id)) == found[:60]
    assert shown(visit("inspect", run=run.run_id, page="4")) == found[180:]
    assert shown(visit("inspect", run=run.run_id, per="240")) == found


def test_several_scores_sort_by_their_mean_rank(visit: Visit, stocked: Library) -> None:
    run = read(stocked, "finished")
    page = visit("inspect", run=run.run_id, **{"with": "aum,el2n"})
    order = np.argsort(-combined(scores_of(run), ["curvature", "aum", "el2n"]), kind="stable")
    assert shown(page) == order[:60].tolist()
    assert "most suspicious first by 3 scores together" in said(page)


@pytest.mark.parametrize(("sign", "words"), [("", "high by A, Input-loss curvature"), ("low", "low by A, Input-loss curvature")])
def test_disagreement_is_shown_from_either_side(visit: Visit, stocked: Library, sign: str, words: str) -> None:
    run = read(stocked, "finished")
    page = visit("inspect", run=run.run_id, against="aum", sign=sign)
    a, b = (combined(scores_of(run), [name]) for name in ("curvature", "aum"))
    first = shown(page)[0]
    assert first == int(np.argmax((b - a) if sign else (a - b)))
    assert message(page)["cards"][0]["note"] == gallery_filters.note(a[first], b[first])
    assert words in said(page)


def test_filters_hold_together(visit: Visit, stocked: Library) -> None:
    run = read(stocked, "finished")
    page = visit("inspect", run=run.run_id, cls="3", truth="wrong", show="missed", per="240")
    labels, predicted = run.labels, run.facts.predicted_label[-1]
    assert labels.is_mislabeled is not None
    wanted = (labels.given_label == 3) & labels.is_mislabeled & (predicted != labels.given_label)
    assert sorted(shown(page)) == np.flatnonzero(wanted).tolist()
    looks = visit("inspect", run=run.run_id, looks="3", per="240")
    assert all(" looks like 3" in card["label"] for card in message(looks)["cards"]) and message(looks)["cards"]


def test_near_duplicates_stand_beside_an_image_as_the_pairs_say(visit: Visit, stocked: Library) -> None:
    run = read(stocked, "finished")
    page = visit("inspect", run=run.run_id, per="240")
    found = searches.near_duplicates_of(run)
    assert found is not None
    paired = set(np.concatenate([found.a, found.b]).tolist())
    assert {card["id"] for card in message(page)["cards"] if "partner" in card} == paired


def test_the_kept_pairs_are_those_that_would_be_found(stocked: Library) -> None:
    run = read(stocked, "finished")
    kept = kept_pairs(RunStore(stocked.home).folder(run.run_id), run.source_index)
    found, now = searches.near_duplicates_of(run), searches.by_network(dataclasses.replace(run, status="stopped"))
    assert found is not None and now is not None and kept is not None
    assert found.a.tolist() == kept.a.tolist() == now.a.tolist()


def test_nothing_that_fits_is_said_and_can_be_undone(visit: Visit, stocked: Library) -> None:
    page = visit("inspect", run=stocked.ids["finished"], show="memorized", truth="right")
    assert shown(page) == [] and "No image fits" in message(page)["empty"]
    assert len(shown(press(page, "Reset all filters"))) == 60
    assert dict(page.query_params) == {"run": stocked.ids["finished"]}


def test_without_truth_no_filter_asks_for_it(visit: Visit, stocked: Library) -> None:
    page = visit("inspect", run=stocked.ids["no truth"])
    assert "Whether a given label is right is not known" in said(page)
    assert all("right" not in str(option) for each in page.get("button_group") for option in each.proto.options)


# -- the link --------------------------------------------------------------------------------------


def test_the_whole_view_is_in_the_link_and_comes_back(visit: Visit, stocked: Library) -> None:
    page = visit("inspect", run=stocked.ids["finished"])
    box(page, "Sort by").set_value("el2n")
    said(page.run())
    page.multiselect(key="view_with").set_value(["aum"])
    box(page, "Disagreement with").set_value("curvature")
    said(page.run())
    page.radio(key="view_sign").set_value("low")
    said(page.run())
    query = dict(page.query_params)
    assert query == {"run": stocked.ids["finished"], "score": "el2n", "with": "aum", "against": "curvature", "sign": "low"}
    again = visit("inspect", **query)
    assert shown(again) == shown(page)
    assert "More filters (2)" in [each.proto.popover.label for each in again.get("popover")]


@pytest.mark.parametrize(
    ("query", "sentence"),
    [
        ({"score": "x"}, "The score 'x' is unknown"), ({"with": "aum,zzz"}, "'zzz'"), ({"against": "zzz"}, "The score 'zzz'"),
        ({"sign": "up", "against": "aum"}, "The order 'up'"), ({"looks": "eleven"}, "The class 'eleven'"),
        ({"truth": "maybe"}, "The truth 'maybe'"),
        ({"page": "99"}, "this list has 4 pages"), ({"page": "-1"}, "this list has 4 pages"), ({"page": "²"}, "this list has 4 pages"),
        ({"per": "10000000"}, "number of images per page '10000000'"), ({"only": "1,x"}, "picks the images '1,x'"),
        ({"only": "999"}, "positions from 0 to 199"), ({"only": ",".join(map(str, range(101)))}, "Up to 100 positions"),
        ({"show": "[click](http://x)"}, r"\[click\]\(http\://x\)"),
    ],
    ids=lambda value: "" if isinstance(value, str) else " ".join(value),
)  # fmt: skip
def test_what_a_link_cannot_ask_for_is_said_and_left_out(visit: Visit, stocked: Library, query: dict[str, str], sentence: str) -> None:
    page = visit("inspect", run=stocked.ids["finished"], **query)
    assert sentence in said(page)
    assert len(page.warning) == 1 and len(shown(page)) == 60
    said(page.run())
    assert not page.warning  # said once


def test_a_score_chosen_to_sort_by_no_longer_stands_against_itself(visit: Visit, stocked: Library) -> None:
    page = visit("inspect", run=stocked.ids["finished"], against="aum", **{"with": "el2n"})
    box(page, "Sort by").set_value("aum")
    said(page.run())
    assert not page.warning and "against" not in page.query_params
    box(page, "Sort by").set_value("el2n")
    said(page.run())
    assert not page.warning and "with" not in page.query_params


def test_filters_are_kept_while_another_tab_is_looked_at(visit: Visit, stocked: Library) -> None:
    page = visit("inspect", run=stocked.ids["finished"], page="2", looks="4")
    box(page, "Sort by").set_value("aum")
    before = shown(page.run())
    page.session_state["inspect_tab"] = "Data map"
    said(page.run())
    page.session_state["inspect_tab"] = "Images"
    assert shown(page.run()) == before


# -- turning pages ---------------------------------------------------------------------------------


def pagination(page: AppTest) -> int:
    [found] = page.get("pagination")
    return int(found.proto.value if found.proto.set_value else found.proto.default)


def test_another_list_begins_with_its_first_page(visit: Visit, stocked: Library) -> None:
    page = visit("inspect", run=stocked.ids["finished"], page="3")
    assert pagination(page) == 3
    box(page, "Sort by").set_value("aum")
    said(page.run())
    assert pagination(page) == 1 and "page" not in page.query_params


def test_the_first_image_in_sight_stays_when_more_are_shown(visit: Visit, stocked: Library) -> None:
    page = visit("inspect", run=stocked.ids["finished"], page="3")
    first = shown(page)[0]
    page.button_group(key="view_per").set_value("240")
    said(page.run())
    assert first in shown(page) and page.query_params["per"] == "240" and "page" not in page.query_params


def test_a_page_is_walked_through_to_the_next(visit: Visit, stocked: Library) -> None:
    page = visit("inspect", run=stocked.ids["finished"])
    assert message(page)["walk"] == [False, True]
    assert message(visit("inspect", run=stocked.ids["finished"], page="4"))["walk"] == [True, False]
    assert message(page)["selected"][0] == shown(page)[0]  # the first of the page is the one shown in full


def test_a_click_sends_no_image_again(visit: Visit, stocked: Library) -> None:
    page = visit("inspect", run=stocked.ids["finished"])
    before = message(page)
    clicked = before["cards"][7]["id"]
    page.session_state["gallery_marked"]["shown"] = clicked  # as the callback of a click leaves it: the browser marked the card itself
    page.session_state["url_image"] = str(clicked)
    said(page.run())
    assert message(page) == before and page.query_params["image"] == str(clicked)
    page.session_state["url_image"] = str(before["cards"][3]["id"])  # asked for elsewhere: this the browser has to be told
    said(page.run())
    assert message(page)["selected"] == [before["cards"][3]["id"], before["selected"][1] + 1]
    page.session_state["inspect_tab"] = "Data map"
    said(page.run())
    page.session_state["inspect_tab"] = "Images"
    said(page.run())
    assert message(page)["selected"][1] == before["selected"][1] + 2  # drawn anew, so told anew


# -- what was picked elsewhere ---------------------------------------------------------------------


def pick(page: AppTest, run_id: str, examples: list[int]) -> AppTest:
    page.session_state["selection"] = (run_id, selection.Selection(np.array(examples), f"{len(examples)} images picked on the map"))
    return page.run()


def test_only_what_was_picked_is_shown_until_all_are_asked_for(visit: Visit, stocked: Library) -> None:
    page = pick(visit("inspect", run=stocked.ids["finished"]), stocked.ids["finished"], [3, 150, 17])
    assert "Showing **3 images picked on the map**" in said(page)
    assert sorted(shown(page)) == [3, 17, 150]
    assert page.query_params["only"] == "3,150,17"
    assert len(shown(press(page, "Show all"))) == 60
    assert "only" not in page.query_params


def test_a_link_brings_back_what_was_picked(visit: Visit, stocked: Library) -> None:
    page = visit("inspect", run=stocked.ids["finished"], only="150,3,3")
    assert sorted(shown(page)) == [3, 150] and "Showing **2 of the images, named in the link**" in said(page)


def test_what_is_too_much_for_a_link_is_said(visit: Visit, stocked: Library) -> None:
    page = pick(visit("inspect", run=stocked.ids["finished"], per="240"), stocked.ids["finished"], list(range(120)))
    assert sorted(shown(page)) == list(range(120))
    assert "only" not in page.query_params and "too many for the link" in said(page)


def test_what_was_picked_in_one_run_is_not_shown_in_another(visit: Visit, stocked: Library) -> None:
    page = pick(visit("inspect", run=stocked.ids["finished"]), stocked.ids["finished"], [3, 17])
    box(page, "Run").set_value(stocked.ids["stopped"])
    assert "Showing" not in said(page.run()) and "only" not in page.query_params


# -- a run without scores --------------------------------------------------------------------------


@pytest.fixture
def bare(home: Path, tmp_path: Path) -> Run:
    """Eighty images of two classes in the order of a table, every eighth label wrong: beside that nothing is known of them."""
    root = draw_folder(tmp_path / "drawn", 40)
    files = sorted(root.rglob("*.png"))
    true = [file.parent.name for file in files]
    given = [true[-1 - n] if n % 8 == 0 else name for n, name in enumerate(true)]
    table = {"path": [file.relative_to(tmp_path) for file in files], "label": given, "true_label": true}
    pd.DataFrame(table).to_csv(tmp_path / "drawn.csv", index=False)
    store = RunStore(home)
    config = RunConfig(dataset=str(tmp_path / "drawn.csv"), model="none", true_label_column="true_label")
    for _ in execute(store, config):
        pass
    [summary] = store.runs()
    return store.open(summary.run_id)


def test_without_scores_images_come_in_the_order_of_the_data(visit: Visit, bare: Run) -> None:
    page = visit("inspect", run=bare.run_id)
    words = said(page)
    assert shown(page) == list(range(60)) and shown(visit("inspect", run=bare.run_id, page="2")) == list(range(60, 80))
    assert all("score" not in card and "looks like" not in card["label"] for card in message(page)["cards"])
    assert "80 of 80 images, in the order of the data" in words and inspection.NO_SCORES in words
    assert not page.warning and not page.error


def test_without_scores_nothing_is_offered_that_needs_them(visit: Visit, bare: Run) -> None:
    page = visit("inspect", run=bare.run_id)
    assert box(page, "Sort by").options == ["data order"]
    assert not page.multiselect
    assert not {"Disagreement with", "Looks like"} & {each.label for each in page.selectbox}
    asked = visit("inspect", run=bare.run_id, score="aum", against="el2n", looks=bare.class_names[0], **{"with": "curvature"})
    assert shown(asked) == list(range(60))
    assert len(asked.warning) == 4 and set(asked.query_params) == {"run"}


def test_without_scores_filters_and_what_was_picked_hold_together(visit: Visit, bare: Run) -> None:
    labels = bare.labels
    assert labels.is_mislabeled is not None and labels.is_mislabeled.sum() == 10
    wanted = (labels.given_label == 0) & labels.is_mislabeled
    query = {"cls": bare.class_names[0], "truth": "wrong"}
    assert shown(visit("inspect", run=bare.run_id, **query)) == np.flatnonzero(wanted).tolist()
    assert shown(visit("inspect", run=bare.run_id, show="wrong")) == list(range(0, 80, 8))
    page = pick(visit("inspect", run=bare.run_id), bare.run_id, [71, 8, 3])
    assert shown(page) == [3, 8, 71] and page.query_params["only"] == "71,8,3"
    box(page, "Given class").set_value(bare.class_names[labels.given_label[71]])
    assert shown(page.run()) == [n for n in (3, 8, 71) if labels.given_label[n] == labels.given_label[71]]


def test_from_a_run_with_scores_to_one_without_and_back_nothing_is_complained_about(visit: Visit, stocked: Library, tmp_path: Path) -> None:
    store = RunStore(stocked.home)
    before = {summary.run_id for summary in store.runs()}
    for _ in execute(store, RunConfig(dataset=str(draw_folder(tmp_path / "own")), model="none")):
        pass
    [bare] = {summary.run_id for summary in store.runs()} - before
    page = visit("inspect", run=stocked.ids["finished"])
    first = shown(page)
    for run_id, images, sorts in ((bare, list(range(60)), ""), (stocked.ids["finished"], first, "curvature")):
        box(page, "Run").set_value(run_id)
        said(page.run())
        assert not page.warning and shown(page) == images
        assert box(page, "Sort by").value == sorts and dict(page.query_params) == {"run": run_id}


# -- words -----------------------------------------------------------------------------------------


def test_the_order_is_said_in_words() -> None:
    assert gallery_filters.order_words(View(())) == "in the order of the data"
    assert gallery_filters.order_words(View(("aum",))) == "most suspicious first"
    assert gallery_filters.order_words(View(("aum", "el2n"))) == "most suspicious first by 2 scores together"
    title = SCORES["aum"].title
    assert gallery_filters.order_words(View(("aum",), "el2n")) == f"first those high by A, {title}, and low by B, EL2N"
    assert gallery_filters.order_words(View(("aum",), "el2n", True)) == f"first those low by A, {title}, and high by B, EL2N"
    assert gallery_filters.note(0.984, 0.12).replace("\u00a0", " ") == "A 98 %, B 12 %"
