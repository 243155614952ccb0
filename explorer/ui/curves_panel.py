"""The Inspect page: how far down a ranking it is worth looking, on images whose wrong labels are known."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
import streamlit as st

from explorer.analysis.detection import Cut, cut, threshold_counts
from explorer.analysis.scores import SCORES, suspicion
from explorer.records import Array, Run
from explorer.ui import figures_curves, figures_scores, state
from explorer.ui.assets import palette
from explorer.ui.cards import ORIGINS
from explorer.ui.figures_curves import CurvesInfo
from explorer.ui.figures_scores import CutMark, Group
from explorer.ui.live_chart import live_chart
from explorer.ui.theme import percent

RIVALS = 2  # that can be compared with the chosen score
HEIGHT = 320
FIRST = "curvature"  # the score looked at unless the link names another, here and in the gallery
BY_TRUTH = "right or wrong label"


@st.fragment
def show_curves(run: Run, scores: dict[str, Array]) -> None:
    """A score, a cut, what is found up to it, and three pictures of the same cut. Only for runs with right and wrong labels."""
    wrong = run.labels.is_mislabeled
    assert wrong is not None
    st.markdown(
        "**How far down the list is it worth looking?** You look from the top of the ranking down to a cut; the same cut is marked in all "
        "three charts."
    )
    groups = groupings(run)
    widths = [1, 1.2, 1, 1.6] if len(groups) > 1 else [1, 1.2, 1.6]
    columns = iter(st.columns(widths, gap="medium"))
    with next(columns):
        name = choose_score(list(scores))
    with next(columns):
        rivals = _rivals(list(scores), name)
    split = BY_TRUTH
    if len(groups) > 1:
        split = next(columns).selectbox("Split the distribution by", list(groups), key="judged_split", persist_state="page")
    with next(columns):
        n = _choose_cut(len(wrong), int(wrong.sum()))
    shown = {each: suspicion(each, scores[each]) for each in (name, *rivals)}
    info = figures_curves.curves_info(shown, wrong, n, {each: SCORES[each].title for each in shown}, everything=list(SCORES))
    st.markdown(cut_words(info))
    if words := caveats(run, info):
        st.caption(words)
    _charts(name, scores[name], groups[split], info)
    if len(groups) > 1:
        _held(groups, shown, n)


def _charts(name: str, values: Array, groups: list[Group], info: CurvesInfo) -> None:
    """The distribution, precision-recall and ROC, side by side."""
    title = SCORES[name].title
    left, middle, right = st.columns(3, gap="small")
    with left:
        st.markdown(f"**Distribution** of {title[0].lower() + title[1:] if title[1:2].islower() else title}")
        show_distribution(name, values, groups, cut_mark(info, name))
    with middle:
        st.markdown("**Precision-recall curve**; area: average precision")
        live_chart(
            figures_curves.precision_recall_figure(info, palette(), HEIGHT), key="precision_recall", height=HEIGHT,
            alt="Precision against recall of the chosen scores, with the cut",
        )  # fmt: skip
    with right:
        st.markdown("**ROC curve**; area: AUROC")
        live_chart(
            figures_curves.roc_figure(info, palette(), HEIGHT), key="roc", height=HEIGHT,
            alt="True against false positive rate of the chosen scores, with the cut",
        )  # fmt: skip


def show_distribution(name: str, values: Array, groups: list[Group], mark: CutMark | None = None) -> None:
    """How a score is spread in each group of images."""
    info = figures_scores.grouped_info(f"{SCORES[name].title} ({SCORES[name].unit})", values, groups, cut=mark)
    figure = figures_scores.distribution_figure(info, palette(), HEIGHT)
    live_chart(figure, key="distribution", height=HEIGHT, alt=f"Distribution of {SCORES[name].title}")


# -- what is chosen, kept in the URL -----------------------------------------------------------------


def choose_score(names: list[str]) -> str:
    """The score looked at: the one the gallery sorts by, and the other way round."""
    asked = state.page_value("score", FIRST)
    st.session_state["judged_score"] = asked if asked in names else names[0]
    return st.selectbox("Score", names, format_func=lambda name: SCORES[name].title, key="judged_score", on_change=_score_chosen)


def _score_chosen() -> None:
    chosen = st.session_state["judged_score"]
    state.forget("score")  # what the gallery holds
    state.write_query(score=None if chosen == FIRST else chosen)


def _rivals(names: list[str], chosen: str) -> list[str]:
    picked = st.multiselect(
        "Compare with", names, format_func=lambda name: SCORES[name].title, key="judged_rivals", persist_state="page",
        max_selections=RIVALS, placeholder="Up to two other scores",
    )  # fmt: skip
    return [name for name in picked if name != chosen]


def _choose_cut(N: int, positives: int) -> int:
    """How many images to look at: as many as there are wrong labels, unless the link or the slider says otherwise."""
    text = state.page_value("cut")
    if text and not (text.isdecimal() and int(text) > 0):
        st.warning(f"The link asks for the first {text!r} images; it takes a whole number from 1 to {N:,}.")
        state.write_query(cut=None)
        text = ""
    n = min(int(text), N) if text else positives
    st.session_state["judged_cut"] = n
    return st.select_slider(
        "Look at the first … images", cut_steps(N, positives, n), format_func=lambda step: f"{step:,}", key="judged_cut",
        on_change=_cut_chosen, args=(positives,),
        help="Fine steps at the top of the list, coarse ones below. It begins at the number of wrong labels.",
    )  # fmt: skip


def _cut_chosen(positives: int) -> None:
    n = st.session_state["judged_cut"]
    state.write_query(cut=None if n == positives else str(n))


def cut_steps(N: int, *wanted: int) -> list[int]:
    """1 to N in steps of two leading digits (1, 2, .. 99, 100, 110, .. 990, 1,000, 1,100, ..), and the numbers ``wanted``."""
    steps = {lead * 10**power for power in range(len(str(N))) for lead in range(1, 100)}
    return sorted({step for step in steps if step <= N} | {N, *wanted})


# -- in words ----------------------------------------------------------------------------------------


def cut_words(info: CurvesInfo) -> str:
    """What looking at the first n images brings, and what it leaves."""
    chosen = info.scores[0]
    found, n = chosen.cut.found, info.n
    words = [
        f"Looking at the **{n:,} most suspicious** of {info.total:,} images finds **{_found(chosen.cut)} of {info.positives:,} wrong "
        f"labels** ({percent(info.recall(chosen))}); **{percent(chosen.cut.precision)}** of those looked at are wrong. In a random order "
        f"it would be {percent(info.chance)}.",
        f"{info.positives - found:,.0f} are left: {percent((info.positives - found) / info.total)} of all labels would still be wrong.",
    ]  # fmt: skip
    if info.scores[1:]:
        rivals = (f"{each.title} finds {_found(each.cut)} ({percent(each.cut.precision)} are wrong)" for each in info.scores[1:])
        words.append(f"Among as many images, {', '.join(rivals)}.")
    return " ".join(words).replace(" %", "\u00a0%")


def _found(cut: Cut) -> str:
    return f"{'about ' if cut.least < cut.most else ''}{cut.found:,.0f}"


def caveats(run: Run, info: CurvesInfo) -> str:
    """What the numbers at the cut do not say by themselves; empty where there is nothing to add."""
    words = []
    for score in info.scores:
        if score.cut.least < score.cut.most:
            what = "whose score is unknown" if np.isneginf(score.cut.threshold) else "of one and the same score"
            words.append(
                f"{score.title}: the cut goes through {score.cut.tied:,} images {what}. Depending on which of them come first, "
                f"{score.cut.least:,} to {score.cut.most:,} wrong labels are found; said and drawn is the mean. Average precision counts "
                "all of them at the precision after the last."
            )  # fmt: skip
    if not run.test_is_reference and not run.config.true_label_column:
        words.append(
            "Only labels flipped by this run count as wrong. Errors that were in the data before count as right, so more of the first "
            "images are wrong than is said here."
        )
    return " ".join(words)


# -- groups of images --------------------------------------------------------------------------------


def groupings(run: Run) -> dict[str, list[Group]]:
    """Ways to split the images, every image in one group of each; only such as tell more than those before."""
    labels, wrong = run.labels, run.labels.is_mislabeled
    N = len(labels.given_label)
    found = {BY_TRUTH: figures_scores.truth_groups(N, wrong)}
    if wrong is None:
        return found
    right: Group = ("right label", "fit", ~wrong)
    origins: list[Group] = [(word, "memorized", wrong & (labels.wrong_origin == origin)) for origin, word in ORIGINS.items()]
    if sum(bool(mask.any()) for _, _, mask in origins) > 1:
        found["origin of the wrong label"] = [right, *(group for group in origins if group[2].any())]
    if run.planted is not None:
        kinds = {kind: ~wrong & (run.planted.kind == kind) for kind in np.unique(run.planted.kind)}
        named: list[Group] = [(f"{kind.replace('_', '-')}, right label", "fit", mask) for kind, mask in kinds.items() if mask.any()]
        if len(named) > 1:
            found["planted kind"] = [*sorted(named, key=lambda group: -int(group[2].sum())), ("wrong label", "memorized", wrong)]
    return found


def cut_mark(info: CurvesInfo, name: str) -> CutMark | None:
    """The cut of the chosen score in its own unit; None where the score of the n-th image is unknown."""
    threshold, end = info.scores[0].cut.threshold, SCORES[name].suspicious
    return CutMark(threshold if end == "high" else -threshold, info.n, end) if np.isfinite(threshold) else None


def composition(groups: Mapping[str, list[Group]], shown: Mapping[str, Array], n: int) -> pd.DataFrame:
    """Share of each kind of image, in all and among the first ``n`` by each score; ties as in ``detection.cut``."""
    masks = {name: mask for group in groups.values() for name, _, mask in group if mask.any()}
    columns = {"of all": {kind: float(mask.mean()) for kind, mask in masks.items()}}
    for name, values in shown.items():
        columns[SCORES[name].title] = {kind: cut(threshold_counts(values, mask), n).precision for kind, mask in masks.items()}
    return pd.DataFrame(columns)


def _held(groups: Mapping[str, list[Group]], shown: Mapping[str, Array], n: int) -> None:
    table = composition(groups, shown, n)
    st.markdown(f"**What is among the first {n:,}?** Share of each kind of image, beside its share of all.")
    number = st.column_config.NumberColumn(format="%.1f %%")
    st.dataframe(100 * table, width="content", row_height=30, column_config={name: number for name in table})
