"""Fix, the review: the order images come up in, what each key does, what is kept, and what is said when it cannot be."""

from __future__ import annotations

import contextlib
import shutil
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from explorer.analysis.decisions import verdicts
from explorer.analysis.error_rate import random_order
from explorer.analysis.neighbors import Neighbors
from explorer.analysis.scores import ranking
from explorer.analysis.suggestions import Suggestion
from explorer.config import RunConfig
from explorer.records import NO_CLASS, Decision
from explorer.runs import reviews
from explorer.runs.execution import execute
from explorer.runs.reviews import Reviews, data_key
from explorer.runs.store import RunStore
from explorer.ui import cards, fix_keys, fix_queue, fix_suggest, fix_turn
from explorer.ui.fix_decide import ago
from explorer.ui.fix_queue import EVERY, Marks, marks_of, next_place, queue_of, wanted
from explorer.ui.reviewing import proper_name
from tests.ui.conftest import Library, Visit
from tests.ui.fixing import image, key, log, log_of, press, reviewer
from tests.ui.inspecting import read
from tests.ui.test_inspect_gallery import message, shown
from tests.ui.test_pages import KINDS, box, said

RNG = np.random.default_rng(0)


@pytest.fixture(autouse=True)
def nobody_else() -> Iterator[None]:
    """What other tests looked at is forgotten."""
    fix_turn._looking.clear()
    yield


# -- the order -------------------------------------------------------------------------------------


@pytest.mark.parametrize("N", [1, 2, 3, 4, 5, 97])
@pytest.mark.parametrize("order", list(fix_queue.ORDERS))
def test_every_image_comes_up_once_and_each_part_in_its_own_order(order: str, N: int) -> None:
    suspicious, random = RNG.permutation(N), RNG.permutation(N)
    queue = queue_of(order, suspicious, random)
    assert sorted(queue.order.tolist()) == list(range(N))
    assert queue.order[queue.place].tolist() == list(range(N))
    assert queue.drawn.tolist() == [{"suspicious": False, "random": True, "mixed": p % EVERY == EVERY - 1}[order] for p in range(N)]
    for part, own in ((queue.order[queue.drawn], random), (queue.order[~queue.drawn], suspicious)):
        places = np.argsort(own)[part]
        assert (np.diff(places) > 0).all()


def test_of_the_mixed_order_each_place_holds_the_first_image_not_yet_taken() -> None:
    suspicious, random = np.array([4, 3, 2, 1, 0, 5]), np.array([3, 5, 0, 1, 2, 4])
    assert queue_of("mixed", suspicious, random).order.tolist() == [4, 3, 2, 5, 1, 0]


def test_images_are_drawn_in_the_order_of_the_source_whatever_part_of_it_a_run_has() -> None:
    index = RNG.permutation(500)[:60]
    order = random_order(500, "data")
    assert index[fix_queue.drawn_order("data", index)].tolist() == [row for row in order.tolist() if row in set(index.tolist())]


def test_next_place() -> None:
    fits = np.array([True, False, True, True, False])
    assert [next_place(fits, place) for place in range(-1, 5)] == [0, 2, 2, 3, None, None]
    assert [next_place(fits, place, -1) for place in range(6)] == [None, 0, 0, 2, 3, 3]


def decided(n: int, author: str, label: int, via: str = "suspicious") -> Decision:
    return Decision(n, "keep" if label == 0 else "relabel", label, author, 0, f"{n}-{author}", via=via)


def test_who_decided_what_is_asked_for() -> None:
    held = {
        10: {"Anna": decided(10, "Anna", 1)},
        11: {"Ben": decided(11, "Ben", 1, "bulk")},
        12: {"Anna": decided(12, "Anna", 1), "Ben": decided(12, "Ben", 2)},
        13: {"Anna": decided(13, "Anna", 1), "Ben": decided(13, "Ben", 1)},
        99: {"Ben": decided(99, "Ben", 1)},  # no image of this run
    }
    found = marks_of(held, {10 + n: n for n in range(6)}, "Anna")
    queue = queue_of("suspicious", np.arange(5, -1, -1), np.arange(6))
    asked = {which: queue.order[wanted(which, found, queue)].tolist() for which in fix_queue.WHICH}
    assert asked == {"undecided": [5, 4], "mine": [3, 2, 0], "others": [1], "disputed": [2], "all": [5, 4, 3, 2, 1, 0]}


def test_an_image_drawn_at_random_that_nobody_looked_at_comes_up_although_it_is_decided() -> None:
    found = Marks(*(np.array(each, dtype=bool) for each in ([1, 1, 0], [0, 0, 0], [0, 0, 0], [1, 0, 0], [0, 0, 0])))
    for order, asked in (("random", [0, 2]), ("suspicious", [2])):
        queue = queue_of(order, np.arange(3), np.arange(3))
        assert queue.order[wanted("undecided", found, queue)].tolist() == asked


def test_an_image_that_drawing_came_past_and_nobody_looked_at_comes_up_in_every_order() -> None:
    found = Marks(*(np.array(each, dtype=bool) for each in ([1, 1, 1], [0, 0, 0], [0, 0, 0], [1, 0, 1], [0, 0, 1])))
    queue = queue_of("suspicious", np.arange(3), np.arange(3))
    assert queue.order[wanted("undecided", found, queue)].tolist() == [2]


# -- words and keys --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "name"),
    [(" Anna ", "Anna"), ("", ""), (" \n\t", ""), ("A\nB\x00C", "A B C"), ("x" * 99, "x" * 40), ("Zo\u00eb \u674e", "Zo\u00eb \u674e")],
)
def test_a_name_is_one_short_line(text: str, name: str) -> None:
    assert proper_name(text) == name


@pytest.mark.parametrize(
    ("names", "keys"),
    [
        (tuple("0123456789"), list("0123456789")), (tuple("37"), list("37")), (("cat", "dog"), ["1", "2"]),
        (tuple("abcdefghij"), list("1234567890")), (("1", "10"), ["1", "2"]), (("\u00b2", "3"), ["1", "2"]), (tuple("abcdefghijk"), []),
    ],
)  # fmt: skip
def test_up_to_ten_classes_have_a_key(names: tuple[str, ...], keys: list[str]) -> None:
    assert fix_keys.class_keys(names) == keys


def test_each_suggestion_is_said_with_how_sure_it_is() -> None:
    def each(*pairs: tuple[int, float]) -> Suggestion:
        return Suggestion(np.array([label for label, _ in pairs]), np.array([share for _, share in pairs]))

    found = {"model": each((1, 0.5), (2, 0.25), (-1, 0.0)), "target": each((1, 0.8), (-1, 0.0), (-1, 0.0)),
             "neighbors": each((2, 0.4), (1, 0.4), (-1, 0.0))}  # fmt: skip
    joint = each((1, 0.4), (0, 0.2), (-1, 0.0))
    looks = Neighbors(np.array([[1, 2, 3, 4, 5], [0, 2, 3, 4, 5], [0, 1, -1, -1, -1]]), np.zeros((3, 5)))
    advice = fix_suggest.Advice(found, joint, fix_suggest.backers(found, joint), looks, 20)
    assert advice.backers.tolist() == ["model,target", "together", ""]
    given = np.array([0, 3, 3, 0, 2, 2])
    words = [[fix_suggest.words(advice, name, n, "abcd", given) for name in found] for n in range(3)]
    assert words[0] == [
        "the network called it b in 10 of 20 epochs", "ELR\u2019s target holds it for b, 80\u00a0% against the given label",
        "2 of 5 look-alikes are c, 1 a as given",
    ]  # fmt: skip
    assert words[1][0] == "the network called it c in 5 of 20 epochs" and words[1][2] == "2 of 5 look-alikes are b, 1 d as given"
    assert words[2] == list(fix_suggest.NOTHING.values())


def test_no_two_buttons_share_a_key() -> None:
    keys = [*fix_keys.KEYS.values(), *"0123456789", "L"]
    assert len(set(keys)) == len(keys) and not {"C", "R"} & set(keys)


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0, "just now"), (59, "just now"), (60, "1 min ago"), (7300, "2 h ago"), (86_400, "1 day ago"), (1e6, "11 days ago")],
)
def test_ago(seconds: float, words: str) -> None:
    assert ago(seconds) == words


# -- before there is anything to decide --------------------------------------------------------------


def test_without_a_run_the_way_to_one_is_shown(visit: Visit) -> None:
    page = visit("fix")
    assert "Which labels are wrong" in said(page) and "Train one first" in said(page)


@pytest.mark.parametrize("tab", ["review", "bulk"])
@pytest.mark.parametrize("kind", KINDS)
def test_the_page_opens_on_every_kind_of_run(visit: Visit, stocked: Library, kind: str, tab: str) -> None:
    page = reviewer(visit, stocked.ids[kind], tab=tab)
    assert page.query_params["run"] == stocked.ids[kind] or kind == "failed"
    assert key(page, "keep") if tab == "review" else page.button(key="bulk_apply")


@pytest.mark.parametrize("text", ["../../etc", "0" * 12, "'; DROP TABLE decisions;--"])
def test_a_run_that_cannot_be_is_said_so(visit: Visit, stocked: Library, text: str) -> None:
    page = visit("fix", run=text)
    assert "not the id of a run" in said(page) or "there is no run" in said(page)


def test_images_that_are_gone_are_said_to_be_gone(visit: Visit, many_classes: tuple[Path, str], tmp_path: Path) -> None:
    shutil.rmtree(tmp_path / "own")
    page = visit("fix", run=many_classes[1])
    assert "cannot be shown" in said(page) and not page.text_input


def test_who_reviews_is_asked_once(visit: Visit, stocked: Library) -> None:
    page = visit("fix", run=stocked.ids["finished"])
    assert "Who reviews?" in said(page) and not [button for button in page.button if button.key and button.key.startswith("fix_")]
    page.text_input(key="author_name").set_value("   ")
    assert "at least one letter" in said(page.run()) and "Who reviews?" in said(page)
    page.text_input(key="author_name").set_value("Anna")
    assert "Who reviews?" not in said(page.run())
    assert page.text_input(key="author_name").value == "Anna"
    page.text_input(key="author_name").set_value("")  # the name stays
    said(page.run())
    press(page, "keep")
    assert [each.author for each in log(stocked)] == ["Anna"]


def test_a_run_without_scores_is_reviewed_at_random(visit: Visit, many_classes: tuple[Path, str]) -> None:
    home, run_id = many_classes
    page = reviewer(visit, run_id)
    assert box(page, "Order").options == ["all at random"] and "By" not in [each.label for each in page.selectbox]
    assert "no scores to sort by" in said(page)
    press(page, "keep")
    [kept] = log_of(home, run_id)
    assert (kept.via, kept.score) == ("random", "") and np.isnan(kept.score_value)


# -- deciding ----------------------------------------------------------------------------------------


def test_the_most_suspicious_come_first_and_every_fourth_at_random(visit: Visit, stocked: Library) -> None:
    run = read(stocked, "finished")
    queue = queue_of(
        "mixed", ranking("aum", cards.scores_at(run, run.last_epoch)["aum"]),
        fix_queue.drawn_order(data_key(run.config), run.source_index),
    )  # fmt: skip
    page = reviewer(visit, run.run_id)
    seen = []
    for _ in range(6):
        seen.append(image(page))
        press(page, "skip")
    assert seen == run.source_index[queue.order[:6]].tolist()
    assert not log(stocked)


def test_a_decision_is_kept_with_all_that_was_known(visit: Visit, stocked: Library) -> None:
    run = read(stocked, "finished")
    page = reviewer(visit, run.run_id, order="suspicious", score="cumulative_loss")
    scores = cards.scores_at(run, run.last_epoch)["cumulative_loss"]
    n = int(ranking("cumulative_loss", scores)[0])
    assert image(page) == run.source_index[n]
    offered = key(page, "accept").label.removeprefix("Accept ")
    press(page, "accept")
    [made] = log(stocked)
    assert (made.source_index, made.action, made.label, made.suggested) == (run.source_index[n], "relabel", int(offered), int(offered))
    assert (made.author, made.run_id, made.via, made.given_label) == ("Anna", run.run_id, "suspicious", run.labels.given_label[n])
    assert (made.score, made.score_value) == ("cumulative_loss", pytest.approx(scores[n]))
    assert made.suggested_by and made.made_at > 1e9
    assert f"Saved: image {made.source_index:,} is **{offered}**" in said(page)


@pytest.mark.parametrize(("action", "label"), [("keep", "given"), ("ambiguous", "none"), ("exclude", "none"), ("class_3", 3)])
def test_each_key_says_what_it_says(visit: Visit, stocked: Library, action: str, label: object) -> None:
    run = read(stocked, "finished")
    page = reviewer(visit, run.run_id)
    before = image(page)
    while key(page, "class_3").disabled:
        press(page, "skip")
        before = image(page)
    press(page, action)
    [made] = log(stocked)
    wanted_label = {"given": made.given_label, "none": NO_CLASS}.get(str(label), label)
    assert (made.source_index, made.action, made.label) == (before, "relabel" if action == "class_3" else action, wanted_label)
    assert image(page) != before


def test_what_is_decided_comes_up_no_more_and_the_link_holds_the_place(visit: Visit, stocked: Library) -> None:
    page = reviewer(visit, stocked.ids["finished"], order="suspicious")
    first = image(page)
    press(page, "keep")
    second = image(page)
    query = dict(page.query_params)
    assert query == {"run": stocked.ids["finished"], "order": "suspicious", "at": "2"}
    assert image(reviewer(visit, **{"run_id": query.pop("run"), "name": "Ben", **query})) == second
    again = reviewer(visit, stocked.ids["finished"], order="suspicious")
    assert image(again) != first


@pytest.mark.parametrize("at", ["0", "x", "99999", "-1", "1.5"])
def test_a_place_that_cannot_be_is_said_so(visit: Visit, stocked: Library, at: str) -> None:
    page = reviewer(visit, stocked.ids["finished"])
    first = image(page)
    fix_turn._looking.clear()
    other = visit("fix", run=stocked.ids["finished"], at=at)
    other.text_input(key="author_name").set_value("Ben")
    assert "asks for place" in said(other.run()) and image(other) == first


@pytest.mark.parametrize(
    ("query", "sentence"),
    [({"order": "best"}, "The order 'best'"), ({"which": "x"}, "choice of images 'x'"), ({"score": "x"}, "The score 'x'"),
     ({"layout": "x"}, "The layout 'x'")],
)  # fmt: skip
def test_what_a_link_cannot_ask_for_is_said(visit: Visit, stocked: Library, query: dict[str, str], sentence: str) -> None:
    page = visit("fix", run=stocked.ids["finished"], **query)
    page.text_input(key="author_name").set_value("Anna")
    assert sentence in said(page.run())
    assert sentence not in said(page.run())


def test_undo_and_redo_lead_back_and_on(visit: Visit, stocked: Library) -> None:
    page = reviewer(visit, stocked.ids["finished"])
    press(page, "undo")
    assert "nothing of yours to take back" in said(page)
    first = image(page)
    press(page, "exclude")
    second = image(page)
    press(page, "undo")
    assert image(page) == first and "Taken back" in said(page)
    assert not len(verdicts(log(stocked)).source_index)
    press(page, "redo")
    assert image(page) == second and verdicts(log(stocked)).kind.tolist() == ["exclude"]
    press(page, "redo")
    assert "nothing to bring back" in said(page)


def test_back_shows_what_was_shown_before(visit: Visit, stocked: Library) -> None:
    page = reviewer(visit, stocked.ids["finished"])
    seen = [image(page), image(press(page, "keep")), image(press(page, "skip"))]
    assert [image(press(page, "back")) for _ in range(2)] == [seen[1], seen[0]]
    assert "Anna says it stays" in "".join(each.value for each in page.info)


def test_a_key_pressed_for_an_image_that_is_gone_decides_nothing(visit: Visit, stocked: Library) -> None:
    page = press(reviewer(visit, stocked.ids["finished"]), "skip")
    page.session_state["fix_turn"] += 1  # as an earlier key, on its way at the same time, leaves it
    press(page, "keep")
    assert not log(stocked)
    press(page, "keep")
    assert len(log(stocked)) == 1


def test_at_the_end_what_was_skipped_can_be_gone_through_again(visit: Visit, many_classes: tuple[Path, str]) -> None:
    home, run_id = many_classes
    run = RunStore(home).open(run_id)
    first, second = random_order(24, data_key(run.config))[np.isin(random_order(24, data_key(run.config)), run.source_index)][:2]
    given = dict(zip(run.source_index.tolist(), run.labels.given_label.tolist(), strict=True))
    rest = [Decision(n, "keep", label, "Ben", label, f"{n}") for n, label in given.items() if n not in (first, second)]
    Reviews(home).add(data_key(run.config), rest)
    page = reviewer(visit, run_id)
    assert image(page) == first
    press(page, "skip")
    assert image(page) == second
    press(page, "keep")
    assert "at the end of this list" in said(page) and "1 images were passed over" in said(page)
    press(page, "again")
    assert image(page) == first
    press(page, "keep")
    assert "Every image has been decided" in said(page) and "nothing is left to review" in said(page)


def test_with_many_classes_a_label_is_chosen_from_a_list(visit: Visit, many_classes: tuple[Path, str]) -> None:
    home, run_id = many_classes
    page = reviewer(visit, run_id)
    choice = box(page, "Another label (L)")
    given = key(page, "keep").label.removeprefix("Keep ")
    assert len(choice.options) == 11 and given not in choice.options
    choice.set_value(int(choice.options[4].removeprefix("class ")))
    said(page.run())
    [made] = log_of(home, run_id)
    assert (made.action, f"class {made.label:02}") == ("relabel", choice.options[4])


# -- several people ----------------------------------------------------------------------------------


def enter(library: Library, *made: Decision) -> None:
    Reviews(library.home).add(data_key(library.configs["finished"]), made)


def test_two_people_at_once_are_given_different_images(visit: Visit, stocked: Library) -> None:
    anna, ben = (reviewer(visit, stocked.ids["finished"], name) for name in ("Anna", "Ben"))
    seen = {"Anna": [image(anna)], "Ben": [image(ben)]}
    for _ in range(5):
        seen["Anna"].append(image(press(anna, "keep")))
        seen["Ben"].append(image(press(ben, "keep")))
    assert not set(seen["Anna"]) & set(seen["Ben"])
    assert len({each.source_index for each in log(stocked)}) == 10


def test_what_somebody_else_just_decided_is_shown(visit: Visit, stocked: Library) -> None:
    run = read(stocked, "finished")
    page = reviewer(visit, run.run_id)
    index = image(page)
    given = int(run.labels.given_label[np.flatnonzero(run.source_index == index)[0]])
    enter(stocked, Decision(index, "keep", given, "B*n", given, "t"))
    said(page.run())
    assert image(page) == index
    assert [each.value for each in page.info] == [rf"B\*n says it stays **{given}** :small[(just now)]"]
    press(page, "exclude")
    assert r"B\*n said otherwise: it is in dispute." in said(page)
    press(page, "undo")
    press(page, "keep")
    assert r"B\*n said the same." in said(page)


def test_a_second_opinion_is_given_without_knowing_the_first(visit: Visit, stocked: Library) -> None:
    run = read(stocked, "finished")
    given = int(run.labels.given_label[7])
    enter(stocked, Decision(int(run.source_index[7]), "keep", given, "Ben", given, "t"))
    page = reviewer(visit, run.run_id, which="others")
    assert image(page) == run.source_index[7]
    assert "Decided by Ben" in said(page) and not page.info
    press(page, "exclude")
    press(page, "back")
    assert "In dispute" in said(page) and "Ben says it stays" in said(page) and "Anna says it is **left out**" in said(page)


def test_a_dispute_is_settled_by_a_decision(visit: Visit, stocked: Library) -> None:
    run = read(stocked, "finished")
    index, given = int(run.source_index[3]), int(run.labels.given_label[3])
    enter(stocked, Decision(index, "keep", given, "Ben", given, "a"), Decision(index, "exclude", NO_CLASS, "Cleo", given, "b"))
    page = reviewer(visit, run.run_id, which="disputed")
    assert image(page) == index and "Your decision settles it" in said(page)
    press(page, "ambiguous")
    assert log(stocked)[-1].via == "settle"
    assert verdicts(log(stocked)).kind.tolist() == ["ambiguous"]
    assert "No image is in dispute" in said(page)


def test_one_persons_decisions_may_count_alone(visit: Visit, stocked: Library) -> None:
    run = read(stocked, "finished")
    index, given = int(run.source_index[3]), int(run.labels.given_label[3])
    enter(stocked, Decision(index, "keep", given, "Ben", given, "a"), Decision(index, "exclude", NO_CLASS, "Cleo", given, "b"))
    page = reviewer(visit, run.run_id)
    counted = {each.label: each.value for each in page.metric}
    assert counted["Wrong labels found"] == "0" and "1 in dispute" in said(page)
    box(page, "Decisions that count").set_value("Cleo")
    said(page.run())
    assert {each.label: each.value for each in page.metric}["Wrong labels found"] == "1" and "1 left out" in said(page)
    assert page.query_params["whose"] == "Cleo"


# -- trouble -----------------------------------------------------------------------------------------


def test_a_decision_that_cannot_be_kept_is_not_said_to_be_saved(
    visit: Visit, stocked: Library, monkeypatch: pytest.MonkeyPatch
) -> None:  # fmt: skip
    page = reviewer(visit, stocked.ids["finished"])
    before = image(page)
    monkeypatch.setattr(reviews, "PATIENCE", 0.05)
    with contextlib.closing(sqlite3.connect(stocked.home / "explorer.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        press(page, "keep")
        assert "Not saved" in "".join(each.value for each in page.error) and "Saved" not in said(page)
        assert image(page) == before
        press(page, "undo")
        assert "Nothing was changed" in "".join(each.value for each in page.error)
        other.execute("ROLLBACK")
    press(page, "keep")
    assert not page.error and "Saved" in said(page)
    assert [each.source_index for each in log(stocked)] == [before]


def test_a_log_that_cannot_be_read_is_said_so(visit: Visit, stocked: Library) -> None:
    page = reviewer(visit, stocked.ids["finished"])
    with contextlib.closing(sqlite3.connect(stocked.home / "explorer.db")) as other:
        other.execute("ALTER TABLE decisions RENAME TO gone")
        said(page.run())
        assert "The decisions cannot be read" in "".join(each.value for each in page.error)
        other.execute("ALTER TABLE gone RENAME TO decisions")
    assert image(page.run()) and not page.error


# -- a grid ------------------------------------------------------------------------------------------


def test_a_grid_is_decided_card_by_card(visit: Visit, stocked: Library) -> None:
    page = reviewer(visit, stocked.ids["finished"], layout="grid")
    told = message(page, "Images under review")
    cards_shown = [card["id"] for card in told["cards"]]
    assert len(cards_shown) == fix_turn.GRID and told["selected"][0] == cards_shown[0] and told["follow"]
    press(page, "exclude")
    now = message(page, "Images under review")
    assert [card["id"] for card in now["cards"]] == cards_shown  # nothing moves
    assert now["cards"][0]["badge"] == "excluded" and now["selected"] == [cards_shown[1], told["selected"][1] + 1]
    press(page, "rest")
    assert "23 decisions at once" in said(page)
    later = [card["id"] for card in message(page, "Images under review")["cards"]]
    assert not set(later) & set(cards_shown)
    press(page, "undo")
    assert verdicts(log(stocked)).kind.tolist() == ["exclude"]


def test_cards_and_panel_do_not_tell_the_truth(visit: Visit, stocked: Library) -> None:
    run = read(stocked, "finished")
    assert run.labels.true_label is not None
    page = reviewer(visit, run.run_id, layout="grid")
    told = message(page, "Images under review")["cards"]
    assert sum(run.labels.is_mislabeled[card["id"]] for card in told) > 2  # type: ignore[index]
    assert not any("true" in card["label"] or "wrong" in card or card.get("badge") for card in told)
    panel = "".join(each.proto.json for each in page.get("bidi_component")) + "".join(each.proto.body for each in page.get("html"))
    assert not any(word in panel for word in ("flipped", "true label", "mislabel"))


def test_where_truth_is_known_it_is_told_when_asked_for(visit: Visit, stocked: Library) -> None:
    page = reviewer(visit, stocked.ids["finished"])
    press(page, "accept")
    assert "decided labels are right" not in said(page)
    page.session_state["fix_truth"] = True
    assert "of 1 decided labels are right" in said(page.run())
    assert not [each for each in reviewer(visit, stocked.ids["no truth"]).expander if "truth" in each.label]


# -- from and to Inspect -----------------------------------------------------------------------------


def test_an_image_of_inspect_can_be_reviewed(visit: Visit, stocked: Library) -> None:
    run = read(stocked, "finished")
    page = visit("inspect", run=run.run_id, image="17")
    page.button(key="review_image").click()
    said(page.run())
    page.text_input(key="author_name").set_value("Anna")
    said(page.run())
    assert image(page) == run.source_index[17]
    page.button(key="fix_inspect_17").click()
    said(page.run())
    assert page.query_params["image"] == "17" and message(page)["selected"][0] == 17


def test_inspect_filters_by_what_was_reviewed(visit: Visit, stocked: Library) -> None:
    run = read(stocked, "finished")
    given = run.labels.given_label
    nobody = visit("inspect", run=run.run_id)
    assert "view_reviewed" not in [each.key for each in nobody.get("button_group")]
    rows = [Decision(int(run.source_index[n]), "keep", int(given[n]), "Ben", int(given[n]), f"b{n}") for n in (3, 17, 60)]
    enter(stocked, *rows, Decision(int(run.source_index[60]), "exclude", NO_CLASS, "Cleo", int(given[60]), "c"))
    assert sorted(shown(visit("inspect", run=run.run_id, reviewed="yes"))) == [3, 17]
    assert shown(visit("inspect", run=run.run_id, reviewed="dispute")) == [60]
    assert sorted(shown(visit("inspect", run=run.run_id, reviewed="no", per="240"))) == sorted(set(range(200)) - {3, 17, 60})


# -- data --------------------------------------------------------------------------------------------


@pytest.fixture
def many_classes(home: Path, tmp_path: Path) -> tuple[Path, str]:
    """Twenty-four images of twelve classes, of which nothing else is known."""
    for k in range(12):
        folder = tmp_path / "own" / f"class {k:02}"
        folder.mkdir(parents=True)
        for n in range(2):
            Image.fromarray(RNG.integers(0, 255, (8, 8), dtype=np.uint8)).save(folder / f"{n}.png")
    store = RunStore(home)
    for _ in execute(store, RunConfig(dataset=str(tmp_path / "own"), model="none")):
        pass
    [summary] = store.runs()
    return home, summary.run_id
