"""Somebody who decides without end, in a process of their own that may be killed. Imports little: it is started often."""

from __future__ import annotations

import itertools
import os

from explorer.records import Decision
from explorer.runs.reviews import Reviews

DATA = "0123456789abcdef"


def write_on(root: str, author: str, first: int, acknowledged: str) -> None:
    """Decide on one image after the other, on every fifth three times at once, and note in a file what was acknowledged."""
    reviews, file = Reviews(root), os.open(acknowledged, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    for n in itertools.count(first):
        size = 3 if n % 5 == 0 else 1
        rows = [Decision(n, "relabel", i, author, 9, f"{author} {n} {i}", batch=str(n)) for i in range(size)]
        kept = reviews.add(DATA, rows)
        os.write(file, f"{n} {kept[-1].decision_id}\n".encode())
