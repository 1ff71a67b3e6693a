"""A window to correct in, timed by what it has drawn."""

from __future__ import annotations

import time
from contextlib import contextmanager
from functools import wraps
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

import numpy as np
from qtpy.QtCore import QEvent, QPoint, QPointF, Qt, QTimer
from qtpy.QtGui import QMouseEvent
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QApplication
from tests.benchmarks.stopwatch import TICK_MS, wait, wait_until
from vispy.scene import SceneCanvas

from nucloop.gui.canvas.docks import open_correct_dock, open_gallery_dock
from nucloop.gui.correct.correct_dock import CorrectDock
from nucloop.gui.layer.nuclei_layer import NucleiLayer
from nucloop.gui.napari_private.view_state import camera_of, canvas_size_of
from nucloop.gui.sessions.open_sessions import OpenSessions
from nucloop.session import Session

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import napari

WINDOW = (1440, 900)
IDLE_MS = 300


class CorrectingWindow:
    """A slide with its session and the Correct dock."""

    def __init__(self, viewer: napari.Viewer, path: Path) -> None:
        self.viewer = viewer
        viewer.window.resize(*WINDOW)
        viewer.open(path, plugin="napari-nucloop")
        image = viewer.layers[0]
        nuclei = OpenSessions.of(viewer).open(image)
        if nuclei is None:
            raise RuntimeError("the session did not open")
        self.nuclei: NucleiLayer = nuclei
        self.dock = open_correct_dock(viewer)
        viewer.layers.selection.active = nuclei.layer
        self.canvas = viewer.window._qt_viewer.canvas.native
        self._shown = 0.0
        self.canvas.frameSwapped.connect(self._frame_shown)
        self._ticks: list[float] = []
        self._timer = QTimer(self.canvas)
        self._timer.setTimerType(Qt.TimerType.PreciseTimer)
        self._timer.timeout.connect(lambda: self._ticks.append(time.perf_counter()))
        wait(IDLE_MS)
        self._next_class = 0

    def _frame_shown(self) -> None:
        self._shown = time.perf_counter()

    def look_at(self, middle: float, pixels: float) -> None:
        """Show a square of `pixels` level-0 pixels, and wait until all is at rest."""
        camera, scale = camera_of(self.viewer), float(self.nuclei.layer.scale[-1])
        camera.center = (middle * scale, middle * scale)
        camera.zoom = min(canvas_size_of(self.viewer)) / (pixels * scale)
        wait(3 * IDLE_MS)
        self._timer.start(TICK_MS)

    def longest_freeze_ms(self) -> float:
        """Return the longest time for which the window did not react since the view came to rest."""
        self._timer.stop()
        return 1000 * float(np.diff(self._ticks).max())

    def edit(self) -> dict[str, float]:
        """Point at a nucleus and press a number key; return ms until all is done, and the share of each step."""
        ids = self.nuclei.in_view()
        nucleus = int(ids[len(ids) // 2])
        self._hover(self.nuclei.session.positions([nucleus])[0])
        wait(IDLE_MS)
        label = (int(self.nuclei.session.labels([nucleus])[0]) + 1) % len(self.nuclei.session.scheme)
        before = self.dock.palette_rows.rows[label].count.text()
        with _clocked() as steps:
            began = time.perf_counter()
            QTest.keyClick(self.canvas, Qt.Key(Qt.Key.Key_1 + label))
            done = self._until_shown(began)
        if self.dock.palette_rows.rows[label].count.text() == before:
            raise RuntimeError("the counts in the dock are as they were")
        steps["window"] = done - began - sum(steps.values())
        return {"": 1000 * (done - began), **{f"{name}_": 1000 * value for name, value in steps.items()}}

    def repaint(self) -> float:
        """Have the canvas drawn once more, unchanged; return ms until it is: what any change has to wait for."""
        wait(IDLE_MS)
        began = time.perf_counter()
        self.canvas.update()
        return 1000 * (self._until_shown(began) - began)

    def review(self, repeat: int) -> Iterator[tuple[float, float]]:
        """Press Space once after another; return ms until the next nucleus is there to be drawn, and until it is drawn.

        It is there when it is in the middle with its picture and its neighbours, and the dock says why it is asked.
        """
        review = self.dock.correcting.review
        assert review is not None
        QTest.keyClick(self.canvas, Qt.Key.Key_Space)
        for _ in range(repeat):
            wait(IDLE_MS)
            before = review.question
            began = time.perf_counter()
            QTest.keyClick(self.canvas, Qt.Key.Key_Space)
            # what the dock does next by itself
            QApplication.sendPostedEvents(None, QEvent.Type.MetaCall.value)
            there = time.perf_counter()
            if review.question is None or review.question == before:
                raise RuntimeError("there was no next question")
            if review.why[1:] not in self.dock.review.why.text():
                raise RuntimeError("the dock does not say why this is asked")
            yield 1000 * (there - began), 1000 * (self._until_shown(began) - began)
        review.stop()

    def brush(self) -> tuple[float, float, float]:
        """Sweep over the view and let go; return ms until that is shown, how many nuclei, and ms for its undo."""
        session, pointer = self.nuclei.session, self.dock.correcting.pointer
        assert pointer is not None
        height, width = canvas_size_of(self.viewer)
        corrections = self.dock.correcting.corrections
        assert corrections is not None
        corrections.current = self._next_class = (self._next_class + 1) % len(session.scheme)
        QTest.keyPress(self.canvas, Qt.Key.Key_B)
        pointer.radius_um = 25
        for y in np.linspace(0, height, 6):
            for x in (0, width):
                self._hover_pixel(QPoint(round(x), round(y)))
                wait(TICK_MS)
        wait(IDLE_MS)
        began = time.perf_counter()
        QTest.keyRelease(self.canvas, Qt.Key.Key_B)
        brushed = self._until_shown(began) - began
        newest = session.undoable
        swept = 0 if newest is None else newest.nuclei
        wait(IDLE_MS)
        began = time.perf_counter()
        QTest.keyClick(self.canvas, Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier)
        undone = self._until_shown(began) - began
        wait(IDLE_MS)
        return 1000 * brushed, float(swept), 1000 * undone

    def gallery_pages(self, repeat: int) -> list[float]:
        """Turn pages of the gallery, each of crops not yet read; return ms until every crop of each is there."""
        dock = open_gallery_dock(self.viewer)
        wait_until(lambda: len(dock.grid.ids) > 0, "the gallery is filled")
        wait_until(lambda: dock._reader is not None and not dock._reader.waiting, "the first page is read")
        bar, times = dock.grid.verticalScrollBar(), []
        for _ in range(repeat):
            wait(IDLE_MS)
            began = time.perf_counter()
            bar.setValue(bar.value() + 20 * bar.pageStep())
            dock.grid.viewport().repaint()
            wait_until(lambda: not dock._reader.waiting, "the page is read")
            dock.grid.viewport().repaint()
            crops = max(len(dock.grid.on_screen()), 1)
            # the bar speaks of 100 crops, whatever the size of the window
            times.append(1000 * (time.perf_counter() - began) * 100 / crops)
        return times

    def _until_shown(self, began: float) -> float:
        """Wait until a frame ordered after the edit is in the window and the dock has followed; return when."""
        wait_until(lambda: self._shown > began and not self.dock.showing.waiting, "the edit is drawn")
        return max(self._shown, time.perf_counter() - TICK_MS / 1000)

    def _hover(self, yx: Any) -> None:
        scale, camera = float(self.nuclei.layer.scale[-1]), camera_of(self.viewer)
        height, width = canvas_size_of(self.viewer)
        dy, dx = (np.asarray(yx) * scale - camera.center[-2:]) * camera.zoom
        self._hover_pixel(QPoint(round(width / 2 + dx), round(height / 2 + dy)))

    def _hover_pixel(self, point: QPoint) -> None:
        place, none = QPointF(point), Qt.MouseButton.NoButton
        world = QPointF(self.canvas.mapToGlobal(point))
        move = QMouseEvent(QEvent.Type.MouseMove, place, world, none, none, Qt.KeyboardModifier.NoModifier)
        QApplication.sendEvent(self.canvas, move)


@contextmanager
def _clocked() -> Iterator[dict[str, float]]:
    """Within it, add up the seconds of the journal, the layer, the dock and the canvas."""
    seconds = {"session": 0.0, "layer": 0.0, "dock": 0.0, "canvas": 0.0}

    def clocked(owner: Any, name: str, step: str) -> Any:
        function = getattr(owner, name)

        @wraps(function)
        def call(*args: Any, **kwargs: Any) -> Any:
            began = time.perf_counter()
            try:
                return function(*args, **kwargs)
            finally:
                seconds[step] += time.perf_counter() - began

        return patch.object(owner, name, call)

    with (
        clocked(Session, "set_class", "session"),
        clocked(NucleiLayer, "push", "layer"),
        clocked(NucleiLayer, "_show_labels", "layer"),
        clocked(CorrectDock, "_show_nuclei", "dock"),
        clocked(SceneCanvas, "draw_visual", "canvas"),
    ):
        yield seconds
    # the layer follows within the session's edit
    seconds["session"] -= seconds["layer"]
