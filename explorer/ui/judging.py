"""The Inspect page, third tab: how far the scores can be trusted on these data."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from explorer.analysis.scores import SCORES, ranking
from explorer.records import Array, Run
from explorer.runs.report import quality
from explorer.ui import cards, figures_scores, glossary, theme
from explorer.ui.assets import palette
from explorer.ui.live_chart import live_chart


def show_quality(run: Run) -> None:
    """How well each score finds the wrong labels, where it is known which are wrong."""
    found = _quality(run.run_id, run.last_epoch, run.status, run)
    if not found or all(row["auroc"] is None for row in found.values()):
        st.markdown(
            "Which labels are wrong is not known here, or none is, so no score can be judged on these data. Judge by eye in **Images**, "
            "or train the same data with a little noise added: scores that find the added errors usually find real ones."
        )
    else:
        _quality_table(run, found)
    scores = cards.scores_at(run, run.last_epoch)
    name = st.selectbox("Distribution of", list(scores), format_func=lambda n: SCORES[n].title, key="distribution_of")
    info = figures_scores.distribution_info(f"{SCORES[name].title} ({SCORES[name].unit})", scores[name], run.labels.is_mislabeled)
    live_chart(
        figures_scores.distribution_figure(info, palette(), 260),
        key="distribution",
        height=260,
        alt=f"Distribution of {SCORES[name].title}",
    )
    _planted(run, scores)


@st.cache_data(max_entries=32, show_spinner="Judging scores…", hash_funcs={Run: lambda r: r.run_id})
def _quality(run_id: str, recorded: int, status: str, run: Run) -> dict[str, dict[str, float | None]]:
    return quality(run)


def _quality_table(run: Run, found: dict[str, dict[str, float | None]]) -> None:
    rows = pd.DataFrame(
        [
            {
                "score": SCORES[name].title, "auroc": row["auroc"], "low": row["auroc_low"], "high": row["auroc_high"],
                "average_precision": row["average_precision"], "precision_at_k": row["precision_at_k"], "k": row["k"],
            }
            for name, row in found.items()
        ]
    ).astype({"auroc": float, "low": float, "high": float, "average_precision": float})  # fmt: skip
    st.markdown(
        f"Finding the wrong labels ({theme.percent(run.labels.wrong_rate)} of all). "
        "AUROC: chance that a wrong label ranks above a right one."
    )
    left, right = st.columns([1.3, 1], gap="medium")
    with left:
        info = figures_scores.detection_info(rows, run.labels.wrong_rate)
        live_chart(
            figures_scores.detection_figure(info, palette(), 330),
            key="quality",
            height=330,
            alt="AUROC and average precision of every score",
        )
    with right:
        k = int(rows["k"].iloc[0])
        shown = rows.sort_values("auroc", ascending=False)[["score", "auroc", "average_precision", "precision_at_k"]]
        columns = {
            "auroc": st.column_config.NumberColumn("AUROC", format="%.3f"),
            "average_precision": st.column_config.NumberColumn("average precision", format="%.3f"),
            "precision_at_k": st.column_config.NumberColumn(f"precision at {k}", format="%.2f"),
        }
        st.dataframe(shown, hide_index=True, width="stretch", column_config=columns)
    if run.status != "finished":
        st.caption("Intervals are computed once the run is finished.")
    st.caption(
        "Cumulative loss usually wins on labels flipped at random. Curvature's strength is elsewhere: conflicting copies and "
        "atypical images."
    )
    if (run.labels.wrong_origin == "recorded").any():
        st.info(glossary.HUMAN_NOISE)


def _planted(run: Run, scores: dict[str, Array]) -> None:
    """Share of each planted kind among the top 100 of two scores, beside its share overall."""
    if run.planted is None or run.labels.is_mislabeled is None:
        return
    kinds = {
        "wrong label": run.labels.is_mislabeled, "planted wrong copy": run.labels.wrong_origin == "planted",
        "atypical": run.planted.kind == "atypical", "near-duplicate": run.planted.kind == "near_duplicate",
    }  # fmt: skip
    rows = {"overall": {name: float(kind.mean()) for name, kind in kinds.items()}}
    for score in ("curvature", "cumulative_loss"):
        if score in scores:
            top = ranking(score, scores[score])[:100]
            rows[f"top 100 by {SCORES[score].title.lower()}"] = {name: float(kind[top].mean()) for name, kind in kinds.items()}
    st.markdown("**What is at the top**")
    table = pd.DataFrame(rows).T
    st.dataframe(table, width="stretch", column_config={name: st.column_config.NumberColumn(format="percent") for name in table})
