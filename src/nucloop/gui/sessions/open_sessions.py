"""The sessions of the images in one viewer, each with the layer that shows it."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QCoreApplication, QEvent, QObject, Signal

from nucloop.errors import NucLoopError
from nucloop.garbage import leave_out_what_is_here, search_everywhere
from nucloop.gui.canvas.drawn_regions import set_resolution
from nucloop.gui.canvas.layer_slide import has_file, mpp_of_layer, slide_of_layer
from nucloop.gui.canvas.view import is_picture
from nucloop.gui.layer.nuclei_layer import NucleiLayer
from nucloop.gui.napari_private.own_context import keep_to_own_context
from nucloop.gui.napari_private.parts import draw_later, one_of
from nucloop.gui.sessions.current_slide import CurrentSlide
from nucloop.gui.sessions.removed_layers import RemovedLayers
from nucloop.gui.sessions.session_places import (
    Answer,
    OpeningChoice,
    Trouble,
    has_session,
    kept_where,
    open_session,
    trouble_with,
    why_not_kept,
)
from nucloop.gui.sessions.session_resolution import another_resolution, same_resolution
from nucloop.gui.viewing.slide_view import SlideView
from nucloop.gui.widgets.messages import Message, Tone
from nucloop.learning.session_features import SessionFeatures, forget_features
from nucloop.session.keeping.place import set_aside

if TYPE_CHECKING:
    from pathlib import Path

    from napari.components import ViewerModel
    from napari.layers import Image, Layer

    from nucloop.classes import ClassScheme
    from nucloop.session import Session

__all__ = ["OpenSessions"]


class OpenSessions(QObject):
    """Opens and closes the sessions of a viewer's images; all docks look at them through the same layers.

    A session is open as long as its image. Deleting the layer that shows it deletes no nucleus.
    """

    changed = Signal()
    """A nuclei layer came, went or changed."""
    said = Signal(object)
    """A Message about an edit that could not be done."""
    closing = Signal(object)
    """An image whose layer or session goes."""

    def __init__(self, viewer: ViewerModel, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._viewer = viewer
        self._sessions: dict[Image, Session] = {}
        self._layers: dict[Image, NucleiLayer] = {}
        self._features: dict[Image, SessionFeatures] = {}
        self._troubles: dict[Image, Trouble] = {}
        self._notes: dict[Image, str] = {}
        self._ways: dict[Image, OpeningChoice] = {}
        self._said: dict[Image, float] = {}
        self.author = ""
        self.current = CurrentSlide(viewer, self)
        self.current.changed.connect(self.changed)
        keep_to_own_context(viewer)
        self._removed = RemovedLayers(self)
        viewer.layers.events.removed.connect(self._layer_removed)
        # this is as old as the first dock and as long-lived as the window
        leave_out_what_is_here()
        if parent is not None:
            parent.installEventFilter(self)
        app = QCoreApplication.instance()
        if app is not None:
            app.aboutToQuit.connect(self.close)

    @classmethod
    def of(cls, viewer: ViewerModel) -> OpenSessions:
        """Return the one of a viewer with a window: it outlives docks that are closed and opened again."""
        SlideView.of(viewer)
        return one_of(viewer, cls, lambda keeper: cls(viewer, keeper))

    def eventFilter(self, watched: QObject | None, event: QEvent | None) -> bool:
        """Let the memory of a window come back that is closed."""
        if event is not None and event.type() == QEvent.Type.Close and watched is self.parent():
            search_everywhere()
        return super().eventFilter(watched, event)

    def nuclei_of(self, image: Image | None) -> NucleiLayer | None:
        """Return the layer that shows an image's nuclei, if there is one."""
        return None if image is None else self._layers.get(image)

    def session_of(self, image: Image | None) -> Session | None:
        """Return the session of an image, if it is open."""
        return None if image is None else self._sessions.get(image)

    def features_of(self, image: Image) -> SessionFeatures:
        """Return the kept features of an image whose session is open."""
        if image not in self._features:
            self._features[image] = SessionFeatures(self._sessions[image])
        return self._features[image]

    def trouble_with(self, image: Image | None) -> Trouble | None:
        """Return why an image's session is not open, when it was tried."""
        return None if image is None else self._troubles.get(image)

    def note_on(self, image: Image | None) -> str:
        """Say where an image's session is kept, or that it is not."""
        return "" if image is None else self._notes.get(image, "")

    def all(self) -> list[NucleiLayer]:
        """Return all layers that show nuclei."""
        return list(self._layers.values())

    @property
    def active(self) -> NucleiLayer | None:
        """The nuclei that a person means: those of the slide that is seen."""
        return self.nuclei_of(self.current.image)

    def open(self, image: Image, scheme: ClassScheme | None = None) -> NucleiLayer | None:
        """Return the nuclei of an image, its session and layer opened if need be.

        A slide that does not say its resolution has that of its session. None while neither is known, while there is
        trouble, and, without `scheme`, when the slide has no session yet.
        """
        if image in self._layers or image in self._troubles:
            return self._layers.get(image)
        if image not in self._sessions and not self._open_session(image, scheme):
            return None
        return self._show(image)

    def say_resolution(self, image: Image, mpp: float) -> None:
        """Take down µm per pixel as a person says it; where nuclei were found at another, that is asked about first."""
        session = self._sessions.get(image)
        if session is None or not session.history(1):
            self._set_resolution(image, mpp)
        else:
            self._agree(image, session, mpp)
        self.changed.emit()

    def answer(self, image: Image, answer: Answer, folder: Path | None = None) -> None:
        """Do what a person has answered to trouble, the next time the session is opened."""
        trouble = self._troubles.pop(image, None)
        said = self._said.pop(image, None)
        if said is not None:
            self._answer_resolution(image, answer, said)
            return
        if answer is Answer.ELSEWHERE and trouble is not None:
            folder = trouble.elsewhere
        before = self._ways.get(image)
        self._ways[image] = OpeningChoice(answer, folder, None if folder or before is None else before.file)

    def keep_in(self, image: Image, path: Path, *, only_look: bool = False) -> None:
        """Say where the session of an image lies, before the image is shown; usually it is beside its slide."""
        self._ways[image] = OpeningChoice(Answer.READ_ONLY if only_look else None, file=path)

    def begin_anew(self, image: Image, scheme: ClassScheme) -> NucleiLayer | None:
        """Give an image whose session nobody has touched one with other classes."""
        self._drop_layer(image)
        self._close_session(image)
        return self.open(image, scheme)

    def close(self) -> None:
        """Close all sessions: the program ends."""
        for image in list(self._sessions):
            self._close_session(image)

    def set_author(self, name: str) -> None:
        """Say who edits from now on, in every session."""
        self.author = name
        for session in self._sessions.values():
            session.author = name

    def _answer_resolution(self, image: Image, answer: Answer, said: float) -> None:
        session = self._sessions[image]
        if answer is Answer.RESCALE:
            self._set_resolution(image, said)
        elif answer is Answer.NEW_SESSION:
            path, kept, scheme = session.path, session.slide.info.mpp, session.scheme
            self._drop_layer(image)
            self._close_session(image)
            if path is not None:
                set_aside(path, f"at {kept:.4g} µm")
            set_resolution(self._viewer, image, said)
            self.open(image, scheme)
        self.changed.emit()

    def _set_resolution(self, image: Image, mpp: float) -> None:
        """Give an image and its open session a resolution; nuclei stay at their pixels."""
        session, shown = self._sessions.get(image), image in self._layers
        self._drop_layer(image)
        features = self._features.pop(image, None)
        if features is not None:
            features.close()
        set_resolution(self._viewer, image, mpp)
        if session is not None and not session.read_only:
            session.set_resolution(mpp)
            forget_features(session)
        if shown:
            self._show(image)

    def _agree(self, image: Image, session: Session, said: float | None) -> bool:
        """Bring an image to the resolution of its session, and ask when another is said; False when none is known."""
        kept = session.slide.info.mpp
        if kept is None:
            if said and not session.read_only:
                session.set_resolution(said)
            return bool(said)
        if said is None or not same_resolution(said, kept):
            if mpp_of_layer(image) != kept:
                set_resolution(self._viewer, image, kept)
            if said is not None:
                self._said[image], self._troubles[image] = said, another_resolution(session, said)
        return True

    def _open_session(self, image: Image, scheme: ClassScheme | None) -> bool:
        said = mpp_of_layer(image)
        if said is None and not has_file(image):
            return False  # perhaps no slide at all: that is said when something is to be done with it
        with slide_of_layer(image) as slide:
            way = self._ways.get(image)
            if (scheme is None or said is None) and not has_session(slide, way):
                return False
            try:
                session = open_session(slide, scheme, way)
            except NucLoopError as error:
                self._troubles[image] = trouble_with(error, slide, way)
                self.changed.emit()
                return False
            if not self._agree(image, session, said):
                # it was begun without, by another program: whoever looks at it is asked
                session.close()
                return False
            self._notes[image] = kept_where(session, why_not_kept(slide))
        session.author = self.author
        session.when_rescued = lambda sentence: self._rescued(image, sentence)
        self._sessions[image] = session
        return True

    def _rescued(self, image: Image, sentence: str) -> None:
        """Say that a session goes on in another file; its image keeps the session, so nothing else changes."""
        self._notes[image] = kept_where(self._sessions[image], "")
        self.said.emit(Message(sentence, Tone.WARNING))
        self.changed.emit()

    def _show(self, image: Image) -> NucleiLayer:
        mpp = mpp_of_layer(image)
        assert mpp is not None
        active = self._viewer.layers.selection.active
        draw_later(self._viewer)
        nuclei = NucleiLayer(self._viewer, image, self._sessions[image], mpp)
        nuclei.setParent(self)
        nuclei.changed.connect(self.changed)
        nuclei.said.connect(self.said)
        self._layers[image] = nuclei
        # making it is no choice of the person's
        self._viewer.layers.selection.active = active
        self.changed.emit()
        return nuclei

    def _layer_removed(self, event: Any) -> None:
        gone: Layer = event.value
        for image, nuclei in list(self._layers.items()):
            if gone is image or gone is nuclei.layer:
                self.closing.emit(image)
                self._layers.pop(image, None)
                nuclei.close()
                nuclei.deleteLater()
                self.changed.emit()
        if gone in self._sessions or gone in self._troubles:
            self._close_session(gone)
            for known in (self._troubles, self._ways, self._said):
                known.pop(gone, None)
        self._removed.add(gone)
        if is_picture(gone):
            self._removed.search()

    def _drop_layer(self, image: Image) -> None:
        nuclei = self._layers.get(image)
        if nuclei is not None and nuclei.layer in self._viewer.layers:
            self._viewer.layers.remove(nuclei.layer)

    def _close_session(self, image: Image) -> None:
        session = self._sessions.pop(image, None)
        self._notes.pop(image, None)
        features = self._features.pop(image, None)
        if session is None:
            return
        if features is not None:
            features.close()
        untouched = not session.read_only and session.path is not None and not session.history(1)
        path = session.path
        session.close()
        if untouched and path is not None:
            # somebody only looked at the slide: nothing is to be found beside it
            with suppress(OSError):
                path.unlink()
                path.with_name(f".{path.name}.lock").unlink(missing_ok=True)
