"""Who corrects, whether they work blinded, and whose labels are shown."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QCheckBox, QComboBox, QFormLayout, QLabel, QLineEdit, QWidget

if TYPE_CHECKING:
    from nucloop.session import Session

__all__ = ["ReadersBox"]

EVERYBODY = "Everybody, the last word"


class ReadersBox(QWidget):
    """Only asks and shows."""

    author_chosen = Signal(str)
    blinded_chosen = Signal(bool)
    reader_chosen = Signal(object)
    """A name, or None for everybody."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.author = QLineEdit()
        self.author.setToolTip("Every edit is kept with this name")
        self.author.editingFinished.connect(lambda: self.author_chosen.emit(self.author.text()))
        self.reader = QComboBox()
        self.reader.setToolTip("Whose word is shown on the slide and in the counts")
        self.reader.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self.reader.activated.connect(lambda _: self.reader_chosen.emit(self.reader.currentData()))
        self.blinded = QCheckBox("Blinded: show me only what I said")
        self.blinded.setToolTip("Hides what the model and other readers say, so that your word is your own")
        self.blinded.clicked.connect(self.blinded_chosen)
        self.apart = QLabel()
        self.apart.setObjectName("NucloopDim")
        self.apart.setWordWrap(True)
        form = QFormLayout(self)
        form.setContentsMargins(0, 0, 0, 0)
        form.addRow("You are", self.author)
        form.addRow("Labels of", self.reader)
        form.addRow(self.blinded)
        form.addRow(self.apart)

    def show_session(self, session: Session, reader: str | None) -> None:
        """Show the readers of a session."""
        if not self.author.hasFocus():
            self.author.setText(session.author)
        names = [name for name in session.readers if name]
        offered = [self.reader.itemData(k) for k in range(self.reader.count())]
        if offered != [None, *names]:
            self.reader.clear()
            self.reader.addItem(EVERYBODY, None)
            for name in names:
                self.reader.addItem(name, name)
        self.reader.setCurrentIndex(self.reader.findData(reader) if reader in names else 0)
        self.reader.setEnabled(not session.blinded)
        self.blinded.setChecked(session.blinded)
        self.apart.setVisible(not session.blinded and len(names) > 1)

    def show_disagreements(self, session: Session, other: str) -> None:
        """Say how often the author and another reader differ."""
        count = len(session.disagreements(session.author, other))
        self.apart.setText(f"You and {other} differ about {count:,} nuclei." if count else f"You and {other} agree.")
