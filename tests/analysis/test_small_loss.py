"""The mixture of losses against scikit-learn's, and where there is nothing to tell apart."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from sklearn.exceptions import ConvergenceWarning
from sklearn.mixture import GaussianMixture

from explorer.analysis.small_loss import small_loss_gmm


def losses(seed: int, N: int = 300, share: float = 0.3, apart: float = 3.0) -> tuple[np.ndarray, np.ndarray]:
    """Losses in nats of rightly and wrongly labelled images, and which are which."""
    rng = np.random.default_rng(seed)
    wrong = rng.random(N) < share
    return np.where(wrong, apart + rng.gamma(4, 0.3, N), rng.exponential(0.3, N)).astype(np.float16), wrong


def reference(loss: np.ndarray) -> np.ndarray:
    """scikit-learn's expectation-maximisation from the same start."""
    x = loss.astype(np.float64)
    x = (x - x.min()) / (x.max() - x.min())
    groups = [x[x <= x.mean()], x[x > x.mean()]]
    mixture = GaussianMixture(
        n_components=2, max_iter=10, tol=1e-2, reg_covar=5e-4, weights_init=[len(g) / len(x) for g in groups],
        means_init=[[g.mean()] for g in groups], precisions_init=[[[1 / (g.var() + 5e-4)]] for g in groups],
    )  # fmt: skip
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # ten steps are the definition
        mixture.fit(x[:, None])
    return 1 - mixture.predict_proba(x[:, None])[:, mixture.means_.argmin()]


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("apart", [0.0, 0.5, 3.0])
def test_it_is_the_mixture_of_scikit_learn(seed: int, apart: float) -> None:
    loss, _ = losses(seed, apart=apart)
    assert small_loss_gmm(loss) == pytest.approx(reference(loss), abs=1e-9)


def test_well_separated_losses_are_told_apart() -> None:
    loss, wrong = losses(0, apart=6.0)
    assert ((small_loss_gmm(loss) > 0.5) == wrong).all()


@pytest.mark.parametrize("loss", [[0.7], [0.0, 0.0, 0.0], [3.0] * 50])
def test_equal_losses_tell_nothing(loss: list[float]) -> None:
    assert small_loss_gmm(np.array(loss, dtype=np.float16)).tolist() == [0.0] * len(loss)


@pytest.mark.parametrize(
    "loss",
    [
        [0.0, 1.0],
        [0.0] * 999 + [6e-8],  # everything memorized, the last digit of float16 aside
        [0.0] * 999 + [65504],
        [0.0, 65504] * 20,
        list(np.geomspace(6e-8, 1e-3, 200)),
    ],
)
def test_extremes_stay_probabilities(loss: list[float]) -> None:
    values = small_loss_gmm(np.array(loss, dtype=np.float16))
    assert values.shape == (len(loss),)
    assert values.min() >= 0 and values.max() <= 1
    assert values[np.argmax(loss)] > values[np.argmin(loss)]


def test_the_large_losses_are_those_of_the_component_that_ends_with_the_larger_mean() -> None:
    """A narrow heap in the middle of a wide spread: the component that starts below the mean may end above the other."""
    swapped = 0
    for seed in range(60):
        rng = np.random.default_rng(seed)
        loss = np.concatenate([rng.uniform(0, 1, 15), rng.normal(0.6, 0.03, 25)])
        expected = reference(loss)
        assert small_loss_gmm(loss) == pytest.approx(expected, abs=1e-9)
        swapped += expected[loss <= loss.mean()].mean() > expected[loss > loss.mean()].mean()
    assert swapped > 0
