"""From images of a run to the cards that show them, the same on every page."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import NamedTuple

import numpy as np
import streamlit as st

from explorer.analysis.neighbors import NearDuplicates, Neighbors, default_cut, nearest, normalise
from explorer.analysis.scores import SCORES, compute_scores, facts_until, percentile, ranking, usual_prediction
from explorer.analysis.views import closest_partners
from explorer.config import ConfigError, RunConfig
from explorer.records import NO_CLASS, Array, DataError, Dataset, Run
from explorer.runs.kept import kept_score
from explorer.ui.gallery import Card, image_url
from explorer.ui.services import get_store, load_dataset

ORIGINS = {
    "flipped": "flipped", "planted": "planted wrong copy", "recorded": "wrong in the data", "foreign": "foreign image",
    "reviewed": "wrong since its review",
}  # fmt: skip
NONE_OF_THE_CLASSES = "none of the classes"  # what an image of another set shows
CUT_SAMPLE = 512  # images whose nearest neighbour tells what a typical distance is
CARD_PIXELS = 192  # of the longer side: a card shows no more, and hundreds of them travel in one message
THUMBNAILS = 20_000  # kept of a run


class LookAlikes(NamedTuple):
    """The nearest other image of some images. partner: int ``[Q]``, -1 for none; similarity: ``[Q]``; near, conflict: bool ``[Q]``."""

    partner: Array
    similarity: Array
    near: Array
    conflict: Array


def images_of(run: Run) -> Dataset | None:
    """The run's images, or None, with a sentence on the page, where they are not to be had any more."""
    try:
        dataset = _images(run.run_id, run.config)
    except (ConfigError, DataError, OSError) as error:
        st.warning(f"The images of this run cannot be shown: {str(error).rstrip('.')}. Scores and curves are from the stored run.")
        return None
    if not np.array_equal(dataset.source_index, run.source_index):
        st.warning(
            "The data have changed since this run was trained, so its images are not shown. Scores and curves are from the stored run."
        )
        return None
    return dataset


@st.cache_resource(ttl=10, max_entries=2, show_spinner=False)
def _images(run_id: str, _config: RunConfig) -> Dataset:
    """Whether the files behind them changed is not asked again at every click: for 50,000 of them it takes a second."""
    return load_dataset(_config)


def true_name(run: Run, example: int) -> str | None:
    """What an image shows, in words; None where nobody knows."""
    if run.labels.true_label is None:
        return None
    true = int(run.labels.true_label[example])
    return NONE_OF_THE_CLASSES if true == NO_CLASS else run.class_names[true]


def suggestion(run: Run, example: int, epoch: int) -> tuple[str, float] | None:
    """(class ELR's target memory favours after an epoch, share of the given label in it); None without such a memory."""
    at = int((run.facts.epochs <= epoch).sum()) - 1
    if at < 0 or not len(run.facts.target_label) or not run.facts.target_share[at].any():  # empty until it is first filled
        return None
    return run.class_names[run.facts.target_label[at, example]], float(run.facts.target_share[at, example])


def scores_at(run: Run, epoch: int) -> dict[str, Array]:
    """Every score as it stood after an epoch; neighbours come from the embedding of peak mean curvature."""
    return _scores(run.run_id, run.last_epoch, epoch, run.status, run)


@st.cache_data(max_entries=64, show_spinner=False, hash_funcs={Run: lambda run: run.run_id})
def _scores(run_id: str, recorded: int, epoch: int, status: str, run: Run) -> dict[str, Array]:
    last = epoch == run.config.epochs  # what was computed after training was not known before
    by_search = kept_score(get_store().folder(run_id), "knn_disagreement") if last and status == "finished" else None
    found = compute_scores(
        facts_until(run.facts, epoch), run.labels.given_label, _embedding(run) if by_search is None else None,
        out_of_sample=run.out_of_sample if last else None, second_split=run.second_split if last else None,
        trained=run.config.trains,
    )  # fmt: skip
    if by_search is not None:
        found["knn_disagreement"] = by_search
    return {name: found[name] for name in SCORES if name in found}


def _embedding(run: Run) -> Array | None:
    return run.embedding_peak if run.embedding_peak is not None else run.embedding


def top_by_curvature(run: Run, epoch: int, count: int) -> Array:
    """int ``[count]``: the images of highest mean curvature up to an epoch; empty where curvature was not probed."""
    curvature = facts_until(run.facts, epoch).curvature
    return ranking("curvature", curvature.mean(axis=0, dtype=np.float64))[:count] if len(curvature) else np.zeros(0, dtype=int)


def look_alikes(run: Run, examples: Array, pairs: NearDuplicates | None = None) -> LookAlikes | None:
    """The nearest image of each example by the network's embedding; None where it was not recorded.

    pairs: the near-duplicates of the run where they are known. Then nothing is searched, and only these have a partner.
    """
    if pairs is not None:
        partner, similarity, conflict = closest_partners(pairs, examples)
        return LookAlikes(partner, similarity, partner >= 0, conflict)
    found = neighbors_of(run, examples, 1)
    if found is None:
        return None
    neighbors, cut = found
    partner, similarity = neighbors.ids[:, 0], neighbors.similarity[:, 0]
    near = (partner >= 0) & (similarity >= cut)
    given = run.labels.given_label
    return LookAlikes(partner, similarity, near, near & (given[partner] != given[examples]))


def neighbors_of(run: Run, examples: Array, k: int) -> tuple[Neighbors, float] | None:
    """(the k nearest images of each example, cosine from which we speak of near-duplicates), or None without embedding."""
    if _embedding(run) is None:
        return None
    unit, cut = _directions(run.run_id, run.last_epoch, run)
    return nearest(unit, k, examples), cut


@st.cache_resource(max_entries=2, show_spinner=False, hash_funcs={Run: lambda run: run.run_id})
def _directions(run_id: str, recorded: int, run: Run) -> tuple[Array, float]:
    """(the embedding with rows of length 1, cosine from which we speak of near-duplicates)."""
    unit = normalise(np.asarray(_embedding(run)))
    sample = np.random.default_rng(0).permutation(len(unit))[:CUT_SAMPLE]
    return unit, default_cut(nearest(unit, 1, sample))


def badge(run: Run, example: int, *, near: bool = False, conflict: bool = False) -> str:
    """What truth, or a near-duplicate, says of an image, in a word or two."""
    origin = str(run.labels.wrong_origin[example])
    kind = str(run.planted.kind[example]) if run.planted else "typical"
    known = ORIGINS.get(origin) or {"typical": "", "near_duplicate": "planted copy"}.get(kind, kind)
    words = ["conflict"] if conflict else ["near-duplicate"] if near and kind != "near_duplicate" else []
    return " · ".join([*words, known] if known else words)


def doubt(run: Run, example: int, epoch: int) -> str:
    """Another class that ELR's target memory holds an image for after an epoch, and the share of the given one; else empty."""
    found = suggestion(run, example, epoch)
    if found is None or found[0] == run.class_names[run.labels.given_label[example]]:
        return ""
    return f"ELR: {found[0]}, given\u00a0{100 * found[1]:.0f}\u00a0%"


def cards(
    run: Run, dataset: Dataset, examples: Sequence[int] | Array, epoch: int, score: str, *, twins: str = "all",
    pairs: NearDuplicates | None = None, ranks: Array | None = None, notes: Sequence[str] = (),
) -> list[Card]:  # fmt: skip
    """Cards for some training images as they stood after an epoch.

    twins: show the nearest other image of all of them, or only of those that are a near-duplicate ("near").
    pairs: the near-duplicates of the run where they are known; saves the search. notes: a line for each example.
    ranks: the bar of each training image ``[N]``, 0 to 1, where it is not the percentile of ``score``.
    """
    examples = np.asarray(examples, dtype=int)
    if not len(examples):
        return []
    facts = facts_until(run.facts, epoch)
    if ranks is None and (values := scores_at(run, epoch).get(score)) is not None:
        ranks = percentile(score, values)
    looks = usual_prediction(facts.predicted_label[:, examples]) if len(facts.epochs) else None
    found = look_alikes(run, examples, pairs)
    shown = np.zeros(len(examples), dtype=bool) if found is None else found.near if twins == "near" else found.partner >= 0
    picture = partial(_small, dataset, _thumbnails(run.run_id, dataset))
    pixels = max(dataset.train_images.shape[1:3])
    return [
        _card(run, picture, pixels, int(n), epoch, None if looks is None else int(looks[i]), None if ranks is None else float(ranks[n]),
              facts.loss[:, n], _twin(run, picture, found, i, bool(shown[i])), notes[i] if notes else "")
        for i, n in enumerate(examples)
    ]  # fmt: skip


class _Twin(NamedTuple):
    near: bool
    conflict: bool
    image: str
    caption: str


def _twin(run: Run, picture: Callable[[int], str], found: LookAlikes | None, i: int, shown: bool) -> _Twin:
    if found is None or not shown:
        return _Twin(False, False, "", "")
    partner = int(found.partner[i])
    caption = f"given {run.class_names[run.labels.given_label[partner]]}, {found.similarity[i]:.3f}"
    return _Twin(bool(found.near[i]), bool(found.conflict[i]), picture(partner), caption)


def _card(
    run: Run, picture: Callable[[int], str], pixels: int, n: int, epoch: int, looks: int | None, rank: float | None, loss: Array,
    twin: _Twin, note: str,
) -> Card:  # fmt: skip
    names, labels = run.class_names, run.labels
    return Card(
        example=n,
        image=picture(n),
        pixels=pixels,
        given=names[labels.given_label[n]],
        predicted="" if looks is None else names[looks],
        true=true_name(run, n),
        percentile=rank,
        badge=" · ".join(filter(None, (badge(run, n, near=twin.near, conflict=twin.conflict), doubt(run, n, epoch)))),
        partner_image=twin.image,
        partner_caption=twin.caption,
        losses=tuple(loss.astype(float).tolist()),
        note=note,
    )


def card_image(run: Run, dataset: Dataset, example: int) -> str:
    """The image of a card as a data URL, encoded once."""
    return _small(dataset, _thumbnails(run.run_id, dataset), example)


def thumbnail(run: Run, dataset: Dataset, example: int) -> str:
    """The whole image as a data URL, encoded once."""
    return _whole(run.run_id, example, dataset)


@st.cache_data(max_entries=2_000, show_spinner=False, hash_funcs={Dataset: id})
def _whole(run_id: str, example: int, dataset: Dataset) -> str:
    return image_url(dataset.train_images[example])


@st.cache_resource(max_entries=8, show_spinner=False, hash_funcs={Dataset: id})
def _thumbnails(run_id: str, dataset: Dataset) -> dict[int, str]:
    """Images of cards as data URLs, by position, for ``_small`` to fill: asking the cache for each of hundreds would take longer."""
    return {}


def _small(dataset: Dataset, kept: dict[int, str], example: int) -> str:
    """The image of a card, encoded once."""
    url = kept.get(example)
    if url is None:
        if len(kept) >= THUMBNAILS:
            kept.clear()
        url = kept[example] = image_url(dataset.train_images[example], CARD_PIXELS)
    return url
