"""Copies of images changed as copies in the wild are, with known sources: what near-duplicate search is calibrated on."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageFilter

from explorer.records import Array

Change = Callable[[Array, np.random.Generator], Array]


class Copies(NamedTuple):
    """images: uint8 ``[n, H, W, C]``. source: int64 ``[n]``, the image each is a copy of. change: ``[n]``, what was done to it."""

    images: Array
    source: Array
    change: Array


def changed_copies(images: Array, count: int, seed: int = 0) -> Copies:
    """``count`` (at most one per image) changed copies, the kinds of CHANGES in turn; which images, depends on their content alone."""
    rng = np.random.default_rng(seed)
    digests = [hashlib.blake2b(image.tobytes(), digest_size=8, key=bytes([seed % 256])).digest() for image in images]
    source = np.array(sorted(range(len(images)), key=digests.__getitem__)[:count], dtype=np.int64)
    change = np.array(list(CHANGES))[np.arange(len(source)) % len(CHANGES)] if len(source) else np.zeros(0, dtype="<U1")
    copies = [CHANGES[str(name)](images[n], rng) for n, name in zip(source, change, strict=True)]
    return Copies(np.stack(copies) if copies else images[:0], source, change)


def _by_pillow(edit: Callable[[Image.Image, np.random.Generator], Image.Image]) -> Change:
    """A change of a Pillow picture as one of an array, colour or grey kept."""

    def change(image: Array, rng: np.random.Generator) -> Array:
        grey = image.shape[-1] == 1
        edited = np.asarray(edit(Image.fromarray(image[..., 0] if grey else image), rng))
        return edited[..., None] if grey else edited

    return change


def _recompressed(image: Image.Image, rng: np.random.Generator) -> Image.Image:
    file = io.BytesIO()
    image.save(file, "JPEG", quality=int(rng.integers(30, 80)))
    return Image.open(file)


def _cropped(image: Image.Image, rng: np.random.Generator) -> Image.Image:
    width, height = image.size
    share = rng.uniform(0.8, 0.95)
    left, top = rng.uniform(0, (1 - share) * width), rng.uniform(0, (1 - share) * height)
    return image.resize(image.size, Image.Resampling.BICUBIC, (left, top, left + share * width, top + share * height))


def _turned(image: Image.Image, rng: np.random.Generator) -> Image.Image:
    return image.rotate(float(rng.uniform(4, 12) * rng.choice([-1, 1])), Image.Resampling.BICUBIC, fillcolor=image.getpixel((0, 0)))


def _blurred(image: Image.Image, rng: np.random.Generator) -> Image.Image:
    return image.filter(ImageFilter.GaussianBlur(float(rng.uniform(0.5, 1.2)) * image.width / 32))


def _toned(low: float, high: float, about: Callable[[Array], Array]) -> Change:
    """Values stretched about a level by a factor from ``low`` to ``high``, or shrunk by its inverse."""

    def change(image: Array, rng: np.random.Generator) -> Array:
        factor = rng.uniform(low, high) ** rng.choice([-1, 1])
        level = about(image)
        return np.clip(np.rint(level + factor * (image - level)), 0, 255).astype(np.uint8)

    return change


def _shifted(image: Array, rng: np.random.Generator) -> Array:
    step = max(1, round(len(image) / 32))
    padded = np.pad(image, ((step, step), (step, step), (0, 0)), mode="edge")
    top, left = [(0, step), (2 * step, step), (step, 0), (step, 2 * step), (0, 0), (2 * step, 2 * step)][rng.integers(6)]
    return padded[top : top + len(image), left : left + image.shape[1]]


def _noisy(image: Array, rng: np.random.Generator) -> Array:
    return np.clip(np.rint(image + rng.normal(0, rng.uniform(4, 16), image.shape)), 0, 255).astype(np.uint8)


def _stamped(image: Array, rng: np.random.Generator) -> Array:
    size = max(1, len(image) // 4)
    top, left = rng.integers(0, len(image) - size + 1), rng.integers(0, image.shape[1] - size + 1)
    stamped = image.copy()
    stamped[top : top + size, left : left + size] = rng.integers(0, 256, image.shape[-1])
    return stamped


CHANGES: dict[str, Change] = {
    "recompressed": _by_pillow(_recompressed),
    "mirrored": lambda image, rng: image[:, ::-1],
    "brighter or darker": _toned(1.1, 1.3, np.zeros_like),
    "shifted": _shifted,
    "cropped": _by_pillow(_cropped),
    "more or less contrast": _toned(1.2, 1.6, lambda image: image.mean(axis=(0, 1), keepdims=True)),
    "turned": _by_pillow(_turned),
    "noisy": _noisy,
    "blurred": _by_pillow(_blurred),
    "stamped": _stamped,
}  # fmt: skip
