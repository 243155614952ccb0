"""What the regions came to, in words and rows: did the rule find a good model, beside a person, noisy validation and an oracle?"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from explorer.analysis.deployment import Choices
from explorer.analysis.regions import REGION_NAMES, Correlation, RegionSummary, correlation
from explorer.ui.figures_regions import Point
from explorer.ui.theme import UNKNOWN, percent

PUBLISHED = (
    "Published pattern: on Clothing1M, 19 settings of ResNet, AlexNet and VGG, mean clean test accuracy 61.8 ± 1.6 % in region 1, "
    "57.9 ± 3.6 in 2, 51.3 ± 17.2 in 3, 51.4 ± 9.7 in 4; region 1 has both the highest mean and the smallest spread (Forouzesh, Sedghi, "
    "Thiran 2023, arXiv:2212.04461 and its code)."
)
CHANCE = 2.0  # standard errors that a difference must exceed before it is said to be one


class Way(NamedTuple):
    """A way of choosing a model. accuracy: on test images no choice but the oracle's looked at, mean over the halves, NaN for none.

    ahead, error: accuracy less the mean of all runs, and its standard error; shares.
    """

    name: str
    run: str  # what it deploys, in words
    accuracy: float
    ahead: float
    error: float


def ways(points: Sequence[Point], drawn: Sequence[Choices], chosen: str) -> tuple[Way, ...]:
    """Every way of choosing, best possible last.

    Args:
        drawn: of several random halves of the test images, at least one. chosen: run_id of the person's own choice.
    """
    yours = next((i for i, point in enumerate(points) if point.run_id == chosen), -1)
    runs = {
        "your choice": _deployed(points, [yours]), "what the rule deploys": _deployed(points, [each.rule_run for each in drawn]),
        "mean of region 1": "-", "mean of all runs": "-",
        "best by noisy validation": _deployed(points, [each.noisy_run for each in drawn]),
        "oracle": _deployed(points, [each.oracle_run for each in drawn]),
    }  # fmt: skip
    values = {
        "your choice": [each.accuracy[yours] if yours >= 0 else math.nan for each in drawn],
        "what the rule deploys": [each.rule for each in drawn], "mean of region 1": [each.region_1 for each in drawn],
        "mean of all runs": [each.all_runs for each in drawn],
        "best by noisy validation": [each.noisy_validation for each in drawn], "oracle": [each.oracle for each in drawn],
    }  # fmt: skip
    return tuple(_way(name, runs[name], values[name], values["mean of all runs"]) for name in runs)


def _way(name: str, run: str, accuracy: Sequence[float], everything: Sequence[float]) -> Way:
    """The spread over random halves of the test images is the standard error of an estimate from all of them."""
    ahead = np.subtract(accuracy, everything)
    error = float(ahead.std(ddof=1)) if len(ahead) > 1 else math.nan
    return Way(name, run, float(np.mean(accuracy)), float(ahead.mean()), error)


def _deployed(points: Sequence[Point], places: Sequence[int]) -> str:
    (place, times), *others = Counter(places).most_common()
    if place < 0:
        return UNKNOWN
    return f"{points[place].words} (in {times} of {len(places)} halves)" if others else points[place].words


# -- verdict ---------------------------------------------------------------------------------------


def points_words(difference: float) -> str:
    """0.0123 -> ``1.2 points``, without its sign."""
    return f"{100 * abs(difference):.1f} points"


def _beside(difference: float, what: str) -> str:
    if abs(difference) < 0.0005:
        return f"level with {what}"
    return f"{points_words(difference)} {'above' if difference > 0 else 'below'} {what}"


def verdict(summaries: Sequence[RegionSummary], found: Sequence[Way]) -> str:
    """One sentence: whether the rule worked in these runs, by what it deploys and by the mean of its region."""
    if not summaries[0].runs:
        return (
            "**The rule has nothing to deploy here:** region 1 is empty. No run is both at or above the mean in training accuracy and at "
            "or below it in susceptibility."
        )
    way = {each.name: each for each in found}
    rule, oracle = way["what the rule deploys"], way["oracle"]
    top = max((each for each in summaries if each.runs), key=lambda each: each.mean)
    distance = f"the model it deploys is {_beside(rule.ahead, 'the mean of all runs')}"
    behind = _beside(rule.accuracy - oracle.accuracy, "the oracle's")
    if top.region == 1:
        region = "region 1 has the highest mean of the regions"
    else:
        region = f"region {top.region} ({REGION_NAMES[top.region]}) has the highest mean, {percent(top.mean)}"
        region += f", and region 1 {percent(summaries[0].mean)}"
    if abs(rule.ahead) <= CHANCE * rule.error or math.isnan(rule.error):
        allowance = f", within chance (± {100 * CHANCE * rule.error:.1f})" if math.isfinite(rule.error) else ""
        return f"**The rule made no clear difference in these runs:** {distance}{allowance}, and {behind}; {region}."
    if rule.ahead < 0:
        return f"**The rule did not work in these runs:** {distance}, and {behind}; {region}."
    if top.region == 1:
        return f"**The rule worked in these runs:** {distance}, and {behind}; {region}."
    return f"**The rule helped in these runs, but its region is not the best:** {distance}, and {behind}; {region}."


def compared_words(found: Sequence[Way]) -> str:
    """How your choice and noisy validation did beside the rule; what is unknown is left out."""
    way = {each.name: each for each in found}
    rule, said = way["what the rule deploys"], []
    yours, noisy = way["your choice"], way["best by noisy validation"]
    if math.isfinite(yours.accuracy):
        beside = f", {_beside(yours.accuracy - rule.accuracy, 'the rule')}" if math.isfinite(rule.accuracy) else ""
        said.append(f"Your choice: **{percent(yours.accuracy)}**{beside}.")
    if math.isnan(noisy.accuracy):
        said.append("Choosing by noisy validation cannot be replayed: the true labels are not known.")
    else:
        ruled = math.isfinite(rule.accuracy)
        beside = _beside(noisy.accuracy - rule.accuracy, "the rule") if ruled else _beside(noisy.ahead, "the mean of all runs")
        said.append(f"Choosing by accuracy on noisy validation labels instead: {beside}.")
    return " ".join(said)


def correlation_words(points: Sequence[Point], test_word: str) -> str:
    """How susceptibility goes with the memorized share, which the method rests on, and with test accuracy, which one wants to know."""
    x = [point.susceptibility for point in points]
    shares = {"the memorized share": [point.memorized for point in points], test_word: [point.test_accuracy for point in points]}
    said = [f"with {what} {_numbers(correlation(x, values))}" for what, values in shares.items()]
    return f"Susceptibility correlates {'; '.join(said)}. The rule rests on the first being near 1 and the second below 0."


def _numbers(found: Correlation) -> str:
    if found.pearson is None or found.spearman is None:
        return f"unknown ({found.count} runs where both are known and vary; 3 are needed)"
    pearson, spearman = (f"{round(value, 2) + 0.0:+.2f}" for value in (found.pearson, found.spearman))  # never -0.00
    return f"**{pearson}** (Pearson), **{spearman}** (Spearman, {found.count} runs)"
