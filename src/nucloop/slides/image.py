"""Single pictures: PNG and JPEG, decoded once, when first looked at."""

import os
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFile
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile

from nucloop.errors import SlideError
from nucloop.slides.pixels import choose_conversion
from nucloop.slides.protocol import RgbArray
from nucloop.slides.resolution import plausible
from nucloop.slides.slide import Slide, build_levels

MAX_PIXELS = 500_000_000
"""Largest picture that is decoded whole: above 20,000 x 20,000, 1.5 GB in memory."""


def open_image(path: Path) -> Slide:
    """Open a PNG or JPEG.

    Raises
    ------
    SlideError
        If it is neither, is damaged, or is too large to be decoded whole.
    """
    source = ImageSource(path)
    with _open(path) as picture:
        mpp = _resolution(picture)
    return Slide(path.name, path, mpp, build_levels([source], path.name), None, source.forget, "image")


def _open(path: Path) -> ImageFile.ImageFile:
    """Open without Pillow's own limit, which warns of harmless sizes; ours is MAX_PIXELS."""
    try:
        with path.open("rb") as start:
            is_png = start.read(8) == b"\x89PNG\r\n\x1a\n"
        picture = PngImageFile(path) if is_png else JpegImageFile(path)
    except (OSError, SyntaxError, ValueError) as error:
        raise SlideError(
            f"Cannot open {path.name}: it is neither a PNG nor a JPEG picture, or its beginning is "
            "damaged. Copy or export it again."
        ) from error
    if picture.width * picture.height > MAX_PIXELS:
        size = f"{picture.height} x {picture.width}"
        picture.close()
        raise SlideError(
            f"{path.name} is {size} pixels, too large for a picture that has to be decoded whole. "
            "Export it as a tiled, pyramidal OME-TIFF."
        )
    return picture


def _resolution(picture: Image.Image) -> float | None:
    """µm per pixel from the dots per inch, when they are those of a microscope, not a screen."""
    dpi = picture.info.get("dpi")
    if not isinstance(dpi, tuple) or len(dpi) != 2 or not all(dpi):
        return None
    return plausible(25_400 / float(dpi[1]), 25_400 / float(dpi[0]))


class ImageSource:
    """The pixels of one picture; the first read decodes all of them."""

    def __init__(self, path: Path) -> None:
        self._path, self._lock = path, Lock()
        self._pixels: RgbArray | None = None
        with _open(path) as picture:
            self._shape = (picture.height, picture.width)

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width, pixels."""
        return self._shape

    def read(self, y0: int, x0: int, y1: int, x1: int) -> RgbArray:
        """Return a window as (y1 - y0, x1 - x0, 3) uint8.

        Raises
        ------
        SlideError
            If the file is truncated or damaged.
        """
        with self._lock:
            if self._pixels is None:
                self._pixels = self._decode()
            return self._pixels[y0:y1, x0:x1].copy()

    def forget(self) -> None:
        """Let go of the decoded pixels."""
        with self._lock:
            self._pixels = None

    def _decode(self) -> RgbArray:
        try:
            with _open(self._path) as picture:
                values = _values(picture)
        except (OSError, SyntaxError, ValueError, MemoryError) as error:
            raise SlideError(
                f"Cannot read {self._path.name}: the picture is truncated or damaged "
                f"({os.fspath(str(error))[:120]}). Copy the file again."
            ) from error
        channels = 1 if values.ndim == 2 else values.shape[2]
        convert = choose_conversion(channels, values.dtype, values, self._path.name)
        return convert(values.reshape(*values.shape[:2], channels))


def _values(picture: Image.Image) -> NDArray[Any]:
    if picture.mode in ("L", "LA", "RGB", "RGBA", "1"):
        return np.asarray(picture)
    if picture.mode.startswith("I"):
        return np.asarray(picture).astype(np.uint16)
    has_alpha = picture.mode in ("PA",) or "transparency" in picture.info
    return np.asarray(picture.convert("RGBA" if has_alpha else "RGB"))
