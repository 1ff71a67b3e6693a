"""What the Project dock is made of: the project above, the list in the middle, what is done with slides below."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import (
    QBoxLayout,
    QComboBox,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QMenu,
    QPushButton,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from nucloop.cohort.overview import Stage
from nucloop.gui.project.project_menu import ProjectMenu
from nucloop.gui.project.slide_model import SlideModel
from nucloop.gui.project.slide_view import SlideView
from nucloop.gui.project.thumbnails import Thumbnails
from nucloop.gui.sessions.session_question import SessionQuestion
from nucloop.gui.widgets.dock_layout import LEAST_WIDTH, column_of, heading
from nucloop.gui.widgets.fitted_words import FittedWords
from nucloop.gui.widgets.messages import MessageLine
from nucloop.gui.widgets.running import ProgressRow

if TYPE_CHECKING:
    from collections.abc import Sequence

    from qtpy.QtGui import QResizeEvent

    from nucloop.cohort.overview import Overview

__all__ = ["ProjectParts"]

_EMPTY = (
    "Many slides as one list: open them one after the other, detect on all of them in the background, say which are "
    "done, and export one table. It is the same folder as that of nucloop cohort."
)

_SMALL_PIXELS = 28
_FILTER_PIXELS = 400
_BAR_PIXELS = 284
"""From this width on, what is done with slides stands in one line."""


class EmptyPage(QWidget):
    """What is seen before a project is open."""

    def __init__(self) -> None:
        super().__init__()
        self.text = QLabel(_EMPTY)
        self.text.setObjectName("NucloopDim")
        self.text.setWordWrap(True)
        self.new, self.open, self.last = QPushButton("New project …"), QPushButton("Open project …"), QPushButton()
        self.new.setObjectName("NucloopMain")
        self.last.setObjectName("NucloopLink")
        column = column_of(self, spacing=8)
        for widget in (self.text, self.new, self.open, self.last):
            column.addWidget(widget)
        column.addStretch()


class FilterRow(QWidget):
    """Asks which slides are shown."""

    changed = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.words, self.stages, self.tags = QLineEdit(), QComboBox(), QComboBox()
        self.words.setPlaceholderText("Search")
        self.words.setClearButtonEnabled(True)
        self.words.setToolTip("Slides whose name, patient, labels, tags or remarks have all of these words")
        self.words.textChanged.connect(lambda _: self.changed.emit())
        self.stages.setToolTip("The state of the slides that are shown")
        self.tags.setToolTip("The tag of the slides that are shown")
        for box in (self.stages, self.tags):
            box.activated.connect(lambda _: self.changed.emit())
        self._rows = QBoxLayout(QBoxLayout.Direction.LeftToRight, self)
        self._rows.setContentsMargins(0, 0, 0, 0)
        self._rows.setSpacing(6)
        boxes = QHBoxLayout()
        boxes.setSpacing(6)
        boxes.addWidget(self.stages, 1)
        boxes.addWidget(self.tags, 1)
        self._rows.addWidget(self.words, 1)
        self._rows.addLayout(boxes, 1)

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Put the boxes below the words where there is no room beside them."""
        wide = self.width() >= _FILTER_PIXELS
        self._rows.setDirection(QBoxLayout.Direction.LeftToRight if wide else QBoxLayout.Direction.TopToBottom)
        super().resizeEvent(event)

    def offer(self, counts: dict[Stage, int], tags: Sequence[str]) -> None:
        """Offer the states that slides have, with their numbers, and the tags."""
        states = [("All", ""), *((f"{stage.value} ({number:,})", stage) for stage, number in counts.items())]
        _fill(self.stages, states)
        _fill(self.tags, [("Any tag", ""), *((tag, tag) for tag in tags)])
        self.tags.setVisible(bool(tags))


class SlideBar(QWidget):
    """What is done with the slide on screen, or with those that are selected."""

    marked = Signal(str)
    """The state that a person gives."""

    def __init__(self) -> None:
        super().__init__()
        self.back, self.forth, self.open = QToolButton(), QToolButton(), QPushButton("Open")
        self.back.setArrowType(Qt.ArrowType.LeftArrow)
        self.forth.setArrowType(Qt.ArrowType.RightArrow)
        self.back.setAccessibleName("Previous slide")
        self.forth.setAccessibleName("Next slide")
        for button in (self.back, self.forth):
            button.setObjectName("NucloopScope")
        self.done, self.mark, self.tag = QPushButton("Done"), QToolButton(), QPushButton("Tag …")
        self.done.setToolTip("Says that you are done with the selected slides")
        self.mark.setText("▾")
        self.mark.setAccessibleName("Other states")
        self.mark.setObjectName("NucloopScope")
        self.mark.setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)
        self.tag.setToolTip("Puts tags on the selected slides, and takes them off")
        menu = QMenu(self)
        for words, state in (("Done", "done"), ("In review", "in review"), ("As the session says", "")):
            menu.addAction(words).triggered.connect(lambda _=False, state=state: self.marked.emit(state))
        self.mark.setMenu(menu)
        self.done.clicked.connect(lambda: self.marked.emit("done"))
        for button in (self.back, self.forth, self.mark):
            button.setFixedWidth(_SMALL_PIXELS)
        self._rows = QBoxLayout(QBoxLayout.Direction.LeftToRight, self)
        self._rows.setContentsMargins(0, 0, 0, 0)
        self._rows.setSpacing(8)
        for widgets in ((self.back, self.open, self.forth), (self.done, self.mark, self.tag)):
            row = QHBoxLayout()
            row.setSpacing(4)
            for widget in widgets:
                row.addWidget(widget, int(isinstance(widget, QPushButton)))
            self._rows.addLayout(row, 1)

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Put everything into one line where there is room."""
        wide = self.width() >= _BAR_PIXELS
        self._rows.setDirection(QBoxLayout.Direction.LeftToRight if wide else QBoxLayout.Direction.TopToBottom)
        super().resizeEvent(event)


class ProjectParts:
    """The widgets of the dock, laid out.

    Parameters
    ----------
    dock : QWidget
        Gets the layout.
    """

    def __init__(self, dock: QWidget) -> None:
        self.thumbnails = Thumbnails(dock)
        self.model = SlideModel(self.thumbnails)
        self.rows, self.empty, self.filter, self.bar = SlideView(self.model), EmptyPage(), FilterRow(), SlideBar()
        self.question, self.messages = SessionQuestion(), MessageLine()
        self.progress = ProgressRow("Stops; slides that are finished stay so")
        self.name, self.menu_button = heading(""), QToolButton()
        self.menu_button.setText("⋯")
        self.menu_button.setAccessibleName("More about the project")
        self.menu_button.setObjectName("NucloopScope")
        self.menu_button.setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)
        self.menu = ProjectMenu(self.model, dock)
        self.menu_button.setMenu(self.menu)
        self.run = QPushButton("Run on all")
        self.run.setObjectName("NucloopMain")
        self.count = QLabel()
        self.count.setObjectName("NucloopDim")
        self.count.setWordWrap(True)
        self.body = QWidget()
        upper = QHBoxLayout()
        upper.setSpacing(6)
        upper.addWidget(self.name, 1)
        upper.addWidget(self.run)
        upper.addWidget(self.menu_button)
        inside = QVBoxLayout(self.body)
        inside.setContentsMargins(0, 0, 0, 0)
        inside.setSpacing(6)
        inside.addLayout(upper)
        inside.addWidget(self.filter)
        inside.addWidget(self.rows, 1)
        inside.addWidget(self.count)
        inside.addWidget(self.bar)
        column = column_of(dock, (12, 10, 12, 10), spacing=8)
        column.addWidget(self.progress)
        column.addWidget(self.question)
        column.addWidget(self.messages)
        column.addWidget(self.body, 1)
        column.addWidget(self.empty, 1)
        self.progress.show_running(False, "")
        for button in (*dock.findChildren(QPushButton), *dock.findChildren(QToolButton)):
            # a click here leaves the keyboard with the slide
            button.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        dock.setMinimumWidth(LEAST_WIDTH)
        FittedWords(dock)

    def show_slides(self, slides: Sequence[Overview], *, running: bool) -> None:
        """Say how far slides are, what the filter can choose, and what the button would run on."""
        counts = Counter(one.stage for one in slides)
        there = {stage: counts[stage] for stage in Stage if counts[stage]}
        self.filter.offer(there, self.model.tags)
        shown, chosen = len(self.model.shown), len(self.rows.selected)
        words = f"{len(slides):,} slide{'s' * (len(slides) != 1)}"
        words = words if shown == len(slides) else f"{shown:,} of {words}"
        told = ", ".join(f"{number:,} {stage.value}" for stage, number in there.items())
        self.count.setText(f"{words}: {told}" if told else "No slides")
        self.run.setText(f"Run on {chosen:,}" if chosen > 1 else "Run on all")
        which = "the selected slides" if chosen > 1 else "all slides that have no result that stands"
        self.run.setToolTip(f"Detects and classifies on {which}, in the background")
        self.run.setEnabled(not running and bool(slides))
        for button in (self.bar.open, self.bar.tag):
            button.setEnabled(chosen > 0)


def _fill(box: QComboBox, entries: Sequence[tuple[str, str]]) -> None:
    if [(box.itemText(k), box.itemData(k)) for k in range(box.count())] == list(entries):
        return
    chosen = box.currentData()
    box.clear()
    for text, value in entries:
        box.addItem(text, value)
    # what was chosen stays chosen, also where no slide is so any more
    if chosen and box.findData(chosen) < 0:
        box.addItem(f"{chosen} (0)", chosen)
    box.setCurrentIndex(max(box.findData(chosen), 0))
