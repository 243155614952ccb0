"""The region plot: its numbers, what it hides until it is asked, and the words about what came of the rule."""

from __future__ import annotations

import dataclasses
import itertools
import json
import math
from typing import Any

import numpy as np
import pytest

from explorer.analysis.deployment import Choices, repeated_choices
from explorer.analysis.regions import Regions, regions, summarise
from explorer.config import MODELS, RunConfig
from explorer.runs.store import RunSummary
from explorer.ui import figures_regions, region_runs, region_words
from explorer.ui.figures_regions import SYMBOLS, Point, regions_figure, regions_info
from explorer.ui.region_words import Way, ways
from explorer.ui.theme import colours

NAN = math.nan
PALETTES = [colours(False), colours(True)]
# one run in each region: means are 0.5 and 0.85
FOUR = tuple(
    Point(f"{i:012x}", f"run {i}", model, x, y, test, memorized)
    for i, (model, x, y, test, memorized) in enumerate(
        [("cnn", 0.2, 0.95, 0.93, 0.1), ("mlp", 0.8, 0.99, 0.81, 0.9), ("cnn", 0.3, 0.7, 0.88, 0.0), ("resnet18", 0.7, 0.76, 0.8123, 0.4)]
    )
)
OWN = {point.run_id: colour for point, colour in zip(FOUR, ("#112233", "#445566", "#778899", "#AABBCC"), strict=True)}


def drawn(info: figures_regions.RegionsInfo, palette: int = 0) -> dict[str, Any]:
    return regions_figure(info, PALETTES[palette], OWN)


def trace(figure: dict[str, Any], name: str) -> dict[str, Any]:
    return next(each for each in figure["data"] if each["name"] == name)


# -- numbers ---------------------------------------------------------------------------------------


def test_thresholds_are_the_means_and_every_region_is_named() -> None:
    info = regions_info(FOUR, wrong_rate=0.2)
    assert info.means == pytest.approx((0.5, 0.85))
    assert info.region == (1, 2, 3, 4)
    assert info.ceiling == pytest.approx(0.8)
    assert [info.corners[n] for n in (1, 2, 3, 4)] == [
        "1 · trainable and resistant", "2 · trainable, not resistant", "3 · not trainable, resistant",
        "4 · neither trainable nor resistant",
    ]  # fmt: skip


def test_three_runs_have_a_place_but_no_regions() -> None:
    info = regions_info(FOUR[:3])
    assert info.means is None and info.region == (0, 0, 0) and info.corners == {}
    assert len(trace(drawn(info), "runs")["x"]) == 3


@pytest.mark.parametrize("wrong_rate", [None, 0.0, 0.2, 0.9])
def test_all_points_and_the_ceiling_lie_inside_the_drawing(wrong_rate: float | None) -> None:
    info = regions_info([*FOUR, FOUR[0]._replace(susceptibility=-0.1, train_accuracy=1.0)], wrong_rate=wrong_rate)
    (left, right), (low, high) = info.x_range, info.y_range
    assert all(left <= point.susceptibility <= right and low < point.train_accuracy < high for point in info.points)
    assert info.ceiling is None or low <= info.ceiling < high


def test_the_order_of_the_runs_changes_nothing() -> None:
    one, other = regions_info(FOUR, revealed=True), regions_info(FOUR[::-1], revealed=True)
    assert one.means == pytest.approx(other.means)
    assert (one.x_range, one.y_range, one.corners) == (other.x_range, other.y_range, other.corners)
    assert one.region == other.region[::-1] and one.fullness == (other.fullness or ())[::-1]


def test_fullness_runs_from_the_lowest_to_the_highest_accuracy() -> None:
    full = regions_info(FOUR, revealed=True).fullness
    assert full is not None and full[0] == 1 and full[1] == 0
    assert full[2] == pytest.approx((0.88 - 0.81) / (0.93 - 0.81))
    same = regions_info([point._replace(test_accuracy=0.5) for point in FOUR], revealed=True).fullness
    assert same == (1, 1, 1, 1)
    unknown = regions_info([FOUR[0]._replace(test_accuracy=NAN), *FOUR[1:]], revealed=True).fullness
    assert unknown is not None and unknown[0] == 0


def test_mean_and_spread_of_a_region_are_said_once_revealed() -> None:
    two = [*FOUR, FOUR[0]._replace(run_id="f" * 12, test_accuracy=0.95)]
    corners = regions_info(two, revealed=True).corners
    assert corners[1] == "1 · trainable and resistant: test 94.0 ± 1.4 %"
    assert corners[2] == "2 · trainable, not resistant: test 81.0 %"


def test_one_run_that_is_several_things_has_one_ring() -> None:
    first, second = FOUR[0].run_id, FOUR[1].run_id
    rings = regions_info(FOUR, marked={"rule": first, "choice": first, "best": second}).rings
    assert [(ring.place, ring.kind, ring.words) for ring in rings] == [(0, "choice", "your choice = the rule's"), (1, "best", "the best")]
    assert regions_info(FOUR, marked={"choice": "gone"}).rings == ()


# -- drawing ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("palette", [0, 1])
@pytest.mark.parametrize("more", [{}, {"revealed": True, "wrong_rate": 0.2, "marked": {"choice": FOUR[2].run_id, "rule": FOUR[0].run_id}}])
def test_plotly_accepts_the_figure(palette: int, more: dict[str, Any]) -> None:
    graph_objects = pytest.importorskip("plotly.graph_objects")
    for points in (FOUR, FOUR[:1], ()):
        figure = drawn(regions_info(points, **more), palette)
        assert len(graph_objects.Figure(figure).data) == len(figure["data"])


@pytest.mark.parametrize("probe", ["paper", "fixed"])
def test_axes_have_titles_with_units(probe: str) -> None:
    shown = drawn(regions_info(FOUR, probe=probe))["layout"]
    assert "nats" in shown["xaxis"]["title"]["text"] and "%" in shown["yaxis"]["title"]["text"]
    assert ("fixed rate" in shown["xaxis"]["title"]["text"]) == (probe == "fixed")


def test_nothing_of_the_test_accuracy_is_in_the_hidden_figure() -> None:
    hidden = json.dumps(drawn(regions_info(FOUR, wrong_rate=0.2, marked={"choice": FOUR[0].run_id})))
    changed = [point._replace(test_accuracy=0.1 * i, memorized=0.2 * i) for i, point in enumerate(FOUR)]
    assert hidden == json.dumps(drawn(regions_info(changed, wrong_rate=0.2, marked={"choice": FOUR[0].run_id})))
    assert "test" not in hidden


def test_revealed_accuracy_is_told_by_fill_size_and_number() -> None:
    runs = trace(drawn(regions_info(FOUR, revealed=True)), "runs")
    best, worst = 0, 1
    assert runs["marker"]["size"][best] > runs["marker"]["size"][worst]
    assert runs["marker"]["color"][best] == PALETTES[0].test and runs["marker"]["color"][worst] == PALETTES[0].background
    assert "clean test accuracy 93.0 %" in runs["text"][best] and "81.2 %" in runs["text"][3]
    assert runs["marker"]["line"]["color"] == list(OWN.values())


def test_a_click_tells_the_run_and_colour_is_never_alone() -> None:
    runs = trace(drawn(regions_info(FOUR)), "runs")
    assert runs["customdata"] == [point.run_id for point in FOUR]
    assert runs["marker"]["color"] == list(OWN.values())
    assert runs["marker"]["symbol"] == ["circle", "square", "circle", "diamond"]
    assert len({symbol for symbol, _ in SYMBOLS.values()}) == len(MODELS) == len(SYMBOLS)


def test_names_that_people_gave_stay_text() -> None:
    figure = drawn(regions_info([FOUR[0]._replace(words="<a href='x'>me</a>")]))
    assert "<a" not in trace(figure, "runs")["text"][0] and "&lt;a" in trace(figure, "runs")["text"][0]


# -- groups ----------------------------------------------------------------------------------------

BASE = RunConfig(noise_rate=0.4)
LAST = {"epoch": 30.0, "susceptibility": 0.5, "susceptibility_fixed_lr": 0.7, "train_accuracy": 0.9, "test_accuracy": 0.8}


def summary(number: int, status: str = "finished", last: dict[str, float] | None = None, name: str = "", **changes: Any) -> RunSummary:
    config = dataclasses.replace(BASE, **changes)
    return RunSummary(f"{number:012x}", config, status, "", name, float(-number), LAST if last is None else last)


RATES = [summary(n, lr=lr, seed=n) for n, lr in enumerate([0.1, 0.01, 0.01, 0.1, 0.01])]


def test_the_probe_decides_what_may_be_compared() -> None:
    paper, fixed = region_runs.groups(RATES, "paper"), region_runs.groups(RATES, "fixed")
    assert [[int(run.run_id, 16) for run in group.runs] for group in paper] == [[0, 3], [1, 2, 4]]
    assert [len(group.runs) for group in fixed] == [5]
    assert "rate 0.1" in paper[0].words and "rate 0.01" in paper[1].words and "digits · symmetric · 40\N{NO-BREAK SPACE}%" in paper[0].words
    assert "rate 0.1" not in fixed[0].words.replace("probe rate", "")


def test_groups_say_what_tells_them_apart_and_nothing_empty() -> None:
    found = region_runs.groups([summary(0), summary(1, label_column="aggre_label", train_size=500), summary(2, data_seed=7)], "fixed")
    common = "digits · symmetric · 40\N{NO-BREAK SPACE}% · cross-entropy · probe rate 0.05 · batch 32"
    words = [set(group.words.split(" · ")) - set(common.split(" · ")) for group in found]
    assert words == [set(), {"label column aggre_label", "train size 500"}, {"data seed 7"}]


def test_groups_agree_with_the_pairwise_rule() -> None:
    from explorer.analysis.regions import comparable

    many = [
        summary(n, model=model, lr=lr, noise_rate=rate, batch_size=batch)
        for n, (model, lr, rate, batch) in enumerate(itertools.product(("cnn", "mlp"), (0.1, 0.01), (0.2, 0.4), (32, 64)))
    ]  # fmt: skip
    for probe in ("paper", "fixed"):
        where = {run.run_id: group.key for group in region_runs.groups(many, probe) for run in group.runs}
        for a in many:
            for b in many:
                assert a.config is not None and b.config is not None
                assert (where[a.run_id] == where[b.run_id]) == comparable(a.config, b.config, fixed_rate=probe == "fixed")


def test_the_usual_group_is_the_largest_on_the_data_of_the_newest_run() -> None:
    other_data = [summary(10 + n, lr=0.5, noise_rate=0.1) for n in range(9)]
    found = region_runs.groups([*RATES, *other_data], "paper")
    assert [int(run.run_id, 16) for run in region_runs.usual_group(found).runs] == [1, 2, 4]


@pytest.mark.parametrize(
    ("status", "changes", "last"),
    [("running", {}, None), ("failed", {}, None), ("finished", {"model": "none"}, None), ("finished", {}, {}),
     ("finished", {}, LAST | {"susceptibility": NAN})],
)  # fmt: skip
def test_runs_without_a_place_join_nothing(status: str, changes: dict[str, Any], last: dict[str, float] | None) -> None:
    assert region_runs.groups([summary(0, status, last, **changes)], "paper") == []


def test_keys_of_groups_do_not_depend_on_what_else_is_there() -> None:
    alone = region_runs.groups(RATES[1:3], "paper")[0]
    assert alone.key == region_runs.groups(RATES, "paper")[1].key
    assert len({group.key for group in region_runs.groups(RATES, "paper")}) == 2


def test_runs_are_told_apart_by_what_differs() -> None:
    configs = [dataclasses.replace(BASE, model=model, width=8, curvature_every=every) for model, every in (("mlp", 1), ("cnn", 0))]
    assert region_runs.run_words(configs) == ["MLP", "small CNN"]
    assert region_runs.run_words(configs[:1]) == ["MLP · seed 0"]
    named = region_runs.points_of([summary(0, name="mine", lr=0.1), summary(1, lr=0.01)], "paper")
    assert [point.words for point in named] == ["mine (rate 0.1)", "rate 0.01"]


# -- what came of it -------------------------------------------------------------------------------


def predictions(accuracy: float, label: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    right = rng.permutation(len(label)) < round(accuracy * len(label))
    return np.where(right, label, (label + 1) % 10)


def played(accuracies: list[float], images: int = 4000, transition: np.ndarray | None = None) -> tuple[Regions, tuple[Choices, ...]]:
    """The four runs with these test accuracies; drawn as the page draws them."""
    rng = np.random.default_rng(0)
    label = rng.integers(0, 10, images)
    x, y = [p.susceptibility for p in FOUR], [p.train_accuracy for p in FOUR]
    found = regions(x, y)
    assert found is not None
    predicted = np.stack([predictions(accuracy, label, rng) for accuracy in accuracies])
    return found, repeated_choices(found, x, y, label, predicted, transition)


def told(accuracies: list[float], images: int = 4000) -> str:
    found, choices = played(accuracies, images)
    return region_words.verdict(summarise(found, accuracies), ways(FOUR, choices, ""))


@pytest.mark.parametrize(
    ("accuracies", "words"),
    [
        ([0.95, 0.8, 0.8, 0.8], "The rule worked in these runs"),
        ([0.9, 0.7, 0.95, 0.7], "The rule helped in these runs, but its region is not the best"),
        ([0.6, 0.9, 0.9, 0.9], "The rule did not work in these runs"),
        ([0.8, 0.8, 0.8, 0.8], "The rule made no clear difference"),
    ],
)
def test_the_verdict_is_honest(accuracies: list[float], words: str) -> None:
    assert words in told(accuracies)


def test_a_difference_within_chance_is_no_difference() -> None:
    assert "The rule worked" in told([0.86, 0.8, 0.8, 0.8])
    few = told([0.86, 0.8, 0.8, 0.8], images=50)
    assert "no clear difference" in few and "within chance (± " in few


def test_the_verdict_counts_in_points() -> None:
    assert "3.0 points above the mean of all runs, and level with the oracle's" in told([0.84, 0.8, 0.8, 0.8], images=100_000)


def test_an_empty_region_1_deploys_nothing() -> None:
    found = Regions(0.5, 0.5, (2, 3, 2, 3))
    assert "region 1 is empty" in region_words.verdict(summarise(found, [0.9, 0.8, 0.9, 0.8]), ())


def test_your_choice_is_judged_on_the_same_images_as_all_others() -> None:
    _, choices = played([0.95, 0.8, 0.7, 0.6])
    by_name = {way.name: way for way in ways(FOUR, choices, FOUR[0].run_id)}
    yours, rule = by_name["your choice"], by_name["what the rule deploys"]
    assert yours.accuracy == rule.accuracy == by_name["oracle"].accuracy and yours.run == rule.run == "run 0"
    assert yours.accuracy == pytest.approx(np.mean([each.accuracy[0] for each in choices]))
    assert by_name["mean of all runs"].ahead == 0
    assert math.isnan(ways(FOUR, choices, "")[0].accuracy)


def test_noisy_validation_is_told_where_truth_is_known_and_not_made_up_elsewhere() -> None:
    _, known = played([0.95, 0.8, 0.7, 0.6], transition=np.eye(10) * 0.8 + 0.02)
    assert "Choosing by accuracy on noisy validation labels instead: level with the rule." in region_words.compared_words(
        ways(FOUR, known, "")
    )
    _, unknown = played([0.95, 0.8, 0.7, 0.6])
    assert "cannot be replayed" in region_words.compared_words(ways(FOUR, unknown, ""))


def test_what_differs_between_halves_says_how_often() -> None:
    _, choices = played([0.8, 0.8, 0.8, 0.8], images=100)
    oracle = ways(FOUR, choices, "")[-1]
    assert oracle.name == "oracle" and f"of {len(choices)} halves)" in oracle.run


def test_correlations_by_hand() -> None:
    words = region_words.correlation_words(FOUR, "clean test accuracy")
    pearson = np.corrcoef([p.susceptibility for p in FOUR], [p.memorized for p in FOUR])[0, 1]
    # ranks of susceptibility 1 4 2 3, of the memorized share 2 4 1 3: 1 - 6 * 2 / (4 * 15)
    assert f"with the memorized share **{pearson:+.2f}** (Pearson), **+0.80** (Spearman, 4 runs)" in words
    unknown = region_words.correlation_words([p._replace(memorized=NAN) for p in FOUR], "clean test accuracy")
    assert "with the memorized share unknown (0 runs" in unknown


def test_a_way_without_spread_claims_no_difference() -> None:
    rows = [Way(name, "-", 0.9, 0.1, NAN) for name in ("what the rule deploys", "oracle")]
    found = regions([p.susceptibility for p in FOUR], [p.train_accuracy for p in FOUR])
    assert found is not None
    assert "no clear difference" in region_words.verdict(summarise(found, [0.9, 0.8, 0.8, 0.8]), rows)
