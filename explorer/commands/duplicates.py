"""``duplicates``: images that stand in the data twice."""

from __future__ import annotations

import argparse
import contextlib

from explorer.commands.shared import Commands, add_settings, asked_for, bar, terminable
from explorer.config import OPTIONS, RunConfig
from explorer.records import Progress

SEARCHED = ("dataset", "label_column", "true_label_column", "image_size", "train_size", "data_seed")
PRECISION = 0.95


def add(commands: Commands) -> None:
    parser = commands.add_parser("duplicates", help="images that stand in the data twice; needs no trained run")
    add_settings(parser, {name: OPTIONS[name] for name in SEARCHED})
    parser.add_argument("--against", default="", metavar="test", help="pairs of a training and a test image instead")
    parser.add_argument("--precision", type=float, default=PRECISION, help=f"wanted share of duplicates among them; default {PRECISION}")
    parser.add_argument("--to", required=True, metavar="FILE.parquet", help="table with columns a, b, similarity, conflicting, group")
    parser.set_defaults(command=duplicates)


def duplicates(options: argparse.Namespace) -> int:
    """Search for near-duplicates, a bar on a terminal; then what was found, and the file alone on the last line."""
    from explorer.runs.duplicates_export import export_duplicates
    from explorer.runs.store import RunStore

    config = RunConfig.from_query(asked_for(options, SEARCHED))
    asked = {"against": options.against, "precision": options.precision, "to": options.to}
    with terminable(), contextlib.closing(export_duplicates(RunStore(options.runs).root, config, **asked)) as items, bar("") as shown:
        for item in items:
            if isinstance(item, Progress):
                shown.desc, shown.total, shown.n = item.phase, item.total, item.done
                shown.refresh()
            else:
                print(item)
    print(options.to)
    return 0
