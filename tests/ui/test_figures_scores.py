"""The pictures about scores: lines over epochs, how scores agree, and clouds of images."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from explorer.ui import figures_agreement, figures_known, figures_map, figures_scores
from explorer.ui.figures_scores import CutMark
from explorer.ui.theme import Palette, colours, contrast

PALETTES = (colours(False), colours(True))
NAN = float("nan")
EPOCHS = np.arange(1, 6)
TITLE = {name: f"score {name}" for name in "abcdefgh"}


def _known(names: str = "abc", memorized: bool = True, marked: tuple[int, str] | None = (3, "stop at 3")) -> figures_known.KnownInfo:
    auroc = {name: 0.5 + 0.05 * i + 0.01 * EPOCHS for i, name in enumerate(names)}
    auroc["a"] = np.array([NAN, NAN, 0.7, 0.8, 0.9])
    share = np.arange(6) / 10 if memorized else np.full(6, NAN)
    return figures_known.known_info(
        EPOCHS, auroc, list(names), TITLE, everything=list("abcdefgh"), memorized=(np.arange(6), share), marked=marked, last=10
    )


def _blocks(seed: int = 0) -> np.ndarray:
    """Correlations of six scores in two groups of three, in any order."""
    rng = np.random.default_rng(seed)
    group = rng.permutation([0, 0, 0, 1, 1, 1])
    return np.where(group[:, None] == group, 0.9, -0.2) + 0.1 * np.eye(6)


WRONG = np.arange(50) >= 40
X, Y = np.linspace(0, 0.5, 50), np.r_[np.linspace(0, 1, 49), NAN]
DRAWN: dict[str, Callable[[Palette], dict[str, Any]]] = {
    "known": lambda p: figures_known.known_figure(_known(), p),
    "known without truth to fear": lambda p: figures_known.known_figure(_known(memorized=False, marked=None), p),
    "known empty": lambda p: figures_known.known_figure(_known(""), p),
    "agreement": lambda p: figures_agreement.correlation_figure(figures_agreement.correlation_info(list("abcdef"), _blocks()), p),
    "agreement alone": lambda p: figures_agreement.correlation_figure(figures_agreement.correlation_info(["a"], np.ones((1, 1))), p),
    "map": lambda p: figures_map.map_figure(figures_map.map_info(X, Y, WRONG), p, 400, ("x (unit)", "y"), (("low", 0, 0), ("top", 1, 1))),
    "map unknown": lambda p: figures_map.map_figure(figures_map.map_info(X, Y, None), p, 400, ("x", "y"), (), ((0, 1), (0, 1))),
    "map empty": lambda p: figures_map.map_figure(figures_map.map_info(X[:0], Y[:0], None), p, 400, ("x", "y")),
    "distribution in rows": lambda p: figures_scores.distribution_figure(_grouped(), p),
    "distribution with a cut": lambda p: figures_scores.distribution_figure(_cut_at(30.0, "high"), p),
    "many scores": lambda p: figures_scores.detection_figure(_many_scores(), p),
}  # fmt: skip


def _grouped(cut: CutMark | None = None) -> figures_scores.DistributionInfo:
    """Fifty images in four groups, one of them without an image whose score is known."""
    values = np.r_[np.arange(49.0), NAN]
    groups = [("typical", "fit", ~WRONG & (values < 30)), ("atypical", "fit", ~WRONG & (values >= 30)), ("flipped", "memorized", WRONG),
              ("foreign", "memorized", np.arange(50) == 49)]  # fmt: skip
    return figures_scores.grouped_info("score (unit)", values, groups, cut=cut)


def _cut_at(value: float, suspicious: str) -> figures_scores.DistributionInfo:
    return figures_scores.grouped_info(
        "score (unit)", np.arange(50.0), figures_scores.truth_groups(50, WRONG), cut=CutMark(value, 20, suspicious)
    )


def _many_scores() -> figures_scores.DetectionInfo:
    auroc = [0.95 - 0.01 * i for i in range(19)] + [0.1]
    return figures_scores.DetectionInfo(
        [f"score {i}" for i in range(20)], auroc, [a - 0.02 for a in auroc], [a + 0.02 for a in auroc], [0.5] * 20, 0.2
    )


@pytest.mark.parametrize("palette", PALETTES, ids=["light", "dark"])
@pytest.mark.parametrize("name", DRAWN)
def test_plotly_accepts_every_figure(name: str, palette: Palette) -> None:
    graph_objects = pytest.importorskip("plotly.graph_objects")
    figure = DRAWN[name](palette)
    assert len(graph_objects.Figure(figure).data) == len(figure["data"])


@pytest.mark.parametrize("name", DRAWN)
def test_words_are_readable_in_both_themes(name: str) -> None:
    for palette in PALETTES:
        for words in DRAWN[name](palette)["layout"].get("annotations", []):
            assert contrast(words["font"]["color"], palette.background) >= 4.5, words["text"]


# -- over the epochs -------------------------------------------------------------------------------


def test_a_line_begins_where_its_score_is_known() -> None:
    info = _known()
    assert info.scores[0].epoch == [3, 4, 5] and info.scores[0].auroc == [0.7, 0.8, 0.9]
    assert info.scores[1].epoch == [1, 2, 3, 4, 5]
    assert info.memorized == ([0, 1, 2, 3, 4, 5], pytest.approx([0, 0.1, 0.2, 0.3, 0.4, 0.5]))


def test_no_more_lines_than_can_be_told_apart() -> None:
    assert len(_known("abcdefgh").scores) == figures_known.SHOWN


def test_a_score_that_is_never_known_is_left_out() -> None:
    info = figures_known.known_info(
        EPOCHS, {"a": np.full(5, NAN)}, ["a", "b"], TITLE, everything=["a", "b"], memorized=(np.zeros(0), np.zeros(0)), last=5
    )
    assert info.scores == () and info.memorized == ([], [])


@pytest.mark.parametrize("names", ["a", "ag", "gahb", "abcdef", "bcdefg", "hgfedc"])
def test_lines_never_share_a_style(names: str) -> None:
    found = figures_known.styles(list(names), list("abcdefgh"))
    assert len(set(found)) == len(names)
    assert found[0] == "abcdefgh".index(names[0]) % figures_known.SHOWN


def test_a_score_keeps_its_style_when_another_goes() -> None:
    assert figures_known.styles(["b", "d"], list("abcdef")) == figures_known.styles(["a", "b", "d"], list("abcdef"))[1:]


def test_lines_are_told_apart_without_colour_and_named_at_their_ends() -> None:
    figure = figures_known.known_figure(_known("abcdef"), PALETTES[0], 300)
    lines = [trace for trace in figure["data"] if "line" in trace]
    scores = [trace for trace in lines if trace["name"] != "memorized"]
    assert len({trace["line"]["dash"] for trace in scores}) == len(scores) == 6
    named = [words for words in figure["layout"]["annotations"] if words.get("name")]
    assert {trace["name"] for trace in lines} == {words["name"] for words in named}
    heights = np.sort([words["y"] for words in named])
    assert np.diff(heights).min() >= 17 / (300 - 66) - 1e-9 and heights[0] >= 0 and heights[-1] <= 1  # a line of text apart


def test_what_lies_behind_is_drawn_behind() -> None:
    """Plotly draws an overlaying axis above the one it overlays, whatever the order of the traces."""
    figure = figures_known.known_figure(_known(), PALETTES[0])
    assert figure["layout"]["yaxis2"]["overlaying"] == "y"
    assert {trace["name"]: trace.get("yaxis", "y") for trace in figure["data"] if "line" in trace} == {
        "memorized": "y", "score a": "y2", "score b": "y2", "score c": "y2",
    }  # fmt: skip


# -- how far scores agree ----------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(8))
def test_similar_scores_stand_together_in_whatever_order_they_come(seed: int) -> None:
    matrix = _blocks(seed)
    order = figures_agreement.similar_together(matrix)
    assert sorted(order) == list(range(6))
    sides = matrix[order[0]][order] > 0
    assert sides.tolist() in ([True] * 3 + [False] * 3,)


def test_the_order_is_that_of_the_scores_and_not_of_their_places() -> None:
    rng = np.random.default_rng(3)
    values = rng.normal(size=(40, 2)) @ rng.normal(size=(2, 7)) + 0.3 * rng.normal(size=(40, 7))
    matrix = np.corrcoef(values.T)
    there = figures_agreement.similar_together(matrix).tolist()
    for _ in range(5):
        shuffle = rng.permutation(7)
        again = shuffle[figures_agreement.similar_together(matrix[np.ix_(shuffle, shuffle)])].tolist()
        assert again == there


def test_a_score_that_ranks_nothing_does_no_harm() -> None:
    matrix = _blocks()
    matrix[2], matrix[:, 2] = NAN, NAN
    info = figures_agreement.correlation_info(list("abcdef"), matrix)
    at = info.words.index("c")
    assert sorted(info.words) == list("abcdef") and np.isnan(info.matrix[at]).all()
    assert np.array_equal(np.isfinite(info.matrix), np.isfinite(info.matrix.T))


def test_cells_are_what_the_matrix_says() -> None:
    matrix = np.array([[1, 0.5, -0.25], [0.5, 1, 0], [-0.25, 0, 1]])
    info = figures_agreement.correlation_info(["a", "b", "c"], matrix)
    [cells] = figures_agreement.correlation_figure(info, PALETTES[0])["data"]
    for i, row in enumerate(info.words):
        for j, column in enumerate(info.words):
            assert cells["z"][i][j] == matrix["abc".index(row)]["abc".index(column)]
            assert cells["customdata"][i][j] == f"{row} and {column}"
    assert cells["colorscale"][1] == [0.5, PALETTES[0].background] and (cells["zmin"], cells["zmax"]) == (-1, 1)


# -- clouds of images --------------------------------------------------------------------------------


def test_every_image_is_one_point_of_its_kind() -> None:
    info = figures_map.map_info(X, Y, WRONG)
    right, wrong = info.clouds
    assert (right.name, right.example) == ("right label", list(range(40)))
    assert (wrong.name, wrong.example) == ("wrong label", list(range(40, 49)))  # of the last one nothing is known
    assert (info.drawn, info.total) == (49, 49)
    assert right.x == X[:40].tolist() and right.y == Y[:40].tolist()
    assert [cloud.name for cloud in figures_map.map_info(X, Y, None).clouds] == ["label not checked"]


def test_too_many_points_are_thinned_evenly_and_always_alike() -> None:
    x, wrong = np.arange(2000.0), np.arange(2000) % 4 == 0
    info = figures_map.map_info(x, x, wrong, limit=400)
    drawn = [n for cloud in info.clouds for n in cloud.example]
    assert (info.drawn, info.total, len(set(drawn))) == (400, 2000, 400)
    assert 60 <= len(info.clouds[1].example) <= 140  # a quarter, give or take
    assert info == figures_map.map_info(x, x, wrong, limit=400)


def test_kinds_are_told_apart_without_colour() -> None:
    figure = DRAWN["map"](PALETTES[0])
    assert len({trace["marker"]["symbol"] for trace in figure["data"]}) == 2
    assert {trace["name"] for trace in figure["data"]} <= {words.get("name") for words in figure["layout"]["annotations"]}


# -- distributions -----------------------------------------------------------------------------------


def test_every_group_is_counted_over_the_same_bins() -> None:
    info = _grouped()
    assert [name for name, _, _ in info.groups] == ["typical (30)", "atypical (10)", "flipped (9)"] and info.left_out == 1
    for (_, _, share), part in zip(info.groups, (np.arange(30), np.arange(30, 40), np.arange(40, 49)), strict=True):
        assert share == (np.histogram(part, info.edges)[0] / len(part)).tolist()
        assert sum(share) == pytest.approx(1)


def test_more_than_two_groups_stand_below_each_other_and_say_their_own_shares() -> None:
    info = _grouped()
    outlines = [trace for trace in DRAWN["distribution in rows"](PALETTES[0])["data"] if "customdata" in trace]
    assert [outline["name"] for outline in outlines] == [name for name, _, _ in info.groups]
    for row, (outline, (_, _, share)) in enumerate(zip(outlines, info.groups, strict=True)):
        assert outline["customdata"][:-1] == share
        base = len(outlines) - 1 - row
        assert min(outline["y"]) >= base and max(outline["y"]) <= base + 0.65  # the name stands above


@pytest.mark.parametrize(("value", "suspicious", "words"), [
    (30.0, "high", "first 20"), (10.0, "high", "first 20 \u2192"), (40.0, "low", "\u2190 first 20"), (10.0, "low", "first 20"),
])  # fmt: skip
def test_the_cut_is_a_line_with_the_suspicious_side_washed(value: float, suspicious: str, words: str) -> None:
    info = _cut_at(value, suspicious)
    layout = figures_scores.distribution_figure(info, PALETTES[0])["layout"]
    wash, line = layout["shapes"]
    assert (line["x0"], line["x1"]) == (value, value)
    assert {wash["x0"], wash["x1"]} == {value, info.edges[-1] if suspicious == "high" else info.edges[0]}
    assert words in [note["text"] for note in layout["annotations"]]


# -- many scores -------------------------------------------------------------------------------------


def test_a_score_worse_than_guessing_does_not_squeeze_the_others() -> None:
    figure = DRAWN["many scores"](PALETTES[0])
    dots, low = figure["data"][0], figure["layout"]["xaxis"]["range"][0]
    assert low > 0.4
    assert low < dots["x"][-1] < 0.5 and (dots["customdata"][-1], dots["text"][-1]) == (0.1, "0.10")
    assert dots["x"][:-1] == dots["customdata"][:-1] and set(dots["text"][:-1]) == {""}
    assert min(x - less for x, less in zip(dots["x"], dots["error_x"]["arrayminus"], strict=True)) >= low - 1e-12
    assert figure["layout"]["height"] == figures_scores.detection_height(20) < 44 * 20
