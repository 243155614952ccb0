"""Meaning has one colour everywhere: the palette, the same words and symbols for it, and numbers as text.

Colour never stands alone: every meaning also has a dash, a marker symbol and a word.
"""

from __future__ import annotations

import math
from typing import NamedTuple

UNKNOWN = "-"


class Meaning(NamedTuple):
    """One thing we show: its colour on a light and on a dark page, and what else tells it apart."""

    light: str
    dark: str
    dash: str  # as plotly names it
    symbol: str  # marker, as plotly names it
    word: str
    width: float = 2.0

    def colour(self, dark: bool) -> str:
        return self.dark if dark else self.light


MEANINGS: dict[str, Meaning] = {
    "fit": Meaning("#0072B2", "#56B4E9", "solid", "circle", "fits the true label"),
    "memorized": Meaning("#D55E00", "#FF8A3D", "solid", "x", "memorized"),
    "recovered": Meaning("#009E73", "#3DDC97", "dash", "triangle-up", "recovered"),
    "neither": Meaning("#8A8A8A", "#A8A8A8", "dot", "square-open", "neither"),
    "test": Meaning("#1A1A1A", "#F2F2F2", "solid", "circle-open", "clean test accuracy", 3.0),
    "train": Meaning("#5F666D", "#9AA3AD", "dashdot", "diamond-open", "training accuracy"),
    "susceptibility": Meaning("#7B3FA0", "#C792EA", "solid", "diamond", "susceptibility"),
    "curvature": Meaning("#B58900", "#E6C34A", "solid", "hexagon", "mean curvature"),
}


class Palette(NamedTuple):
    """Every colour a drawing needs, for one of the two pages. The first eight are the meanings."""

    fit: str
    memorized: str
    recovered: str
    neither: str
    test: str
    train: str
    susceptibility: str
    curvature: str
    dark: bool
    background: str
    panel: str
    text: str
    muted: str  # captions, axis titles
    faint: str  # earlier runs, region lines
    grid: str

    def of(self, name: str) -> str:
        """Colour of the meaning ``name``."""
        return MEANINGS[name].colour(self.dark)

    def ink(self, name: str) -> str:
        """That colour moved towards the text colour until small letters in it are readable (4.5 to 1)."""
        return readable(self.of(name), self.background, self.text)

    def tint(self, name: str, share: float) -> str:
        """That colour as a wash over the page: ``share`` of it, the rest background."""
        return mix(self.background, self.of(name), share)


_PAGE = ("background", "panel", "text", "muted", "faint", "grid")
_LIGHT_PAGE = dict(zip(_PAGE, ("#FFFFFF", "#F5F6F7", "#1F2428", "#5F666D", "#B4BAC0", "#E9EBED"), strict=True))
_DARK_PAGE = dict(zip(_PAGE, ("#14171A", "#1C2125", "#E8EAED", "#9AA3AD", "#565F68", "#262C31"), strict=True))


def colours(dark: bool) -> Palette:
    meanings = {name: meaning.colour(dark) for name, meaning in MEANINGS.items()}
    return Palette(dark=dark, **(_DARK_PAGE if dark else _LIGHT_PAGE), **meanings)


def _rgb(colour: str) -> tuple[int, int, int]:
    return int(colour[1:3], 16), int(colour[3:5], 16), int(colour[5:7], 16)


def mix(first: str, second: str, share: float) -> str:
    """``share`` (0 to 1) of the second colour, the rest of the first. Colours are #RRGGBB."""
    return "#" + "".join(f"{round(a + (b - a) * share):02X}" for a, b in zip(_rgb(first), _rgb(second), strict=True))


def _luminance(colour: str) -> float:
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in (v / 255 for v in _rgb(colour))]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(first: str, second: str) -> float:
    """WCAG contrast ratio of two colours, 1 (same) to 21 (black on white)."""
    dim, bright = sorted((_luminance(first), _luminance(second)))
    return (bright + 0.05) / (dim + 0.05)


def readable(colour: str, background: str, text: str, least: float = 4.5) -> str:
    """``colour``, moved towards ``text`` in steps of 10 % until its contrast with ``background`` is ``least``."""
    steps = (mix(colour, text, step / 10) for step in range(11))
    return next((step for step in steps if contrast(step, background) >= least), text)


def _known(value: float | None) -> bool:
    return value is not None and math.isfinite(value)


def percent(value: float | None) -> str:
    """0.8 -> ``80.0 %``; unknown -> ``-``."""
    return f"{100 * value:.1f} %" if value is not None and _known(value) else UNKNOWN


def significant(value: float | None, digits: int = 2) -> str:
    """0.01234 -> ``0.012``, 123.4 -> ``120``, 0.0000123 -> ``1.2e-5``; unknown -> ``-``."""
    if value is None or not _known(value):
        return UNKNOWN
    if value == 0:
        return "0"
    mantissa, exponent = f"{value:.{digits - 1}e}".split("e")
    power = int(exponent)
    if power < -4 or power > 6:
        return f"{mantissa}e{power}"
    return f"{float(f'{mantissa}e{power}'):.{max(0, digits - 1 - power)}f}"


def susceptibility(value: float | None) -> str:
    """0.0123 -> ``0.012 nats``; unknown -> ``-``."""
    return f"{significant(value)} nats" if _known(value) else UNKNOWN


def seconds(value: float | None) -> str:
    """75 -> ``1:15``, 3700 -> ``1:01:40``; unknown -> ``-``."""
    if value is None or not _known(value):
        return UNKNOWN
    minutes, rest = divmod(round(max(0.0, value)), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"


def count(value: float | None) -> str:
    """3100 -> ``3,100``; unknown -> ``-``."""
    return f"{value:,.0f}" if value is not None and _known(value) else UNKNOWN
