"""The nuclei from afar: a picture of how many lie where, in the colours of their classes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from napari.layers import Image

from nucloop.gui.canvas.colouring import class_palette
from nucloop.gui.canvas.view import placement

if TYPE_CHECKING:
    from napari.components import ViewerModel
    from numpy.typing import NDArray

    from nucloop.gui.layer.viewport import Viewport
    from nucloop.session import Session

__all__ = ["DENSITY_NAME", "DensityLayer", "density_picture"]

DENSITY_NAME = "Nuclei from afar"
CELL = 5
"""Side of a cell on screen, pixels."""
_MOST_CELLS = 600
_FAINTEST, _STRONGEST = 0.25, 0.85
_CROWDED = 0.98
"""The share of occupied cells that are not the fullest ones: a few crowded cells must not pale all others."""


def density_picture(session: Session, viewport: Viewport, hidden: frozenset[int] = frozenset()) -> NDArray[np.uint8]:
    """Return nuclei per cell as colours, (rows, columns, 4); classes that are hidden are left out."""
    cell = max(CELL * viewport.pixel, max(viewport.height, viewport.width) / _MOST_CELLS)
    shape = max(1, round(viewport.height / cell)), max(1, round(viewport.width / cell))
    counts = session.density(*viewport.box, shape).astype(np.float32)
    for label in hidden:
        counts[label] = 0
    total = counts.sum(0)
    occupied = total > 0
    picture = np.zeros((*shape, 4), np.float32)
    if occupied.any():
        colours = class_palette(session.scheme)[:, :3]
        picture[..., :3] = np.einsum("cyx,ck->yxk", counts, colours) / np.maximum(total, 1)[..., None]
        share = np.sqrt(np.minimum(total / np.quantile(total[occupied], _CROWDED), 1))
        picture[..., 3] = np.where(occupied, _FAINTEST + (_STRONGEST - _FAINTEST) * share, 0)
    return (picture * 255).astype(np.uint8)


class DensityLayer:
    """The layer that shows it: made when first needed, and again when somebody deleted it."""

    def __init__(self, viewer: ViewerModel, image: Image) -> None:
        self._viewer, self._image = viewer, image
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
        cell = np.array([viewport.height / picture.shape[0], viewport.width / picture.shape[1]])
        with layer.events.blocker_all():
            layer.scale = np.abs(self._image.scale[-2:]) * cell
            corner = np.array([viewport.top, viewport.left]) + cell / 2 - 0.5
            world = np.asarray(self._image.data_to_world(corner))[-2:]
            layer.translate = np.asarray(layer.affine.inverse(world))
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
            name=DENSITY_NAME,
            interpolation2d="linear",
            metadata={"nucloop": {"density": True}},
            **where,
        )
        active = self._viewer.layers.selection.active
        self._viewer.add_layer(self.layer)
        self._viewer.layers.selection.active = active
        return self.layer
