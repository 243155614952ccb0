"""Made-up facts shared by the tests of this band."""

from __future__ import annotations

import numpy as np

from explorer.records import Facts


def random_facts(seed: int, E: int = 6, N: int = 40, K: int = 4, P: int = 3, *, targets: bool = True) -> tuple[Facts, np.ndarray]:
    """(facts without any connection between them, given label)."""
    rng = np.random.default_rng(seed)
    given = rng.integers(0, K, N)
    predicted = np.where(rng.random((E, N)) < 0.6, given, rng.integers(0, K, (E, N))).astype(np.uint16)
    loss = rng.exponential(1.0, (E, N)).astype(np.float16)
    T = E if targets else 0
    facts = Facts(
        epochs=np.arange(1, E + 1), loss=loss, margin=rng.normal(0, 3, (E, N)).astype(np.float16),
        el2n=rng.random((E, N)).astype(np.float16), predicted_label=predicted,
        curvature=rng.exponential(5, (P, N)).astype(np.float32), sensitivity=rng.exponential(2, (P, N)).astype(np.float32),
        curvature_epochs=np.arange(1, P + 1), target_label=rng.integers(0, K, (T, N)).astype(np.uint16),
        target_share=rng.random((T, N)).astype(np.float16),
    )  # fmt: skip
    return facts, given
