"""Where an export may go: a folder of its own, never among the data, and never over anything but an earlier export."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from explorer.config import ConfigError
from explorer.data.originals import source_folders
from explorer.records import Run
from explorer.runs.files import write
from explorer.runs.store import RunStore

MARK = "export.json"  # in a folder that holds an export of ours


def check_folder(store: RunStore, run: Run, to: Path | str, *, overwrite: bool = False) -> Path:
    """The folder, made absolute, if an export may be written there.

    Raises:
        ConfigError: naming ``to``: it belongs to the data, holds something else, an export that is not to be overwritten, or, where the
            page is served to others, lies outside the folder for exports.
    """
    try:
        folder = Path(to).expanduser().resolve()
    except (OSError, RuntimeError, ValueError):
        raise ConfigError("to", str(to), "is not a path") from None
    own, holding = source_folders(run.config)
    if str(folder) in holding or any(folder.is_relative_to(source) for source in own):
        raise ConfigError("to", str(to), "belongs to the data, which are never changed; give another folder")
    if os.environ.get("EXPLORER_DATA_ROOT") and not folder.is_relative_to(exports := store.root / "exports"):
        raise ConfigError("to", str(to), f"is not below {exports}, where exports go when the page is served to others")
    if folder.exists() and not folder.is_dir():
        raise ConfigError("to", str(to), "is a file; give a folder")
    if folder.is_dir() and any(folder.iterdir()):
        if not (folder / MARK).is_file():
            raise ConfigError("to", str(to), "holds other files; give a new or an empty folder")
        if not overwrite:
            raise ConfigError("to", str(to), "holds an earlier export; give another folder, or ask to overwrite it")
    return folder


def begin_export(folder: Path, about: Mapping[str, Any], files: Sequence[str], images: Sequence[str]) -> None:
    """Remove what an earlier export wrote here, and nothing else; then say that what is here is an export, and of what.

    Args:
        files: what an export may write, relative to the folder. images: what this one will write below ``images``.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for name in (*files, *_earlier_images(folder)):
        (folder / name).unlink(missing_ok=True)
    for place, _, _ in os.walk(folder / "images", topdown=False):
        if not os.listdir(place):
            os.rmdir(place)
    text = json.dumps({**about, "images": list(images)}, indent=1)
    write(folder / MARK, lambda file: file.write(text.encode()))


def _earlier_images(folder: Path) -> list[str]:
    """What the mark in a folder names, as far as it lies in ``images``: the mark may have been written by anybody."""
    if not (folder / MARK).is_file():
        return []
    try:
        named = json.loads((folder / MARK).read_text())["images"]
        inside = (folder / "images").resolve()
        return [name for name in named if (folder / name).parent.resolve().is_relative_to(inside) and (folder / name).is_file()]
    except (ValueError, KeyError, TypeError, OSError) as error:
        raise ConfigError("to", str(folder), f"holds an export whose {MARK} cannot be read ({error}); give another folder") from error
