"""Learning in one viewer: from what a person said to new classes, in the background, and never without being asked."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QObject, QTimer, Signal

from nucloop.errors import NucLoopError
from nucloop.gui.canvas.layer_slide import slide_of_layer
from nucloop.gui.learn.progress import Forecast, LearningProgress
from nucloop.gui.napari_private.parts import one_of
from nucloop.gui.sessions.open_sessions import OpenSessions
from nucloop.gui.widgets.jobs import Ending, How, Job
from nucloop.gui.widgets.messages import Message, Tone
from nucloop.learning.answers import Answers, require_enough, what_was_said
from nucloop.learning.queue import asked_key
from nucloop.learning.session_features import Filling
from nucloop.learning.session_heads import SessionHeads, Version, share_head
from nucloop.learning.steps import (
    Applied,
    Compared,
    Encoders,
    Imported,
    Plan,
    PreparedLesson,
    apply_steps,
    compare_steps,
    import_steps,
    learn_steps,
    plan_for,
)
from nucloop.learning.tuning import Epoch, Passed
from nucloop.nuclei import Origin

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

    import napari
    from napari.layers import Image

    from nucloop.gui.layer.nuclei_layer import NucleiLayer
    from nucloop.session import Session

__all__ = ["Learning", "Method"]

STEP_MS = 1500
"""How long Cancel waits for the step in hand, such as a look of a large network: longer, and it is left to itself."""


@dataclass(frozen=True)
class Method:
    """How to learn, as the dock is set."""

    name: str = "linear"
    """linear, lora or full."""
    encoder: str = "embedded"
    """By name, as `nucloop.models.files.zoo.open_encoder` takes it."""
    tuned: Version | None = None
    """The version whose tuned encoder to go on from."""
    epochs: int = 20
    imported: bool = False


class Learning(QObject):
    """Learns from the corrections of one viewer's sessions, one job at a time.

    Parameters
    ----------
    viewer : napari viewer
        Where the nuclei are.
    sessions : OpenSessions
        Of the same viewer.
    """

    started = Signal()
    progressed = Signal(object)
    """A LearningProgress."""
    tuned = Signal(object)
    """A list of Epoch: how far tuning the encoder is."""
    learned = Signal(object)
    """A PreparedLesson that waits to be applied; None when it no longer does."""
    listed = Signal()
    """The list of heads, or which of them is in use, is another."""
    said = Signal(object)
    """A Message."""
    stopped = Signal()

    def __init__(self, viewer: napari.Viewer, sessions: OpenSessions, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._viewer, self.sessions = viewer, sessions
        self._encoders = Encoders()
        self.ready: PreparedLesson | None = None
        self._nuclei: NucleiLayer | None = None
        self._job: Job | None = None
        self._again: Callable[[], None] | None = None
        self._outcome: object = None
        self._forecast = Forecast()
        self._patience = QTimer(self)
        self._patience.setSingleShot(True)
        self._patience.timeout.connect(self._give_up)
        sessions.closing.connect(self._closing)

    @classmethod
    def of(cls, viewer: napari.Viewer) -> Learning:
        """Return the one of a viewer: it outlives docks that are closed and opened again."""
        return one_of(viewer, cls, lambda keeper: cls(viewer, OpenSessions.of(viewer), keeper))

    @property
    def nuclei(self) -> NucleiLayer | None:
        """The nuclei that a person means."""
        return self.sessions.active

    @property
    def heads(self) -> SessionHeads | None:
        """The heads of the nuclei that are meant."""
        return None if self.nuclei is None else SessionHeads(self.nuclei.session)

    @property
    def running(self) -> bool:
        """Whether something goes on."""
        return self._job is not None

    @property
    def cancelling(self) -> bool:
        """Whether it was told to stop."""
        return self._job is not None and self._job.cancelling

    def answers(self, *, imported: bool = False) -> Answers:
        """Count what could be learned from now."""
        return Answers(0, 0, 0, 0) if self.nuclei is None else _said(self.nuclei.session, imported)

    def learn(self, method: Method) -> None:
        """Learn from what was said until now; while something goes on, that is stopped and this comes after it."""
        if self._job is not None:
            self._again = lambda: self.learn(method)
            self._stop()
            return
        nuclei = self._editable()
        if nuclei is None:
            return
        self.discard()
        session, image = nuclei.session, nuclei.image
        heads, said = SessionHeads(session), _said(session, method.imported)
        with self._telling():
            require_enough(said, session.scheme)
            current = heads.current()
            plan = Plan(
                nuclei=session.shown() if session.blinded else session.nuclei(),
                people=said.people,
                before=None if current is None else heads.load(current),
                version=heads.next_number,
                method=method.name,
                encoder=method.encoder if method.tuned is None else method.tuned.encoder,
                tuning=None if method.tuned is None else heads.tuning(method.tuned),
                epochs=method.epochs,
                imported=method.imported,
                asked=tuple(session.recall(asked_key(session), [])),
            )
            features = self.sessions.features_of(image)
            self._go(nuclei, lambda: learn_steps(plan, lambda: slide_of_layer(image), features, self._encoders))

    def cancel(self) -> None:
        """Stop; all classes stay as they are."""
        self._again = None
        self._stop()

    def discard(self) -> None:
        """Do not apply what was learned."""
        if self.ready is not None:
            self.ready = None
            if not self.running:
                self._nuclei = None
            self.learned.emit(None)

    def apply(self) -> None:
        """Apply what was learned, as one step for undo."""
        nuclei, ready = self._nuclei, self.ready
        if nuclei is None or ready is None or self.running:
            return
        with self._telling():
            version = SessionHeads(nuclei.session).keep(ready.lesson, ready.encoder, ready.card, ready.tuning)
            self.discard()
            self._on_head(nuclei, version, apply_steps)

    def use(self, version: Version | None) -> None:
        """Go back to a head, None for the one that ships: it classifies all nuclei that nobody has spoken about."""
        nuclei = self._editable()
        if nuclei is not None and not self.running:
            self.discard()
            with self._telling():
                self._on_head(nuclei, version, apply_steps)

    def compare(self, version: Version | None) -> None:
        """Say how many nuclei a head would give other classes than they have now."""
        nuclei = self._editable()
        if nuclei is not None and not self.running:
            with self._telling():
                self._on_head(nuclei, version, compare_steps)

    def export(self, version: Version, path: Path) -> None:
        """Write a head and its card to a file for others; beside it the tuned encoder, if it reads one."""
        if self.heads is None:
            return
        with self._telling():
            text = share_head(self.heads, version, path)
            self.said.emit(Message(text, Tone.GOOD))

    def take_in(self, path: Path, method: Method) -> None:
        """Take a head from a file into the list of heads; it must read the encoder that is chosen."""
        nuclei = self._editable()
        if nuclei is None or self.running:
            return
        heads = SessionHeads(nuclei.session)
        with self._telling():
            tuning = None if method.tuned is None else heads.tuning(method.tuned)
            encoder = method.encoder if method.tuned is None else method.tuned.encoder
            self._go(nuclei, lambda: import_steps(path, encoder, tuning, self._encoders))

    def _on_head(self, nuclei: NucleiLayer, version: Version | None, steps: Callable[..., Iterable[object]]) -> None:
        image, plan = nuclei.image, plan_for(nuclei.session, version)
        features = self.sessions.features_of(image)
        self._go(nuclei, lambda: steps(plan, lambda: slide_of_layer(image), features, self._encoders))

    def _editable(self) -> NucleiLayer | None:
        nuclei = self.nuclei
        if nuclei is None:
            self.said.emit(Message("There are no nuclei yet. Detect some first, then correct a few.", Tone.WARNING))
        elif nuclei.session.read_only:
            text = "This slide was opened to look only, so nothing can be learned. Open it again to edit."
            self.said.emit(Message(text, Tone.WARNING))
            nuclei = None
        return nuclei

    @contextmanager
    def _telling(self) -> Iterator[None]:
        """Within it, what cannot be done is told in the dock."""
        try:
            yield
        except NucLoopError as error:
            self.said.emit(Message(str(error), Tone.WARNING))

    def _go(self, nuclei: NucleiLayer, steps: Callable[[], Iterable[object]]) -> None:
        self._nuclei, self._outcome, self._forecast = nuclei, None, Forecast()
        self.sessions.features_of(nuclei.image).begin()
        self._job = Job(steps, self)
        self._job.items.connect(self._take)
        self._job.ended.connect(self._end)
        self._job.start()
        self.started.emit()

    def _take(self, items: list[Any]) -> None:
        for item in items:
            if isinstance(item, str):
                self.progressed.emit(LearningProgress(item))
            elif isinstance(item, Filling | Passed):
                self.progressed.emit(self._forecast.of(item))
            elif isinstance(item, Epoch):
                self.tuned.emit(item)
            else:
                self._outcome = item

    def _end(self, ending: Ending) -> None:
        outcome, nuclei, again = self._outcome, self._nuclei, self._again
        self._job, self._outcome, self._again = None, None, None
        self._patience.stop()
        if nuclei is not None and not nuclei.session.closed:
            with self._telling():
                self.sessions.features_of(nuclei.image).settle()
            if again is None:
                self._show(ending, outcome, nuclei)
        if self.ready is None and not self.running:
            # what waits to be applied needs them; else nothing of a closed slide may stay
            self._nuclei = None
        if again is not None:
            again()
        if not self.running:
            self.stopped.emit()

    def _show(self, ending: Ending, outcome: object, nuclei: NucleiLayer) -> None:
        """Say or do what has come out of a job."""
        if ending.how is How.FAILED:
            self.said.emit(Message(ending.message, Tone.ERROR if ending.details else Tone.WARNING, ending.details))
        elif ending.how is How.CANCELLED:
            self.said.emit(Message("Cancelled. All classes are as they were."))
        elif isinstance(outcome, PreparedLesson):
            self.ready = outcome
            self.learned.emit(outcome)
            if outcome.ending:
                self.said.emit(Message(outcome.ending))
        elif isinstance(outcome, Applied):
            with self._telling():
                SessionHeads(nuclei.session).apply(outcome.version, outcome.learned, outcome.change)
                self.said.emit(Message(outcome.sentence(), Tone.GOOD))
                self.listed.emit()
        elif isinstance(outcome, Compared):
            self.said.emit(Message(outcome.sentence()))
        elif isinstance(outcome, Imported):
            with self._telling():
                version = SessionHeads(nuclei.session).take_in(
                    outcome.learned, outcome.encoder, outcome.card, outcome.tuning
                )
                self.said.emit(Message(f"{outcome.name} is version {version.number} in the list now.", Tone.GOOD))
                self.listed.emit()

    def _stop(self) -> None:
        if self._job is not None and not self._job.cancelling:
            self._job.cancel()
            self._patience.start(STEP_MS)

    def _give_up(self) -> None:
        """Wait no longer for the step in hand: it ends by itself, and nothing comes of it."""
        if self._job is not None:
            self._job.abandon()
            self._end(Ending(How.CANCELLED))

    def _closing(self, image: Image) -> None:
        """Stop for good what goes on for a slide that is closed."""
        if self._nuclei is not None and self._nuclei.image is image:
            self.discard()
            self.cancel()


def _said(session: Session, imported: bool) -> Answers:
    """Count what was said, and who said it; a blinded author learns from themselves alone."""
    names = [session.author] if session.blinded else session.readers
    people = tuple(name for name in names if len(session.spoken_by(name)))
    counts = session.origins
    if session.blinded:
        own = session.shown()
        return what_was_said(own, people, imported=imported)
    from_file = counts[Origin.IMPORTED] if imported else 0
    return Answers(counts[Origin.CORRECTED], counts[Origin.ADDED], counts[Origin.CONFIRMED], from_file, people)
