"""What a visitor is looking at, kept in the URL so that it can be shared: the config being edited and the run shown."""

from __future__ import annotations

from collections.abc import Collection, Mapping

import streamlit as st

from explorer.config import OPTIONS, ConfigError, RunConfig, with_preset
from explorer.ui.words import plain

PAGE_KEYS = (
    "run", "tab", "score", "with", "against", "sign", "show", "cls", "looks", "truth", "only", "per", "page", "image", "cell", "versus",
    "axis", "top", "cut", "cut_pairs", "token", "colour", "runs", "metrics", "across", "by", "band", "a", "b", "pair_score", "changed",
    "order", "which", "at", "layout", "whose", "reviewed", "sweep", "group",
)  # fmt: skip


def start() -> None:
    """Read the URL once per visit. What cannot be used is said on the page, and the defaults stand in for it."""
    if "config" in st.session_state:
        return
    st.session_state.config, st.session_state.url_errors = read_query(dict(st.query_params.items()))
    for name in PAGE_KEYS:
        if name in st.query_params:
            st.session_state[f"url_{name}"] = st.query_params[name]


def read_query(query: dict[str, str]) -> tuple[RunConfig, list[str]]:
    """A config from URL parameters, field by field, and a sentence for every one that could not be used."""
    good: dict[str, str] = {}
    errors: list[str] = []
    for name, text in query.items():
        if name not in OPTIONS:
            if name not in PAGE_KEYS:
                errors.append(f"{name} in the link is not a setting of this app and was left out")
            continue
        try:
            RunConfig.from_query({name: text})
            good[name] = text
        except ConfigError as error:
            errors.append(f"{error.field} in the link, {str(error.value)!r}, {error.why}; the default is used")
    return RunConfig.from_query(with_preset(good)), errors


def config_query(config: RunConfig) -> dict[str, str]:
    """The URL parameters ``read_query`` makes ``config`` of: ELR's preset is named where the link alone would not lead to it."""
    query = config.to_query()
    if read_query(query)[0] == config:
        return query
    return query | {name: str(getattr(config, name)) for name in ("elr_beta", "elr_lambda")}


def write_query(**page: str | None) -> None:
    """Put config and page state into the URL, only what differs from the defaults, and only when something changed."""
    wanted = config_query(st.session_state.config)
    for name in PAGE_KEYS:
        if name in page:
            st.session_state[f"url_{name}"] = page[name] or ""
        value = st.session_state.get(f"url_{name}", "")
        if value:
            wanted[name] = value
    if dict(st.query_params.items()) != wanted:
        st.query_params.from_dict(wanted)


def page_value(name: str, default: str = "") -> str:
    return str(st.session_state.get(f"url_{name}", "") or default)


def forget(*names: str) -> None:
    """Back to the defaults: what the link says of these, and the widgets that hold them (see ``linked``)."""
    for name in names:
        st.session_state[f"url_{name}"] = ""
        st.session_state.pop(f"view_{name}", None)


def quoted(text: str) -> str:
    """A value somebody put into a link, as the page says it back: not all of it, and its markdown stays text."""
    return plain(repr(text[:60])).replace("\\-", "-")


def linked(name: str, options: Collection[str], default: str, word: str) -> str:
    """The key of a widget that starts with what the link says; draw it with this key and without an index.

    What is not among the options, in the link or after another run was chosen, is said on the page and replaced by the default.
    """
    key = f"view_{name}"
    value = st.session_state.get(key, page_value(name, default))
    if value is None:  # a list whose text was deleted
        value = default
    elif value not in options:
        st.warning(f"The {word} {quoted(value)} is unknown in this run and was left out.")
        value = default
    if st.session_state.get(key) != value:
        st.session_state[key] = value
    return key


def reworded(key: str, texts: Mapping[str, str]) -> str:
    """``key``, of a widget whose options may read otherwise than when it was last drawn, as with other counts in them.

    A browser answers with the text of what is chosen, so it is told its choice in the new text: the old one would be no option.
    """
    if st.session_state.get(f"{key}_texts") != texts:
        st.session_state[f"{key}_texts"] = texts
        st.session_state[key] = st.session_state[key]
    return key


def show_url_errors() -> None:
    for error in st.session_state.get("url_errors", []):
        st.warning(error.rstrip(".") + ".")
