"""What the Train page says about a run beyond its story: when Label Wave would stop, which labels ELR suspects, what compares."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import streamlit as st

from explorer.analysis.findings import peak_of, until
from explorer.analysis.label_wave import label_wave, prediction_changes
from explorer.analysis.scores import facts_until, suggested_label, suspected_by_target
from explorer.config import RunConfig
from explorer.records import Array, Run
from explorer.ui import theme


class Wave(NamedTuple):
    """changes: share of images whose prediction changed since the epoch before ``[E]``. stop: epoch of Label Wave, None before it
    is seen."""

    changes: Array
    stop: int | None


def wave_of(run: Run, epoch: int) -> Wave:
    """Label Wave as it stood after an epoch."""
    changes = _changes(run.run_id, run.last_epoch, run.status, run)[:epoch]
    return Wave(changes, label_wave(changes))


@st.cache_data(max_entries=64, show_spinner=False, hash_funcs={Run: lambda run: run.run_id})
def _changes(run_id: str, recorded: int, status: str, run: Run) -> Array:
    """Counted once for each recorded epoch, not at every refresh of a page."""
    return prediction_changes(run.facts.predicted_label)


def wave_sentence(run: Run, epoch: int) -> str:
    """Where Label Wave would stop and what that means for test accuracy; nothing before its minimum is seen."""
    stop = wave_of(run, epoch).stop
    if stop is None:
        return ""
    epochs = until(run, epoch)
    there, (_, best) = float(epochs["test_accuracy"][stop]), peak_of(epochs, "test_accuracy")
    if math.isnan(best):
        return f"*Label Wave*, which needs no clean labels, would stop at epoch {stop}."
    test = "test accuracy" if run.test_is_reference else "accuracy on held-out given labels"
    below = 100 * (best - there)
    verdict = "its best so far" if below < 0.05 else f"{below:.1f} points below its best"
    return f"*Label Wave*, which needs no clean labels, would stop at epoch {stop}: {test} {theme.percent(there)}, {verdict}."


def suspects_sentence(run: Run, epoch: int) -> str:
    """Labels that ELR's target memory contradicts after an epoch, and how right it is where truth is known; else nothing."""
    facts, labels = facts_until(run.facts, epoch), run.labels
    if not len(facts.target_label):
        return ""
    suspected = suspected_by_target(facts, labels.given_label)
    count = int(suspected.sum())
    if not count:
        return "*ELR's targets* suspect no label yet."
    said = f"*ELR's targets* suspect **{count:,}** {'label' if count == 1 else 'labels'}"
    if labels.is_mislabeled is None or labels.true_label is None:
        return f"{said}: they stand with the class it suggests under Inspect."
    wrong = int((suspected & labels.is_mislabeled).sum())
    right = int(np.sum(suspected & (suggested_label(facts) == labels.true_label)))
    return (
        f"{said}: :orange[✕ {wrong:,} of them wrong] (of {int(labels.is_mislabeled.sum()):,} wrong ones in all); the class suggested "
        f"instead is right for :green[▲ {right:,}] ({theme.percent(right / count)})."
    )


def caveat(config: RunConfig, compared: int, *, fixed_rate: bool) -> str:
    """What susceptibilities may be compared with; nothing where a run on cross-entropy stands alone."""
    within = "within one loss; schedules may differ" if fixed_rate else "within one loss and schedule"
    if config.loss != "ce":
        return (
            f"Raw susceptibilities compare only {within}. The probe is a cross-entropy step: never compare its values here with those of "
            "a cross-entropy run."
        )
    return f"Raw susceptibilities compare only {within}." if compared else ""
