"""One widget for one setting. The setting's name is the widget's key; its value waits there in the session."""

from __future__ import annotations

import sys
from collections.abc import Sequence

import streamlit as st

from explorer.config import EFFECTIVE, OPTIONS
from explorer.ui.words import label, word


def has_effect(name: str) -> bool:
    """Whether a setting says anything beside the others as they are chosen now."""
    return all(st.session_state[deciding] in values for deciding, values, names in EFFECTIVE if name in names)


def select(name: str, choices: Sequence[str] = (), *, help: str = "") -> None:
    """choices: those of the setting, unless given."""
    st.selectbox(label(name), choices or OPTIONS[name].choices, format_func=word, key=name, help=help or OPTIONS[name].help)


def number(name: str, *, step: float | int, format: str | None = None, help: str = "") -> None:
    option = OPTIONS[name]
    kind = option.kind
    low = None if option.low is None else kind(option.low) if not option.above else sys.float_info.min
    high = None if option.high is None else kind(option.high)
    st.number_input(
        label(name), min_value=low, max_value=high, step=kind(step), key=name, help=help or option.help, format=format,
    )  # fmt: skip


def numbers(steps: dict[str, float], *, formats: dict[str, str] | None = None, helps: dict[str, str] | None = None) -> None:
    """Number widgets in rows of two, those that have an effect. steps: setting to step, in order."""
    shown = [name for name in steps if has_effect(name)]
    for start in range(0, len(shown), 2):
        for column, name in zip(st.columns(2), shown[start : start + 2], strict=False):
            with column:
                number(name, step=steps[name], format=(formats or {}).get(name), help=(helps or {}).get(name, ""))
