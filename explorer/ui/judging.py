"""The Inspect page: how far the scores can be trusted on these data, what each costs, and where each comes from."""

from __future__ import annotations

import re
from typing import Any

import pandas as pd
import streamlit as st

from explorer.analysis.scores import SCORES, forward_passes
from explorer.records import Array, Run
from explorer.runs import estimate
from explorer.runs.report import quality
from explorer.ui import agreement_panel, cards, curves_panel, figures_scores, glossary, theme, without_truth
from explorer.ui.assets import palette
from explorer.ui.live_chart import live_chart
from explorer.ui.measured import human_noise_sentence
from explorer.ui.score_groups import not_computed

Quality = dict[str, dict[str, Any]]

PRECISION = "Share of wrong labels among so many most suspicious images."
PASSES = (
    "Forward passes of each image over the whole run, beyond bare training. A backward pass counts as two, or as one where only the "
    "image's gradient is taken."
)
TIMES = "Cost of the run with this score; bare training is 1."


def show_quality(run: Run) -> None:
    """Every score: how well it finds the wrong labels where these are known, its cost, its explanation; then what the scores say."""
    scores = cards.scores_at(run, run.last_epoch)
    if not scores:
        st.info("There are no scores to judge: neither predictions nor embeddings were read.")
        _not_computed(run, scores)
        return
    found = _quality(run.run_id, run.last_epoch, run.status, run)
    judged = any(row["auroc"] is not None for row in found.values())
    if judged:
        st.markdown(
            f"Finding the wrong labels ({theme.percent(run.labels.wrong_rate)} of all), best score first. "
            "AUROC: chance that a wrong label ranks above a right one; 0.5 is guessing."
        )
    else:
        without_truth.show_why(run)
    _table(run, scores, found if judged else {})
    if judged:
        _human_noise(run)
        curves_panel.show_curves(run, scores)
        left, right = st.columns(2, gap="medium")
        with left:
            _intervals(run, found)
        with right:
            agreement_panel.show_over_epochs(run)
    else:
        without_truth.show_distribution(run, scores)
    agreement_panel.show_agreement(run, scores)


@st.cache_data(max_entries=32, show_spinner="Judging scores…", hash_funcs={Run: lambda r: r.run_id})
def _quality(run_id: str, recorded: int, status: str, run: Run) -> Quality:
    return quality(run)


# -- the table -------------------------------------------------------------------------------------


def score_rows(run: Run, names: list[str], found: Quality) -> pd.DataFrame:
    """A row for each score, best AUROC first; columns name, score, paper, passes (of one image over the run), times (cost with it as
    a multiple of bare training), and, where ``found`` judges them, auroc, interval, average_precision, precision_at_k."""
    bare = estimate.passes(run.config, 1, 0)["training"]
    rows = []
    for name in names:
        passes, row = forward_passes(name, run.config), found.get(name, {})
        low, high = row.get("auroc_low"), row.get("auroc_high")
        rows.append({
            "name": name, "score": SCORES[name].title, "auroc": row.get("auroc"),
            "interval": f"{low:.3f} – {high:.3f}" if low is not None and high is not None else theme.UNKNOWN,
            "average_precision": row.get("average_precision"), "precision_at_k": row.get("precision_at_k"),
            "passes": passes, "times": (bare + passes) / bare if bare else None, "paper": cited(SCORES[name].paper),
        })  # fmt: skip
    frame = pd.DataFrame(rows)
    if not run.config.trains:  # there is no training to compare a cost with
        frame = frame.drop(columns=["passes", "times"])
    if not found:
        return frame.drop(columns=["auroc", "interval", "average_precision", "precision_at_k"])
    numbers = frame.astype({"auroc": float, "average_precision": float, "precision_at_k": float})
    return numbers.sort_values("auroc", ascending=False, kind="stable", ignore_index=True)


def cited(paper: str) -> str:
    """``Garg, Ravikumar, Roy 2024, arXiv:2307.05831`` -> ``Garg et al. 2024``; as it is where no year is found."""
    found = re.search(r"([A-Z][\w-]+)([^\d]*?) (\d{4})\b", paper)
    if found is None:
        return paper
    first, others, year = found.groups()
    return f"{first}{' et al.' if others else ''} {year}"


def _table(run: Run, scores: dict[str, Array], found: Quality) -> None:
    """The table, and beside it what there is to know of the chosen row."""
    rows = score_rows(run, list(scores), found)
    k = int(next((row["k"] for row in found.values()), 0))
    columns = {
        "score": st.column_config.TextColumn("score", width=166, pinned=True),
        "auroc": st.column_config.NumberColumn("AUROC", format="%.3f", width=64),
        "interval": st.column_config.TextColumn("95 % interval", width=110),
        "average_precision": st.column_config.NumberColumn("avg. precision", format="%.3f", width=100),
        "precision_at_k": st.column_config.NumberColumn(f"precision@{k}", format="%.2f", width=98, help=PRECISION),
        "passes": st.column_config.NumberColumn("passes", format="localized", width=66, help=PASSES),
        "times": st.column_config.NumberColumn("cost ×", format="%.2f", width=62, help=TIMES),
        "paper": st.column_config.TextColumn("paper", width=160),
    }  # fmt: skip
    left, right = st.columns([2.5, 1], gap="medium")
    with left:
        picked = st.dataframe(
            rows, hide_index=True, width="stretch", height=34 * (len(rows) + 1) + 3, row_height=34, column_config=columns,
            column_order=[name for name in rows.columns if name != "name"], on_select="rerun", selection_mode="single-row-required",
            key=f"score_table_{run.run_id}", alt="Every score with its quality, cost and paper",
        )["selection"]["rows"]  # fmt: skip
    with right:
        _detail(str(rows["name"].iloc[picked[0] if picked and picked[0] < len(rows) else 0]))
        _not_computed(run, scores)
    shared = "Scores read off the recorded epochs share one evaluation pass per epoch; the folds serve three scores at once."
    st.caption(shared + ("" if run.status == "finished" or not found else " Intervals are computed once the run is finished."))


def _detail(name: str) -> None:
    score = SCORES[name]
    st.markdown(f"**{score.title}** ({score.unit}; {score.suspicious} is suspicious)  \n{score.explanation}")
    if score.departure:
        st.markdown(f"Here: {score.departure[0].lower() + score.departure[1:] if score.departure[1:2].islower() else score.departure}")
    st.caption(f"{score.paper}.  \nExtra cost: {score.cost}.")


def _not_computed(run: Run, scores: dict[str, Array]) -> None:
    missing = not_computed(run, scores)
    if missing:
        lines = [f"- {', '.join(SCORES[name].title for name in names)}: {reason}." for names, reason in missing]
        st.markdown("**Not computed for this run**\n" + "\n".join(lines))


def _human_noise(run: Run) -> None:
    if (run.labels.wrong_origin == "recorded").any():
        measured = human_noise_sentence({name: score.title for name, score in SCORES.items()})
        st.info(f"{glossary.HUMAN_NOISE} {measured}".rstrip())


# -- pictures --------------------------------------------------------------------------------------


def _intervals(run: Run, found: Quality) -> None:
    """Which differences are real: AUROC with its interval, and average precision, of every score."""
    numbers = {"auroc": "auroc", "low": "auroc_low", "high": "auroc_high", "average_precision": "average_precision"}
    known = pd.DataFrame({column: [row[key] for row in found.values()] for column, key in numbers.items()}, dtype=float)
    info = figures_scores.detection_info(known.assign(score=[SCORES[name].title for name in found]), run.labels.wrong_rate)
    height = figures_scores.detection_height(len(info.score))
    st.markdown("**Which differences are real?** Scores whose intervals overlap may change places on other data.")
    live_chart(
        figures_scores.detection_figure(info, palette(), height), key="quality", height=height,
        alt="AUROC with its 95 % interval, and average precision, of every score",
    )  # fmt: skip
