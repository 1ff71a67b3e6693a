"""Classes for nuclei that came from a file, by the head in use, in the background."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QObject, Signal

from nucloop.errors import NucLoopError
from nucloop.gui.canvas.layer_slide import slide_of_layer
from nucloop.gui.widgets.jobs import Ending, How, Job
from nucloop.gui.widgets.messages import Message, Tone
from nucloop.learning.session_features import Filling
from nucloop.learning.session_heads import SessionHeads
from nucloop.learning.steps import Applied, Encoders, apply_steps, plan_for

if TYPE_CHECKING:
    from nucloop.gui.layer.nuclei_layer import NucleiLayer
    from nucloop.gui.sessions.open_sessions import OpenSessions

__all__ = ["Classifying"]


class Classifying(QObject):
    """One run of the head in use over a session's nuclei that nobody has spoken about.

    Parameters
    ----------
    sessions : OpenSessions
        Of the window.
    parent : QObject
        It ends with it.
    """

    progressed = Signal(object)
    """A Filling: how many nuclei have features."""
    ended = Signal(object)
    """A Message, once a run is over."""

    def __init__(self, sessions: OpenSessions, parent: QObject) -> None:
        super().__init__(parent)
        self._sessions, self._encoders = sessions, Encoders()
        self._job: Job | None = None
        self._nuclei: NucleiLayer | None = None
        self._outcome: Applied | None = None

    @property
    def running(self) -> bool:
        """Whether it goes on."""
        return self._job is not None

    def start(self, nuclei: NucleiLayer) -> None:
        """Begin; classes come as one step for undo.

        Raises
        ------
        NucLoopError
            If the head in use cannot be read.
        """
        image = nuclei.image
        plan = plan_for(nuclei.session, SessionHeads(nuclei.session).current())
        features = self._sessions.features_of(image)
        features.begin()
        self._nuclei, self._outcome = nuclei, None
        self._job = Job(lambda: apply_steps(plan, lambda: slide_of_layer(image), features, self._encoders), self)
        self._job.items.connect(self._take)
        self._job.ended.connect(self._end)
        self._job.start()

    def abandon(self) -> None:
        """Stop; the nuclei stay without classes."""
        if self._job is not None:
            self._job.abandon()
            self._job = None

    def _take(self, items: list[Any]) -> None:
        for item in items:
            if isinstance(item, Filling):
                self.progressed.emit(item)
            elif isinstance(item, Applied):
                self._outcome = item

    def _end(self, ending: Ending) -> None:
        nuclei, outcome = self._nuclei, self._outcome
        self._job = self._nuclei = self._outcome = None
        message = Message("Stopped: the nuclei are here, without classes.", Tone.WARNING)
        if ending.how is How.FAILED:
            message = Message(f"The nuclei are here, without classes: {ending.message}", Tone.ERROR, ending.details)
        elif nuclei is not None and not nuclei.session.closed and outcome is not None:
            try:
                self._sessions.features_of(nuclei.image).settle()
                SessionHeads(nuclei.session).apply(outcome.version, outcome.learned, outcome.change)
                message = Message(outcome.sentence(), Tone.GOOD)
            except NucLoopError as error:
                message = Message(str(error), Tone.ERROR)
        self.ended.emit(message)
