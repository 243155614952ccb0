"""Open-set noise: exact numbers, nothing else touched, foreign images that fit, and truth that stays true."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from explorer import pipeline
from explorer.config import ConfigError, DataConfig, RunConfig
from explorer.data import catalogue
from explorer.data.noise import add_noise, expected_transition, expected_wrong_rate
from explorer.data.open_set import fit
from explorer.records import NO_CLASS, Array, Dataset, Labels
from tests.support import names, toy_dataset

COLOURS = [(r, g, b) for r in (0, 90, 200) for g in (10, 120, 250) for b in (30, 255)]  # 18 images, each of one colour


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An ImageFolder of plain colours: half of the images in the class `class 1`, half in `sky`; white to test on."""
    root = tmp_path_factory.mktemp("colours")
    for i, colour in enumerate((*COLOURS, (255, 255, 255))):
        place = root / ("train" if i < len(COLOURS) else "test") / ("class 1", "sky")[i % 2]
        place.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (40, 24), colour).save(place / f"{i:02}.png")
    return root


def toy(N: int = 40, K: int = 3, *, channels: int = 3, side: int = 8, class_names: tuple[str, ...] = ()) -> Dataset:
    rng = np.random.default_rng(0)
    true = rng.integers(0, K, N)
    images = rng.integers(0, 256, (N, side, side, channels), dtype=np.uint8)
    return toy_dataset(true, class_names or tuple(f"toy {k}" for k in range(K)), true, images=images)


def replaced(dataset: Dataset, rate: float, source: object = "", **settings: int) -> tuple[Dataset, Labels]:
    return add_noise(DataConfig(dataset="toy", noise="open_set", noise_rate=rate, open_set=str(source), **settings), dataset)


def foreign(labels: Labels) -> Array:
    assert labels.true_label is not None
    return labels.true_label == NO_CLASS


@pytest.mark.parametrize("N", [10, 37, 200])
@pytest.mark.parametrize("rate", [0.0, 0.01, 0.2, 0.5, 1.0])
def test_the_exact_number_of_images_is_replaced_and_no_label(N: int, rate: float, folder: Path) -> None:
    before = toy(N)
    after, labels = replaced(before, rate, folder)
    rows = foreign(labels)
    assert rows.sum() == round(rate * N)
    assert labels.true_label is not None and before.true_label is not None and labels.is_mislabeled is not None
    assert np.array_equal(labels.given_label, before.given_label) and np.array_equal(after.given_label, before.given_label)
    assert np.array_equal(labels.true_label[~rows], before.true_label[~rows])
    assert np.array_equal(labels.is_mislabeled, rows)
    assert np.array_equal(labels.wrong_origin, np.where(rows, "foreign", ""))
    assert np.array_equal(after.train_images[~rows], before.train_images[~rows])
    assert (after.train_images[rows] != before.train_images[rows]).any(axis=(1, 2, 3)).all()
    assert (labels.transition, labels.asked_transition, labels.asked_rate) == (None, None, rate)
    config = DataConfig(dataset="toy", noise="open_set", noise_rate=rate)
    assert labels.wrong_rate == expected_wrong_rate(config, before) == rows.sum() / N
    assert expected_transition(config, before) is None
    for name in ("test_images", "test_label", "source_index", "class_names"):
        assert getattr(after, name) is getattr(before, name)
    assert not after.train_images.flags.writeable and not labels.true_label.flags.writeable


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("side", [5, 8, 32])
def test_foreign_images_take_the_shape_of_the_set_and_keep_their_content(folder: Path, channels: int, side: int) -> None:
    """One plain colour stays itself at any size, and becomes its luma (ITU-R 601) in a grey set."""
    before = toy(40, channels=channels, side=side)
    after, labels = replaced(before, 0.3, folder)
    found = after.train_images[foreign(labels)]
    assert found.shape == (12, side, side, channels) and after.train_images.dtype == np.uint8
    assert np.array_equal(found, np.broadcast_to(found[:, :1, :1], found.shape))
    if channels == 3:
        assert {tuple(int(v) for v in image[0, 0]) for image in found} <= set(COLOURS)
    else:
        lumas = np.array([(299 * r + 587 * g + 114 * b) / 1000 for r, g, b in COLOURS])
        assert all(abs(lumas - int(image[0, 0, 0])).min() <= 0.5 + 1e-3 for image in found)


def test_grey_foreign_images_get_three_equal_channels() -> None:
    grey = np.random.default_rng(0).integers(0, 256, (3, 6, 6, 1), dtype=np.uint8)
    colour = fit(grey, 6, 3)
    assert colour.shape == (3, 6, 6, 3) and all(np.array_equal(colour[..., c], grey[..., 0]) for c in range(3))
    assert np.array_equal(fit(grey, 6, 1), grey)


def test_each_foreign_image_is_used_once_where_there_are_enough(folder: Path) -> None:
    def distinct(count: int) -> int:
        after, labels = replaced(toy(100), count / 100, folder)
        assert foreign(labels).sum() == count
        assert ("more than once" in after.notices[-1]) == (count > len(COLOURS))
        return len(np.unique(after.train_images[foreign(labels)].reshape(count, -1), axis=0))

    assert distinct(7) == 7
    assert distinct(18) == 18
    assert 9 < distinct(60) <= 18


def test_images_of_a_class_the_set_knows_are_not_foreign(folder: Path) -> None:
    after, labels = replaced(toy(100, class_names=("Class_1", "other", "third")), 0.09, folder)
    found = {tuple(int(v) for v in image[0, 0]) for image in after.train_images[foreign(labels)]}
    assert found == set(COLOURS[1::2])  # all of `sky`, none of `class 1`
    with pytest.raises(ConfigError, match="no foreign images") as caught:
        replaced(toy(100, class_names=("class 1", "sky", "third")), 0.09, folder)
    assert caught.value.field == "open_set"


def test_planted_pictures_are_enough_for_any_number_and_never_copies_of_each_other() -> None:
    after, labels = replaced(toy(300, side=32), 1.0)
    assert foreign(labels).all()
    assert len(np.unique(after.train_images.reshape(300, -1), axis=0)) == 300
    assert "more than once" not in after.notices[-1]


def test_the_data_seed_alone_decides(folder: Path) -> None:
    one, again, other = (replaced(toy(100), 0.1, folder, data_seed=seed) for seed in (0, 0, 1))
    assert np.array_equal(one[0].train_images, again[0].train_images) and np.array_equal(foreign(one[1]), foreign(again[1]))
    assert not np.array_equal(foreign(one[1]), foreign(other[1]))


def test_labels_of_unknown_truth_are_taken_as_right() -> None:
    _, labels = replaced(toy_dataset(np.arange(20) % 2, names(2)), 0.25)
    assert foreign(labels).sum() == 5 and labels.wrong_rate == 0.25


# -- planted data with foreign images in them --------------------------------------------------------


def test_what_was_planted_stays_true_of_the_images_that_remain() -> None:
    config = DataConfig(dataset="planted", train_size=400, noise="open_set", noise_rate=0.4)
    before = catalogue.load(config)
    after, labels = add_noise(config, before)
    rows, already = foreign(labels), before.given_label != before.true_label
    assert before.planted is not None and after.planted is not None and already.sum() == 10
    assert not (rows & already).any() and rows.sum() == round(0.4 * 390)
    assert np.array_equal(labels.wrong_origin == "planted", already)
    assert labels.wrong_rate == expected_wrong_rate(config, before) == (rows.sum() + 10) / 400
    assert np.array_equal(after.planted.kind == "foreign", rows)
    copies = after.planted.kind == "near_duplicate"
    assert np.array_equal(copies, after.planted.partner >= 0) and np.array_equal(copies, after.planted.transform != "")
    assert not rows[after.planted.partner[copies]].any()  # a copy of an image that is gone is a copy no longer
    orphaned = (before.planted.kind == "near_duplicate") & ~copies & ~rows
    assert orphaned.any() and (after.planted.kind[orphaned] == "typical").all()
    rest = ~rows & ~orphaned
    for name in ("kind", "partner", "transform"):
        assert np.array_equal(getattr(after.planted, name)[rest], getattr(before.planted, name)[rest])


# -- where foreign images come from ------------------------------------------------------------------


def test_the_source_is_planted_unless_said_otherwise() -> None:
    assert catalogue.foreign_set(DataConfig(dataset="digits")) == "planted"
    assert catalogue.foreign_set(DataConfig(dataset="planted")) == "digits"
    assert catalogue.foreign_set(DataConfig(dataset="digits", open_set="svhn")) == "svhn"


def test_a_set_is_not_foreign_to_itself(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder.parent)
    for dataset, source in (("digits", "digits"), ("planted", "planted"), (str(folder), folder.name), (folder.name, f"./{folder.name}/")):
        config = RunConfig(dataset=dataset, train_size=10, noise="open_set", open_set=source)
        for call in (pipeline.identify, pipeline.prepare):
            with pytest.raises(ConfigError, match="the set itself") as caught:
                call(config)
            assert caught.value.field == "open_set"


def test_a_source_that_is_not_there_or_not_open_is_named(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(source: str) -> ConfigError:
        config = RunConfig(noise="open_set", open_set=source)
        with pytest.raises(ConfigError) as caught:
            catalogue.fingerprint(config)
        assert caught.value.field == "open_set"
        with pytest.raises(ConfigError) as caught:
            pipeline.prepare(config)
        assert caught.value.field == "open_set"
        return caught.value

    assert "neither a path that exists" in str(refused(str(tmp_path / "nowhere")))
    monkeypatch.setenv("EXPLORER_DATA_ROOT", str(tmp_path))
    assert "shared folder" in str(refused(str(folder)))


def test_a_table_with_several_label_columns_will_do(tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    lines = ["path,fine,coarse"]
    for i, colour in enumerate(COLOURS):
        Image.new("RGB", (8, 8), colour).save(tmp_path / "images" / f"{i}.png")
        lines.append(f"images/{i}.png,{i % 3},{i % 2}")
    (tmp_path / "data.csv").write_text("\n".join(lines))
    _, labels = replaced(toy(20), 0.5, tmp_path / "data.csv")
    assert foreign(labels).sum() == 10


def test_the_fingerprint_of_a_run_follows_its_foreign_images(tmp_path: Path) -> None:
    for i in range(6):
        place = tmp_path / f"class {i % 2}"
        place.mkdir(exist_ok=True)
        Image.new("RGB", (8, 8), (40 * i, 0, 0)).save(place / f"{i}.png")
    config = DataConfig(noise="open_set", open_set=str(tmp_path))
    before = catalogue.fingerprint(config)
    assert before.startswith("digits") and before != catalogue.fingerprint(DataConfig(noise="open_set"))
    assert catalogue.fingerprint(DataConfig(noise="symmetric", open_set=str(tmp_path))) == "digits"
    (tmp_path / "class 0" / "0.png").rename(tmp_path / "class 0" / "new.png")
    assert catalogue.fingerprint(config) != before
