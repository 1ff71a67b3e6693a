"""Drawn regions stay with the session: they are there again tomorrow, and go into training sets by themselves."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QObject, QTimer

from nucloop.errors import NucLoopError
from nucloop.gui.canvas.drawn_regions import add_regions, regions_layer, regions_of
from nucloop.gui.canvas.slide_group import image_under
from nucloop.gui.canvas.view import image_layers
from nucloop.gui.sessions.open_sessions import OpenSessions
from nucloop.session.exchange import keep_regions, kept_regions

if TYPE_CHECKING:
    import napari
    from napari.layers import Image, Shapes

    from nucloop.formats import Region
    from nucloop.gui.layer.nuclei_layer import NucleiLayer

__all__ = ["KeptRegions"]

PAUSE_MS = 400
_AT_ONCE = ("added", "removed")


class KeptRegions(QObject):
    """Writes the regions of a viewer's slides to their sessions when they have changed, and draws those that were kept.

    Parameters
    ----------
    viewer : napari.Viewer
        With a layer of regions for each image on which some are drawn.
    sessions : OpenSessions
        Of the same viewer.
    """

    def __init__(self, viewer: napari.Viewer, sessions: OpenSessions) -> None:
        super().__init__(sessions)
        self._viewer, self._sessions = viewer, sessions
        self._drawn: set[Image] = set()
        self._edited: set[Image] = set()
        self._layers: dict[Image, Shapes] = {}
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.timeout.connect(self.keep)
        sessions.changed.connect(self._sessions_changed)
        sessions.closing.connect(self._closing)
        viewer.layers.events.inserted.connect(self._layers_changed)
        viewer.layers.events.removed.connect(self._layers_changed)
        self._sessions_changed()

    @classmethod
    def of(cls, viewer: napari.Viewer) -> KeptRegions:
        """Return the one of a viewer."""
        sessions = OpenSessions.of(viewer)
        found = sessions.findChild(cls)
        return cls(viewer, sessions) if found is None else found

    def keep(self) -> None:
        """Write the regions that have changed now."""
        self._timer.stop()
        edited, self._edited = self._edited, set()
        for image in edited:
            self._keep(image)

    def _keep(self, image: Image) -> None:
        session = self._sessions.session_of(image)
        if session is None or image not in self._drawn or session.closed or session.read_only:
            return
        if regions_layer(self._viewer, image) is None:
            # a window that closes takes its layers away one by one: that says nothing about the regions
            return
        regions = regions_of(self._viewer, image)
        # an untouched slide gets no session for a region that is gone again
        if regions or kept_regions(session):
            keep_regions(session, regions)

    def _sessions_changed(self) -> None:
        self._layers_changed()
        for nuclei in self._sessions.all():
            if nuclei.image not in self._drawn:
                self._drawn.add(nuclei.image)
                self._begin(nuclei)

    def _begin(self, nuclei: NucleiLayer) -> None:
        try:
            regions = kept_regions(nuclei.session)
        except NucLoopError:
            # what cannot be read stays in the file; nobody's nuclei are the worse for it
            return
        if regions and not regions_of(self._viewer, nuclei.image):
            # napari may still be busy with the layer of the nuclei
            QTimer.singleShot(0, lambda: self._draw(nuclei, regions))

    def _draw(self, nuclei: NucleiLayer, regions: list[Region]) -> None:
        if nuclei.image in self._viewer.layers:
            add_regions(self._viewer, nuclei.image, regions)

    def _layers_changed(self, event: object = None) -> None:
        for image, layer in list(self._layers.items()):
            if layer not in self._viewer.layers:
                layer.events.data.disconnect(self._heard)
                del self._layers[image]
        for image in image_layers(self._viewer):
            if image not in self._layers and (layer := regions_layer(self._viewer, image)) is not None:
                self._layers[image] = layer
                layer.events.data.connect(self._heard)
                self._edited.add(image)
                self._timer.start(PAUSE_MS)

    def _heard(self, event: Any) -> None:
        image = image_under(event.source)
        if image is None:
            return
        self._edited.add(image)
        if str(event.action) in _AT_ONCE:
            self.keep()
        else:
            # while a corner is dragged
            self._timer.start(PAUSE_MS)

    def _closing(self, image: Image) -> None:
        if image in self._edited:
            self._edited.discard(image)
            self._keep(image)
        self._drawn.discard(image)
