"""Opening a slide of a project in the window, with its session, and stepping from one to the next."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from weakref import ref

from napari.layers import Image
from qtpy.QtCore import QObject, Signal

from nucloop.cohort.bringing import add_missing_result
from nucloop.cohort.places import is_address
from nucloop.cohort.sessions import session_of
from nucloop.errors import DataError, NucLoopError, SlideError
from nucloop.gui.canvas.slide_layers import LayerData, image_layer_of, with_coarsest_read
from nucloop.gui.canvas.view import image_layers
from nucloop.gui.detect.detection import Detection
from nucloop.gui.sessions.open_sessions import OpenSessions
from nucloop.gui.widgets.jobs import Ending, How, Job
from nucloop.gui.widgets.messages import Message, Tone
from nucloop.session import PlaceNotWritable, SessionInUse
from nucloop.session.keeping.place import ELSEWHERE, require_writable
from nucloop.slides import open_slide

if TYPE_CHECKING:
    from collections.abc import Iterator

    import napari

    from nucloop.cohort.overview import Overview
    from nucloop.cohort.project import Project
    from nucloop.cohort.slide_entry import SlideEntry
    from nucloop.gui.project.project_reading import ProjectReading

__all__ = ["MOST_OPEN", "SlideOpening"]

MOST_OPEN = 3
"""So many slides that were opened from the list stay open; the one that was left first is closed, its session kept."""


@dataclass(frozen=True)
class _Prepared:
    layer: LayerData
    session: Path
    only_look: bool = False
    note: str = ""


class SlideOpening(QObject):
    """Opens slides in a viewer, one at a time."""

    said = Signal(object)
    """A Message; None takes back the one before."""
    opened = Signal(object)
    """An Image that is on screen now."""

    def __init__(self, viewer: napari.Viewer, reading: ProjectReading, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._viewer, self._reading = viewer, reading
        self._sessions = OpenSessions.of(viewer)
        self._job: Job | None = None
        self._kept: list[ref[Image]] = []
        self.target = ""
        """Id of the slide that is being opened, or was opened last."""

    @property
    def busy(self) -> bool:
        """Whether a slide is being opened."""
        return self._job is not None

    def open(self, project: Project, one: Overview) -> None:
        """Show a slide with its session; a slide that is still being opened is left."""
        self.close()
        self.target = one.entry.id
        self.said.emit(None)
        image = self._open_already(project, one.entry)
        if image is not None:
            self._show(image)
            return
        self._job = Job(lambda: _prepare(project, one), self)
        self._job.items.connect(lambda items: self._take(items[-1], one))
        self._job.ended.connect(self._ended)
        self._job.start()

    def close(self) -> None:
        """Leave what is being opened."""
        if self._job is not None:
            self._job.abandon()
            self._job = None

    def forget(self) -> None:
        """Leave what is being opened, and know no slide that was opened last: the project is another."""
        self.close()
        self.target = ""

    def entry_of(self, image: Image) -> SlideEntry | None:
        """Return the slide of the project that an image shows, if it shows one."""
        path = image.metadata.get("nucloop", {}).get("path")
        found = [] if not path else [one.entry for one in self._reading.slides.values() if one.entry.path == path]
        return next((entry for entry in found if shows(image, entry)), None)

    def image_of(self, entry: SlideEntry) -> Image | None:
        """Return the image that shows a slide; None where it is not open."""
        return next((image for image in image_layers(self._viewer) if shows(image, entry)), None)

    def _open_already(self, project: Project, entry: SlideEntry) -> Image | None:
        image = self.image_of(entry)
        session = self._sessions.session_of(image)
        if image is None or session is None or session.path is None:
            return image
        if session.path == session_of(project, entry) or session.path.parent == Path.home() / ELSEWHERE:
            return image
        # opened as a file, with a session that is not the project's: that stays as it is, beside the slide
        self._viewer.layers.remove(image)
        return None

    def _take(self, prepared: _Prepared, one: Overview) -> None:
        data, options, _ = prepared.layer
        image = Image(data, **options)
        self._sessions.keep_in(image, prepared.session, only_look=prepared.only_look)
        self._viewer.add_layer(image)
        self._sessions.open(image)
        self._kept = [kept for kept in self._kept if kept() is not None and kept() in self._viewer.layers]
        self._kept.append(ref(image))
        if prepared.note:
            self.said.emit(Message(prepared.note, Tone.WARNING))
        self._show(image)
        self._close_the_oldest()

    def _show(self, image: Image) -> None:
        self._sessions.current.choose(image)
        self.opened.emit(image)

    def _close_the_oldest(self) -> None:
        busy = Detection.of(self._viewer).image
        for kept in list(self._kept)[: -MOST_OPEN or None]:
            image = kept()
            if image is not None and image is not busy and image in self._viewer.layers:
                self._viewer.layers.remove(image)
                self._kept.remove(kept)

    def _ended(self, ending: Ending) -> None:
        self._job = None
        if ending.how is How.FAILED:
            self.said.emit(Message(ending.message, Tone.ERROR, ending.details))


def shows(image: Image, entry: SlideEntry) -> bool:
    """Whether an image shows a slide of a project."""
    about = image.metadata.get("nucloop", {})
    path = about.get("path")
    if not path or Path(path) != Path(entry.path):
        return False
    return not entry.image or str(about.get("image")) == entry.image


def _prepare(project: Project, one: Overview) -> Iterator[_Prepared]:
    """Open the file, and see that there is a session with what a run has found."""
    entry = one.entry
    if is_address(entry.path):
        raise DataError(f"{entry.path} is an address. Copy the slide to this computer to look at it.")
    if not Path(entry.path).exists():
        raise SlideError(
            f"{entry.id} is not where the project says: {entry.path}. Connect the disk it lies on or put it back, and "
            "open it again."
        )
    slide = open_slide(entry.path, mpp=entry.mpp, image=entry.image or None)
    place, only_look, note = _place(project, entry)
    if one.state.folder is not None and not only_look:
        try:
            add_missing_result(place, one.state.folder, slide)
        except SessionInUse:
            # that is asked about when the window opens it
            pass
        except NucLoopError as error:
            note = str(error)
    yield _Prepared(with_coarsest_read(image_layer_of(slide)), place, only_look, note)


def _place(project: Project, entry: SlideEntry) -> tuple[Path, bool, str]:
    """Return where the session is, whether it can only be looked at, and what a person should know of that."""
    place = session_of(project, entry)
    try:
        require_writable(place)
    except PlaceNotWritable:
        if place.exists():
            return place, True, f"{place.parent} is read-only, so {entry.id} is opened to look only."
        elsewhere = Path.home() / ELSEWHERE
        note = f"{project.folder.name} is read-only: what you do on {entry.id} is kept in {elsewhere}."
        return elsewhere / place.name, False, note
    return place, False, ""
