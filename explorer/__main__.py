"""The command line; each command has a file in ``commands``."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence

from explorer.commands import duplicates, memorization, report, reproduce, run, serve, sweep
from explorer.config import ConfigError
from explorer.records import DataError, StoreError, TrainingError

COMMANDS = (run, sweep, memorization, duplicates, report, reproduce, serve)


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit status: 0 finished, 1 the run failed, 2 a setting or the data cannot be used, 130 interrupted."""
    options = _parser().parse_args(arguments)
    try:
        return int(options.command(options))
    except ConfigError as error:
        print(f"error: {error.field}: {error.value!r} {error.why}", file=sys.stderr)
        return 2
    except DataError as error:
        print(f"error: dataset: {error}", file=sys.stderr)
        return 2
    except BrokenPipeError:  # whoever read our output (head, less) has gone
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except (StoreError, TrainingError, OSError) as error:
        from explorer.runs.execution import cause_of

        print(f"error: {cause_of(error)}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("interrupted: what was finished is kept; the same command continues", file=sys.stderr)
        return 130


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m explorer", description="Watch a network learn, then memorize.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for command in COMMANDS:
        command.add(commands)
    return parser


if __name__ == "__main__":
    sys.exit(main())
