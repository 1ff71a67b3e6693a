"""A picture that the program draws over a part of an image, in a layer of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari.layers import Image

from nucloop.gui.canvas.slide_group import tie
from nucloop.gui.canvas.view import placement, placement_of_cells

if TYPE_CHECKING:
    import numpy as np
    from napari.components import ViewerModel
    from numpy.typing import NDArray

    from nucloop.gui.layer.viewport import Viewport

__all__ = ["ViewPicture"]


class ViewPicture:
    """The layer that shows it: made when first needed, and again when somebody deleted it.

    Parameters
    ----------
    viewer : napari viewer
        Gets the layer.
    image : Image layer
        On which it lies.
    name : str
        What the layer is called.
    smooth : bool
        Whether pixels flow into each other.
    """

    def __init__(self, viewer: ViewerModel, image: Image, name: str, *, smooth: bool = True) -> None:
        self._viewer, self._image, self._name, self._smooth = viewer, image, name, smooth
        self.layer: Image | None = None

    @property
    def shown(self) -> bool:
        """Whether it is to be seen."""
        return self.layer is not None and self.layer in self._viewer.layers and self.layer.visible

    def show(self, picture: NDArray[np.uint8], viewport: Viewport) -> None:
        """Show a picture over a viewport of the image."""
        layer = self.layer
        if layer is None or layer not in self._viewer.layers:
            layer = self._make(picture)
        cell = viewport.height / picture.shape[0], viewport.width / picture.shape[1]
        where = placement_of_cells(self._image, cell, (viewport.top, viewport.left))
        with layer.events.blocker_all():
            layer.scale, layer.translate = where["scale"], where["translate"]
        layer.data = picture
        layer.visible = True

    def hide(self) -> None:
        """Show nothing."""
        if self.layer is not None and self.layer.visible:
            self.layer.visible = False

    def release(self) -> list[Image]:
        """Let go of the layer, if there is one, for somebody to take it out of the viewer."""
        layer, self.layer = self.layer, None
        return [] if layer is None else [layer]

    def _make(self, picture: NDArray[np.uint8]) -> Image:
        where = {name: value for name, value in placement(self._image).items() if name not in ("scale", "translate")}
        self.layer = Image(
            picture,
            rgb=True,
            name=self._name,
            interpolation2d="linear" if self._smooth else "nearest",
            metadata={"nucloop": {"drawn": True}},
            **where,
        )
        tie(self.layer, self._image, self._name)
        active = self._viewer.layers.selection.active
        self._viewer.add_layer(self.layer)
        self._viewer.layers.selection.active = active
        return self.layer
