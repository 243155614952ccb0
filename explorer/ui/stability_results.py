"""The Inspect page: what a memorization estimate says, and how far each score agrees with it."""

from __future__ import annotations

import numpy as np
import pandas as pd
import streamlit as st

from explorer.analysis.agreement import agreement, ranks
from explorer.analysis.memorization import MEMORIZED
from explorer.analysis.scores import SCORES, suspicion
from explorer.records import Array, Run
from explorer.runs.memorization import StoredMemorization
from explorer.ui import cards, state, theme
from explorer.ui.assets import palette
from explorer.ui.data_map import drawn_words
from explorer.ui.figures_map import map_figure, map_info
from explorer.ui.figures_scores import distribution_figure, distribution_info
from explorer.ui.gallery import gallery
from explorer.ui.live_chart import live_chart

MOST = 24  # cards
TOO_UNCERTAIN = 0.15  # mean standard error; the values themselves lie between 0 and 1
HISTOGRAM, SCATTER = 270, 440  # pixels


def show_results(run: Run, stored: StoredMemorization) -> None:
    """How memorization is distributed, how far the scores agree with it, and the most memorized images."""
    scores = cards.scores_at(run, run.last_epoch)
    st.markdown(summary(stored, run.labels.is_mislabeled))
    info = distribution_info("memorization (share of networks)", stored.memorization, run.labels.is_mislabeled)
    live_chart(
        distribution_figure(info, palette(), HISTOGRAM), key="memorization_histogram", height=HISTOGRAM, alt="Distribution of memorization"
    )
    left, right = st.columns([1, 1.25], gap="medium")
    with left:
        _agreement_table(scores, stored.memorization)
    with right:
        _scatter(run, scores, stored.memorization)
    _most_memorized(run, stored.memorization)


def summary(stored: StoredMemorization, is_mislabeled: Array | None) -> str:
    """The estimate in a few sentences; what is not known is left out, or said to be unknown."""
    known = np.isfinite(stored.memorization)
    if not known.any():
        return f"**{_networks(stored)}.** Too few to tell: no image has been both inside and outside."
    share = float((stored.memorization[known] > MEMORIZED).mean())
    words = [f"**{theme.percent(share)} of the images are memorized** (above {MEMORIZED:g})."]
    if is_mislabeled is not None and is_mislabeled[known].any() and not is_mislabeled[known].all():
        wrong, right = (float(stored.memorization[known & part].mean()) for part in (is_mislabeled, ~is_mislabeled))
        words.append(f"On average {wrong:.2f} with a wrong label, {right:.2f} with a right one.")
    if stored.source:
        words.append(f"A published estimate, from {stored.source}; its error is not known.")
    else:
        error = float(np.nanmean(stored.standard_error))
        words.append(f"{_networks(stored)}; standard error of an image's value ±{error:.2f} on average.")
        if error > TOO_UNCERTAIN:
            words.append("That is too uncertain to compare single images: go on with more networks.")
    if missing := int((~known).sum()):
        words.append(f"Of {missing:,} images nothing is known.")
    return " ".join(words)


def _networks(stored: StoredMemorization) -> str:
    return f"{stored.models:,}{'' if stored.status == 'finished' else f' of {stored.config.models:,}'} networks"


def agreement_rows(scores: dict[str, Array], memorization: Array) -> pd.DataFrame:
    """A row for each score, highest Spearman first; columns score, spearman, pearson, cosine."""
    rows = [{"score": SCORES[name].title, **agreement(memorization, suspicion(name, values))._asdict()} for name, values in scores.items()]
    return pd.DataFrame(rows).sort_values("spearman", ascending=False, kind="stable", na_position="last", ignore_index=True)


def _agreement_table(scores: dict[str, Array], memorization: Array) -> None:
    st.markdown("**Agreement of each score with memorization**")
    rows = agreement_rows(scores, memorization)
    columns = {
        "score": st.column_config.TextColumn("score", width=175),
        "spearman": st.column_config.NumberColumn("Spearman", format="%.2f", width=82),
        "pearson": st.column_config.NumberColumn("Pearson", format="%.2f", width=76),
        "cosine": st.column_config.NumberColumn("cosine (misleading)", format="%.2f", width=130),
    }
    st.dataframe(rows, hide_index=True, width="stretch", height=30 * len(rows) + 38, row_height=30, column_config=columns,
                 alt="Agreement of each score with memorization")  # fmt: skip
    st.caption(
        "Every score turned so that high is suspicious. The cosine of two non-negative lists is high even where they have nothing to do "
        "with each other; it stands here only to be compared with papers."
    )


def _scatter(run: Run, scores: dict[str, Array], memorization: Array) -> None:
    names = list(scores)
    start = names.index("cumulative_loss") if "cumulative_loss" in names else 0
    name = st.selectbox(
        "Against memorization", names, index=start, format_func=lambda n: SCORES[n].title, key="against_memorization", persist_state="page"
    )
    info = map_info(scores[name], memorization, run.labels.is_mislabeled)
    titles = f"{SCORES[name].title.lower()} ({SCORES[name].unit})", "memorization (share of networks)"
    clicked = live_chart(
        map_figure(info, palette(), SCATTER, titles), key="memorization_scatter", height=SCATTER, clickable=True,
        alt=f"Memorization against {SCORES[name].title}",
    )  # fmt: skip
    st.caption(drawn_words(info, run.labels.is_mislabeled))
    _follow(clicked)


def _most_memorized(run: Run, memorization: Array) -> None:
    dataset = cards.images_of(run)
    if dataset is None:
        return
    known = np.nan_to_num(memorization, nan=-np.inf)
    top = np.argsort(-known, kind="stable")[: min(MOST, int(np.isfinite(memorization).sum()))]
    wrong = run.labels.is_mislabeled
    truth = "" if wrong is None else f" {int(wrong[top].sum())} of these {len(top)} labels are wrong."
    st.markdown(f"**The most memorized images**: right only where they were in the training set.{truth}")
    share = (ranks(known) - 1) / max(1, len(known) - 1)
    _follow(gallery(
        cards.cards(run, dataset, top, run.last_epoch, "", twins="near", ranks=share), key="most_memorized", label="Most memorized images",
        empty="No image has a value yet.",
    ))  # fmt: skip


def _follow(example: int | str | None) -> None:
    if example is not None:
        state.write_query(image=str(int(example)))
        st.toast("Shown under Images.")
