"""What is worth telling a person about a run: a finding is a small record, a finder a generator of findings."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping

import numpy as np

from explorer.analysis.detection import TOP
from explorer.analysis.neighbors import NearDuplicates
from explorer.analysis.scores import ranking
from explorer.records import Array, Finding, Run

HARDLY = 0.1  # below this share of the wrong labels a network is still learning rather than memorizing
FELL = 0.01  # test accuracy this far below its peak has fallen


def until(run: Run, epoch: int) -> dict[str, Array]:
    """The columns of ``epochs.csv`` up to and including an epoch."""
    keep = run.epochs["epoch"] <= epoch
    return {name: column[keep] for name, column in run.epochs.items()}


def story(run: Run, epoch: int) -> str:
    """What the network is doing at an epoch and what follows from it, in two or three short sentences."""
    epochs = until(run, epoch)
    if not len(epochs["epoch"]):
        return "Preparing: loading images and building the network."
    now = {name: float(column[-1]) for name, column in epochs.items()}
    test = "test accuracy" if run.test_is_reference else "accuracy on held-out given labels"
    if now["epoch"] == 0:
        chance = _percent(1 / len(run.class_names))
        return f"Untrained: it guesses. {test.capitalize()} is {_percent(now['test_accuracy'])}, chance is {chance}."
    peak_epoch, peak = peak_of(epochs, "test_accuracy")
    fell = peak - now["test_accuracy"]
    peaked = f"{test.capitalize()} peaked at epoch {peak_epoch} ({_percent(peak)})"
    if math.isnan(now["memorized"]):
        return _without_truth(run, now, fell, peaked, test)
    fitted = f"it fits {_percent(now['clean_accuracy'])} of the rightly labelled images"
    if now["memorized"] < HARDLY:
        return (
            f"Early learning: {fitted} and sees through {_percent(now['recovered'])} of the wrong labels; "
            f"only {_percent(now['memorized'])} of them are memorized. {test.capitalize()} is {_percent(now['test_accuracy'])}."
        )
    memorized = f"Memorized {_percent(now['memorized'])} of the wrong labels"
    if fell < FELL:
        return f"{memorized}, and {test} still holds ({_percent(now['test_accuracy'])}): a good moment to stop."
    return f"{memorized}. {peaked} and is {100 * fell:.1f} points lower now: since then it mostly memorizes."


def _without_truth(run: Run, now: Mapping[str, float], fell: float, peaked: str, test: str) -> str:
    if run.labels.is_mislabeled is not None:
        return f"No label is wrong here. Training accuracy is {_percent(now['train_accuracy'])}, {test} {_percent(now['test_accuracy'])}."
    fit = f"It fits {_percent(now['train_accuracy'])} of the given labels"
    if fell >= FELL:
        return f"{fit}. {peaked} and is {100 * fell:.1f} points lower now: it fits what does not help it on new images."
    unknown = "Which labels are wrong is not known: watch susceptibility and curvature instead."
    return f"{fit}; {test} is {_percent(now['test_accuracy'])}. {unknown}"


def peak_of(epochs: Mapping[str, Array], name: str) -> tuple[int, float]:
    """(epoch, value) where a column is largest, first if several; (-1, NaN) where it is unknown throughout."""
    values = epochs[name]
    if not np.isfinite(values).any():
        return -1, math.nan
    best = int(np.nanargmax(values))
    return int(epochs["epoch"][best]), float(values[best])


# -- finders: (run, scores, near-duplicates) -> findings -------------------------------------------


def conflicting_copies(run: Run, scores: Mapping[str, Array], pairs: NearDuplicates | None) -> Iterator[Finding]:
    """Near-duplicates under different labels: of two copies of one image, at most one label can be right."""
    if pairs is None or not pairs.conflicting.any():
        return
    found = np.unique(np.concatenate([pairs.a[pairs.conflicting], pairs.b[pairs.conflicting]]))
    if "curvature" in scores:
        found = found[np.argsort(-scores["curvature"][found], kind="stable")]
    count = int(pairs.conflicting.sum())
    yield Finding(
        "conflict", f"{count:,} {'pair of look-alikes carries' if count == 1 else 'pairs of look-alikes carry'} different labels",
        "Where the two are one image, at most one label can be right: to fit both, the network has to memorize. Look at them first.",
        tuple(found.tolist()), 1.0,
    )  # fmt: skip


def late_learned(run: Run, scores: Mapping[str, Array], pairs: NearDuplicates | None) -> Iterator[Finding]:
    """Images whose given label was fitted only after test accuracy had peaked."""
    peak_epoch, _ = peak_of(run.epochs, "test_accuracy")
    if "learning_epoch" not in scores or peak_epoch < 1:
        return
    learned = scores["learning_epoch"]  # beyond the last epoch where it never was
    late = np.flatnonzero((learned > peak_epoch) & (learned <= run.last_epoch))
    if len(late):
        late = late[np.argsort(-scores["cumulative_loss"][late], kind="stable")]
        count = "1 image was" if len(late) == 1 else f"{len(late):,} images were"
        yield Finding(
            "late", f"{count} fitted only after epoch {peak_epoch}",
            "Test accuracy peaked there: what it learned later did not help it on new images. Wrong labels gather here.",
            tuple(late.tolist()), len(late) / len(learned),
        )  # fmt: skip


def concentration(run: Run, scores: Mapping[str, Array], pairs: NearDuplicates | None) -> Iterator[Finding]:
    """How much denser wrong labels are at the top of curvature than overall, where truth is known."""
    wrong = run.labels.is_mislabeled
    if wrong is None or not wrong.any() or "curvature" not in scores:
        return
    top = ranking("curvature", scores["curvature"])[:TOP]
    share, overall = float(wrong[top].mean()), float(wrong.mean())
    rest = " The rest are mostly atypical images: also memorized, but rightly labelled." if share < 1 else ""
    yield Finding(
        "concentration", f"{_percent(share)} of the top {len(top)} by curvature have a wrong label",
        f"Overall it is {_percent(overall)}.{rest}",
        tuple(top.tolist()), share,
    )  # fmt: skip


FINDERS: tuple[Callable[[Run, Mapping[str, Array], NearDuplicates | None], Iterator[Finding]], ...] = (
    conflicting_copies, late_learned, concentration,
)  # fmt: skip


def findings(run: Run, scores: Mapping[str, Array], pairs: NearDuplicates | None) -> list[Finding]:
    """All findings of a run, most severe first."""
    found = [finding for finder in FINDERS for finding in finder(run, scores, pairs)]
    return sorted(found, key=lambda finding: -finding.severity)


def _percent(value: float) -> str:
    return "-" if math.isnan(value) else f"{100 * value:.1f} %"
