"""Own data by path: Parquet, ImageFolder and CSV, their conventions, and everything that can be wrong with them."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Sequence
from io import BytesIO
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from explorer.config import ConfigError
from explorer.data.tables import label_columns, load_path, path_fingerprint
from explorer.records import DataError, Dataset

REAL = Path(__file__).resolve().parents[3] / "shared" / "data" / "cifar10"
Labels = Sequence[int | float | str | None]


def png(value: int, size: tuple[int, int] = (8, 8)) -> bytes:
    buffer = BytesIO()
    Image.new("L", size, value).save(buffer, "PNG")
    return buffer.getvalue()


def write_png(file: Path, value: int) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(png(value))


def write_tree(folder: Path, classes: Sequence[str]) -> None:
    """An ImageFolder: image i is grey i, in the folder of its class."""
    for i, name in enumerate(classes):
        write_png(folder / name / f"{i:02}.png", i)


def write_parquet(file: Path, names: Sequence[str] | None = None, images: Sequence[bytes | None] | None = None, **columns: Labels) -> Path:
    """A table as the `datasets` library writes it; image i is grey i unless given. names: class names of every integer column."""
    rows = len(next(iter(columns.values())))
    structs = [{"bytes": content, "path": f"{i}.png"} for i, content in enumerate(images or [png(i) for i in range(rows)])]
    image = pa.array(structs, pa.struct([("bytes", pa.binary()), ("path", pa.string())]))
    table = pa.table({"image": image, **{name: pa.array(values) for name, values in columns.items()}})
    if names:
        features = {name: {"_type": "ClassLabel", "names": list(names)} for name in columns}
        table = table.replace_schema_metadata({"huggingface": json.dumps({"info": {"features": features}})})
    file.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(table, file, row_group_size=7)
    return file


def write_csv(folder: Path, text: str, images: int = 0) -> Path:
    for i in range(images):
        write_png(folder / f"{i}.png", i)
    folder.mkdir(exist_ok=True)
    (folder / "labels.csv").write_text(text)
    return folder / "labels.csv"


def manifest(rows: int, row: Callable[[int], str] = lambda i: f"{i}.png,{i % 2}", header: str = "path,label") -> str:
    return "\n".join([header, *map(row, range(rows))]) + "\n"


def values(images: np.ndarray) -> list[int]:
    return images[:, 0, 0, 0].tolist()


def follows_source(data: Dataset) -> bool:
    """Whether training image i really is row source_index[i]; all sources here write the row as the grey value."""
    return values(data.train_images) == data.source_index.tolist()


# -- Parquet -----------------------------------------------------------------------------------


def test_parquet_folder_with_class_names_and_splits(tmp_path: Path) -> None:
    write_parquet(tmp_path / "train-00000-of-00002.parquet", ["cat", "dog", "eel"], label=[0, 1] * 10)
    write_parquet(tmp_path / "train-00001-of-00002.parquet", ["cat", "dog", "eel"], [png(i) for i in range(20, 30)], label=[1, 0] * 5)
    write_parquet(tmp_path / "test-00000-of-00001.parquet", ["cat", "dog", "eel"], label=[2, 1, 0])
    data = load_path(tmp_path)
    assert data.class_names == ("cat", "dog", "eel")
    assert data.train_images.shape == (30, 8, 8, 1)
    assert follows_source(data)
    assert data.given_label.tolist() == [0, 1] * 10 + [1, 0] * 5
    assert data.test_label.tolist() == [2, 1, 0]
    assert data.true_label is None
    assert not data.test_is_reference
    assert data.notices == ()
    assert label_columns(tmp_path) == ("label",)


def test_subset_keeps_source_rows_and_is_seeded(tmp_path: Path) -> None:
    file = write_parquet(tmp_path / "a.parquet", label=[0, 1] * 50)
    data = load_path(file, train_size=20, seed=1)
    assert len(data.source_index) == 20
    assert follows_source(data)
    assert np.bincount(data.given_label).tolist() == [10, 10]
    assert np.array_equal(data.source_index, load_path(file, train_size=20, seed=1).source_index)
    assert not np.array_equal(data.source_index, load_path(file, train_size=20, seed=2).source_index)
    assert not set(values(data.test_images)) & set(values(data.train_images))
    assert "There is no test split: 10 % of the images (10) are held out for testing." in data.notices
    with pytest.raises(ConfigError, match="train_size.*91.*more than the 90 training images"):
        load_path(file, train_size=91)


def test_broken_images_are_skipped_in_both_splits(tmp_path: Path) -> None:
    images = [png(i) for i in range(40)]
    images[3], images[39] = png(3)[:-30], b"junk"
    write_parquet(tmp_path / "train.parquet", images=images, label=[0, 1] * 20)
    write_parquet(tmp_path / "test.parquet", images=[png(0), b"junk", png(2)], label=[0, 1, 1])
    data = load_path(tmp_path)
    assert data.source_index.tolist() == [i for i in range(40) if i not in (3, 39)]
    assert follows_source(data)
    assert data.given_label.tolist() == [i % 2 for i in data.source_index]
    assert data.test_label.tolist() == [0, 1]
    assert values(data.test_images) == [0, 2]
    (notice,) = data.notices
    assert notice.startswith("3 broken images were skipped, of 43: row 3 of train.parquet (")
    assert "row 39 of train.parquet, row 1 of test.parquet (not an image)" in notice


@pytest.mark.parametrize(
    ("layout", "train", "test", "notice"),
    [
        (["data/train-0.parquet", "data/test-0.parquet"], 12, 3, ""),
        (["train/0.parquet", "validation/0.parquet"], 12, 3, ""),
        (["contest.parquet", "latest.parquet"], 21, 3, "no test split"),
        (["train_test_split/train.parquet", "train_test_split/test.parquet"], 12, 3, ""),
        (["train.parquet", "test.parquet", "validation.parquet"], 12, 3, "left out: validation"),
        (["train.parquet", "test.parquet", "extra.parquet"], 12, 3, "Left out, for their names say neither train nor test: extra.parquet"),
    ],
)
def test_split_conventions(tmp_path: Path, layout: list[str], train: int, test: int, notice: str) -> None:
    for name in layout:
        write_parquet(tmp_path / name, label=[0, 1, 1] if "test" in name.split("/")[-1][:4] or "valid" in name else [0, 1] * 6)
    data = load_path(tmp_path)
    assert (len(data.given_label), len(data.test_label)) in [(train, test), (22, 2)]
    assert notice in " ".join(data.notices)
    assert bool(notice) == bool(data.notices)


def test_a_single_file_is_training_data_whatever_its_name(tmp_path: Path) -> None:
    file = write_parquet(tmp_path / "test.parquet", label=[0, 1] * 10)
    assert len(load_path(file).given_label) == 18
    write_parquet(tmp_path / "test-2.parquet", label=[0, 1] * 10)
    with pytest.raises(DataError, match="holds only a test split: add files named train-"):
        load_path(tmp_path)


def test_two_label_columns_and_reference_test_labels(tmp_path: Path) -> None:
    write_parquet(tmp_path / "train.parquet", ["cat", "dog"], label=[0, 1] * 10, worse=[0, 0] * 10)
    write_parquet(tmp_path / "test.parquet", ["cat", "dog"], label=[0, 1, 1])
    assert label_columns(tmp_path) == ("label", "worse")
    with pytest.raises(DataError, match="all 20 images have the same label, cat"):
        load_path(tmp_path, label_column="worse")
    write_parquet(tmp_path / "train.parquet", ["cat", "dog"], label=[0, 1] * 10, worse=[0, 0, 1, 1] * 5)
    data = load_path(tmp_path, label_column="worse", true_label_column="label")
    assert data.given_label.tolist() == [0, 0, 1, 1] * 5
    assert data.true_label is not None
    assert data.true_label.tolist() == [0, 1] * 10
    assert data.test_label.tolist() == [0, 1, 1]
    assert data.test_is_reference
    assert load_path(tmp_path).given_label.tolist() == [0, 1] * 10  # several columns: `label` is the default


@pytest.mark.parametrize("test_column", ["given", "true", "other", "hidden"])
def test_which_labels_the_test_split_has(tmp_path: Path, test_column: str) -> None:
    write_parquet(tmp_path / "train.parquet", ["a", "b"], given=[0, 0, 1, 1] * 10, true=[0, 1] * 20)
    column, labels = ("true", [-1, -1]) if test_column == "hidden" else (test_column, [0, 1])
    write_parquet(tmp_path / "test.parquet", ["a", "b"], None, **{column: labels})
    data = load_path(tmp_path, label_column="given", true_label_column="true")
    assert data.test_is_reference == (test_column != "given")  # held out of the training split, they are true labels as well
    assert len(data.test_label) == (2 if test_column in ("given", "true") else 4)
    assert any("held out" in notice for notice in data.notices) == (test_column in ("other", "hidden"))
    assert data.true_label is not None
    if test_column == "other":
        held_out = values(data.test_images)
        assert data.test_label.tolist() == [i % 2 for i in held_out]


@pytest.mark.parametrize(
    ("labels", "names", "classes"),
    [
        (["pear", "apple"] * 10, None, ("apple", "pear")),
        ([7, 3] * 10, None, ("3", "7")),
        ([10, 9] * 10, None, ("9", "10")),
        ([1, 0] * 10, ["no", "yes", "never used"], ("no", "yes", "never used")),
    ],
)
def test_class_names(tmp_path: Path, labels: Labels, names: list[str] | None, classes: tuple[str, ...]) -> None:
    data = load_path(write_parquet(tmp_path / "a.parquet", names, label=labels))
    assert data.class_names == classes
    expected = [names[int(str(value))] if names else str(value) for value in labels]
    assert [data.class_names[i] for i in data.given_label] == [expected[i] for i in data.source_index]


def test_class_names_are_shared_by_columns_written_differently(tmp_path: Path) -> None:
    file = write_parquet(tmp_path / "a.parquet", ["cat", "dog"], true=[0, 1] * 10, guess=["dog", "cat"] * 10)
    data = load_path(file, label_column="guess", true_label_column="true")
    assert data.class_names == ("cat", "dog")
    assert data.true_label is not None
    assert (data.given_label == 1 - data.true_label).all()


def test_dictionary_boolean_and_plain_binary_columns(tmp_path: Path) -> None:
    columns = {"img": [png(i) for i in range(20)], "label": pa.array(["a", "b"] * 10).dictionary_encode(), "flag": [True, False] * 10}
    pq.write_table(pa.table({**columns, "score": [0.5] * 20}), tmp_path / "a.parquet")
    assert label_columns(tmp_path) == ("label", "flag")
    assert load_path(tmp_path).class_names == ("a", "b")
    assert load_path(tmp_path, label_column="flag").class_names == ("0", "1")


# -- ImageFolder -------------------------------------------------------------------------------


def test_image_folder_without_splits(tmp_path: Path) -> None:
    for i in range(20):
        write_png(tmp_path / ("cat" if i < 10 else "cat-2") / f"{i:02}.PNG", i)
    write_png(tmp_path / ".hidden" / "x.png", 0)
    (tmp_path / "cat" / "notes.txt").write_text("not an image")
    data = load_path(tmp_path)
    assert data.class_names == ("cat", "cat-2")
    assert follows_source(data)
    assert data.given_label.tolist() == [int(i >= 10) for i in data.source_index]
    assert (len(data.given_label), len(data.test_label)) == (18, 2)
    assert label_columns(tmp_path) == ()
    with pytest.raises(ConfigError, match="label_column.*folders are the labels; leave it empty"):
        load_path(tmp_path, label_column="label")


@pytest.mark.parametrize("test", ["test", "val", "validation", ""])
def test_image_folder_with_splits(tmp_path: Path, test: str) -> None:
    for i in range(20):
        write_png(tmp_path / "train" / ("b" if i < 10 else "c") / f"{i:02}.png", i)
    if test:
        write_png(tmp_path / test / "a" / "only-here.png", 99)
    data = load_path(tmp_path)
    assert data.class_names == (("a", "b", "c") if test else ("b", "c"))
    assert len(data.test_label) == (1 if test else 2)
    assert follows_source(data)


def test_a_class_called_train(tmp_path: Path) -> None:
    for i in range(20):
        write_png(tmp_path / ("train" if i % 2 else "bus") / f"{i}.png", i)
    assert load_path(tmp_path).class_names == ("bus", "train")


# -- CSV ---------------------------------------------------------------------------------------


def test_csv_with_true_labels_and_splits(tmp_path: Path) -> None:
    def row(i: int) -> str:
        return f"{i}.png,{'cat' if i % 2 else 'dog'},{'cat' if i % 3 else 'dog'},{'Test' if i % 5 == 0 else 'train'}"

    file = write_csv(tmp_path, manifest(20, row, "path,label,true_label,split"), images=20)
    data = load_path(file, true_label_column="true_label")
    assert data.class_names == ("cat", "dog")
    assert data.source_index.tolist() == [i for i in range(20) if i % 5]
    assert follows_source(data)
    assert data.given_label.tolist() == [1 - i % 2 for i in data.source_index]
    assert data.true_label is not None
    assert data.true_label.tolist() == [int(i % 3 == 0) for i in data.source_index]
    assert data.test_label.tolist() == [1, 0, 0, 1]
    assert data.test_is_reference
    assert label_columns(file) == ("label", "true_label")
    assert path_fingerprint(tmp_path) == path_fingerprint(file)  # the only CSV of a folder


def test_csv_numbers_sort_as_numbers_and_missing_files_are_skipped(tmp_path: Path) -> None:
    file = write_csv(tmp_path, manifest(22, lambda i: f"./{i}.png,{10 if i % 2 else 9}"), images=20)
    data = load_path(file)
    assert data.class_names == ("9", "10")
    assert follows_source(data)
    assert "2 broken images were skipped" in data.notices[-1]
    assert "./20.png, ./21.png (no such file)" in data.notices[-1]


def test_csv_path_must_stay_below_its_folder(tmp_path: Path) -> None:
    write_png(tmp_path / "secret.png", 1)
    inside = tmp_path / "set"
    file = write_csv(inside, manifest(20), images=20)
    (inside / "link.png").symlink_to(tmp_path / "secret.png")
    (inside / "up").symlink_to(tmp_path)
    for bad in ("../secret.png", str(tmp_path / "secret.png"), "link.png", "up/secret.png", "x/../../secret.png", "..", "a\0/b.png"):
        rows = manifest(20).splitlines()
        rows[1 + 7] = f"{bad},1"
        file.write_text("\n".join(rows))
        with pytest.raises(DataError, match="row 7 of labels.csv points outside the folder"):
            load_path(file)
        with pytest.raises(DataError, match="row 7 of labels.csv points outside the folder"):
            path_fingerprint(file)
    file.write_text(manifest(20, lambda i: f"x/../{i}.png,{i % 2}"))
    (inside / "x").mkdir()
    assert follows_source(load_path(file))


# -- what can be wrong -------------------------------------------------------------------------


def _no_images_column(path: Path) -> None:
    pq.write_table(pa.table({"picture": ["a"], "label": [1]}), path / "a.parquet")


def _different_shards(path: Path) -> None:
    write_parquet(path / "train-0.parquet", label=[0, 1], extra=[0, 1])
    write_parquet(path / "train-1.parquet", label=[0, 1])


def _different_types(path: Path) -> None:
    write_parquet(path / "train-0.parquet", label=[0, 1])
    write_parquet(path / "train-1.parquet", label=["0", "1"])


def _different_names(path: Path) -> None:
    write_parquet(path / "train-0.parquet", ["a", "b"], label=[0, 1])
    write_parquet(path / "train-1.parquet", ["b", "a"], label=[0, 1])


def _corrupt_inside(path: Path) -> None:
    file = write_parquet(path / "a.parquet", label=[0, 1] * 20)
    content = bytearray(file.read_bytes())
    content[4 : len(content) // 2] = os.urandom(len(content) // 2 - 4)
    file.write_bytes(content)


def _two_csv(path: Path) -> None:
    for name in ("a.csv", "b.csv"):
        (path / name).write_text("path,label\n")


def _truncated(path: Path) -> None:
    for i in range(10):
        (path / str(i % 2)).mkdir(exist_ok=True)
        (path / str(i % 2) / f"{i}.png").write_bytes(png(i)[:-30])


BAD: dict[str, tuple[Callable[[Path], object], str]] = {
    "empty folder": (lambda p: None, "holds no images and no tables; expected a folder or file of Parquet"),
    "folder of something else": (lambda p: (p / "readme.txt").write_text("hi"), "holds no images and no tables"),
    "images without class folders": (lambda p: write_png(p / "a.png", 0), "1 images but no class folders, no Parquet and no CSV"),
    "several manifests": (_two_csv, "several CSV files .*a.csv, b.csv.* path of one of them"),
    "claims to be Parquet": (lambda p: (p / "a.parquet").write_bytes(b"PAR1 no, not really"), "a.parquet cannot be read as Parquet"),
    "empty Parquet file": (lambda p: (p / "a.parquet").touch(), "a.parquet cannot be read as Parquet"),
    "Parquet damaged inside": (_corrupt_inside, "a.parquet cannot be read as Parquet|none of the 40 images"),
    "Parquet without images": (_no_images_column, "a.parquet has no column of images: its columns are picture, label"),
    "Parquet without labels": (lambda p: write_parquet(p / "a.parquet", score=[0.5, 0.1]), "no column that could hold labels"),
    "Parquet without rows": (lambda p: write_parquet(p / "a.parquet", label=pa.array([], pa.int64())), "has columns but no rows"),
    "only null images": (
        lambda p: write_parquet(p / "a.parquet", images=[None] * 20, label=[0, 1] * 10),
        "none of the 20 images can be read: row 0 of a.parquet, .*no image bytes; the image itself must be stored, not only its path",
    ),
    "shards with different columns": (_different_shards, "train-1.parquet lacks the column extra that train-0.parquet has"),
    "shards with different types": (_different_types, "column label is integer in train-0.parquet but text in train-1.parquet"),
    "shards with different names": (_different_names, "train-0.parquet and train-1.parquet have different class names"),
    "label missing in Parquet": (
        lambda p: write_parquet(p / "a.parquet", label=[0, 1, None, 1, None, 0]),
        "row 2 of a.parquet has no label in column label; 2 rows in all, also row 4 of a.parquet .rows count",
    ),
    "label outside the names": (
        lambda p: write_parquet(p / "a.parquet", ["x", "y"], label=[0, 1, 1, 2]),
        "row 3 of a.parquet has the label 2 in column label, which is no class: expected numbers from 0 to 1",
    ),
    "ids for labels": (lambda p: write_parquet(p / "a.parquet", id=list(range(30))), "column id has 30 different values for 30 images"),
    "one class": (lambda p: write_tree(p, ["cat"] * 9), "all 9 images have the same label, cat; a classifier needs at least two classes"),
    "two images": (lambda p: write_tree(p, ["cat", "dog"]), "only 1 training images: at least 4"),
    "all truncated": (_truncated, "none of the 10 images can be read: 0/0.png"),
    "CSV without columns": (lambda p: write_csv(p, "file,class\na.png,1\n"), "begins with the line 'file,class', but a manifest"),
    "CSV without labels": (lambda p: write_csv(p, "path\na.png\n"), "with the line 'path', but a manifest needs the columns path,label"),
    "CSV empty": (lambda p: write_csv(p, "\n"), "labels.csv is empty: its first line must name the columns"),
    "CSV with header only": (lambda p: write_csv(p, "path,label\n"), "labels.csv lists no training images"),
    "CSV label missing": (
        lambda p: write_csv(p, manifest(20, lambda i: f"{i}.png,{'' if i == 17 else 1}"), 20),
        "^row 17 of labels.csv has no label in column label .rows count from 0.: fill in or remove",
    ),
    "CSV path missing": (lambda p: write_csv(p, manifest(5, lambda i: f"{'' if i == 2 else 'a'},1")), "row 2 of labels.csv has no path"),
    "CSV short row": (lambda p: write_csv(p, "path,label\na.png,1\nb.png\n"), "row 1 of labels.csv has 1 fields, the first line 2"),
    "CSV column twice": (lambda p: write_csv(p, "path,label,label\n"), "labels.csv names a column twice"),
    "CSV odd split": (lambda p: write_csv(p, "path,label,split\na.png,1,left\n"), "row 0 of labels.csv has the split 'left': use train"),
    "CSV not text": (lambda p: (p / "labels.csv").write_bytes(b"path,label\n\xff\xfe,1\n"), "labels.csv cannot be read as CSV .* UTF-8"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_data_is_one_clear_sentence(tmp_path: Path, case: str) -> None:
    make, message = BAD[case]
    make(tmp_path)
    with pytest.raises(DataError, match=message) as caught:
        load_path(tmp_path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("call", [load_path, label_columns, path_fingerprint])
def test_a_path_that_is_not_there(tmp_path: Path, call: Callable[[Path], object]) -> None:
    for name in ("nowhere", "a\0b", "x" * 5_000):
        with pytest.raises(ConfigError, match="dataset: .* does not exist; give a catalogue name, or"):
            call(tmp_path / name)
    with pytest.raises(ConfigError, match="does not exist"):
        call(Path("~nobody-of-this-name/data"))
    (tmp_path / "notes.txt").write_text("hi")
    with pytest.raises(DataError, match="notes.txt is neither a .parquet nor a .csv file"):
        call(tmp_path / "notes.txt")
    with pytest.raises(DataError, match="holds no images and no tables"):
        call(tmp_path)


def test_unknown_and_missing_column_choice(tmp_path: Path) -> None:
    write_parquet(tmp_path / "a.parquet", fine=[0, 1] * 5, coarse=[0, 1] * 5)
    with pytest.raises(ConfigError, match="label_column: '' must be chosen among the columns of .*: fine, coarse"):
        load_path(tmp_path)
    for given, true, field in (("lable", "", "label_column"), ("fine", "lable", "true_label_column")):
        with pytest.raises(ConfigError, match=f"^{field}: 'lable' is not a label column of .*; there are fine, coarse") as caught:
            load_path(tmp_path, label_column=given, true_label_column=true)
        assert caught.value.field == field


def test_nothing_left_of_the_test_split(tmp_path: Path) -> None:
    write_parquet(tmp_path / "train.parquet", label=[0, 1] * 10)
    write_parquet(tmp_path / "test.parquet", images=[b"junk"], label=[0])
    with pytest.raises(DataError, match="no test image can be read. 1 broken image was skipped.*row 0 of test.parquet"):
        load_path(tmp_path)


# -- fingerprint -------------------------------------------------------------------------------


def test_fingerprint_follows_content_not_place(tmp_path: Path) -> None:
    first = write_parquet(tmp_path / "one" / "train.parquet", label=[0, 1] * 10)
    write_parquet(tmp_path / "two" / "train.parquet", label=[0, 1] * 10)
    before = path_fingerprint(tmp_path / "one")
    assert before == path_fingerprint(tmp_path / "two")
    write_parquet(first, label=[0, 1] * 9 + [1, 0])  # the file may well keep its size
    assert path_fingerprint(tmp_path / "one") != before


def test_fingerprint_sees_an_image_changed_or_renamed(tmp_path: Path) -> None:
    for i in range(4):
        write_png(tmp_path / f"class {i % 2}" / f"{i}.png", i)
    seen = {path_fingerprint(tmp_path)}
    (tmp_path / "class 0" / "0.png").write_bytes(png(0, (16, 16)))
    seen.add(path_fingerprint(tmp_path))
    (tmp_path / "class 0" / "0.png").rename(tmp_path / "class 1" / "0.png")
    seen.add(path_fingerprint(tmp_path))
    assert len(seen) == 3


# -- real data ---------------------------------------------------------------------------------


def test_real_cifar10_with_human_labels() -> None:
    if not REAL.is_dir():
        pytest.skip(f"no real data at {REAL}")
    data = load_path(REAL, label_column="worse_label", true_label_column="label", train_size=200)
    assert data.train_images.shape == (200, 32, 32, 3)
    assert data.test_images.shape == (10_000, 32, 32, 3)
    assert data.true_label is not None
    assert 0.3 < (data.given_label != data.true_label).mean() < 0.5
    assert data.test_is_reference
    assert data.class_names[0] == "airplane"
    assert data.notices == ()
