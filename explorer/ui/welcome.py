"""The Train page before a run is chosen: what this is about, on the very images that would be trained, and earlier runs."""

from __future__ import annotations

import html
from collections.abc import Callable

import numpy as np
import streamlit as st

from explorer.config import ConfigError, RunConfig
from explorer.records import NO_CLASS, DataError, Dataset, Labels
from explorer.runs.store import RunSummary
from explorer.ui import glossary, state, theme
from explorer.ui.gallery import image_url
from explorer.ui.services import get_store, load_labels
from explorer.ui.words import NOISE_SENTENCES, STATUS_WORDS, describe

SHOWN = 16  # sample images with the label the network will be told
LISTED = 8  # earlier runs
STEPS = (
    ("1 · It learns", "First the network learns what the classes look like. It sees through most wrong labels; test accuracy rises."),
    ("2 · It memorizes", "Then it fits the wrong labels one by one. Training accuracy climbs above its ceiling, test accuracy falls."),
    ("3 · You look", "The images it had to memorize stand at the top, beside look-alikes under other labels: real errors hide there."),
)  # fmt: skip


def show_nothing_yet(config: RunConfig | None, readable: bool, start: Callable[[RunConfig], None]) -> None:
    """First visit, or no run chosen. readable: the sidebar could read the images of ``config``."""
    st.title("Watch a network learn, then memorize")
    st.markdown(
        "Some training labels are made wrong on purpose. Press **Start**: the default takes real handwritten digits, one label "
        "in five wrong, and less than a minute on a laptop."
    )
    for column, (title, text) in zip(st.columns(3, gap="medium"), STEPS, strict=True):
        column.markdown(f"**{title}**  \n{text}")
    if config is not None:
        words = "Start the demo" if config == RunConfig() else "Start this run" if config.trains else "Inspect these images"
        st.button(words, type="primary", on_click=start, args=(config,))
    runs = get_store().runs()
    if config is not None and readable:
        _told(config)
    earlier = [summary for summary in runs if summary.config is not None]
    if earlier:
        st.subheader("Earlier runs")
        _run_list(earlier)
    if damaged := [summary for summary in runs if summary.config is None]:
        st.caption(f"Not listed, because damaged: {'; '.join(f'{each.run_id} ({each.cause})' for each in damaged[:3])}.")
    glossary.explain_terms()


def _told(config: RunConfig) -> None:
    """The first images of the training set with the labels this run would give them, wrong ones marked."""
    try:
        dataset, labels = load_labels(config)
    except (ConfigError, DataError, OSError) as error:
        st.warning(f"{str(error).rstrip('.')}.")
        return
    if labels.is_mislabeled is None or not labels.is_mislabeled.any():
        return
    wrong, count = int(labels.is_mislabeled[:SHOWN].sum()), min(SHOWN, len(labels.given_label))
    st.markdown(f"**What it will be told:** {wrong} of the first {count} training images carry a wrong label.")
    st.caption(NOISE_SENTENCES[config.noise])
    st.html(f'<div class="told">{"".join(_told_image(dataset, labels, n) for n in range(count))}</div>')


def _told_image(dataset: Dataset, labels: Labels, n: int) -> str:
    assert labels.true_label is not None and labels.is_mislabeled is not None
    given = html.escape(dataset.class_names[labels.given_label[n]])
    true = "foreign" if labels.true_label[n] == NO_CLASS else html.escape(dataset.class_names[labels.true_label[n]])
    wrong = bool(labels.is_mislabeled[n])
    words = f"✕ told {given}, is {true}" if wrong else f"told {given}"
    picture = f'<img src="{image_url(np.asarray(dataset.train_images[n]))}" alt="{words}">'
    return f"<figure{' class=wrong' if wrong else ''}>{picture}<figcaption>{words}</figcaption></figure>"


def _run_list(earlier: list[RunSummary]) -> None:
    with st.container(key="run_list"):
        for summary in earlier[:LISTED]:
            assert summary.config is not None
            left, right = st.columns([8, 1], vertical_alignment="center")
            last = summary.last
            result = (
                f" · test {theme.percent(last['test_accuracy'])}, memorized {theme.percent(last['memorized'])}"
                if last and summary.config.trains
                else ""
            )
            left.markdown(f"{describe(summary.config)} · {STATUS_WORDS[summary.status].split(';')[0]}{result}")
            right.button("Open", key=f"open_{summary.run_id}", on_click=open_run, args=(summary.run_id,), width="stretch", type="tertiary")


def open_run(run_id: str) -> None:
    state.write_query(run=run_id)
