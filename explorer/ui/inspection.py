"""The Inspect page: the images of a run, most suspicious first, one of them closely, and how far the scores can be trusted."""

from __future__ import annotations

import numpy as np
import pandas as pd
import streamlit as st

from explorer.analysis.findings import findings
from explorer.analysis.kinds import KINDS, kinds_of
from explorer.analysis.neighbors import NearDuplicates, near_duplicates
from explorer.analysis.scores import SCORES, percentile, ranking, usual_prediction
from explorer.records import Array, Dataset, Run, StoreError
from explorer.runs.report import quality
from explorer.ui import cards, figures_images, figures_scores, glossary, state, theme
from explorer.ui.assets import palette
from explorer.ui.gallery import Card, gallery
from explorer.ui.live_chart import live_chart
from explorer.ui.services import get_readings, get_store
from explorer.ui.watch import STATUS_WORDS, describe

PER_PAGE = 60
NEIGHBORS_SHOWN = 8
PAIRS_PER_PAGE = 40


def choose_run() -> Run | None:
    """The run to look into, from the URL or the list; None, with a sentence, where there is none to look into."""
    runs = {s.run_id: s for s in get_store().runs() if s.config is not None and s.last.get("epoch", -1) >= 1}
    wanted = state.page_value("run")
    if not runs:
        st.title("Which images were memorized?")
        st.markdown("There is no run to look into yet. Train one first: the default takes less than a minute.")
        st.page_link("pages/train.py", label="Go to Train", icon=":material/arrow_back:")
        return None
    if wanted and wanted not in runs:
        _say_why_not(wanted)
    ids = list(runs)
    chosen = st.selectbox(
        "Run", ids, index=ids.index(wanted) if wanted in runs else 0, label_visibility="collapsed",
        format_func=lambda i: f"{describe(runs[i].config)} · {STATUS_WORDS[runs[i].status]} · {i}",
    )  # fmt: skip
    state.write_query(run=chosen)
    try:
        return get_readings().read(chosen)
    except StoreError as error:
        st.error(f"{error}.")
        return None


def _say_why_not(run_id: str) -> None:
    try:
        get_readings().read(run_id)
        st.info("That run has no finished epoch to look into yet; here is the newest one that has.")
    except StoreError as error:
        st.error(f"{error}. Here is the newest run instead.")


# -- gallery ---------------------------------------------------------------------------------------


def show_gallery(run: Run) -> None:
    """Findings, filters, the cards, and the one that was clicked."""
    dataset, scores, pairs = cards.images_of(run), cards.scores_at(run, run.last_epoch), pairs_of(run)
    if dataset is None:
        return
    _findings(run, scores, pairs)
    score, chosen = _filters(run, scores, pairs)
    order = ranking(score, scores[score])
    order = order[chosen[order]]
    image = _image_asked(run, order)
    left, right = st.columns([1.55, 1], gap="medium")
    with left:
        st.caption(f"{len(order):,} of {len(chosen):,} images, most suspicious first by {SCORES[score].title.lower()}.")
        pages = max(1, -(-len(order) // PER_PAGE))
        page = st.pagination(pages, key="gallery_page") if pages > 1 else 1
        shown = order[(page - 1) * PER_PAGE : page * PER_PAGE]
        clicked = gallery(
            cards.cards(run, dataset, shown, run.last_epoch, score, selected=image, twins="near"), key="gallery",
            label="Training images", empty="No image fits these filters. Choose another kind or class.",
        )  # fmt: skip
    if clicked is not None and clicked != image:
        state.write_query(image=str(clicked))
        st.rerun()
    with right, st.container(key="image_panel"):  # stays in sight beside the cards: see style.css
        if image >= 0:
            _image(run, dataset, image, scores)


def _findings(run: Run, scores: dict[str, Array], pairs: NearDuplicates | None) -> None:
    for finding in findings(run, scores, pairs):
        st.markdown(f"**{finding.title}.** {finding.text}")


def _filters(run: Run, scores: dict[str, Array], pairs: NearDuplicates | None) -> tuple[str, Array]:
    """(score to sort by, bool ``[N]`` images to show)."""
    kinds = kinds_of(run, pairs)
    first, second, third = st.columns(3)
    start = state.page_value("score", "curvature")
    names = list(scores)
    with first:
        score = st.selectbox(
            "Sort by", names, index=names.index(start) if start in names else 0, format_func=lambda name: SCORES[name].title
        )
    with second:
        start = state.page_value("show", "all")
        kind = st.selectbox(
            "Show", list(kinds), index=list(kinds).index(start) if start in kinds else 0,
            format_func=lambda name: f"{KINDS[name]} ({int(kinds[name].sum()):,})",
        )  # fmt: skip
    with third:
        classes = ["", *run.class_names]
        start = state.page_value("cls")
        name = st.selectbox(
            "Given class", classes, index=classes.index(start) if start in classes else 0, format_func=lambda c: c or "all classes"
        )
    state.write_query(score=score if score != "curvature" else None, show=kind if kind != "all" else None, cls=name or None)
    of_class = run.labels.given_label == run.class_names.index(name) if name else np.ones(len(kinds["all"]), dtype=bool)
    return score, kinds[kind] & of_class


def _image_asked(run: Run, order: Array) -> int:
    """The image in the URL, else the first of the list, -1 for an empty list."""
    text = state.page_value("image")
    if text.isdecimal() and int(text) < len(run.labels.given_label):
        return int(text)
    if text:
        st.warning(f"The link asks for image {text!r}; this run has images 0 to {len(run.labels.given_label) - 1:,}.")
        state.write_query(image=None)
    return int(order[0]) if len(order) else -1


def _image(run: Run, dataset: Dataset, n: int, scores: dict[str, Array]) -> None:
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
    live_chart(
        figures_images.history_figure(info, palette(), 300), key="history", height=300, alt="Loss and margin of this image over the epochs"
    )
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


# -- near-duplicates -------------------------------------------------------------------------------


def pairs_of(run: Run, which: str = "peak") -> NearDuplicates | None:
    """Flagged pairs over the whole training set by the embedding of peak mean curvature (or the last); None without one."""
    dataset = cards.images_of(run)
    return None if dataset is None else _pairs(run.run_id, run.last_epoch, which, run, dataset)


@st.cache_data(max_entries=16, show_spinner="Looking for near-duplicates…", hash_funcs={Run: lambda r: r.run_id, Dataset: id})
def _pairs(run_id: str, recorded: int, which: str, run: Run, dataset: Dataset) -> NearDuplicates | None:
    embedding = run.embedding if which == "last" or run.embedding_peak is None else run.embedding_peak
    return None if embedding is None else near_duplicates(embedding, run.labels.given_label, dataset.train_images)


def show_pairs(run: Run) -> None:
    """Pairs that look alike to the network, conflicting labels first, by curvature."""
    dataset = cards.images_of(run)
    if dataset is None:
        return
    which = "peak"
    if run.embedding_peak is not None:
        which = st.segmented_control(
            "Embedding", ["peak", "last"], default="peak", required=True, key="pair_embedding",
            format_func=lambda w: "at peak curvature" if w == "peak" else "last epoch",
            help="A network that memorizes two labels for one image pulls the two apart by the end: the embedding of the peak finds more.",
        )  # fmt: skip
    pairs = pairs_of(run, which or "peak")
    if pairs is None:
        st.info("Embeddings were switched off for this run, so near-duplicates are not known. Train with *Embedding every* 1.")
        return
    conflicts = int(pairs.conflicting.sum())
    st.markdown(
        f"**{len(pairs.a):,} pairs** look alike (cosine {pairs.cut:.4f} or more in the network's embedding), "
        f"{int(pairs.exact.sum()):,} of them byte for byte; **{conflicts:,} carry conflicting labels**."
    )
    only = st.toggle("Only conflicting pairs", value=conflicts > 0, key="only_conflicts")
    curvature = cards.scores_at(run, run.last_epoch).get("curvature", np.zeros(len(run.labels.given_label)))
    rank = np.lexsort((-np.maximum(curvature[pairs.a], curvature[pairs.b]), ~pairs.conflicting))
    rank = rank[pairs.conflicting[rank]] if only else rank
    shown = [_pair_card(run, dataset, pairs, int(i)) for i in rank[:PAIRS_PER_PAGE]]
    if len(rank) > PAIRS_PER_PAGE:
        st.caption(f"The first {PAIRS_PER_PAGE} of {len(rank):,}, highest curvature first; all are in near_duplicates.parquet of the run.")
    clicked = gallery(shown, key="pairs", label="Near-duplicate pairs", empty="No such pair was found.")
    if clicked is not None:
        state.write_query(image=str(clicked))
        st.toast("Shown under Images.")


def _pair_card(run: Run, dataset: Dataset, pairs: NearDuplicates, i: int) -> Card:
    a, b = int(pairs.a[i]), int(pairs.b[i])
    curvature = cards.scores_at(run, run.last_epoch).get("curvature")
    if curvature is not None and curvature[b] > curvature[a]:
        a, b = b, a
    names, labels = run.class_names, run.labels
    kind = "conflict" if pairs.conflicting[i] else "exact copy" if pairs.exact[i] else "near-duplicate"
    return Card(
        example=a, image=cards.thumbnail(run, dataset, a), given=names[labels.given_label[a]],
        predicted=names[run.facts.predicted_label[-1][a]],
        true=names[labels.true_label[a]] if labels.true_label is not None else None, badge=kind,
        partner_image=cards.thumbnail(run, dataset, b), partner_caption=f"given {names[labels.given_label[b]]}",
    )  # fmt: skip


# -- quality ---------------------------------------------------------------------------------------


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
