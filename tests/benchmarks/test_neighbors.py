"""What the nearest neighbours of a million images take, in a process of its own: ``pytest -m benchmark -s``. No time is judged.

The embeddings are simulated: 10,000 centres with a spread around each that is half of theirs, most of it in few dimensions, and pairs
planted at a twentieth of that spread. Of 50,000 of them an index has to probe about as many lists as of the embeddings of a convolutional
network and a ResNet-18 trained on CIFAR-10. They are read from a file mapped into memory.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from explorer.analysis.neighbors import Neighbors, find_neighbors, nearest, normalise
from explorer.records import Array, Progress

pytestmark = pytest.mark.benchmark

ROOT = Path(__file__).parents[2]
CENTRES, PAIRS, JUDGED = 10_000, 2_000, 1_000
LIMIT = 1.6  # times the embeddings


def simulate(path: Path, count: int, dimensions: int) -> Array:
    """Write the embeddings; the planted pairs ``[PAIRS, 2]``."""
    rng = np.random.default_rng(0)
    scale = np.arange(1.0, dimensions + 1) ** -0.75
    centres = rng.normal(size=(CENTRES, dimensions)) * scale
    file = np.lib.format.open_memmap(path, mode="w+", dtype=np.float32, shape=(count, dimensions))
    for start in range(0, count, 50_000):
        some = slice(start, min(start + 50_000, count))
        at = rng.integers(CENTRES, size=some.stop - start)
        file[some] = 5 * (centres[at] + 0.5 * rng.normal(size=(len(at), dimensions)) * scale)
    pairs = rng.permutation(count)[: 2 * PAIRS].reshape(-1, 2)
    file[pairs[:, 1]] = file[pairs[:, 0]] + 5 * 0.025 * rng.normal(size=(PAIRS, dimensions)) * scale
    file.flush()
    return pairs


def memory(which: str) -> float:
    """Bytes this process holds (VmRSS), files mapped into memory included, or has held at most (VmHWM)."""
    return 1024 * float(Path("/proc/self/status").read_text().split(f"{which}:")[1].split()[0])


def measure(path: str) -> None:
    """Find the neighbours of every row of a file and write them beside it; print seconds and memory as JSON."""
    nearest(normalise(np.random.default_rng(0).normal(size=(5_000, 128)).astype(np.float32)))  # what is loaded late is not part of it
    embedding = np.load(path, mmap_mode="r")
    before, marks, found = memory("VmRSS"), [(time.perf_counter(), "build")], None
    for item in find_neighbors(embedding):
        if isinstance(item, Neighbors):
            found = item
        elif (step := _step(item, len(embedding))) != marks[-1][1]:
            marks.append((time.perf_counter(), step))
    marks.append((time.perf_counter(), "end"))
    peak = memory("VmHWM")
    assert found is not None
    np.savez(Path(path).with_suffix(".npz"), ids=found.ids, similarity=found.similarity)
    seconds = {name: round(later - start, 1) for (start, name), (later, _) in zip(marks, marks[1:], strict=False)}
    print(json.dumps({"search": found.search, "seconds": seconds, "added": (peak - before) / embedding.nbytes}))


def _step(progress: Progress, count: int) -> str:
    return "search" if progress.total == count else "tune" if progress.done == progress.total else "build"


def exact_neighbors(embedding: Array, queries: Array, k: int) -> Array:
    """int ``[Q, k]``: by numpy alone, a part of the rows at a time."""
    asked = embedding[queries] / np.linalg.norm(embedding[queries], axis=1, keepdims=True)
    best, at = np.full((len(queries), 0), -2.0), np.zeros((len(queries), 0), dtype=int)
    for start in range(0, len(embedding), 50_000):
        rows = embedding[start : start + 50_000]
        cosine = asked @ (rows / np.linalg.norm(rows, axis=1, keepdims=True)).T
        inside = (queries >= start) & (queries < start + len(rows))
        cosine[np.flatnonzero(inside), queries[inside] - start] = -2
        top = np.argpartition(-cosine, k, axis=1)[:, :k]
        best = np.concatenate([best, np.take_along_axis(cosine, top, axis=1)], axis=1)
        at = np.concatenate([at, top + start], axis=1)
        order = np.argsort(-best, axis=1)[:, :k]
        best, at = np.take_along_axis(best, order, axis=1), np.take_along_axis(at, order, axis=1)
    return at


@pytest.mark.parametrize(("count", "dimensions"), [(100_000, 512), (1_000_000, 128)])
def test_neighbours_of_many_images(count: int, dimensions: int, tmp_path: Path) -> None:
    path = tmp_path / "embeddings.npy"
    pairs = simulate(path, count, dimensions)
    code = f"from tests.benchmarks.test_neighbors import measure; measure({str(path)!r})"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    told: dict[str, Any] = json.loads(done.stdout)
    ids = np.load(path.with_suffix(".npz"))["ids"]
    queries = np.random.default_rng(1).choice(count, JUDGED, replace=False)
    expected = exact_neighbors(np.load(path, mmap_mode="r"), queries, 10)
    recall = np.mean([len({*row} & {*true}) / 10 for row, true in zip(ids[queries].tolist(), expected.tolist(), strict=True)])
    paired = np.mean([b in ids[a] or a in ids[b] for a, b in pairs])
    print(
        f"\n{count:,} x {dimensions}: {told['search']}; seconds {told['seconds']}; memory added {told['added']:.2f} times the embeddings; "
        f"recall@10 {recall:.4f} on {JUDGED:,} other images; planted pairs found {paired:.4f}"
    )
    assert told["added"] <= LIMIT
    assert recall >= 0.99
    assert paired >= 0.99
