"""One training image looked at closely: its labels, its history, its neighbours, its scores."""

from __future__ import annotations

from html import escape

import numpy as np
import streamlit as st

from explorer.analysis.scores import SCORES, suspicion, usual_prediction
from explorer.records import Array, Dataset, Run
from explorer.ui import cards, figures_images, state, theme
from explorer.ui.assets import palette
from explorer.ui.gallery import Card, gallery
from explorer.ui.live_chart import live_chart
from explorer.ui.score_groups import grouped

NEIGHBORS_SHOWN = 8
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
    """One image: large, its labels, its history, its scores, its neighbours."""
    names, labels, facts = run.class_names, run.labels, run.facts
    given, true = names[labels.given_label[n]], cards.true_name(run, n)
    predicted = [names[k] for k in facts.predicted_label[:, n]]
    picture, words = st.columns([1, 1.6], gap="medium", vertical_alignment="center")
    with picture:
        st.html(f'<img class="large" src="{cards.thumbnail(run, dataset, n)}" alt="training image {n}">')
    with words:
        badge = cards.badge(run, n)
        st.markdown(f"**Image {run.source_index[n]}**{f' · {badge}' if badge else ''}")
        st.markdown(
            f"given **{_md(given)}**  \nlast predicted **{_md(predicted[-1])}**  \n"
            + (f"true **{_md(true)}**" if true is not None else "true label unknown")
        )
        fitted = sum(name == given for name in predicted)
        st.caption(f"The given label was predicted in {fitted} of {len(predicted)} epochs." + _elr_words(run, n))
    info = figures_images.history_info(facts.epochs.tolist(), facts.loss[:, n], facts.margin[:, n], predicted, given, true)
    figure = figures_images.history_figure(info, palette(), HISTORY)
    live_chart(figure, key="history", height=HISTORY, alt="Loss and margin of this image over the epochs")
    _neighbors(run, dataset, n, facts.predicted_label)
    st.html(scores_table(n, scores))


def _elr_words(run: Run, n: int) -> str:
    """What ELR's target memory holds the image for, where the run has one."""
    found = cards.suggestion(run, n, run.last_epoch)
    if found is None:
        return ""
    label, share = found
    agrees = label == run.class_names[run.labels.given_label[n]]
    verdict = "agrees with the given label" if agrees else f"suggests **{_md(label)}**"
    return f"  \nELR's target memory {verdict}; the given label has {theme.percent(share)} of it."


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


def _md(text: str) -> str:
    """Class names come from people's files: their markdown stays text."""
    return "".join(f"\\{c}" if c in r"\`*_{}[]()<>#+-.!|~$:" else c for c in text)


def _neighbors(run: Run, dataset: Dataset, n: int, predicted: Array) -> None:
    found = cards.neighbors_of(run, np.array([n]), NEIGHBORS_SHOWN)
    if found is None:
        return
    neighbors, cut = found
    index, similarity = neighbors.ids[0], neighbors.similarity[0]
    own = run.labels.given_label[n]
    shown = [
        Card(
            example=int(j), image=cards.thumbnail(run, dataset, int(j)), given=run.class_names[run.labels.given_label[j]],
            predicted=run.class_names[usual_prediction(predicted[:, [j]])[0]],
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
