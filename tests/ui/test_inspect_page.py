"""Inspect, tab by tab, without a browser: what every kind of run shows, and that unknown truth is said in words."""

from __future__ import annotations

import dataclasses
import io
import shlex
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from explorer import pipeline
from explorer.analysis.scores import SCORES, percentile, suspicion
from explorer.config import MemorizationConfig, RunConfig
from explorer.records import NO_CLASS, Run
from explorer.runs.execution import execute
from explorer.runs.memorization import execute_memorization, matching, same_data
from explorer.runs.store import RunStore
from explorer.ui import cards, data_map, judging, measured, one_image, score_groups, stability, stability_results
from explorer.ui.services import get_worker
from tests.support import wait_for
from tests.ui.conftest import Library, Visit
from tests.ui.test_pages import box, buttons, press, said

TABS = ("Images", "Near-duplicates", "Data map", "How good are the scores?", "Memorization (Feldman-Zhang)")
IMAGES, PAIRS, MAP, QUALITY, MEMORIZATION = TABS
SMALL = {"models": 20, "epochs": 2}


@pytest.fixture(scope="session")
def workshop(tiny: RunConfig, tmp_path_factory: pytest.TempPathFactory) -> Library:
    """A home with a run that has everything, one with foreign images, and a memorization estimate of the first."""
    configs = {
        "everything": dataclasses.replace(tiny, loss="elr", folds=2, second_split_epochs=1),
        "foreign": dataclasses.replace(tiny, noise="open_set", epochs=2, curvature_every=0),
        "memorized": tiny,
    }
    home = tmp_path_factory.mktemp("workshop") / "home"
    for config in configs.values():
        for _ in execute(RunStore(home), config):
            pass
    for _ in execute_memorization(home, MemorizationConfig(train_size=200, **SMALL)):
        pass
    return Library(home, {kind: pipeline.identify(config) for kind, config in configs.items()}, configs)


@pytest.fixture
def shop(home: Path, workshop: Library) -> Library:
    """The workshop, copied into this test's home."""
    shutil.copytree(workshop.home, home)
    return dataclasses.replace(workshop, home=home)


Look = Callable[[str, str], AppTest]


@pytest.fixture
def look(visit: Visit) -> Look:
    """``look(run_id, tab)``: a visitor who opened Inspect and went to that tab."""

    def open_tab(run_id: str, tab: str) -> AppTest:
        page = visit("inspect", run=run_id)
        page.session_state["inspect_tab"] = tab
        return page.run()

    return open_tab


def read(library: Library, kind: str) -> Run:
    return RunStore(library.home).open(library.ids[kind])


def table(page: AppTest, place: int = 0) -> dict[str, list[object]]:
    return {name: column.tolist() for name, column in page.dataframe[place].value.items()}


# -- every tab, every kind of run ------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("tab", TABS)
@pytest.mark.parametrize("kind", ["finished", "stopped", "interrupted", "no truth"])
def test_every_tab_opens_on_every_kind_of_run(look: Look, stocked: Library, kind: str, tab: str) -> None:
    assert said(look(stocked.ids[kind], tab))


@pytest.mark.slow
@pytest.mark.parametrize("tab", TABS)
@pytest.mark.parametrize("kind", ["everything", "foreign", "memorized"])
def test_every_tab_opens_on_every_kind_of_science(look: Look, shop: Library, kind: str, tab: str) -> None:
    assert said(look(shop.ids[kind], tab))


def test_only_the_tab_looked_at_is_computed(look: Look, shop: Library) -> None:
    for tab, sentence in {MAP: "hard-to-learn", QUALITY: "Which scores say the same?", MEMORIZATION: "share of networks"}.items():
        words = said(look(shop.ids["memorized"], tab))
        assert sentence in words
        assert "most suspicious first" not in words


@pytest.mark.parametrize(("name", "sentence"), [("map", "hard-to-learn"), ("no such tab", "most suspicious first")])
def test_a_link_opens_the_tab_it_names(visit: Visit, shop: Library, name: str, sentence: str) -> None:
    assert sentence in said(visit("inspect", run=shop.ids["memorized"], tab=name))


def test_the_tab_looked_at_is_in_the_link(look: Look, shop: Library) -> None:
    assert look(shop.ids["memorized"], QUALITY).query_params["tab"] == "scores"
    assert "tab" not in look(shop.ids["memorized"], IMAGES).query_params


# -- images ------------------------------------------------------------------------------------------


def test_a_foreign_image_shows_none_of_the_classes(visit: Visit, shop: Library) -> None:
    run = read(shop, "foreign")
    assert run.labels.true_label is not None
    foreign, own = (int(np.flatnonzero(part)[0]) for part in (run.labels.true_label == NO_CLASS, run.labels.true_label != NO_CLASS))
    words = said(visit("inspect", run=run.run_id, image=str(foreign)))
    assert "true **none of the classes**" in words and "foreign image" in words
    assert "none of the classes" not in said(visit("inspect", run=run.run_id, image=str(own)))
    assert cards.true_name(run, own) == run.class_names[run.labels.true_label[own]]


def test_the_foreign_images_are_those_the_network_saw(shop: Library) -> None:
    run = read(shop, "foreign")
    dataset = cards.images_of(run)
    assert dataset is not None
    assert np.array_equal(dataset.train_images, pipeline.prepare(run.config).dataset.train_images)


def test_elr_says_what_it_holds_an_image_for(visit: Visit, shop: Library) -> None:
    run = read(shop, "everything")
    other = int(np.flatnonzero(run.facts.target_label[-1] != run.labels.given_label)[0])
    same = int(np.flatnonzero(run.facts.target_label[-1] == run.labels.given_label)[0])
    label, share = run.class_names[run.facts.target_label[-1, other]], float(run.facts.target_share[-1, other])
    assert f"suggests **{label}**; the given label has {100 * share:.1f} %" in said(visit("inspect", run=run.run_id, image=str(other)))
    assert "agrees with the given label" in said(visit("inspect", run=run.run_id, image=str(same)))
    assert cards.doubt(run, other, run.last_epoch).startswith(f"ELR: {label}, given") and cards.doubt(run, same, run.last_epoch) == ""
    assert cards.suggestion(run, other, 0) is None  # nothing is known before the first epoch
    assert not any("target memory" in each.value for each in visit("inspect", run=shop.ids["foreign"], image="0").caption)


def test_the_scores_of_an_image_are_grouped(shop: Library) -> None:
    run = read(shop, "everything")
    scores = cards.scores_at(run, run.last_epoch)
    html = one_image.scores_table(3, scores)
    for heading in ("from training", "from an extra pass", "from neighbours"):
        assert html.count(heading) == 1
    for name in scores:
        assert html.count(f"<td>{SCORES[name].title}</td>") == 1
    groups = score_groups.grouped(scores)
    assert sorted(name for _, names in groups for name in names) == sorted(scores)


def test_the_rank_of_one_image_is_its_percentile() -> None:
    values = np.r_[np.random.default_rng(0).integers(0, 9, 40).astype(float), np.nan]
    for name in ("curvature", "aum"):
        ranks = percentile(name, values)
        assert [one_image.rank_of(n, suspicion(name, values)) for n in range(41)] == pytest.approx(ranks.tolist())


# -- how good are the scores? ------------------------------------------------------------------------


def test_the_best_score_comes_first_with_its_cost(look: Look, shop: Library) -> None:
    page = look(shop.ids["everything"], QUALITY)
    rows = table(page)
    assert len(rows["score"]) == len(set(rows["score"])) == len(cards.scores_at(read(shop, "everything"), 3))
    assert rows["auroc"] == sorted(rows["auroc"], reverse=True)
    assert set(rows["score"]) == {score.title for score in SCORES.values()}
    assert "Not computed" not in said(page)


def test_cost_is_counted_in_forward_passes_and_in_trainings(shop: Library) -> None:
    run = read(shop, "memorized")  # 3 epochs, 2 directions
    rows = judging.score_rows(run, ["cumulative_loss", "curvature", "knn_disagreement"], {}).set_index("name")
    assert rows["passes"].to_dict() == {"cumulative_loss": 3, "curvature": 18, "knn_disagreement": 0}
    assert rows["times"].to_dict() == pytest.approx({"cumulative_loss": 4 / 3, "curvature": 3, "knn_disagreement": 1})


def test_a_row_chosen_is_explained(look: Look, shop: Library) -> None:
    page = look(shop.ids["everything"], QUALITY)
    first = str(table(page)["name"][0])
    assert SCORES[first].explanation in said(page)


def test_what_was_not_computed_names_what_to_switch_on(look: Look, shop: Library) -> None:
    words = said(look(shop.ids["foreign"], QUALITY))
    for remedy in ("loss ELR", "*Folds* 4", "*Second-split epochs* 5", "curvature probed every epoch"):
        assert remedy in words
    assert "Input-loss curvature, " in words.split("Not computed")[1]


def test_without_truth_no_score_is_judged_yet_all_are_listed(look: Look, stocked: Library) -> None:
    page = look(stocked.ids["no truth"], QUALITY)
    words, rows = said(page), table(page)
    assert "no score can be judged" in words
    assert "auroc" not in rows and len(rows["score"]) > 10
    assert "Which scores say the same?" in words and "When would you have known?" not in words


def test_label_wave_is_said_either_way(look: Look, stocked: Library) -> None:
    assert "Label Wave names no epoch" in said(look(stocked.ids["finished"], QUALITY))


def test_a_score_chosen_that_the_next_run_does_not_have_is_dropped(look: Look, shop: Library) -> None:
    page = look(shop.ids["everything"], QUALITY)
    page.multiselect(key="known_scores").set_value(["elr_target", "aum"])
    box(page, "Distribution of").set_value("second_split_forgetting")
    said(page.run())
    box(page, "Run").set_value(shop.ids["memorized"])
    said(page.run())
    assert "elr_target" not in page.multiselect(key="known_scores").value
    assert box(page, "Distribution of").value in cards.scores_at(read(shop, "memorized"), 3)


@pytest.mark.parametrize(
    ("paper", "cited"),
    [
        ("Garg, Ravikumar, Roy 2024, arXiv:2307.05831", "Garg et al. 2024"),
        ("Toneva et al. 2019, arXiv:1812.05159", "Toneva et al. 2019"),
        ("cumulative correctness in Ravikumar et al. 2025", "Ravikumar et al. 2025"),
        ("Northcutt et al. 2021, arXiv:1911.00068; Kuan, Mueller 2022", "Northcutt et al. 2021"),
        ("Friendly 2002", "Friendly 2002"),
        ("folklore", "folklore"),
    ],
)
def test_papers_are_cited_short(paper: str, cited: str) -> None:
    assert judging.cited(paper) == cited


def test_every_score_has_a_short_citation() -> None:
    assert all(judging.cited(score.paper)[-4:].isdecimal() for score in SCORES.values())


def test_human_mistakes_are_quoted_only_as_measured() -> None:
    title = {name: score.title for name, score in SCORES.items()}
    assert measured.human_noise_sentence(title, ()) == ""
    figure = measured.HumanNoise("a set", {"aum": (0.8, 0.95)}, "a CPU, 2 threads", "2026-01-02")
    sentence = measured.human_noise_sentence(title, (figure,))
    assert "a set" in sentence and f"{title['aum'].lower()} 0.800 / 0.950" in sentence and "a CPU, 2 threads, 2026-01-02" in sentence
    assert measured.human_noise_sentence(title, (figure, figure)).count("a set") == 2
    assert all(name in title and 0.5 < min(pair) < 1 for each in measured.HUMAN_NOISE_FIGURES for name, pair in each.auroc.items())


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


# -- gallery --------------------------------------------------------------------------------------------


def test_every_score_of_the_run_may_sort_the_gallery_and_curvature_does_at_first(visit: Visit, shop: Library) -> None:
    page = visit("inspect", run=shop.ids["everything"])
    choice = box(page, "Sort by")
    assert choice.value == "curvature"
    assert len(choice.options) == len(cards.scores_at(read(shop, "everything"), 3))
