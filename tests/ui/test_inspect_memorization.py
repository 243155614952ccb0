"""Inspect, the data map and memorization: what is drawn, estimated, started, uploaded."""

from __future__ import annotations

import dataclasses
import io
import shlex

import numpy as np
import pytest

from explorer.config import MemorizationConfig
from explorer.runs.memorization import matching, same_data
from explorer.ui import data_map, stability, stability_results
from explorer.ui.services import get_worker
from tests.support import wait_for
from tests.ui.conftest import Library, Look
from tests.ui.inspecting import MAP, MEMORIZATION, read, table
from tests.ui.test_pages import buttons, press, said

# -- data map ------------------------------------------------------------------------------------------


def test_the_hard_to_learn_corner_is_where_both_are_low() -> None:
    confidence, variability = np.array([0.9, 0.1, 0.1, 0.5]), np.array([0.1, 0.3, 0.05, 0.0])
    assert data_map.hard_to_learn(confidence, variability, 2).tolist() == [2, 1]


def test_the_map_says_how_many_points_it_draws(look: Look, stocked: Library) -> None:
    assert "A point for each of 200 images" in said(look(stocked.ids["finished"], MAP))
    words = said(look(stocked.ids["no truth"], MAP))
    assert "Which labels are wrong is not known here" in words and "labels are wrong." not in words


# -- memorization ----------------------------------------------------------------------------------------


def test_a_stored_estimate_is_shown_with_its_agreement(look: Look, shop: Library) -> None:
    page = look(shop.ids["memorized"], MEMORIZATION)
    words, rows = said(page), table(page)
    assert "20 networks; standard error" in words and "The most memorized images" in words
    assert list(rows) == ["score", "spearman", "pearson", "cosine"]
    assert rows["spearman"] == sorted(rows["spearman"], reverse=True)


def test_an_estimate_says_how_far_it_is_and_how_far_to_trust_it(shop: Library) -> None:
    [stored] = matching(shop.home, read(shop, "memorized"))
    wrong = read(shop, "memorized").labels.is_mislabeled
    sure = dataclasses.replace(stored, standard_error=np.full(200, 0.05), memorization=np.where(wrong, 0.9, 0.1))
    words = stability_results.summary(sure, wrong)
    assert words.startswith(
        "**20.0 % of the images are memorized** (above 0.3). On average 0.90 with a wrong label, 0.10 with a right one."
    )
    assert "20 networks; " in words and "±0.05" in words and "too uncertain" not in words
    begun = dataclasses.replace(sure, status="interrupted", models=6, standard_error=np.full(200, 0.3))
    assert "6 of 20 networks; " in stability_results.summary(begun, None) and "too uncertain" in stability_results.summary(begun, None)
    assert "with a wrong label" not in stability_results.summary(begun, None)
    nothing = dataclasses.replace(sure, memorization=np.full(200, np.nan))
    assert "Too few to tell" in stability_results.summary(nothing, wrong)
    gaps = dataclasses.replace(sure, memorization=np.where(np.arange(200) < 3, np.nan, 0.1))
    assert "Of 3 images nothing is known" in stability_results.summary(gaps, wrong)


def test_agreement_is_highest_for_what_is_memorization_itself() -> None:
    memorization = np.r_[np.linspace(0, 1, 20), np.nan]
    rows = stability_results.agreement_rows(
        {"aum": -memorization, "cumulative_loss": memorization[::-1], "el2n": np.ones(21)}, memorization
    )
    assert rows["score"].tolist() == ["Area under the margin", "Cumulative loss", "EL2N"]  # what never varies last
    assert rows["spearman"].tolist()[:2] == pytest.approx([1, -1]) and np.isnan(rows["spearman"].tolist()[2])


def test_without_an_estimate_its_cost_and_its_command_are_said(look: Look, stocked: Library) -> None:
    page = look(stocked.ids["finished"], MEMORIZATION)
    assert "200 networks (MLP) × 60 epochs × 140 images" in said(page)
    assert {"Start"} <= buttons(page)
    [shown] = [each.value for each in page.code]
    assert shown == f"python -m explorer memorization --train_size 200 --runs {stocked.home}"
    page.number_input(key="memorization_models").set_value(50)
    assert "--models 50" in page.run().code[0].value


def test_the_command_says_all_that_decides_the_images(shop: Library) -> None:
    run = read(shop, "foreign")
    config = stability.config_for(run, 7)
    assert same_data(config, run.config) and config.models == 7
    assert shlex.split(stability.command(config))[:3] == ["python", "-m", "explorer"]
    for flag in ("--noise open_set", "--train_size 200", "--models 7"):
        assert flag in stability.command(config)


def test_an_estimate_is_started_stopped_and_shown(look: Look, stocked: Library, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stability, "config_for", lambda run, models: MemorizationConfig(train_size=200, models=models, epochs=2))
    page = look(stocked.ids["finished"], MEMORIZATION)
    page.number_input(key="memorization_models").set_value(100_000)
    said(press(page.run(), "Start"))
    [memorization_id] = page.session_state["memorization_started"].values()
    live = get_worker().memorization_live
    wait_for("the first networks", lambda: (found := live(memorization_id)) and found.progress and found.progress.done)
    assert "Stop" in buttons(page.run()) and "of 100,000 networks" in page.get("progress")[0].proto.text
    assert "Start" not in buttons(page)
    press(page, "Stop")
    wait_for("the stop", lambda: live(memorization_id) is None)
    assert "The most memorized images" in said(page.run())
    assert "Stop" not in buttons(page)


def test_what_cannot_be_estimated_is_refused_in_words(look: Look, stocked: Library, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stability, "config_for", lambda run, models: MemorizationConfig(train_size=200, device="mps"))
    page = press(look(stocked.ids["finished"], MEMORIZATION), "Start")
    assert any("device" in each.value for each in page.error), said(page)


def arrays(**named: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    np.savez(buffer, **named)
    return buffer.getvalue()


def test_a_published_estimate_is_read_from_an_upload(look: Look, stocked: Library) -> None:
    page = look(stocked.ids["finished"], MEMORIZATION)
    run = read(stocked, "finished")
    content = arrays(memorization=np.linspace(0, 1, 200), index=run.source_index)
    page.file_uploader[0].set_value(("theirs.npz", content, "application/octet-stream"))
    words = said(page.run())
    assert not page.error
    assert "A published estimate, from theirs.npz" in words and "70.0 % of the images are memorized" in words


@pytest.mark.parametrize(
    ("content", "word"),
    [
        (b"no archive", "cannot be read as an .npz file"),
        (arrays(something=np.zeros(3)), "no array of memorization"),
        (arrays(memorization=np.full(200, 2.0)), "between -1 and 1"),
        (arrays(memorization=np.zeros(3), index=np.array([10**6, 10**6 + 1, 10**6 + 2])), "another data set"),
    ],
    ids=["broken", "other arrays", "out of range", "other images"],
)
def test_an_upload_that_cannot_be_used_is_refused_in_words(look: Look, stocked: Library, content: bytes, word: str) -> None:
    page = look(stocked.ids["finished"], MEMORIZATION)
    page.file_uploader[0].set_value(("theirs.npz", content, "application/octet-stream"))
    said(page.run())
    assert any(word in each.value for each in page.error), [each.value for each in page.error]
