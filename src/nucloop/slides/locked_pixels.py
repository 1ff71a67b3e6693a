"""Pixels that a library reads of an open file, which only one thread at a time may ask it for."""

from __future__ import annotations

from threading import Lock
from typing import TYPE_CHECKING, Any

import numpy as np

from nucloop.errors import SlideError
from nucloop.slides.channels import Channels
from nucloop.slides.pixels import ToRgb

if TYPE_CHECKING:
    from collections.abc import Callable

    from nucloop.slides.open_file import OpenFile
    from nucloop.slides.protocol import RgbArray

__all__ = ["LockedLevel", "LockedPixels"]


class LockedPixels:
    """The pixels of an open file; all its levels share one, so that one thread at a time reads.

    Parameters
    ----------
    name : str
        Of the slide, for what a person is told.
    samples : int
        Of each pixel, 1 or 3, in 8 bits.
    """

    def __init__(self, name: str, samples: int = 3) -> None:
        self.opened: OpenFile | None = None
        """Closes the file once no level is left that reads from it."""
        self._name, self._lock = name, Lock()
        self._convert = ToRgb(Channels(samples, samples), np.dtype(np.uint8))

    def read(self, ask: Callable[[], Any], y0: int, x0: int, level: str) -> RgbArray:
        """Have the library asked for a window, and return it as RGB.

        Parameters
        ----------
        ask : callable
            Returns the pixels, (h, w) or (h, w, samples); no other thread is in one meanwhile.
        y0, x0 : int
            Of the window, and
        level : str
            of which level: for what a person is told when that fails.

        Raises
        ------
        SlideError
            If the file is closed, or damaged there.
        """
        try:
            with self._lock:
                pixels = ask()
        except Exception as error:
            raise SlideError(
                f"Cannot read {self._name} at row {y0}, column {x0} of {level}: it was closed, or is damaged there. "
                "Copy the file again."
            ) from error
        return self._convert(np.ascontiguousarray(pixels))


class LockedLevel:
    """One level of such a file.

    Parameters
    ----------
    pixels : LockedPixels
    shape : (height, width)
        Pixels.
    words : str
        What a person is told this level is.
    ask : callable
        Has the library read a window, (y0, x0, y1, x1) in pixels of the level.
    """

    def __init__(
        self, pixels: LockedPixels, shape: tuple[int, int], words: str, ask: Callable[[int, int, int, int], Any]
    ) -> None:
        self._pixels, self._shape, self._words, self._ask = pixels, shape, words, ask

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width, pixels."""
        return self._shape

    def read(self, y0: int, x0: int, y1: int, x1: int) -> RgbArray:
        """Return a window as (y1 - y0, x1 - x0, 3) uint8.

        Raises
        ------
        SlideError
            If the file is closed, or damaged there.
        """
        return self._pixels.read(lambda: self._ask(y0, x0, y1, x1), y0, x0, self._words)
