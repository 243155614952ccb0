"""Networks on random subsets: exact subsets, each network its own whatever is trained beside it, and what they get right."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from explorer import pipeline
from explorer.analysis.memorization import Memorization, memorization
from explorer.config import ConfigError, MemorizationConfig
from explorer.pipeline import Prepared
from explorer.records import Array, Dataset, Progress, SubsetRecord, TrainingError
from explorer.training import subsets
from explorer.training.devices import generator
from explorer.training.images import on_device
from explorer.training.models import build_model
from explorer.training.subsets import draw_subset, train_subsets
from tests.support import names, toy_dataset

SMALL = MemorizationConfig(train_size=100, noise_rate=0.2, width=2, models=7, epochs=3, batch_size=16, device="cpu")


@pytest.fixture(scope="module")
def prepared() -> Prepared:
    return pipeline.prepare(SMALL)


def records(config: MemorizationConfig, prepared: Prepared, done: int = 0) -> list[SubsetRecord]:
    return [r for r in pipeline.memorize(config, done, prepared, threads=1) if isinstance(r, SubsetRecord)]


def stacked(found: list[SubsetRecord]) -> tuple[Array, Array]:
    """(inside, correct), bool ``[M, N]``."""
    return np.concatenate([r.inside for r in found]), np.concatenate([r.correct for r in found])


# -- subsets ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("ratio", "count", "size"), [(0.7, 100, 70), (0.7, 101, 71), (0.5, 7, 4), (0.01, 200, 2), (0.999, 100, None), (0.01, 50, None)]
)
def test_a_subset_has_the_exact_size_or_is_refused(ratio: float, count: int, size: int | None) -> None:
    config = dataclasses.replace(SMALL, subset_ratio=ratio)
    if size is None:
        with pytest.raises(ConfigError, match="subset_ratio"):
            config.subset_size(count)
    else:
        assert config.subset_size(count) == size


def test_a_subset_is_drawn_without_replacement_and_belongs_to_seed_and_number() -> None:
    drawn = {(seed, m): draw_subset(seed, m, 50, 35) for seed in (0, 1) for m in range(4)}
    for rows in drawn.values():
        assert len(set(rows.tolist())) == 35 and set(rows.tolist()) <= set(range(50))
    assert len({tuple(sorted(rows.tolist())) for rows in drawn.values()}) == len(drawn)
    assert torch.equal(drawn[1, 2], draw_subset(1, 2, 50, 35))


def test_every_image_is_inside_as_often_as_any_other() -> None:
    """A chi-squared test of the counts; the seed is fixed, so it passes always or never."""
    inside = np.zeros(40)
    for m in range(400):
        inside[draw_subset(0, m, 40, 28).numpy()] += 1
    assert inside.sum() == 400 * 28
    assert ((inside - 280) ** 2 / (400 * 0.7 * 0.3)).sum() < 39 + 4 * (2 * 39) ** 0.5


def test_records_say_which_images_each_network_saw(prepared: Prepared, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subsets, "TOGETHER", 3)
    found = records(SMALL, prepared)
    assert [(r.first, len(r.inside)) for r in found] == [(0, 3), (3, 3), (6, 1)]
    inside, correct = stacked(found)
    assert inside.shape == correct.shape == (7, 100) and inside.dtype == correct.dtype == bool
    assert not found[0].inside.flags.writeable and not found[0].correct.flags.writeable
    for m in range(7):
        assert np.flatnonzero(inside[m]).tolist() == sorted(draw_subset(0, m, 100, 70).tolist())


# -- networks --------------------------------------------------------------------------------------


def by_hand(config: MemorizationConfig, prepared: Prepared, number: int) -> tuple[Array, Array]:
    """(predicted label, lead over the runner-up) ``[N]`` of one network, trained in the plain way."""
    images, _ = on_device(prepared.dataset, prepared.labels.given_label, "cpu")
    x, y = images.inputs(slice(None)), images.label
    own = draw_subset(config.seed, number, len(y), config.subset_size(len(y)))
    shape = {"channels": x.shape[1], "size": x.shape[2], "num_classes": 10, "width": config.width}
    model = build_model(config.model, **shape, seed=generator(config.seed, "weights", number).initial_seed())
    optimizer = torch.optim.SGD(model.parameters(), config.lr, config.momentum, weight_decay=config.weight_decay)
    for epoch in range(1, config.epochs + 1):
        done = (epoch - 1) / config.epochs
        optimizer.param_groups[0]["lr"] = config.lr * (1 if config.schedule == "constant" else (1 + np.cos(np.pi * done)) / 2)
        order = own[torch.randperm(len(own), generator=generator(config.seed, "order", number, epoch))]
        for batch in order.split(config.batch_size):
            loss = F.cross_entropy(model(x[batch]), y[batch])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    with torch.no_grad():
        logits = model.eval()(x)
    first, second = logits.topk(2, dim=1).values.T
    return logits.argmax(dim=1).numpy(), (first - second).numpy()


@pytest.mark.parametrize(
    "changes",
    [
        {"model": "mlp"},
        {"model": "mlp", "schedule": "constant", "weight_decay": 0.01, "momentum": 0.0, "seed": 3, "subset_ratio": 0.4},
        {"model": "cnn", "models": 2},  # one at a time, with batch norm: trained in one mode, judged in the other
    ],
)
def test_each_network_is_what_training_it_alone_gives(prepared: Prepared, changes: dict[str, object]) -> None:
    config = dataclasses.replace(SMALL, **changes)
    _, correct = stacked(records(config, prepared))
    for number in range(config.models):
        predicted, lead = by_hand(config, prepared, number)
        clear = lead > 1e-3  # of nearly equal logits, rounding decides
        assert clear.mean() > 0.9
        assert np.array_equal(correct[number][clear], (predicted == prepared.labels.given_label)[clear])


@pytest.mark.parametrize("done", [3, 6])
def test_going_on_gives_the_rest_to_the_last_bit(prepared: Prepared, monkeypatch: pytest.MonkeyPatch, done: int) -> None:
    monkeypatch.setattr(subsets, "TOGETHER", 3)
    inside, correct = stacked(records(SMALL, prepared))
    rest_inside, rest_correct = stacked(records(SMALL, prepared, done))
    assert np.array_equal(rest_inside, inside[done:]) and np.array_equal(rest_correct, correct[done:])
    assert records(SMALL, prepared, 7) == []


def test_more_networks_go_on_with_the_same_sequence(prepared: Prepared) -> None:
    few, more = (stacked(records(dataclasses.replace(SMALL, models=models), prepared)) for models in (3, 7))
    assert np.array_equal(more[0][:3], few[0])
    assert (more[1][:3] == few[1]).mean() > 0.99  # trained in other company: the same but for rounding


def test_the_same_seed_gives_the_same_bits_and_another_another(prepared: Prepared) -> None:
    one, same, other = (stacked(records(dataclasses.replace(SMALL, seed=seed), prepared)) for seed in (0, 0, 1))
    assert np.array_equal(one[1], same[1])
    assert not np.array_equal(one[0], other[0])


def test_the_global_generator_is_left_alone(prepared: Prepared) -> None:
    torch.manual_seed(5)
    before = torch.get_rng_state()
    records(dataclasses.replace(SMALL, models=2), prepared)
    assert torch.equal(before, torch.get_rng_state())


def test_only_the_given_labels_are_learned(prepared: Prepared) -> None:
    """Handed other labels, other networks come out; the labels the data set itself carries make no difference."""
    shuffled = np.roll(prepared.dataset.given_label, 1)
    other_set = dataclasses.replace(prepared.dataset, given_label=shuffled)
    given = prepared.labels.given_label

    def correct(data: Dataset, label: Array) -> Array:
        return stacked([r for r in train_subsets(SMALL, data, label, threads=1) if isinstance(r, SubsetRecord)])[1]

    assert np.array_equal(correct(other_set, given), correct(prepared.dataset, given))
    assert not np.array_equal(correct(prepared.dataset, shuffled), correct(prepared.dataset, given))


# -- stopping and failing --------------------------------------------------------------------------


def test_progress_comes_after_every_step(prepared: Prepared, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subsets, "TOGETHER", 4)
    progress = [r for r in pipeline.memorize(SMALL, 0, prepared, threads=1) if isinstance(r, Progress)]
    steps = SMALL.epochs * -(-70 // SMALL.batch_size)
    assert len(progress) == 2 * steps
    assert {(p.phase, p.total) for p in progress} == {("models", 7)}
    assert [p.done for p in progress] == [0] * steps + [4] * steps
    assert [p.epoch for p in progress[:steps]] == sorted(p.epoch for p in progress[:steps])


def test_a_last_batch_of_one_joins_the_one_before(prepared: Prepared) -> None:
    config = dataclasses.replace(SMALL, model="cnn", models=2, batch_size=23)  # 70 = 3 * 23 + 1
    progress = [r for r in pipeline.memorize(config, 0, prepared, threads=1) if isinstance(r, Progress)]
    assert len(progress) == 2 * 3 * config.epochs


def test_a_rate_that_leads_nowhere_is_an_error(prepared: Prepared) -> None:
    with pytest.raises(TrainingError, match="learning rate"):
        records(dataclasses.replace(SMALL, lr=1e6), prepared)


# -- what comes out of it --------------------------------------------------------------------------


COPY, WRONG, RIGHT_TWIN, WRONG_TWIN = 0, 2, 3, 4


@pytest.fixture(scope="module")
def planted() -> Iterator[Memorization]:
    """Two easy classes of 30 random pictures: light left or light right. 0 and 1 are copies, rightly labelled; 2 is labelled
    wrongly; 3 and 4 are copies under two labels, the first one right."""
    rng = np.random.default_rng(0)
    true = np.arange(60) % 2
    images = rng.integers(0, 120, (60, 8, 8, 1), dtype=np.uint8)
    images[true == 0, :, :4] += 120
    images[true == 1, :, 4:] += 120
    given = true.copy()
    for copy, of in ((1, COPY), (WRONG_TWIN, RIGHT_TWIN)):
        images[copy], given[copy] = images[of], true[of]
    given[[WRONG, WRONG_TWIN]] = 1 - given[[WRONG, WRONG_TWIN]]
    data = toy_dataset(given, names(2), images=images)
    config = MemorizationConfig(width=4, models=120, epochs=40, batch_size=16, device="cpu")
    inside, correct = stacked([r for r in train_subsets(config, data, given, threads=1) if isinstance(r, SubsetRecord)])
    yield memorization((inside & correct).sum(0), inside.sum(0), (~inside & correct).sum(0), (~inside).sum(0))


def test_a_copy_with_the_right_label_is_not_memorized_and_a_wrong_label_is(planted: Memorization) -> None:
    assert planted.memorization[COPY] == pytest.approx(0, abs=0.02)
    assert planted.memorization[WRONG] > 0.95
    assert planted.outside[WRONG] < 0.05
    clean = np.delete(planted.memorization, [WRONG, RIGHT_TWIN, WRONG_TWIN])
    assert np.abs(clean).mean() < 0.1


def test_identical_pixels_under_two_labels_average_a_half(planted: Memorization) -> None:
    """Both inside: one of the two is right. One inside: it is right, the other wrong. Neither: the right one is right."""
    pair = [RIGHT_TWIN, WRONG_TWIN]
    error = np.hypot(*planted.standard_error[pair]) / 2
    assert planted.memorization[pair].mean() == pytest.approx(0.5, abs=3 * error)
    assert planted.memorization[pair].mean() < 1 - 0.7 / 2 + 3 * error
