"""How many labels are wrong altogether, estimated without bias from images drawn at random, and when to stop reviewing."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from explorer.analysis.decisions import UNSEEN, kinds_of, of_author, standing, verdicts, wrong_found
from explorer.analysis.distributions import hypergeometric
from explorer.records import Array, Decision

ENOUGH = 20  # images drawn at random before anything is said
CLEAR = ("label", "exclude")  # verdicts that say whether the given label is wrong
FEW = 0.02  # of the last suspicious ones: so few that going on is not worth it
ROUNDING = 1e-12  # of probabilities: one that equals the limit is inside
RECENT = 50  # suspicious images whose hit rate tells how the queue is doing


class ErrorRate(NamedTuple):
    """Share of wrong labels among all images, in [0, 1], with the ends of its interval.

    reviewed: images drawn at random and decided; wrong: of those; left_out: drawn but skipped, ambiguous, in dispute or unseen.
    population: images altogether. unseen: drawn, but decided in bulk or imported without a look.
    """

    estimate: float
    low: float
    high: float
    reviewed: int
    wrong: int
    left_out: int = 0
    population: int = 0
    unseen: int = 0


class Recent(NamedTuple):
    """Of the last suspicious images decided, how many were wrong."""

    wrong: int
    reviewed: int


def random_order(count: int, key: str) -> Array:
    """int64 ``[count]``: the rows of the source data in an order as good as random, the same for everyone with the same key.

    Of the bit generator's raw numbers, whose stream NumPy promises never to change.
    """
    seed = int.from_bytes(hashlib.sha256(key.encode()).digest()[:16], "big")
    return np.argsort(np.random.PCG64(seed).random_raw(count), kind="stable")


def error_rate(is_wrong: Sequence[bool] | Array, population: int, confidence: float = 0.95, left_out: int = 0) -> ErrorRate | None:
    """Share of wrong labels among all images, from some of them drawn at random; None for none.

    Args:
        is_wrong: bool ``[n]`` of the images drawn and decided. population: images altogether, at least n.
    """
    reviewed, wrong = len(is_wrong), int(np.sum(is_wrong))
    if not reviewed:
        return None
    low, high = marked_interval(population, reviewed, wrong, confidence)
    return ErrorRate(wrong / reviewed, low / population, high / population, reviewed, wrong, left_out, population)


@lru_cache(maxsize=4096)
def marked_interval(population: int, drawn: int, found: int, confidence: float = 0.95) -> tuple[int, int]:
    """How many of the population are marked, at least and at most, when so many of those drawn at random are.

    The hypergeometric distribution inverted, what was found itself counted half (mid-P): a number of marked ones is inside if
    neither as few nor as many found would then be rarer than half of ``1 - confidence``. Where all are drawn it is exact.
    Of five intervals this one keeps closest to its confidence at few images and low rates (tests/benchmarks/test_error_rate.py):
    Clopper and Pearson's is too wide, Jeffreys' too narrow there, Wilson's with a correction for the finite population between.

    Source:
        Lancaster, Journal of the American Statistical Association 56, 1961, for mid-P.
    """
    tail = (1 - confidence) / 2 - ROUNDING
    low = _first(found, population - drawn + found, lambda marked: _tails(population, marked, drawn, found)[1] > tail)
    high = _first(found, population - drawn + found + 1, lambda marked: _tails(population, marked, drawn, found)[0] <= tail) - 1
    return low, max(low, high)


def _tails(population: int, marked: int, drawn: int, found: int) -> tuple[float, float]:
    """(chance of as few, of as many marked ones among those drawn), what was found itself counted half."""
    least, chance = hypergeometric(population, marked, drawn)
    place = found - least
    return float(chance[:place].sum() + chance[place] / 2), float(chance[place + 1 :].sum() + chance[place] / 2)


def _first(start: int, stop: int, holds: Callable[[int], bool]) -> int:
    """The first whole number from which on it holds; ``stop`` if never before that."""
    while start < stop:
        middle = (start + stop) // 2
        start, stop = (start, middle) if holds(middle) else (middle + 1, stop)
    return start


# -- from the log -----------------------------------------------------------------------------------


def estimate_from(
    log: Iterable[Decision], order: Array, given_label: Array, source_index: Array, author: str = "", confidence: float = 0.95
) -> ErrorRate | None:
    """The error rate of these images, from the part of the log that is a random sample of them; None before there is one.

    The sample is the images of ``order`` drawn so far. One that came up as suspicious
    and was decided before the random ones came that far counts as well: to leave those out would leave out wrong ones. What was
    decided in bulk or imported without a look does not count: as long as such images are among those drawn, the interval reaches from
    all of them being right to all being wrong (see ``unseen_among_drawn``). An image skipped, ambiguous or in dispute is left out.
    An excluded image shows none of the classes, so its given label is wrong.

    Args:
        log: oldest first. order: of ``random_order``, rows of the source data. given_label, source_index: int ``[N]`` of the run's
            images, which are the population. author: as for ``verdicts``.
    """
    log = of_author(log, author)
    drawn, counts = _drawn(log, order, source_index)
    said = verdicts(_looked_at(log))
    clear = drawn[counts & np.isin(kinds_of(said, drawn), CLEAR)]
    is_wrong = wrong_found(said, clear, _given(clear, source_index, given_label))
    N, unseen = len(source_index), len(unseen_among_drawn(log, order, source_index))
    rate = error_rate(is_wrong, N, confidence, left_out=len(drawn) - len(is_wrong))
    if rate is None or not unseen:
        return rate
    low, _ = marked_interval(N, rate.reviewed + unseen, rate.wrong, confidence)
    _, high = marked_interval(N, rate.reviewed + unseen, rate.wrong + unseen, confidence)
    return rate._replace(low=low / N, high=high / N, unseen=unseen)


def unseen_among_drawn(log: Iterable[Decision], order: Array, source_index: Array, author: str = "") -> Array:
    """int64 ``[U]``: source indices, as drawn, of the images drawn so far that were decided in bulk or imported and still need a look."""
    log = of_author(log, author)
    drawn, _ = _drawn(log, order, source_index)
    decided, seen = ([decision.source_index for decision in rows] for rows in (standing(log), _looked_at(log)))
    return drawn[np.isin(drawn, decided) & ~np.isin(drawn, seen)]


def _drawn(log: Sequence[Decision], order: Array, source_index: Array) -> tuple[Array, Array]:
    """(source indices of the images drawn so far, in that order; bool, whether the decision on each belongs to the sample).

    They end before the first image after the last random one that nobody looked at yet. Ending at the last random one would always
    end with an image that is not among the suspicious ones, and so estimate too low.
    """
    drawn, seen = order[np.isin(order, source_index)], _looked_at(log)
    at_random, at_all = (moment[drawn] for moment in _moments(seen, len(order)))
    never = len(seen)
    upto = int(np.flatnonzero(at_random < never).max(initial=-1)) + 1
    upto += int(np.argmin(np.append(at_all[upto:] < never, False))) if upto else 0
    passed = np.minimum.accumulate(at_random[::-1])[::-1]  # when drawing had come so far
    counts = (at_random < never) | (at_all < passed)
    return drawn[:upto], counts[:upto]


def _looked_at(log: Iterable[Decision]) -> tuple[Decision, ...]:
    """Of decisions that stand, those before which somebody looked at the image."""
    return tuple(decision for decision in standing(log) if decision.via not in UNSEEN)


def _given(index: Array, source_index: Array, given_label: Array) -> Array:
    """The given labels of some images, named by their source index."""
    order = np.argsort(source_index)
    return np.asarray(given_label[order[np.searchsorted(source_index, index, sorter=order)]])


def _moments(seen: Sequence[Decision], rows: int) -> tuple[Array, Array]:
    """When each row of the source data was first decided at random, and first at all, as a place in ``seen``; its length for never."""
    at_random, at_all = np.full(rows, len(seen)), np.full(rows, len(seen))
    for moment, decision in reversed(tuple(enumerate(seen))):
        if decision.source_index < rows:
            at_all[decision.source_index] = moment
            if decision.via == "random":
                at_random[decision.source_index] = moment
    return at_random, at_all


def recent_hits(log: Iterable[Decision], given_label: Array, source_index: Array, author: str = "", last: int = RECENT) -> Recent:
    """How many of the last suspicious images that were decided have a wrong label; ambiguous and disputed ones are passed over."""
    seen = _looked_at(of_author(log, author))
    said = verdicts(seen)
    latest = dict.fromkeys(decision.source_index for decision in reversed(seen) if decision.via == "suspicious")
    index = np.array(list(latest), dtype=np.int64)
    index = index[np.isin(index, source_index) & np.isin(kinds_of(said, index), CLEAR)][:last]
    return Recent(int(wrong_found(said, index, _given(index, source_index, given_label)).sum()), len(index))


# -- when to stop -----------------------------------------------------------------------------------


class Left(NamedTuple):
    """Wrong labels not yet found: expected number and the ends of its interval."""

    expected: int
    low: int
    high: int


def wrong_left(rate: ErrorRate, found: int, undecided: int) -> Left:
    """Wrong labels that are still to be found, when so many were and so many images are undecided."""
    among = (round(share * rate.population) - found for share in (rate.estimate, rate.low, rate.high))
    return Left(*(min(max(0, number), undecided) for number in among))


def advice(rate: ErrorRate | None, recent: Recent, found: int, undecided: int) -> str:
    """One sentence on whether to go on, with the numbers it rests on.

    Time to stop is when hardly any suspicious image is wrong any more, or no more than the rest are on average: from there on the
    order is no better than chance.

    Args:
        recent: of ``recent_hits``. found: images decided to carry a wrong label. undecided: images without a verdict.
    """
    if not undecided:
        return "Every image is decided: nothing is left to review."
    if rate is None or rate.reviewed < ENOUGH:
        done = 0 if rate is None else rate.reviewed
        return f"Review {ENOUGH - done} more images drawn at random: then this place estimates how many wrong labels are left."
    left = wrong_left(rate, found, undecided)
    about = f"about {left.expected:,} wrong labels ({left.low:,} to {left.high:,}) are left among {undecided:,} undecided images"
    about += f"; {rate.unseen:,} of the images drawn at random were decided without a look and still need one" if rate.unseen else ""
    if recent.reviewed < ENOUGH:
        return f"Go on with the suspicious images: {about}."
    hits, at_random = recent.wrong / recent.reviewed, left.expected / undecided
    of_last = f"{recent.wrong} of the last {recent.reviewed} suspicious images had a wrong label"
    if hits <= FEW:
        return f"You can stop: only {of_last}; {about}."
    if hits <= at_random:
        worn = f"{of_last} ({100 * hits:.0f} %), no more than images drawn at random from the rest would have ({100 * at_random:.0f} %)"
        return f"You can stop, unless you go through everything: {worn}; {about}."
    return f"Go on: {of_last} ({100 * hits:.0f} %); {about}."
