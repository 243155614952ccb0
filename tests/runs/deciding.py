"""Decisions on the images of a run, for the tests of what they lead to."""

from __future__ import annotations

import uuid
from typing import Any

from explorer.records import NO_CLASS, Decision, Run


def decide(run: Run, n: int, label: int | None, author: str = "ann", **more: Any) -> Decision:
    """On training image n of the run: that a class is its right one, None to exclude it."""
    given = int(run.labels.given_label[n])
    action = "exclude" if label is None else "keep" if label == given else "relabel"
    decided = {"action": action, "label": NO_CLASS if label is None else int(label)} | more
    return Decision(int(run.source_index[n]), author=author, given_label=given, token=uuid.uuid4().hex, run_id=run.run_id, **decided)
