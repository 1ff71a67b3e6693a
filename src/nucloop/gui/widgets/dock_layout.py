"""What every dock is laid out with: columns, headings, lines, sections that open, and a scroll area around all."""

from __future__ import annotations

from qtpy.QtCore import QSize, Qt
from qtpy.QtWidgets import QFrame, QLabel, QScrollArea, QVBoxLayout, QWidget
from superqt import QCollapsible

from nucloop.gui.widgets.fitted_words import FittedWords

__all__ = ["INSET", "LEAST_WIDTH", "column_of", "discard", "draw_arrow", "heading", "line", "section", "show_scrolled"]

INSET = (12, 10, 12, 10)
"""Margins between a dock's edge and what is in it, pixels."""
LEAST_WIDTH = 260
"""A dock of any content may be made as narrow, pixels: else it pushes the window over the edge of a small screen."""
_USUAL_WIDTH = 320
_OPEN, _CLOSED = "▾", "▸"
_NO_BOUND = 16_777_215
"""Qt's QWIDGETSIZE_MAX, which PyQt does not name."""


def column_of(widget: QWidget, margins: tuple[int, int, int, int] = (0, 0, 0, 0), spacing: int = 10) -> QVBoxLayout:
    """Return a new column that lays out a widget."""
    column = QVBoxLayout(widget)
    column.setContentsMargins(*margins)
    column.setSpacing(spacing)
    return column


def heading(words: str) -> QLabel:
    """Return a heading."""
    label = QLabel(words)
    label.setObjectName("NucloopHeading")
    return label


def discard(widget: QWidget) -> None:
    """Take a widget out of its dock now; Qt itself goes on showing it until it comes to deleting."""
    widget.hide()
    widget.setParent(None)
    widget.deleteLater()


def line() -> QFrame:
    """Return a thin line between two parts of a dock."""
    drawn = QFrame()
    drawn.setObjectName("NucloopLine")
    drawn.setFixedHeight(1)
    return drawn


def draw_arrow(part: QCollapsible) -> None:
    """Draw the arrow of a section in the theme's colour: superqt takes the one that the text has at that moment."""
    part.toggleButton().ensurePolished()
    part.setExpandedIcon(_OPEN)
    part.setCollapsedIcon(_CLOSED)


def section(title: str, *parts: QWidget) -> QCollapsible:
    """Return a part of a dock that opens with a click on its title."""
    made = QCollapsible(title, expandedIcon=_OPEN, collapsedIcon=_CLOSED)
    made.setDuration(0)
    made.toggleButton().setObjectName("NucloopSection")
    made.layout().setContentsMargins(0, 0, 0, 0)
    for part in parts:
        made.addWidget(part)
        # superqt bounds the height by what the parts need when they are resized; those that need more later, and are
        # squeezed instead, would stay so
        part.removeEventFilter(made)
    made.toggled.connect(lambda shown: made.content().setMaximumHeight(_NO_BOUND if shown else 0))
    return made


class _Scroll(QScrollArea):
    """Scrolls upright what is as wide as it is itself."""

    def __init__(self, inside: QWidget) -> None:
        super().__init__()
        self.setObjectName("NucloopScroll")
        self.setWidgetResizable(True)
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setWidget(inside)

    def sizeHint(self) -> QSize:
        """Return the width with which docks begin, whatever is in them."""
        return QSize(_USUAL_WIDTH, super().sizeHint().height())


def show_scrolled(dock: QWidget, inside: QWidget) -> None:
    """Fill a dock with a widget that scrolls where the dock is too low; the last thing that building a dock does.

    A person may make it wider, or narrower down to `LEAST_WIDTH`; its content never does.
    """
    column_of(dock).addWidget(_Scroll(inside))
    for label in dock.findChildren(QLabel):
        # a label with a style sheet would stand half a letter to the right of everything else
        label.setIndent(0)
    dock.setMinimumWidth(LEAST_WIDTH)
    FittedWords(inside)
