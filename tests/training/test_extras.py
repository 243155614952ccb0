"""Extra passes after the last epoch: nobody is predicted by a network that saw them, and halves change places."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from explorer import pipeline
from explorer.config import RunConfig
from explorer.pipeline import Prepared
from explorer.records import Array, FinalRecord, Progress, Record
from explorer.training import extras
from tests.support import assert_same_epochs, bits, epoch_records


def final(records: list[Record]) -> FinalRecord:
    last = records[-1]
    assert isinstance(last, FinalRecord)
    return last


@pytest.fixture(scope="module")
def with_extras(tiny: RunConfig, prepared: Prepared) -> list[Record]:
    config = dataclasses.replace(tiny, folds=4, second_split_epochs=3, epochs=8, batch_size=8, curvature_every=0)
    return list(pipeline.run(config, prepared=prepared))


def test_extras_come_only_where_asked_for(records: list[Record], with_extras: list[Record]) -> None:
    assert final(records).out_of_sample is None and final(records).second_split is None
    assert final(with_extras).out_of_sample is not None and final(with_extras).second_split is not None


def test_extras_change_nothing_in_the_run_itself(tiny: RunConfig, prepared: Prepared, records: list[Record]) -> None:
    config = dataclasses.replace(tiny, folds=2, second_split_epochs=1)
    assert_same_epochs(records, pipeline.run(config, prepared=prepared))


def test_extras_are_the_same_from_every_start(tiny: RunConfig, prepared: Prepared, state_every_epoch: None) -> None:
    config = dataclasses.replace(tiny, folds=2, second_split_epochs=1)
    whole = list(pipeline.run(config, prepared=prepared))
    continued = list(pipeline.run(config, epoch_records(whole)[-1].state, prepared))
    for name in ("out_of_sample", "second_split"):
        assert bits(getattr(final(whole), name)) == bits(getattr(final(continued), name))


def test_progress_of_the_extras_counts_up_to_its_total(tiny: RunConfig, with_extras: list[Record]) -> None:
    for phase, total in (("folds", 3 * 200 * 8), ("second_split", 200 * (8 + 3))):
        seen = [r for r in with_extras if isinstance(r, Progress) and r.phase == phase]
        done = [r.done for r in seen]
        assert done == sorted(done) and done[-1] == total
        assert {r.total for r in seen} == {total}


# -- folds -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(("counts", "k"), [((7, 7, 7), 3), ((50, 1, 0, 13), 5), ((2, 2), 4), ((3,), 2)])
def test_folds_split_every_class_and_all_images_evenly(counts: tuple[int, ...], k: int) -> None:
    label = np.random.default_rng(0).permutation(np.repeat(np.arange(len(counts)), counts))
    fold = extras._folds(label, k, seed=7)
    sizes = np.bincount(fold, minlength=k)
    assert sizes.max() - sizes.min() <= 1
    for y, count in enumerate(counts):
        of_class = np.bincount(fold[label == y], minlength=k)
        assert of_class.sum() == count and of_class.max() - of_class.min() <= 1
    assert np.array_equal(fold, extras._folds(label, k, seed=7))
    assert len(label) < 6 or not np.array_equal(fold, extras._folds(label, k, seed=8))


def test_out_of_sample_predictions_are_probabilities_that_see_through_wrong_labels(with_extras: list[Record], prepared: Prepared) -> None:
    p, labels = final(with_extras).out_of_sample, prepared.labels
    assert p is not None and labels.true_label is not None and labels.is_mislabeled is not None
    assert p.dtype == np.float32 and p.shape == (200, 10) and not p.flags.writeable
    assert p.sum(axis=1) == pytest.approx(np.ones(200), abs=1e-5)
    wrong = labels.is_mislabeled
    right_class = (p.argmax(axis=1) == labels.true_label)[wrong].mean()
    wrong_class = (p.argmax(axis=1) == labels.given_label)[wrong].mean()
    assert right_class > 0.5 > 0.2 > wrong_class


def test_an_image_has_no_say_in_its_own_out_of_sample_prediction(tiny: RunConfig, prepared: Prepared) -> None:
    """Another picture in its place changes its own prediction's input but not the network: other images of its fold stay as they are."""
    config = dataclasses.replace(tiny, folds=2, epochs=1)
    fold = extras._folds(prepared.labels.given_label, 2, extras.generator(config.seed, "folds").initial_seed())
    one = fold.tolist().index(0)
    images = np.array(prepared.dataset.train_images)
    order = np.random.default_rng(0).permutation(images[one].size)
    images[one] = images[one].ravel()[order].reshape(images[one].shape)  # the same pixels, so the same normalisation
    changed = Prepared(dataclasses.replace(prepared.dataset, train_images=images), prepared.labels)
    before, after = (final(list(pipeline.run(config, prepared=p))).out_of_sample for p in (prepared, changed))
    assert before is not None and after is not None
    unseen_with_it = fold == 0
    unseen_with_it[one] = False
    assert np.array_equal(before[unseen_with_it], after[unseen_with_it])
    assert not np.array_equal(before[fold == 1], after[fold == 1])


# -- second split ----------------------------------------------------------------------------------


def test_second_split_records_learning_and_forgetting(with_extras: list[Record], prepared: Prepared) -> None:
    correct, wrong = final(with_extras).second_split, prepared.labels.is_mislabeled
    assert correct is not None and wrong is not None
    assert correct.dtype == bool and correct.shape == (4, 200) and not correct.flags.writeable

    def share(which: Array, row: int) -> float:
        return float(correct[row, which].mean())

    assert share(~wrong, 0) > 0.8  # learned on the first half
    assert share(~wrong, -1) > 0.7  # and kept on the second
    assert share(wrong, -1) < 0.2  # wrong labels do not survive it
