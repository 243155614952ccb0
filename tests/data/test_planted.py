"""The planted set: its truth is what the pixels show, its counts are exact, and nothing but the seed decides it."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from explorer.config import ConfigError
from explorer.data.planted import CLASS_NAMES, TRANSFORMS, load_planted, plan
from explorer.data.splits import generator
from explorer.records import Array, DataError, Dataset, PlantedTruth

SIZE = 360


@pytest.fixture(scope="module")
def planted() -> Dataset:
    return load_planted(SIZE)


@pytest.fixture(scope="module")
def default() -> Dataset:
    return load_planted()


def truth(data: Dataset) -> PlantedTruth:
    assert data.planted is not None
    return data.planted


def true_label(data: Dataset) -> Array:
    assert data.true_label is not None
    return data.true_label


def pairs(data: Dataset, transform: str) -> list[tuple[Array, Array]]:
    """(partner, copy) of every copy made by one transform, as float."""
    copies = np.flatnonzero(truth(data).transform == transform)
    assert len(copies) >= 3
    return [(data.train_images[truth(data).partner[i]].astype(float), data.train_images[i].astype(float)) for i in copies]


def test_the_values_have_the_promised_form(planted: Dataset) -> None:
    assert planted.name == "planted" and planted.num_classes == 10 == len(set(planted.class_names))
    assert planted.train_images.shape == (SIZE, 32, 32, 3) and planted.test_images.shape == (1000, 32, 32, 3)
    assert planted.train_images.dtype == planted.test_images.dtype == np.uint8
    assert planted.given_label.dtype == true_label(planted).dtype == planted.test_label.dtype == np.int64
    assert np.array_equal(planted.source_index, np.arange(SIZE)) and planted.test_is_reference
    arrays = (planted.train_images, planted.given_label, true_label(planted), planted.source_index, planted.test_images, planted.test_label)
    assert not any(a.flags.writeable for a in (*arrays, truth(planted).kind, truth(planted).partner, truth(planted).transform))


def test_the_default_has_two_thousand_images_in_the_promised_shares(default: Dataset) -> None:
    kinds, counts = np.unique(truth(default).kind, return_counts=True)
    assert dict(zip(kinds.tolist(), counts.tolist(), strict=True)) == {"atypical": 100, "near_duplicate": 100, "typical": 1800}
    assert np.bincount(true_label(default)).tolist() == [200] * 10 and np.bincount(default.test_label).tolist() == [100] * 10
    assert (default.given_label != true_label(default)).sum() == 50
    for kind in ("atypical", "near_duplicate"):
        assert np.bincount(true_label(default)[truth(default).kind == kind]).tolist() == [10] * 10


def test_the_seed_and_nothing_else_decides(planted: Dataset) -> None:
    np.random.seed(12345)
    state = repr(np.random.get_state())
    again, other = load_planted(SIZE), load_planted(4, seed=1)
    assert repr(np.random.get_state()) == state
    for name in ("train_images", "given_label", "true_label", "test_images", "test_label"):
        assert np.array_equal(getattr(planted, name), getattr(again, name))
    for name in ("kind", "partner", "transform"):
        assert np.array_equal(getattr(truth(planted), name), getattr(truth(again), name))
        seeds = [plan(SIZE, 18, generator(seed, "planted"))[2] for seed in (0, 1)]
        assert not np.array_equal(getattr(seeds[0], name), getattr(seeds[1], name))
    assert not np.array_equal(other.test_label, planted.test_label)
    assert not (other.test_images == planted.test_images).all(axis=(1, 2, 3)).any()


def test_a_larger_set_keeps_classes_test_images_and_most_pictures(planted: Dataset, default: Dataset) -> None:
    assert np.array_equal(planted.test_images, default.test_images) and np.array_equal(planted.test_label, default.test_label)
    assert np.array_equal(true_label(planted), true_label(default)[:SIZE])
    typical = (truth(planted).kind == "typical") & (truth(default).kind[:SIZE] == "typical")
    assert typical.sum() > 0.75 * SIZE
    assert np.array_equal(planted.train_images[typical], default.train_images[:SIZE][typical])


def test_partners_are_typical_distinct_and_of_the_same_class(planted: Dataset) -> None:
    known = truth(planted)
    copies = np.flatnonzero(known.kind == "near_duplicate")
    partner = known.partner[copies]
    assert len(copies) == round(0.05 * SIZE) == len(np.unique(partner))
    assert (known.kind[partner] == "typical").all()
    assert np.array_equal(true_label(planted)[partner], true_label(planted)[copies])
    others = np.setdiff1d(np.arange(SIZE), copies)
    assert (known.partner[others] == -1).all() and (known.transform[others] == "").all()
    assert set(known.transform[copies]) == set(TRANSFORMS)


@pytest.mark.parametrize("copies", [0, 1, 2, 5, 18, 35, 100, 101])
def test_only_copies_are_mislabelled_half_of_them_and_half_of_each_transform(copies: int) -> None:
    for seed in range(3):
        true, given, known = plan(1_000, copies, generator(seed, "planted"))
        wrong, copied = given != true, known.kind == "near_duplicate"
        assert copied.sum() == copies and wrong.sum() == copies // 2 and not wrong[~copied].any()
        of_transform = [known.transform == name for name in TRANSFORMS]
        assert np.ptp([each.sum() for each in of_transform]) <= 1
        assert all(abs(wrong[each].sum() - each.sum() / 2) <= 0.5 for each in of_transform)


def test_wrong_labels_and_positions_of_copies_are_even() -> None:
    true, given, known = plan(18_000, 900, generator(1, "planted"))
    steps = np.bincount((given - true)[given != true] % 10, minlength=10)
    assert steps[0] == 0 and steps.sum() == 450 and chi_square(steps[1:]) < 26.1  # 8 degrees of freedom, one in a thousand
    assert chi_square(np.bincount(true[given != true], minlength=10)) < 27.9  # 9 degrees of freedom: no class is spared
    place = np.histogram(np.flatnonzero(known.partner >= 0), bins=9, range=(0, 18_000))[0]
    assert chi_square(place) < 26.1


def chi_square(counts: Array) -> float:
    return float(((counts - counts.mean()) ** 2).sum() / counts.mean())


def test_exact_mirror_and_shift_copy_every_pixel(planted: Dataset) -> None:
    assert all(np.array_equal(copy, partner) for partner, copy in pairs(planted, "exact"))
    assert all(np.array_equal(copy, partner[:, ::-1]) for partner, copy in pairs(planted, "mirror"))
    for partner, copy in pairs(planted, "shift"):
        assert np.array_equal(copy[:, 1:], partner[:, :-1]) and np.array_equal(copy[:, 0], partner[:, 0])
        assert not np.array_equal(copy, partner)


def test_brightness_is_fifteen_percent_more(planted: Dataset) -> None:
    for partner, copy in pairs(planted, "brightness"):
        below_white = partner < 220
        assert np.abs(copy[below_white] - 1.15 * partner[below_white]).max() <= 0.5
        assert (copy[partner >= 222] == 255).all()


def test_recompression_loses_detail_but_not_the_picture(planted: Dataset) -> None:
    for partner, copy in pairs(planted, "recompression"):
        assert 1 < np.abs(copy - partner).mean() < 15
        assert np.abs(copy.mean(axis=(0, 1)) - partner.mean(axis=(0, 1))).max() < 3


def test_crop_enlarges_the_middle_28_pixels(planted: Dataset) -> None:
    for partner, copy in pairs(planted, "crop"):
        middle = Image.fromarray(partner[2:30, 2:30].astype(np.uint8))
        enlarged = np.asarray(middle.resize((32, 32), Image.Resampling.BICUBIC), dtype=float)  # another filter than the set's own
        assert np.abs(copy - enlarged).mean() < 4 < np.abs(copy - partner).mean()


def test_pictures_that_are_not_copies_are_far_apart(planted: Dataset) -> None:
    drawn = planted.train_images[truth(planted).partner < 0].reshape(-1, 32 * 32 * 3).astype(np.float32)
    squares = (drawn**2).sum(axis=1)
    distance = np.maximum(squares[:, None] + squares[None] - 2 * drawn @ drawn.T, 0) / drawn.shape[1]
    assert np.sqrt(distance + 1e9 * np.eye(len(drawn), dtype=np.float32)).min() > 15  # grain alone makes 7


def test_the_form_tells_the_class_and_colour_does_not(default: Dataset) -> None:
    """The nearest class mean is far above chance on edges, and near chance on the mean colour."""

    def accuracy(train: Array, test: Array) -> float:
        centres = np.stack([train[true_label(default) == c].mean(axis=0) for c in range(10)])
        return float((((test[:, None] - centres[None]) ** 2).sum(axis=2).argmin(axis=1) == default.test_label).mean())

    def colour(images: Array) -> Array:
        return images.mean(axis=(1, 2))

    def form(images: Array) -> Array:
        grey = images.astype(np.float32).mean(axis=3)
        down, across = np.abs(np.diff(grey, axis=1))[:, :, :-1], np.abs(np.diff(grey, axis=2))[:, :-1]
        return np.minimum(down + across, 60).reshape(len(images), -1)

    assert accuracy(colour(default.train_images), colour(default.test_images)) < 0.2
    assert accuracy(form(default.train_images), form(default.test_images)) > 0.4


@pytest.mark.parametrize("size", [4, 9, 10, 11, 12, 13, 29, 30, 31, 40, 99])
def test_small_sets_are_whole(size: int) -> None:
    for seed in range(5):
        true, _, known = plan(size, round(0.05 * size), generator(seed, "planted"))
        assert len(true) == size and np.ptp(np.bincount(true, minlength=10)) <= 1
        for kind in ("atypical", "near_duplicate"):
            assert (known.kind == kind).sum() == round(0.05 * size)


def test_the_smallest_set_in_another_size_shows_the_same_pictures(planted: Dataset) -> None:
    small = load_planted(4, image_size=16)
    assert small.train_images.shape == (4, 16, 16, 3) and (truth(small).kind == "typical").all()
    halved = planted.test_images.reshape(1000, 16, 2, 16, 2, 3).mean(axis=(2, 4))
    assert np.abs(halved - small.test_images).mean() < 8
    assert np.abs(halved - np.roll(small.test_images, 1, axis=0)).mean() > 30


def test_what_cannot_be_drawn_is_refused() -> None:
    for size in (1, 15, 513, -1):
        with pytest.raises(ConfigError, match="image_size"):
            load_planted(10, image_size=size)
    for train_size in (1, 3):
        with pytest.raises(DataError, match="at least 4"):
            load_planted(train_size)


def test_class_names_are_nouns_in_order() -> None:
    assert list(CLASS_NAMES) == sorted(CLASS_NAMES) and all(name.isalpha() and name.islower() for name in CLASS_NAMES)
