"""The regions after the reveal: what the test images say of each region, of the rule and of the other ways of choosing."""

from __future__ import annotations

import math
from collections import Counter
from typing import Any, NamedTuple

import pandas as pd
import streamlit as st

from explorer.analysis.deployment import Choices
from explorer.analysis.regions import RegionSummary, summarise
from explorer.config import ConfigError
from explorer.records import DataError
from explorer.ui.figures_regions import Point
from explorer.ui.region_runs import Group, drawn_choices, regions_of
from explorer.ui.region_words import PUBLISHED, Way, compared_words, correlation_words, verdict, ways
from explorer.ui.theme import percent

FILES_GONE = "The choice table needs the test labels, and these cannot be read"


class Outcome(NamedTuple):
    """What is revealed. marked: runs to point out in the plane, kind to run_id. trouble: why there are no ``ways``, or ""."""

    points: tuple[Point, ...]
    summaries: tuple[RegionSummary, ...]
    ways: tuple[Way, ...]
    marked: dict[str, str]
    halves: tuple[int, int, int]  # how many random halves, images in the judging one, and in the validating one
    trouble: str
    test: str  # what the accuracy on the test images is called


def test_words(facts: dict[str, Any]) -> str:
    """Held-out labels that may be wrong themselves are never called clean. facts: of ``region_runs.about``."""
    return "clean test accuracy" if facts["data"]["test_is_reference"] else "accuracy on held-out given labels"


def outcome_of(group: Group, points: list[Point], chosen: str, facts: dict[str, Any]) -> Outcome | None:
    """None for too few runs. Raises StoreError for a damaged run."""
    found, config = regions_of(points), group.runs[0].config
    if found is None or config is None:
        return None
    summaries = summarise(found, [point.test_accuracy for point in points])
    drawn, trouble = _drawn(points, config)
    marked, halves = {}, (len(drawn), 0, 0)
    if drawn:
        rule, best = drawn[0].rule_run, Counter(each.oracle_run for each in drawn).most_common(1)[0][0]
        marked = {kind: points[place].run_id for kind, place in (("rule", rule), ("best", best)) if place >= 0}
        halves = (len(drawn), drawn[0].judged, drawn[0].validated)
    found_ways = ways(points, drawn, chosen) if drawn else ()
    return Outcome(tuple(points), summaries, found_ways, marked, halves, trouble, test_words(facts))


def _drawn(points: list[Point], config: Any) -> tuple[tuple[Choices, ...], str]:
    try:
        drawn = drawn_choices(points, config)
    except (ConfigError, DataError, OSError) as error:
        return (), f"{FILES_GONE}: {str(error).rstrip('.')}."
    return drawn, "" if drawn else "The choice table needs the predictions of every run on the same test images; some are not recorded."


def show_verdict(outcome: Outcome) -> None:
    """One honest sentence, beside the plane."""
    if not outcome.ways:
        st.warning(outcome.trouble)
        return
    st.markdown(verdict(outcome.summaries, outcome.ways))
    if words := compared_words(outcome.ways):
        st.markdown(words)


def show_tables(outcome: Outcome) -> None:
    """A row for each region, a row for each way of choosing, the correlations, and what was published."""
    left, right = st.columns([1, 1.45], gap="medium")
    with left:
        st.markdown(f"**By region:** {outcome.test}, after the last epoch")
        st.dataframe(
            region_rows(outcome), hide_index=True, width="stretch", alt="Mean and standard deviation of test accuracy in each region",
            column_config={"region": st.column_config.TextColumn(width=215), "runs": st.column_config.NumberColumn(width=50)},
        )  # fmt: skip
        st.caption("sd: standard deviation over the runs of the region.")
    with right:
        if outcome.ways:
            _show_ways(outcome)
    st.markdown(correlation_words(outcome.points, outcome.test))
    st.caption(PUBLISHED)
    panel = st.expander("Every run", key="every_run", on_change="rerun")
    if panel.open:
        with panel:
            st.dataframe(run_rows(outcome), hide_index=True, width="stretch", alt="Every run with its region and its numbers")


def _show_ways(outcome: Outcome) -> None:
    times, judged, validated = outcome.halves
    st.markdown(f"**By way of choosing:** {outcome.test}")
    st.dataframe(
        way_rows(outcome), hide_index=True, width="stretch", alt="Test accuracy of what each way of choosing deploys",
        column_config={
            "way of choosing": st.column_config.TextColumn(width=160), "against the mean": st.column_config.TextColumn(width=118),
            "accuracy": st.column_config.TextColumn(width=75), "deploys": st.column_config.TextColumn(width="large"),
        },
    )  # fmt: skip
    st.caption(
        f"Over {times} random halves: {judged:,} test images judge; the other {validated:,} get labels as wrong as the training labels "
        "and serve as noisy validation set, so no choice but the oracle's touches its judge; in the plane, all test images count. ± is the "
        "standard error of the difference, in points."
    )


def region_rows(outcome: Outcome) -> pd.DataFrame:
    """Columns region, runs, mean, ± sd; as text, a dash where there is nothing."""
    return pd.DataFrame([
        {"region": f"{each.region} · {each.name}", "runs": each.runs, "mean": percent(each.mean), "± sd": percent(each.sd)}
        for each in outcome.summaries
    ])  # fmt: skip


def run_rows(outcome: Outcome) -> pd.DataFrame:
    """Numbers of every run, shares in percent: the one table to take away."""
    region = regions_of(outcome.points)
    return pd.DataFrame([
        {"run": point.words, "region": number, "susceptibility (nats)": point.susceptibility,
         "training accuracy (%)": 100 * point.train_accuracy, f"{outcome.test} (%)": 100 * point.test_accuracy,
         "memorized (%)": 100 * point.memorized, "id": point.run_id}
        for point, number in zip(outcome.points, region.region if region else (), strict=True)
    ]).round({"susceptibility (nats)": 4, "training accuracy (%)": 2, f"{outcome.test} (%)": 2, "memorized (%)": 2})  # fmt: skip


def way_rows(outcome: Outcome) -> pd.DataFrame:
    """Columns way of choosing, accuracy, against the mean, deploys."""
    return pd.DataFrame([
        {"way of choosing": way.name, "accuracy": percent(way.accuracy), "against the mean": _ahead(way), "deploys": way.run}
        for way in outcome.ways
    ])  # fmt: skip


def _ahead(way: Way) -> str:
    if way.name == "mean of all runs" or math.isnan(way.ahead):
        return "-"
    error = f" ± {100 * way.error:.1f}" if math.isfinite(way.error) else ""
    return f"{100 * way.ahead:+.1f}{error}"
