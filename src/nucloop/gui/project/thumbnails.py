"""Small pictures of slides: read in the background for the rows on screen, the last few hundred kept."""

from __future__ import annotations

import io
from collections import OrderedDict
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image as Picture
from qtpy.QtCore import QObject, Signal
from qtpy.QtGui import QImage, QPixmap

from nucloop.cohort.writing import THUMBNAIL
from nucloop.errors import NucLoopError
from nucloop.gui.viewing.thumbnail import thumbnail_steps
from nucloop.gui.widgets.jobs import Ending, Job
from nucloop.slides import open_slide

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from nucloop.cohort.overview import Overview

__all__ = ["SIDE", "Thumbnails"]

SIDE = 40
"""Longest side, pixels."""
MOST_KEPT = 400
_AT_ONCE = 8
_MOST_WAITING = 48
"""Rows that were scrolled by longer ago are not read any more."""
_MOST_READ = 16_000_000
"""A coarsest level of more pixels is not read: its picture comes with the first result."""


class Thumbnails(QObject):
    """Gives pictures that are there, and reads those that are not."""

    arrived = Signal(list)
    """Ids of slides whose pictures are there now."""

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._kept: OrderedDict[tuple[str, str], QPixmap | None] = OrderedDict()
        self._waiting: dict[tuple[str, str], Overview] = {}
        self._job: Job | None = None

    def __len__(self) -> int:
        return len(self._kept)

    @property
    def busy(self) -> bool:
        """Whether pictures are still to come."""
        return self._job is not None

    def of(self, one: Overview) -> QPixmap | None:
        """Return the picture of a slide; None while it is being read, and where there is none."""
        key = _key(one)
        if key in self._kept:
            self._kept.move_to_end(key)
            return self._kept[key]
        # asked last, read first: that row is on screen
        self._waiting.pop(key, None)
        self._waiting[key] = one
        while len(self._waiting) > _MOST_WAITING:
            del self._waiting[next(iter(self._waiting))]
        if self._job is None:
            self._read_on()
        return None

    def clear(self) -> None:
        """Forget all of them: the project is another one."""
        self._kept.clear()
        self._waiting.clear()
        if self._job is not None:
            self._job.abandon()
            self._job = None

    def _read_on(self) -> None:
        wanted = [self._waiting.popitem() for _ in range(min(_AT_ONCE, len(self._waiting)))]
        if not wanted:
            self._job = None
            return
        self._job = Job(lambda: _read(wanted), self)
        self._job.items.connect(self._take)
        self._job.ended.connect(self._ended)
        self._job.start()

    def _take(self, items: list[tuple[tuple[str, str], NDArray[np.uint8] | None]]) -> None:
        for key, pixels in items:
            self._kept[key] = None if pixels is None else _pixmap(pixels)
            self._waiting.pop(key, None)
        while len(self._kept) > MOST_KEPT:
            self._kept.popitem(last=False)
        self.arrived.emit([key[0] for key, _ in items])

    def _ended(self, ending: Ending) -> None:
        self._read_on()


def _key(one: Overview) -> tuple[str, str]:
    """Return what a picture is kept by: a new result brings a new one."""
    return one.entry.id, "" if one.state.folder is None else one.state.folder.name


def _read(wanted: list[tuple[tuple[str, str], Overview]]) -> Iterator[tuple[tuple[str, str], NDArray[np.uint8] | None]]:
    for key, one in wanted:
        pixels: NDArray[np.uint8] | None = None
        # whatever is wrong with a slide is said elsewhere: here it has no picture
        with suppress(NucLoopError, OSError, ValueError, Picture.DecompressionBombError):
            pixels = _pixels(one)
        yield key, pixels


def _pixels(one: Overview) -> NDArray[np.uint8] | None:
    if one.state.folder is not None:
        with suppress(OSError):
            return _small(Picture.open(io.BytesIO((one.state.folder / THUMBNAIL).read_bytes())).convert("RGB"))
    if one.entry.trouble:
        return None
    with open_slide(one.entry.path, image=one.entry.image or None) as slide:
        level: Any = slide.levels[-1]
        height, width = level.shape
        if height * width > _MOST_READ:
            return None
        (made,) = thumbnail_steps(level.read(0, 0, height, width))
    return _small(Picture.fromarray(made.pixels))


def _small(picture: Picture.Image) -> NDArray[np.uint8]:
    picture.thumbnail((2 * SIDE, 2 * SIDE), Picture.Resampling.BOX)
    return np.ascontiguousarray(np.asarray(picture))


def _pixmap(pixels: NDArray[np.uint8]) -> QPixmap:
    height, width = pixels.shape[:2]
    image = QImage(pixels.tobytes(), width, height, 3 * width, QImage.Format.Format_RGB888)
    pixmap = QPixmap.fromImage(image.copy())
    # drawn half as large: sharp on fine screens, too
    pixmap.setDevicePixelRatio(2.0)
    return pixmap
