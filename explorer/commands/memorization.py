"""``memorization``: estimate how far each image has to be seen, or take a published estimate."""

from __future__ import annotations

import argparse
import contextlib
import sys
from pathlib import Path

from explorer.commands.shared import Commands, add_settings, asked_for, bar, say, terminable
from explorer.config import MemorizationConfig
from explorer.options import options_of
from explorer.records import Progress, StoreError

MEMORIZATION_OPTIONS = options_of(MemorizationConfig)


def add(commands: Commands) -> None:
    parser = commands.add_parser("memorization", help="estimate how far each image has to be seen to be got right; can be continued")
    add_settings(parser, MEMORIZATION_OPTIONS)
    parser.add_argument("--import_scores", metavar="FILE.npz", help="keep a published estimate for these data instead of training")
    parser.set_defaults(command=memorization)


def memorization(options: argparse.Namespace) -> int:
    """Train or import, a line every tenth of the networks; then how far the scores of runs on the same images agree; last the id alone."""
    from explorer.runs.memorization import agreements, describe, describe_agreements, describes, open_memorization, same_data
    from explorer.runs.store import RunStore

    store = RunStore(options.runs)
    asked = asked_for(options, MEMORIZATION_OPTIONS)
    if options.import_scores:
        from explorer.runs.published import import_published

        config = MemorizationConfig.from_query({"noise": "none"} | asked)  # published for labels as they are
        memorization_id = import_published(store.root, options.import_scores, config)
    else:
        memorization_id = _memorize(store.root, MemorizationConfig.from_query(asked))
    stored = open_memorization(store.root, memorization_id)
    print(describe(stored))
    for summary in store.runs():
        if summary.status == "finished" and summary.config is not None and same_data(stored.config, summary.config):
            try:
                run = store.open(summary.run_id)
            except StoreError as error:  # with the others it can still be compared
                print(f"left out: {error}", file=sys.stderr)
                continue
            if describes(stored, run):
                print(describe_agreements(run.run_id, agreements(stored, run)))
    print(memorization_id)
    return 0


def _memorize(root: Path, config: MemorizationConfig) -> str:
    from explorer import pipeline
    from explorer.runs.memorization import describe, execute_memorization, open_memorization

    memorization_id, tenth = pipeline.identify(config), 0
    with terminable(), contextlib.closing(execute_memorization(root, config)) as records, bar("network") as shown:
        for record in records:
            if isinstance(record, Progress):
                continue
            stored = open_memorization(root, memorization_id)
            shown.total, shown.n = config.models, stored.models
            shown.refresh()
            if stored.models < config.models and 10 * stored.models // config.models > tenth:
                tenth = 10 * stored.models // config.models
                say(describe(stored))
    return memorization_id
