"""Inspect, how good are the scores: the table, what each costs, and what is said where no truth is known."""

from __future__ import annotations

import pytest

from explorer.analysis.scores import SCORES
from explorer.ui import cards, judging, measured
from tests.ui.conftest import Library, Look
from tests.ui.inspecting import QUALITY, read, table
from tests.ui.test_pages import box, said


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
    box(page, "Score").set_value("second_split_forgetting")
    said(page.run())
    box(page, "Run").set_value(shop.ids["memorized"])
    said(page.run())
    assert "elr_target" not in page.multiselect(key="known_scores").value
    assert box(page, "Score").value in cards.scores_at(read(shop, "memorized"), 3)


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
