"""The Points layer "Nuclei": a window onto a session. It holds what is in view; the session knows everything."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import numpy as np
from qtpy.QtCore import QObject, QTimer, Signal

from nucloop.gui.colouring import ColourBy, fill_colours, rim_colours
from nucloop.gui.density import DensityLayer, density_picture
from nucloop.gui.held import Held, choose, frame_of
from nucloop.gui.messages import Message, Tone
from nucloop.gui.point_edits import PointEdits
from nucloop.gui.points_style import LAYER_NAME, empty_points, hover_features
from nucloop.nuclei import UNLABELLED, Nuclei

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from napari.components import ViewerModel
    from napari.layers import Image
    from numpy.typing import ArrayLike, NDArray

    from nucloop.errors import NucLoopError
    from nucloop.session import Change, Session

__all__ = ["LAYER_NAME", "NucleiLayer"]

VIEW_PAUSE_MS = 80
"""The view rests this long before the layer is filled for it: nobody waits for it while they move."""


class NucleiLayer(QObject):
    """A view of a session in one Points layer of a viewer.

    Which nuclei the layer holds, and in which row, is known here alone. Counts, selections and exports ask the session.

    Parameters
    ----------
    viewer : napari viewer
        Gets the layer.
    image : Image layer
        Where the nuclei are; the layer lies on it, so that its data are level-0 pixels.
    session : Session
        What is shown.
    mpp : float
        µm per level-0 pixel of the image.
    """

    changed = Signal()
    """Nuclei, or what is shown of them, have changed."""
    selection_changed = Signal()
    said = Signal(object)
    """A Message: an edit made with napari's own tools could not be done."""

    def __init__(self, viewer: ViewerModel, image: Image, session: Session, mpp: float) -> None:
        super().__init__()
        self.viewer, self.image, self.session, self.mpp = viewer, image, session, mpp
        self.current_label = UNLABELLED
        """The class that a nucleus gets when a person adds it."""
        self.held = Held(np.zeros(0, np.int64))
        self._elsewhere = np.zeros(0, np.int64)
        self._pushing = False
        self._colour_by, self._hidden, self._least = ColourBy.CLASS, frozenset[int](), 0.0
        self._reader: str | None = None
        self.layer = empty_points(image, mpp)
        self.density = DensityLayer(viewer, image)
        self._view_timer = QTimer(self)
        self._view_timer.setSingleShot(True)
        self._view_timer.timeout.connect(self._fit_view)
        viewer.add_layer(self.layer)
        self._edits = PointEdits(self)
        self.layer.selected_data.events.items_changed.connect(self._selection_heard)
        self.layer.events.visible.connect(self._visibility_heard)
        self._view_events = (viewer.scene.camera.events.zoom, viewer.scene.camera.events.center)
        for event in (*self._view_events, viewer.canvas.events.size):
            event.connect(self._view_heard)
        self._end_hearing = session.subscribe(self._heard)
        if len(session):
            self.push()

    @property
    def ids(self) -> NDArray[np.int64]:
        """The nuclei that the layer holds, in the order of its rows."""
        return self._edits.ids

    @property
    def colour_by(self) -> ColourBy:
        """What the colours say."""
        return self._colour_by

    @colour_by.setter
    def colour_by(self, by: ColourBy) -> None:
        self._colour_by = by
        self.push()

    @property
    def hidden(self) -> frozenset[int]:
        """Labels that are not shown."""
        return self._hidden

    @hidden.setter
    def hidden(self, labels: frozenset[int]) -> None:
        self._hidden = labels
        self._filter()

    @property
    def least_confidence(self) -> float:
        """A model's nuclei below this class probability are not shown; a person's always are."""
        return self._least

    @least_confidence.setter
    def least_confidence(self, value: float) -> None:
        self._least = float(value)
        self._filter()

    @property
    def reader(self) -> str | None:
        """Whose labels are shown; None shows the last word about each nucleus."""
        return self._reader

    @reader.setter
    def reader(self, name: str | None) -> None:
        self._reader = name
        self.push()

    def shown(self, ids: ArrayLike | None = None) -> Nuclei:
        """Return nuclei, all without `ids`, as they are to be shown to the person at the screen."""
        session = self.session
        if self._reader is None or session.blinded:
            return session.shown(ids)
        return session.nuclei_of(self._reader, ids)

    def counts(self) -> dict[int, int]:
        """Count nuclei of the session by label, as they are shown; UNLABELLED is among them."""
        session = self.session
        if session.blinded:
            named = session.counts_of(session.author, blinded=True)
        else:
            named = session.counts if self._reader is None else session.counts_of(self._reader)
        counts = dict(enumerate(named.values()))
        return {**counts, UNLABELLED: len(session) - sum(counts.values())}

    def visible(self, nuclei: Nuclei) -> NDArray[np.bool_]:
        """Which nuclei the class and confidence filters let through, (N,)."""
        shown = ~np.isin(nuclei.label, list(self._hidden))
        if self._least > 0:
            confidence = nuclei.confidence
            shown &= np.isnan(confidence) | (confidence >= self._least)
        return np.asarray(shown)

    def visible_ids(self, ids: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return those of ids that the filters let through."""
        if not self._hidden and self._least <= 0:
            return ids
        return ids[self.visible(self.shown(ids))]

    def shown_count(self) -> int:
        """How many nuclei of the session pass the filters; with a confidence filter it goes over all of them."""
        if self._least > 0:
            return int(self.visible(self.shown()).sum())
        counts = self.counts()
        return len(self.session) - sum(counts.get(label, 0) for label in self._hidden)

    @property
    def selected(self) -> NDArray[np.int64]:
        """Ids of the selected nuclei, ascending, wherever they are."""
        ids = self.ids
        rows = [k for k in self.layer.selected_data if k < len(ids)]
        return np.union1d(ids[rows], self._elsewhere)

    def select(self, ids: ArrayLike) -> None:
        """Select nuclei, in place of what was selected."""
        wanted = np.asarray(ids, np.int64).reshape(-1)
        self._put_selection(wanted[self.session.contains(wanted)])
        self.layer.refresh(thumbnail=False, data_displayed=False, extent=False)
        self.selection_changed.emit()

    def in_view(self) -> NDArray[np.int64]:
        """Ids of the nuclei that a person sees now: on screen, and let through by the filters."""
        return self.visible_ids(self.session.in_box(*frame_of(self.viewer, self.image).box))

    def push(self) -> None:
        """Bring the layer up to the session in one update."""
        self._edits.settle()
        held = choose(self.session, frame_of(self.viewer, self.image))
        before, selected = self.ids, self.selected
        window = self.shown(held.ids)
        same_rows = np.array_equal(held.ids, before)
        self.held, self._edits.ids = held, held.ids
        with self._one_update(same_rows):
            if not same_rows:
                self.layer.selected_data.clear()
            self.layer.data = window.yx.copy()
            self.layer.features = hover_features(window)
            if len(window):
                self.layer.face_color = fill_colours(window, self._colour_by)
                self.layer.border_color = rim_colours(window)
                self.layer.shown = self.visible(window)
            self._put_selection(selected[self.session.contains(selected)])
        if self.layer.editable == held.afar:
            self.layer.editable = not held.afar
        self._show_density()
        self.changed.emit()

    def hold(self, dragging: bool) -> None:
        """Say whether points are being dragged: until they are let go, the layer is left as it is."""
        self._edits.dragging = dragging

    def close(self) -> None:
        """Stop looking at the session, which stays open."""
        self._end_hearing()
        self._view_timer.stop()
        self._edits.close()
        for event in (*self._view_events, self.viewer.canvas.events.size):
            event.disconnect(self._view_heard)
        self.density.remove()

    def _show_density(self) -> None:
        if self.held.afar and self.held.frame is not None and self.layer.visible:
            self.density.show(density_picture(self.session, self.held.frame, self._hidden), self.held.frame)
        else:
            self.density.hide()

    def _filter(self) -> None:
        if self.held.afar:
            self._show_density()
        else:
            with self.pushing():
                self.layer.shown = self.visible(self.shown(self.ids))
        self.changed.emit()

    def _heard(self, change: Change) -> None:
        """Show what an edit changed; what napari has just done itself is settled when it is done with it."""
        if self._edits.busy:
            self._edits.settle_later()
        elif self.held.afar:
            # a picture of so many is worth one update for several edits
            self._view_timer.start(VIEW_PAUSE_MS)
            self.changed.emit()
        elif self._concerns(change):
            self.push()
        else:
            self.changed.emit()

    def _concerns(self, change: Change) -> bool:
        if change.classes_changed or len(change.added) or len(change.moved):
            return True
        return bool(np.isin(self.ids, change.touched).any() or np.isin(self._elsewhere, change.removed).any())

    def _view_heard(self, event: object = None) -> None:
        self._view_timer.start(VIEW_PAUSE_MS)

    def _fit_view(self) -> None:
        """Fill the layer for a view that has come to rest."""
        seen = frame_of(self.viewer, self.image)
        if not self.held.serves(seen) or self._edits.busy:
            if self._edits.dragging:
                self._view_timer.start(VIEW_PAUSE_MS)
            else:
                self.push()

    def _visibility_heard(self, event: object = None) -> None:
        self._show_density()

    def _selection_heard(self, event: object = None) -> None:
        if not self._pushing:
            self._elsewhere = np.zeros(0, np.int64)
            self.selection_changed.emit()

    def _put_selection(self, ids: NDArray[np.int64]) -> None:
        inside = np.isin(self.ids, ids)
        self._elsewhere = ids[~np.isin(ids, self.ids[inside])]
        rows: Iterable[int] = np.flatnonzero(inside).tolist()
        with self.pushing():
            self.layer.selected_data.replace_selection(rows)

    @property
    def is_pushing(self) -> bool:
        """Whether what the layer reports is the session's doing."""
        return self._pushing

    @contextmanager
    def pushing(self) -> Iterator[None]:
        """Within it, what the layer reports is the session's doing, not a person's."""
        before, self._pushing = self._pushing, True
        try:
            yield
        finally:
            self._pushing = before

    @contextmanager
    def _one_update(self, same_rows: bool) -> Iterator[None]:
        """Let the layer draw once after several properties were set, not after each of them."""
        face, border = self.layer._face.events, self.layer._border.events
        with self.pushing():
            with self.layer.events.blocker_all(), face.blocker_all(), border.blocker_all():
                yield
            self.layer.refresh(extent=not same_rows)
            self.layer.events.features()

    def refuse(self, error: NucLoopError) -> None:
        """Say why an edit was not done, and show the nuclei as they are."""
        self.said.emit(Message(str(error), Tone.ERROR))
