"""``reproduce``: published claims against this machine."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from explorer.commands.shared import Commands, terminable
from explorer.config import OPTIONS, RunConfig


def add(commands: Commands) -> None:
    parser = commands.add_parser("reproduce", help="published claims against this machine: an hour on a CPU, and it can be interrupted")
    parser.add_argument("--only", action="append", metavar="NAME", help="only this claim; may be given several times")
    parser.add_argument("--device", default="auto", help=f"{OPTIONS['device'].help} ({OPTIONS['device'].accepts})")
    parser.add_argument("--runs", help="folder that holds the runs; those of the claims go below its folder reproduce")
    parser.set_defaults(command=reproduce)


def reproduce(options: argparse.Namespace) -> int:
    """Test claims, each printed when it is decided; the table is kept beside the runs."""
    import platform

    from explorer import pipeline
    from explorer.runs.reproduce import describe, write_table
    from explorer.runs.reproduce import reproduce as outcomes_of
    from explorer.runs.store import RunStore, default_root

    device = OPTIONS["device"].check(options.device)
    root = Path(options.runs).expanduser() if options.runs else default_root()
    store = RunStore(root / "reproduce")
    outcomes = []
    with terminable():
        for outcome in outcomes_of(store, options.only or (), device=device, progress=lambda text: print(f"  {text}", file=sys.stderr)):
            outcomes.append(outcome)
            print(describe(outcome), flush=True)
    machine = pipeline.machine(pipeline.resolve(RunConfig(device=device)))
    words = f"{machine['device_name']}, {machine['threads']} of {os.cpu_count()} processors, {platform.system()}"
    for path in write_table(store.root, outcomes, words):
        print(path)
    return 0
