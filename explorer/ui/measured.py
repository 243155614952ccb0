"""Figures measured by this project that a page quotes: each with the machine and the day, none of them copied from a paper."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple


class HumanNoise(NamedTuple):
    """How well one score finds labels that people got wrong, and as many wrong labels without a reason in the image.

    auroc_human: AUROC on the recorded labels. auroc_twin: AUROC on their class-conditional twin (the same confusions between
    classes, dealt out at random), same network and settings. machine: device and thread count. date: ISO 8601.
    """

    dataset: str
    score: str  # a name in SCORES
    auroc_human: float
    auroc_twin: float
    machine: str
    date: str


HUMAN_NOISE_FIGURES: tuple[HumanNoise, ...] = ()


def human_noise_sentence(title: dict[str, str], figures: Sequence[HumanNoise] = HUMAN_NOISE_FIGURES) -> str:
    """The measured figures in words, one sentence for each; empty where nothing has been measured.

    Args:
        title: name of a score to what it is called.
    """
    return " ".join(
        f"Measured on {each.dataset}: {title[each.score].lower()} has an AUROC of {each.auroc_human:.3f} on the labels people gave, "
        f"{each.auroc_twin:.3f} on as many wrong labels dealt out at random ({each.machine}, {each.date})."
        for each in figures
    )
