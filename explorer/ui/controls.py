"""The sidebar: choose data, noise and model, see what that means, start."""

from __future__ import annotations

from typing import NamedTuple

import streamlit as st

from explorer.config import OPTIONS, UNTRAINED, ConfigError, RunConfig
from explorer.data.catalogue import OFFLINE, existing_path, is_path, names
from explorer.data.given import check_given
from explorer.data.noise import expected_wrong_rate
from explorer.data.tables import label_columns
from explorer.data.torchvision_sets import download_notice, is_present
from explorer.records import DataError, Dataset
from explorer.runs.estimate import cost_shares, estimate
from explorer.ui import theme
from explorer.ui.controls_model import advanced, model, read_words
from explorer.ui.controls_noise import noise, wrong_words
from explorer.ui.gallery import image_url
from explorer.ui.services import get_store, load_labels, load_source
from explorer.ui.words import OWN, label, word


class Choice(NamedTuple):
    """What the sidebar says: a config that can be trained, or None with the reason shown at its field. readable: its images are here."""

    config: RunConfig | None
    start: bool
    readable: bool


def sidebar() -> Choice:
    """Draw the controls; returns the chosen config and whether Start was pressed."""
    for name in OPTIONS:
        st.session_state.setdefault(name, getattr(st.session_state.config, name))
    errors: dict[str, str] = {}
    with st.sidebar:
        dataset = _dataset(errors)
        trains = st.session_state.model != UNTRAINED
        here = noise(dataset, errors) if trains else True
        model()
        advanced()
        config = _config(errors)
        if config is not None and dataset is not None and not config.trains:
            config = _readable(config, dataset, errors)
        if config is not None and dataset is not None and here and config.corrections.strip():
            config = _correctable(config, errors)
        for text in errors.values():
            st.error(text)
        with st.container(key="start_box"):  # stays in sight: see style.css
            if config is not None:
                st.session_state.config = config
                if dataset is not None:
                    _expectation(config, dataset)
            start = st.button(
                "Start" if trains else "Inspect",
                type="primary",
                width="stretch",
                disabled=config is None,
                shortcut="ctrl+enter",
                key="start",
            )
    return Choice(config, start, dataset is not None and here)


# -- data ------------------------------------------------------------------------------------------


def _dataset(errors: dict[str, str]) -> Dataset | None:
    known = names()
    current = st.session_state.dataset
    options = [*known, OWN]
    source = OWN if is_path(current) else current
    st.session_state.setdefault("source", source)
    chosen = st.selectbox("Dataset", options, format_func=word, key="source")
    if chosen != OWN:
        st.session_state.dataset = chosen
        st.session_state.label_column = st.session_state.true_label_column = ""
        if chosen not in OFFLINE and not is_present(chosen):
            st.info(download_notice(chosen))
            return None
    else:
        st.session_state.setdefault("path", current if is_path(current) else "")
        path = st.text_input(
            "Path", key="path", placeholder="folder, .parquet or .csv on this machine",
            help="A Parquet folder or file (Hugging Face convention), an ImageFolder tree, or a CSV with path,label[,true_label].",
        )  # fmt: skip
        if not path.strip():
            errors["dataset"] = "Give the path of a folder or file on the machine that runs this app."
            return None
        st.session_state.dataset = path.strip()
        choose_columns(path.strip())
    return _preview(errors)


def choose_columns(path: str, prefix: str = "") -> None:
    """Select boxes for the label columns, where there is a choice. prefix: of the widgets' keys, where these are not the settings."""
    try:
        found = label_columns(existing_path(path, "dataset"))
    except (ConfigError, DataError, OSError):
        return  # the preview below says what is wrong, at the field
    if len(found) < 2:
        return
    for name, empty in (("label_column", "the default"), ("true_label_column", "unknown")):
        if st.session_state[prefix + name] not in ("", *found):
            st.session_state[prefix + name] = ""
        st.selectbox(
            label(name), ["", *found], key=prefix + name, help=OPTIONS[name].help,
            format_func=lambda column, empty=empty: column or empty,
        )  # fmt: skip


def _preview(errors: dict[str, str]) -> Dataset | None:
    """Ten samples, one per class, with names and counts. A set that cannot be read is said so at the field."""
    values = {
        name: st.session_state[name]
        for name in ("dataset", "label_column", "true_label_column", "image_size", "train_size", "test_split", "data_seed", "model")
    }
    try:
        dataset = load_source(RunConfig(**values))
    except ConfigError as error:
        errors[error.field] = f"{error.field}: {error.value!r} {error.why}."
        return None
    except (DataError, OSError) as error:
        errors["dataset"] = f"dataset: {str(error).rstrip('.')}."
        return None
    st.html(_samples_html(dataset, tuple(values.values())))
    for notice in dataset.notices:
        st.caption(notice)
    return dataset


@st.cache_data(max_entries=8, show_spinner=False, hash_funcs={Dataset: id})
def _samples_html(dataset: Dataset, settings: tuple[str | int, ...]) -> str:
    import html

    import numpy as np

    figures = []
    counts = np.bincount(dataset.given_label, minlength=dataset.num_classes)
    for k in range(min(10, dataset.num_classes)):
        of_class = np.flatnonzero(dataset.given_label == k)
        if len(of_class):
            name = html.escape(dataset.class_names[k])
            url = image_url(dataset.train_images[of_class[0]])
            figures.append(
                f'<figure title="{name}: {counts[k]:,} images"><img src="{url}" alt="{name}"><figcaption>{name}</figcaption></figure>'
            )
    _, height, width, channels = dataset.train_images.shape
    more = f", {dataset.num_classes} classes" if dataset.num_classes > 10 else ""
    tested = f" training and {len(dataset.test_label):,} test images" if len(dataset.test_label) else " images, none for testing"
    line = (
        f"{len(dataset.given_label):,}{tested}, {height}×{width} "
        f"{'grey' if channels == 1 else 'colour'}{more}; {counts[counts > 0].min():,} to {counts.max():,} per class"
    )
    return f'<div class="samples">{"".join(figures)}</div><p class="small">{line}</p>'


# -- what it will be ------------------------------------------------------------------------------


def _config(errors: dict[str, str]) -> RunConfig | None:
    try:
        config = RunConfig(**{name: st.session_state[name] for name in OPTIONS})
    except ConfigError as error:
        errors.setdefault(error.field, f"{error.field}: {error.value!r} {error.why}.")
        return None
    return None if errors else config


def _readable(config: RunConfig, dataset: Dataset, errors: dict[str, str]) -> RunConfig | None:
    """The config, or None where the files it names do not fit these images."""
    try:
        check_given(config, dataset)
    except ConfigError as error:
        errors[error.field] = f"{error.field}: {error.value!r} {error.why}."
        return None
    return config


def _correctable(config: RunConfig, errors: dict[str, str]) -> RunConfig | None:
    """The config, or None where the corrections it names cannot be applied to these images."""
    try:
        load_labels(config)
    except ConfigError as error:
        errors[error.field] = f"{error.field}: {error.value!r} {error.why}."
    except (DataError, OSError) as error:
        errors["corrections"] = f"corrections: {str(error).rstrip('.')}."
    return None if errors else config


def _wrong_rate(config: RunConfig, dataset: Dataset) -> float | None:
    """Share of wrong labels the run would start from, None where truth is unknown."""
    return load_labels(config)[1].wrong_rate if config.corrections.strip() else expected_wrong_rate(config.canonical(), dataset)


def _expectation(config: RunConfig, dataset: Dataset) -> None:
    """Wrong rate, time and memory to expect, before the start."""
    lines = [wrong_words(_wrong_rate(config, dataset))]
    train, test = len(dataset.given_label), len(dataset.test_label)
    try:
        expected = estimate(get_store(), config, dataset.train_images.shape, test, dataset.num_classes)
    except ConfigError as error:
        st.error(f"{error.field}: {error.value!r} {error.why}.")
        return
    if not config.trains:
        st.caption(f"{lines[0]}  \n{read_words(config)} Nothing is trained, so it takes no time to speak of.")
        return
    basis = "" if expected.timed else " (a first guess; known better after one run)"
    whole = theme.significant(sum(cost_shares(config, train, test).values()))
    lines.append(
        f"About {theme.seconds(expected.seconds)} min and {theme.count(round(expected.memory_mb, -1))} MB{basis}, {whole} × bare training."
    )
    st.caption("  \n".join(lines))
