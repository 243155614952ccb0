"""When would one have known? How well scores find the wrong labels, epoch by epoch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from explorer.records import Array
from explorer.ui.drawing import Figure, Trace, axis, empty_figure, end_label, epoch_axis, epoch_mark, layout, note, spread, symbol_at
from explorer.ui.theme import MEANINGS, Palette, mix, percent, readable

SHOWN = 6  # lines that can still be told apart
STYLES = (  # colour on the light page, on the dark page, dash, symbol: none of them a meaning of its own
    ("#3D4AA8", "#9AA5FF", "solid", "circle"), ("#7A4A12", "#D9A55B", "dash", "square"), ("#00727A", "#5FD0D6", "dashdot", "diamond"),
    ("#8C1D5A", "#F48FB1", "longdash", "triangle-up"), ("#5C6400", "#CDD56B", "longdashdot", "triangle-down"),
    ("#4A4F55", "#C3C9CF", "dot", "pentagon"),
)  # fmt: skip


class Known(NamedTuple):
    """One score. style: its place in STYLES. epoch, auroc: ``[E]``, only epochs where it is known."""

    name: str
    title: str
    style: int
    epoch: list[int]
    auroc: list[float]


class KnownInfo(NamedTuple):
    """memorized: (epochs, share of the wrong labels memorized), empty where unknown. marked: (epoch, words) of the Label Wave's
    stop, or None. last: length of the epoch axis."""

    scores: tuple[Known, ...]
    memorized: tuple[list[int], list[float]]
    marked: tuple[int, str] | None
    last: int


def styles(names: Sequence[str], everything: Sequence[str]) -> list[int]:
    """A place in STYLES for each of at most SHOWN names: a score's own one, by its place among all, where that is free."""
    taken: dict[str, int] = {}
    for name in names:
        own = everything.index(name) % SHOWN
        free = [(own + step) % SHOWN for step in range(SHOWN) if (own + step) % SHOWN not in taken.values()]
        taken[name] = free[0]
    return list(taken.values())


def known_info(
    epochs: Array, auroc: Mapping[str, Array], names: Sequence[str], title: Mapping[str, str], *, everything: Sequence[str],
    memorized: tuple[Array, Array], marked: tuple[int, str] | None = None, last: int,
) -> KnownInfo:  # fmt: skip
    """``auroc``: by score ``[E]``, NaN where not known yet; ``names``: those to draw, at most SHOWN, out of ``everything``."""
    names = [name for name in names if name in auroc and np.isfinite(auroc[name]).any()][:SHOWN]
    scores = []
    for name, style in zip(names, styles(names, everything), strict=True):
        known = np.isfinite(auroc[name])
        scores.append(Known(name, title[name], style, epochs[known].astype(int).tolist(), auroc[name][known].astype(float).tolist()))
    seen = np.isfinite(memorized[1])
    return KnownInfo(tuple(scores), (memorized[0][seen].astype(int).tolist(), memorized[1][seen].astype(float).tolist()), marked, last)


def _line(score: Known, palette: Palette) -> list[Trace]:
    light, dark, dash, symbol = STYLES[score.style]
    colour = dark if palette.dark else light
    end = symbol_at(score.title, score.epoch[-1], score.auroc[-1], palette, "neither", yaxis="y2", cliponaxis=False)
    end["marker"] = {"symbol": symbol, "color": colour, "size": 8}
    return [
        {"type": "scatter", "mode": "lines", "name": score.title, "x": score.epoch, "y": score.auroc, "yaxis": "y2",
         "line": {"color": colour, "dash": dash, "width": 2}, "hovertemplate": f"{score.title} %{{y:.3f}}<extra></extra>"},
        end,
    ]  # fmt: skip


def _ends(info: KnownInfo, palette: Palette, low: float, top: float, height: float) -> list[dict[str, Any]]:
    """The name of each line beside its end, the memorized share among them, moved apart; heights as shares of the drawing."""
    rows = [
        (score.title, f"{score.title} {score.auroc[-1]:.2f}", score.epoch[-1], (score.auroc[-1] - low) / (top - low),
         readable(STYLES[score.style][palette.dark], palette.background, palette.text))
        for score in info.scores
    ]  # fmt: skip
    if info.memorized[0]:
        epoch, share = info.memorized[0][-1], info.memorized[1][-1]
        rows.append(("memorized", f"memorized {percent(share)}", epoch, share / 1.04, palette.ink("memorized")))
    places = spread([row[3] for row in rows], 17 / height, 0.02, 0.98)
    return [
        end_label(name, text, epoch, place, colour, "paper")
        for (name, text, epoch, _, colour), place in zip(rows, places, strict=True)
    ]  # fmt: skip


def _memorized(info: KnownInfo, palette: Palette) -> list[Trace]:
    if not info.memorized[0]:
        return []
    faint = {"color": mix(palette.background, palette.of("memorized"), 0.55), "width": 1.5, "dash": MEANINGS["memorized"].dash}
    return [
        {"type": "scatter", "mode": "lines", "name": "memorized", "x": info.memorized[0], "y": info.memorized[1],
         "line": faint, "fill": "tozeroy", "fillcolor": palette.tint("memorized", 0.07),
         "hovertemplate": "memorized %{y:.1%} of the wrong labels<extra></extra>"},
    ]  # fmt: skip


def known_figure(info: KnownInfo, palette: Palette, height: int = 320) -> Figure:
    """A line for each score, labelled at its end; behind them the share of the wrong labels that is memorized by then."""
    if not info.scores:
        return empty_figure("Choose a score: its AUROC after every epoch is drawn here.", palette, height)
    low = min(0.5, *(min(score.auroc) for score in info.scores)) - 0.02
    top, drawing = 1.02, height - 22 - 44
    marks, words = [], []
    if info.marked is not None:
        epoch, text = info.marked
        marks.append(epoch_mark(epoch, palette, (0, 1.04)))
        right = epoch > 0.7 * info.last
        words.append(note(text, epoch, 1, palette, xref="x", xanchor="right" if right else "left", yanchor="bottom", captureevents=False))
    return {
        "data": [*_memorized(info, palette), *(trace for score in info.scores for trace in _line(score, palette))],
        "layout": layout(
            palette, height, (60, 200, 22, 44), shapes=marks, hovermode="x unified",
            annotations=[*_ends(info, palette, low, top, drawing), *words],
            xaxis=epoch_axis(palette, info.last, unifiedhovertitle={"text": "epoch %{x}"}),
            meta={"y": "memorized (share of wrong labels)"},
            yaxis={"range": [0, 1.04], "visible": False, "fixedrange": True},  # of the share behind; what overlays it is drawn above
            yaxis2=axis("AUROC", palette, overlaying="y", side="left", range=[low, top], tickformat=".1f", dtick=0.1),
        ),
    }  # fmt: skip
