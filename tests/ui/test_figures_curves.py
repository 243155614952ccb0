"""ROC and precision-recall curves: every number from all images, whatever is drawn."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, roc_auc_score, roc_curve

from explorer.ui import figures_curves
from explorer.ui.figures_curves import CurvesInfo, Line, curves_info, thin
from explorer.ui.theme import Palette, colours, contrast

PALETTES = (colours(False), colours(True))
TITLE = {name: f"score {name}" for name in "abcdef"}


def case(N: int = 400, names: str = "ab", seed: int = 0, step: float = 0.0) -> tuple[dict[str, np.ndarray], np.ndarray]:
    rng = np.random.default_rng(seed)
    positive = rng.random(N) < 0.25
    scores = {name: rng.normal(size=N) + (i + 1) * positive for i, name in enumerate(names)}
    return {name: np.round(score / step) * step if step else score for name, score in scores.items()}, positive


def info_of(n: int = 100, points: int = figures_curves.DRAWN, **how: Any) -> CurvesInfo:
    scores, positive = case(**how)
    return curves_info(scores, positive, n, TITLE, everything=list(TITLE), points=points)


def away(line: Line, x: list[float], y: list[float]) -> float:
    """Of some points, the greatest distance to the line as drawn."""
    points, path = np.column_stack([x, y]), np.column_stack([line.x, line.y])
    start, way = path[:-1], np.diff(path, axis=0)
    furthest = 0.0
    for each in np.array_split(points, 1 + len(points) // 500):
        along = np.einsum("psd,sd->ps", each[:, None] - start, way) / np.maximum((way**2).sum(axis=1), 1e-300)
        near = start + np.clip(along, 0, 1)[..., None] * way
        furthest = max(furthest, float(np.linalg.norm(each[:, None] - near, axis=2).min(axis=1).max()))
    return furthest


# -- numbers -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("step", [0.0, 1.0])
def test_areas_are_those_of_scikit_learn(step: float) -> None:
    scores, positive = case(step=step)
    info = info_of(step=step)
    assert [score.name for score in info.scores] == ["a", "b"] and (info.positives, info.total) == (positive.sum(), 400)
    for score in info.scores:
        assert score.auroc == pytest.approx(roc_auc_score(positive, scores[score.name]), abs=1e-12)
        assert score.average_precision == pytest.approx(average_precision_score(positive, scores[score.name]), abs=1e-12)
    assert info.chance == pytest.approx(positive.mean())


@pytest.mark.parametrize("n", [1, 37, 100, 400])
def test_the_cut_counts_the_first_n(n: int) -> None:
    scores, positive = case()
    info = info_of(n)
    for score in info.scores:
        first = np.argsort(-scores[score.name])[:n]
        hits = int(positive[first].sum())
        assert score.cut.found == hits and score.cut.precision == pytest.approx(hits / n)
        assert info.recall(score) == pytest.approx(hits / positive.sum())
        assert info.false_positive_rate(score) == pytest.approx((n - hits) / (~positive).sum())


@pytest.mark.parametrize("step", [0.0, 1.0])
@pytest.mark.parametrize("n", [1, 37, 180, 400])
def test_the_cut_lies_on_both_curves_even_inside_ties(n: int, step: float) -> None:
    info = info_of(n, points=10_000, step=step)
    for score in info.scores:
        assert away(score.roc, [info.false_positive_rate(score)], [info.recall(score)]) < 1e-12
        assert away(score.precision, [info.recall(score)], [score.cut.precision]) < 1e-12


def test_the_roc_drawn_is_that_of_scikit_learn() -> None:
    scores, positive = case(step=0.5)
    fpr, tpr, _ = roc_curve(positive, scores["a"], drop_intermediate=False)
    line = info_of(step=0.5).scores[0].roc
    assert away(line, fpr.tolist(), tpr.tolist()) < 1e-12
    assert set(zip(line.x, line.y, strict=True)) <= set(zip(fpr.tolist(), tpr.tolist(), strict=True))


def test_a_big_run_is_drawn_with_few_points_and_counted_with_all() -> None:
    scores, positive = case(N=50_000, names="abc", seed=1)
    few, all_of_them = (
        curves_info(scores, positive, 9_000, TITLE, everything=list(TITLE), points=points) for points in (figures_curves.DRAWN, 10**6)
    )
    for drawn, whole in zip(few.scores, all_of_them.scores, strict=True):
        assert (drawn.cut, drawn.auroc, drawn.average_precision) == (whole.cut, whole.auroc, whole.average_precision)
        for line, exact in ((drawn.roc, whole.roc), (drawn.precision, whole.precision)):
            assert len(line.x) <= figures_curves.DRAWN < len(exact.x)
            assert (line.x[0], line.y[0], line.x[-1], line.y[-1]) == (exact.x[0], exact.y[0], exact.x[-1], exact.y[-1])
            assert away(line, exact.x, exact.y) < 0.01


@pytest.mark.parametrize("points", [2, 3, 10, 57])
def test_thinning_keeps_both_ends_and_never_more_than_asked(points: int) -> None:
    rng = np.random.default_rng(points)
    x, y = np.cumsum(rng.random(300)), np.cumsum(rng.random(300))
    kept = thin(x, y, points)
    assert len(kept) <= points and (kept[0], kept[-1]) == (0, 299) and (np.diff(kept) > 0).all()


def test_thinning_first_drops_what_changes_nothing() -> None:
    x, y = np.array([0.0, 0, 0, 1, 2, 2, 2]), np.array([0.0, 1, 2, 2, 2, 3, 4])
    assert thin(x, y, 100).tolist() == [0, 2, 4, 6]
    assert thin(np.array([0.0, 2, 1]), np.zeros(3), 100).tolist() == [0, 1, 2]  # a way back is no straight line


def test_a_score_keeps_its_style_beside_others() -> None:
    scores, positive = case(names="abc")
    alone = curves_info({"b": scores["b"]}, positive, 10, TITLE, everything=list(TITLE)).scores[0].style
    together = curves_info(scores, positive, 10, TITLE, everything=list(TITLE)).scores
    assert together[1].style == alone and len({score.style for score in together}) == 3


# -- drawing -----------------------------------------------------------------------------------------

FIGURES = (figures_curves.roc_figure, figures_curves.precision_recall_figure)


@pytest.mark.parametrize("palette", PALETTES, ids=["light", "dark"])
@pytest.mark.parametrize("figure", FIGURES)
def test_plotly_accepts_the_figures_and_their_words_are_readable(figure: Any, palette: Palette) -> None:
    graph_objects = pytest.importorskip("plotly.graph_objects")
    drawn = figure(info_of(names="abc"), palette)
    assert len(graph_objects.Figure(drawn).data) == len(drawn["data"]) == 6
    for words in drawn["layout"]["annotations"]:
        assert contrast(words["font"]["color"], palette.background) >= 4.5, words["text"]


@pytest.mark.parametrize("figure", FIGURES)
def test_every_curve_has_a_mark_a_dash_of_its_own_and_its_area_in_words(figure: Any) -> None:
    info = info_of(names="abc")
    drawn = figure(info, PALETTES[0])
    lines, marks = ([trace for trace in drawn["data"] if trace["mode"] == mode] for mode in ("lines", "markers"))
    assert len({line["line"]["dash"] for line in lines}) == len({mark["marker"]["symbol"] for mark in marks}) == 3
    assert lines[-1]["name"] == "score a"  # the chosen one is drawn last, above the others
    named = {words["name"]: words["text"] for words in drawn["layout"]["annotations"] if "name" in words}
    assert set(named) == {line["name"] for line in lines} == {mark["name"] for mark in marks}
    for score in info.scores:
        area = score.auroc if figure is figures_curves.roc_figure else score.average_precision
        assert f"{area:.3f}" in named[score.title]


def test_marks_and_chance_are_where_the_numbers_say() -> None:
    info = info_of(names="ab")
    roc, precision = (figure(info, PALETTES[0]) for figure in FIGURES)
    [chosen] = [(t["x"], t["y"]) for t in roc["data"] if t["mode"] == "markers" and t["name"] == "score a"]
    assert chosen == ([info.false_positive_rate(info.scores[0])], [info.recall(info.scores[0])])
    [rival] = [(t["x"], t["y"]) for t in precision["data"] if t["mode"] == "markers" and t["name"] == "score b"]
    assert rival == ([info.recall(info.scores[1])], [info.scores[1].cut.precision])
    ends = [[(shape["x0"], shape["y0"], shape["x1"], shape["y1"]) for shape in each["layout"]["shapes"]][0] for each in (roc, precision)]
    assert ends == [(0, 0.0, 1, 1.0), (0, info.chance, 1, info.chance)]
    assert any(f"{100 * info.chance:.1f} %" in words["text"] for words in precision["layout"]["annotations"])
