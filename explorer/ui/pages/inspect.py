"""Inspect: which images were memorized, and why?"""

import streamlit as st

from explorer.ui import confusion, data_map, duplicates_panel, embedding_map, glossary, inspection, judging, stability, state

TABS = {  # name in the URL: title, what it shows
    "images": ("Images", inspection.show_gallery),
    "pairs": ("Near-duplicates", duplicates_panel.show_duplicates),
    "confusion": ("Confusion", confusion.show_confusion),
    "map": ("Data map", data_map.show_map),
    "embedding": ("Embedding map", embedding_map.show_embedding),
    "scores": ("How good are the scores?", judging.show_quality),
    "memorization": ("Memorization (Feldman-Zhang)", stability.show_memorization),
}

state.show_url_errors()
run = inspection.choose_run()
if run is not None:
    asked = state.page_value("tab")
    st.session_state.setdefault("inspect_tab", TABS[asked if asked in TABS else "images"][0])
    tabs = st.tabs([title for title, _ in TABS.values()], key="inspect_tab", on_change="rerun")
    for tab, (name, (_, show)) in zip(tabs, TABS.items(), strict=True):
        if tab.open:  # what nobody looks at is not computed
            state.write_query(tab=name if name != "images" else None)
            with tab:
                show(run)
    glossary.explain_scores()
state.write_query()
