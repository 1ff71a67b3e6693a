"""The names of drawn regions on the canvas: as large at every zoom, on a ground of their own, beside their region."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import shapely
from qtpy.QtCore import QObject, QRect, Qt
from qtpy.QtWidgets import QLabel

from nucloop.gui.canvas.drawn_regions import EDGE, KIND_EDGES, regions_layer, regions_of
from nucloop.gui.canvas.regions_watch import RegionsWatch
from nucloop.gui.layer.viewport import Viewport, viewport_of
from nucloop.gui.widgets.deferred import DeferredCall
from nucloop.region_names import named

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari.components import ViewerModel
    from napari.layers import Image, Shapes
    from numpy.typing import NDArray
    from qtpy.QtWidgets import QWidget

    from nucloop.geometry import Region

__all__ = ["RegionLabels"]

MOST = 60
"""More names would cover the slide; the largest regions have theirs."""
LEAST_PIXELS = 10
"""A region that is smaller on screen than this has no name there."""
LONGEST = 220
_GAP = 2
# over any tissue, so no colours of the theme
_STYLE = """
QLabel {{ background: rgba(28, 29, 34, 215); color: white; border-left: 4px solid {edge}; border-radius: 2px;
    padding: 1px 6px 1px 5px; font-weight: 600; }}
"""


class _Named(NamedTuple):
    name: str
    region: Region
    edge: str
    anchor: NDArray[np.float64]
    """The leftmost of its highest corners, (y, x)."""


class RegionLabels(QObject):
    """Puts a label at each region of an image that is on screen.

    Parameters
    ----------
    viewer : napari viewer
    canvas : QWidget
        On which they stand; the mouse goes through them.
    beside : sequence of QWidget
        What else stands on the canvas, and is not covered.
    parent : QObject
    """

    def __init__(self, viewer: ViewerModel, canvas: QWidget, beside: Sequence[QWidget], parent: QObject) -> None:
        super().__init__(parent)
        self._beside = beside
        self._viewer, self._canvas = viewer, canvas
        self._image: Image | None = None
        self._layer: Shapes | None = None
        self._named: list[_Named] = []
        self._labels: list[QLabel] = []
        self._reading = DeferredCall(self._read, self)
        self._regions = RegionsWatch(self)
        self._regions.changed.connect(self._reading.ask)

    @property
    def shown(self) -> dict[str, QRect]:
        """Where on the canvas which name stands."""
        return {label.text(): label.geometry() for label in self._labels if not label.isHidden()}

    def watch(self, image: Image | None) -> None:
        """Name the regions of another image; None is none."""
        if image is not self._image:
            self._image = image
            self._regions.watch(None if image is None else self._viewer, image)
            self._reading.ask()

    def place(self) -> None:
        """Stand where the regions are on screen now."""
        seen = self._seen
        places = [] if seen is None else self._places(seen)
        for label, at in zip(self._labels, places, strict=False):
            label.move(at.topLeft())
            label.setVisible(True)
        for label in self._labels[len(places) :]:
            label.setVisible(False)

    @property
    def _seen(self) -> Viewport | None:
        layer, image = self._layer, self._image
        shown = layer is not None and image is not None and layer.visible and image.visible
        if not shown or not self._named or self._viewer.dims.ndisplay != 2:
            return None
        return viewport_of(self._viewer, image)

    def _places(self, seen: Viewport) -> list[QRect]:
        """Say the names, and return where they stand."""
        box = shapely.box(seen.left, seen.top, seen.left + seen.width, seen.top + seen.height)
        width, height = self._canvas.width(), self._canvas.height()
        scale = np.array([height / seen.height, width / seen.width])
        beside = [widget.geometry() for widget in self._beside if widget.isVisible()]
        found: list[QRect] = []
        for one in self._named:
            low, high = one.region.bounds
            if len(found) == MOST:
                break
            if ((high - low) * scale).max() < LEAST_PIXELS or not shapely.intersects(one.region.shape, box):
                continue
            label = self._label(len(found))
            _say(label, one)
            y, x = ((one.anchor - [seen.top, seen.left]) * scale).round().astype(int).tolist()
            at = QRect(x, y - label.height() - _GAP, label.width(), label.height())
            at.moveLeft(min(max(at.left(), _GAP), max(width - at.width() - _GAP, _GAP)))
            at.moveTop(min(max(at.top(), _GAP), max(height - at.height() - _GAP, _GAP)))
            while any(at.intersects(other) for other in (*beside, *found)) and at.bottom() < height:
                at.translate(0, label.height() + _GAP)
            found.append(at)
        return found

    def _label(self, place: int) -> QLabel:
        while len(self._labels) <= place:
            self._labels.append(self._make())
        return self._labels[place]

    def _make(self) -> QLabel:
        label = QLabel(self._canvas)
        label.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)
        label.setTextFormat(Qt.TextFormat.PlainText)
        label.lower()
        return label

    def _read(self) -> None:
        image = self._image
        layer = None if image is None else regions_layer(self._viewer, image)
        if layer is not self._layer:
            if self._layer is not None:
                self._layer.events.visible.disconnect(self._switched)
            self._layer = layer
            if layer is not None:
                layer.events.visible.connect(self._switched)
        self._named = [] if image is None else _named(regions_of(self._viewer, image))
        self.place()

    def _switched(self, event: object = None) -> None:
        self.place()


def _named(regions: list[Region]) -> list[_Named]:
    """Return regions with their names, those that are ignored too, the largest first."""
    ignored = [(one.name or "ignored", one) for one in regions if one.ignored]
    found = []
    for name, region in [*named(regions).items(), *ignored]:
        corners = region.outline[region.outline[:, 0] == region.outline[:, 0].min()]
        anchor = corners[np.argmin(corners[:, 1])]
        found.append(_Named(name, region, KIND_EDGES.get(region.kind, EDGE), anchor))
    return sorted(found, key=lambda one: -one.region.area)


def _say(label: QLabel, one: _Named) -> None:
    words = label.fontMetrics().elidedText(one.name, Qt.TextElideMode.ElideRight, LONGEST)
    style = _STYLE.format(edge=one.edge)
    if label.styleSheet() != style:
        label.setStyleSheet(style)
    if label.text() != words:
        label.setText(words)
    label.adjustSize()
