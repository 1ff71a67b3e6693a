"""A detection run in a viewer: what to detect, the job that does it, and what becomes of its nuclei."""

from __future__ import annotations

import time
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Any

import numpy as np
from qtpy.QtCore import QObject, Signal

from nucloop.detection.overlap import SAME_NUCLEUS_UM
from nucloop.errors import NucLoopError, RegionError
from nucloop.geometry import as_region, cut_out
from nucloop.gui.canvas.drawn_regions import drawn_regions, ignored_regions
from nucloop.gui.canvas.layer_slide import mpp_of_layer
from nucloop.gui.canvas.view import view_box, view_centre, whole_box
from nucloop.gui.detect.detection_steps import ModelsLoaded, detection_steps
from nucloop.gui.detect.detection_words import check_scheme, goes_on, last_word
from nucloop.gui.detect.pipelines import loaded_pipeline
from nucloop.gui.detect.unfinished import Unfinished, recall_unfinished
from nucloop.gui.napari_private.layer_list import follow_now
from nucloop.gui.napari_private.parts import one_of
from nucloop.gui.sessions.open_sessions import OpenSessions
from nucloop.gui.widgets.jobs import Ending, How, Job
from nucloop.gui.widgets.messages import Message, Tone
from nucloop.nuclei import Nuclei

if TYPE_CHECKING:
    from napari.components import ViewerModel
    from napari.layers import Image

    from nucloop.detection.pipeline import Pipeline, TileResult
    from nucloop.detection.spec import PipelineSpec
    from nucloop.geometry import Region
    from nucloop.gui.layer.nuclei_layer import NucleiLayer
    from nucloop.models.heads import LinearHead
    from nucloop.session import ModelRun
    from nucloop.slides import Box

__all__ = ["LARGEST_VIEW_MM2", "Detection", "DetectionProgress", "DetectionScope"]

LARGEST_VIEW_MM2 = 25.0
"""A larger view is asked about: nobody can look at its nuclei one by one."""
SOONEST_FORECAST_S = 1.0  # before this, a forecast of the time left would jump about


class DetectionScope(Enum):
    """What to detect."""

    VIEW = "view"
    REGION = "region"
    SLIDE = "slide"


@dataclass(frozen=True)
class DetectionProgress:
    """How far a run is."""

    done: int
    total: int
    new: int
    """Nuclei added so far."""
    seconds_left: float | None
    """None until it can be told."""


class Detection(QObject):
    """Runs detections in one viewer, one at a time; what they find goes into the session of the image.

    Parameters
    ----------
    viewer : napari viewer
        Where the images are.
    sessions : OpenSessions
        Of the same viewer.
    """

    progressed = Signal(object)
    """A DetectionProgress."""
    said = Signal(object)
    """A Message for the person."""
    started = Signal()
    stopped = Signal(object)
    """An Ending."""

    def __init__(self, viewer: ViewerModel, sessions: OpenSessions, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._viewer, self.sessions = viewer, sessions
        self._run: ModelRun | None = None
        self._job: Job | None = None
        self._image: Image | None = None
        self._pipeline: Pipeline | None = None
        self._head: LinearHead | None = None
        self._found = self._new = self._outlined = self._pale = 0
        self._began = 0.0
        self._unfinished: Unfinished | None = None
        self.message: Message | None = None
        sessions.closing.connect(self._session_closing)
        viewer.layers.events.removed.connect(self._layer_removed)

    @classmethod
    def of(cls, viewer: ViewerModel) -> Detection:
        """Return the one Detection of a viewer with a window: it outlives docks that are closed and opened again."""
        return one_of(viewer, cls, lambda keeper: cls(viewer, OpenSessions.of(viewer), keeper))

    @property
    def running(self) -> bool:
        """Whether a run is under way."""
        return self._job is not None

    @property
    def image(self) -> Image | None:
        """The image that is worked on; None while no run is under way."""
        return self._image

    @property
    def cancelling(self) -> bool:
        """Whether the run was told to stop."""
        return self._job is not None and self._job.cancelling

    def nuclei_of(self, image: Image | None) -> NucleiLayer | None:
        """Return the layer that shows an image's nuclei, if there is one."""
        return self.sessions.nuclei_of(image)

    def region_of(self, image: Image, scope: DetectionScope) -> list[Box | Region] | None:
        """Level-0 boxes and regions of a scope; None is the whole slide.

        Raises
        ------
        RegionError
            If there is nothing there, or a view is too large to be meant.
        """
        ignored = ignored_regions(self._viewer, image)
        if scope is DetectionScope.SLIDE:
            return _without(whole_box(image), ignored) if ignored else None
        if scope is DetectionScope.REGION:
            return list(drawn_regions(self._viewer, image))
        box = view_box(self._viewer, image)
        area = box.area * ((mpp_of_layer(image) or 0) / 1000) ** 2
        if area > LARGEST_VIEW_MM2:
            raise RegionError(
                f"This view covers {area:,.0f} mm². Zoom in to the field you want to see, or choose Whole slide."
            )
        return _without(box, ignored) if ignored else [box]

    def start(self, image: Image, scope: DetectionScope, choice: PipelineSpec) -> None:
        """Begin a run on an image whose resolution is known; results come through the signals.

        Raises
        ------
        NucLoopError
            If the scope is empty, or the image's nuclei have other classes than the chosen head gives.
        """
        regions = self.region_of(image, scope)
        pipeline = loaded_pipeline(choice)
        if pipeline is not None:
            check_scheme(self.nuclei_of(image), pipeline)
        self._image, self._pipeline = image, pipeline
        self._found = self._new = self._outlined = self._pale = 0
        self._began = time.monotonic()
        centre = view_centre(self._viewer, image)
        session = self.sessions.session_of(image)
        stopped = None if session is None else recall_unfinished(session)
        self._unfinished = None
        self._job = Job(lambda: detection_steps(image, regions, centre, choice, stopped), self, draws=True)
        self._job.items.connect(self._take)
        self._job.ended.connect(self._end)
        self._job.start()
        self.started.emit()
        if pipeline is not None:
            # adding a layer takes napari a moment: meanwhile the first tile is computed
            self._begin_nuclei(image, pipeline)

    def cancel(self) -> None:
        """Stop after the tile in hand; its nuclei and those before it stay."""
        if self._job is not None:
            self._job.cancel()

    def prepare(self, image: Image, choice: PipelineSpec) -> None:
        """Open the image's session and make its layer, so that the first nuclei do not wait for them.

        A slide that was worked on before shows its nuclei at once; a new one waits until the models are loaded, whose
        classes it begins with.
        """
        if self.running:
            return
        pipeline = loaded_pipeline(choice)
        self.sessions.open(image, None if pipeline is None else pipeline.scheme)

    def _begin_nuclei(self, image: Image, pipeline: Pipeline) -> bool:
        """Begin a model run in the image's session; False, and a word about it, when that is not possible."""
        nuclei = self.sessions.open(image, pipeline.scheme)
        if nuclei is not None and nuclei.session.scheme != pipeline.scheme and not nuclei.session.history(1):
            nuclei = self._begin_anew(image, pipeline)
        if nuclei is None:
            trouble = self.sessions.trouble_with(image)
            self._forget_run(Message(trouble.message if trouble else "The session is not open.", Tone.WARNING))
            return False
        # torch is there by now, with the models
        from nucloop.learning.session_heads import head_in_use, weights_in_use

        try:
            encoder = pipeline.encoder_sha256
            self._head = None if encoder is None else head_in_use(nuclei.session, encoder)
            weights = pipeline.weights | ({} if self._head is None else weights_in_use(nuclei.session))
            self._run = nuclei.session.begin_run(weights, SAME_NUCLEUS_UM / nuclei.mpp)
        except NucLoopError as error:
            self._forget_run(Message(str(error), Tone.WARNING))
            return False
        if self.sessions.current.image is image:
            if not nuclei.layer.visible:
                nuclei.layer.visible = True
            self._viewer.layers.selection.active = nuclei.layer
        self.sessions.changed.emit()
        follow_now(self._viewer)
        return True

    def _begin_anew(self, image: Image, pipeline: Pipeline) -> NucleiLayer | None:
        """Begin an untouched session again with other classes; that it is closed on the way ends no run."""
        self._image = None
        try:
            return self.sessions.begin_anew(image, pipeline.scheme)
        finally:
            self._image = image

    def _take(self, items: list[ModelsLoaded | TileResult]) -> None:
        tiles: list[TileResult] = []
        for item in items:
            if isinstance(item, ModelsLoaded):
                self._models_loaded(item)
            else:
                tiles.append(item)
        if self._image is None or self._run is None or not tiles:
            return
        try:
            self._enter(tiles, self._run, self._image)
        except NucLoopError as error:
            self._forget_run(Message(str(error), Tone.ERROR))
            return
        self._found, self._new, self._outlined = self._run.found, self._run.new, self._run.outlined
        self._pale += sum(tile.without_contrast for tile in tiles)
        kept = 0
        if self._unfinished is not None:
            self._unfinished.add(tiles, self._run, self.sessions.session_of(self._image))
            kept = self._unfinished.kept
        done, total = tiles[-1].done, tiles[-1].total
        self.progressed.emit(DetectionProgress(done + kept, total + kept, self._new, self._seconds_left(done, total)))

    def _models_loaded(self, loaded: ModelsLoaded) -> None:
        self._unfinished = loaded.unfinished
        if loaded.unfinished.kept:
            self._say(goes_on(loaded.unfinished.kept))
        if self._pipeline is None:
            self._pipeline, self._began = loaded.pipeline, time.monotonic()
            self._late_start(loaded.pipeline)

    def _enter(self, tiles: list[TileResult], run: ModelRun, image: Image) -> None:
        """Put tiles into the session, with the classes of the head that was learned there, and keep their features."""
        from nucloop.learning.session_heads import classified

        # the tiles of a batch go in as one: one entry in the journal, one update of the layer
        found = Nuclei.concatenate([tile.nuclei for tile in tiles], tiles[0].nuclei.scheme)
        seen = [tile.features for tile in tiles if tile.features is not None]
        encoder = None if self._pipeline is None else self._pipeline.encoder_sha256
        if not seen or encoder is None:
            # the detector names the classes itself: there are no features to keep
            run.add(found)
            return
        features = np.concatenate(seen)
        ids = run.add(found if self._head is None else classified(found, features, self._head))
        self.sessions.features_of(image).put_later(encoder, ids, features)

    def _late_start(self, pipeline: Pipeline) -> None:
        """Do what could not be done before the models were loaded."""
        if self._image is None:
            return
        try:
            check_scheme(self.nuclei_of(self._image), pipeline)
        except NucLoopError as error:
            self._forget_run(Message(str(error), Tone.ERROR))
        else:
            self._begin_nuclei(self._image, pipeline)

    def _seconds_left(self, done: int, total: int) -> float | None:
        spent = time.monotonic() - self._began
        if spent < SOONEST_FORECAST_S or not done:
            return None
        return spent / done * (total - done)

    def _end(self, ending: Ending) -> None:
        if self._image is not None:
            self._leave(done=ending.how is How.DONE)
            self._say(last_word(ending, self._found, self._new, self._outlined, self._pale))
        for notice in self._pipeline.notices if self._pipeline is not None else []:
            self._say(Message(notice, Tone.WARNING))
        self._image, self._job, self._run = None, None, None
        self.stopped.emit(ending)

    def _leave(self, *, done: bool) -> None:
        if self._unfinished is not None:
            self._unfinished.end(self.sessions.session_of(self._image), done=done)
            self._unfinished = None

    def _forget_run(self, message: Message) -> None:
        """Stop a run whose image or nuclei have gone: what still comes from it is not wanted."""
        if self._image is not None:
            self._leave(done=False)
        self._image = None
        self.cancel()
        self._say(message)

    def _session_closing(self, image: Image) -> None:
        if image is self._image and image in self._viewer.layers:
            text = "The nuclei layer was deleted while it was worked on, so detection stopped. No nucleus is lost."
            self._forget_run(Message(text, Tone.WARNING))

    def _layer_removed(self, event: Any) -> None:
        if self._image is not None and event.value is self._image:
            text = f"The image {self._image.name} was closed while it was worked on, so detection stopped."
            self._forget_run(Message(text, Tone.WARNING))

    def _say(self, message: Message) -> None:
        self.message = message
        self.said.emit(message)


def _without(box: Box, ignored: list[Region]) -> list[Box | Region]:
    left = cut_out([as_region(box.corners)], ignored)
    if not left:
        raise RegionError("All of this lies in regions that are ignored. Look elsewhere, or delete them.")
    return [*left]
