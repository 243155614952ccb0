"""How far scores agree: their rank correlations as a picture, similar scores side by side."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from explorer.records import Array
from explorer.ui.drawing import Figure, axis, empty_figure, layout
from explorer.ui.theme import Palette

ROW = 24  # pixels
POLES = (("#7A4A12", "#3D4AA8"), ("#9A6820", "#5A68E0"))  # opposite, same order: on the light page, on the dark page


class CorrelationInfo(NamedTuple):
    """Spearman correlations ``[S, S]`` of scores turned so that high is suspicious, NaN where unknown; words: titles in that order."""

    words: tuple[str, ...]
    matrix: Array


def correlation_info(words: Sequence[str], matrix: Array) -> CorrelationInfo:
    """``words``: titles ``[S]`` of the rows of ``matrix``, in any order."""
    matrix = np.asarray(matrix, dtype=float)
    order = similar_together(matrix)
    return CorrelationInfo(tuple(words[i] for i in order), matrix[np.ix_(order, order)])


def similar_together(matrix: Array) -> Array:
    """int ``[S]``: an order in which rows of a correlation matrix ``[S, S]`` that are alike stand together.

    By the angle of each row in the plane of the two leading eigenvectors, cut open at the widest gap.

    Source:
        Friendly, "Corrgrams", The American Statistician 2002.
    """
    known = np.nan_to_num(np.asarray(matrix, dtype=float))
    if len(known) < 3:
        return np.arange(len(known))
    _, vectors = np.linalg.eigh((known + known.T) / 2)
    angle = np.arctan2(vectors[:, -2], vectors[:, -1])
    order = np.argsort(angle, kind="stable")
    gaps = np.diff(np.append(angle[order], angle[order[0]] + 2 * np.pi))
    order = np.roll(order, -(int(np.argmax(gaps)) + 1))
    typical = known.mean(axis=0)
    return order if typical[order[0]] >= typical[order[-1]] else order[::-1]  # an eigenvector has no sign of its own


def correlation_height(count: int) -> int:
    """Height in pixels of the picture of ``count`` scores."""
    return 40 + ROW * count


def correlation_figure(info: CorrelationInfo, palette: Palette, height: int | None = None) -> Figure:
    """Cells from opposite order (-1) over none (0, the page's colour) to the same order (1); numbers along the top name the rows."""
    S = len(info.words)
    height = height or correlation_height(S)
    if S < 2:
        return empty_figure("Two scores are needed to compare.", palette, max(height, 120))
    low, high = POLES[palette.dark]
    numbers = [str(i + 1) for i in range(S)]
    rows = [f"{word}  {number}" for word, number in zip(info.words, numbers, strict=True)]
    pairs = [[f"{a} and {b}" for b in info.words] for a in info.words]
    cells = {
        "type": "heatmap", "x": numbers, "y": rows, "z": info.matrix, "zmin": -1, "zmax": 1, "zmid": 0, "xgap": 1, "ygap": 1,
        "colorscale": [[0, low], [0.5, palette.background], [1, high]], "hoverongaps": False,
        "customdata": pairs, "hovertemplate": "%{customdata}<br>Spearman %{z:.2f}<extra></extra>",
        "text": [["" if np.isnan(z) else f"{100 * z:.0f}" for z in row] for row in info.matrix], "texttemplate": "%{text}",
        "textfont": {"size": 11},
        "colorbar": {"thickness": 10, "len": 1, "lenmode": "fraction", "outlinewidth": 0, "tickvals": [-1, 0, 1], "ticklen": 0,
                     "ticktext": ["opposite", "none", "same order"], "tickfont": {"color": palette.muted, "size": 12}, "x": 1.01},
    }  # fmt: skip
    plain = {"showgrid": False, "showline": False, "ticks": "", "type": "category"}
    left = 24 + max(7 * max(map(len, rows)), 80)
    return {
        "data": [cells],
        "layout": layout(
            palette, height, (left, 90, 30, 10),
            xaxis=axis("", palette, side="top", tickangle=0, **plain), yaxis=axis("", palette, autorange="reversed", **plain),
        ),
    }  # fmt: skip
