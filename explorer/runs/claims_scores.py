"""Claims about scores: curvature, its rivals, and memorization as Feldman and Zhang define it. See claims.py."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from explorer.analysis.agreement import agreement
from explorer.analysis.detection import detect
from explorer.analysis.scores import suspicion
from explorer.config import MemorizationConfig, RunConfig
from explorer.records import Run
from explorer.runs.claims import Claim, Configs, Values, auroc, digits, exceeds, falling, judged, percent
from explorer.runs.execution import scores_of

RACE = {
    "cumulative loss": "cumulative_loss", "curvature": "curvature", "second split": "second_split_forgetting",
    "confident learning": "confident_learning", "confidence at the end": "self_confidence",
}  # fmt: skip
RADII = (1e-1, 1e-2, 1e-3, 1e-4)
DIRECTIONS = (5, 10, 20)
LOW, HIGH = 0.01, 0.1


def _one(seed: int) -> Configs:
    return {"run": judged(seed)}


def _race(*names: str) -> Any:
    return lambda runs: dict(zip(names, auroc(runs["run"], *(RACE[name] for name in names)), strict=True))


def _averaging(runs: Mapping[str, Run]) -> dict[str, float]:
    return dict(zip(("averaged", "last epoch"), auroc(runs["run"], "curvature", "curvature_last"), strict=True))


def _rates(runs: Mapping[str, Run]) -> dict[str, float]:
    names = {"curvature": "curvature", "confidence at the end": "self_confidence"}
    return {f"{title} at {role}": auroc(run, name)[0] for title, name in names.items() for role, run in runs.items()}


def _rates_hold(v: Values) -> bool:
    low, high = f"{100 * LOW:g} %", f"{100 * HIGH:g} %"
    steady = exceeds(v[f"curvature at {high}"] - v[f"curvature at {low}"], -0.02)
    return steady and exceeds(v[f"confidence at the end at {low}"] - v[f"confidence at the end at {high}"])


def _curvatures(runs: Mapping[str, Run]) -> dict[str, float]:
    return {role: auroc(run, "curvature")[0] for role, run in runs.items()}


def _probe(seed: int, **changes: Any) -> RunConfig:
    """Curvature every third epoch, so that many settings fit into an hour."""
    return digits(seed, 0.1, curvature_every=3, **({"curvature_directions": 5} | changes))


def _flat(v: Values, names: list[str], within: float) -> bool:
    means = [float(np.mean(v[name])) for name in names]
    return max(means) - min(means) < within


def _peaks(runs: Mapping[str, Run]) -> dict[str, float]:
    epochs = runs["run"].epochs
    curvature = int(epochs["epoch"][int(np.nanargmax(epochs["mean_curvature"]))])
    return {"epoch of peak curvature": curvature, "epoch of least test loss": int(np.argmin(epochs["test_loss"]))}


def _conflicts(runs: Mapping[str, Run]) -> dict[str, float]:
    """AUROC for finding both images of every planted pair whose labels conflict."""
    run = runs["run"]
    assert run.planted is not None
    given, partner = run.labels.given_label, run.planted.partner
    position = {int(index): n for n, index in enumerate(run.source_index)}
    pairs = [(n, position[int(p)]) for n, p in enumerate(partner) if p >= 0 and int(p) in position]
    positive = np.zeros(len(given), dtype=bool)
    positive[[n for pair in pairs if given[pair[0]] != given[pair[1]] for n in pair]] = True
    scores = scores_of(run)
    found = {title: detect(suspicion(name, scores[name]), positive).auroc for title, name in list(RACE.items())[:2]}
    return found | {"final loss": detect(suspicion("final_loss", scores["final_loss"]), positive).auroc}


def _conflicts_hold(v: Values) -> bool:
    return all(exceeds(v[name] - v["final loss"]) and float(np.mean(v[name])) > 0.9 for name in ("curvature", "cumulative loss"))


def _memorization(runs: Mapping[str, Any]) -> dict[str, float]:
    """Spearman correlation of three scores of the run with memorization estimated from many networks."""
    run, estimate = runs["run"], runs["memorization"]
    scores = scores_of(run)
    names = ("cumulative_loss", "curvature", "final_loss")
    assert np.array_equal(run.source_index, estimate.source_index)
    return {name.replace("_", " "): agreement(estimate.memorization, suspicion(name, scores[name])).spearman for name in names}


def _costs(runs: Mapping[str, Run]) -> dict[str, float]:
    """Each ratio within one run, so that a machine busy with other things slows both sides alike."""

    def ratio(role: str, part: str) -> float:
        epochs = runs[role].epochs
        return 1 + float(np.median(epochs[part][2:] / epochs["train_seconds"][2:]))  # the first epochs warm up

    probed = {role: ratio(role, "probe_seconds") for role in ("2 directions", "10 directions")}
    return probed | {"evaluation": ratio("2 directions", "eval_seconds")}


def _costs_hold(v: Values) -> bool:
    return float(np.mean(v["2 directions"])) <= 3.6 and float(np.mean(v["10 directions"])) <= 14.3


def _large(seed: int, **changes: Any) -> RunConfig:
    settings: dict[str, Any] = {
        "noise": "symmetric",
        "epochs": 30,
        "batch_size": 128,
        "lr": 0.1,
        "weight_decay": 1e-4,
        "augment": "crop_mirror",
    }
    return RunConfig(dataset="cifar10", model="resnet18", width=64, seed=seed, data_seed=seed, **(settings | changes))


SCORE_CLAIMS: tuple[Claim, ...] = (
    Claim(
        "cumulative-loss-leads", "Cumulative loss finds flipped labels at least as well as curvature.", ".987 / .982 AUROC",
        "digits, symmetric 10 %", _one, _race("cumulative loss", "curvature"),
        lambda v: exceeds(v["cumulative loss"] - v["curvature"], -0.001),
    ),
    Claim(
        "curvature-beats-second-split", "Curvature finds flipped labels better than second-split forgetting.", ".982 / .936 AUROC",
        "digits, symmetric 10 %, 5 epochs on the second half", _one, _race("curvature", "second split"),
        lambda v: exceeds(v["curvature"] - v["second split"]),
    ),
    Claim(
        "second-split-beats-confident-learning", "Second-split forgetting finds them better than confident learning.", ".936 / .855 AUROC",
        "digits, symmetric 10 %, 3 folds", _one, _race("second split", "confident learning"),
        lambda v: exceeds(v["second split"] - v["confident learning"]), needs_package="cleanlab",
        note="the published figure leaves all images that are not flagged tied at 0; here they are ranked by margin",
    ),
    Claim(
        "confidence-at-the-end-is-last", "What a memorizing network believes at the end finds them worst of all.", ".855 / .653 AUROC",
        "digits, symmetric 10 %", _one, _race("confident learning", "confidence at the end"),
        lambda v: exceeds(v["confident learning"] - v["confidence at the end"]), needs_package="cleanlab",
    ),
    Claim(
        "rates", "Curvature finds them as well at 10 % as at 1 %; confidence at the end gets worse.", ".972 to .982; .878 to .653 AUROC",
        "digits, symmetric 1 and 10 %", lambda seed: {f"{100 * rate:g} %": judged(seed, rate) for rate in (LOW, HIGH)}, _rates, _rates_hold,
    ),
    Claim(
        "averaging", "Curvature averaged over the epochs beats curvature at the last epoch.",
        "reviews of the curvature paper: peaks, then falls",
        "digits, symmetric 10 %", _one, _averaging, lambda v: exceeds(v["averaged"] - v["last epoch"]),
    ),
    Claim(
        "radius", "AUROC hardly depends on the radius between 0.1 and 0.001, and falls below.", "robust from 1e-1 to 1e-3",
        "digits, symmetric 10 %, 5 directions, every third epoch",
        lambda seed: {f"h {h:g}": _probe(seed, curvature_radius=h) for h in RADII}, _curvatures,
        lambda v: _flat(v, [f"h {h:g}" for h in RADII[:3]], 0.03) and exceeds(v["h 0.001"] - v["h 0.0001"]),
    ),
    Claim(
        "directions", "AUROC hardly depends on the number of directions between 5 and 20.", "robust for 5, 10, 20",
        "digits, symmetric 10 %, every third epoch",
        lambda seed: {f"n {n}": _probe(seed, curvature_directions=n) for n in DIRECTIONS}, _curvatures,
        lambda v: _flat(v, [f"n {n}" for n in DIRECTIONS], 0.01),
    ),
    Claim(
        "curvature-peak", "Mean curvature peaks near the epoch of least test loss.", "epochs 19 and 17 of 200",
        "digits, symmetric 10 %, 30 epochs", _one, _peaks,
        lambda v: abs(float(np.mean(v["epoch of peak curvature"] - v["epoch of least test loss"]))) <= 3,
        note="under the cosine schedule test loss falls until the rate is nearly zero",
    ),
    Claim(
        "conflicting-copies", "Images that stand in the data twice under different labels rise to the top.", ".954 / .982 AUROC",
        "planted, no added noise, no weight decay",
        lambda seed: {"run": RunConfig(dataset="planted", noise="none", seed=seed, data_seed=seed)}, _conflicts, _conflicts_hold,
        note="two labels on one picture keep its loss above the others' to the end, so final loss tells as much",
    ),
    Claim(
        "memorization", "Cumulative loss agrees best with memorization (Feldman, Zhang), then curvature, then final loss.",
        "Pearson .79 / .49 / .17", "digits, symmetric 10 %, Spearman",
        lambda seed: {"run": judged(seed), "memorization": MemorizationConfig(dataset="digits", noise_rate=0.1, seed=seed, data_seed=seed)},
        _memorization, lambda v: falling(v, "cumulative loss", "curvature", "final loss"),
    ),
    Claim(
        "costs", "Training with curvature costs at most so many times bare training.", "3.6 / 14.3 / 1.33 times",
        "digits, 2 and 10 directions every epoch, and evaluation alone; medians over the epochs",
        lambda seed: {
            "2 directions": judged(seed), "10 directions": digits(seed, 0.1, curvature_every=1, curvature_directions=10, epochs=10),
        },
        _costs, _costs_hold,
    ),
    Claim(
        "full-scale-scores", "ResNet-18 on CIFAR-10: AUROC of cumulative loss and curvature.", ".987 / .982 AUROC",
        "shortened: 30 of 200 epochs, symmetric 10 %", lambda seed: {"run": _large(seed, noise_rate=0.1, curvature_every=3)},
        _race("cumulative loss", "curvature"), lambda v: all(float(np.mean(each)) > 0.95 for each in v.values()), needs_gpu=True,
    ),
    Claim(
        "full-scale-elr", "ResNet-18 on CIFAR-10: test accuracy of cross-entropy and ELR.", "81.9 / 89.2 % (ResNet-34)",
        "shortened: 30 of 120 epochs, symmetric 40 % (true class included)",
        lambda seed: {
            loss: _large(seed, noise="symmetric_inclusive", noise_rate=0.4, loss=loss, lr=0.02, weight_decay=1e-3, curvature_every=0)
            for loss in ("ce", "elr")
        },
        lambda runs: {loss: percent(run, "test_accuracy") for loss, run in runs.items()}, lambda v: exceeds(v["elr"] - v["ce"]),
        needs_gpu=True,
    ),
)  # fmt: skip
