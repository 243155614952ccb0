"""Predictions and embeddings made elsewhere, read from .npy files: what a run that trains nothing is made of.

Rows are those of the source data, or those of the N images that are looked at. Columns of probabilities are the classes in the
order of ``class_names``. Files are mapped, read in parts and never unpickled.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Generator, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from explorer.config import OPTIONS, ConfigError, RunConfig
from explorer.data.catalogue import existing_path, is_path
from explorer.records import Array, Dataset, EpochRecord, FinalRecord, Progress, Record, freeze

FILES = {"pred_probs": "pred_probs.npy", "embeddings": "embeddings.npy"}  # setting: name of the file looked for beside the data
ROWS = 8192  # read at a time
SUM_TOLERANCE = 1e-3
F16 = np.finfo(np.float16)
NAMED = 5  # classes listed in an error


class _File(NamedTuple):
    """array: ``[rows of the file, columns]``, mapped. rows: int64 ``[N]``, where it speaks of each image."""

    field: str
    path: Path
    array: Array
    rows: Array

    def refused(self, why: str) -> ConfigError:
        return ConfigError(self.field, str(self.path), why)


def locate(config: RunConfig, field: str) -> str:
    """Absolute path of the file that a setting names, or of the one beside the data; "" where there is none.

    Raises:
        ConfigError: for a file that is not there, or may not be read.
    """
    asked: str = getattr(config, field).strip()
    if not asked and is_path(config.dataset):
        data = existing_path(config.dataset, "dataset")
        beside = (data if data.is_dir() else data.parent) / FILES[field]
        asked = str(beside) if beside.exists() else ""
    return str(existing_path(asked, field)) if asked else ""


def with_files(config: RunConfig) -> RunConfig:
    """The config with the files named that it reads. Raises ConfigError as ``locate``."""
    pred_probs, embeddings = (locate(config, field) for field in FILES)
    kind = config.pred_probs_kind if pred_probs else OPTIONS["pred_probs_kind"].default
    return replace(config, pred_probs=pred_probs, pred_probs_kind=kind, embeddings=embeddings)


def given_fingerprint(config: RunConfig) -> str:
    """Text that changes when the content of a file does; "" without files. Raises ConfigError as ``locate``."""
    found = []
    for field in FILES:
        if path := locate(config, field):
            with open(_regular(path, field), "rb") as file:
                found.append(f", {field}: {hashlib.file_digest(file, 'sha256').hexdigest()[:32]}")
    return "".join(found)


def check_given(config: RunConfig, dataset: Dataset) -> None:
    """Whether the files are arrays that fit the data; looks at their headers only.

    Raises:
        ConfigError: naming setting and file, with the shape that was expected and the one that was found.
    """
    _files(config, dataset)


def read_given(config: RunConfig, dataset: Dataset, given_label: Array) -> Iterator[Record]:
    """Yield Progress, one EpochRecord (epoch 1) of what the files say, and a FinalRecord. Nothing that is unknown is made up.

    Loss, margin, el2n and prediction are those of the probabilities, without them None. A probability of 0 counts as the
    smallest number its file can hold, so that losses stay finite. ``out_of_sample`` are the probabilities themselves where
    ``pred_probs_kind`` says so.

    Args:
        dataset: without test images. given_label: int64 ``[N]``.

    Raises:
        ConfigError: as ``check_given``, and for what are no probabilities, or no finite numbers, naming the first such row.
    """
    files = _files(config, dataset)
    probability: Array | None = None
    embedding: Array | None = None
    facts: dict[str, Any] = {"train_loss": math.nan, **dict.fromkeys(("loss", "margin", "el2n", "predicted_label"))}
    if (file := files.get("pred_probs")) is not None:
        probability, facts = yield from _probabilities(file, given_label)
    if (file := files.get("embeddings")) is not None:
        embedding = yield from _embedding(file)
    yield EpochRecord(
        epoch=1,
        step=0,
        **facts,
        test_predicted_label=freeze(np.zeros(0, dtype=np.uint16)),
        test_loss=math.nan,
        learning_rate=math.nan,
        susceptibility_drop=math.nan,
        susceptibility_drop_fixed_lr=math.nan,
        train_seconds=0.0,  # neither trained, nor evaluated, nor probed
        eval_seconds=0.0,
        probe_seconds=0.0,
        embedding=embedding,
    )
    unseen = probability if config.pred_probs_kind == "out_of_sample" else None
    yield FinalRecord(epoch=1, step=0, parameters=0, peak_memory_mb=math.nan, out_of_sample=unseen)


# -- the files -------------------------------------------------------------------------------------


def _files(config: RunConfig, dataset: Dataset) -> dict[str, _File]:
    return {field: _open(path, field, dataset) for field in FILES if (path := locate(config, field))}


def _open(path: str, field: str, dataset: Dataset) -> _File:
    file = _regular(path, field)
    try:
        array = np.lib.format.open_memmap(file, mode="r")  # as numpy.load without pickles, but for one array only
    except Exception as error:  # its header is parsed as Python literals, and nonsense trips that up in many ways
        raise ConfigError(field, path, f"cannot be read as a .npy file ({error}); write it with numpy.save") from error
    if array.dtype.kind != "f":
        raise ConfigError(field, path, f"holds {array.dtype}; floating-point numbers are needed")
    N, K, counted = len(dataset.given_label), dataset.num_classes, dataset.source_rows
    fits = array.ndim == 2 and (array.shape[1] == K if field == "pred_probs" else array.shape[1] > 0)
    if fits and len(array) == counted:
        return _File(field, file, array, dataset.source_index)
    if fits and len(array) == N:
        return _File(field, file, array, np.arange(N))
    raise ConfigError(field, path, f"has the shape {_shape(*array.shape)}; {_expected(field, dataset)}")


def _expected(field: str, dataset: Dataset) -> str:
    N, K, counted, names = len(dataset.given_label), dataset.num_classes, dataset.source_rows, dataset.class_names
    width: int | str = K if field == "pred_probs" else "D"
    listed = f"{', '.join(names[:NAMED])}{', ...' if K > NAMED else ''}"
    columns = f", a column for each class in the order {listed}" if field == "pred_probs" else ""
    fewer = f", or {_shape(N, width)}, one for each of the images looked at" if counted != N else ""
    return f"expected {_shape(counted, width)}, a row for each row of the data{fewer}{columns}"


def _shape(*sides: int | str) -> str:
    return f"[{', '.join(map(str, sides))}]"


def _regular(path: str, field: str) -> Path:
    """Opening a pipe or a device would wait for ever."""
    file = existing_path(path, field)
    if not file.is_file():
        raise ConfigError(field, path, "is not a file; give a .npy file")
    return file


# -- their content ---------------------------------------------------------------------------------


def _probabilities(file: _File, given_label: Array) -> Generator[Progress, None, tuple[Array, dict[str, Any]]]:
    """Yields Progress; returns (probabilities float32 ``[N, K]``, what an EpochRecord says of them)."""
    N = len(file.rows)
    kept = np.empty((N, file.array.shape[1]), dtype=np.float32)
    least = float(np.finfo(file.array.dtype).smallest_subnormal)
    parts = []
    for start in range(0, N, ROWS):
        stop = min(start + ROWS, N)
        rows = file.rows[start:stop]
        part = file.array[rows].astype(np.float64)
        _check_probabilities(file, part, rows)
        kept[start:stop] = part = np.minimum(part, 1)  # a hair above it, by rounding
        parts.append(snapshot(part, given_label[start:stop], least))
        yield Progress(1, "read", stop, N)
    loss, margin, el2n, predicted = (np.concatenate(each) for each in zip(*parts, strict=True))
    facts = {"loss": _f16(loss), "margin": _f16(margin), "el2n": _f16(el2n), "predicted_label": freeze(predicted.astype(np.uint16))}
    return freeze(kept), facts | {"train_loss": float(loss.mean())}


def _check_probabilities(file: _File, part: Array, rows: Array) -> None:
    _check_finite(file, part, rows)
    total = part.sum(axis=1)
    wrong = np.flatnonzero((part < 0).any(axis=1) | (np.abs(total - 1) > SUM_TOLERANCE))
    if len(wrong):
        row, low = rows[wrong[0]], part[wrong[0]].min()
        what = f"holds {low:.4g}" if low < 0 else f"sums to {total[wrong[0]]:.4g}"
        raise file.refused(f"holds no probabilities: row {row} {what}, and should sum to 1; these look like logits: apply softmax first")


def _check_finite(file: _File, part: Array, rows: Array) -> None:
    wrong = np.flatnonzero(~np.isfinite(part).all(axis=1))
    if len(wrong):
        raise file.refused(f"has numbers that are not finite in row {rows[wrong[0]]}; compute that row again")


def snapshot(probability: Array, given_label: Array, least: float) -> tuple[Array, Array, Array, Array]:
    """(loss, margin, el2n float64 ``[n]``, predicted class int64 ``[n]``) of probabilities ``[n, K]``, as training records them of logits.

    Args:
        least: what a smaller probability counts as.
    """
    row = np.arange(len(given_label))
    log = np.log(np.maximum(probability, least))
    rival, distance = log.copy(), probability.copy()
    rival[row, given_label] = -np.inf
    distance[row, given_label] -= 1
    own = log[row, given_label]
    return 0 - own, own - rival.max(axis=1), np.linalg.norm(distance, axis=1), probability.argmax(axis=1)


def _embedding(file: _File) -> Generator[Progress, None, Array]:
    """Yields Progress; returns float32 ``[N, D]``."""
    N = len(file.rows)
    kept = np.empty((N, file.array.shape[1]), dtype=np.float32)
    for start in range(0, N, ROWS):
        stop = min(start + ROWS, N)
        with np.errstate(over="ignore"):  # what float32 cannot hold is said below
            kept[start:stop] = file.array[file.rows[start:stop]]
        _check_finite(file, kept[start:stop], file.rows[start:stop])
        yield Progress(1, "read", stop, N)
    return freeze(kept)


def _f16(values: Array) -> Array:
    """Clipped to float16's finite range."""
    return freeze(np.clip(values, F16.min, F16.max).astype(np.float16))
