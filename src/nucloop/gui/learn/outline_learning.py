"""Learning outlines in one viewer: from the points of a slide, in the background, shown before anything is written."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QObject, Signal

from nucloop.errors import NucLoopError
from nucloop.gui.canvas.layer_slide import slide_of_layer
from nucloop.gui.canvas.view import view_centre
from nucloop.gui.napari_private.parts import one_of
from nucloop.gui.sessions.open_sessions import OpenSessions
from nucloop.gui.widgets.jobs import Ending, How, Job
from nucloop.gui.widgets.messages import Message, Tone
from nucloop.learning.outlines.proposal import FoundOutlines, OutlineProposal, OutlineStep
from nucloop.learning.preparing import prepare_torch

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    import napari
    from napari.layers import Image

    from nucloop.gui.layer.nuclei_layer import NucleiLayer
    from nucloop.learning.outlines.learned import OutlineNetwork
    from nucloop.nuclei import Nuclei

    Place = tuple[float, float]

__all__ = ["OutlineLearning"]


class OutlineLearning(QObject):
    """Learns how far the nuclei of one viewer's sessions reach, one slide at a time.

    Parameters
    ----------
    viewer : napari viewer
        Where the nuclei are.
    sessions : OpenSessions
        Of the same viewer.
    """

    started = Signal()
    progressed = Signal(object)
    """An OutlineStep, or a FoundOutlines while outlines come in, which are to be seen at once."""
    changed = Signal()
    """What waits to be applied, or the network that can be kept, is another."""
    said = Signal(object)
    """A Message."""
    stopped = Signal()

    def __init__(self, viewer: napari.Viewer, sessions: OpenSessions, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._viewer, self.sessions = viewer, sessions
        self.network: OutlineNetwork | None = None
        """The one that was learned last."""
        self.proposal: OutlineProposal | None = None
        self._nuclei: NucleiLayer | None = None
        self._job: Job | None = None
        sessions.closing.connect(self._closing)

    @classmethod
    def of(cls, viewer: napari.Viewer) -> OutlineLearning:
        """Return the one of a viewer: it outlives docks that are closed and opened again."""
        return one_of(viewer, cls, lambda keeper: cls(viewer, OpenSessions.of(viewer), keeper))

    @property
    def running(self) -> bool:
        """Whether it learns, or outlines still come in."""
        return self._job is not None

    @property
    def waiting(self) -> bool:
        """Whether all outlines are there and a person is to say what becomes of them."""
        return self.proposal is not None and not self.running

    @property
    def sentence(self) -> str:
        """What applying would do."""
        if self.proposal is None or self._nuclei is None:
            return ""
        return self.proposal.change(self._nuclei.session).sentence()

    def learn(self, minutes: float) -> None:
        """Learn from all points of the slide for so long, and show what they would look like."""
        nuclei = self._begun()
        if nuclei is not None:
            image, table = nuclei.image, _seen_by(nuclei)
            centre = view_centre(self._viewer, image)
            self._go(nuclei, lambda: _learned_steps(image, table, minutes, centre))

    def use(self, path: Path) -> None:
        """Show what the slide's nuclei would look like by a network that was kept."""
        nuclei = self._begun()
        if nuclei is not None:
            image, table = nuclei.image, _seen_by(nuclei)
            centre = view_centre(self._viewer, image)
            self._go(nuclei, lambda: _kept_steps(image, table, path, centre))

    def cancel(self) -> None:
        """Stop now; the step in hand ends by itself, and only the end of the program waits for it."""
        if self._job is not None:
            self._let_go(self._job)
            self._leave()
            self.said.emit(Message("Cancelled. All outlines are as they were."))

    def show(self, *, after: bool) -> None:
        """Show nuclei as they would be, or as they are."""
        if self._nuclei is not None and self.proposal is not None:
            proposal, session = self.proposal, self._nuclei.session
            tried = (lambda table: proposal.over(session, table)) if after else (lambda table: table)
            self._nuclei.outlines.try_on(tried)

    def apply(self) -> None:
        """Write the outlines into the session, as one step for undo."""
        if self._nuclei is None or self.proposal is None or self.running:
            return
        nuclei, proposal = self._nuclei, self.proposal
        try:
            change = proposal.apply(nuclei.session)
        except NucLoopError as error:
            self.said.emit(Message(str(error), Tone.WARNING))
            return
        self._leave()
        nuclei.outlines.show_drawn()
        count = 0 if change is None else len(change.outlined)
        self.said.emit(Message(f"{count:,} nuclei have the outlines that were learned here. Ctrl+Z takes that back."))

    def discard(self) -> None:
        """Forget what waits to be applied."""
        if self.waiting:
            self._leave()

    def keep(self, path: Path) -> None:
        """Write the network to a file, for other slides."""
        if self.network is not None:
            try:
                self.network.keep(path)
            except NucLoopError as error:
                self.said.emit(Message(str(error), Tone.WARNING))
            else:
                where = "Use it here on other slides, or choose it as the detector under More in the Detect dock."
                self.said.emit(Message(f"Kept as {path.name}. {where}", Tone.GOOD))

    def _begun(self) -> NucleiLayer | None:
        """Return the nuclei that a person means, where something can be learned from them now."""
        if self.running:
            return None
        self.discard()
        nuclei = self.sessions.active
        if nuclei is None or not len(nuclei.session):
            self.said.emit(Message("There are no nuclei yet. Detect some first, or add them.", Tone.WARNING))
        elif nuclei.session.read_only:
            text = "This slide was opened to look only, so it gets no outlines. Open it again to edit."
            self.said.emit(Message(text, Tone.WARNING))
        else:
            return nuclei
        return None

    def _go(self, nuclei: NucleiLayer, steps: Callable[[], Iterator[object]]) -> None:
        self._nuclei = nuclei
        self._job = Job(steps, self)
        self._job.items.connect(self._take)
        self._job.ended.connect(self._end)
        self._job.start()
        self.started.emit()

    def _take(self, items: list[Any]) -> None:
        for item in items:
            if isinstance(item, FoundOutlines):
                assert self.proposal is not None
                self.proposal.add(item.nuclei)
            elif not isinstance(item, OutlineStep):
                self.network = item
                self.proposal = OutlineProposal([], {"outlines": item.card.provenance})
                self.show(after=True)
                self.changed.emit()
        if self.proposal is not None and self._nuclei is not None:
            self._nuclei.outlines.follow()
        if isinstance(items[-1], OutlineStep | FoundOutlines):
            self.progressed.emit(items[-1])

    def _end(self, ending: Ending) -> None:
        self._job = None
        if ending.how is How.FAILED:
            self._leave()
            self.said.emit(Message(ending.message, Tone.ERROR if ending.details else Tone.WARNING, ending.details))
        else:
            self.changed.emit()
            self.stopped.emit()

    def _let_go(self, job: Job) -> None:
        """Have a job end as soon as it can, and hear nothing of it any more."""
        job.items.disconnect(self._take)
        job.ended.disconnect(self._end)
        job.cancel()

    def _leave(self) -> None:
        """Go back to nuclei as they are, with nothing to be applied."""
        if self._nuclei is not None:
            self._nuclei.outlines.try_on(None)
        self._job, self._nuclei, self.proposal = None, None, None
        self.changed.emit()
        self.stopped.emit()

    def _closing(self, image: Image) -> None:
        """Stop for good what goes on for a slide that is closed."""
        if self._nuclei is not None and self._nuclei.image is image:
            if self._job is not None:
                self._let_go(self._job)
            self._leave()


def _seen_by(nuclei: NucleiLayer) -> Nuclei:
    session = nuclei.session
    return session.shown() if session.blinded else session.nuclei()


def _learned_steps(image: Image, nuclei: Nuclei, minutes: float, centre: Place) -> Iterator[object]:
    prepare_torch()
    from nucloop.learning.outlines.learned import OutlineNetwork, learn_outlines, outlines_at

    with closing(slide_of_layer(image)) as slide:
        for step in learn_outlines(slide, nuclei, minutes=minutes):
            yield step
            if isinstance(step, OutlineNetwork):
                yield from outlines_at(slide, step, nuclei, centre)


def _kept_steps(image: Image, nuclei: Nuclei, path: Path, centre: Place) -> Iterator[object]:
    prepare_torch()
    from nucloop.learning.outlines.learned import OutlineNetwork, outlines_at

    network = OutlineNetwork.open(path)
    yield network
    with closing(slide_of_layer(image)) as slide:
        yield from outlines_at(slide, network, nuclei, centre)
