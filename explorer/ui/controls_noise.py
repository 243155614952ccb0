"""The sidebar's choice of label noise, and what it does to the labels, before the start."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields as fields_of

import streamlit as st

from explorer.config import NOISES, OPTIONS, WITHOUT_RATE, ConfigError, DataConfig
from explorer.data.catalogue import OFFLINE, absolute, fingerprint, foreign_set, is_path, names
from explorer.data.noise import check_noise, expected_transition, expected_wrong_rate
from explorer.data.torchvision_sets import download_notice, is_present
from explorer.records import Array, DataError, Dataset
from explorer.ui import fields, theme
from explorer.ui.assets import palette
from explorer.ui.figures_noise import confusion_words, transition_figure, transition_info
from explorer.ui.live_chart import live_chart
from explorer.ui.services import data_config
from explorer.ui.words import NOISE_SENTENCES, plain, word

NEEDS_COLUMNS = "class_conditional_twin"  # offered only where the data have two label columns that differ
PICTURE = 440  # pixels, height of T


def noise(dataset: Dataset | None, errors: dict[str, str]) -> bool:
    """Kind of noise, its parameters, and what they lead to. Returns whether the images it needs are on this machine."""
    _offer_usable(dataset)
    here = True
    if st.session_state.noise not in WITHOUT_RATE:
        st.slider("Noise rate", 0.0, 1.0, step=0.01, key="noise_rate", help=OPTIONS["noise_rate"].help)
    if fields.has_effect("open_set"):
        here = _foreign(errors)
    if dataset is not None and st.session_state.noise != "none":
        _consequences(dataset)
    return here


def _offer_usable(dataset: Dataset | None) -> None:
    """The kinds that make sense on these data."""
    kinds, current = [kind for kind in NOISES if _makes_sense(kind, dataset)], st.session_state.noise
    if current not in kinds:
        st.toast(f"Label noise: *{word(current)}* makes no sense on these data. None is added now.")
        st.session_state.noise = "none"
    fields.select("noise", kinds, help=f"{OPTIONS['noise'].help} **{word(st.session_state.noise)}:** {_sentence()}")
    if dataset is not None and NEEDS_COLUMNS in kinds:
        st.caption("The two label columns differ: that is real noise, to which no other can be added.")


def _makes_sense(kind: str, dataset: Dataset | None) -> bool:
    if dataset is None:  # nothing to judge by yet
        return kind in (st.session_state.noise, *(kind for kind in NOISES if kind != NEEDS_COLUMNS))
    try:
        check_noise(DataConfig(dataset=st.session_state.dataset, noise=kind, open_set=st.session_state.open_set), dataset)
    except ConfigError as error:
        return error.field != "noise"  # what is wrong elsewhere is said there
    return True


def _sentence() -> str:
    return NOISE_SENTENCES[st.session_state.noise]


# -- foreign images --------------------------------------------------------------------------------


def _foreign(errors: dict[str, str]) -> bool:
    """Where foreign images come from: sets that are here already, or what a link asks for. Returns whether they are here."""
    own = st.session_state.dataset
    if absolute(st.session_state.open_set) == absolute(own):
        st.session_state.open_set = ""
    usual = foreign_set(DataConfig(dataset=own))
    st.selectbox(
        "Foreign images", _foreign_sets(own, usual), format_func=lambda name: word(name or usual), key="open_set",
        help=OPTIONS["open_set"].help,
    )  # fmt: skip
    asked = st.session_state.open_set
    try:
        fingerprint(DataConfig(dataset=own, noise="open_set", open_set=asked))
    except (ConfigError, DataError, OSError) as error:
        errors["open_set"] = f"Foreign images: {str(error).rstrip('.')}."
        return False
    if asked and not is_path(asked) and asked not in OFFLINE and not is_present(asked):
        st.info(download_notice(asked))
        return False
    return True


def _foreign_sets(own: str, usual: str) -> Sequence[str]:
    here = [name for name in names() if name in OFFLINE or is_present(name)]
    offered = ["", *(name for name in here if name not in (own, usual))]
    asked = st.session_state.open_set
    return offered if asked in offered else [*offered, asked]


# -- what it leads to ------------------------------------------------------------------------------


def _consequences(dataset: Dataset) -> None:
    """A button that shows the noise in words, and T as a picture, larger than the sidebar is wide."""
    if st.button("Which label becomes which", type="tertiary", icon=":material/grid_on:", key="show_noise"):
        config = data_config(DataConfig(**{field.name: st.session_state[field.name] for field in fields_of(DataConfig)}))
        _show_noise(config, dataset)


@st.dialog("Which label becomes which", width="medium")
def _show_noise(config: DataConfig, dataset: Dataset) -> None:
    said = f"**{word(config.noise).capitalize()}.** {NOISE_SENTENCES[config.noise]}"
    st.markdown(f"{said} {wrong_words(expected_wrong_rate(config, dataset))}")
    T = expected_transition(config, dataset)
    if T is not None:
        show_transition(T, dataset.class_names, key="T_expected", height=PICTURE, of="")
    elif config.noise == "open_set":
        st.markdown("No transition matrix describes it: what a foreign image shows is none of the classes.")


def wrong_words(wrong: float | None) -> str:
    return "Which labels are wrong is not known here." if wrong is None else f"**{theme.percent(wrong)}** of the labels will be wrong."


def show_transition(
    T: Array, class_names: Sequence[str], *, key: str, height: int, top: float | None = None, of: str | None = None
) -> None:  # fmt: skip
    """T as a picture, its colours in words, and what stands out. top: end of the colour scale, where several share it. of: see
    ``live_chart``."""
    info = transition_info(T, class_names, top=top)
    words = confusion_words(info)
    live_chart(transition_figure(info, palette(), height), key=key, height=height, alt=f"Transition matrix. {words}", of=of)
    st.caption(f":blue[■] right label, :orange[■] wrong label: the fuller, the more frequent. {plain(words)}")
