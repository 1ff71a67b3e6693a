"""A real window with the Detect dock open, and pictures of tissue to detect on."""

from __future__ import annotations

import gc
import os
from contextlib import nullcontext
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

import numpy as np
import pytest
from pytestqt.qtbot import QtBot
from qtpy.QtCore import QEvent, QPoint, QPointF, QSettings, Qt
from qtpy.QtGui import QEnterEvent, QImage, QMouseEvent, QWheelEvent
from qtpy.QtWidgets import QApplication, QDockWidget
from tests.conftest import LATE
from tests.gui.late_jobs import late_jobs

from nucloop.classes import ClassScheme
from nucloop.gui.canvas.docks import open_correct_dock, open_detect_dock
from nucloop.gui.correct.keys import COMMANDS
from nucloop.gui.detect.detect_dock import DetectDock
from nucloop.gui.napari_private.plugin_docks import docks_by_name
from nucloop.gui.napari_private.view_state import camera_of, canvas_size_of
from nucloop.gui.sessions.open_sessions import OpenSessions
from nucloop.gui.viewing.slide_view import SlideView
from nucloop.nuclei import Nuclei

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import napari
    from napari.layers import Image
    from numpy.typing import NDArray

    from nucloop.gui.layer.nuclei_layer import NucleiLayer

LONG_MS = 120_000
"""Nobody waits so long for anything: on whatever machine, what has not come by then does not come."""
QtBot.waitUntil.__kwdefaults__["timeout"] = LONG_MS
HAND_MS = 20
"""No hand moves a mouse again sooner; vispy leaves out moves that come sooner."""
TURNS_AT_REST = 4
"""Of Qt's event loop, 10 ms each and as long as it is busy."""


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Have an answer for napari's fixture, which asks how the test went, also where it never came to that."""
    item.rep_call = SimpleNamespace(failed=True)  # type: ignore[attr-defined]


MPP = 0.5


@pytest.fixture(scope="session")
def tissue() -> NDArray[np.uint8]:
    """A field of scikit-image's colon section, (512, 512, 3)."""
    from skimage import data

    return np.asarray(data.immunohistochemistry())


def press(qtbot: QtBot, widget: Any) -> None:
    """Press a button once it is there in full and can be pressed: nobody can hit what is still being laid out."""
    assert widget.isVisible()
    height = min(widget.minimumSizeHint().height(), widget.maximumHeight())
    qtbot.waitUntil(lambda: widget.height() >= height and widget.isEnabled(), timeout=LONG_MS)
    qtbot.mouseClick(widget, Qt.MouseButton.LeftButton)


def enter(canvas: Any, point: QPoint) -> None:
    """Bring the mouse over the canvas as the window system does."""
    QApplication.sendEvent(canvas, QEnterEvent(*(QPointF(point),) * 3))


def on_screen(widget: Any) -> NDArray[np.int_]:
    """Return what a person sees of a widget, (H, W, 3); pictures that Qt and napari take draw all of it anew."""
    window = widget.window()
    corner, size = widget.mapTo(window, QPoint(0, 0)), widget.size()
    picture = widget.screen().grabWindow(window.winId(), corner.x(), corner.y(), size.width(), size.height())
    picture = picture.toImage().convertToFormat(QImage.Format.Format_RGB888)
    bits = picture.constBits()
    bits.setsize(picture.sizeInBytes())
    lines = np.frombuffer(bits, np.uint8).reshape(picture.height(), picture.bytesPerLine())
    return lines[:, : 3 * picture.width()].reshape(picture.height(), picture.width(), 3).astype(int)


def at_rest(qtbot: QtBot, take: Callable[[], NDArray[Any]]) -> NDArray[Any]:
    """Return a picture once it has stayed the same for some turns of the event loop: what was asked for is drawn."""
    QApplication.sendPostedEvents()
    QApplication.processEvents()
    taken: list[NDArray[Any]] = []

    def same() -> bool:
        picture = take()
        if taken and not np.array_equal(picture, taken[-1]):
            taken.clear()
        taken.append(picture)
        return len(taken) >= TURNS_AT_REST

    qtbot.waitUntil(same, timeout=LONG_MS)
    return taken[-1]


class Window:
    """A napari window as a person sees it: things to press, and what they then read."""

    def __init__(self, viewer: napari.Viewer, qtbot: QtBot) -> None:
        self.viewer, self.qtbot = viewer, qtbot
        viewer.window.resize(1100, 760)
        # without a window manager nobody else makes it the active window
        viewer.window._qt_window.activateWindow()
        self.dock: DetectDock = open_detect_dock(viewer)
        qtbot.waitUntil(lambda: self.dock.device.text() not in ("", DetectDock.LOADING), timeout=LONG_MS)

    def open(self, picture: Any, mpp: float | None = MPP, **options: Any) -> napari.layers.Image:
        if mpp is not None:
            options |= {"scale": (mpp, mpp), "units": "um"}
        image = self.viewer.add_image(picture, **{"rgb": True, "name": "field", **options})
        self.viewer.reset_view()
        at_rest(self.qtbot, lambda: on_screen(self.canvas))
        return image

    def click(self, widget: Any) -> None:
        press(self.qtbot, widget)

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
        camera_of(self.viewer).center = (y * MPP, x * MPP)
        camera_of(self.viewer).zoom = max(canvas_size_of(self.viewer)) / (pixels * MPP)

    @property
    def nuclei(self) -> NucleiLayer:
        found = self.dock.detection.nuclei_of(self.dock.controls.image)
        assert found is not None
        return found

    def count(self) -> int:
        found = self.dock.detection.nuclei_of(self.dock.controls.image)
        return 0 if found is None else len(found.session)

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
        height, width = canvas_size_of(self.viewer)
        dy, dx = (np.array([y, x]) * MPP - camera_of(self.viewer).center[-2:]) * camera_of(self.viewer).zoom
        place = QPoint(round(width / 2 + dx), round(height / 2 + dy))
        enter(self.canvas, place)
        for point in (place + QPoint(40, 40), place):
            self.qtbot.mouseMove(self.canvas, point)
            self.qtbot.wait(HAND_MS)


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


SCHEME = ClassScheme.named("brca-m2c")


class Bench:
    """A window with one field, its session and the Correct dock, without any model: things to press and to point at."""

    def __init__(self, viewer: napari.Viewer, qtbot: QtBot, picture: NDArray[np.uint8]) -> None:
        self.viewer, self.qtbot = viewer, qtbot
        viewer.window.resize(1100, 760)
        viewer.window._qt_window.activateWindow()
        self.image = self._image(picture)
        self.sessions = OpenSessions.of(viewer)
        self.nuclei = self.sessions.open(self.image, SCHEME)
        assert self.nuclei is not None
        self.session, self.layer = self.nuclei.session, self.nuclei.layer
        self.dock = open_correct_dock(viewer)
        self.correcting = self.dock.correcting
        qtbot.waitUntil(self.canvas.isVisible, timeout=LONG_MS)

    def _image(self, picture: NDArray[np.uint8]) -> Image:
        return self.viewer.add_image(picture, rgb=True, name="field", scale=(MPP, MPP), units="um")

    @property
    def canvas(self) -> Any:
        return self.viewer.window._qt_viewer.canvas.native

    def find(self, places: Any, labels: Any = None) -> NDArray[np.int64]:
        """Put nuclei there as a model would; return their ids."""
        n = len(places)
        label = np.zeros(n, int) if labels is None else np.asarray(labels)
        probability = np.full((n, 3), 0.1, np.float32)
        probability[np.arange(n), label] = 0.8
        found = Nuclei.from_points(SCHEME, places, label=label, score=np.full(n, 0.9), probability=probability)
        run = self.session.begin_run({"detector": {"name": "test", "sha256": "0" * 64}}, 2.0)
        ids = run.add(found)
        self.viewer.layers.selection.active = self.layer
        self.settle()
        return ids

    def settle(self) -> None:
        """Wait until layer and dock have followed."""
        self.qtbot.waitUntil(lambda: not self.nuclei._edits.busy, timeout=LONG_MS)
        timers = (self.nuclei._view_timer, self.nuclei._text_timer)
        self.qtbot.waitUntil(lambda: not any(timer.isActive() for timer in timers), timeout=LONG_MS)
        self.qtbot.waitUntil(lambda: not self.dock.showing.waiting, timeout=LONG_MS)
        # the canvas takes the colour of the slide's glass when that is known
        view = SlideView.of(self.viewer)
        self.qtbot.waitUntil(lambda: not view._images.waiting, timeout=LONG_MS)
        self.qtbot.waitUntil(lambda: view.image is None or view.thumbnail is not None, timeout=LONG_MS)

    def look_at(self, y: float, x: float, pixels: float) -> None:
        camera_of(self.viewer).center = (y * MPP, x * MPP)
        camera_of(self.viewer).zoom = max(canvas_size_of(self.viewer)) / (pixels * MPP)
        self.settle()

    def at(self, yx: Any) -> QPoint:
        """Return the place on the canvas of a place in level-0 pixels."""
        height, width = canvas_size_of(self.viewer)
        dy, dx = (np.asarray(yx) * MPP - camera_of(self.viewer).center[-2:]) * camera_of(self.viewer).zoom
        return QPoint(round(width / 2 + dx), round(height / 2 + dy))

    def mouse(
        self,
        kind: QEvent.Type,
        point: QPoint,
        *,
        held: bool = True,
        modifiers: Qt.KeyboardModifier = Qt.KeyboardModifier.NoModifier,
    ) -> None:
        """Send one mouse event as the window system does."""
        button = Qt.MouseButton.NoButton if kind == QEvent.Type.MouseMove else Qt.MouseButton.LeftButton
        buttons = Qt.MouseButton.LeftButton if held else Qt.MouseButton.NoButton
        place = QPointF(point)
        event = QMouseEvent(kind, place, QPointF(self.canvas.mapToGlobal(point)), button, buttons, modifiers)
        QApplication.sendEvent(self.canvas, event)

    def press(self, yx: Any, **options: Any) -> None:
        self.mouse(QEvent.Type.MouseButtonPress, self.at(yx), **options)

    def release(self, yx: Any, **options: Any) -> None:
        self.mouse(QEvent.Type.MouseButtonRelease, self.at(yx), held=False, **options)

    def click(self, yx: Any, **options: Any) -> None:
        self.press(yx, **options)
        self.release(yx, **options)

    def second_click(self, yx: Any) -> None:
        """Click so soon after the last click that Qt calls it a double click."""
        self.mouse(QEvent.Type.MouseButtonDblClick, self.at(yx))
        self.release(yx)

    def drag(self, *places: Any, **options: Any) -> None:
        self.press(places[0], **options)
        points = [self.at(place) for place in places]
        for point in points[1:]:
            self.qtbot.wait(HAND_MS)
            self.mouse(QEvent.Type.MouseMove, point, **options)
        self.release(places[-1], **options)

    def hover(self, yx: Any) -> None:
        self.mouse(QEvent.Type.MouseMove, self.at(yx), held=False)

    def wheel(self, yx: Any, pixels: int) -> None:
        """Turn the wheel a little, as a trackpad does."""
        point = self.at(yx)
        event = QWheelEvent(
            QPointF(point),
            QPointF(self.canvas.mapToGlobal(point)),
            QPoint(0, pixels),
            QPoint(0, pixels),
            Qt.MouseButton.NoButton,
            Qt.KeyboardModifier.NoModifier,
            Qt.ScrollPhase.ScrollUpdate,
            False,
        )
        QApplication.sendEvent(self.canvas, event)

    def key(self, key: Qt.Key, *modifiers: Qt.KeyboardModifier) -> None:
        """Press and release a key on the canvas."""
        together = Qt.KeyboardModifier.NoModifier
        for one in modifiers:
            together |= one
        self.qtbot.keyClick(self.canvas, key, together)
        self.settle()

    def push(self, widget: Any) -> None:
        """Press a button of the dock."""
        press(self.qtbot, widget)
        self.settle()

    def label(self, nucleus: int) -> int:
        return int(self.session.labels([nucleus])[0])

    def kinds(self) -> list[str]:
        """What the journal says was done after the models' runs."""
        return [edit.kind.value for edit in self.session.history() if edit.kind.value != "model run"]


@pytest.fixture(scope="module")
def commands_of_napari() -> Iterator[None]:
    """A register of napari's commands for one module: in napari's own, a second window of tests finds them taken."""
    from app_model import Application
    from napari._app_model._app import NapariApplication, _napari_names
    from napari._qt._qapp_model.qactions import init_qactions
    from napari.plugins import _initialize_plugins

    application = NapariApplication("tests of a module")
    application.injection_store.namespace = _napari_names
    _initialize_plugins.cache_clear()
    init_qactions.cache_clear()
    with patch.object(NapariApplication, "get_app_model", return_value=application):
        yield
    Application.destroy("tests of a module")
    _initialize_plugins.cache_clear()
    init_qactions.cache_clear()


@pytest.fixture(autouse=True)
def _own_settings(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Have each test remember nothing of another, and leave the person's own settings as they are."""
    folder = str(tmp_path_factory.mktemp("settings"))
    QSettings.setPath(QSettings.Format.IniFormat, QSettings.Scope.UserScope, folder)


@pytest.fixture(autouse=True, scope="session")
def _late() -> Iterator[None]:
    """Have jobs come late by chance, where that was asked for."""
    with late_jobs(seed) if (seed := os.environ.get(LATE)) else nullcontext():
        yield


@pytest.fixture(scope="module")
def correct_viewer(qapp: QApplication, commands_of_napari: None) -> Iterator[napari.Viewer]:
    """One window for a module's tests, each with its own image."""
    import napari

    viewer = napari.Viewer()
    yield viewer
    viewer.close()
    del viewer
    # the next module's windows are refused while this one is only waiting to be collected
    QApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete)
    QApplication.processEvents()
    gc.collect()


def docks_of(viewer: napari.Viewer) -> set[QDockWidget]:
    """Return the docks of a window that are NucLoop's."""
    return set(docks_by_name(viewer.window._qt_window))


@pytest.fixture
def bench(correct_viewer: napari.Viewer, qtbot: QtBot, tissue: NDArray[np.uint8]) -> Iterator[Bench]:
    """A window to correct in."""
    opened = Bench(correct_viewer, qtbot, tissue)
    opened.correcting.set_keys({command.name: command.key for command in COMMANDS})
    before = docks_of(correct_viewer)
    yield opened
    # the next test finds the same window: nothing lies above the canvas, and no dock colours or counts anything
    while popup := QApplication.activePopupWidget():
        popup.close()
    correct_viewer.layers.clear()
    for dock in docks_of(correct_viewer) - before:
        correct_viewer.window.remove_dock_widget(dock)
    QApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete)
