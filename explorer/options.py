"""What a setting means and accepts, and the forms settings travel in: JSON, URL, command line.

A settings class is a frozen dataclass whose fields state once, in their metadata, what they mean and which values they
accept; the command line, the page and the README table are all read from there.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self


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


def option(default: Any, help: str, **accepts: Any) -> Any:
    """A field of a settings class."""
    return field(default=default, metadata={"help": help, **accepts})


def options_of(settings: type) -> dict[str, Option]:
    """Every field of a settings class, by name, in order."""
    return _options_of(settings)


@functools.cache
def _options_of(settings: type) -> dict[str, Option]:
    return {f.name: Option(name=f.name, default=f.default, **f.metadata) for f in dataclasses.fields(settings)}


@dataclass(frozen=True, slots=True)
class Settings:
    """Base of the settings classes: checks every field, and reads and writes the forms it travels in."""

    def __post_init__(self) -> None:
        for each in options_of(type(self)).values():
            object.__setattr__(self, each.name, each.check(getattr(self, each.name)))

    def to_dict(self) -> dict[str, Any]:
        return dataclasses.asdict(self)

    def to_json(self) -> str:
        return json.dumps(self.to_dict(), indent=1, sort_keys=True)

    def to_query(self) -> dict[str, str]:
        """The fields that differ from the defaults, as URL parameters; the default run has none."""
        return {name: str(value) for name, value in self._changed().items()}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """Build from a mapping. Raises ConfigError on a field that does not exist or a value out of range."""
        for name in values:
            if name not in options_of(cls):
                raise ConfigError(name, values[name], "is not a setting of a run; see the table in README.md")
        return cls(**values)

    @classmethod
    def from_json(cls, text: str) -> Self:
        return cls.from_dict(json.loads(text))

    @classmethod
    def from_query(cls, query: Mapping[str, str]) -> Self:
        """Build from URL parameters; names that are not fields belong to the page and are left alone."""
        known = options_of(cls)
        return cls(**{name: known[name].parse(text) for name, text in query.items() if name in known})

    def canonical(self) -> Self:
        """The same with settings that have no effect put to their defaults."""
        return self

    def run_id(self, fingerprint: str) -> str:
        """Twelve hexadecimal digits naming the run: settings (device resolved, path absolute) and data fingerprint.

        Only settings that differ from the defaults count, so that a setting added later renames no run.
        """
        text = json.dumps([2, type(self).__name__, self.canonical()._changed(), fingerprint], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:12]

    def _changed(self) -> dict[str, Any]:
        known = options_of(type(self)).values()
        return {each.name: getattr(self, each.name) for each in known if getattr(self, each.name) != each.default}
