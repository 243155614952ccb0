"""Searches in the background: one after the other, stopped at their next progress, failures kept for the page."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from explorer.records import Array
from explorer.runs import duplicates
from explorer.runs.duplicate_jobs import DuplicateJobs, DuplicateLive, half_the_processors
from explorer.runs.duplicates import DuplicateFolder, duplicates_id, find_duplicates
from tests.support import wait_for

Search = Callable[..., Iterator[object]]


def pictures(count: int, seed: int = 0) -> Array:
    """Soft pictures of 16 x 16, the last one a mirror image of the first."""
    coarse = np.random.default_rng(seed).integers(0, 256, (count, 4, 4, 1), dtype=np.uint8)
    images = coarse.repeat(4, axis=1).repeat(4, axis=2)
    images[-1] = images[0, :, ::-1]
    return images


FEW, MORE = pictures(30), pictures(300, seed=1)


@pytest.fixture
def root(fast_path: Path) -> Path:
    return fast_path / "runs"


@pytest.fixture
def jobs(root: Path) -> Iterator[DuplicateJobs]:
    jobs = DuplicateJobs(root)
    yield jobs
    jobs.close()
    assert [thread.name for thread in threading.enumerate() if thread.name == "near-duplicates"] == []


@pytest.fixture
def held(monkeypatch: pytest.MonkeyPatch) -> Iterator[threading.Event]:
    """Searches go on only once this is set, from their first progress on."""
    go = threading.Event()

    def slowly(*images: Array | None) -> Iterator[object]:
        for item in find_duplicates(*images):  # type: ignore[arg-type]
            yield item
            assert go.wait(30)

    monkeypatch.setattr(duplicates, "find_duplicates", slowly)
    yield go
    go.set()


def live(jobs: DuplicateJobs, duplicates_id: str, condition: Callable[[DuplicateLive], object]) -> DuplicateLive:
    """Until it is so; returns how it was then."""
    seen: list[DuplicateLive] = []

    def look() -> bool:
        now = jobs.live(duplicates_id)
        if now is not None and condition(now):
            seen.append(now)
        return bool(seen)

    wait_for("the search", look)
    return seen[0]


def searching(now: DuplicateLive) -> bool:
    return now.state == "running" and now.progress is not None


def is_kept(root: Path, images: Array) -> bool:
    return DuplicateFolder.of(root, duplicates_id(images)).exists()


def test_it_finds_and_keeps_what_a_plain_search_does(jobs: DuplicateJobs, root: Path) -> None:
    started = jobs.start(FEW)
    assert started == duplicates_id(FEW)
    wait_for("the end", lambda: not jobs.busy)
    assert jobs.live(started) is None
    kept = DuplicateFolder.of(root, started).read()
    with half_the_processors():
        [plain] = [item for item in find_duplicates(FEW) if isinstance(item, duplicates.DuplicateSet)]
    assert (kept.found.a.tolist(), kept.found.b.tolist()) == (plain.found.a.tolist(), plain.found.b.tolist())
    assert np.array_equal(kept.found.likeness, plain.found.likeness)


def test_train_and_test_images_are_searched_together(jobs: DuplicateJobs, root: Path) -> None:
    started = jobs.start(FEW, MORE[:20])
    wait_for("the end", lambda: not jobs.busy)
    assert started == duplicates_id(FEW, MORE[:20])
    assert DuplicateFolder.of(root, started).read().images == 50


def test_progress_is_told_and_stop_ends_it_there(jobs: DuplicateJobs, root: Path, held: threading.Event) -> None:
    started = jobs.start(MORE)
    now = live(jobs, started, searching)
    assert now.progress is not None and now.progress.phase == "search" and jobs.busy
    jobs.stop(started)
    after = jobs.live(started)
    assert after is not None and after.wish == "stopping"
    held.set()
    wait_for("the stop", lambda: not jobs.busy)
    assert jobs.live(started) is None and not is_kept(root, MORE)


def test_one_waits_for_the_other_and_is_asked_for_once(jobs: DuplicateJobs, root: Path, held: threading.Event) -> None:
    first = jobs.start(FEW)
    live(jobs, first, searching)
    second, third = jobs.start(MORE), jobs.start(MORE[:200])
    assert jobs.start(MORE) == second and jobs.start(FEW) == first
    now = jobs.live(second)
    assert now is not None and (now.state, now.progress) == ("queued", None)
    jobs.stop(third)
    assert jobs.live(third) is None
    held.set()
    wait_for("the end", lambda: not jobs.busy)
    assert is_kept(root, FEW) and is_kept(root, MORE) and not is_kept(root, MORE[:200])


def test_one_started_while_it_stops_is_searched_after_that(jobs: DuplicateJobs, root: Path, held: threading.Event) -> None:
    started = jobs.start(FEW)
    live(jobs, started, searching)
    jobs.stop(started)
    jobs.start(FEW)
    held.set()
    wait_for("the end", lambda: not jobs.busy)
    assert is_kept(root, FEW)


def test_a_failure_keeps_its_cause_until_it_is_tried_again(jobs: DuplicateJobs, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root.parent.mkdir(parents=True, exist_ok=True)
    root.write_text("a file where a folder should be")
    started = jobs.start(FEW)
    failed = live(jobs, started, lambda now: now.state == "failed")
    assert "free disk space" in failed.cause and failed.wish == ""
    wait_for("the thread", lambda: not jobs.busy)
    root.unlink()
    jobs.start(FEW)
    wait_for("the end", lambda: not jobs.busy)
    assert jobs.live(started) is None and is_kept(root, FEW)


def test_one_that_fails_does_not_keep_the_next_from_its_turn(jobs: DuplicateJobs, root: Path) -> None:
    broken = jobs.start(np.zeros((5, 16, 16), dtype=np.uint8))  # without channels
    wait_for("the failure", lambda: (now := jobs.live(broken)) is not None and now.state == "failed")
    jobs.start(FEW)
    wait_for("the end", lambda: not jobs.busy)
    assert is_kept(root, FEW)


def test_orders_that_come_too_late_do_nothing(jobs: DuplicateJobs) -> None:
    jobs.stop("0123456789ab")
    assert jobs.live("0123456789ab") is None and not jobs.busy


def test_closing_ends_what_runs_and_starts_nothing_more(jobs: DuplicateJobs, root: Path, held: threading.Event) -> None:
    started = jobs.start(MORE)
    jobs.start(FEW)
    live(jobs, started, searching)
    closing = threading.Thread(target=jobs.close, args=(30.0,))
    closing.start()
    held.set()
    closing.join(30)
    assert not closing.is_alive() and not jobs.busy
    jobs.start(FEW)
    assert not jobs.busy and not is_kept(root, FEW) and not is_kept(root, MORE)
