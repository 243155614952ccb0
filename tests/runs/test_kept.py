"""What a finished run wrote down is what would be computed again."""

from __future__ import annotations

import math
import shutil
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from explorer.analysis.neighbors import NearDuplicates
from explorer.pipeline import Prepared
from explorer.records import StoreError
from explorer.runs.execution import duplicates_of, scores_of
from explorer.runs.files import RunFolder
from explorer.runs.kept import kept_pairs, kept_score
from explorer.runs.store import RunStore
from tests.support import returned


@pytest.fixture
def folder(finished: tuple[RunStore, str], tmp_path: Path) -> RunFolder:
    """A copy of the finished tiny run."""
    store, run_id = finished
    shutil.copytree(store.root / run_id, tmp_path / run_id)
    return RunFolder(tmp_path / run_id)


def test_a_kept_score_is_the_computed_one(folder: RunFolder) -> None:
    computed = scores_of(folder.read("finished"))
    for name, values in computed.items():
        kept = kept_score(folder, name)
        assert kept is not None
        np.testing.assert_array_equal(kept, values)


def test_kept_pairs_are_the_computed_ones(folder: RunFolder, prepared: Prepared) -> None:
    run = folder.read("finished")
    computed = returned(duplicates_of(folder.path.parent, run, prepared.dataset))
    assert computed is not None
    folder.finish({}, computed)
    kept = kept_pairs(folder, run.source_index)
    assert kept is not None and math.isnan(kept.cut)
    for name in ("a", "b", "similarity", "conflicting", "exact", "group"):
        np.testing.assert_array_equal(getattr(kept, name), getattr(computed, name), err_msg=name)


def test_kept_pairs_are_named_by_position_whatever_the_order_of_the_data(folder: RunFolder) -> None:
    run = folder.read("finished")
    one = np.ones(2, dtype=bool)
    pairs = NearDuplicates(np.array([0, 3]), np.array([7, 5]), np.array([0.9, 0.8], np.float32), one, ~one, np.array([0, -1]), 0.7)
    folder.finish({}, pairs)
    shuffle = np.random.default_rng(0).permutation(len(run.source_index))
    place = np.argsort(shuffle)
    kept = kept_pairs(folder, run.source_index[shuffle])
    assert kept is not None
    assert (kept.a.tolist(), kept.b.tolist(), kept.group.tolist()) == (place[[0, 3]].tolist(), place[[7, 5]].tolist(), [place[0], -1])


def test_what_was_not_written_down_is_none(folder: RunFolder) -> None:
    (folder.path / "near_duplicates.parquet").unlink(missing_ok=True)
    assert kept_pairs(folder, np.arange(200)) is None
    assert kept_score(folder, "no_such_score") is None


def test_a_score_with_gaps_is_not_taken(folder: RunFolder) -> None:
    table = pq.read_table(folder.path / "examples.parquet")
    pq.write_table(table.append_column("knn", pa.array([None] * table.num_rows, pa.float64())), folder.path / "examples.parquet")
    assert kept_score(folder, "knn") is None


def test_damage_is_named(folder: RunFolder) -> None:
    run = folder.read("finished")
    folder.finish({}, NearDuplicates(*(np.zeros(0, dtype=int) for _ in range(6)), 0.7))
    with pytest.raises(StoreError, match="names images the run does not have"):
        one = np.zeros(1, dtype=int)
        folder.finish({}, NearDuplicates(one, one + 1, one / 2, one > 0, one > 0, one - 1, 0.7))
        kept_pairs(folder, run.source_index[2:])
    (folder.path / "near_duplicates.parquet").write_bytes(b"PAR1")
    with pytest.raises(StoreError, match=r"near_duplicates\.parquet cannot be read"):
        kept_pairs(folder, run.source_index)
