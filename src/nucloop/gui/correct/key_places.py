"""Keys by their place on the keyboard, for keyboards on which they write something else.

A key means what it writes. Where that is neither a Latin letter nor a digit, nor anything that a command has, it means
what stands at its place on an English keyboard: so the digits of a French keyboard give classes without Shift, and the
letters of a Russian one do what they do elsewhere.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING
from weakref import ref

from qtpy.QtCore import QEvent, QObject, Qt
from qtpy.QtGui import QKeyEvent, QKeySequence
from qtpy.QtWidgets import QApplication, QDialog, QWidget

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

__all__ = ["KeysByPlace", "by_place", "pressed_key"]

_ROWS = {2: "1234567890", 16: "QWERTYUIOP", 30: "ASDFGHJKL", 44: "ZXCVBNM"}
"""Scan codes of a PC keyboard; each row of keys has consecutive ones."""
_SCAN_CODES = {first + k: letter for first, row in _ROWS.items() for k, letter in enumerate(row)}
_MAC_ROWS = {
    0: "ASDFHGZXCV",
    11: "BQWERYT123465",
    25: "9",
    26: "7",
    28: "8",
    29: "0",
    31: "OU",
    34: "IP",
    37: "LJ",
    40: "K",
    45: "NM",
}
_MAC_CODES = {first + k: letter for first, row in _MAC_ROWS.items() for k, letter in enumerate(row)}
_X11_OFFSET = 8
_SHIFT, _KEYPAD = Qt.KeyboardModifier.ShiftModifier, Qt.KeyboardModifier.KeypadModifier


def pressed_key(event: QKeyEvent) -> str:
    """Return what was pressed as Qt writes keys, by what it writes on this keyboard."""
    modifiers, text = event.modifiers() & ~_KEYPAD, event.text()
    if text.isprintable() and not text.isalnum() and text.strip():
        # Shift has made the key what it is, as Qt sees it where keys are changed
        modifiers &= ~_SHIFT
    return _portable(event.key() | modifiers.value)


def by_place(event: QKeyEvent, known: Collection[str]) -> QKeyEvent | None:
    """Return the key event that is meant where a key writes nothing that is known; None where it means what it writes.

    Parameters
    ----------
    event : QKeyEvent
    known : collection of str
        The keys that do something, as Qt writes them.
    """
    if pressed_key(event) in known:
        return None
    modifiers, key = event.modifiers() & ~_KEYPAD, event.key()
    digit = Qt.Key.Key_0 <= key <= Qt.Key.Key_9
    if digit and modifiers & _SHIFT:
        # a digit that needs Shift here
        modifiers &= ~_SHIFT
    elif digit or Qt.Key.Key_A <= key <= Qt.Key.Key_Z:
        return None
    else:
        letter = _letter_at(event)
        if letter is None:
            return None
        key = ord(letter)
    if _portable(key | modifiers.value) not in known:
        return None
    text = "" if modifiers & Qt.KeyboardModifier.ControlModifier else chr(key).lower()
    return QKeyEvent(event.type(), key, modifiers, text, event.isAutoRepeat(), event.count())


def _letter_at(event: QKeyEvent) -> str | None:
    """Return the letter or digit at the key's place on an English keyboard."""
    if sys.platform == "darwin":
        return _MAC_CODES.get(event.nativeVirtualKey())
    code = event.nativeScanCode()
    return _SCAN_CODES.get(code if sys.platform == "win32" else code - _X11_OFFSET)


def _portable(key: int) -> str:
    return QKeySequence(key).toString(QKeySequence.SequenceFormat.PortableText)


class KeysByPlace(QObject):
    """Has the canvas, and whatever else of a window has the keyboard and takes no text, get the keys that are meant.

    Parameters
    ----------
    window : QWidget or None
        Whose keys.
    canvas : QWidget or None
        Where most keys arrive.
    known : callable
        Returns the keys that do something, as Qt writes them; none while the slide's own keys are off.
    parent : QObject
        Keys are again what they are once it is gone.
    """

    def __init__(
        self, window: QWidget | None, canvas: QWidget | None, known: Callable[[], Collection[str]], parent: QObject
    ) -> None:
        super().__init__(parent)
        # a closed window is not kept for its keys
        self._window = None if window is None else ref(window)
        self._known = known
        if canvas is not None:
            canvas.installEventFilter(self)
        app = QApplication.instance()
        if isinstance(app, QApplication):
            app.focusChanged.connect(self._focus_changed)

    def eventFilter(self, watched: QObject | None, event: QEvent | None) -> bool:
        """Put the key that is meant in place of the one that came."""
        if isinstance(event, QKeyEvent) and event.type() in (QEvent.Type.KeyPress, QEvent.Type.KeyRelease):
            meant = by_place(event, self._known())
            if meant is not None:
                QApplication.sendEvent(watched, meant)
                event.accept()
                return True
        return False

    def _focus_changed(self, _old: QWidget | None, now: QWidget | None) -> None:
        if now is None or now.testAttribute(Qt.WidgetAttribute.WA_InputMethodEnabled):
            return
        window = None if self._window is None else self._window()
        above: QWidget | None = now
        while above is not None and above is not window and not isinstance(above, QDialog):
            above = above.parentWidget()
        if above is not None and above is window:
            now.installEventFilter(self)
