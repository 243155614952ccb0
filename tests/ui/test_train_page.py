"""What the Train page says and lets choose beyond the curves: Label Wave, ELR's suspects, two probes, extra passes, the noise."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from explorer import pipeline
from explorer.config import RunConfig
from explorer.records import NO_CLASS, Progress, Run
from explorer.runs.estimate import EXTRA_PASSES, cost_shares
from explorer.runs.execution import execute
from explorer.runs.store import RunStore
from explorer.ui import panels, progress, sentences
from explorer.ui.services import get_worker
from explorer.ui.words import NOISE_SENTENCES
from tests.support import wait_for
from tests.ui.conftest import Library, Visit
from tests.ui.test_pages import press, said, shown_run, status

_fresh = itertools.count()


@pytest.fixture
def run(finished: tuple[RunStore, str]) -> Run:
    store, run_id = finished
    return store.open(run_id)


def altered(run: Run, *, facts: dict[str, Any] | None = None, **more: Any) -> Run:
    """The run with other content, under an id of its own: pages keep what they have computed by id."""
    facts_now = dataclasses.replace(run.facts, **(facts or {}))
    return dataclasses.replace(run, run_id=f"{next(_fresh):012x}", facts=facts_now, **more)


def trained(store: RunStore, config: RunConfig) -> str:
    for _ in execute(store, config):
        pass
    return pipeline.identify(config)


# -- Label Wave ------------------------------------------------------------------------------------


def wavy(run: Run, test_accuracy: list[float]) -> Run:
    """Changes of prediction that fall until epoch 4 and rise after it; 100 images, 7 epochs."""
    predicted = np.zeros((7, 100), dtype=np.uint16)
    for epoch, changed in enumerate([50, 30, 10, 30, 50, 70], 1):
        predicted[epoch] = predicted[epoch - 1]
        predicted[epoch, :changed] = 1 - predicted[epoch, :changed]
    epochs = {"epoch": np.arange(8.0), "test_accuracy": np.array(test_accuracy)}
    return altered(run, facts={"epochs": np.arange(1, 8), "predicted_label": predicted}, epochs=epochs)


def test_label_wave_is_told_with_what_stopping_there_is_worth(run: Run) -> None:
    one = wavy(run, [0.1, 0.5, 0.9, 0.8, 0.85, 0.7, 0.6, 0.5])
    assert sentences.wave_of(one, 7).stop == 4
    assert sentences.wave_sentence(one, 7).endswith("would stop at epoch 4: test accuracy 85.0 %, 5.0 points below its best.")
    best = wavy(run, [0.1, 0.5, 0.7, 0.8, 0.9, 0.7, 0.6, 0.5])
    assert sentences.wave_sentence(best, 7).endswith("test accuracy 90.0 %, its best so far.")


def test_nothing_is_said_of_label_wave_before_its_minimum_is_seen(run: Run) -> None:
    one = wavy(run, [0.5] * 8)
    seen = [sentences.wave_of(one, epoch).stop for epoch in range(8)]
    assert seen == [None] * 6 + [4, 4]
    assert [bool(sentences.wave_sentence(one, epoch)) for epoch in range(8)] == [stop is not None for stop in seen]
    assert len(sentences.wave_of(one, 3).changes) == 3


# -- ELR -------------------------------------------------------------------------------------------


def with_targets(run: Run, target: list[int], share: float = 0.1) -> Run:
    N = len(target)
    facts = {"target_label": np.array([target] * 3, dtype=np.uint16), "target_share": np.full((3, N), share, dtype=np.float16)}
    return altered(run, facts=facts)


def test_suspects_are_counted_and_judged_where_truth_is_known(run: Run) -> None:
    given = np.array([0, 1, 2, 3])
    labels = dataclasses.replace(run.labels, given_label=given, true_label=np.array([0, 5, 5, 3]), is_mislabeled=np.array([0, 1, 1, 0]) > 0)
    one = with_targets(dataclasses.replace(run, labels=labels), [0, 5, 6, 9])
    words = sentences.suspects_sentence(one, 3)
    assert "**3** labels" in words and "✕ 2 of them wrong] (of 2 wrong" in words and "▲ 1] (33.3 %)" in words


def test_an_image_of_no_class_is_never_suggested_rightly(run: Run) -> None:
    labels = dataclasses.replace(run.labels, given_label=np.array([0]), true_label=np.array([NO_CLASS]), is_mislabeled=np.array([True]))
    words = sentences.suspects_sentence(with_targets(dataclasses.replace(run, labels=labels), [4]), 3)
    assert "**1** label:" in words and "▲ 0] (0.0 %)" in words


def test_without_truth_suspects_are_only_counted(run: Run) -> None:
    labels = dataclasses.replace(run.labels, given_label=np.array([0, 1]), true_label=None, is_mislabeled=None)
    words = sentences.suspects_sentence(with_targets(dataclasses.replace(run, labels=labels), [0, 0]), 3)
    assert "**1** label" in words and "✕" not in words


def test_other_losses_suspect_nothing(run: Run) -> None:
    assert sentences.suspects_sentence(run, run.last_epoch) == ""


def test_a_run_with_elr_names_its_suspects_and_warns_of_comparison(visit: Visit, home: Any, tiny: RunConfig) -> None:
    run_id = trained(RunStore(home), dataclasses.replace(tiny, loss="elr"))
    words = said(visit("train", run=run_id))
    assert "*ELR's targets* suspect" in words
    assert "The probe is a cross-entropy step" in words


# -- susceptibility --------------------------------------------------------------------------------


def test_the_caveat_stands_where_runs_are_compared_and_not_else(tiny: RunConfig) -> None:
    assert sentences.caveat(tiny, 0, fixed_rate=False) == ""
    assert sentences.caveat(tiny, 1, fixed_rate=False) == "Raw susceptibilities compare only within one loss and schedule."
    assert "schedules may differ" in sentences.caveat(tiny, 1, fixed_rate=True)
    for compared, fixed in itertools.product((0, 2), (True, False)):
        words = sentences.caveat(dataclasses.replace(tiny, loss="gce"), compared, fixed_rate=fixed)
        assert "cross-entropy step" in words and ("schedules may differ" in words) == fixed


@pytest.fixture
def schedules(home: Any, tiny: RunConfig) -> Iterator[tuple[str, str, str]]:
    """Three finished runs: the second differs in its seed, the third in its schedule."""
    store = RunStore(home)
    yield tuple(trained(store, dataclasses.replace(tiny, **more)) for more in ({}, {"seed": 1}, {"schedule": "cosine"}))  # type: ignore[misc]


def test_comparable_runs_follow_the_probe(schedules: tuple[str, str, str], home: Any) -> None:
    run = RunStore(home).open(schedules[0])
    assert {run_id for run_id, _ in panels.comparable_runs(run, "paper")} == {schedules[1]}
    assert {run_id for run_id, _ in panels.comparable_runs(run, "fixed")} == set(schedules[1:])


def test_the_probe_is_chosen_on_the_page_and_kept_in_the_address(visit: Visit, schedules: tuple[str, str, str]) -> None:
    page = visit("train", run=schedules[0])
    assert "compare only within one loss and schedule" in said(page)
    page.get_by_key("choose_axis").set_value("fixed")
    assert "schedules may differ" in said(page.run())
    assert page.query_params["axis"] == "fixed"
    assert visit("train", run=schedules[0], axis="fixed").get_by_key("choose_axis").value == "fixed"
    odd = visit("train", run=schedules[0], axis="odd")
    assert said(odd) and odd.get_by_key("choose_axis").value == "paper" and "axis" not in odd.query_params


def test_without_probes_there_is_none_to_choose(visit: Visit, home: Any, tiny: RunConfig) -> None:
    page = visit("train", run=trained(RunStore(home), dataclasses.replace(tiny, susceptibility_lr=0.0, curvature_every=0)))
    assert said(page)
    assert not page.get("segmented_control") and not page.get("button_group")


# -- highest curvature -----------------------------------------------------------------------------


def test_the_mean_so_far_and_this_epoch_rank_differently() -> None:
    curvature = np.array([[9.0, 1.0, 2.0], [1.0, 2.0, 6.0]], dtype=np.float32)
    assert panels.curvature_of(curvature, "mean").tolist() == [5.0, 1.5, 4.0]
    assert panels.curvature_of(curvature, "epoch").tolist() == [1.0, 2.0, 6.0]
    assert panels.curvature_of(curvature[:0], "epoch").tolist() == []


def test_which_curvature_is_shown_is_said_and_kept_in_the_address(visit: Visit, stocked: Library) -> None:
    page = visit("train", run=stocked.ids["finished"])
    assert "**Highest curvature** up to epoch 3" in said(page)
    page.get_by_key("choose_top").set_value("epoch")
    assert "**Highest curvature** at epoch 3" in said(page.run())
    assert page.query_params["top"] == "epoch"


# -- extra passes ----------------------------------------------------------------------------------

EXTRA = RunConfig(folds=3, second_split_epochs=5, epochs=10)


def test_progress_counts_the_extra_passes() -> None:
    shares = cost_shares(EXTRA, 100, 20)
    whole = sum(shares.values())
    extra = [shares[part] for part in EXTRA_PASSES]
    assert min(extra) > 0

    def done(epochs: int, phase: str = "train", part: float = 0.0) -> float:
        return progress.done_share(EXTRA, epochs, Progress(epochs, phase, int(100 * part), 100), shares)

    assert done(0) == 0
    assert done(5) == pytest.approx((whole - sum(extra)) / 2 / whole)
    assert done(10) == done(10, "folds") == pytest.approx((whole - sum(extra)) / whole)
    assert done(10, "folds", 0.5) == pytest.approx((whole - extra[0] / 2 - extra[1]) / whole)
    assert done(10, "folds", 1) == done(10, "second_split")
    assert done(10, "second_split", 1) == pytest.approx(1)


def test_without_extra_passes_progress_is_the_share_of_epochs() -> None:
    plain = RunConfig(epochs=8)
    assert [progress.done_share(plain, epoch, None, cost_shares(plain, 100, 20)) for epoch in (0, 2, 8)] == pytest.approx([0, 0.25, 1])


@pytest.mark.parametrize(("more", "words"), [({"folds": "20"}, "extra pass: folds"), ({"second_split_epochs": "1000"}, "second split")])
def test_a_run_in_an_extra_pass_says_so(visit: Visit, more: dict[str, str], words: str) -> None:
    page = press(visit("train", train_size="400", width="8", epochs="2", batch_size="8", **more), "Start")
    live = get_worker().live
    wait_for("the extra pass", lambda: (now := live(shown_run(page))) and now.progress and now.progress.phase in EXTRA_PASSES)
    page.run()
    said(page)
    assert any(words in bar.proto.text for bar in page.get("progress")), [bar.proto.text for bar in page.get("progress")]
    press(page, "Stop")
    wait_for("the stop", lambda: status(page) == "stopped")


# -- noise -----------------------------------------------------------------------------------------


def open_noise(visit: Visit, run_id: str) -> AppTest:
    page = visit("train", run=run_id)
    page.session_state["noise_panel"] = True
    return page.run()


def test_what_was_asked_for_stands_beside_what_came_of_it(visit: Visit, stocked: Library) -> None:
    words = said(open_noise(visit, stocked.ids["finished"]))
    assert "**T, asked for:**" in words and "**T, realised:**" in words
    assert "40 of 200 labels are wrong: 20.0 % (40 flipped). Asked for: rate 0.2." in words
    assert NOISE_SENTENCES["symmetric"] in words


def test_noise_is_not_drawn_before_somebody_looks(visit: Visit, stocked: Library) -> None:
    assert "T, asked for" not in said(visit("train", run=stocked.ids["finished"]))


def test_foreign_images_are_counted_and_have_no_matrix(visit: Visit, home: Any, tiny: RunConfig) -> None:
    run_id = trained(RunStore(home), dataclasses.replace(tiny, noise="open_set"))
    words = said(open_noise(visit, run_id))
    assert "(40 foreign images, none of the classes)" in words and "T, asked for" not in words


def test_unknown_truth_is_said(visit: Visit, stocked: Library) -> None:
    assert "Which labels are wrong is not known for these data" in said(open_noise(visit, stocked.ids["no truth"]))
