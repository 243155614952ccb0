"""The image looked at closely: why it stands out stands beneath its labels, in sentences that are true and safe to draw."""

from __future__ import annotations

import re

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from explorer.analysis.neighbors import NEIGHBORS
from explorer.analysis.reasons import partners_of, reasons, why
from explorer.records import Run
from explorer.runs.store import RunStore
from explorer.ui import cards
from explorer.ui.searches import near_duplicates_of
from explorer.ui.words import plain
from tests.ui.conftest import Library, Visit
from tests.ui.test_pages import said


def read(library: Library, kind: str) -> Run:
    return RunStore(library.home).open(library.ids[kind])


def look(visit: Visit, run: Run, n: int) -> AppTest:
    page = visit("inspect", run=run.run_id, image=str(n))
    assert said(page)
    return page


def spoken(page: AppTest) -> tuple[str, str, str]:
    """(labels, why, every fact) of the image, as they stand one beneath the other."""
    texts = [each.value for each in page.markdown]
    [at] = [i for i, text in enumerate(texts) if text.startswith("given **")]
    return texts[at], texts[at + 1], texts[at + 2]


@pytest.mark.parametrize("kind", ["finished", "stopped", "no truth"])
def test_why_stands_beneath_the_labels_and_is_that_of_the_facts(visit: Visit, stocked: Library, kind: str) -> None:
    run = read(stocked, kind)
    names, pairs = [f"**{plain(name)}**" for name in run.class_names], near_duplicates_of(run)
    assert pairs is not None
    scores = cards.scores_at(run, run.last_epoch)
    for n in (0, int(np.argmax(scores["cumulative_loss"])), int(np.argmin(scores["cumulative_loss"]))):
        near = cards.neighbors_of(run, np.array([n]), NEIGHBORS)
        assert near is not None
        found = reasons(run, n, scores, near[0].ids[0], partners_of(pairs, n), names)
        _, paragraph, facts = spoken(look(visit, run, n))
        assert paragraph == why(run, n, found, names)
        assert facts.splitlines() == [f"- {reason.sentence}" for reason in found if reason.kind != "typical"]


def test_class_names_stay_text_wherever_they_are_said(visit: Visit, stocked: Library) -> None:
    run = read(stocked, "no truth")
    hardest = int(np.argmax(cards.scores_at(run, run.last_epoch)["cumulative_loss"]))
    for text in spoken(look(visit, run, hardest)):
        assert "<b>" not in text and "_*1*" not in text
        assert r"\<b\>up" in text or r"down\_\*1\*" in text


def test_a_run_that_may_go_on_says_so_far(visit: Visit, stocked: Library) -> None:
    run = read(stocked, "stopped")
    given = run.labels.given_label
    missed = int(np.flatnonzero((run.facts.predicted_label != given).all(axis=0))[0])
    assert f"all {run.last_epoch} epochs so far" in spoken(look(visit, run, missed))[2]


def test_the_sentence_and_the_pictures_are_of_the_same_neighbours(visit: Visit, stocked: Library) -> None:
    run = read(stocked, "finished")
    for n in (0, 1, 2):
        page = look(visit, run, n)
        near = cards.neighbors_of(run, np.array([n]), NEIGHBORS)
        assert near is not None
        agree = int((run.labels.given_label[near[0].ids[0]] == run.labels.given_label[n]).sum())
        assert any(f"{agree} of {NEIGHBORS} carry the same given label" in each.value for each in page.caption)
        [sentence] = [line for line in spoken(page)[2].splitlines() if "nearest images" in line]
        counted = re.search(r"(\d+|none) its own|(\d+) of its \d+ nearest images are given \S+ too|(All) of", sentence)
        assert counted, sentence
        own, too, every = counted.groups()
        if every:
            assert agree in (0, NEIGHBORS)
        else:
            assert agree == (int(too) if too else 0 if own == "none" else int(own))
