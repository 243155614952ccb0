"""Which classes are taken for which: the counts against sklearn, the list against a loop, and the tab with its link."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from sklearn.metrics import confusion_matrix
from streamlit.testing.v1 import AppTest

from explorer.analysis.scores import usual_prediction
from explorer.records import NO_CLASS
from explorer.ui import confusion
from explorer.ui.figures_confusion import (
    FAINTEST,
    STEPS,
    Confused,
    apart,
    confusion_info,
    members,
    most_confused,
    shades,
    strengths,
)
from explorer.ui.theme import colours, contrast
from tests.ui.conftest import Library, Visit
from tests.ui.inspecting import read, table
from tests.ui.test_pages import press, said

NAMES = tuple("abcdef")
K, N = len(NAMES), 500
RNG = np.random.default_rng(0)
GIVEN = RNG.integers(0, K - 1, N)  # nobody is given the last class
OTHER = np.where(RNG.random(N) < 0.6, GIVEN, RNG.integers(0, K, N)).astype(np.uint16)
INFO = confusion_info(GIVEN, OTHER, NAMES)


# -- numbers ---------------------------------------------------------------------------------------


def test_counts_are_those_of_sklearn() -> None:
    assert np.array_equal(INFO.counts, confusion_matrix(GIVEN, OTHER, labels=range(K)))
    assert (INFO.rows, INFO.columns) == (NAMES, NAMES)
    assert apart(INFO) == (GIVEN != OTHER).sum()


def test_images_that_show_none_of_the_classes_have_a_column_of_their_own() -> None:
    true = np.where(np.arange(N) % 7 == 0, NO_CLASS, OTHER.astype(int))
    info = confusion_info(GIVEN, true, NAMES, "none of them")
    assert np.array_equal(info.counts, confusion_matrix(GIVEN, np.where(true == NO_CLASS, K, true), labels=range(K + 1))[:K])
    assert info.columns == (*NAMES, "none of them")
    assert apart(info) == (GIVEN != true).sum()


def test_a_cell_holds_the_images_it_counts() -> None:
    true = np.where(np.arange(N) % 7 == 0, NO_CLASS, OTHER.astype(int))
    info = confusion_info(GIVEN, true, NAMES)
    found = {(g, c): members(GIVEN, true, (g, c), K) for g in range(K) for c in range(K + 1)}
    assert {cell: len(examples) for cell, examples in found.items()} == {cell: int(info.counts[cell]) for cell in found}
    assert sorted(np.concatenate(list(found.values())).tolist()) == list(range(N))


def test_the_list_is_what_a_loop_over_all_cells_finds() -> None:
    cells = [
        Confused(g, c, count, count / int((GIVEN == g).sum()))
        for g in range(K) for c in range(K) if g != c and (count := int(((GIVEN == g) & (OTHER == c)).sum()))
    ]  # fmt: skip
    expected = sorted(cells, key=lambda cell: -cell.images)
    assert most_confused(INFO, 100) == expected
    assert most_confused(INFO, 3) == expected[:3]
    assert sum(cell.images for cell in expected) == apart(INFO)


def test_renaming_the_classes_moves_the_cells_along() -> None:
    new = RNG.permutation(K)
    renamed = confusion_info(new[GIVEN], new[OTHER], NAMES)
    assert np.array_equal(renamed.counts[np.ix_(new, new)], INFO.counts)


@pytest.mark.parametrize("labels", [np.zeros(0, dtype=int), np.array([1, 1, 2])])
def test_perfect_agreement_has_nothing_off_the_diagonal(labels: np.ndarray) -> None:
    info = confusion_info(labels, labels, NAMES)
    assert apart(info) == 0 and most_confused(info, 5) == [] and not strengths(info).any()


def test_the_darkest_cell_is_the_most_frequent_and_the_diagonal_has_no_colour() -> None:
    strength, off = strengths(INFO), INFO.counts * (1 - np.eye(K, dtype=int))
    assert not np.diag(strength).any()
    assert strength.max() == STEPS == strength.flat[off.argmax()]
    assert ((strength > 0) == (off > 0)).all() and strength[off > 0].min() >= FAINTEST
    order = np.argsort(off, axis=None, kind="stable")
    assert (np.diff(strength.ravel()[order]) >= 0).all()


@pytest.mark.parametrize("dark", [False, True])
def test_numbers_can_be_read_on_every_shade(dark: bool) -> None:
    found = shades(colours(dark))
    assert len(found) == STEPS + 1 and found[0][0] == colours(dark).background
    assert min(contrast(ink, colour) for colour, ink in found) >= 4.5


# -- the tab ---------------------------------------------------------------------------------------


def told(page: AppTest, name: str) -> dict[str, Any]:
    """What the browser is told by the component that says ``name`` of itself."""
    said(page)
    messages = [json.loads(each.proto.json) for each in page.get("bidi_component") if each.proto.json]
    return next(data for data in messages if name in (data.get("label"), data.get("alt")))


def matrix(page: AppTest) -> dict[str, Any]:
    return next(json.loads(each.proto.json) for each in page.get("bidi_component") if '"strengths"' in each.proto.json)


def images(page: AppTest) -> list[int]:
    return [card["id"] for card in told(page, "Images of the cell")["cards"]]


@pytest.mark.parametrize("versus", ["usual", "last", "true"])
def test_the_matrix_is_of_what_is_asked_for(visit: Visit, stocked: Library, versus: str) -> None:
    run = read(stocked, "finished")
    page = visit("inspect", run=run.run_id, tab="confusion", versus=versus)
    predicted = run.facts.predicted_label
    other = {"usual": usual_prediction(predicted), "last": predicted[-1], "true": run.labels.true_label}[versus]
    data = matrix(page)
    assert data["counts"] == confusion_matrix(run.labels.given_label, other, labels=range(10)).tolist()
    top = most_confused(confusion_info(run.labels.given_label, other, run.class_names), 1)[0]
    assert data["chosen"] == [top.given, top.other] and data["numbers"]
    assert sorted(images(page)) == members(run.labels.given_label, other, (top.given, top.other), 10).tolist()
    assert ("versus" in page.query_params) == (versus != "usual")


def test_a_cell_of_the_link_is_opened_and_leads_to_the_gallery(visit: Visit, stocked: Library) -> None:
    run = read(stocked, "finished")
    page = visit("inspect", run=run.run_id, tab="confusion", cell="3-3", show="wrong", image="5")
    examples = members(run.labels.given_label, usual_prediction(run.facts.predicted_label), (3, 3), 10)
    assert f"**{len(examples)} images given 3 and taken for 3**" in said(page)
    assert sorted(images(page)) == examples.tolist()
    page = press(page, "Open in Images")
    assert f"Showing **{len(examples)} images given 3 and taken for 3**" in said(page)
    assert sorted(card["id"] for card in told(page, "Training images")["cards"]) == examples.tolist()
    assert "show" not in page.query_params and "image" not in page.query_params  # nothing hides what was asked for
    assert page.query_params["only"] == ",".join(map(str, examples))


@pytest.mark.parametrize("cell", ["99-0", "0-10", "x", "1", "-1-2", "٣-٤", "0-" + "9" * 400])
def test_a_cell_that_cannot_be_is_said_so(visit: Visit, stocked: Library, cell: str) -> None:
    page = visit("inspect", run=stocked.ids["finished"], tab="confusion", cell=cell)
    assert "The link asks for the cell" in said(page) and len(page.warning) == 1
    assert images(page)


def test_the_list_says_the_same(visit: Visit, stocked: Library) -> None:
    run = read(stocked, "finished")
    page = visit("inspect", run=run.run_id, tab="confusion", versus="true")
    page.button_group(key="confusion_form").set_value("list")
    rows = table(page.run())
    assert run.labels.true_label is not None
    found = most_confused(confusion_info(run.labels.given_label, run.labels.true_label, run.class_names), 200)
    assert rows["images"] == [each.images for each in found]
    assert rows["given"] == [run.class_names[each.given] for each in found]


def test_without_truth_the_prediction_is_all_there_is(visit: Visit, stocked: Library) -> None:
    page = visit("inspect", run=stocked.ids["no truth"], tab="confusion", versus="true")
    assert "The comparison 'true' is unknown" in said(page)
    assert matrix(page)["rows"] == list(read(stocked, "no truth").class_names)
    assert page.button_group(key="view_versus").options == ["usual prediction", "last prediction"]


def test_a_foreign_image_is_in_the_column_of_none(visit: Visit, shop: Library) -> None:
    run = read(shop, "foreign")
    data = matrix(visit("inspect", run=run.run_id, tab="confusion", versus="true"))
    assert data["columns"][-1] == "none of the classes" and len(data["columns"]) == 11
    assert run.labels.true_label is not None
    assert sum(row[-1] for row in data["counts"]) == (run.labels.true_label == NO_CLASS).sum()


def test_words_of_one_image_and_of_many() -> None:
    info = confusion_info(np.array([0, 1, 1]), np.array([1, 0, 0]), ("up", "down"))
    assert confusion.cell_words(info, "usual", (0, 1)) == "1 image given up and taken for down"
    assert confusion.cell_words(info, "true", (1, 0)) == "2 images given down that show up"
    assert confusion.cell_words(info, "last", (0, 0)) == "0 images given up and taken for up"
