"""Fix, files: what goes out and what stays behind, decisions made elsewhere, and that nobody's own files are touched."""

from __future__ import annotations

import csv
import dataclasses
import hashlib
import io
import shutil
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from explorer.analysis.decisions import verdicts
from explorer.config import RunConfig
from explorer.data import catalogue
from explorer.records import NO_CLASS, Decision, Run
from explorer.runs.execution import execute
from explorer.runs.review_downloads import parquet_zip
from explorer.runs.review_files import export_review, review_tables
from explorer.runs.reviews import Reviews, data_key
from explorer.runs.store import RunStore
from explorer.ui.fix_files import going_words
from explorer.ui.fix_import import Preview, preview_of, preview_rows, preview_words
from explorer.ui.reviewing import Reviewing
from explorer.ui.services import load_labels
from tests.runs.deciding import decide
from tests.ui.conftest import Library, Visit, draw_folder
from tests.ui.fixing import log, reviewer
from tests.ui.inspecting import read
from tests.ui.test_pages import buttons, press, said

DOWNLOADS = {"Corrected labels (CSV)", "Corrections only (CSV)", "Decisions (CSV)", "Corrected data set (Parquet)"}


def enter(library: Library, decisions: Sequence[Decision], kind: str = "finished") -> None:
    Reviews(library.home).add(data_key(library.configs[kind]), decisions)


def offered(page: AppTest) -> set[str]:
    return {each.proto.label for each in page.get("download_button")}


def a_few(run: Run) -> list[Decision]:
    """One kept, two relabelled, one ambiguous, one excluded, one in dispute between ann and bob."""
    given = run.labels.given_label
    one, two, three = (int((given[n] + 1) % 10) for n in (1, 2, 5))
    ambiguous: dict[str, Any] = {"action": "ambiguous"}
    return [
        decide(run, 0, int(given[0])), decide(run, 1, one), decide(run, 2, two), decide(run, 3, None, **ambiguous),
        decide(run, 4, None), decide(run, 5, three), decide(run, 5, int(given[5]), "bob"),
    ]  # fmt: skip


# -- what goes out ---------------------------------------------------------------------------------------


def test_what_goes_out_and_what_stays_behind_is_counted(visit: Visit, stocked: Library) -> None:
    enter(stocked, a_few(read(stocked, "finished")))
    page = visit("fix", run=stocked.ids["finished"], tab="files")
    words = said(page)
    assert "**197 of 200 images go out**: 2 with another label, 1 with the given one confirmed, 194 undecided" in words
    assert "**3 stay out**: 1 in dispute, 1 ambiguous, 1 excluded. Settle disputes" in words
    assert offered(page) == DOWNLOADS
    assert f"python -m explorer export {stocked.ids['finished']} --to FOLDER --runs {stocked.home}" in page.code[0].value


def test_of_one_author_nothing_is_in_dispute(visit: Visit, stocked: Library) -> None:
    enter(stocked, a_few(read(stocked, "finished")))
    words = said(visit("fix", run=stocked.ids["finished"], tab="files", whose="ann"))
    assert "**198 of 200 images go out**: 3 with another label" in words and "Only the decisions of ann count." in words


def test_numbers_of_images_add_up(library: Library) -> None:
    run = read(library, "finished")
    rng, given = np.random.default_rng(0), run.labels.given_label
    made = [decide(run, n, None if rng.random() < 0.2 else int(rng.integers(10)), str(rng.choice(["ann", "bob"]))) for n in range(150)]
    review = Reviewing(run, load_labels(run.config)[0], "", "ann", tuple(made), verdicts(made))
    numbers = [int(word) for word in going_words(review).replace("*", "").replace(":", "").split() if word.isdecimal()]
    goes, N, relabelled, kept, undecided, stays = numbers[:6]
    assert goes + stays == N == 200 and relabelled + kept + undecided == goes and undecided == 50
    assert kept == sum(decision.label == given[n] for n, decision in enumerate(made))


def test_without_a_decision_there_is_nothing_to_take_away(visit: Visit, stocked: Library) -> None:
    page = visit("fix", run=stocked.ids["finished"], tab="files")
    assert "Nothing has been decided yet" in said(page) and not offered(page)


def rows_of(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def test_the_tables_are_those_of_an_export_into_a_folder(stocked: Library, tmp_path: Path) -> None:
    run = read(stocked, "finished")
    enter(stocked, a_few(run))
    export_review(RunStore(stocked.home), run.run_id, tmp_path / "out", "ann")
    tables = review_tables(run, log(stocked), "ann")
    assert {name: (tmp_path / "out" / name).read_text() for name in tables} == tables
    kept = {int(row["index"]): row["label"] for row in rows_of(tables["corrected_labels.csv"])}
    assert len(kept) == 198 and int(run.source_index[4]) not in kept
    assert kept[int(run.source_index[1])] == str((run.labels.given_label[1] + 1) % 10)


def test_the_packed_data_set_opens_again_with_the_corrected_labels(stocked: Library, tmp_path: Path) -> None:
    run = read(stocked, "finished")
    enter(stocked, a_few(run))
    dataset, labels = load_labels(run.config)
    with zipfile.ZipFile(io.BytesIO(parquet_zip(run, dataset, labels, log(stocked)))) as archive:
        archive.extractall(tmp_path)
    again = catalogue.load(RunConfig(dataset=str(tmp_path), label_column="label"))
    out = {3, 4, 5}
    assert np.array_equal(again.train_images, dataset.train_images[[n for n in range(200) if n not in out]])
    changed = labels.given_label.copy()
    changed[[1, 2]] = (changed[[1, 2]] + 1) % 10
    assert again.given_label.tolist() == [int(changed[n]) for n in range(200) if n not in out]
    assert again.class_names == run.class_names and np.array_equal(again.test_label, dataset.test_label)


# -- a folder on this machine ------------------------------------------------------------------------------


def files_below(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(folder.rglob("*")) if path.is_file()
    }


def test_a_cleaned_folder_is_written_and_the_original_left_alone(visit: Visit, stocked: Library, tmp_path: Path) -> None:
    own = draw_folder(tmp_path / "mine")
    config = dataclasses.replace(stocked.configs["no truth"], dataset=str(own), epochs=1)
    for _ in execute(RunStore(stocked.home), config):
        pass
    run = RunStore(stocked.home).open(RunStore(stocked.home).runs()[0].run_id)
    before = files_below(own)
    moved, gone = 0, 1
    Reviews(stocked.home).add(data_key(config), [decide(run, moved, 1 - int(run.labels.given_label[moved])), decide(run, gone, None)])
    page = visit("fix", run=run.run_id, tab="files")
    assert "with the images in corrected class folders" in said(page)
    page.text_input(key="export_to").set_value(str(own / "cleaned"))
    assert any("never changed" in each.value for each in press(page, "Write").error)
    page.text_input(key="export_to").set_value(str(tmp_path / "out"))
    assert not press(page, "Write").error and "corrected_labels.csv" in page.success[0].value
    assert files_below(own) == before
    written = files_below(tmp_path / "out" / "images")
    assert sorted(written.values()) == sorted(set(before.values()) - {before[path_of(run, own, gone)]})
    assert any("earlier export" in each.value for each in press(page, "Write").error)
    page.checkbox(key="export_overwrite").set_value(True)
    assert not press(page.run(), "Write").error


def path_of(run: Run, folder: Path, n: int) -> str:
    files = sorted(str(path.relative_to(folder)) for path in folder.rglob("*.png"))
    table = {row["index"]: row["path"] for row in rows_of(review_tables(run, ())["corrected_labels.csv"])}
    assert set(table.values()) <= set(files)
    return table[str(run.source_index[n])]


def test_a_folder_has_to_be_named(visit: Visit, stocked: Library) -> None:
    enter(stocked, a_few(read(stocked, "finished")))
    page = press(visit("fix", run=stocked.ids["finished"], tab="files"), "Write")
    assert "Name the folder first" in page.error[0].value


@pytest.mark.parametrize("name", ["EXPLORER_TOKEN", "EXPLORER_DATA_ROOT"])
def test_visitors_from_elsewhere_write_nothing_here(
    visit: Visit, stocked: Library, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str
) -> None:
    enter(stocked, a_few(read(stocked, "finished")))
    monkeypatch.setenv(name, str(tmp_path))
    page = visit("fix", run=stocked.ids["finished"], tab="files", token=str(tmp_path))
    assert offered(page) == DOWNLOADS and not page.error, said(page)
    assert "Write" not in buttons(page) and "folder on this machine" not in str(page.text_input)
    assert "python -m explorer export" in page.code[0].value


# -- what comes in -----------------------------------------------------------------------------------------


def decision(index: int, label: int, author: str = "ann", given: int = 0) -> Decision:
    action = "exclude" if label == NO_CLASS else "keep" if label == given else "relabel"
    return Decision(index, action, label, author, given, f"{author} {index} {label}")


def test_a_preview_tells_what_is_new_what_is_replaced_and_what_will_be_disputed() -> None:
    held = [decision(1, 3), decision(2, 0), decision(3, 5, "bob"), decision(4, 5, "bob"), decision(5, 7), decision(5, 7, "bob")]
    stored = [dataclasses.replace(each, decision_id=place + 1) for place, each in enumerate(held)]
    imported = [decision(image, label) for image, label in ((1, 3), (2, 4), (3, 5), (4, NO_CLASS), (5, 8), (6, 0))]
    preview = preview_of(imported, stored, "ann")
    assert [each.source_index for each in preview.fresh] == [2, 3, 4, 5, 6]
    assert (preview.unchanged, preview.replaced, preview.disputed) == (1, 2, 2)
    words = preview_words(preview)
    assert words.startswith("**5 decisions** would be entered in your name: 1 keep the label, 3 change the label, 1 exclude the image.")
    assert "2 replace" in words and "2 differ" in words and "1 line" in words
    rows = preview_rows(preview, [f"class {k}" for k in range(10)])
    assert rows["becomes"].tolist() == ["class 4", "class 5", "excluded", "class 8", "class 0"]
    assert set(rows["given label"]) == {"class 0"} and rows["index"].tolist() == [2, 3, 4, 5, 6]


def test_a_preview_of_what_is_known_enters_nothing() -> None:
    stored = [dataclasses.replace(decision(1, 3), decision_id=1)]
    preview = preview_of([decision(1, 3)], stored, "ann")
    assert preview == Preview((), 1, 0, 0) and "nothing to enter" in preview_words(preview)


def upload(page: AppTest, text: str) -> AppTest:
    page.file_uploader[0].set_value(("theirs.csv", text.encode(), "text/csv"))
    return page.run()


def test_an_upload_is_looked_at_then_entered_then_taken_back_as_one(visit: Visit, stocked: Library) -> None:
    run = read(stocked, "finished")
    page = reviewer(visit, run.run_id, tab="files")
    labels = [(int(run.labels.given_label[n]) + n % 2) % 10 for n in range(30)]
    text = "index,label,note\n" + "\n".join(f"{run.source_index[n]},{labels[n]},x" for n in range(30))
    words = said(upload(page, text))
    assert "**30 decisions** would be entered in your name: 15 keep the label, 15 change the label." in words
    assert log(stocked) == ()
    words = said(press(page, "Enter 30 decisions"))
    entered = log(stocked)
    assert [each.label for each in entered] == labels and {(each.author, each.via) for each in entered} == {("Anna", "import")}
    assert "Your last step was an import: **30 decisions**" in words and "Undo the import" in buttons(page)
    assert "200 of 200 images go out" in words and "15 with another label" in words
    words = said(press(page, "Undo the import"))
    assert len(verdicts(log(stocked)).source_index) == 0 and "Undo the import" not in buttons(page)
    assert len(log(stocked)) == 60  # taken back by rows that say so


def test_what_was_taken_away_comes_in_again(visit: Visit, stocked: Library) -> None:
    run = read(stocked, "finished")
    rng = np.random.default_rng(0)
    enter(stocked, [decide(run, n, None if n % 7 == 0 else int(rng.integers(10)), "ann") for n in range(60)])
    text = review_tables(run, log(stocked))["corrections.csv"]
    page = upload(reviewer(visit, run.run_id, "Bob", tab="files"), text)
    assert "**60 decisions**" in said(page) and "differ" not in said(page)
    said(press(page, "Enter 60 decisions"))
    mine, hers = (verdicts(log(stocked), author) for author in ("Bob", "ann"))
    assert all(np.array_equal(a, b) for a, b in zip(mine, hers, strict=True))


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("index,label\n{0},3\n{1},11\n", "line 3"),
        ("index,label\n{0},3\nfour,1\n", "line 3"),
        ("index,label\n{0},3\n{0},4\n", "line 3"),
        ("index,label\n999999,3\n", "line 2"),
        ("path,label\na.png,3\n", "line 2"),
        ("number,class\n1,2\n", "it needs index or path, and label"),
    ],
    ids=["class", "index", "twice", "other image", "no files", "columns"],
)
def test_an_upload_that_cannot_be_used_is_refused_with_its_line(visit: Visit, stocked: Library, text: str, named: str) -> None:
    run = read(stocked, "finished")
    page = upload(reviewer(visit, run.run_id, tab="files"), text.format(*run.source_index[:2]))
    said(page)
    assert named in page.error[0].value and "Nothing was entered" in page.error[0].value
    assert log(stocked) == () and not any(label.startswith("Enter") for label in buttons(page))


def test_an_empty_file_is_said_to_be_empty(visit: Visit, stocked: Library) -> None:
    assert "no line besides its header" in said(upload(reviewer(visit, stocked.ids["finished"], tab="files"), "index,label\n"))


def test_who_brings_decisions_in_is_asked_first(visit: Visit, stocked: Library) -> None:
    page = visit("fix", run=stocked.ids["finished"], tab="files")
    assert "Who reviews?" in said(page) and not page.file_uploader


def test_data_that_are_gone_are_said_to_be_gone(visit: Visit, stocked: Library, tmp_path: Path) -> None:
    own = draw_folder(tmp_path / "moved")
    config = dataclasses.replace(stocked.configs["no truth"], dataset=str(own), epochs=1)
    for _ in execute(RunStore(stocked.home), config):
        pass
    run_id = RunStore(stocked.home).runs()[0].run_id
    shutil.rmtree(own)
    for tab in ("files", "retrain"):
        assert "cannot be shown" in said(visit("fix", run=run_id, tab=tab))
