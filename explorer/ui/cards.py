"""From images of a run to the cards that show them, the same on every page."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import streamlit as st

from explorer.analysis.neighbors import Neighbors, default_cut, nearest, normalise
from explorer.analysis.scores import compute_scores, facts_until, percentile, ranking
from explorer.config import ConfigError
from explorer.records import Array, DataError, Dataset, Run
from explorer.ui.gallery import Card, image_url
from explorer.ui.services import load_dataset

CUT_SAMPLE = 512  # images whose nearest neighbour tells what a typical distance is


class LookAlikes(NamedTuple):
    """The nearest other image of some images. partner: int ``[Q]``, -1 for none; similarity: ``[Q]``; near, conflict: bool ``[Q]``."""

    partner: Array
    similarity: Array
    near: Array
    conflict: Array


def images_of(run: Run) -> Dataset | None:
    """The run's images, or None, with a sentence on the page, where they are not to be had any more."""
    try:
        dataset = load_dataset(run.config)
    except (ConfigError, DataError, OSError) as error:
        st.warning(f"The images of this run cannot be shown: {str(error).rstrip('.')}. Scores and curves are from the stored run.")
        return None
    if not np.array_equal(dataset.source_index, run.source_index):
        st.warning("The data have changed since this run was trained, so its images are not shown. Scores and curves are from the stored run.")
        return None
    return dataset


def scores_at(run: Run, epoch: int) -> dict[str, Array]:
    """Every score as it stood after an epoch; neighbours come from the embedding of peak mean curvature."""
    return _scores(run.run_id, run.last_epoch, epoch, run.status, run)


@st.cache_data(max_entries=64, show_spinner=False, hash_funcs={Run: lambda run: run.run_id})
def _scores(run_id: str, recorded: int, epoch: int, status: str, run: Run) -> dict[str, Array]:
    embedding = run.embedding_peak if run.embedding_peak is not None else run.embedding
    return compute_scores(facts_until(run.facts, epoch), run.labels.given_label, embedding)


def top_by_curvature(run: Run, epoch: int, count: int) -> Array:
    """int ``[count]``: the images of highest mean curvature up to an epoch; empty where curvature was not probed."""
    curvature = facts_until(run.facts, epoch).curvature
    return ranking("curvature", curvature.mean(axis=0, dtype=np.float64))[:count] if len(curvature) else np.zeros(0, dtype=int)


def look_alikes(run: Run, examples: Array) -> LookAlikes | None:
    """The nearest image of each example by the network's embedding; None where it was not recorded."""
    found = neighbors_of(run, examples, 1)
    if found is None:
        return None
    neighbors, cut = found
    partner, similarity = neighbors.index[:, 0], neighbors.similarity[:, 0]
    near = (partner >= 0) & (similarity >= cut)
    given = run.labels.given_label
    return LookAlikes(partner, similarity, near, near & (given[partner] != given[examples]))


def neighbors_of(run: Run, examples: Array, k: int) -> tuple[Neighbors, float] | None:
    """(the k nearest images of each example, cosine from which we speak of near-duplicates), or None without embedding."""
    embedding = run.embedding_peak if run.embedding_peak is not None else run.embedding
    if embedding is None:
        return None
    unit = normalise(embedding)
    sample = np.random.default_rng(0).permutation(len(unit))[:CUT_SAMPLE]
    return nearest(unit, k, examples), default_cut(nearest(unit, 1, sample))


def badge(run: Run, example: int, conflict: bool = False) -> str:
    """What truth, or a near-duplicate, says of an image, in a word or two."""
    if conflict:
        return "conflict"
    origin = str(run.labels.wrong_origin[example])
    if origin:
        return {"flipped": "flipped", "planted": "planted wrong copy", "recorded": "wrong in the data"}[origin]
    kind = str(run.planted.kind[example]) if run.planted else "typical"
    return {"typical": "", "near_duplicate": "planted copy"}.get(kind, kind)


def cards(run: Run, dataset: Dataset, examples: Sequence[int] | Array, epoch: int, score: str, *, selected: int = -1) -> list[Card]:
    """Cards for some training images as they stood after an epoch, with their look-alikes."""
    examples = np.asarray(examples, dtype=int)
    if not len(examples):
        return []
    facts = facts_until(run.facts, epoch)
    values = scores_at(run, epoch).get(score)
    ranks = percentile(score, values) if values is not None else None
    twins = look_alikes(run, examples)
    return [
        _card(run, dataset, int(n), i, facts.predicted_label[-1] if len(facts.epochs) else None, facts.loss, ranks, twins, selected)
        for i, n in enumerate(examples)
    ]


def _card(
    run: Run, dataset: Dataset, n: int, i: int, predicted: Array | None, loss: Array, ranks: Array | None, twins: LookAlikes | None, selected: int
) -> Card:  # fmt: skip
    names, labels = run.class_names, run.labels
    partner = int(twins.partner[i]) if twins is not None and twins.near[i] else -1
    conflict = bool(twins is not None and twins.conflict[i])
    return Card(
        example=n,
        image=thumbnail(run, dataset, n),
        given=names[labels.given_label[n]],
        predicted=names[predicted[n]] if predicted is not None else "-",
        true=names[labels.true_label[n]] if labels.true_label is not None else None,
        percentile=None if ranks is None else float(ranks[n]),
        badge=badge(run, n, conflict),
        partner_image=thumbnail(run, dataset, partner) if partner >= 0 else "",
        partner_caption=f"given {names[labels.given_label[partner]]}" if partner >= 0 else "",
        losses=tuple(loss[:, n].astype(float).tolist()),
        selected=n == selected,
    )


def thumbnail(run: Run, dataset: Dataset, example: int) -> str:
    """The image as a data URL, encoded once."""
    return _thumbnail(run.run_id, example, dataset)


@st.cache_data(max_entries=20_000, show_spinner=False, hash_funcs={Dataset: id})
def _thumbnail(run_id: str, example: int, dataset: Dataset) -> str:
    return image_url(dataset.train_images[example])
