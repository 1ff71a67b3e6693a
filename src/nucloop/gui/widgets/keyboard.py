"""Fields of docks take the keyboard from the slide; they give it back when a person is done with them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import QEvent, QObject, Qt
from qtpy.QtWidgets import QAbstractSpinBox, QApplication, QComboBox, QLineEdit, QWidget

from nucloop.gui.widgets.deferred import DeferredCall

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["KeyboardReturn"]

_FIELDS = (QLineEdit, QAbstractSpinBox, QComboBox)
_DONE = (Qt.Key.Key_Return, Qt.Key.Key_Enter, Qt.Key.Key_Escape)


class KeyboardReturn(QObject):
    """Has fields hand on the keyboard; otherwise the next number key would be a letter of a name, and no class.

    Enter and Escape hand it on, and Escape leaves what stood there before; so do a choice made in a list that drops
    down, and a click on the arrows of a number. What is typed while such a list is closed is not for the list at all.

    Parameters
    ----------
    belongs : callable
        Whether it is about a field.
    hand_on : callable
        Gives the keyboard to whoever is next.
    parent : QObject
        Fields keep the keyboard again once it is gone.
    """

    def __init__(self, belongs: Callable[[QWidget], bool], hand_on: Callable[[], None], parent: QObject) -> None:
        super().__init__(parent)
        self._belongs, self._hand_on = belongs, hand_on
        self._field: QWidget | None = None
        self._before = ""
        self._soon = DeferredCall(self._give, self)
        app = QApplication.instance()
        assert isinstance(app, QApplication)
        app.focusChanged.connect(self._focus_changed)

    def eventFilter(self, watched: QObject | None, event: QEvent | None) -> bool:
        """Notice when a person is done with a field."""
        if event is None:
            return False
        kind = event.type()
        if kind == QEvent.Type.KeyPress:
            if event.key() in _DONE:
                if event.key() == Qt.Key.Key_Escape and (line := _line_of(self._field)) is not None:
                    line.setText(self._before)
                # when the field has done with the key what it does
                self._soon.ask()
            elif isinstance(watched, QComboBox) and not watched.isEditable() and event.text().strip():
                # the dock it is in gets it, and from there the slide
                event.ignore()
                return True
        elif kind == QEvent.Type.Hide or (
            kind == QEvent.Type.MouseButtonRelease and isinstance(watched, QAbstractSpinBox)
        ):
            self._soon.ask()
        return False

    def _focus_changed(self, _old: QWidget | None, now: QWidget | None) -> None:
        if isinstance(now, _FIELDS) and self._belongs(now):
            line = _line_of(now)
            self._field, self._before = now, "" if line is None else line.text()
            now.installEventFilter(self)
            view = now.view() if isinstance(now, QComboBox) else None
            if view is not None:
                view.installEventFilter(self)

    def _give(self) -> None:
        # a click that closed a list may have gone to another field; some give up the keyboard by themselves
        if QApplication.focusWidget() in (self._field, None):
            self._hand_on()


def _line_of(field: QWidget | None) -> QLineEdit | None:
    """Return what is typed into in a field; None in a list that only drops down."""
    return field if isinstance(field, QLineEdit) or field is None else field.findChild(QLineEdit)
