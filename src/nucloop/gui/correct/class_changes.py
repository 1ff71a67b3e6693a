"""What a person changes about the classes, done to the session: each change is one step for undo."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from qtpy.QtWidgets import QDialog

from nucloop.classes import NucleusClass
from nucloop.gui.correct.class_colours import next_colour
from nucloop.gui.correct.class_dialogs import DeleteDialog, SchemeDialog
from nucloop.gui.widgets.messages import Message, Tone

if TYPE_CHECKING:
    from collections.abc import Callable

    from qtpy.QtWidgets import QWidget

    from nucloop.gui.correct.corrections import Corrections
    from nucloop.session import Change, Session

__all__ = ["ClassChanges"]


class ClassChanges:
    """Changes the classes of one session, asking first where nuclei lose theirs.

    Parameters
    ----------
    corrections : Corrections
        Of the nuclei whose classes they are.
    asker : QWidget
        Over which questions appear.
    """

    def __init__(self, corrections: Corrections, asker: QWidget) -> None:
        self._corrections, self._asker = corrections, asker

    @property
    def _session(self) -> Session:
        return self._corrections.nuclei.session

    def add(self, name: str) -> None:
        """Add a class with the next colour that can be told from the others, and make it the current one."""
        session = self._session
        new = NucleusClass(name, next_colour(session.scheme.colors))
        if self._do(lambda: session.add_class(new), f"{name} is new. Its colour and key can be changed."):
            self._corrections.current = len(session.scheme) - 1

    def rename(self, label: int, name: str) -> None:
        """Give a class another name, also in QuPath."""
        old = self._session.scheme.classes[label]
        if name != old.name:
            self._do(lambda: self._session.change_class(old.name, replace(old, name=name, qupath=name)))

    def colour(self, label: int, colour: str) -> None:
        """Give a class another colour."""
        old = self._session.scheme.classes[label]
        if colour != old.color:
            self._do(lambda: self._session.change_class(old.name, replace(old, color=colour)))

    def key(self, label: int, key: int) -> None:
        """Give a class a number key, in exchange for its own."""
        name = self._session.scheme.names[label]
        self._do(lambda: self._session.set_class_key(name, key))

    def move(self, label: int, to: int) -> None:
        """Put a class at another place among the others."""
        names = list(self._session.scheme.names)
        names.insert(to, names.pop(label))
        if names != list(self._session.scheme.names):
            self._do(lambda: self._session.order_classes(names))

    def merge(self, label: int, into: str) -> None:
        """Make a class a part of another one; undo takes it back, so nothing is asked."""
        name = self._session.scheme.names[label]
        count = self._session.use_of(name).nuclei
        self._do(
            lambda: self._session.remove_class(name, into),
            f"{name} is now part of {into}: {_nuclei(count)}, with what people said of them.",
        )

    def delete(self, label: int) -> None:
        """Delete a class, once a person has said what its nuclei become."""
        session = self._session
        name = session.scheme.names[label]
        use = session.use_of(name)
        into = None
        if use.nuclei or use.said:
            dialog = DeleteDialog(session.scheme, label, use, self._asker)
            if dialog.exec() != QDialog.DialogCode.Accepted:
                return
            into = dialog.into
        became = f"{_nuclei(use.nuclei)} {'has' if use.nuclei == 1 else 'have'} {f'{into} now' if into else 'no class'}"
        self._do(lambda: session.remove_class(name, into), f"{name} is deleted; {became}. Undo brings it back.")

    def choose_scheme(self) -> None:
        """Have a person choose other classes, and take them over."""
        session = self._session
        dialog = SchemeDialog(session.scheme, set(session.used_classes()), self._asker)
        if dialog.exec() == QDialog.DialogCode.Accepted and dialog.chosen is not None:
            chosen = dialog.chosen
            self._do(lambda: session.choose_scheme(chosen), f"The classes are those of {chosen.name}.")

    def _do(self, edit: Callable[[], Change], done: str = "") -> bool:
        changed = bool(self._corrections.do(edit))
        if changed and done:
            self._corrections.said.emit(Message(done, Tone.GOOD))
        return changed


def _nuclei(count: int) -> str:
    return "1 nucleus" if count == 1 else f"{count:,} nuclei"
