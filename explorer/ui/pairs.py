"""The Inspect page, second tab: pairs of training images that look alike to the network."""

from __future__ import annotations

import numpy as np
import streamlit as st

from explorer.analysis.neighbors import NearDuplicates, near_duplicates
from explorer.records import Dataset, Run
from explorer.ui import cards, state
from explorer.ui.gallery import Card, gallery
from explorer.ui.words import no_embedding

PAIRS_PER_PAGE = 40


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
            "Embedding", ["peak", "last"], default="peak", required=True, key="pair_embedding", persist_state="page",
            format_func=lambda w: "at peak curvature" if w == "peak" else "last epoch",
            help="A network that memorizes two labels for one image pulls the two apart by the end: the embedding of the peak finds more.",
        )  # fmt: skip
    pairs = pairs_of(run, which or "peak")
    if pairs is None:
        st.info(f"{no_embedding(run)} Near-duplicates are not known.")
        return
    conflicts = int(pairs.conflicting.sum())
    st.markdown(_pairs_sentence(pairs))
    if not len(pairs.a):
        return
    only = st.toggle("Only conflicting pairs", value=conflicts > 0, key="only_conflicts", persist_state="page")
    curvature = cards.scores_at(run, run.last_epoch).get("curvature", np.zeros(len(run.labels.given_label)))
    rank = np.lexsort((-np.maximum(curvature[pairs.a], curvature[pairs.b]), ~pairs.conflicting))
    rank = rank[pairs.conflicting[rank]] if only else rank
    shown = [_pair_card(run, dataset, pairs, int(i)) for i in rank[:PAIRS_PER_PAGE]]
    if len(rank) > PAIRS_PER_PAGE:
        st.caption(f"The first {PAIRS_PER_PAGE} of {len(rank):,}, highest curvature first; all are in near_duplicates.parquet of the run.")
    clicked = gallery(shown, key="pairs", pairs=True, label="Near-duplicate pairs", empty="No such pair was found.")
    if clicked is not None:
        state.write_query(image=str(clicked))
        st.toast("Shown under Images.")


def _pairs_sentence(pairs: NearDuplicates) -> str:
    if not len(pairs.a):
        return f"**No two images look alike** to the network: none has a neighbour at a cosine of {pairs.cut:.3f} or more in its embedding."
    number, conflicts = len(pairs.a), int(pairs.conflicting.sum())
    return (
        f"**{number:,} {'pair looks' if number == 1 else 'pairs look'} alike** to the network (cosine {pairs.cut:.3f} or more in its "
        f"embedding), {int(pairs.exact.sum()):,} of them byte for byte; **{conflicts:,} under conflicting labels**."
    )


def _pair_card(run: Run, dataset: Dataset, pairs: NearDuplicates, i: int) -> Card:
    a, b = int(pairs.a[i]), int(pairs.b[i])
    curvature = cards.scores_at(run, run.last_epoch).get("curvature")
    if curvature is not None and curvature[b] > curvature[a]:
        a, b = b, a
    names, labels = run.class_names, run.labels
    kind = "conflict" if pairs.conflicting[i] else "exact copy" if pairs.exact[i] else "near-duplicate"
    return Card(
        example=a, image=cards.thumbnail(run, dataset, a), given=names[labels.given_label[a]],
        predicted=names[run.facts.predicted_label[-1][a]] if len(run.facts.epochs) else "-",
        true=cards.true_name(run, a), badge=kind,
        partner_image=cards.thumbnail(run, dataset, b), partner_caption=f"given {names[labels.given_label[b]]}",
    )  # fmt: skip
