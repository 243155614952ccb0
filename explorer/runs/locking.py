"""One writer at a time: an operating-system lock on a file, given back by the kernel however its holder ends."""

from __future__ import annotations

import contextlib
import io
import sys
import time
from collections.abc import Iterator
from pathlib import Path

PATIENCE = 1.0  # seconds; a reader that looks whether somebody writes holds the lock for an instant


class Locked(Exception):
    """Somebody else holds the lock."""


@contextlib.contextmanager
def hold(path: Path) -> Iterator[None]:
    """Hold the lock ``path``, made if missing. Raises Locked if somebody else does."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "a+b") as file:
        deadline = time.monotonic() + PATIENCE
        while not _try(file):
            if time.monotonic() > deadline:
                raise Locked
            time.sleep(0.05)
        try:
            yield
        finally:
            _release(file)


def is_held(path: Path) -> bool:
    """Whether somebody holds the lock now."""
    try:
        with open(path, "r+b") as file:
            if not _try(file):
                return True
            _release(file)
    except FileNotFoundError:
        pass
    return False


if sys.platform == "win32":
    import msvcrt

    def _try(file: io.BufferedRandom) -> bool:
        try:
            file.seek(0)
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True

    def _release(file: io.BufferedRandom) -> None:
        file.seek(0)
        msvcrt.locking(file.fileno(), msvcrt.LK_UNLCK, 1)

else:
    import fcntl

    def _try(file: io.BufferedRandom) -> bool:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def _release(file: io.BufferedRandom) -> None:
        fcntl.flock(file, fcntl.LOCK_UN)
