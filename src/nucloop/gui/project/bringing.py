"""What a run has found on slides that are open in this window, added to their sessions here, and said with its end."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import QObject, Signal

from nucloop.cohort.bringing import Brought, read_missing_result
from nucloop.cohort.project import Project, open_project
from nucloop.cohort.states import states_of
from nucloop.errors import NucLoopError
from nucloop.gui.widgets.jobs import Ending, How, Job
from nucloop.gui.widgets.messages import Message, Tone

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from nucloop.cohort.slide_entry import SlideEntry
    from nucloop.gui.project.project_run import ProjectRun
    from nucloop.gui.project.slide_opening import SlideOpening
    from nucloop.gui.sessions.open_sessions import OpenSessions

__all__ = ["Bringing"]

_HEAVIER = (Tone.GOOD, Tone.INFO, Tone.WARNING, Tone.ERROR)


class Bringing(QObject):
    """Adds results to open sessions, as detecting here would, and keeps the run's last word until all are added."""

    said = Signal(object)
    """A Message."""

    def __init__(
        self, sessions: OpenSessions, opening: SlideOpening, run: ProjectRun, parent: QObject | None = None
    ) -> None:
        super().__init__(parent)
        self._sessions, self._opening, self._run = sessions, opening, run
        self._jobs: set[Job] = set()
        self._new: dict[str, int] = {}
        self._troubles: list[Message] = []
        self._last_word: Message | None = None

    @property
    def busy(self) -> bool:
        """Whether results are being read, or a run's last word is still to be said."""
        return bool(self._jobs) or self._last_word is not None

    def bring(self, project: Project, entry: SlideEntry, result: Path | None = None) -> None:
        """Add the result of a slide, the newest where none is named, to its session if that is open here without it."""
        image = self._opening.image_of(entry)
        if image is None:
            return
        session = self._sessions.session_of(image)
        place = None if session is None else session.path
        job = Job(lambda: _missing(place, result or _newest(project.folder, entry.id)), self)
        self._jobs.add(job)
        job.items.connect(lambda items: self._add(items[-1], entry))
        job.ended.connect(lambda ending: self._ended(job, ending))
        job.start()

    def say_last(self, word: Message) -> None:
        """Say how a run has ended, once everything that it found here is added, and how much that is."""
        self._last_word = word
        self._say_if_all_came()

    def _add(self, brought: Brought, entry: SlideEntry) -> None:
        image = self._opening.image_of(entry)
        nuclei = None if image is None else self._sessions.open(image, brought.nuclei.scheme)
        if nuclei is None or nuclei.session.read_only:
            # closed meanwhile, or not to be written: it is added when the slide is opened the next time
            return
        try:
            self._new[entry.id] = self._new.get(entry.id, 0) + brought.add_to(nuclei.session)
        except NucLoopError as error:
            self._troubles.append(Message(str(error), Tone.WARNING))

    def _ended(self, job: Job, ending: Ending) -> None:
        self._jobs.discard(job)
        if ending.how is How.FAILED:
            self._troubles.append(Message(ending.message, Tone.ERROR, ending.details))
        self._say_if_all_came()

    def _say_if_all_came(self) -> None:
        if self._jobs:
            return
        words = self._troubles if self._last_word is None else [self._last_word, *self._troubles]
        added = [f"{new:,} to {slide}" for slide, new in self._new.items() if new]
        if added:
            words = [*words, Message(f"New nuclei in what is open here: {', '.join(added)}.")]
        if words:
            text = " ".join(dict.fromkeys(one.text for one in words))
            tone = max((one.tone for one in words), key=_HEAVIER.index)
            self.said.emit(Message(text, tone, "\n".join(one.details for one in words if one.details)))
        if self._last_word is not None or not self._run.running:
            # the last word of a run says all of it once more
            self._last_word, self._new, self._troubles = None, {}, []


def _missing(session: Path | None, result: Path | None) -> Iterator[Brought]:
    """Read a result that a session does not have. Runs in a job's thread."""
    brought = None if result is None else read_missing_result(session, result)
    if brought is not None:
        yield brought


def _newest(folder: Path, slide: str) -> Path | None:
    return next((one.folder for one in states_of(open_project(folder)) if one.entry.id == slide), None)
