"""What training changes, and how it is turned into opaque bytes and back. Never unpickles: weights_only is always on."""

from __future__ import annotations

import io
import time
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from explorer.records import TrainingError
from explorer.training.models import Network

STATE_FORMAT = 1
STATE_SHARE = 0.02  # of the time may go into saving state


@dataclass(slots=True)
class Learner:
    """All that training changes, and so all that a checkpoint holds (randomness is derived from seed and epoch)."""

    model: Network
    optimizer: torch.optim.SGD
    memory: Tensor | None  # ELR targets [N, K]
    epoch: int = -1  # last one completed
    step: int = 0


@dataclass(slots=True)
class Saving:
    """Serialises the learner after every epoch, or less often where that would take more than STATE_SHARE of the time."""

    cost: float = 0.0
    saved_at: float = field(default_factory=time.perf_counter)

    def state(self, learner: Learner, *, last: bool) -> bytes | None:
        """Bytes to continue from, or None where it is too early for the next."""
        started = time.perf_counter()
        if not last and self.cost > STATE_SHARE * (started - self.saved_at):
            return None
        buffer = io.BytesIO()
        content = {
            "format": STATE_FORMAT,
            "epoch": learner.epoch,
            "step": learner.step,
            "model": learner.model.state_dict(),
            "optimizer": learner.optimizer.state_dict(),
            "memory": learner.memory,
        }
        torch.save(content, buffer)
        self.saved_at = time.perf_counter()
        self.cost = 2 * (self.saved_at - started)  # writing it costs about as much again
        return buffer.getvalue()


def read_state(state: bytes, device: torch.device | str = "cpu") -> dict[str, Any]:
    """The content of a checkpoint. Raises TrainingError if it is damaged."""
    try:
        content = torch.load(io.BytesIO(state), map_location=device, weights_only=True)
        if content["format"] != STATE_FORMAT:
            raise ValueError(f"format {content['format']}")
    except Exception as error:
        raise TrainingError(f"the checkpoint cannot be read ({type(error).__name__}); run it again from the start") from error
    return dict(content)


def restore(learner: Learner, state: bytes) -> None:
    """Put the learner where ``state`` left off. Raises TrainingError if it is damaged or of another run."""
    content = read_state(state, learner.model.head.weight.device)
    try:
        learner.model.load_state_dict(content["model"])
        learner.optimizer.load_state_dict(content["optimizer"])
        learner.epoch, learner.step = int(content["epoch"]), int(content["step"])
        if learner.memory is not None:
            learner.memory.copy_(content["memory"])
    except (KeyError, RuntimeError, ValueError, TypeError) as error:
        raise TrainingError("the checkpoint belongs to another run; run it again from the start") from error
