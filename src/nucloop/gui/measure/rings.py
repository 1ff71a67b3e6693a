"""Rings on the slide: misses, false alarms and wrong classes of a comparison, told apart by shape and colour."""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, Any

import numpy as np
from napari.layers import Points
from qtpy.QtCore import QObject, QTimer

from nucloop.gui.canvas.slide_group import tie
from nucloop.gui.canvas.view import placement
from nucloop.gui.layer.viewport import MOST_POINTS, viewport_of
from nucloop.gui.measure.references import RingMark
from nucloop.gui.napari_private.layer_list import follow_now
from nucloop.gui.napari_private.status_reading import read_when_whole
from nucloop.gui.napari_private.view_state import view_events_of

if TYPE_CHECKING:
    from nucloop.gui.layer.nuclei_layer import NucleiLayer
    from nucloop.gui.measure.measuring import Measuring
    from nucloop.nuclei import Nuclei

__all__ = ["RINGS_NAME", "RING_STYLE", "Ring", "Rings"]

RINGS_NAME = "Misses and false alarms"
RING_UM = 9.0
VIEW_PAUSE_MS = 60
MOST_LOOKED_AT = 50_000
"""With more nuclei on screen rings would cover them all."""
_LIMITS = (9, 26)
_MARGIN = 0.1


class Ring(Enum):
    """What is wrong at a place; the value is what a person reads."""

    MISS = "Missed"
    ALARM = "False alarm"
    WRONG = "Wrong class"


RING_STYLE = {Ring.MISS: ("square", "#00e5ff"), Ring.ALARM: ("diamond", "#ffb000"), Ring.WRONG: ("disc", "#ff4fd8")}
"""Shape and colour; the shape alone tells them apart."""


class Rings(QObject):
    """Keeps a Points layer in step with a comparison; it holds what is in view.

    Parameters
    ----------
    measuring : Measuring
        The comparison.
    """

    def __init__(self, measuring: Measuring) -> None:
        super().__init__(measuring)
        self._measuring = measuring
        self._nuclei: NucleiLayer | None = None
        self.wanted = {Ring.MISS, Ring.ALARM}
        self.layer: Points | None = None
        self._shown: tuple[bytes, tuple[Ring, ...]] = (b"", ())
        self.too_many = False
        self._seen: tuple[Nuclei, tuple[float, float, float, float], Nuclei] | None = None
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.timeout.connect(self.show)
        self._view_events: tuple[Any, ...] = ()

    def want(self, ring: Ring, wanted: bool) -> None:
        """Show rings of one kind, or not."""
        (self.wanted.add if wanted else self.wanted.discard)(ring)
        self.show()

    def show(self) -> None:
        """Draw what is in view, as the comparison stands."""
        measuring, nuclei = self._measuring, self._measuring.nuclei
        self._watch(nuclei)
        if measuring.busy and measuring.live is None and measuring.reference is not None:
            # what is shown stays until the new figures are there
            return
        if nuclei is None or measuring.live is None or not self.wanted:
            self.hide()
            return
        seen = nuclei.session.in_box(*viewport_of(nuclei.viewer, nuclei.image).grown(_MARGIN).box)
        self.too_many = len(seen) > MOST_LOOKED_AT
        places, kinds = self._in_view(nuclei, seen[:0] if self.too_many else seen)
        self.too_many |= len(places) > MOST_POINTS
        if self.too_many:
            places, kinds = places[:0], []
        if not len(places) and (self.layer is None or not len(self.layer.data)):
            return
        layer = self._layer_on(nuclei)
        shown = (places.tobytes(), tuple(kinds))
        if shown == self._shown and len(layer.data) == len(places):
            # most edits change no ring, and drawing all of them takes a while
            return
        self._shown = shown
        with layer.events.blocker_all():
            layer.selected_data.clear()
            layer.data = places
            if len(places):
                layer.symbol = [RING_STYLE[kind][0] for kind in kinds]
                layer.border_color = [RING_STYLE[kind][1] for kind in kinds]
                layer.features = {"what": [kind.value for kind in kinds]}
        layer.refresh()
        if layer.editable:
            # napari makes a layer editable again when it is drawn anew
            layer.editable = False
        follow_now(nuclei.viewer)

    def hide(self) -> None:
        """Take all rings away."""
        if self.layer is not None and self.layer in self._measuring_layers():
            self._measuring_layers().remove(self.layer)
        self.layer = None

    def close(self) -> None:
        """Stop drawing."""
        self._timer.stop()
        self.hide()
        self._watch(None)

    def count(self, ring: Ring) -> int:
        """How many there are on the whole slide."""
        score = self._measuring.score
        if score is None:
            return 0
        if ring is Ring.WRONG:
            matched = score.confusion[:-1, :-1]
            return int(matched.sum() - np.trace(matched))
        return score.detection.fn if ring is Ring.MISS else score.detection.fp

    def _in_view(self, nuclei: NucleiLayer, ids: np.ndarray) -> tuple[np.ndarray, list[Ring]]:
        live, truth = self._measuring.live, self._measuring.truth
        assert live is not None
        assert truth is not None
        parts: list[np.ndarray] = []
        kinds: list[Ring] = []
        if Ring.MISS in self.wanted:
            seen = self._truth_in(truth, viewport_of(nuclei.viewer, nuclei.image).grown(_MARGIN).box)
            missed = live.matched("reference", seen.ids)
            rows = np.isin(seen.ids, missed.ids[missed.partner < 0])
            parts.append(seen.yx[rows])
            kinds += [Ring.MISS] * int(rows.sum())
        if self.wanted & {Ring.ALARM, Ring.WRONG}:
            found = live.matched("predicted", ids)
            for ring, rows in (
                (Ring.ALARM, found.partner < 0),
                (Ring.WRONG, (found.partner >= 0) & ~found.agrees),
            ):
                if ring in self.wanted and rows.any():
                    parts.append(nuclei.session.positions(found.ids[rows]))
                    kinds += [ring] * int(rows.sum())
        return np.concatenate([*parts, np.zeros((0, 2), np.float32)]), kinds

    def _truth_in(self, truth: Nuclei, box: tuple[float, float, float, float]) -> Nuclei:
        """Return the reference nuclei in a box; looked up once for a view, since most edits change neither."""
        if self._seen is None or self._seen[0] is not truth or self._seen[1] != box:
            low, high = np.array(box[:2]), np.array(box[:2]) + box[2:]
            inside = ((truth.yx >= low) & (truth.yx < high)).all(1)
            self._seen = truth, box, truth.take(inside)
        return self._seen[2]

    def _layer_on(self, nuclei: NucleiLayer) -> Points:
        layers = self._measuring_layers()
        if self.layer is None or self.layer not in layers:
            active = nuclei.viewer.layers.selection.active
            self.layer = Points(
                np.zeros((0, 2)),
                ndim=2,
                name=RINGS_NAME,
                size=RING_UM / nuclei.mpp,
                face_color="transparent",
                border_width=0.14,
                canvas_size_limits=_LIMITS,
                metadata={RingMark: True},
                **placement(nuclei.image),
            )
            read_when_whole(self.layer)
            tie(self.layer, nuclei.image, RINGS_NAME)
            layers.append(self.layer)
            layers.selection.active = active
        return self.layer

    def _measuring_layers(self) -> Any:
        nuclei = self._nuclei
        return [] if nuclei is None else nuclei.viewer.layers

    def _watch(self, nuclei: NucleiLayer | None) -> None:
        if nuclei is self._nuclei:
            return
        for event in self._view_events:
            event.disconnect(self._view_heard)
        if self._nuclei is not None:
            self.hide()
        self._nuclei = nuclei
        if nuclei is not None:
            self._view_events = view_events_of(nuclei.viewer)
            for event in self._view_events:
                event.connect(self._view_heard)
        else:
            self._view_events = ()

    def _view_heard(self, event: object = None) -> None:
        self._timer.start(VIEW_PAUSE_MS)
