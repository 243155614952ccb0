"""Corrected labels from a file: what they change, what they leave alone, and every way a file can be wrong."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from explorer import pipeline
from explorer.config import ConfigError, DataConfig, MemorizationConfig, RunConfig
from explorer.data import catalogue
from explorer.data.corrections import MAX_BYTES, Corrections, apply_corrections, read_corrections
from explorer.data.label_files import class_reader, class_texts, plain_text
from explorer.data.noise import add_noise
from explorer.data.transitions import transition_matrix
from explorer.records import NO_CLASS, DataError, Dataset, Labels
from tests.support import toy_dataset, toy_labels

NAMES = ("ant", "bee", "cow")


def corrections(**label_of: int | None) -> Corrections:
    """``_7=2`` gives image 7 the class 2, None leaves it out."""
    index = [int(name[1:]) for name in label_of]
    return Corrections(np.array(index, dtype=np.int64), np.array([NO_CLASS if k is None else k for k in label_of.values()], dtype=np.int64))


def toy(given: Sequence[int], true: Sequence[int] | None = None, **more: bool) -> tuple[Dataset, Labels]:
    truth = None if true is None else np.array(true)
    return toy_dataset(np.array(given), NAMES, truth, **more), toy_labels(np.array(given), truth)


def write_csv(file: Path, *lines: str, header: str = "index,label") -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("\n".join([header, *lines]))
    return file


# -- applied ---------------------------------------------------------------------------------------


def test_labels_change_and_images_go_and_nothing_else() -> None:
    dataset, labels = toy([0, 1, 2, 0, 1, 2], [0, 1, 2, 1, 1, 0])
    after, corrected = apply_corrections(dataset, labels, corrections(_3=1, _0=None, _5=1))
    assert after.source_index.tolist() == [1, 2, 3, 4, 5]
    assert corrected.given_label.tolist() == [1, 2, 1, 1, 1]
    assert corrected.true_label.tolist() == [1, 2, 1, 1, 0]
    assert corrected.is_mislabeled.tolist() == [False, False, False, False, True]
    assert corrected.wrong_origin.tolist() == ["", "", "", "", "reviewed"]
    assert corrected.wrong_rate == 0.2
    for name in ("train_images", "given_label", "true_label"):
        assert np.array_equal(getattr(after, name), getattr(dataset, name)[1:])
    for name in ("test_images", "test_label", "class_names", "source_rows"):
        assert getattr(after, name) is getattr(dataset, name)
    assert labels.given_label.tolist() == [0, 1, 2, 0, 1, 2]


def test_what_is_decided_on_images_that_are_not_there_says_nothing() -> None:
    dataset, labels = toy([0, 1, 2, 0], [0, 1, 2, 0])
    part = dataclasses.replace(dataset, source_index=np.array([3, 9, 4, 70]))
    after, corrected = apply_corrections(part, labels, corrections(_9=2, _0=1, _71=None, _5=2))
    assert after.source_index is part.source_index
    assert corrected.given_label.tolist() == [0, 2, 2, 0]


@pytest.mark.parametrize(
    ("origin", "true", "label", "after"),
    [
        ("flipped", 1, 1, ""),  # set right
        ("flipped", 1, 2, "reviewed"),  # another wrong one
        ("flipped", 1, 0, "flipped"),  # kept, though wrong: the noise put it there
        ("", 0, 2, "reviewed"),  # was right
        ("", 0, 0, ""),
        ("foreign", NO_CLASS, 2, "foreign"),  # no label would be right
        ("recorded", 1, 1, ""),
    ],
)
def test_whose_fault_a_wrong_label_is(origin: str, true: int, label: int, after: str) -> None:
    dataset, labels = toy([0, 1, 2, 0])
    truth = np.array([true, 1, 2, 0])
    labels = dataclasses.replace(
        labels, true_label=truth, is_mislabeled=truth != labels.given_label, wrong_origin=np.array([origin, "", "", ""])
    )
    _, corrected = apply_corrections(dataset, labels, corrections(_0=label))
    assert corrected.wrong_origin.tolist() == [after, "", "", ""]
    assert corrected.is_mislabeled[0] == bool(after)


def test_where_truth_is_unknown_it_stays_so() -> None:
    _, corrected = apply_corrections(*toy([0, 1, 2, 0, 1]), corrections(_0=1, _1=None))
    assert corrected.given_label.tolist() == [1, 2, 0, 1]
    assert (corrected.true_label, corrected.is_mislabeled, corrected.wrong_rate, corrected.transition) == (None, None, None, None)
    assert corrected.wrong_origin.tolist() == [""] * 4


def test_the_realised_noise_is_that_of_the_corrected_labels() -> None:
    config = DataConfig(noise="symmetric", noise_rate=0.3)
    dataset, labels = add_noise(config, catalogue.load(config))
    wrong = np.flatnonzero(labels.is_mislabeled)
    fixed = Corrections(dataset.source_index[wrong[:100]], labels.true_label[wrong[:100]])
    _, corrected = apply_corrections(dataset, labels, fixed)
    assert corrected.is_mislabeled.sum() == len(wrong) - 100
    assert np.array_equal(corrected.transition, transition_matrix(labels.true_label, corrected.given_label, 10))
    assert corrected.asked_transition is labels.asked_transition and corrected.asked_rate == 0.3


def test_a_copy_of_an_image_that_is_left_out_is_a_copy_of_nothing() -> None:
    config = DataConfig(dataset="planted", noise="none", train_size=200)
    dataset, labels = add_noise(config, catalogue.load(config))
    copies = np.flatnonzero(dataset.planted.partner >= 0)
    gone = dataset.planted.partner[copies[0]]
    after, _ = apply_corrections(dataset, labels, corrections(**{f"_{gone}": None}))
    here = {int(index): n for n, index in enumerate(after.source_index)}
    orphan = here[int(dataset.source_index[copies[0]])]
    assert (after.planted.kind[orphan], after.planted.partner[orphan], after.planted.transform[orphan]) == ("typical", -1, "")
    assert np.isin(after.planted.partner[after.planted.partner >= 0], after.source_index).all()
    assert (after.planted.partner >= 0).sum() == len(copies) - 1
    assert len(after.planted.kind) == len(dataset.planted.kind) - 1


@pytest.mark.parametrize(("given", "left_out"), [([0, 1, 2, 0, 1, 2], "012"), ([0, 1, 0, 0, 0, 2], "15")])
def test_too_little_left_to_train_on_is_refused(given: list[int], left_out: str) -> None:
    """Fewer than four images, or one class."""
    with pytest.raises(DataError, match="need"):
        apply_corrections(*toy(given), corrections(**{f"_{n}": None for n in left_out}))


# -- in a run --------------------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
@pytest.mark.parametrize("kind", [RunConfig, MemorizationConfig])
def test_a_config_applies_its_file(tmp_path: Path, suffix: str, kind: type[DataConfig]) -> None:
    config = kind(train_size=200, noise_rate=0.4)
    before = pipeline.prepare(config)
    wrong = np.flatnonzero(before.labels.is_mislabeled)
    label = ["" if n % 3 == 0 else str(before.labels.true_label[i]) for n, i in enumerate(wrong)]
    file = tmp_path / f"fixed{suffix}"
    index = before.dataset.source_index[wrong]
    if suffix == ".csv":
        write_csv(file, *(f"{i},{text}" for i, text in zip(index, label, strict=True)))
    else:
        pq.write_table(pa.table({"index": index, "label": [int(text) if text else None for text in label], "more": label}), file)
    after = pipeline.prepare(dataclasses.replace(config, corrections=str(file)))
    out = sum(text == "" for text in label)
    assert after.corrected == (str(file), len(wrong) - out, out)
    assert not after.labels.is_mislabeled.any() and len(after.labels.given_label) == 200 - out
    assert np.array_equal(after.dataset.source_index, np.setdiff1d(before.dataset.source_index, index[[text == "" for text in label]]))
    assert np.array_equal(after.dataset.test_images, before.dataset.test_images)
    assert f"{len(wrong) - out:,} changed" in after.dataset.notices[-1] and file.name in after.dataset.notices[-1]


def test_the_run_is_that_of_exactly_these_corrections(tmp_path: Path) -> None:
    file = write_csv(tmp_path / "a.csv", "0,1")
    config, without = DataConfig(corrections=str(file)), DataConfig()
    first = catalogue.fingerprint(config)
    assert first.startswith(catalogue.fingerprint(without)) and first != catalogue.fingerprint(without)
    write_csv(file, "0,2")
    assert catalogue.fingerprint(config) != first
    write_csv(file, "0,1")
    assert catalogue.fingerprint(config) == first == catalogue.fingerprint(DataConfig(corrections=f" {file} "))


def test_a_run_without_corrections_has_the_name_it_always_had() -> None:
    assert RunConfig().run_id("digits") == "fa04a0a69aa6"


def test_a_path_is_made_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = write_csv(tmp_path / "a.csv", "0,1")
    monkeypatch.chdir(tmp_path)
    assert pipeline.resolve(RunConfig(corrections="a.csv", device="cpu")).corrections == str(file)
    assert pipeline.resolve(RunConfig(corrections="  ", device="cpu")).corrections == ""


@pytest.mark.parametrize("text", ["{tmp}/nowhere.csv", "{tmp}", "~nobody/x.csv", "x\0.csv"])
def test_a_file_that_is_not_there_is_said_at_its_field(tmp_path: Path, text: str) -> None:
    with pytest.raises(ConfigError) as caught:
        pipeline.identify(RunConfig(corrections=text.format(tmp=tmp_path), device="cpu"))
    assert caught.value.field == "corrections"


def test_a_bad_line_is_said_at_the_field(tmp_path: Path) -> None:
    file = write_csv(tmp_path / "a.csv", "0,1", "5,eleven")
    with pytest.raises(ConfigError, match=r"line 3 of a\.csv.*'eleven'") as caught:
        pipeline.prepare(DataConfig(corrections=str(file)))
    assert caught.value.field == "corrections"


def test_when_served_to_others_only_our_own_and_shared_files_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shared, outside = write_csv(tmp_path / "shared" / "a.csv", "0,1"), write_csv(tmp_path / "b.csv", "0,1")
    home = tmp_path / "home"
    own, beside = write_csv(home / "corrections" / "c.csv", "0,1"), write_csv(home / "d.csv", "0,1")
    monkeypatch.setenv("EXPLORER_HOME", str(home))
    monkeypatch.setenv("EXPLORER_DATA_ROOT", str(tmp_path / "shared"))
    for file in (shared, own):
        assert catalogue.corrections_file(DataConfig(corrections=str(file))) == file
    (home / "corrections" / "link.csv").symlink_to(outside)
    for file in (outside, beside, home / "corrections" / ".." / "d.csv", home / "corrections" / "link.csv"):
        with pytest.raises(ConfigError, match="corrections"):
            catalogue.corrections_file(DataConfig(corrections=str(file)))
    with pytest.raises(ConfigError, match="dataset"):
        catalogue.existing_path(str(own), "dataset")


# -- the file --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("lines", "named"),
    [
        (["0,ant", "x,bee"], "line 3 of f.csv has the index 'x'"), (["-1,ant"], "line 2 .*'-1'"), (["6,ant"], "line 2 .*from 0 to 5"),
        (["1.5,ant"], "'1.5'"), (["٣,ant"], "index"), (["0,wasp"], "line 2 .*'wasp': give a class .ant, bee, cow"), (["0,3"], "'3'"),
        (["0,ant", "", "2,bee", "0,bee"], "line 5 .*image 0 again, after line 2"), (["0,ant,more"], "3 fields"), (["0"], "1 fields"),
        (['0,"ant'], "line 2"), (["99999999999,ant"], "index"),
    ],
)  # fmt: skip
def test_a_bad_line_is_named_by_its_number(tmp_path: Path, lines: list[str], named: str) -> None:
    with pytest.raises(DataError, match=named):
        read_corrections(write_csv(tmp_path / "f.csv", *lines), NAMES, source_rows=6)


@pytest.mark.parametrize(
    ("content", "named"),
    [
        (b"", "no column index"), (b"index;label\n0;ant\n", "no column index"), (b"index,class\n0,ant\n", "no column label"),
        (b"index,label,label\n0,ant,ant\n", "twice"), (b"index,label\n0,\xff\n", "UTF-8"), (b'"index,label\n0,ant\n', "line 1"),
    ],
)  # fmt: skip
def test_what_is_no_such_table_is_refused(tmp_path: Path, content: bytes, named: str) -> None:
    (tmp_path / "f.csv").write_bytes(content)
    with pytest.raises(DataError, match=named):
        read_corrections(tmp_path / "f.csv", NAMES)


def test_parquet_that_is_no_such_table_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "f.parquet"
    for columns, named in (({"index": [0]}, "no column label"), ({"index": [None], "label": ["ant"]}, "row 0 of f.parquet")):
        pq.write_table(pa.table(columns), file)
        with pytest.raises(DataError, match=named):
            read_corrections(file, NAMES)
    pq.write_table(pa.Table.from_arrays([pa.array([0]), pa.array([0]), pa.array([0])], names=["index", "label", "label"]), file)
    with pytest.raises(DataError, match="two columns label"):
        read_corrections(file, NAMES)
    file.write_bytes(b"PAR1 not really PAR1")
    with pytest.raises(DataError, match=r"f\.parquet cannot be read as Parquet"):
        read_corrections(file, NAMES)


def test_a_file_too_large_is_refused_unread(tmp_path: Path) -> None:
    with open(tmp_path / "f.csv", "wb") as file:
        file.truncate(MAX_BYTES + 1)
    with pytest.raises(DataError, match="larger than 100 MB"):
        read_corrections(tmp_path / "f.csv", NAMES)


def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "f.csv")
    with pytest.raises(ConfigError, match="not a file"):
        catalogue.fingerprint(DataConfig(corrections=str(tmp_path / "f.csv")))
    with pytest.raises(DataError, match="not a file"):
        read_corrections(tmp_path / "f.csv", NAMES)


def test_order_spaces_bom_and_empty_lines_do_not_matter(tmp_path: Path) -> None:
    (tmp_path / "f.csv").write_bytes('\ufefflabel, index ,note\r\n bee , 4,"a\nb"\r\n\r\n,2,\r\n1,0,\r\n'.encode())
    found = read_corrections(tmp_path / "f.csv", NAMES)
    assert (found.source_index.tolist(), found.label.tolist()) == ([4, 2, 0], [1, NO_CLASS, 1])


@pytest.mark.parametrize(
    ("names", "texts"),
    [
        (("cat", "dog"), ["cat", "dog"]),
        (("0", "1"), ["0", "1"]),
        (("5", "-1", "0"), ["5", "-1", "0"]),
        (("=cmd()", "@x", "+1 up"), ["0", "1", "2"]),
        (("1", "cat"), ["1", "cat"]),  # a name that looks like another class's number is the name
        ((" cat", "cat"), [" cat", "cat"]),
        (("-a", "0"), ["-a", "0"]),  # its number is taken
        (("", "b"), ["0", "b"]),
    ],
)
def test_a_class_is_written_so_that_it_is_read_back(names: tuple[str, ...], texts: list[str]) -> None:
    assert list(class_texts(names)) == texts
    read = class_reader(names)
    assert [read(text, "") for text in texts] == list(range(len(names)))


def test_names_that_are_numbers_are_names_and_nothing_else() -> None:
    read = class_reader(("1", "2", "5"))
    assert [read(text, "") for text in ("1", "2", "5", " 5 ", "")] == [0, 1, 2, 2, NO_CLASS]
    with pytest.raises(DataError, match="line 7 has the label '0'"):  # the first class is called 1
        read("0", "line 7")


@pytest.mark.parametrize("text", ["=1+1", "+x", "-x", "@x", "\tx", "ann", "1", ""])
def test_free_text_is_no_formula(text: str) -> None:
    shown = plain_text(text)
    assert shown.endswith(text) and not shown.startswith(("=", "+", "-", "@", "\t"))
    assert (shown == text) == (text in ("ann", "1", ""))
