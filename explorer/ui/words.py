"""What settings, states and runs are called on the pages."""

from __future__ import annotations

from explorer.config import WITHOUT_RATE, RunConfig
from explorer.records import Run

OWN = "own data…"
WORDS = {
    "digits": "digits · real, 8×8", "planted": "planted · drawn, 32×32", OWN: "own data (a path)…",
    "symmetric_inclusive": "symmetric, true class included", "pair_flip": "pair flip (next class)",
    "asymmetric": "asymmetric (look-alikes)", "asymmetric_blocks": "asymmetric in blocks of five",
    "instance_dependent": "instance-dependent", "class_conditional_twin": "class-conditional twin", "open_set": "open-set (foreign images)",
    "cnn": "small CNN", "mlp": "MLP", "resnet18": "ResNet-18", "resnet34": "ResNet-34", "vgg11_bn": "VGG-11", "densenet121": "DenseNet-121",
    "mobilenet_v2": "MobileNetV2", "efficientnet_b0": "EfficientNet-B0", "shufflenet_v2_x1_0": "ShuffleNetV2",
    "ce": "cross-entropy", "elr": "ELR (early-learning regularization)", "elr_plus": "ELR+ (two networks)",
    "gce": "GCE (generalised cross-entropy)", "label_smoothing": "label smoothing",
    "elr_step": "step, ELR's (to a hundredth)", "step": "step (to a tenth)", "crop_mirror": "crop and mirror",
}  # fmt: skip
# One sentence each, with the parameter as the paper defines it.
NOISE_SENTENCES = {
    "none": "Labels as they come.",
    "symmetric": "The rate is the share of labels changed, each to any other class (Han et al. 2018).",
    "symmetric_inclusive":
        "The rate is the share of labels drawn anew from all classes, so some stay right: of ten classes, 0.2 makes 18 % wrong "
        "(Liu et al. 2020).",
    "pair_flip": "The rate is the share of each class that is given the class after it (Han et al. 2018).",
    "asymmetric":
        "The rate is the share of a class that is given the class it looks like (digits and CIFAR; elsewhere the next one). "
        "A class without a look-alike stays right (Patrini et al. 2017, Liu et al. 2020).",
    "asymmetric_blocks":
        "The rate is the share of a class that is given the next one within its block of five (the code of Liu et al. 2020).",
    "instance_dependent":
        "The rate is the mean chance of an image to be mislabelled; its own chance and its wrong class depend on its pixels "
        "(Xia et al. 2020).",
    "class_conditional_twin":
        "The wrong labels of people, dealt anew within each true class: the same confusions, no tie to the image (Wei et al. 2022).",
    "open_set": "The rate is the share of images replaced by images of another set, under the old label: no class fits (Wang et al. 2018).",
}  # fmt: skip
LOSS_SENTENCES = {
    "ce": "The plain loss: in the end it fits wrong labels too.",
    "elr": "Holds each prediction to what the network said of the image early on, against the pull of a wrong label (Liu et al. 2020).",
    "elr_plus":
        "ELR with two networks, each the target of the other, weight averaging and mixup (Liu et al. 2020). It trains two networks: "
        "about twice the time.",
    "gce": "Between cross-entropy and absolute error: a label that stays improbable pulls less (Zhang, Sabuncu 2018).",
    "label_smoothing": "Each label gives a share to all classes, so that none is fitted to the full (Szegedy et al. 2016).",
    "mixup": "Trains on blends of two images and of their labels (Zhang et al. 2018).",
}  # fmt: skip
# Names of settings that are not simply their field names.
LABELS = {
    "noise": "Label noise", "lr": "Learning rate", "susceptibility_lr": "Probe rate", "augment": "Augmentation",
    "elr_beta": "Beta", "elr_lambda": "Lambda", "ema_momentum": "Averaging", "mixup_alpha": "Mixup alpha", "gce_q": "Exponent q",
    "curvature_every": "Probe every", "curvature_directions": "Directions", "curvature_radius": "Radius h",
    "test_split": "Test images", "corrections": "Corrected labels (file)",
    "pred_probs": "Predicted probabilities (.npy)", "pred_probs_kind": "The probabilities are",
    "embeddings": "Embeddings (.npy)",
    "embedding_every": "Embed every", "second_split_epochs": "Second-split epochs",
}  # fmt: skip
INSPECT_ONLY = "none · inspect only"  # the model that trains nothing
GIVEN_WORDS = {"pred_probs": "predictions", "embeddings": "embeddings"}
KIND_WORDS = {"out_of_sample": "out of sample (unseen)", "in_sample": "in sample (trained on)"}
STATUS_WORDS = {
    "queued": "waiting for its turn", "running": "training", "paused": "paused", "stopped": "stopped; the finished epochs are kept",
    "finished": "finished", "failed": "failed", "interrupted": "interrupted", "damaged": "damaged",
}  # fmt: skip


def word(value: str) -> str:
    return WORDS.get(value, value)


def label(name: str) -> str:
    """What the setting ``name`` is called beside its widget."""
    return LABELS.get(name, name.replace("_", " ").capitalize())


def plain(text: str) -> str:
    """Class names and paths come from people's files: their markdown stays text."""
    return "".join(f"\\{c}" if c in r"\`*_{}[]()<>#+-.!|~$:" else c for c in text)


def describe(config: RunConfig) -> str:
    """A run in one line of words."""
    rate = "" if config.noise in WITHOUT_RATE else f" {100 * config.noise_rate:g} %"
    noise = "no added noise" if config.noise == "none" else f"{_short(config.noise)}{rate}"
    name = config.dataset.rstrip("/").rsplit("/", 1)[-1]
    if not config.trains:
        files = " and ".join(words for field, words in GIVEN_WORDS.items() if getattr(config, field))
        return f"{name} · nothing trained · {f'{files} read' if files else 'images only'}"
    corrected = " · corrected labels" if config.corrections else ""
    return f"{name} · {noise}{corrected} · {word(config.model)} · {_short(config.loss)} · seed {config.seed}"


def no_embedding(run: Run) -> str:
    """Why a run has no embeddings, and what to do."""
    if run.config.trains:
        return "Embeddings were switched off for this run: train with *Embedding every* 1."
    return f"No embeddings were read: give *{label('embeddings')}*."


def _short(value: str) -> str:
    """Its word without the explanation in brackets."""
    return word(value).split(" (")[0]
