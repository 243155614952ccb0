"""Figures about scores: how a score is distributed, and how well each one finds the wrong labels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from explorer.ui.drawing import PERCENT, Figure, Trace, axis, empty_figure, end_label, layout, note, symbol_at
from explorer.ui.theme import Palette, mix

Group = tuple[str, str, np.ndarray]  # name, meaning, bool [N]


class CutMark(NamedTuple):
    """Where the first n of a ranking end. value: the score of the n-th, in its own unit. suspicious: the end it counts from."""

    value: float
    n: int
    suspicious: str


class DistributionInfo(NamedTuple):
    """Histogram of a score. edges ``[B + 1]``; groups: name, meaning, share of that group's images in each bin ``[B]``."""

    score: str
    edges: list[float]
    groups: tuple[tuple[str, str, list[float]], ...]
    left_out: int  # images without a finite score
    cut: CutMark | None = None


def distribution_info(score: str, values: np.ndarray, is_mislabeled: np.ndarray | None, bins: int = 40) -> DistributionInfo:
    """``values`` ``[N]`` in the score's own unit; one group only where it is not known which labels are wrong."""
    return grouped_info(score, values, truth_groups(len(values), is_mislabeled), bins=bins)


def truth_groups(N: int, is_mislabeled: np.ndarray | None) -> list[Group]:
    """Right and wrong labels; all images together where nobody knows."""
    if is_mislabeled is None:
        return [("all images", "neither", np.ones(N, dtype=bool))]
    return [("right label", "fit", ~is_mislabeled), ("wrong label", "memorized", is_mislabeled)]


def grouped_info(
    score: str, values: np.ndarray, groups: Sequence[Group], *, bins: int = 40, cut: CutMark | None = None
) -> DistributionInfo:  # fmt: skip
    """``values`` ``[N]`` in the score's own unit, over the same bins for every group; groups without a known value are left out."""
    values = np.asarray(values, dtype=float)
    finite = np.isfinite(values)
    edges = np.histogram_bin_edges(values[finite], bins=bins) if finite.any() else np.array([0.0, 1.0])
    shares = tuple(
        (f"{name} ({int(part.sum()):,})", meaning, (np.histogram(values[part], edges)[0] / part.sum()).tolist())
        for name, meaning, part in ((name, meaning, finite & part) for name, meaning, part in groups)
        if part.any()
    )
    return DistributionInfo(score, edges.tolist(), shares, int((~finite).sum()), cut)


def distribution_figure(info: DistributionInfo, palette: Palette, height: int = 240) -> Figure:
    """A filled outline per group, each adding up to 100 %; more than two stand below each other, each as high as its row."""
    if len(info.groups) > 2:
        return _rows(info, palette, height)
    traces: list[Trace] = []
    labels: list[dict[str, Any]] = []
    for number, (name, meaning, share) in enumerate(info.groups):
        traces.append(_outline(info, number, palette, "solid" if number == 0 else "dash") | {"fill": "tozeroy"})
        top = int(np.argmax(share))
        traces.append(symbol_at(name, (info.edges[top] + info.edges[top + 1]) / 2, share[top], palette, meaning, cliponaxis=False))
        words = end_label(name, name, (info.edges[top] + info.edges[top + 1]) / 2, share[top], palette.ink(meaning))
        labels.append(words | {"yanchor": "bottom"})
    highest = 1.12 * max((max(share) for _, _, share in info.groups), default=1.0)
    lines, more = _cut(info, palette, highest)
    return {
        "data": traces,
        "layout": layout(
            palette, height, (56, 24, 26, 44), annotations=[*labels, *more], shapes=lines, hovermode="x",
            xaxis=axis(info.score, palette, nticks=8, showgrid=False),
            yaxis=axis("share of the group (%)", palette, tickformat=PERCENT, range=[0, highest], nticks=5),
        ),
    }  # fmt: skip


def _outline(info: DistributionInfo, number: int, palette: Palette, dash: str, base: float = 0.0, scale: float = 1.0) -> Trace:
    name, meaning, share = info.groups[number]
    return {
        "type": "scatter", "mode": "lines", "name": name, "x": info.edges, "y": [base + scale * s for s in (*share, share[-1])],
        "line": {"color": palette.of(meaning), "width": 2, "shape": "hv", "dash": dash},
        "fillcolor": "rgba({},{},{},0.18)".format(*(int(palette.of(meaning)[i : i + 2], 16) for i in (1, 3, 5))),
        "customdata": [*share, share[-1]], "hovertemplate": f"{name}: %{{customdata:.1%}}<extra></extra>",
    }  # fmt: skip


def _rows(info: DistributionInfo, palette: Palette, height: int) -> Figure:
    """A row for each group, the first on top: outlines that would hide each other, each drawn to its own height."""
    traces: list[Trace] = []
    words: list[dict[str, Any]] = []
    ends = [info.edges[0], info.edges[-1]]
    for number, (name, meaning, share) in enumerate(info.groups):
        base = float(len(info.groups) - 1 - number)
        flat = {"color": palette.grid, "width": 1}
        traces.append({"type": "scatter", "mode": "lines", "name": name, "x": ends, "y": [base, base], "line": flat, "hoverinfo": "skip"})
        traces.append(_outline(info, number, palette, "solid", base, 0.6 / max(share)) | {"fill": "tonexty"})
        words.append(note(name, 1, base + 1, palette, yref="y", xanchor="right", name=name, captureevents=True,
                          font={"color": palette.ink(meaning), "size": 13}))  # fmt: skip
    lines, more = _cut(info, palette, float(len(info.groups)))
    return {
        "data": traces,
        "layout": layout(
            palette, height, (24, 24, 26, 44), annotations=[*words, *more], shapes=lines, hovermode="x",
            meta={"detail": "share of images"},
            xaxis=axis(info.score, palette, nticks=8, showgrid=False),
            yaxis={"range": [0, len(info.groups)], "visible": False, "fixedrange": True},
        ),
    }  # fmt: skip


def _cut(info: DistributionInfo, palette: Palette, top: float) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """The line where the first n end, a wash over them, and words above."""
    if info.cut is None:
        return [], []
    value, n, suspicious = info.cut
    high = suspicious == "high"
    wash = {
        "type": "rect", "x0": value, "x1": info.edges[-1 if high else 0], "y0": 0, "y1": top, "layer": "below", "line": {"width": 0},
        "fillcolor": palette.panel,
    }  # fmt: skip
    middle = (info.edges[0] + info.edges[-1]) / 2
    words = f"first {n:,} \u2192" if high else f"\u2190 first {n:,}"
    if high == (value > middle):  # no room on their side
        words = f"first {n:,}"
    anchor = "left" if value <= middle else "right"
    text = note(words, value, 1, palette, xref="x", xanchor=anchor, yanchor="bottom", font={"color": palette.text, "size": 12})
    line = {"type": "line", "x0": value, "x1": value, "y0": 0, "y1": top, "layer": "between",
            "line": {"color": palette.muted, "width": 1.5, "dash": "dash"}}  # fmt: skip
    return [wash, line], [text]


class DetectionInfo(NamedTuple):
    """How well each score finds the wrong labels, best AUROC first. Interval: nan, nan where not computed."""

    score: list[str]
    auroc: list[float]
    low: list[float]
    high: list[float]
    average_precision: list[float]
    chance: float | None  # average precision of a random order: the wrong rate


def detection_info(quality: pd.DataFrame, wrong_rate: float | None) -> DetectionInfo:
    """``quality``: columns score, auroc, low, high, average_precision; rows without an AUROC are left out."""
    rows = quality[np.isfinite(quality["auroc"].to_numpy(dtype=float))].sort_values("auroc", ascending=False, kind="stable")
    auroc, low, high, precision = (rows[name].astype(float).tolist() for name in ("auroc", "low", "high", "average_precision"))
    return DetectionInfo(rows["score"].astype(str).tolist(), auroc, low, high, precision, wrong_rate)


WRITTEN = 10  # up to so many scores each dot has its number beside it; the table has them too


def detection_height(count: int) -> int:
    """Height in pixels of the chart of ``count`` scores."""
    return 76 + (44 if count <= WRITTEN else 21) * count


def _dots(info: DetectionInfo, values: list[float], palette: Palette, name: str, xaxis: str, least: float, **more: object) -> Trace:
    """A dot at each value; one below ``least``, where the axis begins, becomes an arrow with its number."""
    below, symbol = [value < least for value in values], "circle" if name == "AUROC" else "diamond"
    written = [f"{value:.2f}" if under or len(values) <= WRITTEN else "" for value, under in zip(values, below, strict=True)]
    return {
        "type": "scatter", "mode": "markers+text", "name": name, "x": [max(value, least) for value in values], "y": info.score,
        "xaxis": xaxis, "text": written, "textfont": {"size": 12, "color": palette.text}, "customdata": values,
        "textposition": ["middle right" if under else "top center" for under in below],
        "marker": {"size": 8, "color": palette.text, "symbol": ["triangle-left" if under else symbol for under in below]},
        "cliponaxis": False, "hovertemplate": f"%{{y}}<br>{name} %{{customdata:.3f}}<extra></extra>",
    } | more  # fmt: skip


def _chance(at: float, xref: str, palette: Palette) -> dict[str, Any]:
    style = {"color": mix(palette.background, palette.muted, 0.8), "width": 1.5, "dash": "dot"}
    return {"type": "line", "x0": at, "x1": at, "xref": xref, "y0": 0, "y1": 1, "yref": "paper", "layer": "below", "line": style}


def detection_figure(info: DetectionInfo, palette: Palette, height: int | None = None) -> Figure:
    """Two dot charts side by side, AUROC with its interval and average precision; dotted: a random order.

    The axis of the AUROC begins just below guessing, so that the intervals of useful scores can be told apart.
    """
    if not info.score:
        return empty_figure("Which labels are wrong is not known, so the scores cannot be judged.", palette, height or 160)
    auroc, low, high = (np.array(each) for each in (info.auroc, info.low, info.high))
    start = 0.48
    shown = auroc >= start
    bars = {"type": "data", "symmetric": False, "array": np.where(shown, high - auroc, 0).tolist(),
            "arrayminus": np.where(shown, auroc - np.maximum(low, start), 0).tolist(),
            "color": palette.muted, "thickness": 4, "width": 0}  # fmt: skip
    chance = [_chance(0.5, "x", palette), *([] if info.chance is None else [_chance(info.chance, "x2", palette)])]
    left = 24 + min(220, 7 * max(map(len, info.score)))
    across: dict[str, Any] = {"tickformat": ".1f", "nticks": 6}
    return {
        "data": [
            _dots(info, info.auroc, palette, "AUROC", "x", start, error_x=bars),
            _dots(info, info.average_precision, palette, "average precision", "x2", 0.0),
        ],
        "layout": layout(
            palette, height or detection_height(len(info.score)), (left, 16, 24, 46), shapes=chance,
            annotations=[note("dotted: a random order", 0, 1, palette, yanchor="bottom")],
            xaxis=axis("AUROC", palette, domain=[0, 0.47], range=[start - 0.02, 1.02], **across),
            xaxis2=axis("average precision", palette, domain=[0.53, 1], anchor="y", range=[-0.02, 1.02], **across),
            yaxis=axis("", palette, autorange="reversed", type="category", showgrid=True, ticks="", dtick=1),
        ),
    }  # fmt: skip
