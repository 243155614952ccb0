"""Near-duplicates of a run as its pages ask for them: searched by appearance, or found in the network's embedding; each kept once."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import streamlit as st

from explorer.analysis import flagged
from explorer.analysis.calibration import default_cut
from explorer.analysis.flagged import Cut, Strip
from explorer.analysis.neighbors import NearDuplicates, near_duplicates
from explorer.records import Array, Dataset, Run, StoreError
from explorer.runs.duplicates import DuplicateFolder, DuplicateSet, duplicates_id, flag
from explorer.runs.kept import kept_pairs
from explorer.ui import cards, state
from explorer.ui.services import get_store

_BY_ID = {Run: lambda run: run.run_id, Dataset: id}
BY_CONTENT = {
    DuplicateSet: lambda found: (found.images, found.first_test, int(found.found.a @ found.found.b), float(found.found.likeness.sum()))
}


@st.cache_data(max_entries=64, show_spinner=False, hash_funcs=_BY_ID)
def search_id(run_id: str, dataset: Dataset, against_test: bool = False) -> str:
    """The id of the search among the images of a run; hashing 50,000 of them takes a moment."""
    return duplicates_id(dataset.train_images, dataset.test_images if against_test else None)


def stored(run: Run, dataset: Dataset, *, against_test: bool = False) -> DuplicateSet | None:
    """What the search by appearance found; None where it has not been done. Raises StoreError for a damaged one."""
    folder = DuplicateFolder.of(get_store().root, search_id(run.run_id, dataset, against_test))
    return _read(str(folder.path), (folder.path / "about.json").stat().st_mtime_ns) if folder.exists() else None


@st.cache_resource(max_entries=6, show_spinner=False)
def _read(path: str, written: int) -> DuplicateSet:
    return DuplicateFolder(Path(path)).read()


# -- by appearance ---------------------------------------------------------------------------------


def cuts(found: DuplicateSet) -> tuple[tuple[Cut, ...], Cut]:
    """(the cuts to choose from, the one nobody chose), over all images that were searched."""
    exact = int(found.found.exact.sum())
    return flagged.cuts(found.calibration, exact), flagged.cut_at(found.calibration, default_cut(found.calibration), exact)


def chosen_cut(found: DuplicateSet) -> Cut:
    """The cut in the link, else the one nobody chose."""
    choice, standard = cuts(found)
    return next((cut for cut in choice if str(cut.pairs) == state.page_value("cut_pairs")), standard)


def flagged_pairs(run: Run, found: DuplicateSet, likeness: float) -> NearDuplicates:
    """The training pairs at or above a cut on likeness."""
    return _flagged(run.run_id, likeness, found, run.labels.given_label)


@st.cache_resource(max_entries=32, show_spinner=False, hash_funcs=BY_CONTENT)
def _flagged(run_id: str, likeness: float, found: DuplicateSet, _given: Array) -> NearDuplicates:
    return flag(found, _given, likeness)


def strips(run: Run, found: DuplicateSet, cut: Cut, curvature: Array | None) -> tuple[Strip, ...]:
    """Those pairs by group, conflicts first."""
    pairs, now = flagged_pairs(run, found, cut.likeness), (run.run_id, run.last_epoch, run.status)
    return _strips(now, cut.likeness, found, pairs, run.labels.given_label, curvature)


@st.cache_resource(max_entries=32, show_spinner=False, hash_funcs=BY_CONTENT)
def _strips(
    now: tuple[str, int, str], likeness: float, found: DuplicateSet, _pairs: NearDuplicates, _given: Array, _curvature: Array | None
) -> tuple[Strip, ...]:  # fmt: skip
    own = found.found.likeness[found.part(against_test=False)]
    return flagged.strips(_pairs, own[: len(_pairs.a)], _given, _curvature)


def leaks_by_chance(found: DuplicateSet, cut: Cut) -> float:
    """How many of the flagged pairs of a training and a test image are expected to be mere look-alikes."""
    return flagged.by_chance(cut, found.part(against_test=True), found.found.exact)


# -- whichever there is ------------------------------------------------------------------------------


def near_duplicates_of(run: Run) -> NearDuplicates | None:
    """By appearance, at the cut nobody chose, where the images were searched; else as the finished run wrote its pairs down; else as
    its network sees them now, which takes long for many images. None where nothing is known."""
    dataset = cards.images_of(run)
    if dataset is None:
        return None
    try:
        found = stored(run, dataset)
        if found is not None:
            return flagged_pairs(run, found, cuts(found)[1].likeness)
    except StoreError as error:
        st.warning(f"{error}.")
    kept = _kept(run.run_id, run.last_epoch, run) if run.status == "finished" else None
    return kept if kept is not None else by_network(run)


@st.cache_resource(max_entries=16, show_spinner=False, hash_funcs=_BY_ID)
def _kept(run_id: str, recorded: int, run: Run) -> NearDuplicates | None:
    try:
        return kept_pairs(get_store().folder(run_id), run.source_index)
    except StoreError as error:
        st.warning(f"{error}.")
        return None


def by_network(run: Run) -> NearDuplicates | None:
    """Pairs close in the embedding of the epoch of peak mean curvature (else the last one); None without an embedding."""
    dataset = cards.images_of(run)
    return None if dataset is None else _by_network(run.run_id, run.last_epoch, run.status, run, dataset)


@st.cache_resource(max_entries=8, show_spinner="Looking for near-duplicates…", hash_funcs=_BY_ID)
def _by_network(run_id: str, recorded: int, status: str, run: Run, dataset: Dataset) -> NearDuplicates | None:
    embedding = run.embedding_peak if run.embedding_peak is not None else run.embedding
    if embedding is None:
        return None
    kept = _kept(run_id, recorded, run) if status == "finished" else None
    if kept is not None and flagged.are_cosines(kept, np.asarray(embedding)):
        return kept
    return near_duplicates(embedding, run.labels.given_label, dataset.train_images)
