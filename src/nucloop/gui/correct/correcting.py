"""Correcting in one viewer: every nuclei layer gets its mouse and keys; docks ask here for the one that is meant."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import QObject, Signal
from qtpy.QtWidgets import QApplication

from nucloop.gui.canvas.dock_places import DockPlaces
from nucloop.gui.canvas.docks import correct_nuclei
from nucloop.gui.correct.canvas_watch import CanvasWatch, follow_napari
from nucloop.gui.correct.corrections import Corrections
from nucloop.gui.correct.key_places import KeysByPlace
from nucloop.gui.correct.keys import KeyTargets, bind_keys, known_keys, load_keys, save_keys, unbind_keys
from nucloop.gui.correct.pointer import Pointer
from nucloop.gui.correct.review import Review
from nucloop.gui.napari_private.brush_circle import BrushCircle
from nucloop.gui.napari_private.parts import canvas_widget_of, one_of, window_of
from nucloop.gui.napari_private.plugin_docks import docks_by_name
from nucloop.gui.napari_private.selection_marks import mark_selection
from nucloop.gui.sessions.open_sessions import OpenSessions
from nucloop.gui.widgets.keyboard import KeyboardReturn

if TYPE_CHECKING:
    from collections.abc import Mapping

    import napari
    from qtpy.QtWidgets import QWidget

    from nucloop.classes import ClassScheme
    from nucloop.gui.layer.nuclei_layer import NucleiLayer

__all__ = ["Correcting"]

_BEGIN = "C"
"""Opens the Correct dock from the nuclei layer."""


class Correcting(QObject):
    """Keeps one Corrections and one Pointer per nuclei layer of a viewer."""

    changed = Signal()
    """The nuclei that are meant, or anything about them, have changed."""
    keys_changed = Signal()
    said = Signal(object)
    """A Message."""

    def __init__(self, viewer: napari.Viewer, sessions: OpenSessions, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._viewer, self.sessions = viewer, sessions
        self._known: dict[NucleiLayer, KeyTargets] = {}
        self._keys = load_keys()
        self._written = known_keys(self._keys) | {_BEGIN}
        DockPlaces.of(viewer)
        canvas = canvas_widget_of(viewer)
        if canvas is None:
            follow_napari(viewer, self._active_pointer)
        else:
            self._watch = CanvasWatch(canvas, self._active_pointer)
        KeysByPlace(window_of(viewer), canvas, self._known_keys, self)
        sessions.changed.connect(self._sessions_changed)
        sessions.said.connect(self.said)
        KeyboardReturn(self._is_in_our_dock, self.focus, self)
        self.brush_circle = BrushCircle(viewer, self)
        viewer.layers.selection.events.active.connect(self._active_changed)
        self._sessions_changed()

    @classmethod
    def of(cls, viewer: napari.Viewer) -> Correcting:
        """Return the one of a viewer: it outlives docks that are closed and opened again."""
        return one_of(viewer, cls, lambda keeper: cls(viewer, OpenSessions.of(viewer), keeper))

    @property
    def nuclei(self) -> NucleiLayer | None:
        """The nuclei that a person means."""
        return self.sessions.active

    @property
    def hands(self) -> KeyTargets | None:
        """Everything that can be done to them."""
        nuclei = self.nuclei
        return None if nuclei is None else self._known[nuclei]

    @property
    def corrections(self) -> Corrections | None:
        """What can be said about them."""
        return None if self.hands is None else self.hands.corrections

    @property
    def pointer(self) -> Pointer | None:
        """The mouse on them."""
        return None if self.hands is None else self.hands.pointer

    @property
    def review(self) -> Review | None:
        """The review queue of them."""
        return None if self.hands is None else self.hands.review

    @property
    def keys(self) -> dict[str, str]:
        """The key of every command, by its name."""
        return dict(self._keys)

    def class_keys(self, scheme: ClassScheme) -> list[str]:
        """Return the key that gives each class of a scheme, as the person has set it; empty where none does."""
        return [self._keys.get(f"class {key}", "") for key in scheme.keys]

    def set_keys(self, keys: Mapping[str, str]) -> None:
        """Change the keys, for good."""
        self._keys, self._written = dict(keys), known_keys(keys) | {_BEGIN}
        save_keys(self._keys)
        for hands in self._known.values():
            bind_keys(hands, self._keys)
        self.keys_changed.emit()
        self.changed.emit()

    def focus(self) -> None:
        """Make the nuclei layer, if there is one, the active one and give the canvas the keyboard."""
        nuclei, canvas = self.nuclei, canvas_widget_of(self._viewer)
        if nuclei is not None:
            self._viewer.layers.selection.active = nuclei.layer
        if canvas is not None:
            if QApplication.activeWindow() is not None:
                # a dock may float as a window of its own
                canvas.activateWindow()
            canvas.setFocus()

    def _is_in_our_dock(self, field: QWidget) -> bool:
        """Whether a field is in one of our docks; napari's own keep the keyboard as they do."""
        window = window_of(self._viewer)
        return window is not None and any(dock.isAncestorOf(field) for dock in docks_by_name(window))

    def _sessions_changed(self) -> None:
        present = self.sessions.all()
        for gone in set(self._known) - set(present):
            self._let_go(self._known.pop(gone))
        for nuclei in present:
            if nuclei not in self._known:
                self._known[nuclei] = self._take_in_hand(nuclei)
        self.changed.emit()

    def _take_in_hand(self, nuclei: NucleiLayer) -> KeyTargets:
        corrections = Corrections(nuclei)
        review = Review(corrections, lambda: self.sessions.features_of(nuclei.image))
        hands = KeyTargets(corrections, Pointer(corrections), review)
        corrections.said.connect(self.said)
        corrections.class_changed.connect(lambda _: self.changed.emit())
        hands.pointer.tool_changed.connect(lambda _: self.changed.emit())
        hands.review.changed.connect(self.changed)
        nuclei.selection_changed.connect(self.changed)
        bind_keys(hands, self._keys)
        mark_selection(self._viewer, nuclei.layer)
        nuclei.layer.bind_key(_BEGIN, lambda _: correct_nuclei(self._viewer), overwrite=True)
        if nuclei.current_label < 0:
            nuclei.current_label = 0
        return hands

    @staticmethod
    def _let_go(hands: KeyTargets) -> None:
        hands.review.close()
        hands.pointer.close()
        layer = hands.corrections.nuclei.layer
        unbind_keys(layer)
        layer.bind_key(_BEGIN, None)

    def _active_changed(self, event: object = None) -> None:
        self.changed.emit()

    def _known_keys(self) -> set[str]:
        """Return the keys that do something now: none while another layer is active."""
        return self._written if self._active_pointer() is not None else set()

    def _active_pointer(self) -> Pointer | None:
        active = self._viewer.layers.selection.active
        for nuclei, hands in self._known.items():
            if nuclei.layer is active:
                return hands.pointer
        return None
