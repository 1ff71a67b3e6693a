"""What is under "More": the device and the models. Nobody needs it to detect."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QComboBox, QFormLayout, QWidget

from nucloop.detection.spec import PipelineSpec
from nucloop.gui.detect.pipelines import DEVICES

if TYPE_CHECKING:
    from nucloop.gui.detect.pipelines import Offer

__all__ = ["ModelChoice"]

LABELS = {"device": "Device", "detector": "Detector", "encoder": "Encoder", "head": "Classes"}
BY_DETECTOR = "By the detector"
"""Of encoder and head: the ones that ship, or the classes that the detector names itself."""


class ModelChoice(QWidget):
    """Device, detector, encoder and head as a form; the defaults until it is told what else there is."""

    changed = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        layout = QFormLayout(self)
        layout.setContentsMargins(0, 4, 0, 4)
        self.boxes: dict[str, QComboBox] = {}
        for field, label in LABELS.items():
            box = QComboBox()
            box.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
            box.currentIndexChanged.connect(self.changed)
            layout.addRow(label, box)
            self.boxes[field] = box
            self._fill(field, [])

    @property
    def choice(self) -> PipelineSpec:
        """What is chosen."""
        return PipelineSpec(**{field: box.currentData() for field, box in self.boxes.items()})

    def show_offer(self, offer: Offer) -> None:
        """Offer what this machine and this installation have; what was chosen stays chosen."""
        self._fill("device", offer.devices)
        for kind, names in offer.models.items():
            if kind in self.boxes:
                self._fill(kind, names)

    def _fill(self, field: str, names: list[str]) -> None:
        box = self.boxes[field]
        default = getattr(PipelineSpec(), field)
        chosen = box.currentData() or default
        box.blockSignals(True)
        box.clear()
        if default is None:
            box.addItem(BY_DETECTOR, None)
        # a default that is not installed stays in the list: choosing it says what is missing
        for name in names if chosen is None or chosen in names else [chosen, *names]:
            box.addItem(DEVICES.get(name, name), name)
        box.setCurrentIndex(box.findData(chosen))
        box.blockSignals(False)
