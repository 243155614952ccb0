"""The tabs of a page, one of them named in the link."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import streamlit as st

from explorer.ui import state


def show_tabs(page: str, tabs: Mapping[str, tuple[str, Callable[..., None]]], *handed: object) -> None:
    """Draw the open tab; what nobody looks at is not computed.

    page: begins the widget's key. tabs: name in the link to title and what shows it; the first one is open where the link names none.
    handed: what each is called with.
    """
    key, asked, standard = f"{page}_tab", state.page_value("tab"), next(iter(tabs))
    st.session_state.setdefault(key, tabs[asked if asked in tabs else standard][0])
    drawn = st.tabs([title for title, _ in tabs.values()], key=key, on_change="rerun")
    for tab, (name, (_, show)) in zip(drawn, tabs.items(), strict=True):
        if tab.open:
            state.write_query(tab=name if name != standard else None)
            with tab:
                show(*handed)
