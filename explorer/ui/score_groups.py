"""Where each score comes from, and what to switch on for one that a run does not have."""

from __future__ import annotations

from collections.abc import Iterable

from explorer.analysis.out_of_sample import flag
from explorer.analysis.score_table import HISTORY
from explorer.analysis.scores import SCORES
from explorer.records import Run
from explorer.ui.words import label

PROBED = ("curvature", "curvature_last", "sensitivity")
OUT_OF_SAMPLE = ("out_of_sample_confidence", "out_of_sample_margin", "confident_learning")
SECOND_SPLIT = ("second_split_forgetting",)
NEIGHBOURS = ("knn_disagreement",)
TARGETS = ("elr_target",)


def grouped(names: Iterable[str]) -> list[tuple[str, list[str]]]:
    """The scores under headings that say what each needed, groups without a score left out."""
    groups: dict[str, list[str]] = {"from training": [], "from an extra pass": [], "from neighbours": []}
    for name in names:
        extra = name in (*PROBED, *OUT_OF_SAMPLE, *SECOND_SPLIT)
        groups["from neighbours" if name in NEIGHBOURS else "from an extra pass" if extra else "from training"].append(name)
    return [(heading, members) for heading, members in groups.items() if members]


def not_computed(run: Run, names: Iterable[str]) -> list[tuple[list[str], str]]:
    """The scores a run does not have, with what to switch on for them, in the order of SCORES."""
    have = set(names)
    reasons: dict[str, list[str]] = {}
    for name in SCORES:
        if name not in have:
            reasons.setdefault(_remedy(run, name), []).append(name)
    return [(members, reason) for reason, members in reasons.items()]


def _remedy(run: Run, name: str) -> str:
    config = run.config
    if not config.trains:
        return _to_read(run, name)
    if name in PROBED and config.curvature_every == 0:
        return "train with the curvature probed every epoch"
    if name in OUT_OF_SAMPLE and config.folds == 0:
        return f"train with *{label('folds')}* 4; for each fold one more network judges the images it never saw"
    if name in SECOND_SPLIT and config.second_split_epochs == 0:
        return f"train with *{label('second_split_epochs')}* 5; two more networks go on with the other half of the images"
    if name in TARGETS:
        return "train with the loss ELR or ELR+, which keeps a target for every image"
    if name in NEIGHBOURS and run.embedding is None:
        return f"train with *{label('embedding_every')}* 1"
    if run.status != "finished":
        return "known once the run is finished"
    if name == "confident_learning" and run.out_of_sample is not None:
        return flag(run.out_of_sample, run.labels.given_label).why_not
    return "train the run again: it was trained before this was recorded"


def _to_read(run: Run, name: str) -> str:
    """The same where nothing was trained: which file to give."""
    if name in (*PROBED, *SECOND_SPLIT, *TARGETS, *HISTORY):
        return "train a network on these images: this needs what happens while it learns"
    if name in NEIGHBOURS:
        return f"give *{label('embeddings')}*"
    if name not in OUT_OF_SAMPLE or not run.config.pred_probs:
        return f"give *{label('pred_probs')}*"
    if run.out_of_sample is None:
        return "give probabilities by networks that never saw the image"
    return flag(run.out_of_sample, run.labels.given_label).why_not
