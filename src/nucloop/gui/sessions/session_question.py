"""What the docks show when a session could not be opened: the reason, and a button for each way out."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QFileDialog, QFrame, QLabel, QPushButton, QVBoxLayout, QWidget

from nucloop.gui.sessions.session_places import Answer

if TYPE_CHECKING:
    from nucloop.gui.sessions.session_places import Trouble

__all__ = ["SessionQuestion"]


class SessionQuestion(QFrame):
    """Asks; hidden while there is nothing to ask."""

    answered = Signal(object, object)
    """An Answer, and a folder (Path) or None."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("NucloopQuestion")
        self._trouble: Trouble | None = None
        self.text = QLabel()
        self.text.setWordWrap(True)
        self.buttons: dict[Answer, QPushButton] = {}
        self._layout = QVBoxLayout(self)
        self._layout.setContentsMargins(10, 8, 10, 8)
        self._layout.setSpacing(6)
        self._layout.addWidget(self.text)
        for answer in Answer:
            button = QPushButton(answer.value)
            button.clicked.connect(lambda _=False, answer=answer: self._chosen(answer))
            self._layout.addWidget(button)
            self.buttons[answer] = button
        self.setVisible(False)

    def ask(self, trouble: Trouble | None) -> None:
        """Ask about trouble; None asks nothing."""
        self._trouble = trouble
        self.setVisible(trouble is not None)
        if trouble is not None:
            self.text.setText(trouble.message)
            for answer, button in self.buttons.items():
                button.setText(trouble.words.get(answer, answer.value))
                button.setVisible(answer in trouble.answers)

    def _chosen(self, answer: Answer) -> None:
        folder: Path | None = None
        if answer is Answer.CHOOSE:
            chosen = QFileDialog.getExistingDirectory(self, "Keep the session in")
            if not chosen:
                return
            folder = Path(chosen)
        self.answered.emit(answer, folder)
