"""Compare: which run is better, and is the difference real?"""

import streamlit as st

from explorer.ui import overlays, paired, regions_panel, runs_table, state, sweeps_panel

TABS = {  # name in the URL: title, what it shows
    "runs": ("Runs", runs_table.show_runs),
    "curves": ("Curves", overlays.show_curves),
    "two": ("Two runs", paired.show_pair),
    "regions": ("Regions", regions_panel.show_regions),
    "sweeps": ("Sweeps", sweeps_panel.show_sweeps),
}

state.show_url_errors()
asked = state.page_value("tab")
st.session_state.setdefault("compare_tab", TABS[asked if asked in TABS else "runs"][0])
tabs = st.tabs([title for title, _ in TABS.values()], key="compare_tab", on_change="rerun")
for tab, (name, (_, show)) in zip(tabs, TABS.items(), strict=True):
    if tab.open:  # what nobody looks at is not computed
        state.write_query(tab=name if name != "runs" else None)
        with tab:
            show()
state.write_query()
