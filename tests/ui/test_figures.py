"""The numbers of a figure are compared here; of the drawing only what it must contain. plotly itself checks the property names."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest

from explorer.ui import drawing, figures, figures_images, figures_plane, figures_probes, figures_scores
from explorer.ui.theme import Palette, colours, contrast

TRUTH = ["clean_accuracy", "memorized", "recovered", "neither"]
PALETTES = [colours(False), colours(True)]
NAN = float("nan")


def _epochs(last: int = 6, truth: bool = True) -> pd.DataFrame:
    """A run in two phases: it learns, then it memorizes."""
    epoch = np.arange(last + 1)
    memorized = epoch / (last + 2)
    frame = pd.DataFrame({
        "epoch": epoch, "train_loss": 2.0 - epoch * 0.1, "train_accuracy": 0.1 + 0.8 * epoch / last,
        "test_accuracy": 0.1 + 0.5 * epoch / last, "clean_accuracy": 0.1 + 0.9 * epoch / last, "memorized": memorized,
        "recovered": 0.5 * (1 - memorized), "neither": 0.5 * (1 - memorized),
        "susceptibility": [NAN, *(0.02 * epoch[1:])], "susceptibility_fixed_lr": NAN,
        "mean_curvature": [NAN, *np.sin(epoch[1:])], "learning_rate": 0.05,
    })  # fmt: skip
    if not truth:
        frame[TRUTH] = NAN
    return frame


def _history() -> figures_images.HistoryInfo:
    loss = np.array([3.0, 2.5, 1.0, 0.1], dtype=np.float16)
    return figures_images.history_info(range(1, 5), loss, 1 - loss, ["4", "1", "1", "7"], "7", "1")


def _quality() -> pd.DataFrame:
    return pd.DataFrame({"score": ["loss", "margin", "none"], "auroc": [0.8, 0.9, NAN], "low": [0.7, 0.8, NAN],
                         "high": [0.9, 0.95, NAN], "average_precision": [0.5, 0.6, NAN]})  # fmt: skip


CHANGES = np.array([NAN, 0.5, 0.1, 0.2, 0.3, 0.4])
OTHERS = [(f"run{i}", _epochs(4 + i)) for i in range(4)]
WRONG = np.arange(100) >= 80
DISTRIBUTION = figures_scores.distribution_info("loss (nats)", np.arange(100.0), WRONG)
DRAWN: dict[str, Callable[..., dict[str, Any]]] = {
    "plane": lambda p: figures_plane.plane_figure(figures_plane.plane_info(_epochs(), wrong_rate=0.2, others=OTHERS, chosen=3), p),
    "plane empty": lambda p: figures_plane.plane_figure(figures_plane.plane_info(_epochs(1).iloc[:1]), p),
    "plane unknown": lambda p: figures_plane.plane_figure(figures_plane.plane_info(_epochs(truth=False)), p),
    "plane at a fixed rate": lambda p: figures_plane.plane_figure(
        figures_plane.plane_info(_epochs().assign(susceptibility_fixed_lr=0.3), probe="fixed"), p
    ),
    "curves": lambda p: figures.curves_figure(figures.curves_info(_epochs(), chosen=2), p),
    "curves with Label Wave": lambda p: figures.curves_figure(figures.curves_info(_epochs(), changes=CHANGES, stop=3), p),
    "curves empty": lambda p: figures.curves_figure(figures.curves_info(_epochs().iloc[:0]), p),
    "probes": lambda p: figures_probes.probes_figure(figures_probes.probes_info(_epochs(), chosen=2), p),
    "probes empty": lambda p: figures_probes.probes_figure(figures_probes.probes_info(_epochs().iloc[:1]), p),
    "history": lambda p: figures_images.history_figure(_history(), p),
    "distribution": lambda p: figures_scores.distribution_figure(DISTRIBUTION, p),
    "detection": lambda p: figures_scores.detection_figure(figures_scores.detection_info(_quality(), 0.2), p),
}  # fmt: skip


def _axes(figure: dict[str, Any]) -> dict[str, str]:
    return {name: axis["title"]["text"] for name, axis in figure["layout"].items() if name[1:].startswith("axis") and "title" in axis}


@pytest.mark.parametrize("palette", PALETTES, ids=["light", "dark"])
@pytest.mark.parametrize("name", DRAWN)
def test_plotly_accepts_every_figure(name: str, palette: Palette) -> None:
    graph_objects = pytest.importorskip("plotly.graph_objects")
    figure = DRAWN[name](palette)
    assert len(graph_objects.Figure(figure).data) == len(figure["data"])  # it refuses properties it does not know


@pytest.mark.parametrize("name", DRAWN)
def test_words_are_readable_in_both_themes(name: str) -> None:
    for palette in PALETTES:
        for words in DRAWN[name](palette)["layout"].get("annotations", []):
            assert contrast(words["font"]["color"], palette.background) >= 4.5, words["text"]


@pytest.mark.parametrize(
    ("name", "titles"),
    [
        ("plane", {"xaxis": "susceptibility, running mean (nats)", "yaxis": "training accuracy on given labels (%)"}),
        ("plane at a fixed rate", {"xaxis": "susceptibility at a fixed rate, running mean (nats)",
                                   "yaxis": "training accuracy on given labels (%)"}),
        ("curves", {"xaxis": "epoch", "yaxis": "share of images (%)"}),
        ("probes", {"xaxis": "epoch", "yaxis": "nats", "yaxis2": "curvature"}),
        ("history", {"xaxis": "epoch", "yaxis": "loss (nats)", "yaxis2": "margin (logits)", "yaxis3": ""}),
        ("distribution", {"xaxis": "loss (nats)", "yaxis": "share of the group (%)"}),
        ("detection", {"xaxis": "AUROC", "xaxis2": "average precision", "yaxis": ""}),
    ],
)  # fmt: skip
def test_axes_have_titles_with_units(name: str, titles: dict[str, str]) -> None:
    assert _axes(DRAWN[name](PALETTES[0])) == titles


def test_curves_are_what_the_frame_says() -> None:
    info = figures.curves_info(_epochs(2), last=30, chosen=1, parts=("memorized", "test"))
    memorized = figures.Curve("memorized", "memorized", [0, 1, 2], [0.0, 0.25, 0.5])
    test = figures.Curve("clean test accuracy", "test", [0, 1, 2], pytest.approx([0.1, 0.35, 0.6]))  # type: ignore[arg-type]
    assert info[:3] == ((memorized, test), 30, 1)
    assert info.changes is None and info.stop is None


def test_unknown_truth_leaves_its_curves_out() -> None:
    names = [curve.name for curve in figures.curves_info(_epochs(truth=False), test_is_reference=False).curves]
    assert names == ["training accuracy", "held-out given labels"]


def test_every_line_has_a_label_of_its_name() -> None:
    figure = DRAWN["curves"](PALETTES[0])
    lines = {trace["name"] for trace in figure["data"]}
    assert lines == {words["name"] for words in figure["layout"]["annotations"]} and len(lines) == 6


def test_lines_are_told_apart_without_colour() -> None:
    lines = [trace["line"] for trace in DRAWN["curves"](PALETTES[0])["data"] if "line" in trace]
    ends = [trace["marker"]["symbol"] for trace in DRAWN["curves"](PALETTES[0])["data"] if "marker" in trace]
    assert len({(line["dash"], line["width"], symbol) for line, symbol in zip(lines, ends, strict=True)}) == len(lines)


def _words(figure: dict[str, Any]) -> list[str]:
    return [each["text"] for each in figure["layout"]["annotations"]]


def test_predictions_that_changed_are_drawn_from_the_second_epoch_on() -> None:
    info = figures.curves_info(_epochs(), changes=CHANGES)
    assert info.changes == figures.Curve("predictions changed", "", [2, 3, 4, 5, 6], CHANGES[1:].tolist())
    assert figures.curves_info(_epochs(), changes=CHANGES[:1]).changes is None
    assert figures.curves_info(_epochs(), changes=CHANGES[:0]).changes is None


@pytest.mark.parametrize("stop", [None, 1, 3, 6])
def test_label_wave_is_marked_with_a_symbol_and_its_name_once_it_is_seen(stop: int | None) -> None:
    figure = figures.curves_figure(figures.curves_info(_epochs(), changes=CHANGES, stop=stop), PALETTES[0])
    marks = [trace for trace in figure["data"] if trace["name"] == "Label Wave"]
    rules = [shape["x0"] for shape in figure["layout"]["shapes"]]
    assert rules == [] if stop is None else [stop]
    assert [(mark["x"], mark["marker"]["symbol"]) for mark in marks] == ([] if stop is None else [([stop], "triangle-down")])
    assert _words(figure).count("Label Wave") == (stop is not None)


def test_the_name_of_label_wave_covers_no_curve_where_it_can() -> None:
    """Curves at the bottom of the left half and at the top of the right one: the name of a rule at the middle finds room."""
    frame = _epochs(10).assign(train_accuracy=0.05, memorized=[0.1] * 5 + [0.9] * 6)
    info = figures.curves_info(frame, parts=("train", "memorized"), stop=5)
    height, side = info.place
    curve = dict(zip(range(11), frame["memorized"], strict=True))
    beside = range(5, 8) if side == "left" else range(3, 6)
    assert all(abs(curve[epoch] - height) > 0.08 for epoch in beside if epoch != 5)


def test_the_peak_is_named_only_when_passed() -> None:
    rising, passed = _epochs(3), _epochs(3)
    rising["mean_curvature"], passed["mean_curvature"] = [NAN, 1.0, 2.0, 3.0], [NAN, 1.0, 3.0, 2.0]
    assert figures_probes.probes_info(rising).peak is None
    assert figures_probes.probes_info(passed).peak == (2, 3.0)


def test_the_plane_begins_where_susceptibility_is_known() -> None:
    info = figures_plane.plane_info(_epochs(2), run_id="me", wrong_rate=0.2, chosen=1)
    assert info.path.epoch == [1, 2] and info.path.run_id == "me"
    assert (info.ceiling, info.chosen, info.region) == (0.8, 1, None)
    assert info.marks[-1] == 2 and info.labels == (1,)


def test_the_plane_can_show_the_probe_at_a_fixed_rate() -> None:
    frame = _epochs(3).assign(susceptibility_fixed_lr=[NAN, NAN, 0.5, 0.7])
    info = figures_plane.plane_info(frame, probe="fixed", others=[("other", frame), ("without", _epochs(3))])
    assert (info.path.epoch, info.path.susceptibility) == ([2, 3], [0.5, 0.7])
    assert [other.run_id for other in info.others] == ["other"]


def test_regions_are_the_mean_of_four_or_more_runs_in_any_order() -> None:
    ends = [(0.02 * (4 + i), 0.9) for i in range(4)]
    assert figures_plane.plane_info(_epochs(), others=OTHERS[:3]).region is None
    assert figures_plane.plane_info(_epochs(), others=OTHERS[:3], finished=True).region is not None  # itself the fourth
    assert figures_plane.plane_info(_epochs(), others=OTHERS).region == pytest.approx(np.mean(ends, axis=0))
    assert figures_plane.plane_info(_epochs(), others=OTHERS[::-1]).region == pytest.approx(np.mean(ends, axis=0))


@pytest.mark.parametrize(("rate", "words"), [(0.2, ["memorizes nothing: 80.0 %"]), (0.0, []), (None, [])])
def test_the_ceiling(rate: float | None, words: list[str]) -> None:
    figure = figures_plane.plane_figure(figures_plane.plane_info(_epochs(), wrong_rate=rate), PALETTES[0])
    assert [each["text"] for each in figure["layout"]["annotations"] if not each["text"].startswith("regions")] == words


def test_the_plane_axis_holds_every_point() -> None:
    info = figures_plane.plane_info(_epochs(), others=[("low", _epochs().assign(susceptibility=-0.03))])
    assert info.x_range[0] <= -0.03 and info.x_range[1] >= 0.12


def test_history_says_what_each_prediction_means() -> None:
    info = _history()
    assert info.fits == ["neither", "recovered", "recovered", "memorized"]
    assert info.pieces == [(0, 1), (1, 3), (3, 4)]
    unknown = figures_images.history_info([1, 2], np.ones(2), np.ones(2), ["7", "1"], "7", None)
    assert unknown.fits == ["fit", "neither"]


def test_each_group_of_a_distribution_adds_up_to_one() -> None:
    values = np.r_[np.random.default_rng(0).normal(size=99), NAN]
    info = figures_scores.distribution_info("loss", values, WRONG)
    assert [name for name, _, _ in info.groups] == ["right label (80)", "wrong label (19)"] and info.left_out == 1
    assert [sum(share) for _, _, share in info.groups] == pytest.approx([1, 1])
    assert [name for name, _, _ in figures_scores.distribution_info("loss", values, None).groups] == ["all images (99)"]


def test_the_best_score_comes_first_and_unknown_ones_not_at_all() -> None:
    info = figures_scores.detection_info(_quality(), 0.2)
    assert (info.score, info.auroc, info.chance) == (["margin", "loss"], [0.9, 0.8], 0.2)


@pytest.mark.parametrize("seed", range(5))
def test_spread_keeps_order_room_and_distance(seed: int) -> None:
    rng = np.random.default_rng(seed)
    wanted = rng.random(6).tolist()
    placed = drawing.spread(wanted, 0.1, 0.0, 1.0)
    assert np.array_equal(np.argsort(placed), np.argsort(wanted))
    assert np.diff(np.sort(placed)).min() >= 0.1 - 1e-9 and min(placed) >= -1e-9 and max(placed) <= 1 + 1e-9
    assert drawing.spread([0.1, 0.5, 0.9], 0.1, 0.0, 1.0) == [0.1, 0.5, 0.9]
    assert drawing.spread([0.5] * 5, 1.0, 0.0, 1.0) == pytest.approx([0, 0.25, 0.5, 0.75, 1])


@pytest.mark.parametrize(("value", "top"), [(0.12, 0.15), (0.15, 0.15), (3.3, 4), (9.1, 10), (101, 150)])
def test_nice_top(value: float, top: float) -> None:
    assert drawing.nice_top(value) == pytest.approx(top)


def test_nice_step() -> None:
    assert [drawing.nice_step(span, 8) for span in (5, 30, 200)] == [1, 5, 50]
