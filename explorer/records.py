"""The values handed from band to band: numpy and plain Python only, immutable.

Axes: N training examples, M test examples, K classes, E recorded epochs (epoch 0, the untrained
network, not counted), D embedding. Images are uint8 ``[.., H, W, C]`` with C = 1 or 3.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from explorer.config import RunConfig

Array = np.ndarray

NO_CLASS = -1  # true label of an image that shows none of the classes


def freeze(array: Array) -> Array:
    """A read-only contiguous array; shares memory where it can."""
    array = np.ascontiguousarray(array)
    array.flags.writeable = False
    return array


class DataError(ValueError):
    """Data that cannot be used: what was found, where, and what to do about it."""


class StoreError(RuntimeError):
    """A stored run that cannot be read, or is in use: which, why, and what to do."""


class TrainingError(RuntimeError):
    """Training cannot go on (for example: the loss is not a number): why, and what to change."""


@dataclass(frozen=True, slots=True, eq=False)
class PlantedTruth:
    """What a generator did to each training image.

    kind: ``[N]`` of ``"typical"``, ``"atypical"``, ``"near_duplicate"``; ``"foreign"`` where open-set noise replaced the image.
    partner: int64 ``[N]`` source index of the image this one is a copy of, -1 for none.
    transform: ``[N]`` how the copy differs (``"exact"``, ``"recompression"``, ...), ``""`` for none.
    """

    kind: Array
    partner: Array
    transform: Array


@dataclass(frozen=True, slots=True, eq=False)
class Dataset:
    """Images and the labels they came with, before any noise of ours.

    given_label: int64 ``[N]`` label of the source's label column, perhaps wrong.
    true_label: int64 ``[N]`` reference label, or None where nobody knows it.
    source_index: int64 ``[N]`` row in the source data, also after subsetting or hold-out.
    source_rows: how many rows ``source_index`` counts, those that are left out included.
    test_label: int64 ``[M]``; ``test_is_reference`` tells whether these are reference labels
        ("clean test accuracy") or merely held-out given labels.
    notices: sentences for the person (resized, skipped, held out).
    """

    name: str
    class_names: tuple[str, ...]
    train_images: Array
    given_label: Array
    true_label: Array | None
    source_index: Array
    test_images: Array
    test_label: Array
    test_is_reference: bool
    planted: PlantedTruth | None = None
    notices: tuple[str, ...] = ()
    source_rows: int = 0

    @property
    def num_classes(self) -> int:
        return len(self.class_names)


@dataclass(frozen=True, slots=True, eq=False)
class Labels:
    """The labels a run trains on and what is known about them.

    given_label: int64 ``[N]``. true_label: int64 ``[N]`` or None; NO_CLASS where an image shows none of the classes.
    is_mislabeled: bool ``[N]`` or None.
    wrong_origin: ``[N]`` of ``""`` (not wrong, or unknown), ``"flipped"`` (by this run's noise),
        ``"planted"`` (by the image generator), ``"recorded"`` (the source's own label columns differ),
        ``"foreign"`` (the image was replaced by one of another set), ``"reviewed"`` (a correction put a wrong label there).
    asked_rate: the noise rate asked for. wrong_rate: realised share of wrong labels, None if unknown.
    asked_transition, transition: ``[K, K]`` T[true, given], rows sum to 1 (identity row for a class
        without examples); None where truth is unknown, and for foreign images, which no T describes.
    """

    given_label: Array
    true_label: Array | None
    is_mislabeled: Array | None
    wrong_origin: Array
    asked_rate: float
    wrong_rate: float | None
    asked_transition: Array | None
    transition: Array | None


@dataclass(frozen=True, slots=True)
class Progress:
    """Yielded after every batch of training, evaluation and probes.

    phase: train, evaluate, susceptibility, curvature; after the last epoch folds, second_split; of a memorization run models;
        read, where nothing is trained.
    """

    epoch: int
    phase: str
    done: int  # images done in this phase
    total: int


@dataclass(frozen=True, slots=True, eq=False)
class EpochRecord:
    """What happened in one epoch; arrays are read-only copies, in evaluation mode, un-augmented.

    Where nothing is trained there is one record, epoch 1, of what was read: its scalars are NaN where they are unknown, and
    without predictions loss, margin, el2n and predicted_label are None.

    loss: float16 ``[N]`` cross-entropy against the given label in nats, clipped to the finite range.
    margin: float16 ``[N]`` logit of the given label minus the best other logit.
    el2n: float16 ``[N]`` Euclidean norm of softmax minus one-hot given label.
    predicted_label: uint16 ``[N]``. test_predicted_label: uint16 ``[M]``.
    curvature: float32 ``[N]`` or None where not probed. sensitivity: float32 ``[N]``, norm of the loss gradient at the
        image, in nats per input unit, with the curvature. embedding: float32 ``[N, D]`` or None.
    target_label: uint16 ``[N]`` class of the largest entry of ELR's target memory, target_share: float16 ``[N]`` share of the
        given label in it; None without such a memory, and for epoch 0, when it is empty.
    susceptibility_drop: nats; loss on the randomly labelled batch before minus after one undone step of
        the training optimizer; susceptibility_drop_fixed_lr the same for plain SGD at a fixed rate. NaN at epoch 0
        and where the probe is off.
    state: opaque bytes from which ``run(config, state)`` continues, or None.
    """

    epoch: int
    step: int  # optimizer steps so far
    loss: Array | None
    margin: Array | None
    el2n: Array | None
    predicted_label: Array | None
    test_predicted_label: Array
    train_loss: float
    test_loss: float
    learning_rate: float
    susceptibility_drop: float
    susceptibility_drop_fixed_lr: float
    train_seconds: float  # of this epoch, by phase
    eval_seconds: float
    probe_seconds: float
    curvature: Array | None = None
    sensitivity: Array | None = None
    embedding: Array | None = None
    target_label: Array | None = None
    target_share: Array | None = None
    state: bytes | None = None


@dataclass(frozen=True, slots=True, eq=False)
class FinalRecord:
    """Exactly one, last: the run is complete.

    out_of_sample: float32 ``[N, K]`` probabilities by networks that never saw the image, or None.
    second_split: bool ``[F, N]``, whether the given label was predicted after each epoch (0 first) of training on the half
        without the image, by a network trained on the half with it; or None.
    """

    epoch: int
    step: int
    parameters: int  # of the network
    peak_memory_mb: float  # of the process (CPU) or the device (CUDA)
    out_of_sample: Array | None = None
    second_split: Array | None = None


Record = Progress | EpochRecord | FinalRecord


@dataclass(frozen=True, slots=True, eq=False)
class SubsetRecord:
    """Yielded after every group of networks. first: number of the group's first network, from 0.

    inside: bool ``[M, N]``, whether each of the M networks was trained on the image.
    correct: bool ``[M, N]``, whether it predicts the given label, in evaluation mode.
    """

    first: int
    inside: Array
    correct: Array


DECISIONS = ("keep", "relabel", "ambiguous", "exclude", "undo", "redo")
WAYS = ("suspicious", "random", "bulk", "import", "settle")


@dataclass(frozen=True, slots=True)
class Decision:
    """What one person decided on one image, at one moment: a row of the review log, which only ever grows.

    action: keep (the given label is right), relabel, ambiguous, exclude; undo and redo say so of the decision ``target``.
    label: the class decided for (keep, relabel), NO_CLASS otherwise. given_label: what the image carried when it was looked at.
    via: how the image came up; random ones tell the error rate of all. A decision that settles a dispute overrules all earlier
        ones on its image.
    score, score_value: what the queue was sorted by. suggested: the class that was suggested, NO_CLASS for none.
    batch: shared by decisions made at once, which one undo takes back. token: entered twice, a decision is kept once.
    made_at: seconds since 1970. decision_id: place in the log, from 1; 0 before it is in it.
    """

    source_index: int
    action: str
    label: int
    author: str
    given_label: int
    token: str
    via: str = "suspicious"
    run_id: str = ""
    score: str = ""
    score_value: float = math.nan
    suggested: int = NO_CLASS
    suggested_by: str = ""
    batch: str = ""
    target: int = 0
    made_at: float = 0.0
    decision_id: int = 0


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing worth telling a person: a short title, a sentence, and the images it is about.

    examples: positions in the training set, most telling first. severity: 0 to 1, sorts findings.
    """

    kind: str
    title: str
    text: str
    examples: tuple[int, ...]
    severity: float


@dataclass(frozen=True, slots=True, eq=False)
class Facts:
    """Per-image facts of epochs 1..E, stacked, oldest first (see EpochRecord); of no epoch where there were no predictions.

    epochs: int ``[E]``. loss, margin, el2n: float16 ``[E, N]``. predicted_label: uint16 ``[E, N]``.
    curvature, sensitivity: float32 ``[P, N]`` of the probed epochs, named in curvature_epochs int ``[P]``.
    target_label: uint16 ``[E, N]``, target_share: float16 ``[E, N]``; ``[0, N]`` without an ELR target memory.
    """

    epochs: Array
    loss: Array
    margin: Array
    el2n: Array
    predicted_label: Array
    curvature: Array
    sensitivity: Array
    curvature_epochs: Array
    target_label: Array
    target_share: Array

    @staticmethod
    def empty(num_examples: int) -> Facts:
        """No epochs yet."""
        none = np.zeros((0, num_examples))
        f16, u16, f32 = none.astype(np.float16), none.astype(np.uint16), none.astype(np.float32)
        epochs = np.zeros(0, dtype=np.int64)
        return Facts(epochs, f16, f16, f16, u16, f32, f32, epochs, u16, f16)


STATUSES = ("queued", "running", "paused", "stopped", "finished", "failed", "interrupted", "damaged")


@dataclass(frozen=True, slots=True, eq=False)
class Run:
    """One stored run as far as it has come; arrays are read-only and row n is training image n.

    source_index: int64 ``[N]`` row in the source data. epochs: column name to float64 ``[E + 1]``, epoch 0 first
    (the columns of ``epochs.csv``). embedding, embedding_peak: float32 ``[N, D]`` of the last recorded epoch and of the
    epoch of peak mean curvature, or None. out_of_sample, second_split: see FinalRecord, or None.
    about: the rest of ``config.json`` (versions, device, threads, data, noise).
    """

    run_id: str
    config: RunConfig
    status: str
    cause: str
    class_names: tuple[str, ...]
    source_index: Array
    labels: Labels
    planted: PlantedTruth | None
    epochs: Mapping[str, Array]
    facts: Facts
    embedding: Array | None
    embedding_peak: Array | None
    out_of_sample: Array | None
    second_split: Array | None
    about: Mapping[str, Any]

    @property
    def last_epoch(self) -> int:
        """The last recorded epoch; -1 before the first record."""
        return int(self.epochs["epoch"][-1]) if len(self.epochs["epoch"]) else -1

    @property
    def test_is_reference(self) -> bool:
        return bool(self.about["data"]["test_is_reference"])
