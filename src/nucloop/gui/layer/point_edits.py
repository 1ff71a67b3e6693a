"""What a person does to the Points layer with napari's own tools, taken into the session once and in order."""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from qtpy.QtCore import QObject, QTimer

from nucloop.errors import NucLoopError
from nucloop.gui.napari_private.points_parts import paste_copied_points

if TYPE_CHECKING:
    from napari.layers import Points

    from nucloop.session import Session

__all__ = ["PointEdits"]


class EditedLayer(Protocol):
    """What shows a session in a Points layer, as far as napari's own edits need it."""

    layer: Points
    session: Session
    current_label: int

    @property
    def is_pushing(self) -> bool:
        """Whether what the layer reports is the session's doing."""

    def push(self) -> None:
        """Bring the layer up to the session."""

    def refuse(self, error: NucLoopError) -> None:
        """Say why an edit was not done."""


class PointEdits:
    """Listens to a Points layer.

    While napari is in the middle of an edit its layer must not be changed under it: the session takes the edit at once,
    and the layer is brought up to the session as soon as napari is done.

    Attributes
    ----------
    ids : (N,) int64
        The nucleus in each row of the layer.
    """

    def __init__(self, nuclei: EditedLayer, parent: QObject) -> None:
        # it owns this, and goes with its image without waiting for a search for garbage
        self._nuclei: EditedLayer = weakref.proxy(nuclei)
        self.ids = np.zeros(0, np.int64)
        self.dragging = False
        """Whether napari moves points about and has not let go of them yet."""
        self._taking = False
        self._timer = QTimer(parent)
        self._timer.setSingleShot(True)
        self._timer.timeout.connect(nuclei.push)
        layer = nuclei.layer
        layer.events.data.connect(self._heard)
        # napari's own paste tells nobody
        layer.bind_key("Control-V", self._paste, overwrite=True)

    @property
    def busy(self) -> bool:
        """Whether napari is in the middle of an edit, or the layer has yet to be brought up to the session."""
        return self._taking or self.dragging or self._timer.isActive()

    def settle_later(self) -> None:
        """Bring the layer up to the session when napari is done."""
        if not self.dragging:
            self._timer.start(0)

    def settle(self) -> None:
        """Say that the layer is being brought up to the session."""
        self._timer.stop()

    def close(self) -> None:
        """Stop listening."""
        self._timer.stop()
        layer = self._nuclei.layer
        layer.events.data.disconnect(self._heard)
        layer.bind_key("Control-V", None)

    def _heard(self, event: Any) -> None:
        if self._nuclei.is_pushing:
            return
        action = str(event.action)
        if action == "changing":
            self.dragging = True
        elif action in ("added", "removed", "changed"):
            self.dragging = False
            self._take(action, list(event.data_indices))

    def _take(self, action: str, indices: list[int]) -> None:
        self._taking = True
        try:
            known, now = len(self.ids), len(self._nuclei.layer.data)
            if now < known:
                self._take_removed(indices, known, now)
            elif now > known:
                self._take_added(known)
            if action == "changed":
                self._take_moved()
        except NucLoopError as error:
            # rows and nuclei no longer fit: until they do again nothing must be read off the rows
            self.ids = self.ids[: len(self._nuclei.layer.data)]
            self._nuclei.refuse(error)
        finally:
            self._taking = False
        self._timer.start(0)

    def _take_removed(self, indices: list[int], known: int, now: int) -> None:
        gone = np.array([k for k in indices if -known <= k < known], np.intp)
        # somebody assigned shorter data: what is missing is taken off the end
        gone = gone if len(gone) == known - now else np.arange(now, known)
        leaving, self.ids = self.ids[gone], np.delete(self.ids, gone)
        self._nuclei.session.delete(leaving)

    def _take_added(self, known: int) -> None:
        nuclei = self._nuclei
        nuclei.session.require_on_slide(nuclei.layer.data[known:])
        change = nuclei.session.add(nuclei.layer.data[known:], nuclei.current_label)
        self.ids = np.append(self.ids, change.added)

    def _take_moved(self) -> None:
        places = np.asarray(self._nuclei.layer.data, np.float32)
        moved = (places != self._nuclei.session.positions(self.ids)).any(1)
        if moved.any():
            self._nuclei.session.require_on_slide(places[moved])
            self._nuclei.session.move(self.ids[moved], places[moved])

    def _paste(self, layer: Points) -> None:
        if paste_copied_points(layer):
            self._take("added", [])
        else:
            self._nuclei.refuse(NucLoopError("This napari pastes no nuclei. Add them with A, one at a time."))
