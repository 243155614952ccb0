"""The Fix page: what there is to know of the image under review; its true label is not part of it."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from html import escape

import numpy as np
import streamlit as st

from explorer.analysis.decisions import opinion
from explorer.analysis.neighbors import NearDuplicates
from explorer.analysis.scores import SCORES, suspicion
from explorer.records import Array, Dataset, Decision, Run
from explorer.ui import cards, fix_suggest
from explorer.ui.assets import palette
from explorer.ui.duplicate_cards import member, pixels_of
from explorer.ui.duplicate_words import counted
from explorer.ui.fix_decide import ago, outcome
from explorer.ui.fix_suggest import TOGETHER, Advice
from explorer.ui.fix_turn import Work
from explorer.ui.gallery import Card, crisp
from explorer.ui.one_image import rank_of
from explorer.ui.reviewing import Reviewing
from explorer.ui.strips import StripCard, strips
from explorer.ui.words import plain

LARGE, TINY, FOCUS = 352, 256, 144  # pixels of the image on screen: alone, of few pixels itself, and beside a grid
FEW_PIXELS = 16  # of the longer side: larger blocks than TINY shows are harder to see as one image
NEIGHBORS, TWINS = 6, 6  # shown
STYLE = """<style>
.fix-image { display: block; max-width: 100%; border-radius: 4px; background: color-mix(in srgb, currentColor 6%, transparent); }
.fix-image.pixelated { image-rendering: pixelated; }
.fix-image.photograph { width: max(100%, 1px); max-width: max(320px, 48vh); }
.fix-given { margin: 0 0 6px; font-size: 1.35rem; line-height: 1.3; }
.fix-given small { font-size: 0.85rem; opacity: 0.75; }
.fix-says { border-collapse: collapse; font-size: 0.95rem; line-height: 1.35; }
.fix-says td { border: 0; padding: 3px 12px 3px 0; vertical-align: middle; }
.fix-says .track { display: inline-block; width: 84px; height: 6px; border-radius: 3px;
  background: color-mix(in srgb, currentColor 15%, transparent); }
.fix-says .track span { display: block; height: 100%; border-radius: 3px; background: var(--fix-bar); }
.fix-says tr.none td { opacity: 0.7; }
</style>"""


def show_picture(run: Run, dataset: Dataset, n: int, wanted: int = LARGE) -> None:
    """The image, large, its pixels all of one size."""
    height, width = dataset.train_images.shape[1:3]
    size = crisp(max(height, width), min(wanted, TINY) if max(height, width) < FEW_PIXELS else wanted)
    kind = " pixelated" if max(height, width) < 64 else " photograph" if wanted == LARGE else ""
    shown = round(size * width / max(height, width))
    url = cards.thumbnail(run, dataset, n)
    st.html(f'{STYLE}<img class="fix-image{kind}" src="{url}" width="{shown}" alt="image {run.source_index[n]}, under review">')


def place_words(work: Work, n: int) -> str:
    """Where the image stands, and why it came up."""
    place, N = int(work.queue.place[n]), len(work.queue.order)
    words = [f"Image {work.review.run.source_index[n]:,}", f"place {place + 1:,} of {N:,}"]
    if work.queue.drawn[place]:
        words.append("**drawn at random**, for the estimate of the error rate")
    elif work.values is not None:
        rank = np.floor(1000 * rank_of(n, suspicion(work.score, work.values))) / 10
        than = f"more suspicious than {rank:.1f}\u00a0%" if rank < 100 else "more suspicious than all others"
        words.append(f"{than} by {SCORES[work.score].title}")
    return " · ".join(words)


def says_html(run: Run, advice: Advice, n: int, bar: str) -> str:
    """HTML: the given label, and what each suggester says of it."""
    given = escape(run.class_names[run.labels.given_label[n]])
    names = [f"<b>{escape(name)}</b>" for name in run.class_names]
    voices = [*advice.by, *([TOGETHER] if advice.backers[n] == TOGETHER else [])]
    rows = [_row(advice, name, n, fix_suggest.words(advice, name, n, names, run.labels.given_label)) for name in voices]
    return (
        f'{STYLE}<div style="--fix-bar:{bar}"><p class="fix-given">given <b>{given}</b></p>'
        f'<table class="fix-says"><tbody>{"".join(rows)}</tbody></table></div>'
    )


def _row(advice: Advice, name: str, n: int, text: str) -> str:
    share = float(advice.of(name).share[n])
    track = f'<span class="track" role="img" aria-label="{100 * share:.0f} %"><span style="width:{100 * share:.0f}%"></span></span>'
    return f'<tr class="{"none" if not share else ""}"><td>{track}</td><td>{text}</td></tr>'


def show_says(run: Run, advice: Advice, n: int) -> None:
    st.html(says_html(run, advice, n, palette().fit))


# -- what others said --------------------------------------------------------------------------------


def show_opinions(work: Work, held: Mapping[str, Decision], run: Run) -> None:
    """What people have decided on the image, and whether they differ."""
    others = {name: each for name, each in held.items() if name != work.review.author}
    if work.which == "others" and others and work.review.author not in held:
        st.caption(f"Decided by {', '.join(map(plain, others))}. What they said is shown after your decision, so that it is your own.")
        return
    if not held:
        return
    now, names = time.time(), run.class_names
    lines = [f"{plain(name)} says it {outcome(each, names)} :small[({ago(now - each.made_at)})]" for name, each in held.items()]
    if len({opinion(each) for each in held.values()}) > 1:
        settle = "Your decision settles it: earlier ones on this image no longer count." if work.which == "disputed" else (
            "It is left out of export and training until it is settled under *in dispute*."
        )  # fmt: skip
        st.warning("**In dispute.** " + settle + "  \n" + "  \n".join(lines), icon=":material/forum:")
    else:
        st.info("  \n".join(lines), icon=":material/check:")


# -- what looks like it ------------------------------------------------------------------------------


def show_look_alikes(review: Reviewing, advice: Advice, n: int, pairs: NearDuplicates | None, size: int) -> None:
    """Its near-duplicates, in a frame of their own, and the images that look most like it, with their labels."""
    run, dataset, given = review.run, review.dataset, review.run.labels.given_label
    twins = partners(pairs, n)
    near = [int(m) for m in advice.looks.ids[n] if m >= 0 and m not in twins][:NEIGHBORS]
    made = []
    if len(twins):
        shown = [member(run, dataset, int(m), truth=False, other=bool(given[m] != given[n])) for m in twins[:TWINS]]
        differ = int((given[twins] != given[n]).sum())
        made.append(StripCard(
            tuple(shown), conflict=differ > 0, badge="conflict" if differ else "", title=counted(len(twins), "near-duplicate"),
        ))  # fmt: skip
    if near:
        shown = [member(run, dataset, m, truth=False, other=bool(given[m] != given[n])) for m in near]
        made.append(StripCard(tuple(shown), title="Most like it"))
    strips(made, key="fix_looks", pixels=pixels_of(dataset), size=size, compact=True, label="Images that look like it", empty="")


def partners(pairs: NearDuplicates | None, n: int) -> Array:
    """int64 ``[P]``: the near-duplicates of image ``n``, most similar first."""
    if pairs is None:
        return np.zeros(0, dtype=np.int64)
    of = (pairs.a == n) | (pairs.b == n)
    return np.where(pairs.a[of] == n, pairs.b[of], pairs.a[of])


# -- many at once ------------------------------------------------------------------------------------


def grid_cards(work: Work, shown: Sequence[int], held: Mapping[int, Mapping[str, Decision]]) -> list[Card]:
    """A card for each image of the grid: given label, suggested one, and what has been decided."""
    run, dataset, advice = work.review.run, work.review.dataset, work.advice
    pixels = pixels_of(dataset)
    return [
        Card(
            example=n, image=cards.card_image(run, dataset, n), pixels=pixels, given=run.class_names[run.labels.given_label[n]],
            predicted=run.class_names[advice.together.label[n]] if advice.together.label[n] >= 0 else "",
            badge=_decided(held.get(int(run.source_index[n]), {}), run), note="at random" if work.queue.drawn[work.queue.place[n]] else "",
        )
        for n in shown
    ]  # fmt: skip


def _decided(held: Mapping[str, Decision], run: Run) -> str:
    """What stands of an image, in a word or two."""
    if len({opinion(each) for each in held.values()}) > 1:
        return "in dispute"
    if not held:
        return ""
    decision = next(iter(held.values()))
    words = {"keep": "kept", "ambiguous": "ambiguous", "exclude": "excluded"}
    return words.get(decision.action) or f"\u2192 {run.class_names[decision.label]}"
