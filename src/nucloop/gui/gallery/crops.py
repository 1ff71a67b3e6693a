"""Crops of nuclei for the gallery: read in threads, what is on screen first, and kept for a while."""

from __future__ import annotations

import threading
from collections import OrderedDict
from contextlib import suppress
from typing import TYPE_CHECKING

import numpy as np
from qtpy.QtCore import QObject, QTimer, Signal
from qtpy.QtGui import QImage

from nucloop.errors import NucLoopError
from nucloop.slides import Box

if TYPE_CHECKING:
    from collections.abc import Sequence

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


class CropReader(QObject):
    """Reads crops of one slide.

    Parameters
    ----------
    slide : Slide
        With a resolution; closed together with the reader.
    """

    arrived = Signal()
    """Crops that were asked for are here."""
    _all_read = Signal()
    """Sent by the thread that has read the last one."""

    def __init__(self, slide: Slide, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._slide, self._mpp = slide, slide.require_mpp()
        self._kept: OrderedDict[tuple[int, float, float], QImage] = OrderedDict()
        self._wanted: list[tuple[int, float, float]] = []
        self._in_hand: set[tuple[int, float, float]] = set()
        self._read: list[tuple[tuple[int, float, float], QImage]] = []
        self._lock, self._work, self._over = threading.Lock(), threading.Event(), threading.Event()
        self._timer = QTimer(self)
        self._timer.timeout.connect(self._take)
        self._all_read.connect(self._take)
        self.destroyed.connect(self._over.set)
        self.destroyed.connect(self._work.set)
        self._threads = [
            threading.Thread(target=self._walk, daemon=True, name=f"nucloop-crops-{k}") for k in range(THREADS)
        ]
        for thread in self._threads:
            thread.start()

    def ask(self, ids: Sequence[int], yx: NDArray[np.floating]) -> dict[int, QImage]:
        """Return the crops that are here, and read the others; what was asked for before and is not here is dropped."""
        keys = [(int(one), float(y), float(x)) for one, (y, x) in zip(ids, yx, strict=True)]
        here = {key[0]: self._kept[key] for key in keys if key in self._kept}
        for key in keys:
            if key in self._kept:
                self._kept.move_to_end(key)
        with self._lock:
            coming = {*self._in_hand, *(key for key, _ in self._read)}
            self._wanted = [key for key in keys if key not in self._kept and key not in coming]
            waiting = bool(self._wanted)
        if waiting:
            self._work.set()
            self._timer.start(POLL_MS)
        return here

    @property
    def waiting(self) -> bool:
        """Whether crops that were asked for are still to come."""
        return self._timer.isActive()

    def close(self) -> None:
        """Read no more."""
        self._timer.stop()
        self._over.set()
        self._work.set()
        for thread in self._threads:
            thread.join(2)
        self._slide.close()

    def _take(self) -> None:
        with self._lock:
            read, self._read = self._read, []
            done = not self._wanted and not self._in_hand
        for key, crop in read:
            self._kept[key] = crop
        while len(self._kept) > MOST_KEPT:
            self._kept.popitem(last=False)
        if done:
            self._timer.stop()
        if read:
            self.arrived.emit()

    def _walk(self) -> None:
        """Read what is wanted, one crop after another. Runs in each of the threads."""
        while not self._over.is_set():
            with self._lock:
                key = self._wanted.pop(0) if self._wanted else None
                if key is None:
                    self._work.clear()
                else:
                    self._in_hand.add(key)
            if key is None:
                if not self._over.is_set():
                    self._work.wait()
                continue
            crop = self._crop(key)
            with self._lock:
                self._in_hand.discard(key)
                self._read.append((key, crop))
                done = not self._wanted and not self._in_hand
            if done:
                # the window may be gone by now
                with suppress(RuntimeError):
                    self._all_read.emit()

    def _crop(self, key: tuple[int, float, float]) -> QImage:
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
