"""Instance-dependent noise against the definition, image by image, and against closed forms."""

from __future__ import annotations

import math

import numpy as np
import pytest

from explorer.config import DataConfig
from explorer.data import instance_noise
from explorer.data.instance_noise import flip_rates, instance_dependent
from explorer.data.noise import add_noise, expected_transition, expected_wrong_rate
from explorer.records import Array
from tests.support import names, toy_dataset

SD = 0.1


def truncated_mean(rate: float) -> float:
    """Mean of Normal(rate, 0.1^2) truncated to [0, 1]."""
    a, b = -rate / SD, (1 - rate) / SD
    density = [math.exp(-(z**2) / 2) / math.sqrt(2 * math.pi) for z in (a, b)]
    mass = (math.erf(b / math.sqrt(2)) - math.erf(a / math.sqrt(2))) / 2
    return rate + SD * (density[0] - density[1]) / mass


def random_set(n: int, K: int, side: int = 4, channels: int = 3) -> tuple[Array, Array]:
    rng = np.random.default_rng(n + K)
    return rng.integers(0, 256, (n, side, side, channels), dtype=np.uint8), rng.integers(0, K, n)


@pytest.mark.parametrize("rate", [0.0, 0.03, 0.2, 0.5, 0.95, 1.0])
def test_flip_rates_follow_the_truncated_normal_law(rate: float) -> None:
    from scipy.stats import kstest, truncnorm

    q = flip_rates(20_000, rate, np.random.default_rng(3))
    assert q.min() >= 0 and q.max() <= 1
    law = truncnorm(-rate / SD, (1 - rate) / SD, loc=rate, scale=SD)
    assert kstest(q, law.cdf).pvalue > 1e-4
    assert truncated_mean(rate) == pytest.approx(law.mean(), abs=1e-12)


@pytest.mark.parametrize("rate", [0.0, 0.2, 0.45, 0.97, 1.0])
@pytest.mark.parametrize("K", [2, 10])
def test_the_mean_rate_is_the_truncated_mean(rate: float, K: int) -> None:
    """One label is a coin of chance q_i, its mean known: N coins deviate by at most sqrt(1 / 4 N), here 0.0035; 4.5 of these."""
    images, true = random_set(20_000, K, side=2, channels=1)
    dataset = toy_dataset(true, names(K), true, images=images)
    config = DataConfig(noise="instance_dependent", noise_rate=rate)
    announced, labels = expected_wrong_rate(config, dataset), add_noise(config, dataset)[1]
    assert labels.wrong_rate == pytest.approx(truncated_mean(rate), abs=4.5 * math.sqrt(0.25 / 20_000))
    assert announced == pytest.approx(truncated_mean(rate), abs=4.5 * SD / math.sqrt(20_000))  # no coins yet, only their chances


def test_chances_and_labels_are_those_of_the_definition_one_image_at_a_time() -> None:
    images, true = random_set(300, 5)
    given, total = instance_dependent(images, true, 0.4, 5, np.random.default_rng(11))
    rng = np.random.default_rng(11)
    q, u = flip_rates(300, 0.4, rng), rng.random(300)
    W = np.stack([own.standard_normal((48, 5)) for own in rng.spawn(5)])  # [class, pixel, class]
    by_hand = np.zeros((5, 5))
    for i in range(300):
        y, x = int(true[i]), [float(pixel) / 255 for pixel in images[i].ravel()]
        logits = [sum(x[j] * W[y, j, k] for j in range(48)) for k in range(5)]
        top = max(logits[k] for k in range(5) if k != y)
        weight = [0.0 if k == y else math.exp(logits[k] - top) for k in range(5)]
        chances = [1 - q[i] if k == y else q[i] * weight[k] / sum(weight) for k in range(5)]
        assert sum(chances) == pytest.approx(1)
        by_hand[y] += chances
        label, below = 0, chances[0]
        while u[i] >= below:
            label, below = label + 1, below + chances[label + 1]
        assert given[i] == label
    assert np.allclose(total, by_hand, rtol=1e-9)


def test_black_images_are_mistaken_for_every_other_class_alike() -> None:
    """Without a pixel lit all logits are 0: the closed form is q / (K - 1)."""
    true = np.repeat(np.arange(4), 3000)
    given, total = instance_dependent(np.zeros((12_000, 3, 3, 1), np.uint8), true, 0.5, 4, np.random.default_rng(0))
    q = flip_rates(12_000, 0.5, np.random.default_rng(0))
    for k in range(4):
        others = [j for j in range(4) if j != k]
        assert np.allclose(total[k, others], q[true == k].sum() / 3, rtol=1e-12)
        counts = np.bincount(given[true == k], minlength=4)[others]
        assert ((counts - counts.mean()) ** 2 / counts.mean()).sum() < 23  # chi-square, 2 degrees of freedom: one in 10^5


def test_the_label_depends_on_the_image() -> None:
    """Two images of one class, lit in different halves: their wrong labels differ, which no noise of the class alone brings about."""
    halves = np.zeros((2, 8, 8, 3), dtype=np.uint8)
    halves[0, :4], halves[1, 4:] = 255, 255
    which = np.arange(8000) % 2
    given, _ = instance_dependent(halves[which], np.zeros(8000, dtype=np.int64), 0.5, 10, np.random.default_rng(0))
    shares = [np.bincount(given[(which == half) & (given != 0)], minlength=10) / (given[which == half] != 0).sum() for half in (0, 1)]
    assert np.abs(shares[0] - shares[1]).sum() / 2 > 0.5  # distance in variation, 1 for no label in common


@pytest.mark.parametrize("chunk", [1, 7, 10_000])
def test_labels_do_not_depend_on_how_many_images_are_held_at_once(chunk: int, monkeypatch: pytest.MonkeyPatch) -> None:
    images, true = random_set(500, 3)
    expected, total = instance_dependent(images, true, 0.4, 3, np.random.default_rng(1))
    monkeypatch.setattr(instance_noise, "CHUNK", chunk)
    given, again = instance_dependent(images, true, 0.4, 3, np.random.default_rng(1))
    assert np.array_equal(given, expected) and np.allclose(again, total, rtol=1e-12)


@pytest.mark.parametrize("n", [1, 2, 4])
def test_one_image_and_absent_classes_are_no_trouble(n: int) -> None:
    images, _ = random_set(n, 3)
    given, total = instance_dependent(images, np.full(n, 2), 0.5, 3, np.random.default_rng(0))
    assert given.min() >= 0 and given.max() < 3
    assert total[:2].sum() == 0 and total[2].sum() == pytest.approx(n)


def test_the_announced_transition_is_the_mean_of_the_chances_of_each_class() -> None:
    """A class of 2,000 images, each a coin with known chances: an entry deviates by at most sqrt(1 / 4 * 2,000), 0.011."""
    true = np.repeat(np.arange(5), 2000)
    images, _ = random_set(10_000, 5)
    dataset = toy_dataset(true, names(5), true, images=images)
    config = DataConfig(noise="instance_dependent", noise_rate=0.3)
    T, labels = expected_transition(config, dataset), add_noise(config, dataset)[1]
    assert T is not None and labels.asked_transition is not None and labels.transition is not None
    assert np.allclose(T, labels.asked_transition, rtol=1e-12)
    assert np.abs(T - labels.transition).max() < 4.5 * math.sqrt(0.25 / 2000)
    assert T[~np.eye(5, dtype=bool)].max() > 2 * 0.3 / 4  # not the symmetric matrix
