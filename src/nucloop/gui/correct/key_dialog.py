"""The small dialog in which keys are changed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtWidgets import (
    QDialog,
    QDialogButtonBox,
    QFormLayout,
    QHBoxLayout,
    QKeySequenceEdit,
    QLabel,
    QVBoxLayout,
    QWidget,
)

from nucloop.gui.correct.keys import COMMANDS, Command

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["KeyDialog"]

_IN_A_COLUMN = 10


class KeyDialog(QDialog):
    """Shows the keys and lets them be changed; two commands never get the same one."""

    def __init__(self, keys: Mapping[str, str], parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWindowTitle("Keys for correcting")
        about = QLabel(
            "They act while the nuclei layer is the active one. A key that writes no Latin letter and no digit means "
            "what stands at its place on an English keyboard."
        )
        about.setWordWrap(True)
        self.fields: dict[str, QKeySequenceEdit] = {}
        columns = QHBoxLayout()
        columns.setSpacing(24)
        for first in range(0, len(COMMANDS), _IN_A_COLUMN):
            commands = COMMANDS[first : first + _IN_A_COLUMN]
            form = QFormLayout()
            form.setVerticalSpacing(6)
            for command in commands:
                form.addRow(command.words, self._field(command))
            columns.addLayout(form)
        self.fault = QLabel()
        self.fault.setWordWrap(True)
        self.buttons = QDialogButtonBox(
            QDialogButtonBox.StandardButton.Ok
            | QDialogButtonBox.StandardButton.Cancel
            | QDialogButtonBox.StandardButton.RestoreDefaults
        )
        self.buttons.accepted.connect(self.accept)
        self.buttons.rejected.connect(self.reject)
        defaults = self.buttons.button(QDialogButtonBox.StandardButton.RestoreDefaults)
        defaults.clicked.connect(lambda: self.show_keys({command.name: command.key for command in COMMANDS}))
        layout = QVBoxLayout(self)
        layout.addWidget(about)
        layout.addLayout(columns)
        for widget in (self.fault, self.buttons):
            layout.addWidget(widget)
        self.show_keys(keys)

    def _field(self, command: Command) -> QKeySequenceEdit:
        field = QKeySequenceEdit()
        field.setMaximumSequenceLength(1)
        field.setFixedSize(118, 26)
        field.setAccessibleName(f"Key for {command.words}")
        field.keySequenceChanged.connect(self._check)
        self.fields[command.name] = field
        return field

    @property
    def keys(self) -> dict[str, str]:
        """The keys as they stand in the dialog, by command."""
        return {name: field.keySequence().toString() for name, field in self.fields.items()}

    def show_keys(self, keys: Mapping[str, str]) -> None:
        """Show keys by command."""
        for name, field in self.fields.items():
            field.setKeySequence(keys[name])

    def _check(self) -> None:
        taken: dict[str, str] = {}
        faults = []
        for command in COMMANDS:
            for key in (self.keys[command.name], *command.also):
                if key and key in taken:
                    faults.append(f"{key} is used twice: {taken[key]} and {command.words.lower()}.")
                taken[key] = command.words.lower()
        self.fault.setText("\n".join(faults))
        self.fault.setVisible(bool(faults))
        self.buttons.button(QDialogButtonBox.StandardButton.Ok).setEnabled(not faults)
