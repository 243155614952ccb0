"""The Inspect page: when each score would have found the wrong labels, and which scores say the same."""

from __future__ import annotations

import numpy as np
import streamlit as st

from explorer.analysis.agreement import rank_correlations
from explorer.analysis.detection import OVER_EPOCHS, detection_over_epochs
from explorer.analysis.dynamics import known_epochs
from explorer.analysis.scores import SCORES
from explorer.records import Array, Run
from explorer.ui import figures_agreement, figures_known
from explorer.ui.assets import palette
from explorer.ui.live_chart import live_chart
from explorer.ui.sentences import wave_of

FIRST_SHOWN = ("cumulative_loss", "curvature", "final_loss", "forgetting_events")
HEIGHT = 330


def show_over_epochs(run: Run) -> None:
    """AUROC of a few scores after every epoch, over the share of wrong labels memorized by then; nothing where nothing was trained."""
    if not run.config.trains:
        return
    names = [name for name in (*OVER_EPOCHS, "curvature_last", "elr_target") if known_epochs(name, run.facts)]
    st.markdown(
        "**When would you have known?** A score that is good early saves the rest of the training. The last loss fades as the network "
        "memorizes; sums over the epochs keep what it knew."
    )
    chosen = st.multiselect(
        "Scores over the epochs", names, default=[name for name in FIRST_SHOWN if name in names], key="known_scores", persist_state="page",
        format_func=lambda name: SCORES[name].title, max_selections=figures_known.SHOWN, label_visibility="collapsed",
        placeholder="Choose up to six scores",
    )  # fmt: skip
    found = {name: _over_epochs(run.run_id, run.last_epoch, name, run) for name in chosen}
    stop = wave_of(run, run.last_epoch).stop
    info = figures_known.known_info(
        run.facts.epochs, found, chosen, {name: SCORES[name].title for name in chosen}, everything=list(SCORES),
        memorized=(run.epochs["epoch"], run.epochs["memorized"]),
        marked=None if stop is None else (stop, f"Label Wave would stop at epoch {stop}"), last=run.config.epochs,
    )  # fmt: skip
    live_chart(
        figures_known.known_figure(info, palette(), HEIGHT), key="known", height=HEIGHT,
        alt="AUROC of the chosen scores over the epochs, and the share of wrong labels memorized",
    )  # fmt: skip
    if stop is None:
        st.caption("Label Wave names no epoch here: the predictions never settled and then stirred again.")


@st.cache_data(max_entries=256, show_spinner="Looking back over the epochs…", hash_funcs={Run: lambda run: run.run_id})
def _over_epochs(run_id: str, recorded: int, name: str, run: Run) -> Array:
    assert run.labels.is_mislabeled is not None  # only judged runs come here
    return detection_over_epochs(run.facts, run.labels.given_label, run.labels.is_mislabeled, [name])[1][name]


def show_agreement(run: Run, scores: dict[str, Array]) -> None:
    """Spearman correlation between every two scores, similar ones side by side."""
    names, matrix = _correlations(run.run_id, run.last_epoch, run.status, scores)
    ranks = np.isfinite(matrix).any(axis=1)
    shown, silent = ([SCORES[name].title for name, each in zip(names, ranks, strict=True) if each == kind] for kind in (True, False))
    info = figures_agreement.correlation_info(shown, matrix[np.ix_(ranks, ranks)])
    st.markdown(
        "**Which scores say the same?** Rank correlation (Spearman) in hundredths, each score turned so that high is suspicious. "
        "Scores in a block of strong colour rank the images alike; a faint one sees something else."
    )
    height = figures_agreement.correlation_height(len(info.words))
    live_chart(
        figures_agreement.correlation_figure(info, palette(), height), key="agreement", height=height,
        alt="Spearman correlation between every two scores",
    )  # fmt: skip
    if silent:
        st.caption(f"Left out, because the same for every image: {', '.join(silent)}.")


@st.cache_data(max_entries=16, show_spinner=False)
def _correlations(run_id: str, recorded: int, status: str, _scores: dict[str, Array]) -> tuple[tuple[str, ...], Array]:
    return rank_correlations(_scores)
