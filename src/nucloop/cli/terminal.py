"""What the commands share at the terminal: what they say and where, progress bars, places to write to."""

from __future__ import annotations

import json
import tempfile
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.text import Text

from nucloop.errors import DataError, NucLoopError, RegionError, legible

if TYPE_CHECKING:
    from pathlib import Path

    from nucloop.slides import Box, Slide

__all__ = [
    "CONTRAST_HELP",
    "ENCODER_HELP",
    "GRADES_HELP",
    "HEAD_HELP",
    "IMAGE_HELP",
    "OUTLINES_HELP",
    "SHAPE_HELP",
    "check_writable",
    "complain",
    "opened_slide",
    "output",
    "parse_box",
    "parse_grades",
    "progress_bar",
    "say",
    "write_json",
]

CONTRAST_HELP = "Optical density by which a nucleus is darker than its surroundings; 0 keeps points on bare glass."
ENCODER_HELP = "Name or .safetensors file; a foundation model, NAME=PATH. By default what the detector needs."
GRADES_HELP = "With --dab: densities from which 2+ and 3+ begin, as 0.8,1.2."
HEAD_HELP = "Name or .safetensors file. By default what the detector needs."
IMAGE_HELP = "Number or name of the image, of a file that holds several. By default the slide among them."
OUTLINES_HELP = "Give nuclei outlines too."
SHAPE_HELP = "Whose outlines: name or .safetensors file. By default the detector's own, or what ships."

# brackets and colons in the names of slides, classes and regions are what they are, in tables too
output = Console(markup=False, emoji=False)
errors = Console(stderr=True, markup=False, emoji=False)


def say(line: str) -> None:
    """Print one line of result, in one piece however narrow the terminal is."""
    output.print(legible(line), highlight=False, soft_wrap=True)


def complain(line: object, about: str = "nucloop") -> None:
    """Print one sentence on standard error."""
    words = Text.assemble((f"{about}:", "bold red"), f" {legible(str(line))}")
    errors.print(words, highlight=False, soft_wrap=True)


def opened_slide(path: Path, *, mpp: float | None, image: str | None) -> Slide:
    """Open a slide, and say on standard error which of several images of its file that is."""
    from nucloop.slides import open_slide

    slide = open_slide(path, mpp=mpp, image=image)
    if slide.notice:
        complain(slide.notice)
    return slide


def progress_bar() -> Progress:
    """Return a bar on standard error with a count and the time left."""
    return Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[note]}", markup=False),
        TimeRemainingColumn(),
        console=errors,
        transient=True,
    )


def parse_box(text: str) -> Box:
    """Read ``Y,X,HEIGHT,WIDTH`` in level-0 pixels."""
    from nucloop.slides import Box

    try:
        y, x, height, width = (int(part) for part in text.split(","))
        if height < 1 or width < 1:
            raise ValueError
    except ValueError as error:
        raise RegionError(
            f"--region {text!r} is not Y,X,HEIGHT,WIDTH: four whole numbers of level-0 pixels, such as 0,0,2048,2048."
        ) from error
    return Box(y, x, height, width)


def parse_grades(text: str) -> tuple[float, float] | None:
    """Read the two densities of DAB from which nuclei are 2+ and 3+; None where nothing is said."""
    if not text:
        return None
    try:
        second, third = (float(part) for part in text.split(","))
    except ValueError as error:
        raise DataError(f"--grades needs two densities, where 2+ and 3+ begin, as 0.8,1.2, not {text}.") from error
    if not 0 < second <= third:
        raise DataError(f"--grades must ascend, and both lie above 0; {text} does not.")
    return second, third


def check_writable(folder: Path) -> None:
    """Refuse a folder that nothing can be written to before the work begins, not after it."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise NucLoopError(f"Cannot write to {folder}: {error.strerror}. Choose another folder.") from error


def write_json(path: Path, data: object) -> None:
    """Write plain types as indented JSON, the whole file or nothing."""
    from nucloop.formats.atomic import replacing

    with replacing(path) as file:
        file.write(json.dumps(data, indent=2, ensure_ascii=False).encode() + b"\n")
