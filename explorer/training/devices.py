"""Where a run computes, with how many threads, and its private sources of randomness."""

from __future__ import annotations

import hashlib
import math
import os
import platform
import sys

import torch

from explorer.config import ConfigError

PURPOSES = ("weights", "order", "augment", "mixup", "random labels", "susceptibility", "curvature", "folds", "halves", "subset")


def resolve_device(name: str) -> str:
    """``auto`` becomes cuda, mps or cpu; anything else must be there.

    Raises:
        ConfigError: if the device asked for does not exist on this machine.
    """
    there = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if name == "auto":
        return next(device for device in ("cuda", "mps", "cpu") if there[device])
    if not there[name]:
        raise ConfigError("device", name, "is not available on this machine; use auto or cpu")
    return name


def thread_count() -> int:
    """Processors a run uses: all but one, four at most. Part of a run's numbers, so it is stored with them."""
    return max(1, min(4, (os.cpu_count() or 1) - 1))


def device_name(device: str) -> str:
    """The device in words, to stand beside figures."""
    return torch.cuda.get_device_name() if device == "cuda" else f"{platform.machine()} {device}"


def generator(seed: int, purpose: str, *when: int, device: str = "cpu") -> torch.Generator:
    """A private generator for one purpose at one time (epoch, direction): nothing has to be saved to continue it."""
    if purpose not in PURPOSES:
        raise ValueError(f"unknown purpose {purpose!r}")
    digest = hashlib.sha256(f"{seed}/{purpose}/{when}".encode()).digest()
    return torch.Generator(device=device).manual_seed(int.from_bytes(digest[:8], "big") >> 1)


def peak_memory_mb(device: str) -> float:
    """Most memory held so far, in MB (10^6 bytes): by tensors on a CUDA device, else by the process; NaN where unknown."""
    if device == "cuda":
        return torch.cuda.max_memory_allocated() / 1e6
    if sys.platform == "win32":
        return math.nan
    import resource

    unit = 1 if sys.platform == "darwin" else 1024  # macOS counts bytes, Linux kilobytes
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6
