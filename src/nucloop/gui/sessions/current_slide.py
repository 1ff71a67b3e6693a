"""One slide at a time: the image that docks are about is the one that is seen, with all that lies on it."""

from __future__ import annotations

import warnings
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary, WeakSet

import numpy as np
from qtpy.QtCore import QObject, Signal

from nucloop.gui.canvas.slide_group import image_under, is_slide, layer_of, layers_on, tie
from nucloop.gui.canvas.view import image_layers, is_picture, remove_soon, to_image
from nucloop.gui.canvas.whole_view import WholeView
from nucloop.gui.layer.points_style import LAYER_NAME
from nucloop.gui.napari_private.view_state import camera_of
from nucloop.gui.widgets.deferred import DeferredCall

if TYPE_CHECKING:
    from collections.abc import Iterator

    from napari.components import ViewerModel
    from napari.layers import Image, Layer

__all__ = ["CurrentSlide"]


class CurrentSlide(QObject):
    """Knows which image is meant, and has slides take turns on the canvas.

    It is the image of the active layer, or else the one that was meant before, or else the one on top. Slides (what was
    opened by NucLoop, not other images that may lie over one) are shown one at a time, each where it was looked at
    last; a new one in full. A slide's layers are hidden, shown and removed with it.

    Parameters
    ----------
    viewer : napari viewer
        Where the images are.
    """

    changed = Signal()
    """Another image is meant."""
    left = Signal()
    """An image that stays open is no longer the one that is meant: what was said is about another."""

    def __init__(self, viewer: ViewerModel, parent: QObject) -> None:
        super().__init__(parent)
        self._viewer = viewer
        self._shown: Image | None = None
        self._put_away: WeakSet[Layer] = WeakSet()
        self._whole = WholeView.of(viewer)
        self._views: WeakKeyDictionary[Image, tuple[Any, float] | None] = WeakKeyDictionary()
        """Place and zoom at which each was looked at last; None is all of it, however large the canvas is by then."""
        self._turning = False
        self._turn = DeferredCall(self._follow, self)
        # of two slides one may not say its resolution: they are never seen together, so nothing is wrong
        warnings.filterwarnings("ignore", message="Inconsistent units across layers")
        for layer in viewer.layers:
            self._watch(layer)
        viewer.layers.events.inserted.connect(self._inserted)
        viewer.layers.events.removed.connect(self._removed)
        viewer.layers.events.reordered.connect(self._ask)
        viewer.layers.selection.events.active.connect(self._ask)
        viewer.events.reset_view.connect(self._house_pressed)
        self._follow()

    @property
    def image(self) -> Image | None:
        """The image that is meant; None without any."""
        layers = self._viewer.layers
        image = image_under(layers.selection.active)
        if image is not None and image in layers:
            return image
        if self._shown is not None and self._shown in layers:
            return self._shown
        images = image_layers(self._viewer)
        return next((image for image in images if image.visible), next(iter(images), None))

    def choose(self, image: Image) -> None:
        """Mean an image, as a click on it in the list of layers does; keys act on its nuclei at once."""
        nuclei = layer_of(self._viewer, image, LAYER_NAME)
        self._viewer.layers.selection.active = image if nuclei is None else nuclei
        self._follow()

    def _ask(self, event: object = None) -> None:
        # a layer that is made becomes the active one for a moment
        self._turn.ask()

    def _follow(self) -> None:
        """Show the image that is meant, and no other slide."""
        image = self.image
        if image is self._shown:
            return
        before, self._shown = self._shown, image
        if before is not None and before in self._viewer.layers:
            self.left.emit()
        if image is not None and is_slide(image):
            self._keep_view(before)
            others = [one for one in self._viewer.layers if is_slide(one) and one is not image]
            for one in others:
                self._hide(one)
            self._show(image)
            # napari shows the first slide by itself; one that is left when another was removed is where it was
            if before is not None or others or image in self._views:
                self._look_at(image)
            if image_under(self._viewer.layers.selection.active) is None:
                self.choose(image)
        self.changed.emit()

    def _keep_view(self, image: Image | None) -> None:
        if image is not None and image in self._viewer.layers:
            camera = camera_of(self._viewer)
            place = to_image(image, np.array(camera.center[-2:]))
            zoom = float(camera.zoom * image.scale[-1])
            self._views[image] = None if self._whole.is_shown else (place, zoom)

    def _look_at(self, image: Image) -> None:
        """Go to where an image was looked at last, or show all of it."""
        known = self._views.get(image)
        if known is None:
            self._viewer.reset_view(layers=[image])
        else:
            camera_of(self._viewer).zoom = known[1] / image.scale[-1]
            camera_of(self._viewer).center = image.data_to_world(known[0])

    def _house_pressed(self, event: object = None) -> None:
        """Show all of the slide that is seen, where napari shows all slides, those out of sight among them."""
        image = self._shown
        if self._turning or image is None or not is_slide(image) or image not in self._viewer.layers:
            return
        if sum(is_slide(layer) for layer in self._viewer.layers) > 1:
            with self._by_itself():
                self._viewer.fit_to_view(layers=[image])

    def _hide(self, image: Image) -> None:
        with self._by_itself():
            image.visible = False
        self._put_layers_away(image)

    def _put_layers_away(self, image: Image) -> None:
        for layer in layers_on(self._viewer, image):
            # pictures that the program draws over it follow the nuclei
            if layer.visible and not layer.metadata.get("nucloop", {}).get("drawn"):
                self._put_away.add(layer)
                layer.visible = False

    def _show(self, image: Image) -> None:
        with self._by_itself():
            image.visible = True
        for layer in layers_on(self._viewer, image):
            if layer in self._put_away:
                self._put_away.discard(layer)
                layer.visible = True

    def _eye_pressed(self, event: Any) -> None:
        """Have what lies on an image go with it, when a person has hidden or shown that in the list of layers."""
        image = event.source
        if self._turning or image not in self._viewer.layers:
            return
        if not image.visible:
            self._put_layers_away(image)
        elif image is self._shown or not is_slide(image):
            self._show(image)
        else:
            self.choose(image)

    @contextmanager
    def _by_itself(self) -> Iterator[None]:
        self._turning = True
        try:
            yield
        finally:
            self._turning = False

    def _watch(self, layer: Layer) -> None:
        if is_picture(layer):
            layer.events.visible.connect(self._eye_pressed)

    def _inserted(self, event: Any) -> None:
        layer, image = event.value, image_under(event.value)
        self._watch(layer)
        if image is None and layer.metadata.get("nucloop", {}).get("reference") and self.image is not None:
            # a sample's own nuclei come with it
            tie(layer, self.image, "")
        elif image is not None and image is not layer and not image.visible:
            self._put_layers_away(image)
        self._ask()

    def _removed(self, event: Any) -> None:
        gone = event.value
        if is_picture(gone):
            gone.events.visible.disconnect(self._eye_pressed)
            remove_soon(self._viewer, layers_on(self._viewer, gone))
            if gone is self._shown:
                self._shown = None
        self._ask()
