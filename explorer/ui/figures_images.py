"""The history of one image: its loss, its margin, and what the network predicted."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import Any, NamedTuple

import numpy as np

from explorer.ui.drawing import (
    Figure,
    Trace,
    axis,
    empty_figure,
    end_label,
    epoch_axis,
    layout,
    line,
    note,
)
from explorer.ui.theme import MEANINGS, Palette, significant


class HistoryInfo(NamedTuple):
    """One image over the recorded epochs ``[E]``. fits: a meaning per epoch, see ``_fit_of``. words: what they are called here."""

    epoch: list[int]
    loss: list[float]  # nats
    margin: list[float]  # logit of the given label minus the best other
    predicted: list[str]
    fits: list[str]
    words: dict[str, str]

    @property
    def pieces(self) -> list[tuple[int, int]]:
        """Stretches of epochs with the same prediction, as positions from .. to (not included)."""
        starts = [i for i, name in enumerate(self.predicted) if i == 0 or name != self.predicted[i - 1]]
        return list(zip(starts, [*starts[1:], len(self.predicted)], strict=True))


def _fit_of(predicted: str, given: str, true: str | None) -> str:
    """``fit`` when it predicts the given label and that is right (or not known to be wrong), ``memorized`` when the given
    label is wrong, ``recovered`` when it predicts the true label instead, else ``neither``."""
    if predicted == given:
        return "fit" if true in (None, given) else "memorized"
    return "recovered" if predicted == true else "neither"


def history_info(
    epoch: Sequence[int], loss: np.ndarray, margin: np.ndarray, predicted: Sequence[str], given: str, true: str | None
) -> HistoryInfo:
    """``loss`` and ``margin`` are ``[E]``, ``predicted`` the class names predicted."""
    words = {
        "fit": f"fits the given label {given}",
        "memorized": f"memorized {given}",
        "recovered": f"recovered {true}",
        "neither": "another class",
    }
    fits = [_fit_of(name, given, true) for name in predicted]
    numbers = np.asarray(loss, dtype=float).tolist(), np.asarray(margin, dtype=float).tolist()
    return HistoryInfo([int(each) for each in epoch], numbers[0], numbers[1], list(predicted), fits, words)


def _strip(info: HistoryInfo, palette: Palette) -> list[Trace]:
    """One coloured bar per stretch of the same prediction, with the class written where there is room."""
    edges = [info.epoch[0] - 0.5, *((a + b) / 2 for a, b in zip(info.epoch, info.epoch[1:], strict=False)), info.epoch[-1] + 0.5]
    bars: dict[str, list[tuple[float, float, str]]] = {}
    for start, end in info.pieces:
        left, right = edges[start], edges[end]
        room = 45 * (right - left) / (edges[-1] - edges[0])  # letters
        word = info.predicted[start] if len(info.predicted[start]) <= room else ""
        bars.setdefault(info.fits[start], []).append(((left + right) / 2, right - left, word))
    return [_bars(name, pieces, palette) for name, pieces in bars.items()]


def _bars(meaning: str, pieces: list[tuple[float, float, str]], palette: Palette) -> Trace:
    middle, width, word = zip(*pieces, strict=True)
    return {
        "type": "bar", "name": MEANINGS[meaning].word, "x": middle, "width": width, "y": [1] * len(middle), "text": word, "yaxis": "y3",
        "marker": {"color": palette.of(meaning), "line": {"width": 1, "color": palette.background}}, "textposition": "inside",
        "textangle": 0, "insidetextanchor": "middle", "constraintext": "none", "hoverinfo": "skip",
        "insidetextfont": {"color": palette.background, "size": 13},
    }  # fmt: skip


def _strip_words(info: HistoryInfo, palette: Palette) -> dict[str, Any]:
    """The key of the strip, in words, above it."""
    marks = {"fit": "\u25cf", "memorized": "\u2715", "recovered": "\u25b2", "neither": "\u25a1"}
    parts = [
        f'<span style="color:{palette.ink(name)}">{marks[name]} {escape(info.words[name])}</span>' for name in dict.fromkeys(info.fits)
    ]
    return note("predicts:  " + "   ".join(parts), 0, 0.155, palette, yanchor="bottom", bgcolor=palette.background)


def history_figure(info: HistoryInfo, palette: Palette, height: int = 340) -> Figure:
    """Loss, margin, and what the network predicted, over the same epochs."""
    if not info.epoch:
        return empty_figure("No epoch has been recorded yet.", palette, height)
    last = info.epoch[-1]
    solid, dashed = {"color": palette.text, "width": 2}, {"color": palette.muted, "width": 2, "dash": "dash"}
    predicts = {"text": [escape(name) for name in info.predicted], "hovertemplate": "predicts %{text}<br>loss %{y:.3~f}<extra></extra>"}
    loss = line("loss", info.epoch, info.loss, palette, "train", ".3~f", line=solid, **predicts)
    margin = line("margin", info.epoch, info.margin, palette, "train", ".2~f", line=dashed, yaxis="y2")
    labels = [
        end_label("loss", f"loss {significant(info.loss[-1])}", last, info.loss[-1], palette.text),
        end_label("margin", f"margin {significant(info.margin[-1])}", last, info.margin[-1], palette.muted, "y2"),
    ]
    zero = {"type": "line", "xref": "paper", "x0": 0, "x1": 1, "y0": 0, "y1": 0, "yref": "y2", "layer": "below",
            "line": {"color": palette.faint, "width": 1.5}}  # fmt: skip
    return {
        "data": [loss, margin, *_strip(info, palette)],
        "layout": layout(
            palette, height, (64, 110, 10, 44), shapes=[zero], hovermode="x unified", bargap=0, meta={"detail": "predicted"},
            annotations=[*labels, _strip_words(info, palette)],
            xaxis=epoch_axis(palette, last, anchor="y3", range=[info.epoch[0] - 0.6, last + 0.6], unifiedhovertitle={"text": "epoch %{x}"}),
            yaxis=axis("loss (nats)", palette, domain=[0.66, 1.0], rangemode="tozero", nticks=4),
            yaxis2=axis("margin (logits)", palette, domain=[0.26, 0.58], nticks=4),
            yaxis3=axis("", palette, domain=[0.0, 0.14], range=[0, 1], visible=False, fixedrange=True),
        ),
    }  # fmt: skip
