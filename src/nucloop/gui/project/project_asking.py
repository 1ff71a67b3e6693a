"""What the Project dock asks in dialogs and menus: which project, which file, which tags, what with these slides."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from qtpy.QtCore import QPoint, Qt
from qtpy.QtWidgets import QFileDialog, QInputDialog, QMenu, QWidget

from nucloop.gui.project.new_project import PURPOSE
from nucloop.gui.widgets.place_field import first_folder, remember_folder

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from nucloop.cohort.project import Project

__all__ = ["ask_project", "ask_table", "ask_tags", "ask_what"]

_TABLES = "tables of slides"


def ask_project(parent: QWidget) -> Path | None:
    """Ask for the folder of a project."""
    at = str(first_folder(None, PURPOSE))
    chosen = QFileDialog.getExistingDirectory(parent, "Folder of a project, or of its results", at)
    return Path(chosen) if chosen else None


def ask_table(parent: QWidget, project: Project) -> Path | None:
    """Ask where the list of slides shall be written."""
    at = str(first_folder(None, _TABLES) / f"{project.folder.name}.csv")
    chosen, _ = QFileDialog.getSaveFileName(parent, "Export the slides that are shown", at, "Table (*.csv)")
    if not chosen:
        return None
    path = Path(chosen)
    remember_folder(path.parent, _TABLES)
    return path if path.suffix else path.with_suffix(".csv")


def ask_tags(parent: QWidget, slides: int, common: Sequence[str]) -> list[str] | None:
    """Ask for the tags that slides shall share; None where nothing shall change."""
    words = f"Tags of {slides:,} slides" if slides > 1 else "Tags of the slide"
    text, agreed = QInputDialog.getText(parent, "Tags", f"{words}, with commas between", text=", ".join(common))
    return [tag.strip() for tag in text.split(",") if tag.strip()] if agreed else None


def ask_what(parent: QWidget, place: QPoint, acts: Sequence[tuple[str, Callable[[], object]]]) -> None:
    """Show what can be done as a menu at a place of the screen; each line with what it does."""
    menu = QMenu(parent)
    for words, act in acts:
        menu.addAction(words).triggered.connect(lambda _=False, act=act: act())
    menu.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
    menu.popup(place)
