"""The palette keeps its promises (readable, never colour alone) and numbers are written with the digits they deserve."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from explorer.ui import theme

ROOT = Path(__file__).parents[2]
BOTH = pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
KNOWN = [(0.0, "0.0 %"), (0.8, "80.0 %"), (0.12345, "12.3 %"), (1.0, "100.0 %")]


@BOTH
@pytest.mark.parametrize("name", theme.MEANINGS)
def test_every_meaning_stands_out_from_the_page(name: str, dark: bool) -> None:
    palette = theme.colours(dark)
    assert theme.contrast(palette.of(name), palette.background) >= 3
    assert theme.contrast(palette.ink(name), palette.background) >= 4.5
    assert getattr(palette, name) == palette.of(name)


@BOTH
def test_words_and_runs_stand_out_from_the_page(dark: bool) -> None:
    palette = theme.colours(dark)
    for colour in (palette.text, palette.muted):
        assert theme.contrast(colour, palette.background) >= 4.5
        assert theme.contrast(colour, palette.panel) >= 4.5


def test_no_two_meanings_differ_by_colour_alone() -> None:
    looks = [(meaning.dash, meaning.symbol, meaning.width) for meaning in theme.MEANINGS.values()]
    assert len(set(looks)) == len(looks)
    assert len({meaning.word for meaning in theme.MEANINGS.values()}) == len(looks)


def test_contrast_of_black_on_white_is_21() -> None:
    assert theme.contrast("#000000", "#FFFFFF") == pytest.approx(21)
    assert theme.contrast("#777777", "#FFFFFF") == pytest.approx(4.48, abs=0.01)
    assert theme.contrast("#123456", "#123456") == 1


def test_mix_goes_from_one_colour_to_the_other() -> None:
    assert [theme.mix("#000000", "#FF8000", share) for share in (0, 0.5, 1)] == ["#000000", "#804000", "#FF8000"]


@BOTH
def test_the_configuration_has_the_same_colours(dark: bool) -> None:
    config = tomllib.loads((ROOT / ".streamlit" / "config.toml").read_text(encoding="utf-8"))
    page, palette = config["theme"]["dark" if dark else "light"], theme.colours(dark)
    pairs = {"backgroundColor": "background", "secondaryBackgroundColor": "panel", "textColor": "text", "primaryColor": "fit",
             "orangeColor": "memorized", "greenColor": "recovered",
             "violetColor": "susceptibility", "yellowColor": "curvature"}  # fmt: skip
    assert {option: page[option] for option in pairs} == {option: getattr(palette, name) for option, name in pairs.items()}


@pytest.mark.parametrize(("value", "text"), KNOWN)
def test_percent(value: float, text: str) -> None:
    assert theme.percent(value) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.0, "0"), (0.01234, "0.012"), (-0.5, "-0.50"), (9.96, "10"), (123.4, "120"), (0.0996, "0.10"), (1.23e-5, "1.2e-5"), (1, "1.0")],
)
def test_significant(value: float, text: str) -> None:
    assert theme.significant(value) == text


@pytest.mark.parametrize(("value", "text"), [(0, "0:00"), (59.7, "1:00"), (75, "1:15"), (3700, "1:01:40"), (-3, "0:00")])
def test_seconds(value: float, text: str) -> None:
    assert theme.seconds(value) == text


@pytest.mark.parametrize("write", [theme.percent, theme.significant, theme.susceptibility, theme.seconds, theme.count])
@pytest.mark.parametrize("value", [None, float("nan"), float("inf")])
def test_the_unknown_is_a_dash(write: object, value: float | None) -> None:
    assert callable(write) and write(value) == "-"


def test_units() -> None:
    assert theme.susceptibility(0.0456) == "0.046 nats"
    assert theme.count(3100) == "3,100"
