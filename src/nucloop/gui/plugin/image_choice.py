"""The small choice among the images of a file that holds several: which one was opened, and the way to the others."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import QComboBox, QDialog, QHBoxLayout, QLabel, QPushButton, QVBoxLayout

from nucloop.gui.widgets.appearance import style_sheet

if TYPE_CHECKING:
    from napari.components import ViewerModel
    from qtpy.QtWidgets import QWidget

    from nucloop.slides import Slide

__all__ = ["ImageChoice"]


class ImageChoice(QDialog):
    """Says which image of a file was opened, and asks for another.

    Parameters
    ----------
    slide : Slide
        As it was opened: its notice is shown, its images are offered.
    viewer : napari viewer
        For its theme.
    """

    chosen = Signal(int)
    """Number of the image to open beside the first."""

    def __init__(self, slide: Slide, viewer: ViewerModel, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.setWindowTitle(f"Images of {slide.name}")
        self.text = QLabel(slide.notice)
        self.text.setWordWrap(True)
        self.images = QComboBox()
        self.images.setAccessibleName("Another image of the file")
        for number, name in enumerate(slide.images):
            if number != slide.image:
                self.images.addItem(f"{number}: {name}" if name else f"{number}", number)
        self.open, self.keep = QPushButton("Open this one too"), QPushButton("Leave it")
        self.keep.setDefault(True)
        self.open.clicked.connect(self._open)
        self.keep.clicked.connect(self.close)
        line = QHBoxLayout()
        line.addWidget(self.images, 1)
        line.addWidget(self.open)
        line.addWidget(self.keep)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(14, 14, 14, 12)
        layout.setSpacing(10)
        layout.addWidget(self.text)
        layout.addLayout(line)
        self.setStyleSheet(style_sheet(viewer.theme))
        self.setMinimumWidth(460)

    def _open(self) -> None:
        number = self.images.currentData()
        self.close()
        self.chosen.emit(number)
