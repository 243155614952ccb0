"""The Fix page, second tab: decide many images at once, after a look at what it would do; one key takes it all back."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import streamlit as st

from explorer.analysis import flagged, suggestions
from explorer.analysis.flagged import Strip
from explorer.analysis.neighbors import NearDuplicates
from explorer.analysis.scores import SCORES, percentile, ranking
from explorer.analysis.suggestions import SUGGESTERS
from explorer.records import NO_CLASS, Array, Decision, Run, StoreError
from explorer.ui import cards, fix_decide, fix_plan, reviewing, theme
from explorer.ui.duplicate_cards import pixels_of
from explorer.ui.duplicate_words import counted
from explorer.ui.fix_plan import Plan
from explorer.ui.fix_queue import PREFERRED, marks
from explorer.ui.fix_suggest import TITLES, TOGETHER, Advice, known_of
from explorer.ui.gallery import Card, gallery
from explorer.ui.reviewing import Reviewing

SHOWN = 24  # images of the preview
GROUPS = 200  # offered to choose from
ACTIONS = {"cut": "Accept suggestions above a cut", "group": "One label for a group", "copies": "Keep one of each group"}
NO_GROUPS = "No near-duplicates are known among these images. Under *Near-duplicates*, *Inspect* searches for them by what they look like."


def show_bulk(review: Reviewing) -> None:
    """Choose what to do, look at what it would do, do it, and take it back."""
    if not review.author:
        reviewing.ask_author()
        return
    _area(review, *known_of(review.run, review.dataset))


@st.fragment
def _area(review: Reviewing, scores: Mapping[str, Array], advice: Advice, pairs: NearDuplicates | None) -> None:
    try:
        review = reviewing.renewed(review)
    except StoreError as error:
        st.error(f"The decisions cannot be read: {str(error).rstrip('.')}. Nothing that was saved is lost.")
        return
    chosen = st.segmented_control("What to do", list(ACTIONS), default="cut", required=True, format_func=ACTIONS.__getitem__,
                                  key="bulk_action", persist_state="page", label_visibility="collapsed")  # fmt: skip
    _said(review)
    _, found = marks(review)
    again = st.toggle("Also images that were decided already", key="bulk_again", persist_state="page",
                      help="Off: what anybody has decided stays as it is.")  # fmt: skip
    free = np.ones(len(found.mine), dtype=bool) if again else ~(found.mine | found.others)
    if chosen == "cut":
        _above_cut(review, scores, advice, free)
    else:
        groups = _groups(review.run.run_id, review.run.last_epoch, review.run, pairs) if pairs is not None else ()
        if not groups:
            st.info(NO_GROUPS)
        elif chosen == "group":
            _one_label(review, groups, free)
        else:
            _one_of_each(review, groups, free)


@st.cache_resource(max_entries=8, show_spinner=False, hash_funcs={
    Run: lambda run: run.run_id, NearDuplicates: lambda pairs: (len(pairs.a), float(pairs.similarity.sum())),
})  # fmt: skip
def _groups(run_id: str, recorded: int, run: Run, pairs: NearDuplicates) -> tuple[Strip, ...]:
    return flagged.strips(pairs, pairs.similarity.astype(np.float64), run.labels.given_label, None)


# -- the three ---------------------------------------------------------------------------------------


def _above_cut(review: Reviewing, scores: Mapping[str, Array], advice: Advice, free: Array) -> None:
    """All above a cut of a score to the class suggested for them."""
    N, run = len(free), review.run
    if not scores:
        st.info("This run has no scores, so there is nothing to cut by.")
        return
    standard = next((name for name in PREFERRED if name in scores), next(iter(scores)))
    first, second, third, fourth = st.columns([1, 1.2, 1, 1.2], gap="medium")
    names = [standard, *(name for name in scores if name != standard)]
    score = first.selectbox("By", names, key="bulk_score", format_func=lambda name: SCORES[name].title, persist_state="page")
    top = second.slider("Of the most suspicious images, so many", 1, N, max(1, N // 20), key=f"bulk_top_{run.run_id}", persist_state="page")
    voices = [TOGETHER, *advice.by]
    voice = third.selectbox("Suggestion of", voices, key="bulk_voice", format_func=TITLES.__getitem__, persist_state="page")
    least = fourth.slider("Only if at least so sure", 0, 100, 60, 5, format="%d %%", key="bulk_least", persist_state="page",
                          help=f"{TITLES[voice]}: its share {_share_of(voice)}.")  # fmt: skip
    order = ranking(score, scores[score])
    plan = fix_plan.above_cut(order, top, advice.of(voice), least / 100, free)
    edge = float(percentile(score, scores[score])[order[top - 1]])
    st.caption(f"The cut lies where an image is more suspicious than {100 * edge:.1f}\u00a0% of all by {SCORES[score].title}.")
    by = "model,neighbors" if voice == TOGETHER else voice
    _preview(review, plan, Decision(0, "keep", 0, review.author, 0, "", run_id=run.run_id, score=score, suggested_by=by))


def _share_of(voice: str) -> str:
    return SUGGESTERS[voice].share if voice in SUGGESTERS else suggestions.TOGETHER.share


def _one_label(review: Reviewing, groups: Sequence[Strip], free: Array) -> None:
    """All images of one group to one label; groups with differing labels come first."""
    run, given = review.run, review.run.labels.given_label
    offered = {place: f"Group {place + 1} · {_group_words(group, given, run.class_names)}" for place, group in enumerate(groups[:GROUPS])}
    first, second = st.columns([2, 1], gap="medium")
    place = first.selectbox("Group", list(offered), key=f"bulk_group_{run.run_id}", format_func=offered.__getitem__, persist_state="page")
    members = list(groups[place].members)
    common = int(np.bincount(given[members]).argmax())
    label = second.selectbox(
        "Label", range(len(run.class_names)), index=common, key=f"bulk_label_{run.run_id}_{place}", format_func=run.class_names.__getitem__
    )  # fmt: skip
    _preview(review, fix_plan.to_one_label(members, int(label), free), _common(review))


def _group_words(group: Strip, given: Array, class_names: Sequence[str]) -> str:
    labels, number = np.unique(given[list(group.members)], return_counts=True)
    named = ", ".join(f"{count} × {class_names[label]}" for label, count in zip(labels, number, strict=True))
    return f"{counted(len(group.members), 'image')}: {named}{' (conflict)' if group.conflicting else ''}"


def _one_of_each(review: Reviewing, groups: Sequence[Strip], free: Array) -> None:
    """Copies are left out; the representative of each group stays."""
    exact = st.toggle("Only copies that are the same to the byte", key="bulk_exact", persist_state="page")
    differing = st.toggle(
        "Also groups whose labels differ", key="bulk_differing", persist_state="page",
        help="Which of the labels is right is not decided by this: better review these first.",
    )  # fmt: skip
    _preview(review, fix_plan.one_of_each(groups, free, exact=exact, differing=differing), _common(review))


def _common(review: Reviewing) -> Decision:
    return Decision(0, "keep", 0, review.author, 0, "", run_id=review.run.run_id)


# -- preview, and what comes of it -------------------------------------------------------------------


def _preview(review: Reviewing, plan: Plan, made: Decision) -> None:
    """How many, the first of them with old and new label, and the button that does it."""
    run = review.run
    found = fix_plan.counts(plan, run.labels.given_label)
    parts = [(found.changed, "label changes", "labels change"), (found.kept, "label is confirmed", "labels are confirmed"),
             (found.left_out, "image is left out", "images are left out")]  # fmt: skip
    words = ", ".join(f"**{counted(number, one, more)}**" for number, one, more in parts if number)
    with st.container(horizontal=True, vertical_alignment="center", key="bulk_bar"):
        st.markdown(
            f"{words}." if words else "Nothing fits this choice: widen it, or include images that were decided already.", width="content"
        )
        st.button(
            f"Apply to {counted(len(plan.examples), 'image')}", type="primary", disabled=not len(plan.examples), key="bulk_apply",
            on_click=_apply, args=(review, plan, made),
        )  # fmt: skip
    if len(plan.examples) > SHOWN:
        st.caption(f"The first {SHOWN} of {len(plan.examples):,}:")
    gallery(_cards(review, plan), key="bulk_preview", pairs=plan.beside is not None, label="What would become of them", empty="")
    _truth(run, plan)


def _cards(review: Reviewing, plan: Plan) -> list[Card]:
    """Old and new label below each image."""
    run, names, pixels = review.run, review.run.class_names, pixels_of(review.dataset)
    made = []
    for i, (n, label) in enumerate(zip(plan.examples[:SHOWN].tolist(), plan.label[:SHOWN].tolist(), strict=True)):
        given = int(run.labels.given_label[n])
        note = "is left out" if label == NO_CLASS else "stays" if label == given else f"becomes {names[label]}"
        other = None if plan.beside is None else int(plan.beside[i])
        made.append(Card(
            example=n, image=cards.card_image(run, review.dataset, n), given=names[given], predicted="", note=note, pixels=pixels,
            partner_image="" if other is None else cards.card_image(run, review.dataset, other),
            partner_caption="" if other is None else f"stays: given {names[run.labels.given_label[other]]}",
        ))  # fmt: skip
    return made


def _truth(run: Run, plan: Plan) -> None:
    """Hidden until asked for."""
    true = run.labels.true_label
    if true is None or not len(plan.examples) or (plan.label == NO_CLASS).all():
        return
    with st.expander("Where truth is known: how many of these would be right?", key="bulk_truth", on_change="rerun") as asked:
        if asked.open:
            right = int((true[plan.examples] == plan.label).sum())
            st.markdown(f"**{right:,} of {len(plan.examples):,}** ({theme.percent(right / len(plan.examples))}).")


def _apply(review: Reviewing, plan: Plan, made: Decision) -> None:
    """Exactly what the preview showed."""
    rows = fix_plan.decisions_of(plan, review.run.labels.given_label, review.run.source_index, made)
    if fix_decide.enter(review, rows):
        st.session_state["bulk_done"] = len(rows)


def _said(review: Reviewing) -> None:
    """What became of the last action, with the way back."""
    kind, sentence = st.session_state.get(fix_decide.SAID, ("", ""))
    if kind == "trouble":
        st.error(sentence, icon=":material/error:")
    elif kind:
        with st.container(horizontal=True, vertical_alignment="center", key="bulk_said"):
            st.markdown(f":material/check: {sentence}", width="content")
            _button("Undo", review, fix_decide.take_back)
            _button("Redo", review, fix_decide.bring_back)


def _button(text: str, review: Reviewing, then: Callable[[Reviewing], object]) -> None:
    st.button(text, key=f"bulk_{text}", shortcut="U" if text == "Undo" else "Y", type="tertiary", on_click=then, args=(review,))
