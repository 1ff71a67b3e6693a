"""The rows of the Ki-67 dock that place fields to count in, and where they go."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from qtpy.QtCore import Signal
from qtpy.QtWidgets import QDoubleSpinBox, QHBoxLayout, QPushButton, QSpinBox, QWidget

from nucloop.errors import RegionError
from nucloop.geometry import Region
from nucloop.gui.canvas.drawn_regions import add_regions, regions_of
from nucloop.gui.canvas.view import whole_box
from nucloop.gui.viewing.slide_view import SlideView
from nucloop.gui.widgets.dock_layout import column_of
from nucloop.ki67.fields import hot_fields, random_fields
from nucloop.slides import Box
from nucloop.slides.stains import GLASS

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from nucloop.gui.layer.nuclei_layer import NucleiLayer
    from nucloop.ki67.measurement import Ki67Result

__all__ = ["FieldsRow", "place_fields"]

USUAL_COUNT, USUAL_MM2 = 3, 0.2


class FieldsRow(QWidget):
    """Asks for fields; only shows and asks."""

    asked = Signal(int, float, bool)
    """How many, of how many mm², and whether in hot spots."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.count, self.area = QSpinBox(), QDoubleSpinBox()
        self.count.setRange(1, 100)
        self.count.setValue(USUAL_COUNT)
        self.count.setSuffix(" fields")
        self.count.setAccessibleName("How many fields")
        self.area.setRange(0.01, 25)
        self.area.setDecimals(2)
        self.area.setSingleStep(0.05)
        self.area.setValue(USUAL_MM2)
        self.area.setPrefix("of ")
        self.area.setSuffix(" mm²")
        self.area.setAccessibleName("Area of a field")
        self.area.setToolTip("Each is a square of this area; a microscope's field at 40x has about 0.24 mm²")
        self.random, self.hot = QPushButton("At random"), QPushButton("In hot spots")
        self.random.setToolTip("Spread evenly over the tissue from a random start; again adds others beside them")
        self.hot.setToolTip("Where most positive nuclei crowd, or most nuclei while no index is counted")
        column = column_of(self, spacing=6)
        for pair in ((self.count, self.area), (self.random, self.hot)):
            row = QHBoxLayout()
            row.setSpacing(6)
            for widget in pair:
                widget.setMinimumWidth(60)
                row.addWidget(widget, 1)
            column.addLayout(row)
        for button, hot in ((self.random, False), (self.hot, True)):
            button.clicked.connect(lambda _=False, hot=hot: self.asked.emit(self.count.value(), self.area.value(), hot))


def place_fields(
    nuclei: NucleiLayer, result: Ki67Result | None, count: int, area_mm2: float, hot: bool, seed: int
) -> str:
    """Draw fields as regions of a slide; they are counted, kept and exported as any others.

    Returns
    -------
    str
        What was done, for a person.

    Raises
    ------
    RegionError
        If there is no room for any.
    """
    viewer, image = nuclei.viewer, nuclei.image
    slide, side = whole_box(image), round(1000 * area_mm2**0.5 / nuclei.mpp)
    drawn = regions_of(viewer, image)
    taken = [_box_around(region) for region in drawn]
    if hot:
        fields = hot_fields(_crowd(nuclei, result), (slide.height, slide.width), side, count, taken)
    else:
        thumbnail = SlideView.of(viewer).thumbnail
        if thumbnail is None:
            raise RegionError("The overview of the slide is still being made. Press again in a moment.")
        tissue = thumbnail.pixels.min(-1) < GLASS
        fields = random_fields(tissue, slide.height / len(tissue), side, count, seed, taken)
    if not fields:
        raise RegionError(
            f"There is no room for a field of {area_mm2:g} mm² where there is tissue and no region yet. "
            "Make the fields smaller, or delete regions."
        )
    add_regions(viewer, image, [_square(field, f"field {k}") for k, field in enumerate(fields, len(drawn) + 1)])
    placed = f"{len(fields)} of {count}" if len(fields) < count else f"{count}"
    where = "where most nuclei crowd" if hot else f"at random in the tissue (start {seed})"
    return f"Placed {placed} fields of {area_mm2:g} mm² {where}."


def _crowd(nuclei: NucleiLayer, result: Ki67Result | None) -> NDArray[np.float32]:
    """Return places (N, 2) of the positive nuclei, or of all while none are known."""
    if result is not None and (result.states.label == 0).any():
        return result.states.yx[result.states.label == 0]
    return nuclei.session.nuclei().yx


def _box_around(region: Region) -> Box:
    low, high = np.floor(region.bounds[0]).astype(int).tolist(), np.ceil(region.bounds[1]).astype(int).tolist()
    return Box(low[0], low[1], high[0] - low[0], high[1] - low[1])


def _square(field: Box, name: str) -> Region:
    (top, left), (bottom, right) = (field.y, field.x), (field.y + field.height, field.x + field.width)
    corners = np.array([[top, left], [top, right], [bottom, right], [bottom, left]], np.float64) - 0.5
    return Region(corners, name=name)
