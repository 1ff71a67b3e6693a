"""Colours offered for classes, and the small grid in which one is chosen."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import QSize, Signal
from qtpy.QtGui import QColor
from qtpy.QtWidgets import QColorDialog, QGridLayout, QPushButton, QToolButton, QWidget

from nucloop.gui.layer.legend import disc

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["OFFERED", "ColourGrid", "next_colour"]

OFFERED = {
    "#d55e00": "vermilion",
    "#56b4e9": "sky blue",
    "#009e73": "bluish green",
    "#f0e442": "yellow",
    "#0072b2": "blue",
    "#cc79a7": "reddish purple",
    "#e69f00": "orange",
    "#44aa99": "teal",
    "#ddcc77": "sand",
    "#882255": "wine",
    "#332288": "indigo",
    "#ffffff": "white",
}
"""Okabe and Ito's colours and some of Paul Tol's: people with any common colour blindness can tell them apart."""
_COLUMNS, _SIDE = 4, 20


def next_colour(used: Iterable[str]) -> str:
    """Return the first offered colour that no class has; the first of all where all are taken."""
    taken = {colour.lower() for colour in used}
    return next((colour for colour in OFFERED if colour not in taken), next(iter(OFFERED)))


class ColourGrid(QWidget):
    """The offered colours, and a way to any other.

    Parameters
    ----------
    now : str
        The colour that is marked, "#rrggbb".
    name : str
        Whose colour it is.
    """

    chosen = Signal(str)

    def __init__(self, now: str, name: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._now, self._name = now, name
        layout = QGridLayout(self)
        layout.setContentsMargins(8, 8, 8, 8)
        layout.setSpacing(4)
        self.buttons: dict[str, QToolButton] = {}
        for k, (colour, words) in enumerate(OFFERED.items()):
            button = QToolButton()
            button.setObjectName("NucloopColour")
            button.setIcon(disc(colour))
            button.setIconSize(QSize(_SIDE, _SIDE))
            button.setToolTip(words)
            button.setAccessibleName(words)
            button.setCheckable(True)
            button.setChecked(colour == now.lower())
            button.clicked.connect(lambda _=False, colour=colour: self.chosen.emit(colour))
            layout.addWidget(button, *divmod(k, _COLUMNS))
            self.buttons[colour] = button
        self.other = QPushButton("Other …")
        self.other.clicked.connect(self._ask)
        layout.addWidget(self.other, len(OFFERED) // _COLUMNS, 0, 1, _COLUMNS)

    def _ask(self) -> None:
        colour = QColorDialog.getColor(QColor(self._now), self.window().parentWidget(), f"Colour of {self._name}")
        # closes the menu also where nothing was chosen
        self.chosen.emit(colour.name() if colour.isValid() else self._now)
