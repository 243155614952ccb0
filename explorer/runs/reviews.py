"""The review log: what people decided on images, kept in SQLite, on disk before anybody is told that it is saved.

It only ever grows: a decision is taken back by another row that says so. What a log comes to is for ``analysis.decisions`` to say.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import math
import sqlite3
import threading
import time
import uuid
import weakref
from collections.abc import Iterator, Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

from explorer.config import DataConfig
from explorer.data import catalogue
from explorer.data.tables import open_labelled
from explorer.records import DECISIONS, NO_CLASS, WAYS, DataError, Decision, StoreError

PATIENCE = 60.0  # seconds to wait while another process writes
LONGEST = 80  # characters of a name
OPINIONS = DECISIONS[:4]  # those that say something of an image; undo and redo come of their own methods
COLUMNS = tuple(field.name for field in fields(Decision) if field.name != "decision_id")
LISTED = ", ".join(COLUMNS)
SCHEMA = (
    """CREATE TABLE IF NOT EXISTS decisions (
    decision_id INTEGER PRIMARY KEY AUTOINCREMENT, data TEXT NOT NULL, source_index INTEGER NOT NULL, action TEXT NOT NULL,
    label INTEGER NOT NULL, author TEXT NOT NULL, given_label INTEGER NOT NULL, token TEXT NOT NULL UNIQUE, via TEXT NOT NULL,
    run_id TEXT NOT NULL, score TEXT NOT NULL, score_value REAL, suggested INTEGER NOT NULL, suggested_by TEXT NOT NULL,
    batch TEXT NOT NULL, target INTEGER NOT NULL, made_at REAL NOT NULL)""",
    "CREATE INDEX IF NOT EXISTS decisions_of_data ON decisions (data, decision_id)",
    *(
        f"CREATE TRIGGER IF NOT EXISTS decisions_no_{what} BEFORE {what} ON decisions BEGIN SELECT RAISE(ABORT, 'the log only grows'); END"
        for what in ("update", "delete")
    ),
)


def data_key(config: DataConfig) -> str:
    """Names the data that decisions belong to, 16 hexadecimal digits: the same for every run on the same images and classes.

    Noise, corrections, subset, split, image size and model are left out, as is where the files lie. Images that a generator draws,
    or that open-set noise replaces, are other images with every setting that decides them. Class numbers mean the same under one key.

    Raises:
        ConfigError or DataError: for data that are not there.
    """
    config = config.canonical()
    bare = DataConfig(dataset=config.dataset, noise="none")
    parts: list[Any] = [catalogue.fingerprint(bare)]
    if catalogue.is_path(config.dataset):
        path, tested = catalogue.existing_path(config.dataset, "dataset"), config.test_split == "auto"
        parts.append(open_labelled(path, config.label_column, config.true_label_column, tested)[1].class_names)
    if config.dataset == "planted":
        parts.append([config.train_size, config.data_seed])
    if config.noise == "open_set":
        foreign = catalogue.fingerprint(replace(bare, noise="open_set", open_set=config.open_set))
        deciding = ("noise_rate", "data_seed", "train_size", "test_split", "label_column", "true_label_column")
        parts.append([foreign, *(getattr(config, name) for name in deciding)])
    return hashlib.sha256(json.dumps(parts).encode(errors="surrogatepass")).hexdigest()[:16]


class Reviews:
    """The log of all reviews under one root. Every method may be called from any thread and any process at once."""

    def __init__(self, root: Path | str) -> None:
        self._path = Path(root).expanduser().resolve() / "explorer.db"
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._lock = threading.Lock()
        self._logs: dict[str, tuple[Decision, ...]] = {}  # as last read
        with self._connected() as db:
            _in_turn(db, "PRAGMA journal_mode = WAL")  # of the file, from now on
        with self._writing() as db:
            for statement in SCHEMA:
                db.execute(statement)
        # When the last connection closes, SQLite empties its log into the file, which takes longer than a decision: one stays open.
        idle = sqlite3.connect(self._path, timeout=PATIENCE, check_same_thread=False)
        weakref.finalize(self, idle.close)
        idle.execute("SELECT 1 FROM decisions LIMIT 1").fetchone()

    def add(self, data: str, decisions: Sequence[Decision]) -> tuple[Decision, ...]:
        """Enter decisions, all or none, and return them with their place in the log and their time; they are on disk then.

        A token that is in the log already is not entered again: the decision it was entered with is returned.

        Raises:
            DataError: for a decision that says nothing, or nobody made. StoreError: if they cannot be kept.
        """
        checked = [_checked(decision) for decision in decisions]
        with self._writing() as db:
            now = time.time()
            return tuple(_enter(db, data, replace(decision, made_at=now)) for decision in checked)

    def log(self, data: str) -> tuple[Decision, ...]:
        """Every decision on these data, oldest first; the same tuple as before while nothing was added. Reads only what is new."""
        with self._connected() as db:
            return self._read(db, data)

    def undo(self, data: str, author: str, run_id: str = "") -> tuple[Decision, ...]:
        """Take back what this person decided last and has not taken back yet, a whole batch at once; returns it, () for nothing."""
        with self._writing() as db:
            done, _ = history(self._read(db, data), author)
            return self._turn(db, data, "undo", done[-1] if done else (), run_id)

    def redo(self, data: str, author: str, run_id: str = "") -> tuple[Decision, ...]:
        """Bring back what this person took back last, unless they decided anew since; returns it, () for nothing."""
        with self._writing() as db:
            _, undone = history(self._read(db, data), author)
            return self._turn(db, data, "redo", undone[0] if undone else (), run_id)

    def _turn(self, db: sqlite3.Connection, data: str, action: str, group: tuple[Decision, ...], run_id: str) -> tuple[Decision, ...]:
        now = time.time()
        for target in group:
            token = uuid.uuid4().hex
            row = replace(target, action=action, label=NO_CLASS, token=token, run_id=run_id, target=target.decision_id, made_at=now)
            _enter(db, data, replace(row, decision_id=0))
        return group

    def _read(self, db: sqlite3.Connection, data: str) -> tuple[Decision, ...]:
        """Ids grow with every commit, so that what is new comes after what was read."""
        known = self._logs.get(data, ())
        last = known[-1].decision_id if known else 0
        query = f"SELECT {LISTED}, decision_id FROM decisions WHERE data = ? AND decision_id > ? ORDER BY decision_id"
        if new := tuple(_decision(row) for row in db.execute(query, (data, last))):
            known += new
            with self._lock:
                if len(known) > len(self._logs.get(data, ())) and not db.in_transaction:
                    self._logs[data] = known
        return known

    @contextlib.contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        """One transaction, begun before anything is read, so that no other writer comes between."""
        with self._connected() as db:
            _in_turn(db, "BEGIN IMMEDIATE")
            try:
                yield db
                db.execute("COMMIT")
            finally:
                if db.in_transaction:
                    db.execute("ROLLBACK")

    @contextlib.contextmanager
    def _connected(self) -> Iterator[sqlite3.Connection]:
        try:
            with contextlib.closing(sqlite3.connect(self._path, timeout=PATIENCE, isolation_level=None)) as db:
                db.execute("PRAGMA synchronous = FULL")  # a commit waits for the disk
                yield db
        except sqlite3.Error as error:
            raise StoreError(
                f"decisions cannot be read or kept in {self._path} ({error}); free disk space and allow writing there, then decide again. "
                "Keep that file: it holds all review decisions"
            ) from error


def _in_turn(db: sqlite3.Connection, statement: str) -> None:
    """Wait for one's turn with what only one may do at a time.

    SQLite itself would wait longer and longer between two looks, so that whoever writes most goes first, and for some not at all.
    """
    db.execute("PRAGMA busy_timeout = 2")  # milliseconds
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            db.execute(statement)
            break
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                raise
            time.sleep(0.001)
    db.execute(f"PRAGMA busy_timeout = {int(1000 * PATIENCE)}")


def history(log: Sequence[Decision], author: str) -> tuple[list[tuple[Decision, ...]], list[tuple[Decision, ...]]]:
    """(what this person decided and not took back, what they took back and may bring back), oldest first, batches in one piece.

    Works as in any editor: deciding anew forgets what was taken back before.
    """
    groups: list[list[Decision]] = []
    cursor = 0  # groups before it stand
    for row in log:
        if row.author != author:
            continue
        if row.action in OPINIONS:
            del groups[cursor:]
            if row.batch and groups and groups[-1][-1].batch == row.batch:
                groups[-1].append(row)
            else:
                groups.append([row])
                cursor += 1
        elif row.action == "undo" and cursor and _holds(groups[cursor - 1], row.target):
            cursor -= 1
        elif row.action == "redo" and cursor < len(groups) and _holds(groups[cursor], row.target):
            cursor += 1
    found = [tuple(group) for group in groups]
    return found[:cursor], found[cursor:]


def _holds(group: Sequence[Decision], decision_id: int) -> bool:
    """Whether it begins with that decision: of a batch, taken back row by row, one row moves the cursor."""
    return group[0].decision_id == decision_id


def _checked(decision: Decision) -> Decision:
    """The decision in plain Python types, which is what SQLite keeps. Raises DataError for one that cannot be meant."""
    plain = replace(decision, **{field.name: _plain(field.type, getattr(decision, field.name)) for field in fields(Decision)})
    where = f"the decision on image {plain.source_index}"
    if not plain.author.strip() or len(plain.author) > LONGEST or not plain.author.isprintable():
        raise DataError(f"{where} is by {plain.author[:LONGEST]!r}: give a name of 1 to {LONGEST} letters and digits")
    if plain.action not in OPINIONS or plain.via not in WAYS or not plain.token:
        raise DataError(f"{where} says {plain.action!r} via {plain.via!r}: it needs a token, one of {', '.join(OPINIONS)}, and a known way")
    if plain.source_index < 0 or (plain.label >= 0) != (plain.action in ("keep", "relabel")):
        raise DataError(f"{where} says {plain.action} with the class {plain.label}: keep and relabel name a class, others {NO_CLASS}")
    if plain.action in ("keep", "relabel") and (plain.action == "keep") != (plain.label == plain.given_label):
        raise DataError(f"{where} says {plain.action} with the class {plain.label}, given was {plain.given_label}: only keep says so")
    return plain


def _plain(kind: Any, value: Any) -> Any:
    return {"int": int, "float": float, "str": str}[kind](value)


def _enter(db: sqlite3.Connection, data: str, decision: Decision) -> Decision:
    marks = ", ".join("?" * (len(COLUMNS) + 1))
    values = [data, *(getattr(decision, name) for name in COLUMNS)]
    entered = db.execute(f"INSERT INTO decisions (data, {LISTED}) VALUES ({marks}) ON CONFLICT (token) DO NOTHING", values)
    if entered.rowcount:
        return replace(decision, decision_id=int(entered.lastrowid or 0))
    row = db.execute(f"SELECT data, {LISTED}, decision_id FROM decisions WHERE token = ?", (decision.token,)).fetchone()
    stored = _decision(row[1:])
    same = ("source_index", "action", "label", "author")
    if row[0] != data or any(getattr(stored, name) != getattr(decision, name) for name in same):
        raise StoreError(f"the token of the decision on image {decision.source_index} was used for another one; nothing was entered")
    return stored


def _decision(row: Sequence[Any]) -> Decision:
    decision = Decision(*row)
    return decision if decision.score_value is not None else replace(decision, score_value=math.nan)  # SQLite has no NaN
