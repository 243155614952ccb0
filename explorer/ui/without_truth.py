"""The Inspect page where no score can be judged: why, what is therefore not shown, and what to do instead."""

from __future__ import annotations

import dataclasses

import numpy as np
import streamlit as st

from explorer.analysis.metrics import share_interval
from explorer.config import OPTIONS, RunConfig
from explorer.records import Array, Run
from explorer.ui import curves_panel, selection, state
from explorer.ui.services import data_config
from explorer.ui.theme import percent
from explorer.ui.words import label

PLANTED_RATE = 0.05
SAMPLE = 100  # images drawn at random
NOT_SHOWN = (
    "**AUROC** with its interval, **average precision** and **precision@k** of each score, and so which one is best",
    "**Precision-recall and ROC curves**, and how many wrong labels the first n images hold",
    "The AUROC **after each epoch**: when one would have known",
    "The **distribution** of a score split into right and wrong labels",
    "On Train: the shares **memorized**, **recovered** and **neither**, the fit of the right labels, the ceiling of the training accuracy",
)


def show_why(run: Run) -> None:
    """Why no score is judged; where truth is unknown, also what that hides and what can be done."""
    wrong = run.labels.is_mislabeled
    if wrong is None:
        st.markdown(
            "**Which labels are wrong is not known here**, so no score can be judged on these data. What needs the truth is left out, not "
            "guessed. The scores still rank the images; how good that ranking is, only looking at images can tell."
        )
        _instead(run)
    elif wrong.all():
        st.markdown("**Every label is wrong here**, so no score can be judged: there is no right label to tell them from.")
    else:
        st.markdown(
            "**No label is wrong here**, so no score can be judged: there is nothing to find. Train the same data with some label noise "
            "to see how well the scores find it."
        )
        _offer_noise(run)


def show_distribution(run: Run, scores: dict[str, Array]) -> None:
    """How one score is spread over all images."""
    st.markdown(
        "**How is a score spread?** A tail or a second hill on the suspicious side is worth a look; it does not prove these labels wrong."
    )
    with st.columns([1, 2])[0]:
        name = curves_panel.choose_score(list(scores))
    curves_panel.show_distribution(name, scores[name], next(iter(curves_panel.groupings(run).values())))


def _instead(run: Run) -> None:
    left, right = st.columns([1, 1.25], gap="large")
    with left:
        st.markdown("**Not shown, because it needs the truth**\n" + "\n".join(f"- {each}" for each in NOT_SHOWN))
    with right:
        st.markdown("**What to do instead**")
        st.markdown(
            "1. **Estimate the error rate.** Look at images drawn at random, not at the top of a score, and count the wrong labels."
        )
        _sample(run)
        st.markdown(
            "2. **Measure precision at the top.** Look at the first 50 of a score under **Images**: the share that is wrong is its "
            "precision@50. That needs no truth about the others.\n"
            f"3. **Plant a little noise.** Train the same data with {100 * PLANTED_RATE:g} % of the labels flipped: this page then judges "
            "the scores by how they find those. Flipped labels are easier to find than people's mistakes, so take it as the better case."
        )
        _offer_noise(run)
        st.markdown(
            f"4. **Use a second label column.** A table with checked labels beside the given ones: choose it on Train as "
            f"*{label('true_label_column')}*.\n"
            "5. **Look for contradictions.** Of two copies of one image under different labels at most one is right: "
            "**Near-duplicates** lists them without any truth."
        )


def _sample(run: Run) -> None:
    """Images to look at, and what a random sample that was looked at says of all images."""
    sample = np.random.default_rng(0).permutation(len(run.labels.given_label))[:SAMPLE]
    if st.button(f"Pick {len(sample)} images at random", help="Always the same ones, so that you can go on counting later."):
        selection.select(run.run_id, np.sort(sample), f"{len(sample)} images drawn at random")
        st.toast("Shown under Images.")
    first, second, third = st.columns([1, 1, 2.2], vertical_alignment="bottom")
    looked = int(first.number_input("Looked at", 1, None, 100, key="sample_looked", persist_state="page"))
    wrong = int(second.number_input("Wrong", 0, None, 5, key="sample_wrong", persist_state="page"))
    third.markdown(sample_words(wrong, looked))


def sample_words(wrong: int, looked: int) -> str:
    """The error rate of the data, from a random sample."""
    if wrong > looked:
        return f"No more than the {looked:,} looked at can be wrong."
    low, high = share_interval(wrong, looked)
    return f"**{percent(wrong / looked)}** of all labels are wrong, between {percent(low)} and {percent(high)} (95 % interval)."


def _offer_noise(run: Run) -> None:
    if run.config.trains:
        words = f"Set up a run with {100 * PLANTED_RATE:g} % flipped"
        st.button(words, on_click=_set_up, args=(run,), help="Opens Train with the settings of this run.")


def _set_up(run: Run) -> None:
    """Train, with this run's settings and a little noise, not started yet."""
    trained = run.config if run.config.trains else RunConfig(**dataclasses.asdict(data_config(run.config)))
    st.session_state["config"] = dataclasses.replace(trained, noise="symmetric", noise_rate=PLANTED_RATE)
    for name in (*OPTIONS, "source", "path"):  # what the controls hold would win over the config
        st.session_state.pop(name, None)
    state.write_query(run=None, tab=None)
    st.session_state["go_to"] = "train.py"
