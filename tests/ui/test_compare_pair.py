"""Two runs side by side: what is said of them is what their files say."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest

from explorer.analysis.run_pairs import TestChanges as Changes
from explorer.runs.store import RunStore
from explorer.ui import figures_paired, paired, pairing
from explorer.ui.figures_paired import paired_info
from explorer.ui.theme import colours
from tests.ui.conftest import Library, Visit
from tests.ui.inspecting import read
from tests.ui.test_pages import box, said


def pair_of(library: Library, a: str, b: str) -> pairing.Pair:
    return pairing.pair_of(read(library, a), read(library, b))


def swapped(pair: pairing.Pair) -> pairing.Pair:
    return pairing.pair_of(pair.b, pair.a)


# -- what the two share ------------------------------------------------------------------------------


def test_two_seeds_saw_the_same_images_under_the_same_labels(stocked: Library) -> None:
    pair = pair_of(stocked, "finished", "stopped")
    assert "same **200 images**, under the same labels" in pairing.images_sentence(pair)
    assert pairing.setting_rows(pair.a, pair.b) == [("seed", "0", "1")]
    assert pairing.susceptibility_sentence(pair.a, pair.b) == ""


def test_other_data_are_named_and_nothing_is_compared_image_by_image(stocked: Library) -> None:
    pair = pair_of(stocked, "finished", "no truth")
    assert pair.common is None and pairing.kinds_of_change(pair) == {} and pairing.both_wrong(pair) is None
    said = pairing.images_sentence(pair)
    assert "Not the same images" in said and "dataset digits / own" in said and "the test images differ too" in said
    assert "do not compare" in pairing.susceptibility_sentence(pair.a, pair.b)
    assert pairing.tested(pair.a, pair.b) is None


def test_part_of_the_images_is_said_to_be_part(stocked: Library) -> None:
    a = read(stocked, "finished")
    half = a.source_index[::2]
    b = dataclasses.replace(
        a, run_id="0" * 12, config=dataclasses.replace(a.config, train_size=100), source_index=half,
        labels=dataclasses.replace(a.labels, given_label=a.labels.given_label[::2], is_mislabeled=a.labels.is_mislabeled[::2]),
        facts=dataclasses.replace(a.facts, loss=a.facts.loss[:, ::2], predicted_label=a.facts.predicted_label[:, ::2]),
    )  # fmt: skip
    pair = pairing.pair_of(a, b)
    assert pair.changes is not None and len(pair.changes.loss_change) == 100 and not pair.changes.loss_change.any()
    assert "share **100 images** (A trained on 200, B on 100)" in pairing.images_sentence(pair)


def test_other_noise_is_the_same_images_under_other_labels(shop: Library) -> None:
    """Open-set noise replaces images, so those are not the same ones."""
    assert pair_of(shop, "everything", "memorized").common is not None
    assert pair_of(shop, "everything", "foreign").common is None


# -- which images changed ----------------------------------------------------------------------------


def test_kinds_of_change_are_counted_right(stocked: Library) -> None:
    pair = pair_of(stocked, "finished", "stopped")
    a, b = pair.a, pair.b
    wrong = a.labels.is_mislabeled
    fits = [run.facts.predicted_label[-1] == run.labels.given_label for run in (a, b)]
    expected = {
        "a": wrong & fits[0] & ~fits[1], "b": wrong & fits[1] & ~fits[0], "both": wrong & fits[0] & fits[1],
        "predicted": a.facts.predicted_label[-1] != b.facts.predicted_label[-1], "loss": np.ones(200, dtype=bool),
    }  # fmt: skip
    kinds = pairing.kinds_of_change(pair)
    assert list(kinds) == list(expected)
    change = np.abs(a.facts.loss[-1].astype(float) - b.facts.loss[-1].astype(float))
    for name, (_, places) in kinds.items():
        assert set(places) == set(np.flatnonzero(expected[name]))
        assert (np.diff(change[places]) <= 0).all()
    assert kinds["predicted"][1].size and pairing.lengths(kinds)["a"].endswith(f"({expected['a'].sum()})")


def test_swapping_the_runs_swaps_what_is_said(stocked: Library) -> None:
    pair = pair_of(stocked, "finished", "stopped")
    other = swapped(pair)
    there, back = pairing.kinds_of_change(pair), pairing.kinds_of_change(other)
    assert there["a"][1].tolist() == back["b"][1].tolist() and there["loss"][1].tolist() == back["loss"][1].tolist()
    found, turned = pairing.tested(pair.a, pair.b), pairing.tested(other.a, other.b)
    assert found is not None and turned is not None
    assert (found.only_a, found.only_b, found.p_value) == (turned.only_b, turned.only_a, pytest.approx(turned.p_value))


def test_a_card_says_what_either_run_makes_of_it(stocked: Library) -> None:
    pair = pair_of(stocked, "finished", "stopped")
    dataset = paired.cards.images_of(pair.a)
    assert dataset is not None
    at = int(pairing.kinds_of_change(pair)["predicted"][1][0])
    card = paired.pair_card(pair, dataset, at)
    names = [run.class_names[run.facts.predicted_label[-1, at]] for run in (pair.a, pair.b)]
    assert names[0] != names[1] and card.note.replace(paired.NARROW, " ").startswith(f"A {names[0]} (loss")
    assert f"B {names[1]} (loss" in card.note.replace(paired.NARROW, " ")
    assert card.given == pair.a.class_names[pair.a.labels.given_label[at]] and card.example == at


# -- figures ---------------------------------------------------------------------------------------


def test_figures_are_the_last_row_of_either_run(stocked: Library) -> None:
    a, b = read(stocked, "finished"), read(stocked, "stopped")
    rows = {row[0]: row[1:] for row in pairing.figure_rows(a, b)}
    last = [float(run.epochs["test_accuracy"][-1]) for run in (a, b)]
    assert rows["test accuracy"][:2] == (f"{100 * last[0]:.1f} %", f"{100 * last[1]:.1f} %")
    assert rows["test accuracy"][2].endswith(f"{abs(100 * (last[1] - last[0])):.1f} points")
    assert "wrong labels memorized" in rows


@pytest.mark.parametrize(
    ("name", "change", "words"),
    [
        ("test_accuracy", 0.0123, "+1.2 points"), ("memorized", -0.5, "\u221250.0 points"), ("susceptibility", -0.0123, "\u22120.012 nats"),
        ("mean_curvature", 3.0, "+3.0"), ("test_loss", 0.0, "±0 nats"), ("test_loss", math.nan, "-"),
    ],
)  # fmt: skip
def test_a_difference_has_its_sign_and_unit(name: str, change: float, words: str) -> None:
    assert pairing.difference_words(name, change) == words


@pytest.mark.parametrize(
    ("found", "reference", "words"),
    [
        (Changes(5, 25, 60, 10, 0.0003, 0.7), True, ("B is better, beyond chance", "p < 0.001", "clean test labels", "100 test images")),
        (Changes(12, 9, 60, 10, 0.66, 0.7), True, ("not beyond chance", "p = 0.66")),
        (Changes(30, 9, 60, 10, 0.001, 0.7), False, ("A is better", "which may be wrong themselves")),
        (Changes(4, 4, 60, 10, 1.0, 0.7), True, ("no difference",)),
    ],
)  # fmt: skip
def test_the_test_sentence_says_whether_it_is_chance(found: Changes, reference: bool, words: tuple[str, ...]) -> None:
    said = pairing.test_sentence(found, reference)
    assert all(word in said for word in words)


def test_only_what_is_beyond_chance_is_called_better() -> None:
    """Over all splits of 20: never below p = 0.05, always above."""
    for only_a in range(21):
        p = min(1.0, 2 * sum(math.comb(20, k) for k in range(min(only_a, 20 - only_a) + 1)) / 2**20)
        said = pairing.test_sentence(Changes(only_a, 20 - only_a, 50, 0, p, 0.7), True)
        assert ("beyond chance** on these" in said) == (p < 0.05)


# -- the scatter -----------------------------------------------------------------------------------


def test_the_scatter_has_every_image_once_on_one_scale() -> None:
    rng = np.random.default_rng(0)
    a, b, wrong = rng.normal(size=300), rng.normal(size=300), rng.random(300) < 0.2
    a[3] = np.nan
    info = paired_info(a, b, wrong)
    points = {n: (x, y) for cloud in info.clouds.clouds for n, x, y in zip(cloud.example, cloud.x, cloud.y, strict=True)}
    assert points == {n: (a[n], b[n]) for n in range(300) if n != 3}
    assert info.span[0] < np.nanmin([a, b]) and info.span[1] > np.nanmax([a, b])
    layout = figures_paired.paired_figure(info, colours(False), 300, "Final loss (nats)", ("in A", "in B"))["layout"]
    assert layout["xaxis"]["range"] == layout["yaxis"]["range"] == list(info.span)
    assert layout["xaxis"]["title"]["text"] == "Final loss, in A (nats)"


def test_ranks_that_agree_have_a_correlation_of_one() -> None:
    values = np.random.default_rng(1).normal(size=50)
    assert paired_info(values, np.exp(values), None).spearman == pytest.approx(1)
    assert paired_info(values, -values, None).spearman == pytest.approx(-1)
    assert "cannot be compared" in paired.agreement_words(paired_info(values, np.zeros(50), None).spearman)
    assert "much the same" in paired.agreement_words(0.9) and "different" in paired.agreement_words(-0.2)


# -- the page --------------------------------------------------------------------------------------


def test_a_single_run_has_nothing_to_be_compared_with(visit: Visit, stocked: Library) -> None:
    RunStore(stocked.home).delete([run_id for kind, run_id in stocked.ids.items() if kind != "finished"])
    assert "There is only one run with a finished epoch" in said(visit("compare", tab="two"))


def test_no_run_has_nothing_to_be_compared_with(visit: Visit) -> None:
    assert "There is no run with a finished epoch" in said(visit("compare", tab="two"))


def test_the_two_chosen_runs_are_compared(visit: Visit, stocked: Library) -> None:
    chosen = [stocked.ids["stopped"], stocked.ids["finished"]]
    page = visit("compare", tab="two", runs=",".join(chosen))
    assert (box(page, "A").value, box(page, "B").value) == tuple(chosen)
    words = said(page)
    for part in ("McNemar", "One setting differs", "After the last epoch", "Which images changed?", "Do both find the same images"):
        assert part in words
    assert not page.error and not page.warning


def test_the_link_names_two_runs_and_they_can_be_swapped(visit: Visit, stocked: Library) -> None:
    a, b = stocked.ids["finished"], stocked.ids["interrupted"]
    page = visit("compare", tab="two", a=a, b=b)
    assert (page.query_params["a"], page.query_params["b"]) == (a, b)
    next(button for button in page.button if button.key == "swap_pair").click()
    page.run()
    assert (page.query_params["a"], page.query_params["b"]) == (b, a)


def test_a_run_is_not_compared_with_itself(visit: Visit, stocked: Library) -> None:
    a = stocked.ids["finished"]
    assert "are the same run" in said(visit("compare", tab="two", a=a, b=a))


def test_runs_on_other_images_still_show_what_compares(visit: Visit, stocked: Library) -> None:
    words = said(visit("compare", tab="two", a=stocked.ids["finished"], b=stocked.ids["no truth"]))
    assert "Not the same images" in words and "After the last epoch" in words
    assert "Which images changed?" not in words


def test_a_damaged_run_is_named(visit: Visit, stocked: Library) -> None:
    a, b = stocked.ids["finished"], stocked.ids["stopped"]
    (stocked.home / a / "examples.parquet").write_bytes(b"PAR1")
    page = visit("compare", tab="two", a=a, b=b)
    assert a in page.error[0].value and "examples.parquet" in page.error[0].value


def test_another_score_and_kind_are_in_the_link(visit: Visit, stocked: Library) -> None:
    a, b = stocked.ids["finished"], stocked.ids["stopped"]
    page = visit("compare", tab="two", a=a, b=b, pair_score="aum", changed="loss")
    assert box(page, "Score").value == "aum" and page.query_params["changed"] == "loss"
    box(page, "Score").set_value("cumulative_loss")
    assert "pair_score" not in page.run().query_params
