"""What changes the colours of an image as it is drawn: one stain alone, brightness, white balance.

It is a filter of vispy's, carried out for each pixel of the screen while a frame is drawn, after the slide's own pixels
were read: nothing else sees other pixels, and where there is no filter nothing is paid for it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

import numpy as np
from vispy.visuals.filters import Filter

from nucloop.gui.napari_private.parts import node_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari.components import ViewerModel
    from napari.layers import Image
    from numpy.typing import ArrayLike

__all__ = ["colour_as_scanned", "colour_by"]

# with all stains; densities as in nucloop.slides.stains
_ALL = """
void nucloop_colours() {
    gl_FragColor.rgb = clamp(gl_FragColor.rgb * $gain, 0.0, 1.0);
}
"""
_ONE_STAIN = """
void nucloop_colours() {
    vec3 density = -log((clamp(gl_FragColor.rgb, 0.0, 1.0) * 255.0 + 1.0) / 256.0);
    float amount = max(dot(density, $unmixing), 0.0);
    vec3 light = (exp(-amount * $stain) * 256.0 - 1.0) / 255.0;
    gl_FragColor.rgb = clamp(light * $gain, 0.0, 1.0);
}
"""
_LAST = 9
"""Position among the filters of an image, after its opacity."""

_filters: WeakKeyDictionary[Any, Filter] = WeakKeyDictionary()
"""By vispy's node."""


def colour_by(
    viewer: ViewerModel,
    image: Image,
    gain: Sequence[float],
    stain: tuple[ArrayLike, ArrayLike] | None = None,
) -> None:
    """Draw an image in other colours from now on.

    Parameters
    ----------
    viewer, image
    gain : three floats
        By which red, green and blue are multiplied.
    stain : two of (3,) floats, optional
        For one stain alone: what makes its amount of a pixel's optical densities (a column of the inverse of
        `stain_matrix`), and the densities of one unit of it (its row).
    """
    node = node_of(viewer, image)
    if node is None or not hasattr(node, "attach"):
        return
    code, known = _ALL if stain is None else _ONE_STAIN, _filters.get(node)
    if known is None or ("unmixing" in known.fshader.code) != (stain is not None):
        colour_as_scanned(viewer, image)
        known = _filters[node] = Filter(fcode=code, fpos=_LAST)
        _set(known, gain, stain)
        node.attach(known)
    else:
        _set(known, gain, stain)
    node.update()


def colour_as_scanned(viewer: ViewerModel, image: Image) -> None:
    """Draw an image as it is again."""
    node = node_of(viewer, image)
    known = None if node is None else _filters.pop(node, None)
    if known is not None:
        node.detach(known)
        node.update()


def _set(known: Filter, gain: Sequence[float], stain: tuple[ArrayLike, ArrayLike] | None) -> None:
    known.fshader["gain"] = tuple(map(float, gain))
    if stain is not None:
        known.fshader["unmixing"], known.fshader["stain"] = (tuple(np.ravel(part).tolist()) for part in stain)
