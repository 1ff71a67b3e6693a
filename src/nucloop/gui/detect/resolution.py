"""The one question about an image that does not say its resolution."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import QPointF, QRectF, Qt, Signal
from qtpy.QtGui import QColor, QImage, QPainter, QPen, QPixmap
from qtpy.QtWidgets import (
    QDoubleSpinBox,
    QFrame,
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QSizePolicy,
    QVBoxLayout,
    QWidget,
)

from nucloop.gui.detect.resolution_crop import CROP_PX
from nucloop.gui.widgets.jobs import Job
from nucloop.slides.slide import too_coarse

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import numpy as np
    from numpy.typing import NDArray
    from qtpy.QtGui import QPaintEvent

__all__ = ["ResolutionQuestion", "ScaledCrop"]

USUAL = {"20×": 0.5, "40×": 0.25}
"""µm per pixel that scanners give at these objectives, nearly enough."""
SMALLEST, LARGEST = 0.05, 100.0
BAR_UM = 10.0
_MARGIN = 6


class ScaledCrop(QWidget):
    """A piece of the slide, pixel for pixel, with a bar of 10 µm as long as it would be at one resolution."""

    def __init__(self, mpp: float, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._pixmap: QPixmap | None = None
        self.mpp = mpp
        self.setFixedHeight(CROP_PX)
        self.setMinimumWidth(60)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.setAccessibleName("A piece of the slide with a bar of 10 µm")
        self.setToolTip("A nucleus is 6 to 12 µm across: choose where the bar is about as long as one")

    @property
    def bar(self) -> float:
        """Length of the bar, pixels."""
        return BAR_UM / self.mpp

    def show_crop(self, pixels: NDArray[np.uint8] | None) -> None:
        """Show a piece of the slide, (H, W, 3); None is none."""
        if pixels is None:
            self._pixmap = None
        else:
            height, width = pixels.shape[:2]
            image = QImage(pixels.tobytes(), width, height, 3 * width, QImage.Format.Format_RGB888)
            self._pixmap = QPixmap.fromImage(image)
        self.setVisible(pixels is not None)
        self.update()

    def set_mpp(self, mpp: float) -> None:
        """Draw the bar for another resolution."""
        self.mpp = mpp
        self.update()

    def paintEvent(self, event: QPaintEvent | None) -> None:
        """Draw the piece, as much of its middle as there is room for, and the bar."""
        if self._pixmap is None:
            return
        painter = QPainter(self)
        shown = QRectF(0, 0, min(self.width(), self._pixmap.width()), min(self.height(), self._pixmap.height()))
        source = QRectF(shown)
        source.moveCenter(QPointF(self._pixmap.width() / 2, self._pixmap.height() / 2))
        painter.drawPixmap(shown, self._pixmap, source)
        self._draw_bar(painter, shown)

    def _draw_bar(self, painter: QPainter, shown: QRectF) -> None:
        length = min(self.bar, shown.width() - 2 * _MARGIN)
        y, left = shown.height() - _MARGIN - 2, shown.left() + _MARGIN
        # what is cut off says so
        text = "10 µm" if length == self.bar else "10 µm …"
        for colour, width in (("white", 6), ("black", 3)):
            pen = QPen(QColor(colour), width)
            pen.setCapStyle(Qt.PenCapStyle.FlatCap)
            painter.setPen(pen)
            painter.drawLine(QPointF(left, y), QPointF(left + length, y))
        letters = painter.fontMetrics().boundingRect(text)
        ground = QRectF(left, y - 7 - letters.height(), letters.width() + 6, letters.height() + 1)
        painter.fillRect(ground, QColor(255, 255, 255, 210))
        painter.setPen(QColor("black"))
        painter.drawText(ground, Qt.AlignmentFlag.AlignCenter, text)


class ResolutionQuestion(QFrame):
    """Asks for µm per pixel: two usual answers, or a number; each with nuclei and a bar, to compare them by."""

    answered = Signal(float)
    """µm per pixel."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("NucloopQuestion")
        self._text = QLabel()
        self._text.setWordWrap(True)
        self.hint = QLabel("A nucleus is 6 to 12 µm across. Where is the bar about as long as one?")
        self.hint.setWordWrap(True)
        self.buttons: dict[str, QPushButton] = {}
        self.crops: dict[str, ScaledCrop] = {}
        usual = QGridLayout()
        for column, (power, mpp) in enumerate(USUAL.items()):
            button = QPushButton(f"{power}  ·  {mpp:g} µm")
            button.clicked.connect(lambda _=False, mpp=mpp: self.answered.emit(mpp))
            self.buttons[power], self.crops[power] = button, ScaledCrop(mpp)
            usual.addWidget(self.crops[power], 0, column)
            usual.addWidget(button, 1, column)
        self._make_number()
        other = QHBoxLayout()
        other.addWidget(QLabel("or"))
        other.addWidget(self.number, 1)
        other.addWidget(self.use)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(10, 8, 10, 8)
        layout.addWidget(self._text)
        layout.addWidget(self.hint)
        layout.addLayout(usual)
        layout.addLayout(other)
        layout.addWidget(self.crops["number"])
        self.setVisible(False)

    @property
    def said(self) -> str:
        """What a person reads."""
        return self._text.text()

    def ask(self, name: str, known: float | None, crops: Callable[[], Iterator[NDArray[np.uint8]]]) -> None:
        """Ask about an image; `known` is what was said before, µm per pixel, and `crops` yields nuclei to show."""
        before = "" if known is None else f" {known:.4g} µm was said."
        self._text.setText(f"{name} does not say its resolution.{before} How large is one of its pixels?")
        self.show_crop(None)
        if known is not None:
            self.number.setValue(known)
        self.setVisible(True)
        self.number.setFocus()
        self.number.selectAll()
        job = Job(crops, self)
        job.items.connect(lambda found: self.show_crop(found[-1]))
        job.start()

    def show_crop(self, pixels: NDArray[np.uint8] | None) -> None:
        """Show nuclei of the image, (H, W, 3), at each answer."""
        self.hint.setVisible(pixels is not None)
        for crop in self.crops.values():
            crop.show_crop(pixels)

    def _make_number(self) -> None:
        self.number = QDoubleSpinBox()
        self.number.setRange(SMALLEST, LARGEST)
        self.number.setDecimals(4)
        self.number.setSingleStep(0.05)
        self.number.setValue(0.25)
        self.number.setSuffix(" µm")
        self.crops["number"] = ScaledCrop(self.number.value())
        self.number.valueChanged.connect(self.crops["number"].set_mpp)
        line = self.number.lineEdit()
        if line is not None:
            line.returnPressed.connect(self._answer_number)
        self.use = QPushButton("Use")
        self.use.clicked.connect(self._answer_number)

    def _answer_number(self) -> None:
        if self.isHidden():
            # Enter reaches the line that is typed into, and once more by way of the field around it
            return
        # what is typed counts, also when the field has not looked at it yet
        self.number.interpretText()
        trouble = too_coarse(self.number.value())
        if trouble:
            # a magnification, most likely
            self._text.setText(trouble[0].upper() + trouble[1:])
            return
        self.answered.emit(self.number.value())
