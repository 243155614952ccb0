"""Bad input from end to end: a sentence that names the field, exit status 2, no traceback, nothing left behind."""

from __future__ import annotations

from pathlib import Path

import pytest

from explorer.__main__ import main
from explorer.runs.store import RunStore

BAD = [
    (["--noise_rate", "1.2"], "noise_rate", "1.2"),
    (["--noise_rate", "-0.1"], "noise_rate", "-0.1"),
    (["--noise_rate", "a lot"], "noise_rate", "a lot"),
    (["--model", "transformer"], "model", "cnn"),
    (["--epochs", "0"], "epochs", "1"),
    (["--epochs", "2.5"], "epochs", "whole number"),
    (["--epochs", ""], "epochs", "whole number"),
    (["--train_size", "99999"], "train_size", "1,438"),
    (["--train_size", "-5"], "train_size", "0"),
    (["--train_size", "3"], "dataset", "at least 4"),
    (["--lr", "nan"], "lr", "above 0"),
    (["--lr", "inf"], "lr", "above 0"),
    (["--lr", "0"], "lr", "above 0"),
    (["--lr", "1e999"], "lr", "above 0"),
    (["--seed", "9" * 400], "seed", "whole number"),
    (["--dataset", "/no/such/path"], "dataset", "digits"),
    (["--dataset", "minst"], "dataset", "mnist"),
    (["--dataset", ""], "dataset", "empty"),
    (["--label_column", "label"], "label_column", "digits"),
    (["--true_label_column", "label"], "true_label_column", "digits"),
    (["--image_size", "100000"], "image_size", "512"),
    (["--batch_size", "1"], "batch_size", "2"),
    (["--width", "0"], "width", "1"),
    (["--momentum", "1"], "momentum", "0.9999"),
    (["--device", "tpu"], "device", "cuda"),
    (["--noise", "Symmetric"], "noise", "symmetric_inclusive"),
]


@pytest.mark.parametrize(("arguments", "field", "words"), BAD, ids=[" ".join(a)[:40] for a, _, _ in BAD])
def test_a_bad_setting_is_named_with_what_is_accepted(
    store: RunStore, arguments: list[str], field: str, words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["run", *arguments, "--runs", str(store.root)]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith(f"error: {field}: ")
    assert words in err
    assert "Traceback" not in err and err.count("\n") == 1
    assert store.runs() == [] and [p for p in store.root.iterdir() if p.is_dir()] == []


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("empty.csv", ""),
        ("header.csv", "path,label\n"),
        ("words.txt", "hello"),
        ("fake.parquet", "not parquet"),
        ("missing.csv", "path,label\nx.png,cat\n"),
    ],
)
def test_a_file_that_is_no_data_is_named(
    store: RunStore, tmp_path: Path, name: str, content: str, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / name
    path.write_text(content)
    assert main(["run", "--dataset", str(path), "--runs", str(store.root)]) == 2
    err = capsys.readouterr().err
    assert err.startswith(("error: dataset: ", "error: label_column: ")) and "Traceback" not in err
    assert store.runs() == []


def test_an_empty_folder_is_named(store: RunStore, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "empty").mkdir()
    assert main(["run", "--dataset", str(tmp_path / "empty"), "--runs", str(store.root)]) == 2
    assert capsys.readouterr().err.startswith("error: dataset: ")
