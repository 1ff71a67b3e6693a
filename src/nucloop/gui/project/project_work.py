"""What is done with the slides of a project: making it, running on them, marking, tagging and exporting them."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from qtpy.QtCore import QObject, QTimer, Signal

from nucloop.cohort.background import Orders
from nucloop.cohort.marks import Mark, mark_slides, tag_slides
from nucloop.errors import NucLoopError
from nucloop.gui.project.export import export_steps
from nucloop.gui.project.new_project import making_steps
from nucloop.gui.widgets.jobs import Ending, How, Job
from nucloop.gui.widgets.messages import Message, Tone

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence
    from pathlib import Path

    from nucloop.cohort.overview import Overview
    from nucloop.cohort.running import Step
    from nucloop.cohort.settings import CohortSettings
    from nucloop.cohort.slide_entry import SlideEntry
    from nucloop.gui.project.project_reading import ProjectReading
    from nucloop.gui.project.project_run import ProjectRun

__all__ = ["ProjectWork"]

LOOK_MS = 2_000
"""While a run goes on, slides are looked at again this long after one was finished."""


class ProjectWork(QObject):
    """Acts on the project that is open; long work is done in the background, a run in a process of its own."""

    said = Signal(object)
    """A Message; None takes back the one before."""
    progressed = Signal(int, int, str)
    """How much is done, of how much (0 while nobody knows), in words; all of it when nothing is done any more."""
    busy_changed = Signal()
    found = Signal(str)
    """Id of a slide on which a run was finished."""
    run_ended = Signal(object)
    """The last word of a run, a Message."""

    def __init__(self, reading: ProjectReading, run: ProjectRun, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._reading, self._run = reading, run
        self.device = "auto"
        """On which runs work."""
        self.workers: int | None = None
        """Of runs; as many as there is room for unless said."""
        self._making: Job | None = None
        self._seen = 0
        self._exporting: Job | None = None
        self._looking = QTimer(self)
        self._looking.setSingleShot(True)
        self._looking.timeout.connect(reading.look_again)
        run.stepped.connect(self._stepped)
        run.busy_changed.connect(lambda _: self.busy_changed.emit())
        run.ended.connect(self._run_ended)

    @property
    def running(self) -> bool:
        """Whether a run or the making of a project is under way."""
        return self._run.running or self._making is not None

    @property
    def exporting(self) -> bool:
        """Whether a table is being written."""
        return self._exporting is not None

    def make(self, slides: Path, folder: Path, settings: CohortSettings | None, mpp: float | None) -> None:
        """Make a project, and open it."""
        if self.running:
            return
        self.said.emit(None)
        self._making = Job(lambda: making_steps(slides, folder, settings, mpp), self)
        self._making.items.connect(self._slides_seen)
        self._making.ended.connect(lambda ending: self._made(ending, folder))
        self._making.start()
        self.busy_changed.emit()
        self.progressed.emit(0, 0, "Looking at slides …")

    def start(self, slides: Collection[str] | None, open_here: Collection[str]) -> None:
        """Run on slides, on all that are not done where none are named; this window has some of them open."""
        project = self._reading.project
        if project is None or self.running:
            return
        only = None if slides is None else [one.id for one in project.slides if one.id in slides]
        self.said.emit(None)
        self._run.start(Orders(str(project.folder), only, self.workers, self.device, tuple(sorted(open_here))))
        self.progressed.emit(0, 0, "Starting …")

    def stop(self) -> None:
        """Stop the run, or the making of a project."""
        self._run.stop()
        if self._making is not None:
            self._making.cancel()

    def mark(self, slides: Iterable[str], state: str, by: str) -> bool:
        """Say how far slides are; False, and a word about it, where that cannot be kept."""
        project = self._reading.project
        if project is None:
            return False
        try:
            self._take(mark_slides(project, slides, state, by))
        except NucLoopError as error:
            self.said.emit(Message(_not_kept(error), Tone.ERROR))
            self._reading.look_again()
            return False
        return True

    def tag(self, slides: Iterable[str], add: Iterable[str], remove: Iterable[str]) -> None:
        """Put tags on slides and take others off."""
        project = self._reading.project
        if project is None:
            return
        try:
            self._take(tag_slides(project, slides, add, remove))
        except NucLoopError as error:
            self.said.emit(Message(_not_kept(error), Tone.ERROR))
            self._reading.look_again()

    def export(self, path: Path, slides: Sequence[Overview]) -> None:
        """Write slides as a table."""
        project = self._reading.project
        if project is None or self._exporting is not None:
            return
        self._exporting = Job(lambda: export_steps(path, project, slides), self)
        self._exporting.items.connect(lambda items: self.said.emit(Message(items[-1], Tone.GOOD)))
        self._exporting.ended.connect(self._exported)
        self._exporting.start()
        self.busy_changed.emit()

    def _take(self, marks: Iterable[Mark]) -> None:
        slides = self._reading.slides
        self._reading.take([replace(slides[one.slide], mark=one) for one in marks if one.slide in slides])

    def _slides_seen(self, items: list[tuple[SlideEntry, int]]) -> None:
        self._seen += len(items)
        _, total = items[-1]
        self.progressed.emit(self._seen, total, f"Looking at slides: {self._seen:,} of {total:,}")

    def _made(self, ending: Ending, folder: Path) -> None:
        self._making, self._seen = None, 0
        self.busy_changed.emit()
        if ending.how is How.DONE:
            self._reading.open(folder)
        elif ending.how is How.FAILED:
            self.said.emit(Message(ending.message, Tone.ERROR, ending.details))
        else:
            self.said.emit(Message("Stopped: nothing was made.", Tone.WARNING))

    def _exported(self, ending: Ending) -> None:
        self._exporting = None
        if ending.how is How.FAILED:
            self.said.emit(Message(ending.message, Tone.ERROR, ending.details))
        self.busy_changed.emit()

    def _stepped(self, step: Step) -> None:
        done, failed, total = self._run.progress
        words = f"{done + failed:,} of {total:,} slides" + (f", {failed:,} failed" if failed else "")
        self.progressed.emit(done + failed, total, words)
        if not step.sentence:
            self.found.emit(step.slide)
        if not self._looking.isActive():
            self._looking.start(LOOK_MS)

    def _run_ended(self, message: Message) -> None:
        self.run_ended.emit(message)
        self._looking.stop()
        self._reading.look_again()


def _not_kept(error: NucLoopError) -> str:
    return str(error).replace("choose another folder or make room, and export again", "make room or mend its rights")
