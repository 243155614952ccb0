"""The command line: run, report, serve."""

from __future__ import annotations

import argparse
import contextlib
import json
import math
import os
import secrets
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from types import FrameType

from explorer.config import OPTIONS, ConfigError, RunConfig
from explorer.records import DataError, EpochRecord, StoreError, TrainingError


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
        print("interrupted: finished epochs are kept; the same command continues", file=sys.stderr)
        return 130


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m explorer", description="Watch a network learn, then memorize.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    train = commands.add_parser("run", help="train one run and store it; the same command continues or prints it")
    for option in OPTIONS.values():
        # read as text: RunConfig checks it, so that page, URL and command line say the same about a bad value
        shown = option.default if option.default != "" else "empty"
        train.add_argument(f"--{option.name}", help=f"{option.help} ({option.accepts}; default {shown})".replace("%", "%%"))
    train.add_argument("--runs", help="folder that holds the runs")
    train.add_argument("--again", action="store_true", help="train anew even if this run is already there")
    train.set_defaults(command=run_command)
    report = commands.add_parser("report", help="what stored runs found")
    report.add_argument("run_ids", nargs="*", metavar="RUN_ID")
    report.add_argument("--runs", help="folder that holds the runs")
    report.add_argument("--json", action="store_true", help="machine-readable, with every epoch")
    report.set_defaults(command=report_command)
    serve = commands.add_parser("serve", help="open the app")
    serve.add_argument("--host", help="address to listen on; default: this machine only")
    serve.add_argument("--port", type=int, help="port; default 8501")
    serve.add_argument("--data_root", help="when served to others: the only folder whose data may be opened")
    serve.add_argument("--runs", help="folder that holds the runs")
    serve.set_defaults(command=serve_command)
    return parser


def run_command(options: argparse.Namespace) -> int:
    """Train, one line per epoch; the run_id stands alone on the last line of stdout."""
    from tqdm import tqdm

    from explorer import pipeline
    from explorer.runs.execution import execute
    from explorer.runs.store import RunStore

    asked = {name: getattr(options, name) for name in OPTIONS if getattr(options, name) is not None}
    config = RunConfig.from_query(asked)
    run_id = pipeline.identify(config)
    store = RunStore(options.runs)
    if not options.again and store.exists(run_id) and store.status(run_id)[0] == "finished":
        for row in store.folder(run_id).rows():
            print(_line(row))
        print(run_id)
        return 0
    previous = signal.signal(signal.SIGTERM, _interrupt)
    try:
        with contextlib.closing(execute(store, config, again=options.again)) as records, _bar(tqdm) as bar:
            for record in records:
                if isinstance(record, EpochRecord):
                    tqdm.write(_line(store.folder(run_id).rows()[-1]), file=sys.stdout)
                    sys.stdout.flush()
                    bar.total = config.epochs
                    bar.n = record.epoch
                    bar.refresh()
    finally:
        signal.signal(signal.SIGTERM, previous)
    print(run_id)
    return 0


def _interrupt(signum: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _bar(tqdm: type) -> contextlib.AbstractContextManager:
    return tqdm(total=None, unit="epoch", disable=not sys.stderr.isatty(), leave=False)


def _line(row: dict[str, float]) -> str:
    def percent(name: str) -> str:
        return "    -" if math.isnan(row[name]) else f"{100 * row[name]:5.1f}"

    def number(name: str) -> str:
        return "     -" if math.isnan(row[name]) else f"{row[name]:6.3g}"

    seconds = row["train_seconds"] + row["eval_seconds"] + row["probe_seconds"]
    return (
        f"epoch {row['epoch']:4d}  train {percent('train_accuracy')} %  test {percent('test_accuracy')} %  "
        f"memorized {percent('memorized')} %  recovered {percent('recovered')} %  susceptibility {number('susceptibility')}  "
        f"curvature {number('mean_curvature')}  {seconds:.2f} s"
    )


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
