"""DICOM whole slides, when wsidicom is installed: the files of one series, which are the levels of one pyramid."""

from __future__ import annotations

from contextlib import ExitStack
from importlib import import_module
from typing import TYPE_CHECKING, Any

import numpy as np

from nucloop.errors import SlideError
from nucloop.slides.channels import ChannelLabel, refuse_multichannel
from nucloop.slides.headers.dicom import HOW_TO_INSTALL, slides_of
from nucloop.slides.headers.resolution import plausible
from nucloop.slides.locked_pixels import LockedLevel, LockedPixels
from nucloop.slides.open_file import OpenFile
from nucloop.slides.pictures import Picture, choose_picture, told_of_choice
from nucloop.slides.pixels import refuse_stack
from nucloop.slides.slide import Slide, build_levels

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["open_dicom"]


def open_dicom(path: Path, image: int | str | None = None) -> Slide:
    """Open the slide that a DICOM file is a level of, or one of the slides of a folder.

    Parameters
    ----------
    path : Path
        Any file of the series; the others are looked for beside it. Or a folder of files.
    image : int or str, optional
        Number or description of the series, in a folder of several; without it, the largest.

    Raises
    ------
    SlideError
        If wsidicom is not installed, or the files are damaged or no brightfield slide.
    """
    try:
        library: Any = import_module("wsidicom")
        import_module("pydicom")
    except (ImportError, OSError) as error:
        raise SlideError(f"{path.name} is of a kind that needs wsidicom. Install it with: {HOW_TO_INSTALL}") from error
    series = slides_of(path)
    pictures = [Picture(files[0].name, files[0].shape, pyramid=len(files) > 1) for files in series]
    number = choose_picture(pictures, image, path.name)
    files = series[number]
    if files[0].bits != 8:
        raise SlideError(
            f"{path.name} is whole, but has pixels of {files[0].bits} bits, which NucLoop does not read in DICOM. "
            "Export it as RGB of 8 bits."
        )
    with ExitStack() as stack:
        try:
            document = stack.enter_context(library.WsiDicom.open([file.path for file in files]))
            levels = list(document.pyramid)
            optical_paths, planes = levels[0].optical_paths, levels[0].focal_planes
            spacing = levels[0].pixel_spacing
        except Exception as error:
            raise SlideError(
                f"Cannot open {path.name}: it is no complete DICOM slide. Copy it again, with all files of its series."
            ) from error
        if len(planes) > 1:
            raise refuse_stack("z", len(planes), path.name)
        if len(optical_paths) > 1:
            raise refuse_multichannel(len(optical_paths), [ChannelLabel(one) for one in optical_paths], path.name)
        pixels = LockedPixels(path.name)
        sources = build_levels([_level(pixels, document, level) for level in levels], path.name)
        pixels.opened = opened = OpenFile(stack.pop_all().close)
    if path.is_file():
        # whichever level was chosen, it is one slide with one session beside it
        path = files[0].path
    return Slide(
        path.name, path, plausible(spacing.height * 1000, spacing.width * 1000), sources, files[0].magnification,
        opened.close, "dicom", *told_of_choice(pictures, number, image, path.name),
    )  # fmt: skip


def _level(pixels: LockedPixels, document: Any, level: Any) -> LockedLevel:
    number = int(level.level)

    def ask(y0: int, x0: int, y1: int, x1: int) -> Any:
        return np.asarray(document.read_region((x0, y0), number, (x1 - x0, y1 - y0)).convert("RGB"))

    return LockedLevel(pixels, (int(level.size.height), int(level.size.width)), f"level {number}", ask)
