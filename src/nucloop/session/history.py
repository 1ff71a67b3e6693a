"""What can be undone and what can be done again, read off a journal that is only ever added to."""

from __future__ import annotations

from enum import StrEnum

from nucloop.session.codec import CodecError

__all__ = ["EditKind", "History"]


class EditKind(StrEnum):
    """What an edit was."""

    ADD = "add"
    MOVE = "move"
    DELETE = "delete"
    SET_CLASS = "set class"
    CONFIRM = "confirm"
    OUTLINE = "outline"
    SPLIT = "split"
    MERGE = "merge"
    IMPORT = "import"
    MODEL_RUN = "model run"
    NEW_HEAD = "new head"
    CLASSES = "classes"
    UNDO = "undo"
    REDO = "redo"


class History:
    """Steps that are done and undone, in order.

    A step is one edit, or the many edits of one model run; it is named by the number of its first edit. A step is
    undone whole, the newest first. A new step forgets what could be done again; its edits stay in the journal.
    """

    def __init__(self) -> None:
        self._done: dict[int, None] = {}
        self._undone: list[int] = []
        self._members: dict[int, list[int]] = {}
        self.last = 0
        """Number of the newest edit."""

    @property
    def undoable(self) -> int | None:
        """The step that undo would take back."""
        return next(reversed(self._done), None)

    @property
    def redoable(self) -> int | None:
        """The step that redo would do again."""
        return self._undone[-1] if self._undone else None

    def is_done(self, step: int) -> bool:
        """Whether a step is in force."""
        return step in self._done

    def edits(self, step: int) -> list[int]:
        """Return the numbers of a step's edits, in order."""
        return self._members.get(step, [step])

    def take(self, seq: int, step: int, kind: EditKind) -> None:
        """Take note of the next edit of the journal.

        Raises
        ------
        CodecError
            If it cannot come here.
        """
        if seq != self.last + 1:
            raise CodecError(f"edit {self.last + 1} is missing")
        if kind is EditKind.UNDO:
            if step != self.undoable:
                raise CodecError(f"edit {seq} undoes what is not there")
            del self._done[step]
            self._undone.append(step)
        elif kind is EditKind.REDO:
            if step != self.redoable:
                raise CodecError(f"edit {seq} does again what was not undone")
            self._undone.pop()
            self._done[step] = None
        elif step == seq:
            self._done[step] = None
            self._undone.clear()
        elif kind is EditKind.MODEL_RUN and self.is_done(step):
            # tiles still come in while a person works: what they have just undone can still be done again
            self._members.setdefault(step, [step]).append(seq)
        else:
            raise CodecError(f"edit {seq} belongs to nothing")
        self.last = seq
