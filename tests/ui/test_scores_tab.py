"""How good are the scores?: the cut, what is said of it, and what is said where no truth is known."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from explorer.analysis.scores import suspicion
from explorer.config import RunConfig
from explorer.records import Run
from explorer.runs.execution import execute
from explorer.runs.store import RunStore
from explorer.ui import cards, curves_panel, figures_curves, without_truth
from explorer.ui.figures_scores import CutMark
from tests.ui.conftest import Library, Visit
from tests.ui.test_pages import box, press, said

Look = Callable[..., AppTest]


@pytest.fixture
def look(visit: Visit) -> Look:
    """``look(run_id, **query)``: a visitor who opened the tab by a link."""
    return lambda run_id, **query: visit("inspect", run=run_id, tab="scores", **query)


def read(library: Library, kind: str) -> Run:
    return RunStore(library.home).open(library.ids[kind])


def info_of(suspicion: dict[str, np.ndarray], wrong: np.ndarray, n: int) -> figures_curves.CurvesInfo:
    return figures_curves.curves_info(suspicion, wrong, n, {name: name for name in suspicion}, everything=list(suspicion))


# -- the cut -----------------------------------------------------------------------------------------


def test_the_sentence_counts_the_first_of_the_list(look: Look, stocked: Library) -> None:
    run = read(stocked, "finished")
    wrong, curvature = run.labels.is_mislabeled, cards.scores_at(run, run.last_epoch)["curvature"]
    assert wrong is not None
    hits = int(wrong[np.argsort(-curvature)[:10]].sum())
    words = said(look(stocked.ids["finished"], cut="10")).replace("\u00a0", " ")
    assert f"the **10 most suspicious** of 200 images finds **{hits} of {wrong.sum()} wrong labels**" in words
    assert f"**{10 * hits:.1f} %** of those looked at are wrong" in words and f"it would be {100 * wrong.mean():.1f} %" in words
    assert f"{wrong.sum() - hits} are left: {100 * (wrong.sum() - hits) / 200:.1f} % of all labels" in words


def test_it_begins_at_the_number_of_wrong_labels_and_the_link_follows_the_slider(look: Look, stocked: Library) -> None:
    page = look(stocked.ids["finished"])
    wrong = read(stocked, "finished").labels.is_mislabeled
    assert wrong is not None
    slider = page.select_slider(key="judged_cut")
    assert slider.value == wrong.sum() and "cut" not in page.query_params
    page = slider.set_value(20).run()
    assert page.query_params["cut"] == "20" and "the **20 most suspicious**" in said(page)
    page = page.select_slider(key="judged_cut").set_value(int(wrong.sum())).run()
    assert "cut" not in page.query_params


@pytest.mark.parametrize(("asked", "shown"), [("137", 137), ("1", 1), ("9999999", 200)])
def test_a_link_may_ask_for_any_cut(look: Look, stocked: Library, asked: str, shown: int) -> None:
    page = look(stocked.ids["finished"], cut=asked)
    assert f"the **{shown} most suspicious**" in said(page) and not page.warning


@pytest.mark.parametrize("asked", ["0", "-5", "many", "1e3", "\u00b2"])
def test_a_link_that_asks_for_no_number_is_refused_in_words(look: Look, stocked: Library, asked: str) -> None:
    page = look(stocked.ids["finished"], cut=asked)
    assert [f"the first {asked!r} images" in each.value for each in page.warning] == [True]
    assert "most suspicious**" in said(page) and "cut" not in page.query_params


def test_the_score_looked_at_is_in_the_link(look: Look, stocked: Library) -> None:
    page = look(stocked.ids["finished"], score="aum")
    assert box(page, "Score").value == "aum"
    page = box(page, "Score").set_value("final_loss").run()
    assert page.query_params["score"] == "final_loss" and box(page, "Score").value == "final_loss"
    page = box(page, "Score").set_value(curves_panel.FIRST).run()
    assert "score" not in page.query_params and box(page, "Score").value == curves_panel.FIRST
    assert box(look(stocked.ids["finished"], score="no such score"), "Score").value == curves_panel.FIRST


def test_rivals_are_cut_at_the_same_place(look: Look, stocked: Library) -> None:
    page = look(stocked.ids["finished"], cut="20")
    page.multiselect(key="judged_rivals").set_value(["aum", "curvature"])
    words = said(page.run())
    assert "Among as many images, Area under the margin finds" in words
    assert words.count("Input-loss curvature finds") == 0  # it is the chosen one


@pytest.mark.parametrize("N", [1, 9, 137, 50_000])
def test_the_slider_is_fine_at_the_top_of_the_list(N: int) -> None:
    steps = curves_panel.cut_steps(N, min(N, 123))
    assert steps == sorted(set(steps)) and (steps[0], steps[-1]) == (1, N) and min(N, 123) in steps
    assert set(range(1, min(N, 99) + 1)) <= set(steps) and len(steps) < 400
    assert all(later - step <= max(1, step / 10) for step, later in zip(steps, steps[1:], strict=False))


# -- in words ----------------------------------------------------------------------------------------


def test_ties_at_the_cut_are_said_with_what_they_leave_open(stocked: Library) -> None:
    run = read(stocked, "finished")
    wrong = np.arange(40) < 10
    tied = {"loose": np.r_[np.full(5, 3.0), np.full(35, 1.0)], "exact": np.arange(40.0)[::-1]}
    info = info_of(tied, wrong, 12)
    assert "finds **about 6 of 10" in curves_panel.cut_words(info) and "exact finds 10 " in curves_panel.cut_words(info)
    words = curves_panel.caveats(run, info)
    assert "loose: the cut goes through 35 images of one and the same score" in words and "5 to 10 wrong labels" in words
    assert "exact:" not in words
    unknown = info_of({"half": np.where(np.arange(40) < 20, 1.0, np.nan)}, wrong[::-1], 30)
    assert "20 images whose score is unknown" in curves_panel.caveats(run, unknown)
    assert curves_panel.caveats(run, info_of({"exact": tied["exact"]}, wrong, 12)) == ""
    assert curves_panel.caveats(run, info_of({"sure": np.r_[np.ones(8), np.zeros(32)]}, wrong, 5)) == ""  # whatever comes first is wrong


def test_errors_that_were_there_before_are_owned_up_to(look: Look, stocked: Library) -> None:
    config = dataclasses.replace(stocked.configs["no truth"], noise="symmetric", noise_rate=0.2, epochs=1)
    store = RunStore(stocked.home)
    for _ in execute(store, config):
        pass
    [run_id] = [each.run_id for each in store.runs() if each.config == config]
    assert "Only labels flipped by this run count as wrong" in said(look(run_id))
    assert "Only labels flipped by this run" not in said(look(stocked.ids["finished"]))


def test_the_cut_is_told_in_the_unit_of_the_score() -> None:
    values, wrong = np.arange(10.0), np.arange(10) < 3
    assert curves_panel.cut_mark(info_of({"aum": suspicion("aum", values)}, wrong, 3), "aum") == CutMark(2.0, 3, "low")
    assert curves_panel.cut_mark(info_of({"curvature": values}, wrong, 3), "curvature") == CutMark(7.0, 3, "high")
    unknown = np.where(np.arange(10) < 5, values, np.nan)
    assert curves_panel.cut_mark(info_of({"curvature": unknown}, wrong, 8), "curvature") is None


# -- kinds of images ---------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def planted(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Drawn pictures with planted copies, some of them under a wrong label, and flipped labels."""
    store = RunStore(tmp_path_factory.mktemp("planted"))
    config = RunConfig(dataset="planted", train_size=300, width=4, epochs=1, curvature_directions=1, noise_rate=0.1)
    for _ in execute(store, config):
        pass
    return store.open(store.runs()[0].run_id)


def test_every_image_is_in_one_group_of_each_split(planted: Run) -> None:
    groups = curves_panel.groupings(planted)
    assert list(groups) == [curves_panel.BY_TRUTH, "origin of the wrong label", "planted kind"]
    for parts in groups.values():
        assert (np.sum([mask for _, _, mask in parts], axis=0) == 1).all()
        assert all(mask.any() for _, _, mask in parts)
    wrong = planted.labels.is_mislabeled
    for _, meaning, mask in (group for parts in groups.values() for group in parts):
        assert wrong is not None and (wrong[mask] == (meaning == "memorized")).all()


def test_a_split_that_tells_nothing_new_is_not_offered(look: Look, stocked: Library) -> None:
    assert list(curves_panel.groupings(read(stocked, "finished"))) == [curves_panel.BY_TRUTH]
    [(name, meaning, mask)] = curves_panel.groupings(read(stocked, "no truth"))[curves_panel.BY_TRUTH]
    assert (name, meaning) == ("all images", "neither") and mask.all()
    words = said(look(stocked.ids["finished"]))
    assert "What is among the first" not in words


def test_what_the_first_hold_adds_up(planted: Run) -> None:
    groups = curves_panel.groupings(planted)
    scores = cards.scores_at(planted, 1)
    shown = {name: suspicion(name, scores[name]) for name in ("curvature", "learning_epoch")}
    table = curves_panel.composition(groups, shown, 30)
    for parts in groups.values():
        assert table.loc[[name for name, _, _ in parts]].sum().tolist() == pytest.approx([1, 1, 1])
    top = np.argsort(-shown["curvature"])[:30]
    for name, _, mask in groups["planted kind"]:
        assert table.loc[name].tolist()[:2] == pytest.approx([mask.mean(), mask[top].mean()])


# -- without truth -----------------------------------------------------------------------------------


def test_what_needs_the_truth_is_named_and_nothing_of_it_is_shown(look: Look, stocked: Library) -> None:
    page = look(stocked.ids["no truth"])
    words = said(page)
    for missing in ("AUROC", "average precision", "precision@k", "ROC curves", "right and wrong labels", "memorized", "recovered"):
        assert missing in words.split("What to do instead")[0]
    for remedy in ("at random", "Plant a little noise", "second label column", "contradictions", "precision@50"):
        assert remedy in words.split("What to do instead")[1]
    assert "How far down the list" not in words and "Which differences are real?" not in words
    assert not page.select_slider and "How is a score spread?" in words
    assert "auroc" not in page.dataframe[0].value


def test_a_random_sample_tells_the_error_rate(look: Look, stocked: Library) -> None:
    page = look(stocked.ids["no truth"])
    page.number_input(key="sample_looked").set_value(50)
    page.number_input(key="sample_wrong").set_value(5)
    assert "**10.0 %** of all labels are wrong, between 4.3 % and 21.4 %" in said(page.run())
    assert without_truth.sample_words(3, 2) == "No more than the 2 looked at can be wrong."


def test_the_sample_is_picked_for_the_gallery(look: Look, stocked: Library) -> None:
    N = len(read(stocked, "no truth").labels.given_label)
    page = press(look(stocked.ids["no truth"]), f"Pick {min(N, 100)} images at random")
    held_by, picked = page.session_state["selection"]
    assert held_by == stocked.ids["no truth"] and len(set(picked.examples.tolist())) == min(N, 100)


def test_a_little_noise_is_set_up_on_train(look: Look, stocked: Library) -> None:
    page = press(look(stocked.ids["no truth"]), "Set up a run with 5 % flipped")
    said(page)
    config = page.session_state["config"]
    assert config == dataclasses.replace(stocked.configs["no truth"], noise="symmetric", noise_rate=0.05)
    assert "run" not in page.query_params and box(page, "Label noise").value == "symmetric"
    assert page.query_params["noise_rate"] == "0.05"


@pytest.mark.parametrize(("rate", "sentence"), [(0.0, "No label is wrong here"), (1.0, "Every label is wrong here")])
def test_nothing_to_tell_apart_is_said_as_it_is(look: Look, stocked: Library, rate: float, sentence: str) -> None:
    config = dataclasses.replace(stocked.configs["finished"], noise_rate=rate, epochs=1)
    store = RunStore(stocked.home)
    for _ in execute(store, config):
        pass
    [run_id] = [each.run_id for each in store.runs() if each.config == config]
    words = said(look(run_id))
    assert sentence in words and "so no score can be judged" in words
    assert "is not known" not in words and "How far down the list" not in words
