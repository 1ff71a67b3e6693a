"""Crops of nuclei for the gallery: read in threads, what is on screen first, and kept for a while."""

from __future__ import annotations

import threading
from collections import OrderedDict
from typing import TYPE_CHECKING

import numpy as np
from qtpy.QtCore import QObject, QTimer, Signal
from qtpy.QtGui import QImage

from nucloop.errors import NucLoopError
from nucloop.slides import Box

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from nucloop.slides import Slide

__all__ = ["CROP_UM", "CropReader"]

CROP_UM = 24.0
"""Side of a crop: a nucleus and what surrounds it."""
CROP_PIXELS = 72
"""Side of a crop on screen."""
MOST_KEPT = 3000
POLL_MS = 120
"""How often crops are shown of which more are to come; the last come at once. Each time the whole window is composed
anew, which without a GPU takes longer than to read the crops, and from the same processor."""
THREADS = 2
"""Decoding a slide's tiles is most of the work, and frees the window meanwhile."""

Key = tuple[int, float, float]
"""A nucleus and its place: an id, y and x."""


class CropReader(QObject):
    """Reads crops of one slide.

    Parameters
    ----------
    slide : Slide
        With a resolution. It is the reader's from now on, and closed when nobody reads it any more.
    """

    arrived = Signal()
    """Crops that were asked for are here."""
    _all_read = Signal()
    """Sent by the thread that has read the last one."""

    def __init__(self, slide: Slide, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._kept: OrderedDict[Key, QImage] = OrderedDict()
        self._timer = QTimer(self)
        self._timer.timeout.connect(self._take)
        self._all_read.connect(self._take)
        self._reading = _Reading(slide, self._all_read.emit)
        self.destroyed.connect(self._reading.end)

    def ask(self, ids: Sequence[int], yx: NDArray[np.floating]) -> dict[int, QImage]:
        """Return the crops that are here, and read the others; what was asked for before and is not here is dropped."""
        keys = [(int(one), float(y), float(x)) for one, (y, x) in zip(ids, yx, strict=True)]
        here = {key[0]: self._kept[key] for key in keys if key in self._kept}
        for key in keys:
            if key in self._kept:
                self._kept.move_to_end(key)
        if self._reading.want([key for key in keys if key not in self._kept]):
            self._timer.start(POLL_MS)
        return here

    @property
    def waiting(self) -> bool:
        """Whether crops that were asked for are still to come."""
        return self._timer.isActive()

    def close(self) -> None:
        """Read no more; nobody waits for what is being read."""
        self._timer.stop()
        self._reading.end()

    def _take(self) -> None:
        read, done = self._reading.take()
        self._kept.update(read)
        while len(self._kept) > MOST_KEPT:
            self._kept.popitem(last=False)
        if done:
            self._timer.stop()
        if read:
            self.arrived.emit()


class _Reading:
    """The threads that read one slide, and what they share with the window. The last of them to end closes the slide.

    Parameters
    ----------
    slide : Slide
        What is read.
    all_read : callable
        Called in one of the threads when all that was wanted is read; never again once `end` has returned.
    """

    def __init__(self, slide: Slide, all_read: Callable[[], object]) -> None:
        self._slide, self._mpp, self._all_read = slide, slide.require_mpp(), all_read
        self._wanted: list[Key] = []
        self._in_hand: set[Key] = set()
        self._read: list[tuple[Key, QImage]] = []
        self._over, self._readers = False, THREADS
        # the window holds it for no longer than it takes to look at these
        self._changed = threading.Condition()
        for k in range(THREADS):
            threading.Thread(target=self._walk, daemon=True, name=f"nucloop-crops-{k}").start()

    def want(self, keys: Sequence[Key]) -> bool:
        """Read these and nothing else that was wanted before; return whether there is anything to read."""
        with self._changed:
            coming = {*self._in_hand, *(key for key, _ in self._read)}
            self._wanted = [key for key in keys if key not in coming]
            self._changed.notify_all()
            return bool(self._wanted)

    def take(self) -> tuple[list[tuple[Key, QImage]], bool]:
        """Return what was read since the last time, and whether it is all that was wanted."""
        with self._changed:
            read, self._read = self._read, []
            return read, not self._wanted and not self._in_hand

    def end(self) -> None:
        """Read no more than the crops in hand."""
        with self._changed:
            self._over = True
            self._changed.notify_all()

    def _walk(self) -> None:
        """Read what is wanted, one crop after another. Runs in each of the threads."""
        try:
            while (key := self._next()) is not None:
                self._put(key, self._crop(key))
        finally:
            with self._changed:
                self._readers -= 1
                last = not self._readers
            if last:
                self._slide.close()

    def _next(self) -> Key | None:
        """Wait for something to read; None when there will be nothing any more."""
        with self._changed:
            self._changed.wait_for(lambda: self._over or self._wanted)
            if self._over:
                return None
            key = self._wanted.pop(0)
            self._in_hand.add(key)
            return key

    def _put(self, key: Key, crop: QImage) -> None:
        with self._changed:
            self._in_hand.discard(key)
            self._read.append((key, crop))
            if not self._wanted and not self._in_hand and not self._over:
                self._all_read()

    def _crop(self, key: Key) -> QImage:
        side = max(8, round(CROP_UM / self._mpp))
        box = Box(round(key[1]) - side // 2, round(key[2]) - side // 2, side, side)
        try:
            pixels = self._slide.read_region(box, max(self._mpp, CROP_UM / CROP_PIXELS))
        except NucLoopError:
            # the slide says so itself where it is drawn
            pixels = np.full((8, 8, 3), 200, np.uint8)
        pixels = np.ascontiguousarray(pixels)
        height, width = pixels.shape[:2]
        return QImage(pixels.tobytes(), width, height, 3 * width, QImage.Format.Format_RGB888).copy()
