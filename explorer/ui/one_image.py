"""One training image looked at closely: its labels, its history, its neighbours, its scores."""

from __future__ import annotations

import numpy as np
import pandas as pd
import streamlit as st

from explorer.analysis.scores import SCORES, percentile, usual_prediction
from explorer.records import Array, Dataset, Run
from explorer.ui import cards, figures_images, state, theme
from explorer.ui.assets import palette
from explorer.ui.gallery import Card, gallery
from explorer.ui.live_chart import live_chart

NEIGHBORS_SHOWN = 8
HISTORY = 300  # pixels


def show_image(run: Run, dataset: Dataset, n: int, scores: dict[str, Array]) -> None:
    """One image: large, its labels, its history, its scores, its neighbours."""
    names, labels, facts = run.class_names, run.labels, run.facts
    given = names[labels.given_label[n]]
    true = names[labels.true_label[n]] if labels.true_label is not None else None
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
        st.caption(f"The given label was predicted in {fitted} of {len(predicted)} epochs.")
    info = figures_images.history_info(facts.epochs.tolist(), facts.loss[:, n], facts.margin[:, n], predicted, given, true)
    figure = figures_images.history_figure(info, palette(), HISTORY)
    live_chart(figure, key="history", height=HISTORY, alt="Loss and margin of this image over the epochs")
    _neighbors(run, dataset, n, facts.predicted_label)
    table = pd.DataFrame(
        {
            "score": [SCORES[name].title for name in scores],
            "value": [f"{theme.significant(float(values[n]), 3)} {SCORES[name].unit}" for name, values in scores.items()],
            "suspicious": [percentile(name, values)[n] for name, values in scores.items()],
        }
    )
    bar = st.column_config.ProgressColumn("more suspicious than", format="percent", min_value=0.0, max_value=1.0)
    st.dataframe(table, hide_index=True, width="stretch", column_config={"suspicious": bar})


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
            true=run.class_names[run.labels.true_label[j]] if run.labels.true_label is not None else None,
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
