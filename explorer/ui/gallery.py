"""Image cards: the same card on every page, in a grid that can be clicked and walked through by keyboard."""

from __future__ import annotations

import base64
import io
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import streamlit as st
from PIL import Image

from explorer.ui.assets import palette, source
from explorer.ui.theme import Palette

_HERE = Path(__file__)
_component = st.components.v2.component(
    "explorer_gallery",
    js=source(_HERE.with_suffix(".js")),
    css=source(_HERE.with_suffix(".css")),
)
_PIXELATED_BELOW = 64
_SPARK_POINTS = 40
_LEAST = 96  # pixels of an image on screen
_TWIN = 0.67  # of it, its near duplicate beside it


@dataclass(frozen=True, slots=True)
class Card:
    """One training image as shown. Words are class names; ``true`` is None where nobody knows.

    predicted: the class it was taken for most often so far (at the end, a memorizing network repeats the given label); empty for none.

    percentile: 0 to 1, how suspicious among all images (1 = most). badge: ``conflict`` (gets the double frame),
    ``flipped``, ``planted copy`` ... partner_image: its near duplicate. losses: of the recorded epochs, oldest first.
    note: a line below the words. pixels: longer side of the image itself, 0 where it does not matter.
    """

    example: int
    image: str  # data URL
    given: str
    predicted: str
    true: str | None = None
    percentile: float | None = None
    badge: str = ""
    partner_image: str = ""
    partner_caption: str = ""
    losses: tuple[float, ...] = ()
    note: str = ""
    pixels: int = 0

    @property
    def label(self) -> str:
        """``given 7 → looks like 1 (true 1)``"""
        looks = f"given {self.given} \u2192 looks like {self.predicted}" if self.predicted else f"given {self.given}"
        return looks if self.true is None else f"{looks} (true {self.true})"

    @property
    def is_conflict(self) -> bool:
        return self.badge.startswith("conflict")

    @property
    def alt(self) -> str:
        """The whole card in a sentence."""
        parts = [f"Image {self.example}: given {self.given}"]
        if self.predicted:
            parts.append(f"looks like {self.predicted}")
        if self.true is not None:
            parts.append(f"true label {self.true}")
        if self.badge:
            parts.append(self.badge)
        if self.percentile is not None:
            parts.append(f"more suspicious than {self.percentile:.0%} of the images")
        if self.note:
            parts.append(self.note)
        if self.partner_image:
            parts.append(f"beside it its near duplicate{', ' + self.partner_caption if self.partner_caption else ''}")
        return ", ".join(parts) + "."


def image_url(image: np.ndarray, largest: int | None = None) -> str:
    """A uint8 ``[H, W, C]`` (C = 1 or 3) or ``[H, W]`` image as a data URL: PNG when tiny, else JPEG. Cache the result.

    largest: pixels of the longer side from which on it is made smaller, never below where it counts as tiny.
    """
    pixels = np.asarray(image)
    if pixels.dtype != np.uint8 or pixels.ndim not in (2, 3):
        raise ValueError(f"image_url wants uint8 [H, W, C], got {pixels.dtype} {list(pixels.shape)}")
    if pixels.ndim == 3 and pixels.shape[2] == 1:
        pixels = pixels[:, :, 0]
    tiny = max(pixels.shape[:2]) < _PIXELATED_BELOW
    buffer, picture = io.BytesIO(), Image.fromarray(pixels)
    if tiny:
        picture.save(buffer, "PNG", optimize=True)
    else:
        if largest is not None:
            picture.thumbnail((max(largest, _PIXELATED_BELOW),) * 2)
        picture.save(buffer, "JPEG", quality=85)
    kind = "png" if tiny else "jpeg"
    return f"data:image/{kind};base64,{base64.b64encode(buffer.getvalue()).decode()}"


def sparkline(losses: Sequence[float], points: int = _SPARK_POINTS) -> list[float]:
    """At most ``points`` of the finite losses, scaled to 0 (zero) .. 1 (largest), first and last kept."""
    values = np.asarray(losses, dtype=float)
    values = values[np.isfinite(values)]
    if values.size < 2:
        return []
    chosen = values[np.linspace(0, values.size - 1, min(points, values.size)).round().astype(int)]
    top = max(float(values.max()), 1e-9)
    return [round(float(value) / top, 3) for value in chosen]


def crisp(pixels: int, wanted: float, least: int = 1) -> int:
    """Size on screen: ``wanted``, at least ``least``; of a small image a whole multiple, so that its pixels are all of one size."""
    if not 0 < pixels < _PIXELATED_BELOW:
        return max(least, round(wanted))
    return pixels * max(1, math.ceil(least / pixels), int(wanted / pixels))


def card_data(card: Card) -> dict[str, Any]:
    """What the browser gets for one card; empty things are left out."""
    data = {
        "id": card.example,
        "image": card.image,
        "label": card.label,
        "alt": card.alt,
        "score": None if card.percentile is None else round(min(1.0, max(0.0, card.percentile)), 3),
        "badge": card.badge,
        "conflict": card.is_conflict,
        "wrong": card.true is not None and card.true != card.given,
        "partner": card.partner_image,
        "caption": card.partner_caption,
        "note": card.note,
        "spark": sparkline(card.losses),
    }
    return {name: value for name, value in data.items() if value or (value is not False and isinstance(value, int | float))}


def _colours(palette: Palette) -> dict[str, str]:
    return {name: getattr(palette, name) for name in ("memorized", "fit", "text", "muted", "grid", "background", "panel")}


def gallery(
    cards: Sequence[Card], *, key: str, columns: int | None = None, size: int | None = None, compact: bool = False,
    pairs: bool = False, selected: int = -1, walk: tuple[bool, bool] | None = None, on_click: Callable[[int], None] | None = None,
    on_turn: Callable[[int], None] | None = None, follow: int | None = None, label: str = "Images", empty: str = "No images to show.",
) -> int | None:  # fmt: skip
    """Draw the cards; the example id of the card just clicked (once, in the rerun it causes), else None.

    columns: None fits as many as the width allows. size: pixels of the image, at least 96. compact: for a narrow
    column, the near duplicate below the words. pairs: the near duplicate as large as the image. selected: the example to mark.
    walk: let the keys j and k move through the cards wherever the focus is; whether there are cards before, and after these.
    on_click: called with the example before the page is drawn again; on_turn: with -1 or 1 where a key leads beyond these cards.
    follow: number of this order to mark ``selected``; then arrows move the mark wherever the focus is, and ``focused`` in the state of
    the component is at every moment (example, number of the order it was moved under).
    label: what the list is, for screen readers. empty: said when there are no cards.
    """
    colours, pixels = palette(), cards[0].pixels if cards and not compact else 0
    size = crisp(pixels, size or (_LEAST if compact else 112), _LEAST)
    data = {
        "dark": colours.dark,
        "cards": [card_data(card) for card in cards],
        "selected": _told(key, selected, [card.example for card in cards]) if follow is None else [selected, follow],
        "follow": follow is not None,
        "walk": walk,
        "columns": columns,
        "size": size,
        "twin": crisp(pixels, _TWIN * size),
        "compact": compact,
        "pairs": pairs,
        "label": label,
        "empty": empty,
        "colours": _colours(colours),
    }
    clicked = _component(
        key=key, data=data, on_clicked_change=lambda: _clicked(key, on_click), on_turned_change=lambda: _turned(key, on_turn),
        on_focused_change=_moved,
    ).clicked  # fmt: skip
    return None if clicked is None else int(clicked)


def _clicked(key: str, then: Callable[[int], None] | None) -> None:
    """The browser has marked the card already."""
    clicked = st.session_state[key].clicked
    if clicked is not None and f"{key}_marked" in st.session_state:
        st.session_state[f"{key}_marked"]["shown"] = int(clicked)
    if clicked is not None and then is not None:
        then(int(clicked))


def _moved() -> None:
    """What follows the mark reads it when it is drawn again."""


def _turned(key: str, then: Callable[[int], None] | None) -> None:
    step = st.session_state[key].turned
    if step is not None and then is not None:
        then(1 if step > 0 else -1)


def _told(key: str, selected: int, examples: list[int]) -> list[int]:
    """(example to mark, number of this order). The number grows only when the browser does not show it so already.

    After a click the message to the browser is therefore the one it has, and hundreds of images do not travel again.
    """
    marked = st.session_state.get(f"{key}_marked", {"order": [-1, 0]})
    if key not in st.session_state or marked["shown"] != selected or marked["examples"] != examples:
        order = [selected, marked["order"][1] + 1]
        st.session_state[f"{key}_marked"] = marked = {"order": order, "shown": selected, "examples": examples}
    return list(marked["order"])
