"""How well near-duplicates are found, on real images with planted copies: ``pytest -m benchmark -s -k duplicates``. Judges no time."""

from __future__ import annotations

import resource
import time
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest

from explorer.analysis.calibration import cut_for, default_cut
from explorer.analysis.duplicates import Found, search
from explorer.analysis.neighbors import nearest, normalise
from explorer.config import RunConfig
from explorer.data import catalogue
from explorer.records import Array
from explorer.runs.duplicates import DuplicateSet, find_duplicates
from tests.benchmarks.changes import HARD, LIGHT, WILD, Change, Planted, plant

pytestmark = pytest.mark.benchmark

DATA = Path(__file__).resolve().parents[3] / "shared" / "data"
ORIGINALS, EACH, EXTRA = 5000, 100, 0.05


class Quality(NamedTuple):
    average_precision: float
    best_f1: float
    recall: dict[str, int]  # of EACH copies of a kind, at EXTRA pairs that were not planted


def originals(name: str) -> Array:
    """The first images of a real test set; of ``planted``, drawn ones that are no copies."""
    if name == "planted":
        drawn = catalogue.load(RunConfig(dataset="planted", train_size=2700))
        assert drawn.planted is not None
        return drawn.train_images[drawn.planted.partner < 0][:2500]
    if not (DATA / name).is_dir():
        pytest.skip(f"no real data at {DATA / name}")
    return catalogue.load(RunConfig(dataset=str(DATA / name))).test_images[:ORIGINALS]


def judged(a: Array, b: Array, likeness: Array, planted: Planted) -> Quality:
    """Pairs ranked by likeness against what was planted; a real duplicate among the originals counts as an error too."""
    place = {(int(s), planted.originals + n): n for n, s in enumerate(planted.source)}
    order = np.argsort(-likeness, kind="stable")
    copy = np.array([place.get((int(i), int(j)), -1) for i, j in zip(a[order], b[order], strict=True)])
    hit = copy >= 0
    true, rank = np.cumsum(hit), np.arange(1, len(hit) + 1)
    precision, recall = true / rank, true / len(planted.source)
    found = set(copy[: np.searchsorted(np.cumsum(~hit), EXTRA * len(planted.source), side="right")].tolist())
    kinds = {str(kind): sum(n in found for n in np.flatnonzero(planted.change == kind)) for kind in dict.fromkeys(planted.change)}
    return Quality(
        float(precision[hit].sum() / len(planted.source)), float((2 * precision * recall / (precision + recall + 1e-12)).max()), kinds
    )


def found_by(planted: Planted) -> tuple[Found, float, float]:
    """(pairs, CPU seconds, megabytes that the largest process size grew by)."""
    before, start = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.process_time()
    *_, found = search(planted.images)
    assert isinstance(found, Found)
    return found, time.process_time() - start, (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024


@pytest.mark.parametrize("name", ["cifar10", "fashion_mnist", "planted"])
@pytest.mark.parametrize("changes", [LIGHT, HARD, WILD, LIGHT | HARD], ids=["light", "hard", "wild", "light and hard"])
def test_duplicates_average_precision(name: str, changes: dict[str, Change]) -> None:
    planted = plant(originals(name), changes, EACH)
    found, seconds, megabytes = found_by(planted)
    ours = judged(found.a, found.b, found.likeness, planted)
    pixels = nearest(normalise(planted.images.reshape(len(planted.images), -1).astype(np.float32)), 6)
    a, b = np.repeat(np.arange(len(planted.images)), 6), pixels.ids.ravel()
    once = a < b
    theirs = judged(a[once], b[once], pixels.similarity.ravel()[once], planted)
    print(f"\n{name}: average precision {ours.average_precision:.3f}, best F1 {ours.best_f1:.3f} (raw pixels "
          f"{theirs.average_precision:.3f}, {theirs.best_f1:.3f}); {seconds:.1f} CPU-s, {megabytes:.0f} MB; {ours.recall}")  # fmt: skip
    assert ours.average_precision > theirs.average_precision


@pytest.mark.parametrize("name", ["cifar10", "fashion_mnist", "planted"])
def test_duplicates_calibration_is_honest(name: str) -> None:
    """Wanted precision beside the realised one, by the estimate alone and with the default cut, which never goes below even odds; on
    photographs real duplicates among the originals count as errors."""
    planted = plant(originals(name), LIGHT, EACH)
    *_, found = find_duplicates(planted.images)
    assert isinstance(found, DuplicateSet)
    true = {(int(s), planted.originals + n) for n, s in enumerate(planted.source)}
    real = np.array([pair in true for pair in zip(found.found.a.tolist(), found.found.b.tolist(), strict=True)])
    for wanted in (0.9, 0.95, 0.99):
        for how, cut in (("estimate", cut_for), ("default cut", default_cut)):
            flagged = (found.found.likeness >= cut(found.calibration, wanted)) | found.found.exact
            recall = real[flagged].sum() / len(true)
            print(f"\n{name}, {how}: wanted {wanted}, realised {real[flagged].mean():.3f} of {flagged.sum()}, recall {recall:.3f}")
            assert real[flagged].mean() > wanted - 0.15
