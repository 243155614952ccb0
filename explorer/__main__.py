"""The command line: run, memorization, duplicates, report, reproduce, serve."""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import secrets
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import FrameType

from explorer.config import OPTIONS, ConfigError, MemorizationConfig, Option, RunConfig, with_preset
from explorer.options import options_of
from explorer.records import DataError, EpochRecord, Progress, StoreError, TrainingError

MEMORIZATION_OPTIONS = options_of(MemorizationConfig)
SEARCHED = ("dataset", "label_column", "true_label_column", "image_size", "train_size", "data_seed")
DUPLICATES_OPTIONS = {name: OPTIONS[name] for name in SEARCHED}
PRECISION = 0.95


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
    train = commands.add_parser("run", help="train one run and store it; the same command continues or prints it")
    _add_settings(train, OPTIONS)
    train.add_argument("--again", action="store_true", help="train anew even if this run is already there")
    train.set_defaults(command=run_command)
    memorize = commands.add_parser("memorization", help="estimate how far each image has to be seen to be got right; can be continued")
    _add_settings(memorize, MEMORIZATION_OPTIONS)
    memorize.add_argument("--import_scores", metavar="FILE.npz", help="keep a published estimate for these data instead of training")
    memorize.set_defaults(command=memorization_command)
    duplicates = commands.add_parser("duplicates", help="images that stand in the data twice; needs no trained run")
    _add_settings(duplicates, DUPLICATES_OPTIONS)
    duplicates.add_argument("--against", default="", metavar="test", help="pairs of a training and a test image instead")
    duplicates.add_argument(
        "--precision", type=float, default=PRECISION, help=f"wanted share of duplicates among them; default {PRECISION}"
    )
    duplicates.add_argument("--to", required=True, metavar="FILE.parquet", help="table with columns a, b, similarity, conflicting, group")
    duplicates.set_defaults(command=duplicates_command)
    report = commands.add_parser("report", help="what stored runs found")
    report.add_argument("run_ids", nargs="*", metavar="RUN_ID")
    report.add_argument("--runs", help="folder that holds the runs")
    report.add_argument("--json", action="store_true", help="machine-readable, with every epoch")
    report.set_defaults(command=report_command)
    claims = commands.add_parser("reproduce", help="published claims against this machine: an hour on a CPU, and it can be interrupted")
    claims.add_argument("--only", action="append", metavar="NAME", help="only this claim; may be given several times")
    claims.add_argument("--device", default="auto", help=f"{OPTIONS['device'].help} ({OPTIONS['device'].accepts})")
    claims.add_argument("--runs", help="folder that holds the runs; those of the claims go below its folder reproduce")
    claims.set_defaults(command=reproduce_command)
    serve = commands.add_parser("serve", help="open the app")
    serve.add_argument("--host", help="address to listen on; default: this machine only")
    serve.add_argument("--port", type=int, help="port; default 8501")
    serve.add_argument("--data_root", help="when served to others: the only folder whose data may be opened")
    serve.add_argument("--runs", help="folder that holds the runs")
    serve.set_defaults(command=serve_command)
    return parser


def _add_settings(parser: argparse.ArgumentParser, settings: Mapping[str, Option]) -> None:
    """A flag for every setting, read as text: the config checks it, so that page, URL and command line say the same about a bad value."""
    for option in settings.values():
        shown = option.default if option.default != "" else "empty"
        parser.add_argument(f"--{option.name}", help=f"{option.help} ({option.accepts}; default {shown})".replace("%", "%%"))
    parser.add_argument("--runs", help="folder that holds the runs")


def run_command(options: argparse.Namespace) -> int:
    """Train, one line per epoch; the run_id stands alone on the last line of stdout."""
    from tqdm import tqdm

    from explorer import pipeline
    from explorer.runs.execution import execute
    from explorer.runs.report import epoch_line
    from explorer.runs.store import RunStore

    asked = {name: getattr(options, name) for name in OPTIONS if getattr(options, name) is not None}
    config = RunConfig.from_query(with_preset(asked))
    run_id = pipeline.identify(config)
    store = RunStore(options.runs)
    if not options.again and store.exists(run_id) and store.status(run_id)[0] == "finished":
        for row in store.folder(run_id).rows():
            print(epoch_line(row, trained=config.trains))
        print(run_id)
        return 0
    with _terminable(), contextlib.closing(execute(store, config, again=options.again)) as records, _bar(tqdm, "epoch") as bar:
        for record in records:
            if isinstance(record, EpochRecord):
                tqdm.write(epoch_line(store.folder(run_id).rows()[-1], trained=config.trains), file=sys.stdout)
                sys.stdout.flush()
                bar.total = config.canonical().epochs
                bar.n = record.epoch
                bar.refresh()
    print(run_id)
    return 0


def memorization_command(options: argparse.Namespace) -> int:
    """Train or import, a line every tenth of the networks; then how far the scores of runs on the same images agree; last the id alone."""
    from explorer.runs.memorization import agreements, describe, describe_agreements, describes, open_memorization, same_data
    from explorer.runs.store import RunStore

    store = RunStore(options.runs)
    asked = {name: getattr(options, name) for name in MEMORIZATION_OPTIONS if getattr(options, name) is not None}
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


def duplicates_command(options: argparse.Namespace) -> int:
    """Search for near-duplicates, a bar on a terminal; then what was found, and the file alone on the last line."""
    from tqdm import tqdm

    from explorer.runs.duplicates_export import export_duplicates
    from explorer.runs.store import RunStore

    config = RunConfig.from_query({name: getattr(options, name) for name in SEARCHED if getattr(options, name) is not None})
    asked = {"against": options.against, "precision": options.precision, "to": options.to}
    with _terminable(), contextlib.closing(export_duplicates(RunStore(options.runs).root, config, **asked)) as items, _bar(tqdm, "") as bar:
        for item in items:
            if isinstance(item, Progress):
                bar.desc, bar.total, bar.n = item.phase, item.total, item.done
                bar.refresh()
            else:
                print(item)
    print(options.to)
    return 0


def _memorize(root: Path, config: MemorizationConfig) -> str:
    from tqdm import tqdm

    from explorer import pipeline
    from explorer.runs.memorization import describe, execute_memorization, open_memorization

    memorization_id, tenth = pipeline.identify(config), 0
    with _terminable(), contextlib.closing(execute_memorization(root, config)) as records, _bar(tqdm, "network") as bar:
        for record in records:
            if isinstance(record, Progress):
                continue
            stored = open_memorization(root, memorization_id)
            bar.total, bar.n = config.models, stored.models
            bar.refresh()
            if stored.models < config.models and 10 * stored.models // config.models > tenth:
                tenth = 10 * stored.models // config.models
                tqdm.write(describe(stored), file=sys.stdout)
                sys.stdout.flush()
    return memorization_id


@contextlib.contextmanager
def _terminable() -> Iterator[None]:
    """SIGTERM ends what is inside as Ctrl-C does."""

    def interrupt(signum: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    previous = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, previous)


def _bar(tqdm: type, unit: str) -> contextlib.AbstractContextManager:
    return tqdm(total=None, unit=unit, disable=not sys.stderr.isatty(), leave=False)


def reproduce_command(options: argparse.Namespace) -> int:
    """Published claims against this machine; the table is printed and kept beside the runs."""
    import platform

    from explorer import pipeline
    from explorer.runs.reproduce import describe, reproduce, write_table
    from explorer.runs.store import RunStore, default_root

    device = OPTIONS["device"].check(options.device)
    root = Path(options.runs).expanduser() if options.runs else default_root()
    store = RunStore(root / "reproduce")
    outcomes = []
    with _terminable():
        for outcome in reproduce(store, options.only or (), device=device, progress=lambda text: print(f"  {text}", file=sys.stderr)):
            outcomes.append(outcome)
            print(describe(outcome), flush=True)
    machine = pipeline.machine(pipeline.resolve(RunConfig(device=device)))
    words = f"{machine['device_name']}, {machine['threads']} of {os.cpu_count()} processors, {platform.system()}"
    for path in write_table(store.root, outcomes, words):
        print(path)
    return 0


def report_command(options: argparse.Namespace) -> int:
    """Scores of stored runs, all that can be read by default, against truth where it is known."""
    from explorer.runs.report import describe, report
    from explorer.runs.store import RunStore

    store = RunStore(options.runs)
    reports = report(store, options.run_ids)
    for run_id in [] if options.run_ids else [summary.run_id for summary in store.runs() if summary.status != "queued"]:
        try:
            reports += report(store, [run_id])
        except StoreError as error:  # of the others there is still something to say
            print(f"left out: {error}", file=sys.stderr)
    if options.json:
        print(json.dumps(reports, indent=1))
        return 0
    for one in reports:
        print(describe(one))
    return 0


def serve_command(options: argparse.Namespace) -> int:
    """Open the app; the same as ``streamlit run app.py``. Served to others, it asks for the token in the printed link."""
    app = Path(__file__).resolve().parent.parent / "app.py"
    port = options.port or 8501
    command = [sys.executable, "-m", "streamlit", "run", str(app), "--server.port", str(port)]
    environment = dict(os.environ)
    if options.runs:
        environment["EXPLORER_HOME"] = str(Path(options.runs).expanduser().resolve())
    if options.data_root:
        root = Path(options.data_root).expanduser().resolve()
        if not root.is_dir():
            raise ConfigError("data_root", options.data_root, "is not a folder")
        environment["EXPLORER_DATA_ROOT"] = str(root)
    if options.host and options.host not in ("localhost", "127.0.0.1", "::1"):
        if not options.data_root:
            raise ConfigError("data_root", "", "is needed with --host: others may open only folders below it")
        environment["EXPLORER_TOKEN"] = token = secrets.token_urlsafe(16)
        command += ["--server.address", options.host]
        print(f"others open http://{options.host}:{port}/?token={token}", flush=True)
    return subprocess.run(command, env=environment, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
