"""How far a run is: a bar and a line of words."""

from __future__ import annotations

import streamlit as st

from explorer.config import RunConfig
from explorer.records import Progress, Run
from explorer.runs.estimate import EXTRA_PASSES, cost_shares
from explorer.runs.worker import Live
from explorer.ui import theme
from explorer.ui.words import STATUS_WORDS

PHASES = {
    "train": "training", "evaluate": "evaluating", "curvature": "probing curvature", "susceptibility": "probing susceptibility",
    "read": "reading files", "folds": "extra pass: folds", "second_split": "extra pass: second split",
    "search": "looking for look-alikes", "compare": "comparing look-alikes",
}  # fmt: skip


def show_progress(live: Live | None, run: Run | None) -> None:
    """How far it is, also of a run that is over. Nothing where not even its settings are known."""
    config = live.config if live else run.config if run else None
    if config is None:
        return
    epochs = max(0, run.last_epoch) if run is not None else 0
    progress = live.progress if live else None
    done = 1.0 if run is not None and run.status == "finished" else done_share(config, epochs, progress, _shares(config, run))
    words = _live_words(live, epochs, done, _shares(config, run)) if live else _still_words(run, epochs) if run else []
    st.progress(min(1.0, done), text=" · ".join(words))


def _shares(config: RunConfig, run: Run | None) -> dict[str, float]:
    train, test = (run.about["data"][name][0] for name in ("train_images", "test_images")) if run else (1, 0)
    return cost_shares(config, train, test)


def done_share(config: RunConfig, epochs: int, progress: Progress | None, shares: dict[str, float]) -> float:
    """Share of a whole run that is done, in [0, 1], counted in passes through the network.

    Args:
        epochs: recorded so far. progress: the newest, if any. shares: of ``cost_shares``.
    """
    extra = sum(shares[part] for part in EXTRA_PASSES)
    done = (sum(shares.values()) - extra) * epochs / config.epochs
    if progress is not None and progress.phase in EXTRA_PASSES:
        earlier = EXTRA_PASSES[: EXTRA_PASSES.index(progress.phase)]
        done += sum(shares[part] for part in earlier) + shares[progress.phase] * progress.done / max(1, progress.total)
    return done / (sum(shares.values()) or 1)


def _live_words(live: Live, epochs: int, done: float, shares: dict[str, float]) -> list[str]:
    total, progress = live.config.epochs, live.progress
    words = [f"epoch {min(total, epochs + 1 if progress and progress.epoch > epochs else epochs)}/{total}"]
    if live.state == "paused":
        words.append("paused")
    elif progress is not None:
        words.append(PHASES[progress.phase])
    if live.epochs_timed > 1:
        whole = live.epoch_seconds * total * sum(shares.values()) / sum(shares[part] for part in shares if part not in EXTRA_PASSES)
        words.append(f"{theme.seconds(whole * (1 - done))} left")
    if live.images_per_second and (progress is None or progress.phase not in EXTRA_PASSES):
        words.append(f"{theme.count(live.images_per_second)} images/s")
    return words


def _still_words(run: Run, epochs: int) -> list[str]:
    spent = sum(float(run.epochs[name].sum()) for name in ("train_seconds", "eval_seconds", "probe_seconds"))
    return [f"epoch {epochs}/{run.config.epochs}", STATUS_WORDS[run.status], f"{theme.seconds(spent)} of computing"]
