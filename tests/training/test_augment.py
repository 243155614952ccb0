"""Augmentation: each output is one of the crops a slow loop would cut, drawn from the generator handed in."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from explorer.training.augment import augment_batch


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def crops(image: np.ndarray, mirrored: bool) -> dict[bytes, tuple[int, int]]:
    """Every shifted view of ``[C, S, S]``, keyed by its bytes."""
    S = image.shape[1]
    pad = max(1, S // 8)
    wide = np.pad(image, ((0, 0), (pad, pad), (pad, pad)))
    cuts = {}
    for i in range(2 * pad + 1):
        for j in range(2 * pad + 1):
            cut = wide[:, i : i + S, j : j + S]
            cuts[np.ascontiguousarray(cut[:, :, ::-1] if mirrored else cut).tobytes()] = (i - pad, j - pad)
    return cuts


def images(B: int, C: int, S: int) -> Tensor:
    return torch.randint(1, 256, (B, C, S, S), dtype=torch.uint8, generator=rng(9))


@pytest.mark.parametrize("kind", ["crop", "crop_mirror"])
@pytest.mark.parametrize(("C", "S"), [(1, 8), (3, 9), (1, 4), (3, 32)])
def test_each_image_becomes_one_of_its_own_crops(kind: str, C: int, S: int) -> None:
    before = images(40, C, S)
    after = augment_batch(before, kind, rng())
    assert after.shape == before.shape and after.dtype == before.dtype
    for one, other in zip(before.numpy(), after.numpy(), strict=True):
        key = np.ascontiguousarray(other).tobytes()
        assert key in crops(one, False) or (kind == "crop_mirror" and key in crops(one, True))


def test_every_shift_occurs_and_half_are_mirrored() -> None:
    one = images(1, 1, 8)
    after = augment_batch(one.expand(2000, 1, 8, 8), "crop_mirror", rng()).numpy()
    straight, mirrored = crops(one[0].numpy(), False), crops(one[0].numpy(), True)
    keys = [np.ascontiguousarray(image).tobytes() for image in after]
    shifts = {straight[key] if key in straight else mirrored[key] for key in keys}
    assert shifts == {(i, j) for i in (-1, 0, 1) for j in (-1, 0, 1)}
    assert 880 < sum(key in mirrored for key in keys) < 1120


def test_at_32_pixels_the_padding_is_4() -> None:
    one = images(1, 1, 32)
    cuts = crops(one[0].numpy(), False)
    after = augment_batch(one.expand(3000, 1, 32, 32), "crop", rng()).numpy()
    shifts = {cuts[np.ascontiguousarray(image).tobytes()] for image in after}
    assert {i for i, _ in shifts} == {j for _, j in shifts} == set(range(-4, 5))


def test_none_changes_nothing_and_draws_nothing() -> None:
    before, generator = images(5, 1, 8), rng()
    state = generator.get_state()
    assert torch.equal(augment_batch(before, "none", generator), before)
    assert torch.equal(generator.get_state(), state)


@pytest.mark.parametrize("kind", ["crop", "crop_mirror"])
def test_draws_come_from_the_generator_handed_in_alone(kind: str) -> None:
    before, kept = images(30, 1, 8), torch.get_rng_state()
    copy = before.clone()
    one = augment_batch(before, kind, rng(3))
    assert torch.equal(one, augment_batch(before, kind, rng(3)))
    assert not torch.equal(one, augment_batch(before, kind, rng(4)))
    assert torch.equal(before, copy)
    assert torch.equal(torch.get_rng_state(), kept)
