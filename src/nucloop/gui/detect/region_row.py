"""A row that says what the selected regions are made of and called."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtWidgets import QComboBox, QHBoxLayout, QLabel, QLineEdit, QVBoxLayout, QWidget

from nucloop.geometry import FIELD, IGNORE
from nucloop.gui.canvas.drawn_regions import EDGE, KIND_EDGES
from nucloop.gui.canvas.region_words import describe, description
from nucloop.gui.layer.legend import disc
from nucloop.gui.widgets.deferred import DeferredCall

if TYPE_CHECKING:
    from napari.layers import Shapes

__all__ = ["RegionRow"]

_KINDS = {"": "Any tissue", "tumour": "Tumour", "stroma": "Stroma", FIELD: "Field", IGNORE: "Ignore"}
_LONGEST = 80


class RegionRow(QWidget):
    """Shows the regions that are selected in a layer, or the one drawn last; hidden while there is none."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._layer: Shapes | None = None
        self._wanted = False
        self._soon = DeferredCall(self._show, self)
        self.about = QLabel()
        self.about.setObjectName("NucloopDim")
        self.kind, self.name = QComboBox(), QLineEdit()
        for kind, words in _KINDS.items():
            self.kind.addItem(disc(KIND_EDGES.get(kind, EDGE)), words, kind)
        self.kind.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self.kind.setToolTip(
            "What the region is made of. In what is ignored (glass, pen, folds, necrosis) nothing is found or counted. "
            "Fields are counted in place of the region in which they lie."
        )
        self.kind.setAccessibleName("Class of the region")
        self.kind.activated.connect(lambda _: self._say(kind=str(self.kind.currentData())))
        self.name.setPlaceholderText("Name")
        self.name.setToolTip("The region's name in figures, reports and exported files")
        self.name.setMaxLength(_LONGEST)
        self.name.editingFinished.connect(self._named)
        row = QHBoxLayout()
        row.setSpacing(6)
        row.addWidget(self.kind, 1)
        row.addWidget(self.name, 1)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(3)
        column.addWidget(self.about)
        column.addLayout(row)
        self.setVisible(False)

    def show_layer(self, layer: Shapes | None, wanted: bool) -> None:
        """Show the regions of a layer, where regions are wanted at all."""
        self._wanted = wanted
        if layer is not self._layer:
            if self._layer is not None:
                self._layer.events.data.disconnect(self._heard)
                self._layer.events.highlight.disconnect(self._heard)
            self._layer = layer
            if layer is not None:
                layer.events.data.connect(self._heard)
                layer.events.highlight.connect(self._heard)
        self._soon.ask()

    def _heard(self, event: object = None) -> None:
        self._soon.ask()

    def _show(self) -> None:
        there = self._layer is not None and self._layer.nshapes > 0
        self.setVisible(there and self._wanted)
        if self._layer is None or not there:
            return
        name, kind, count = description(self._layer)
        self.about.setText("This region" if count == 1 else f"{count:,} regions")
        if kind is not None and self.kind.findData(kind) < 0:
            self.kind.addItem(disc(EDGE), kind, kind)
        self.kind.setCurrentIndex(-1 if kind is None else self.kind.findData(kind))
        if not self.name.hasFocus():
            self.name.setText(name or "")
            self.name.setPlaceholderText("Name" if name is not None else "Different names")

    def _named(self) -> None:
        text = " ".join(self.name.text().split())
        if self._layer is not None and (text or description(self._layer)[0] is not None):
            self._say(name=text)

    def _say(self, *, name: str | None = None, kind: str | None = None) -> None:
        if self._layer is not None:
            describe(self._layer, name=name, kind=kind)
