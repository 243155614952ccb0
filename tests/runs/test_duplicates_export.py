"""``python -m explorer duplicates``: a table of pairs, from images alone."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from explorer.__main__ import main
from explorer.data.planted import load_planted
from explorer.records import Array

COLUMNS = ["a", "b", "similarity", "conflicting", "group"]


def png(image: Array) -> bytes:
    file = io.BytesIO()
    Image.fromarray(image).save(file, "PNG")
    return file.getvalue()


def table(folder: Path, name: str, images: list[Array], label: list[int]) -> None:
    """A Parquet file of images as data sets have them."""
    column = [{"bytes": png(image), "path": f"{n}.png"} for n, image in enumerate(images)]
    pq.write_table(pa.table({"image": column, "label": label}), folder / f"{name}.parquet")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """160 training images, of which 150 is a mirrored copy of 3 under another label; of 40 test images, 5 is training image 7, darker."""
    folder = tmp_path_factory.mktemp("twice")
    images = list(load_planted(190).train_images[load_planted(190).planted.partner < 0][:180])  # type: ignore[union-attr]
    train, test = images[:140], images[140:]
    label = [n % 4 for n in range(len(train))]
    train[130], label[130] = train[3][:, ::-1], (label[3] + 1) % 4
    test[5] = np.rint(train[7] * 0.85).astype(np.uint8)
    table(folder, "train-00000", train, label)
    table(folder, "test-00000", test, [n % 4 for n in range(len(test))])
    return folder


def search(folder: Path, tmp_path: Path, *more: str) -> tuple[int, Path]:
    to = tmp_path / "pairs.parquet"
    return main(["duplicates", "--dataset", str(folder), "--runs", str(tmp_path / "runs"), "--to", str(to), *more]), to


def test_a_copy_under_another_label_is_found_without_a_run(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    status, to = search(folder, tmp_path)
    assert status == 0
    found = pq.read_table(to).to_pandas()
    assert found.columns.tolist() == COLUMNS
    assert (found.a < found.b).all() and found.similarity.between(0, 1).all()
    pair = found[(found.a == 3) & (found.b == 130)]
    assert len(pair) == 1 and bool(pair.conflicting.iloc[0]) and pair.group.iloc[0] == 3
    told = capsys.readouterr().out.splitlines()
    assert told[-1] == str(to) and told[0].startswith(f"{len(found)} pair")


def test_against_the_test_images_b_is_a_test_row(folder: Path, tmp_path: Path) -> None:
    status, to = search(folder, tmp_path, "--against", "test", "--precision", "0.9")
    assert status == 0
    found = pq.read_table(to).to_pandas()
    assert found.columns.tolist() == COLUMNS and (7, 5) in set(zip(found.a, found.b, strict=True))
    assert found.a.max() < 140 and found.b.max() < 40


def test_a_second_search_reads_the_first(folder: Path, tmp_path: Path) -> None:
    _, to = search(folder, tmp_path)
    first = to.read_bytes()
    kept = [path.stat().st_mtime_ns for path in sorted((tmp_path / "runs" / "duplicates").rglob("*.parquet"))]
    assert search(folder, tmp_path)[0] == 0 and to.read_bytes() == first
    assert kept and kept == [path.stat().st_mtime_ns for path in sorted((tmp_path / "runs" / "duplicates").rglob("*.parquet"))]


def test_nobody_is_asked_for_more_than_there_is(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for more, field in (
        (["--against", "train"], "against"), (["--precision", "1.5"], "precision"), (["--precision", "0"], "precision"),
        (["--to", str(tmp_path / "pairs.csv")], "to"), (["--to", str(tmp_path / "none" / "pairs.parquet")], "to"),
        (["--dataset", str(tmp_path / "nothing")], "dataset"), (["--image_size", "many"], "image_size"),
    ):  # fmt: skip
        assert search(folder, tmp_path, *more)[0] == 2, more
        assert capsys.readouterr().err.startswith(f"error: {field}: ")
    assert not (tmp_path / "runs" / "duplicates").exists()
