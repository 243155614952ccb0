"""What a review log comes to: by hand, against a slow replay, and laws that hold for every log."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from explorer.analysis.decisions import (
    KINDS,
    Verdicts,
    active,
    authors,
    count_kinds,
    decisions_per_minute,
    disputes,
    kinds_of,
    labels_of,
    right_share,
    rows_of,
    verdicts,
    wrong_found,
)
from explorer.records import NO_CLASS, Decision

SEEDS = range(20)


def said(
    number: int, image: int, action: str, label: int = NO_CLASS, author: str = "ann", *, via: str = "suspicious", target: int = 0
) -> Decision:
    return Decision(image, action, label, author, 0, f"token {number}", via=via, target=target, made_at=10.0 * number, decision_id=number)


def random_log(seed: int, length: int = 60, *, settles: bool = False, people: Sequence[str] = ("ann", "bob", "cem")) -> list[Decision]:
    """Everybody decides on few images, takes some of it back, and does some of that again."""
    rng = np.random.default_rng(seed)
    log: list[Decision] = []
    undone: set[int] = set()
    for number in range(1, length + 1):
        author = str(rng.choice(people))
        mine = [d.decision_id for d in log if d.author == author and d.action not in ("undo", "redo")]
        back, again = [n for n in mine if n not in undone], [n for n in mine if n in undone]
        turn = rng.random()
        if turn < 0.2 and back:
            log.append(said(number, 0, "undo", author=author, target=int(rng.choice(back))))
            undone.add(log[-1].target)
        elif turn < 0.3 and again:
            log.append(said(number, 0, "redo", author=author, target=int(rng.choice(again))))
            undone.discard(log[-1].target)
        else:
            action = str(rng.choice(["keep", "relabel", "ambiguous", "exclude"], p=[0.4, 0.4, 0.1, 0.1]))
            label = int(rng.integers(0, 2)) if action in ("keep", "relabel") else NO_CLASS
            via = "settle" if settles and rng.random() < 0.2 else "suspicious"
            log.append(said(number, int(rng.integers(0, 8)), action, label, author, via=via))
    return log


def as_dict(found: Verdicts) -> dict[int, tuple[str, int]]:
    rows = zip(found.source_index.tolist(), found.kind.tolist(), found.label.tolist(), strict=True)
    return {image: (kind, label) for image, kind, label in rows}


def replayed(log: Sequence[Decision]) -> dict[int, tuple[str, int]]:
    """Read slowly, image by image and person by person, from the end of the log."""
    taken_back = set()
    for target in {d.target for d in log if d.action in ("undo", "redo")}:
        turns = [d.action for d in log if d.action in ("undo", "redo") and d.target == target]
        if turns[-1] == "undo":
            taken_back.add(target)
    found = {}
    for image in {d.source_index for d in log if d.action not in ("undo", "redo")}:
        rows = [d for d in log if d.action not in ("undo", "redo") and d.source_index == image and d.decision_id not in taken_back]
        while any(d.via == "settle" for d in rows[1:]):
            rows = rows[1:]
        opinions = set()
        for author in {d.author for d in rows}:
            last = [d for d in rows if d.author == author][-1]
            opinions.add(("label", last.label) if last.action in ("keep", "relabel") else (last.action, NO_CLASS))
        if opinions:
            found[image] = opinions.pop() if len(opinions) == 1 else ("dispute", NO_CLASS)
    return found


@pytest.mark.parametrize("settles", [False, True])
@pytest.mark.parametrize("seed", SEEDS)
def test_verdicts_are_those_of_a_slow_replay(seed: int, settles: bool) -> None:
    log = random_log(seed, settles=settles)
    assert as_dict(verdicts(log)) == replayed(log)
    for author in ("ann", "bob", "cem", "nobody"):
        assert as_dict(verdicts(log, author)) == replayed([d for d in log if d.author == author])


@pytest.mark.parametrize("seed", SEEDS)
def test_in_whatever_order_people_take_turns_the_verdicts_are_the_same(seed: int) -> None:
    log, rng = random_log(seed), np.random.default_rng(seed)
    queues = {author: [d for d in log if d.author == author] for author in ("ann", "bob", "cem")}
    turns = rng.permutation([d.author for d in log])
    mixed = [queues[str(author)].pop(0) for author in turns]
    assert [d.decision_id for d in mixed] != [d.decision_id for d in log]
    assert as_dict(verdicts(mixed)) == as_dict(verdicts(log))


@pytest.mark.parametrize("settles", [False, True])
@pytest.mark.parametrize("seed", SEEDS)
def test_when_everything_is_undone_nothing_is_decided(seed: int, settles: bool) -> None:
    log = random_log(seed, settles=settles)
    acts = [d for d in log if d.action not in ("undo", "redo")]
    back = [said(1000 + n, 0, "undo", author=d.author, target=d.decision_id) for n, d in enumerate(acts)]
    assert len(verdicts(log + back).source_index) == 0
    again = [replace(d, action="redo", decision_id=d.decision_id + 1000) for d in back]
    assert as_dict(verdicts(log + back + again)) == as_dict(verdicts(acts))


@pytest.mark.parametrize("settles", [False, True])
@pytest.mark.parametrize("seed", SEEDS)
def test_one_person_alone_is_never_in_dispute(seed: int, settles: bool) -> None:
    log = random_log(seed, settles=settles)
    assert "dispute" in verdicts(random_log(0)).kind
    for author in authors(log):
        assert "dispute" not in verdicts(log, author).kind
        assert not disputes([d for d in log if d.author == author])


@pytest.mark.parametrize("seed", SEEDS)
def test_what_counts_is_in_the_order_of_the_log_once_per_person_and_image(seed: int) -> None:
    found = active(random_log(seed, settles=True))
    numbers = [d.decision_id for d in found]
    assert numbers == sorted(numbers)
    assert len({(d.author, d.source_index) for d in found}) == len(found) > 0


def test_verdicts_come_by_ascending_source_index() -> None:
    found = verdicts([said(1, 7, "keep", 1), said(2, 3, "ambiguous"), said(3, 5, "exclude")])
    assert found.source_index.tolist() == [3, 5, 7]
    assert found.kind.tolist() == ["ambiguous", "exclude", "label"]
    assert found.label.tolist() == [NO_CLASS, NO_CLASS, 1]


def test_keeping_a_label_and_changing_another_one_to_it_is_the_same_opinion() -> None:
    log = [said(1, 4, "keep", 2, "ann"), said(2, 4, "relabel", 2, "bob")]
    assert as_dict(verdicts(log)) == {4: ("label", 2)}


def test_two_labels_or_a_label_and_a_doubt_are_a_dispute() -> None:
    for other in (said(2, 4, "relabel", 3, "bob"), said(2, 4, "ambiguous", author="bob"), said(2, 4, "exclude", author="bob")):
        log = [said(1, 4, "keep", 2, "ann"), other]
        assert as_dict(verdicts(log)) == {4: ("dispute", NO_CLASS)}
        assert disputes(log) == {4: tuple(log)}


def test_the_latest_of_each_person_stands_and_taking_it_back_brings_the_one_before() -> None:
    log = [said(1, 4, "keep", 2), said(2, 4, "relabel", 5)]
    assert as_dict(verdicts(log)) == {4: ("label", 5)}
    log += [said(3, 0, "undo", target=2)]
    assert as_dict(verdicts(log)) == {4: ("label", 2)}
    log += [said(4, 0, "redo", target=2)]
    assert as_dict(verdicts(log)) == {4: ("label", 5)}


def test_nobody_takes_back_what_another_decided() -> None:
    log = [said(1, 4, "keep", 2, "ann"), said(2, 0, "undo", author="bob", target=1)]
    assert as_dict(verdicts(log)) == {4: ("label", 2)}
    assert as_dict(verdicts([said(1, 4, "keep", 2), said(2, 0, "undo", target=99)])) == {4: ("label", 2)}


def test_a_settled_dispute_stays_settled_until_someone_decides_anew_or_it_is_taken_back() -> None:
    log = [said(1, 4, "keep", 2, "ann"), said(2, 4, "relabel", 3, "bob"), said(3, 4, "relabel", 3, "cem", via="settle")]
    assert as_dict(verdicts(log)) == {4: ("label", 3)}
    assert active(log) == (log[2],)
    assert as_dict(verdicts([*log, said(4, 4, "keep", 2, "ann")])) == {4: ("dispute", NO_CLASS)}
    assert as_dict(verdicts([*log, said(4, 0, "undo", author="cem", target=3)])) == {4: ("dispute", NO_CLASS)}
    assert as_dict(verdicts(log, "ann")) == {4: ("label", 2)}


def test_an_empty_log() -> None:
    found = verdicts([])
    assert found.source_index.dtype == found.label.dtype == np.int64
    assert len(found.source_index) == len(found.kind) == len(found.label) == 0
    assert rows_of(found, np.array([3, 1])).tolist() == [-1, -1]
    assert kinds_of(found, np.array([3, 1])).tolist() == ["", ""]
    assert not wrong_found(found, np.array([3, 1]), np.array([0, 0])).any()
    assert authors([]) == () and active([]) == () and disputes([]) == {}


@pytest.mark.parametrize("seed", range(5))
def test_verdicts_beside_images_are_looked_up_one_by_one(seed: int) -> None:
    log, rng = random_log(seed), np.random.default_rng(seed)
    found, index = verdicts(log), rng.permutation(12)[:9]
    known = as_dict(found)
    assert kinds_of(found, index).tolist() == [known.get(i, ("", 0))[0] for i in index.tolist()]
    assert labels_of(found, index).tolist() == [known.get(i, ("", NO_CLASS))[1] for i in index.tolist()]
    given = rng.integers(0, 2, 9)
    wrong = [known.get(i, ("", 0)) for i in index.tolist()]
    expected = [kind == "exclude" or (kind == "label" and label != g) for (kind, label), g in zip(wrong, given, strict=True)]
    assert wrong_found(found, index, given).tolist() == expected
    counts = count_kinds(found, index)
    assert tuple(counts) == KINDS
    assert sum(counts.values()) == sum(kind != "" for kind, _ in wrong)


def test_decisions_are_right_or_not_where_truth_is_known() -> None:
    log = [
        said(1, 0, "keep", 2), said(2, 1, "relabel", 3), said(3, 2, "ambiguous"), said(4, 3, "exclude"), said(5, 4, "exclude"),
        said(6, 5, "keep", 0), said(7, 5, "keep", 1, "bob"), said(8, 6, "keep", 1),
    ]  # fmt: skip
    true = np.array([2, 1, 0, NO_CLASS, 1, 0, NO_CLASS])
    # 0 right, 1 wrong, 2 not judged, 3 rightly left out, 4 left out for another reason, 5 in dispute, 6 shows nothing: wrong
    assert right_share(verdicts(log), np.arange(7), true) == (2, 4)
    assert right_share(verdicts(log), np.arange(1), true[:1]) == (1, 1)
    assert right_share(verdicts([]), np.arange(7), true) == (0, 0)


# -- pace -------------------------------------------------------------------------------------------


def at(*seconds: float, via: str = "suspicious", author: str = "ann") -> list[Decision]:
    return [replace(said(n + 1, n, "keep", 1, author, via=via), made_at=1e9 + time) for n, time in enumerate(seconds)]


def test_pace_is_one_over_the_gap() -> None:
    assert decisions_per_minute(at(0, 2, 4, 6), "ann", 1e9 + 6) == pytest.approx(30)


def test_a_break_slows_nobody_down() -> None:
    assert decisions_per_minute(at(0, 2, 4, 304, 306, 308), "ann", 1e9 + 308) == pytest.approx(30)


@pytest.mark.parametrize("times", [(), (5,), (0, 100)])
def test_no_pace_without_two_decisions_in_a_row(times: tuple[float, ...]) -> None:
    assert decisions_per_minute(at(*times), "ann", 1e9 + 200) == 0


def test_only_own_recent_decisions_made_by_looking_count() -> None:
    own = at(0, 3, 6)
    others = at(1, 2, 4, author="bob") + at(1, 2, 4, via="bulk") + at(1, 2, 4, via="import")
    undo = [replace(said(9, 0, "undo", target=1), made_at=1e9 + 4)]
    assert decisions_per_minute(own + others + undo, "ann", 1e9 + 6) == pytest.approx(20)
    assert decisions_per_minute(own, "ann", 1e9 + 4000) == 0
