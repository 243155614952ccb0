"""``serve``: open the app."""

from __future__ import annotations

import argparse
import os
import secrets
import subprocess
import sys
from pathlib import Path

from explorer.commands.shared import Commands, add_runs
from explorer.config import ConfigError


def add(commands: Commands) -> None:
    parser = commands.add_parser("serve", help="open the app")
    parser.add_argument("--host", help="address to listen on; default: this machine only")
    parser.add_argument("--port", type=int, help="port; default 8501")
    parser.add_argument("--data_root", help="when served to others: the only folder whose data may be opened")
    add_runs(parser)
    parser.set_defaults(command=serve)


def serve(options: argparse.Namespace) -> int:
    """Open the app; the same as ``streamlit run app.py``. Served to others, it asks for the token in the printed link."""
    app = Path(__file__).resolve().parents[2] / "app.py"
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
