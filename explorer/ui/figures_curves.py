"""How far down a ranking is it worth looking? ROC and precision-recall curves with a cut marked on both."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from explorer.analysis.detection import Cut, areas, cut, found_by_rank, roc, threshold_counts
from explorer.records import Array
from explorer.ui.drawing import PERCENT, Figure, Trace, axis, layout, note
from explorer.ui.figures_known import STYLES, styles
from explorer.ui.theme import Palette, mix, percent, readable

DRAWN = 400  # points of a curve that are drawn; every number is from all of them
SYMBOLS = {
    "circle": "\u25cf", "square": "\u25a0", "diamond": "\u25c6", "triangle-up": "\u25b2", "triangle-down": "\u25bc", "pentagon": "\u2b1f",
}  # fmt: skip


class Line(NamedTuple):
    """A curve as drawn, all ``[P]``, P <= DRAWN. looked: images looked at to get to each point."""

    x: list[float]
    y: list[float]
    looked: list[int]


class ScoreCurves(NamedTuple):
    """One score. style: its place in STYLES. roc: true against false positive rate. precision: against recall, image by image."""

    name: str
    title: str
    style: int
    roc: Line
    precision: Line
    auroc: float
    average_precision: float
    cut: Cut


class CurvesInfo(NamedTuple):
    """scores: the chosen one first. n: images looked at; total: of so many; positives: wrong labels among all."""

    scores: tuple[ScoreCurves, ...]
    n: int
    positives: int
    total: int

    @property
    def chance(self) -> float:
        """Precision of a random order."""
        return self.positives / self.total

    def recall(self, score: ScoreCurves) -> float:
        return score.cut.found / self.positives

    def false_positive_rate(self, score: ScoreCurves) -> float:
        return (self.n - score.cut.found) / (self.total - self.positives)


def curves_info(
    suspicion: Mapping[str, Array], positive: Array, n: int, title: Mapping[str, str], *, everything: Sequence[str], points: int = DRAWN
) -> CurvesInfo:  # fmt: skip
    """Curves of a few scores for finding ``positive`` (bool ``[N]``, some but not all), cut after the ``n`` most suspicious.

    Args:
        suspicion: by score, float ``[N]``, high is suspicious; the chosen one first.
        everything: names of all scores there are; a score keeps its style whatever stands beside it, where that is free.
    """
    names = list(suspicion)
    scores = tuple(
        _curves(name, title[name], style, suspicion[name], positive, n, points)
        for name, style in zip(names, styles(names, everything), strict=True)
    )
    return CurvesInfo(scores, n, int(np.sum(positive)), len(positive))


def _curves(name: str, title: str, style: int, suspicion: Array, positive: Array, n: int, points: int) -> ScoreCurves:
    counts = threshold_counts(suspicion, positive)
    found, ranks = found_by_rank(counts), np.arange(1, len(positive) + 1)
    return ScoreCurves(
        name, title, style, _line(*roc(counts), np.append(0, counts.tp + counts.fp), points),
        _line(found / found[-1], found / ranks, ranks, points), *areas(counts), cut(counts, n),
    )  # fmt: skip


def _line(x: Array, y: Array, looked: Array, points: int) -> Line:
    kept = thin(x, y, points)
    return Line(x[kept].tolist(), y[kept].tolist(), looked[kept].tolist())


def thin(x: Array, y: Array, points: int) -> Array:
    """int ``[P]``: at most ``points`` (2 or more) of a path's points, both ends among them.

    First those on a straight line between their neighbours go, which changes nothing; then what remains is taken at even
    distances along the path.
    """
    along, up = np.diff(x), np.diff(y)
    straight = (along[1:] * up[:-1] == along[:-1] * up[1:]) & (along[1:] * along[:-1] + up[1:] * up[:-1] >= 0)
    kept = np.flatnonzero(np.concatenate([[True], ~straight, [True]]))
    if len(kept) <= points:
        return kept
    way = np.append(0, np.cumsum(np.hypot(np.diff(x[kept]), np.diff(y[kept]))))
    even = np.searchsorted(way, np.linspace(0, way[-1], points - 1, endpoint=False))
    return kept[np.unique(np.append(even, len(kept) - 1))]


# -- drawing ---------------------------------------------------------------------------------------


class _Plane(NamedTuple):
    """What the two pictures differ in; lines, marks and areas by score."""

    lines: list[Line]
    marks: list[tuple[float, float]]  # where the cut is
    areas: list[str]
    titles: tuple[str, str]
    chance: tuple[float, float]  # height of a random order at the left and right end
    chance_words: str


def roc_figure(info: CurvesInfo, palette: Palette, height: int = 300) -> Figure:
    """True against false positive rate, the cut marked; dotted: a random order."""
    plane = _Plane(
        [score.roc for score in info.scores],
        [(info.false_positive_rate(score), info.recall(score)) for score in info.scores],
        [f"AUROC {score.auroc:.3f}" for score in info.scores],
        ("right labels looked at (false positive rate)", "wrong labels found (true positive rate)"),
        (0.0, 1.0), "chance: AUROC 0.5",
    )  # fmt: skip
    return _figure(info, plane, palette, height)


def precision_recall_figure(info: CurvesInfo, palette: Palette, height: int = 300) -> Figure:
    """Precision against recall, the cut marked; dotted: a random order."""
    plane = _Plane(
        [score.precision for score in info.scores],
        [(info.recall(score), score.cut.precision) for score in info.scores],
        [f"average precision {score.average_precision:.3f}" for score in info.scores],
        ("wrong labels found (recall)", "wrong among those looked at (precision)"),
        (info.chance, info.chance), f"chance: {percent(info.chance)}",
    )  # fmt: skip
    return _figure(info, plane, palette, height)


def _figure(info: CurvesInfo, plane: _Plane, palette: Palette, height: int) -> Figure:
    rows = [_score(info, plane, place, palette) for place in reversed(range(len(info.scores)))]  # the chosen one above the others
    down = {"range": [0, 1.02], "tickformat": PERCENT, "dtick": 0.2}
    dotted = {"color": mix(palette.background, palette.muted, 0.8), "width": 1.5, "dash": "dot"}
    chance = {"type": "line", "x0": 0, "x1": 1, "y0": plane.chance[0], "y1": plane.chance[1], "layer": "between", "line": dotted}
    diagonal = plane.chance[0] != plane.chance[1]
    x, y, side = (0.98, 0.02, "right") if diagonal else (0.02, plane.chance[0], "left")  # where curves seldom are
    words = note(plane.chance_words, x, y, palette, xref="x", yref="y", xanchor=side, yanchor="bottom")
    return {
        "data": [trace for row in rows for trace in row],
        "layout": layout(
            palette, height, (56, 14, 8 + 18 * len(rows), 44), shapes=[chance, *_guides(plane.marks[0], palette)],
            annotations=[words, *_key(info, plane, palette)],
            xaxis=axis(plane.titles[0], palette, **down | {"range": [0, 1.015]}), yaxis=axis(plane.titles[1], palette, **down),
        ),
    }  # fmt: skip


def _colour(score: ScoreCurves, palette: Palette) -> str:
    return STYLES[score.style][palette.dark]


def _score(info: CurvesInfo, plane: _Plane, place: int, palette: Palette) -> list[Trace]:
    """A line, and the mark where the first n end on it."""
    score, line = info.scores[place], plane.lines[place]
    dash, symbol, colour = STYLES[score.style][2], STYLES[score.style][3], _colour(score, palette)
    axes = [title.split(" (")[0] for title in plane.titles]
    hover = f"{axes[0]} %{{x:.1%}}<br>{axes[1]} %{{y:.1%}}<extra></extra>"
    marker = {"symbol": symbol, "color": colour, "size": 13 if place == 0 else 10, "line": {"color": palette.background, "width": 2}}
    return [
        {"type": "scatter", "mode": "lines", "name": score.title, "x": line.x, "y": line.y, "customdata": line.looked,
         "line": {"color": colour, "dash": dash, "width": 2.5 if place == 0 else 1.75},
         "hovertemplate": f"{score.title}, first %{{customdata:,}}<br>{hover}"},
        {"type": "scatter", "mode": "markers", "name": score.title, "x": [plane.marks[place][0]], "y": [plane.marks[place][1]],
         "marker": marker, "cliponaxis": False, "hovertemplate": f"{score.title}, first {info.n:,}<br>{hover}"},
    ]  # fmt: skip


def _guides(mark: tuple[float, float], palette: Palette) -> list[dict[str, Any]]:
    """From the chosen score's mark down and to the left, where its two numbers can be read."""
    x, y = mark
    style = {"color": palette.muted, "width": 1, "dash": "dash"}
    ends = [(x, x, 0, y), (0, x, y, y)]
    return [{"type": "line", "x0": a, "x1": b, "y0": c, "y1": d, "layer": "between", "line": style} for a, b, c, d in ends]


def _key(info: CurvesInfo, plane: _Plane, palette: Palette) -> list[dict[str, Any]]:
    """A line of words for each score above the drawing: its symbol, its name, its area; a click hides or shows it."""
    words = []
    for place, (score, area) in enumerate(zip(info.scores, plane.areas, strict=True)):
        text = f"{SYMBOLS[STYLES[score.style][3]]} {score.title}: {area}"
        font = {"color": readable(_colour(score, palette), palette.background, palette.text), "size": 13}
        up = 3 + 18 * (len(info.scores) - 1 - place)
        words.append(note(text, 0, 1, palette, yanchor="bottom", yshift=up, name=score.title, captureevents=True, font=font))
    return words
