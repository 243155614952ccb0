"""Inspect: which images were memorized, and why?"""

from explorer.ui import confusion, data_map, duplicates_panel, embedding_map, glossary, inspection, judging, stability, state
from explorer.ui.tabs import show_tabs

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
    show_tabs("inspect", TABS, run)
    glossary.explain_scores()
state.write_query()
