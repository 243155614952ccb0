"""The training loop: bit-identical repeats, probes that change nothing, exact continuation, facts against a naive recomputation."""

from __future__ import annotations

import dataclasses
import functools
import math
from collections.abc import Callable, Iterator

import numpy as np
import pytest
import torch

from explorer import pipeline
from explorer.config import RunConfig
from explorer.pipeline import Prepared
from explorer.records import EpochRecord, FinalRecord, Progress, Record, TrainingError
from explorer.training import state
from explorer.training.devices import generator
from explorer.training.images import Images, batches
from explorer.training.loop import due, learning_rate, train
from explorer.training.models import build_model
from explorer.training.probes import input_loss_curvature
from explorer.training.state import read_state
from tests.support import PROBED, assert_same_epochs, assert_same_tensors, epoch_records, names, toy_dataset

VARIANTS = {
    "ce": {},
    "elr": {"loss": "elr"},
    "elr, cosine, crops and mirror images": {"loss": "elr", "schedule": "cosine", "augment": "crop_mirror"},
    "mlp, step, weight decay": {"model": "mlp", "schedule": "step", "weight_decay": 1e-3, "augment": "crop"},
    "elr_plus, crops": {"loss": "elr_plus", "augment": "crop", "schedule": "elr_step"},
    "gce": {"loss": "gce"},
    "label_smoothing": {"loss": "label_smoothing"},
    "mixup": {"loss": "mixup"},
    "probes spaced out": {"curvature_every": 2, "embedding_every": 2, "epochs": 5},
}


def variant(config: RunConfig, name: str) -> RunConfig:
    return dataclasses.replace(config, **VARIANTS[name])


@pytest.fixture(scope="module")
def whole(tiny: RunConfig, prepared: Prepared) -> Callable[[str], list[Record]]:
    """``whole("elr")``: every record of that variant, never interrupted, each epoch with its state; trained once."""

    @functools.cache
    def run(name: str) -> list[Record]:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(state, "STATE_SHARE", math.inf)
            torch.manual_seed(1)
            return list(pipeline.run(variant(tiny, name), prepared=prepared))

    return run


# -- the shape of a run ----------------------------------------------------------------------------


def test_a_run_is_one_record_per_epoch_from_0_and_one_final_record(tiny: RunConfig, records: list[Record]) -> None:
    assert [r.epoch for r in epoch_records(records)] == list(range(tiny.epochs + 1))
    assert [i for i, r in enumerate(records) if isinstance(r, FinalRecord)] == [len(records) - 1]
    final = records[-1]
    assert isinstance(final, FinalRecord)
    steps = math.ceil(tiny.train_size / tiny.batch_size)
    assert (final.epoch, final.step) == (tiny.epochs, tiny.epochs * steps)
    assert [r.step for r in epoch_records(records)] == [e * steps for e in range(tiny.epochs + 1)]
    assert final.peak_memory_mb > 50
    model = build_model(tiny.model, channels=1, size=8, num_classes=10, width=tiny.width, seed=0)
    assert final.parameters == sum(p.numel() for p in model.parameters())


def test_arrays_have_the_documented_shapes_and_types_and_are_read_only(tiny: RunConfig, prepared: Prepared, records: list[Record]) -> None:
    N, M = tiny.train_size, len(prepared.dataset.test_label)
    for record in epoch_records(records):
        expected = {
            "loss": ("f2", N),
            "margin": ("f2", N),
            "el2n": ("f2", N),
            "predicted_label": ("u2", N),
            "test_predicted_label": ("u2", M),
        }
        if record.epoch:
            expected |= {"curvature": ("f4", N), "embedding": ("f4", N)}
        else:
            assert record.curvature is None and record.embedding is None
        for name, (kind, length) in expected.items():
            array = getattr(record, name)
            assert (array.dtype, len(array)) == (np.dtype(kind), length), name
            assert np.isfinite(array).all(), name
            with pytest.raises(ValueError, match="read-only"):
                array[0] = 0
        assert type(record.train_loss) is float and type(record.susceptibility_drop) is float


def test_the_untrained_network_is_at_chance_and_unprobed(records: list[Record]) -> None:
    first = epoch_records(records)[0]
    assert first.train_loss == pytest.approx(math.log(10), abs=0.1)
    assert first.test_loss == pytest.approx(math.log(10), abs=0.1)
    assert math.isnan(first.susceptibility_drop) and math.isnan(first.susceptibility_drop_fixed_lr)
    assert first.train_seconds == first.probe_seconds == 0 < first.eval_seconds


def test_progress_counts_up_to_the_number_of_images(tiny: RunConfig, prepared: Prepared, records: list[Record]) -> None:
    N, M = tiny.train_size, len(prepared.dataset.test_label)
    seen: dict[tuple[int, str], list[tuple[int, int]]] = {}
    for record in records:
        if isinstance(record, Progress):
            seen.setdefault((record.epoch, record.phase), []).append((record.done, record.total))
    for epoch in range(tiny.epochs + 1):
        phases = [phase for e, phase in seen if e == epoch]
        assert phases == (["susceptibility", "train", "evaluate", "curvature"] if epoch else ["evaluate"])
        assert seen[epoch, "evaluate"] == [(N, N), (M, M)]
        if epoch:
            assert [done for done, _ in seen[epoch, "train"]] == [64, 128, 192, N]
            assert {total for _, total in seen[epoch, "train"]} == {N}
            assert seen[epoch, "curvature"] == [(N, N)]


# -- the same numbers, bit for bit -----------------------------------------------------------------


@pytest.mark.parametrize("name", VARIANTS)
def test_the_same_config_gives_the_same_bits(tiny: RunConfig, whole: Callable[[str], list[Record]], name: str) -> None:
    one = whole(name)
    torch.manual_seed(2)  # the global generator has no say
    assert_same_epochs(one, pipeline.run(variant(tiny, name)))


def test_another_seed_gives_another_run(tiny: RunConfig, prepared: Prepared, records: list[Record]) -> None:
    other = epoch_records(pipeline.run(dataclasses.replace(tiny, seed=1), prepared=prepared))
    for one, two in zip(epoch_records(records), other, strict=True):
        assert not np.array_equal(one.loss, two.loss)


def test_two_runs_taken_in_turns_equal_two_separate_ones(tiny: RunConfig, prepared: Prepared) -> None:
    configs = variant(tiny, "elr, cosine, crops and mirror images"), dataclasses.replace(tiny, seed=5)
    apart = [list(pipeline.run(config, prepared=prepared)) for config in configs]
    running: list[Iterator[Record]] = [pipeline.run(config, prepared=prepared) for config in configs]
    together: list[list[Record]] = [[], []]
    while any(running_on := [next(r, None) for r in running]):
        for kept, record in zip(together, running_on, strict=True):
            if record is not None:
                kept.append(record)
    for one, other in zip(apart, together, strict=True):
        assert_same_epochs(one, other)


PROBE_SETTINGS = [
    {"susceptibility_lr": 0.0}, {"curvature_every": 0}, {"embedding_every": 0}, {"curvature_directions": 3}, {"curvature_radius": 0.1},
    {"susceptibility_lr": 0.0, "curvature_every": 0, "embedding_every": 0},
]  # fmt: skip


@pytest.mark.parametrize("name", ["ce", "elr, cosine, crops and mirror images"])
def test_probes_never_change_the_training(tiny: RunConfig, prepared: Prepared, whole: Callable[[str], list[Record]], name: str) -> None:
    config, one = variant(tiny, name), whole(name)
    for settings in PROBE_SETTINGS:
        other = list(pipeline.run(dataclasses.replace(config, **settings), prepared=prepared))
        assert_same_epochs(one, other, without=PROBED)
        a, b = epoch_records(one)[-1].state, epoch_records(other)[-1].state
        assert a is not None and b is not None
        assert_same_tensors(read_state(a), read_state(b))


def test_a_probe_that_is_off_says_nothing(tiny: RunConfig, prepared: Prepared) -> None:
    config = dataclasses.replace(tiny, susceptibility_lr=0.0, curvature_every=0, embedding_every=0)
    for record in epoch_records(pipeline.run(config, prepared=prepared)):
        assert record.curvature is None and record.embedding is None
        assert math.isnan(record.susceptibility_drop) and math.isnan(record.susceptibility_drop_fixed_lr)


def test_spaced_probes_come_when_they_are_due_and_embeddings_at_the_end(whole: Callable[[str], list[Record]]) -> None:
    got = epoch_records(whole("probes spaced out"))
    assert [r.epoch for r in got if r.curvature is not None] == [2, 4]
    assert [r.epoch for r in got if r.embedding is not None] == [2, 4, 5]
    assert [due(epoch, 2) for epoch in range(5)] == [False, False, True, False, True]
    assert not any(due(epoch, 0) for epoch in range(5))


@pytest.mark.usefixtures("state_every_epoch")
@pytest.mark.parametrize("name", VARIANTS)
def test_continuing_from_any_state_gives_the_same_bits(
    tiny: RunConfig, prepared: Prepared, whole: Callable[[str], list[Record]], name: str
) -> None:
    config, one = variant(tiny, name), whole(name)
    for record in epoch_records(one):
        assert record.state is not None
        rest = list(pipeline.run(config, record.state, prepared))
        assert_same_epochs([r for r in epoch_records(one) if r.epoch > record.epoch], rest)
        final = rest[-1]
        assert isinstance(final, FinalRecord) and isinstance(one[-1], FinalRecord)
        assert (final.epoch, final.step) == (one[-1].epoch, one[-1].step)
        if record.epoch < config.epochs:
            last, again = epoch_records(one)[-1].state, epoch_records(rest)[-1].state
            assert last is not None and again is not None
            assert_same_tensors(read_state(last), read_state(again))


def test_training_never_sees_a_true_label(tiny: RunConfig, prepared: Prepared, records: list[Record]) -> None:
    blind = dataclasses.replace(prepared.dataset, true_label=None, given_label=np.zeros(tiny.train_size, dtype=np.int64))
    assert_same_epochs(records, train(tiny, blind, prepared.labels.given_label))


# -- manners ---------------------------------------------------------------------------------------


def test_the_world_is_as_it_was_at_every_record(tiny: RunConfig, prepared: Prepared) -> None:
    kept, numpy_state = torch.get_rng_state(), np.random.get_state()
    tf32 = torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32
    images = prepared.dataset.train_images.copy()
    for _ in pipeline.run(variant(tiny, "elr, cosine, crops and mirror images"), prepared=prepared):
        assert torch.is_grad_enabled()
        assert (torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32) == tf32
        assert torch.equal(torch.get_rng_state(), kept)
        assert np.array_equal(np.random.get_state()[1], numpy_state[1])
    assert np.array_equal(prepared.dataset.train_images, images)


def test_records_do_not_change_while_training_goes_on(tiny: RunConfig, prepared: Prepared) -> None:
    kept, copies = [], []
    for record in epoch_records(pipeline.run(tiny, prepared=prepared)):
        kept.append(record)
        copies.append(dataclasses.replace(record, loss=record.loss.copy(), predicted_label=record.predicted_label.copy()))
    assert_same_epochs(kept, copies)
    embeddings = [r.embedding for r in kept if r.embedding is not None]
    assert not np.shares_memory(embeddings[0], embeddings[1])


def test_leaving_early_leaves_nothing_behind(tiny: RunConfig, prepared: Prepared, records: list[Record]) -> None:
    for stop_after in range(0, 12):
        run = pipeline.run(tiny, prepared=prepared)
        for _, _record in zip(range(stop_after), run, strict=False):
            pass
        run.close()  # type: ignore[attr-defined]
        assert torch.is_grad_enabled()
    assert_same_epochs(records, pipeline.run(tiny, prepared=prepared))


# -- what is recorded is true ----------------------------------------------------------------------


@pytest.mark.parametrize("name", ["ce", "elr, cosine, crops and mirror images", "mlp, step, weight decay"])
def test_facts_equal_a_naive_recomputation_from_the_last_weights(
    tiny: RunConfig, prepared: Prepared, whole: Callable[[str], list[Record]], name: str
) -> None:
    """Evaluation mode, un-augmented, given labels; float64 loops over the logits of the stored weights."""
    config, last = variant(tiny, name), epoch_records(whole(name))[-1]
    assert last.state is not None and last.embedding is not None
    data = prepared.dataset
    model = build_model(config.model, channels=1, size=8, num_classes=10, width=config.width, seed=123).eval()
    model.load_state_dict(read_state(last.state)["members"][0]["model"])
    pixels = data.train_images.astype(np.float64) / 255
    inputs = (np.stack([data.train_images, data.train_images])[0] / 255 - pixels.mean()) / pixels.std()
    test_inputs = (data.test_images / 255 - pixels.mean()) / pixels.std()

    def forward(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        with torch.no_grad():
            logits, embedding = model.double().embed(torch.from_numpy(x).permute(0, 3, 1, 2).double())
        return logits.numpy(), embedding.numpy()

    logits, embedding = forward(inputs)
    losses = []
    for n, y in enumerate(prepared.labels.given_label):
        z = logits[n]
        p = np.exp(z - z.max()) / np.exp(z - z.max()).sum()
        losses.append(-math.log(p[y]))
        assert float(last.loss[n]) == pytest.approx(losses[-1], rel=1.5e-3, abs=1e-5)  # half precision: 1 in 2,048
        assert float(last.margin[n]) == pytest.approx(z[y] - max(z[k] for k in range(10) if k != y), rel=1e-3, abs=2e-4)
        error = [p[k] - (k == y) for k in range(10)]
        assert float(last.el2n[n]) == pytest.approx(math.sqrt(sum(e * e for e in error)), rel=1e-3, abs=1e-4)
        assert last.predicted_label[n] == max(range(10), key=lambda k: z[k])
    assert last.train_loss == pytest.approx(np.mean(losses), rel=1e-5)
    assert np.abs(last.embedding - embedding).max() < 1e-3
    test_logits, _ = forward(test_inputs)
    assert np.array_equal(last.test_predicted_label, test_logits.argmax(axis=1))
    shifted = test_logits - test_logits.max(axis=1, keepdims=True)
    test_losses = np.log(np.exp(shifted).sum(axis=1)) - shifted[np.arange(len(shifted)), data.test_label]
    assert last.test_loss == pytest.approx(test_losses.mean(), rel=1e-4)


def test_curvature_is_probed_on_given_labels_in_network_units(tiny: RunConfig) -> None:
    """On more images than are evaluated at once, against all of them in one go."""
    config = dataclasses.replace(tiny, curvature_radius=0.05, train_size=600, epochs=2)
    prepared = pipeline.prepare(config)
    last = epoch_records(pipeline.run(config, prepared=prepared))[-1]
    assert last.state is not None and last.curvature is not None
    model = build_model(config.model, channels=1, size=8, num_classes=10, width=config.width, seed=0).eval()
    model.load_state_dict(read_state(last.state)["members"][0]["model"])
    pixels = torch.from_numpy(prepared.dataset.train_images.copy()).permute(0, 3, 1, 2).float() / 255
    inputs = (pixels - pixels.mean()) / pixels.std(correction=0)
    given = torch.from_numpy(prepared.labels.given_label.copy())
    directions = [generator(config.seed, "curvature", config.epochs, i) for i in range(config.curvature_directions)]
    score = input_loss_curvature(model, inputs, given, 0.05, directions).curvature
    assert last.curvature == pytest.approx(score.numpy(), rel=2e-3, abs=2e-3 * float(score.max()))


@pytest.mark.parametrize(("N", "S"), [(0, 8), (1, 8), (600, 8), (512, 8), (700, 32), (100, 224)])
def test_evaluation_takes_every_image_once_in_order(N: int, S: int) -> None:
    empty = torch.zeros(N, 1, S, S, dtype=torch.uint8)
    parts = list(Images(empty, torch.zeros(N), torch.zeros(1), torch.ones(1), S).slices())
    assert [n for part in parts for n in range(N)[part]] == list(range(N))
    assert len(parts) >= 1 and all(part.start < part.stop for part in parts if N)


def test_losses_beyond_half_precision_are_clipped_not_infinite(tiny: RunConfig, prepared: Prepared) -> None:
    """One far too long step of a network without batch norm: losses above 65,504 nats, yet finite."""
    config = dataclasses.replace(tiny, model="mlp", epochs=1, lr=1e4, batch_size=200, curvature_every=0)
    last = epoch_records(pipeline.run(config, prepared=prepared))[-1]
    assert 65504 < last.train_loss < math.inf
    assert np.isfinite(last.loss).all() and np.isfinite(last.margin).all()
    assert last.loss.max() == np.finfo(np.float16).max


@pytest.mark.parametrize("model", ["mlp", "cnn"])
def test_fifty_random_labels_are_memorized(tiny: RunConfig, model: str) -> None:
    labels = np.random.default_rng(0).integers(0, 10, 50)
    data = toy_dataset(labels, names(10))
    config = dataclasses.replace(tiny, model=model, width=8, epochs=40, batch_size=10, noise="none", curvature_every=0, embedding_every=0)
    last = epoch_records(train(config, data, labels))[-1]
    assert np.array_equal(last.predicted_label, labels)
    assert last.margin.min() > 0


def test_a_loss_that_is_not_a_number_ends_the_run_and_keeps_what_came_before(tiny: RunConfig) -> None:
    config = dataclasses.replace(tiny, model="mlp", epochs=9, lr=1e6)
    seen: list[Record] = []
    with pytest.raises(TrainingError, match=r"learning rate.*1e\+06"):
        for record in pipeline.run(config):
            seen.append(record)
    kept = epoch_records(seen)
    assert 1 <= len(kept) <= 9
    assert all(math.isfinite(r.train_loss) and np.isfinite(r.loss).all() for r in kept)
    assert not any(isinstance(r, FinalRecord) for r in seen)


@pytest.mark.parametrize("model", ["cnn", "mlp"])
def test_a_last_batch_of_one_joins_the_batch_before(model: str) -> None:
    """Batch norm cannot train on a single image."""
    labels = np.arange(9) % 3
    config = RunConfig(model=model, width=4, epochs=2, batch_size=4, noise="none", device="cpu")
    got = list(train(config, toy_dataset(labels, names(3)), labels))
    assert [r.done for r in got if isinstance(r, Progress) and r.phase == "train" and r.epoch == 1] == [4, 9]


@pytest.mark.parametrize("N", [2, 3, 4, 5, 8, 9, 64, 65, 129, 200])
def test_batches_are_the_order_cut_in_pieces_of_at_least_two(N: int) -> None:
    order = torch.randperm(N, generator=torch.Generator().manual_seed(N))
    for batch_size in (2, 3, 4, 64, 500):
        parts = batches(order, batch_size)
        assert torch.equal(torch.cat(parts), order)
        assert all(2 <= len(part) <= batch_size + 1 for part in parts)
        assert all(len(part) == batch_size for part in parts[:-1])


def test_a_set_without_test_images_can_be_trained_on() -> None:
    labels = np.arange(9) % 3
    data = toy_dataset(labels, names(3), test_images=np.zeros((0, 8, 8, 1), np.uint8), test_label=np.zeros(0, np.int64))
    got = epoch_records(train(RunConfig(model="cnn", width=4, epochs=1, noise="none", device="cpu"), data, labels))
    assert len(got) == 2
    assert math.isnan(got[-1].test_loss) and len(got[-1].test_predicted_label) == 0


def test_a_channel_without_contrast_stays_finite() -> None:
    labels = np.arange(12) % 3
    images = np.random.default_rng(0).integers(0, 256, (12, 8, 8, 3), dtype=np.uint8)
    images[..., 1] = 7
    data = toy_dataset(labels, names(3), images=images, test_images=images[:3], test_label=labels[:3])
    last = epoch_records(train(RunConfig(model="cnn", width=4, epochs=2, noise="none", device="cpu"), data, labels))[-1]
    assert math.isfinite(last.train_loss) and last.curvature is not None and np.isfinite(last.curvature).all()


# -- learning rate ---------------------------------------------------------------------------------


def test_the_constant_rate_is_constant(tiny: RunConfig) -> None:
    assert {learning_rate(tiny, epoch) for epoch in range(tiny.epochs + 1)} == {tiny.lr}


@pytest.mark.parametrize("epochs", [1, 2, 7, 30])
def test_the_cosine_rate_starts_at_lr_and_falls_along_half_a_wave(epochs: int) -> None:
    config = RunConfig(schedule="cosine", epochs=epochs, lr=0.3)
    rates = [learning_rate(config, epoch) for epoch in range(1, epochs + 1)]
    assert rates == pytest.approx([0.3 * math.cos(math.pi * done / epochs / 2) ** 2 for done in range(epochs)])
    assert rates[0] == 0.3
    assert all(a > b > 0 for a, b in zip(rates, rates[1:], strict=False))


@pytest.mark.parametrize("epochs", [1, 2, 3, 5, 10, 12, 30, 35, 100, 1000])
def test_the_step_rate_falls_to_a_tenth_at_exactly_60_and_80_percent(epochs: int) -> None:
    config = RunConfig(schedule="step", epochs=epochs, lr=0.5)
    for epoch in range(1, epochs + 1):
        done = epoch - 1
        expected = 0.5 if 10 * done < 6 * epochs else 0.05 if 10 * done < 8 * epochs else 0.005
        assert learning_rate(config, epoch) == pytest.approx(expected)


@pytest.mark.parametrize(("epochs", "falls"), [(120, (41, 81)), (30, (11, 21)), (3, (2, 3)), (10, (5, 8))])
def test_elrs_rate_falls_to_a_hundredth_after_each_third(epochs: int, falls: tuple[int, int]) -> None:
    """40 and 80 of 120 epochs in the paper; a fall comes with the first epoch that starts after the third."""
    config = RunConfig(schedule="elr_step", epochs=epochs, lr=0.02)
    rates = [learning_rate(config, epoch) for epoch in range(1, epochs + 1)]
    assert rates == pytest.approx([0.02 * 0.01 ** sum(epoch >= fall for fall in falls) for epoch in range(1, epochs + 1)])


def test_the_rate_recorded_is_the_rate_of_the_epoch(tiny: RunConfig, prepared: Prepared) -> None:
    config = dataclasses.replace(tiny, schedule="cosine")
    got = epoch_records(pipeline.run(config, prepared=prepared))
    assert [r.learning_rate for r in got] == [learning_rate(config, epoch) for epoch in range(config.epochs + 1)]
    assert isinstance(got[-1], EpochRecord)


@pytest.mark.parametrize("settings", [{"elr_lambda": 0.0}, {"elr_beta": 1.0}], ids=str)
def test_elr_switched_off_by_its_numbers_is_cross_entropy(tiny: RunConfig, prepared: Prepared, settings: dict[str, float]) -> None:
    config = dataclasses.replace(tiny, loss="elr", **settings)
    plain, elr = (epoch_records(pipeline.run(c, prepared=prepared)) for c in (tiny, config))
    for a, b in zip(plain, elr, strict=True):
        assert a.train_loss == pytest.approx(b.train_loss, rel=1e-5)
        assert np.array_equal(a.predicted_label, b.predicted_label)


@pytest.mark.parametrize("loss", ["elr", "elr_plus"])
def test_targets_recorded_are_those_of_the_memory(tiny: RunConfig, prepared: Prepared, state_every_epoch: None, loss: str) -> None:
    got = epoch_records(pipeline.run(dataclasses.replace(tiny, loss=loss), prepared=prepared))
    assert got[0].target_label is None and got[0].target_share is None
    for record in got[1:]:
        assert record.state is not None and record.target_label is not None and record.target_share is not None
        memory = torch.stack([member["memory"] for member in read_state(record.state)["members"]]).double().mean(dim=0).numpy()
        assert len(read_state(record.state)["members"]) == (2 if loss == "elr_plus" else 1)
        assert memory.sum(axis=1) == pytest.approx(np.full(len(memory), 1 - tiny.elr_beta**record.epoch), abs=1e-5)
        assert np.array_equal(record.target_label, memory.argmax(axis=1))
        share = memory[np.arange(len(memory)), prepared.labels.given_label] / memory.sum(axis=1)
        assert record.target_share == pytest.approx(share, abs=1e-3)


def test_elr_plus_is_judged_by_the_mean_of_both_networks(tiny: RunConfig, prepared: Prepared) -> None:
    last = epoch_records(pipeline.run(dataclasses.replace(tiny, loss="elr_plus", epochs=2), prepared=prepared))[-1]
    assert last.state is not None and last.embedding is not None
    logits, embeddings = [], []
    pixels = torch.from_numpy(prepared.dataset.train_images.copy()).permute(0, 3, 1, 2).float() / 255
    for member in read_state(last.state)["members"]:
        model = build_model(tiny.model, channels=1, size=8, num_classes=10, width=tiny.width, seed=0).eval()
        model.load_state_dict(member["model"])
        with torch.no_grad():
            z, embedding = model.embed((pixels - pixels.mean()) / pixels.std(correction=0))
        logits.append(z)
        embeddings.append(embedding)
    assert not torch.allclose(logits[0], logits[1])
    mean = (logits[0] + logits[1]) / 2
    expected = torch.nn.functional.cross_entropy(mean, torch.from_numpy(prepared.labels.given_label.copy()), reduction="none")
    assert last.loss == pytest.approx(expected.numpy(), abs=5e-3)
    assert last.embedding == pytest.approx(torch.cat(embeddings, dim=1).numpy(), abs=1e-4)


def test_elr_does_something(tiny: RunConfig, prepared: Prepared, records: list[Record]) -> None:
    elr = epoch_records(pipeline.run(dataclasses.replace(tiny, loss="elr"), prepared=prepared))
    assert not np.array_equal(elr[-1].loss, epoch_records(records)[-1].loss)
