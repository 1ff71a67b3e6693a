"""Keys and moves as the window system sends them: each key counts for the nucleus under the mouse at that moment."""

from __future__ import annotations

import sys
from ctypes import CDLL, c_char_p, c_int, c_uint, c_ulong, c_void_p
from ctypes.util import find_library
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from qtpy.QtCore import QPoint, Qt
from qtpy.QtGui import QGuiApplication
from qtpy.QtWidgets import (
    QAbstractSpinBox,
    QApplication,
    QComboBox,
    QDockWidget,
    QDoubleSpinBox,
    QLineEdit,
    QSpinBox,
    QWidget,
)
from superqt import QCollapsible
from tests.gui.conftest import LONG_MS

from nucloop.gui.canvas import docks

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.gui.conftest import Bench

pytestmark = pytest.mark.gui
PLACES = np.stack(np.divmod(np.arange(25), 5), 1) * 40.0 + 150
PRESSES, TOGETHER = 2000, 20


class Hand:
    """A mouse and a keyboard as the X server sees them: what they do waits there until the window looks."""

    def __init__(self) -> None:
        self._x, self._test = CDLL(find_library("X11")), CDLL(find_library("Xtst"))
        self._x.XOpenDisplay.restype, self._x.XOpenDisplay.argtypes = c_void_p, [c_char_p]
        self._x.XSync.argtypes, self._x.XCloseDisplay.argtypes = [c_void_p, c_int], [c_void_p]
        self._x.XStringToKeysym.restype, self._x.XStringToKeysym.argtypes = c_ulong, [c_char_p]
        self._x.XKeysymToKeycode.argtypes = [c_void_p, c_ulong]
        self._test.XTestFakeMotionEvent.argtypes = [c_void_p, c_int, c_int, c_int, c_ulong]
        self._test.XTestFakeKeyEvent.argtypes = [c_void_p, c_uint, c_int, c_ulong]
        self._test.XTestFakeButtonEvent.argtypes = [c_void_p, c_uint, c_int, c_ulong]
        self._display = self._x.XOpenDisplay(None)

    def move(self, point: QPoint) -> None:
        self._test.XTestFakeMotionEvent(self._display, -1, point.x(), point.y(), 0)

    def press(self, key: str) -> None:
        self.press_code(self._x.XKeysymToKeycode(self._display, self._x.XStringToKeysym(key.encode())) & 0xFF)

    def press_code(self, code: int) -> None:
        """Press the key at a place, whatever it writes."""
        for down in (1, 0):
            self._test.XTestFakeKeyEvent(self._display, code, down, 0)

    def click(self) -> None:
        for down in (1, 0):
            self._test.XTestFakeButtonEvent(self._display, 1, down, 0)

    def send(self) -> None:
        """Have the server take all that was done."""
        self._x.XSync(self._display, 0)

    def close(self) -> None:
        self._x.XCloseDisplay(self._display)


@pytest.fixture
def hand(bench: Bench) -> Iterator[Hand]:
    if sys.platform != "linux" or QGuiApplication.platformName() != "xcb" or find_library("Xtst") is None:
        pytest.skip("needs an X server and libXtst")
    made = Hand()
    yield made
    made.close()


@pytest.fixture
def field(bench: Bench) -> Bench:
    bench.find(PLACES)
    # napari opens a window as the last one was: with every dock open little is left of the canvas, and the map of the
    # slide in its corner must not lie over a nucleus
    bench.look_at(230, 230, 420 * max(bench.canvas.width(), bench.canvas.height()) / bench.canvas.width())
    bench.correcting.focus()
    bench.qtbot.waitUntil(bench.canvas.isActiveWindow, timeout=LONG_MS)
    return bench


def on_screen(bench: Bench, yx: Any) -> QPoint:
    return bench.canvas.mapToGlobal(bench.at(yx))


def test_each_of_thousands_of_quick_keys_means_the_nucleus_under_the_mouse_at_that_moment(
    field: Bench, hand: Hand
) -> None:
    rng = np.random.default_rng(5)
    corrections = field.correcting.corrections
    assert corrections is not None
    answered: list[tuple[int, int]] = []
    corrections.answered.connect(lambda ids: answered.append((int(ids[0]), corrections.current)))
    places = [on_screen(field, yx) for yx in PLACES]
    wanted: list[tuple[int, int]] = []
    while len(wanted) < PRESSES:
        # all of it happens while the window is busy with something else
        for _ in range(TOGETHER):
            for row in rng.integers(0, len(PLACES), rng.integers(1, 4)):
                hand.move(places[row])
            label = int(rng.integers(0, 3))
            hand.press(str(label + 1))
            wanted.append((int(row) + 1, label))
        hand.move(places[int(rng.integers(0, len(PLACES)))])
        hand.send()
        field.qtbot.waitUntil(lambda: len(answered) >= len(wanted), timeout=LONG_MS)
    assert answered == wanted
    last = dict(wanted)
    assert field.session.labels(list(last)).tolist() == list(last.values())


def docks_of(bench: Bench) -> dict[str, QWidget]:
    """Open every dock and every section of them; return them by their names."""
    opened = [getattr(docks, name) for name in docks.__all__ if name.startswith("open_")]
    found = {one.__name__: one(bench.viewer) for one in opened}
    for dock in found.values():
        for section in dock.findChildren(QCollapsible):
            section.expand(animate=False)
    bench.settle()
    return found


def within_reach(bench: Bench, *kinds: type[QWidget]) -> dict[str, QWidget]:
    """Open every dock; return what of some kinds a person can give the keyboard there."""
    return {
        f"{name}: {type(widget).__name__} {widget.toolTip()} {k}": widget
        for name, dock in docks_of(bench).items()
        for k, widget in enumerate(dock.findChildren(QWidget))
        if isinstance(widget, kinds)
        and widget.window() is dock.window()
        and widget.isEnabled()
        and widget.isVisibleTo(dock)
        and widget.focusPolicy() & Qt.FocusPolicy.TabFocus
        and widget.focusProxy() is None
    }


def put_into(bench: Bench, widget: QWidget) -> None:
    """Have a widget of a dock take the keyboard."""
    dock: QWidget | None = widget
    while not isinstance(dock, QDockWidget):
        assert dock is not None
        dock = dock.parentWidget()
    dock.raise_()
    bench.qtbot.waitUntil(widget.isVisible, timeout=LONG_MS)
    widget.setFocus()
    bench.qtbot.waitUntil(widget.hasFocus, timeout=LONG_MS)


def means_the_nucleus(bench: Bench) -> bool:
    """Press 3 over a nucleus, wherever the keyboard is; return whether it got that class, and take it back."""
    bench.hover(PLACES[0])
    bench.qtbot.keyClick(QApplication.focusWidget(), Qt.Key.Key_3)
    bench.settle()
    given = bench.label(1) == 2
    if given:
        bench.session.undo()
    return given


@pytest.mark.parametrize("key", ["Return", "KP_Enter", "Escape"])
def test_a_field_gives_the_keyboard_back_to_the_slide_by_enter_and_escape(field: Bench, key: str) -> None:
    code = {"Return": Qt.Key.Key_Return, "KP_Enter": Qt.Key.Key_Enter, "Escape": Qt.Key.Key_Escape}[key]
    found = within_reach(field, QLineEdit, QAbstractSpinBox, QComboBox)
    assert len(found) > 8
    for name, widget in found.items():
        put_into(field, widget)
        field.qtbot.keyClick(widget, code)
        field.qtbot.waitUntil(field.canvas.hasFocus, timeout=LONG_MS)
        assert means_the_nucleus(field), name


def test_a_list_that_drops_down_gives_the_keyboard_back_when_a_person_has_chosen(field: Bench) -> None:
    boxes = {name: box for name, box in within_reach(field, QComboBox).items() if box.count()}
    assert len(boxes) > 4
    for name, box in boxes.items():
        put_into(field, box)
        box.showPopup()
        field.qtbot.waitUntil(box.view().isVisible, timeout=LONG_MS)
        row = box.view().visualRect(box.view().currentIndex())
        field.qtbot.mouseClick(box.view().viewport(), Qt.MouseButton.LeftButton, pos=row.center())
        field.qtbot.waitUntil(field.canvas.hasFocus, timeout=LONG_MS)
        assert means_the_nucleus(field), name


def test_the_arrows_of_a_number_give_the_keyboard_back(field: Bench) -> None:
    boxes = within_reach(field, QSpinBox, QDoubleSpinBox)
    assert boxes
    for name, box in boxes.items():
        put_into(field, box)
        field.qtbot.mouseClick(box, Qt.MouseButton.LeftButton, pos=QPoint(box.width() - 6, 6))
        field.qtbot.waitUntil(field.canvas.hasFocus, timeout=LONG_MS)
        assert means_the_nucleus(field), name


def test_a_key_means_the_nucleus_wherever_the_keyboard_is_but_in_text(field: Bench) -> None:
    tried = 0
    for name, widget in within_reach(field, QWidget).items():
        takes_text = isinstance(widget, (QLineEdit, QAbstractSpinBox)) or getattr(widget, "isEditable", bool)()
        # in the gallery a key means the crop that is chosen there
        if not takes_text and "CropGrid" not in name:
            put_into(field, widget)
            assert means_the_nucleus(field), name
            tried += 1
    assert tried > 20


def test_escape_leaves_the_reader_s_name_and_enter_takes_the_new_one(field: Bench) -> None:
    field.sessions.set_author("Ann")
    author = field.dock.readers.author
    field.dock.showing.ask()
    field.qtbot.waitUntil(lambda: author.text() == "Ann", timeout=LONG_MS)
    for key, name in ((Qt.Key.Key_Escape, "Ann"), (Qt.Key.Key_Return, "Ann2"), (Qt.Key.Key_Escape, "Ann2")):
        author.setFocus()
        author.end(False)
        field.qtbot.keyClicks(author, "2")
        field.qtbot.keyClick(author, key)
        field.qtbot.waitUntil(field.canvas.hasFocus, timeout=LONG_MS)
        assert field.session.author == name
    assert field.kinds() == []


def test_a_click_on_the_slide_takes_the_keyboard_from_every_field(field: Bench, hand: Hand) -> None:
    found = within_reach(field, QLineEdit, QAbstractSpinBox, QComboBox)
    for name, widget in found.items():
        put_into(field, widget)
        hand.move(on_screen(field, PLACES[0] + 20))
        hand.click()
        hand.send()
        field.qtbot.waitUntil(field.canvas.hasFocus, timeout=LONG_MS)
        assert means_the_nucleus(field), name


def test_what_was_typed_and_left_by_a_click_on_the_slide_is_kept(field: Bench, hand: Hand) -> None:
    author = field.dock.readers.author
    author.setFocus()
    author.selectAll()
    field.qtbot.keyClicks(author, "reader 12")
    hand.move(on_screen(field, PLACES[0] + 20))
    hand.click()
    hand.press("3")
    hand.send()
    field.qtbot.waitUntil(field.canvas.hasFocus, timeout=LONG_MS)
    assert field.session.author == "reader 12"
