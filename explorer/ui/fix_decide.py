"""The Fix page: what a key does. Nothing is said to be saved before it is on disk."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence

import streamlit as st

from explorer.analysis.decisions import opinion
from explorer.records import NO_CLASS, DataError, Decision, StoreError
from explorer.ui import fix_turn, state
from explorer.ui.duplicate_words import counted
from explorer.ui.fix_queue import marks, rows_of
from explorer.ui.fix_turn import Turn, Work
from explorer.ui.reviewing import Reviewing, author, renewed
from explorer.ui.services import get_reviews
from explorer.ui.words import plain

UNREAD = "The list cannot be read"
SAID = "fix_said"  # (kind, sentence) of what came of the last key


def decide(turn: Turn, action: str, label: int = NO_CLASS) -> None:
    """Keep, relabel, mark as ambiguous or exclude the image in focus, or accept what is suggested for it; then go on."""
    if turn.number != fix_turn.number():  # pressed for an image that has been decided meanwhile
        return
    n = fix_turn.focus_of(turn)
    if action == "accept":
        label = int(turn.work.advice.together.label[n])
        if label == NO_CLASS:
            _say("trouble", "Nothing is suggested for this image: choose a label, or keep the given one.")
            return
    if action in ("accept", "relabel"):
        action = "keep" if label == turn.work.review.run.labels.given_label[n] else "relabel"
    if enter(turn.work.review, [made(turn, n, action, label)]):
        with _told(UNREAD):
            _say("saved", f"{st.session_state[SAID][1]}{_company(turn, n)}")
        _go_on(turn, n)


def _company(turn: Turn, n: int) -> str:
    """Who else decided on the image, perhaps while it was on the page; empty for nobody."""
    run = turn.work.review.run
    held = dict(marks(renewed(turn.work.review))[0].by_image.get(int(run.source_index[n]), {}))
    own = held.pop(author(), None)
    if own is None or not held:
        return ""
    names = ", ".join(map(plain, held))
    same = all(opinion(each) == opinion(own) for each in held.values())
    return f" {names} said the same." if same else f" {names} said otherwise: it is in dispute."


def keep_rest(turn: Turn) -> None:
    """Keep the given label of every image on the page that nobody has decided, as one batch."""
    if turn.number != fix_turn.number():
        return
    _, found = marks(renewed(turn.work.review))
    rest = [n for n in turn.shown if not (found.mine[n] or found.others[n])]
    batch = _token(turn, "rest")
    if rest and enter(turn.work.review, [made(turn, n, "keep", batch=batch) for n in rest]):
        next_page(turn)


def made(turn: Turn, n: int, action: str, label: int = NO_CLASS, batch: str = "") -> Decision:
    """The row of the log for a decision on image ``n``."""
    work, run = turn.work, turn.work.review.run
    given, suggested = int(run.labels.given_label[n]), int(work.advice.together.label[n])
    label = given if action == "keep" else label if action == "relabel" else NO_CLASS
    via = "settle" if work.which == "disputed" else "random" if work.queue.drawn[work.queue.place[n]] else "suspicious"
    return Decision(
        source_index=int(run.source_index[n]), action=action, label=label, author=author(), given_label=given,
        token=_token(turn, f"{n}-{action}-{label}"), via=via, run_id=run.run_id, score=work.score,
        score_value=float("nan") if work.values is None else float(work.values[n]), suggested=suggested,
        suggested_by=str(work.advice.backers[n]), batch=batch,
    )  # fmt: skip


def _token(turn: Turn, what: str) -> str:
    """The same for the same key in the same turn: if it failed and is pressed again, it still counts once."""
    return f"{fix_turn.session()}-{turn.number}-{what}"


@contextlib.contextmanager
def _told(trouble: str) -> Iterator[None]:
    """What goes wrong is said on the page, and the image stays."""
    try:
        yield
    except (StoreError, DataError) as error:
        _say("trouble", f"{trouble}: {str(error).rstrip('.')}.")


def enter(review: Reviewing, decisions: Sequence[Decision]) -> bool:
    """Whether the decisions are on disk now; what became of them is said on the page."""
    with _told("Not saved"):
        get_reviews().add(review.data, decisions)
        _say("saved", f"Saved: {saved_words(review, decisions)}")
        return True
    return False


def skip(turn: Turn) -> None:
    """To the next image, without a word on this one."""
    if turn.number == fix_turn.number():
        forget_said()
        _go_on(turn, fix_turn.focus_of(turn))


def back(turn: Turn) -> None:
    """To what was shown before."""
    if turn.number == fix_turn.number():
        forget_said()
        with _told(UNREAD):
            place = turn.work.queue.place
            fix_turn.step_back(turn.work, int(place[turn.shown[0]]) if turn.shown else len(place))


def next_page(turn: Turn) -> None:
    """From the last image of the grid on."""
    if turn.number == fix_turn.number():
        st.session_state.pop("fix_focus", None)
        with _told(UNREAD):
            fix_turn.step(turn.work, int(turn.work.queue.place[list(turn.shown)].max()))


def _go_on(turn: Turn, n: int) -> None:
    """To the next image: in a grid the next one there that is undecided."""
    with _told(UNREAD):
        if not turn.work.grid:
            fix_turn.step(turn.work, int(turn.work.queue.place[n]))
            return
        _, found = marks(renewed(turn.work.review))
        at = turn.shown.index(n)
        later = [*turn.shown[at + 1 :], *turn.shown[:at]]
        undecided = [m for m in later if not found.mine[m]] if turn.work.which != "mine" else later
        st.session_state["fix_focus"] = (undecided or [n])[0]
        fix_turn.end_turn()


# -- undo and redo ---------------------------------------------------------------------------------


def undo(work: Work) -> None:
    """Take back what this person decided last, a batch as a whole, and show it again."""
    with _told(UNREAD):
        if (row := _row(work.review, take_back(work.review))) is not None:
            fix_turn.open_image(work, row)


def redo(work: Work) -> None:
    """Bring back what was taken back last, and go on."""
    with _told(UNREAD):
        if (row := _row(work.review, bring_back(work.review))) is not None:
            fix_turn.step(work, int(work.queue.place[row]))


def take_back(review: Reviewing) -> tuple[Decision, ...]:
    """What was taken back is returned, and said on the page."""
    with _told("Nothing was changed"):
        done = get_reviews().undo(review.data, author(), review.run.run_id)
        _say(*(("saved", f"Taken back: {saved_words(review, done)}") if done else ("note", "There is nothing of yours to take back.")))
        return done
    return ()


def bring_back(review: Reviewing) -> tuple[Decision, ...]:
    """What was brought back is returned, and said on the page."""
    with _told("Nothing was changed"):
        done = get_reviews().redo(review.data, author(), review.run.run_id)
        _say(*(("saved", f"Brought back: {saved_words(review, done)}") if done else ("note", "There is nothing to bring back.")))
        return done
    return ()


def _row(review: Reviewing, done: Sequence[Decision]) -> int | None:
    """The position of the first image of these, None where there is none in this run."""
    return rows_of(review.run.run_id, review.run).get(done[0].source_index) if done else None


# -- what came of it -------------------------------------------------------------------------------


def saved_words(review: Reviewing, done: Sequence[Decision]) -> str:
    """What was decided, in a few words."""
    if len(done) > 1:
        return f"{counted(len(done), 'decision')} at once."
    [decision] = done
    return f"image {decision.source_index:,} {outcome(decision, review.run.class_names)}."


def outcome(decision: Decision, class_names: Sequence[str]) -> str:
    """``is 3, no longer 7``; class names are plain text."""
    if decision.action in ("keep", "relabel"):
        label, given = plain(class_names[decision.label]), plain(class_names[decision.given_label])
        return f"stays **{label}**" if decision.action == "keep" else f"is **{label}**, not {given}"
    return "is **ambiguous**" if decision.action == "ambiguous" else "is **left out**"


def _say(kind: str, sentence: str) -> None:
    st.session_state[SAID] = (kind, sentence)


def forget_said() -> None:
    st.session_state.pop(SAID, None)


def ago(seconds: float) -> str:
    """``just now``, ``3 min ago``, ``2 h ago``, ``5 days ago``"""
    for size, word in ((86_400, "days"), (3_600, "h"), (60, "min")):
        if seconds >= size:
            count = int(seconds // size)
            return f"{count} {'day' if word == 'days' and count == 1 else word} ago"
    return "just now"


def refresh() -> None:
    """Begin the list anew: what was skipped comes up again."""
    state.forget("at")
    st.session_state["fix_trail"] = []
    fix_turn.end_turn()
