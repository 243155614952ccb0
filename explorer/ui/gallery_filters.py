"""The Inspect page: filters and sorting of the gallery. All of them are in the link, and come back from it."""

from __future__ import annotations

import numpy as np
import streamlit as st

from explorer.analysis.kinds import KINDS
from explorer.analysis.scores import SCORES
from explorer.analysis.views import REVIEWS, TRUTHS, Traits, View
from explorer.records import Array, Run
from explorer.ui import selection, state
from explorer.ui.listing import class_sizes

PER_PAGE = ("60", "240")
ROW = ("score", "show", "cls")  # in sight
MORE = ("with", "against", "looks", "truth", "reviewed")  # in a popover, counted on its button
PAGES_WIDTH = 290  # pixels; where it is as wide as its content, Streamlit leaves out the second of two pages
DATA_ORDER = ""  # stands for a score where a run has none
REVIEWED = {"no": "not yet", "yes": "yes", "dispute": "in dispute"}
SIGNS = ("high", "low")  # sorted against another score: high by the first and low by the other, or the other way round


def choose_view(run: Run, scores: dict[str, Array], traits: Traits) -> View:
    """Draw the filters, the three most used in sight, keep them in the link, and say what they ask for; no score is data order."""
    names = list(scores) or [DATA_ORDER]
    standard = "curvature" if "curvature" in scores else names[0]
    options = _options(run, names, standard, traits)
    now = {name: st.session_state[f"view_{name}"] for name in (*ROW, *MORE, "sign")}
    first, second, third, more = st.columns([1, 1, 1, 0.62], vertical_alignment="bottom")
    first.selectbox("Sort by", options["score"], key="view_score", format_func=_title, on_change=_from_the_start)
    kinds = {name: f"{KINDS[name]} ({int(traits.kinds[name].sum()):,})" for name in options["show"]}
    second.selectbox("Show", kinds, key=state.reworded("view_show", kinds), format_func=kinds.__getitem__, on_change=_from_the_start)
    classes = {"": "all classes"} | {name: f"{name} ({count:,})" for name, count in class_sizes(traits, run.class_names).items()}
    third.selectbox(
        "Given class", options["cls"], key=state.reworded("view_cls", classes), format_func=classes.__getitem__, on_change=_from_the_start
    )  # fmt: skip
    active = sum(bool(now[name]) for name in MORE)
    with more, st.popover(f"More filters ({active})" if active else "More filters", width="stretch", key="more_filters"):
        _more(options, now, traits)
    defaults = {"score": standard, "show": "all", "sign": "high"}
    told = {name: ",".join(value) if name == "with" else value for name, value in now.items() if value != defaults.get(name, "")}
    state.write_query(**{name: told.get(name) or None for name in now})
    picked = selection.selection(run.run_id)
    return View(
        (now["score"], *now["with"]) if scores else (), now["against"], now["sign"] == "low", now["show"],
        _class(run, now["cls"]), _class(run, now["looks"]), now["truth"], None if picked is None else picked.examples,
        now["reviewed"],
    )  # fmt: skip


def _options(run: Run, names: list[str], standard: str, traits: Traits) -> dict[str, list[str]]:
    """What each filter offers; each begins with what the link says of it."""
    classes, kinds = ["", *run.class_names], list(traits.kinds)
    if not state.page_value("score") and st.session_state.get("view_score") not in names:  # nobody chose it: another run began with it
        state.forget("score")
    score = st.session_state[state.linked("score", names, standard, "score")]
    others = [name for name in names if name != score]
    several = _linked_scores("with", others, score)
    rest = ["", *(name for name in others if name not in several)]
    if st.session_state.get("view_against", state.page_value("against")) in (score, *several):  # a score does not disagree with itself
        state.forget("against")
    options = {
        "show": kinds, "cls": classes, "against": rest, "sign": list(SIGNS), "looks": classes if traits.predicted is not None else [""],
        "truth": ["", *(truth for truth in TRUTHS if (traits.truth == truth).any())],
        "reviewed": ["", *(each for each in REVIEWS if traits.reviewed is not None and (traits.reviewed == each).any())],
    }  # fmt: skip
    defaults = {"show": "all", "sign": "high"}
    words = {"show": "kind of images", "against": "score", "sign": "order", "truth": "truth", "reviewed": "state of review"}
    for name, offered in options.items():
        state.linked(name, offered, defaults.get(name, ""), words.get(name, "class"))
    return options | {"score": names, "with": others}


def _linked_scores(name: str, options: list[str], score: str) -> list[str]:
    """As ``state.linked``, of several scores besides ``score``; returns them."""
    key, text = f"view_{name}", state.page_value(name)
    asked = list(dict.fromkeys(st.session_state.get(key, text.split(",") if text else [])))
    good = [each for each in asked if each in options]
    unknown = [each for each in asked if each not in (*options, score)]
    if unknown:
        st.warning(f"The scores {state.quoted(','.join(unknown))} are unknown in this run and were left out.")
    if st.session_state.get(key) != good:
        st.session_state[key] = good
    return good


def _more(options: dict[str, list[str]], now: dict[str, str], traits: Traits) -> None:
    """The filters of the popover."""
    if options["with"]:
        _other_scores(options, now)
    if traits.predicted is not None:
        st.selectbox(
            "Looks like", options["looks"], key="view_looks", on_change=_from_the_start,
            format_func=lambda name: name or "any class",
            help="The class the network predicted in most epochs, as the cards say.",
        )  # fmt: skip
    if len(options["truth"]) > 2:
        st.segmented_control(
            "The given label is", options["truth"], key="view_truth", required=True, on_change=_from_the_start,
            format_func=lambda truth: f"{truth} ({int((traits.truth == truth).sum()):,})" if truth else "any",
        )  # fmt: skip
    elif "unknown" in options["truth"]:
        st.caption("Whether a given label is right is not known in this run.")
    if len(options["reviewed"]) > 2:
        texts = {
            name: f"{REVIEWED[name]} ({np.count_nonzero(traits.reviewed == name):,})" if name else "any" for name in options["reviewed"]
        }
        st.segmented_control(
            "Decided in review", list(texts), key=state.reworded("view_reviewed", texts), required=True, on_change=_from_the_start,
            format_func=texts.__getitem__,
        )  # fmt: skip
    st.button("Reset all filters", on_click=lambda: state.forget(*ROW, *MORE, "sign", "page"), width="stretch")


def _other_scores(options: dict[str, list[str]], now: dict[str, str]) -> None:
    """What to sort by besides the first score, or against."""
    st.multiselect(
        "Combine with", options["with"], key="view_with", format_func=_title, on_change=_from_the_start, placeholder="more scores",
        help="Sorts by the mean rank by all of these scores: scores that see different things help each other.",
    )  # fmt: skip
    st.selectbox(
        "Disagreement with", options["against"], key="view_against", on_change=_from_the_start,
        format_func=lambda name: _title(name) if name else "no other score",
        help="First come the images that two scores rank most differently.",
    )  # fmt: skip
    if now["against"]:
        signs = {sign: sign_words((now["score"], *now["with"]), now["against"], sign) for sign in SIGNS}
        st.radio(
            "First come images", SIGNS, key=state.reworded("view_sign", signs), format_func=signs.__getitem__, on_change=_from_the_start
        )  # fmt: skip


def _from_the_start() -> None:
    """Another list begins with its first page."""
    state.forget("page")


def _class(run: Run, name: str) -> int | None:
    return run.class_names.index(name) if name else None


# -- pages -----------------------------------------------------------------------------------------


def per_page() -> int:
    """Images on a page, as the link says or as chosen."""
    return int(st.session_state[state.linked("per", PER_PAGE, PER_PAGE[0], "number of images per page")])


def choose_per_page() -> None:
    per = st.segmented_control("Images per page", PER_PAGE, key="view_per", required=True, on_change=_resized, label_visibility="collapsed")
    state.write_query(per=per if per != PER_PAGE[0] else None)


def _resized() -> None:
    """The first image in sight stays on the page."""
    before, now = int(state.page_value("per", PER_PAGE[0])), int(st.session_state["view_per"])
    _go_to((_page() - 1) * before // now + 1)


def page_of(pages: int) -> int:
    """The page to show of ``pages``: as the link says or as turned to."""
    page = _page()
    if not 1 <= page <= pages:
        have = f"{pages:,} pages" if pages > 1 else "1 page"
        st.warning(f"The link asks for page {state.quoted(state.page_value('page'))}; this list has {have}, and here is the first.")
        page = 1
    state.write_query(page=str(page) if page > 1 else None)
    return page


def choose_page(pages: int, page: int) -> None:
    """Draw what turns the page. It is drawn anew, under another key, where the page was turned by something else."""
    turned = st.session_state.get("pages_turned", 0)
    if st.session_state.get(f"view_page_{turned}", page) != page:
        turned = st.session_state["pages_turned"] = turned + 1
    key = f"view_page_{turned}"
    st.pagination(
        pages, default=page, key=key, max_visible_pages=5, width=PAGES_WIDTH, on_change=lambda: _go_to(st.session_state[key])
    )  # fmt: skip


def turn(step: int) -> None:
    """To the next page, or the one before."""
    _go_to(_page() + step)


def _page() -> int:
    """As the link says; 0 for what is no number."""
    text = state.page_value("page", "1")
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 10 else 0


def _go_to(page: int) -> None:
    st.session_state["url_page"] = str(page)


# -- words -----------------------------------------------------------------------------------------


def sign_words(names: tuple[str, ...], against: str, sign: str) -> str:
    """``high by Input-loss curvature, low by Cumulative loss``"""
    first, second = scores_words(names), _title(against)
    return f"high by {first}, low by {second}" if sign == "high" else f"low by {first}, high by {second}"


def scores_words(names: tuple[str, ...]) -> str:
    return _title(names[0]) if len(names) == 1 else f"{len(names)} scores together"


def order_words(view: View) -> str:
    """What the list begins with, to follow the number of its images."""
    names = tuple(view.scores)
    if not names:
        return "in the order of the data"
    if not view.against:
        return "most suspicious first" + (f" by {scores_words(names)}" if len(names) > 1 else "")
    first, second = f"A, {scores_words(names)},", f"B, {_title(view.against)}"
    return f"first those low by {first} and high by {second}" if view.opposite else f"first those high by {first} and low by {second}"


def note(rank: float, against: float) -> str:
    """The two percentiles of an image that scores disagree about."""
    return f"A\u00a0{100 * rank:.0f}\u00a0%, B\u00a0{100 * against:.0f}\u00a0%"


def _title(name: str) -> str:
    return SCORES[name].title if name != DATA_ORDER else "data order"
