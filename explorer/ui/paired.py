"""The Compare page: two runs on the same images, what changed from one to the other, and whether it is more than chance."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import numpy as np
import streamlit as st

from explorer.analysis.scores import SCORES
from explorer.records import Dataset, StoreError
from explorer.runs.summaries import RunSummary
from explorer.ui import cards, figures_paired, overlays, pairing, state
from explorer.ui.assets import is_dark, palette
from explorer.ui.chosen_runs import chosen_ids, has_curve
from explorer.ui.data_map import drawn_words
from explorer.ui.figures_overlays import overlays_figure, overlays_height, overlays_info
from explorer.ui.gallery import Card, gallery
from explorer.ui.live_chart import live_chart
from explorer.ui.pairing import Pair
from explorer.ui.run_metrics import METRICS
from explorer.ui.services import get_readings, get_store
from explorer.ui.theme import significant
from explorer.ui.words import describe, plain

CURVES = ("test_accuracy", "train_accuracy", "memorized", "susceptibility")
COLUMNS = 2  # of panels
PER_PAGE = 24
HEIGHT = 420
NARROW = "\u00a0"  # a number and its unit stay on one line
FIRST = "cumulative_loss"  # the score looked at unless the link names another


def show_pair() -> None:
    """The choice of two runs, then all that can be said of the two."""
    summaries = [s for s in get_store().runs() if has_curve(s)]
    if len(summaries) < 2:
        number = "There is only one run" if summaries else "There is no run"
        st.info(f"{number} with a finished epoch; comparing takes two. Train another: change one setting, so that you see what it does.")
        st.page_link("train.py", label="Go to Train", icon=":material/arrow_back:")
        return
    chosen = _choose_two(summaries)
    if chosen[0] == chosen[1]:
        st.info("A and B are the same run. Choose another one for B.")
        return
    try:
        a, b = (get_readings().read(run_id) for run_id in chosen)
        _show(pairing.pair_of(a, b), {s.run_id: s for s in summaries})
    except StoreError as error:
        st.error(f"{error}.")


def _show(pair: Pair, summaries: dict[str, RunSummary]) -> None:
    found = pairing.tested(pair.a, pair.b)
    with st.container(key="pair_words"):
        if found is not None:
            st.markdown(pairing.test_sentence(found, pair.a.test_is_reference))
        st.markdown(pairing.images_sentence(pair))
    left, right = st.columns([1, 1.55], gap="medium")
    with left:
        _settings(pair)
        _figures(pair)
    with right:
        _curves(pair, summaries)
    if pair.changes is not None:
        _images(pair)
        _scores(pair)


# -- which two -------------------------------------------------------------------------------------


def _choose_two(summaries: Sequence[RunSummary]) -> tuple[str, str]:
    """(A, B) by run_id: of the link, else the first two chosen, else the newest two."""
    known = [s.run_id for s in summaries]
    usual = list(dict.fromkeys([*(run_id for run_id in chosen_ids() if run_id in known), *known]))[:2]
    texts = {s.run_id: f"{s.name or (describe(s.config) if s.config else '')} · {s.run_id}" for s in summaries}
    picked, places = [], st.columns([1, 0.09, 1], vertical_alignment="bottom")
    for place, name, standard in ((places[0], "a", usual[0]), (places[2], "b", usual[1])):
        with place:
            key = state.linked(name, texts, standard, "run")
            picked.append(str(st.selectbox(name.upper(), texts, key=state.reworded(key, texts), format_func=texts.__getitem__)))
    places[1].button("", icon=":material/swap_horiz:", on_click=_swap, args=tuple(picked), help="Swap A and B", key="swap_pair")
    state.write_query(a=None if picked == usual else picked[0], b=None if picked == usual else picked[1])
    return picked[0], picked[1]


def _swap(a: str, b: str) -> None:
    for name, run_id in (("a", b), ("b", a)):
        st.session_state[f"view_{name}"] = run_id


# -- settings, figures, curves ---------------------------------------------------------------------


def _settings(pair: Pair) -> None:
    rows = pairing.setting_rows(pair.a, pair.b)
    if not rows:
        st.markdown("**All settings are the same.**")
        return
    st.markdown(f"**{'One setting differs' if len(rows) == 1 else f'{len(rows)} settings differ'}**")
    st.markdown(_table(("", "A", "B"), rows))


def _figures(pair: Pair) -> None:
    st.markdown(f"**After the last epoch** (A {pair.a.last_epoch}, B {pair.b.last_epoch})")
    st.markdown(_table(("", "A", "B", "B \u2212 A"), pairing.figure_rows(pair.a, pair.b)))
    if words := pairing.susceptibility_sentence(pair.a, pair.b):
        st.caption(words)


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Markdown; numbers are on the right."""
    cells = ([plain(row[0]), *(plain(cell).replace(" ", NARROW) for cell in row[1:])] for row in rows)
    lines = [head, [":--", *["--:"] * (len(head) - 1)], *cells]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _curves(pair: Pair, summaries: dict[str, RunSummary]) -> None:
    runs = [summaries[run.run_id] for run in (pair.a, pair.b)]
    series = overlays.series_of(runs, overlays.EACH, dark=is_dark())
    named = [each._replace(group=f"{letter}: {each.group}") for letter, each in zip("AB", series, strict=True)]
    known = [name for name in CURVES if any(np.isfinite(run.epochs[name]).any() for run in (pair.a, pair.b))]
    info = overlays_info(named, known)
    title = ", ".join(METRICS[name].title for name in info.panels)
    live_chart(
        overlays_figure(info, palette(), COLUMNS), key="pair_curves", height=overlays_height(info, COLUMNS), alt=f"{title} of both runs",
        title=f"{title[:1].upper()}{title[1:]}", of=_of(pair),
    )  # fmt: skip


def _of(pair: Pair) -> str:
    return f"A run {pair.a.run_id}, B run {pair.b.run_id}"


# -- images ----------------------------------------------------------------------------------------


def _images(pair: Pair) -> None:
    """Which images changed, as cards that say what either run makes of them."""
    kinds = pairing.kinds_of_change(pair)
    texts = pairing.lengths(kinds)
    st.markdown("**Which images changed?**")
    key = state.linked("changed", texts, next(iter(texts)), "choice")
    chosen = str(
        st.segmented_control(
            "Which images", list(texts), key=state.reworded(key, texts), format_func=texts.__getitem__, required=True,
            label_visibility="collapsed",
        )
    )  # fmt: skip
    state.write_query(changed=None if chosen == next(iter(texts)) else chosen)
    dataset = cards.images_of(pair.a)
    if dataset is None:
        return
    places = kinds[chosen][1]
    pages = max(1, -(-len(places) // PER_PAGE))
    with st.container(horizontal=True, vertical_alignment="center", key="pair_bar"):
        st.caption("Labels and truth as in A; below, what each run predicts at its last epoch. A click opens the image.", width="stretch")
        page = st.pagination(pages, key=f"pair_page_{chosen}_{pages}", max_visible_pages=7, width=340) if pages > 1 else 1
    shown = places[(page - 1) * PER_PAGE : page * PER_PAGE]
    gallery(
        [pair_card(pair, dataset, int(at)) for at in shown], key="pair_gallery", on_click=partial(_inspect, pair),
        label="Images that changed", empty="There is no such image.",
    )  # fmt: skip


def pair_card(pair: Pair, dataset: Dataset, at: int) -> Card:
    """The card of a common image, which says what either run makes of it. at: place in ``common``."""
    assert pair.common is not None
    n, m = int(pair.common.a[at]), int(pair.common.b[at])
    a, b = pair.a, pair.b
    predicted = [run.class_names[run.facts.predicted_label[-1, i]] for run, i in ((a, n), (b, m))]
    given = [run.class_names[run.labels.given_label[i]] for run, i in ((a, n), (b, m))]
    relabelled = "" if given[0] == given[1] else f", given {given[1]} in B"
    loss = [significant(float(run.facts.loss[-1, i])) for run, i in ((a, n), (b, m))]
    said = zip("AB", predicted, loss, strict=True)
    return Card(
        example=at, image=cards.card_image(a, dataset, n), pixels=max(dataset.train_images.shape[1:3]), given=given[0], predicted="",
        true=cards.true_name(a, n), badge=cards.badge(a, n),
        note=" ".join(f"{name} {word} (loss {value})".replace(" ", NARROW) for name, word, value in said) + relabelled,
    )  # fmt: skip


def _inspect(pair: Pair, at: int) -> None:
    """Card ``at`` was clicked: that image of A, under Inspect."""
    assert pair.common is not None
    state.forget("tab", "page")
    state.write_query(run=pair.a.run_id, image=str(int(pair.common.a[at])))
    st.session_state.go_to = "inspect.py"


# -- scores ----------------------------------------------------------------------------------------


def _scores(pair: Pair) -> None:
    """A score of each image in A against the same score in B."""
    assert pair.common is not None
    scores = [cards.scores_at(run, run.last_epoch) for run in (pair.a, pair.b)]
    names = [name for name in SCORES if all(name in each for each in scores)]
    if not names:
        st.caption("No score is known in both runs.")
        return
    texts = {name: SCORES[name].title for name in names}
    st.markdown("**Do both find the same images suspicious?**")
    left, right = st.columns([2.2, 1], gap="medium")
    with right:
        key = state.linked("pair_score", texts, FIRST if FIRST in texts else names[0], "score")
        name = str(st.selectbox("Score", texts, key=state.reworded(key, texts), format_func=texts.__getitem__))
        state.write_query(pair_score=None if name == FIRST else name)
        place = st.container()
    values = scores[0][name][pair.common.a], scores[1][name][pair.common.b]
    wrong = pairing.both_wrong(pair)
    info = figures_paired.paired_info(*values, wrong)
    with left:
        unit = f"{SCORES[name].title} ({SCORES[name].unit})"
        live_chart(
            figures_paired.paired_figure(info, palette(), HEIGHT, unit, ("in A", "in B")), key="pair_scatter", height=HEIGHT,
            alt=f"{SCORES[name].title} of each image in A against B", of=_of(pair),
        )  # fmt: skip
    with place:
        st.markdown(agreement_words(info.spearman))
        st.caption(drawn_words(info.clouds, wrong).replace(" A click shows an image under **Images**.", ""))


def agreement_words(spearman: float) -> str:
    """How far the two runs rank the images alike."""
    if not np.isfinite(spearman):
        return "The ranks cannot be compared: the score does not vary in one of the runs."
    strength = "much the same" if spearman >= 0.8 else "partly the same" if spearman >= 0.4 else "different"
    return (
        f"The two runs find {strength} images suspicious: rank correlation (Spearman) **{spearman:.2f}**. "
        "On the dotted line nothing changed."
    )
