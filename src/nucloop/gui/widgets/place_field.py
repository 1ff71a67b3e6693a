"""A line for a path with a button that opens the system's dialog, and what stands there already."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QHBoxLayout, QLineEdit, QPushButton, QWidget

from nucloop.gui.widgets.own_settings import own_settings

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["PlaceField", "first_folder", "is_file", "is_folder", "is_there", "remember_folder"]

_GROUP = "places"


class PlaceField(QWidget):
    """Shows and takes a path.

    Parameters
    ----------
    choose : callable
        Opens a file dialog at a path and returns what was chosen, "" for nothing.
    name : str
        What is asked for, for people who hear the window.
    """

    changed = Signal()

    def __init__(self, choose: Callable[[str], str], name: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._choose = choose
        self.line = QLineEdit()
        self.line.setAccessibleName(name)
        self.line.textChanged.connect(self.changed)
        self.button = QPushButton("Choose …")
        self.button.clicked.connect(self._ask)
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(6)
        row.addWidget(self.line, 1)
        row.addWidget(self.button)

    @property
    def path(self) -> Path | None:
        """What stands there, None for nothing."""
        text = self.line.text().strip()
        try:
            return Path(text).expanduser() if text else None
        except RuntimeError:  # the home of somebody whom this computer does not know
            return Path(text)

    def show_path(self, path: Path) -> None:
        """Put a path there, its end in sight."""
        self.line.setText(str(path))

    def _ask(self) -> None:
        chosen = self._choose(self.line.text())
        if chosen:
            self.line.setText(chosen)


def is_file(path: Path) -> bool:
    """Whether there is a file; of a path that cannot be looked at, or that no disk can hold, there is none."""
    return _looked(path.is_file)


def is_folder(path: Path) -> bool:
    """Whether there is a folder, as `is_file`."""
    return _looked(path.is_dir)


def is_there(path: Path) -> bool:
    """Whether there is anything, as `is_file`."""
    return _looked(path.exists)


def _looked(look: Callable[[], bool]) -> bool:
    try:
        return look()
    except OSError:
        return False


def first_folder(beside: Path | None, purpose: str) -> Path:
    """Return where a person went last for a purpose, else the folder of their slide, else their home."""
    last = str(own_settings().value(f"{_GROUP}/{purpose}", ""))
    if last and is_folder(Path(last)):
        return Path(last)
    return beside.parent if beside is not None and is_folder(beside.parent) else Path.home()


def remember_folder(folder: Path, purpose: str) -> None:
    """Begin there the next time."""
    settings = own_settings()
    settings.setValue(f"{_GROUP}/{purpose}", str(folder))
    settings.sync()
