"""The script Streamlit runs for every visitor: style, access, navigation.

It stands among the pages on purpose: below a script that has a folder ``pages`` beside it, the first visitor of a server who
comes by a deep link would be given the bare page script, without what is prepared here.
"""

from __future__ import annotations

import os
import secrets

import streamlit as st

from explorer.ui import state
from explorer.ui.assets import ASSETS, apply_style

st.set_page_config(page_title="Memorization Explorer", page_icon=str(ASSETS / "logo.svg"), layout="wide")
apply_style()
st.logo(str(ASSETS / "logo.svg"), size="large")
state.start()

token = os.environ.get("EXPLORER_TOKEN")
if token and not secrets.compare_digest(state.page_value("token").encode(), token.encode()):
    st.error("This app is shared by link. Open it with the full link you were given: it ends in a token.")
    st.stop()

page = st.navigation(
    [
        st.Page("train.py", title="Train", icon=":material/show_chart:", default=True),
        st.Page("inspect.py", title="Inspect", icon=":material/image_search:"),
        st.Page("fix.py", title="Fix", icon=":material/fact_check:"),
        st.Page("compare.py", title="Compare", icon=":material/compare_arrows:"),
    ],
    position="top",
)
if target := st.session_state.pop("go_to", None):  # asked for by a button or a card
    st.switch_page(target)
st.session_state.page_path = page.url_path
page.run()
