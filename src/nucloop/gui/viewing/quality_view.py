"""Tissue and quality of the slides of one viewer, looked at in the background and laid over a slide as a layer."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

from napari.layers import Labels
from napari.utils.colormaps import DirectLabelColormap
from qtpy.QtCore import QObject, Signal

from nucloop.errors import NucLoopError
from nucloop.gui.canvas.layer_slide import mpp_of_layer, slide_of_layer
from nucloop.gui.canvas.slide_group import layer_of, tie
from nucloop.gui.canvas.view import placement, placement_of_cells
from nucloop.gui.viewing.quality_picture import COLOURS, QualityWords, quality_picture, quality_words
from nucloop.gui.widgets.jobs import How, Job
from nucloop.slides.quality import Quality, look_at_quality

if TYPE_CHECKING:
    from collections.abc import Iterator

    from napari.components import ViewerModel
    from napari.layers import Image

    from nucloop.gui.widgets.jobs import Ending
    from nucloop.slides import Slide

__all__ = ["QUALITY_NAME", "QualityView", "ShownQuality"]

QUALITY_NAME = "Tissue and quality"
_OPACITY = 0.4
_LOOKING = "Looking at the slide …"


@dataclass(frozen=True)
class ShownQuality:
    """What a person sees of it now."""

    on: bool = False
    lines: tuple[QualityWords, ...] = ()
    """Each beside its colour."""
    words: str = ""
    """While it is looked at, or why it cannot be."""


@dataclass
class _Known:
    """What is known of an image at a resolution."""

    mpp: float | None
    on: bool = True
    job: Job | None = None
    quality: Quality | None = None
    trouble: str = ""


class QualityView(QObject):
    """Lays tissue, folds, ink and windows out of focus over a slide, where a person asks for it.

    It is for looking: nothing is left out, and nothing counted, by it.

    Parameters
    ----------
    viewer : napari viewer
    parent : QObject
    """

    changed = Signal()

    def __init__(self, viewer: ViewerModel, parent: QObject) -> None:
        super().__init__(parent)
        self._viewer = viewer
        self._known: WeakKeyDictionary[Image, _Known] = WeakKeyDictionary()
        viewer.layers.events.removed.connect(self._layer_removed)

    def of(self, image: Image | None) -> ShownQuality:
        """Return what is seen of an image's."""
        known = None if image is None else self._known.get(image)
        if known is None or not known.on:
            return ShownQuality()
        if known.quality is not None:
            return ShownQuality(on=True, lines=tuple(quality_words(known.quality)))
        return ShownQuality(on=True, words=known.trouble or _LOOKING)

    def show(self, image: Image) -> None:
        """Lay it over an image; where it is not known, it is looked at in the background first."""
        known = self._known.get(image)
        if known is None or known.mpp != mpp_of_layer(image) or known.trouble:
            self._forget(image)
            known = self._known[image] = _Known(mpp_of_layer(image))
            self._look_at(image, known)
        known.on = True
        self._lay(image, known)
        self.changed.emit()

    def hide(self, image: Image) -> None:
        """Take it away; what is known stays known."""
        known = self._known.get(image)
        if known is not None and known.on:
            known.on = False
            layer = layer_of(self._viewer, image, QUALITY_NAME)
            if layer is not None:
                layer.visible = False
            self.changed.emit()

    def follow(self, image: Image) -> None:
        """Look again where an image has another resolution by now."""
        known = self._known.get(image)
        if known is not None and known.mpp != mpp_of_layer(image):
            on = known.on
            self._forget(image)
            if on:
                self.show(image)

    def _forget(self, image: Image) -> None:
        known = self._known.pop(image, None)
        if known is not None and known.job is not None:
            known.job.abandon()
        layer = layer_of(self._viewer, image, QUALITY_NAME)
        if layer is not None:
            self._viewer.layers.remove(layer)

    def _look_at(self, image: Image, known: _Known) -> None:
        if known.mpp is None:
            known.trouble = (
                f"{image.name} does not say how many µm a pixel covers, so nobody can tell dust from tissue. "
                "Press Detect and answer the question, then try again."
            )
            return
        try:
            slide = slide_of_layer(image)
        except NucLoopError as error:
            known.trouble = str(error)
            return
        known.job = Job(partial(_look, slide), self)
        known.job.items.connect(lambda items: self._seen(image, known, items[-1]))
        known.job.ended.connect(lambda ending: self._ended(known, ending))
        known.job.start()

    def _seen(self, image: Image, known: _Known, quality: Quality) -> None:
        known.quality = quality
        self._lay(image, known)
        self.changed.emit()

    def _ended(self, known: _Known, ending: Ending) -> None:
        known.job = None
        if ending.how is How.FAILED:
            known.trouble = ending.message
            self.changed.emit()

    def _lay(self, image: Image, known: _Known) -> None:
        if not known.on or known.quality is None or image not in self._viewer.layers:
            return
        layer = layer_of(self._viewer, image, QUALITY_NAME)
        if layer is None:
            self._add(image, known.quality)
        else:
            layer.visible = True

    def _add(self, image: Image, quality: Quality) -> None:
        where = placement(image) | placement_of_cells(image, (quality.tissue.step, quality.tissue.step))
        colours = {0: "transparent", None: "transparent"} | COLOURS
        layer = Labels(
            quality_picture(quality), opacity=_OPACITY, colormap=DirectLabelColormap(color_dict=colours), **where
        )
        layer.editable = False
        tie(layer, image, QUALITY_NAME)
        layers, active = self._viewer.layers, self._viewer.layers.selection.active
        # above the slide, below its nuclei
        layers.insert(layers.index(image) + 1, layer)
        layers.selection.active = active
        layer.visible = image.visible
        layer.events.visible.connect(self._eye_pressed)

    def _eye_pressed(self, event: object = None) -> None:
        """Take the layer's eye in the list of layers for the switch."""
        for image, known in list(self._known.items()):
            layer = layer_of(self._viewer, image, QUALITY_NAME)
            if layer is not None and image.visible and known.on != layer.visible:
                known.on = layer.visible
                self.changed.emit()

    def _layer_removed(self, event: object = None) -> None:
        for image, known in list(self._known.items()):
            if image not in self._viewer.layers:
                self._forget(image)
            elif known.on and known.quality is not None and layer_of(self._viewer, image, QUALITY_NAME) is None:
                known.on = False
                self.changed.emit()


def _look(slide: Slide) -> Iterator[Quality]:
    """Look at a slide. Runs in a job's thread."""
    with slide:
        yield look_at_quality(slide)
