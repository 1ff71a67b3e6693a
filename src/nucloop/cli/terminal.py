"""What the commands share at the terminal: consoles, progress bars, parsing of regions."""

from __future__ import annotations

import json
import os
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from nucloop.errors import NucLoopError, RegionError
from nucloop.slides import Box

__all__ = ["errors", "output", "parse_box", "progress_bar", "write_text"]

output = Console()
errors = Console(stderr=True)


def progress_bar() -> Progress:
    """Return a bar on standard error with a count and the time left."""
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[note]}"),
        TimeRemainingColumn(),
        console=errors,
        transient=True,
    )


def parse_box(text: str) -> Box:
    """Read ``Y,X,HEIGHT,WIDTH`` in level-0 pixels."""
    try:
        y, x, height, width = (int(part) for part in text.split(","))
        if height < 1 or width < 1:
            raise ValueError
    except ValueError as error:
        raise RegionError(
            f"--region {text!r} is not Y,X,HEIGHT,WIDTH: four whole numbers of level-0 pixels, "
            "such as 0,0,2048,2048."
        ) from error
    return Box(y, x, height, width)


def write_text(path: Path, text: str) -> None:
    """Write a file at once or not at all."""
    temporary = path.with_name(f"{path.name}.{os.getpid()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary.write_text(text, encoding="utf-8")
        os.replace(temporary, path)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise NucLoopError(
            f"Cannot write {path}: {error.strerror}. Choose another folder."
        ) from error


def write_json(path: Path, data: object) -> None:
    """Write plain types as indented JSON."""
    write_text(path, json.dumps(data, indent=2, ensure_ascii=False) + "\n")
