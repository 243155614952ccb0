"""Label Wave: when to stop training under wrong labels, told from the training predictions alone."""

from __future__ import annotations

import numpy as np

from explorer.records import Array

DIGITS = 12  # shares that agree so far are equal: sums of the same numbers in another order differ by less


def prediction_changes(predicted_label: Array) -> Array:
    """float64 ``[E]``: share of images whose predicted class differs from the epoch before; NaN for the first epoch.

    Args:
        predicted_label: int ``[E, N]`` of epochs 1..E.

    Source:
        Yuan, Feng, Liu, "Early stopping against label noise without validation data", ICLR 2024, arXiv:2502.07551.
        Departure: evaluation mode after each epoch; the authors compare predictions made during the training steps. A share
        instead of a count.
    """
    changed = (predicted_label[1:] != predicted_label[:-1]).mean(axis=1, dtype=np.float64)
    return np.concatenate([np.full(min(1, len(predicted_label)), np.nan), changed])


def label_wave(changes: Array, window: int = 3) -> int | None:
    """The epoch Label Wave would stop at: first local minimum of the moving average of the prediction changes.

    While it learns what images have in common a network changes its mind less and less; when it turns to memorizing wrong
    labels the changes rise again. A minimum is a fall followed by a rise; of a plateau between them the first epoch counts.

    Args:
        changes: float ``[E]`` of epochs 1..E, from ``prediction_changes``; that of epoch 1 is not used.
        window: how many epochs are averaged, an odd number; the average is centred.

    Returns:
        The epoch, from 1, or None while there is none. It is seen ``window // 2 + 1`` epochs later at the earliest, and what
        comes after that does not change it.

    Raises:
        ValueError: for an even window, which has no centre.

    Source:
        Yuan, Feng, Liu, arXiv:2502.07551. Departure: the centring is ours, so that the average does not lag behind.
    """
    if window % 2 == 0:
        raise ValueError(f"a window of {window} epochs has no centre; take an odd number")
    known = changes[1:]
    if len(known) < window:
        return None
    smooth = np.lib.stride_tricks.sliding_window_view(known, window).mean(axis=1)
    lowest = None
    for place, step in enumerate(np.round(np.diff(smooth), DIGITS)):
        if step < 0:
            lowest = place + 1
        elif step > 0 and lowest is not None:
            return lowest + 2 + window // 2  # known starts at epoch 2, and its first average half a window later
    return None
