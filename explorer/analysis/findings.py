"""What is worth telling a person about a run: a finding is a small record, a finder a generator of findings."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping

import numpy as np

from explorer.analysis.detection import TOP
from explorer.analysis.label_wave import label_wave, prediction_changes
from explorer.analysis.neighbors import NearDuplicates
from explorer.analysis.out_of_sample import flag
from explorer.analysis.scores import ranking, suggested_label, suspected_by_target
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
    if not run.config.trains:
        return _read_elsewhere(run, now)
    if math.isnan(now["test_accuracy"]):
        return _untested(run, now)
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
        few = f"only {_percent(now['memorized'])} of them are memorized. {test.capitalize()} is {_percent(now['test_accuracy'])}."
        if math.isnan(now["recovered"]):  # foreign images: there is no true class to see
            return f"Early learning: {fitted}. Images with a wrong label show none of the classes; {few}"
        return f"Early learning: {fitted} and sees through {_percent(now['recovered'])} of the wrong labels; {few}"
    memorized = f"Memorized {_percent(now['memorized'])} of the wrong labels"
    if fell < FELL:
        return f"{memorized}, and {test} still holds ({_percent(now['test_accuracy'])}): a good moment to stop."
    return f"{memorized}. {peaked} and is {100 * fell:.1f} points lower now: since then it mostly memorizes."


def _read_elsewhere(run: Run, now: Mapping[str, float]) -> str:
    """Of predictions that came from a file."""
    if math.isnan(now["train_accuracy"]):
        more = "Images are compared by the embeddings that were read." if run.embedding is not None else "No predictions were read."
        return f"Nothing was trained here. {more}"
    said = f"Nothing was trained here: predictions were read. They agree with {_percent(now['train_accuracy'])} of the given labels"
    return f"{said}." if math.isnan(now["memorized"]) else f"{said}, and with {_percent(now['memorized'])} of the wrong ones."


def _untested(run: Run, now: Mapping[str, float]) -> str:
    """Of a run without test images."""
    if now["epoch"] == 0:
        return "Untrained: it guesses. There are no test images."
    if math.isnan(now["memorized"]):
        return f"It fits {_percent(now['train_accuracy'])} of the given labels. There are no test images to hold that against."
    return (
        f"It fits {_percent(now['clean_accuracy'])} of the rightly labelled images and has memorized {_percent(now['memorized'])} of the "
        "wrong labels. There are no test images to hold that against."
    )


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


def elr_suspects(run: Run, scores: Mapping[str, Array], pairs: NearDuplicates | None) -> Iterator[Finding]:
    """Labels that ELR's target memory disagrees with, and how far that list can be trusted where truth is known."""
    suspected = suspected_by_target(run.facts, run.labels.given_label)
    if not suspected.any():
        return
    found = np.flatnonzero(suspected)
    if "elr_target" in scores:
        found = found[np.argsort(-scores["elr_target"][found], kind="stable")]
    text = f"Its target memory leans to another class.{_quality_of(suspected, run.labels.is_mislabeled)}"
    if run.labels.true_label is not None:
        right = float((suggested_label(run.facts) == run.labels.true_label)[suspected].mean())
        text += f" The class it suggests is the true one for {_percent(right)}."
    yield Finding("suspected", f"ELR suspects {_labels(len(found))}", text, tuple(found.tolist()), float(suspected.mean()))


def confident_learning(run: Run, scores: Mapping[str, Array], pairs: NearDuplicates | None) -> Iterator[Finding]:
    """What confident learning flags, or why it could not judge although the probabilities it needs were computed."""
    if run.out_of_sample is None:
        return
    if "confident_learning" not in scores:
        why_not = flag(run.out_of_sample, run.labels.given_label).why_not
        if why_not:
            yield Finding("flagged", "Confident learning has no opinion", f"{why_not[:1].upper()}{why_not[1:]}.", (), 0.0)
        return
    doubt = scores["confident_learning"]
    flagged = doubt > 0.5
    if flagged.any():
        found = np.argsort(-doubt, kind="stable")[: int(flagged.sum())]
        text = f"Networks that never saw these images predict another class.{_quality_of(flagged, run.labels.is_mislabeled)}"
        yield Finding("flagged", f"Confident learning flags {_labels(len(found))}", text, tuple(found.tolist()), float(flagged.mean()))


def stopping_point(run: Run, scores: Mapping[str, Array], pairs: NearDuplicates | None) -> Iterator[Finding]:
    """Where Label Wave would have stopped, and what that would have been worth on the test images."""
    stop = label_wave(prediction_changes(run.facts.predicted_label))
    best_epoch, best = peak_of(run.epochs, "test_accuracy")
    if stop is None or best_epoch < 0:
        return
    there, last = (float(run.epochs["test_accuracy"][run.epochs["epoch"] == epoch][0]) for epoch in (stop, run.last_epoch))
    test = "Test accuracy" if run.test_is_reference else "Accuracy on held-out given labels"
    yield Finding(
        "label_wave", f"Label Wave would stop at epoch {stop}",
        f"{test} there is {_percent(there)}; best {_percent(best)} at epoch {best_epoch}, last {_percent(last)}. "
        "It looks at training predictions only.",
        (), 0.0,
    )  # fmt: skip


def _quality_of(listed: Array, wrong: Array | None) -> str:
    """Precision and recall of a list, as a sentence with a blank before it; nothing where truth is unknown or no label is wrong."""
    if wrong is None or not wrong.any():
        return ""
    hits = int((listed & wrong).sum())
    return f" {_percent(hits / listed.sum())} of them are wrong; {_percent(hits / wrong.sum())} of all wrong labels are among them."


def _labels(count: int) -> str:
    return "1 label" if count == 1 else f"{count:,} labels"


FINDERS: tuple[Callable[[Run, Mapping[str, Array], NearDuplicates | None], Iterator[Finding]], ...] = (
    conflicting_copies, late_learned, concentration, elr_suspects, confident_learning, stopping_point,
)  # fmt: skip


def findings(run: Run, scores: Mapping[str, Array], pairs: NearDuplicates | None) -> list[Finding]:
    """All findings of a run, most severe first."""
    found = [finding for finder in FINDERS for finding in finder(run, scores, pairs)]
    return sorted(found, key=lambda finding: -finding.severity)


def _percent(value: float) -> str:
    return "-" if math.isnan(value) else f"{100 * value:.1f} %"
