"""The small dialog in which keys are changed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtWidgets import QDialog, QDialogButtonBox, QFormLayout, QKeySequenceEdit, QLabel, QVBoxLayout, QWidget

from nucloop.gui.correct.keys import COMMANDS, MOST_CLASS_KEYS

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["KeyDialog"]


class KeyDialog(QDialog):
    """Shows the keys and lets them be changed; two commands never get the same one."""

    def __init__(self, keys: Mapping[str, str], parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWindowTitle("Keys for correcting")
        about = QLabel(
            "They act while the nuclei layer is the active one. "
            f"1 to {MOST_CLASS_KEYS} always give the class with that number."
        )
        about.setWordWrap(True)
        form = QFormLayout()
        self.fields: dict[str, QKeySequenceEdit] = {}
        for command in COMMANDS:
            field = QKeySequenceEdit()
            field.setMaximumSequenceLength(1)
            field.keySequenceChanged.connect(self._check)
            form.addRow(command.words, field)
            self.fields[command.name] = field
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
        for widget in (about, form, self.fault, self.buttons):
            layout.addLayout(widget) if isinstance(widget, QFormLayout) else layout.addWidget(widget)
        self.show_keys(keys)

    @property
    def keys(self) -> dict[str, str]:
        """The keys as they stand in the dialog, by command."""
        return {name: field.keySequence().toString() for name, field in self.fields.items()}

    def show_keys(self, keys: Mapping[str, str]) -> None:
        """Show keys by command."""
        for name, field in self.fields.items():
            field.setKeySequence(keys[name])

    def _check(self) -> None:
        taken: dict[str, str] = {str(k): f"class {k}" for k in range(1, MOST_CLASS_KEYS + 1)}
        faults = []
        for command in COMMANDS:
            for key in (self.keys[command.name], *command.also):
                if key and key in taken:
                    faults.append(f"{key} is used twice: {taken[key]} and {command.words.lower()}.")
                taken[key] = command.words.lower()
        self.fault.setText("\n".join(faults))
        self.fault.setVisible(bool(faults))
        self.buttons.button(QDialogButtonBox.StandardButton.Ok).setEnabled(not faults)
