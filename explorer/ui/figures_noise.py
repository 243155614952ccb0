"""The noise as a picture: which label is given instead of which."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import NamedTuple

import numpy as np

from explorer.records import Array
from explorer.ui.drawing import Figure, Trace, axis, layout
from explorer.ui.theme import Palette, percent

WRITTEN = 10  # up to so many classes each cell says its number
NAMED = 5  # confusions named in words
STANDS_OUT = 3.0  # times the usual share of a wrong label
_LETTER, _LINE = 6.6, 15  # pixels of a name beside an axis


class TransitionInfo(NamedTuple):
    """T[true, given], rows sum to 1. words: the class names. wrong: share of each true class (row) that is given a wrong label
    ``[K]``. top: the largest share of any wrong label, where the scale ends. confusions: (true, given, share) of the wrong labels
    that stand out, largest first."""

    matrix: Array
    words: tuple[str, ...]
    wrong: list[float]
    top: float
    confusions: tuple[tuple[str, str, float], ...]


def transition_info(matrix: Array, class_names: Sequence[str], *, top: float | None = None) -> TransitionInfo:
    """top: end of the scale, where several matrices share one.

    Raises:
        ValueError: for a matrix that is not ``[K, K]``.
    """
    matrix, K = np.asarray(matrix, dtype=float), len(class_names)
    if matrix.shape != (K, K):
        raise ValueError(f"transition matrix {list(matrix.shape)} does not fit {K} classes")
    wrong = np.where(np.eye(K, dtype=bool), 0.0, matrix)
    largest = float(wrong.max(initial=0.0))
    return TransitionInfo(
        matrix, tuple(class_names), wrong.sum(axis=1).tolist(), largest if top is None else top, _confusions(wrong, class_names)
    )


def _confusions(wrong: Array, class_names: Sequence[str]) -> tuple[tuple[str, str, float], ...]:
    """Wrong labels at least STANDS_OUT times as frequent as the median one; none where all are alike."""
    off_diagonal = wrong[~np.eye(len(wrong), dtype=bool)]
    usual = float(np.quantile(off_diagonal, 0.5, method="lower")) if len(off_diagonal) else 0.0
    order = np.argsort(-wrong, axis=None, kind="stable")
    cells = (divmod(int(place), len(wrong)) for place in order[: np.count_nonzero(wrong)])
    return tuple(
        (class_names[true], class_names[given], float(wrong[true, given]))
        for true, given in cells
        if wrong[true, given] > STANDS_OUT * usual
    )


def confusion_words(info: TransitionInfo) -> str:
    """The wrong labels that stand out, in a sentence."""
    if info.top == 0:
        return "No label is changed."
    if not info.confusions:
        return "Every wrong class is about as frequent as any other."
    named = ", ".join(f"{true} → {given} ({percent(share)})" for true, given, share in info.confusions[:NAMED])
    more = len(info.confusions) - NAMED
    return f"Most frequent: {named}{f', and {more:,} more' if more > 0 else ''}."


def _heat(name: str, values: Array, info: TransitionInfo, palette: Palette, scale: tuple[str, str], top: float) -> Trace:
    """Cells where ``values`` is known, the others empty."""
    few = len(info.words) <= WRITTEN
    text = [[f"{100 * value:.0f}" if value >= 0.005 else "" for value in row] for row in values.tolist()]
    gap = 1 if len(info.words) <= 30 else 0
    return {
        "type": "heatmap", "name": name, "x": list(info.words), "y": list(info.words), "z": values.tolist(),
        "zmin": 0, "zmax": top, "showscale": False, "xgap": gap, "ygap": gap, "hoverongaps": False,
        "colorscale": [[0, scale[0]], [1, scale[1]]],
        "text": text if few else None, "texttemplate": "%{text}" if few else None, "textfont": {"size": 12, "color": palette.text},
        "hovertemplate": "of true %{y}, %{z:.1%} are given %{x}<extra></extra>",
    }  # fmt: skip


def _named(words: Sequence[str], room: float) -> dict[str, str]:
    """Class name to what is written of it: every class where there is room for all, else every so many. room: pixels."""
    step = -(-len(words) * _LINE // int(room))
    return {word: word if len(word) <= 14 else word[:13] + "…" for word in words[::step]}


def transition_figure(info: TransitionInfo, palette: Palette, height: int = 360) -> Figure:
    """Wrong labels from pale to full by their share, on one scale from none to ``top``; right ones, on the diagonal, all alike."""
    right, written = np.eye(len(info.words), dtype=bool), len(info.words) <= WRITTEN
    full = (0.5 if palette.dark else 0.75) if written else 0.95  # numbers stay readable on it
    wrong_scale, kept = (palette.tint("memorized", 0.06), palette.tint("memorized", full)), palette.tint("fit", 0.16 if written else 0.4)
    wrong = _heat("wrong label", np.where(~right & (info.matrix > 0), info.matrix, np.nan), info, palette, wrong_scale, max(info.top, 1e-9))
    diagonal = _heat("right label", np.where(right, info.matrix, np.nan), info, palette, (kept, kept), 1.0)
    shown = _named(info.words, height - 100)
    longest = max(map(len, shown.values()))
    beside, upright = 32 + int(longest * _LETTER), longest > 3
    below = 34 + int(longest * _LETTER) if upright else 46
    ticks = {"type": "category", "tickmode": "array", "tickvals": list(shown), "ticktext": [escape(word) for word in shown.values()]}
    plain = {"showgrid": False, "linecolor": palette.grid, "mirror": True, "ticks": "", "constrain": "domain"}
    unit = "numbers: % of the true class" if written else f"full colour: {percent(info.top)} of the true class"
    return {
        "data": [wrong, diagonal],
        "layout": layout(
            palette, height, (beside, 8, 8, below),
            xaxis=axis(f"given label ({unit})", palette, tickangle=-90 if upright else 0, **ticks, **plain),
            yaxis=axis("true label", palette, autorange="reversed", scaleanchor="x", **ticks, **plain),
        ),
    }  # fmt: skip
