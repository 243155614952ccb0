"""Fix: what should the label be?"""

import streamlit as st

from explorer.ui import fix_bulk, fix_files, fix_retrain, fix_review, reviewing, state

TABS = {  # name in the URL: title, what it shows
    "review": ("Review", fix_review.show_review),
    "bulk": ("Many at once", fix_bulk.show_bulk),
    "files": ("Export and import", fix_files.show_files),
    "retrain": ("Retrain", fix_retrain.show_retrain),
}

state.show_url_errors()
review = reviewing.the_review()
if review is not None:
    asked = state.page_value("tab")
    st.session_state.setdefault("fix_tab", TABS[asked if asked in TABS else "review"][0])
    tabs = st.tabs([title for title, _ in TABS.values()], key="fix_tab", on_change="rerun")
    for tab, (name, (_, show)) in zip(tabs, TABS.items(), strict=True):
        if tab.open:  # what nobody looks at is not computed
            state.write_query(tab=name if name != "review" else None)
            with tab:
                show(review)
state.write_query()
