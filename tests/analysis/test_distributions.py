"""The distributions against SciPy."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from explorer.analysis.distributions import hypergeometric, sign_test, t_quantile, t_within


@pytest.mark.parametrize(
    ("population", "marked", "drawn"), [(10, 4, 5), (10, 9, 8), (50, 0, 7), (50, 50, 7), (5000, 260, 400), (5000, 2000, 5000), (9, 3, 0)]
)
def test_hypergeometric(population: int, marked: int, drawn: int) -> None:
    least, chance = hypergeometric(population, marked, drawn)
    x = np.arange(least, least + len(chance))
    expected = stats.hypergeom.pmf(x, population, marked, drawn)
    np.testing.assert_allclose(chance, expected, rtol=1e-9, atol=1e-300)
    assert chance.sum() == pytest.approx(1, abs=1e-12)
    assert expected.sum() == pytest.approx(1, abs=1e-9)  # nothing outside these counts


@pytest.mark.parametrize("one", [0, 1, 5, 40, 700])
@pytest.mark.parametrize("other", [0, 1, 5, 45, 3000])
def test_sign_test_is_the_exact_binomial_one(one: int, other: int) -> None:
    expected = stats.binomtest(one, one + other).pvalue if one + other else 1.0
    assert sign_test(one, other) == pytest.approx(expected, rel=1e-9, abs=1e-300)
    assert sign_test(one, other) == pytest.approx(sign_test(other, one), rel=1e-9, abs=1e-300)


@pytest.mark.parametrize("freedom", [1, 2, 3, 4, 5, 9, 30, 99])
def test_students_t(freedom: int) -> None:
    for confidence in (0.5, 0.9, 0.95, 0.99):
        assert t_quantile(confidence, freedom) == pytest.approx(stats.t.ppf((1 + confidence) / 2, freedom), rel=1e-10)
    for t in (0.0, 0.3, 1.0, 4.0):
        assert t_within(t, freedom) == pytest.approx(1 - 2 * stats.t.sf(t, freedom), abs=1e-12)


def test_the_t_of_every_table() -> None:
    assert t_quantile(0.95, 4) == pytest.approx(2.776, abs=5e-4)
    assert t_quantile(0.95, 1) == pytest.approx(math.tan(0.475 * math.pi))  # Cauchy
