"""Predictions of one's own on the pages: given on Train or on Inspect, read by the same queue, shown on every tab."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from streamlit.testing.v1 import AppTest

from explorer.config import RunConfig
from explorer.runs.store import RunStore
from explorer.ui import inspection
from explorer.ui.services import get_store, get_worker
from explorer.ui.words import INSPECT_ONLY, describe
from tests.support import wait_for
from tests.ui.conftest import Visit, draw_folder
from tests.ui.test_pages import buttons, press, said

IMAGES = 60
TABS = ("images", "pairs", "map", "embedding", "scores", "memorization")


@pytest.fixture
def own(tmp_path: Path) -> Path:
    """Sixty images of two classes."""
    return draw_folder(tmp_path / "own")


def give(folder: Path, *, probability: bool = True, embedding: bool = True) -> None:
    rng, label = np.random.default_rng(0), np.repeat([1, 0], 30)  # class names are sorted: <b>up comes first
    if probability:
        first = np.where(label == 1, 0.8, 0.2) + 0.1 * rng.random(IMAGES)
        np.save(folder / "pred_probs.npy", np.stack([first, 1 - first], axis=1))
    if embedding:
        np.save(folder / "embeddings.npy", rng.normal(size=(IMAGES, 5)))


def finished(page: AppTest) -> str:
    """The run the page asked for, once it is read."""
    wait_for("the files", lambda: [s for s in get_store().runs() if s.status == "finished"] and not get_worker().busy)
    return get_store().runs()[0].run_id


def choose(page: AppTest, **values: str) -> AppTest:
    for name, value in values.items():
        page.get_by_key(name).set_value(value)
        said(page.run())
    return page


# -- on Train --------------------------------------------------------------------------------------


def test_train_reads_instead_of_training_and_says_so(visit: Visit, own: Path) -> None:
    give(own)
    page = visit("train", dataset=str(own), model="none")
    assert INSPECT_ONLY in page.get_by_key("model").options
    assert "Reads pred\\_probs\\.npy (predictions) and embeddings\\.npy (embeddings)" in said(page)
    assert "60 images, none for testing" in "".join(each.proto.body for each in page.get("html"))
    assert "takes no time to speak of" in said(page)
    press(page, "Inspect")
    run_id = finished(page)
    words = said(page.run())
    assert "Nothing was trained here: predictions were read. They agree with 100.0 % of the given labels" in words
    assert "Predictions, out of sample (unseen), from" in words
    assert page.query_params["run"] == run_id
    assert not page.slider and not page.error
    assert {"Read again", "Inspect"} <= buttons(page)


def test_a_file_that_does_not_fit_is_said_at_the_start_button(visit: Visit, own: Path, tmp_path: Path) -> None:
    np.save(tmp_path / "few.npy", np.full((7, 2), 0.5))
    page = choose(visit("train", dataset=str(own), model="none"), pred_probs=str(tmp_path / "few.npy"))
    error = "".join(each.value for each in page.error)
    assert "few.npy" in error and "[7, 2]" in error and "[60, 2]" in error
    assert page.get_by_key("start").disabled
    choose(page, pred_probs=str(tmp_path / "gone.npy"))
    assert "gone.npy" in "".join(each.value for each in page.error)


def test_without_files_only_images_are_promised(visit: Visit, own: Path) -> None:
    assert "No predictions and no embeddings are given" in said(visit("train", dataset=str(own), model="none"))


def test_going_back_to_a_network_brings_noise_and_test_images_back(visit: Visit, own: Path) -> None:
    page = choose(visit("train", dataset=str(own), noise="pair_flip"), model="none")
    assert "noise" not in {each.key for each in page.selectbox}
    choose(page, model="mlp")
    assert page.get_by_key("noise").value == "pair_flip" and page.get_by_key("test_split").value == "auto"
    assert page.session_state.config == RunConfig(dataset=str(own), noise="pair_flip", model="mlp")


def test_every_image_can_be_trained_on(visit: Visit, own: Path) -> None:
    page = visit("train", dataset=str(own), test_split="none", noise="none", epochs="2", width="4")
    press(page, "Start")
    finished(page)
    assert "There are no test images" in said(page.run())


def test_a_run_is_named_by_what_was_read() -> None:
    config = RunConfig(dataset="/data/own", model="none")
    assert describe(config) == "own · nothing trained · images only"
    assert describe(RunConfig(dataset="/data/own", model="none", pred_probs="p.npy", embeddings="e.npy")).endswith(
        "predictions and embeddings read"
    )


# -- on Inspect ------------------------------------------------------------------------------------


def test_an_empty_inspect_page_takes_own_images(visit: Visit, own: Path) -> None:
    give(own)
    page = visit("inspect")
    assert "There is no run to look into yet" in said(page)
    page.get_by_key("own_inspect").click()
    assert "dataset: '' is empty" in "".join(each.value for each in page.run().error)
    choose(page, own_dataset=str(own))
    page.get_by_key("own_inspect").click()
    said(page.run())
    run_id = finished(page)
    assert "nothing trained" in "".join(page.run().selectbox[0].options)
    assert page.query_params["run"] == run_id
    assert page.session_state.config == RunConfig()  # what is set on Train stays


def test_own_columns_can_be_chosen_and_truth_judges(visit: Visit, own: Path, tmp_path: Path) -> None:
    files = sorted(own.rglob("*.png"))
    label = [f.parent.name for f in files]
    wrong = [label[-1 - n] if n < 5 else name for n, name in enumerate(label)]
    table = pd.DataFrame({"path": [f.relative_to(tmp_path) for f in files], "label": wrong, "true_label": label})
    table.to_csv(tmp_path / "own.csv", index=False)
    give(tmp_path)
    page = choose(visit("inspect"), own_dataset=str(tmp_path / "own.csv"))
    choose(page, own_true_label_column="true_label")
    page.get_by_key("own_inspect").click()
    page.run()
    run_id = finished(page)
    words = said(visit("inspect", run=run_id, tab="scores"))
    assert "8.3 % of all" in words


def test_what_cannot_be_read_is_said_on_the_page(visit: Visit, own: Path, tmp_path: Path) -> None:
    page = choose(visit("inspect"), own_dataset=str(own), own_embeddings=str(tmp_path / "gone.npy"))
    page.get_by_key("own_inspect").click()
    page.run()
    assert "gone.npy" in "".join(each.value for each in page.error)
    np.save(tmp_path / "few.npy", np.zeros((3, 2)))
    choose(page, own_embeddings=str(tmp_path / "few.npy"))
    page.get_by_key("own_inspect").click()
    page.run()
    wait_for("the refusal", lambda: not get_worker().busy)
    assert "[3, 2]" in "".join(each.value for each in page.run().error)


def test_others_may_only_look_below_the_shared_folder(visit: Visit, own: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    np.save(tmp_path / "secret.npy", np.zeros((IMAGES, 2)))
    monkeypatch.setenv("EXPLORER_DATA_ROOT", str(own))
    page = choose(visit("inspect"), own_dataset=str(own), own_embeddings=str(tmp_path / "secret.npy"))
    page.get_by_key("own_inspect").click()
    page.run()
    assert "shared folder" in "".join(each.value for each in page.error)
    assert get_store().runs() == []


@pytest.mark.parametrize("embedding", [True, False])
@pytest.mark.parametrize("probability", [True, False])
def test_every_tab_opens_whatever_was_given(visit: Visit, home: Path, own: Path, probability: bool, embedding: bool) -> None:
    give(own, probability=probability, embedding=embedding)
    page = visit("train", dataset=str(own), model="none")
    press(page, "Inspect")
    run_id = finished(page)
    assert RunStore(home).status(run_id)[0] == "finished"
    for tab in TABS:
        opened = visit("inspect", run=run_id, tab=tab)
        words = said(opened)
        assert opened.query_params["run"] == run_id and not opened.error
        assert "nan" not in words.split()
        assert (inspection.NO_SCORES in words) == (tab == "images" and not probability and not embedding)
    assert said(visit("train", run=run_id))
