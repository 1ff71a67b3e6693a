"""Drawn regions stay with the session: they are there again tomorrow, and go into training sets by themselves."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QObject, QTimer

from nucloop.errors import NucLoopError
from nucloop.gui.canvas.drawn_regions import add_regions, regions_layer, regions_of
from nucloop.gui.sessions.open_sessions import OpenSessions
from nucloop.session.exchange import keep_regions, kept_regions

if TYPE_CHECKING:
    import napari
    from napari.layers import Image

    from nucloop.formats import Region
    from nucloop.gui.layer.nuclei_layer import NucleiLayer

__all__ = ["KeptRegions"]

PAUSE_MS = 400
_AT_ONCE = ("added", "removed")


class KeptRegions(QObject):
    """Writes the regions of a viewer to its session when they have changed, and draws those of a session that opens.

    With several images open nobody knows on which of them a region lies: then it is kept with none.

    Parameters
    ----------
    viewer : napari.Viewer
        With the layer "Regions".
    sessions : OpenSessions
        Of the same viewer.
    """

    def __init__(self, viewer: napari.Viewer, sessions: OpenSessions) -> None:
        super().__init__(sessions)
        self._viewer, self._sessions = viewer, sessions
        self._drawn: set[Image] = set()
        self._layer: Any = None
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.timeout.connect(self.keep)
        sessions.changed.connect(self._sessions_changed)
        sessions.closing.connect(self._closing)
        viewer.layers.events.inserted.connect(self._layers_changed)
        viewer.layers.events.removed.connect(self._layers_changed)
        self._layers_changed()
        self._sessions_changed()

    @classmethod
    def of(cls, viewer: napari.Viewer) -> KeptRegions:
        """Return the one of a viewer."""
        sessions = OpenSessions.of(viewer)
        found = sessions.findChild(cls)
        return cls(viewer, sessions) if found is None else found

    def keep(self) -> None:
        """Write the regions now."""
        self._timer.stop()
        nuclei = self._only
        if nuclei is None or nuclei.image not in self._drawn or nuclei.session.closed or nuclei.session.read_only:
            return
        if regions_layer(self._viewer) is None:
            # a window that closes takes its layers away one by one: that says nothing about the regions
            return
        regions = regions_of(nuclei.viewer, nuclei.image)
        # an untouched slide gets no session for a region that is gone again
        if regions or kept_regions(nuclei.session):
            keep_regions(nuclei.session, regions)

    @property
    def _only(self) -> NucleiLayer | None:
        known = self._sessions.all()
        return known[0] if len(known) == 1 else None

    def _sessions_changed(self) -> None:
        nuclei = self._only
        if nuclei is None or nuclei.image in self._drawn:
            return
        self._drawn.add(nuclei.image)
        try:
            regions = kept_regions(nuclei.session)
        except NucLoopError:
            # what cannot be read stays in the file; nobody's nuclei are the worse for it
            return
        if regions and not regions_of(nuclei.viewer, nuclei.image):
            # napari may still be busy with the layer of the nuclei
            QTimer.singleShot(0, lambda: self._draw(nuclei, regions))

    def _draw(self, nuclei: NucleiLayer, regions: list[Region]) -> None:
        if nuclei.image in self._viewer.layers:
            add_regions(self._viewer, nuclei.image, regions)

    def _layers_changed(self, event: object = None) -> None:
        layer = regions_layer(self._viewer)
        if layer is not self._layer:
            if self._layer is not None:
                self._layer.events.data.disconnect(self._edited)
            self._layer = layer
            if layer is not None:
                layer.events.data.connect(self._edited)
                self._timer.start(PAUSE_MS)

    def _edited(self, event: Any) -> None:
        if str(event.action) in _AT_ONCE:
            self.keep()
        else:
            # while a corner is dragged
            self._timer.start(PAUSE_MS)

    def _closing(self, image: Image) -> None:
        if self._timer.isActive():
            self.keep()
        self._drawn.discard(image)
