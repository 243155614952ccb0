"""What goes out of a review and what comes in: corrected labels, decisions, corrected data sets, decisions made elsewhere.

The files of the data are only ever read.
"""

from __future__ import annotations

import csv
import datetime
import io
import math
import shutil
import time
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from explorer import pipeline
from explorer.analysis import decisions
from explorer.data.catalogue import fingerprint
from explorer.data.label_files import class_reader, class_texts, csv_table, plain_text, row_number
from explorer.data.originals import image_paths
from explorer.records import NO_CLASS, DataError, Decision, Run, StoreError
from explorer.runs.corrected_data import Corrected, copy_folder, corrected_labels, plan_folder, write_parquet
from explorer.runs.export_folder import begin_export, check_folder
from explorer.runs.files import write
from explorer.runs.retraining import corrections_text
from explorer.runs.reviews import Reviews, data_key
from explorer.runs.store import RunStore

TABLES = ("examples.parquet", "near_duplicates.parquet")
FILES = (
    "corrected_labels.csv", "corrections.csv", "decisions.csv", "parquet/train-00000-of-00001.parquet",
    "parquet/test-00000-of-00001.parquet", *TABLES,
)  # fmt: skip
MAX_BYTES, MAX_ROWS = 50 * 2**20, 500_000  # of a file of decisions
DECISION_COLUMNS = (
    "decision", "index", "path", "action", "label", "given_label", "author", "time", "run", "score", "value", "suggestion", "suggested_by",
    "via", "batch", "undone", "standing",
)  # fmt: skip


def export_review(store: RunStore, run_id: str, folder: Path | str, author: str = "", *, overwrite: bool = False) -> list[Path]:
    """Write what a review came to into a folder of its own; returns what was written.

    corrected_labels.csv  index, path, label, given_label of every image of the run that is not left out
    corrections.csv       index, label of every image decided, the label empty for those left out: what ``--corrections`` takes
    decisions.csv         every decision on these data, by whom, when and on what grounds
    parquet/              the images with their corrected labels: what ``--dataset`` takes
    images/               the files in corrected class folders, where the data are an ImageFolder

    Images that are excluded, ambiguous or in dispute are left out.

    Args:
        author: only this person's decisions count; empty: everybody's. overwrite: replace an earlier export in that folder.

    Raises:
        ConfigError: naming ``to``, for a folder that may not be written to. StoreError: if there is no such run, or its data have
            changed. DataError: for data that are no longer there.
    """
    return _export(store, run_id, folder, author, overwrite, ())


def export_run(store: RunStore, run_id: str, folder: Path | str, *, overwrite: bool = False) -> list[Path]:
    """What ``export_review`` writes, and ``examples.parquet`` and ``near_duplicates.parquet`` of the run where it has them."""
    return _export(store, run_id, folder, "", overwrite, TABLES)


def _export(store: RunStore, run_id: str, to: Path | str, author: str, overwrite: bool, tables: Sequence[str]) -> list[Path]:
    run = store.open(run_id)
    folder = check_folder(store, run, to, overwrite=overwrite)
    log = Reviews(store.root).log(data_key(run.config))
    texts, corrected = review_tables(run, log, author), correct_run(run, log, author)
    prepared = pipeline.prepare(run.config)
    planned = plan_folder(run.config, prepared, corrected)
    about = {"run_id": run_id, "author": author, "made_at": _iso(time.time())}
    begin_export(folder, about, FILES, [f"images/{name}" for _, name in planned])
    kept = [store.folder(run_id).path / name for name in tables]
    written = [
        *(_write(folder / name, text) for name, text in texts.items()),
        *write_parquet(folder / "parquet", run.config, prepared, corrected),
        *(Path(shutil.copyfile(file, folder / file.name)) for file in kept if file.exists()),
    ]
    copy_folder(folder / "images", planned)
    return written + ([folder / "images"] if planned else [])


# -- tables ----------------------------------------------------------------------------------------


def review_tables(run: Run, log: Sequence[Decision], author: str = "") -> dict[str, str]:
    """corrected_labels.csv, corrections.csv and decisions.csv as text; see ``export_review``.

    Raises:
        StoreError: if the data of the run have changed. ConfigError or DataError: if they are no longer there.
    """
    if fingerprint(run.config) != run.about["data"]["fingerprint"]:
        raise StoreError(f"the data of run {run.run_id} have changed since it was trained; run it again and export that")
    paths, texts, verdicts = image_paths(run.config), class_texts(run.class_names), decisions.verdicts(log, author)
    decided = np.where(verdicts.kind == "label", verdicts.label, NO_CLASS)
    return {
        "corrected_labels.csv": _csv_text(_label_rows(run, correct_run(run, log, author), paths, texts)),
        "corrections.csv": corrections_text(verdicts.source_index, decided, run.class_names),
        "decisions.csv": _csv_text(_decision_rows(log, author, paths, texts)),
    }


def correct_run(run: Run, log: Sequence[Decision], author: str = "") -> Corrected:
    """The labels of a run's images as the review leaves them."""
    verdicts, index = decisions.verdicts(log, author), run.source_index
    return corrected_labels(run.labels.given_label, decisions.kinds_of(verdicts, index), decisions.labels_of(verdicts, index))


def _label_rows(run: Run, corrected: Corrected, paths: Mapping[int, str], texts: Sequence[str]) -> Iterator[Sequence[object]]:
    yield "index", "path", "label", "given_label"
    for n in np.flatnonzero(corrected.kept):
        index = int(run.source_index[n])
        yield index, _path(paths, index), texts[corrected.label[n]], texts[run.labels.given_label[n]]


def _decision_rows(log: Sequence[Decision], author: str, paths: Mapping[int, str], texts: Sequence[str]) -> Iterator[Sequence[object]]:
    """undone: taken back since. standing: counts among the decisions of ``author``, or of everybody."""
    taken = {row.decision_id for row in decisions.standing(log)}
    active = {row.decision_id for row in decisions.active(decisions.of_author(log, author))}
    yield DECISION_COLUMNS
    for row in log:
        if row.action in decisions.OPINIONS:
            yield (
                row.decision_id, row.source_index, _path(paths, row.source_index), row.action, _class(row.label, texts),
                _class(row.given_label, texts), plain_text(row.author), _iso(row.made_at), row.run_id, plain_text(row.score),
                "" if math.isnan(row.score_value) else repr(row.score_value), _class(row.suggested, texts), plain_text(row.suggested_by),
                row.via, plain_text(row.batch), _yes(row.decision_id not in taken), _yes(row.decision_id in active),
            )  # fmt: skip


def _path(paths: Mapping[int, str], index: int) -> str:
    path = paths.get(index, "")
    return path if plain_text(path) == path else f"./{path}"


def _class(number: int, texts: Sequence[str]) -> str:
    return texts[number] if 0 <= number < len(texts) else ""


def _iso(seconds: float) -> str:
    return datetime.datetime.fromtimestamp(seconds, datetime.UTC).isoformat(timespec="seconds")


def _yes(truth: bool) -> str:
    return "yes" if truth else "no"


def _csv_text(rows: Iterable[Sequence[object]]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue()


def _write(path: Path, text: str) -> Path:
    write(path, lambda file: file.write(text.encode(errors="surrogateescape")))
    return path


# -- decisions made elsewhere ----------------------------------------------------------------------


def import_decisions(content: bytes | str, run: Run, author: str) -> tuple[Decision, ...]:
    """Decisions on the images of a run from a CSV with the columns index or path, and label; nothing is entered yet.

    A label is a class by name, or else by number; an empty one excludes the image. Other columns are left alone. All get one batch,
    so that one undo takes them back.

    Raises:
        DataError: naming the line and what to do. ConfigError: for data that are no longer there.
    """
    content = content.encode() if isinstance(content, str) else content
    if len(content) > MAX_BYTES:
        raise DataError(f"the file has {len(content) / 2**20:.0f} MB; at most {MAX_BYTES // 2**20} MB are read: split it")
    header, lines = csv_table(content, "the file")
    by = next((name for name in ("index", "path") if name in header), "")
    if not by or "label" not in header:
        raise DataError(f"the file has the columns {', '.join(header)[:120]!r}: it needs index or path, and label")
    rows = {path: index for index, path in image_paths(run.config).items()} if by == "path" else {}
    position = {int(index): n for n, index in enumerate(run.source_index)}
    class_of, batch, seen, found = class_reader(run.class_names), uuid.uuid4().hex, dict[int, str](), list[Decision]()
    for where, cells in lines:
        index = row_number(cells["index"], 0, where) if by == "index" else _row_of(cells["path"], rows, where)
        if index not in position:
            raise DataError(f"{where} is about image {index}, which run {run.run_id} did not train on: remove the line")
        if index in seen:
            raise DataError(f"{where} is about image {index} again, after {seen[index]}: keep one of the two")
        if len(found) == MAX_ROWS:
            raise DataError(f"the file has more than {MAX_ROWS:,} lines: split it")
        seen[index] = where
        found.append(_imported(index, class_of(cells["label"], where), int(run.labels.given_label[position[index]]), author, run, batch))
    return tuple(found)


def _row_of(path: str, rows: Mapping[str, int], where: str) -> int:
    name = path.strip().replace("\\", "/").removeprefix("./")
    if name not in rows:
        example = f", as in {next(iter(rows))}" if rows else "; these data have no files, so give the index"
        raise DataError(f"{where} names {path[:120]!r}, which is none of the images: paths are relative to the data{example}")
    return rows[name]


def _imported(index: int, label: int, given: int, author: str, run: Run, batch: str) -> Decision:
    action = "exclude" if label == NO_CLASS else "keep" if label == given else "relabel"
    return Decision(index, action, label, author, given, token=f"{batch}:{index}", via="import", run_id=run.run_id, batch=batch)
