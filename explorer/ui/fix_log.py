"""The decisions on the labels of a run, and what they come to, for every page that asks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import streamlit as st

from explorer.analysis import decisions
from explorer.analysis.decisions import Verdicts
from explorer.analysis.views import REVIEWS
from explorer.config import ConfigError, DataConfig
from explorer.records import Array, DataError, Decision, Run, StoreError
from explorer.runs.reviews import data_key
from explorer.ui.services import get_reviews


class Counted(NamedTuple):
    """The decisions that count. by_image: source index to the author's name to what they hold, who decided last coming last."""

    verdicts: Verdicts
    by_image: Mapping[int, Mapping[str, Decision]]
    authors: tuple[str, ...]


def key_of(run: Run) -> str:
    """The data the decisions on a run's images belong to. Raises ConfigError, DataError or OSError."""
    return _key(run.run_id, run.config)


@st.cache_data(ttl=60, max_entries=64, show_spinner=False)
def _key(run_id: str, _config: DataConfig) -> str:
    return data_key(_config)


def counted(data: str, log: tuple[Decision, ...], whose: str = "") -> Counted:
    """What a log comes to, kept until it grows: nothing else ever changes in it. whose: of this one person alone."""
    return _counted(data, stamp(log), whose, log)


def stamp(log: tuple[Decision, ...]) -> tuple[int, str, float]:
    """Tells a log from what it was before it grew."""
    return (len(log), log[-1].token, log[-1].made_at) if log else (0, "", 0.0)


@st.cache_resource(max_entries=8, show_spinner=False)
def _counted(data: str, stamp: tuple[int, str, float], whose: str, _log: tuple[Decision, ...]) -> Counted:
    by_image: dict[int, dict[str, Decision]] = {}
    for decision in decisions.active(decisions.of_author(_log, whose)):
        by_image.setdefault(decision.source_index, {})[decision.author] = decision
    return Counted(decisions.verdicts(_log, whose), by_image, decisions.authors(_log))


def reviewed_of(run: Run) -> Array | None:
    """``[N]`` of REVIEWS: whether somebody decided on each image; None, with a sentence, where the decisions cannot be read."""
    try:
        data = key_of(run)
        verdicts = counted(data, get_reviews().log(data)).verdicts
    except (StoreError, DataError, ConfigError, OSError) as error:
        st.warning(f"The decisions on labels cannot be read: {str(error).rstrip('.')}.")
        return None
    kind = decisions.kinds_of(verdicts, run.source_index)
    no, yes, dispute = REVIEWS
    return np.where(kind == "", no, np.where(kind == "dispute", dispute, yes))
