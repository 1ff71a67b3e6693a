"""Whether a file of nuclei belongs to the slide it is about to be laid on."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from nucloop.formats.document import Document
    from nucloop.formats.slide_info import SlideInfo

__all__ = ["likely_scale", "misfits"]

_MPP_TOLERANCE = 0.02
_COMMON_SCALES = (2.0, 4.0, 0.5, 0.25)
_ENOUGH = 20
_SMALL_CORNER = 0.55


def misfits(document: Document, slide: SlideInfo) -> list[str]:
    """Say in sentences what speaks against a file being of this slide; nothing when all fits.

    Parameters
    ----------
    document : Document
        What was read; its nuclei in level-0 pixels of their slide.
    slide : SlideInfo
        The slide that they are to lie on.

    Returns
    -------
    list of str
        A file of another slide, of another resolution, or places outside the slide.
    """
    found = []
    said = document.slide
    if said is not None:
        if said.sha256 and slide.sha256 and said.sha256 != slide.sha256:
            found.append(f"The file was made for another slide, {said.name}: the two files begin differently.")
        elif said.height and (said.height, said.width) != (slide.height, slide.width):
            found.append(
                f"The file was made for a slide of {said.width} x {said.height} pixels, {said.name}; this one has "
                f"{slide.width} x {slide.height}."
            )
        if said.mpp and slide.mpp and abs(said.mpp / slide.mpp - 1) > _MPP_TOLERANCE:
            found.append(
                f"The file was made at {said.mpp:g} µm per pixel, this slide has {slide.mpp:g}: its places must be "
                f"multiplied by {said.mpp / slide.mpp:.4g}."
            )
    return found + _places(document, slide)


def _places(document: Document, slide: SlideInfo) -> list[str]:
    yx = document.nuclei.yx
    if not len(yx):
        return []
    outside = ~((yx >= -0.5) & (yx < np.array([slide.height, slide.width]) - 0.5)).all(axis=1)
    found = []
    if outside.any():
        first = yx[np.argmax(outside)]
        found.append(
            f"{int(outside.sum()):,} of {len(yx):,} nuclei lie outside the slide, the first at y {first[0]:.0f}, "
            f"x {first[1]:.0f}; it has {slide.height} rows and {slide.width} columns."
        )
    scale = likely_scale(document, slide)
    if scale is not None:
        found.append(
            f"The nuclei would fill the slide if their places were multiplied by {scale:g}: they were probably "
            "marked at another magnification."
        )
    return found


def likely_scale(document: Document, slide: SlideInfo) -> float | None:
    """Guess by what to multiply the places of nuclei marked at another magnification; None when they may be right.

    Only nuclei that are spread over a slide tell: those of a single field may lie anywhere, so nuclei within the slide
    are taken as right unless they stop short at the same fraction of its height and of its width.
    """
    yx = document.nuclei.yx
    said = document.slide
    if said is not None and said.mpp and slide.mpp:
        factor = said.mpp / slide.mpp
        return factor if abs(factor - 1) > _MPP_TOLERANCE else None
    if len(yx) < _ENOUGH:
        return None
    reach = np.quantile(yx, 0.99, axis=0) / np.array([slide.height, slide.width])
    low = np.quantile(yx, 0.01, axis=0) / np.array([slide.height, slide.width])
    for scale in _COMMON_SCALES:
        fills = (np.abs(reach * scale - 0.95) < 0.06).all() and (low * scale < 0.1).all()
        beyond = reach.max() > 1.02
        if fills and (scale < 1) == beyond and (beyond or reach.max() < _SMALL_CORNER):
            return scale
    return None
