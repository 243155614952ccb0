"""Scores from declared extra passes: by networks that never saw the image, or that went on without it."""

from __future__ import annotations

import importlib.util
import threading
import warnings
from typing import NamedTuple

import numpy as np

from explorer.records import Array

FILTER = "prune_by_noise_rate"  # cleanlab's own default
LOCK = threading.Lock()  # cleanlab hands arrays to itself through module globals


class Flags(NamedTuple):
    """flagged: bool ``[N]``, or None with a sentence (without full stop) that says why not."""

    flagged: Array | None
    why_not: str


def out_of_sample_scores(probability: Array, given_label: Array) -> dict[str, Array]:
    """float64 ``[N]`` by name from probabilities ``[N, K]`` of networks that never saw the image.

    out_of_sample_confidence: of the given label; low is suspicious. out_of_sample_margin: ``(p_y - max other p + 1) / 2``,
    in [0, 1]; low. confident_learning: in [0, 1], above 1/2 where confident learning flags the label, ordered by margin
    within both groups; high. It is left out where confident learning cannot judge (see ``flag``).

    Source:
        Northcutt, Jiang, Chuang, "Confident learning", JAIR 2021, arXiv:1911.00068; margin as in Kuan, Mueller 2022.
    """
    probability = probability.astype(np.float64)
    rows = np.arange(len(given_label))
    own, rival = probability[rows, given_label], probability.copy()
    rival[rows, given_label] = 0
    margin = (own - rival.max(axis=1) + 1) / 2
    scores = {"out_of_sample_confidence": own, "out_of_sample_margin": margin}
    flagged = flag(probability, given_label).flagged
    # A flagged label is not the most probable class: its margin is at most 1/2, so every flagged image comes first.
    return scores if flagged is None else scores | {"confident_learning": (flagged + 1 - margin) / 2}


def flag(probability: Array, given_label: Array) -> Flags:
    """The labels that confident learning holds wrong, as the cleanlab library finds them.

    Args:
        probability: float ``[N, K]``, out of sample. given_label: int ``[N]``; classes may be without examples.

    Source:
        Northcutt et al., arXiv:1911.00068: from every class as many images as the calibrated confident joint counts, those
        of the largest margin. cleanlab rounds these counts in the order of the classes, so renaming classes may move an image at
        the border.
    """
    if importlib.util.find_spec("cleanlab") is None:
        return Flags(None, "confident learning needs a package that is not installed: pip install cleanlab")
    from cleanlab.filter import find_label_issues

    labels, probability = np.asarray(given_label, dtype=np.int64), np.asarray(probability, dtype=np.float64)
    with LOCK, warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="May not flag all label issues")  # a class with one example keeps it
        try:
            return Flags(find_label_issues(labels, probability, filter_by=FILTER, n_jobs=1), "")
        except ValueError as error:
            return Flags(None, f"confident learning cannot judge these labels: {str(error).rstrip('.')}")


def second_split_forgetting(fitted: Array) -> Array:
    """How long a label outlives the training on other images.

    Args:
        fitted: bool ``[F, N]``, whether the given label was predicted, row by row; row 0 before the second half.

    Returns:
        float64 ``[N]``: first row from which it stays wrong to the end; F where it is right at the end. Low is suspicious.

    Source:
        Maini, Garg, Lipton, Kolter, "Characterizing datapoints via second-split forgetting", NeurIPS 2022, arXiv:2210.15031.
        Departure: one run instead of a mean over several; evaluation mode.
    """
    rows = np.arange(1, len(fitted) + 1)[:, None]
    return (fitted * rows).max(axis=0, initial=0).astype(np.float64)
