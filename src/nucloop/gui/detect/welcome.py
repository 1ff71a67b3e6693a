"""Words for an empty window, and for what is about to be detected."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QLabel, QPushButton, QVBoxLayout, QWidget

from nucloop.errors import RegionError
from nucloop.gui.canvas.drawn_regions import drawn_regions
from nucloop.gui.canvas.layer_slide import mpp_of_layer
from nucloop.gui.canvas.view import view_box, whole_box
from nucloop.gui.detect.detection import DetectionScope

if TYPE_CHECKING:
    from napari.components import ViewerModel
    from napari.layers import Image

__all__ = ["Welcome", "scope_hint"]


class Welcome(QWidget):
    """What the dock shows while no image is open."""

    sample_clicked = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        heading = QLabel("Open a slide to begin")
        heading.setObjectName("NucloopHeading")
        text = QLabel(
            "Drag a slide onto this window (SVS, NDPI, OME-TIFF, OME-Zarr, PNG, JPEG), "
            "or choose File > Open Sample > NucLoop."
        )
        text.setObjectName("NucloopDim")
        text.setWordWrap(True)
        self.sample = QPushButton("Open a sample of real tissue")
        self.sample.clicked.connect(self.sample_clicked)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(8)
        for widget in (heading, text, self.sample):
            layout.addWidget(widget)


def scope_hint(viewer: ViewerModel, image: Image, scope: DetectionScope) -> str:
    """Say what a click on Detect would work on, and how large it is."""
    mpp = mpp_of_layer(image)
    if scope is DetectionScope.REGION:
        try:
            count = len(drawn_regions(viewer, image))
        except RegionError:
            return "Draw on the slide, then detect"
        return "1 region drawn" if count == 1 else f"{count} regions drawn"
    try:
        box = view_box(viewer, image) if scope is DetectionScope.VIEW else whole_box(image)
    except RegionError:
        return "Nothing of this image is on screen"
    if mpp is None:
        return f"{box.width:,} × {box.height:,} px, resolution unknown"
    return f"{_area(box.area * (mpp / 1000) ** 2)}  ·  {mpp:.3g} µm per pixel"


def _area(mm2: float) -> str:
    return f"{mm2:,.2f} mm²" if mm2 < 10 else f"{mm2:,.0f} mm²"
