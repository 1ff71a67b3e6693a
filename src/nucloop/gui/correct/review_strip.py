"""The strip of the Correct dock that shows what is asked, and why."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import QFrame, QHBoxLayout, QLabel, QPushButton, QVBoxLayout, QWidget

if TYPE_CHECKING:
    from nucloop.gui.correct.review import Review

__all__ = ["ReviewStrip"]


_WELL_KNOWN = 3
"""After so many answers nobody needs to be told how to answer."""


class ReviewStrip(QFrame):
    """Only asks and shows."""

    next_clicked = Signal()
    back_clicked = Signal()
    stop_clicked = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("NucloopQuestion")
        self.why = QLabel()
        self.why.setWordWrap(True)
        self.count = QLabel()
        self.count.setObjectName("NucloopDim")
        self.gained = QLabel()
        self.gained.setObjectName("NucloopDim")
        self.gained.setWordWrap(True)
        self.next = QPushButton("Review")
        self.next.setToolTip("Shows the nucleus whose class teaches most (Space); a number key answers and moves on")
        self.back = QPushButton("Back")
        self.back.setToolTip("The question before (Shift+Space)")
        self.stop = QPushButton("Stop")
        for button, signal in (
            (self.next, self.next_clicked),
            (self.back, self.back_clicked),
            (self.stop, self.stop_clicked),
        ):
            button.setFocusPolicy(Qt.FocusPolicy.TabFocus)
            button.clicked.connect(signal)
        row = QHBoxLayout()
        row.setSpacing(6)
        for button in (self.next, self.back, self.stop):
            row.addWidget(button)
        row.addStretch()
        row.addWidget(self.count)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(10, 8, 10, 8)
        layout.setSpacing(6)
        layout.addWidget(self.why)
        layout.addLayout(row)
        layout.addWidget(self.gained)

    def show_review(self, review: Review) -> None:
        """Show the question of a review, or offer to begin."""
        asking = review.question is not None
        if review.choosing:
            self.why.setText("Choosing what to ask …")
        elif not asking:
            self.why.setText("Review: be shown the nuclei whose class teaches most, one after another.")
        else:
            how = "\nA number key answers." if review.answers < _WELL_KNOWN else ""
            self.why.setText(review.why[0].upper() + review.why[1:] + "." + how)
        self.next.setEnabled(not review.choosing)
        self.next.setText("Skip" if asking else "Begin  ·  Space")
        self.back.setVisible(asking)
        self.stop.setVisible(asking)
        self.count.setText(f"{review.answers:,} answered" if review.answers else "")
        self.gained.setText(f"Last learning: {review.gained}")
        self.gained.setVisible(bool(review.gained))
