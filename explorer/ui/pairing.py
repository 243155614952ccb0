"""Two runs side by side, in numbers and sentences: what they share, what differs, and whether the difference is real."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import streamlit as st

from explorer.analysis.regions import comparable
from explorer.analysis.run_pairs import Aligned, ImageChanges, TestChanges, align, image_changes, most_changed, test_changes
from explorer.config import OPTIONS, ConfigError, DataConfig
from explorer.records import Array, DataError, Run
from explorer.runs.grid import differences
from explorer.runs.reviews import data_key
from explorer.ui.run_list import heading, short_value
from explorer.ui.run_metrics import METRICS
from explorer.ui.services import get_store, load_source
from explorer.ui.theme import UNKNOWN, percent, significant
from explorer.ui.words import plain

COMPARED = (
    "test_accuracy", "train_accuracy", "clean_accuracy", "memorized", "recovered", "test_loss", "susceptibility", "susceptibility_fixed_lr",
    "mean_curvature",
)  # fmt: skip
CHANCE = 0.05  # a difference this likely between equally good runs is not called real


class Pair(NamedTuple):
    """Two runs. common: the images both trained on, None where they are not the same images; why then says why. changes: of them."""

    a: Run
    b: Run
    common: Aligned | None
    changes: ImageChanges | None
    why: str


def pair_of(a: Run, b: Run) -> Pair:
    """What the two runs have in common."""
    return _pair((a.run_id, a.last_epoch, a.status), (b.run_id, b.last_epoch, b.status), a, b)


@st.cache_resource(max_entries=8, show_spinner=False, hash_funcs={Run: lambda run: run.run_id})
def _pair(state_a: object, state_b: object, a: Run, b: Run) -> Pair:
    why = other_images(a.config, b.config)
    common = align(a.source_index, b.source_index)
    if not why and not len(common.a):
        why = "they were trained on different parts of the data, without an image in common"
    if why:
        return Pair(a, b, None, None, why)
    without = [run.run_id for run in (a, b) if not len(run.facts.epochs)]
    changes = None if without else image_changes(a, b)
    return Pair(a, b, common, changes, f"run {without[0]} has no predictions yet" if without else "")


def other_images(a: DataConfig, b: DataConfig) -> str:
    """Why the images of two runs cannot be told to be the same; "" where they can."""
    try:
        if data_key(a) == data_key(b):
            return ""
    except (ConfigError, DataError, OSError) as error:
        return f"their data are not there any more ({str(error).rstrip('.')})"
    deciding = ("dataset", "label_column", "true_label_column", "train_size", "data_seed", "noise", "noise_rate", "open_set", "test_split")
    differing = [f"{heading(name)} {_value(name, a)} / {_value(name, b)}" for name in deciding if _value(name, a) != _value(name, b)]
    return f"they were trained on different images: {plain(', '.join(differing))}" if differing else "the files of their data have changed"


def _value(name: str, config: DataConfig) -> str:
    return short_value(name, getattr(config.canonical(), name)) or "none"


# -- settings and figures ----------------------------------------------------------------------------


def setting_rows(a: Run, b: Run) -> list[tuple[str, str, str]]:
    """(setting, in a, in b) of each that differs, in the order of the settings."""
    first, second = a.config.canonical(), b.config.canonical()
    names = [name for name in OPTIONS if name in differences([first, second])]
    return [(heading(name), *(short_value(name, getattr(config, name)) or "none" for config in (first, second))) for name in names]  # type: ignore[misc]


def figure_rows(a: Run, b: Run) -> list[tuple[str, str, str, str]]:
    """(figure, in a, in b, b - a) after the last epoch of each, where at least one is known."""
    found = []
    for name in COMPARED:
        one, other = float(a.epochs[name][-1]), float(b.epochs[name][-1])
        if math.isfinite(one) or math.isfinite(other):
            found.append((_title(name), figure_words(name, one), figure_words(name, other), difference_words(name, other - one)))
    return found


def _title(name: str) -> str:
    of = "wrong labels " if METRICS[name].unit.endswith("wrong labels") else ""
    return f"{of}{METRICS[name].title}"


def figure_words(name: str, value: float) -> str:
    if METRICS[name].share:
        return percent(value)
    return f"{significant(value)} {METRICS[name].unit}".strip() if math.isfinite(value) else UNKNOWN


def difference_words(name: str, change: float) -> str:
    """With its sign; a share in percentage points."""
    if not math.isfinite(change):
        return UNKNOWN
    sign = "+" if change > 0 else "\u2212" if change < 0 else "±"
    size = f"{abs(100 * change):.1f} points" if METRICS[name].share else f"{significant(abs(change))} {METRICS[name].unit}".strip()
    return f"{sign}{size}"


# -- images ----------------------------------------------------------------------------------------


def images_sentence(pair: Pair) -> str:
    """On which images the two runs can be held against each other, and what else still can."""
    if pair.common is None:
        rest = "Settings, curves and final figures can still be read side by side"
        test = "" if same_test(pair.a, pair.b) else ", though the test images differ too"
        return f"**Not the same images:** {pair.why}. {rest}{test}; image by image there is nothing to compare."
    shared, sizes = len(pair.common.a), (len(pair.a.source_index), len(pair.b.source_index))
    said = f"Both runs saw the same **{shared:,} images**"
    if set(sizes) != {shared}:
        said = f"The runs share **{shared:,} images** (A trained on {sizes[0]:,}, B on {sizes[1]:,}); what follows is about these"
    if pair.changes is None:
        return f"{said}. {pair.why[:1].upper()}{pair.why[1:]}." if pair.why else f"{said}."
    relabelled = int(pair.changes.relabelled.sum())
    return f"{said}, under the same labels." if not relabelled else f"{said}; **{relabelled:,}** of them under different labels."


def susceptibility_sentence(a: Run, b: Run) -> str:
    """Whether the susceptibilities of the two may be held against each other."""
    if comparable(a.config, b.config):
        return ""
    if comparable(a.config, b.config, fixed_rate=True):
        return "Their susceptibilities compare by the fixed-rate probe only: rate, schedule or batch size differ."
    return "Their susceptibilities do not compare: data, labels or loss differ."


def kinds_of_change(pair: Pair) -> dict[str, tuple[str, Array]]:
    """Which of the common images changed, by kind: name in the link -> (words, int64 places in ``common``, most telling first)."""
    changes = pair.changes
    if changes is None:
        return {}
    order = most_changed(changes)
    kinds: dict[str, tuple[str, Array]] = {}
    if pair.a.labels.is_mislabeled is not None or pair.b.labels.is_mislabeled is not None:
        kinds |= {
            "a": ("memorized by A only", changes.no_longer_memorized),
            "b": ("memorized by B only", changes.newly_memorized),
            "both": ("memorized by both", changes.memorized_a & changes.memorized_b),
        }
    kinds["predicted"] = ("predicted differently", ~changes.same_prediction)
    if changes.relabelled.any():
        kinds["relabelled"] = ("given different labels", changes.relabelled)
    found = {name: (words, order[mask[order]]) for name, (words, mask) in kinds.items()}
    return found | {"loss": ("largest change of loss first", order)}


# -- test images -----------------------------------------------------------------------------------


def same_test(a: Run, b: Run) -> bool:
    """Whether both were tested on the same images and labels; False also where the data are not there any more."""
    try:
        first, second = load_source(a.config), load_source(b.config)
    except (ConfigError, DataError, OSError):
        return False
    if first is second:
        return True
    same_labels = np.array_equal(first.test_label, second.test_label)
    return same_labels and np.array_equal(first.test_images, second.test_images)


def tested(a: Run, b: Run) -> TestChanges | None:
    """How the predictions for the same test images differ at the last epoch of each run; None where they cannot be compared.

    Raises StoreError for a damaged file.
    """
    store = get_store()
    predicted = [store.folder(run.run_id).test_predictions(run.last_epoch) for run in (a, b)]
    if any(each is None or not len(each) for each in predicted) or not same_test(a, b):
        return None
    label = load_source(a.config).test_label
    if any(each is not None and len(each) != len(label) for each in predicted):
        return None
    return test_changes(predicted[0], predicted[1], label)


def test_sentence(found: TestChanges, reference: bool) -> str:
    """Whether one run is better on the test images, beyond chance or not (McNemar's exact test)."""
    total = found.only_a + found.only_b + found.both + found.neither
    against = "clean test labels" if reference else "held-out given labels, which may be wrong themselves"
    counts = (
        f"Of {total:,} test images, only A gets **{found.only_a:,}** right and only B **{found.only_b:,}** ({found.both:,} both, "
        f"{found.neither:,} neither; {against})"
    )
    if found.only_a == found.only_b:
        return f"{counts}: **no difference**."
    better = "A" if found.only_a > found.only_b else "B"
    chance = f"McNemar's exact test: p {_p_words(found.p_value)}"
    if found.p_value < CHANCE:
        return f"{counts}: **{better} is better, beyond chance** on these images ({chance}). Another seed may differ by more."
    return f"{counts}: **not beyond chance** ({chance}): equally good runs differ this much that often."


def _p_words(p: float) -> str:
    return "< 0.001" if p < 0.001 else f"= {significant(p)}"


def lengths(kinds: dict[str, tuple[str, Array]]) -> dict[str, str]:
    """The words of each kind with its count, as a choice among them says it."""
    return {name: words if name == "loss" else f"{words} ({len(places):,})" for name, (words, places) in kinds.items()}


def both_wrong(pair: Pair) -> Array | None:
    """bool ``[C]``: whether the label of a common image is wrong in either run; None where nobody knows."""
    if pair.common is None:
        return None
    both = ((pair.a.labels.is_mislabeled, pair.common.a), (pair.b.labels.is_mislabeled, pair.common.b))
    known = [wrong[at] for wrong, at in both if wrong is not None]
    return np.any(known, axis=0) if known else None
