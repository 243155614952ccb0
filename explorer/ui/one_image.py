"""One training image looked at closely: its labels, its near-duplicates, its history, its neighbours, its scores."""

from __future__ import annotations

from html import escape

import numpy as np
import streamlit as st

from explorer.analysis.neighbors import NEIGHBORS, Neighbors
from explorer.analysis.reasons import partners_of, reasons, why
from explorer.analysis.scores import SCORES, suspicion, usual_prediction
from explorer.records import Array, Dataset, Run
from explorer.ui import cards, figures_images, state, theme
from explorer.ui.assets import palette
from explorer.ui.difference_view import show_differences
from explorer.ui.gallery import Card, gallery
from explorer.ui.live_chart import live_chart
from explorer.ui.score_groups import grouped
from explorer.ui.searches import near_duplicates_of
from explorer.ui.words import plain

HISTORY = 300  # pixels
STYLE = """<style>
table.scores { width: 100%; border-collapse: collapse; font-size: 0.85rem; line-height: 1.35; }
table.scores td, table.scores th { padding: 2px 6px 2px 0; text-align: left; vertical-align: baseline; border: 0; }
table.scores thead th, table.scores small { font-weight: 400; opacity: 0.75; }
table.scores th[scope=rowgroup] { padding-top: 8px; font-weight: 600;
  border-bottom: 1px solid color-mix(in srgb, currentColor 20%, transparent); }
table.scores td:last-child { white-space: nowrap; }
table.scores .track { display: inline-block; width: 72px; height: 5px; border-radius: 3px; vertical-align: middle;
  background: color-mix(in srgb, currentColor 15%, transparent); }
table.scores .track span { display: block; height: 100%; border-radius: 3px; background: currentColor; opacity: 0.65; }
</style>"""


def show_image(run: Run, dataset: Dataset, n: int, scores: dict[str, Array]) -> None:
    """One image: large, its labels, why it stands out, its near-duplicates, its history, its neighbours, its scores."""
    near = cards.neighbors_of(run, np.array([n]), NEIGHBORS)
    _labels(run, dataset, n)
    _why(run, n, scores, None if near is None else near[0])
    show_differences(run, dataset, n)
    if len(run.facts.epochs):
        _history(run, n)
    if near is not None:
        _neighbors(run, dataset, n, *near)
    if scores:
        st.html(scores_table(n, scores))


def _labels(run: Run, dataset: Dataset, n: int) -> None:
    """The image, large, and its classes in words."""
    given, true, badge = run.class_names[run.labels.given_label[n]], cards.true_name(run, n), cards.badge(run, n)
    last = [plain(run.class_names[k]) for k in run.facts.predicted_label[-1:, n]]
    picture, words = st.columns([1, 1.6], gap="medium", vertical_alignment="center")
    with picture:
        st.html(f'<img class="large" src="{cards.thumbnail(run, dataset, n)}" alt="training image {n}">')
    with words:
        st.markdown(f"**Image {run.source_index[n]}**{f' · {badge}' if badge else ''}")
        predicted = f"last predicted **{last[0]}**" if last else "not predicted"
        st.markdown(f"given **{plain(given)}**  \n{predicted}  \n{f'true **{plain(true)}**' if true is not None else 'true label unknown'}")
        st.button("Review this label", icon=":material/fact_check:", type="tertiary", key="review_image", on_click=_review, args=(n,))


def _review(n: int) -> None:
    """To the image on the Fix page."""
    st.session_state.update(fix_open=n, go_to="fix.py", url_tab="")
    st.session_state.pop("fix_tab", None)


def _why(run: Run, n: int, scores: dict[str, Array], near: Neighbors | None) -> None:
    """Why it stands out, in a few sentences, and every fact behind them."""
    pairs, names = near_duplicates_of(run), [f"**{plain(name)}**" for name in run.class_names]
    found = reasons(run, n, scores, None if near is None else near.ids[0], None if pairs is None else partners_of(pairs, n), names)
    st.markdown(why(run, n, found, names))
    facts = "\n".join(f"- {reason.sentence}" for reason in found if reason.kind != "typical")
    if facts:
        with st.expander("Every fact behind this, most telling first"):
            st.markdown(facts)


def _history(run: Run, n: int) -> None:
    """Loss, margin and what was predicted, epoch by epoch."""
    names, facts = run.class_names, run.facts
    predicted = [names[k] for k in facts.predicted_label[:, n]]
    given, true = names[run.labels.given_label[n]], cards.true_name(run, n)
    info = figures_images.history_info(facts.epochs.tolist(), facts.loss[:, n], facts.margin[:, n], predicted, given, true)
    figure = figures_images.history_figure(info, palette(), HISTORY)
    live_chart(figure, key="history", height=HISTORY, alt="Loss, margin and prediction of this image over the epochs")


def scores_table(n: int, scores: dict[str, Array]) -> str:
    """HTML: every score of image ``n``, grouped by where it comes from, with the share of images that are less suspicious."""
    rows = []
    for heading, names in grouped(scores):
        rows.append(f"<tr><th colspan=3 scope=rowgroup>{heading}</th></tr>")
        rows += [_score_row(name, float(scores[name][n]), rank_of(n, suspicion(name, scores[name]))) for name in names]
    head = "<tr><th scope=col>score</th><th scope=col>value</th><th scope=col>more suspicious than</th></tr>"
    return f"{STYLE}<table class=scores><thead>{head}</thead><tbody>{''.join(rows)}</tbody></table>"


def rank_of(n: int, suspicion: Array) -> float:
    """Share of the other images that are less suspicious than image ``n``, ties counting half: its percentile without sorting."""
    known = np.nan_to_num(suspicion, nan=-np.inf)
    return float((known < known[n]).sum() + (known <= known[n]).sum() - 1) / 2 / max(1, len(known) - 1)


def _score_row(name: str, value: float, rank: float) -> str:
    score = SCORES[name]
    bar = f'<span class=track><span style="width:{100 * rank:.0f}%"></span></span>'
    number = f"{value:,.0f}" if value.is_integer() else theme.significant(value, 3)
    return (
        f'<tr title="{escape(score.explanation)}"><td>{escape(score.title)}</td>'
        f"<td>{number} <small>{escape(score.unit)}</small></td><td>{bar} {100 * rank:.0f} %</td></tr>"
    )


def _neighbors(run: Run, dataset: Dataset, n: int, near: Neighbors, cut: float) -> None:
    """Its nearest images to the network, each with its labels; a click opens one. cut: cosine of near-duplicates."""
    index, similarity = near.ids[0], near.similarity[0]
    own = run.labels.given_label[n]
    shown = [
        Card(
            example=int(j), image=cards.thumbnail(run, dataset, int(j)), given=run.class_names[run.labels.given_label[j]],
            predicted=run.class_names[usual_prediction(run.facts.predicted_label[:, [j]])[0]] if len(run.facts.epochs) else "",
            true=cards.true_name(run, int(j)),
            badge=("conflict" if run.labels.given_label[j] != own else "near-duplicate") if s >= cut else f"similarity {s:.3f}",
        )
        for j, s in zip(index, similarity, strict=True) if j >= 0
    ]  # fmt: skip
    agree = int(np.sum(run.labels.given_label[index[index >= 0]] == own))
    st.caption(f"Nearest images to the network: {agree} of {len(shown)} carry the same given label.")
    clicked = gallery(shown, key="neighbors", columns=4, size=96, label="Nearest images")
    if clicked is not None:
        state.write_query(image=str(clicked))
        st.rerun()
