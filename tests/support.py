"""Shared by the tests: small data, bit-exact comparison, waiting with a deadline, and the command line as another process."""

from __future__ import annotations

import csv
import multiprocessing
import os
import signal
import sys
import time
from collections.abc import Callable, Generator, Iterable
from dataclasses import fields
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch

from explorer.records import Array, Dataset, EpochRecord, Labels, PlantedTruth, Record, freeze

T = TypeVar("T")
NOT_FACTS = {"state", "train_seconds", "eval_seconds", "probe_seconds"}
NOT_IN_A_PLAIN_RUN = {  # scores that need ELR, or an extra pass
    "elr_target", "out_of_sample_confidence", "out_of_sample_margin", "confident_learning", "second_split_forgetting",
}  # fmt: skip
PROBED = {"susceptibility_drop", "susceptibility_drop_fixed_lr", "curvature", "sensitivity", "embedding"}


def toy_dataset(
    given_label: Array,
    class_names: tuple[str, ...],
    true_label: Array | None = None,
    *,
    planted: bool = False,
    images: Array | None = None,
    test_images: Array | None = None,
    test_label: Array | None = None,
) -> Dataset:
    """A data set of these labels; random 8x8 grey images unless given."""
    N = len(given_label)
    rng = np.random.default_rng(1)
    truth = PlantedTruth(np.full(N, "typical"), np.full(N, -1), np.full(N, "")) if planted else None
    return Dataset(
        name="toy",
        class_names=class_names,
        train_images=freeze(rng.integers(0, 256, (N, 8, 8, 1), dtype=np.uint8) if images is None else images),
        given_label=freeze(np.asarray(given_label, dtype=np.int64)),
        true_label=None if true_label is None else freeze(np.asarray(true_label, dtype=np.int64)),
        source_index=freeze(np.arange(N)),
        test_images=freeze(rng.integers(0, 256, (10, 8, 8, 1), dtype=np.uint8) if test_images is None else test_images),
        test_label=freeze(np.arange(10) % len(class_names) if test_label is None else test_label),
        test_is_reference=True,
        planted=truth,
    )


def toy_labels(given: Array, true: Array | None) -> Labels:
    wrong = None if true is None else given != true
    origin = np.full(len(given), "") if wrong is None else np.where(wrong, "flipped", "")
    return Labels(given, true, wrong, origin, 0.0, None if wrong is None else float(wrong.mean()), None, None)


def names(K: int) -> tuple[str, ...]:
    return tuple(f"class {k}" for k in range(K))


# -- bit-exact comparison --------------------------------------------------------------------------


def bits(value: Any) -> bytes | None:
    """The exact content of a number or an array; NaN equals NaN and -0.0 differs from 0.0."""
    return None if value is None else np.asarray(value).dtype.str.encode() + np.asarray(value).tobytes()


def facts_of(record: EpochRecord, *, without: Iterable[str] = ()) -> dict[str, bytes | None]:
    """Everything a record says except how long it took and its state."""
    left_out = NOT_FACTS | set(without)
    return {f.name: bits(getattr(record, f.name)) for f in fields(record) if f.name not in left_out}


def epoch_records(records: Iterable[Record]) -> list[EpochRecord]:
    return [record for record in records if isinstance(record, EpochRecord)]


def assert_same_epochs(one: Iterable[Record], other: Iterable[Record], *, without: Iterable[str] = ()) -> None:
    a, b = epoch_records(one), epoch_records(other)
    assert [r.epoch for r in a] == [r.epoch for r in b]
    for left, right in zip(a, b, strict=True):
        left_facts, right_facts = facts_of(left, without=without), facts_of(right, without=without)
        assert [n for n in left_facts if left_facts[n] != right_facts[n]] == [], f"epoch {left.epoch} differs"


def assert_same_tensors(one: Any, other: Any) -> None:
    """Nested dicts and lists of tensors and plain values, equal to the last bit."""
    if isinstance(one, torch.Tensor):
        assert one.dtype == other.dtype
        assert bits(one.detach().cpu().numpy()) == bits(other.detach().cpu().numpy())
    elif isinstance(one, dict):
        assert one.keys() == other.keys()
        for key in one:
            assert_same_tensors(one[key], other[key])
    elif isinstance(one, (list, tuple)):
        assert len(one) == len(other)
        for left, right in zip(one, other, strict=True):
            assert_same_tensors(left, right)
    else:
        assert one == other


def read_csv(path: Path) -> list[dict[str, str]]:
    """Rows as text, without the columns that hold times."""
    with open(path, newline="") as file:
        return [{name: text for name, text in row.items() if not name.endswith("_seconds")} for row in csv.DictReader(file)]


def table_bits(path: Path) -> dict[str, Any]:
    """Each column of a Parquet file, floats as their bits."""
    table: pa.Table = pq.read_table(path)
    return {
        name: table[name].to_numpy().tobytes() if pa.types.is_floating(table[name].type) else table[name].to_pylist()
        for name in table.column_names
    }


def assert_same_run(one: Path, other: Path) -> None:
    """Two run folders hold the same numbers, bit for bit; only times may differ."""
    from explorer.training.state import read_state

    def kept(folder: Path) -> set[str]:
        return {str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file() and p.name != "lock"}

    assert kept(one) == kept(other)
    for left, right in zip(read_csv(one / "epochs.csv"), read_csv(other / "epochs.csv"), strict=True):
        assert {name: (left[name], right[name]) for name in left if left[name] != right[name]} == {}, f"epoch {left['epoch']} differs"
    for name in sorted(kept(one)):
        if name.endswith(".npz"):
            with np.load(one / name) as a, np.load(other / name) as b:
                assert a.files == b.files
                assert [key for key in a.files if bits(a[key]) != bits(b[key])] == [], name
        elif name.endswith(".parquet"):
            assert table_bits(one / name) == table_bits(other / name), name
        elif name.endswith(".npy"):
            assert (one / name).read_bytes() == (other / name).read_bytes(), name
    assert_same_tensors(read_state((one / "checkpoint.pt").read_bytes()), read_state((other / "checkpoint.pt").read_bytes()))


# -- waiting, and other processes -------------------------------------------------------------------


def wait_for(what: str, condition: Callable[[], object], trouble: Callable[[], str] = lambda: "", seconds: float = 30.0) -> None:
    """Until ``condition()``; fails at once with what ``trouble()`` says, or when the deadline has passed."""
    deadline = time.monotonic() + seconds
    while not condition():
        problem = trouble()
        assert not problem, f"while waiting for {what}: {problem}"
        assert time.monotonic() < deadline, f"{what} did not happen within {seconds:g} s"
        time.sleep(0.005)


def share_processors() -> None:
    """Beside other workers of pytest-xdist a process counts one processor as its own, and so trains with one thread."""
    if "PYTEST_XDIST_WORKER" in os.environ:
        os.cpu_count = lambda: 1


def command_line_process(arguments: list[str], output: Path) -> ForkServerProcess:
    """The command line in a process of its own, started; what it prints goes to ``output``.out and .err.

    It is forked from a server that has done the imports once, which takes longer than the run.
    """
    context = multiprocessing.get_context("forkserver")
    ours = ["tests.support", "explorer.__main__", "explorer.runs.execution", "explorer.training.loop"]
    context.set_forkserver_preload([*ours, "torch._dynamo", "sklearn.datasets", "faiss"])
    process = context.Process(target=_command_line, args=(arguments, str(output)))
    process.start()
    return process


def interrupted(arguments: list[str], output: Path, begun: Callable[[], bool]) -> tuple[int | None, str, str]:
    """Press Ctrl-C in the command line once it has ``begun``: (exit status, what it printed, what it said on stderr)."""
    child = command_line_process(arguments, output)
    try:
        wait_for(
            "the first epochs", begun, lambda: "" if child.is_alive() else f"ended: {output.with_suffix('.err').read_text()}", seconds=60
        )
        os.kill(child.pid or 0, signal.SIGINT)
        child.join(30)
    finally:
        child.kill()
        child.join(30)
    return child.exitcode, output.with_suffix(".out").read_text(), output.with_suffix(".err").read_text()


def _command_line(arguments: list[str], output: str) -> None:
    for stream, descriptor in (("out", 1), ("err", 2)):
        os.dup2(os.open(f"{output}.{stream}", os.O_WRONLY | os.O_CREAT | os.O_TRUNC), descriptor)
    share_processors()
    from explorer.__main__ import main

    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background job ignores Ctrl-C, and so would its children
    sys.exit(main(arguments))


def returned(generator: Generator[object, None, T]) -> T:
    """What a generator returns when all it yields has been taken."""
    while True:
        try:
            next(generator)
        except StopIteration as end:
            return end.value
