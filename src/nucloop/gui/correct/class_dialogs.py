"""Two questions about classes: what the nuclei of a deleted class become, and which classes are wanted."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from qtpy.QtCore import Qt
from qtpy.QtWidgets import (
    QComboBox,
    QDialog,
    QDialogButtonBox,
    QFileDialog,
    QLabel,
    QListWidget,
    QListWidgetItem,
    QVBoxLayout,
    QWidget,
)

from nucloop.classes import ClassScheme, builtin_schemes, join
from nucloop.errors import NucLoopError
from nucloop.formats.atomic import replacing
from nucloop.gui.layer.legend import disc

if TYPE_CHECKING:
    from collections.abc import Set as AbstractSet

    from nucloop.session.editing.class_edits import ClassUse

__all__ = ["DeleteDialog", "SchemeDialog"]

_FILES = "Class schemes (*.json *.yaml *.yml)"
_ROLE = Qt.ItemDataRole.UserRole


class DeleteDialog(QDialog):
    """Asks what the nuclei of a class become that is to be deleted.

    Parameters
    ----------
    scheme : ClassScheme
        The classes there are.
    label : int
        The one that is to go.
    use : ClassUse
        What hangs on it.
    """

    def __init__(self, scheme: ClassScheme, label: int, use: ClassUse, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        name = scheme.names[label]
        self.setWindowTitle(f"Delete {name}")
        self.question = _wrapped(_question(name, use))
        self.becomes = QComboBox()
        self.becomes.addItem("no class", None)
        for other, one in enumerate(scheme.classes):
            if other != label:
                self.becomes.addItem(disc(one.color), one.name, one.name)
        self.becomes.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self.buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Cancel)
        self.delete = self.buttons.addButton(f"Delete {name[:30]}", QDialogButtonBox.ButtonRole.AcceptRole)
        self.buttons.accepted.connect(self.accept)
        self.buttons.rejected.connect(self.reject)
        if use.said:
            # nobody takes back by a quick Enter what people have said
            self.becomes.setPlaceholderText("Choose …")
            self.becomes.setCurrentIndex(-1)
            self.delete.setEnabled(False)
            self.becomes.currentIndexChanged.connect(lambda row: self.delete.setEnabled(row >= 0))
        layout = QVBoxLayout(self)
        for widget in (self.question, QLabel("They become"), self.becomes, self.buttons):
            layout.addWidget(widget)
        self.setMinimumWidth(340)

    @property
    def into(self) -> str | None:
        """The class that they get; None for none."""
        name = self.becomes.currentData()
        return None if name is None else str(name)


def _question(name: str, use: ClassUse) -> str:
    has = "1 nucleus is" if use.nuclei == 1 else f"{use.nuclei:,} nuclei are"
    if not use.said:
        return f"{has} {name}."
    readers = ", ".join(f"{who} of {count:,}" for who, count in use.said.items())
    return (
        f"{has} {name}; people said so themselves: {readers}. What they said goes along to the class you choose. With "
        "no class it is taken back, until you undo."
    )


class SchemeDialog(QDialog):
    """Shows the class schemes that ship, reads a person's own, and says what would become of the classes there are.

    Parameters
    ----------
    now : ClassScheme
        The classes there are.
    used : set of int
        Labels that any nucleus has.
    """

    def __init__(self, now: ClassScheme, used: AbstractSet[int], parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWindowTitle("Classes")
        self._now, self._used = now, used
        self.list = QListWidget()
        for scheme in builtin_schemes().values():
            self._add(scheme)
        self.list.setTextElideMode(Qt.TextElideMode.ElideRight)
        self.list.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.classes, self.becomes = QListWidget(), _wrapped("")
        self.classes.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.classes.setSelectionMode(QListWidget.SelectionMode.NoSelection)
        self.about = _wrapped("")
        self.about.setObjectName("NucloopDim")
        self.buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Cancel)
        self.use = self.buttons.addButton("Use these classes", QDialogButtonBox.ButtonRole.AcceptRole)
        self.read = self.buttons.addButton("Open file …", QDialogButtonBox.ButtonRole.ActionRole)
        self.save = self.buttons.addButton("Save present classes …", QDialogButtonBox.ButtonRole.ActionRole)
        self.buttons.accepted.connect(self.accept)
        self.buttons.rejected.connect(self.reject)
        self.read.clicked.connect(self._read)
        self.save.clicked.connect(self._save)
        self.list.currentItemChanged.connect(lambda *_: self._show())
        layout = QVBoxLayout(self)
        layout.addWidget(self.list, 2)
        layout.addWidget(self.about)
        layout.addWidget(self.classes, 2)
        layout.addWidget(self.becomes)
        layout.addWidget(self.buttons)
        self.resize(480, 560)
        known = [self.list.item(k).data(_ROLE).name for k in range(self.list.count())]
        self.list.setCurrentRow(known.index(now.name) if now.name in known else 0)

    @property
    def chosen(self) -> ClassScheme | None:
        """The scheme that is chosen."""
        item = self.list.currentItem()
        return None if item is None else item.data(_ROLE)

    def open_file(self, path: Path) -> None:
        """Offer the scheme of a file too, and choose it; the dialog says so where it is none."""
        try:
            scheme = ClassScheme.from_file(path)
        except NucLoopError as error:
            self.becomes.setText(str(error))
            return
        self._add(scheme)
        self.list.setCurrentRow(self.list.count() - 1)

    def save_file(self, path: Path) -> None:
        """Write the classes there are, for other slides and other people."""
        try:
            with replacing(path) as file:
                file.write(json.dumps(self._now.to_dict(), indent=1).encode())
        except NucLoopError as error:
            self.becomes.setText(str(error))
        else:
            self.becomes.setText(f"The present classes are in {path.name}.")

    def _add(self, scheme: ClassScheme) -> None:
        item = QListWidgetItem(f"{scheme.name}   ({', '.join(scheme.names)})")
        item.setToolTip(scheme.description)
        item.setData(_ROLE, scheme)
        self.list.addItem(item)

    def _show(self) -> None:
        scheme = self.chosen
        self.classes.clear()
        if scheme is None:
            return
        for one, key in zip(scheme.classes, scheme.keys, strict=True):
            self.classes.addItem(QListWidgetItem(disc(one.color), f"{one.name}   {key or ''}"))
        self.about.setText(scheme.description)
        self.becomes.setText(_what_becomes(self._now, scheme, self._used))

    def _read(self) -> None:
        path, _ = QFileDialog.getOpenFileName(self, "Classes from a file", "", _FILES)
        if path:
            self.open_file(Path(path))

    def _save(self) -> None:
        path, _ = QFileDialog.getSaveFileName(self, "Save the present classes", f"{self._now.name}.json", _FILES)
        if path:
            self.save_file(Path(path))


def _what_becomes(now: ClassScheme, new: ClassScheme, used: AbstractSet[int]) -> str:
    """Say what choosing a scheme does to the classes there are."""
    pairs = dict(join(now.classes, new.classes).pairs)
    said = {
        "Renamed": [f"{now.names[a]} to {new.names[b]}" for a, b in pairs.items() if now.names[a] != new.names[b]],
        "Kept below, as nuclei have them": [now.names[k] for k in sorted(used) if k not in pairs],
        "Gone, as no nucleus has them": [name for k, name in enumerate(now.names) if k not in {*pairs, *used}],
    }
    lines = [f"{what}: {', '.join(names)}." for what, names in said.items() if names]
    return "\n".join([*lines, "No nucleus loses its class."])


def _wrapped(text: str) -> QLabel:
    label = QLabel(text)
    label.setTextFormat(Qt.TextFormat.PlainText)
    label.setWordWrap(True)
    return label
