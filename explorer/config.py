"""RunConfig: one frozen value that describes a run completely.

The field names are used unchanged as command-line flags, widget keys and URL keys. Each field states
once, in its metadata, what it means and which values it accepts; the command line, the page and the
README table are all read from there.
"""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

NOISES = ("none", "symmetric", "symmetric_inclusive", "asymmetric")
MODELS = ("cnn", "mlp", "resnet18")
LOSSES = ("ce", "elr")
SCHEDULES = ("constant", "cosine", "step")
AUGMENTS = ("none", "crop", "crop_mirror")
DEVICES = ("auto", "cpu", "cuda", "mps")


class ConfigError(ValueError):
    """A setting that cannot be run: which field, which value, and what is accepted instead."""

    def __init__(self, field_name: str, value: object, why: str) -> None:
        super().__init__(f"{field_name}: {value!r} {why}")
        self.field, self.value, self.why = field_name, value, why


@dataclass(frozen=True, slots=True)
class Option:
    """What one field of RunConfig means and accepts."""

    name: str
    default: Any
    help: str
    choices: tuple[str, ...] = ()
    low: float | None = None
    high: float | None = None
    above: bool = False  # low itself is not accepted

    @property
    def kind(self) -> type:
        return type(self.default)

    @property
    def accepts(self) -> str:
        """The accepted values in words, as printed in errors and in the README."""
        if self.choices:
            return "one of " + ", ".join(self.choices)
        if self.kind is str:
            return "text"
        noun = "a whole number" if self.kind is int else "a number"
        if self.low is None:
            return noun
        lower = f"above {self.low:g}" if self.above else f"{self.low:g}"
        if self.high is None:
            return f"{noun} {lower}" if self.above else f"{noun}, {lower} or more"
        upper = f"{self.high:,.0f}" if self.high >= 1000 else f"{self.high:g}"
        return f"{noun} {lower}, at most {upper}" if self.above else f"{noun} from {lower} to {upper}"

    def parse(self, text: str) -> Any:
        """Read the value from a flag or a URL. Raises ConfigError naming the field."""
        if self.kind is str:
            return text
        try:
            return self.kind(text)
        except ValueError:
            raise ConfigError(self.name, text, f"is not {self.accepts}") from None

    def check(self, value: Any) -> Any:
        """Return the value in the field's type, or raise ConfigError naming field, value and what is accepted."""
        if self.kind is float and type(value) is int:
            with contextlib.suppress(OverflowError):
                value = float(value)
        if type(value) is not self.kind:
            raise ConfigError(self.name, value, f"is not {self.accepts}")
        if self.choices and value not in self.choices:
            raise ConfigError(self.name, value, f"is not {self.accepts}")
        if self.kind is not str and not self._in_range(value):
            raise ConfigError(self.name, value, f"is not {self.accepts}")
        return value

    def _in_range(self, value: Any) -> bool:
        if self.kind is float and not math.isfinite(value):
            return False
        if self.low is not None and (value < self.low or (self.above and value == self.low)):
            return False
        return self.high is None or value <= self.high


def _option(default: Any, help: str, **accepts: Any) -> Any:
    return field(default=default, metadata={"help": help, **accepts})


@dataclass(frozen=True, slots=True)
class RunConfig:
    """Everything that decides the numbers of a run. Same config, same machine kind: same numbers, bit for bit."""

    dataset: str = _option("digits", "Catalogue name, or the PATH of a Parquet folder or file, an ImageFolder tree or a CSV manifest.")
    label_column: str = _option("", "Column of a table that holds the labels to train on; empty: the table's only label column, or label.")
    true_label_column: str = _option("", "Column of a table that holds the true labels, never shown to the network; empty: unknown.")
    image_size: int = _option(0, "Side of the square images in pixels; 0: the set's own size, 32 where sizes differ.", low=0, high=512)
    train_size: int = _option(0, "Number of training images, a stratified subset; 0: all.", low=0, high=1e9)
    noise: str = _option("symmetric", "How labels are made wrong on purpose.", choices=NOISES)
    noise_rate: float = _option(
        0.2,
        "Parameter of the noise kind: the share of labels flipped (redrawn, for symmetric_inclusive) among those that can be.",
        low=0.0,
        high=1.0,
    )
    data_seed: int = _option(0, "Decides split, subset, planted images and which labels are flipped.", low=0, high=1e9)
    model: str = _option("cnn", "Network architecture.", choices=MODELS)
    width: int = _option(32, "Channels of the first block (cnn, resnet18); a mlp has 8 times as many hidden units.", low=1, high=512)
    loss: str = _option("ce", "Training loss: cross-entropy, or early-learning regularization.", choices=LOSSES)
    elr_beta: float = _option(0.7, "Momentum of the ELR target memory.", low=0.0, high=1.0)
    elr_lambda: float = _option(3.0, "Weight of the ELR term.", low=0.0)
    epochs: int = _option(30, "Passes over the training set.", low=1, high=10_000)
    batch_size: int = _option(32, "Images per training step; the susceptibility probe uses the same number.", low=2, high=65_536)
    lr: float = _option(0.03, "Learning rate of SGD at the start.", low=0.0, above=True)
    momentum: float = _option(0.9, "Momentum of SGD.", low=0.0, high=0.9999)
    weight_decay: float = _option(0.0, "Weight decay of SGD.", low=0.0)
    schedule: str = _option(
        "cosine",
        "Learning rate over the epochs: constant, cosine to zero, or a tenth at 60 % and again at 80 %.",
        choices=SCHEDULES,
    )
    augment: str = _option(
        "none",
        "Random change of each training image: none, a crop (padding 1/8 of the side), or a crop and a mirror image.",
        choices=AUGMENTS,
    )
    seed: int = _option(0, "Decides initial weights, order, augmentation and probes; never an image or a label.", low=0, high=1e9)
    susceptibility_lr: float = _option(0.05, "Learning rate of the fixed-rate susceptibility probe; 0 switches both probes off.", low=0.0)
    curvature_every: int = _option(1, "Probe the input-loss curvature every so many epochs; 0 switches it off.", low=0, high=10_000)
    curvature_directions: int = _option(2, "Random directions per image and curvature probe (the paper uses 10).", low=1, high=1_000)
    curvature_radius: float = _option(
        1e-3,
        "Step h of the curvature probe in normalised input units; a neighbourhood, not a numerical epsilon.",
        low=0.0,
        above=True,
        high=10.0,
    )
    embedding_every: int = _option(
        1, "Record the penultimate layer every so many epochs; 0 switches it off, and near-duplicates with it.", low=0, high=10_000
    )
    device: str = _option("auto", "Where to train; auto takes a GPU when there is one.", choices=DEVICES)

    def __post_init__(self) -> None:
        for option in OPTIONS.values():
            object.__setattr__(self, option.name, option.check(getattr(self, option.name)))
        if not self.dataset.strip():
            raise ConfigError("dataset", self.dataset, "is empty; give a catalogue name or a path")

    # -- forms it travels in -------------------------------------------------------------------
    def to_dict(self) -> dict[str, Any]:
        return dataclasses.asdict(self)

    def to_json(self) -> str:
        return json.dumps(self.to_dict(), indent=1, sort_keys=True)

    def to_query(self) -> dict[str, str]:
        """The fields that differ from the defaults, as URL parameters; the default run has none."""
        return {o.name: str(getattr(self, o.name)) for o in OPTIONS.values() if getattr(self, o.name) != o.default}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> RunConfig:
        """Build from a mapping. Raises ConfigError on a field that does not exist or a value out of range."""
        for name in values:
            if name not in OPTIONS:
                raise ConfigError(name, values[name], "is not a setting of a run; see the table in README.md")
        return cls(**values)

    @classmethod
    def from_json(cls, text: str) -> RunConfig:
        return cls.from_dict(json.loads(text))

    @classmethod
    def from_query(cls, query: Mapping[str, str]) -> RunConfig:
        """Build from URL parameters; names that are not fields belong to the page and are left alone."""
        return cls(**{name: OPTIONS[name].parse(text) for name, text in query.items() if name in OPTIONS})

    def canonical(self) -> RunConfig:
        """The same run with settings that have no effect on it put to their defaults."""
        changes: dict[str, Any] = {}
        if self.noise == "none":
            changes["noise_rate"] = 0.0
        if self.loss != "elr":
            changes |= {name: OPTIONS[name].default for name in ("elr_beta", "elr_lambda")}
        if self.curvature_every == 0:
            changes |= {name: OPTIONS[name].default for name in ("curvature_directions", "curvature_radius")}
        return dataclasses.replace(self, **changes)

    def run_id(self, fingerprint: str) -> str:
        """Twelve hexadecimal digits naming the run: config (device resolved, path absolute) and data fingerprint."""
        text = json.dumps([1, self.canonical().to_dict(), fingerprint], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:12]


def _options() -> Iterator[tuple[str, Option]]:
    for f in dataclasses.fields(RunConfig):
        yield f.name, Option(name=f.name, default=f.default, **f.metadata)


OPTIONS: dict[str, Option] = dict(_options())
