"""What settings, states and runs are called on the pages."""

from __future__ import annotations

from explorer.config import RunConfig

OWN = "own data…"
WORDS = {
    "digits": "digits · real, 8×8", "planted": "planted · drawn, 32×32", OWN: "own data (a path)…",
    "none": "none", "symmetric": "symmetric", "symmetric_inclusive": "symmetric, true class included",
    "asymmetric": "asymmetric (look-alikes)",
    "cnn": "small CNN", "mlp": "MLP", "resnet18": "ResNet-18", "ce": "cross-entropy", "elr": "early-learning regularization (ELR)",
    "crop_mirror": "crop and mirror",
}  # fmt: skip
STATUS_WORDS = {
    "queued": "waiting for its turn", "running": "training", "paused": "paused", "stopped": "stopped; the finished epochs are kept",
    "finished": "finished", "failed": "failed", "interrupted": "interrupted", "damaged": "damaged",
}  # fmt: skip


def word(value: str) -> str:
    return WORDS.get(value, value)


def describe(config: RunConfig) -> str:
    """A run in one line of words."""
    noise = "no added noise" if config.noise == "none" else f"{word(config.noise)} {100 * config.noise_rate:g} %"
    name = config.dataset.rstrip("/").rsplit("/", 1)[-1]
    return f"{name} · {noise} · {word(config.model)} · {word(config.loss)} · seed {config.seed}"
