"""The project that is open in a viewer: read in the background, and looked at again when something has happened."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QObject, Signal

from nucloop.cohort.overview import Overview, overviews
from nucloop.cohort.project import Project, open_project, project_folder
from nucloop.gui.napari_private.parts import one_of
from nucloop.gui.widgets.jobs import Ending, How, Job
from nucloop.gui.widgets.messages import Message, Tone

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from napari.components import ViewerModel

__all__ = ["ProjectReading"]


class ProjectReading(QObject):
    """Knows the project of a viewer and its slides; outlives docks that are closed and opened again."""

    opened = Signal()
    """Another project is open, or other slides are in it: `slides` has them."""
    looked = Signal(list)
    """Overviews of slides of which more is known now."""
    ended = Signal()
    """Everything was read."""
    said = Signal(object)
    """A Message; None takes back the one before."""

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.project: Project | None = None
        self.slides: dict[str, Overview] = {}
        """By id, in the project's order."""
        self._job: Job | None = None
        self._again = False

    @classmethod
    def of(cls, viewer: ViewerModel) -> ProjectReading:
        """Return the one of a viewer."""
        return one_of(viewer, cls, cls)

    @property
    def busy(self) -> bool:
        """Whether something is still to come."""
        return self._job is not None

    def open(self, path: Path) -> None:
        """Open a project by its folder, or by anything in it."""
        if self._job is not None:
            self._job.abandon()
        self._again = False
        self._start(lambda: _read(path, {}))

    def look_again(self) -> None:
        """Look how far the slides are now, once more at the end where it is being done just now."""
        if self.project is None:
            return
        if self._job is not None:
            self._again = True
            return
        folder = self.project.folder
        known = {one.state.folder.name: one.row for one in self.slides.values() if one.row and one.state.folder}
        self._start(lambda: _read(folder, known))

    def take(self, slides: Iterable[Overview]) -> None:
        """Take over what is known now of slides that are in the project."""
        known = [one for one in slides if one.entry.id in self.slides]
        self.slides |= {one.entry.id: one for one in known}
        self.looked.emit(known)

    def _start(self, steps: Any) -> None:
        self._job = Job(steps, self)
        self._job.items.connect(self._take)
        self._job.ended.connect(self._ended)
        self._job.start()

    def _take(self, items: list[tuple[Project, list[Overview]]]) -> None:
        for project, slides in items:
            before, self.project = self.project, project
            ids = [one.id for one in project.slides]
            if before is None or before.folder != project.folder or ids != [*self.slides]:
                # what comes first is all of them
                self.slides = {one.entry.id: one for one in slides}
                self.opened.emit()
            else:
                self.take(slides)

    def _ended(self, ending: Ending) -> None:
        self._job = None
        if ending.how is How.FAILED:
            self.said.emit(Message(ending.message, Tone.ERROR, ending.details))
        self.ended.emit()
        if self._again:
            self._again = False
            self.look_again()


def _read(path: Path, known: dict[str, dict[str, Any]]) -> Iterator[tuple[Project, list[Overview]]]:
    project = open_project(project_folder(path))
    for slides in overviews(project, known):
        yield project, slides
