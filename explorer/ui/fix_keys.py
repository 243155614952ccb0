"""The Fix page: the buttons of a decision, each with its key; all of it can be done without a mouse."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from explorer.records import NO_CLASS
from explorer.ui import fix_decide, fix_turn
from explorer.ui.assets import source
from explorer.ui.fix_turn import Turn
from explorer.ui.words import plain

KEYS = {
    "keep": "K", "accept": "A", "ambiguous": "M", "exclude": "X", "skip": "S", "back": "B", "undo": "U", "redo": "Y", "next": "N",
    "rest": "E",
}  # fmt: skip
FEW_CLASSES = 10  # up to so many have a key each
LIST = "fix_list"
STYLE = """<style>
.st-key-fix_digits button, .st-key-fix_classes button { padding: 0 0.5rem; min-width: 2.2rem; }
.st-key-fix_digits [aria-label^="Shortcut"] { display: none; }
</style>"""
_component = st.components.v2.component("explorer_fix_keys", js=source(Path(__file__).with_suffix(".js")))


def class_keys(class_names: Sequence[str]) -> list[str]:
    """A key for each of up to ten classes: its own name where all names are single digits, else 1 to 9 and 0 in order."""
    if len(class_names) > FEW_CLASSES:
        return []
    if all(len(name) == 1 and name in "0123456789" for name in class_names) and len(set(class_names)) == len(class_names):
        return list(class_names)
    return list("1234567890"[: len(class_names)])


def decision_keys(turn: Turn) -> None:
    """Keep, accept, ambiguous, exclude; then every class, by key or from a list."""
    run, n = turn.work.review.run, fix_turn.focus_of(turn)
    names, given, suggested = run.class_names, int(run.labels.given_label[n]), int(turn.work.advice.together.label[n])
    rows = (2, 2) if turn.work.grid else (4,)  # beside a grid there is less room
    keep, accept, ambiguous, exclude = (place for row in rows for place in st.columns(row, gap="small"))
    _button(keep, turn, "keep", f"Keep {plain(names[given])}", help_text="The given label is right.")
    offered = f"Accept {plain(names[suggested])}" if suggested != NO_CLASS else "No suggestion"
    _button(accept, turn, "accept", offered, disabled=suggested == NO_CLASS, help_text="What is suggested is right.")
    _button(ambiguous, turn, "ambiguous", "Ambiguous", help_text="Nobody could tell from this image. It is left out of training.")
    _button(
        exclude, turn, "exclude", "Exclude", help_text="Shows none of the classes, so the given label is wrong. It is left out of training."
    )
    _labels(turn, given)


def _button(place: DeltaGenerator, turn: Turn, action: str, text: str, *, disabled: bool = False, help_text: str = "") -> None:
    place.button(
        text, key=f"fix_{action}_{turn.number}", shortcut=KEYS[action], width="stretch", disabled=disabled, help=help_text or None,
        on_click=fix_decide.decide, args=(turn, action),
    )  # fmt: skip


def _labels(turn: Turn, given: int) -> None:
    names = turn.work.review.run.class_names
    keys = class_keys(names)
    if not keys:
        _list(turn, given)
        return
    own = tuple(keys) == tuple(names)  # then a key need not stand twice on its button
    with st.container(horizontal=True, gap="xxsmall", key="fix_digits" if own else "fix_classes"):
        for label, (name, key) in enumerate(zip(names, keys, strict=True)):
            st.button(
                plain(name), key=f"fix_class_{label}_{turn.number}", shortcut=key, disabled=label == given,
                on_click=fix_decide.decide, args=(turn, "relabel", label),
            )  # fmt: skip


def _list(turn: Turn, given: int) -> None:
    """Every class but the given one, to search by typing."""
    names, key = turn.work.review.run.class_names, f"fix_label_{turn.number}"

    def chosen() -> None:
        label = st.session_state[key]
        if label is not None:
            fix_decide.decide(turn, "relabel", int(label))

    with st.container(key=LIST):
        st.selectbox(
            "Another label (L)", [label for label in range(len(names)) if label != given], index=None, key=key, on_change=chosen,
            format_func=names.__getitem__, placeholder="Another label: press L, type, Enter", label_visibility="collapsed",
        )  # fmt: skip


def moving_keys(turn: Turn) -> None:
    """Skip, back, undo and redo; in a grid the next page, and what is left of this one. At the end nothing is left to skip."""
    with st.container(horizontal=True, gap="medium", key="fix_moving"):
        if turn.shown:
            _quiet(turn, "skip", "Skip", fix_decide.skip)
        _quiet(turn, "back", "Back", fix_decide.back)
        for action, then in (("undo", fix_decide.undo), ("redo", fix_decide.redo)):  # the same in every turn
            st.button(action.capitalize(), key=f"fix_{action}", shortcut=KEYS[action], type="tertiary", on_click=then, args=(turn.work,))
    if turn.work.grid and turn.shown:
        with st.container(horizontal=True, gap="medium", key="fix_paging"):
            _quiet(turn, "rest", "Keep the rest of this page", fix_decide.keep_rest)
            _quiet(turn, "next", "Next page", fix_decide.next_page)


def _quiet(turn: Turn, action: str, text: str, then: Callable[[Turn], None]) -> None:
    st.button(text, key=f"fix_{action}_{turn.number}", shortcut=KEYS[action], type="tertiary", on_click=then, args=(turn,))


def listen() -> None:
    """A key held down counts once; L leads to the list of labels."""
    held = [key.lower() for key in KEYS.values()] + list("0123456789")
    st.html(STYLE)
    _component(key="fix_keys", data={"held": held, "list": LIST})
