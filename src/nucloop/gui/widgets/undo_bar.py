"""Undo and redo: two buttons that say what they would do."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QHBoxLayout, QPushButton, QSizePolicy, QWidget

from nucloop.errors import NucLoopError
from nucloop.gui.widgets.messages import Message, Tone
from nucloop.session import EditKind

if TYPE_CHECKING:
    from nucloop.session import Edit, Session

__all__ = ["UndoBar", "words_for"]

_WORDS = {
    EditKind.ADD: "adding {n}",
    EditKind.MOVE: "moving {n}",
    EditKind.DELETE: "deleting {n}",
    EditKind.SET_CLASS: "class of {n}",
    EditKind.CONFIRM: "confirming {n}",
    EditKind.OUTLINE: "outline of {n}",
    EditKind.SPLIT: "splitting a nucleus",
    EditKind.MERGE: "merging {n}",
    EditKind.IMPORT: "import of {n}",
    EditKind.MODEL_RUN: "detection",
    EditKind.NEW_HEAD: "learned classes",
    EditKind.CLASSES: "change of classes",
}


def words_for(edit: Edit) -> str:
    """Say what an edit was, in a few words."""
    n = "1 nucleus" if edit.nuclei == 1 else f"{edit.nuclei:,} nuclei"
    # an edit of the classes says itself what it did
    did = edit.details.get("did")
    return did if isinstance(did, str) else _WORDS.get(edit.kind, edit.kind.value).format(n=n)


class UndoBar(QWidget):
    """Works on one session at a time; hidden until something can be undone or done again."""

    said = Signal(object)
    """A Message: it could not be done."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._session: Session | None = None
        self.undo = QPushButton("Undo")
        self.redo = QPushButton("Redo")
        self.undo.clicked.connect(lambda: self._turn("undo"))
        self.redo.clicked.connect(lambda: self._turn("redo"))
        self._row = QHBoxLayout(self)
        self._row.setContentsMargins(0, 0, 0, 0)
        self._row.setSpacing(6)
        for button in (self.undo, self.redo):
            button.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
            self._row.addWidget(button, 1)
        self.show_session(None)

    def show_session(self, session: Session | None) -> None:
        """Show what can be undone and done again in a session."""
        self._session = session
        possible = session is not None and not session.read_only and not session.closed
        undoable = session.undoable if session is not None and possible else None
        redoable = session.redoable if session is not None and possible else None
        self.setVisible(undoable is not None or redoable is not None)
        for place, (button, name, key, edit) in enumerate(
            ((self.undo, "Undo", "Ctrl+Z", undoable), (self.redo, "Redo", "Ctrl+Y", redoable))
        ):
            # the one that can do something needs the room for saying what
            self._row.setStretch(place, 1 if edit is None else 2)
            button.setEnabled(edit is not None)
            button.setText(name if edit is None else f"{name} {words_for(edit)}")
            button.setToolTip(key if edit is None else f"{name} {words_for(edit)}, by {edit.author} ({key})")

    def _turn(self, way: str) -> None:
        if self._session is None:
            return
        try:
            getattr(self._session, way)()
        except NucLoopError as error:
            self.said.emit(Message(str(error), Tone.ERROR))
