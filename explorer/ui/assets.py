"""What the browser gets besides data: plotly.js from the installed package, the style sheet, the page's theme."""

from __future__ import annotations

import gzip
import hashlib
from functools import cache
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path

import streamlit as st
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from explorer.ui.theme import Palette, colours

ASSETS = Path(__file__).parents[2] / "assets"
_PLOTLY = files("plotly") / "package_data" / "plotly.min.js"
_CHART_FILES = Path(__file__).parent / "chart_files.js"


@cache
def drawing_version() -> str:
    """Changes with what the route below serves."""
    return f"{version('plotly')}-{hashlib.sha256(_CHART_FILES.read_bytes()).hexdigest()[:8]}"


def _script() -> bytes:
    """plotly.js, then what charts can be taken away as."""
    return _PLOTLY.read_bytes() + b"\n" + source(_CHART_FILES).encode()


@cache
def _plotly_gzip() -> bytes:
    """Compressed once per server process, not once per visitor."""
    return gzip.compress(_script(), compresslevel=6)


def _plotly(request: Request) -> Response:
    headers = {"Cache-Control": "public, max-age=31536000, immutable", "Vary": "Accept-Encoding"}
    if "gzip" not in request.headers.get("accept-encoding", ""):
        return Response(_script(), media_type="text/javascript", headers=headers)
    return Response(_plotly_gzip(), media_type="text/javascript", headers=headers | {"Content-Encoding": "gzip"})


def plotly_route() -> Route:
    """Serves plotly.js at ``<anything>/plotly.js``, so under every base path. For ``st.App(..., routes=[plotly_route()])``.

    The address the browser asks for carries the version (see live_chart.js), so it may be kept for ever.
    """
    return Route("/{base:path}plotly.js", _plotly)


def source(path: Path) -> str:
    """A component's script or style without indentation and comment lines: it travels with each of its messages."""
    lines = (line.strip() for line in path.read_text(encoding="utf-8").splitlines())
    return "\n".join(line for line in lines if line and not line.startswith(("//", "/*")))


def is_dark() -> bool:
    """Whether this visitor looks at the dark theme."""
    return st.context.theme.type == "dark"


def palette() -> Palette:
    """The colours for this visitor's theme."""
    return colours(is_dark())


def apply_style() -> None:
    """Add the style sheet; once per script run, before anything else is drawn."""
    st.html(ASSETS / "style.css")
