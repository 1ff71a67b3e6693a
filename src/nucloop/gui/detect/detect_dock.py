"""The Detect dock: one button, what it found, and how that is shown."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QTimer
from qtpy.QtWidgets import QLabel, QPushButton, QVBoxLayout, QWidget

from nucloop.errors import NucLoopError
from nucloop.gui.canvas.dock import Dock
from nucloop.gui.canvas.docks import CORRECT_SHORTCUT, bind_shortcuts, correct_nuclei
from nucloop.gui.canvas.drawn_regions import draw_regions, regions_layer
from nucloop.gui.canvas.layer_slide import mpp_of_layer, slide_of_layer, was_said
from nucloop.gui.canvas.view import image_layers, view_centre
from nucloop.gui.correct.correcting import Correcting
from nucloop.gui.detect.beforehand import loading_steps, use_units
from nucloop.gui.detect.detect_controls import SCOPE_WORDS, DetectControls
from nucloop.gui.detect.detection import Detection, DetectionScope
from nucloop.gui.detect.model_choice import ModelChoice
from nucloop.gui.detect.nuclei_panel import NucleiPanel
from nucloop.gui.detect.pipelines import Offer, loaded_pipeline
from nucloop.gui.detect.region_row import RegionRow
from nucloop.gui.detect.resolution import ResolutionQuestion
from nucloop.gui.detect.resolution_crop import crop_steps
from nucloop.gui.detect.welcome import Welcome, scope_hint
from nucloop.gui.files.dialogs import open_export, open_import
from nucloop.gui.napari_private.view_state import view_events_of
from nucloop.gui.sessions.kept_regions import KeptRegions
from nucloop.gui.sessions.session_question import SessionQuestion
from nucloop.gui.widgets.dock_layout import line, section, show_scrolled
from nucloop.gui.widgets.jobs import Ending, How, Job
from nucloop.gui.widgets.messages import Message, MessageLine, Tone
from nucloop.gui.widgets.undo_bar import UndoBar

if TYPE_CHECKING:
    from pathlib import Path

    import napari
    from napari.layers import Image

    from nucloop.detection.spec import PipelineSpec
    from nucloop.gui.sessions.session_places import Answer

__all__ = ["DetectDock"]

VIEW_PAUSE_MS = 120
FRAME_MS = 40
"""Longer than the canvas waits to be drawn once an image has come."""


class DetectDock(Dock):
    """The dock widget; reads its fields, calls the Detection of its viewer, shows the result.

    Parameters
    ----------
    napari_viewer : napari.Viewer
        Given by napari.
    """

    LOADING = "Loading the models …"

    def __init__(self, napari_viewer: napari.Viewer) -> None:
        super().__init__(napari_viewer)
        self.detection = Detection.of(self.viewer)
        self.sessions = self.detection.sessions
        # undo and the other keys of the nuclei layer work without the Correct dock
        self.correcting = Correcting.of(self.viewer)
        self.regions = KeptRegions.of(self.viewer)
        self._loading: Job | None = None
        self._detect_after_answer = False
        self._build()
        self._connect()
        self._images_changed()
        self.restyle()
        bind_shortcuts(self.viewer)
        self._load_models()

    @property
    def choice(self) -> PipelineSpec:
        """What is to run: the models under More, and outlines if they are wanted."""
        return replace(self.models.choice, outlines=self.controls.outlines.isChecked())

    def detect(self) -> None:
        """Do what the button does: detect nuclei in the chosen scope of the chosen image."""
        image = self.controls.image
        if self.detection.running:
            return
        if image is None:
            self.messages.say(Message("No image is open. Open a slide first.", Tone.WARNING))
            return
        self.messages.say(None)
        try:
            if mpp_of_layer(image) is None:
                # an image that cannot be read at all is refused before anything is asked about it
                slide_of_layer(image).close()
                self._ask_resolution(image, detect=True)
                return
            if self.trouble.isVisible() and self.sessions.session_of(image) is not None:
                raise NucLoopError("Answer the question about the resolution first.")
            self.detection.start(image, self.controls.scope, self.choice)
        except NucLoopError as error:
            self.messages.say(Message(str(error), Tone.WARNING))

    def _build(self) -> None:
        self.welcome = Welcome()
        self.controls = DetectControls()
        self.region = RegionRow()
        self.question = ResolutionQuestion()
        self.trouble = SessionQuestion()
        self.messages = MessageLine()
        self.nuclei = NucleiPanel()
        self.models = ModelChoice()
        self.device = QLabel()
        self.device.setObjectName("NucloopDim")
        self.device.setWordWrap(True)
        self.undo = UndoBar()
        self.correct = QPushButton()
        self.correct.setToolTip(f"Opens the Correct dock ({CORRECT_SHORTCUT})")
        self.kept = QLabel()
        self.kept.setObjectName("NucloopDim")
        self.kept.setWordWrap(True)
        self.more = section("More", self.models)
        self._found = QWidget()
        found = QVBoxLayout(self._found)
        found.setContentsMargins(0, 0, 0, 0)
        found.setSpacing(10)
        for widget in (line(), self.nuclei, self.correct, self.undo, line(), self.more, self.device, self.kept):
            found.addWidget(widget)
        inside = QWidget()
        column = QVBoxLayout(inside)
        column.setContentsMargins(12, 10, 12, 10)
        column.setSpacing(10)
        for widget in (
            self.welcome,
            self.controls,
            self.region,
            self.question,
            self.trouble,
            self.messages,
            self._found,
        ):
            column.addWidget(widget)
        column.addStretch()
        show_scrolled(self, inside)

    def _connect(self) -> None:
        self.welcome.sample_clicked.connect(self._open_sample)
        self.controls.detect_clicked.connect(self.detect)
        self.controls.cancel_clicked.connect(self.detection.cancel)
        self.controls.draw_clicked.connect(self._draw)
        self.controls.scope_changed.connect(self._show_hint)
        self.controls.image_changed.connect(self._image_chosen)
        self.controls.resolution_clicked.connect(self._change_resolution)
        self.question.answered.connect(self._resolution_answered)
        self.models.changed.connect(self._load_models)
        self.controls.outlines_changed.connect(self._load_models)
        self.controls.outlines_changed.connect(self._show_nuclei)
        self.detection.started.connect(self._run_started)
        self.detection.progressed.connect(self.controls.show_progress)
        self.detection.said.connect(self.messages.say)
        self.detection.stopped.connect(self._run_stopped)
        self.sessions.changed.connect(self._show_nuclei)
        self.correcting.keys_changed.connect(self._show_nuclei)
        self.sessions.current.changed.connect(self._images_changed)
        self.sessions.current.left.connect(lambda: self.messages.say(None))
        self.sessions.said.connect(self.messages.say)
        self.undo.said.connect(self.messages.say)
        self.nuclei.export_clicked.connect(lambda: open_export(self.viewer))
        self.nuclei.import_clicked.connect(lambda: open_import(self.viewer))
        self.correct.clicked.connect(lambda: correct_nuclei(self.viewer))
        self.trouble.answered.connect(self._trouble_answered)
        self._hint_timer = QTimer(self)
        self._hint_timer.setSingleShot(True)
        self._hint_timer.timeout.connect(self._show_hint)
        # a layer cannot be added while napari still adds another, and the slide is drawn first: each takes its time
        self._prepare_timer = QTimer(self)
        self._prepare_timer.setSingleShot(True)
        self._prepare_timer.timeout.connect(self._prepare)
        layers = self.viewer.layers.events
        for signal in (layers.inserted, layers.removed, layers.reordered):
            signal.connect(self._images_changed)
        for signal in (*view_events_of(self.viewer), layers.inserted):
            signal.connect(self._hint_later)

    def _images_changed(self, event: object = None) -> None:
        images = image_layers(self.viewer)
        self.welcome.setVisible(not images)
        self.controls.setVisible(bool(images))
        self._found.setVisible(bool(images))
        self.controls.show_images(images, self.sessions.current.image)

    def _image_chosen(self) -> None:
        image = self.controls.image
        if image is not None and image is not self.sessions.current.image:
            self.sessions.current.choose(image)
        self.question.setVisible(False)
        self._prepare_timer.start(FRAME_MS)
        self._show_nuclei()
        self._hint_later()

    def _show_nuclei(self) -> None:
        nuclei = self.detection.nuclei_of(self.controls.image)
        waiting = nuclei is not None and not len(nuclei.session) and not self.detection.running
        if nuclei is None or waiting:
            self.nuclei.show_nuclei(None)
        else:
            self.nuclei.show_nuclei(nuclei, self.correcting.class_keys(nuclei.session.scheme))
        if nuclei is not None:
            nuclei.outlines.wanted = self.controls.outlines.isChecked()
        self.correct.setText("Choose classes …" if waiting else "Correct them …")
        self.correct.setVisible(nuclei is not None)
        self.undo.show_session(None if nuclei is None else nuclei.session)
        self.trouble.ask(self.sessions.trouble_with(self.controls.image))
        self.kept.setText(self.sessions.note_on(self.controls.image))
        self.kept.setVisible(bool(self.kept.text()))

    def _prepare(self) -> None:
        """Do beforehand what the first click would otherwise wait for."""
        if self.controls.image is not None:
            self.detection.prepare(self.controls.image, self.choice)

    def _run_started(self) -> None:
        # hover shows what a nucleus is; the person's own settings stay as they are
        self.viewer.tooltip.visible = True
        self.controls.show_running(True)

    def _run_stopped(self, ending: Ending) -> None:
        self.controls.show_running(False)
        self._show_device()

    def _draw(self, tool: str) -> None:
        if self.controls.image is not None:
            layer = draw_regions(self.viewer, self.controls.image, tool)
            layer.events.data.disconnect(self._hint_later)
            layer.events.data.connect(self._hint_later)
            self._show_hint()

    def _change_resolution(self) -> None:
        if self.question.isVisible():
            # pressed again: never mind
            self.question.setVisible(False)
        elif self.controls.image:
            self._ask_resolution(self.controls.image, detect=False)

    def _ask_resolution(self, image: Image, *, detect: bool) -> None:
        self._detect_after_answer = detect
        centre = view_centre(self.viewer, image)
        self.question.ask(image.name, mpp_of_layer(image), lambda: crop_steps(image, centre))

    def _resolution_answered(self, mpp: float) -> None:
        self.question.setVisible(False)
        image = self.controls.image
        if image is None:
            return
        self.sessions.say_resolution(image, mpp)
        self._prepare_timer.start(FRAME_MS)
        self._hint_later()
        if self._detect_after_answer:
            self._detect_after_answer = False
            self.detect()

    def _hint_later(self, event: object = None) -> None:
        self._hint_timer.start(VIEW_PAUSE_MS)

    def _show_hint(self) -> None:
        image = self.controls.image
        self.controls.hint.setText("" if image is None else scope_hint(self.viewer, image, self.controls.scope))
        self.nuclei.show_scope(SCOPE_WORDS[self.controls.scope])
        self.controls.resolution.setVisible(image is not None and was_said(image))
        layer = None if image is None else regions_layer(self.viewer, image)
        self.region.show_layer(layer, self.controls.scope is DetectionScope.REGION)

    def _trouble_answered(self, answer: Answer, folder: Path | None) -> None:
        if self.controls.image is not None:
            self.sessions.answer(self.controls.image, answer, folder)
            self._prepare()
            self._show_nuclei()
            self._hint_later()

    def _load_models(self) -> None:
        """Load the chosen models in the background, so that the first click does not wait for them."""
        choice = self.choice
        self.device.setText(self.LOADING)
        self._loading = Job(lambda: loading_steps(choice), self)
        self._loading.items.connect(self._offer_found)
        self._loading.ended.connect(self._models_loaded)
        self._loading.start()

    def _offer_found(self, items: list[Any]) -> None:
        for item in items:
            if isinstance(item, Offer):
                self.models.show_offer(item)
            else:
                use_units(item)

    def _models_loaded(self, ending: Ending) -> None:
        if ending.how is How.FAILED:
            self.messages.say(Message(ending.message, Tone.ERROR, ending.details))
        self._prepare_timer.start(FRAME_MS)
        self._show_device()

    def _show_device(self) -> None:
        pipeline = loaded_pipeline(self.choice)
        self.device.setText(f"Runs on {pipeline.device}" if pipeline else "")

    def _open_sample(self) -> None:
        self.viewer.open_sample("napari-nucloop", "ki67")
