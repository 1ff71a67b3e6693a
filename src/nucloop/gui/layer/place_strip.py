"""A strip that leads from one place on the slide to the next."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import QFrame, QHBoxLayout, QLabel, QPushButton, QVBoxLayout, QWidget

from nucloop.gui.canvas.view import lead_to

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from nucloop.gui.layer.nuclei_layer import NucleiLayer

__all__ = ["PlaceStrip", "look_at"]

ZOOM_UM = 80.0


class PlaceStrip(QFrame):
    """Says what is at some places, and asks to be led to them."""

    asked = Signal(object)
    """A place (y, x), level-0 pixels."""
    review_clicked = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("NucloopQuestion")
        self.what, self.count = QLabel(), QLabel()
        self.what.setWordWrap(True)
        self.count.setObjectName("NucloopDim")
        self.back, self.next = QPushButton("◂"), QPushButton("▸")
        self.review, self.close_button = QPushButton("Review them"), QPushButton("Close")
        self.back.setToolTip("The place before")
        self.next.setToolTip("The next place")
        self.review.setToolTip("Asks about them one after another; a number key answers and moves on (Space)")
        row = QHBoxLayout()
        row.setSpacing(6)
        for button in (self.back, self.next):
            button.setFixedWidth(30)
        for widget in (self.back, self.count, self.next):
            row.addWidget(widget)
        row.addStretch()
        row.addWidget(self.review)
        row.addWidget(self.close_button)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(10, 8, 10, 8)
        layout.setSpacing(6)
        layout.addWidget(self.what)
        layout.addLayout(row)
        self.back.clicked.connect(lambda: self._step(-1))
        self.next.clicked.connect(lambda: self._step(1))
        self.review.clicked.connect(self.review_clicked)
        self.close_button.clicked.connect(lambda: self.show_places("", np.zeros((0, 2))))
        for button in (self.back, self.next, self.review, self.close_button):
            button.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.places: NDArray[np.floating] = np.zeros((0, 2))
        self.at = -1
        self.setVisible(False)

    def show_places(self, what: str, places: NDArray[np.floating], *, review: bool = False) -> None:
        """Show places (N, 2), the first one next; none hides the strip."""
        self.places, self.at = places, -1
        self.setVisible(len(places) > 0)
        self.what.setText(what)
        self.review.setVisible(review)
        self._show()

    def _step(self, by: int) -> None:
        if len(self.places):
            self.at = (max(self.at, 0 if by < 0 else -1) + by) % len(self.places)
            self._show()
            self.asked.emit(self.places[self.at])

    def _show(self) -> None:
        total = len(self.places)
        self.count.setText(f"{self.at + 1:,} of {total:,}" if self.at >= 0 else f"{total:,}")


def look_at(nuclei: NucleiLayer, place: NDArray[np.floating]) -> None:
    """Show a place (y, x), level-0 pixels, in the middle, near enough to see a nucleus."""
    lead_to(nuclei.viewer, nuclei.layer, place, ZOOM_UM / nuclei.mpp)
