"""Fix: what should the label be?"""

from explorer.ui import fix_bulk, fix_files, fix_retrain, fix_review, reviewing, state
from explorer.ui.tabs import show_tabs

TABS = {  # name in the URL: title, what it shows
    "review": ("Review", fix_review.show_review),
    "bulk": ("Many at once", fix_bulk.show_bulk),
    "files": ("Export and import", fix_files.show_files),
    "retrain": ("Retrain", fix_retrain.show_retrain),
}

state.show_url_errors()
review = reviewing.the_review()
if review is not None:
    show_tabs("fix", TABS, review)
state.write_query()
