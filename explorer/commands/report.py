"""``report`` and ``export``: what stored runs found."""

from __future__ import annotations

import argparse
import json
import sys

from explorer.commands.shared import Commands, add_runs
from explorer.records import StoreError

JSON = (
    "machine-readable: a list with an entry for each run, with every epoch; regions.paper and regions.fixed_rate (by probe; null for fewer "
    "than four comparable finished runs) hold the region table the run is in: its region, run_ids, thresholds, summary by region, "
    "correlations, and deployed, the test accuracy each way of choosing a model comes to"
)


def add(commands: Commands) -> None:
    parser = commands.add_parser("report", help="what stored runs found, and where they stand among comparable ones")
    parser.add_argument("run_ids", nargs="*", metavar="RUN_ID")
    add_runs(parser)
    parser.add_argument("--json", action="store_true", help=JSON)
    parser.set_defaults(command=report)
    parser = commands.add_parser("export", help="corrected labels, scores and near-duplicates of one run, as files")
    parser.add_argument("run_id", metavar="RUN_ID")
    parser.add_argument("--to", required=True, metavar="FOLDER", help="a folder of its own to write them to, not inside the data")
    parser.add_argument("--overwrite", action="store_true", help="replace an earlier export in that folder")
    add_runs(parser)
    parser.set_defaults(command=export)


def report(options: argparse.Namespace) -> int:
    """Scores of stored runs, all that can be read by default, against truth where it is known, and the tables of the regions."""
    from explorer.runs.region_tables import describe_table, region_tables
    from explorer.runs.report import describe
    from explorer.runs.report import report as entries_of
    from explorer.runs.store import RunStore

    store = RunStore(options.runs)
    for run_id in options.run_ids:
        store.folder(run_id)  # an id, or an error
    tables = region_tables(store, about=options.run_ids or None)
    entries = entries_of(store, options.run_ids, tables)
    for run_id in [] if options.run_ids else [summary.run_id for summary in store.runs() if summary.status != "queued"]:
        try:
            entries += entries_of(store, [run_id], tables)
        except StoreError as error:  # of the others there is still something to say
            print(f"left out: {error}", file=sys.stderr)
    if options.json:
        print(json.dumps(entries, indent=1))
        return 0
    for text in [*map(describe, entries), *map(describe_table, tables)]:
        print(text)
    return 0


def export(options: argparse.Namespace) -> int:
    """Write the files, and print the path of each."""
    from explorer.runs.review_files import export_run
    from explorer.runs.store import RunStore

    for path in export_run(RunStore(options.runs), options.run_id, options.to, overwrite=options.overwrite):
        print(path)
    return 0
