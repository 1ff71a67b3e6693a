"""What each class means for the Ki-67 index, and whether DAB decides."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import (
    QButtonGroup,
    QCheckBox,
    QComboBox,
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QSizePolicy,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from nucloop.gui.ki67.dab_histogram import DabHistogram
from nucloop.gui.ki67.grade_fields import GradeFields
from nucloop.gui.layer.legend import Swatch
from nucloop.gui.widgets.dock_layout import discard
from nucloop.ki67.words import counted_words, threshold_words
from nucloop.slides.stain_kind import StainKind

if TYPE_CHECKING:
    from nucloop.classes import ClassScheme
    from nucloop.ki67 import Ki67Result, Ki67Settings
    from nucloop.ki67.dab import SlideStains

__all__ = ["Ki67Meaning"]

MEANINGS = ("positive", "negative", "not counted")


class Ki67Meaning(QWidget):
    """Only asks and shows."""

    chosen = Signal(object)
    """A dict of Ki67Settings's fields that a person has changed."""
    stain_chosen = Signal(object)
    """A StainKind that a person says, or None to let the program tell."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._scheme: ClassScheme | None = None
        self._settings: Ki67Settings | None = None
        self.boxes: dict[str, QComboBox] = {}
        self.counted: dict[str, QCheckBox] = {}
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(8)
        layout.addLayout(self._stain_row())
        layout.addLayout(self._ways())
        self._classes = QWidget()
        self._grid = QGridLayout(self._classes)
        self._grid.setContentsMargins(0, 0, 0, 0)
        self._grid.setVerticalSpacing(3)
        self._grid.setColumnStretch(1, 1)
        self.histogram = DabHistogram()
        self.histogram.moved.connect(lambda value: self.chosen.emit({"threshold": value}))
        self.threshold = QLabel()
        self.threshold.setObjectName("NucloopDim")
        self.threshold.setWordWrap(True)
        self.find = QPushButton("Let the program choose")
        self.find.clicked.connect(lambda: self.chosen.emit({"threshold": None}))
        self.grades = GradeFields()
        self.grades.chosen.connect(lambda ends: self.chosen.emit({"grades": ends}))
        self.who = QLabel()
        self.who.setObjectName("NucloopDim")
        self.who.setWordWrap(True)
        for widget in (self.histogram, self.threshold, self.find, self.grades, self.who, self._classes):
            layout.addWidget(widget)

    def show_stain(self, stains: SlideStains | None, *, said: bool) -> None:
        """Show what the slide is stained with, and whether a person said so."""
        found = "not known yet" if stains is None else "not recognised" if stains.kind is None else stains.kind.words
        self.stain.setItemText(0, "as it looks" if said else f"{found} (as it looks)")
        row = 0 if not said or stains is None else self.stain.findData(stains.kind)
        self.stain.setCurrentIndex(row)

    def _stain_row(self) -> QHBoxLayout:
        self.stain = QComboBox()
        self.stain.addItem("", None)
        for kind in StainKind:
            self.stain.addItem(kind.words, kind)
        self.stain.setAccessibleName("What the slide is stained with")
        self.stain.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        self.stain.activated.connect(lambda row: self.stain_chosen.emit(self.stain.itemData(row)))
        row = QHBoxLayout()
        row.addWidget(QLabel("Stain"))
        row.addWidget(self.stain, 1)
        return row

    def show_meaning(self, scheme: ClassScheme, settings: Ki67Settings, result: Ki67Result | None) -> None:
        """Show what counts, and as what."""
        if scheme != self._scheme:
            self._build(scheme)
        self._settings = settings
        self.by_dab.setChecked(settings.by_dab)
        self.by_class.setChecked(not settings.by_dab)
        for name, box in self.boxes.items():
            meaning = 0 if name in settings.positive else 1 if name in settings.negative else 2
            box.setCurrentIndex(meaning)
            box.setVisible(not settings.by_dab)
            self.counted[name].setChecked(name not in settings.left_out)
            self.counted[name].setVisible(settings.by_dab)
        threshold = result.threshold if result is not None and settings.by_dab else None
        self.histogram.show_threshold(threshold)
        self.who.setText(counted_words(settings, "uncheck them here, or correct some and learn"))
        self.who.setVisible(settings.by_dab)
        self.threshold.setVisible(threshold is not None)
        self.grades.show_grades(result if threshold is not None else None)
        self.find.setVisible(threshold is not None and settings.threshold is not None)
        if result is not None and threshold is not None:
            words = threshold_words(result)
            self.threshold.setText(f"Positive: {words}. Drag the line to change it.")

    def _ways(self) -> QHBoxLayout:
        self.by_class, self.by_dab = QToolButton(), QToolButton()
        row = QHBoxLayout()
        row.setSpacing(0)
        self._group = QButtonGroup(self)
        for button, words, tip in (
            (self.by_class, "By class", "Positive and negative are classes of the nuclei"),
            (self.by_dab, "By DAB", "Brown in the nucleus decides, without any training"),
        ):
            button.setObjectName("NucloopScope")
            button.setText(words)
            button.setToolTip(tip)
            button.setCheckable(True)
            button.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
            self._group.addButton(button)
            row.addWidget(button)
        self.by_class.clicked.connect(lambda: self.chosen.emit({"by_dab": False}))
        self.by_dab.clicked.connect(lambda: self.chosen.emit({"by_dab": True}))
        return row

    def _build(self, scheme: ClassScheme) -> None:
        while (item := self._grid.takeAt(0)) is not None:
            if item.widget() is not None:
                discard(item.widget())
        self._scheme, self.boxes, self.counted = scheme, {}, {}
        for row, one in enumerate(scheme.classes):
            name, box, check = QLabel(one.name), QComboBox(), QCheckBox("counted")
            name.setIndent(0)
            name.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
            box.addItems(MEANINGS)
            box.setAccessibleName(f"What {one.name} means")
            box.activated.connect(lambda meaning, name=one.name: self._mean(name, meaning))
            check.clicked.connect(lambda counted, name=one.name: self._count(name, counted))
            self._grid.addWidget(Swatch(one.color), row, 0)
            self._grid.addWidget(name, row, 1)
            self._grid.addWidget(box, row, 2)
            self._grid.addWidget(check, row, 3, Qt.AlignmentFlag.AlignRight)
            self.boxes[one.name], self.counted[one.name] = box, check

    def _mean(self, name: str, meaning: int) -> None:
        if self._settings is None:
            return
        only = frozenset({name})
        sets = {"positive": self._settings.positive - only, "negative": self._settings.negative - only}
        if meaning < 2:
            sets[MEANINGS[meaning]] |= only
        self.chosen.emit(sets)

    def _count(self, name: str, counted: bool) -> None:
        if self._settings is not None:
            only = frozenset({name})
            left_out = self._settings.left_out
            left_out = left_out - only if counted else left_out | only
            self.chosen.emit({"left_out": left_out, "doubted": self._settings.doubted - only})
