"""RunConfig: one frozen value that describes a run completely.

The field names are used unchanged as command-line flags, widget keys and URL keys.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from explorer.options import ConfigError, Option, Settings, option, options_of

__all__ = ["OPTIONS", "ConfigError", "DataConfig", "MemorizationConfig", "Option", "RunConfig", "elr_preset", "with_preset"]

NOISES = (
    "none", "symmetric", "symmetric_inclusive", "pair_flip", "asymmetric", "asymmetric_blocks", "instance_dependent",
    "class_conditional_twin", "open_set",
)  # fmt: skip
WITHOUT_RATE = ("none", "class_conditional_twin")  # noise kinds that noise_rate says nothing to
SCALABLE = ("cnn", "mlp", "resnet18")  # models that width says something to
MODELS = (*SCALABLE, "resnet34", "vgg11_bn", "densenet121", "mobilenet_v2", "efficientnet_b0", "shufflenet_v2_x1_0")
LOSSES = ("ce", "elr", "elr_plus", "gce", "label_smoothing", "mixup")
SCHEDULES = ("constant", "cosine", "step", "elr_step")
AUGMENTS = ("none", "crop", "crop_mirror")
DEVICES = ("auto", "cpu", "cuda", "mps")
UNTRAINED = "none"  # a model that trains nothing: predictions and embeddings are read from files
# What that amounts to: the labels as they come, all images, and one look instead of epochs.
ONE_LOOK: dict[str, Any] = {
    "noise": "none", "noise_rate": 0.0, "open_set": "", "test_split": "none", "epochs": 1, "susceptibility_lr": 0.0, "curvature_every": 0,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class DataConfig(Settings):
    """Which images, and which labels to train on: what every kind of run shares."""

    dataset: str = option("digits", "Catalogue name, or the PATH of a Parquet folder or file, an ImageFolder tree or a CSV manifest.")
    label_column: str = option("", "Column of a table that holds the labels to train on; empty: the table's only label column, or label.")
    true_label_column: str = option("", "Column of a table that holds the true labels, never shown to the network; empty: unknown.")
    image_size: int = option(0, "Side of the square images in pixels; 0: the set's own size, 32 where sizes differ.", low=0, high=512)
    train_size: int = option(0, "Number of training images, a stratified subset; 0: all.", low=0, high=1e9)
    test_split: str = option(
        "auto",
        "Test images: auto takes the data's own, or holds some out; none tests on nothing and keeps every image for training.",
        choices=("auto", "none"),
    )
    corrections: str = option("", "PATH of corrected labels, a CSV or Parquet file: index, label (empty: left out). Applied after noise.")
    noise: str = option("symmetric", "How labels are made wrong on purpose; not at all with model none.", choices=NOISES)
    noise_rate: float = option(
        0.2,
        "Parameter of the noise kind as its paper defines it: the share of labels flipped (redrawn, for symmetric_inclusive; images "
        "replaced, for open_set) among those that can be.",
        low=0.0,
        high=1.0,
    )
    open_set: str = option(
        "",
        "Where the foreign images of open_set noise come from, a catalogue name or a PATH; empty: planted, or digits where the set itself "
        "is planted.",
    )
    data_seed: int = option(0, "Decides split, subset, planted images and which labels are flipped.", low=0, high=1e9)

    def __post_init__(self) -> None:
        Settings.__post_init__(self)
        if not self.dataset.strip():
            raise ConfigError("dataset", self.dataset, "is empty; give a catalogue name or a path")

    def canonical(self) -> Self:
        """The same with settings that have no effect put to their defaults."""
        known = options_of(type(self))
        changes: dict[str, Any] = {"noise_rate": 0.0} if self.noise in WITHOUT_RATE else {}
        for deciding, values, names in EFFECTIVE:
            if deciding in known and getattr(self, deciding) not in values:
                changes |= {name: known[name].default for name in names if name in known}
        return dataclasses.replace(self, **changes)


@dataclass(frozen=True, slots=True)
class RunConfig(DataConfig):
    """Everything that decides the numbers of a run. Same config, same machine kind: same numbers, bit for bit."""

    model: str = option("cnn", "Network architecture; none trains nothing: predictions are read from a file.", choices=(*MODELS, UNTRAINED))
    pred_probs: str = option(
        "",
        "With model none, PATH of a .npy file of predicted probabilities, a row for each row of the data, a column for each class; empty: "
        "pred_probs.npy in the data's folder if it is there.",
    )
    pred_probs_kind: str = option(
        "out_of_sample",
        "Whether pred_probs are by networks that never saw the image (out_of_sample, as confident learning needs them) or by one that was "
        "trained on it.",
        choices=("out_of_sample", "in_sample"),
    )
    embeddings: str = option(
        "",
        "With model none, PATH of a .npy file of embeddings, a row for each row of the data; empty: embeddings.npy in the data's folder if "
        "it is there.",
    )
    width: int = option(
        32, "Channels of the first block (cnn, resnet18); a mlp has 8 times as many hidden units; others are fixed.", low=1, high=512
    )
    loss: str = option("ce", "Training loss: cross-entropy, or one that resists wrong labels.", choices=LOSSES)
    elr_beta: float = option(0.7, "Momentum of the ELR target memory.", low=0.0, high=1.0)
    elr_lambda: float = option(3.0, "Weight of the ELR term.", low=0.0)
    ema_momentum: float = option(0.997, "Momentum of ELR+'s weight averages at the end of their ramp; 0: no averaging.", low=0.0, high=1.0)
    mixup_alpha: float = option(1.0, "Beta parameter of mixup, in mixup and ELR+; 0: no mixing.", low=0.0, high=100.0)
    gce_q: float = option(
        0.7, "Exponent q of the gce loss: towards 0 it becomes ce, 1 is mean absolute error.", low=0.0, above=True, high=1.0
    )
    smoothing: float = option(0.1, "Share of a label that label smoothing spreads over all classes.", low=0.0, high=0.99)
    epochs: int = option(30, "Passes over the training set.", low=1, high=10_000)
    batch_size: int = option(32, "Images per training step; the susceptibility probe uses the same number.", low=2, high=65_536)
    lr: float = option(0.03, "Learning rate of SGD at the start.", low=0.0, above=True)
    momentum: float = option(0.9, "Momentum of SGD.", low=0.0, high=0.9999)
    weight_decay: float = option(0.0, "Weight decay of SGD.", low=0.0)
    schedule: str = option(
        "cosine",
        "Learning rate over the epochs: constant, cosine to zero, step (a tenth at 60 % and again at 80 %), or elr_step (a hundredth at "
        "one third and again at two thirds).",
        choices=SCHEDULES,
    )
    augment: str = option(
        "none",
        "Random change of each training image: none, a crop (padding 1/8 of the side), or a crop and a mirror image.",
        choices=AUGMENTS,
    )
    seed: int = option(0, "Decides initial weights, order, augmentation and probes; never an image or a label.", low=0, high=1e9)
    susceptibility_lr: float = option(0.05, "Learning rate of the fixed-rate susceptibility probe; 0 switches both probes off.", low=0.0)
    curvature_every: int = option(1, "Probe the input-loss curvature every so many epochs; 0 switches it off.", low=0, high=10_000)
    curvature_directions: int = option(2, "Random directions per image and curvature probe (the paper uses 10).", low=1, high=1_000)
    curvature_radius: float = option(
        1e-3,
        "Step h of the curvature probe in normalised input units; a neighbourhood, not a numerical epsilon.",
        low=0.0,
        above=True,
        high=10.0,
    )
    embedding_every: int = option(
        1, "Record the penultimate layer every so many epochs; 0 switches it off, and near-duplicates with it.", low=0, high=10_000
    )
    folds: int = option(
        0,
        "After training, train once more on all folds but one, for each fold, to predict every image by a network that never saw it "
        "(confident learning); 0: off.",
        low=0,
        high=20,
    )
    second_split_epochs: int = option(
        0,
        "After training, train on either half and go on with the other half for so many epochs, to see what is forgotten (second-split "
        "forgetting); 0: off.",
        low=0,
        high=1_000,
    )
    device: str = option("auto", "Where to train; auto takes a GPU when there is one.", choices=DEVICES)

    def __post_init__(self) -> None:
        DataConfig.__post_init__(self)
        if self.folds == 1:
            raise ConfigError("folds", self.folds, "leaves nothing to train on; use 0 (off) or 2 to 20")

    @property
    def trains(self) -> bool:
        """Whether a network is trained at all."""
        return self.model != UNTRAINED

    def canonical(self) -> Self:
        """The same run with settings that have no effect on it put to their defaults."""
        config = DataConfig.canonical(self)
        if not self.trains:
            return dataclasses.replace(config, **ONE_LOOK)
        if config.curvature_every == 0:
            unused = ("curvature_directions", "curvature_radius")
            config = dataclasses.replace(config, **{name: OPTIONS[name].default for name in unused})
        return config


OPTIONS: dict[str, Option] = options_of(RunConfig)
# (setting, its values, settings that have an effect only with these)
EFFECTIVE: tuple[tuple[str, tuple[str, ...], tuple[str, ...]], ...] = (
    ("model", MODELS, ("test_split", "noise", "noise_rate", *tuple(OPTIONS)[list(OPTIONS).index("width") :])),
    ("model", (UNTRAINED,), ("pred_probs", "pred_probs_kind", "embeddings")),
    ("noise", ("open_set",), ("open_set",)),
    ("model", SCALABLE, ("width",)),
    ("loss", ("elr", "elr_plus"), ("elr_beta", "elr_lambda")),
    ("loss", ("elr_plus",), ("ema_momentum",)),
    ("loss", ("elr_plus", "mixup"), ("mixup_alpha",)),
    ("loss", ("gce",), ("gce_q",)),
    ("loss", ("label_smoothing",), ("smoothing",)),
)


def elr_preset(dataset: str, noise: str) -> dict[str, float]:
    """The ELR paper's beta and lambda for a data set and noise kind; those for CIFAR-10 with symmetric noise for any other set.

    Source:
        Liu et al., arXiv:2007.00151, appendix: CIFAR-10 symmetric 0.7 and 3, asymmetric 0.9 and 1; CIFAR-100 0.9 and 7.
    """
    if dataset.rstrip("/").rsplit("/", 1)[-1] == "cifar100":
        return {"elr_beta": 0.9, "elr_lambda": 7.0}
    if noise in ("pair_flip", "asymmetric", "asymmetric_blocks"):
        return {"elr_beta": 0.9, "elr_lambda": 1.0}
    return {"elr_beta": 0.7, "elr_lambda": 3.0}


def with_preset(asked: Mapping[str, str]) -> dict[str, str]:
    """Flags as given, with ELR's beta and lambda from the preset where ELR is asked for without them."""
    config = RunConfig.from_query(asked)
    preset = elr_preset(config.dataset, config.noise) if config.loss in ("elr", "elr_plus") else {}
    return {name: str(value) for name, value in preset.items()} | dict(asked)


@dataclass(frozen=True, slots=True)
class MemorizationConfig(DataConfig):
    """Many networks, each trained on a random subset of the images: how far each image has to be seen to be got right.

    The defaults memorize practically every wrong label of their subset on the default data.
    """

    model: str = option("mlp", "Network architecture.", choices=MODELS)
    width: int = option(
        16, "Channels of the first block (cnn, resnet18); a mlp has 8 times as many hidden units; others are fixed.", low=1, high=512
    )
    models: int = option(200, "Number of networks; the error falls with its square root.", low=2, high=100_000)
    subset_ratio: float = option(
        0.7, "Share of the images each network is trained on, an exact count drawn without replacement.", low=0.0, above=True, high=1.0
    )
    epochs: int = option(60, "Passes of each network over its subset.", low=1, high=10_000)
    batch_size: int = option(64, "Images per training step.", low=2, high=65_536)
    lr: float = option(0.1, "Learning rate of SGD at the start.", low=0.0, above=True)
    momentum: float = option(0.9, "Momentum of SGD.", low=0.0, high=0.9999)
    weight_decay: float = option(0.0, "Weight decay of SGD.", low=0.0)
    schedule: str = option("cosine", "Learning rate over the epochs: constant, or cosine to zero.", choices=("constant", "cosine"))
    seed: int = option(0, "Decides subsets, initial weights and order; never an image or a label.", low=0, high=1e9)
    device: str = option("auto", "Where to train; auto takes a GPU when there is one.", choices=DEVICES)

    def __post_init__(self) -> None:
        DataConfig.__post_init__(self)
        if self.subset_ratio == 1:
            raise ConfigError("subset_ratio", self.subset_ratio, "leaves no image out to compare with; use less than 1")

    def subset_size(self, images: int) -> int:
        """``subset_ratio`` of so many images, rounded. Raises ConfigError unless two or more are inside and one or more outside."""
        size = round(self.subset_ratio * images)
        if not 2 <= size < images:
            raise ConfigError(
                "subset_ratio", self.subset_ratio, f"puts {size} of {images} images inside; use one that leaves some on both sides"
            )
        return size
