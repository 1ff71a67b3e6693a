"""What a monkey does in a window: anything that can be pressed, dragged, typed or chosen, in no order at all."""

from __future__ import annotations

import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from napari.layers import Image
from qtpy.QtCore import QEvent, QPoint, QPointF, Qt, QTimer
from qtpy.QtGui import QMouseEvent
from qtpy.QtTest import QTest
from qtpy.QtWidgets import (
    QAbstractButton,
    QAbstractItemView,
    QApplication,
    QComboBox,
    QDockWidget,
    QLineEdit,
    QMenu,
    QSlider,
    QSpinBox,
)
from tests.monkey.answers import TEXTS

from nucloop.errors import NucLoopError
from nucloop.gui.plugin.reader import layer_of_file

if TYPE_CHECKING:
    from pathlib import Path
    from random import Random

    import napari
    from tests.monkey.watch import Watch

__all__ = ["Hand"]

NONE, LEFT = Qt.MouseButton.NoButton, Qt.MouseButton.LeftButton
PLAIN, SHIFT, CONTROL = (getattr(Qt.KeyboardModifier, f"{name}Modifier") for name in ("No", "Shift", "Control"))
LETTERS = [chr(code) for code in range(ord("A"), ord("Z") + 1)]
NAMES = ["Escape", "Space", "Delete", "Backspace", "Return", "Tab", "Left", "Right", "Up", "Down", "Plus", "Minus"]
NAMES += ["Comma", "Period", "BracketLeft", "BracketRight", "PageUp", "PageDown", "Home", "End"]
KEYS = [getattr(Qt.Key, f"Key_{name}") for name in [*LETTERS, *"0123456789", *NAMES]]
LEADS_AWAY = {Qt.Key.Key_Q, Qt.Key.Key_W, Qt.Key.Key_F, Qt.Key.Key_M}
"""With Ctrl they close the window or change its size."""
MOST_SLIDES = 3
DIALOGS_MS = 120
"""How often it looks for a dialog that waits."""


class Hand:
    """Acts in a window with the given docks.

    Parameters
    ----------
    docks : list of str
        Titles of those that are the program's own.
    slides : list of Path
        To open.
    """

    def __init__(
        self, viewer: napari.Viewer, docks: list[str], slides: list[Path], random: Random, watch: Watch
    ) -> None:
        self._viewer, self._titles, self._slides = viewer, docks, slides
        self._random, self._watch = random, watch
        self._window = viewer.window._qt_window
        self._canvas = viewer.window._qt_viewer.canvas.native
        self._ways = {
            self._press: 34, self._type: 16, self._drag: 16, self._choose: 8, self._slide: 5, self._write: 5,
            self._raise_dock: 4, self._turn_to_layer: 3, self._lose_layer: 1, self._open: 2, self._zoom: 2,
            self._go_to_row: 2, self._wait: 2,
        }  # fmt: skip
        self._dialogs = QTimer()
        self._dialogs.timeout.connect(self._answer)
        self._dialogs.start(DIALOGS_MS)

    def act(self) -> None:
        """Do one thing, and let the window go on for a moment."""
        (way,) = self._random.choices(list(self._ways), list(self._ways.values()))
        way()
        self.rest(self._random.choice([0, 5, 20, 60]))

    def rest(self, ms: float) -> None:
        """Let the window go on."""
        end = time.monotonic() + ms / 1000
        while True:
            QApplication.processEvents()
            if time.monotonic() >= end:
                return
            time.sleep(0.002)

    def open(self, path: Path) -> None:
        """Open a slide as the menu does."""
        self._watch.did(f"open {path.name}")
        with suppress(NucLoopError):
            data, options, _ = layer_of_file(path)
            self._viewer.add_image(data, **options)

    def _own(self, *kinds: type) -> list[Any]:
        """Widgets in the program's docks that a person could use now."""
        docks = [dock for dock in self._docks() if dock.isVisible()]
        there = [child for dock in docks for kind in kinds for child in dock.findChildren(kind)]
        return [one for one in there if one.isVisible() and one.isEnabled()]

    def _docks(self) -> list[QDockWidget]:
        docks = self._window.findChildren(QDockWidget)
        return [dock for dock in docks if any(title in dock.windowTitle() for title in self._titles)]

    def _press(self) -> None:
        buttons = [b for b in self._own(QAbstractButton) if not b.objectName().startswith("QTitleBar")]
        if buttons:
            button = self._random.choice(buttons)
            self._watch.did(f"press {button.text()!r} {button.toolTip()[:40]!r}")
            QTest.mouseClick(button, LEFT)

    def _type(self) -> None:
        key, modifier = self._random.choice(KEYS), self._random.choice([PLAIN, PLAIN, PLAIN, PLAIN, SHIFT, CONTROL])
        if modifier == CONTROL and key in LEADS_AWAY:
            return
        focus = QApplication.focusWidget() if self._random.random() < 0.2 else None
        self._watch.did(f"key {key.name} {modifier.name} {type(focus).__name__ if focus else ''}")
        self._mouse(QEvent.Type.MouseMove, self._point(), NONE, PLAIN)
        QTest.keyClick(focus or self._canvas, key, modifier)

    def _point(self) -> QPoint:
        width, height = self._canvas.width(), self._canvas.height()
        return QPoint(self._random.randrange(max(width, 1)), self._random.randrange(max(height, 1)))

    def _mouse(self, kind: QEvent.Type, point: QPoint, held: Qt.MouseButton, modifier: Qt.KeyboardModifier) -> None:
        button = NONE if kind == QEvent.Type.MouseMove else LEFT
        place, screen = QPointF(point), QPointF(self._canvas.mapToGlobal(point))
        QApplication.sendEvent(self._canvas, QMouseEvent(kind, place, screen, button, held, modifier))

    def _drag(self) -> None:
        modifier, point = self._random.choice([PLAIN, PLAIN, PLAIN, SHIFT, CONTROL]), self._point()
        self._watch.did(f"drag {modifier.name}")
        self._mouse(QEvent.Type.MouseMove, point, NONE, modifier)
        self._mouse(QEvent.Type.MouseButtonPress, point, LEFT, modifier)
        for _ in range(self._random.randrange(8)):
            point = self._point()
            self._mouse(QEvent.Type.MouseMove, point, LEFT, modifier)
            self.rest(3)
        self._mouse(QEvent.Type.MouseButtonRelease, point, NONE, modifier)
        if self._random.random() < 0.15:
            self._mouse(QEvent.Type.MouseButtonDblClick, point, LEFT, modifier)
            self._mouse(QEvent.Type.MouseButtonRelease, point, NONE, modifier)

    def _choose(self) -> None:
        lists = [box for box in self._own(QComboBox) if box.count()]
        if lists:
            box = self._random.choice(lists)
            row = self._random.randrange(box.count())
            self._watch.did(f"choose {box.itemText(row)!r}")
            box.setCurrentIndex(row)
            box.activated.emit(row)

    def _slide(self) -> None:
        sliders = self._own(QSlider, QSpinBox)
        if sliders:
            slider = self._random.choice(sliders)
            value = self._random.randint(int(slider.minimum()), int(slider.maximum()))
            self._watch.did(f"set {type(slider).__name__} {slider.toolTip()[:40]!r} to {value}")
            slider.setValue(value)

    def _write(self) -> None:
        fields = [field for field in self._own(QLineEdit) if not field.isReadOnly()]
        if fields:
            field, text = self._random.choice(fields), self._random.choice(TEXTS)
            self._watch.did(f"write {text[:20]!r} into {field.placeholderText() or field.objectName()!r}")
            field.setFocus()
            field.setText(text)
            QTest.keyClick(field, Qt.Key.Key_Return)

    def _raise_dock(self) -> None:
        dock = self._random.choice(self._docks())
        self._watch.did(f"show {dock.windowTitle()}")
        dock.show()
        dock.raise_()

    def _turn_to_layer(self) -> None:
        if len(self._viewer.layers):
            layer = self._random.choice(list(self._viewer.layers))
            self._watch.did(f"turn to {layer.name}")
            self._viewer.layers.selection.active = layer
            layer.visible = self._random.random() < 0.6

    def _lose_layer(self) -> None:
        if len(self._viewer.layers) > 1:
            layer = self._random.choice(list(self._viewer.layers))
            self._watch.did(f"remove {layer.name}")
            self._viewer.layers.remove(layer)

    def _open(self) -> None:
        if sum(isinstance(layer, Image) for layer in self._viewer.layers) < MOST_SLIDES:
            self.open(self._random.choice(self._slides))

    def _zoom(self) -> None:
        self._watch.did("zoom")
        if self._random.random() < 0.3:
            self._viewer.reset_view()
        else:
            self._viewer.scene.camera.zoom *= self._random.choice([0.1, 0.5, 2, 4])

    def _go_to_row(self) -> None:
        tables = [table for table in self._own(QAbstractItemView) if table.model() and table.model().rowCount()]
        if tables:
            table = self._random.choice(tables)
            index = table.model().index(self._random.randrange(table.model().rowCount()), 0)
            self._watch.did(f"row {index.row()} of a table")
            table.setCurrentIndex(index)
            if self._random.random() < 0.3:
                table.doubleClicked.emit(index)

    def _wait(self) -> None:
        self._watch.did("wait")
        self.rest(self._random.choice([300, 1500, 4000]))

    def _answer(self) -> None:
        """Do something in a dialog or a menu that waits; from a timer, as the window itself waits for it."""
        waiting = QApplication.activeModalWidget() or QApplication.activePopupWidget()
        with suppress(RuntimeError):  # it went by itself
            if isinstance(waiting, QMenu):
                self._answer_menu(waiting)
            elif waiting is not None:
                self._answer_dialog(waiting)

    def _answer_menu(self, menu: QMenu) -> None:
        actions = [action for action in menu.actions() if action.isEnabled() and action.text() and not action.menu()]
        menu.close()
        if actions and self._random.random() < 0.7:
            action = self._random.choice(actions)
            self._watch.did(f"  menu {action.text()!r}")
            QTimer.singleShot(0, action.trigger)

    def _answer_dialog(self, dialog: Any) -> None:
        for field in dialog.findChildren(QLineEdit):
            if field.isVisible() and field.isEnabled() and self._random.random() < 0.2:
                field.setText(self._random.choice(TEXTS))
        buttons = [b for b in dialog.findChildren(QAbstractButton) if b.isVisible() and b.isEnabled()]
        if buttons and self._random.random() < 0.8:
            button = self._random.choice(buttons)
            self._watch.did(f"  dialog {dialog.windowTitle()!r}: {button.text()!r}")
            QTimer.singleShot(0, button.click)
        else:
            self._watch.did(f"  dialog {dialog.windowTitle()!r}: away with it")
            dialog.close()
