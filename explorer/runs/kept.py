"""Read back what a finished run wrote down because it takes long to compute: neighbour disagreement and near-duplicates."""

from __future__ import annotations

import math

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from explorer.analysis.neighbors import NearDuplicates
from explorer.records import Array, StoreError
from explorer.runs.files import RunFolder


def kept_score(folder: RunFolder, name: str) -> Array | None:
    """float64 ``[N]``: a score as a finished run wrote it down, or None where it did not.

    Raises:
        StoreError: for a file that cannot be read.
    """
    table = _columns(folder, "examples.parquet", (name,))
    return None if table is None or table[name].null_count else np.asarray(table[name].to_numpy(), dtype=np.float64)


def kept_pairs(folder: RunFolder, source_index: Array) -> NearDuplicates | None:
    """The pairs a finished run flagged, or None where it looked for none. The cut is not kept: NaN.

    Args:
        source_index: int ``[N]`` of the run; the file names images by it.

    Raises:
        StoreError: for a file that cannot be read.
    """
    table = _columns(folder, "near_duplicates.parquet", ("a", "b", "similarity", "conflicting", "group", "exact"))
    if table is None:
        return None
    column = {name: table[name].to_numpy() for name in table.column_names}
    order = np.argsort(source_index)

    def position(index: Array) -> Array:
        at = np.minimum(np.searchsorted(source_index, index, sorter=order), len(order) - 1)
        return np.where(source_index[order[at]] == index, order[at], -1)

    a, b = position(column["a"]), position(column["b"])
    if ((a < 0) | (b < 0)).any():
        raise StoreError(f"run {folder.run_id}: near_duplicates.parquet names images the run does not have; run it again")
    return NearDuplicates(a, b, column["similarity"], column["conflicting"], column["exact"], position(column["group"]), math.nan)


def _columns(folder: RunFolder, file: str, names: tuple[str, ...]) -> pa.Table | None:
    """Some columns of a Parquet file of the run; None where the file, or one of them, is not there."""
    path = folder.path / file
    if not path.exists():
        return None
    try:
        if not set(names) <= set(pq.read_schema(path).names):
            return None
        return pq.read_table(path, columns=list(names))
    except (OSError, ValueError, pa.ArrowException) as error:
        raise StoreError(f"run {folder.run_id}: {file} cannot be read ({type(error).__name__}: {error}); run it again") from error
