"""The Fix page, first tab: the queue of review, one image or a grid of them at a time, decided by keys."""

from __future__ import annotations

from collections.abc import Mapping

import streamlit as st

from explorer.analysis.neighbors import NearDuplicates
from explorer.analysis.scores import SCORES
from explorer.records import Array, StoreError
from explorer.ui import fix_decide, fix_keys, fix_panel, fix_progress, fix_turn, reviewing, state
from explorer.ui.fix_queue import ORDERS, PREFERRED, WHICH, marks, the_queue
from explorer.ui.fix_suggest import Advice, known_of
from explorer.ui.fix_turn import Turn, Work
from explorer.ui.gallery import gallery
from explorer.ui.reviewing import Reviewing

LAYOUTS = {"one": "One", "grid": "Grid"}
CARD = 96  # pixels of an image in the grid
NO_SCORES = "This run has no scores to sort by, so images come up at random. That is enough to estimate how many labels are wrong."


def show_review(review: Reviewing) -> None:
    """Ask who reviews; then the queue, in a part of the page that a key draws alone."""
    if not review.author:
        reviewing.ask_author()
        return
    _area(review, *known_of(review.run, review.dataset))


@st.fragment
def _area(review: Reviewing, scores: Mapping[str, Array], advice: Advice, pairs: NearDuplicates | None) -> None:
    try:
        work = _choose(reviewing.renewed(review), scores, advice)
        place = fix_turn.place_of(work)
        if place >= len(work.queue.order):
            _at_the_end(work)
        elif work.grid:
            _grid(work, place, pairs)
        else:
            _one(work, place, pairs)
        fix_progress.show_progress(work)
    except StoreError as error:
        st.error(f"The decisions cannot be read: {str(error).rstrip('.')}. Nothing that was saved is lost.")
        st.button("Try again")


# -- what to review ----------------------------------------------------------------------------------


def _choose(review: Reviewing, scores: Mapping[str, Array], advice: Advice) -> Work:
    """Draw what chooses the queue, and keep it in the link."""
    names = list(scores)
    standard = next((name for name in PREFERRED if name in scores), names[0] if names else "")
    orders = list(ORDERS) if names else ["random"]
    order_key = state.linked("order", orders, orders[0], "order")
    order = st.session_state[order_key]
    which_key = state.linked("which", list(WHICH), "undecided", "choice of images")
    first, second, third, fourth = st.columns([1.15, 1, 1.15, 0.6], gap="small")
    first.selectbox("Order", orders, key=order_key, format_func=ORDERS.__getitem__, on_change=_anew)
    score = ""
    if order != "random":
        score = st.session_state[state.linked("score", names, standard, "score")]
        second.selectbox("By", names, key="view_score", format_func=lambda name: SCORES[name].title, on_change=_anew)
    third.selectbox("Images", list(WHICH), key=which_key, format_func=WHICH.__getitem__, on_change=_anew)
    layout_key = state.linked("layout", list(LAYOUTS), "one", "layout")
    layout = fourth.segmented_control(
        "At a time", list(LAYOUTS), key=layout_key, format_func=LAYOUTS.__getitem__, required=True, on_change=_relaid
    )  # fmt: skip
    which = st.session_state[which_key]
    told = {"order": (order, orders[0]), "score": (score, standard), "which": (which, "undecided"), "layout": (layout, "one")}
    state.write_query(**{name: value if value != default else None for name, (value, default) in told.items()})
    if not names:
        st.caption(NO_SCORES)
    return Work(review, the_queue(review, order, score, scores), which, score, scores.get(score), advice, layout == "grid")


def _anew() -> None:
    """Another queue begins at its first image."""
    fix_decide.refresh()
    fix_decide.forget_said()


def _relaid() -> None:
    fix_turn.end_turn()


# -- one image, or many ------------------------------------------------------------------------------


def _one(work: Work, place: int, pairs: NearDuplicates | None) -> None:
    n = int(work.queue.order[place])
    turn = Turn(work, fix_turn.number(), (n,), n)
    fix_turn.look_at(work.review, turn.shown)
    left, right = st.columns([1, 1.45], gap="medium")
    with right:  # first: its keys are there when the image is
        fix_panel.show_says(work.review.run, work.advice, n)
        _panel(turn, n, pairs)
    with left, st.container(key="fix_picture"):
        st.caption(fix_panel.place_words(work, n))
        fix_panel.show_picture(work.review.run, work.review.dataset, n)
        _aside(n)


def _grid(work: Work, place: int, pairs: NearDuplicates | None) -> None:
    shown = fix_turn.page_from(work, place)
    if not shown:
        _at_the_end(work)
        return
    asked = st.session_state.get("fix_focus")
    turn = Turn(work, fix_turn.number(), shown, asked if asked in shown else shown[0])
    fix_turn.look_at(work.review, shown)
    held, _ = marks(work.review)
    left, right = st.columns([1.6, 1], gap="medium")
    with right, st.container(key="image_panel"):  # first: its keys are there when the mark is
        n = fix_turn.focus_of(turn)
        st.caption(fix_panel.place_words(work, n))
        picture, words = st.columns([1, 1.7], gap="small")
        with picture:
            fix_panel.show_picture(work.review.run, work.review.dataset, n, fix_panel.FOCUS)
        with words:
            fix_panel.show_says(work.review.run, work.advice, n)
        _panel(turn, n, pairs)
    with left:
        gallery(
            fix_panel.grid_cards(work, shown, held.by_image), key=fix_turn.GRID_KEY, selected=turn.told, follow=turn.number,
            size=CARD, label="Images under review",
        )  # fmt: skip


def _panel(turn: Turn, n: int, pairs: NearDuplicates | None) -> None:
    """What people said of an image, the keys, what became of the last one, and what looks like it."""
    work, run = turn.work, turn.work.review.run
    held, _ = marks(work.review)
    fix_panel.show_opinions(work, held.by_image.get(int(run.source_index[n]), {}), run)
    fix_keys.decision_keys(turn)
    fix_keys.moving_keys(turn)
    _said()
    fix_panel.show_look_alikes(work.review, work.advice, n, pairs, 56 if work.grid else 72)
    fix_keys.listen()


def _aside(n: int) -> None:
    """The way to all else that is known of the image."""
    if st.button("All about this image", type="tertiary", icon=":material/image_search:", key=f"fix_inspect_{n}"):
        st.session_state.update(url_image=str(n), go_to="inspect.py")
        st.rerun()  # the whole page: this part of it alone cannot turn to another


def _said() -> None:
    """What became of the last key: quiet where it was saved, loud where it was not."""
    kind, sentence = st.session_state.get(fix_decide.SAID, ("", ""))
    if kind == "trouble":
        st.error(sentence, icon=":material/error:")
    else:
        st.caption(f":material/check: {sentence}" if kind == "saved" else sentence or "Each decision is kept on disk at once.")


def _at_the_end(work: Work) -> None:
    """Nothing is left in the list, or what is left was passed over."""
    left = int(fix_turn.fitting(work).sum())
    with st.container(key="fix_end"):
        st.subheader("You are at the end of this list.")
        if work.which == "undecided":
            more = f"{left:,} images were passed over and are still undecided." if left else "Every image has been decided."
        else:
            more = f"It holds {left:,} images." if left else f"No image is {WHICH[work.which]}."
        st.markdown(more)
        if left:
            st.button("Go through them again", key="fix_again", on_click=fix_decide.refresh)
        fix_keys.moving_keys(Turn(work, fix_turn.number(), (), -1))
        _said()
        fix_keys.listen()
