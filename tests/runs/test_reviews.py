"""The review log: on disk before it is acknowledged, in order, nothing lost and nothing twice; undo and redo as in any editor."""

from __future__ import annotations

import contextlib
import dataclasses
import math
import multiprocessing
import random
import shutil
import signal
import sqlite3
import threading
import uuid
from collections.abc import Iterator
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from explorer.analysis.decisions import standing
from explorer.config import ConfigError, DataConfig, MemorizationConfig, RunConfig
from explorer.records import NO_CLASS, DataError, Decision, StoreError
from explorer.runs.reviews import Reviews, data_key
from tests.runs.writing import DATA, write_on
from tests.support import wait_for


def decision(image: int = 0, label: int = 3, *, author: str = "ann", **more: Any) -> Decision:
    """By default of an image given as class 4."""
    values: dict[str, Any] = {"action": "relabel", "given_label": 4, "token": uuid.uuid4().hex} | more
    return Decision(source_index=image, label=label, author=author, **values)


@pytest.fixture
def reviews(fast_path: Path) -> Reviews:
    return Reviews(fast_path)


# -- one decision ----------------------------------------------------------------------------------


def test_what_was_decided_comes_back_with_its_place_and_time(reviews: Reviews, fast_path: Path) -> None:
    asked = decision(
        7, via="random", run_id="a" * 12, score="aum", score_value=-1.5, suggested=3, suggested_by="model", batch="b",
    )  # fmt: skip
    (kept,) = reviews.add(DATA, [asked])
    assert kept.decision_id == 1 and kept.made_at > 1.7e9
    assert dataclasses.replace(kept, decision_id=0, made_at=0.0) == asked
    assert reviews.log(DATA) == Reviews(fast_path).log(DATA) == (kept,)


def test_what_is_not_known_stays_so_and_numpy_numbers_are_numbers(reviews: Reviews, fast_path: Path) -> None:
    index, label = np.array([5]), np.array([2], dtype=np.uint16)
    reviews.add(DATA, [decision(index[0], label[0], score_value=np.float32(0.5)), decision(6)])
    one, other = Reviews(fast_path).log(DATA)
    assert (one.source_index, one.label, one.score_value) == (5, 2, 0.5) and type(one.source_index) is int
    assert math.isnan(other.score_value) and other.suggested == NO_CLASS


def test_a_log_is_read_once_and_only_what_is_new_after_that(reviews: Reviews, fast_path: Path) -> None:
    reviews.add(DATA, [decision(1)])
    first = reviews.log(DATA)
    assert reviews.log(DATA) is first
    Reviews(fast_path).add(DATA, [decision(2)])  # somebody else's
    assert [row.source_index for row in reviews.log(DATA)] == [1, 2]
    assert reviews.log(DATA)[0] is first[0]


def test_decisions_belong_to_their_data(reviews: Reviews) -> None:
    reviews.add(DATA, [decision(1)])
    reviews.add("other", [decision(2)])
    assert [row.source_index for row in reviews.log("other")] == [2]
    assert reviews.undo("other", "ann")[0].source_index == 2
    assert len(reviews.log(DATA)) == 1


def test_it_is_on_disk_when_add_returns(reviews: Reviews, fast_path: Path) -> None:
    reviews.add(DATA, [decision(1)])
    with contextlib.closing(sqlite3.connect(fast_path / "explorer.db")) as other:
        assert other.execute("SELECT source_index FROM decisions").fetchall() == [(1,)]
    with reviews._connected() as db:
        assert db.execute("PRAGMA journal_mode").fetchone() == ("wal",)
        assert db.execute("PRAGMA synchronous").fetchone() == (2,)  # FULL: each commit waits for the disk


def test_a_token_is_entered_once(reviews: Reviews) -> None:
    asked = decision(1)
    first, again = reviews.add(DATA, [asked]), reviews.add(DATA, [asked, decision(2)])
    assert again[0] == first[0]
    assert [row.source_index for row in reviews.log(DATA)] == [1, 2]


def test_a_token_of_another_decision_is_refused_and_nothing_is_entered(reviews: Reviews) -> None:
    (kept,) = reviews.add(DATA, [decision(1)])
    for data, again in ((DATA, decision(2, token=kept.token)), (DATA, decision(1, 5, token=kept.token)), ("other", kept)):
        with pytest.raises(StoreError, match="token"):
            reviews.add(data, [decision(9), again])
    assert reviews.log(DATA) == (kept,) and reviews.log("other") == ()


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        ({"author": ""}, "name"), ({"author": " \t"}, "name"), ({"author": "a\nb"}, "name"), ({"author": "x" * 81}, "name"),
        ({"action": "undo", "label": NO_CLASS}, "undo"), ({"action": "delete"}, "delete"), ({"via": "guess"}, "guess"),
        ({"token": ""}, "token"), ({"label": NO_CLASS}, "class -1"), ({"action": "exclude"}, "exclude"),
        ({"action": "keep"}, "keep"), ({"label": 4}, "relabel"), ({"image": -1}, "image -1"),
    ],
)  # fmt: skip
def test_what_cannot_be_meant_is_refused_and_nothing_is_entered(reviews: Reviews, wrong: dict[str, Any], named: str) -> None:
    with pytest.raises(DataError, match=named):
        reviews.add(DATA, [decision(1), decision(**wrong)])
    assert reviews.log(DATA) == ()


def test_nothing_that_was_entered_can_be_changed_or_removed(reviews: Reviews, fast_path: Path) -> None:
    reviews.add(DATA, [decision(1)])
    with contextlib.closing(sqlite3.connect(fast_path / "explorer.db")) as db:
        for statement in ("UPDATE decisions SET label = 0", "DELETE FROM decisions"):
            with pytest.raises(sqlite3.IntegrityError, match="only grows"):
                db.execute(statement)
    assert len(Reviews(fast_path).log(DATA)) == 1


def test_a_file_that_is_no_data_base_is_named(fast_path: Path) -> None:
    (fast_path / "explorer.db").write_bytes(b"something else entirely, and long enough to be read " * 40)
    with pytest.raises(StoreError, match=r"explorer\.db"):
        Reviews(fast_path)


# -- undo and redo ---------------------------------------------------------------------------------


@dataclasses.dataclass
class Editor:
    """What undo means in any editor: a list, and a cursor in it."""

    done: list[list[str]] = dataclasses.field(default_factory=list)
    cursor: int = 0

    def decide(self, tokens: list[str]) -> None:
        self.done = [*self.done[: self.cursor], tokens]
        self.cursor += 1

    def undo(self) -> list[str]:
        self.cursor, before = max(0, self.cursor - 1), self.cursor
        return self.done[self.cursor] if before else []

    def redo(self) -> list[str]:
        if self.cursor == len(self.done):
            return []
        self.cursor += 1
        return self.done[self.cursor - 1]

    def stands(self) -> list[str]:
        return [token for tokens in self.done[: self.cursor] for token in tokens]


@pytest.mark.parametrize("seed", range(12))
def test_undo_and_redo_are_those_of_an_editor_whoever_else_decides(fast_path: Path, seed: int) -> None:
    """Two people at two servers, decisions one by one and in batches, some on images decided before."""
    rng, servers = random.Random(seed), [Reviews(fast_path), Reviews(fast_path)]
    editors = {"ann": Editor(), "ben": Editor()}
    for _ in range(60):
        reviews, (author, editor) = rng.choice(servers), rng.choice(list(editors.items()))
        what = rng.choices(("decide", "undo", "redo"), (4, 3, 2))[0]
        if what == "decide":
            size = rng.choice((1, 1, 3))
            rows = [decision(rng.randrange(5), author=author, batch=f"batch {rng.random()}" if size > 1 else "") for _ in range(size)]
            rows = [dataclasses.replace(row, batch=rows[0].batch) for row in rows]
            reviews.add(DATA, rows)
            editor.decide([row.token for row in rows])
        else:
            turned = getattr(reviews, what)(DATA, author)
            assert [row.token for row in turned] == getattr(editor, what)()
        log = rng.choice(servers).log(DATA)
        for name, one in editors.items():
            assert [row.token for row in standing(log) if row.author == name] == one.stands()


def test_undo_and_redo_are_rows_that_say_who_where_and_of_what(reviews: Reviews) -> None:
    (kept,) = reviews.add(DATA, [decision(3)])
    assert reviews.undo(DATA, "ben") == () and reviews.redo(DATA, "ann") == ()
    assert reviews.undo(DATA, "ann", "b" * 12) == (kept,)
    row = reviews.log(DATA)[-1]
    assert (row.action, row.target, row.author, row.source_index, row.run_id, row.label) == ("undo", 1, "ann", 3, "b" * 12, NO_CLASS)
    assert reviews.redo(DATA, "ann") == (kept,)
    assert [(row.action, row.target) for row in reviews.log(DATA)] == [("relabel", 0), ("undo", 1), ("redo", 1)]


# -- many at once ----------------------------------------------------------------------------------


def test_threads_that_decide_at_once_lose_nothing_and_keep_their_order(reviews: Reviews) -> None:
    def decide(author: str) -> None:
        for image in range(20):
            reviews.add(DATA, [decision(image, author=author)])

    threads = [threading.Thread(target=decide, args=(f"author {k}",)) for k in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    log = reviews.log(DATA)
    assert [row.decision_id for row in log] == list(range(1, 81))
    for k in range(4):
        assert [row.source_index for row in log if row.author == f"author {k}"] == list(range(20))


class Writer:
    """Decides in a process of its own; what was acknowledged stands in a file."""

    def __init__(self, root: Path, author: str) -> None:
        self.root, self.author, self.file = root, author, root / f"{author}.txt"
        self.process: ForkServerProcess | None = None

    def acknowledged(self) -> list[tuple[int, int]]:
        """(image, decision_id) of complete lines."""
        text = self.file.read_text() if self.file.exists() else ""
        return [(int(line.split()[0]), int(line.split()[1])) for line in text.splitlines(keepends=True) if line.endswith("\n")]

    def start(self) -> None:
        """Go on after the last acknowledged one: what was in the air when it was killed is entered again, under its token."""
        known = self.acknowledged()
        first = known[-1][0] + 1 if known else 0
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload(["tests.runs.writing"])  # its imports take longer than the test
        self.process = context.Process(target=write_on, args=(str(self.root), self.author, first, str(self.file)))
        self.process.start()

    def kill(self) -> None:
        assert self.process is not None
        self.process.kill()
        self.process.join()
        assert self.process.exitcode == -signal.SIGKILL, "it had ended by itself; what it said is above"

    def trouble(self) -> str:
        assert self.process is not None
        return "" if self.process.is_alive() else "it ended by itself; what it said is above"


@contextlib.contextmanager
def writers(root: Path) -> Iterator[list[Writer]]:
    both = [Writer(root, author) for author in ("ann", "ben")]
    try:
        for writer in both:
            writer.start()
        yield both
    finally:
        for writer in both:
            if writer.process is not None and writer.process.is_alive():
                writer.kill()


@pytest.mark.parametrize("kills", [2, pytest.param(10, marks=pytest.mark.slow)])
def test_nothing_acknowledged_is_lost_by_kills_at_random_moments(tmp_path: Path, kills: int) -> None:
    """Two processes write at once; one or the other is killed, and goes on."""
    rng = random.Random(kills)
    with writers(tmp_path) as both:
        for _ in range(kills):
            victim, more = rng.choice(both), rng.randint(1, 8)
            for writer in both:
                goal = len(writer.acknowledged()) + (more if writer is victim else 1)
                wait_for("decisions", lambda w=writer, g=goal: len(w.acknowledged()) >= g, writer.trouble)
            threading.Event().wait(rng.random() * 0.02)  # anywhere within a decision
            victim.kill()
            victim.start()
        for writer in both:
            goal = len(writer.acknowledged()) + 1
            wait_for("decisions", lambda w=writer, g=goal: len(w.acknowledged()) >= g, writer.trouble)
    log = Reviews(tmp_path).log(DATA)
    assert len({row.token for row in log}) == len(log)
    assert [row.decision_id for row in log] == sorted(row.decision_id for row in log)
    for writer in both:
        own = [row for row in log if row.author == writer.author]
        last = own[-1].source_index
        expected = [f"{writer.author} {n} {i}" for n in range(last + 1) for i in range(3 if n % 5 == 0 else 1)]
        assert [row.token for row in own] == expected  # in order, batches whole, each once
        place = {(row.source_index, row.label): row.decision_id for row in own}
        for n, decision_id in writer.acknowledged():
            assert place[n, 2 if n % 5 == 0 else 0] == decision_id


# -- what decisions belong to ----------------------------------------------------------------------

SAME = [
    {"noise_rate": 0.4}, {"noise": "none"}, {"noise": "pair_flip"}, {"train_size": 300}, {"image_size": 16}, {"data_seed": 5},
    {"test_split": "none"}, {"model": "mlp"}, {"seed": 3}, {"loss": "elr"}, {"epochs": 2}, {"corrections": "somewhere.csv"},
    {"model": "none"},
]  # fmt: skip


@pytest.mark.parametrize("changes", SAME, ids=str)
def test_runs_on_the_same_images_share_their_decisions(changes: dict[str, Any]) -> None:
    assert data_key(RunConfig(**changes)) == data_key(RunConfig()) == data_key(MemorizationConfig()) == data_key(DataConfig())


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({}, {"dataset": "planted"}),
        ({"dataset": "planted"}, {"dataset": "planted", "data_seed": 1}),
        ({"dataset": "planted"}, {"dataset": "planted", "train_size": 500}),
        ({}, {"noise": "open_set"}),
        *(({"noise": "open_set"}, {"noise": "open_set", name: value}) for name, value in
          {"noise_rate": 0.1, "open_set": "mnist", "data_seed": 4, "train_size": 200, "test_split": "none"}.items()),
    ],
    ids=str,
)  # fmt: skip
def test_other_images_are_other_data(one: dict[str, Any], other: dict[str, Any]) -> None:
    assert data_key(DataConfig(**one)) != data_key(DataConfig(**other))


def table(folder: Path, columns: str, *rows: str) -> str:
    folder.mkdir(parents=True)
    for i in range(len(rows)):
        Image.new("L", (8, 8), i).save(folder / f"{i}.png")
    lines = [f"path,{columns}", *(f"{i}.png,{row}" for i, row in enumerate(rows))]
    (folder / "labels.csv").write_text("\n".join(lines))
    return str(folder / "labels.csv")


def test_decisions_follow_a_folder_that_is_moved(tmp_path: Path) -> None:
    before = data_key(DataConfig(dataset=table(tmp_path / "here", "label", "cat", "dog")))
    shutil.move(tmp_path / "here", tmp_path / "there")
    assert data_key(DataConfig(dataset=str(tmp_path / "there" / "labels.csv"))) == before
    (tmp_path / "there" / "labels.csv").write_text("path,label\n0.png,dog\n1.png,cat\n")
    assert data_key(DataConfig(dataset=str(tmp_path / "there" / "labels.csv"))) != before


def test_a_class_number_means_the_same_under_one_key(tmp_path: Path) -> None:
    """Columns that name the same classes share their decisions; where a column numbers the classes otherwise it has its own."""
    path = table(tmp_path / "data", "a,b,c", "cat,dog,ant", "dog,cat,dog", "cat,dog,cat")
    keys = {column: data_key(DataConfig(dataset=path, label_column=column)) for column in "abc"}
    assert keys["a"] == keys["b"] != keys["c"]
    assert data_key(DataConfig(dataset=path, label_column="a", true_label_column="b")) == keys["a"]
    assert data_key(DataConfig(dataset=path, label_column="a", true_label_column="c")) == keys["c"]


def test_data_that_are_not_there_are_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="dataset"):
        data_key(DataConfig(dataset=str(tmp_path / "nowhere")))
