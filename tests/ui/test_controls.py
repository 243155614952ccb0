"""The sidebar: every setting has a widget where it has an effect, and what it leads to is said before the start."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from streamlit.testing.v1 import AppTest

from explorer.config import EFFECTIVE, NOISES, OPTIONS, WITHOUT_RATE, RunConfig, elr_preset
from explorer.records import NO_CLASS
from explorer.runs.estimate import cost_shares
from explorer.ui import controls, controls_model, services, state
from explorer.ui.words import LOSS_SENTENCES, NOISE_SENTENCES, describe
from tests.ui.conftest import Library, Visit, draw_folder
from tests.ui.test_pages import buttons, finish, press, said

CHANGED = {
    "noise": "asymmetric", "noise_rate": 0.35, "model": "mlp", "loss": "elr", "elr_beta": 0.7, "elr_lambda": 1.5, "epochs": 7, "seed": 3,
    "lr": 0.1,
}  # fmt: skip
BY_HAND = ("slider", "selectbox", "number_input", "text_input")


def visible(name: str) -> dict[str, str]:
    """The query under which a setting has an effect, and so a widget."""
    return {deciding: values[0] for deciding, values, names in EFFECTIVE if name in names}


def widgets(page: AppTest) -> set[str]:
    return {each.key for kind in BY_HAND for each in page.sidebar.get(kind)}


def choose(page: AppTest, **values: Any) -> AppTest:
    """Set one widget after the other, as a person would."""
    for name, value in values.items():
        page.get_by_key(name).set_value(value)
        said(page.run())
    return page


# -- settings and widgets --------------------------------------------------------------------------


def test_settings_travel_from_the_widgets_to_the_address(visit: Visit) -> None:
    page = choose(visit("train"), **CHANGED)
    assert page.session_state.config == RunConfig(**CHANGED)
    assert state.read_query(dict(page.query_params)) == (RunConfig(**CHANGED), [])


def test_settings_travel_from_the_address_to_the_widgets_and_to_inspect_and_back(visit: Visit, stocked: Library) -> None:
    query = state.config_query(RunConfig(**CHANGED))
    page = visit("train", **query)
    page.switch_page("inspect.py").run()
    assert query.items() <= dict(page.query_params).items()
    said(page.switch_page("train.py").run())
    assert {name: page.get_by_key(name).value for name in CHANGED} == CHANGED
    assert page.session_state.config == RunConfig(**CHANGED)


@pytest.mark.parametrize("query", [{}, *({deciding: values[0]} for deciding, values, _ in EFFECTIVE)], ids=str)
def test_a_setting_has_a_widget_where_it_has_an_effect_and_only_there(visit: Visit, query: dict[str, str]) -> None:
    page = visit("train", train_size="50", **query)
    chosen = page.session_state.config
    idle = {name for deciding, values, names in EFFECTIVE if getattr(chosen, deciding) not in values for name in names}
    assert set(OPTIONS) - widgets(page) == idle | {"dataset", "label_column", "true_label_column"}  # those: see source and own data


def test_a_network_of_one_width_is_not_asked_for_it(visit: Visit) -> None:
    assert "width" not in widgets(visit("train", model="mobilenet_v2"))


def test_the_label_columns_of_a_table_can_be_chosen(visit: Visit, tmp_path: Path) -> None:
    assert {"label_column", "true_label_column"} <= widgets(visit("train", dataset=str(two_columns(tmp_path))))


@pytest.mark.parametrize("noise", NOISES)
def test_the_rate_is_asked_for_where_it_says_something(visit: Visit, noise: str, tmp_path: Path) -> None:
    source = {"dataset": str(two_columns(tmp_path)), "true_label_column": "true_label"} if noise == "class_conditional_twin" else {}
    assert ("noise_rate" in widgets(visit("train", noise=noise, **source))) == (noise not in WITHOUT_RATE)


@pytest.mark.parametrize("loss", ["elr_plus", "gce", "label_smoothing"])  # together they have all parameters
def test_what_a_number_widget_lets_in_the_config_accepts(visit: Visit, loss: str) -> None:
    page = visit("train", loss=loss)
    for widget in [*page.number_input, *page.sidebar.slider]:
        option = OPTIONS[widget.key]
        for value in (widget.min, widget.max):
            if value is not None and math.isfinite(value):
                option.check(option.kind(value))
        assert option.low is None or widget.min is not None
        assert option.high is None or widget.max == option.high


@pytest.mark.slow
@pytest.mark.parametrize("name", [o.name for o in OPTIONS.values() if o.kind in (int, float) and o.name != "folds"])
def test_the_smallest_and_the_largest_value_of_a_setting_is_no_exception(visit: Visit, name: str) -> None:
    page = visit("train", train_size="20", **visible(name))
    widget = page.get_by_key(name)
    for value in (widget.min, widget.max if name != "image_size" else 40):
        if value is not None:
            choose(page, **{name: value})
            assert page.get_by_key(name).value == value


@pytest.mark.slow
@pytest.mark.parametrize("name", [*(o.name for o in OPTIONS.values() if o.choices), "folds"])
def test_every_choice_of_a_setting_is_no_exception(visit: Visit, name: str) -> None:
    page = visit("train", train_size="20", **visible(name))
    choices = [0, 2, 20] if name == "folds" else [c for c in OPTIONS[name].choices if c != "class_conditional_twin"]
    for choice in choices:
        choose(page, **{name: choice})
        assert page.get_by_key(name).value == choice
        assert getattr(page.session_state.config, name) == choice


def test_one_fold_alone_is_not_offered(visit: Visit) -> None:
    assert visit("train").get_by_key("folds").options[:3] == ["off", "2", "3"]


def test_every_noise_and_loss_is_explained_with_its_paper() -> None:
    assert set(NOISE_SENTENCES) == set(NOISES) and set(LOSS_SENTENCES) == set(OPTIONS["loss"].choices)
    assert all("20" in text for kind, text in NOISE_SENTENCES.items() if kind != "none")
    assert all(text.startswith("The rate is ") == (kind not in WITHOUT_RATE) for kind, text in NOISE_SENTENCES.items())


def test_a_run_is_named_without_a_rate_that_says_nothing() -> None:
    assert describe(RunConfig(noise="class_conditional_twin")).count("%") == 0
    assert "asymmetric 20 %" in describe(RunConfig(noise="asymmetric"))


# -- ELR's preset ----------------------------------------------------------------------------------


def elr(page: AppTest) -> dict[str, float]:
    return {name: page.get_by_key(name).value for name in ("elr_beta", "elr_lambda")}


def test_the_preset_is_taken_when_data_noise_or_loss_change_and_an_own_value_stays_until_then(visit: Visit) -> None:
    page = choose(visit("train", train_size="50"), noise="asymmetric", loss="elr")
    assert elr(page) == elr_preset("digits", "asymmetric")
    assert "The paper's values for CIFAR-10 with asymmetric noise" in said(page)
    choose(page, elr_lambda=5.0, noise_rate=0.3, epochs=4, model="mlp")
    assert elr(page) == {"elr_beta": 0.9, "elr_lambda": 5.0}
    assert "The paper has beta 0.9 and lambda 1" in said(page)
    assert elr(choose(page, noise="symmetric")) == elr_preset("digits", "symmetric")
    assert elr(choose(page, elr_beta=0.5, source="planted")) == elr_preset("planted", "symmetric")
    assert elr(choose(page, elr_beta=0.5, loss="elr_plus")) == elr_preset("planted", "symmetric")


def test_a_link_without_values_takes_the_preset_and_explicit_ones_win(visit: Visit) -> None:
    assert elr(visit("train", loss="elr", noise="pair_flip")) == elr_preset("digits", "pair_flip")
    page = visit("train", loss="elr", noise="pair_flip", elr_beta="0.7")
    assert elr(page) == {"elr_beta": 0.7, "elr_lambda": 1.0}
    assert elr(page.run()) == {"elr_beta": 0.7, "elr_lambda": 1.0}


@pytest.mark.parametrize("loss", ["ce", "elr", "elr_plus"])
@pytest.mark.parametrize("noise", ["symmetric", "asymmetric"])
@pytest.mark.parametrize("values", [(0.7, 3.0), (0.9, 1.0), (0.5, 2.0)])
def test_every_config_comes_back_from_its_own_link(loss: str, noise: str, values: tuple[float, float]) -> None:
    config = RunConfig(loss=loss, noise=noise, elr_beta=values[0], elr_lambda=values[1])
    assert state.read_query(state.config_query(config)) == (config, [])


def test_the_default_run_has_an_empty_link() -> None:
    assert state.config_query(RunConfig()) == {}


# -- noise that fits the data ----------------------------------------------------------------------


def two_columns(root: Path, *, differ: bool = True) -> Path:
    """A table with a second label column, which says otherwise of every third image of the first class, or of none."""
    folder = draw_folder(root / "two")
    files = sorted(folder.rglob("*.png"))
    true = [f.parent.name for f in files]
    other = {"<b>up": "down_*1*", "down_*1*": "<b>up"}
    given = [other[name] if differ and n % 3 == 0 and n < 30 else name for n, name in enumerate(true)]
    table = pd.DataFrame({"path": [f.relative_to(root) for f in files], "label": given, "true_label": true})
    table.to_csv(root / "two.csv", index=False)
    return root / "two.csv"


def test_real_noise_takes_no_other_and_says_why(visit: Visit, tmp_path: Path) -> None:
    page = visit("train", dataset=str(two_columns(tmp_path)), true_label_column="true_label")
    assert page.get_by_key("noise").options == ["none", "class-conditional twin"]
    assert page.get_by_key("noise").value == "none"
    assert "The two label columns differ" in said(page)
    assert not page.get_by_key("start").disabled


@pytest.mark.parametrize("more", [{}, {"true_label_column": "true_label"}])
def test_a_twin_needs_two_columns_that_differ(visit: Visit, tmp_path: Path, more: dict[str, str]) -> None:
    table = two_columns(tmp_path, differ=False)
    page = visit("train", dataset=str(table), noise="class_conditional_twin", **more)
    assert "class-conditional twin" not in page.get_by_key("noise").options
    assert page.get_by_key("noise").value == "none"
    assert any("class-conditional twin" in each.value for each in page.toast)


def test_foreign_images_come_from_a_set_that_is_here(visit: Visit, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EXPLORER_DATA", str(tmp_path))
    page = visit("train", noise="open_set")
    assert page.get_by_key("open_set").options == ["planted · drawn, 32×32"]
    page = visit("train", noise="open_set", dataset="planted", train_size="50", open_set="planted")
    assert page.get_by_key("open_set").value == ""  # not out of the set itself
    assert page.get_by_key("open_set").options == ["digits · real, 8×8"]
    said(page)


def test_a_foreign_set_in_a_link_is_kept_and_what_it_lacks_is_said(visit: Visit, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EXPLORER_DATA", str(tmp_path / "data"))
    own = draw_folder(tmp_path / "own")
    page = visit("train", noise="open_set", open_set=str(own))
    assert page.get_by_key("open_set").value == str(own)
    assert "What it will be told" in said(page)
    gone = visit("train", noise="open_set", open_set=str(tmp_path / "gone"))
    assert "gone" in "".join(error.value for error in gone.error) and gone.get_by_key("start").disabled
    away = visit("train", noise="open_set", open_set="mnist")
    assert "Starting downloads" in said(away) and "What it will be told" not in said(away)
    assert not (tmp_path / "data").exists()


def test_pages_show_the_images_a_run_trains_on() -> None:
    config = RunConfig(noise="open_set", noise_rate=0.5, train_size=40)
    dataset, labels = services.load_labels(config)
    foreign = labels.true_label == NO_CLASS
    source = services.load_source(config)
    same = (dataset.train_images == source.train_images).all(axis=(1, 2, 3))
    assert np.array_equal(same, ~foreign) and foreign.sum() == 20
    assert services.load_dataset(config) is dataset
    assert services.load_dataset(RunConfig(train_size=40)) is source


def test_pages_show_the_images_that_corrections_leave(tmp_path: Path) -> None:
    source = services.load_source(RunConfig(train_size=40))
    (tmp_path / "out.csv").write_text(f"index,label\n{source.source_index[3]},\n")
    config = RunConfig(train_size=40, corrections=str(tmp_path / "out.csv"))
    assert services.load_source(config) is source
    dataset = services.load_dataset(config)
    assert np.array_equal(dataset.source_index, np.delete(source.source_index, 3))
    (tmp_path / "out.csv").write_text("index,label\n")
    assert len(services.load_dataset(config).source_index) == 40


def test_the_first_images_are_shown_with_what_they_will_be_told(visit: Visit) -> None:
    page = visit("train", noise="open_set", noise_rate="1")
    assert "16 of the first 16 training images carry a wrong label" in said(page)
    assert NOISE_SENTENCES["open_set"] in said(page)


# -- what it leads to ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("query", "wrong"),
    [
        ({"noise": "symmetric", "noise_rate": "0.4"}, "40.0 %"), ({"noise": "symmetric_inclusive", "noise_rate": "0.5"}, "45.0 %"),
        ({"noise": "none"}, "0.0 %"), ({"noise": "open_set", "noise_rate": "0.3"}, "30.0 %"),
    ],
)  # fmt: skip
def test_the_wrong_rate_is_said_before_the_start(visit: Visit, query: dict[str, str], wrong: str) -> None:
    assert f"**{wrong}** of the labels will be wrong" in said(visit("train", train_size="100", **query))


def test_corrections_count_in_what_is_said_before_the_start(visit: Visit, tmp_path: Path) -> None:
    _, labels = services.load_labels(RunConfig(train_size=100, noise_rate=0.4))
    source = services.load_source(RunConfig(train_size=100)).source_index
    rows = [f"{source[n]},{labels.true_label[n]}" for n in np.flatnonzero(labels.is_mislabeled)[:30]]
    (tmp_path / "fixed.csv").write_text("\n".join(["index,label", *rows]))
    page = choose(visit("train", train_size="100", noise_rate="0.4"), corrections=str(tmp_path / "fixed.csv"))
    assert "**10.0 %** of the labels will be wrong" in said(page)
    assert page.session_state.config.corrections == str(tmp_path / "fixed.csv")
    (tmp_path / "fixed.csv").write_text("index,label\n5,eleven")
    page.run()
    assert any("corrections: " in error.value and "line 2 of fixed.csv" in error.value for error in page.error)
    assert page.get_by_key("start").disabled


def test_truth_that_nobody_knows_is_not_made_up(visit: Visit, tmp_path: Path) -> None:
    page = visit("train", dataset=str(draw_folder(tmp_path / "own")), noise="none")
    assert "Which labels are wrong is not known here" in said(page)


@pytest.mark.parametrize("noise", [kind for kind in NOISES if kind not in ("none", "class_conditional_twin")])
def test_which_label_becomes_which_is_a_click_away(visit: Visit, noise: str) -> None:
    page = press(visit("train", noise=noise, train_size="100"), "Which label becomes which")
    words = said(page)
    assert NOISE_SENTENCES[noise] in words
    assert ("No transition matrix describes it" in words) == (noise == "open_set")
    assert ("right label" in words) == (noise != "open_set")


def test_no_noise_changes_no_label(visit: Visit) -> None:
    assert "Which label becomes which" not in buttons(visit("train", noise="none"))


def test_class_names_stay_text_in_the_words_about_noise(visit: Visit, tmp_path: Path) -> None:
    page = visit("train", dataset=str(two_columns(tmp_path)), true_label_column="true_label", noise="class_conditional_twin")
    assert r"\<b\>up → down\_\*1\*" in said(press(page, "Which label becomes which"))


def test_the_cost_of_each_choice_stands_beside_it(visit: Visit) -> None:
    config = RunConfig(curvature_every=2, curvature_directions=5, folds=3, second_split_epochs=10)
    words = said(visit("train", **config.to_query()))
    shares = cost_shares(config, 1000, 0)
    assert shares["curvature"] == pytest.approx(2.0) and "Costs 2.0 × bare training (5 directions, every 2 epochs)" in words
    assert "never saw it. Costs 2.0 × bare training" in words
    assert f"Costs {shares['second_split']:.1f} × bare training" in words
    whole = sum(cost_shares(config, 1438, 359).values())
    assert f"{whole:.1f} × bare training." in words


def test_what_is_switched_off_names_no_cost(visit: Visit) -> None:
    words = said(visit("train", curvature_every="0"))
    assert "Switched off." in words
    assert "Each fold costs a training" in words


def test_the_papers_setting_is_one_click(visit: Visit) -> None:
    page = press(visit("train"), "Use the paper's setting")
    assert {name: getattr(page.session_state.config, name) for name in controls_model.PAPER_PROBE} == controls_model.PAPER_PROBE


def test_two_networks_are_said_to_take_twice_the_time(visit: Visit) -> None:
    assert "about twice the time" in said(visit("train", loss="elr_plus"))


# -- own data ----------------------------------------------------------------------------------------


def choose_path(page: AppTest, path: str) -> AppTest:
    page.get_by_key("source").set_value(controls.OWN)
    page.run()
    page.get_by_key("path").set_value(path)
    return page.run()


def test_own_data_without_a_path_asks_for_one(visit: Visit) -> None:
    page = choose_path(visit("train"), "  ")
    assert "Give the path" in said(page)
    assert page.get_by_key("start").disabled


def test_a_path_that_does_not_exist_is_named(visit: Visit, tmp_path: Path) -> None:
    page = choose_path(visit("train"), str(tmp_path / "nowhere"))
    assert "nowhere" in "".join(error.value for error in page.error)
    assert page.get_by_key("start").disabled
    said(page)


@pytest.mark.parametrize("content", [b"PAR1 no parquet", b""])
def test_a_broken_parquet_file_is_named(visit: Visit, tmp_path: Path, content: bytes) -> None:
    (tmp_path / "broken.parquet").write_bytes(content)
    page = choose_path(visit("train"), str(tmp_path / "broken.parquet"))
    assert "broken.parquet" in "".join(error.value for error in page.error)
    assert page.get_by_key("start").disabled
    said(page)


def test_own_data_train_from_the_page_with_their_label_columns(visit: Visit, tmp_path: Path) -> None:
    folder = draw_folder(tmp_path / "own")
    files = sorted(folder.rglob("*.png"))
    columns = {"path": [f.relative_to(tmp_path) for f in files], "label": [f.parent.name for f in files]}
    table = pd.DataFrame(columns | {"true_label": ["down_*1*"] * len(files)})
    table.to_csv(tmp_path / "own.csv", index=False)
    page = choose_path(visit("train"), str(tmp_path / "own.csv"))
    page.get_by_key("true_label_column").set_value("true_label")
    page.get_by_key("noise").set_value("none")
    page.get_by_key("epochs").set_value(1)
    page.get_by_key("width").set_value(4)
    page.run()
    assert "of the labels will be wrong" in said(page)
    finish(press(page, "Start"))
    assert page.session_state.config.true_label_column == "true_label"
    assert page.query_params["dataset"] == str(tmp_path / "own.csv")
