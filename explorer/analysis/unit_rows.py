"""The rows of an embedding with length 1, a few thousand at a time: what may be mapped into memory is never held a second time."""

from __future__ import annotations

import mmap
from typing import Any

import numpy as np

from explorer.records import Array

ROWS = 8_192  # read at a time
ROUNDING = 1e-6  # of a cosine, and of a length


class Directions:
    """The rows of an embedding ``[N, D]``, made float32 and of length 1 as they are asked for."""

    def __init__(self, embedding: Array, *, unit: bool = False) -> None:
        self.embedding, self.unit, self.shape = embedding, unit, embedding.shape

    def __len__(self) -> int:
        return len(self.embedding)

    def __getitem__(self, chosen: slice | Array | list[int]) -> Array:
        _let_go(self.embedding)
        rows = self.embedding[chosen]
        return np.ascontiguousarray(rows, dtype=np.float32) if self.unit else normalise(rows)


def normalise(embedding: Array) -> Array:
    """float32 ``[N, D]`` with rows of length 1, the same array where they are; a zero row stays zero and so is similar to nothing."""
    if embedding.dtype == np.float32 and embedding.flags.c_contiguous and all(_is_unit(embedding[part]) for part in chunks(len(embedding))):
        return np.asarray(embedding)
    unit = np.empty(embedding.shape, dtype=np.float32)
    for part in chunks(len(embedding)):
        _let_go(embedding)
        rows = np.ascontiguousarray(embedding[part], dtype=np.float32)
        length = np.linalg.norm(rows, axis=1, keepdims=True)
        np.divide(rows, np.where(length > 0, length, 1), out=unit[part])
    return unit


def _is_unit(rows: Array) -> bool:
    length = np.linalg.norm(rows, axis=1)
    return bool(((np.abs(length - 1) <= ROUNDING) | (length == 0)).all())


def _let_go(embedding: Array) -> None:
    """Give back the memory of a mapped file: what was read of it is read again when it is asked for."""
    mapped: Any = embedding
    while isinstance(mapped, np.ndarray):
        read_only = isinstance(mapped, np.memmap) and mapped.mode == "r"
        mapped = mapped.base
        if read_only and isinstance(mapped, mmap.mmap) and hasattr(mmap, "MADV_DONTNEED"):
            mapped.madvise(mmap.MADV_DONTNEED)


def chunks(count: int, size: int | None = None) -> list[slice]:
    size = ROWS if size is None else size
    return [slice(start, min(start + size, count)) for start in range(0, count, size)]
