"""What goes out of a review opens again as it was; what comes in is read whole or not at all; nobody's files are touched."""

from __future__ import annotations

import csv
import dataclasses
import hashlib
import json
import shutil
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image

from explorer import pipeline
from explorer.analysis.decisions import verdicts
from explorer.config import ConfigError, RunConfig
from explorer.data import catalogue
from explorer.data.corrections import read_corrections
from explorer.records import NO_CLASS, DataError, Decision, Run, StoreError
from explorer.runs.corrected_data import corrected_labels, plan_folder
from explorer.runs.execution import execute
from explorer.runs.review_files import export_review, export_run, import_decisions
from explorer.runs.reviews import Reviews, data_key
from explorer.runs.store import RunStore
from tests.runs.deciding import decide

CLASSES = ("ant", "bee", "cow")
Quick = Callable[..., RunConfig]


@pytest.fixture
def quick(tiny: RunConfig) -> Quick:
    def config(**changes: Any) -> RunConfig:
        small = {"model": "mlp", "width": 1, "epochs": 1, "curvature_every": 0, "embedding_every": 0, "susceptibility_lr": 0.0}
        return dataclasses.replace(tiny, **({"train_size": 0, "noise": "none"} | small | changes))

    return config


def picture(file: Path, n: int, form: str = "PNG") -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    content = BytesIO()
    pixels = np.random.default_rng(n).integers(0, 256, (8, 8, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(content, form)
    file.write_bytes(content.getvalue() + bytes([n]))  # a byte more than a decoder needs


def tree(folder: Path, *, split: bool = True) -> Path:
    """An ImageFolder of three classes, 7 training images each, some names twice, one broken, with a test folder or without."""
    for k, name in enumerate(CLASSES):
        for n in range(7):
            inner = Path("train" if split else "") / name / ("deep" if n == 6 else "")
            picture(folder / inner / f"{n}.{'jpg' if n == 5 else 'png'}", 7 * k + n)
        for n in range(2 if split else 0):
            picture(folder / "test" / name / f"{n}.png", 100 + 2 * k + n)
    (folder / ("train" if split else "") / "ant" / "broken.png").write_bytes(b"no image")
    return folder


def manifest(folder: Path) -> Path:
    for n in range(40):
        picture(folder / f"{n:02}.png", n)
    rows = [f"{n:02}.png,{CLASSES[n * 7 % 3]},{CLASSES[n % 3]},{'test' if n % 5 == 0 else 'train'}" for n in range(40)]
    (folder / "all.csv").write_text("\n".join(["path,label,true_label,split", *rows]))
    return folder / "all.csv"


def trained(store: RunStore, config: RunConfig) -> Run:
    for _ in execute(store, config):
        pass
    return store.open(pipeline.identify(config))


def enter(store: RunStore, run: Run, *rows: Decision) -> tuple[Decision, ...]:
    return Reviews(store.root).add(data_key(run.config), rows)


def reviewed(store: RunStore, run: Run) -> tuple[np.ndarray, np.ndarray]:
    """Some of everything decided; returns (label int64 ``[N]``, kept bool ``[N]``) as they should be then."""
    label, kept = run.labels.given_label.copy(), np.ones(len(run.labels.given_label), dtype=bool)
    label[1], label[4] = (label[1] + 1) % len(run.class_names), (label[4] + 2) % len(run.class_names)
    kept[[0, 5, 7]] = False
    other = int((label[7] + 1) % len(run.class_names))
    rows = [decide(run, 1, label[1]), decide(run, 4, label[4]), decide(run, 3, label[3]), decide(run, 0, None), decide(run, 7, label[7])]
    rows += [decide(run, 5, NO_CLASS, action="ambiguous"), decide(run, 7, other, author="ben")]
    enter(store, run, *rows)
    return label, kept


def content(folder: Path) -> dict[str, str]:
    """Every file below a folder and what is in it."""
    return {str(file.relative_to(folder)): hashlib.sha256(file.read_bytes()).hexdigest() for file in folder.rglob("*") if file.is_file()}


def rows_of(file: Path) -> list[dict[str, str]]:
    with open(file, newline="") as lines:
        return list(csv.DictReader(lines))


def sources(tmp_path: Path) -> dict[str, dict[str, Any]]:
    return {
        "digits": {"train_size": 60},
        "planted": {"dataset": "planted", "train_size": 40},
        "noise": {"train_size": 60, "noise": "symmetric", "noise_rate": 0.4},
        "foreign": {"train_size": 60, "noise": "open_set", "noise_rate": 0.2},
        "no test": {"train_size": 60, "test_split": "none"},
        "size": {"train_size": 60, "image_size": 12},
        "tree": {"dataset": str(tree(tmp_path / "tree"))},
        "plain tree": {"dataset": str(tree(tmp_path / "plain", split=False))},
        "subset": {"dataset": str(tree(tmp_path / "plain", split=False)), "train_size": 12},
        "table": {"dataset": str(manifest(tmp_path / "table"))},
        "truth": {"dataset": str(manifest(tmp_path / "table")), "true_label_column": "true_label", "image_size": 16},
    }


# -- there and back --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "kind", ["digits", "planted", "noise", "foreign", "no test", "size", "tree", "plain tree", "subset", "table", "truth"]
)
def test_the_exported_data_set_opens_with_the_corrected_labels(tmp_path: Path, store: RunStore, quick: Quick, kind: str) -> None:
    run = trained(store, quick(**sources(tmp_path)[kind]))
    label, kept = reviewed(store, run)
    before = content(tmp_path)
    written = export_review(store, run.run_id, tmp_path / "out")
    assert {name: text for name, text in content(tmp_path).items() if not name.startswith("out/")} == before  # nothing else is touched
    prepared = pipeline.prepare(run.config)
    again = quick(dataset=str(tmp_path / "out" / "parquet"), image_size=run.config.image_size, test_split=run.config.test_split)
    opened = catalogue.load(again)
    assert opened.class_names == run.class_names
    assert np.array_equal(opened.given_label, label[kept])
    assert np.array_equal(opened.train_images, prepared.dataset.train_images[kept])
    assert np.array_equal(opened.test_images, prepared.dataset.test_images)
    assert np.array_equal(opened.test_label, prepared.dataset.test_label)
    tables = [pq.read_table(file) for file in sorted((tmp_path / "out" / "parquet").iterdir())]
    assert [len(table) for table in tables] == [n for n in (len(prepared.dataset.test_label), kept.sum()) if n]
    assert tables[-1]["index"].to_pylist() == run.source_index[kept].tolist()
    assert tables[-1]["given_label"].to_pylist() == run.labels.given_label[kept].tolist()
    assert ("true_label" in tables[-1].column_names) == (run.labels.true_label is not None and kind != "foreign")
    assert all(path.exists() for path in written)


def test_the_corrected_data_set_can_be_trained_on(tmp_path: Path, store: RunStore, quick: Quick) -> None:
    run = trained(store, quick(**sources(tmp_path)["truth"]))
    label, kept = reviewed(store, run)
    export_review(store, run.run_id, tmp_path / "out")
    again = trained(store, quick(dataset=str(tmp_path / "out" / "parquet"), true_label_column="true_label", image_size=16))
    assert np.array_equal(again.labels.given_label, label[kept])
    assert np.array_equal(again.labels.true_label, run.labels.true_label[kept])
    assert again.test_is_reference and run.test_is_reference


def test_files_are_copied_as_they_are(tmp_path: Path, store: RunStore, quick: Quick) -> None:
    run = trained(store, quick(dataset=str(tree(tmp_path / "tree"))))
    export_review(store, run.run_id, tmp_path / "out")
    (file,) = (tmp_path / "out" / "parquet").glob("train*")
    images = pq.read_table(file)["image"].to_pylist()
    assert len(images) == 21
    assert all(image["bytes"] == (tmp_path / "tree" / image["path"]).read_bytes() for image in images)


def test_the_metadata_are_those_of_the_convention(tmp_path: Path, store: RunStore, quick: Quick) -> None:
    run = trained(store, quick(train_size=60))
    export_review(store, run.run_id, tmp_path / "out")
    files = sorted((tmp_path / "out" / "parquet").iterdir())
    assert [file.name for file in files] == ["test-00000-of-00001.parquet", "train-00000-of-00001.parquet"]
    schemas = [pq.read_schema(file) for file in files]
    assert schemas[0].equals(schemas[1], check_metadata=True)  # which a data set of several splits needs
    features = json.loads(schemas[0].metadata[b"huggingface"])["info"]["features"]
    assert features["image"] == {"_type": "Image"}
    assert features["label"] == {"names": list(run.class_names), "_type": "ClassLabel"}
    assert set(features) == set(schemas[0].names)


# -- a cleaned ImageFolder -------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["tree", "plain tree", "subset"])
def test_the_cleaned_folder_opens_with_the_corrected_labels(tmp_path: Path, store: RunStore, quick: Quick, kind: str) -> None:
    run = trained(store, quick(**sources(tmp_path)[kind]))
    label, kept = reviewed(store, run)
    assert tmp_path / "out" / "images" in export_review(store, run.run_id, tmp_path / "out")
    prepared = pipeline.prepare(run.config)
    opened = catalogue.load(quick(dataset=str(tmp_path / "out" / "images")))

    def pairs(images: np.ndarray, labels: np.ndarray) -> list[tuple[bytes, int]]:
        return sorted((image.tobytes(), int(k)) for image, k in zip(images, labels, strict=True))

    assert opened.class_names == run.class_names
    assert pairs(opened.train_images, opened.given_label) == pairs(prepared.dataset.train_images[kept], label[kept])
    assert pairs(opened.test_images, opened.test_label) == pairs(prepared.dataset.test_images, prepared.dataset.test_label)
    originals, copies = content(Path(run.config.dataset)), content(tmp_path / "out" / "images")
    assert set(copies.values()) <= set(originals.values())  # byte by byte, none of them broken
    assert len(copies) == kept.sum() + len(prepared.dataset.test_label)


def test_no_file_takes_the_place_of_another(tmp_path: Path, quick: Quick) -> None:
    """All images become ants: those that were ants keep their names, the others give way."""
    config = quick(dataset=str(tree(tmp_path / "tree")))
    prepared = pipeline.prepare(config)
    N = len(prepared.labels.given_label)
    planned = plan_folder(config, prepared, corrected_labels(prepared.labels.given_label, np.full(N, "label"), np.zeros(N, dtype=np.int64)))
    names = [name for _, name in planned]
    assert len({name.lower() for name in names}) == len(names) == 21 + 6
    assert {name for name in names if "bee" in name and name.startswith("train")} == {
        "train/ant/deep/6_from_bee.png", "train/ant/5_from_bee.jpg", *(f"train/ant/{n}_from_bee.png" for n in range(5))
    }  # fmt: skip
    stay = {str(original.relative_to(tmp_path / "tree")): name for original, name in planned}
    assert all(stay[name] == name for name in stay if name.startswith(("train/ant", "test/")))


def test_data_that_are_no_image_folder_have_no_cleaned_one(tmp_path: Path, store: RunStore, quick: Quick) -> None:
    run = trained(store, quick(dataset=str(manifest(tmp_path / "table"))))
    export_review(store, run.run_id, tmp_path / "out")
    assert not (tmp_path / "out" / "images").exists()


# -- tables ----------------------------------------------------------------------------------------


def test_corrected_labels_name_index_path_and_class(tmp_path: Path, store: RunStore, quick: Quick) -> None:
    run = trained(store, quick(dataset=str(manifest(tmp_path / "table"))))
    label, kept = reviewed(store, run)
    export_review(store, run.run_id, tmp_path / "out")
    rows = rows_of(tmp_path / "out" / "corrected_labels.csv")
    assert [int(row["index"]) for row in rows] == run.source_index[kept].tolist()
    assert [row["path"] for row in rows] == [f"{index:02}.png" for index in run.source_index[kept]]
    assert [row["label"] for row in rows] == [run.class_names[k] for k in label[kept]]
    assert [row["given_label"] for row in rows] == [run.class_names[k] for k in run.labels.given_label[kept]]


def test_corrections_are_what_a_run_takes(tmp_path: Path, store: RunStore, quick: Quick) -> None:
    run = trained(store, quick(train_size=60, noise="symmetric"))
    label, kept = reviewed(store, run)
    export_review(store, run.run_id, tmp_path / "out")
    file = tmp_path / "out" / "corrections.csv"
    assert len(read_corrections(file, run.class_names).label) == 6
    after = pipeline.prepare(dataclasses.replace(run.config, corrections=str(file)))
    assert np.array_equal(after.labels.given_label, label[kept])


def test_one_persons_decisions_can_be_exported_alone(tmp_path: Path, store: RunStore, quick: Quick) -> None:
    run = trained(store, quick(train_size=60))
    reviewed(store, run)
    export_review(store, run.run_id, tmp_path / "out", "ben")
    rows = {int(row["index"]): row["label"] for row in rows_of(tmp_path / "out" / "corrected_labels.csv")}
    ben = run.class_names[(run.labels.given_label[7] + 1) % 10]
    assert len(rows) == 60 and rows[int(run.source_index[7])] == ben
    assert rows[int(run.source_index[1])] == run.class_names[run.labels.given_label[1]]
    standing = {row["author"] for row in rows_of(tmp_path / "out" / "decisions.csv") if row["standing"] == "yes"}
    assert standing == {"ben"}


def test_decisions_say_by_whom_when_and_on_what_grounds(tmp_path: Path, store: RunStore, quick: Quick) -> None:
    run = trained(store, quick(train_size=60))
    given = run.labels.given_label
    first, second, third, fourth = (
        decide(run, 2, (given[2] + 1) % 10, via="random", score="aum", score_value=-0.25, suggested=7, suggested_by="model"),
        decide(run, 2, given[2], author='=HYPERLINK("x")'),
        decide(run, 3, NO_CLASS, action="ambiguous", batch="b"),
        decide(run, 3, None),
    )
    enter(store, run, first, second)
    enter(store, run, third)
    Reviews(store.root).undo(data_key(run.config), "ann")
    enter(store, run, fourth)
    export_review(store, run.run_id, tmp_path / "out")
    rows = rows_of(tmp_path / "out" / "decisions.csv")
    index, names = run.source_index.tolist(), run.class_names
    time = rows[0].pop("time")
    assert len(time) == 25 and time.endswith("+00:00")
    assert rows[0] == {
        "decision": "1", "index": str(index[2]), "path": "", "action": "relabel", "label": names[(given[2] + 1) % 10],
        "given_label": names[given[2]], "author": "ann", "run": run.run_id, "score": "aum", "value": "-0.25", "suggestion": names[7],
        "suggested_by": "model", "via": "random", "batch": "", "undone": "no", "standing": "yes",
    }  # fmt: skip
    assert (rows[1]["author"], rows[1]["action"], rows[1]["value"], rows[1]["suggestion"]) == ('\'=HYPERLINK("x")', "keep", "", "")
    assert [(row["action"], row["undone"], row["standing"]) for row in rows[2:]] == [("ambiguous", "yes", "no"), ("exclude", "no", "yes")]


def test_class_names_and_files_are_no_formulas(tmp_path: Path, store: RunStore, quick: Quick) -> None:
    for k, name in enumerate(("=1+1", "@b")):
        for n in range(6):
            picture(tmp_path / "tree" / name / f"{n}.png", 6 * k + n)
    run = trained(store, quick(dataset=str(tmp_path / "tree"), test_split="none"))
    enter(store, run, decide(run, 0, 1))
    export_review(store, run.run_id, tmp_path / "out")
    for name in ("corrected_labels.csv", "corrections.csv", "decisions.csv"):
        cells = [cell for row in rows_of(tmp_path / "out" / name) for cell in row.values()]
        assert not any(cell.startswith(("=", "@")) for cell in cells)
    assert rows_of(tmp_path / "out" / "corrected_labels.csv")[0]["path"] == "./=1+1/0.png"
    rows = import_decisions((tmp_path / "out" / "corrected_labels.csv").read_bytes(), run, "ann")
    assert [(row.source_index, row.label) for row in rows] == [(n, int(n == 0 or n > 5)) for n in range(12)]


def test_the_command_lines_export_has_the_tables_of_the_run(tmp_path: Path, finished: tuple[RunStore, str], store: RunStore) -> None:
    shutil.copytree(finished[0].root / finished[1], store.root / finished[1])
    store = RunStore(store.root)
    written = export_run(store, finished[1], tmp_path / "out")
    kept = [name for name in ("examples.parquet", "near_duplicates.parquet") if (store.root / finished[1] / name).exists()]
    assert kept
    for name in kept:
        assert tmp_path / "out" / name in written
        assert (tmp_path / "out" / name).read_bytes() == (store.root / finished[1] / name).read_bytes()
    rows = rows_of(tmp_path / "out" / "corrected_labels.csv")
    assert [row["label"] for row in rows] == [str(k) for k in store.open(finished[1]).labels.given_label]


# -- where to --------------------------------------------------------------------------------------


def test_nothing_is_written_among_the_data(tmp_path: Path, store: RunStore, quick: Quick) -> None:
    table = manifest(tmp_path / "table")
    for dataset, refused in (
        (tree(tmp_path / "tree"), ("tree", "tree/new", "tree/train/ant", "tree/../tree/x", "link")),
        (table, ("table",)),
    ):
        if not (tmp_path / "link").exists():
            (tmp_path / "link").symlink_to(tmp_path / "tree")
        run, before = trained(store, quick(dataset=str(dataset))), content(tmp_path)
        for to in refused:
            with pytest.raises(ConfigError, match="to: .*belongs to the data"):
                export_review(store, run.run_id, tmp_path / to, overwrite=True)
        assert content(tmp_path) == before
    assert export_review(store, run.run_id, tmp_path / "table" / "export")  # beside a table there may be other things


def test_what_is_there_is_kept_unless_it_is_an_export_and_that_is_asked_for(tmp_path: Path, store: RunStore, quick: Quick) -> None:
    run = trained(store, quick(dataset=str(tree(tmp_path / "tree"))))
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "labels.csv").write_text("mine")
    with pytest.raises(ConfigError, match="holds other files"):
        export_review(store, run.run_id, tmp_path / "mine", overwrite=True)
    with pytest.raises(ConfigError, match="is a file"):
        export_review(store, run.run_id, tmp_path / "mine" / "labels.csv")
    out = tmp_path / "out"
    export_run(store, run.run_id, out)
    (out / "notes.txt").write_text("mine")
    (out / "images" / "train" / "ant" / "mine.png").write_text("mine")
    enter(store, run, decide(run, 0, 1), decide(run, 1, None))
    before = content(out)
    with pytest.raises(ConfigError, match="earlier export"):
        export_review(store, run.run_id, out)
    assert content(out) == before
    export_review(store, run.run_id, out, overwrite=True)
    assert (out / "notes.txt").read_text() == (out / "images" / "train" / "ant" / "mine.png").read_text() == "mine"
    assert not (out / "examples.parquet").exists()
    assert set(content(out / "images")) == {name for name in content(tmp_path / "tree") if "broken" not in name} - {
        "train/ant/0.png", "train/ant/1.png"
    } | {"train/bee/0_from_ant.png", "train/ant/mine.png"}  # fmt: skip


def test_a_forged_mark_removes_nothing_elsewhere(tmp_path: Path, store: RunStore, quick: Quick) -> None:
    run = trained(store, quick(train_size=60))
    (tmp_path / "precious.txt").write_text("mine")
    out = tmp_path / "out"
    (out / "images").mkdir(parents=True)
    (out / "link").symlink_to(tmp_path)
    names = ["../precious.txt", "images/../../precious.txt", str(tmp_path / "precious.txt"), "link/precious.txt"]
    (out / "export.json").write_text(json.dumps({"images": names}))
    export_review(store, run.run_id, out, overwrite=True)
    assert (tmp_path / "precious.txt").read_text() == "mine"
    (out / "export.json").write_text("nonsense")
    with pytest.raises(ConfigError, match=r"export\.json cannot be read"):
        export_review(store, run.run_id, out, overwrite=True)


def test_when_served_to_others_exports_have_their_own_place(
    tmp_path: Path, store: RunStore, quick: Quick, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = trained(store, quick(train_size=60))
    monkeypatch.setenv("EXPLORER_DATA_ROOT", str(tmp_path))
    for to in (tmp_path / "out", store.root, store.root / "exports" / ".." / "x"):
        with pytest.raises(ConfigError, match="exports"):
            export_review(store, run.run_id, to)
    assert export_review(store, run.run_id, store.root / "exports" / "one")


def test_data_that_have_changed_are_not_exported_under_old_labels(tmp_path: Path, store: RunStore, quick: Quick) -> None:
    run = trained(store, quick(dataset=str(tree(tmp_path / "tree"))))
    (tmp_path / "tree" / "train" / "ant" / "0.png").rename(tmp_path / "tree" / "train" / "bee" / "new.png")
    with pytest.raises(StoreError, match="have changed"):
        export_review(store, run.run_id, tmp_path / "out")
    assert not (tmp_path / "out").exists()


# -- decisions made elsewhere ----------------------------------------------------------------------


@pytest.fixture
def table_run(tmp_path: Path, store: RunStore, quick: Quick) -> Run:
    return trained(store, quick(dataset=str(manifest(tmp_path / "table"))))


def lines(*rows: str, header: str = "index,label") -> bytes:
    return "\n".join([header, *rows]).encode()


@pytest.mark.parametrize(("header", "row"), [("index,label", "{}"), ("label,path", "{:02}.png"), ("path,note,label", ".\\{:02}.png")])
def test_decisions_made_elsewhere_are_decisions(table_run: Run, store: RunStore, header: str, row: str) -> None:
    given = {int(index): int(k) for index, k in zip(table_run.source_index, table_run.labels.given_label, strict=True)}
    wanted = {1: given[1], 3: (given[3] + 1) % 3, 4: NO_CLASS, 6: (given[6] + 2) % 3}
    written = {1: CLASSES[wanted[1]], 3: CLASSES[wanted[3]], 4: "", 6: str(wanted[6])}
    cells = [{"index": row.format(n), "path": row.format(n), "label": text, "note": "x"} for n, text in written.items()]
    content = lines(*(",".join(cell[name] for name in header.split(",")) for cell in cells), header=header)
    found = import_decisions(content, table_run, "ann")
    assert [(d.source_index, d.action, d.label) for d in found] == [
        (1, "keep", wanted[1]), (3, "relabel", wanted[3]), (4, "exclude", NO_CLASS), (6, "relabel", wanted[6])
    ]  # fmt: skip
    assert {(d.author, d.via, d.run_id, d.given_label == given[d.source_index]) for d in found} == {
        ("ann", "import", table_run.run_id, True)
    }
    reviews, data = Reviews(store.root), data_key(table_run.config)
    assert len(reviews.add(data, found)) == len(reviews.add(data, found)) == len(reviews.log(data)) == 4
    assert len(reviews.undo(data, "ann")) == 4  # all at once
    assert len(reviews.add(data, import_decisions(content, table_run, "ann"))) == 4 and len(reviews.log(data)) == 12


@pytest.mark.parametrize(
    ("content", "named"),
    [
        (lines("1,ant", "2,wasp"), "line 3 of the file has the label 'wasp'"), (lines("1,ant", "1,ant"), "line 3 .*again, after line 2"),
        (lines("x,ant"), "line 2 .*index 'x'"), (lines("5,ant"), "line 2 .*image 5, which run .* did not train on"),
        (lines("700,ant"), "image 700"), (lines("no.png,ant", header="path,label"), "line 2 .*'no.png'.*as in 01.png"),
        (lines("../table/01.png,ant", header="path,label"), "none of the images"), (lines("1,ant,x"), "line 2 .*3 fields"),
        (lines("1;ant", header="index;label"), "it needs index or path, and label"), (lines("1", header="index"), "needs index"),
        (b"", "needs index"), (b"index,label\n1,\xff", "UTF-8"),
    ],
)  # fmt: skip
def test_a_bad_file_of_decisions_is_refused_by_its_line(table_run: Run, content: bytes, named: str) -> None:
    with pytest.raises(DataError, match=named):
        import_decisions(content, table_run, "ann")


def test_a_file_of_decisions_that_is_too_large_is_refused_unread(table_run: Run) -> None:
    with pytest.raises(DataError, match="57 MB"):
        import_decisions(lines() + b"\n1,ant" * 10**7, table_run, "ann")


def test_paths_are_asked_of_data_that_have_files(store: RunStore, quick: Quick) -> None:
    run = trained(store, quick(train_size=60))
    with pytest.raises(DataError, match="give the index"):
        import_decisions(lines("a.png,3", header="path,label"), run, "ann")


def test_what_was_exported_can_be_imported_by_somebody_else(tmp_path: Path, table_run: Run, store: RunStore) -> None:
    label, kept = reviewed(store, table_run)
    export_review(store, table_run.run_id, tmp_path / "out")
    found = import_decisions((tmp_path / "out" / "corrections.csv").read_bytes(), table_run, "cleo")
    log = Reviews(store.root).add(data_key(table_run.config), found)
    imported = verdicts(log, "cleo")
    assert np.array_equal(imported.source_index, np.sort(table_run.source_index[[0, 1, 3, 4, 5, 7]]))
    assert (imported.kind == "exclude").sum() == (~kept).sum()
