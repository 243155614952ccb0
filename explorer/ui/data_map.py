"""The Inspect page: the data map, every training image by how sure and how steady the network was of its given label."""

from __future__ import annotations

import numpy as np
import streamlit as st

from explorer.records import Array, Run
from explorer.ui import cards, state
from explorer.ui.assets import palette
from explorer.ui.figures_map import MapInfo, map_figure, map_info
from explorer.ui.gallery import gallery
from explorer.ui.live_chart import live_chart
from explorer.ui.theme import significant

HEIGHT = 520
NO_HISTORY = "The map shows how a network took to each image, epoch by epoch. Nothing was trained here, so there is no history to show."
CORNER_CARDS = 12
TITLES = ("variability (standard deviation of the given label's probability)", "confidence (its mean over the epochs)")
CORNERS = (("easy to learn", 0.01, 0.995), ("hard to learn", 0.01, 0.005), ("ambiguous", 0.985, 0.5))
RANGES = ((-0.01, 0.51), (-0.09, 1.09))  # room for the names of the corners


def show_map(run: Run) -> None:
    """The map, the image clicked on it, and the images of the hard-to-learn corner."""
    scores = cards.scores_at(run, run.last_epoch)
    if "confidence" not in scores:
        st.info("The map begins with the first epoch." if run.config.trains else NO_HISTORY)
        return
    st.markdown(
        "Each image by the probability the network gave its label, epoch by epoch: how high on average (*confidence*), how much it "
        "changed (*variability*). In the **hard-to-learn** corner the label was never believed: wrong labels gather there as long as "
        "nothing is memorized. A network that memorizes pulls them out to the right, towards *ambiguous*."
    )
    info = map_info(scores["variability"], scores["confidence"], run.labels.is_mislabeled)
    left, right = st.columns([1.9, 1], gap="medium")
    with left:
        figure = map_figure(info, palette(), HEIGHT, TITLES, CORNERS, RANGES)
        clicked = live_chart(
            figure, key="data_map", height=HEIGHT, alt="Confidence against variability of every training image", clickable=True
        )
        st.caption(drawn_words(info, run.labels.is_mislabeled))
    if clicked is not None:
        state.write_query(image=str(int(clicked)))
        st.toast("Shown under Images.")
    with right:
        _corner(run, scores)


def drawn_words(info: MapInfo, is_mislabeled: Array | None) -> str:
    """How many points stand for how many images, and what is not known."""
    number = (
        f"{info.drawn:,} of {info.total:,} images, chosen at random"
        if info.drawn < info.total
        else f"A point for each of {info.total:,} images"
    )
    unknown = " Which labels are wrong is not known here." if is_mislabeled is None else ""
    return f"{number}.{unknown} A click shows an image under **Images**."


def hard_to_learn(confidence: Array, variability: Array, count: int) -> Array:
    """int ``[count]``: the images nearest the corner of no confidence and no variability.

    Source:
        Swayamdipta et al. 2020, arXiv:2009.10795, name the corner; the distance to it is ours.
    """
    return np.argsort(np.hypot(confidence, variability), kind="stable")[:count]


def _corner(run: Run, scores: dict[str, Array]) -> None:
    dataset = cards.images_of(run)
    if dataset is None:
        return
    corner = hard_to_learn(scores["confidence"], scores["variability"], CORNER_CARDS)
    wrong, highest = run.labels.is_mislabeled, significant(scores["confidence"][corner].max())
    known = "" if wrong is None else f" {int(wrong[corner].sum())} of these {len(corner)} labels are wrong."
    st.markdown(f"**Nearest to the hard-to-learn corner** (confidence at most {highest}).{known}")
    clicked = gallery(
        cards.cards(run, dataset, corner, run.last_epoch, "confidence", twins="near"), key="corner", columns=3, size=96,
        label="Images of the hard-to-learn corner",
    )  # fmt: skip
    if clicked is not None:
        state.write_query(image=str(clicked))
        st.toast("Shown under Images.")
