"""The sidebar's choice of network and loss, and everything most visitors leave alone."""

from __future__ import annotations

from pathlib import Path

import streamlit as st

from explorer.config import OPTIONS, UNTRAINED, ConfigError, RunConfig, elr_preset
from explorer.data.given import FILES, locate
from explorer.runs.estimate import cost_shares
from explorer.ui import fields, theme
from explorer.ui.words import GIVEN_WORDS, INSPECT_ONLY, KIND_WORDS, LOSS_SENTENCES, label, plain, word

PAPER_PROBE = {"curvature_every": 1, "curvature_directions": 10, "curvature_radius": 1e-3}
WITH_PRESET = ("elr", "elr_plus")
PRESET_OF = {  # what the paper took these values of beta and lambda for
    (0.7, 3.0): "CIFAR-10 with symmetric noise",
    (0.9, 1.0): "CIFAR-10 with asymmetric noise",
    (0.9, 7.0): "CIFAR-100",
}
LOSS_STEPS = {"elr_beta": 0.05, "elr_lambda": 1.0, "ema_momentum": 0.001, "mixup_alpha": 0.5, "gce_q": 0.1, "smoothing": 0.05}
NO_DECAY = (
    "Weight decay of SGD. Leave it at 0 to look for conflicting duplicates by curvature: that effect was reported for training "
    "without weight decay."
)


def model() -> None:
    """The network, or none; then there is a choice of files instead of a loss."""
    st.selectbox(
        label("model"), OPTIONS["model"].choices, format_func=lambda name: INSPECT_ONLY if name == UNTRAINED else word(name), key="model",
        help=OPTIONS["model"].help,
    )  # fmt: skip
    if st.session_state.model == UNTRAINED:
        given_files()
    else:
        _loss()


def given_files(prefix: str = "") -> None:
    """Which files predictions and embeddings are read from. prefix: of the widgets' keys, where these are not the settings themselves."""
    _file("pred_probs", prefix)
    st.selectbox(
        label("pred_probs_kind"), OPTIONS["pred_probs_kind"].choices, format_func=KIND_WORDS.__getitem__, key=f"{prefix}pred_probs_kind",
        help=OPTIONS["pred_probs_kind"].help,
    )  # fmt: skip
    _file("embeddings", prefix)


def _file(name: str, prefix: str) -> None:
    st.text_input(label(name), key=prefix + name, placeholder=f"{FILES[name]} beside the data", help=OPTIONS[name].help)


def read_words(config: RunConfig) -> str:
    """Which files would be read. Raises ConfigError for one that is not there."""
    found = {field: Path(path).name for field in FILES if (path := locate(config, field))}
    if not found:
        return "No predictions and no embeddings are given: only the images themselves can be compared."
    return f"Reads {' and '.join(f'{plain(name)} ({GIVEN_WORDS[field]})' for field, name in found.items())}."


def _loss() -> None:
    fields.select("loss", help=f"{OPTIONS['loss'].help} {LOSS_SENTENCES[st.session_state.loss]}")
    if st.session_state.loss != OPTIONS["loss"].default:
        st.caption(LOSS_SENTENCES[st.session_state.loss])
    preset = _preset()
    fields.numbers(LOSS_STEPS, formats={"ema_momentum": "%.4f"})
    if preset:
        st.caption(preset)
    fields.number("epochs", step=5)


def _preset() -> str:
    """ELR's beta and lambda as the paper has them, taken anew whenever data set, noise or loss changes; a sentence about them."""
    state = st.session_state
    asked = (state.dataset, state.noise, state.loss)
    preset = elr_preset(state.dataset, state.noise)
    if state.loss in WITH_PRESET and state.get("preset_for", asked) != asked:
        state.update(preset)
    state.preset_for = asked
    if state.loss not in WITH_PRESET:
        return ""
    beta, weight = preset["elr_beta"], preset["elr_lambda"]
    kept = (state.elr_beta, state.elr_lambda) == (beta, weight)
    values = "The paper's values" if kept else f"The paper has beta {beta:g} and lambda {weight:g}"
    return f"{values} for {PRESET_OF[beta, weight]}."


# -- advanced --------------------------------------------------------------------------------------


def advanced() -> None:
    with st.expander("Advanced"):
        if st.session_state.model == UNTRAINED:
            fields.numbers({"data_seed": 1, "train_size": 500, "image_size": 8})
            _corrections()
            return
        fields.numbers(
            {"seed": 1, "data_seed": 1, "lr": 0.01, "momentum": 0.1, "batch_size": 16, "weight_decay": 1e-4, "train_size": 500,
             "image_size": 8, "susceptibility_lr": 0.01, "width": 8},
            formats=dict.fromkeys(("lr", "weight_decay", "susceptibility_lr"), "%.4g"), helps={"weight_decay": NO_DECAY},
        )  # fmt: skip
        _corrections()
        fields.select("test_split")
        fields.select("schedule")
        fields.select("augment")
        _curvature()
        _extra_passes()
        fields.select("device")


def _corrections() -> None:
    st.text_input(label("corrections"), key="corrections", placeholder="none", help=OPTIONS["corrections"].help)


def _curvature() -> None:
    st.markdown("**Curvature**")
    fields.numbers(
        {"curvature_every": 1, "curvature_directions": 1, "curvature_radius": 1e-3, "embedding_every": 1},
        formats={"curvature_radius": "%.4g"},
    )
    every, directions = st.session_state.curvature_every, st.session_state.curvature_directions
    often = "every epoch" if every == 1 else f"every {every} epochs"
    cost = _cost("curvature")
    st.caption(f"{cost} ({directions} {'direction' if directions == 1 else 'directions'}, {often})." if every else "Switched off.")
    st.button("Use the paper's setting", on_click=st.session_state.update, args=(PAPER_PROBE,), key="paper_probe",
              help="10 directions, radius 0.001, every epoch: about four times the cost of 2 directions.")  # fmt: skip


def _extra_passes() -> None:
    st.markdown("**Extra passes after training**")
    highest = int(OPTIONS["folds"].high or 0)
    st.selectbox(
        label("folds"), [0, *range(2, highest + 1)], key="folds", help=OPTIONS["folds"].help,
        format_func=lambda k: str(k) if k else "off",
    )  # fmt: skip
    st.caption(
        f"For confident learning: every image predicted by a network that never saw it. {_cost('folds') or 'Each fold costs a training'}."
    )
    fields.number("second_split_epochs", step=1)
    cost = _cost("second_split") or "Costs a training and more"
    st.caption(f"For second-split forgetting: which labels are forgotten while it learns other images. {cost}.")


def _cost(part: str) -> str:
    """What a part of the run takes, relative to its bare training; nothing where it is switched off."""
    try:
        config = RunConfig(**{name: st.session_state[name] for name in OPTIONS})
    except ConfigError:  # said at its field
        return ""
    share = cost_shares(config, train=1000, test=0)[part]  # these parts do not depend on how many images there are
    return f"Costs {theme.significant(share)} × bare training" if share else ""
