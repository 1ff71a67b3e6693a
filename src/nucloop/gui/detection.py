"""A detection run in a viewer: what to detect, the job that does it, and what becomes of its nuclei."""

from __future__ import annotations

import time
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QObject, Signal

from nucloop.errors import DataError, NucLoopError, RegionError
from nucloop.gui.jobs import Ending, How, Job
from nucloop.gui.layer_slide import mpp_of_layer, slide_of_layer
from nucloop.gui.messages import Message, Tone
from nucloop.gui.nuclei_layer import NucleiLayer
from nucloop.gui.nuclei_table import NucleiTable
from nucloop.gui.pipelines import Choice, load_pipeline, loaded_pipeline
from nucloop.gui.view import drawn_regions, view_box, view_centre
from nucloop.inference import Pipeline
from nucloop.nuclei import Nuclei

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy as np
    from napari.components import ViewerModel
    from napari.layers import Image
    from numpy.typing import NDArray

    from nucloop.inference import TileResult
    from nucloop.slides import Box

__all__ = ["LARGEST_VIEW_MM2", "Detection", "Progress", "Scope"]

LARGEST_VIEW_MM2 = 25.0
"""A larger view is asked about: nobody can look at its nuclei one by one."""
SOONEST_FORECAST_S = 1.0
"""Before this, a forecast of the time left would jump about."""


class Scope(Enum):
    """What to detect."""

    VIEW = "view"
    REGION = "region"
    SLIDE = "slide"


@dataclass(frozen=True)
class Progress:
    """How far a run is."""

    done: int
    total: int
    new: int
    """Nuclei added so far."""
    seconds_left: float | None
    """None until it can be told."""


@dataclass(frozen=True)
class Ready:
    """The first thing a run has to say: its models are loaded."""

    pipeline: Pipeline


class Detection(QObject):
    """Runs detections in one viewer, one at a time, and keeps one NucleiLayer per image.

    Parameters
    ----------
    viewer : napari viewer
        Where the images are.
    """

    progressed = Signal(object)
    """A Progress."""
    said = Signal(object)
    """A Message for the person."""
    started = Signal()
    stopped = Signal(object)
    """An Ending."""
    nuclei_changed = Signal()
    """A nuclei layer came, went or changed."""

    def __init__(self, viewer: ViewerModel, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._viewer = viewer
        self._layers: dict[Image, NucleiLayer] = {}
        self._job: Job | None = None
        self._image: Image | None = None
        self._pipeline: Pipeline | None = None
        self._found = self._new = 0
        self._began = 0.0
        self.message: Message | None = None
        viewer.layers.events.removed.connect(self._layer_removed)

    @classmethod
    def of(cls, viewer: ViewerModel) -> Detection:
        """Return the one Detection of a viewer with a window: it outlives docks that are closed and opened again."""
        window = viewer.window._qt_window
        found = window.findChild(cls)
        return cls(viewer, window) if found is None else found

    @property
    def running(self) -> bool:
        """Whether a run is under way."""
        return self._job is not None

    @property
    def cancelling(self) -> bool:
        """Whether the run was told to stop."""
        return self._job is not None and self._job.cancelling

    def nuclei_of(self, image: Image | None) -> NucleiLayer | None:
        """Return the nuclei of an image, if it was detected on."""
        return None if image is None else self._layers.get(image)

    def region_of(self, image: Image, scope: Scope) -> list[Box | NDArray[np.float64]] | None:
        """Level-0 boxes and polygons of a scope; None is the whole slide.

        Raises
        ------
        RegionError
            If there is nothing there, or a view is too large to be meant.
        """
        if scope is Scope.SLIDE:
            return None
        if scope is Scope.REGION:
            return list(drawn_regions(self._viewer, image))
        box = view_box(self._viewer, image)
        area = box.area * ((mpp_of_layer(image) or 0) / 1000) ** 2
        if area > LARGEST_VIEW_MM2:
            raise RegionError(
                f"This view covers {area:,.0f} mm². Zoom in to the field you want to see, or choose Whole slide."
            )
        return [box]

    def start(self, image: Image, scope: Scope, choice: Choice) -> None:
        """Begin a run on an image whose resolution is known; results come through the signals.

        Raises
        ------
        NucLoopError
            If the scope is empty, or the image's nuclei have other classes than the chosen head gives.
        """
        regions = self.region_of(image, scope)
        pipeline = loaded_pipeline(choice)
        if pipeline is not None:
            _check_scheme(self.nuclei_of(image), pipeline)
        self._image, self._pipeline, self._found, self._new = image, pipeline, 0, 0
        self._began = time.monotonic()
        centre = view_centre(self._viewer, image)
        self._job = Job(lambda: _steps(image, regions, centre, choice), self)
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

    def abandon(self) -> None:
        """Stop for good: the viewer closes."""
        if self._job is not None:
            self._job.abandon()
            self._job = None

    def prepare(self, image: Image, choice: Choice) -> None:
        """Make an empty nuclei layer for an image, so that the first nuclei do not wait for it.

        Does nothing while the models are not loaded, the resolution is unknown, or the image has its layer already.
        """
        pipeline = loaded_pipeline(choice)
        if self.running or pipeline is None or mpp_of_layer(image) is None or image in self._layers:
            return
        selected = self._viewer.layers.selection.active
        self._make_layer(image, pipeline)
        self._viewer.layers.selection.active = selected

    def _begin_nuclei(self, image: Image, pipeline: Pipeline) -> None:
        """Make the image's nuclei layer if there is none, and tell its table that a run begins."""
        nuclei = self._layers.get(image)
        if nuclei is not None and nuclei.table.scheme != pipeline.scheme:
            self._viewer.layers.remove(nuclei.layer)
            nuclei = None
        if nuclei is None:
            nuclei = self._make_layer(image, pipeline)
        nuclei.table.begin_run()
        nuclei.layer.visible = True
        self._viewer.layers.selection.active = nuclei.layer
        self.nuclei_changed.emit()

    def _make_layer(self, image: Image, pipeline: Pipeline) -> NucleiLayer:
        mpp = mpp_of_layer(image)
        assert mpp is not None
        nuclei = NucleiLayer(self._viewer, image, NucleiTable(pipeline.scheme), mpp)
        nuclei.setParent(self)
        nuclei.changed.connect(self.nuclei_changed)
        self._layers[image] = nuclei
        return nuclei

    def _take(self, items: list[Ready | TileResult]) -> None:
        tiles: list[TileResult] = []
        for item in items:
            if not isinstance(item, Ready):
                tiles.append(item)
            elif self._pipeline is None:
                self._pipeline, self._began = item.pipeline, time.monotonic()
                self._late_start(item.pipeline)
        nuclei = self.nuclei_of(self._image)
        if nuclei is None or not tiles:
            return
        found = Nuclei.concatenate([tile.nuclei for tile in tiles], nuclei.table.scheme)
        self._found += len(found)
        self._new += nuclei.add_found(found)
        done, total = tiles[-1].done, tiles[-1].total
        self.progressed.emit(Progress(done, total, self._new, self._seconds_left(done, total)))

    def _late_start(self, pipeline: Pipeline) -> None:
        """Do what could not be done before the models were loaded."""
        if self._image is None:
            return
        try:
            _check_scheme(self.nuclei_of(self._image), pipeline)
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
            self._say(_last_word(ending, self._found, self._new))
        for notice in self._pipeline.notices if self._pipeline is not None else []:
            self._say(Message(notice, Tone.WARNING))
        self._image, self._job = None, None
        self.stopped.emit(ending)

    def _forget_run(self, message: Message) -> None:
        """Stop a run whose image or nuclei have gone: what still comes from it is not wanted."""
        self._image = None
        self.cancel()
        self._say(message)

    def _layer_removed(self, event: Any) -> None:
        gone = event.value
        for image, nuclei in list(self._layers.items()):
            if gone is image or gone is nuclei.layer:
                del self._layers[image]
                nuclei.deleteLater()
                if image is self._image:
                    what = f"The image {image.name} was closed" if gone is image else "The nuclei were deleted"
                    self._forget_run(Message(f"{what} while it was worked on, so detection stopped.", Tone.WARNING))
                self.nuclei_changed.emit()
        if self._image is not None and gone is self._image:
            self._forget_run(Message(f"The image {self._image.name} was closed, so detection stopped.", Tone.WARNING))

    def _say(self, message: Message) -> None:
        self.message = message
        self.said.emit(message)


def _check_scheme(nuclei: NucleiLayer | None, pipeline: Pipeline) -> None:
    if nuclei is not None and nuclei.table.scheme != pipeline.scheme and len(nuclei.table):
        raise DataError(
            f"The nuclei of {nuclei.image.name} have the classes of {nuclei.table.scheme.name}, the chosen head gives "
            f"those of {pipeline.scheme.name}. Delete the layer {nuclei.layer.name} to begin anew, or choose the head "
            "it was made with."
        )


def _steps(
    image: Image,
    regions: list[Box | NDArray[np.float64]] | None,
    centre: tuple[float, float] | None,
    choice: Choice,
) -> Iterator[Ready | TileResult]:
    """First the pipeline, then its tiles. Runs in the job's thread."""
    pipeline = load_pipeline(choice)
    yield Ready(pipeline)
    with slide_of_layer(image) as slide:
        yield from pipeline.run(slide, regions, centre=centre)


def _last_word(ending: Ending, found: int, new: int) -> Message:
    """Say in a sentence how a run has ended."""
    if ending.how is How.FAILED:
        return Message(ending.message, Tone.ERROR, ending.details)
    if ending.how is How.CANCELLED:
        if not new:
            return Message("Cancelled before anything new was found.")
        return Message(f"Cancelled. {_nuclei(new)} found until then {'is' if new == 1 else 'are'} kept.")
    if not found:
        return Message("No nuclei found here. Move to a field with tissue, or zoom in, and detect again.", Tone.WARNING)
    if not new:
        return Message(f"Nothing new: {_nuclei(found)} found here {'was' if found == 1 else 'were'} known before.")
    known = f"; {found - new:,} known before" if found > new else ""
    return Message(f"{_nuclei(new)} {'added' if known else 'found'}{known}.", Tone.GOOD)


def _nuclei(count: int) -> str:
    return "1 nucleus" if count == 1 else f"{count:,} nuclei"
