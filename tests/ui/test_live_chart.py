"""The message to the browser is small and plain, and plotly.js is found under every base path."""

from __future__ import annotations

import json

import numpy as np
import pytest
from starlette.routing import Match

from explorer.ui.assets import plotly_route
from explorer.ui.live_chart import _evenly, _message, compact


@pytest.mark.parametrize(
    ("value", "short"),
    [(0.123456, 0.1235), (1234567.0, 1235000), (2.0, 2), (float("nan"), None), (float("-inf"), None), (3, 3), ("a", "a"), (True, True)],
)
def test_numbers_become_short(value: object, short: object) -> None:
    result = compact(value)
    assert result == short and type(result) is type(short)


def test_arrays_become_lists_and_none_is_left_out() -> None:
    figure = {"z": np.array([[1.5, np.nan]], dtype=np.float32), "n": np.int64(4), "text": None, "t": (1, None)}
    assert compact(figure) == {"z": [[1.5, None]], "n": 4, "t": [1, None]}
    json.dumps(compact(figure), allow_nan=False)


@pytest.mark.parametrize(
    ("x", "short"),
    [([0, 1, 2, 3], (0, 1)), ([5, 10, 15], (5, 5)), ([0, 1, 3], None), ([1, 2], None), ([0.0, 1.0, 2.0], None), ([2, 2, 2], None)],
)
def test_evenly_spaced_epochs_are_sent_as_a_start_and_a_step(x: list[float], short: tuple[int, int] | None) -> None:
    trace = {"type": "scatter", "x": x, "y": x}
    expected = trace if short is None else {"type": "scatter", "y": x, "x0": short[0], "dx": short[1]}
    assert _evenly(trace) == expected


def test_a_plotly_figure_is_accepted() -> None:
    graph_objects = pytest.importorskip("plotly.graph_objects")
    figure = graph_objects.Figure(graph_objects.Scatter(x=[1, 5], y=[0.5, 0.25]), layout={"template": "none"})
    assert _message(figure)["data"] == [{"type": "scatter", "x": [1, 5], "y": [0.5, 0.25]}]


@pytest.mark.parametrize(("path", "found"), [("/plotly.js", True), ("/some/base/plotly.js", True), ("/static/js/index.js", False)])
def test_plotly_is_served_under_every_base_path(path: str, found: bool) -> None:
    match, _ = plotly_route().matches({"type": "http", "path": path, "method": "GET", "root_path": "", "headers": []})
    assert (match is Match.FULL) == found
