"""What the papers claim, and how each claim is put to the test on a small machine.

Full-scale figures are for ResNets on CIFAR; here sign and order are tested, not values. To add a claim: write a function that
makes its runs for a seed, one that measures them, one that decides, and name them in CLAIMS.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np

from explorer.analysis.detection import detect
from explorer.analysis.regions import regions
from explorer.analysis.scores import suspicion
from explorer.config import MemorizationConfig, RunConfig
from explorer.records import Array, Run
from explorer.runs.execution import scores_of

Values = Mapping[str, Array]  # quantity -> one number per seed
Configs = dict[str, RunConfig | MemorizationConfig]


class Claim(NamedTuple):
    """One claim. runs: seed -> what to train, by role. measure: what was trained, by role -> quantities of one seed.

    holds: quantities over the seeds -> verdict. only_labels: ``measure`` gets prepared data instead of trained runs.
    needs_gpu: too large for a CPU; run only where there is a GPU. needs_package: that has to be installed.
    note: why it may not hold here, where that is known.
    """

    name: str
    statement: str
    published: str
    setting: str
    runs: Callable[[int], Configs]
    measure: Callable[[Mapping[str, Any]], dict[str, float]]
    holds: Callable[[Values], bool]
    only_labels: bool = False
    needs_gpu: bool = False
    needs_package: str = ""
    note: str = ""


def exceeds(difference: Array, margin: float = 0.0) -> bool:
    """Whether paired differences, one per seed, lie above a margin by more than their standard error."""
    error = float(np.std(difference, ddof=1)) / math.sqrt(len(difference)) if len(difference) > 1 else 0.0
    return bool(np.mean(difference) > margin + error)


def mean(values: Array) -> float:
    """Over the seeds where the quantity is known; NaN where it never is."""
    known = values[np.isfinite(values)]
    return float(known.mean()) if len(known) else math.nan


def falling(values: Values, *names: str) -> bool:
    """Whether the means of these quantities fall in this order."""
    means = [mean(values[name]) for name in names]
    return all(a > b for a, b in zip(means, means[1:], strict=False))


# -- runs ------------------------------------------------------------------------------------------


def digits(seed: int, rate: float, **changes: Any) -> RunConfig:
    """The default run on the digits with that share of labels flipped; curvature and embeddings only where asked for."""
    settings: dict[str, Any] = {"noise": "symmetric", "noise_rate": rate, "curvature_every": 0, "embedding_every": 0} | changes
    return RunConfig(dataset="digits", seed=seed, data_seed=seed, **settings)


def redrawn(seed: int, rate: float, **changes: Any) -> RunConfig:
    """The same with labels redrawn over all classes, the true one included, as ELR and susceptibility were tested."""
    return digits(seed, rate, noise="symmetric_inclusive", **changes)


def judged(seed: int, rate: float = 0.1) -> RunConfig:
    """A run with everything that scores can be computed from."""
    return digits(seed, rate, curvature_every=1, folds=3, second_split_epochs=5)


def last(run: Run, name: str) -> float:
    return float(run.epochs[name][-1])


def percent(run: Run, name: str) -> float:
    return 100 * last(run, name)


def auroc(run: Run, *names: str) -> list[float]:
    """AUROC of scores for finding the wrong labels of a run."""
    scores, wrong = scores_of(run), run.labels.is_mislabeled
    assert wrong is not None
    return [detect(suspicion(name, scores[name]), wrong).auroc for name in names]


# -- noise -----------------------------------------------------------------------------------------


def _noise_runs(seed: int) -> Configs:
    kinds = (("symmetric_inclusive", 0.5), ("asymmetric", 0.4), ("instance_dependent", 0.2))
    return {noise: RunConfig(noise=noise, noise_rate=rate, data_seed=seed, seed=seed) for noise, rate in kinds}


def _noise_measured(prepared: Mapping[str, Any]) -> dict[str, float]:
    return {f"{name.replace('_', ' ')} % wrong": 100 * each.labels.wrong_rate for name, each in prepared.items()}


def _noise_holds(values: Values) -> bool:
    return all(abs(float(np.mean(v)) - asked) < 2 for v, asked in zip(values.values(), (45, 20, 20), strict=True))


# -- early learning --------------------------------------------------------------------------------


def _two_phases(runs: Mapping[str, Run]) -> dict[str, float]:
    epochs = runs["ce"].epochs
    peak = int(np.argmax(epochs["test_accuracy"]))
    return {
        "peak epoch": peak, "test % at the peak": 100 * float(epochs["test_accuracy"][peak]),
        "test % at the end": percent(runs["ce"], "test_accuracy"),
        "memorized % at the peak": 100 * float(epochs["memorized"][peak]),
        "memorized % at the end": percent(runs["ce"], "memorized"),
    }  # fmt: skip


def _two_phases_hold(values: Values) -> bool:
    later = exceeds(values["memorized % at the end"] - values["memorized % at the peak"])
    return later and exceeds(values["test % at the peak"] - values["test % at the end"])


RATES = (0.2, 0.4, 0.6, 0.8)


def _elr_gains(runs: Mapping[str, Run]) -> dict[str, float]:
    return {
        f"at {100 * rate:.0f} %": percent(runs[f"elr {rate}"], "test_accuracy") - percent(runs[f"ce {rate}"], "test_accuracy")
        for rate in RATES
    }


def _elr_gains_hold(values: Values) -> bool:
    return all(exceeds(values[f"at {100 * rate:.0f} %"]) for rate in RATES[1:]) and falling(
        values, *(f"at {100 * r:.0f} %" for r in RATES[::-1])
    )


def _memorized(runs: Mapping[str, Run]) -> dict[str, float]:
    return {f"{loss} memorized %": percent(run, "memorized") for loss, run in runs.items()}


def _tests(runs: Mapping[str, Run]) -> dict[str, float]:
    return {f"{role} test %": percent(run, "test_accuracy") for role, run in runs.items()}


ABLATION = {
    "two networks": {"mixup_alpha": 0.0, "ema_momentum": 0.0}, "and averages": {"mixup_alpha": 0.0}, "and mixup": {"ema_momentum": 0.0},
    "and both": {},
}  # fmt: skip

# -- susceptibility --------------------------------------------------------------------------------

TRACKED: dict[str, dict[str, Any]] = {
    "cosine": {}, "constant": {"schedule": "constant", "lr": 0.01}, "mlp": {"model": "mlp", "width": 16},
    "weight decay": {"weight_decay": 1e-3},
}  # fmt: skip


FIXED = " (fixed rate)"


def tracking(run: Run, probe: str = "susceptibility", saturated: float = 0.95) -> float:
    """Pearson correlation over the epochs, before memorization saturates, of a probe's susceptibility and the memorized share."""
    memorized, zeta = run.epochs["memorized"][1:], run.epochs[probe][1:]
    before = int(np.argmax(memorized >= saturated)) if (memorized >= saturated).any() else len(memorized)
    if before < 3 or np.ptp(memorized[:before]) == 0:
        return math.nan
    return float(np.corrcoef(zeta[:before], memorized[:before])[0, 1])


def _trackings(runs: Mapping[str, Run]) -> dict[str, float]:
    paper = {role: tracking(run) for role, run in runs.items()}
    return paper | {role + FIXED: tracking(run, "susceptibility_fixed_lr") for role, run in runs.items()}


def _fading(runs: Mapping[str, Run]) -> dict[str, float]:
    drops = {name: runs["cosine"].epochs[name][1:] for name in ("susceptibility_drop", "susceptibility_drop_fixed_lr")}
    paper, fixed = (100 * float(d[-1] / d.max()) for d in drops.values())
    return {"last drop in % of the largest": paper, "at the fixed rate": fixed}


def _sweep(seed: int) -> Configs:
    networks = ({"model": "cnn", "width": 8}, {"model": "cnn", "width": 32}, {"model": "mlp", "width": 32})
    return {
        f"{network['model']} {network['width']} lr {lr} wd {decay}": redrawn(
            seed, 0.4, lr=lr, weight_decay=decay, schedule="constant", **network
        )
        for network in networks for lr in (0.002, 0.02) for decay in (0.0, 0.01)
    }  # fmt: skip


def _region_tests(runs: Mapping[str, Run]) -> dict[str, float]:
    found = regions([last(r, "susceptibility_fixed_lr") for r in runs.values()], [last(r, "train_accuracy") for r in runs.values()])
    assert found is not None
    test = np.array([percent(run, "test_accuracy") for run in runs.values()])
    return {f"region {k}": float(test[np.array(found.region) == k].mean()) if k in found.region else math.nan for k in (1, 2, 3, 4)}


def _regions_hold(values: Values) -> bool:
    """Region 1 ahead of every other region that has a network in it."""
    first, *others = (mean(values[f"region {k}"]) for k in (1, 2, 3, 4))
    return all(first > other for other in others if math.isfinite(other))


CLAIMS: tuple[Claim, ...] = (
    Claim(
        "noise-rates", "The same nominal rate means different shares of wrong labels.", "45 / 20 / 20 %",
        "inclusive symmetric at 50 %, asymmetric at 40 %, instance-dependent at 20 %, 10 classes",
        _noise_runs, _noise_measured, _noise_holds,
        only_labels=True,
    ),
    Claim(
        "two-phases", "Cross-entropy first learns, then memorizes: test accuracy peaks before the wrong labels are fitted, then falls.",
        "figure 1 of the ELR paper", "digits, inclusive 40 %", lambda seed: {"ce": redrawn(seed, 0.4)}, _two_phases, _two_phases_hold,
    ),
    Claim(
        "elr-gain", "ELR's lead over cross-entropy in test accuracy grows with the noise rate.", "+4.2 / +7.3 / +12.0 / +20.0 points",
        "digits, inclusive 20 / 40 / 60 / 80 %",
        lambda seed: {f"{loss} {rate}": redrawn(seed, rate, loss=loss) for loss in ("ce", "elr") for rate in RATES},
        _elr_gains, _elr_gains_hold,
    ),
    Claim(
        "elr-memorizes-less", "ELR memorizes less than half of what cross-entropy memorizes.", "figure 1 of the ELR paper",
        "digits, inclusive 40 %", lambda seed: {loss: redrawn(seed, 0.4, loss=loss) for loss in ("ce", "elr")}, _memorized,
        lambda v: exceeds(v["ce memorized %"] / 2 - v["elr memorized %"]),
    ),
    Claim(
        "elr-needs-memory", "Without memory (beta 0) ELR's test accuracy collapses.", "86.1 to about 38 %", "digits, inclusive 60 %",
        lambda seed: {"beta 0.7": redrawn(seed, 0.6, loss="elr"), "beta 0": redrawn(seed, 0.6, loss="elr", elr_beta=0.0)}, _tests,
        lambda v: exceeds(v["beta 0.7 test %"] - v["beta 0 test %"], 10),
    ),
    Claim(
        "elr-plus-parts", "Of ELR+'s parts mixup adds more than averages, and both together most.", "73.5 / 80.1 / 84.8 / 88.6 %",
        "digits, inclusive 80 %",
        lambda seed: {role: redrawn(seed, 0.8, loss="elr_plus", **parts) for role, parts in ABLATION.items()}, _tests,
        lambda v: falling(v, "and both test %", "and mixup test %", "and averages test %", "two networks test %"),
        note="the parts come in the paper's order, but in 30 short epochs averages add nothing to mixup",
    ),
    Claim(
        "susceptibility-tracks", "Within a run, susceptibility follows the memorized share until that saturates.", "correlation above .9",
        "digits, inclusive 40 %, four settings", lambda seed: {role: redrawn(seed, 0.4, **changes) for role, changes in TRACKED.items()},
        _trackings, lambda v: all(mean(each) > 0.9 for name, each in v.items() if not name.endswith(FIXED)),
        note="under a cosine schedule the paper's probe fades while memorization goes on; the fixed-rate probe does not",
    ),
    Claim(
        "susceptibility-fades", "Under a cosine schedule the paper's probe fades to nothing; at a fixed rate it does not.", "to 0",
        "digits, inclusive 40 %", lambda seed: {"cosine": redrawn(seed, 0.4)}, _fading,
        lambda v: float(np.mean(v["last drop in % of the largest"])) < 5 < float(np.mean(v["at the fixed rate"])),
    ),
    Claim(
        "regions", "Networks of region 1 (trainable, resistant) have the best clean test accuracy.",
        "61.8 / 57.9 / 51.3 / 51.4 % (Clothing1M)",
        "digits, inclusive 40 %, 12 settings, fixed-rate probe", _sweep, _region_tests, _regions_hold,
        note="with 36 % wrong labels a training accuracy above 64 % is itself memorization: here the networks that fit least test best",
    ),
)  # fmt: skip
