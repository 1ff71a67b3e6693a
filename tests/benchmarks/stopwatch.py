"""One click on Detect nuclei, timed by what the window has drawn."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import numpy as np
from qtpy.QtCore import QEventLoop, QObject, Qt, QTimer
from qtpy.QtTest import QTest

from nucloop.gui.widgets.messages import Tone

if TYPE_CHECKING:
    from collections.abc import Callable

    import napari

    from nucloop.gui.detect.detect_dock import DetectDock

LONGEST_S = 120
TICK_MS = 5


class Watch(QObject):
    """Notes every frame that the canvas has shown, with the nuclei in it, and every tick of the event loop."""

    def __init__(self, viewer: napari.Viewer, dock: DetectDock) -> None:
        super().__init__()
        self._dock, self._drawn = dock, 0
        self.frames: list[tuple[float, int]] = []
        self.ticks: list[float] = []
        canvas = viewer.window._qt_viewer.canvas
        self._draw = canvas._scene_canvas.events.draw
        self._draw.connect(self._frame_drawn, position="last")
        self._native = canvas.native
        self._native.frameSwapped.connect(self._frame_shown)
        self._timer = QTimer(self)
        self._timer.setTimerType(Qt.TimerType.PreciseTimer)
        self._timer.timeout.connect(lambda: self.ticks.append(time.perf_counter()))
        self._timer.start(TICK_MS)

    def stop(self) -> None:
        self._timer.stop()
        self._draw.disconnect(self._frame_drawn)
        self._native.frameSwapped.disconnect(self._frame_shown)

    def _frame_drawn(self, event: object = None) -> None:
        nuclei = self._dock.detection.nuclei_of(self._dock.controls.image)
        self._drawn = 0 if nuclei is None else len(nuclei.layer.data)

    def _frame_shown(self) -> None:
        # a frame counts once it is in the window, not when its drawing has been ordered
        self.frames.append((time.perf_counter(), self._drawn))


def timed_click(viewer: napari.Viewer, dock: DetectDock) -> tuple[float, float, float]:
    """Click on the button; return seconds to the first nuclei drawn and to all, and the longest freeze in ms."""
    canvas = viewer.window._qt_viewer.canvas
    before = canvas.screenshot()
    watch = Watch(viewer, dock)
    wait(100)
    began = time.perf_counter()
    QTest.mouseClick(dock.controls.detect, Qt.MouseButton.LeftButton)
    wait_until(lambda: not dock.detection.running, "the detection is over")
    nuclei = dock.detection.nuclei_of(dock.controls.image)
    said = dock.detection.message
    if nuclei is None or not len(nuclei.session) or (said is not None and said.tone is Tone.ERROR):
        raise RuntimeError(f"the click gave no nuclei: {said.text if said else 'nothing was said'}")
    count = len(nuclei.session)
    wait_until(lambda: watch.frames[-1][1] == count, "all nuclei are drawn")
    wait(100)
    watch.stop()
    if np.array_equal(before, canvas.screenshot()):
        raise RuntimeError("the window looks as it did before the click: nothing was drawn")
    return _summary(watch, began, count)


def _summary(watch: Watch, began: float, count: int) -> tuple[float, float, float]:
    first = min(t for t, drawn in watch.frames if t >= began and drawn)
    last = min(t for t, drawn in watch.frames if t >= began and drawn == count)
    ticks = np.array(watch.ticks)
    # from the last tick before the click: what the click itself takes is a freeze too
    ticks = ticks[max(0, np.searchsorted(ticks, began) - 1) :]
    return first - began, last - began, 1000 * float(np.diff(ticks).max())


def wait(milliseconds: int) -> None:
    """Let the window live for a while."""
    loop = QEventLoop()
    QTimer.singleShot(milliseconds, loop.quit)
    loop.exec()


def wait_until(condition: Callable[[], bool], what: str) -> None:
    """Let the window live until something is so.

    Raises
    ------
    TimeoutError
        If it does not come to that.
    """
    deadline = time.monotonic() + LONGEST_S
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"waited {LONGEST_S} s in vain until {what}")
        wait(TICK_MS)
