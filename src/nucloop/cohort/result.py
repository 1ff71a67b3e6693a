"""The result of a slide: a folder that is whole or not there."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nucloop.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nucloop.cohort.project import Project

__all__ = [
    "FIGURES",
    "drop_older",
    "kept_keys",
    "key_of_folder",
    "read_figures",
    "result_folder",
    "sweep",
    "whole_folder",
]

FIGURES = "slide.json"
"""The file of a result that holds its figures."""
_UNFINISHED = ".unfinished-"


def key_of_folder(folder: Path) -> str:
    """Return the key of the result that a folder holds."""
    return folder.name.rpartition(".")[2]


def result_folder(results: Path, slide: str, key: str) -> Path:
    """Return where the result of a slide lies, there or not."""
    return results / f"{slide}.{key}"


@contextmanager
def whole_folder(target: Path) -> Iterator[Path]:
    """Give an empty folder that becomes `target` when the block ends without an error.

    Where another worker was faster, its folder stays and this one goes: both hold the same.

    Raises
    ------
    DataError
        If it cannot be written, as on a full disk. Nothing is left of it.
    """
    part: Path | None = None
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        part = Path(tempfile.mkdtemp(prefix=_UNFINISHED, dir=target.parent))
        yield part
        part.chmod(0o755)
        _on_disk(part)
        if not target.exists():
            part.rename(target)
    except OSError as error:
        if target.exists():
            return
        raise DataError(
            f"Cannot write {target.name}: {error.strerror or error}. Make room in {target.parent} or mend its rights, "
            "and run again."
        ) from error
    finally:
        if part is not None:
            shutil.rmtree(part, ignore_errors=True)


def _on_disk(folder: Path) -> None:
    """See to it that the names in a folder are on the disk before the folder gets its own; files see to themselves."""
    if hasattr(os, "O_DIRECTORY"):
        handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def kept_keys(results: Path) -> dict[str, set[str]]:
    """Return the keys of all results, by slide: one look into one folder, however many there are."""
    found: dict[str, set[str]] = {}
    with suppress(FileNotFoundError), os.scandir(results) as entries:
        for entry in entries:
            slide, _, key = entry.name.rpartition(".")
            if slide and not entry.name.startswith("."):
                found.setdefault(slide, set()).add(key)
    return found


def read_figures(folder: Path) -> dict[str, Any]:
    """Read the figures of a result.

    Raises
    ------
    DataError
        If they are damaged.
    """
    try:
        figures: dict[str, Any] = json.loads((folder / FIGURES).read_bytes())
    except (OSError, ValueError) as error:
        raise DataError(
            f"The result {folder} is damaged. Delete the folder, and nucloop cohort run makes it anew."
        ) from error
    return figures


def drop_older(results: Path, slide: str, keys: set[str]) -> None:
    """Remove results of a slide that a newer one has replaced."""
    for key in keys:
        shutil.rmtree(result_folder(results, slide, key), ignore_errors=True)


def sweep(project: Project) -> None:
    """Remove what runs that were killed have left unfinished."""
    for folder in (project.results, project.parts):
        for left in folder.glob(f"{_UNFINISHED}*"):
            shutil.rmtree(left, ignore_errors=True)
