"""Memorization as Feldman and Zhang define it: how far an image has to be in the training set to be got right."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from explorer.records import Array

MEMORIZED = 0.3  # the paper counts images from here on as memorized: about a third of ImageNet


class Memorization(NamedTuple):
    """float64 ``[N]`` each; NaN for an image that every network, or none, was trained on.

    memorization: in [-1, 1], inside minus outside; high is suspicious. standard_error: its standard deviation over the draw
    of networks. inside, outside: share of the networks trained with, without the image that predict its given label.
    """

    memorization: Array
    standard_error: Array
    inside: Array
    outside: Array


def memorization(correct_in: Array, n_in: Array, correct_out: Array, n_out: Array) -> Memorization:
    """Chance of predicting an image's given label with the image in the training set, minus without it.

    An atypical image, or one whose label is wrong, is right only where it was seen: near 1. An image like many others is
    right either way: near 0. Identical pixels under two labels can be given only one of them, so that wherever both are
    inside, one is wrong: the two average a half where the image shows one of the labels, and 1 - r/2 at most (subset ratio r).

    Args:
        correct_in, n_in: int ``[N]``, of the networks trained with the image how many predict its given label, and how many
            there are. correct_out, n_out: the same for those trained without it.

    Raises:
        ValueError: if a count is negative or more are correct than there are.

    Source:
        Feldman and Zhang, "What Neural Networks Memorize and Why", NeurIPS 2020, arXiv:2008.03703. Departure: an image that
        was never left out (or never inside) is unknown, where the authors' code makes it nearly 0. The standard error is of
        a difference of two independent shares, each with one success and one failure added (Agresti and Caffo, The American
        Statistician 2000), so that 60 right of 60 is not taken for certainty; the estimate itself is the plain difference.
    """
    for correct, n in ((correct_in, n_in), (correct_out, n_out)):
        if np.any(np.asarray(correct) < 0) or np.any(np.asarray(correct) > np.asarray(n)):
            raise ValueError("more networks are correct than there are, or fewer than none")
    inside, outside = _share(correct_in, n_in), _share(correct_out, n_out)
    difference = inside - outside
    error = np.sqrt(_variance(correct_in, n_in) + _variance(correct_out, n_out))
    return Memorization(difference, np.where(np.isnan(difference), np.nan, error), inside, outside)


def _share(correct: Array, n: Array) -> Array:
    """correct / n, NaN for none."""
    return np.where(np.asarray(n) > 0, correct / np.maximum(n, 1), np.nan)


def _variance(correct: Array, n: Array) -> Array:
    """Of a share, with one success and one failure added."""
    share = (np.asarray(correct) + 1) / (np.asarray(n) + 2)
    return share * (1 - share) / (np.asarray(n) + 2)
