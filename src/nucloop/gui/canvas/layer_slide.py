"""The way back: the slide that a napari Image layer shows."""

from pathlib import Path
from typing import Any

import pint
from napari.layers import Image

from nucloop.errors import SlideError
from nucloop.gui.canvas.slide_layers import MICROMETRE
from nucloop.slides import Slide, open_slide, slide_from_levels

_SAME = 1e-3


def mpp_of_layer(layer: Image) -> float | None:
    """µm per pixel of level 0, from the layer's scale when its units are a length, else its metadata."""
    size = _pixel_size(layer)
    if size is not None:
        return size
    said = layer.metadata.get("nucloop", {}).get("mpp")
    return float(said) if said else None


def was_said(layer: Image) -> bool:
    """Whether its resolution is what a person said, and not what the file says."""
    return bool(layer.metadata.get("nucloop", {}).get("said"))


def has_file(layer: Image) -> bool:
    """Whether it was opened from a file by NucLoop."""
    return bool(layer.metadata.get("nucloop", {}).get("path"))


def set_layer_mpp(layer: Image, mpp: float) -> None:
    """Write down what a person said about the resolution: metadata, scale and units."""
    layer.metadata["nucloop"] = {**layer.metadata.get("nucloop", {}), "mpp": float(mpp), "said": True}
    layer.units = (*layer.units[:-2], MICROMETRE, MICROMETRE)
    layer.scale = (*layer.scale[:-2], mpp, mpp)


def slide_of_layer(layer: Image) -> Slide:
    """Return the slide a layer shows, read from its own file where it has one.

    Parameters
    ----------
    layer : napari.layers.Image
        RGB or grey, multiscale or not.

    Returns
    -------
    Slide
        Its `mpp` is None when neither scale nor metadata tell.

    Raises
    ------
    SlideError
        If the layer is not a flat brightfield picture.
    """
    mpp = mpp_of_layer(layer)
    levels = list(layer.data) if layer.multiscale else [layer.data]
    slide = _slide_of_file(layer, levels[0].shape)
    if slide is None:
        slide = slide_from_levels(levels, name=layer.name)
    return slide if mpp is None else slide.with_mpp(mpp)


def _slide_of_file(layer: Image, shape: tuple[int, ...]) -> Slide | None:
    """Open the layer's own file, unless it is gone or has become another picture."""
    said = layer.metadata.get("nucloop", {})
    path = said.get("path")
    if not path or not Path(path).exists():
        return None
    try:
        slide = open_slide(path, image=said.get("image"))
    except SlideError:
        return None
    return slide if slide.shape == tuple(shape[:2]) else None


def _pixel_size(layer: Image) -> float | None:
    sides = []
    for scale, unit in zip(layer.scale[-2:], layer.units[-2:], strict=True):
        try:
            sides.append(float(scale) * _microns(unit))
        except pint.DimensionalityError:
            return None
    y, x = sides
    return (y + x) / 2 if y > 0 and abs(y - x) <= _SAME * max(x, y) else None


def _microns(unit: Any) -> float:
    return float((1.0 * unit).to(MICROMETRE).magnitude)
