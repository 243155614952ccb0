"""From decisions to a proof: the same networks with and without corrections, paired by seed."""

from __future__ import annotations

import dataclasses
import math
from pathlib import Path

import numpy as np
import pytest

from explorer import pipeline
from explorer.analysis.decisions import Verdicts, verdicts
from explorer.config import ConfigError, RunConfig
from explorer.data.corrections import read_corrections
from explorer.records import NO_CLASS
from explorer.runs.execution import execute
from explorer.runs.retraining import MEASURES, before_after, families, keep_corrections, parent_of
from explorer.runs.reviews import Reviews, data_key
from explorer.runs.store import RunStore
from tests.runs.deciding import decide

NAMES = tuple("0123456789")
NONE = Verdicts(np.zeros(0, np.int64), np.zeros(0, "<U9"), np.zeros(0, np.int64))


@pytest.fixture
def quick(tiny: RunConfig) -> RunConfig:
    return dataclasses.replace(tiny, train_size=80, model="mlp", width=1, epochs=2, noise_rate=0.4, curvature_every=2, embedding_every=0)


def train(store: RunStore, *configs: RunConfig) -> None:
    for config in configs:
        for _ in execute(store, config):
            pass


# -- corrections as a file -------------------------------------------------------------------------


def some(label_of: dict[int, int | str]) -> Verdicts:
    """A class, or a kind of verdict that is none."""
    kind = ["label" if isinstance(label, int) else label for label in label_of.values()]
    label = [label if isinstance(label, int) else NO_CLASS for label in label_of.values()]
    return Verdicts(np.array(list(label_of), np.int64), np.array(kind, "<U9"), np.array(label, np.int64))


def test_equal_verdicts_are_one_file_that_is_never_written_again(tmp_path: Path) -> None:
    one = keep_corrections(tmp_path, some({7: 3, 2: "exclude", 5: "dispute", 9: "ambiguous"}), NAMES)
    assert one.parent == tmp_path / "corrections" and one.stat().st_mode & 0o222 == 0
    assert one.read_text() == "index,label\n2,\n5,\n7,3\n9,\n"
    written = one.stat().st_mtime_ns
    assert keep_corrections(str(tmp_path), some({2: "exclude", 9: "exclude", 7: 3, 5: "dispute"}), NAMES) == one
    assert one.stat().st_mtime_ns == written
    assert keep_corrections(tmp_path, some({7: 4, 2: "exclude", 5: "dispute", 9: "ambiguous"}), NAMES) != one


def test_a_file_that_somebody_changed_is_set_right(tmp_path: Path) -> None:
    file = keep_corrections(tmp_path, some({7: 3}), NAMES)
    file.chmod(0o644)
    file.write_text("index,label\n7,4\n")
    assert keep_corrections(tmp_path, some({7: 3}), NAMES) == file
    assert file.read_text() == "index,label\n7,3\n" and file.stat().st_mode & 0o222 == 0


@pytest.mark.parametrize("names", [NAMES, ("=1", "a,b", 'c"d', "e\nf", " g", "7", "ä", "x", "y", "z")])
def test_what_was_kept_is_what_is_read(tmp_path: Path, names: tuple[str, ...]) -> None:
    kept = some({n: n % 10 if n % 4 else "exclude" for n in range(30)})
    found = read_corrections(keep_corrections(tmp_path, kept, names), names)
    assert found.source_index.tolist() == kept.source_index.tolist()
    assert found.label.tolist() == kept.label.tolist()


# -- families --------------------------------------------------------------------------------------


def test_a_family_shares_everything_but_seed_and_corrections(quick: RunConfig, tmp_path: Path) -> None:
    file = str(keep_corrections(tmp_path, some({1: 3}), NAMES))
    found = families(dataclasses.replace(quick, corrections="earlier.csv", seed=9), file, (4, 0, 4, 2), tmp_path)
    assert list(found) == ["before", "after", "truth"]
    for name, family in found.items():
        assert [config.seed for config in family] == [4, 0, 2]
        assert {dataclasses.replace(config, seed=0, corrections="") for config in family} == {quick}
        assert len({config.corrections for config in family}) == 1, name
    assert (found["before"][0].corrections, found["after"][0].corrections) == ("", file)
    assert [parent_of(config) for config in found["after"]] == list(found["before"])
    assert parent_of(quick) is None


def test_the_truth_is_every_wrong_label_set_right(quick: RunConfig, tmp_path: Path) -> None:
    config = families(quick, "some.csv", [0], tmp_path)["truth"][0]
    before, after = pipeline.prepare(quick), pipeline.prepare(config)
    assert after.corrected == (config.corrections, int(before.labels.is_mislabeled.sum()), 0)
    assert np.array_equal(after.labels.given_label, before.labels.true_label)
    assert Path(config.corrections).parent == tmp_path / "corrections"
    assert families(quick, "some.csv", [0], tmp_path)["truth"] == (config,)


def test_the_truth_of_foreign_images_is_to_leave_them_out(quick: RunConfig, tmp_path: Path) -> None:
    quick = dataclasses.replace(quick, noise="open_set", noise_rate=0.1)
    after = pipeline.prepare(families(quick, "some.csv", [0], tmp_path)["truth"][0])
    assert after.corrected is not None and after.corrected[1:] == (0, 8)
    assert "foreign" not in after.labels.wrong_origin and after.labels.wrong_rate == 0


def test_no_truth_where_nothing_is_known_to_be_wrong(quick: RunConfig, tmp_path: Path) -> None:
    assert list(families(dataclasses.replace(quick, noise="none"), "some.csv", [0], tmp_path)) == ["before", "after"]


@pytest.mark.parametrize(("changes", "file", "field"), [({"model": "none"}, "a.csv", "model"), ({}, "", "corrections")])
def test_what_cannot_be_retrained_is_said(quick: RunConfig, changes: dict[str, str], file: str, field: str) -> None:
    with pytest.raises(ConfigError, match=field):
        families(dataclasses.replace(quick, **changes), file, [0])


# -- what came of them -----------------------------------------------------------------------------


def test_pairs_are_those_whose_networks_are_both_finished(quick: RunConfig, store: RunStore) -> None:
    file = str(keep_corrections(store.root, some({5: 1, 8: "exclude"}), NAMES))
    found = families(quick, file, range(4), store.root)
    train(store, *found["before"][:3], *found["after"][1:], found["truth"][2])
    proof = before_after(store, quick, file, range(4))
    assert proof.seeds.tolist() == [1, 2]
    for name, seeds in (("before", (1, 2)), ("after", (1, 2)), ("truth", (None, 2))):
        for measure in MEASURES:
            last = [math.nan if s is None else store.open(pipeline.identify(found[name][s])).epochs[measure][-1] for s in seeds]
            assert np.array_equal(getattr(proof, name)[measure], last, equal_nan=True)
            assert name == "truth" or np.isfinite(last).all()
    assert math.isfinite(proof.truth["test_accuracy"][1]) and math.isnan(proof.truth["memorized"][1])  # no wrong label is left
    assert [member.status for member in proof.members["before"]] == ["finished"] * 3 + [""]
    assert [member.run_id for member in proof.members["after"]] == [pipeline.identify(config) for config in found["after"]]


def test_all_seeds_that_were_asked_for_are_found(quick: RunConfig, store: RunStore) -> None:
    file = str(keep_corrections(store.root, some({5: 1}), NAMES))
    assert before_after(store, quick, file).seeds.tolist() == []
    found = families(quick, file, (11, 3), store.root)
    train(store, *found["before"], *found["after"], dataclasses.replace(quick, seed=7, lr=0.5))
    proof = before_after(store, dataclasses.replace(quick, seed=99), file)
    assert proof.seeds.tolist() == [3, 11]
    assert [member.config.seed for member in proof.members["truth"]] == [3, 11]


def test_a_review_ends_in_a_better_labelled_run_that_says_so(quick: RunConfig, store: RunStore) -> None:
    """The whole way: decide, keep, train, read."""
    train(store, quick)
    run, reviews = store.open(pipeline.identify(quick)), Reviews(store.root)
    wrong, right = np.flatnonzero(run.labels.is_mislabeled), np.flatnonzero(~run.labels.is_mislabeled)
    data = data_key(run.config)
    reviews.add(data, [decide(run, n, run.labels.true_label[n]) for n in wrong[:20]])
    reviews.add(data, [decide(run, wrong[20], None), decide(run, right[0], (run.labels.given_label[right[0]] + 1) % 10)])
    file = keep_corrections(store.root, verdicts(reviews.log(data)), run.class_names)
    (after,) = families(run.config, str(file), [run.config.seed])["after"]
    train(store, after)
    corrected = store.open(pipeline.identify(after))
    assert corrected.about["corrections"] == {"file": str(file), "relabelled": 21, "left_out": 1}
    assert run.about["corrections"] is None
    assert corrected.labels.is_mislabeled.sum() == len(wrong) - 21 + 1
    assert corrected.labels.wrong_rate == (len(wrong) - 20) / 79
    assert (corrected.labels.wrong_origin == "reviewed").nonzero()[0].tolist() == corrected.source_index.searchsorted(
        run.source_index[[right[0]]]
    ).tolist()  # fmt: skip
    assert data_key(corrected.config) == data
    assert parent_of(corrected.config) == run.config


def test_predictions_read_from_files_follow_their_images(tmp_path: Path, store: RunStore) -> None:
    """Rows are those of the source, also when images are left out."""
    rng = np.random.default_rng(0)
    probability = rng.dirichlet(np.ones(10), 1797)
    np.save(tmp_path / "p.npy", probability)
    plain = RunConfig(model="none", pred_probs=str(tmp_path / "p.npy"), train_size=200)
    rows = pipeline.prepare(plain).dataset.source_index
    out = rng.choice(rows, 50, replace=False)
    file = keep_corrections(store.root, some({int(n): "exclude" for n in out}), NAMES)
    config = dataclasses.replace(plain, corrections=str(file))
    train(store, plain, config)
    before, after = (store.open(pipeline.identify(one)) for one in (plain, config))
    kept = np.isin(before.source_index, after.source_index)
    assert kept.sum() == 200 - 50 and not np.isin(out, after.source_index).any()
    assert np.array_equal(after.facts.predicted_label, before.facts.predicted_label[:, kept])
    assert np.array_equal(after.facts.predicted_label[0], probability[after.source_index].argmax(axis=1))
