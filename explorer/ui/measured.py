"""Figures measured by this project that a page quotes: each with the machine and the day, none of them copied from a paper."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple


class HumanNoise(NamedTuple):
    """How well scores find labels that people got wrong, and as many labels flipped at random.

    auroc: name in SCORES -> (AUROC on people's mistakes, AUROC on symmetric noise of the same rate); same images, network and
    settings. machine: device and thread count. date: ISO 8601.
    """

    dataset: str
    auroc: Mapping[str, tuple[float, float]]
    machine: str
    date: str


SETTING = "5,000 images, small CNN, 20 epochs, one seed, x86_64 CPU, 1 thread"
HUMAN_NOISE_FIGURES: tuple[HumanNoise, ...] = (
    HumanNoise(
        "CIFAR-10N aggregate, 9.0 % wrong",
        {"cumulative_loss": (0.835, 0.923), "aum": (0.842, 0.923), "curvature": (0.810, 0.872), "knn_disagreement": (0.812, 0.890)},
        SETTING, "2026-11-21",
    ),
    HumanNoise(
        "CIFAR-10N worse, 41.1 % wrong",
        {"cumulative_loss": (0.818, 0.875), "aum": (0.828, 0.877), "curvature": (0.745, 0.699), "knn_disagreement": (0.770, 0.794)},
        SETTING, "2026-11-21",
    ),
)  # fmt: skip


def human_noise_sentence(title: Mapping[str, str], figures: Sequence[HumanNoise] = HUMAN_NOISE_FIGURES) -> str:
    """The measured figures in words, one sentence for each data set; empty where nothing has been measured.

    Args:
        title: name of a score to what it is called.
    """
    return " ".join(_sentence(title, each) for each in figures)


def _sentence(title: Mapping[str, str], figure: HumanNoise) -> str:
    found = ", ".join(f"{title[name].lower()} {human:.3f} / {flipped:.3f}" for name, (human, flipped) in figure.auroc.items())
    return f"{figure.dataset} (AUROC on people's mistakes / on as many random flips): {found} ({figure.machine}, {figure.date})."
