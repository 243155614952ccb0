"""``run``: train one run."""

from __future__ import annotations

import argparse
import contextlib

from explorer.commands.shared import Commands, add_settings, asked_for, bar, say, terminable
from explorer.config import OPTIONS, RunConfig, with_preset
from explorer.records import EpochRecord


def add(commands: Commands) -> None:
    parser = commands.add_parser("run", help="train one run and store it; the same command continues or prints it")
    add_settings(parser, OPTIONS)
    parser.add_argument("--again", action="store_true", help="train anew even if this run is already there")
    parser.set_defaults(command=run)


def run(options: argparse.Namespace) -> int:
    """Train, one line per epoch; the run_id stands alone on the last line of stdout."""
    from explorer import pipeline
    from explorer.runs.execution import execute
    from explorer.runs.report import epoch_line
    from explorer.runs.store import RunStore

    config = RunConfig.from_query(with_preset(asked_for(options, OPTIONS)))
    run_id = pipeline.identify(config)
    store = RunStore(options.runs)
    if not options.again and store.exists(run_id) and store.status(run_id)[0] == "finished":
        for row in store.folder(run_id).rows():
            print(epoch_line(row, trained=config.trains))
        print(run_id)
        return 0
    with terminable(), contextlib.closing(execute(store, config, again=options.again)) as records, bar("epoch") as shown:
        for record in records:
            if isinstance(record, EpochRecord):
                say(epoch_line(store.folder(run_id).rows()[-1], trained=config.trains))
                shown.total, shown.n = config.canonical().epochs, record.epoch
                shown.refresh()
    print(run_id)
    return 0
