"""Keys for going through a project's slides: they work wherever the focus is, and are changed with all other keys."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import QObject, Qt
from qtpy.QtGui import QKeySequence, QShortcut

from nucloop.gui.correct.keys import SLIDE_COMMANDS

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from qtpy.QtWidgets import QMainWindow

    from nucloop.gui.correct.correcting import Correcting

__all__ = ["SlideKeys"]


class SlideKeys(QObject):
    """Keeps one shortcut for each of `SLIDE_COMMANDS`.

    Parameters
    ----------
    window : QMainWindow or None
        Where they work; without one there are the buttons.
    correcting : Correcting
        Knows which keys a person has chosen.
    acts : dict
        What each command does, by its name.
    parent : QObject
        The keys end with it.
    """

    def __init__(
        self,
        window: QMainWindow | None,
        correcting: Correcting,
        acts: Mapping[str, Callable[[], object]],
        parent: QObject,
    ) -> None:
        super().__init__(parent)
        self._correcting = correcting
        self._shortcuts: dict[str, QShortcut] = {}
        self._closed = False
        for command in SLIDE_COMMANDS if window is not None else ():
            shortcut = QShortcut(window)
            shortcut.setContext(Qt.ShortcutContext.WindowShortcut)
            shortcut.activated.connect(acts[command.name])
            self.destroyed.connect(shortcut.deleteLater)
            self._shortcuts[command.name] = shortcut
        correcting.changed.connect(self.follow)
        self.follow()

    def follow(self) -> None:
        """Take the keys that the person has chosen."""
        for name, shortcut in self._shortcuts.items():
            key = QKeySequence() if self._closed else QKeySequence(self._correcting.keys[name])
            if shortcut.key() != key:
                shortcut.setKey(key)

    def close(self) -> None:
        """Do nothing any more: the dock has gone."""
        self._closed = True
        self.follow()

    def written(self, name: str) -> str:
        """Return the key of a command as a person reads it; empty where it has none."""
        return QKeySequence(self._correcting.keys[name]).toString(QKeySequence.SequenceFormat.NativeText)
