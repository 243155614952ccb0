"""The embedding map: where the points go, that picks come back as the same images, and what the tab says of every kind of run."""

from __future__ import annotations

import base64
import json
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from explorer.analysis.projection import Projection
from explorer.records import NO_CLASS
from explorer.runs.store import RunStore
from explorer.ui import embedding_map, figures_embedding
from explorer.ui.figures_embedding import Layout, colours_of, lay_out, message, pack_bits, unpack_bits, words_of
from explorer.ui.selection import Selection
from explorer.ui.theme import colours, contrast
from tests.ui.conftest import Library, Visit
from tests.ui.test_pages import box, buttons, press, said

LIGHT, DARK = colours(False), colours(True)
RNG = np.random.default_rng(0)
POSITIONS = RNG.normal(size=(200, 2)).astype(np.float32) * (3, 1)
WRONG = RNG.random(200) < 0.3


# -- where the points go ---------------------------------------------------------------------------


def test_every_image_has_one_point_and_wrong_labels_come_last() -> None:
    layout = lay_out(POSITIONS, WRONG)
    assert sorted(layout.examples.tolist()) == list(range(200)) and layout.left_out == 0
    assert np.flatnonzero(WRONG[layout.examples]).tolist() == list(range(200 - layout.wrong, 200))
    assert np.array_equal(lay_out(POSITIONS, WRONG).examples, layout.examples)


def test_the_order_of_drawing_is_not_the_order_of_the_data() -> None:
    rank = np.corrcoef(np.arange(200), lay_out(POSITIONS, None).examples)[0, 1]
    assert abs(rank) < 0.3


def test_distances_on_the_map_are_those_of_the_projection() -> None:
    layout = lay_out(POSITIONS, WRONG)
    points = layout.points.astype(float)
    there, here = (np.linalg.norm(xy[:, None] - xy[None], axis=2) for xy in (POSITIONS[layout.examples], points))
    assert here == pytest.approx(there * here.max() / there.max(), abs=2)  # of 65,535
    assert points.min(axis=0).tolist() == [0, 0] and points.max(axis=0).tolist() == list(layout.box) and max(layout.box) == 65_535


def test_an_image_without_a_place_is_left_out() -> None:
    positions = POSITIONS.copy()
    positions[[3, 50]] = np.nan
    layout = lay_out(positions, WRONG)
    assert layout.left_out == 2 and not {3, 50} & set(layout.examples.tolist())
    assert "2 images without a finite embedding are left out" in embedding_map.how_to_words(layout)


@pytest.mark.parametrize("positions", [np.zeros((4, 2)), np.full((1, 2), 7.0), np.zeros((0, 2)), np.full((2, 2), np.nan)])
def test_a_map_of_one_place_or_none(positions: np.ndarray) -> None:
    layout = lay_out(positions, None)
    assert layout.points.tolist() == [[0, 0]] * len(layout.examples) and layout.box == (0, 0)


# -- what travels ----------------------------------------------------------------------------------


def labels(text: str, wide: bool = False) -> np.ndarray:
    return np.frombuffer(base64.b64decode(text), dtype="<u2" if wide else np.uint8)


def sent(classes: int = 10, count: int = 200, **more: np.ndarray | None) -> tuple[Layout, dict[str, np.ndarray], dict[str, object]]:
    rng = np.random.default_rng(1)
    true, given = rng.integers(0, classes, count), rng.integers(0, classes, count)
    known = {"given": given, "looks": rng.integers(0, classes, count), "true": true} | more
    wrong = None if known["true"] is None else given != known["true"]
    layout = lay_out(rng.normal(size=(count, 2)), wrong)
    names = [f"class {k}" for k in range(classes)]
    words = words_of(layout, known["given"], known["looks"], known["true"], names, "none of the classes")
    return layout, known, message("a map", layout, words, colours_of(layout, "given", "Given label"), LIGHT, mark_wrong=True)


@pytest.mark.parametrize("classes", [2, 10, 256, 300])
def test_the_browser_can_read_every_label(classes: int) -> None:
    layout, known, data = sent(classes)
    assert json.loads(json.dumps(data, allow_nan=False))["count"] == 200
    wide = data["wide"]
    assert wide == (classes > 256)
    for name in ("given", "looks"):
        assert np.array_equal(labels(data[name], wide), known[name][layout.examples])
    true = labels(data["given"], wide).copy()  # as embedding_canvas.js puts it together
    true[200 - layout.wrong :] = labels(data["true"], wide)
    assert np.array_equal(true, known["true"][layout.examples])
    assert np.array_equal(labels(data["points"], True).reshape(-1, 2), layout.points)
    assert sum(data["counts"]) == 200 and len(data["table"]) == classes


def test_what_nobody_knows_is_not_sent() -> None:
    _, _, data = sent(looks=None, true=None)
    assert data["looks"] is None and data["true"] is None and data["wrong"] == 0


def test_an_image_of_none_of_the_classes_has_a_word() -> None:
    layout, _, data = sent(true=np.where(np.arange(200) < 5, NO_CLASS, 0))
    place = np.flatnonzero(layout.examples < 5) - (200 - layout.wrong)
    assert {data["names"][k] for k in labels(data["true"])[place]} == {"none of the classes"}


def test_fifty_thousand_points_travel_in_half_a_megabyte() -> None:
    _, _, data = sent(count=50_000)
    assert len(json.dumps(data)) < 520_000  # nine of ten labels are wrong here, which is the dearest
    assert len(pack_bits(np.ones(50_000, dtype=bool))) == 8336


def test_a_score_is_sent_in_whole_percent() -> None:
    layout = lay_out(POSITIONS, None)
    share = np.linspace(0, 1, 200)
    shade = colours_of(layout, "curvature", "Curvature", share).shade
    assert shade is not None and np.abs(shade - 100 * share[layout.examples]).max() <= 0.5
    assert len(figures_embedding.score_colours(LIGHT)) == 101


@pytest.mark.parametrize("count", [0, 1, 7, 8, 9, 1000])
def test_picks_come_back_as_they_were(count: int) -> None:
    chosen = np.random.default_rng(count).random(count) < 0.4
    assert np.array_equal(unpack_bits(pack_bits(chosen), count), chosen)


def test_the_first_point_is_the_lowest_bit() -> None:
    assert base64.b64decode(pack_bits(np.arange(10) == 0)) == b"\x01\x00"  # as embedding_map.js packs them
    assert base64.b64decode(pack_bits(np.arange(10) == 9)) == b"\x00\x02"


@pytest.mark.parametrize("text", ["", "AA==", "AAAAAA==", "<b>", "AAA"])
def test_picks_of_another_map_are_refused(text: str) -> None:
    with pytest.raises(ValueError):
        unpack_bits(text, 12)


def test_picked_points_are_the_images_they_stand_for() -> None:
    layout = lay_out(POSITIONS, WRONG)
    wanted = np.array([0, 17, 199])
    bits = embedding_map.picked_bits(layout, Selection(wanted, "three"))
    assert bits is not None and embedding_map.picked_examples(layout, bits).tolist() == wanted.tolist()
    assert embedding_map.picked_bits(layout, None) is None


# -- colours and words -----------------------------------------------------------------------------


def oklab(colour: str) -> np.ndarray:
    """Source: Ottosson 2020."""
    value = np.array([int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)])
    linear = np.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4)
    cones = np.cbrt([[0.41222, 0.53633, 0.05145], [0.2119, 0.6807, 0.1074], [0.0883, 0.28172, 0.62998]] @ linear)
    return np.array([[0.21045, 0.79362, -0.00407], [1.978, -2.42859, 0.45059], [0.0259, 0.78277, -0.80868]]) @ cones


@pytest.mark.parametrize("palette", [LIGHT, DARK], ids=["light", "dark"])
def test_classes_are_told_apart_from_the_page_from_each_other_and_from_wrong_labels(palette: object) -> None:
    ten = figures_embedding.class_colours(10, palette)
    assert min(contrast(colour, palette.background) for colour in ten) >= 3
    assert min(np.linalg.norm(oklab(a) - oklab(b)) for a, b in combinations([*ten, palette.memorized], 2)) >= 0.12
    assert figures_embedding.class_colours(23, palette)[20:] == ten[:3]


@pytest.mark.parametrize("palette", [LIGHT, DARK], ids=["light", "dark"])
def test_a_higher_score_stands_out_more(palette: object) -> None:
    ramp = [contrast(colour, palette.background) for colour in figures_embedding.score_colours(palette)]
    assert ramp == sorted(ramp) and ramp[-1] > 4 * ramp[0]


def test_the_map_says_how_far_to_believe_it() -> None:
    words = embedding_map.map_words(Projection(np.zeros((3, 2)), np.array([0.25, 0.125])))
    assert "hold 37.5 % of the differences" in words
    assert "mean nothing" in embedding_map.map_words(Projection(np.zeros((3, 2)), np.zeros(0)))


def test_the_most_suspicious_of_the_picked_are_shown_first() -> None:
    order = np.array([4, 2, 0, 1, 3])
    assert embedding_map.first_of(order, np.array([0, 3, 4])).tolist() == [4, 0, 3]
    assert embedding_map.first_of(order, np.array([0, 3, 4]), 2).tolist() == [4, 0]


def test_what_was_picked_is_said_with_its_share_of_wrong_labels() -> None:
    picked, wrong = np.arange(312), np.arange(1000) < 78
    words = embedding_map.picked_words("312 images picked on the map", picked, 120, "Curvature", wrong)
    assert words == (
        "**312 images picked on the map.** 120 of 312 shown, most suspicious first by *Curvature*. "
        "78 of their labels are wrong (25.0 %; of all images 7.8 %)."
    )
    assert embedding_map.picked_words("1 image", picked[:1], 1, "", None) == "**1 image.** All are shown."


@pytest.mark.parametrize("script", ["embedding_canvas.js", "embedding_map.js", "embedding_picked.js"])
def test_no_words_are_ever_read_as_html(script: str) -> None:
    source = Path(embedding_map.__file__).with_name(script).read_text(encoding="utf-8")
    assert not [word for word in ("innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(") if word in source]


# -- the tab ---------------------------------------------------------------------------------------


def test_the_map_is_drawn_with_what_to_do_beside_it(visit: Visit, stocked: Library) -> None:
    page = visit("inspect", run=stocked.ids["finished"], tab="embedding")
    words = said(page)
    assert "of the differences" in words and "Nothing is picked yet" in words and "Drag to pick" in words
    assert page.query_params["tab"] == "embedding" and "colour" not in page.query_params
    assert {"Given label", "True label", "Input-loss curvature"} <= set(box(page, "Colour").options)


def test_without_truth_nothing_is_coloured_by_it(visit: Visit, stocked: Library) -> None:
    page = visit("inspect", run=stocked.ids["no truth"], tab="embedding")
    assert "of the differences" in said(page)
    assert "True label" not in box(page, "Colour").options and not page.toggle


def test_a_link_names_the_colour(visit: Visit, stocked: Library) -> None:
    page = visit("inspect", run=stocked.ids["finished"], tab="embedding", colour="cumulative_loss")
    assert said(page) and box(page, "Colour").value == "cumulative_loss"
    assert page.query_params["colour"] == "cumulative_loss"


@pytest.fixture
def picked(visit: Visit, stocked: Library) -> AppTest:
    """A visitor at the map with five images picked."""
    page = visit("inspect", run=stocked.ids["finished"], tab="embedding")
    page.session_state["selection"] = (stocked.ids["finished"], Selection(np.array([1, 2, 3, 5, 8]), "5 images picked on the map"))
    return page.run()


def test_what_is_picked_stands_beside_the_map_and_can_be_let_go(picked: AppTest, stocked: Library) -> None:
    words = said(picked)
    wrong = RunStore(stocked.home).open(stocked.ids["finished"]).labels.is_mislabeled
    assert wrong is not None and f"{wrong[[1, 2, 3, 5, 8]].sum()} of their labels are wrong" in words
    assert "5 images picked on the map" in words and "All are shown" in words
    assert "Nothing is picked yet" in said(press(picked, "Let go"))


def test_what_is_picked_is_opened_under_images(picked: AppTest) -> None:
    said(press(picked, "Open in Images"))
    assert picked.session_state["inspect_tab"] == "Images"
    assert "Let go" not in buttons(picked)
    assert "5 images picked on the map" in said(picked)


def test_without_embeddings_the_tab_says_how_to_get_them(visit: Visit, stocked: Library) -> None:
    for file in (stocked.home / stocked.ids["finished"]).glob("embeddings*.npy"):
        file.unlink()
    words = said(visit("inspect", run=stocked.ids["finished"], tab="embedding"))
    assert "Embedding every" in words and "Drag to pick" not in words
