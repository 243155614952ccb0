"""Published memorization: read from files nobody vouches for, put to the right images, and refused with the reason."""

from __future__ import annotations

import dataclasses
import io
import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from explorer import pipeline
from explorer.analysis.agreement import agreement
from explorer.config import MemorizationConfig, RunConfig
from explorer.records import DataError, Progress
from explorer.runs.execution import execute, scores_of
from explorer.runs.memorization import agreements, describe, execute_memorization, matching, memorizations, open_memorization
from explorer.runs.published import import_published
from explorer.runs.store import RunStore

NOISY = MemorizationConfig(train_size=60, width=1, models=2, epochs=1, device="cpu")
PLAIN = dataclasses.replace(NOISY, noise="none")
Whole = tuple[np.ndarray, np.ndarray]


@pytest.fixture
def root(fast_path: Path) -> Path:
    return fast_path / "runs"


@pytest.fixture(scope="module")
def whole() -> Whole:
    """(label, invented memorization) of every row of the source data, test images included."""
    from sklearn.datasets import load_digits

    label = load_digits().target.astype(np.int64)
    return label, np.linspace(-1, 1, len(label))


def test_published_scores_belong_to_the_rows_of_the_source(root: Path, fast_path: Path, whole: Whole) -> None:
    label, values = whole
    np.savez(fast_path / "infl_matrix.npz", tr_labels=label, tr_mem=values, tr_classidx_0=np.arange(3), infl_matrix_class0=np.zeros((3, 2)))
    stored = open_memorization(root, import_published(root, fast_path / "infl_matrix.npz", PLAIN))
    np.testing.assert_array_equal(stored.memorization, values[stored.source_index])
    assert (stored.status, stored.source, stored.models) == ("finished", "infl_matrix.npz", 0)
    assert stored.about["labels_checked"] is True
    assert np.isnan(stored.standard_error).all() and np.isnan(stored.inside).all() and not stored.n_inside.any()
    assert [(s.memorization_id, s.status, s.source) for s in memorizations(root)] == [
        (stored.memorization_id, "finished", "infl_matrix.npz")
    ]
    assert "published in infl_matrix.npz" in describe(stored)


def test_published_scores_are_compared_with_runs(root: Path, fast_path: Path, whole: Whole) -> None:
    store = RunStore(root)
    config = RunConfig(train_size=60, noise="none", model="mlp", width=1, epochs=2, device="cpu")
    for _ in execute(store, config):
        pass
    run = store.open(pipeline.identify(config))
    np.savez(fast_path / "scores.npz", memorization=whole[1])
    memorization_id = import_published(root, fast_path / "scores.npz", PLAIN)
    (stored,) = matching(root, run)
    assert stored.memorization_id == memorization_id
    assert agreements(stored, run)["aum"] == agreement(whole[1][run.source_index], -scores_of(run)["aum"])


def test_a_file_may_speak_of_some_images_only_and_of_one_several_times(root: Path, fast_path: Path, whole: Whole) -> None:
    some = pipeline.prepare(PLAIN).dataset.source_index[[7, 3, 7, 50]]
    np.savez(
        fast_path / "pairs.npz", tr_idx=some, tt_idx=np.arange(4), infl=np.ones(4), mem=np.array([0.5, 0.25, 0.5, 1.0], dtype=np.float32)
    )
    stored = open_memorization(root, import_published(root, fast_path / "pairs.npz", PLAIN))
    assert {int(n): float(stored.memorization[n]) for n in np.flatnonzero(np.isfinite(stored.memorization))} == {7: 0.5, 3: 0.25, 50: 1.0}
    assert stored.about["labels_checked"] is False


def test_index_and_memorization_in_any_order(root: Path, fast_path: Path, whole: Whole) -> None:
    order = np.random.default_rng(0).permutation(len(whole[0]))
    np.savez(fast_path / "ours.npz", index=order, memorization=whole[1][order], given_label=whole[0][order])
    stored = open_memorization(root, import_published(root, fast_path / "ours.npz", PLAIN))
    np.testing.assert_array_equal(stored.memorization, whole[1][stored.source_index])


def test_the_same_file_is_kept_once_and_another_beside_it(root: Path, fast_path: Path, whole: Whole) -> None:
    np.savez(fast_path / "one.npz", memorization=whole[1])
    first = import_published(root, fast_path / "one.npz", PLAIN)
    assert import_published(root, fast_path / "one.npz", PLAIN) == first
    np.savez(fast_path / "one.npz", memorization=-whole[1])
    assert import_published(root, fast_path / "one.npz", PLAIN) != first
    assert len({first, pipeline.identify(PLAIN), *(s.memorization_id for s in memorizations(root))}) == 3


def test_training_does_not_take_over_what_is_published(root: Path, fast_path: Path, whole: Whole) -> None:
    np.savez(fast_path / "one.npz", memorization=whole[1])
    import_published(root, fast_path / "one.npz", PLAIN)
    first = next(iter(execute_memorization(root, PLAIN)))
    assert isinstance(first, Progress) and first.done == 0


def refused(root: Path, path: Path, config: MemorizationConfig = PLAIN) -> str:
    with pytest.raises(DataError) as caught:
        import_published(root, path, config)
    assert not (root / "memorization").exists()
    return str(caught.value)


def test_another_order_of_the_images_is_refused(root: Path, fast_path: Path, whole: Whole) -> None:
    np.savez(fast_path / "f.npz", tr_labels=np.roll(whole[0], 1), tr_mem=whole[1])
    assert "another order" in refused(root, fast_path / "f.npz")


def test_labels_made_wrong_here_are_not_those_of_the_file(root: Path, fast_path: Path, whole: Whole) -> None:
    np.savez(fast_path / "f.npz", tr_labels=whole[0], tr_mem=whole[1])
    assert "differ from the data's on 12 of 60" in refused(root, fast_path / "f.npz", NOISY)


NAN = np.array([0.1, np.nan, 0.2])
FILES: dict[str, tuple[dict[str, np.ndarray], str]] = {
    "no array we know": ({"scores": np.zeros(3)}, "looked for tr_mem; or mem and tr_idx; or memorization and index; found scores"),
    "pairs without their index": ({"mem": np.zeros(3)}, "no array of memorization"),
    "NaN": ({"memorization": NAN}, "between -1 and 1; 1 values do not"),
    "too large": ({"memorization": np.array([0, 2, -3])}, "between -1 and 1; 2 values"),
    "smallest int8": ({"memorization": np.array([-128, 0, 1], dtype=np.int8)}, "between -1 and 1; 1 values"),
    "a matrix": ({"memorization": np.zeros((3, 2))}, "shape (3, 2)"),
    "one number": ({"memorization": np.array(0.5)}, "shape ()"),
    "text": ({"memorization": np.array(["a", "b"])}, "a single column of numbers"),
    "labels of another length": ({"memorization": np.zeros(3), "labels": np.zeros(4, dtype=int)}, "one for each of the 3"),
    "labels that are no whole numbers": ({"memorization": np.zeros(3), "labels": np.zeros(3)}, "whole numbers"),
    "an index of another length": ({"memorization": np.zeros(3), "index": np.arange(2)}, "one for each of the 3"),
    "two values for one image": ({"memorization": np.array([0.1, 0.2]), "index": np.array([5, 5])}, "more than one value"),
    "other images": ({"memorization": np.zeros(2), "index": np.array([10**6, 10**6 + 1])}, "nothing of any of these images"),
    "nothing": ({"memorization": np.zeros(0)}, "nothing of any of these images"),
}  # fmt: skip


@pytest.mark.parametrize("what", FILES)
def test_a_file_that_does_not_fit_is_refused_with_the_reason(root: Path, fast_path: Path, what: str) -> None:
    arrays, reason = FILES[what]
    np.savez(fast_path / "f.npz", **arrays)
    assert reason in refused(root, fast_path / "f.npz")


class Bomb:
    """Unpickling it would be seen."""

    exploded = False

    def __reduce__(self) -> tuple[Callable[..., None], tuple[object, ...]]:
        return setattr, (Bomb, "exploded", True)


def member(header: dict[str, object] | str, content: bytes = b"") -> bytes:
    """An .npy file with this header, whatever it claims."""
    file = io.BytesIO()
    if isinstance(header, dict):
        np.lib.format.write_array_header_1_0(file, header)  # type: ignore[arg-type]
    else:
        text = header.encode().ljust(118) + b"\n"
        file.write(b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text)
    return file.getvalue() + content


FLOATS = {"descr": "<f8", "fortran_order": False}
HOSTILE: dict[str, tuple[bytes, str]] = {
    "pickled objects": (member({**FLOATS, "descr": "|O", "shape": (1,)}, pickle.dumps([Bomb()])), "object"),
    "a shape far beyond its content": (member({**FLOATS, "shape": (10**15,)}, b"\0" * 8), "not as long as it says"),
    "a negative shape": (member({**FLOATS, "shape": (-1,)}, b"\0" * 8), "not as long as it says"),
    "no array": (b"hello", "not a NumPy array"),
    "nothing": (b"", "not a NumPy array"),
    "a header of nonsense": (member("{'descr': __import__('os'), "), "not a NumPy array"),
    "a cut header": (member({**FLOATS, "shape": (1,)})[:20], "not a NumPy array"),
    "a record type": (member({"descr": [("a", "<f8")], "fortran_order": False, "shape": (1,)}, b"\0" * 8), "a single column"),
}


@pytest.mark.parametrize("what", HOSTILE)
def test_nothing_in_a_hostile_file_is_run_or_believed(root: Path, fast_path: Path, what: str) -> None:
    content, reason = HOSTILE[what]
    with zipfile.ZipFile(fast_path / "f.npz", "w") as archive:
        archive.writestr("memorization.npy", content)
    assert reason in refused(root, fast_path / "f.npz")
    assert not Bomb.exploded


def test_a_member_too_large_is_refused_before_it_is_unpacked(root: Path, fast_path: Path) -> None:
    path = fast_path / "f.npz"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("memorization.npy", member({**FLOATS, "shape": (300_000_000,)}))
    lie = path.read_bytes()
    central = lie.rindex(b"PK\x01\x02")
    path.write_bytes(lie[: central + 24] + (2_400_000_128).to_bytes(4, "little") + lie[central + 28 :])
    assert "takes 2.4 GB" in refused(root, path)


@pytest.mark.parametrize("content", [b"", b"no zip", b"PK\x03\x04"])
def test_what_is_no_archive_is_refused(root: Path, fast_path: Path, content: bytes) -> None:
    (fast_path / "f.npz").write_bytes(content)
    assert "cannot be read as an .npz file" in refused(root, fast_path / "f.npz")
    assert "cannot be read as an .npz file" in refused(root, fast_path / "missing.npz")


def test_a_cut_or_changed_file_is_refused_or_read_right(root: Path, fast_path: Path, whole: Whole) -> None:
    """Wherever it is damaged, there is either a clear error or the very numbers."""
    np.savez_compressed(fast_path / "good.npz", memorization=whole[1])
    good = (fast_path / "good.npz").read_bytes()
    expected = open_memorization(root / "good", import_published(root / "good", fast_path / "good.npz", PLAIN)).memorization
    rng = np.random.default_rng(0)
    damaged = [good[:n] for n in rng.integers(0, len(good), 40)]
    for at in rng.integers(0, len(good), 150):
        damaged.append(good[:at] + bytes([good[at] ^ 0xFF]) + good[at + 1 :])
    refusals = 0
    for content in damaged:
        (fast_path / "good.npz").write_bytes(content)
        try:
            memorization_id = import_published(root, fast_path / "good.npz", PLAIN)
        except DataError:
            refusals += 1
        else:
            np.testing.assert_array_equal(open_memorization(root, memorization_id).memorization, expected)
    assert refusals > 150


def test_a_changed_header_is_refused_or_read(root: Path, fast_path: Path, whole: Whole) -> None:
    """Inside an archive that is whole: whatever the array says of itself, there is a clear error or numbers in range."""
    file = io.BytesIO()
    np.save(file, whole[1])
    good, rng = file.getvalue(), np.random.default_rng(1)
    for _ in range(300):
        at, value = int(rng.integers(0, 128)), int(rng.integers(0, 256))
        with zipfile.ZipFile(fast_path / "f.npz", "w") as archive:
            archive.writestr("memorization.npy", good[:at] + bytes([value]) + good[at + 1 :])
        try:
            stored = open_memorization(root, import_published(root, fast_path / "f.npz", PLAIN))
        except DataError:
            continue
        assert (np.abs(stored.memorization) <= 1).all()
