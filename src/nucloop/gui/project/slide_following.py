"""Which of a project's slides is on screen, and that it is in review from its first correction on."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from qtpy.QtCore import QObject, Signal

from nucloop.gui.widgets.deferred import DeferredCall
from nucloop.session.glance import BY_A_PERSON, SessionGlance

if TYPE_CHECKING:
    from collections.abc import Callable

    from nucloop.gui.project.project_reading import ProjectReading
    from nucloop.gui.project.slide_opening import SlideOpening
    from nucloop.gui.sessions.open_sessions import OpenSessions
    from nucloop.session import Change

__all__ = ["SlideFollowing"]


class SlideFollowing(QObject):
    """Follows the slide that a person means, and hears of its edits."""

    looked = Signal()
    """It is known again what is on screen, be it the same."""

    def __init__(
        self, sessions: OpenSessions, reading: ProjectReading, opening: SlideOpening, parent: QObject | None = None
    ) -> None:
        super().__init__(parent)
        self._sessions, self._reading, self._opening = sessions, reading, opening
        self.slide = ""
        """Id of the slide on screen; empty where that is none of the project's."""
        self._followed: tuple[object, object, object] = (None, None, None)
        self._end_hearing: Callable[[], object] = lambda: None
        self._closed = False
        self._later = DeferredCall(self._follow, self)
        sessions.changed.connect(self.ask)
        sessions.closing.connect(self.ask)

    @property
    def waiting(self) -> bool:
        """Whether it still has to look."""
        return self._later.waiting

    def ask(self, what: object = None) -> None:
        """Look again, soon."""
        self._later.ask()

    def close(self) -> None:
        """Follow nothing any more."""
        self._closed = True
        self._end_hearing()
        self._sessions.changed.disconnect(self.ask)
        self._sessions.closing.disconnect(self.ask)

    def _follow(self) -> None:
        if self._closed:
            return
        image = self._sessions.current.image
        session = self._sessions.session_of(image)
        if (image, session, self._reading.project) != self._followed:
            self._followed = image, session, self._reading.project
            one = None if image is None else self._opening.entry_of(image)
            self.slide = "" if one is None else one.id
            self._end_hearing()
            self._end_hearing = lambda: None
            if one is not None and session is not None:
                self._end_hearing = session.subscribe(self._heard)
        self.looked.emit()

    def _heard(self, change: Change) -> None:
        """Show at once that a slide is in review when its first nucleus is corrected."""
        one = self._reading.slides.get(self.slide)
        if one is None or change.kind not in BY_A_PERSON or one.by == change.author:
            return
        session = one.session or SessionGlance()
        others = [name for name in session.readers if name != change.author]
        self._reading.take([replace(one, session=replace(session, readers=(change.author, *others)))])
