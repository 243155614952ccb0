"""What training changes, and how it is turned into opaque bytes and back. Never unpickles: weights_only is always on."""

from __future__ import annotations

import copy
import io
import time
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from explorer.config import RunConfig
from explorer.records import TrainingError
from explorer.training.devices import generator
from explorer.training.models import Network, build_model

STATE_FORMAT = 2
STATE_SHARE = 0.02  # of the time may go into saving state


@dataclass(slots=True)
class Member:
    """One network in training: ELR+ has two of them, every other loss one."""

    model: Network
    optimizer: torch.optim.SGD
    memory: Tensor | None  # ELR targets [N, K]
    average: Network | None  # ELR+: running average of the weights
    step: int = 0  # optimizer steps so far


@dataclass(slots=True)
class Learner:
    """All that training changes, and so all that a checkpoint holds (randomness is derived from seed and epoch).

    when: tells this training from others of the same run (folds, halves) to the generators; empty for the run itself.
    """

    members: list[Member]
    num_classes: int
    when: tuple[int, ...] = ()
    epoch: int = -1  # last one completed

    @property
    def predictor(self) -> Network | Committee:
        """What is evaluated and probed: the network, or the mean of both."""
        models = [member.model for member in self.members]
        return models[0] if len(models) == 1 else Committee(models)


class Committee(nn.Module):
    """The mean of several networks' logits, and their embeddings side by side, as one network."""

    def __init__(self, models: list[Network]) -> None:
        super().__init__()
        self.models = nn.ModuleList(models)

    def forward(self, images: Tensor) -> Tensor:
        return torch.stack([model(images) for model in self.models]).mean(dim=0)

    def embed(self, images: Tensor) -> tuple[Tensor, Tensor]:
        logits, embeddings = zip(*(model.embed(images) for model in self.models), strict=True)  # type: ignore[operator]
        return torch.stack(logits).mean(dim=0), torch.cat(embeddings, dim=1)


def new_learner(
    config: RunConfig, *, images: int, channels: int, size: int, num_classes: int, device: str, when: tuple[int, ...] = ()
) -> Learner:
    """Untrained networks and what goes with them, as ``config`` says. images: N, the rows of the target memory."""
    members = []
    for k in range(2 if config.loss == "elr_plus" else 1):
        seed = generator(config.seed, "weights", *when, *([k] if k else [])).initial_seed()
        model = build_model(config.model, channels=channels, size=size, num_classes=num_classes, width=config.width, seed=seed).to(device)
        model = model.to(memory_format=torch.channels_last)  # faster convolutions, on a CPU too
        optimizer = torch.optim.SGD(model.parameters(), lr=config.lr, momentum=config.momentum, weight_decay=config.weight_decay)
        memory = torch.zeros(images, num_classes, device=device) if config.loss in ("elr", "elr_plus") else None
        average = copy.deepcopy(model).requires_grad_(False) if config.loss == "elr_plus" else None
        members.append(Member(model, optimizer, memory, average))
    return Learner(members, num_classes, when)


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
        members = [_content(member) for member in learner.members]
        torch.save({"format": STATE_FORMAT, "epoch": learner.epoch, "members": members}, buffer)
        self.saved_at = time.perf_counter()
        self.cost = 2 * (self.saved_at - started)  # writing it costs about as much again
        return buffer.getvalue()


def _content(member: Member) -> dict[str, Any]:
    return {
        "step": member.step,
        "model": member.model.state_dict(),
        "optimizer": member.optimizer.state_dict(),
        "memory": member.memory,
        "average": None if member.average is None else member.average.state_dict(),
    }


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
    content = read_state(state, learner.members[0].model.head.weight.device)
    try:
        for member, kept in zip(learner.members, content["members"], strict=True):
            member.model.load_state_dict(kept["model"])
            member.optimizer.load_state_dict(kept["optimizer"])
            member.step = int(kept["step"])
            if member.memory is not None:
                member.memory.copy_(kept["memory"])
            if member.average is not None:
                member.average.load_state_dict(kept["average"])
        learner.epoch = int(content["epoch"])
    except (KeyError, RuntimeError, ValueError, TypeError) as error:
        raise TrainingError("the checkpoint belongs to another run; run it again from the start") from error
