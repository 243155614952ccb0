"""Launcher: ``streamlit run app.py``. Everything the app does is in explorer/."""

import contextlib
import gc
from collections.abc import AsyncIterator

import streamlit as st

from explorer.ui.assets import plotly_route
from explorer.ui.services import get_duplicate_jobs, get_worker


@contextlib.asynccontextmanager
async def lifespan(app: st.App) -> AsyncIterator[None]:
    """Import what is heavy before the first visitor comes, and stop what works in the background before the process ends."""
    import faiss  # noqa: F401
    import sklearn.metrics  # noqa: F401

    import explorer.training.loop  # noqa: F401

    worker, searches = get_worker(), get_duplicate_jobs()
    gc.collect()
    gc.freeze()  # a full collection follows every refresh of a page; over torch's objects it would take 0.3 s each
    try:
        yield
    finally:
        searches.close()
        worker.close()


app = st.App("explorer/ui/pages/main.py", lifespan=lifespan, routes=[plotly_route()])
