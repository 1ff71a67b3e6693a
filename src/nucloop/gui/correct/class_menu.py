"""What can be done to one class of the palette: a menu."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QMenu, QWidget, QWidgetAction

from nucloop.classes import MOST_KEYS
from nucloop.gui.correct.class_colours import ColourGrid
from nucloop.gui.layer.legend import disc
from nucloop.gui.widgets.fitted_words import literally

if TYPE_CHECKING:
    from nucloop.classes import ClassScheme

__all__ = ["ClassMenu"]


class ClassMenu(QMenu):
    """Only asks.

    Parameters
    ----------
    scheme : ClassScheme
        The classes there are.
    label : int
        The one it is about.
    """

    rename = Signal()
    colour_chosen = Signal(str)
    key_chosen = Signal(int)
    move_by = Signal(int)
    """-1 is up."""
    merge_into = Signal(str)
    delete = Signal()

    def __init__(self, scheme: ClassScheme, label: int, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._scheme, self._label = scheme, label
        self.addAction("Rename", self.rename.emit)
        self._add_colours()
        self._add_keys()
        self.addAction("Move up", lambda: self.move_by.emit(-1)).setEnabled(label > 0)
        self.addAction("Move down", lambda: self.move_by.emit(+1)).setEnabled(label < len(scheme) - 1)
        self.addSeparator()
        self.merge = self.addMenu("Merge into  ▸")
        assert self.merge is not None
        for other, one in enumerate(scheme.classes):
            if other != label:
                self.merge.addAction(
                    disc(one.color), literally(one.name), lambda name=one.name: self.merge_into.emit(name)
                )
        self.merge.setEnabled(len(scheme) > 1)
        self.addAction("Delete …", self.delete.emit).setEnabled(len(scheme) > 1)

    def _add_colours(self) -> None:
        one = self._scheme.classes[self._label]
        colours = self.addMenu("Colour  ▸")
        assert colours is not None
        self.colours = ColourGrid(one.color, one.name)
        action = QWidgetAction(colours)
        action.setDefaultWidget(self.colours)
        colours.addAction(action)
        for menu in (colours, self):
            self.colours.chosen.connect(menu.close)
        self.colours.chosen.connect(self.colour_chosen)

    def _add_keys(self) -> None:
        self.keys = self.addMenu("Key  ▸")
        assert self.keys is not None
        taken = dict(zip(self._scheme.keys, self._scheme.names, strict=True))
        own = self._scheme.keys[self._label]
        for key in range(1, MOST_KEYS + 1):
            holder = f"    {literally(taken[key])}, in exchange" if key in taken and key != own else ""
            action = self.keys.addAction(f"{key}{holder}", lambda key=key: self.key_chosen.emit(key))
            action.setCheckable(True)
            action.setChecked(key == own)
