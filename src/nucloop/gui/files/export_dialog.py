"""The export dialog: nuclei to a file, or a training set; written in the background, then shown where it lies."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QTimer, QUrl
from qtpy.QtGui import QDesktopServices
from qtpy.QtWidgets import (
    QDialog,
    QHBoxLayout,
    QLabel,
    QProgressBar,
    QPushButton,
    QSizePolicy,
    QTabWidget,
    QVBoxLayout,
    QWidget,
)

from nucloop.errors import NucLoopError
from nucloop.export.build import ExportProgress
from nucloop.gui.files.dataset_page import DatasetPage
from nucloop.gui.files.export_page import FilePage
from nucloop.gui.napari_private.view_state import camera_of
from nucloop.gui.widgets.appearance import style_sheet
from nucloop.gui.widgets.jobs import Ending, How, Job
from nucloop.gui.widgets.messages import Message, MessageLine, Tone

if TYPE_CHECKING:
    from pathlib import Path

    from napari.layers import Image

    from nucloop.gui.layer.nuclei_layer import NucleiLayer
    from nucloop.gui.sessions.open_sessions import OpenSessions

__all__ = ["ExportDialog"]

PAUSE_MS = 250


class ExportDialog(QDialog):
    """Stays open beside the window, so that a person can move the view or draw regions meanwhile.

    Parameters
    ----------
    nuclei : NucleiLayer
        What is exported.
    sessions : OpenSessions
        The dialog closes with the session.
    """

    def __init__(self, nuclei: NucleiLayer, sessions: OpenSessions, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.nuclei = nuclei
        self._job: Job | None = None
        self._last: Any = None
        self._folder: Path | None = None
        self.setWindowTitle(f"Export – {nuclei.image.name}")
        self.file_page, self.dataset_page = FilePage(nuclei), DatasetPage(nuclei)
        self._fit_timer = QTimer(self)
        self._fit_timer.setSingleShot(True)
        self._fit_timer.timeout.connect(self._fit)
        self._build()
        self._refresh_timer = QTimer(self)
        self._refresh_timer.setSingleShot(True)
        self._refresh_timer.timeout.connect(self._refresh)
        nuclei.changed.connect(self._refresh_later)
        for event in self._view_events():
            event.connect(self._refresh_later)
        sessions.closing.connect(self._session_closing)
        self.file_page.format.activated.connect(lambda _: self._forget_result())
        self._page_changed()

    @property
    def page(self) -> FilePage | DatasetPage:
        """What is chosen: a file, or a training set."""
        return self.tabs.currentWidget()

    @property
    def running(self) -> bool:
        """Whether something is being written."""
        return self._job is not None

    def _build(self) -> None:
        self.tabs = QTabWidget()
        self.tabs.addTab(self.file_page, "Nuclei")
        self.tabs.addTab(self.dataset_page, "Training set")
        self.tabs.currentChanged.connect(lambda _: self._page_changed())
        for page in (self.file_page, self.dataset_page):
            page.changed.connect(self._show_ready)
        self.progress = QProgressBar()
        self.progress.setObjectName("NucloopProgress")
        self.progress.setTextVisible(False)
        self.progress.hide()
        self.messages = MessageLine()
        self.reason = QLabel()
        self.reason.setObjectName("NucloopDim")
        self.reason.setWordWrap(True)
        self.start, self.cancel = QPushButton(), QPushButton("Cancel")
        self.folder, self.done = QPushButton("Open folder"), QPushButton("Close")
        self.start.setDefault(True)
        self.start.clicked.connect(self.export)
        self.cancel.clicked.connect(self._cancel)
        self.folder.clicked.connect(self._open_folder)
        self.done.clicked.connect(self.close)
        for button in (self.cancel, self.folder):
            button.hide()
        buttons = QHBoxLayout()
        buttons.setSpacing(6)
        buttons.addWidget(self.reason, 1)
        for button in (self.folder, self.cancel, self.start, self.done):
            buttons.addWidget(button)
        layout = QVBoxLayout(self)
        layout.setSpacing(10)
        for widget in (self.tabs, self.progress, self.messages):
            layout.addWidget(widget)
        layout.addLayout(buttons)
        self.setStyleSheet(style_sheet(self.nuclei.viewer.theme))
        self.setMinimumWidth(520)

    def export(self) -> None:
        """Do what the button says."""
        if self.running or self.page.missing:
            return
        self._forget_result()
        try:
            steps = self.page.steps()
        except NucLoopError as error:
            self.messages.say(Message(str(error), Tone.ERROR))
            return
        self._last = None
        self._job = Job(steps, self)
        self._job.items.connect(self._progressed)
        self._job.ended.connect(self._ended)
        self._show_running(True)
        self._job.start()

    def _progressed(self, items: list[Any]) -> None:
        self._last = items[-1]
        if isinstance(self._last, ExportProgress):
            self.progress.setRange(0, self._last.total)
            self.progress.setValue(self._last.done)

    def _ended(self, ending: Ending) -> None:
        self._job = None
        self._show_running(False)
        if ending.how is How.FAILED:
            self.messages.say(Message(ending.message, Tone.ERROR, ending.details))
        elif ending.how is How.CANCELLED or self._last is None:
            self.messages.say(Message("Cancelled; nothing was written.", Tone.INFO))
        else:
            message, self._folder = self.page.result(self._last)
            self.messages.say(message)
            self.folder.show()
        # so that a file that is there now is said to be
        self._refresh()

    def _show_running(self, running: bool) -> None:
        self.progress.setRange(0, 0)
        self.progress.setVisible(running)
        self.cancel.setVisible(running)
        self.cancel.setEnabled(running)
        self.start.setVisible(not running)
        self.start.setDefault(not running)
        self.tabs.setEnabled(not running)

    def _fit(self) -> None:
        """Grow when the page says more than it has room for: tabs do not ask for it themselves."""
        layout = self.page.layout()
        layout.activate()
        lacking = layout.heightForWidth(self.page.width()) - self.page.height()
        if self.isVisible() and lacking > 0:
            self.resize(self.width(), self.height() + lacking)

    def _show_ready(self) -> None:
        missing = self.page.missing
        self.start.setText(self.page.BUTTON)
        self.start.setEnabled(not missing)
        self.reason.setText("" if self.running else missing)
        self._fit_timer.start(0)

    def _page_changed(self) -> None:
        self._forget_result()
        for page in (self.file_page, self.dataset_page):
            height = QSizePolicy.Policy.Preferred if page is self.page else QSizePolicy.Policy.Ignored
            page.setSizePolicy(QSizePolicy.Policy.Preferred, height)
        self._refresh()
        self.adjustSize()

    def _forget_result(self) -> None:
        self.messages.say(None)
        self.folder.hide()

    def _refresh(self) -> None:
        if not self.running and not self.nuclei.session.closed:
            self.page.refresh()
            if self.page is self.file_page:
                self.file_page.show_place()

    def _refresh_later(self, event: object = None) -> None:
        if self.isVisible():
            self._refresh_timer.start(PAUSE_MS)

    def _cancel(self) -> None:
        if self._job is not None:
            self._job.cancel()
            self.cancel.setEnabled(False)

    def _open_folder(self) -> None:
        if self._folder is not None:
            QDesktopServices.openUrl(QUrl.fromLocalFile(str(self._folder)))

    def _session_closing(self, image: Image) -> None:
        if image is self.nuclei.image:
            self.close()

    def _view_events(self) -> tuple[Any, ...]:
        camera = camera_of(self.nuclei.viewer).events
        return camera.zoom, camera.center

    def done_with(self) -> None:
        """Stop listening to the view."""
        for event in self._view_events():
            event.disconnect(self._refresh_later)

    def closeEvent(self, event: Any) -> None:
        """Stop what is being written; what is not whole is not there."""
        self._cancel()
        self.done_with()
        super().closeEvent(event)
        self.deleteLater()
