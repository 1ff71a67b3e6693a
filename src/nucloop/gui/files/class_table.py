"""The small table in which a person says what the classes of a file mean here; their answers are remembered."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QComboBox, QGridLayout, QLabel, QVBoxLayout, QWidget

from nucloop.formats import suggested_mapping
from nucloop.gui.widgets.dock_layout import discard
from nucloop.gui.widgets.own_settings import own_settings

if TYPE_CHECKING:
    from collections.abc import Mapping

    from nucloop.classes import ClassScheme

__all__ = ["ClassTable"]

CHOOSE, NO_CLASS, NEW_CLASS = "Choose …", "No class", "Add it as a class"
_OPEN, _NONE, _NEW = "?", "-", "+"
_GROUP = "classes of files"
_MOST_REMEMBERED = 500


class ClassTable(QWidget):
    """Asks for each unknown class which one it stands for; hidden while none is unknown."""

    changed = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.heading = QLabel()
        self.heading.setWordWrap(True)
        self.boxes: dict[str, QComboBox] = {}
        self._scheme = ""
        self._asked: tuple[Any, ...] = ()
        self._rows = QWidget()
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(6)
        layout.addWidget(self.heading)
        layout.addWidget(self._rows)
        self.setVisible(False)

    def ask(self, classes: Mapping[str, int], scheme: ClassScheme, heading: str, *, may_add: bool = False) -> None:
        """Ask about classes with their numbers of nuclei; what was answered for this scheme before stands there."""
        self.setVisible(bool(classes))
        self.heading.setText(heading)
        asked = (dict(classes), scheme, may_add)
        if asked == self._asked:
            return
        self._asked, self._scheme = asked, scheme.name
        self._clear()
        known, guesses = _remembered(scheme.name), suggested_mapping(classes, scheme)
        for row, (name, count) in enumerate(classes.items()):
            box = _choices(scheme, may_add)
            at = box.findData(known.get(name, guesses[name] or _OPEN))
            box.setCurrentIndex(max(at, 0))
            box.setAccessibleName(f"{name} becomes")
            box.currentIndexChanged.connect(self.changed)
            label, number, arrow = QLabel(name), QLabel(f"{count:,}"), QLabel("→")
            number.setObjectName("NucloopDim")
            for column, widget in enumerate((label, number, arrow, box)):
                self._grid.addWidget(widget, row, column)
            self.boxes[name] = box

    @property
    def open(self) -> list[str]:
        """Classes about which nothing was said yet."""
        if self.isHidden():
            return []
        return [name for name, box in self.boxes.items() if box.currentData() == _OPEN]

    @property
    def mapping(self) -> dict[str, str | None]:
        """What was answered: a class of the scheme, or None for no class. New classes stand for themselves."""
        said = {} if self.isHidden() else {name: box.currentData() for name, box in self.boxes.items()}
        meant = {_NONE: None}
        return {
            name: name if answer == _NEW else meant.get(answer, answer)
            for name, answer in said.items()
            if answer != _OPEN
        }

    @property
    def new(self) -> list[str]:
        """Classes that the session is to get."""
        return [] if self.isHidden() else [name for name, box in self.boxes.items() if box.currentData() == _NEW]

    def remember(self) -> None:
        """Keep the answers for the next file."""
        answers = {name: box.currentData() for name, box in self.boxes.items() if box.currentData() != _OPEN}
        if answers and not self.isHidden():
            kept = list((_remembered(self._scheme) | answers).items())[-_MOST_REMEMBERED:]
            settings = own_settings()
            settings.setValue(f"{_GROUP}/{self._scheme}", json.dumps(dict(kept)))
            settings.sync()

    def _clear(self) -> None:
        # a grid keeps the widths of rows that are gone: it is made anew
        self.boxes = {}
        old, self._rows = self._rows, QWidget()
        self._grid = QGridLayout(self._rows)
        self._grid.setContentsMargins(0, 0, 0, 0)
        self._grid.setHorizontalSpacing(10)
        self._grid.setColumnStretch(3, 1)
        self.layout().replaceWidget(old, self._rows)
        discard(old)


def _choices(scheme: ClassScheme, may_add: bool) -> QComboBox:
    box = QComboBox()
    box.addItem(CHOOSE, _OPEN)
    for name in scheme.names:
        box.addItem(name, name)
    if may_add:
        box.addItem(NEW_CLASS, _NEW)
    box.addItem(NO_CLASS, _NONE)
    return box


def _remembered(scheme: str) -> dict[str, str]:
    try:
        known = json.loads(str(own_settings().value(f"{_GROUP}/{scheme}", "{}")))
    except ValueError:
        return {}
    return known if isinstance(known, dict) else {}
