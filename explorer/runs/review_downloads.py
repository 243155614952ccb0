"""What goes out of a review in one piece, for whoever is not at the machine that holds the runs."""

from __future__ import annotations

import io
import tempfile
import zipfile
from collections.abc import Sequence
from pathlib import Path

from explorer.pipeline import Prepared
from explorer.records import Dataset, Decision, Labels, Run
from explorer.runs.corrected_data import write_parquet
from explorer.runs.review_files import correct_run


def parquet_zip(run: Run, dataset: Dataset, labels: Labels, log: Sequence[Decision], author: str = "") -> bytes:
    """A zip with the corrected data set as Parquet, a file for each split: unpacked, ``--dataset FOLDER`` opens it.

    Args:
        dataset, labels: what the run was trained on. author: only this person's decisions count; empty: everybody's.

    Raises:
        ConfigError or DataError: for data that are no longer there.
    """
    packed = io.BytesIO()
    with tempfile.TemporaryDirectory() as place, zipfile.ZipFile(packed, "w") as archive:  # Parquet is compressed already
        for path in write_parquet(Path(place), run.config, Prepared(dataset, labels), correct_run(run, log, author)):
            archive.write(path, path.name)
    return packed.getvalue()
