"""Fields to type into take the keyboard from the slide; they give it back when a person is done with them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import QEvent, QObject, Qt
from qtpy.QtWidgets import QAbstractSpinBox, QComboBox, QLineEdit, QWidget

from nucloop.gui.widgets.deferred import DeferredCall

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["KeyboardReturn"]

_DONE = (Qt.Key.Key_Return, Qt.Key.Key_Enter, Qt.Key.Key_Escape)


class KeyboardReturn(QObject):
    """Has Enter and Escape in any field of a widget hand on the keyboard; Escape leaves what stood there before.

    Otherwise the next number key, meant for a nucleus, would be one more letter of a name.

    Parameters
    ----------
    widget : QWidget
        Whose fields; those that are there now.
    hand_on : callable
        Gives the keyboard to whoever is next.
    """

    def __init__(self, widget: QWidget, hand_on: Callable[[], None]) -> None:
        super().__init__(widget)
        self._soon = DeferredCall(hand_on, self)
        for kind in (QLineEdit, QAbstractSpinBox, QComboBox):
            for field in widget.findChildren(kind):
                field.installEventFilter(self)

    def eventFilter(self, watched: QObject | None, event: QEvent | None) -> bool:
        """Notice Enter and Escape."""
        if event is not None and event.type() == QEvent.Type.KeyPress and event.key() in _DONE:
            if event.key() == Qt.Key.Key_Escape and isinstance(watched, QLineEdit):
                while watched.isUndoAvailable():
                    watched.undo()
            # when the field has done with the key what it does
            self._soon.ask()
        return False
