"""Figures about scores: how a score is distributed, and how well each one finds the wrong labels."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from explorer.ui.drawing import PERCENT, Figure, Trace, axis, empty_figure, end_label, layout, note, symbol_at
from explorer.ui.theme import Palette, mix


class DistributionInfo(NamedTuple):
    """Histogram of a score. edges ``[B + 1]``; groups: name, meaning, share of that group's images in each bin ``[B]``."""

    score: str
    edges: list[float]
    groups: tuple[tuple[str, str, list[float]], ...]
    left_out: int  # images without a finite score


def distribution_info(score: str, values: np.ndarray, is_mislabeled: np.ndarray | None, bins: int = 40) -> DistributionInfo:
    """``values`` ``[N]`` in the score's own unit; one group only where it is not known which labels are wrong."""
    values = np.asarray(values, dtype=float)
    finite = np.isfinite(values)
    edges = np.histogram_bin_edges(values[finite], bins=bins) if finite.any() else np.array([0.0, 1.0])
    if is_mislabeled is None:
        parts = [("all images", "neither", finite)]
    else:
        parts = [("right label", "fit", finite & ~is_mislabeled), ("wrong label", "memorized", finite & is_mislabeled)]
    groups = tuple(
        (f"{name} ({int(part.sum()):,})", meaning, (np.histogram(values[part], edges)[0] / part.sum()).tolist())
        for name, meaning, part in parts
        if part.any()
    )
    return DistributionInfo(score, edges.tolist(), groups, int((~finite).sum()))


def distribution_figure(info: DistributionInfo, palette: Palette, height: int = 240) -> Figure:
    """A filled outline per group, each adding up to 100 %."""
    traces: list[Trace] = []
    labels: list[dict[str, Any]] = []
    for number, (name, meaning, share) in enumerate(info.groups):
        outline = {"color": palette.of(meaning), "width": 2, "shape": "hv", "dash": "solid" if number == 0 else "dash"}
        fill = "rgba({},{},{},0.18)".format(*(int(palette.of(meaning)[i : i + 2], 16) for i in (1, 3, 5)))
        traces.append({
            "type": "scatter", "mode": "lines", "name": name, "x": info.edges, "y": [*share, share[-1]], "line": outline,
            "fill": "tozeroy", "fillcolor": fill, "hovertemplate": f"{name}: %{{y:.1%}}<extra></extra>",
        })  # fmt: skip
        top = int(np.argmax(share))
        traces.append(symbol_at(name, (info.edges[top] + info.edges[top + 1]) / 2, share[top], palette, meaning, cliponaxis=False))
        words = end_label(name, name, (info.edges[top] + info.edges[top + 1]) / 2, share[top], palette.ink(meaning))
        labels.append(words | {"yanchor": "bottom"})
    return {
        "data": traces,
        "layout": layout(
            palette, height, (56, 24, 26, 44), annotations=labels, hovermode="x",
            xaxis=axis(info.score, palette, nticks=8, showgrid=False),
            yaxis=axis("share of the group (%)", palette, tickformat=PERCENT, rangemode="tozero", nticks=5),
        ),
    }  # fmt: skip


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
