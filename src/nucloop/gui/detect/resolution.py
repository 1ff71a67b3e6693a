"""The one question about an image that does not say its resolution."""

from __future__ import annotations

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QDoubleSpinBox, QFrame, QHBoxLayout, QLabel, QPushButton, QVBoxLayout, QWidget

__all__ = ["ResolutionQuestion"]

USUAL = {"20×": 0.5, "40×": 0.25}
"""µm per pixel that scanners give at these objectives, nearly enough."""
SMALLEST, LARGEST = 0.05, 20.0


class ResolutionQuestion(QFrame):
    """Asks for µm per pixel: two usual answers, or a number."""

    answered = Signal(float)
    """µm per pixel."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("NucloopQuestion")
        self._text = QLabel()
        self._text.setWordWrap(True)
        self.buttons: dict[str, QPushButton] = {}
        usual = QHBoxLayout()
        for power, mpp in USUAL.items():
            button = QPushButton(f"{power}  ·  {mpp:g} µm")
            button.clicked.connect(lambda _=False, mpp=mpp: self.answered.emit(mpp))
            usual.addWidget(button)
            self.buttons[power] = button
        self.number = QDoubleSpinBox()
        self.number.setRange(SMALLEST, LARGEST)
        self.number.setDecimals(4)
        self.number.setSingleStep(0.05)
        self.number.setValue(0.25)
        self.number.setSuffix(" µm")
        self.use = QPushButton("Use")
        self.use.clicked.connect(lambda: self.answered.emit(self.number.value()))
        other = QHBoxLayout()
        other.addWidget(QLabel("or"))
        other.addWidget(self.number, 1)
        other.addWidget(self.use)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(10, 8, 10, 8)
        layout.addWidget(self._text)
        layout.addLayout(usual)
        layout.addLayout(other)
        self.setVisible(False)

    def ask(self, name: str) -> None:
        """Ask about an image."""
        self._text.setText(f"{name} does not say its resolution. How large is one of its pixels?")
        self.setVisible(True)
        self.number.setFocus()
