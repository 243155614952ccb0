"""How often the 95 % interval of the error rate holds the true one: ``pytest -m benchmark -s``. No time is measured."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
from scipy import stats

from explorer.analysis.error_rate import error_rate, estimate_from, marked_interval, random_order
from explorer.records import Array, Decision

pytestmark = pytest.mark.benchmark

REVIEWS = 1000
POPULATIONS, SAMPLES, NOISE = (1500, 5000), (50, 100, 150, 200, 300, 400), (0.05, 0.2, 0.4)
Interval = Callable[[int, int, int], tuple[float, float]]


def labels(population: int, noise: float, seed: int = 0) -> Array:
    """bool ``[N]``: which of the labels are wrong, an exact number of them."""
    wrong = np.zeros(population, dtype=bool)
    wrong[: round(noise * population)] = True
    return np.random.default_rng(seed).permutation(wrong)


@pytest.mark.parametrize("population", POPULATIONS)
def test_simulated_reviews(population: int) -> None:
    """1,000 reviews of images drawn at random, for each number of them and each noise rate."""
    outside = []
    print(f"\n{population} images: share of {REVIEWS} intervals that hold the true rate (mean width)")
    for sample in SAMPLES:
        line = f"  {sample:4d} reviewed"
        for noise in NOISE:
            wrong = labels(population, noise)
            found = [error_rate(wrong[random_order(population, f"review {n}")[:sample]], population) for n in range(REVIEWS)]
            held = np.mean([rate is not None and rate.low <= wrong.mean() <= rate.high for rate in found])
            width = np.mean([rate.high - rate.low for rate in found if rate is not None])
            line += f"   {100 * noise:2.0f} %: {held:.3f} ({width:.3f})"
            outside += [] if 0.93 <= held <= 0.97 else [(population, sample, noise, held)]
        print(line)
    assert outside == []


@pytest.mark.parametrize("noise", NOISE)
def test_simulated_mixed_reviews(noise: float) -> None:
    """The page's own order: three suspicious images, which hold most of the wrong labels, and one at random; 300 images reviewed."""
    population, reviewed, held, errors = 1500, 300, 0, []
    for n in range(REVIEWS):
        rng = np.random.default_rng(n)
        wrong, order = labels(population, noise, n), random_order(population, f"mixed {n}")
        suspicious = np.argsort(-(wrong + rng.normal(0, 0.4, population)))
        log = mixed_review(suspicious, order, wrong, reviewed)
        rate = estimate_from(log, order, np.zeros(population, dtype=np.int64), np.arange(population))
        assert rate is not None and rate.left_out == 0
        held += rate.low <= wrong.mean() <= rate.high
        errors.append(rate.estimate - wrong.mean())
    bias, spread = float(np.mean(errors)), float(np.std(errors))
    print(f"\n{100 * noise:.0f} %: held {held / REVIEWS:.3f}, bias {100 * bias:+.2f} points, spread of one review {100 * spread:.2f}")
    assert 0.93 <= held / REVIEWS <= 0.97
    assert abs(bias) < 4 * spread / math.sqrt(REVIEWS)


def mixed_review(suspicious: Array, order: Array, wrong: Array, images: int) -> list[Decision]:
    """By a reviewer who is always right, where every given label is 0."""
    log: list[Decision] = []
    seen: set[int] = set()
    queues = iter(suspicious.tolist()), iter(order.tolist())
    for turn in range(1, images + 1):
        at_random = turn % 4 == 0
        image = next(i for i in queues[at_random] if i not in seen)
        seen.add(image)
        action, via = "relabel" if wrong[image] else "keep", "random" if at_random else "suspicious"
        log.append(Decision(image, action, int(wrong[image]), "ann", 0, f"{turn}", via=via, decision_id=turn))
    return log


# -- why this interval -------------------------------------------------------------------------------


def as_endless(population: int, drawn: int) -> float:
    """How many images of an endless set would tell as much."""
    return drawn * (population - 1) / max(population - drawn, 1e-9)


def wilson(population: int, drawn: int, found: int) -> tuple[float, float]:
    share, draws = found / drawn, as_endless(population, drawn)
    spread = 1.959964**2 / draws
    half = 1.959964 * math.sqrt(share * (1 - share) / draws + spread / (4 * draws))
    return population * (share + spread / 2 - half) / (1 + spread), population * (share + spread / 2 + half) / (1 + spread)


def jeffreys(population: int, drawn: int, found: int) -> tuple[float, float]:
    hits = as_endless(population, drawn) * found / drawn
    low, high = stats.beta.ppf([0.025, 0.975], hits + 0.5, as_endless(population, drawn) - hits + 0.5)
    return population * low if found else 0.0, population * high if found < drawn else population


def clopper_pearson(population: int, drawn: int, found: int) -> tuple[float, float]:
    """The hypergeometric distribution inverted, what was found counted in full."""
    marked = np.arange(found, population - drawn + found + 1)
    few, many = stats.hypergeom.cdf(found, population, marked, drawn), stats.hypergeom.sf(found - 1, population, marked, drawn)
    inside = marked[(few > 0.025) & (many > 0.025)]
    return int(inside.min()), int(inside.max())


INTERVALS: dict[str, Interval] = {"mid-P": marked_interval, "Wilson": wilson, "Jeffreys": jeffreys, "Clopper-Pearson": clopper_pearson}


def coverage(interval: Interval, population: int, drawn: int, noise: float) -> float:
    """Exact: over every possible outcome, each with its probability."""
    marked = round(noise * population)
    chance = stats.hypergeom.pmf(np.arange(drawn + 1), population, marked, drawn)
    held = 0.0
    for found in np.flatnonzero(chance > 1e-5).tolist():
        low, high = interval(population, drawn, found)
        held += chance[found] * (low - 1e-9 <= marked <= high + 1e-9)
    return held


def test_the_interval_that_keeps_closest() -> None:
    """Exact coverage of four intervals; the one in use is the only one that is never outside of 93 to 97 %."""
    cases = [(population, drawn, noise) for population in POPULATIONS for drawn in SAMPLES for noise in NOISE]
    inside = {}
    print(f"\nexact coverage over {len(cases)} cases: least, mean, most, cases in 93 to 97 %")
    for name, interval in INTERVALS.items():
        held = np.array([coverage(interval, *case) for case in cases])
        inside[name] = int(((held >= 0.93) & (held <= 0.97)).sum())
        print(f"  {name:16s} {held.min():.3f} {held.mean():.3f} {held.max():.3f} {inside[name]:3d}")
    assert inside["mid-P"] == len(cases) > max(number for name, number in inside.items() if name != "mid-P")
