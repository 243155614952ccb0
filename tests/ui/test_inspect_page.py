"""Inspect without a browser: what every kind of run shows, tab by tab, and one image of it."""

from __future__ import annotations

import numpy as np
import pytest

from explorer import pipeline
from explorer.analysis.scores import SCORES, percentile, suspicion
from explorer.records import NO_CLASS
from explorer.ui import cards, one_image, score_groups
from tests.ui.conftest import Library, Look, Visit
from tests.ui.inspecting import IMAGES, MAP, MEMORIZATION, QUALITY, TABS, read
from tests.ui.test_pages import said

# -- every tab, every kind of run ------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("tab", TABS)
@pytest.mark.parametrize("kind", ["finished", "stopped", "interrupted", "no truth"])
def test_every_tab_opens_on_every_kind_of_run(look: Look, stocked: Library, kind: str, tab: str) -> None:
    assert said(look(stocked.ids[kind], tab))


@pytest.mark.slow
@pytest.mark.parametrize("tab", TABS)
@pytest.mark.parametrize("kind", ["everything", "foreign", "memorized"])
def test_every_tab_opens_on_every_kind_of_science(look: Look, shop: Library, kind: str, tab: str) -> None:
    assert said(look(shop.ids[kind], tab))


def test_only_the_tab_looked_at_is_computed(look: Look, shop: Library) -> None:
    for tab, sentence in {MAP: "hard-to-learn", QUALITY: "Which scores say the same?", MEMORIZATION: "share of networks"}.items():
        words = said(look(shop.ids["memorized"], tab))
        assert sentence in words
        assert "most suspicious first" not in words


@pytest.mark.parametrize(("name", "sentence"), [("map", "hard-to-learn"), ("no such tab", "most suspicious first")])
def test_a_link_opens_the_tab_it_names(visit: Visit, shop: Library, name: str, sentence: str) -> None:
    assert sentence in said(visit("inspect", run=shop.ids["memorized"], tab=name))


def test_the_tab_looked_at_is_in_the_link(look: Look, shop: Library) -> None:
    assert look(shop.ids["memorized"], QUALITY).query_params["tab"] == "scores"
    assert "tab" not in look(shop.ids["memorized"], IMAGES).query_params


# -- images ------------------------------------------------------------------------------------------


def test_a_foreign_image_shows_none_of_the_classes(visit: Visit, shop: Library) -> None:
    run = read(shop, "foreign")
    assert run.labels.true_label is not None
    foreign, own = (int(np.flatnonzero(part)[0]) for part in (run.labels.true_label == NO_CLASS, run.labels.true_label != NO_CLASS))
    words = said(visit("inspect", run=run.run_id, image=str(foreign)))
    assert "true **none of the classes**" in words and "foreign image" in words
    assert "none of the classes" not in said(visit("inspect", run=run.run_id, image=str(own)))
    assert cards.true_name(run, own) == run.class_names[run.labels.true_label[own]]


def test_the_foreign_images_are_those_the_network_saw(shop: Library) -> None:
    run = read(shop, "foreign")
    dataset = cards.images_of(run)
    assert dataset is not None
    assert np.array_equal(dataset.train_images, pipeline.prepare(run.config).dataset.train_images)


def test_elr_says_what_it_holds_an_image_for(visit: Visit, shop: Library) -> None:
    run = read(shop, "everything")
    other = int(np.flatnonzero(run.facts.target_label[-1] != run.labels.given_label)[0])
    same = int(np.flatnonzero(run.facts.target_label[-1] == run.labels.given_label)[0])
    label, share = run.class_names[run.facts.target_label[-1, other]], float(run.facts.target_share[-1, other])
    assert f"suggests **{label}** and leaves {100 * share:.0f} % to" in said(visit("inspect", run=run.run_id, image=str(other)))
    assert "ELR's target memory holds" in said(visit("inspect", run=run.run_id, image=str(same)))
    assert cards.doubt(run, other, run.last_epoch).startswith(f"ELR: {label}, given") and cards.doubt(run, same, run.last_epoch) == ""
    assert cards.suggestion(run, other, 0) is None  # nothing is known before the first epoch
    assert "ELR's target memory holds" not in said(visit("inspect", run=shop.ids["foreign"], image="0"))


def test_the_scores_of_an_image_are_grouped(shop: Library) -> None:
    run = read(shop, "everything")
    scores = cards.scores_at(run, run.last_epoch)
    html = one_image.scores_table(3, scores)
    for heading in ("from training", "from an extra pass", "from neighbours"):
        assert html.count(heading) == 1
    for name in scores:
        assert html.count(f"<td>{SCORES[name].title}</td>") == 1
    groups = score_groups.grouped(scores)
    assert sorted(name for _, names in groups for name in names) == sorted(scores)


def test_the_rank_of_one_image_is_its_percentile() -> None:
    values = np.r_[np.random.default_rng(0).integers(0, 9, 40).astype(float), np.nan]
    for name in ("curvature", "aum"):
        ranks = percentile(name, values)
        assert [one_image.rank_of(n, suspicion(name, values)) for n in range(41)] == pytest.approx(ranks.tolist())
