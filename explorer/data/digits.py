"""The default data: 1,797 real handwritten digits, 8x8 grey, that scikit-learn carries with it (no download)."""

from __future__ import annotations

import numpy as np
from PIL import Image

from explorer.data.splits import hold_out, training_subset
from explorer.records import Dataset, freeze

TEST_SHARE = 0.2


def load_digits(train_size: int = 0, *, seed: int = 0, image_size: int = 0, tested: bool = True) -> Dataset:
    """Real handwritten digits (UCI Optical Recognition of Handwritten Digits, test part, as packed by scikit-learn).

    Ink runs from 0 to 16 in the source; it is stretched to 0..255. Seeded stratified split, 20 % test, none unless ``tested``.

    Raises:
        ConfigError: if ``train_size`` is beyond the data.
    """
    from sklearn.datasets import load_digits as load_source

    source = load_source()
    images = np.rint(source.images * (255 / 16)).astype(np.uint8)[..., None]
    labels = source.target.astype(np.int64)
    if image_size not in (0, images.shape[1]):
        enlarged = [Image.fromarray(image[..., 0]).resize((image_size, image_size), Image.Resampling.BICUBIC) for image in images]
        images = np.stack([np.asarray(image) for image in enlarged])[..., None]
    everything = np.arange(len(labels))
    train, test = hold_out(labels, TEST_SHARE, seed, "test split") if tested else (everything, everything[:0])
    train = train[training_subset(labels[train], train_size, seed)]
    return Dataset(
        name="digits",
        class_names=tuple(str(name) for name in source.target_names),
        train_images=freeze(images[train]),
        given_label=freeze(labels[train]),
        true_label=freeze(labels[train]),
        source_index=freeze(train),
        test_images=freeze(images[test]),
        test_label=freeze(labels[test]),
        test_is_reference=True,
        source_rows=len(labels),
    )
