"""Did the correction help? One measure of networks trained before and after it, seed by seed, with the interval of the mean change."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from explorer.analysis.before_after import PairedChange, paired_change
from explorer.ui.drawing import PERCENT, Figure, Trace, axis, empty_figure, layout, note
from explorer.ui.theme import UNKNOWN, Palette, percent, significant

STAGES = {"before": "before", "after": "after", "change": "mean change", "perfect": "true labels"}
PLACES = {"before": 0.0, "after": 1.0, "change": 1.65, "perfect": 2.4}  # on the x axis
SYMBOLS = {"before": "circle-open", "after": "circle", "change": "line-ew-open", "perfect": "triangle-up"}


class Measure(NamedTuple):
    """What is measured of a run. title: with its unit. unit: of the value, "" for none. meaning: a key of MEANINGS. better: high, low."""

    title: str
    unit: str
    meaning: str
    better: str

    @property
    def is_share(self) -> bool:
        return self.unit == "%"


MEASURES: dict[str, Measure] = {
    "test_accuracy": Measure("clean test accuracy (%)", "%", "test", "high"),
    "memorized": Measure("memorized labels (% of images)", "%", "memorized", "low"),
    "susceptibility": Measure("susceptibility (nats)", "nats", "susceptibility", "low"),
    "mean_curvature": Measure("mean curvature", "", "curvature", "low"),
}


class Pairs(NamedTuple):
    """One measure of the two runs of each seed, shares in [0, 1]; only seeds of which both are known.

    title: what the measure is called here. perfect: by seed, of a run on the true labels; may be empty.
    change: mean over the seeds; its interval is unknown (NaN) for a single one. None without a seed.
    """

    measure: str
    title: str
    seeds: tuple[int, ...]
    before: tuple[float, ...]
    after: tuple[float, ...]
    perfect: Mapping[int, float]
    change: PairedChange | None


def before_after_info(
    measure: str, before: Mapping[int, float], after: Mapping[int, float], perfect: Mapping[int, float], title: str = ""
) -> Pairs:  # fmt: skip
    """Values by seed; NaN, or a seed that is missing, where a run is not there yet or does not know.

    Args:
        measure: a key of MEASURES. title: in place of the measure's own.
    """
    seeds = tuple(sorted(seed for seed in before.keys() & after.keys() if math.isfinite(before[seed] + after[seed])))
    first, second = tuple(before[seed] for seed in seeds), tuple(after[seed] for seed in seeds)
    known = {seed: value for seed, value in sorted(perfect.items()) if math.isfinite(value)}
    change = paired_change(first, second) if seeds else None
    return Pairs(measure, title or MEASURES[measure].title, seeds, first, second, known, change)


# -- numbers as words ------------------------------------------------------------------------------


def value_words(measure: str, value: float) -> str:
    """0.812 -> ``81.2 %``, 0.0123 -> ``0.012 nats``; unknown -> ``-``."""
    how = MEASURES[measure]
    if how.is_share or not math.isfinite(value):
        return percent(value)
    return f"{significant(value)} {how.unit}".rstrip()


def difference_words(measure: str, value: float) -> str:
    """0.021 -> ``+2.1 points``, -0.0123 -> ``-0.012 nats``; always with its sign; unknown -> ``-``."""
    how = MEASURES[measure]
    if not math.isfinite(value):
        return UNKNOWN
    if how.is_share:
        return f"{100 * value:+.1f} points"
    return f"{'+' if value >= 0 else '-'}{significant(abs(value))} {how.unit}".rstrip()


def change_words(info: Pairs) -> str:
    """The mean change and its 95 % interval, or why there is none."""
    change = info.change
    if change is None:
        return "not known yet"
    mean = difference_words(info.measure, change.change)
    if not math.isfinite(change.low + change.high):
        return f"{mean} (one seed: no interval)" if change.pairs == 1 else mean
    ends = (difference_words(info.measure, end).removesuffix(" points").removesuffix(" nats") for end in (change.low, change.high))
    return f"{mean} (95 %: {' to '.join(ends)})"


# -- drawing ---------------------------------------------------------------------------------------


def before_after_figure(info: Pairs, palette: Palette, height: int = 260) -> Figure:
    """A line for each seed from before (open) to after (filled); beside them where the mean after lies, with the 95 % interval of its
    change; dotted: the mean before, which is no change. Triangles: the same networks on the true labels."""
    change = info.change
    if change is None:
        return empty_figure("No pair of runs is finished yet.", palette, height)
    stages = [stage for stage in STAGES if stage != "perfect" or info.perfect]
    low, high = _span(info)
    ticks = {"tickvals": [PLACES[stage] for stage in stages], "ticktext": [STAGES[stage].replace(" ", "<br>") for stage in stages]}
    right = PLACES[stages[-1]] + 0.4
    percents = {"tickformat": PERCENT if high - low > 0.1 else ",.1%"} if MEASURES[info.measure].is_share else {}
    return {
        "data": [*_lines(info, palette), *_dots(info, palette), _mean(info, change, palette)],
        "layout": layout(
            palette, height, (66, 8, 30, 44),
            shapes=[_no_change(change, palette)], annotations=[_headline(info, palette)],
            xaxis=axis("", palette, range=[-0.3, right], showgrid=False, fixedrange=True, tickangle=0, **ticks),
            yaxis=axis(info.title, palette, range=[low, high], nticks=6, exponentformat="power", **percents),
        ),
    }  # fmt: skip


def _span(info: Pairs) -> tuple[float, float]:
    """Range of the axis: all values and the interval, with a tenth of room."""
    values = [*info.before, *info.after, *info.perfect.values()]
    if info.change is not None:
        ends = (info.change.before + end for end in (info.change.low, info.change.high))
        values += [end for end in ends if math.isfinite(end)]
    low, high = min(values), max(values)
    room = 0.1 * (high - low) or 0.05 * abs(high) or 0.05
    return low - room, high + room


def _colour(info: Pairs, palette: Palette) -> str:
    return palette.of(MEASURES[info.measure].meaning)


def _lines(info: Pairs, palette: Palette) -> list[Trace]:
    style = {"color": palette.faint, "width": 1.5}
    return [
        {"type": "scatter", "mode": "lines", "name": f"seed {seed}", "x": [PLACES["before"], PLACES["after"]], "y": [a, b], "line": style,
         "hoverinfo": "skip"}
        for seed, a, b in zip(info.seeds, info.before, info.after, strict=True)
    ]  # fmt: skip


def _dots(info: Pairs, palette: Palette) -> list[Trace]:
    """The runs of each stage, one trace a stage."""
    values: dict[str, tuple[Sequence[int], Sequence[float]]] = {
        "before": (info.seeds, info.before), "after": (info.seeds, info.after),
        "perfect": (tuple(info.perfect), tuple(info.perfect.values())),
    }  # fmt: skip
    return [_stage(info, stage, seeds, shown, palette) for stage, (seeds, shown) in values.items() if seeds]


def _stage(info: Pairs, stage: str, seeds: Sequence[int], values: Sequence[float], palette: Palette) -> Trace:
    words = [f"{STAGES[stage]}, seed {seed}: {value_words(info.measure, v)}" for seed, v in zip(seeds, values, strict=True)]
    line = {"color": _colour(info, palette), "width": 2}
    return {
        "type": "scatter", "mode": "markers", "name": STAGES[stage], "x": [PLACES[stage]] * len(seeds), "y": list(values),
        "marker": {"symbol": SYMBOLS[stage], "size": 9, "color": _colour(info, palette), "line": line}, "cliponaxis": False,
        "text": words, "hovertemplate": "%{text}<extra></extra>",
    }  # fmt: skip


def _mean(info: Pairs, change: PairedChange, palette: Palette) -> Trace:
    """The mean after, with the interval of the change around it."""
    trace: Trace = {
        "type": "scatter", "mode": "markers", "name": STAGES["change"], "x": [PLACES["change"]], "y": [change.after], "cliponaxis": False,
        "marker": {"symbol": SYMBOLS["change"], "size": 16, "color": palette.text, "line": {"color": palette.text, "width": 3}},
        "text": [f"mean change {change_words(info)}"], "hovertemplate": "%{text}<extra></extra>",
    }  # fmt: skip
    if math.isfinite(change.low + change.high):
        over, under = change.high - change.change, change.change - change.low
        trace["error_y"] = {
            "type": "data", "symmetric": False, "array": [over], "arrayminus": [under], "color": palette.text, "thickness": 2, "width": 7,
        }  # fmt: skip
    return trace


def _no_change(change: PairedChange, palette: Palette) -> dict[str, Any]:
    """From the mean before to below the interval: where it would be without a change."""
    return {
        "type": "line", "x0": PLACES["before"] - 0.2, "x1": PLACES["change"] + 0.25, "y0": change.before, "y1": change.before,
        "xref": "x", "yref": "y", "layer": "between", "line": {"color": palette.muted, "width": 1.5, "dash": "dot"},
    }  # fmt: skip


def _headline(info: Pairs, palette: Palette) -> dict[str, Any]:
    ink = palette.ink(MEASURES[info.measure].meaning)
    place = {"xref": "paper", "yref": "paper", "yanchor": "bottom", "yshift": 6, "font": {"color": ink, "size": 13}}
    return note(change_words(info), 0, 1, palette, **place)
