"""The bands import in one direction only, and what is heavy stays where it belongs."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

# band -> bands of ours it may import, besides itself; a band may name only bands above it here
MAY_IMPORT = {
    "": "",  # explorer/__init__.py
    "options": "",
    "config": "options",
    "records": "config",
    "data": "config records",
    "training": "config records",
    "pipeline": "config records data training",
    "analysis": "config records",
    "runs": "options config records data analysis pipeline",
    "ui": "config records data analysis runs",
    "commands": "options config records data pipeline analysis runs",
    "__main__": "options config records data training pipeline analysis runs commands",
}
# package -> where it may be imported; app.py is the launcher, which warms what is heavy
ONLY_IN = {
    "torch": {"training"},
    "torchvision": {"training", "data"},
    "faiss": {"analysis", "app"},
    "plotly": {"ui", "app"},
    "streamlit": {"ui", "app"},
    "starlette": {"ui", "app"},
}
AT_TOP_LEVEL_ONLY_IN = {"torch": {"training"}, "torchvision": {"training"}, "faiss": set(), "streamlit": {"ui", "app"}, "plotly": {"ui"}}


def imported(tree: ast.AST) -> Iterator[str]:
    """Dotted names a file imports, inside functions too; ``from a import b`` counts as ``a.b``."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "relative import: write the full name"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Call) and isinstance(node.args[0] if node.args else None, ast.Constant):
            name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            if name in ("import_module", "__import__"):
                yield str(node.args[0].value)  # type: ignore[attr-defined]


def band_of(path: Path) -> str:
    """``explorer/data/noise.py`` is in data, ``explorer/config.py`` is config, ``app.py`` is app."""
    parts = path.with_suffix("").parts
    return "" if parts[1:] == ("__init__",) else parts[0] if len(parts) == 1 else parts[1]


def violations(path: Path, source: str) -> list[str]:
    band, found = band_of(path), []
    allowed = set(MAY_IMPORT["__main__"].split()) | {"ui"} if band == "app" else {band, *MAY_IMPORT[band].split()}
    for name in imported(ast.parse(source)):
        package, *rest = name.split(".")
        if package == "explorer":
            target = rest[0] if rest and rest[0] in MAY_IMPORT else ""
            if target and target not in allowed:
                found.append(f"{path}: {band} imports {name}")
        elif band not in ONLY_IN.get(package, {band}):
            found.append(f"{path}: {package} in {band}")
    return found


def sources() -> dict[Path, str]:
    paths = [*sorted((ROOT / "explorer").rglob("*.py")), ROOT / "app.py"]
    return {path.relative_to(ROOT): path.read_text() for path in paths}


def test_every_import_is_in_the_table() -> None:
    found = sources()
    assert len(found) > 20
    assert [problem for path, source in found.items() for problem in violations(path, source)] == []


@pytest.mark.parametrize(
    ("path", "source"),
    [
        ("explorer/analysis/scores.py", "from explorer.training.loop import train"),
        ("explorer/analysis/scores.py", "def f():\n    import torch.nn as nn"),
        ("explorer/config.py", "from explorer.records import Run"),
        ("explorer/config.py", "import explorer.runs.store"),
        ("explorer/records.py", "from explorer.data import noise"),
        ("explorer/data/digits.py", "from explorer import pipeline"),
        ("explorer/data/digits.py", "from torch import Tensor"),
        ("explorer/training/loop.py", "if TYPE_CHECKING:\n    from explorer.data.noise import add_noise"),
        ("explorer/training/loop.py", "from explorer.analysis.scores import SCORES"),
        ("explorer/runs/worker.py", "import streamlit as st"),
        ("explorer/runs/store.py", "from explorer.training.state import read_state"),
        ("explorer/runs/report.py", "def f():\n    import faiss"),
        ("explorer/ui/figures.py", "from explorer.pipeline import run"),
        ("explorer/ui/pages/train.py", "import explorer.training.models"),
        ("explorer/ui/pages/train.py", "importlib.import_module('torch.nn')"),
        ("explorer/pipeline.py", "from explorer.runs.store import RunStore"),
        ("explorer/pipeline.py", "import torch"),
        ("explorer/__main__.py", "from explorer.ui import theme"),
        ("explorer/commands/run.py", "from explorer.ui import theme"),
        ("app.py", "import torch"),
    ],
)
def test_a_planted_violation_is_seen(path: str, source: str) -> None:
    assert len(violations(Path(path), source)) == 1


@pytest.mark.parametrize(
    ("path", "source"),
    [
        ("explorer/runs/execution.py", "from explorer import __version__, pipeline"),
        ("explorer/data/torchvision_sets.py", "def f():\n    import torchvision"),
        ("explorer/ui/pages/train.py", "import streamlit as st\nfrom explorer.runs.store import RunStore"),
        ("explorer/analysis/scores.py", "from explorer.analysis.neighbors import nearest"),
    ],
)
def test_what_is_allowed_is_allowed(path: str, source: str) -> None:
    assert violations(Path(path), source) == []


def test_the_table_itself_has_one_direction() -> None:
    above: set[str] = set()
    for band, allowed in MAY_IMPORT.items():
        assert set(allowed.split()) <= above, f"{band} may import a band that stands below it"
        above.add(band)


def test_every_band_is_in_the_table() -> None:
    assert {band_of(path) for path in sources()} - {"app"} <= set(MAY_IMPORT)


def test_heavy_packages_are_imported_when_needed_only() -> None:
    found = []
    for path, source in sources().items():
        for node in ast.parse(source).body:
            for name in imported(node) if isinstance(node, (ast.Import, ast.ImportFrom)) else ():
                package = name.split(".")[0]
                if band_of(path) not in AT_TOP_LEVEL_ONLY_IN.get(package, {band_of(path)}):
                    found.append(f"{path}: {package}")
    assert found == []


def test_no_module_imports_itself_in_a_circle() -> None:
    """Over imports that happen when a module is loaded; those inside functions are there to be late."""
    edges: dict[str, set[str]] = {}
    modules = {".".join(path.with_suffix("").parts): source for path, source in sources().items()}
    for module, source in modules.items():
        top = [node for node in ast.parse(source).body if isinstance(node, (ast.Import, ast.ImportFrom))]
        wanted = {name for node in top for name in imported(node)}
        edges[module] = {other for other in modules if other != module and any(n == other or n.startswith(other + ".") for n in wanted)}
    done: set[str] = set()

    def visit(module: str, trail: tuple[str, ...]) -> None:
        assert module not in trail, " -> ".join([*trail, module])
        if module not in done:
            for other in edges[module]:
                visit(other, (*trail, module))
            done.add(module)

    for module in modules:
        visit(module, ())
    assert sum(map(len, edges.values())) > 50


def test_looking_at_stored_runs_imports_nothing_heavy() -> None:
    code = (
        "import sys, explorer.runs.store, explorer.analysis.scores, explorer.data.catalogue, explorer.config\n"
        "print(sorted({'torch', 'torchvision', 'streamlit', 'plotly', 'faiss', 'sklearn'} & {name.split('.')[0] for name in sys.modules}))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "[]"
