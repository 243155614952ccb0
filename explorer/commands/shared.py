"""What the commands have in common: flags for settings, ending on a signal, a bar on a terminal."""

from __future__ import annotations

import argparse
import contextlib
import signal
import sys
from collections.abc import Iterable, Iterator, Mapping
from types import FrameType
from typing import Any

from explorer.config import Option

Commands = Any  # what argparse keeps subcommands in; it has no public name


def add_settings(parser: argparse.ArgumentParser, settings: Mapping[str, Option]) -> None:
    """A flag for every setting, read as text: the config checks it, so that page, URL and command line say the same about a bad value."""
    for option in settings.values():
        shown = option.default if option.default != "" else "empty"
        parser.add_argument(f"--{option.name}", help=f"{option.help} ({option.accepts}; default {shown})".replace("%", "%%"))
    add_runs(parser)


def add_runs(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--runs", help="folder that holds the runs")


def asked_for(options: argparse.Namespace, names: Iterable[str]) -> dict[str, str]:
    """The settings that were given as flags."""
    return {name: getattr(options, name) for name in names if getattr(options, name) is not None}


@contextlib.contextmanager
def terminable() -> Iterator[None]:
    """SIGTERM ends what is inside as Ctrl-C does."""

    def interrupt(signum: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    previous = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, previous)


def bar(unit: str) -> Any:
    """A progress bar where there is a terminal to show it."""
    from tqdm import tqdm

    return tqdm(total=None, unit=unit, disable=not sys.stderr.isatty(), leave=False)


def say(text: str) -> None:
    """A line of output that a bar does not get in the way of, and that whoever reads a pipe gets at once."""
    from tqdm import tqdm

    tqdm.write(text, file=sys.stdout)
    sys.stdout.flush()
