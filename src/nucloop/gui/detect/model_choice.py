"""What is under "More": the device and the models. Nobody needs it to detect."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QCheckBox, QComboBox, QFileDialog, QFormLayout, QWidget

from nucloop.detection.spec import InferenceConfig, PipelineSpec
from nucloop.gui.detect.pipelines import DEVICES
from nucloop.gui.widgets.place_field import first_folder, remember_folder

if TYPE_CHECKING:
    from nucloop.gui.detect.pipelines import Offer

__all__ = ["ModelChoice"]

LABELS = {"device": "Device", "detector": "Detector", "encoder": "Encoder", "head": "Classes"}
BY_DETECTOR = "By the detector"
"""Of encoder and head: the ones that ship, or the classes that the detector names itself."""
CHOOSE = "Choose a file …"
_FILE = "*"
"""What the item that opens a dialog stands for; no file is called so."""


class ModelChoice(QWidget):
    """Device, detector, encoder and head as a form; the defaults until it is told what else there is."""

    changed = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        layout = QFormLayout(self)
        layout.setContentsMargins(0, 4, 0, 4)
        self.boxes: dict[str, QComboBox] = {}
        self._chosen: dict[str, str | None] = {field: getattr(PipelineSpec(), field) for field in LABELS}
        self._files: dict[str, list[str]] = {field: [] for field in LABELS}
        self._names: dict[str, list[str]] = {field: [] for field in LABELS}
        for field, label in LABELS.items():
            box = QComboBox()
            box.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
            box.currentIndexChanged.connect(partial(self._picked, field))
            layout.addRow(label, box)
            self.boxes[field] = box
            self._fill(field)
        self.contrast = QCheckBox("Points need contrast")
        self.contrast.setToolTip("Leave out points no darker than their surroundings: bare glass, specks of dust")
        self.contrast.setChecked(True)
        self.contrast.toggled.connect(self.changed)
        layout.addRow(self.contrast)

    @property
    def choice(self) -> PipelineSpec:
        """What is chosen."""
        config = InferenceConfig() if self.contrast.isChecked() else InferenceConfig(contrast=0)
        return PipelineSpec(**self._chosen, config=config)  # type: ignore[arg-type]

    def show_offer(self, offer: Offer) -> None:
        """Offer what this machine and this installation have; what was chosen stays chosen."""
        for field, names in {**offer.models, "device": offer.devices}.items():
            if field in self.boxes:
                self._names[field] = names
                self._fill(field)

    def _fill(self, field: str) -> None:
        box, default, chosen = self.boxes[field], getattr(PipelineSpec(), field), self._chosen[field]
        names = [*self._names[field], *self._files[field]]
        box.blockSignals(True)
        box.clear()
        if default is None:
            box.addItem(BY_DETECTOR, None)
        # a default that is not installed stays in the list: choosing it says what is missing
        for name in names if chosen is None or chosen in names else [chosen, *names]:
            box.addItem(DEVICES.get(name, Path(name).stem if name in self._files[field] else name), name)
        if field != "device":
            box.addItem(CHOOSE, _FILE)
        box.setCurrentIndex(box.findData(chosen))
        box.blockSignals(False)

    def _picked(self, field: str, index: int) -> None:
        picked = self.boxes[field].itemData(index)
        if picked == _FILE:
            picked = self._ask(field)
            if not picked:
                self._fill(field)
                return
            if picked not in self._files[field]:
                self._files[field].append(picked)
        self._chosen[field] = picked
        self._fill(field)
        self.changed.emit()

    def _ask(self, field: str) -> str:
        """Let the person choose a file of weights; empty when they think better of it."""
        title = f"{LABELS[field]} from a file"
        folder = str(first_folder(None, "weights"))
        name, _ = QFileDialog.getOpenFileName(self, title, folder, "Weights (*.safetensors)")
        if name:
            remember_folder(Path(name).parent, "weights")
        return str(name)
