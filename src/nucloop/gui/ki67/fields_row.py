"""The rows of the Ki-67 dock that place fields to count in, and where they go."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QComboBox, QDoubleSpinBox, QHBoxLayout, QPushButton, QSpinBox, QWidget

from nucloop.errors import RegionError
from nucloop.geometry import FIELD, Region
from nucloop.gui.canvas.drawn_regions import add_regions, regions_of
from nucloop.gui.canvas.view import whole_box
from nucloop.gui.viewing.slide_view import SlideView
from nucloop.gui.widgets.dock_layout import column_of
from nucloop.ki67.fields import hot_fields, random_fields
from nucloop.ki67.regions import is_field
from nucloop.slides.stains import GLASS

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np
    from numpy.typing import NDArray

    from nucloop.gui.layer.nuclei_layer import NucleiLayer
    from nucloop.ki67.measurement import Ki67Result
    from nucloop.slides import Box

__all__ = ["FieldsRow", "place_fields"]

USUAL_COUNT, USUAL_MM2 = 3, 0.2
_ANYWHERE, _IN_ALL = "All over the tissue", "In all drawn regions"


class FieldsRow(QWidget):
    """Asks for fields; only shows and asks."""

    asked = Signal(int, float, bool, object)
    """How many, of how many mm², whether in hot spots, and the names of the regions in which; none is anywhere."""

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
        self.place = QComboBox()
        self.place.setAccessibleName("Where fields are placed")
        self.place.setToolTip("Fields lie whole within what is chosen, and never in what is ignored")
        self.random, self.hot = QPushButton("At random"), QPushButton("In hot spots")
        self.random.setToolTip("Spread evenly over the tissue from a random start; again adds others beside them")
        self.hot.setToolTip("Where most positive nuclei crowd, or most nuclei while no index is counted")
        column = column_of(self, spacing=6)
        column.addWidget(self.place)
        for pair in ((self.count, self.area), (self.random, self.hot)):
            row = QHBoxLayout()
            row.setSpacing(6)
            for widget in pair:
                widget.setMinimumWidth(60)
                row.addWidget(widget, 1)
            column.addLayout(row)
        for button, hot in ((self.random, False), (self.hot, True)):
            button.clicked.connect(lambda _=False, hot=hot: self._ask(hot))
        self.show_regions({})

    def show_regions(self, regions: Mapping[str, Region]) -> None:
        """Offer regions, by name, to place fields in; what is chosen stays so while it is there."""
        names = [name for name, region in regions.items() if not is_field(region)]
        choices: list[tuple[str, tuple[str, ...]]] = [(_ANYWHERE, ())]
        if names:
            # who has drawn regions means them
            choices[:0] = [(_IN_ALL if len(names) > 1 else f"In {names[0]}", tuple(names))]
            choices += [(f"In {name}", (name,)) for name in names] if len(names) > 1 else []
        words = [text for text, _ in choices]
        if words != [self.place.itemText(k) for k in range(self.place.count())]:
            before = self.place.currentText()
            chose_anywhere = before == _ANYWHERE and self.place.count() > 1
            self.place.clear()
            for text, where in choices:
                self.place.addItem(text, where)
            stays = before in words and (before != _ANYWHERE or chose_anywhere)
            self.place.setCurrentIndex(words.index(before) if stays else 0)
        self.place.setVisible(bool(names))

    def _ask(self, hot: bool) -> None:
        self.asked.emit(self.count.value(), self.area.value(), hot, self.place.currentData())


def place_fields(
    nuclei: NucleiLayer,
    result: Ki67Result | None,
    count: int,
    area_mm2: float,
    hot: bool,
    seed: int,
    within: Mapping[str, Region] | None = None,
) -> str:
    """Draw fields as regions of a slide; they are counted, kept and exported as any others.

    Parameters
    ----------
    within : dict of Region, optional
        By name: each field lies in one of them; by default all over the tissue, where no region is.

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
    taken = [region for region in drawn if region.ignored or is_field(region)] if within else drawn
    inside = list(within.values()) if within else []
    if hot:
        fields = hot_fields(_crowd(nuclei, result), (slide.height, slide.width), side, count, taken, inside)
    else:
        thumbnail = SlideView.of(viewer).thumbnail
        if thumbnail is None:
            raise RegionError("The overview of the slide is still being made. Press again in a moment.")
        tissue = thumbnail.pixels.min(-1) < GLASS
        fields = random_fields(tissue, slide.height / len(tissue), side, count, seed, taken, inside)
    where = f" in {', '.join(within)}" if within else ""
    if not fields:
        wanted = "there are nuclei" if hot else "half of it is tissue"
        raise RegionError(
            f"There is no room{where} for a whole field of {area_mm2:g} mm² where {wanted} and no other region lies. "
            "Make the fields smaller, or delete regions."
        )
    first = sum(map(is_field, drawn)) + 1
    add_regions(viewer, image, [_square(field, f"field {k}") for k, field in enumerate(fields, first)])
    placed = f"{len(fields)} of {count}" if len(fields) < count else f"{count}"
    how = "where most nuclei crowd" if hot else f"at random in the tissue (start {seed})"
    instead = " Now the fields are counted, and no longer all of the region." if within else ""
    return f"Placed {placed} fields of {area_mm2:g} mm²{where} {how}.{instead}"


def _crowd(nuclei: NucleiLayer, result: Ki67Result | None) -> NDArray[np.float32]:
    """Return places (N, 2) of the positive nuclei, or of all while none are known."""
    if result is not None and (result.states.label == 0).any():
        return result.states.yx[result.states.label == 0]
    return nuclei.session.nuclei().yx


def _square(field: Box, name: str) -> Region:
    return Region(field.corners, name=name, kind=FIELD)
