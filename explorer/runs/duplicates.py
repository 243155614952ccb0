"""Near-duplicates of a set of images: searched once, calibrated on copies planted among them, kept by content.

``<root>/duplicates/<id>/`` belongs to the images, not to a run: every run on the same images reads it. It holds

pairs.parquet        a, b (positions in the images searched), likeness, exact, and the pose that lays b over a
calibration.parquet  likeness, pairs, precision, recall: see ``analysis.calibration``
planted.parquet      change, likeness: what was planted, and how alike to its source it was found
about.json           number of images, first test image, version
"""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from explorer.analysis.alignment import Pose
from explorer.analysis.appearance import views
from explorer.analysis.calibration import Calibration, calibrate, default_cut
from explorer.analysis.duplicates import Found, search, similarity_of
from explorer.analysis.groups import grouped
from explorer.analysis.neighbors import NearDuplicates
from explorer.analysis.verification import EXACT
from explorer.data.copies import Copies, changed_copies
from explorer.records import Array, Progress, StoreError
from explorer.runs.files import write
from explorer.runs.processors import spare_processors

VERSION = 3  # raise it whenever the same images would give other pairs
PLANTED = 600  # copies, at most; a tenth of the images where that is fewer, but FEWEST
FEWEST = 100
COMPARED, LOOKED_UP, AGAINST = 0.8e-3, 0.4e-3, 1.6e-7  # seconds: of an image, of it in all views, of every two images in them


@dataclass(frozen=True, slots=True, eq=False)
class DuplicateSet:
    """What a search found among N images, of which those from position ``first_test`` on are test images.

    found: every verified pair, flagged or not. planted_change ``[n]``, planted_likeness ``[n]``: the planted copies; -inf where missed.
    """

    images: int
    first_test: int
    found: Found
    calibration: Calibration
    planted_change: Array
    planted_likeness: Array

    def part(self, *, against_test: bool) -> Array:
        """bool ``[P]``: the pairs within the training set, or those between a training and a test image (a is the training image)."""
        crosses = (self.found.a < self.first_test) & (self.found.b >= self.first_test)
        return crosses if against_test else self.found.b < self.first_test


def duplicates_id(train_images: Array, test_images: Array | None = None) -> str:
    """Twelve hexadecimal digits that name the images searched: equal images, equal id."""
    digest = hashlib.blake2b(f"{VERSION} {train_images.shape} {None if test_images is None else test_images.shape}".encode(), digest_size=6)
    for images in (train_images, test_images):
        if images is not None:
            digest.update(np.ascontiguousarray(images).data)
    return digest.hexdigest()


def find_duplicates(train_images: Array, test_images: Array | None = None, extra: Array | None = None) -> Iterator[Progress | DuplicateSet]:
    """Search and calibrate; yield Progress and, last, one DuplicateSet.

    Args:
        train_images, test_images: uint8 ``[.., H, W, C]`` of one shape. extra: int ``[P, 2]``, pairs to verify besides.
    """
    images, copies = _with_copies(train_images, test_images)
    found = None
    for item in search(images, extra):
        if isinstance(item, Found):
            found = item
        else:
            yield item
    assert found is not None  # the last record
    count = len(images) - len(copies.source)
    planted = _planted_likeness(found, copies.source, count)
    own = found.taken(found.b < count)
    yield DuplicateSet(count, len(train_images), own, calibrate(own.likeness, own.exact, planted, count), copies.change, planted)


def _with_copies(train_images: Array, test_images: Array | None) -> tuple[Array, Copies]:
    """All images in one array, the planted copies last."""
    parts = [train_images] if test_images is None else [train_images, test_images]
    count = sum(map(len, parts))
    images = np.empty((count + planted_count(count), *train_images.shape[1:]), dtype=np.uint8)
    np.concatenate(parts, out=images[:count])
    copies = changed_copies(images[:count], planted_count(count))
    images[count:] = copies.images
    return images, copies


def _planted_likeness(found: Found, source: Array, count: int) -> Array:
    """float64 ``[n]``: how alike to its source each copy, from position ``count`` on, was found; -inf where it was not.

    Of images with the same bytes the first stands for all: so they are searched.
    """
    first = np.arange(count + len(source))
    first[found.b[found.exact]] = found.a[found.exact]
    likeness = dict(zip(zip(found.a.tolist(), found.b.tolist(), strict=True), found.likeness.tolist(), strict=True))
    pairs = np.sort(np.stack([first[source], first[count:]], axis=1), axis=1).tolist()
    return np.array([EXACT if a == b else likeness.get((a, b), -np.inf) for a, b in pairs])


def expected_seconds(count: int) -> float:
    """About how long a search among ``count`` images takes one core of a desktop machine, the planted copies included."""
    images = count + planted_count(count)
    share = len(views(images)) / len(views())
    return 1.0 + images * (COMPARED + share * LOOKED_UP) + share * AGAINST * images**2


def planted_count(count: int) -> int:
    """How many copies are planted among ``count`` images."""
    return min(count, PLANTED, max(FEWEST, count // 10))


def flag(duplicates: DuplicateSet, given_label: Array, cut: float | None = None) -> NearDuplicates:
    """The training pairs at or above a cut on likeness, grouped; by default the ``default_cut``.

    Args:
        given_label: int ``[N]`` of the training images.
    """
    found, similarity = _flagged(duplicates, cut, against_test=False)
    group = grouped(found.a, found.b, found.likeness, duplicates.first_test).group
    conflicting = given_label[found.a] != given_label[found.b]
    return NearDuplicates(found.a, found.b, found.similarity, conflicting, found.exact, group, similarity)


def leaks(duplicates: DuplicateSet, train_label: Array, test_label: Array, cut: float | None = None) -> NearDuplicates:
    """The flagged pairs of a training image a and a test image b (its position in the test set); group is the training image."""
    found, similarity = _flagged(duplicates, cut, against_test=True)
    b = found.b - duplicates.first_test
    return NearDuplicates(found.a, b, found.similarity, train_label[found.a] != test_label[b], found.exact, found.a, similarity)


def _flagged(duplicates: DuplicateSet, cut: float | None, *, against_test: bool) -> tuple[Found, float]:
    """(the pairs at or above a cut, exact copies whatever the cut; the similarity of the cut)."""
    cut = default_cut(duplicates.calibration) if cut is None else cut
    found = duplicates.found
    chosen = duplicates.part(against_test=against_test) & ((found.likeness >= cut) | found.exact)
    return found.taken(chosen), float(similarity_of(np.array(cut)))


# -- what is kept -----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class DuplicateFolder:
    """The files of one search."""

    path: Path

    @staticmethod
    def of(root: Path | str, duplicates_id: str) -> DuplicateFolder:
        return DuplicateFolder(Path(root) / "duplicates" / duplicates_id)

    def exists(self) -> bool:
        return (self.path / "about.json").exists()

    def write(self, duplicates: DuplicateSet) -> None:
        """about.json comes last: a folder with it is complete."""
        self.path.mkdir(parents=True, exist_ok=True)
        found, pose = duplicates.found, duplicates.found.pose
        pairs = {"a": found.a, "b": found.b, "likeness": found.likeness, "exact": found.exact}
        pairs |= {f"matrix_{i}{j}": pose.matrix[:, i, j] for i in (0, 1) for j in (0, 1)}
        pairs |= {"down": pose.shift[:, 0], "right": pose.shift[:, 1], "sign": pose.sign}
        self._write("pairs", pairs)
        self._write("calibration", duplicates.calibration._asdict())
        self._write("planted", {"change": duplicates.planted_change, "likeness": duplicates.planted_likeness})
        about = {"images": duplicates.images, "first_test": duplicates.first_test, "version": VERSION}
        write(self.path / "about.json", lambda file: file.write(json.dumps(about).encode()))

    def _write(self, name: str, columns: dict[str, Array]) -> None:
        table = pa.table({key: pa.array(column, pa.string() if column.dtype.kind == "U" else None) for key, column in columns.items()})
        write(self.path / f"{name}.parquet", lambda file: pq.write_table(table, file))

    def read(self) -> DuplicateSet:
        """Raises StoreError for a file that is missing or damaged."""
        with self._readable():
            about = json.loads((self.path / "about.json").read_text())
            pairs, calibration, planted = (self._read(name) for name in ("pairs", "calibration", "planted"))
            matrix = np.stack([pairs[f"matrix_{i}{j}"] for i in (0, 1) for j in (0, 1)], axis=1).reshape(-1, 2, 2)
            pose = Pose(matrix, np.stack([pairs["down"], pairs["right"]], axis=1), pairs["sign"])
            found = Found(pairs["a"], pairs["b"], pairs["likeness"], pairs["exact"], pose)
            images, first_test = int(about["images"]), int(about["first_test"])
            if not (0 <= first_test <= images and ((found.a >= 0) & (found.a < found.b) & (found.b < images)).all()):
                raise ValueError("pairs.parquet names images that were not searched")
            return DuplicateSet(images, first_test, found, Calibration(**calibration), planted["change"], planted["likeness"])
        raise AssertionError  # unreachable: _readable raises

    def _read(self, name: str) -> dict[str, Any]:
        table = pq.read_table(self.path / f"{name}.parquet")
        return {column: table[column].to_numpy() for column in table.column_names}

    @contextlib.contextmanager
    def _readable(self) -> Iterator[None]:
        try:
            yield
        except (OSError, ValueError, KeyError, TypeError, pa.ArrowException) as error:
            cause = f"duplicates {self.path.name} cannot be read ({error})"
            raise StoreError(f"{cause}; delete the folder {self.path} and search again") from error


def execute_duplicates(root: Path | str, train_images: Array, test_images: Array | None = None) -> Iterator[Progress | DuplicateSet]:
    """As ``find_duplicates``, read from the store where it was done before, and kept there when it is done."""
    folder = DuplicateFolder.of(root, duplicates_id(train_images, test_images))
    if folder.exists():
        yield folder.read()
        return
    spare_processors()
    for item in find_duplicates(train_images, test_images):
        if isinstance(item, DuplicateSet):
            folder.write(item)
        yield item
