"""The slides of a training set: this one, and sessions that a person adds, each with its patient."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import (
    QAbstractItemView,
    QFileDialog,
    QHBoxLayout,
    QHeaderView,
    QPushButton,
    QTableWidget,
    QTableWidgetItem,
    QVBoxLayout,
    QWidget,
)

from nucloop.session.keeping.place import SUFFIX

__all__ = ["SlideList", "SlideRow"]

_SLIDE, _PATIENT, _AREAS = range(3)
_ROW_HEIGHT = 24
_PATH = Qt.ItemDataRole.UserRole


@dataclass(frozen=True)
class SlideRow:
    """One slide: its session (empty for the one at the screen), and whose it is."""

    session: Path
    patient: str


class SlideList(QWidget):
    """A table with a row a slide.

    Parameters
    ----------
    first : str
        Name of the slide at the screen, which is always in the set.
    """

    changed = Signal()

    def __init__(self, first: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.table = QTableWidget(0, 3)
        self.table.setHorizontalHeaderLabels(["Slide", "Patient", "Areas"])
        self.table.verticalHeader().setVisible(False)
        self.table.verticalHeader().setDefaultSectionSize(_ROW_HEIGHT)
        self.table.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.table.setFixedHeight(5 * _ROW_HEIGHT)
        header = self.table.horizontalHeader()
        header.setSectionResizeMode(_SLIDE, QHeaderView.ResizeMode.Stretch)
        header.setSectionResizeMode(_AREAS, QHeaderView.ResizeMode.ResizeToContents)
        self.add = QPushButton("Add sessions …")
        self.add.setToolTip(f"Sessions (*{SUFFIX}) that lie beside their slides")
        self.add.clicked.connect(self._ask)
        self.remove = QPushButton("Remove")
        self.remove.clicked.connect(self._remove)
        buttons = QHBoxLayout()
        buttons.setSpacing(6)
        buttons.addWidget(self.add)
        buttons.addWidget(self.remove)
        buttons.addStretch()
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(6)
        layout.addWidget(self.table)
        layout.addLayout(buttons)
        self._append(Path(), first, "")
        self.table.itemSelectionChanged.connect(self._show_remove)
        self._show_remove()

    def show_first(self, regions: int, nuclei: int) -> None:
        """Say what of the slide at the screen goes into the set."""
        areas = "all of it" if not regions else f"{regions} region" + "s" * (regions > 1)
        self.table.item(0, _AREAS).setText(areas)
        self.table.item(0, _AREAS).setToolTip(f"{nuclei:,} nuclei on the slide")

    def add_sessions(self, paths: list[Path]) -> None:
        """Put sessions at the end, each once."""
        known = {row.session for row in self.rows()}
        for path in paths:
            if path not in known:
                self._append(path, path.name.removesuffix(SUFFIX), "its regions")
        self.changed.emit()

    def rows(self) -> list[SlideRow]:
        """Return what stands there; the slide at the screen first."""
        return [
            SlideRow(self.table.item(k, _SLIDE).data(_PATH), self.table.item(k, _PATIENT).text().strip())
            for k in range(self.table.rowCount())
        ]

    def _append(self, path: Path, name: str, areas: str) -> None:
        row = self.table.rowCount()
        self.table.insertRow(row)
        for column, text in ((_SLIDE, name), (_PATIENT, ""), (_AREAS, areas)):
            item = QTableWidgetItem(text)
            if column != _PATIENT:
                item.setFlags(item.flags() & ~Qt.ItemFlag.ItemIsEditable)
            self.table.setItem(row, column, item)
        self.table.item(row, _SLIDE).setData(_PATH, path)
        self.table.item(row, _SLIDE).setToolTip(str(path) if path.name else "The slide at the screen")
        self.table.item(row, _PATIENT).setToolTip("Slides of one patient stay together. Double-click to write.")

    def _ask(self) -> None:
        chosen, _ = QFileDialog.getOpenFileNames(self, "Sessions to add", "", f"Sessions (*{SUFFIX})")
        self.add_sessions([Path(one) for one in chosen])

    def _chosen(self) -> list[int]:
        return sorted({item.row() for item in self.table.selectedItems()} - {0}, reverse=True)

    def _remove(self) -> None:
        for row in self._chosen():
            self.table.removeRow(row)
        self.changed.emit()

    def _show_remove(self) -> None:
        self.remove.setEnabled(bool(self._chosen()))
