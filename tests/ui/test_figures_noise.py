"""The picture of T: every share in its cell, one scale with one meaning, and in words what stands out."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from explorer.data.transitions import asked_transition
from explorer.ui.figures_noise import confusion_words, transition_figure, transition_info
from explorer.ui.theme import colours, contrast
from tests.support import names

PALETTES = [colours(False), colours(True)]


def flips(K: int, rate: float = 0.2) -> np.ndarray:
    """Every class to the next one."""
    return asked_transition("pair_flip", rate, names(K))


def drawn(matrix: np.ndarray, **more: Any) -> dict[str, Any]:
    return transition_figure(transition_info(matrix, names(len(matrix)), **more), PALETTES[0])


@pytest.mark.parametrize("K", [2, 3, 10, 100])
def test_each_cell_is_shown_once_with_its_share(K: int) -> None:
    matrix = np.random.default_rng(0).dirichlet(np.ones(K), K)
    wrong, right = (np.array(trace["z"], dtype=float) for trace in drawn(matrix)["data"])
    assert np.array_equal(np.isnan(wrong), np.eye(K, dtype=bool)) and np.array_equal(np.isnan(right), ~np.eye(K, dtype=bool))
    assert np.array_equal(np.nan_to_num(wrong) + np.nan_to_num(right), matrix)


def test_numbers_are_written_up_to_ten_classes() -> None:
    wrong, right = drawn(np.array([[0.8, 0.2], [0.004, 0.996]]))["data"]
    assert wrong["text"] == [["", "20"], ["", ""]] and right["text"] == [["80", ""], ["", "100"]]
    assert drawn(flips(10))["data"][0]["text"] is not None
    assert drawn(flips(11))["data"][0]["text"] is None


def test_the_scale_runs_from_none_to_the_largest_wrong_share() -> None:
    wrong = drawn(flips(4, 0.3))["data"][0]
    assert (wrong["zmin"], wrong["zmax"]) == (0, pytest.approx(0.3))
    assert drawn(flips(4, 0.3), top=0.5)["data"][0]["zmax"] == 0.5  # shared with another matrix
    assert "full colour: 30.0 %" in drawn(flips(20, 0.3))["layout"]["xaxis"]["title"]["text"]


def test_right_labels_have_one_colour_and_wrong_ones_another() -> None:
    for palette in PALETTES:
        wrong, right = transition_figure(transition_info(flips(4), names(4)), palette)["data"]
        assert right["colorscale"][0][1] == right["colorscale"][1][1]
        assert len({colour for _, colour in wrong["colorscale"]}) == 2
        for trace in (wrong, right):
            assert all(contrast(palette.text, colour) >= 4.5 for _, colour in trace["colorscale"])


@pytest.mark.parametrize("K", [10, 30, 100, 1000])
@pytest.mark.parametrize("height", [240, 440])
def test_names_beside_the_axes_have_room(K: int, height: int) -> None:
    axis = transition_figure(transition_info(flips(K), names(K)), PALETTES[0], height)["layout"]["yaxis"]
    assert 1 <= len(axis["tickvals"]) <= (height - 100) / 14
    assert len(axis["tickvals"]) == K or K > (height - 100) / 15
    assert set(axis["tickvals"]) <= set(names(K))


def test_long_names_are_cut_beside_the_axes_only() -> None:
    long = ["a very long name of a class", "b<b>"]
    figure = transition_figure(transition_info(flips(2), long), PALETTES[0])
    assert figure["layout"]["yaxis"]["ticktext"] == ["a very long n…", "b&lt;b&gt;"]
    assert figure["data"][0]["y"] == long


def test_what_stands_out_is_named_largest_first() -> None:
    matrix = np.array([[0.9, 0.1, 0.0], [0.0, 0.7, 0.3], [0.0, 0.0, 1.0]])
    info = transition_info(matrix, ["a", "b", "c"])
    assert info.confusions == (("b", "c", pytest.approx(0.3)), ("a", "b", pytest.approx(0.1)))
    assert confusion_words(info) == "Most frequent: b → c (30.0 %), a → b (10.0 %)."
    assert info.wrong == pytest.approx([0.1, 0.3, 0.0])


def test_many_that_stand_out_are_counted() -> None:
    assert confusion_words(transition_info(flips(9), names(9))).endswith("and 4 more.")


def test_noise_that_prefers_no_class_names_none() -> None:
    even = transition_info(asked_transition("symmetric", 0.4, names(5)), names(5))
    assert confusion_words(even) == "Every wrong class is about as frequent as any other."
    assert confusion_words(transition_info(np.eye(3), names(3))) == "No label is changed."


def test_renaming_the_classes_renames_what_stands_out() -> None:
    rng = np.random.default_rng(1)
    matrix, order = rng.dirichlet(np.full(6, 0.2), 6), rng.permutation(6)
    moved = transition_info(matrix[np.ix_(order, order)], [names(6)[k] for k in order])
    assert set(moved.confusions) == set(transition_info(matrix, names(6)).confusions)


def test_one_class_has_nothing_to_be_mistaken_for() -> None:
    info = transition_info(np.ones((1, 1)), ["only"])
    assert (info.top, info.confusions) == (0.0, ())
    transition_figure(info, PALETTES[0])


def test_a_matrix_of_other_classes_is_refused() -> None:
    with pytest.raises(ValueError, match="2 classes"):
        transition_info(np.eye(3), ["a", "b"])


@pytest.mark.parametrize("palette", PALETTES, ids=["light", "dark"])
@pytest.mark.parametrize("K", [2, 10, 100])
def test_plotly_accepts_it(palette: Any, K: int) -> None:
    graph_objects = pytest.importorskip("plotly.graph_objects")
    figure = transition_figure(transition_info(flips(K), names(K)), palette)
    assert len(graph_objects.Figure({"data": figure["data"], "layout": figure["layout"]}).data) == 2
