"""Inspect: which images were memorized, and why?"""

import streamlit as st

from explorer.ui import glossary, inspection, judging, pairs, state

state.show_url_errors()
run = inspection.choose_run()
if run is not None:
    gallery_tab, pairs_tab, quality_tab = st.tabs(["Images", "Near-duplicates", "How good are the scores?"])
    with gallery_tab:
        inspection.show_gallery(run)
    with pairs_tab:
        pairs.show_pairs(run)
    with quality_tab:
        judging.show_quality(run)
    glossary.explain_scores()
state.write_query()
