"""The Inspect page: test images that stand in the training set too, and what they do to the test accuracy."""

from __future__ import annotations

import numpy as np
import streamlit as st

from explorer.analysis.flagged import EXACT_ONLY, Cut
from explorer.analysis.leakage import Leakage, leakage
from explorer.analysis.neighbors import NearDuplicates
from explorer.analysis.reasons_case import percent
from explorer.records import Array, Dataset, Run, StoreError
from explorer.runs.duplicates import DuplicateSet, leaks
from explorer.ui import searches
from explorer.ui.duplicate_cards import PAGES_WIDTH, member, open_images, pixels_of
from explorer.ui.duplicate_words import leak_words, leakage_words
from explorer.ui.duplicates_search import show_search
from explorer.ui.gallery import image_url
from explorer.ui.services import get_store
from explorer.ui.strips import Member, StripCard, strips

PER_PAGE = 24  # test images
TWINS = 6  # of a test image
OFFER = (
    "A test image that stands in the training set too tests memory, not learning. This search looks at training and test images together."
)


def show_leaks(run: Run, dataset: Dataset) -> None:
    """The leaked test images, each beside its twins in the training set; or how to find them."""
    st.divider()
    st.markdown("##### Between training and test images")
    if not len(dataset.test_images):
        st.caption("These data have no test images.")
        return
    try:
        found = searches.stored(run, dataset, against_test=True)
    except StoreError as error:
        st.error(f"{error}.")
        return
    if found is None:
        show_search(run, dataset, OFFER, "Search for leaks", against_test=True)
        return
    pairs = _leaks(run.run_id, found, run.labels.given_label, dataset.test_label)
    leaked = np.unique(pairs.b)
    cut = searches.cuts(found)[1]
    st.markdown(leak_words(len(leaked), pairs, len(dataset.test_images), searches.leaks_by_chance(found, cut)))
    try:
        predicted = _predicted(run.run_id, run.last_epoch)
    except StoreError as error:
        st.error(f"{error}.")
        predicted = None
    if len(leaked) and predicted is not None:
        st.markdown(leakage_words(_leakage(predicted, dataset.test_label, leaked)))
    st.caption(_how_sure(cut))
    if len(leaked):
        _show(run, dataset, pairs, predicted)


@st.cache_resource(max_entries=8, show_spinner=False, hash_funcs=searches.BY_CONTENT)
def _leaks(run_id: str, found: DuplicateSet, _given: Array, _test_label: Array) -> NearDuplicates:
    return leaks(found, _given, _test_label)


@st.cache_resource(max_entries=16, show_spinner=False)
def _predicted(run_id: str, epoch: int) -> Array | None:
    """The class predicted for each test image after an epoch; None where none was recorded."""
    predicted = get_store().folder(run_id).test_predictions(epoch)
    return predicted if predicted is not None and len(predicted) else None


def _leakage(predicted: Array, label: Array, leaked: Array) -> Leakage:
    return leakage(predicted, label, np.isin(np.arange(len(label)), leaked))


def _how_sure(cut: Cut) -> str:
    if np.isnan(cut.precision) or cut.likeness == EXACT_ONLY:
        return "Flagged are exact copies and pairs that hardly can be anything else; how many changed copies are found cannot be told here."
    return (
        f"Cut for an estimated precision of 95 % over all images: about {percent(cut.recall)} of changed copies are found. Where few test "
        "images leaked, more of the flagged pairs are look-alikes than where many did."
    )


def _show(run: Run, dataset: Dataset, pairs: NearDuplicates, predicted: Array | None) -> None:
    """Test images with conflicting labels first, then the most similar ones."""
    order = np.lexsort((-pairs.similarity, ~pairs.conflicting))
    together: dict[int, list[int]] = {}
    for i in order.tolist():
        together.setdefault(int(pairs.b[i]), []).append(i)
    tests = list(together)
    pages = -(-len(tests) // PER_PAGE)
    page = st.pagination(pages, key=f"leaks_page_{pages}", max_visible_pages=7, width=PAGES_WIDTH) if pages > 1 else 1
    shown = tests[(page - 1) * PER_PAGE : page * PER_PAGE]
    made = [_card(run, dataset, pairs, test, together[test], predicted) for test in shown]
    strips(
        made, key="leaks", pixels=pixels_of(dataset), label="Leaked test images beside their training twins",
        on_open=lambda number, example: open_images(
            run, [int(pairs.a[i]) for i in together[shown[number]]], f"training twins of test image {shown[number]}", example
        ),
    )  # fmt: skip


def _card(run: Run, dataset: Dataset, pairs: NearDuplicates, test: int, places: list[int], predicted: Array | None) -> StripCard:
    label = int(dataset.test_label[test])
    twins = [member(run, dataset, int(pairs.a[i]), other=bool(pairs.conflicting[i])) for i in places[:TWINS]]
    conflict, exact = bool(pairs.conflicting[places].any()), bool(pairs.exact[places].any())
    first = Member(
        -1, _test_image(run.run_id, dataset, test), run.class_names[label], f"Test image {test}: labelled {run.class_names[label]}",
        mark="test", below="" if predicted is None else f"predicted {run.class_names[int(predicted[test])]}",
    )  # fmt: skip
    alike = "the same to the byte" if exact else f"similarity {pairs.similarity[places].max():.3f}"
    return StripCard((first, *twins), conflict, "conflict" if conflict else "exact copy" if exact else "", note=alike)


@st.cache_data(max_entries=2_000, show_spinner=False, hash_funcs={Dataset: id})
def _test_image(run_id: str, dataset: Dataset, test: int) -> str:
    return image_url(dataset.test_images[test], 192)
