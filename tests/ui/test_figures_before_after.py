"""Before and after a correction: pairs by seed, the interval of their change, and a drawing that says the same."""

from __future__ import annotations

import math

import pytest
from scipy import stats

from explorer.ui.figures_before_after import MEASURES, Pairs, before_after_figure, before_after_info, change_words, value_words
from explorer.ui.theme import colours, contrast

BEFORE = {0: 0.80, 1: 0.70, 2: 0.75, 7: 0.9}
AFTER = {2: 0.80, 1: 0.78, 0: 0.83, 8: 0.1}
NONE: dict[int, float] = {}


def traces(info: Pairs, dark: bool = False) -> dict[str, dict]:
    return {trace["name"]: trace for trace in before_after_figure(info, colours(dark))["data"]}


# -- numbers -----------------------------------------------------------------------------------------


def test_only_seeds_with_both_runs_make_a_pair() -> None:
    info = before_after_info("test_accuracy", BEFORE, AFTER, {3: 0.95})
    assert (info.seeds, info.before, info.after) == ((0, 1, 2), (0.80, 0.70, 0.75), (0.83, 0.78, 0.80))
    assert info.change is not None and info.change.pairs == 3
    assert before_after_info("test_accuracy", BEFORE | {1: math.nan}, AFTER, NONE).seeds == (0, 2)
    assert before_after_info("test_accuracy", {7: 0.9}, {8: 0.1}, NONE).change is None


def test_the_interval_is_that_of_a_paired_t_test() -> None:
    info = before_after_info("test_accuracy", BEFORE, AFTER, NONE)
    low, high = stats.ttest_rel(info.after, info.before).confidence_interval()
    assert info.change is not None
    assert (info.change.low, info.change.high) == pytest.approx((low, high))


def test_a_perfect_review_is_shown_as_far_as_it_is_known() -> None:
    assert before_after_info("test_accuracy", BEFORE, AFTER, {1: 0.9, 0: math.nan}).perfect == {1: 0.9}


# -- words -------------------------------------------------------------------------------------------


def test_numbers_have_their_unit_and_changes_their_sign() -> None:
    assert value_words("test_accuracy", 0.812) == "81.2 %" and value_words("memorized", math.nan) == "-"
    assert value_words("susceptibility", 0.01234) == "0.012 nats" and value_words("mean_curvature", 12.34) == "12"
    change = change_words(before_after_info("test_accuracy", BEFORE, AFTER, NONE))
    assert change.startswith("+5.3 points (95 %: -0.9 to +11.6")
    assert change_words(before_after_info("susceptibility", {0: 0.03, 1: 0.03}, {0: 0.01, 1: 0.01}, NONE)) == (
        "-0.020 nats (95 %: -0.020 to -0.020)"
    )
    assert change_words(before_after_info("test_accuracy", {0: 0.5}, {0: 0.6}, NONE)) == "+10.0 points (one seed: no interval)"
    assert change_words(before_after_info("test_accuracy", NONE, NONE, NONE)) == "not known yet"


# -- drawing -----------------------------------------------------------------------------------------


def test_there_is_a_line_for_every_seed_from_before_to_after() -> None:
    drawn = traces(before_after_info("test_accuracy", BEFORE, AFTER, {0: 0.95}))
    assert {name: trace["y"] for name, trace in drawn.items() if trace["mode"] == "lines"} == {
        "seed 0": [0.80, 0.83], "seed 1": [0.70, 0.78], "seed 2": [0.75, 0.80],
    }  # fmt: skip
    assert drawn["before"]["y"] == [0.80, 0.70, 0.75] and drawn["true labels"]["y"] == [0.95]


def test_the_stages_differ_in_shape_and_place_not_in_colour_alone() -> None:
    drawn = traces(before_after_info("memorized", BEFORE, AFTER, {0: 0.95}))
    stages = [drawn[name] for name in ("before", "after", "mean change", "true labels")]
    assert len({trace["marker"]["symbol"] for trace in stages}) == len({trace["x"][0] for trace in stages}) == 4
    assert len({trace["marker"]["color"] for name, trace in drawn.items() if name in ("before", "after", "true labels")}) == 1


def test_the_interval_stands_around_the_mean_after_above_or_below_no_change() -> None:
    info = before_after_info("test_accuracy", BEFORE, AFTER, NONE)
    figure = before_after_figure(info, colours(False))
    [mean] = [trace for trace in figure["data"] if trace["name"] == "mean change"]
    [no_change] = figure["layout"]["shapes"]
    change = info.change
    assert change is not None and mean["y"] == [pytest.approx(sum(info.after) / 3)]
    assert no_change["y0"] == no_change["y1"] == pytest.approx(0.75)
    assert mean["y"][0] + mean["error_y"]["array"][0] - no_change["y0"] == pytest.approx(change.high)
    assert mean["y"][0] - mean["error_y"]["arrayminus"][0] - no_change["y0"] == pytest.approx(change.low)


def test_one_seed_has_no_interval_and_no_seed_no_drawing() -> None:
    assert "error_y" not in traces(before_after_info("test_accuracy", {0: 0.5}, {0: 0.6}, NONE))["mean change"]
    assert before_after_figure(before_after_info("test_accuracy", NONE, NONE, {0: 1.0}), colours(False))["data"] == []


@pytest.mark.parametrize("measure", MEASURES)
@pytest.mark.parametrize("dark", [False, True])
def test_everything_lies_inside_the_axes_and_can_be_read(measure: str, dark: bool) -> None:
    palette = colours(dark)
    info = before_after_info(measure, BEFORE, AFTER, {0: 0.99, 2: 0.98})
    figure = before_after_figure(info, palette)
    (left, right), (low, high) = figure["layout"]["xaxis"]["range"], figure["layout"]["yaxis"]["range"]
    for trace in figure["data"]:
        assert left < min(trace["x"]) and max(trace["x"]) < right
        assert low < min(trace["y"]) and max(trace["y"]) < high
    assert info.change is not None and low < 0.75 + info.change.low and 0.75 + info.change.high < high
    [words] = figure["layout"]["annotations"]
    assert contrast(words["font"]["color"], palette.background) >= 4.5
