"""The Project dock: the slides of a cohort as a list, opened, worked on in the background, marked, tagged, exported."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from qtpy.QtCore import QPoint, Qt
from qtpy.QtWidgets import QDialog

from nucloop.cohort.marks import IN_REVIEW, READ
from nucloop.gui.canvas.dock import Dock
from nucloop.gui.canvas.view import image_layers
from nucloop.gui.correct.correcting import Correcting
from nucloop.gui.napari_private.parts import window_of
from nucloop.gui.project.bringing import Bringing
from nucloop.gui.project.new_project import PURPOSE, NewProject
from nucloop.gui.project.project_asking import ask_project, ask_table, ask_tags, ask_what
from nucloop.gui.project.project_parts import ProjectParts
from nucloop.gui.project.project_reading import ProjectReading
from nucloop.gui.project.project_run import ProjectRun
from nucloop.gui.project.project_work import ProjectWork
from nucloop.gui.project.slide_following import SlideFollowing
from nucloop.gui.project.slide_keys import SlideKeys
from nucloop.gui.project.slide_opening import SlideOpening
from nucloop.gui.widgets.deferred import DeferredCall
from nucloop.gui.widgets.fitted_words import literally
from nucloop.gui.widgets.messages import Message
from nucloop.gui.widgets.own_settings import own_settings
from nucloop.gui.widgets.place_field import is_folder, remember_folder
from nucloop.session.people import person

if TYPE_CHECKING:
    import napari
    from napari.layers import Image
    from qtpy.QtGui import QResizeEvent

    from nucloop.cohort.overview import Overview
    from nucloop.gui.sessions.session_places import Answer

__all__ = ["ProjectDock"]

WIDE_PIXELS = 560
_LAST = "project/last"


class ProjectDock(Dock):
    """The dock widget; asks ProjectReading, ProjectWork and SlideOpening, and shows the list.

    Parameters
    ----------
    napari_viewer : napari.Viewer
        Given by napari.
    """

    def __init__(self, napari_viewer: napari.Viewer) -> None:
        super().__init__(napari_viewer)
        self.correcting = Correcting.of(self.viewer)
        self.sessions = self.correcting.sessions
        self.reading, self.run = ProjectReading.of(self.viewer), ProjectRun.of(self.viewer)
        self.work = ProjectWork(self.reading, self.run, self)
        self.opening = SlideOpening(self.viewer, self.reading, self)
        self.following = SlideFollowing(self.sessions, self.reading, self.opening, self)
        self.bringing = Bringing(self.sessions, self.opening, self.run, self)
        self.parts = ProjectParts(self)
        self._folder: Path | None = None
        acts = {
            "next slide": lambda: self.step(+1),
            "previous slide": lambda: self.step(-1),
            "slide done": self.done_and_next,
        }
        self.keys = SlideKeys(window_of(self.viewer), self.correcting, acts, self)
        self._connect()
        self.restyle()
        self._project_opened()

    @property
    def messages(self) -> object:
        """The line in which the dock speaks."""
        return self.parts.messages

    def _connect(self) -> None:
        parts, reading, work, opening = self.parts, self.reading, self.work, self.opening
        self.counting = DeferredCall(self._show_state, self)
        self.following.looked.connect(self._show_current)
        self.correcting.changed.connect(self._show_keys)
        reading.opened.connect(self._project_opened)
        reading.looked.connect(self._looked)
        reading.ended.connect(self._read)
        work.run_ended.connect(self.bringing.say_last)
        for speaker in (reading, work, opening, self.bringing):
            speaker.said.connect(parts.messages.say)
        opening.opened.connect(self._slide_opened)
        work.progressed.connect(parts.progress.show_done)
        work.busy_changed.connect(self._show_busy)
        work.found.connect(self._found)
        parts.progress.cancel_clicked.connect(work.stop)
        parts.empty.new.clicked.connect(self.ask_new)
        parts.empty.open.clicked.connect(self.ask_open)
        parts.empty.last.clicked.connect(lambda: self.open(Path(parts.empty.last.toolTip())))
        parts.filter.changed.connect(self._filter)
        parts.rows.opened.connect(self.open_slide)
        parts.rows.selection_changed.connect(self.counting.ask)
        parts.rows.setContextMenuPolicy(Qt.ContextMenuPolicy.CustomContextMenu)
        parts.rows.customContextMenuRequested.connect(self._ask_what)
        parts.run.clicked.connect(self.start)
        parts.bar.back.clicked.connect(lambda: self.step(-1))
        parts.bar.forth.clicked.connect(lambda: self.step(+1))
        parts.bar.open.clicked.connect(self._open_selected)
        parts.bar.marked.connect(self.mark)
        parts.bar.tag.clicked.connect(self._ask_tags)
        parts.menu.new_chosen.connect(self.ask_new)
        parts.menu.open_chosen.connect(self.ask_open)
        parts.menu.look_chosen.connect(reading.look_again)
        parts.menu.table_chosen.connect(self._ask_table)
        parts.menu.sort_chosen.connect(parts.rows.sort_by)
        parts.question.answered.connect(self._answered)

    # what a person asks for

    def open(self, path: Path) -> None:
        """Open a project by its folder, or by anything in it."""
        self.parts.messages.say(None)
        self.reading.open(path)

    def open_slide(self, slide: str) -> None:
        """Show a slide with its session."""
        one = self.reading.slides.get(slide)
        if self.reading.project is not None and one is not None:
            self.parts.rows.select([slide])
            self.opening.open(self.reading.project, one)

    def _open_selected(self) -> None:
        for slide in self.parts.rows.selected[:1]:
            self.open_slide(slide)

    def step(self, by: int) -> None:
        """Show the next slide of the list as it is filtered and sorted, or the one before."""
        model = self.parts.model
        if not model.shown:
            self.parts.messages.say(Message("No project is open, or no slide is in its list."))
            return
        last = self.opening.target if self.opening.busy else model.current or self.opening.target
        at = model.row_of(last)
        row = (0 if by > 0 else len(model.shown) - 1) if at is None else at + by
        if 0 <= row < len(model.shown):
            self.open_slide(model.shown[row].entry.id)
        else:
            self.parts.messages.say(Message(f"This is the {'last' if by > 0 else 'first'} slide of the list."))

    def mark(self, state: str, slides: list[str] | None = None) -> bool:
        """Say how far the selected slides are, or the one on screen where none is selected."""
        chosen = self._meant() if slides is None else slides
        if not chosen:
            self.parts.messages.say(Message("Select slides in the list first."))
            return False
        return self.work.mark(chosen, state, self.sessions.author or person())

    def done_and_next(self) -> None:
        """Say that the slide on screen is done, and show the next one."""
        current = self.parts.model.current
        if not current:
            self.parts.messages.say(Message("The slide on screen is none of the project's."))
        elif self.mark(READ, [current]):
            self.step(+1)

    def start(self) -> None:
        """Run on the selected slides; on all that are not done where at most one is selected."""
        chosen = self.parts.rows.selected
        self._start(chosen if len(chosen) > 1 else None)

    def _start(self, slides: list[str] | None) -> None:
        here = [one.id for one in map(self.opening.entry_of, image_layers(self.viewer)) if one is not None]
        self.work.start(slides, here)

    def ask_new(self) -> None:
        """Ask for slides and a folder, and make a project."""
        dialog = NewProject(self.viewer.theme, self)
        if dialog.exec() == QDialog.DialogCode.Accepted:
            slides, folder = dialog.slides.path, dialog.folder.path
            assert slides is not None
            assert folder is not None
            self.work.make(slides, folder, dialog.settings, dialog.resolution)

    def ask_open(self) -> None:
        """Ask for the folder of a project, and open it."""
        chosen = ask_project(self)
        if chosen is not None:
            self.open(chosen)

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Show all columns where there is room."""
        self.parts.rows.lay_out(self.width() >= WIDE_PIXELS)
        super().resizeEvent(event)

    def taken_out(self) -> None:
        """Stop reading; a run goes on."""
        self.opening.close()
        self.following.close()
        self.keys.close()
        self.parts.thumbnails.clear()

    # what has happened

    def _project_opened(self) -> None:
        project = self.reading.project
        self.parts.body.setVisible(project is not None)
        self.parts.empty.setVisible(project is None)
        last = str(own_settings().value(_LAST, ""))
        self.parts.empty.last.setVisible(bool(last) and is_folder(Path(last)))
        self.parts.empty.last.setText(f"Open {literally(Path(last).name)}")
        self.parts.empty.last.setToolTip(last)
        folder = None if project is None else project.folder
        if folder != self._folder:
            # stepping begins at the list's ends, not where it was in another project
            self._folder = folder
            self.opening.forget()
        if project is not None:
            self.parts.thumbnails.clear()
            self.parts.name.setText(project.folder.name)
            self.parts.name.setToolTip(str(project.folder))
            self.parts.menu.report = project.folder / "report.html"
            self.parts.model.show_slides(self.reading.slides.values())
            own_settings().setValue(_LAST, str(project.folder))
            remember_folder(project.folder.parent, PURPOSE)
        self._show_busy()
        self.following.ask()

    def _found(self, slide: str) -> None:
        project, one = self.reading.project, self.reading.slides.get(slide)
        if project is not None and one is not None:
            self.bringing.bring(project, one.entry)

    def _looked(self, slides: list[Overview]) -> None:
        self.parts.model.update(slides)
        self.counting.ask()

    def _read(self) -> None:
        # by figures that have come only now
        if not self.run.running and (self.parts.model.by or self.parts.model.words):
            self.parts.model.refresh()
        self.counting.ask()

    def _slide_opened(self, image: Image) -> None:
        entry, project = self.opening.entry_of(image), self.reading.project
        if project is not None and entry is not None and (result := self.reading.slides[entry.id].state.folder):
            # it was open already when that came, from here or another computer
            self.bringing.bring(project, entry, result)
        self.correcting.focus()
        self.following.ask()

    def _show_current(self) -> None:
        """Mark the slide that is on screen, and ask what there is to ask about its session."""
        image, slide = self.sessions.current.image, self.following.slide
        self.parts.question.ask(self.sessions.trouble_with(image) if slide else None)
        if slide != self.parts.model.current:
            self.parts.model.show_current(slide)
        self.counting.ask()

    def _answered(self, answer: Answer, folder: Path | None) -> None:
        image = self.sessions.current.image
        if image is not None:
            self.sessions.answer(image, answer, folder)
            self.sessions.open(image)
            self.following.ask()

    def _filter(self) -> None:
        row = self.parts.filter
        self.parts.model.filter(row.words.text(), row.stages.currentData() or "", row.tags.currentData() or "")
        self._show_state()

    def _show_busy(self) -> None:
        self.parts.progress.show_running(self.work.running, "Working …")
        self.parts.menu.exporting = self.work.exporting
        self._show_state()

    def _show_state(self) -> None:
        if self.reading.project is not None:
            self.parts.show_slides(list(self.reading.slides.values()), running=self.work.running)
            self._show_keys()

    def _show_keys(self) -> None:
        bar, keys = self.parts.bar, self.keys
        for button, words, name in (
            (bar.back, "Previous slide of the list", "previous slide"),
            (bar.forth, "Next slide of the list", "next slide"),
        ):
            button.setToolTip(f"{words} ({keys.written(name)})" if keys.written(name) else words)

    def _ask_table(self) -> None:
        path = None if self.reading.project is None else ask_table(self, self.reading.project)
        if path is not None:
            self.work.export(path, list(self.parts.model.shown))

    def _ask_tags(self) -> None:
        chosen = self._meant()
        sets = [set(self.reading.slides[one].mark.tags) for one in chosen]
        common = sorted(set.intersection(*sets)) if sets else []
        wanted = ask_tags(self, len(chosen), common)
        if wanted is not None:
            self.work.tag(chosen, wanted, set(common) - set(wanted))

    def _ask_what(self, place: QPoint) -> None:
        """Show what can be done with the slide under the mouse, and with others that are selected."""
        chosen = self.parts.rows.selected
        if not chosen:
            return
        many = f"on {len(chosen):,} slides" if len(chosen) > 1 else "on this slide"
        acts = (
            ("Open", self._open_selected),
            (f"Run {many}", lambda: self._start(chosen)),
            ("Done", lambda: self.mark(READ)),
            ("In review", lambda: self.mark(IN_REVIEW)),
            ("Tag …", self._ask_tags),
        )
        ask_what(self, self.parts.rows.viewport().mapToGlobal(place), acts)

    def _meant(self) -> list[str]:
        """Return the slides that a person means: the selected ones, else the one on screen."""
        current = self.parts.model.current
        return self.parts.rows.selected or ([current] if current else [])
