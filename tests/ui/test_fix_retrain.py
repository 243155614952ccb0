"""Fix, retraining: what the corrected data are, which networks are trained, and what is said of the outcome."""

from __future__ import annotations

import contextlib
import dataclasses
import shlex
import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from explorer import pipeline
from explorer.analysis.decisions import Verdicts, verdicts
from explorer.config import RunConfig
from explorer.data.corrections import Corrections, apply_corrections
from explorer.records import NO_CLASS, Decision, EpochRecord, Run
from explorer.runs.execution import execute
from explorer.runs.job import Live
from explorer.runs.retraining import BeforeAfter, Member, before_after, keep_corrections
from explorer.runs.reviews import Reviews, data_key
from explorer.runs.store import RunStore
from explorer.ui import fix_networks, fix_proof, fix_rounds
from explorer.ui.figures_before_after import before_after_info
from explorer.ui.fix_corrected import Ground, as_corrections, change_of, change_words, effective, ground_of, outcome_words
from explorer.ui.fix_retrain import wanted_seeds
from explorer.ui.services import get_worker, load_labels
from tests.runs.deciding import decide
from tests.support import wait_for
from tests.ui.conftest import Library, Visit
from tests.ui.inspecting import read
from tests.ui.test_pages import buttons, press, said

NONE: dict[int, float] = {}


def enter(library: Library, decisions: Sequence[Decision], kind: str = "finished") -> None:
    Reviews(library.home).add(data_key(library.configs[kind]), decisions)


def corrections_for(run: Run, count: int, author: str = "ann") -> list[Decision]:
    """The true label for some of the wrong ones, and two images left out."""
    assert run.labels.is_mislabeled is not None and run.labels.true_label is not None
    wrong = np.flatnonzero(run.labels.is_mislabeled)[:count]
    out = [decide(run, int(n), None, author) for n in wrong[:2]]
    return [*out, *(decide(run, int(n), int(run.labels.true_label[n]), author) for n in wrong[2:])]


def retrain(visit: Visit, run_id: str) -> AppTest:
    return visit("fix", run=run_id, tab="retrain")


# -- what is corrected ---------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def ground(library: Library) -> Ground:
    return ground_of(read(library, "finished"))


def some_verdicts(ground: Ground, seed: int) -> Verdicts:
    """About half of the images, and two that the run has not."""
    rng = np.random.default_rng(seed)
    rows = rng.permutation(len(ground.source_index))[:100]
    kind = rng.choice(["label", "label", "label", "ambiguous", "exclude", "dispute"], 100).astype("<U9")
    label = np.where(kind == "label", rng.choice([0, 3, 7], 100), NO_CLASS)
    label = np.where((kind == "label") & (rng.random(100) < 0.5), ground.labels.given_label[rows], label)
    index = np.append(ground.source_index[rows], [10**6, 10**6 + 1])
    order = np.argsort(index)
    return Verdicts(index[order], np.append(kind, ["label", "exclude"])[order], np.append(label, [1, NO_CLASS])[order])


@pytest.mark.parametrize("seed", range(3))
def test_a_change_is_what_training_on_the_corrections_would_find(library: Library, ground: Ground, seed: int) -> None:
    chosen = some_verdicts(ground, seed)
    dataset, labels = load_labels(library.configs["finished"])
    _, after = apply_corrections(dataset, labels, as_corrections(chosen))
    change = change_of(ground, as_corrections(chosen))
    assert labels.is_mislabeled is not None and after.is_mislabeled is not None and change.outcome is not None
    assert change.images - change.left_out == len(after.given_label)
    outcome = change.outcome
    assert outcome.wrong == labels.is_mislabeled.sum() == outcome.set_right + outcome.left_out + outcome.still_wrong
    assert outcome.still_wrong + outcome.made_wrong == after.is_mislabeled.sum()
    assert dict(zip(dataset.source_index.tolist(), labels.given_label.tolist(), strict=True)) == dict(
        zip(ground.source_index.tolist(), ground.labels.given_label.tolist(), strict=True)
    )


@pytest.mark.parametrize("seed", range(3))
def test_what_changes_nothing_here_asks_for_no_other_networks(ground: Ground, seed: int) -> None:
    chosen = some_verdicts(ground, seed)
    kept = effective(chosen, ground)
    assert change_of(ground, as_corrections(kept)) == change_of(ground, as_corrections(chosen))
    change = change_of(ground, as_corrections(kept))
    assert len(kept.source_index) == change.relabelled + change.left_out < len(chosen.source_index)
    assert set(kept.source_index.tolist()) <= set(ground.source_index.tolist())


def test_the_order_of_the_rows_means_nothing(ground: Ground) -> None:
    corrections = as_corrections(some_verdicts(ground, 0))
    turned = np.random.default_rng(1).permutation(len(corrections.label))
    assert change_of(ground, Corrections(corrections.source_index[turned], corrections.label[turned])) == change_of(ground, corrections)


def test_nothing_decided_changes_nothing(ground: Ground) -> None:
    none = verdicts(())
    assert len(effective(none, ground).source_index) == 0
    change = change_of(ground, as_corrections(none))
    assert (change.relabelled, change.left_out) == (0, 0)
    assert change.outcome is not None and change.outcome.still_wrong == change.outcome.wrong


def test_changes_in_words(ground: Ground) -> None:
    change = change_of(ground, as_corrections(verdicts(())))
    assert change_words(change._replace(relabelled=1, left_out=1)) == "1 label changes, 1 of 200 images is left out"
    assert change_words(change._replace(relabelled=34, left_out=5)) == "34 labels change, 5 of 200 images are left out"
    assert change.outcome is not None
    outcome = change.outcome._replace(wrong=40, set_right=30, left_out=4, still_wrong=6, made_wrong=1)
    assert outcome_words(outcome) == (
        "Where truth is known: of 40 wrong labels, 30 set right, 4 left out, 6 still wrong; 1 right label made wrong."
    )


# -- the networks --------------------------------------------------------------------------------------


@pytest.mark.parametrize("own", [0, 1, 2, 9])
@pytest.mark.parametrize("number", [1, 3, 10])
def test_the_own_seed_is_always_among_the_wanted(own: int, number: int) -> None:
    seeds = wanted_seeds(own, number)
    assert seeds[0] == own and len(set(seeds)) == len(seeds) == number
    assert sorted(seeds[1:]) == [seed for seed in range(number) if seed != own][: number - 1]


def test_progress_counts_runs_and_parts_of_runs() -> None:
    config = RunConfig(seed=4, epochs=10)
    live = Live("b", config, "running", epoch_seconds=2.0)
    assert fix_networks.progress_words({"a": "finished", "b": "running", "c": "queued"}, {}, 10) == (
        pytest.approx(1 / 3), "1 of 3 finished · 1 waiting",
    )  # fmt: skip
    share, words = fix_networks.progress_words({"a": "finished", "b": "running", "c": "queued"}, {"b": live}, 10)
    assert share == pytest.approx(1 / 3) and words == "1 of 3 finished · seed 4: epoch 0/10 · 1 waiting · about 0:40 left"
    assert fix_networks.progress_words({"a": "finished"}, {}, 10)[0] == 1.0


def members(seeds: Sequence[int], status: str, family: str) -> tuple[Member, ...]:
    return tuple(Member(f"{family}{seed}", RunConfig(seed=seed), status, {"test_accuracy": 0.8 + seed / 100}) for seed in seeds)


def test_the_table_of_runs_leads_to_each_and_says_how_it_stands() -> None:
    family = {"before": members((0, 1), "finished", "before"), "after": members((0, 1), "failed", "after")}
    status = {"before0": "finished", "before1": "finished", "after0": "failed", "after1": ""}
    assert fix_proof.runs_table(family, status).splitlines() == [
        "| seed | before | after |", "|---|---|---|",
        "| 0 | [80.0 %](./?run=before0) | [failed](./?run=after0) |",
        "| 1 | [81.0 %](./?run=before1) | not trained |",
    ]  # fmt: skip


# -- what is said of the outcome -------------------------------------------------------------------------


def test_the_share_of_a_perfect_review_is_told_over_seeds_that_have_all_three() -> None:
    test = before_after_info("test_accuracy", {0: 0.7, 1: 0.8, 2: 0.1}, {0: 0.75, 1: 0.85, 2: 0.9}, {0: 0.8, 1: 0.9})
    assert fix_proof.perfect_sentence(test) == (
        "A perfect review, every wrong label set right, would have reached 85.0 % (+10.0 points, of which this one made +5.0; 2 seeds)."
    )
    assert fix_proof.perfect_sentence(test._replace(perfect={7: 0.9})) == ""


def pairs_with(**values: tuple[dict[int, float], dict[int, float]]) -> dict[str, fix_proof.Pairs]:
    measures = ("test_accuracy", "memorized", "susceptibility", "mean_curvature")
    return {measure: before_after_info(measure, *values.get(measure, (NONE, NONE)), NONE) for measure in measures}


def test_the_verdict_names_what_the_test_labels_are() -> None:
    helped = pairs_with(test_accuracy=({0: 0.7, 1: 0.7, 2: 0.71}, {0: 0.8, 1: 0.8, 2: 0.8}))
    assert fix_proof.verdict(helped, 3, reference=True).startswith("**The fix helped:** clean test accuracy went from 70.3 % to 80.0 %")
    assert "accuracy on held-out given labels went" in fix_proof.verdict(helped, 3, reference=False)
    assert fix_proof.NO_TEST in fix_proof.verdict(pairs_with(), 3, reference=True)
    assert "no seed has finished both" in fix_proof.verdict(pairs_with(), 0, reference=True)


def test_what_the_numbers_cannot_tell_is_said() -> None:
    one = pairs_with(test_accuracy=({0: 0.7}, {0: 0.8}), susceptibility=({0: 1.0}, {0: 2.0}), mean_curvature=({0: 1.0}, {0: 2.0}))
    assert fix_proof.caveats(one, 1, reference=False) == [fix_proof.NOT_REFERENCE, fix_proof.ONE_SEED, fix_proof.MISSING["memorized"]]
    assert fix_proof.ONE_SEED not in fix_proof.caveats(one, 2, reference=True)
    assert fix_proof.caveats(pairs_with(), 2, reference=False) == list(fix_proof.MISSING.values())


@pytest.fixture(scope="module")
def trained(tiny: RunConfig, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str, BeforeAfter]:
    """A home with one seed trained before and after a correction, and on the true labels."""
    store = RunStore(tmp_path_factory.mktemp("retrained") / "home")
    for _ in execute(store, tiny):
        pass
    run = store.open(store.runs()[0].run_id)
    log = corrections_for(run, 20)
    Reviews(store.root).add(data_key(tiny), log)
    path = keep_corrections(store.root, verdicts(log), run.class_names)
    for name in ("after", "truth"):
        for _ in execute(store, before_after(store, tiny, str(path), (0,)).members[name][0].config):
            pass
    return store.root, str(path), before_after(store, tiny, str(path), (0,))


def test_memorized_is_a_share_of_all_images(trained: tuple[Path, str, BeforeAfter], monkeypatch: pytest.MonkeyPatch) -> None:
    home, _, proof = trained
    store = RunStore(home)
    monkeypatch.setattr(fix_rounds, "get_store", lambda: store)
    for family in ("before", "after"):
        run = store.open(proof.members[family][0].run_id)
        wrong = run.labels.is_mislabeled
        assert wrong is not None
        fitted = run.facts.predicted_label[-1] == run.labels.given_label
        assert fix_rounds.measured(proof, "memorized", family) == {0: pytest.approx((fitted & wrong).sum() / len(wrong))}
        assert fix_rounds.measured(proof, "test_accuracy", family) == {0: run.epochs["test_accuracy"][-1]}
    assert fix_rounds.measured(proof, "memorized", "truth") == {0: 0.0}


def test_a_round_is_a_row_oldest_first(trained: tuple[Path, str, BeforeAfter], ground: Ground) -> None:
    _, path, proof = trained
    change = change_of(ground, as_corrections(verdicts(())))
    rounds = [fix_rounds.Round(path, when, change._replace(relabelled=n), n == 2) for when, n in ((2e9, 2), (1e9, 1))]
    rows = fix_rounds.round_rows([(each, proof) for each in rounds])
    assert rows["labels changed"].tolist() == [1, 2] and rows["seeds"].tolist() == [1, 1]
    assert set(rows["95 % interval"]) == set(rows["beyond noise"]) == {"-"}  # of one seed
    gain = float(proof.after["test_accuracy"][0] - proof.before["test_accuracy"][0])
    assert set(rows["change"]) == {f"{100 * gain:+.1f} points"}
    two = BeforeAfter(proof.members, np.array([0, 1]), {"test_accuracy": np.array([0.5, 0.6])}, {"test_accuracy": np.array([0.6, 0.7])}, {})
    assert fix_rounds.round_rows([(rounds[0], two)]).iloc[0][["change", "95 % interval", "beyond noise"]].tolist() == [
        "+10.0 points", "+10.0 to +10.0", "yes",
    ]  # fmt: skip


# -- the page ------------------------------------------------------------------------------------------


def test_without_a_decision_there_is_nothing_to_train(visit: Visit, stocked: Library) -> None:
    page = retrain(visit, stocked.ids["finished"])
    assert "Nothing has been decided" in said(page) and not buttons(page)


def test_labels_that_are_all_kept_are_a_finding(visit: Visit, stocked: Library) -> None:
    run = read(stocked, "finished")
    enter(stocked, [decide(run, n, int(run.labels.given_label[n])) for n in range(5)])
    page = retrain(visit, run.run_id)
    assert "Every decision keeps the given label" in said(page) and not buttons(page)
    assert not list((stocked.home / "corrections").glob("*"))


def test_what_will_be_trained_is_said_before_it_is(visit: Visit, stocked: Library) -> None:
    run = read(stocked, "finished")
    enter(stocked, [*corrections_for(run, 12), decide(run, 0, int(run.labels.given_label[0]))])
    page = retrain(visit, run.run_id)
    words = said(page)
    assert "**10 labels change, 2 of 200 images are left out** (2 excluded)" in words
    assert "of 40 wrong labels, 10 set right, 2 left out, 28 still wrong." in words
    assert "9 runs: 3 seeds each before, after and on the true labels" in words and "Train 8 runs" in buttons(page)
    page.toggle(key="retrain_truth").set_value(False)
    page.number_input(key="retrain_seeds").set_value(1)
    words = said(page.run())
    assert "2 runs: 1 seed each before and after; 1 is there already" in words and "Train 1 run" in buttons(page)
    [command] = [each.value for each in page.code]
    assert shlex.split(command)[:4] == ["python", "-m", "explorer", "sweep"] and "--grid seed=0" in command
    file = keep_corrections(stocked.home, effective(verdicts(corrections_for(run, 12)), ground_of(run)), run.class_names)
    assert f"--grid corrections=,{file} " in command


def test_networks_are_trained_and_the_outcome_is_told(visit: Visit, stocked: Library) -> None:
    run = read(stocked, "finished")
    enter(stocked, corrections_for(run, 20))
    page = retrain(visit, run.run_id)
    page.number_input(key="retrain_seeds").set_value(2)
    page.toggle(key="retrain_truth").set_value(False)
    press(page.run(), "Train 3 runs")  # seed 0 before is there already
    assert not page.error, said(page)
    store = RunStore(stocked.home)
    wait_for("the networks", lambda: sum(s.status == "finished" for s in store.runs()) >= 4 and not get_worker().busy)
    words = said(page.run())
    assert "(2 seeds)" in words or ", 2 seeds)" in words
    assert words.count("](./?run=") == 4 and "Stop" not in buttons(page)
    assert not page.get("progress") and "Rounds of review" not in words
    known = {s.run_id for s in store.runs()}
    enter(stocked, corrections_for(run, 30, "bob")[2:])
    words = said(page.run())
    assert "Train 2 runs" in buttons(page)  # another version of the labels: both seeds anew
    assert {s.run_id for s in store.runs()} == known
    [box] = [each for each in page.selectbox if each.label == "Corrected labels"]
    assert len(box.options) == 2 and "as they are now, not trained yet" in box.options[0]
    box.select_index(1)
    assert ", 2 seeds)" in said(page.run())


def test_networks_can_be_stopped_and_continued(visit: Visit, stocked: Library) -> None:
    slow = dataclasses.replace(stocked.configs["finished"], epochs=5_000)
    store = RunStore(stocked.home)
    with contextlib.closing(execute(store, slow)) as records:
        next(record for record in records if isinstance(record, EpochRecord) and record.epoch and record.state)  # goes on from there
    run = store.open(pipeline.identify(slow))
    enter(stocked, corrections_for(run, 12))
    page = retrain(visit, run.run_id)
    page.number_input(key="retrain_seeds").set_value(1)
    page.toggle(key="retrain_truth").set_value(False)
    press(page.run(), "Train 2 runs")
    wait_for("the first network", lambda: get_worker().current())
    words = said(page.run())
    assert "Stop" in buttons(page) and "0 of 2 finished" in page.get("progress")[0].proto.text, words
    press(page, "Stop")
    wait_for("the stop", lambda: not get_worker().busy)
    assert "Continue 2 runs" in buttons(page.run()) and "stopped" in said(page)


def test_a_queue_that_is_held_is_said_so_and_can_go_on(visit: Visit, stocked: Library) -> None:
    run = read(stocked, "finished")
    enter(stocked, corrections_for(run, 12))
    RunStore(stocked.home).pause_queue()
    page = retrain(visit, run.run_id)
    page.number_input(key="retrain_seeds").set_value(1)
    page.toggle(key="retrain_truth").set_value(False)
    press(page.run(), "Train 1 run")
    assert "1 of 2 finished · 1 waiting" in page.get("progress")[0].proto.text
    said(press(page, "Resume the queue"))
    wait_for("the network", lambda: not get_worker().busy)
    assert "with one seed" in said(page.run())


def test_where_only_a_folder_is_open_to_others_corrections_can_be_trained_on(
    visit: Visit, stocked: Library, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    run = read(stocked, "finished")
    enter(stocked, corrections_for(run, 12))
    monkeypatch.setenv("EXPLORER_DATA_ROOT", str(tmp_path / "shared"))
    page = retrain(visit, run.run_id)
    assert "9 runs: 3 seeds" in said(page) and not page.error


def test_why_networks_failed_is_said(visit: Visit, stocked: Library) -> None:
    hot = dataclasses.replace(stocked.configs["finished"], lr=1e30)
    store = RunStore(stocked.home)
    run = read(stocked, "finished")
    enter(stocked, corrections_for(run, 12))
    folder = store.root / run.run_id
    about = (folder / "config.json").read_text()
    (folder / "config.json").write_text(about.replace(f'"lr": {stocked.configs["finished"].lr}', f'"lr": {hot.lr}'))
    page = retrain(visit, run.run_id)
    page.number_input(key="retrain_seeds").set_value(1)
    page.toggle(key="retrain_truth").set_value(False)
    press(page.run(), "Train 2 runs")
    wait_for("the failures", lambda: not get_worker().busy)
    said(page.run())
    assert any("Failed: the loss" in each.value and "seed 0 after" in each.value for each in page.error), [e.value for e in page.error]


def test_of_labels_without_truth_nothing_is_claimed(visit: Visit, stocked: Library) -> None:
    run = read(stocked, "no truth")
    enter(stocked, [decide(run, n, 1 - int(run.labels.given_label[n])) for n in range(4)], "no truth")
    page = retrain(visit, run.run_id)
    words = said(page)
    assert "4 labels change" in words and "Where truth is known" not in words
    assert "each before and after" in words and not page.toggle


def test_a_run_that_trained_nothing_is_said_so(visit: Visit, stocked: Library) -> None:
    config = dataclasses.replace(stocked.configs["no truth"], model="none")
    store = RunStore(stocked.home)
    for _ in execute(store, config):
        pass
    run_id = next(s.run_id for s in store.runs() if s.config is not None and not s.config.trains)
    assert "no network to train again" in said(retrain(visit, run_id))


def test_a_corrected_run_is_compared_with_its_parent(visit: Visit, home: Path, trained: tuple[Path, str, BeforeAfter]) -> None:
    origin, _, proof = trained
    shutil.copytree(origin, home)
    after = RunStore(home).open(proof.members["after"][0].run_id)
    assert len(after.source_index) == 198
    page = retrain(visit, after.run_id)
    assert "18 labels change, 2 of 200 images are left out" in said(page)
