"""Inspect, near-duplicates: what was searched is shown as it was found, what was not is offered, and the slider says what it does."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from explorer.analysis.alignment import Pose
from explorer.analysis.appearance import MIRROR
from explorer.analysis.calibration import calibrate
from explorer.analysis.duplicates import EXACT, Found
from explorer.records import Dataset, Run
from explorer.runs.duplicates import DuplicateFolder, DuplicateSet, duplicates_id, flag, leaks
from explorer.runs.store import RunStore
from explorer.ui import cards, duplicate_cards, searches
from explorer.ui.services import get_duplicate_jobs
from tests.support import wait_for
from tests.ui.conftest import Library, Look, Visit
from tests.ui.inspecting import PAIRS, read
from tests.ui.test_pages import buttons, press, said

SURE, DOUBTFUL = 24, 500  # pairs of a made-up search


def dataset_of(run: Run) -> Dataset:
    dataset = cards.images_of(run)
    assert dataset is not None
    return dataset


def made_up(run: Run, test: int = 0) -> DuplicateSet:
    """A search that found SURE pairs among the first 60 images (the first one exact), half of them conflicting, and many doubtful ones.

    test: how many test images were searched too; the last sure pairs then join training image i and test image i.
    """
    rng, N = np.random.default_rng(0), len(run.labels.given_label)
    by_label = np.argsort(run.labels.given_label[:60], kind="stable")
    twins = [(n, m) for n, m in zip(by_label[::2], by_label[1::2], strict=True) if run.labels.given_label[n] == run.labels.given_label[m]]
    left = [n for n in by_label if n not in np.array(twins[: SURE // 2])]
    pairs = np.sort(twins[: SURE // 2] + list(zip(left, left[len(left) // 2 :], strict=False))[: SURE // 2], axis=1)
    a, b = pairs[rng.permutation(SURE)].T
    if test:
        a, b = np.r_[a[:-4], 0:4], np.r_[b[:-4], N : N + 4]
    others = np.unique(np.sort(rng.integers(60, N + test, (3 * DOUBTFUL, 2)), axis=1), axis=0)
    others = rng.permutation(others[others[:, 0] < others[:, 1]])[:DOUBTFUL]
    a, b = np.r_[a, others[:, 0]], np.r_[b, others[:, 1]]
    likeness = np.r_[EXACT, -np.sort(-rng.uniform(1, 8, SURE - 1)), -np.sort(-(-7 + rng.exponential(0.7, DOUBTFUL)).clip(max=0.5))]
    exact = likeness == EXACT
    pose = Pose(np.tile(MIRROR.astype(np.float32), (len(a), 1, 1)), np.zeros((len(a), 2), np.float32), np.ones(len(a), np.float32))
    planted = np.r_[rng.uniform(0, 8, 95), np.full(5, -np.inf)]
    change = np.array(["mirrored", "cropped"])[np.arange(100) % 2]
    return DuplicateSet(N + test, N, Found(a, b, likeness, exact, pose), calibrate(likeness, exact, planted, N + test), change, planted)


@pytest.fixture
def searched(stocked: Library) -> tuple[Run, DuplicateSet]:
    """The finished run, whose images were searched."""
    run = read(stocked, "finished")
    found = made_up(run)
    DuplicateFolder.of(stocked.home, duplicates_id(dataset_of(run).train_images)).write(found)
    return run, found


def told(page: AppTest, label: str) -> dict[str, Any]:
    """What the browser is told by the groups of images of this name."""
    found = [json.loads(each.proto.json) for each in page.get("bidi_component") if each.proto.json]
    return next(data for data in found if data.get("label") == label)


def members(page: AppTest, label: str = "Groups of near-duplicates") -> list[list[int]]:
    return [[member["id"] for member in strip["members"]] for strip in told(page, label)["strips"]]


# -- what was searched -------------------------------------------------------------------------------


def test_what_was_found_is_counted_and_its_conflicts_are_shown_first(look: Look, searched: tuple[Run, DuplicateSet]) -> None:
    run, found = searched
    page = look(run.run_id, PAIRS)
    words = said(page)
    given, flagged = run.labels.given_label, flag(found, run.labels.given_label)
    assert len(flagged.a) >= SURE
    assert f"**{len(flagged.a)} pairs in {len(flagged.a)} groups look alike; {int(flagged.conflicting.sum())} pairs under" in words
    curvature = cards.scores_at(run, run.last_epoch)["curvature"]
    conflicts = [(a, b) for a, b in zip(flagged.a.tolist(), flagged.b.tolist(), strict=True) if given[a] != given[b]]
    wanted = sorted(conflicts, key=lambda pair: -max(curvature[list(pair)]))[: duplicate_cards.PER_PAGE]
    assert [sorted(group) for group in members(page)] == [list(pair) for pair in wanted]
    assert all(strip["conflict"] and strip["badge"] == "conflict" for strip in told(page, "Groups of near-duplicates")["strips"])
    page.toggle(key="only_conflicts").set_value(False)
    said(page.run())
    assert len(members(page)) == min(duplicate_cards.PER_PAGE, len(flagged.a)) > len(wanted) > 0


def test_only_groups_of_the_top_by_curvature_are_shown_when_asked_for(look: Look, searched: tuple[Run, DuplicateSet]) -> None:
    run, _ = searched
    page = look(run.run_id, PAIRS)
    page.toggle(key="only_conflicts").set_value(False)
    page.toggle(key="only_top").set_value(True)
    said(page.run())
    top = set(cards.top_by_curvature(run, run.last_epoch, 2).tolist())
    assert all(top & set(group) for group in members(page))
    assert len(members(page)) < SURE


def test_the_slider_changes_what_is_flagged_and_the_link_keeps_it(look: Look, visit: Visit, searched: tuple[Run, DuplicateSet]) -> None:
    run, found = searched
    page = look(run.run_id, PAIRS)
    choice, standard = searches.cuts(found)
    slider = page.select_slider(key="view_cut_pairs")
    assert slider.value == str(standard.pairs) and "cut_pairs" not in page.query_params
    exact = str(choice[0].pairs)
    slider.set_value(exact)
    assert "**1 pair**, the same to the byte" in said(page.run())
    assert page.query_params["cut_pairs"] == exact or page.query_params["cut_pairs"] == [exact]
    page.toggle(key="only_conflicts").set_value(False)
    said(page.run())
    assert [sorted(group) for group in members(page)] == [[int(found.found.a[0]), int(found.found.b[0])]]
    again = visit("inspect", run=run.run_id, tab="pairs", cut_pairs=exact)
    assert "**1 pair**, the same to the byte" in said(again)
    loosest = choice[-1]
    assert f"**{loosest.pairs} pairs**" in said(visit("inspect", run=run.run_id, tab="pairs", cut_pairs=str(loosest.pairs)))
    assert "number of pairs 'many' is unknown" in said(visit("inspect", run=run.run_id, tab="pairs", cut_pairs="many"))


def test_the_edge_of_the_cut_is_drawn_on_both_sides(look: Look, searched: tuple[Run, DuplicateSet]) -> None:
    run, found = searched
    page = look(run.run_id, PAIRS)
    cut = searches.cuts(found)[1].pairs
    a, b = found.found.a[cut - 4 : cut + 4], found.found.b[cut - 4 : cut + 4]
    assert members(page, "Pairs on either side of the cut") == [list(pair) for pair in zip(a.tolist(), b.tolist(), strict=True)]
    assert told(page, "Pairs on either side of the cut")["divider"] == 4


def test_a_damaged_search_is_named(look: Look, stocked: Library, searched: tuple[Run, DuplicateSet]) -> None:
    run, _ = searched
    folder = DuplicateFolder.of(stocked.home, duplicates_id(dataset_of(run).train_images))
    (folder.path / "pairs.parquet").write_bytes(b"PAR1")
    searches._read.clear()
    page = look(run.run_id, PAIRS)
    said(page)
    assert any("cannot be read" in each.value for each in page.error)
    assert said(look(run.run_id, "Images"))


def test_the_gallery_and_the_reasons_go_by_appearance_where_it_was_searched(visit: Visit, searched: tuple[Run, DuplicateSet]) -> None:
    run, found = searched
    near = searches.near_duplicates_of(run)
    flagged = flag(found, run.labels.given_label)
    assert near is not None and (near.a.tolist(), near.b.tolist()) == (flagged.a.tolist(), flagged.b.tolist())
    a, b = next((a, b) for a, b, odd in zip(flagged.a, flagged.b, flagged.conflicting & ~flagged.exact, strict=True) if odd)
    assert f"mage {run.source_index[b]} looks nearly the same (similarity" in said(visit("inspect", run=run.run_id, image=str(a)))


# -- on an image's page ------------------------------------------------------------------------------


def test_an_image_is_shown_beside_its_near_duplicate(visit: Visit, searched: tuple[Run, DuplicateSet]) -> None:
    run, found = searched
    page = visit("inspect", run=run.run_id, image=str(found.found.b[2]))
    words = said(page)
    assert "**1 near-duplicate**, found by appearance" in words
    assert f"Image {run.source_index[found.found.a[2]]} is this image, mirrored. Laid over each other they differ by" in words
    html = next(each.proto.body for each in page.get("html") if "class=overlay" in each.proto.body)
    assert html.count("<img") == 4 and "laid over this image" in html
    assert press(page, f"Open image {run.source_index[found.found.a[2]]}").query_params["image"] in (
        str(found.found.a[2]), [str(found.found.a[2])],
    )  # fmt: skip


def test_an_image_without_near_duplicates_has_no_such_part(visit: Visit, searched: tuple[Run, DuplicateSet]) -> None:
    run, found = searched
    alone = next(n for n in range(60) if n not in found.found.a[: SURE + 20] and n not in found.found.b[: SURE + 20])
    words = said(visit("inspect", run=run.run_id, image=str(alone)))
    assert "found by appearance" not in words


# -- what was not ------------------------------------------------------------------------------------


def test_a_search_is_offered_done_and_shown(look: Look, stocked: Library) -> None:
    run = read(stocked, "finished")
    page = look(run.run_id, PAIRS)
    assert "It takes about 5 seconds of one processor core" in said(page)
    wanted = duplicates_id(dataset_of(run).train_images)
    said(press(page, "Search for near-duplicates"))
    wait_for("the search", lambda: get_duplicate_jobs().live(wanted) is None)
    words = said(page.run())
    assert DuplicateFolder.of(stocked.home, wanted).exists()
    assert "Estimated on these very images. 100 changed copies" in words
    assert "Search for near-duplicates" not in buttons(page)


def test_a_search_can_be_stopped(look: Look, stocked: Library) -> None:
    run = read(stocked, "finished")
    page = look(run.run_id, PAIRS)
    wanted = duplicates_id(dataset_of(run).train_images)
    press(page, "Search for leaks")
    press(page, "Search for near-duplicates")
    assert {"Stop"} <= buttons(page)
    page.button(key="duplicates_stop").click()
    page.run()
    page.button(key="leaks_stop").click()
    said(page.run())
    wait_for("the stop", lambda: not get_duplicate_jobs().busy)
    said(page.run())
    assert not DuplicateFolder.of(stocked.home, wanted).exists()
    assert {"Search for near-duplicates", "Search for leaks"} <= buttons(page)


def test_a_search_that_fails_says_why_and_can_be_tried_again(look: Look, stocked: Library) -> None:
    run = read(stocked, "finished")
    shutil.rmtree(stocked.home / "duplicates", ignore_errors=True)
    (stocked.home / "duplicates").write_text("a file where a folder should be")
    page = look(run.run_id, PAIRS)
    said(press(page, "Search for near-duplicates"))
    wanted = duplicates_id(dataset_of(run).train_images)
    wait_for("the failure", lambda: (now := get_duplicate_jobs().live(wanted)) is not None and now.state == "failed")
    said(page.run())
    assert any("The search failed: a file could not be written" in each.value for each in page.error)
    assert "Search for near-duplicates" in buttons(page)


def test_without_an_embedding_only_appearance_is_offered(look: Look, stocked: Library) -> None:
    page = look(read(stocked, "no truth").run_id, PAIRS)
    assert "It takes about" in said(page)


# -- the network -------------------------------------------------------------------------------------


@pytest.mark.parametrize("confirmed", [True, False])
def test_the_networks_pairs_stand_with_their_cosine_and_what_appearance_says(look: Look, stocked: Library, confirmed: bool) -> None:
    run = read(stocked, "stopped")
    pairs = searches.by_network(run)
    assert pairs is not None and len(pairs.a) == 1 and pairs.conflicting.all()
    found = made_up(run)
    if confirmed:
        found.found.a[1], found.found.b[1] = pairs.a[0], pairs.b[0]
    DuplicateFolder.of(stocked.home, duplicates_id(dataset_of(run).train_images)).write(found)
    page = look(run.run_id, PAIRS)
    page.session_state["duplicates_by"] = "network"
    assert f"**1 pair looks alike to the network** (cosine {pairs.cut:.3f} or more" in said(page.run())
    [strip] = told(page, "Pairs that look alike to the network")["strips"]
    assert strip["note"] == f"cosine {pairs.similarity[0]:.3f} · {'also' if confirmed else 'not'} by appearance"
    assert strip["conflict"] and [member["id"] for member in strip["members"]] == [pairs.a[0], pairs.b[0]]


# -- leaks -------------------------------------------------------------------------------------------


def test_leaked_test_images_stand_beside_their_twins_and_cost_accuracy(look: Look, stocked: Library) -> None:
    run = read(stocked, "finished")
    dataset = dataset_of(run)
    found = made_up(run, len(dataset.test_images))
    DuplicateFolder.of(stocked.home, duplicates_id(dataset.train_images, dataset.test_images)).write(found)
    page = look(run.run_id, PAIRS)
    words = said(page)
    flagged = leaks(found, run.labels.given_label, dataset.test_label)
    leaked = np.unique(flagged.b)
    assert set(range(4)) <= set(leaked.tolist())
    assert f"**{len(leaked)} of {len(dataset.test_images)} test images" in words
    predicted = RunStore(stocked.home).folder(run.run_id).test_predictions(run.last_epoch)
    right = predicted == dataset.test_label
    rest = np.delete(right, leaked)
    assert f"**{100 * right.mean():.2f} %** on all {len(right)} test images, **{100 * rest.mean():.2f} %** on the {len(rest)}" in words
    strips = told(page, "Leaked test images beside their training twins")["strips"]
    assert len(strips) == len(leaked)
    for strip in strips:
        test, twin = strip["members"][:2]
        assert test["id"] == -1 and test["mark"] == "test" and twin["id"] >= 0
        assert bool(strip.get("conflict")) == any(member.get("other") for member in strip["members"])


def test_a_group_is_opened_under_images_with_the_image_clicked(look: Look, searched: tuple[Run, DuplicateSet], monkeypatch: Any) -> None:
    run, _ = searched
    state: dict[str, Any] = {}
    monkeypatch.setattr("streamlit.session_state", state)
    duplicate_cards.open_images(run, (7, 3), "2 images that look alike", 3)
    assert (state["url_image"], state["inspect_tab"], state["url_only"]) == ("3", "Images", "7,3")
    duplicate_cards.open_images(run, (7, 3), "2 images that look alike", -1)
    assert state["url_image"] == "7"


def test_the_search_of_a_run_is_hashed_once(searched: tuple[Run, DuplicateSet], stocked: Library) -> None:
    run, _ = searched
    dataset = dataset_of(run)
    assert searches.search_id(run.run_id, dataset) == duplicates_id(dataset.train_images)
    assert searches.search_id(run.run_id, dataset, True) == duplicates_id(dataset.train_images, dataset.test_images)
    assert searches.stored(run, dataset) is searches.stored(run, dataset)
    assert Path(stocked.home / "duplicates" / searches.search_id(run.run_id, dataset)).is_dir()
