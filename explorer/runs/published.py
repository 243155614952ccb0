"""Published memorization estimates, read from ``.npz`` files and kept beside our own. Nothing pickled is ever read."""

from __future__ import annotations

import hashlib
import zipfile
import zlib
from pathlib import Path
from typing import NamedTuple

import numpy as np

from explorer import pipeline
from explorer.analysis.memorization import Memorization
from explorer.config import MemorizationConfig
from explorer.data.catalogue import fingerprint
from explorer.records import Array, DataError
from explorer.runs.execution import about_run
from explorer.runs.memorization_files import COUNTS, MemorizationFolder

LARGEST = 2 * 10**9  # bytes of one array, unpacked
# (memorization, row in the source data or every row in order) as the files call them
NAMES = (("tr_mem", None), ("mem", "tr_idx"), ("memorization", "index"), ("memorization", None))
LABELS = ("tr_labels", "given_label", "labels")


class Published(NamedTuple):
    """memorization: float64 ``[P]`` in [-1, 1]. row: int64 ``[P]`` in the source data. given_label: int64 ``[P]`` or None."""

    memorization: Array
    row: Array
    given_label: Array | None


def import_published(root: Path | str, path: Path | str, config: MemorizationConfig) -> str:
    """Keep the estimate in a file for the images and labels that ``config`` names; returns its id.

    Images the file says nothing of are unknown (NaN). Where the file carries labels they must be the data's own, image by
    image: the same set comes in different orders.

    Raises:
        DataError: if the file cannot be used, or belongs to other images or labels. ConfigError: as for training.
    """
    path = Path(path).expanduser()
    config = pipeline.resolve(config)
    published = read_published(path)
    prepared = pipeline.prepare(config)
    rows = _positions(published, prepared.dataset.source_index, path.name)
    known = rows >= 0
    if published.given_label is not None:
        _check_labels(published.given_label[rows[known]], prepared.labels.given_label[known], path.name)
    N = len(rows)
    unknown = np.full(N, np.nan)
    estimate = Memorization(np.where(known, published.memorization[rows], np.nan), unknown, unknown, unknown)
    digest = hashlib.sha256(np.ascontiguousarray(estimate.memorization).tobytes()).hexdigest()
    folder = MemorizationFolder.of(root, config.run_id(f"{fingerprint(config)} from {path.name} {digest}"))
    with folder.lock():
        about = about_run(config, prepared)
        folder.write_about(config, {**about, "source": path.name, "labels_checked": published.given_label is not None})
        folder.write_table(prepared, estimate, dict.fromkeys(COUNTS, np.zeros(N, dtype=np.int64)))
    return folder.path.name


def _positions(published: Published, source_index: Array, file: str) -> Array:
    """int64 ``[N]``: where the file speaks of each image, -1 where it does not."""
    if len(published.row) == 0 or not np.isin(source_index, published.row).any():
        raise DataError(f"{file} says nothing of any of these images; is it for another data set?")
    order = np.argsort(published.row, kind="stable")
    at = np.searchsorted(published.row[order], source_index).clip(max=len(order) - 1)
    return np.where(published.row[order][at] == source_index, order[at], -1)


def _check_labels(theirs: Array, ours: Array, file: str) -> None:
    different = int((theirs != ours).sum())
    if different:
        raise DataError(
            f"{file}: its labels differ from the data's on {different:,} of {len(ours):,} images: another order of the images, "
            "another numbering of the classes, or noise added here (use noise none)"
        )


def read_published(path: Path) -> Published:
    """Read the arrays we know from an ``.npz`` file: those of Feldman and Zhang's, or memorization with or without index.

    An image may stand in several rows (their pair files repeat it for every test image it influences), with one value.

    Raises:
        DataError: naming what is wrong with the file, or which array it lacks.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            return _checked(*_chosen(archive, path.name), path.name)
    except (OSError, EOFError, zipfile.BadZipFile, zlib.error, RuntimeError) as error:  # the last: encrypted, or packed otherwise
        raise DataError(f"{path.name} cannot be read as an .npz file ({error}); is the download complete?") from error


def _chosen(archive: zipfile.ZipFile, file: str) -> tuple[Array, Array | None, Array | None]:
    names = {name.removesuffix(".npy") for name in archive.namelist() if name.endswith(".npy")}
    for values, index in NAMES:
        if values in names and (index is None or index in names):
            labels = next((name for name in LABELS if name in names), None)
            return tuple(None if name is None else _array(archive, name, file) for name in (values, index, labels))  # type: ignore[return-value]
    wanted = "; or ".join(" and ".join(name for name in pair if name) for pair in NAMES[:3])
    raise DataError(f"{file} has no array of memorization: looked for {wanted}; found {', '.join(sorted(names)[:10]) or 'no array at all'}")


def _array(archive: zipfile.ZipFile, name: str, file: str) -> Array:
    """One array ``[P]`` of numbers; its size is known before anything is unpacked, and objects are refused."""
    member = archive.getinfo(f"{name}.npy")
    if member.file_size > LARGEST:
        raise DataError(f"{file}: {name} takes {member.file_size / 1e9:.1f} GB; at most {LARGEST / 1e9:.0f} GB are read")
    with archive.open(member) as stream:
        try:
            version = np.lib.format.read_magic(stream)
            header = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
            shape, _, dtype = header(stream)
        except Exception as error:  # its header is parsed as Python literals, and nonsense trips that up in many ways
            raise DataError(f"{file}: {name} is not a NumPy array ({error})") from error
        if dtype.kind not in "iuf" or len(shape) != 1:
            raise DataError(f"{file}: {name} is {dtype} of shape {shape}; a single column of numbers is needed")
        content = stream.read()
    if len(content) != shape[0] * dtype.itemsize:
        raise DataError(f"{file}: {name} is not as long as it says; is the download complete?")
    return np.frombuffer(content, dtype)


def _checked(values: Array, index: Array | None, labels: Array | None, file: str) -> Published:
    rows = np.arange(len(values)) if index is None else index
    for name, array in (("the index", rows), ("the labels", labels)):
        if array is not None and (array.dtype.kind == "f" or len(array) != len(values)):
            raise DataError(f"{file}: {name} must be whole numbers, one for each of the {len(values):,} values")
    outside = ~((values >= -1) & (values <= 1))  # NaN is outside too
    if outside.any():
        raise DataError(f"{file}: memorization must lie between -1 and 1; {int(outside.sum()):,} values do not")
    order = np.argsort(rows, kind="stable")
    same = rows[order][1:] == rows[order][:-1]
    if (same & (values[order][1:] != values[order][:-1])).any():
        raise DataError(f"{file}: some images have more than one value")
    return Published(values.astype(np.float64), rows.astype(np.int64), None if labels is None else labels.astype(np.int64))
