"""Hears when the regions drawn on an image change, whichever layer holds them, and when that layer comes or goes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QObject, Signal

from nucloop.gui.canvas.drawn_regions import regions_layer

if TYPE_CHECKING:
    from napari.components import ViewerModel
    from napari.layers import Image, Shapes

__all__ = ["RegionsWatch"]


class RegionsWatch(QObject):
    """Watches one image at a time.

    Parameters
    ----------
    parent : QObject
    """

    changed = Signal()

    def __init__(self, parent: QObject) -> None:
        super().__init__(parent)
        self._viewer: ViewerModel | None = None
        self._image: Image | None = None
        self._layer: Shapes | None = None

    def watch(self, viewer: ViewerModel | None, image: Image | None) -> None:
        """Watch another image; None is none."""
        if viewer is not self._viewer:
            for events, heard in self._events():
                events.disconnect(heard)
            self._viewer = viewer
            for events, heard in self._events():
                events.connect(heard)
        self._image = image
        self._find()

    def _events(self) -> list[tuple[Any, Any]]:
        if self._viewer is None:
            return []
        layers = self._viewer.layers.events
        return [(layers.inserted, self._find), (layers.removed, self._find)]

    def _find(self, event: object = None) -> None:
        layer = None
        if self._viewer is not None and self._image is not None and self._image in self._viewer.layers:
            layer = regions_layer(self._viewer, self._image)
        if layer is self._layer:
            return
        if self._layer is not None:
            self._layer.events.data.disconnect(self._heard)
        self._layer = layer
        if layer is not None:
            layer.events.data.connect(self._heard)
        self.changed.emit()

    def _heard(self, event: object = None) -> None:
        self.changed.emit()
