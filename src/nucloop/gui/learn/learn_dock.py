"""The Learn dock: one button, what it would gain and change, and all versions that were learned."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from qtpy.QtCore import Qt, QTimer
from qtpy.QtWidgets import QFileDialog, QPushButton, QVBoxLayout, QWidget

from nucloop.gui.canvas.dock import Dock
from nucloop.gui.correct.correcting import Correcting
from nucloop.gui.learn.head_list import HeadList
from nucloop.gui.learn.learn_controls import LearnControls, MethodChoice
from nucloop.gui.learn.learning import Learning
from nucloop.gui.learn.lesson_panel import LessonPanel
from nucloop.gui.learn.outline_part import OutlinePart
from nucloop.gui.learn.tuning_curve import TuningCurve
from nucloop.gui.widgets.dock_layout import line, section, show_scrolled
from nucloop.gui.widgets.messages import Message, MessageLine
from nucloop.gui.widgets.undo_bar import UndoBar
from nucloop.models.files.foundation import foundation_models

if TYPE_CHECKING:
    import napari

    from nucloop.learning.session_heads import Version
    from nucloop.learning.steps import PreparedLesson
    from nucloop.learning.tuning import Epoch

__all__ = ["LearnDock"]

SHOW_PAUSE_MS = 150
"""Counting who said what goes over all nuclei: several edits are shown at once."""


class LearnDock(Dock):
    """The dock widget; reads its fields, calls the Learning of its viewer, shows the result.

    Parameters
    ----------
    napari_viewer : napari.Viewer
        Given by napari.
    """

    def __init__(self, napari_viewer: napari.Viewer) -> None:
        super().__init__(napari_viewer)
        self.learning = Learning.of(self.viewer)
        self.correcting = Correcting.of(self.viewer)
        self._build()
        self._connect()
        self.restyle()
        self._lesson_changed(self.learning.ready)
        self.controls.show_running(self.learning.running)
        self._show()

    def learn(self) -> None:
        """Do what the button does: learn from what was said until now."""
        self.messages.say(None)
        self.learning.learn(self.method.choice)

    def _build(self) -> None:
        self.controls = LearnControls()
        self.curve = TuningCurve()
        self.curve.setVisible(False)
        self.messages = MessageLine()
        self.lesson = LessonPanel()
        self.undo = UndoBar()
        self.heads = HeadList()
        self.method = MethodChoice()
        self.more = section("More", self.method)
        self.outlines = OutlinePart(self.viewer)
        inside = QWidget()
        column = QVBoxLayout(inside)
        column.setContentsMargins(12, 10, 12, 10)
        column.setSpacing(10)
        for widget in (self.controls, self.curve, self.messages, self.lesson, self.more, self.undo):
            column.addWidget(widget)
        for widget in (line(), self.outlines, line(), self.heads):
            column.addWidget(widget)
        column.addStretch()
        show_scrolled(self, inside)
        for button in self.findChildren(QPushButton):
            # a click here leaves the keyboard with the slide
            button.setFocusPolicy(Qt.FocusPolicy.TabFocus)

    def _connect(self) -> None:
        learning = self.learning
        self.controls.learn_clicked.connect(self.learn)
        self.controls.cancel_clicked.connect(learning.cancel)
        self.lesson.apply_clicked.connect(self._apply)
        self.lesson.discard_clicked.connect(learning.discard)
        self.method.encoder_chosen.connect(self._encoder_chosen)
        self.method.changed.connect(self._show_later)
        self.heads.use_clicked.connect(self._use)
        self.heads.compare_clicked.connect(learning.compare)
        self.heads.export_clicked.connect(self._export)
        self.heads.import_clicked.connect(self._import)
        self.undo.said.connect(self.messages.say)
        self.outlines.said.connect(self.messages.say)
        self._show_timer = QTimer(self)
        self._show_timer.setSingleShot(True)
        self._show_timer.timeout.connect(self._show)
        self.correcting.changed.connect(self._show_later)
        learning.started.connect(self._started)
        learning.progressed.connect(self.controls.show_progress)
        learning.tuned.connect(self._tuned)
        learning.learned.connect(self._lesson_changed)
        learning.listed.connect(self._show_heads)
        learning.said.connect(self.messages.say)
        learning.stopped.connect(self._stopped)

    def _show_later(self) -> None:
        if not self._show_timer.isActive():
            self._show_timer.start(SHOW_PAUSE_MS)

    def _show(self) -> None:
        self.controls.show_answers(self.learning.answers(imported=self.method.imported.isChecked()))
        nuclei = self.learning.nuclei
        self.undo.show_session(None if nuclei is None else nuclei.session)
        self._show_heads()

    def _show_heads(self) -> None:
        heads = self.learning.heads
        versions = [] if heads is None else heads.versions()
        self.heads.setVisible(bool(heads))
        self.heads.show_versions(versions, None if heads is None else heads.current())
        tuned = [version for version in versions if version.tuning_sha256]
        self.method.show_encoders(["embedded", *foundation_models()], tuned)

    def _started(self) -> None:
        self.curve.clear()
        self.curve.setVisible(False)
        self.controls.show_running(True)

    def _tuned(self, epoch: Epoch) -> None:
        self.curve.setVisible(True)
        self.curve.add(epoch)

    def _lesson_changed(self, ready: PreparedLesson | None) -> None:
        self.lesson.show_lesson(None if ready is None else ready.lesson)

    def _stopped(self) -> None:
        self.controls.show_running(False)
        self._show()

    def _apply(self) -> None:
        self.messages.say(None)
        ready = self.learning.ready
        self.learning.apply()
        if ready is not None and ready.tuning is not None and self.learning.heads is not None:
            self._show_heads()
            self.method.choose_encoder(self.learning.heads.versions()[-1])

    def _use(self, version: Version | None) -> None:
        self.messages.say(None)
        self.learning.use(version)
        self.method.choose_encoder(version)

    def _encoder_chosen(self) -> None:
        """Fit a head to the features of another encoder, if there is anything to fit it to."""
        said = self.learning.answers(imported=self.method.imported.isChecked())
        if said.total:
            self.learn()
        else:
            self.messages.say(Message("This encoder is used the next time you learn."))

    def _export(self, version: Version) -> None:
        name, _ = QFileDialog.getSaveFileName(
            self, "Export a head", f"version-{version.number}.safetensors", "Weights (*.safetensors)"
        )
        if name:
            self.learning.export(version, Path(name).with_suffix(".safetensors"))

    def _import(self) -> None:
        name, _ = QFileDialog.getOpenFileName(self, "Import a head", "", "Weights (*.safetensors)")
        if name:
            self.messages.say(None)
            self.learning.take_in(Path(name), self.method.choice)
