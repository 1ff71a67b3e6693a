"""The Points layer of an image's nuclei: a window onto a session. It holds what is in view, the session everything."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import numpy as np
from qtpy.QtCore import QTimer, Signal

from nucloop.gui.canvas.colouring import ColourBy
from nucloop.gui.canvas.slide_group import tie
from nucloop.gui.canvas.view import lead_to, remove_soon
from nucloop.gui.layer.density import DENSITY_NAME, density_picture
from nucloop.gui.layer.layer_contents import one_update, write_labels, write_texts, write_window
from nucloop.gui.layer.outline_drawing import OutlineDrawing
from nucloop.gui.layer.point_edits import PointEdits
from nucloop.gui.layer.points_style import LAYER_NAME, disc_pixels, empty_points, is_rimmed
from nucloop.gui.layer.shown_nuclei import ShownNuclei
from nucloop.gui.layer.view_picture import ViewPicture
from nucloop.gui.layer.viewport import LEAST_DISC, LoadedNuclei, Viewport, choose, viewport_of
from nucloop.gui.napari_private.layer_list import follow_now, unseen
from nucloop.gui.napari_private.light_drawing import draw_colours, draw_image_lightly, draw_points_lightly
from nucloop.gui.napari_private.view_state import view_events_of
from nucloop.gui.widgets.messages import Message, Tone
from nucloop.nuclei import UNLABELLED

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

TEXT_PAUSE_MS = 120
"""What hovering over a nucleus says follows its colour so much later, once for several edits."""


class NucleiLayer(ShownNuclei):
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
        super().__init__(session)
        self.viewer, self.image, self.mpp = viewer, image, mpp
        self.current_label = UNLABELLED
        """The class that a nucleus gets when a person adds it."""
        self.loaded = LoadedNuclei(np.zeros(0, np.int64))
        self._elsewhere = np.zeros(0, np.int64)
        self._pushing, self._rimmed = False, True
        self.layer = empty_points(image, mpp)
        self.density = ViewPicture(viewer, image, DENSITY_NAME)
        self.outlines = OutlineDrawing(self, self.layer, viewer, image)
        self._view_timer = QTimer(self)
        self._view_timer.setSingleShot(True)
        self._view_timer.timeout.connect(self._fit_view)
        self._text_timer = QTimer(self)
        self._text_timer.setSingleShot(True)
        self._text_timer.timeout.connect(self._show_texts)
        tie(self.layer, image, LAYER_NAME)
        viewer.add_layer(self.layer)
        draw_image_lightly(viewer, image)
        draw_points_lightly(viewer, self.layer)
        self._edits = PointEdits(self, self)
        self.layer.selected_data.events.items_changed.connect(self._selection_heard)
        self.layer.events.visible.connect(self._visibility_heard)
        self._view_events = view_events_of(viewer)
        for event in self._view_events:
            event.connect(self._view_heard)
        self.changed.connect(self.outlines.follow)
        self.outlines.discs_changed.connect(self._view_heard)
        self.look_changed.connect(self.push)
        self.filter_changed.connect(self._filter)
        self._end_hearing = session.subscribe(self._heard)
        if len(session):
            self.push()

    @property
    def ids(self) -> NDArray[np.int64]:
        """The nuclei that the layer holds, in the order of its rows."""
        return self._edits.ids

    @property
    def selected(self) -> NDArray[np.int64]:
        """Ids of the selected nuclei, ascending, wherever they are."""
        ids = self.ids
        rows = [k for k in self.layer.selected_data if k < len(ids)]
        return np.union1d(ids[rows], self._elsewhere)

    def select(self, ids: ArrayLike) -> None:
        """Select nuclei, in place of what was selected."""
        wanted = np.asarray(ids, np.int64).reshape(-1)
        with unseen(self.viewer):
            self._put_selection(wanted[self.session.contains(wanted)])
            self.layer.refresh(thumbnail=False, data_displayed=False, extent=False)
        self.selection_changed.emit()

    def in_view(self) -> NDArray[np.int64]:
        """Ids of the nuclei that a person sees now: on screen, and let through by the filters."""
        return self.visible_ids(self.session.in_box(*viewport_of(self.viewer, self.image).box))

    def push(self, select: ArrayLike | None = None) -> None:
        """Bring the layer up to the session in one update, with other nuclei selected if some are named."""
        self._edits.settle()
        loaded = choose(self.session, *self._seen())
        before, selected = self.ids, self.selected if select is None else np.asarray(select, np.int64)
        window = self.shown(loaded.ids)
        same_rows = np.array_equal(loaded.ids, before)
        self.loaded, self._edits.ids, self._rimmed = loaded, loaded.ids, self._are_rims_due()
        with self.pushing(), one_update(self.layer, same_rows):
            if not same_rows:
                self.layer.selected_data.clear()
            write_window(self.layer, window, self.fill_colours(window), self.visible(window), self._rimmed)
            self._put_selection(selected[self.session.contains(selected)])
        self._text_timer.start(TEXT_PAUSE_MS)
        if self.layer.editable == loaded.afar:
            self.layer.editable = not loaded.afar
        self._show_density()
        follow_now(self.viewer)
        self.changed.emit()

    def hold(self, dragging: bool) -> None:
        """Say whether points are being dragged: until they are let go, the layer is left as it is."""
        self._edits.dragging = dragging

    def close(self) -> None:
        """Stop looking at the session, which stays open; what shows it leaves the viewer a moment later."""
        self._end_hearing()
        self._view_timer.stop()
        self._text_timer.stop()
        self._edits.close()
        for event in self._view_events:
            event.disconnect(self._view_heard)
        remove_soon(self.viewer, [self.layer, *self.density.release(), *self.outlines.close()])

    def _show_density(self) -> None:
        if self.loaded.afar and self.loaded.viewport is not None and self.layer.visible:
            states = self.states if self.colour_by is ColourBy.STATE else None
            picture = density_picture(self.session, self.loaded.viewport, self.hidden, states)
            self.density.show(picture, self.loaded.viewport)
        else:
            self.density.hide()

    def _filter(self) -> None:
        if self.loaded.afar:
            self._show_density()
        else:
            self._colour(np.arange(len(self.ids)))
        self.changed.emit()

    def _heard(self, change: Change) -> None:
        """Show what an edit changed; what napari has just done itself is settled when it is done with it."""
        if change.classes_changed:
            self.follow_classes(change.labels_now)
            now = dict(enumerate(change.labels_now))
            self.current_label = max(now.get(self.current_label, UNLABELLED), min(self.current_label, 0))
        if self._edits.busy:
            self._edits.settle_later()
        elif self.loaded.afar:
            # a picture of so many is worth one update for several edits
            self._view_timer.start(VIEW_PAUSE_MS)
            self.changed.emit()
        elif change.classes_changed or len(change.added) or len(change.moved) or len(change.removed):
            self.push()
        else:
            self._show_labels(change.relabelled)
            self.changed.emit()

    def _show_labels(self, relabelled: NDArray[np.int64]) -> None:
        """Bring the layer up to the session where nothing but classes has changed."""
        rows = np.flatnonzero(np.isin(self.ids, relabelled))
        if len(rows):
            self._colour(rows)
            self._text_timer.start(TEXT_PAUSE_MS)

    def _colour(self, rows: NDArray[np.int64]) -> None:
        """Colour the nuclei in some rows, (K,), as they are by now."""
        window = self.shown(self.ids[rows])
        with self.pushing(), unseen(self.viewer):
            write_labels(self.layer, rows, window, self.fill_colours(window), self.visible(window), self._rimmed)
            draw_colours(self.viewer, self.layer)

    def _show_texts(self) -> None:
        if not self._edits.busy:
            with self.pushing(), unseen(self.viewer):
                write_texts(self.layer, self.shown(self.ids))

    def _view_heard(self, event: object = None) -> None:
        self._view_timer.start(VIEW_PAUSE_MS)

    def look_at(self, nucleus: int, most_pixels: float) -> None:
        """Put a nucleus into the middle, with at most so many level-0 pixels around it on screen, and select it."""
        lead_to(self.viewer, self.layer, self.session.positions([nucleus])[0], most_pixels)
        # at once, as the picture is
        self._view_timer.stop()
        if self._is_outdated() and not self._edits.dragging:
            self.push(select=[nucleus])
            self.selection_changed.emit()
        else:
            self._fit_view()
            self.select([nucleus])

    def _is_outdated(self) -> bool:
        """Whether the layer holds too little for the view, or an edit is still on its way into it."""
        return not self.loaded.serves(*self._seen()) or self._edits.busy

    def _seen(self) -> tuple[Viewport, bool]:
        """Return what is on screen, and whether discs are apart there."""
        seen = viewport_of(self.viewer, self.image)
        return seen, disc_pixels(seen.pixel, self.mpp) >= LEAST_DISC

    def _are_rims_due(self) -> bool:
        return is_rimmed(self.layer, disc_pixels(viewport_of(self.viewer, self.image).pixel, self.mpp))

    def _fit_view(self) -> None:
        """Fill the layer for a view that has come to rest."""
        if self._is_outdated():
            if self._edits.dragging:
                self._view_timer.start(VIEW_PAUSE_MS)
            else:
                self.push()
        elif self._rimmed != self._are_rims_due():
            self._rimmed = not self._rimmed
            self._colour(np.arange(len(self.ids)))

    def _visibility_heard(self, event: object = None) -> None:
        self._show_density()
        self.outlines.follow()

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

    def refuse(self, error: NucLoopError) -> None:
        """Say why an edit was not done, and show the nuclei as they are."""
        self.said.emit(Message(str(error), Tone.ERROR))
