"""One score of each image in two runs, against each other. Numbers first (``paired_info``), drawing second (``paired_figure``)."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from explorer.analysis.agreement import agreement
from explorer.records import Array
from explorer.ui.drawing import Figure, empty_figure
from explorer.ui.figures_map import MapInfo, map_figure, map_info
from explorer.ui.theme import Palette, mix


class PairedInfo(NamedTuple):
    """clouds: the points, by what is known of the label. spearman: rank correlation over all images, NaN for fewer than two.

    span: (low, high) of both axes, which have the same one, so that the diagonal is where nothing changed.
    """

    clouds: MapInfo
    spearman: float
    span: tuple[float, float]


def paired_info(a: Array, b: Array, wrong: Array | None) -> PairedInfo:
    """``a``, ``b``: the score of each common image in either run ``[C]``, NaN where unknown. wrong: bool ``[C]``, None where unknown."""
    a, b = np.asarray(a, dtype=float), np.asarray(b, dtype=float)
    known = np.isfinite(a) & np.isfinite(b)
    values = np.concatenate([a[known], b[known]]) if known.any() else np.array([0.0, 1.0])
    low, high = float(values.min()), float(values.max())
    room = 0.04 * (high - low or 1.0)
    return PairedInfo(map_info(a, b, wrong), agreement(a, b).spearman, (low - room, high + room))


def paired_figure(info: PairedInfo, palette: Palette, height: int, score: str, names: tuple[str, str]) -> Figure:
    """A symbol per image; dotted: the same in both. score: title and unit. names: of the two runs."""
    if not info.clouds.total:
        return empty_figure("No image has this score in both runs.", palette, height)
    title, _, unit = score.partition(" (")
    titles = tuple(f"{title}, {name} ({unit}" if unit else f"{title}, {name}" for name in names)
    figure = map_figure(info.clouds, palette, height, (titles[0], titles[1]), ranges=(info.span, info.span))
    dotted = {"color": mix(palette.background, palette.muted, 0.8), "width": 1.5, "dash": "dot"}
    low, high = info.span
    figure["layout"]["shapes"] = [{"type": "line", "x0": low, "x1": high, "y0": low, "y1": high, "layer": "between", "line": dotted}]
    figure["layout"]["meta"] = {"detail": "image"}
    return figure
