"""Near-duplicates of a set of images: searched, calibrated, kept by content, and held against labels."""

from __future__ import annotations

import functools
import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from explorer.analysis.alignment import Pose
from explorer.analysis.calibration import Calibration, default_cut
from explorer.analysis.duplicates import Found
from explorer.analysis.neighbors import NearDuplicates
from explorer.analysis.verification import EXACT
from explorer.records import Array, Progress, StoreError
from explorer.runs import duplicates
from explorer.runs.duplicates import (
    FEWEST,
    PLANTED,
    DuplicateFolder,
    DuplicateSet,
    duplicates_id,
    execute_duplicates,
    expected_seconds,
    find_duplicates,
    flag,
    leaks,
    planted_count,
)
from tests.analysis.pictures import pictures

pytestmark = pytest.mark.usefixtures("one_thread")


@functools.cache
def images() -> tuple[Array, Array]:
    """150 training images, of which 140 is 5 mirrored and 141 is 6; 30 test images, of which 3 is 9 upside down, 4 is 10, and 5 is 6."""
    drawn = pictures(180).copy()
    train, test = drawn[:150], drawn[150:]
    train[140], train[141] = train[5, :, ::-1], train[6]
    test[3], test[4], test[5] = train[9, ::-1], train[10], train[6]
    return train, test


def found_in(steps: Iterator[Progress | DuplicateSet]) -> DuplicateSet:
    *progress, found = steps
    assert isinstance(found, DuplicateSet) and all(isinstance(item, Progress) for item in progress)
    return found


@functools.cache
def searched() -> DuplicateSet:
    return found_in(find_duplicates(*images()))


def pairs_of(found: Found) -> dict[tuple[int, int], float]:
    return dict(zip(zip(found.a.tolist(), found.b.tolist(), strict=True), found.likeness.tolist(), strict=True))


# -- searching --------------------------------------------------------------------------------------


def test_duplicates_within_training_and_between_training_and_test() -> None:
    found, pairs = searched(), pairs_of(searched().found)
    assert (found.images, found.first_test) == (180, 150)
    assert pairs[(5, 140)] > 2 and pairs[(9, 153)] > 2
    assert {pair for pair, value in pairs.items() if value == EXACT} == {(6, 141), (6, 155), (10, 154)}
    assert max(found.found.b) < 180  # the planted copies are not among them


def test_parts_are_within_training_and_across() -> None:
    found = searched()
    within, across = found.part(against_test=False), found.part(against_test=True)
    assert np.array_equal(within, (found.found.a < 150) & (found.found.b < 150))
    assert np.array_equal(across, (found.found.a < 150) & (found.found.b >= 150))
    assert not (within & across).any() and not (within | across).all()  # pairs of two test images are in neither


def test_planted_copies_calibrate_it() -> None:
    found = searched()
    assert len(found.planted_change) == len(found.planted_likeness) == planted_count(180) == FEWEST
    assert (found.planted_likeness > 0).mean() > 0.7
    assert (found.planted_likeness[found.planted_change == "mirrored"] > 0).all()
    assert np.array_equal(found.calibration.likeness, found.found.likeness)
    assert found.calibration.recall[-1] == (found.planted_likeness >= found.found.likeness[-1]).mean()


def test_copies_of_images_that_are_there_twice_count_as_found() -> None:
    """The source of a planted copy may be listed under another image with its bytes."""
    twice = np.concatenate([pictures(60), pictures(60)])
    found = found_in(find_duplicates(twice))
    assert np.isfinite(found.planted_likeness).mean() > 0.9
    flat = found_in(find_duplicates(np.full((40, 16, 16, 1), 90, np.uint8)))
    assert (flat.planted_likeness[flat.planted_change == "mirrored"] == EXACT).all()


@pytest.mark.parametrize("count", [0, 1, 2, 3])
def test_hardly_any_images(count: int) -> None:
    found = found_in(find_duplicates(pictures(3)[:count]))
    assert found.images == count and len(found.planted_likeness) == count
    assert len(found.found.a) <= count * (count - 1) / 2
    assert len(flag(found, np.zeros(count, dtype=int)).a) == 0


def test_an_empty_test_set_is_none() -> None:
    train = pictures(40)
    one, two = found_in(find_duplicates(train)), found_in(find_duplicates(train, train[:0]))
    assert pairs_of(one.found) == pairs_of(two.found) and two.images == two.first_test == 40


def test_how_many_are_planted() -> None:
    assert [planted_count(n) for n in (0, 7, 500, 2_000, 60_000)] == [0, 7, 100, 200, PLANTED]


def test_more_images_take_longer_and_beyond_a_limit_fewer_views_are_asked_for() -> None:
    seconds = [expected_seconds(n) for n in (100, 1_000, 10_000, 15_000)]
    assert seconds == sorted(seconds) and seconds[0] > 0 and expected_seconds(60_000) < 4 * 3.5**2 * expected_seconds(15_000)


# -- the id -----------------------------------------------------------------------------------------


def test_the_id_changes_with_a_pixel_a_shape_and_the_boundary() -> None:
    train, test = images()
    pixel, last = train.copy(), test.copy()
    pixel[-1, -1, -1, -1] ^= 1
    last[-1, 0, 0, 0] ^= 1
    both = np.concatenate([train, test])
    made = [
        duplicates_id(train), duplicates_id(pixel), duplicates_id(train, test), duplicates_id(train, last), duplicates_id(pixel, test),
        duplicates_id(both), duplicates_id(both[:149], both[149:]), duplicates_id(train.reshape(150, 16, 64, 3)), duplicates_id(train[:0]),
    ]  # fmt: skip
    assert len(set(made)) == len(made)
    assert all(len(name) == 12 and int(name, 16) >= 0 for name in made)


def test_equal_images_have_equal_ids_however_they_lie_in_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    train, test = images()
    assert duplicates_id(train.copy(), np.asfortranarray(test)) == duplicates_id(train, test)
    before = duplicates_id(train)
    monkeypatch.setattr(duplicates, "VERSION", duplicates.VERSION + 1)
    assert duplicates_id(train) != before


# -- against labels ---------------------------------------------------------------------------------


def test_flagged_pairs_against_brute_force() -> None:
    found, label = searched(), np.random.default_rng(0).integers(0, 3, 150)
    for cut in (None, -2.0, 3.0, np.inf):
        flagged = flag(found, label, cut)
        least = default_cut(found.calibration) if cut is None else cut
        expected = {pair: value for pair, value in pairs_of(found.found).items() if pair[1] < 150 and (value >= least or value == EXACT)}
        assert set(zip(flagged.a.tolist(), flagged.b.tolist(), strict=True)) == set(expected)
        assert_described(flagged, expected, label, label)
        for a, b, group in zip(flagged.a, flagged.b, flagged.group, strict=True):
            assert group <= min(a, b)
    assert flag(found, label, np.inf).a.tolist() == [6] and flag(found, label, np.inf).cut == 1
    assert flag(found, label, 0.0).cut == 0.5 and flag(found, label, -np.inf).cut == 0


def assert_described(flagged: NearDuplicates, expected: dict[tuple[int, int], float], label: Array, other: Array, shift: int = 0) -> None:
    for a, b, similarity, conflicting, exact in zip(*flagged[:5], strict=True):
        value = expected[(int(a), int(b) + shift)]
        assert conflicting == (label[a] != other[b]) and exact == (value == EXACT)
        assert similarity == pytest.approx(1 if exact else 1 / (1 + np.exp(-value)), abs=1e-6)


def test_leaks_against_brute_force() -> None:
    found, rng = searched(), np.random.default_rng(1)
    train_label, test_label = rng.integers(0, 3, 150), rng.integers(0, 3, 30)
    for cut in (None, -2.0, 3.0, np.inf):
        leaked = leaks(found, train_label, test_label, cut)
        least = default_cut(found.calibration) if cut is None else cut
        expected = {
            pair: value for pair, value in pairs_of(found.found).items() if pair[0] < 150 <= pair[1] and (value >= least or value == EXACT)
        }
        assert {(int(a), int(b) + 150) for a, b in zip(leaked.a, leaked.b, strict=True)} == set(expected)
        assert_described(leaked, expected, train_label, test_label, 150)
        assert np.array_equal(leaked.group, leaked.a)
    leaked = leaks(found, train_label, test_label, 2.0)
    assert {(6, 5), (9, 3), (10, 4)} <= set(zip(leaked.a.tolist(), leaked.b.tolist(), strict=True))


# -- what is kept -----------------------------------------------------------------------------------


def assert_equal_sets(one: DuplicateSet, two: DuplicateSet) -> None:
    assert (one.images, one.first_test) == (two.images, two.first_test)
    columns = [*zip(one.found[:4], two.found[:4], strict=True), *zip(one.found.pose, two.found.pose, strict=True)]
    columns += [*zip(one.calibration, two.calibration, strict=True), (one.planted_likeness, two.planted_likeness)]
    for x, y in columns:
        assert x.dtype == y.dtype
        np.testing.assert_array_equal(x, y)
    assert one.planted_change.tolist() == two.planted_change.tolist()


@pytest.mark.parametrize("count", [0, 1, 180])
def test_what_is_read_is_what_was_written(count: int, fast_path: Path) -> None:
    found = searched() if count == 180 else found_in(find_duplicates(pictures(3)[:count]))
    folder = DuplicateFolder.of(fast_path, "0123456789ab")
    assert folder.path == fast_path / "duplicates" / "0123456789ab" and not folder.exists()
    folder.write(found)
    assert folder.exists()
    assert_equal_sets(folder.read(), found)
    assert sorted(path.name for path in folder.path.iterdir()) == ["about.json", "calibration.parquet", "pairs.parquet", "planted.parquet"]


@pytest.fixture
def kept(fast_path: Path) -> DuplicateFolder:
    folder = DuplicateFolder.of(fast_path, "0123456789ab")
    folder.write(searched())
    return folder


def without_a_column(path: Path) -> None:
    table = pq.read_table(path)
    pq.write_table(table.drop_columns(table.column_names[:1]), path)


@pytest.mark.parametrize("name", ["pairs.parquet", "calibration.parquet", "planted.parquet", "about.json"])
@pytest.mark.parametrize("damage", ["cut short", "empty", "missing", "other content"])
def test_a_damaged_file_is_named_with_the_remedy(kept: DuplicateFolder, name: str, damage: str) -> None:
    path = kept.path / name
    if damage == "cut short":
        path.write_bytes(path.read_bytes()[:-9])
    elif damage == "empty":
        path.write_bytes(b"")
    elif damage == "missing":
        path.unlink()
    elif name == "about.json":
        path.write_text(json.dumps({"images": 180}))
    else:
        without_a_column(path)
    with pytest.raises(StoreError, match="0123456789ab cannot be read .*; delete the folder .* and search again"):
        kept.read()


@pytest.mark.parametrize(("column", "value"), [("a", -1), ("b", 10**6), ("b", 0)])
def test_pairs_of_images_that_are_not_there_are_refused(kept: DuplicateFolder, column: str, value: int) -> None:
    path = kept.path / "pairs.parquet"
    table = pq.read_table(path)
    changed = table[column].to_numpy().copy()
    changed[0] = value
    pq.write_table(table.set_column(table.column_names.index(column), column, pa.array(changed)), path)
    with pytest.raises(StoreError, match="images that were not searched"):
        kept.read()


def test_a_search_is_done_once(fast_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = found_in(execute_duplicates(fast_path, *images()))
    folder = DuplicateFolder.of(fast_path, duplicates_id(*images()))
    assert folder.exists()
    assert_equal_sets(folder.read(), first)
    monkeypatch.delattr(duplicates, "search")
    assert_equal_sets(found_in(execute_duplicates(fast_path, *images())), first)
    with pytest.raises(NameError):  # other images: another search
        found_in(execute_duplicates(fast_path, images()[0]))


def test_leaving_a_search_leaves_nothing_behind(fast_path: Path) -> None:
    steps = execute_duplicates(fast_path, *images())
    assert isinstance(next(steps), Progress) and isinstance(next(steps), Progress)
    steps.close()  # type: ignore[attr-defined]
    assert list(fast_path.rglob("*")) == []
    assert not DuplicateFolder.of(fast_path, duplicates_id(*images())).exists()


@pytest.mark.parametrize("written", range(4))
def test_killed_while_writing_it_does_not_exist_and_is_searched_again(
    fast_path: Path, monkeypatch: pytest.MonkeyPatch, written: int
) -> None:
    found, folder = searched(), DuplicateFolder.of(fast_path, "0123456789ab")
    real, left = duplicates.write, iter(range(written))

    def write(path: Path, fill: object) -> None:
        if next(left, None) is None:
            raise KeyboardInterrupt
        real(path, fill)  # type: ignore[arg-type]

    monkeypatch.setattr(duplicates, "write", write)
    with pytest.raises(KeyboardInterrupt):
        folder.write(found)
    assert not folder.exists() and len(list(folder.path.iterdir())) == written
    monkeypatch.undo()
    folder.write(found)
    assert_equal_sets(folder.read(), found)


def test_a_set_made_by_hand_is_kept_too(fast_path: Path) -> None:
    """-inf where a planted copy was missed, NaN where precision cannot be told."""
    pose = Pose(np.full((1, 2, 2), 0.5, np.float32), np.full((1, 2), 0.1, np.float32), np.array([-1], np.float32))
    found = Found(np.array([0]), np.array([1]), np.array([0.25]), np.array([False]), pose)
    calibration = Calibration(np.array([0.25]), np.array([1.0]), np.array([np.nan]), np.array([0.5]))
    made = DuplicateSet(2, 2, found, calibration, np.array(["turned", "mirrored"]), np.array([-np.inf, 3.0]))
    folder = DuplicateFolder.of(fast_path, "ab")
    folder.write(made)
    assert_equal_sets(folder.read(), made)
