"""Near-duplicates in words and drawings: the numbers in them are those handed in, and what is not known is not said."""

from __future__ import annotations

import math

import numpy as np
import pytest

from explorer.analysis.calibration import Calibration, calibrate
from explorer.analysis.flagged import Confirmed, Cut, Strip, cut_at, cuts
from explorer.analysis.leakage import leakage
from explorer.analysis.neighbors import NearDuplicates
from explorer.records import Progress
from explorer.runs.duplicate_jobs import DuplicateLive
from explorer.ui import duplicate_words as words
from explorer.ui import duplicates_search
from explorer.ui.figures_duplicates import POINTS, calibration_figure, calibration_info, found_table
from explorer.ui.network_pairs import by_curvature, network_words
from explorer.ui.theme import colours

NAN, INF = float("nan"), float("inf")
EXACT = 16.0


def known(pairs: int = 3000) -> Calibration:
    rng = np.random.default_rng(0)
    own = np.sort(np.r_[rng.normal(3, 2, 100), -7 + rng.exponential(0.8, pairs - 102), EXACT, EXACT])[::-1]
    return calibrate(own, own == EXACT, rng.normal(3, 2, 200), 3000)


def flat(value: float = 0.01) -> Calibration:
    """Look-alikes everywhere: no cut is worth much."""
    return Calibration(np.linspace(2, -4, 200), np.arange(1.0, 201), np.full(200, value), np.linspace(0.1, 1, 200))


def pairs_of(a: list[int], b: list[int], conflicting: list[bool], exact: list[bool]) -> NearDuplicates:
    group = np.array(a, dtype=int)
    return NearDuplicates(np.array(a, dtype=int), np.array(b, dtype=int), np.linspace(1, 0.9, len(a)).astype(np.float32),
                          np.array(conflicting, dtype=bool), np.array(exact, dtype=bool), group, 0.5)  # fmt: skip


# -- words -----------------------------------------------------------------------------------------


def test_a_cut_is_told_by_its_consequences() -> None:
    text = words.consequence(Cut(1.5, 112, 0.954, 0.93), known())
    assert text == "**112 pairs**, of which about **95 % are duplicates** (estimated); about **93 % of changed copies** are found."
    assert words.cut_label(Cut(1.5, 1112, 0.954, 0.93)) == "1,112 pairs · 95 %"


def test_exact_copies_are_sure_and_leave_changed_ones_out() -> None:
    assert words.cut_label(Cut(INF, 17, 1.0, 0.0)) == "17 exact"
    assert words.consequence(Cut(INF, 1, 1.0, 0.0), known()) == "**1 pair**, the same to the byte. Changed copies are left out."
    assert "mere look-alikes" in words.consequence(Cut(INF, 0, NAN, 0.0), flat())
    assert "mere look-alikes" not in words.consequence(Cut(INF, 0, NAN, 0.0), flat(0.6))


def test_too_few_pairs_to_tell_are_said_to_be_too_few() -> None:
    text = words.consequence(Cut(3.0, 2, NAN, 0.5), known())
    assert "too few pairs" in text and "nan" not in text and "estimated" not in text
    assert words.cut_label(Cut(3.0, 2, NAN, 0.5)) == "2 pairs"


def test_what_was_flagged_is_counted() -> None:
    pairs = pairs_of([0, 2, 2], [1, 3, 4], [True, False, False], [True, False, False])
    strips = [Strip((0, 1), True, True, True, 1.0, NAN), Strip((2, 3, 4), True, False, False, 0.9, NAN)]
    text = words.found_words(pairs, strips, np.array([1, 9]))
    assert text == (
        "**3 pairs in 2 groups look alike; 1 pair under conflicting labels**; 1 is the same to the byte. "
        "Of the 2 images of highest curvature (top 1 %), 1 is in a conflicting pair (50 %)."
    )
    assert "curvature" not in words.found_words(pairs, strips, np.zeros(0, dtype=int))
    assert "No image stands" in words.found_words(pairs_of([], [], [], []), [], np.array([1]))


def test_a_group_says_how_alike_it_is_and_how_curved() -> None:
    assert words.strip_note(Strip((0, 1), True, False, True, 1.0, NAN), None) == "same to the byte"
    assert (
        words.strip_note(Strip((0, 1, 2), True, False, False, 0.871, 5.0), 0.975) == "similarity 0.87 or more · curvature: top 2.5\u00a0%"
    )
    assert words.strip_note(Strip((0, 1), True, False, False, 0.998, 5.0), 1.0) == "similarity over 0.99 · curvature: top 0.1\u00a0%"


def test_planted_truth_is_told_where_there_is_some() -> None:
    assert "of 100 planted copies 98.0 % are found; 95.1 % of the pairs flagged are such (98 of 103)" in words.planted_words(
        Confirmed(100, 98, 103)
    )
    assert "such" not in words.planted_words(Confirmed(100, 0, 0))
    assert "No copy" in words.planted_words(Confirmed(0, 0, 3))


def test_leaks_say_how_many_may_be_chance_and_which_are_proved() -> None:
    pairs = pairs_of([3, 5], [0, 0], [True, False], [True, False])
    text = words.leak_words(1, pairs, 50, 0.7)
    assert text.startswith(
        "**1 of 50 test images (2.0 %) stands in the training set too, by their looks**; in 1 pair the two labels differ."
    )
    assert "Of the 2 pairs about 1 may be mere look-alikes. 1 of them is the same to the byte." in text
    assert "look-alikes" not in words.leak_words(1, pairs, 50, NAN)
    assert "No test image" in words.leak_words(0, pairs_of([], [], [], []), 50, 0.0)


def test_the_effect_on_accuracy_says_whether_it_is_noise() -> None:
    label, leaked = np.zeros(1000, dtype=int), np.arange(1000) < 100
    predicted = np.where(leaked, 0, np.arange(1000) % 2)
    text = words.leakage_words(leakage(predicted, label, leaked))
    assert "**55.00 %** on all 1,000 test images, **50.00 %** on the 900 that did not leak (\u22125.00 percentage points)" in text
    assert "more than the noise" in text and "flatter" in text
    few = words.leakage_words(leakage(np.arange(1000) % 2, label, np.arange(1000) < 2))
    assert "within the noise of so few images" in few and "flatter" not in few
    assert "no test accuracy is left" in words.leakage_words(leakage(predicted, label, np.ones(1000, dtype=bool)))


def test_the_network_says_how_far_appearance_agrees() -> None:
    pairs = pairs_of([0, 2], [1, 3], [True, False], [False, False])
    assert "not known yet" in network_words(pairs, None)
    assert "confirms 1 at the chosen cut; 1 is close for the network only" in network_words(pairs, np.array([True, False]))
    assert "confirms all of them" in network_words(pairs, np.array([True, True]))
    assert "confirms none" in network_words(pairs, np.array([False, False]))
    assert "cosine 0.900" in network_words(pairs._replace(cut=NAN), None)
    assert "cosine of 0.500" in network_words(pairs_of([], [], [], []), None)


def test_conflicts_come_first_and_the_most_curved_before() -> None:
    pairs = pairs_of([0, 2, 4], [1, 3, 5], [False, True, True], [False] * 3)
    assert by_curvature(pairs, np.array([9, 9, 1, 1, 0, 5.0])).tolist() == [2, 1, 0]
    assert by_curvature(pairs, None).tolist() == [1, 2, 0]


@pytest.mark.parametrize(
    ("seconds", "text"), [(1, "5 seconds"), (12, "10 seconds"), (53, "55 seconds"), (58, "1 minute"), (72000, "1,200 minutes")]
)  # fmt: skip
def test_durations_are_rounded_as_estimates_deserve(seconds: float, text: str) -> None:
    assert duplicates_search.duration(seconds) == text


def test_progress_is_told_by_step() -> None:
    def at(state: str, progress: Progress | None = None) -> tuple[float, str]:
        return duplicates_search.progress_words(DuplicateLive("id", state, progress=progress))

    assert at("queued")[1].startswith("Waiting")
    assert at("running")[1].startswith("Preparing")
    assert at("running", Progress(0, "search", 1, 4)) == (0.25, "Step 1 of 2: looking for look-alikes, 25 %")
    assert at("running", Progress(0, "compare", 5, 5)) == (1.0, "Step 2 of 2: comparing pairs pixel by pixel, 100 %")
    assert at("running", Progress(0, "compare", 0, 0))[0] == 0.0


# -- drawings --------------------------------------------------------------------------------------


def test_the_curve_holds_its_ends_the_cut_and_true_values() -> None:
    calibration = known()
    cut = cuts(calibration, 2)[3]
    info = calibration_info(calibration, cut)
    assert info.pairs[0] == 1 and info.pairs[-1] == 3000 and cut.pairs in info.pairs
    assert len(info.pairs) <= POINTS + 1 and info.pairs == sorted(set(info.pairs))
    for pairs, precision, recall in zip(info.pairs, info.precision, info.recall, strict=True):
        assert precision == calibration.precision[pairs - 1] and recall == calibration.recall[pairs - 1]


def test_what_cannot_be_told_is_not_drawn() -> None:
    few = calibrate(np.array([3.0, 1.0]), np.zeros(2, dtype=bool), np.array([2.0]), 30)
    info = calibration_info(few, cut_at(few, INF, 0))
    assert info.precision == [None, None] and info.cut is None
    figure = calibration_figure(info, colours(False))
    assert {trace["name"] for trace in figure["data"]} == {"recall"} and figure["layout"]["shapes"] == []


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("calibration", [known(), flat(), calibrate(np.array([3.0]), np.zeros(1, dtype=bool), np.zeros(0), 9),
                                         calibrate(np.zeros(0), np.zeros(0, dtype=bool), np.zeros(0), 9)])  # fmt: skip
def test_plotly_accepts_every_curve(calibration: Calibration, dark: bool) -> None:
    graph_objects = pytest.importorskip("plotly.graph_objects")
    for cut in cuts(calibration, 0):
        figure = calibration_figure(calibration_info(calibration, cut), colours(dark))
        assert len(graph_objects.Figure(figure).data) == len(figure["data"])


def test_the_table_of_changes_is_text_and_to_scale() -> None:
    html = found_table({"<mirrored>": 1.0, "cropped": 0.456})
    assert "&lt;mirrored&gt;" in html and "<mirrored>" not in html
    assert "width:46%" in html and "46 %" in html and math.isclose(html.count("<tr>"), 2)
