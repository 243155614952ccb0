"""Compare: which run is better, and is the difference real?"""

from explorer.ui import overlays, paired, regions_panel, runs_table, state, sweeps_panel
from explorer.ui.tabs import show_tabs

TABS = {  # name in the URL: title, what it shows
    "runs": ("Runs", runs_table.show_runs),
    "curves": ("Curves", overlays.show_curves),
    "two": ("Two runs", paired.show_pair),
    "regions": ("Regions", regions_panel.show_regions),
    "sweeps": ("Sweeps", sweeps_panel.show_sweeps),
}

state.show_url_errors()
show_tabs("compare", TABS)
state.write_query()
