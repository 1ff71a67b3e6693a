"""What every dock is laid out with: columns, headings, lines, sections that open, and a scroll area around all."""

from __future__ import annotations

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QFrame, QLabel, QScrollArea, QVBoxLayout, QWidget
from superqt import QCollapsible

__all__ = ["INSET", "column_of", "discard", "heading", "line", "section", "show_scrolled"]

INSET = (12, 10, 12, 10)
"""Margins between a dock's edge and what is in it, pixels."""
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


def section(title: str, *parts: QWidget) -> QCollapsible:
    """Return a part of a dock that opens with a click on its title."""
    made = QCollapsible(title, expandedIcon="▾", collapsedIcon="▸")
    made.setDuration(0)
    made.toggleButton().setObjectName("NucloopLink")
    made.layout().setContentsMargins(0, 0, 0, 0)
    for part in parts:
        made.addWidget(part)
        # superqt bounds the height by what the parts need when they are resized; those that need more later, and are
        # squeezed instead, would stay so
        part.removeEventFilter(made)
    made.toggled.connect(lambda shown: made.content().setMaximumHeight(_NO_BOUND if shown else 0))
    return made


def show_scrolled(dock: QWidget, inside: QWidget, least_width: int) -> None:
    """Fill a dock with a widget that scrolls where the dock is too low; the last thing that building a dock does."""
    scroll = QScrollArea()
    scroll.setWidgetResizable(True)
    scroll.setFrameShape(QFrame.Shape.NoFrame)
    scroll.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
    scroll.setWidget(inside)
    column_of(dock).addWidget(scroll)
    for label in dock.findChildren(QLabel):
        # a label with a style sheet would stand half a letter to the right of everything else
        label.setIndent(0)
    dock.setMinimumWidth(least_width)
