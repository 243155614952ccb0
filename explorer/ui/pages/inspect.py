"""Inspect: which images were memorized, and why?"""

import streamlit as st

from explorer.ui import data_map, glossary, inspection, judging, pairs, stability, state

TABS = {
    "Images": inspection.show_gallery,
    "Near-duplicates": pairs.show_pairs,
    "Data map": data_map.show_map,
    "How good are the scores?": judging.show_quality,
    "Memorization (Feldman-Zhang)": stability.show_memorization,
}

state.show_url_errors()
run = inspection.choose_run()
if run is not None:
    for tab, show in zip(st.tabs(list(TABS), key="inspect_tab", on_change="rerun"), TABS.values(), strict=True):
        if tab.open:  # what nobody looks at is not computed
            with tab:
                show(run)
    glossary.explain_scores()
state.write_query()
