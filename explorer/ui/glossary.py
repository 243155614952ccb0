"""Short explanations of what is shown: one sentence a student understands, the paper, and where we depart from it."""

from __future__ import annotations

from typing import NamedTuple

import streamlit as st

from explorer.analysis.scores import SCORES


class Term(NamedTuple):
    """A number over the epochs: what it says, where it comes from, what we do differently."""

    title: str
    explanation: str
    paper: str
    departure: str


TERMS: tuple[Term, ...] = (
    Term(
        "Training accuracy",
        "Share of the training images whose *given* label the network predicts, wrong labels included. A network that memorizes nothing "
        "stays at 1 minus the wrong rate.",
        "", "Evaluation mode, without augmentation, after the epoch.",
    ),
    Term(
        "Memorized, recovered, neither",
        "What becomes of the images with a wrong label: the network repeats the wrong label (*memorized*), predicts the true class in "
        "spite of it (*recovered*), or neither. Needs known truth.",
        "Liu et al. 2020, arXiv:2007.00151, figure 1", "Evaluation mode, after the epoch.",
    ),
    Term(
        "Susceptibility",
        "How much one training step on a batch with random labels lowers the loss on that batch, as a running mean in nats. High: "
        "the network gives way easily, the kind that memorizes. Needs no truth. Compare it only within one loss and schedule; at a "
        "fixed rate, schedules may differ. The step is one on cross-entropy, whatever the loss of the run.",
        "Forouzesh, Sedghi, Thiran 2023, arXiv:2212.04461",
        "A clean running mean; beside the paper's probe (the training optimizer's step) one at a fixed rate, which does not fade "
        "with the schedule.",
    ),
    Term(
        "Mean curvature",
        "Input-loss curvature averaged over the training images. It rises while the network bends around single images and falls once "
        "it has memorized them; its peak is a good moment to look at pairs.",
        "Garg, Ravikumar, Roy 2024, arXiv:2307.05831",
        SCORES["curvature"].departure,
    ),
    Term(
        "Label Wave",
        "The share of the training images whose predicted class changed since the epoch before. It falls while the network learns what "
        "images have in common and rises when it turns to memorizing: *Label Wave* stops at its first minimum. Needs no truth.",
        "Yuan, Feng, Liu 2024, arXiv:2502.07551",
        "Evaluation mode, after the epoch; the mean over three epochs is centred.",
    ),
    Term(
        "ELR target",
        "What early-learning regularization remembers of each image: a running mean of its predicted probabilities. Where it leans to "
        "another class than the given label, the label is suspected, and that class is suggested instead.",
        "Liu et al. 2020, arXiv:2007.00151", "",
    ),
    Term(
        "Transition matrix T",
        "Row: the true class. Column: the given label. Each cell is the share of the class that is given that label, so rows add up to 1 "
        "and the diagonal holds what is right.",
        "Patrini et al. 2017, arXiv:1609.03683", "cleanlab's noise matrix is the transpose.",
    ),
    Term(
        "Open-set noise",
        "Images that show none of the classes, under a label of one. Such a label cannot be corrected, only left out; it is never "
        "*recovered*.",
        "Wang et al. 2018, arXiv:1804.00092", "Foreign images take the place of the set's own; their labels stay.",
    ),
    Term(
        "Test accuracy",
        "Accuracy on images it was not trained on. *Clean* only where the test labels are a reference; otherwise we say *held-out "
        "given labels*.",
        "", "",
    ),
)  # fmt: skip

HUMAN_NOISE = (
    "People make wrong labels that look right: many are learned without being memorized, so loss and curvature miss them. "
    "Expect lower figures here than for labels flipped at random (Lim et al. 2025)."
)


def explain_terms() -> None:
    """What the curves mean, folded away until asked for."""
    with st.expander("What these numbers mean"):
        st.caption("In every chart: drag to look closer, double-click to see all again, click the name of a line to hide it.")
        for term in TERMS:
            _explain(term.title, term.explanation, term.paper, term.departure)


def explain_scores() -> None:
    with st.expander("What the scores mean"):
        for score in SCORES.values():
            end = "High" if score.suspicious == "high" else "Low"
            _explain(
                f"{score.title} ({score.unit})",
                f"{score.explanation} {end} is suspicious. Extra cost: {score.cost}.",
                score.paper,
                score.departure,
            )


def _explain(title: str, text: str, paper: str, departure: str) -> None:
    source = f"  \n*{paper}.*" if paper else ""
    ours = f" Here: {departure}" if departure else ""
    st.markdown(f"**{title}.** {text}{source}{ours}")
