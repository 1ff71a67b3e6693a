"""The line in which the dock speaks to the person."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from qtpy.QtCore import Qt
from qtpy.QtGui import QGuiApplication
from qtpy.QtWidgets import QFrame, QHBoxLayout, QLabel, QPushButton, QVBoxLayout, QWidget

__all__ = ["Message", "MessageLine", "Tone"]


class Tone(Enum):
    """How much a message matters; the value names its style."""

    INFO = "info"
    GOOD = "good"
    WARNING = "warning"
    ERROR = "error"


@dataclass(frozen=True)
class Message:
    """One or two sentences: what happened, to what, what to do next."""

    text: str
    tone: Tone = Tone.INFO
    details: str = ""
    """What "Copy details" copies: the traceback of a fault of the program."""


class MessageLine(QFrame):
    """Shows the latest message; hidden while there is none."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("NucloopMessage")
        self._text = QLabel()
        self._text.setWordWrap(True)
        self._text.setTextFormat(Qt.TextFormat.PlainText)
        self.copy_button = QPushButton("Copy details")
        self.copy_button.clicked.connect(self._copy)
        buttons = QHBoxLayout()
        buttons.addStretch()
        buttons.addWidget(self.copy_button)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(10, 6, 8, 6)
        layout.addWidget(self._text)
        layout.addLayout(buttons)
        self._message: Message | None = None
        self.say(None)

    @property
    def message(self) -> Message | None:
        """What is shown."""
        return self._message

    @property
    def text(self) -> str:
        """The words shown, empty when there are none."""
        return self._message.text if self._message else ""

    def say(self, message: Message | None) -> None:
        """Show a message in place of the one before; None shows none."""
        before, self._message = self._message, message
        self.setVisible(message is not None)
        if message is None or message == before:
            return
        # text that can be selected is painted twice each time, and the window with it: only faults are to be copied
        fault = message.tone is Tone.ERROR
        flags = Qt.TextInteractionFlag.TextSelectableByMouse if fault else Qt.TextInteractionFlag.NoTextInteraction
        self._text.setTextInteractionFlags(flags)
        self._text.setText(message.text)
        self.copy_button.setVisible(bool(message.details))
        self.copy_button.setText("Copy details")
        self.setProperty("tone", message.tone.value)
        self.style().unpolish(self)
        self.style().polish(self)

    def _copy(self) -> None:
        if self._message is not None:
            QGuiApplication.clipboard().setText(f"{self._message.text}\n\n{self._message.details}")
            self.copy_button.setText("Copied")
