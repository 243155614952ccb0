"""A run in training: how it stands at this instant, and the orders it is given."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field, replace

from explorer.config import RunConfig
from explorer.records import EpochRecord, Progress, Record


@dataclass(frozen=True, slots=True)
class Live:
    """A run in training, at this instant. wish: what was asked for and has not happened yet ("pausing", "stopping"), or ""."""

    run_id: str
    config: RunConfig
    state: str  # running, paused
    wish: str = ""
    progress: Progress | None = None
    started_at: float = 0.0  # monotonic seconds
    epochs_timed: int = 0  # recorded since then
    epoch_seconds: float = 0.0  # mean time of an epoch, pauses left out
    images_per_second: float = 0.0  # while training, evaluation and probes left out


@dataclass(slots=True)
class Job:
    """Orders for the run in training; the thread obeys between two records, so within one batch.

    interruption: why it ends although nobody wants it stopped, or "".
    """

    live: Live
    go: threading.Event = field(default_factory=threading.Event)
    stop: threading.Event = field(default_factory=threading.Event)
    interruption: str = ""
    one_epoch: bool = False
    paused_for: float = 0.0
    images: int = 0

    def end(self, interruption: str = "") -> None:
        """Let it end after the batch it is in; an interruption does not overrule a person who stopped it before."""
        if not self.stop.is_set() or not interruption:
            self.interruption = interruption
        self.live = replace(self.live, wish="stopping")
        self.one_epoch = False
        self.stop.set()
        self.go.set()

    def hold(self) -> None:
        """Let it wait after the batch it is in; what ends is not held."""
        if self.stop.is_set():
            return
        self.go.clear()
        self.one_epoch = False
        if self.live.state == "running":
            self.live = replace(self.live, wish="pausing")

    def go_on(self, *, one_epoch: bool = False) -> None:
        """Let it train, for one epoch or on and on; what ends does not go on."""
        if self.stop.is_set():
            return
        self.one_epoch = one_epoch
        self.live = replace(self.live, wish="")
        self.go.set()

    def note(self, record: Record) -> None:
        """Follow what was recorded."""
        if isinstance(record, Progress):
            if record.phase == "train":
                self.images = record.done
            self.live = replace(self.live, progress=record)
        elif isinstance(record, EpochRecord):
            timed = self.live.epochs_timed + 1
            seconds = (time.monotonic() - self.live.started_at - self.paused_for) / timed
            rate = self.images / record.train_seconds if record.train_seconds > 0 else 0.0
            self.live = replace(self.live, epochs_timed=timed, epoch_seconds=seconds, images_per_second=rate)
            if self.one_epoch:
                self.one_epoch = False
                self.go.clear()
