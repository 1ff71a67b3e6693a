"""A real window with the Detect dock open, and pictures of tissue to detect on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from qtpy.QtCore import QPoint, QPointF, Qt
from qtpy.QtGui import QEnterEvent
from qtpy.QtWidgets import QApplication

from nucloop.gui.actions import open_dock
from nucloop.gui.detect_dock import DetectDock

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import napari
    from numpy.typing import NDArray
    from pytestqt.qtbot import QtBot

    from nucloop.gui.nuclei_layer import NucleiLayer

LONG_MS = 120_000
MPP = 0.5


@pytest.fixture(scope="session")
def tissue() -> NDArray[np.uint8]:
    """A field of scikit-image's colon section, (512, 512, 3)."""
    from skimage import data

    return np.asarray(data.immunohistochemistry())


class Window:
    """A napari window as a person sees it: things to press, and what they then read."""

    def __init__(self, viewer: napari.Viewer, qtbot: QtBot) -> None:
        self.viewer, self.qtbot = viewer, qtbot
        viewer.window.resize(1100, 760)
        # without a window manager nobody else makes it the active window
        viewer.window._qt_window.activateWindow()
        self.dock: DetectDock = open_dock(viewer)
        qtbot.waitUntil(lambda: self.dock.device.text() not in ("", DetectDock.LOADING), timeout=LONG_MS)

    def open(self, picture: Any, mpp: float | None = MPP, **options: Any) -> napari.layers.Image:
        if mpp is not None:
            options |= {"scale": (mpp, mpp), "units": "um"}
        image = self.viewer.add_image(picture, **{"rgb": True, "name": "field", **options})
        self.viewer.reset_view()
        self.qtbot.wait(50)
        return image

    def click(self, widget: Any) -> None:
        assert widget.isVisible()
        self.qtbot.mouseClick(widget, Qt.MouseButton.LeftButton)

    def detect(self) -> None:
        self.click(self.dock.controls.detect)

    def detect_and_wait(self) -> None:
        self.detect()
        self.wait_until_done()

    def wait_until_done(self) -> None:
        self.qtbot.waitUntil(lambda: not self.dock.detection.running, timeout=LONG_MS)

    def wait_for_nuclei(self) -> None:
        self.qtbot.waitUntil(lambda: self.count() > 0, timeout=LONG_MS)

    def look_at(self, y: float, x: float, pixels: float) -> None:
        """Zoom so that a square of about `pixels` level-0 pixels around (y, x) fills the canvas."""
        self.viewer.scene.camera.center = (y * MPP, x * MPP)
        self.viewer.scene.camera.zoom = max(self.viewer.canvas.size) / (pixels * MPP)

    @property
    def nuclei(self) -> NucleiLayer:
        found = self.dock.detection.nuclei_of(self.dock.controls.image)
        assert found is not None
        return found

    def count(self) -> int:
        found = self.dock.detection.nuclei_of(self.dock.controls.image)
        return 0 if found is None else len(found.table)

    @property
    def said(self) -> str:
        assert self.dock.messages.isVisible() == bool(self.dock.messages.text)
        return self.dock.messages.text

    @property
    def canvas(self) -> Any:
        return self.viewer.window._qt_viewer.canvas.native

    def press_the_key(self) -> None:
        """Press Ctrl+Shift+D with the focus on the canvas."""
        self.canvas.setFocus()
        self.qtbot.waitUntil(self.canvas.isActiveWindow, timeout=LONG_MS)
        keys = Qt.KeyboardModifier.ControlModifier | Qt.KeyboardModifier.ShiftModifier
        self.qtbot.keyClick(self.canvas, Qt.Key.Key_D, keys)

    def hover(self, y: float, x: float) -> None:
        """Put the mouse on a place given in level-0 pixels."""
        height, width = self.viewer.canvas.size
        dy, dx = (np.array([y, x]) * MPP - self.viewer.scene.camera.center[-2:]) * self.viewer.scene.camera.zoom
        place = QPoint(round(width / 2 + dx), round(height / 2 + dy))
        QApplication.sendEvent(self.viewer.window._qt_viewer, QEnterEvent(*(QPointF(place),) * 3))
        for point in (place + QPoint(40, 40), place):
            self.qtbot.mouseMove(self.canvas, point)
            self.qtbot.wait(20)


@pytest.fixture
def window(make_napari_viewer: Callable[..., napari.Viewer], qtbot: QtBot) -> Iterator[Window]:
    """A window without an image."""
    opened = Window(make_napari_viewer(show=True), qtbot)
    yield opened
    opened.dock.detection.cancel()


@pytest.fixture
def field(window: Window, tissue: NDArray[np.uint8]) -> Window:
    """A window with one field of tissue."""
    window.open(tissue)
    return window


@pytest.fixture
def large_field(window: Window, tissue: NDArray[np.uint8]) -> Window:
    """A window with a slide that takes long enough to be interrupted."""
    window.open(np.tile(tissue, (6, 6, 1)))
    return window
