"""One image beside its near-duplicates: each laid over it, and what then still differs."""

from __future__ import annotations

import base64
import io
from html import escape

import numpy as np
import streamlit as st
from PIL import Image

from explorer.analysis.alignment import Pose
from explorer.analysis.difference import Difference, difference
from explorer.analysis.pose_words import AS_IT_IS, describe_pose, inverse
from explorer.records import Array, Dataset, Run, StoreError
from explorer.runs.duplicates import DuplicateSet
from explorer.ui import cards, searches, state
from explorer.ui.duplicate_words import counted

SHOWN = 3  # near-duplicates of one image
STYLE = """<style>
.overlay { display: grid; grid-template-columns: repeat(4, minmax(0, 1fr)); gap: 8px; font-size: 0.8rem; line-height: 1.3; }
.overlay figure { margin: 0; min-width: 0; }
.overlay img { display: block; width: 100%; border-radius: 3px;
  background: repeating-conic-gradient(color-mix(in srgb, currentColor 22%, transparent) 0 25%, transparent 0 50%) 0 0 / 10px 10px; }
.overlay img.pixelated { image-rendering: pixelated; }
.overlay figcaption { margin-top: 3px; opacity: 0.8; overflow-wrap: anywhere; }
</style>"""


def show_differences(run: Run, dataset: Dataset, n: int) -> None:
    """The near-duplicates of image ``n`` at the chosen cut, most alike first; nothing where it has none or nobody searched."""
    try:
        found = searches.stored(run, dataset)
    except StoreError as error:
        st.warning(f"{error}.")
        return
    places = [] if found is None else places_of(found, searches.chosen_cut(found).pairs, n)
    if found is None or not places:
        return
    st.markdown(f"**{counted(len(places), 'near-duplicate')}**, found by appearance")
    for i in places[:SHOWN]:
        _show(run, dataset, found, i, n)
    if len(places) > SHOWN:
        st.caption(f"The {SHOWN} most alike of {len(places):,}.")


def places_of(found: DuplicateSet, flagged: int, n: int) -> list[int]:
    """Which of all pairs found are flagged and hold training image ``n``, most alike first."""
    own = np.flatnonzero(found.part(against_test=False))[:flagged]
    return own[(found.found.a[own] == n) | (found.found.b[own] == n)].tolist()


def _show(run: Run, dataset: Dataset, found: DuplicateSet, i: int, n: int) -> None:
    other, pose = twin_of(found, i, n)
    given = run.labels.given_label
    exact, conflict = bool(found.found.exact[i]), bool(given[other] != given[n])
    apart, pictures = _drawn(run.run_id, i, n, found, dataset)
    st.markdown(difference_words(int(run.source_index[other]), describe_pose(pose, 0, dataset.train_images.shape[1]), exact, apart))
    labels = [
        f"this image, given {run.class_names[given[n]]}",
        f"image {run.source_index[other]}, given {run.class_names[given[other]]}{' (conflict)' if conflict else ''}",
        "laid over this image", f"difference, {apart.gain}\u00d7 stronger" if apart.gain > 1 else "difference",
    ]  # fmt: skip
    images = [cards.thumbnail(run, dataset, n), cards.thumbnail(run, dataset, other), *pictures]
    st.html(overlay_html(images, labels, max(dataset.train_images.shape[1:3]) < 64))
    st.button(f"Open image {run.source_index[other]}", key=f"open_twin_{other}", type="tertiary", on_click=_open, args=(other,))


def twin_of(found: DuplicateSet, i: int, n: int) -> tuple[int, Pose]:
    """(the other image of pair ``i``, how it is laid over image ``n``)."""
    a, b, pose = int(found.found.a[i]), int(found.found.b[i]), Pose(*(column[[i]] for column in found.found.pose))
    return (b, pose) if n == a else (a, inverse(pose))


def difference_words(index: int, words: str, exact: bool, apart: Difference) -> str:
    """What was done to an image to give its twin, and how far the two still differ. index: name of the twin; words: of the pose."""
    if exact:
        return f"Image {index} is this very image, byte for byte."
    how = f"in {words}" if words == AS_IT_IS else words
    if np.isnan(apart.mean):
        return f"Image {index} is this image, {how}. The two do not overlap."
    if not apart.amplified.any():
        return f"Image {index} is this image, {how}. Laid over each other no pixel differs."
    return f"Image {index} is this image, {how}. Laid over each other they differ by {apart.mean:.1f} of 255 levels on average."


@st.cache_data(max_entries=200, show_spinner=False, hash_funcs=searches.BY_CONTENT)
def _drawn(run_id: str, i: int, n: int, found: DuplicateSet, _dataset: Dataset) -> tuple[Difference, tuple[str, str]]:
    other, pose = twin_of(found, i, n)
    apart = difference(_dataset.train_images[n], _dataset.train_images[other], pose, 0)
    return apart, (_cut_out(apart.laid, apart.covers), _cut_out(apart.amplified, apart.covers))


def _cut_out(image: Array, covers: Array) -> str:
    """An image as a data URL, see-through where it does not reach."""
    colour = image.repeat(3, axis=2) if image.shape[2] == 1 else image
    buffer = io.BytesIO()
    Image.fromarray(np.dstack([colour, np.where(covers, 255, 0).astype(np.uint8)])).save(buffer, "PNG")
    return f"data:image/png;base64,{base64.b64encode(buffer.getvalue()).decode()}"


def overlay_html(images: list[str], labels: list[str], tiny: bool) -> str:
    """Pictures in a row, each above its words."""
    style = " class=pixelated" if tiny else ""
    figures = (
        f'<figure><img{style} src="{image}" alt="{escape(label)}"><figcaption>{escape(label)}</figcaption></figure>'
        for image, label in zip(images, labels, strict=True)
    )
    return f"{STYLE}<div class=overlay>{''.join(figures)}</div>"


def _open(image: int) -> None:
    state.write_query(image=str(image))
