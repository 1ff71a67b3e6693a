"""The button that learns, what there is to learn from, how to learn, and how far it is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import (
    QCheckBox,
    QComboBox,
    QFormLayout,
    QLabel,
    QSpinBox,
    QWidget,
)

from nucloop.gui.canvas.docks import LEARN_SHORTCUT
from nucloop.gui.learn.learning import Method
from nucloop.gui.widgets.dock_layout import column_of
from nucloop.gui.widgets.running import ProgressRow, main_button

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nucloop.gui.learn.progress import LearningProgress
    from nucloop.learning.answers import Answers
    from nucloop.learning.session_heads import Version

__all__ = ["LearnControls", "MethodChoice"]

METHODS = {
    "linear": ("Linear head, in seconds", "Fits a linear classifier to kept features. Right for most corrections."),
    "lora": ("LoRA, in minutes", "Adapts the encoder a little, by small matrices beside its weights."),
    "full": ("All weights, in minutes", "Tunes the whole encoder. Needs many corrections in many places."),
}


class LearnControls(QWidget):
    """Only asks and shows: what happens is the dock's affair."""

    learn_clicked = Signal()
    cancel_clicked = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.answers = QLabel()
        self.answers.setObjectName("NucloopDim")
        self.answers.setWordWrap(True)
        self.learn = main_button(
            "Learn from corrections",
            LEARN_SHORTCUT,
            f"Learn from what people said ({LEARN_SHORTCUT}). Nothing changes before you press Apply, and what a "
            "person said never does.",
        )
        self.learn.clicked.connect(self.learn_clicked)
        self._progress = ProgressRow("Stop; all classes stay as they are")
        self._progress.cancel_clicked.connect(self.cancel_clicked)
        self.cancel = self._progress.cancel
        layout = column_of(self, spacing=8)
        for widget in (self.learn, self.answers, self._progress):
            layout.addWidget(widget)
        self.show_running(False)

    def show_answers(self, said: Answers) -> None:
        """Show what there is to learn from."""
        if said.total:
            self.answers.setText(f"To learn from: {said.sentence()}.")
        else:
            self.answers.setText("Nothing to learn from yet: correct or confirm a few nuclei of each class first.")

    def show_running(self, running: bool) -> None:
        """Show the progress and Cancel while something goes on; the button stays, a click begins anew."""
        self._progress.show_running(running, "Preparing …")

    def show_progress(self, progress: LearningProgress) -> None:
        """Show how far it is."""
        self._progress.show_done(progress.done, progress.total, progress.text)


class MethodChoice(QWidget):
    """Method, encoder and what else can be chosen; nobody needs it to learn."""

    encoder_chosen = Signal()
    changed = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._tuned: dict[int, Version] = {}
        self.method, self.encoder, self.epochs = QComboBox(), QComboBox(), QSpinBox()
        for name, (title, hint) in METHODS.items():
            self.method.addItem(title, name)
            self.method.setItemData(self.method.count() - 1, hint, Qt.ItemDataRole.ToolTipRole)
        self.encoder.setEditable(True)
        self.encoder.setInsertPolicy(QComboBox.InsertPolicy.NoInsert)
        self.encoder.setToolTip(
            "An encoder by name: one of the list, any timm name, a folder as it was downloaded, or NAME=FILE. Features "
            "are computed anew with it in the background, and the head is fitted to the corrections made so far."
        )
        for box in (self.method, self.encoder):
            box.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self.epochs.setRange(1, 500)
        self.epochs.setValue(20)
        self.imported = QCheckBox("Learn from imported classes too")
        self.imported.setToolTip("A file may hold what people said or what another program guessed: you know which")
        form = QFormLayout(self)
        form.setContentsMargins(0, 4, 0, 4)
        form.addRow("Method", self.method)
        form.addRow("Encoder", self.encoder)
        form.addRow("At most epochs", self.epochs)
        form.addRow(self.imported)
        self._form = form
        self.method.currentIndexChanged.connect(self._show_method)
        self.imported.toggled.connect(self.changed)
        self.show_encoders(["embedded"], [])
        self.encoder.activated.connect(self.encoder_chosen)
        self._show_method()

    @property
    def choice(self) -> Method:
        """What is chosen."""
        text = self.encoder.currentText().strip()
        row = self.encoder.findText(text)
        version = self._tuned.get(self.encoder.itemData(row)) if row >= 0 else None
        name = self.method.currentData()
        imported = self.imported.isChecked()
        return Method(name, text or "embedded", version, self.epochs.value(), imported)

    def show_encoders(self, names: Sequence[str], tuned: Sequence[Version]) -> None:
        """Offer encoders by name, and those that were tuned here; what was chosen stays chosen."""
        chosen = self.encoder.currentText()
        self._tuned = {version.number: version for version in tuned}
        self.encoder.blockSignals(True)
        self.encoder.clear()
        for version in reversed(tuned):
            self.encoder.addItem(tuned_name(version), version.number)
        for name in names:
            self.encoder.addItem(name, 0)
        self.encoder.setCurrentText(chosen or "embedded")
        self.encoder.blockSignals(False)

    def choose_encoder(self, version: Version | None) -> None:
        """Go on with the encoder that a version reads."""
        if version is not None:
            self.encoder.setCurrentText(tuned_name(version) if version.tuning_sha256 else version.encoder)

    def _show_method(self) -> None:
        linear = self.method.currentData() == "linear"
        self._form.setRowVisible(self.epochs, not linear)
        self.method.setToolTip(METHODS[self.method.currentData()][1])
        self.changed.emit()


def tuned_name(version: Version) -> str:
    """Name an encoder that was tuned here."""
    return f"{version.encoder}, tuned in version {version.number}"
