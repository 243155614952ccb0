"""Clouds of images: one point each, in the plane of two numbers."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from explorer.records import Array
from explorer.ui.drawing import Figure, Trace, axis, empty_figure, layout, note
from explorer.ui.theme import MEANINGS, Palette

DRAWN = 5_000  # points a browser draws without keeping anyone waiting


class Cloud(NamedTuple):
    """Points of one meaning. example: positions in the training set; axes ``[P]``."""

    name: str
    meaning: str
    example: list[int]
    x: list[float]
    y: list[float]


class MapInfo(NamedTuple):
    """total: images with both numbers known. drawn: of these, how many are points, chosen at random when they are too many."""

    clouds: tuple[Cloud, ...]
    drawn: int
    total: int


def map_info(x: Array, y: Array, is_mislabeled: Array | None, limit: int = DRAWN) -> MapInfo:
    """``x``, ``y``: numbers of each image ``[N]``; unknown ones are left out. is_mislabeled: bool ``[N]``, None where nobody knows."""
    x, y = np.asarray(x, dtype=float), np.asarray(y, dtype=float)
    known = np.flatnonzero(np.isfinite(x) & np.isfinite(y))
    drawn = known if len(known) <= limit else np.sort(np.random.default_rng(0).choice(known, limit, replace=False))
    if is_mislabeled is None:
        parts = [("label not checked", "neither", drawn)]
    else:
        parts = [("right label", "fit", drawn[~is_mislabeled[drawn]]), ("wrong label", "memorized", drawn[is_mislabeled[drawn]])]
    clouds = tuple(Cloud(name, meaning, part.tolist(), x[part].tolist(), y[part].tolist()) for name, meaning, part in parts if len(part))
    return MapInfo(clouds, len(drawn), len(known))


def _points(cloud: Cloud, palette: Palette, words: str) -> Trace:
    symbol = MEANINGS[cloud.meaning].symbol
    marker = {
        "color": palette.of(cloud.meaning), "symbol": symbol, "size": 6 if symbol == "x" else 5,
        "opacity": 0.75 if symbol == "x" else 0.4, "line": {"width": 0 if symbol != "square-open" else 1},
    }  # fmt: skip
    return {
        "type": "scatter", "mode": "markers", "name": cloud.name, "x": cloud.x, "y": cloud.y, "customdata": cloud.example,
        "marker": marker, "hovertemplate": f"{cloud.name}<br>{words}<extra></extra>",
    }  # fmt: skip


def _key(info: MapInfo, palette: Palette) -> list[dict[str, Any]]:
    """What the symbols mean, above the drawing; a click on the words hides or shows those points."""
    marks = {"circle": "\u25cf", "x": "\u2715", "square-open": "\u25a1"}
    words, place = [], 0.0
    for cloud in info.clouds:
        text = f"{marks[MEANINGS[cloud.meaning].symbol]} {cloud.name} ({len(cloud.example):,})"
        font = {"color": palette.ink(cloud.meaning), "size": 13}
        words.append(note(text, 0, 1, palette, yanchor="bottom", yshift=4, xshift=place, name=cloud.name, captureevents=True, font=font))
        place += 6.6 * len(text) + 20
    return words


def map_figure(
    info: MapInfo, palette: Palette, height: int, titles: tuple[str, str], corners: tuple[tuple[str, float, float], ...] = (),
    ranges: tuple[tuple[float, float] | None, tuple[float, float] | None] = (None, None),
) -> Figure:  # fmt: skip
    """A symbol per image. titles: of the x and y axis, with units. corners: words and where they stand, as shares of the drawing."""
    if not info.total:
        return empty_figure("No image has both numbers.", palette, height)
    hover = f"{titles[0].split(' (')[0]} %{{x:.3~g}}<br>{titles[1].split(' (')[0]} %{{y:.3~g}}"
    named = [
        note(f"<b>{text}</b>", x, y, palette, xanchor="left" if x < 0.5 else "right", yanchor="bottom" if y < 0.5 else "top",
             bgcolor=palette.background, opacity=0.9, font={"color": palette.text, "size": 13})
        for text, x, y in corners
    ]  # fmt: skip
    across, up = ({} if each is None else {"range": list(each)} for each in ranges)
    return {
        "data": [_points(cloud, palette, hover) for cloud in info.clouds],
        "layout": layout(
            palette, height, (64, 16, 30, 46), annotations=[*_key(info, palette), *named],
            xaxis=axis(titles[0], palette, nticks=8, **across), yaxis=axis(titles[1], palette, nticks=6, **up),
        ),
    }  # fmt: skip
