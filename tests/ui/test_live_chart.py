"""The message to the browser is small and plain, and plotly.js is found under every base path."""

from __future__ import annotations

import gzip
import json
from importlib.metadata import version
from typing import Any

import numpy as np
import pytest
from starlette.requests import Request
from starlette.routing import Match
from streamlit.testing.v1 import AppTest

from explorer.ui import assets
from explorer.ui.assets import drawing_version, plotly_route
from explorer.ui.live_chart import _evenly, _message, compact
from tests.ui.conftest import Library, Visit


@pytest.mark.parametrize(
    ("value", "short"),
    [
        (0.12345678, 0.123457), (1234567.0, 1234567), (12345678.9, 12345700), (2.0, 2), (float("nan"), None), (float("-inf"), None), (3, 3),
        ("a", "a"), (True, True),
    ],
)  # fmt: skip
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


# -- what charts can be taken away as ----------------------------------------------------------------


def charts(page: AppTest) -> dict[str, dict[str, Any]]:
    """What the browser gets of each chart, by what it shows."""
    assert not page.exception
    found = (each.proto.json or each.proto.mixed.json for each in page.get("bidi_component"))
    return {data["alt"]: data for data in map(json.loads, filter(None, found)) if "figure" in data}


def test_the_downloads_travel_with_plotly_and_rename_what_is_cached() -> None:
    assert drawing_version().startswith(version("plotly") + "-")
    for encoding in ("gzip", "identity"):
        request = Request({"type": "http", "headers": [(b"accept-encoding", encoding.encode())]})
        served = assets._plotly(request)
        assert served.headers.get("Content-Encoding", "identity") == encoding
        script = gzip.decompress(served.body) if encoding == "gzip" else served.body
        assert script.startswith(b"/**\n* plotly.js v") and b"window.explorerChartFiles" in script


def test_a_chart_of_one_run_is_named_after_it(visit: Visit, stocked: Library) -> None:
    run_id = stocked.ids["finished"]
    for page in ("train", "inspect"):
        for alt, data in charts(visit(page, run=run_id)).items():
            assert data["about"]["of"] == f"run {run_id}" and alt.startswith(data["about"]["title"])


def test_a_chart_of_several_runs_is_named_after_none(visit: Visit, stocked: Library) -> None:
    page = visit("compare", run=stocked.ids["finished"], tab="curves", metrics="test_accuracy")
    [data] = charts(page).values()
    assert data["about"] == {"title": "Test accuracy over epochs", "of": "4 runs", "background": "#FFFFFF", "text": "#1F2428"}
    assert [trace["customdata"][-1] for trace in data["figure"]["data"]] == [3, 2, 2, 3]
