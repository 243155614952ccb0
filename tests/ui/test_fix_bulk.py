"""Fix, many at once: what a choice would do is what it does, and one step takes all of it back."""

from __future__ import annotations

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from explorer.analysis.decisions import verdicts
from explorer.analysis.flagged import Strip
from explorer.analysis.suggestions import Suggestion
from explorer.records import NO_CLASS, Decision
from explorer.runs.reviews import Reviews, data_key
from explorer.ui import fix_plan, searches
from explorer.ui.fix_plan import Plan, above_cut, counts, decisions_of, one_of_each, to_one_label
from tests.ui.conftest import Library, Visit
from tests.ui.fixing import log, reviewer
from tests.ui.inspecting import read
from tests.ui.test_duplicates_panel import searched  # noqa: F401  a run whose images were searched
from tests.ui.test_inspect_gallery import message
from tests.ui.test_pages import box, press, said

RNG = np.random.default_rng(0)
N, K = 60, 5
GIVEN = RNG.integers(0, K, N)
LABEL = np.where(RNG.random(N) < 0.3, NO_CLASS, (GIVEN + RNG.integers(1, K, N)) % K)
SUGGESTION = Suggestion(LABEL, np.where(LABEL == NO_CLASS, 0.0, RNG.random(N)))
FREE = RNG.random(N) < 0.7
MADE = Decision(0, "keep", 0, "Anna", 0, "", run_id="run", score="aum", suggested_by="model")


# -- plans -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("first", [0, 1, 20, N])
@pytest.mark.parametrize("least", [0.0, 0.5, 1.0])
def test_above_a_cut_are_those_that_are_suspicious_sure_and_free(first: int, least: float) -> None:
    suspicious = RNG.permutation(N)
    plan = above_cut(suspicious, first, SUGGESTION, least, FREE)
    expected = [n for n in suspicious[:first].tolist() if LABEL[n] != NO_CLASS and SUGGESTION.share[n] >= least and FREE[n]]
    assert plan.examples.tolist() == expected and plan.label.tolist() == LABEL[expected].tolist()


def test_a_group_gets_one_label() -> None:
    plan = to_one_label((3, 9, 4), 2, np.ones(N, dtype=bool))
    assert (plan.examples.tolist(), plan.label.tolist()) == ([3, 9, 4], [2, 2, 2])
    some = np.ones(N, dtype=bool)
    some[9] = False
    assert to_one_label((3, 9, 4), 2, some).examples.tolist() == [3, 4]


def strip(*members: int, grouped: bool = True, conflicting: bool = False, exact: bool = False) -> Strip:
    return Strip(members, grouped, conflicting, exact, 0.9, float("nan"))


@pytest.mark.parametrize(
    ("exact", "differing", "left_out"), [(False, False, [5, 6, 8]), (True, False, [8]), (False, True, [5, 6, 8, 10]), (True, True, [8])]
)
def test_of_each_group_the_first_stays(exact: bool, differing: bool, left_out: list[int]) -> None:
    groups = [strip(4, 5, 6), strip(7, 8, exact=True), strip(9, 10, conflicting=True), strip(11, 12, grouped=False)]
    plan = one_of_each(groups, np.ones(N, dtype=bool), exact=exact, differing=differing)
    assert plan.examples.tolist() == left_out and set(plan.label.tolist()) == {NO_CLASS}


def test_what_is_counted_is_what_is_decided() -> None:
    plan = Plan(np.array([0, 1, 2, 3]), np.array([GIVEN[0], (GIVEN[1] + 1) % K, NO_CLASS, NO_CLASS]))
    assert counts(plan, GIVEN) == fix_plan.Counts(1, 1, 2)
    rows = decisions_of(plan, GIVEN, np.arange(N) + 100, MADE)
    assert [row.action for row in rows] == ["keep", "relabel", "exclude", "exclude"]
    assert [row.source_index for row in rows] == [100, 101, 102, 103] and [row.label for row in rows] == plan.label.tolist()
    assert len({row.batch for row in rows}) == 1 and len({row.token for row in rows}) == 4
    assert {(row.via, row.author, row.score, row.suggested_by) for row in rows} == {("bulk", "Anna", "aum", "model")}


# -- on the page -------------------------------------------------------------------------------------


def bulk(visit: Visit, run_id: str) -> AppTest:
    return reviewer(visit, run_id, tab="bulk")


def preview(page: AppTest) -> dict[int, str]:
    return {card["id"]: card["note"] for card in message(page, "What would become of them")["cards"]}


def choose(page: AppTest, action: str) -> AppTest:
    page.button_group(key="bulk_action").set_value(action)
    said(page.run())
    return page


def test_a_name_is_asked_for_first(visit: Visit, stocked: Library) -> None:
    page = visit("fix", run=stocked.ids["finished"], tab="bulk")
    assert "Who reviews?" in said(page) and not [each for each in page.button if each.key == "bulk_apply"]


def test_what_the_preview_shows_is_applied_and_taken_back_at_once(visit: Visit, stocked: Library) -> None:
    run = read(stocked, "finished")
    page = bulk(visit, run.run_id)
    page.slider(key=f"bulk_top_{run.run_id}").set_value(24)
    page.slider(key="bulk_least").set_value(30)
    said(page.run())
    promised = preview(page)
    assert promised and f"**{len(promised)} labels change**" in said(page)
    press(page, f"Apply to {len(promised)} images")
    rows = log(stocked)
    kept = {int(np.flatnonzero(run.source_index == row.source_index)[0]): f"becomes {run.class_names[row.label]}" for row in rows}
    assert kept == promised and {row.via for row in rows} == {"bulk"} and len({row.batch for row in rows}) == 1
    assert f"{len(promised)} decisions at once" in said(page) and not preview(page)  # they are decided now
    press(page, "Undo")
    assert not len(verdicts(log(stocked)).source_index) and preview(page) == promised
    press(page, "Redo")
    assert len(verdicts(log(stocked)).source_index) == len(promised)


def test_a_surer_cut_takes_fewer(visit: Visit, stocked: Library) -> None:
    page = bulk(visit, stocked.ids["finished"])
    page.slider(key=f"bulk_top_{stocked.ids['finished']}").set_value(200)
    sizes = []
    for least in (0, 50, 100):
        page.slider(key="bulk_least").set_value(least)
        said(page.run())
        sizes.append(int(next(each.label for each in page.button if each.key == "bulk_apply").split()[2]))
    assert sizes[0] > sizes[1] > sizes[2]


def test_what_somebody_decided_is_left_alone_unless_asked_for(visit: Visit, stocked: Library) -> None:
    run = read(stocked, "finished")
    page = bulk(visit, run.run_id)
    n = next(iter(preview(page)))
    given = int(run.labels.given_label[n])
    Reviews(stocked.home).add(data_key(run.config), [Decision(int(run.source_index[n]), "keep", given, "Ben", given, "t")])
    said(page.run())
    assert n not in preview(page)
    page.toggle(key="bulk_again").set_value(True)
    said(page.run())
    assert n in preview(page)


@pytest.mark.usefixtures("searched")
def test_a_group_of_near_duplicates_is_given_one_label(visit: Visit, stocked: Library) -> None:
    run = read(stocked, "finished")
    page = choose(bulk(visit, run.run_id), "group")
    pairs = searches.near_duplicates_of(run)
    assert pairs is not None
    promised = preview(page)
    assert set(promised) <= set(np.concatenate([pairs.a, pairs.b]).tolist()) and len(promised) > 1
    assert "conflict" in box(page, "Group").options[0]
    box(page, "Label").set_value(4)
    said(page.run())
    given = run.labels.given_label
    assert preview(page) == {n: "stays" if given[n] == 4 else "becomes 4" for n in promised}
    press(page, f"Apply to {len(promised)} images")
    assert {(row.label, row.action) for row in log(stocked)} == {(4, "keep" if given[n] == 4 else "relabel") for n in promised}


@pytest.mark.usefixtures("searched")
def test_one_of_each_group_is_kept(visit: Visit, stocked: Library) -> None:
    run = read(stocked, "finished")
    page = choose(bulk(visit, run.run_id), "copies")
    page.toggle(key="bulk_differing").set_value(True)
    said(page.run())
    promised = preview(page)
    assert promised and set(promised.values()) == {"is left out"}
    press(page, next(each.label for each in page.button if each.key == "bulk_apply"))
    assert {row.action for row in log(stocked)} == {"exclude"}


def test_without_near_duplicates_that_is_said(visit: Visit, stocked: Library) -> None:
    run = read(stocked, "finished")
    pairs = searches.near_duplicates_of(run)
    assert pairs is not None and not len(pairs.a)
    page = bulk(visit, run.run_id)
    assert "No near-duplicates are known" in said(choose(page, "copies"))


def test_how_right_it_would_be_is_told_when_asked_for(visit: Visit, stocked: Library) -> None:
    run = read(stocked, "finished")
    assert run.labels.true_label is not None
    page = bulk(visit, run.run_id)
    promised = preview(page)
    right = sum(note == f"becomes {run.class_names[run.labels.true_label[n]]}" for n, note in promised.items())
    sentence = f"**{right} of {len(promised)}**"
    assert sentence not in said(page)
    page.session_state["bulk_truth"] = True
    assert sentence in said(page.run())
