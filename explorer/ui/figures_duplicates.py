"""Figures about near-duplicates: what a cut on likeness costs and brings, and which changes of an image it still finds."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from typing import Any, NamedTuple

import numpy as np

from explorer.analysis.calibration import Calibration
from explorer.analysis.flagged import Cut
from explorer.ui.drawing import PERCENT, Figure, Trace, axis, empty_figure, end_label, layout, note, spread, symbol_at
from explorer.ui.theme import Palette, readable

POINTS = 160  # of a curve; a screen shows no more
STYLES = {  # colour on the light page, on the dark page, dash, symbol: none of them a meaning of its own
    "precision": ("#3D4AA8", "#9AA5FF", "solid", "circle"), "recall": ("#7A4A12", "#D9A55B", "dash", "square"),
}  # fmt: skip
TABLE = """<style>
table.found { width: 100%; border-collapse: collapse; font-size: 0.85rem; line-height: 1.45; }
table.found td, table.found th { padding: 1px 6px 1px 0; text-align: left; border: 0; font-weight: 400; white-space: nowrap; }
table.found td:last-child { text-align: right; padding-right: 0; }
table.found .track { display: block; width: 100%; min-width: 48px; height: 5px; border-radius: 3px;
  background: color-mix(in srgb, currentColor 15%, transparent); }
table.found .track span { display: block; height: 100%; border-radius: 3px; background: currentColor; opacity: 0.65; }
table.found td:nth-child(2) { width: 60%; }
</style>"""


class CalibrationInfo(NamedTuple):
    """pairs: numbers of flagged pairs, rising. precision (None where it cannot be told), recall: shares at each. cut: the chosen one."""

    pairs: list[int]
    precision: list[float | None]
    recall: list[float]
    cut: Cut | None


def calibration_info(calibration: Calibration, cut: Cut | None) -> CalibrationInfo:
    """At most POINTS of the curve, evenly over the logarithm of the number of pairs, its first and last and the cut among them."""
    number = len(calibration.pairs)
    if not number:
        return CalibrationInfo([], [], [], None)
    chosen = np.geomspace(1, number, POINTS).round().astype(int) - 1
    if cut is not None and cut.pairs:
        chosen = np.append(chosen, cut.pairs - 1)
    chosen = np.unique(chosen)
    precision = [None if np.isnan(value) else float(value) for value in calibration.precision[chosen]]
    return CalibrationInfo(
        calibration.pairs[chosen].astype(int).tolist(), precision, calibration.recall[chosen].astype(float).tolist(),
        cut if cut is not None and cut.pairs else None,
    )  # fmt: skip


def calibration_figure(info: CalibrationInfo, palette: Palette, height: int = 260) -> Figure:
    """Precision and recall against the number of pairs flagged, on a logarithmic axis; the chosen cut is marked."""
    if not info.pairs:
        return empty_figure("No two of these images look alike.", palette, height)
    curves = {name: values for name, values in (("precision", info.precision), ("recall", info.recall)) if values[-1] is not None}
    traces = [trace for name, values in curves.items() for trace in _curve(name, info.pairs, values, palette)]
    drawing = height - 24 - 46
    places = spread([float(values[-1] or 0) / 1.04 for values in curves.values()], 17 / drawing, 0.02, 0.98)
    words = [
        end_label(name, name, float(np.log10(info.pairs[-1])), 1.04 * place, _ink(name, palette))
        for name, place in zip(curves, places, strict=True)
    ]  # fmt: skip
    lines, marked = _cut(info, palette)
    return {
        "data": traces,
        "layout": layout(
            palette, height, (52, 76, 24, 46), annotations=[*words, *marked], shapes=lines, hovermode="x unified",
            xaxis=axis("pairs flagged, most alike first", palette, type="log", tickformat=",d", dtick=1, minor={"ticks": "outside"},
                       range=[-0.05, float(np.log10(max(2, info.pairs[-1])))],
                       unifiedhovertitle={"text": "%{x:,d} pairs"}),
            yaxis=axis("share", palette, tickformat=PERCENT, range=[0, 1.04], dtick=0.25),
        ),
    }  # fmt: skip


def _curve(name: str, pairs: list[int], values: list[Any], palette: Palette) -> list[Trace]:
    light, dark, dash, symbol = STYLES[name]
    colour = dark if palette.dark else light
    end = symbol_at(name, pairs[-1], values[-1], palette, "neither", cliponaxis=False)
    return [
        {"type": "scatter", "mode": "lines", "name": name, "x": np.array(pairs), "y": values,
         "line": {"color": colour, "dash": dash, "width": 2}, "hovertemplate": f"{name} %{{y:.0%}}<extra></extra>"},
        end | {"marker": {"symbol": symbol, "color": colour, "size": 8}},
    ]  # fmt: skip


def _ink(name: str, palette: Palette) -> str:
    return readable(STYLES[name][palette.dark], palette.background, palette.text)


def _cut(info: CalibrationInfo, palette: Palette) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """The line of the chosen cut, and its number of pairs above."""
    if info.cut is None:
        return [], []
    pairs = info.cut.pairs
    line = {"type": "line", "x0": pairs, "x1": pairs, "y0": 0, "y1": 1.04, "layer": "between",
            "line": {"color": palette.muted, "width": 1.5, "dash": "dash"}}  # fmt: skip
    right = np.log(pairs) > 0.8 * np.log(max(2, info.pairs[-1]))
    words = f"{pairs:,} {'pair' if pairs == 1 else 'pairs'}"
    text = note(words, float(np.log10(pairs)), 1, palette, xref="x", xanchor="right" if right else "left", yanchor="bottom",
                font={"color": palette.text, "size": 12})  # fmt: skip
    return [line], [text]


def found_table(recall: Mapping[str, float]) -> str:
    """HTML: each kind of change with the share of its copies that is found, as a bar and in words."""
    rows = [
        f"<tr><th scope=row>{escape(kind)}</th><td><span class=track><span style='width:{100 * share:.0f}%'></span></span></td>"
        f"<td>{100 * share:.0f} %</td></tr>"
        for kind, share in recall.items()
    ]  # fmt: skip
    return f"{TABLE}<table class=found><tbody>{''.join(rows)}</tbody></table>"
