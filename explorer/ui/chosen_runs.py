"""The runs chosen for comparison, kept in the link as ``runs=id,id,...``: what the table picks, the other tabs show."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import streamlit as st

from explorer.config import RunConfig
from explorer.records import Array, StoreError
from explorer.runs.index import is_run_id
from explorer.runs.summaries import RunSummary, stamp_of
from explorer.ui import state
from explorer.ui.region_runs import run_words
from explorer.ui.services import get_store

MOST = 12  # overlaid at once: more lines nobody tells apart


def chosen_ids() -> list[str]:
    """The ids in the link as far as they could be ids, each once, in the order they were chosen."""
    return [run_id for run_id in dict.fromkeys(state.page_value("runs").split(",")) if is_run_id(run_id)]


def choose(run_ids: Sequence[str]) -> None:
    """Compare these from now on; the link follows with the next ``state.write_query``."""
    st.session_state["url_runs"] = ",".join(run_ids)


def chosen(summaries: Sequence[RunSummary]) -> list[RunSummary]:
    """The chosen runs that have a curve, in the order they were chosen."""
    known = {s.run_id: s for s in summaries if has_curve(s)}
    return [known[run_id] for run_id in chosen_ids() if run_id in known]


def has_curve(summary: RunSummary) -> bool:
    """Whether a network was trained for at least an epoch."""
    return summary.config is not None and summary.config.trains and summary.last.get("epoch", -1) >= 1


def names_of(summaries: Sequence[RunSummary]) -> dict[str, str]:
    """What each run is called beside the others: its name, else the settings that tell it from them; never two alike."""
    configs: list[RunConfig] = [s.config for s in summaries if s.config is not None]
    words = {s.run_id: said for s, said in zip([s for s in summaries if s.config is not None], run_words(configs), strict=True)}
    named = {s.run_id: s.name or words.get(s.run_id, s.run_id) for s in summaries}
    several = [name for name in named.values() if list(named.values()).count(name) > 1]
    return {run_id: f"{name} ({run_id[:4]})" if name in several else name for run_id, name in named.items()}


def epochs_of(run_id: str) -> Mapping[str, Array]:
    """The columns of ``epochs.csv``, epoch 0 first; read again only where the file has changed. Raises StoreError."""
    folder = get_store().folder(run_id)
    return _epochs(str(folder.path), str(stamp_of(folder, ("epochs.csv",))))


@st.cache_data(max_entries=512, show_spinner=False)
def _epochs(path: str, stamp: str) -> dict[str, Array]:
    rows = get_store().folder(path.rsplit("/", 1)[-1]).rows()
    if not rows:
        raise StoreError(f"run {path.rsplit('/', 1)[-1]} has recorded no epoch yet; wait for its first")
    return {name: np.array([row[name] for row in rows], dtype=float) for name in rows[0]}
