"""Images that belong together, each group in a frame of its own: its first image, the others beside it, what can be said of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import streamlit as st

from explorer.ui.assets import palette, source
from explorer.ui.gallery import crisp

_HERE = Path(__file__)
_component = st.components.v2.component("explorer_strips", js=source(_HERE.with_suffix(".js")), css=source(_HERE.with_suffix(".css")))


@dataclass(frozen=True, slots=True)
class Member:
    """One image. example: position in the training set, -1 for one that cannot be opened. label: the words below it.

    mark: a word on the image. other: its label is not that of the first. below: more words, quietly.
    """

    example: int
    image: str  # data URL
    label: str
    alt: str
    mark: str = ""
    other: bool = False
    below: str = ""


@dataclass(frozen=True, slots=True)
class StripCard:
    """One group as shown. conflict: gets the double frame. badge, title: above the images; note: below them."""

    members: tuple[Member, ...]
    conflict: bool = False
    badge: str = ""
    title: str = ""
    note: str = ""


def card_data(number: int, card: StripCard) -> dict[str, Any]:
    """What the browser gets for one group; empty things are left out."""
    members = [
        {"id": each.example, **_filled({"image": each.image, "label": each.label, "alt": each.alt, "mark": each.mark, "other": each.other,
                                        "below": each.below})}
        for each in card.members
    ]  # fmt: skip
    words = _filled({"conflict": card.conflict, "badge": card.badge, "title": card.title, "note": card.note})
    return {"id": number, "members": members, **words}


def _filled(data: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in data.items() if value}


def strips(
    cards: Sequence[StripCard], *, key: str, pixels: int, size: int = 96, compact: bool = False,
    on_open: Callable[[int, int], None] | None = None, action: str = "", divider: int = -1, divided: str = "",
    label: str = "Groups of images", empty: str = "No group to show.",
) -> None:  # fmt: skip
    """Draw the groups.

    pixels: longer side of the images themselves. size: wanted on screen. compact: close together. on_open: called before the page is
    drawn again with the number of a group and the example clicked, -1 where it was the button ``action`` below it. divider: a line
    before the group of this number, with the words ``divided``. label: what the list is, for screen readers. empty: said when there
    are no groups.
    """
    colours = palette()
    data = {
        "dark": colours.dark,
        "strips": [card_data(number, card) for number, card in enumerate(cards)],
        "size": crisp(pixels, size),
        "compact": compact,
        "action": action,
        "divider": divider,
        "divided": divided,
        "label": label,
        "empty": empty,
        "colours": {name: getattr(colours, name) for name in ("memorized", "fit", "text", "muted", "faint", "grid", "background", "panel")}
        | {"conflict-ink": colours.ink("memorized")},
    }
    _component(key=key, data=data, on_opened_change=lambda: _opened(key, on_open))


def _opened(key: str, then: Callable[[int, int], None] | None) -> None:
    found = st.session_state[key].opened
    if found is not None and then is not None:
        then(int(found[0]), int(found[1]))
