"""The README says what the code does: settings, scores, data sets, commands, files."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from explorer.__main__ import main
from explorer.analysis.scores import SCORES
from explorer.config import OPTIONS
from explorer.data.catalogue import names
from explorer.runs.store import RunStore

ROOT = Path(__file__).parents[1]
README = ROOT / "README.md"


@pytest.fixture(scope="module")
def readme() -> str:
    return README.read_text(encoding="utf-8")


def table(text: str, *header: str) -> list[list[str]]:
    """The rows of the first table with these column titles, without backticks."""
    lines = iter(text.splitlines())
    for line in lines:
        if cells(line) == list(header):
            assert re.fullmatch(r"[|\s:-]+", next(lines))
            rows = []
            for row in lines:
                if not row.startswith("|"):
                    break
                rows.append(cells(row))
            return rows
    raise AssertionError(f"no table with the columns {', '.join(header)}")


def cells(line: str) -> list[str]:
    return [cell.strip().replace("`", "") for cell in line.strip().strip("|").split("|")]


def settings_of_the_code() -> list[list[str]]:
    return [[o.name, str(o.default) if o.default != "" else '""', o.accepts, o.help] for o in OPTIONS.values()]


def test_the_table_of_settings_is_that_of_the_code(readme: str) -> None:
    assert table(readme, "field", "default", "accepts", "meaning") == settings_of_the_code()


@pytest.mark.parametrize("lie", [("| 30 |", "| 31 |"), ("a number from 0 to 1 |", "a number from 0 to 2 |"), ("| `seed` |", "| `sead` |")])
def test_a_lie_in_the_table_is_seen(readme: str, lie: tuple[str, str]) -> None:
    epochs = OPTIONS["epochs"].default
    true, false = (part.replace("30", str(epochs)).replace("31", str(epochs + 1)) for part in lie)
    assert true in readme
    assert table(readme.replace(true, false, 1), "field", "default", "accepts", "meaning") != settings_of_the_code()


def test_every_data_set_is_in_its_table(readme: str) -> None:
    named = [name for row in table(readme, "name", "what", "download") for name in row[0].split(", ")]
    assert named == [*names(), "a path"]


@pytest.mark.parametrize("name", SCORES)
def test_every_score_is_named(readme: str, name: str) -> None:
    assert SCORES[name].title.lower() in " ".join(readme.lower().split())


def test_every_file_of_a_run_is_named_and_every_name_is_a_file(readme: str, finished: tuple[RunStore, str]) -> None:
    section = readme.split("## A run's folder")[1].split("\n## ")[0]
    named = {name.rstrip("/") for name in re.findall(r"`([a-z_.]+/?)`", section)}
    store, run_id = finished
    assert named == {path.name for path in (store.root / run_id).iterdir()} - {"lock"}


def test_commands_shown_are_commands(readme: str, capsys: pytest.CaptureFixture[str]) -> None:
    commands = re.findall(r"python -m explorer (\w+)(.*)", readme)
    assert {command for command, _ in commands} >= {"run", "report", "serve"}
    for command, rest in commands:
        with pytest.raises(SystemExit) as caught:
            main([command, "--help"])
        assert caught.value.code == 0
        text = capsys.readouterr().out
        for flag in re.findall(r"--\w+", rest):
            assert flag in text, f"{command} has no {flag}"


def test_files_and_pictures_named_in_the_readme_are_there(readme: str) -> None:
    targets = [t for t in re.findall(r"\]\(([^)#]+)\)", readme) if "://" not in t]
    assert targets
    named = targets + re.findall(r"(?:-r |python |Read `)([\w/]+\.(?:txt|py))", readme)
    assert [name for name in named if not (ROOT / name).exists()] == []
