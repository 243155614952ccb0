"""The Inspect page: every training image where the network's embedding puts it, and what was picked there with a lasso."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import streamlit as st

from explorer.analysis.neighbors import normalise
from explorer.analysis.projection import UMAP_NEIGHBORS, Projection, has_umap, pca, umap
from explorer.analysis.scores import SCORES, percentile, ranking, usual_prediction
from explorer.records import Array, Run
from explorer.ui import cards, figures_embedding, selection, state
from explorer.ui.assets import palette, source
from explorer.ui.cards import NONE_OF_THE_CLASSES
from explorer.ui.figures_embedding import Layout, Words
from explorer.ui.gallery import gallery
from explorer.ui.theme import percent
from explorer.ui.words import no_embedding, plain

HEIGHT = 460  # pixels of the map
SHOWN = 120  # cards of what was picked
MARKED = 3_000  # crosses; more hide the map, and are drawn only when asked for
IMAGES_TAB = "Images"
EPOCHS = {"peak": "peak-curvature epoch", "last": "last epoch"}
CLASSES = {"given": "Given label", "looks": "Looks like (predicted most often)", "true": "True label"}

_HERE = Path(__file__)
_map = st.components.v2.component(
    "explorer_embedding_map",
    js=source(_HERE.with_name("embedding_canvas.js")) + "\n" + source(_HERE.with_suffix(".js")),
    css=source(_HERE.with_suffix(".css")),
)
_picked = st.components.v2.component("explorer_embedding_picked", js=source(_HERE.with_name("embedding_picked.js")))


def show_embedding(run: Run) -> None:
    """The map, its colours, and beside it the images picked on it or elsewhere."""
    if run.embedding is None:
        st.info(f"{no_embedding(run)} There is nothing to map.")
        return
    scores = cards.scores_at(run, run.last_epoch)
    with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
        which, method = _which_map(run)
        colour = _colour(run, list(scores))
        mark = _marked(run)
    projection = _projected(run.run_id, run.last_epoch, which, method, run)
    left, right = st.columns([1.55, 1], gap="medium")
    with left:
        labels = run.labels
        layout = figures_embedding.lay_out(projection.positions, labels.is_mislabeled)
        looks = _looks_like(run.run_id, run.last_epoch, run)
        words = figures_embedding.words_of(layout, labels.given_label, looks, labels.true_label, run.class_names, NONE_OF_THE_CLASSES)
        _draw(run, f"{run.run_id} {run.last_epoch} {which} {method}", layout, words, colour, scores, mark)
        st.caption(how_to_words(layout))
    with right:
        st.markdown(map_words(projection))
        _show_picked(run, scores, next((name for name in (colour, state.page_value("score", "curvature"), *scores) if name in scores), ""))


def _which_map(run: Run) -> tuple[str, str]:
    """("peak" or "last", "pca" or "umap")."""
    which, method = "last", "pca"
    if run.embedding_peak is not None:
        which = st.segmented_control(
            "Embedding of the", list(EPOCHS), default="peak", required=True, key="map_embedding", persist_state="page",
            format_func=EPOCHS.__getitem__,
            help="By the end a network that memorizes has pulled wrong labels over to their class; at the peak of mean curvature it "
            "is still at it.",
        )  # fmt: skip
    if has_umap() and len(run.labels.given_label) > UMAP_NEIGHBORS:
        method = st.segmented_control(
            "Flattened by", ["pca", "umap"], default="pca", required=True, key="map_method", persist_state="page", format_func=str.upper,
            help="PCA is drawn at once and keeps distances as far as two directions can. UMAP keeps neighbours together and takes "
            "minutes for 50,000 images.",
        )  # fmt: skip
    return which, method


def _colour(run: Run, scores: list[str]) -> str:
    """given, looks, true or the name of a score; kept in the link."""
    known = {"given": True, "looks": len(run.facts.epochs) > 0, "true": run.labels.true_label is not None}
    choices = [*(name for name in CLASSES if known[name]), *scores]
    colour = st.selectbox(
        "Colour", choices, key=state.linked("colour", choices, "given", "colour"), width=300,
        format_func=lambda name: CLASSES[name] if name in CLASSES else SCORES[name].title,
    )  # fmt: skip
    state.write_query(colour=colour if colour != "given" else None)
    return colour


def _marked(run: Run) -> bool:
    wrong = run.labels.is_mislabeled
    return wrong is not None and bool(st.toggle("Mark wrong labels", wrong.sum() <= MARKED, key="map_mark", persist_state="page"))


# -- the map ---------------------------------------------------------------------------------------


@st.cache_data(max_entries=8, show_spinner="Flattening the embedding…", hash_funcs={Run: lambda run: run.run_id})
def _projected(run_id: str, recorded: int, which: str, method: str, run: Run) -> Projection:
    """Of the directions of the embedding vectors, as everywhere: look-alikes are told by cosine, not by length."""
    embedding = run.embedding_peak if which == "peak" else run.embedding
    return (umap if method == "umap" else pca)(normalise(np.asarray(embedding)))


def _placed(run: Run, projection: Projection) -> tuple[Layout, Words]:
    labels = run.labels
    layout = figures_embedding.lay_out(projection.positions, labels.is_mislabeled)
    looks = _looks_like(run.run_id, run.last_epoch, run)
    return layout, figures_embedding.words_of(
        layout, labels.given_label, looks, labels.true_label, run.class_names, cards.NONE_OF_THE_CLASSES
    )


@st.cache_data(max_entries=8, show_spinner=False, hash_funcs={Run: lambda run: run.run_id})
def _looks_like(run_id: str, recorded: int, run: Run) -> Array | None:
    return usual_prediction(run.facts.predicted_label) if len(run.facts.epochs) else None


def _draw(run: Run, name: str, layout: Layout, words: Words, colour: str, scores: dict[str, Array], mark: bool) -> None:
    """Draw the map; what is picked on it becomes the selection, and a click asks for the image."""
    by_score = colour in scores
    title = SCORES[colour].title if by_score else CLASSES[colour]
    colours = figures_embedding.colours_of(layout, colour, title, percentile(colour, scores[colour]) if by_score else None)
    data = figures_embedding.message(name, layout, words, colours, palette(), mark_wrong=mark)
    alt = f"Map of {len(layout.examples):,} training images by the network's embedding, coloured by {title}. The classes are listed below."
    result = _map(
        key="embedding_map", data=data | {"alt": alt, "height": HEIGHT}, on_picked_change=_nothing, on_clicked_change=_nothing,
    )  # fmt: skip
    if result.picked is not None and result.picked["name"] == name:
        _keep_picked(run.run_id, picked_examples(layout, result.picked["bits"]))
    if result.clicked is not None and result.clicked["name"] == name:
        _ask_for(int(layout.examples[result.clicked["point"]]))
    _picked(key="embedding_picked", data={"name": name, "bits": picked_bits(layout, selection.selection(run.run_id))})


def picked_examples(layout: Layout, bits: str) -> Array:
    """int64, ascending: the images whose points the browser names. Raises ValueError where it does not name points of this map."""
    return np.sort(layout.examples[figures_embedding.unpack_bits(bits, len(layout.examples))])


def _keep_picked(run_id: str, examples: Array) -> None:
    if len(examples):
        selection.select(run_id, examples, f"{len(examples):,} {'image' if len(examples) == 1 else 'images'} picked on the map")
    else:
        selection.clear()


def picked_bits(layout: Layout, picked: selection.Selection | None) -> str | None:
    """What is picked, wherever it was, in the order of the points."""
    return None if picked is None else figures_embedding.pack_bits(np.isin(layout.examples, picked.examples))


def _ask_for(example: int) -> None:
    state.write_query(image=str(example))
    st.toast("Shown under Images.")


def _nothing() -> None:
    """Registering a callback makes ``result.picked`` and ``result.clicked`` exist."""


def map_words(projection: Projection) -> str:
    """What the map shows, and how far to believe it."""
    start = (
        "Each point is a training image where the network's last hidden layer puts it: **what lies together looks alike to the network**. "
        "A wrong label among its true class resists; drawn over to its given class it is being memorized. "
    )
    if not len(projection.explained):
        return start + "UMAP keeps neighbours together; the size of a group and the distance between two groups mean nothing."
    return start + f"The two directions drawn (PCA) hold {percent(projection.explained.sum())} of the differences; the rest is unseen."


def how_to_words(layout: Layout) -> str:
    left_out = f" {layout.left_out:,} images without a finite embedding are left out." if layout.left_out else ""
    return (
        "Drag to pick images with a lasso; a click on a class brings it out, and the lasso then takes only its images. The wheel zooms, "
        "Shift and drag moves. By keyboard: arrows, + and −, Enter picks what is in view, Escape lets go." + left_out
    )


# -- what was picked ---------------------------------------------------------------------------------


def first_of(order: Array, picked: Array, limit: int = SHOWN) -> Array:
    """int ``[<= limit]``: of the images ``picked``, those that come first in ``order`` (all images ``[N]``)."""
    return order[np.isin(order, picked)][:limit]


def picked_words(words: str, picked: Array, shown: int, title: str, is_mislabeled: Array | None) -> str:
    """What was picked, how much of it is shown and in which order (title of a score or empty), how many labels are wrong beside all."""
    part = f"{shown:,} of {len(picked):,} shown" if shown < len(picked) else "All are shown"
    sentence = f"**{words}.** {part}{f', most suspicious first by *{title}*' if title else ''}."
    if is_mislabeled is None:
        return sentence
    wrong = is_mislabeled[picked]
    return f"{sentence} {wrong.sum():,} of their labels are wrong ({percent(wrong.mean())}; of all images {percent(is_mislabeled.mean())})."


def _show_picked(run: Run, scores: dict[str, Array], score: str) -> None:
    """score: the one to sort by, empty where there is none."""
    held = selection.selection(run.run_id)
    if held is None or not len(held.examples):
        st.info("Nothing is picked yet. Draw around some points: their images appear here.")
        return
    shown = first_of(ranking(score, scores[score]) if score else held.examples, held.examples)
    title = SCORES[score].title if score else ""
    st.markdown(picked_words(plain(held.words), held.examples, len(shown), title, run.labels.is_mislabeled))
    with st.container(horizontal=True):
        st.button("Open in Images", on_click=_open_images, icon=":material/arrow_forward:")
        st.button("Let go", on_click=selection.clear)
    dataset = cards.images_of(run)
    if dataset is None:
        return
    with st.container(height=HEIGHT, border=False):
        clicked = gallery(
            cards.cards(run, dataset, shown, run.last_epoch, score, twins="near"), key="map_cards", columns=3, size=96,
            label="Images picked on the map",
        )  # fmt: skip
    if clicked is not None:
        _ask_for(clicked)


def _open_images() -> None:
    st.session_state["inspect_tab"] = IMAGES_TAB
