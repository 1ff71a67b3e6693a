"""Formats that only OpenSlide reads (MIRAX and others), when openslide-python is installed."""

from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from nucloop.errors import SlideError
from nucloop.slides.channels import Channels
from nucloop.slides.headers.resolution import plausible
from nucloop.slides.pixels import ToRgb
from nucloop.slides.protocol import RgbArray
from nucloop.slides.slide import Slide, build_levels


def open_with_openslide(path: Path) -> Slide:
    """Open any slide OpenSlide knows.

    Raises
    ------
    SlideError
        If openslide-python is not installed, or the file is damaged or of another kind.
    """
    try:
        openslide: Any = import_module("openslide")
    except (ImportError, OSError) as error:
        raise SlideError(
            f"{path.name} is of a kind that needs OpenSlide. Install it with: "
            "pip install openslide-python openslide-bin"
        ) from error
    try:
        handle = openslide.OpenSlide(path)
    except openslide.OpenSlideError as error:
        raise SlideError(
            f"Cannot open {path.name}: OpenSlide does not know it, or it is damaged. Copy the file again, with the "
            "folder beside it when it has one."
        ) from error
    sources = [OpenSlideLevel(handle, level, path.name) for level in range(handle.level_count)]
    said = handle.properties
    return Slide(
        path.name, path, plausible(_number(said, "mpp-y"), _number(said, "mpp-x")),
        build_levels(sources, path.name), _number(said, "objective-power"), handle.close,
        "openslide",
    )  # fmt: skip


def _number(properties: Any, key: str) -> float | None:
    try:
        return float(properties[f"openslide.{key}"])
    except (KeyError, ValueError):
        return None


class OpenSlideLevel:
    """One level; OpenSlide itself is thread-safe."""

    def __init__(self, handle: Any, level: int, name: str) -> None:
        self._handle, self._level, self._name = handle, level, name
        self._convert = ToRgb(Channels(4, 3, alpha=3), np.dtype(np.uint8))

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width, pixels."""
        width, height = self._handle.level_dimensions[self._level]
        return int(height), int(width)

    def read(self, y0: int, x0: int, y1: int, x1: int) -> RgbArray:
        """Return a window as (y1 - y0, x1 - x0, 3) uint8.

        Raises
        ------
        SlideError
            If OpenSlide cannot decode it.
        """
        downsample = self._handle.level_downsamples[self._level]
        corner = (round(x0 * downsample), round(y0 * downsample))
        try:
            picture = self._handle.read_region(corner, self._level, (x1 - x0, y1 - y0))
        except Exception as error:
            raise SlideError(
                f"Cannot read {self._name} at row {y0}, column {x0} of level {self._level}: it is damaged there. "
                "Copy the file again."
            ) from error
        return self._convert(np.asarray(picture))
